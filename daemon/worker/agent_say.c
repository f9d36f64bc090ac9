/* SPDX-License-Identifier: MIT */
/* See agent_say.h. */
#include "daemon/worker/agent_say.h"

#include <string.h>

#include "base/mem.h"
#include "base/redact.h"
#include "base/text.h"
#include "daemon/worker/agent.h"

#define SHOWN_MAX 200  /* columns of a line */
#define TAIL_LINES 40

static void say_cut(const struct ff_agent_run *run, const char *stream, const char *mark, const char *text)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(text, SHOWN_MAX);
	FF_AUTO(ff_free) char *line = *mark ? ff_asprintf("%s %s", mark, shown) : ff_strdup(shown);

	run->log(run->arg, stream, line);
}

void ff_agent_say(const struct ff_agent_run *run, const char *stream, const char *mark, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);

	say_cut(run, stream, mark, clean ? clean : text);
}

static const char *tail(const char *text)
{
	const char *p = text + strlen(text);
	int lines = 0;

	while (p > text && lines <= TAIL_LINES)
		if (*--p == '\n')
			lines++;
	return p > text ? p + 1 : text;
}

void ff_agent_say_tail(const struct ff_agent_run *run, const char *stream, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);
	const char *all = clean ? clean : text, *from = tail(all);

	if (from > all)
		run->log(run->arg, stream, "[...]");
	/* Line by line through the one function that makes job text harmless. */
	while (*from) {
		size_t n = strcspn(from, "\n");
		FF_AUTO(ff_free) char *line = ff_memdup0(from, n);

		say_cut(run, stream, "", line);
		from += n + (from[n] == '\n');
	}
}

void ff_agent_say_all(const struct ff_agent_run *run, const char *stream, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);

	run->log(run->arg, stream, clean ? clean : text);
}

char *ff_agent_shown(const struct ff_agent_run *run, const char *text, size_t most)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);

	return ff_text_shown(clean ? clean : text, most);
}
