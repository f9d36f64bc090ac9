/* SPDX-License-Identifier: MIT */
/* What became of a job's conflicts, path by path, for show. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "cli/view.h"
#include "ipc/ipc.h"
#include "job/rung.h"

#define OID_SHOWN 10
#define COLUMNS 160

static void lines(const struct ff_print *p, const char *before, const json_t *list)
{
	json_t *line;
	size_t i;

	json_array_foreach(list, i, line) {
		FF_AUTO(ff_free) char *text = NULL;
		FF_AUTO(ff_free) char *shown = NULL;

		if (ff_json_bytes(line, &text, NULL) < 0)
			continue;
		shown = ff_text_shown(text, COLUMNS);
		(void)fprintf(p->f, "%s%s\n", before, shown);
	}
}

static void print_try(const struct ff_print *p, const json_t *t)
{
	FF_AUTO(ff_free) char *how = ff_view_name(t, "how");
	FF_AUTO(ff_free) char *text = ff_view_name(t, "text");
	FF_AUTO(ff_free) char *how_shown = ff_text_shown(how, 60);
	FF_AUTO(ff_free) char *text_shown = ff_text_shown(text, COLUMNS);
	FF_AUTO(ff_free) char *outcome = ff_text_shown(ff_view_str(t, "outcome"), 20);
	int64_t tokens = ff_view_int(t, "tokens_in") + ff_view_int(t, "tokens_out"), us = ff_view_int(t, "time_us");
	char money[FF_MONEY_TEXT];

	(void)fprintf(p->f, "    line %" PRId64 ": %s: %s%s%s%s, %" PRId64 ".%" PRId64 " ms", ff_view_int(t, "line"), ff_rung_name(ff_view_int(t, "rung")), outcome,
		      *how ? " (" : "", how_shown, *how ? ")" : "", us / 1000, us / 100 % 10);
	if (json_is_integer(json_object_get(t, "confidence")))
		(void)fprintf(p->f, ", sure to %" PRId64 " %%", ff_view_int(t, "confidence"));
	if (ff_view_int(t, "entry"))
		(void)fprintf(p->f, ", entry %" PRId64, ff_view_int(t, "entry"));
	if (tokens) {
		ff_print_money(ff_view_int(t, "cost_microusd"), money);
		(void)fprintf(p->f, ", %" PRId64 " tokens, %s", tokens, money);
	}
	(void)fprintf(p->f, "%s%s\n", *text ? ": " : "", text_shown);
	lines(p, "      refused: ", json_object_get(t, "objections"));
}

static void print_path(const struct ff_print *p, const json_t *o)
{
	FF_AUTO(ff_free) char *path = ff_view_name(o, "path");
	FF_AUTO(ff_free) char *verdict = ff_text_shown(ff_view_str(o, "verdict"), 20);
	json_t *t;
	size_t i;

	(void)fputs("  ", p->f);
	ff_print_shown(p, FF_PLAIN, *path ? path : "all commits");
	(void)fprintf(p->f, ": %s (%.*s)\n", *verdict ? verdict : "-", OID_SHOWN, ff_view_str(o, "commit"));
	json_array_foreach(json_object_get(o, "tries"), i, t)
		print_try(p, t);
	lines(p, "    dropped: ", json_object_get(o, "dropped"));
	lines(p, "    refused: ", json_object_get(o, "reasons"));
}

void ff_view_ladder(const struct ff_print *p, const json_t *job)
{
	const json_t *list = json_object_get(job, "resolutions");
	json_t *o;
	size_t i;

	if (json_array_size(list))
		(void)fputs("resolutions\n", p->f);
	json_array_foreach(list, i, o)
		print_path(p, o);
}
