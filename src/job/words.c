/* SPDX-License-Identifier: MIT */
/*
 * The words of job_states.def and event.def, both ways.  They are on disk, in
 * the API and in events, so they come from the tables alone.
 */
#include "job/job.h"

#include <string.h>

struct word {
	int value;
	const char *word;
};

static const struct word states[] = {
#define FF_STATE(n, name, word, end) { n, word },
#include "job/job_states.def"
#undef FF_STATE
};
static const struct word waits[] = {
#define FF_WAIT(n, name, word, text) { n, word },
#include "job/job_states.def"
#undef FF_WAIT
};
static const struct word wait_texts[] = {
#define FF_WAIT(n, name, word, text) { n, text },
#include "job/job_states.def"
#undef FF_WAIT
};
static const struct word steps[] = {
#define FF_STEP(n, name, word) { n, word },
#include "job/job_states.def"
#undef FF_STEP
};
static const struct word priorities[] = {
#define FF_PRIORITY(n, name, word) { n, word },
#include "job/job_states.def"
#undef FF_PRIORITY
};
static const struct word events[] = {
#define FF_EVENT(n, name, word) { n, word },
#include "job/event.def"
#undef FF_EVENT
};

static const char *word_of(const struct word *words, size_t n, int value)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].value == value)
			return words[i].word;
	return "unknown"; /* a number of a newer version's record */
}

static const struct word *row_of(const struct word *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].word, word))
			return &words[i];
	return NULL;
}

const char *ff_job_state_word(enum ff_job_state s)
{
	return word_of(states, FF_ARRAY_LEN(states), (int)s);
}

int ff_job_state_by_word(const char *word, enum ff_job_state *ret)
{
	const struct word *row = row_of(states, FF_ARRAY_LEN(states), word);

	if (!row)
		return -1;
	*ret = (enum ff_job_state)row->value;
	return 0;
}

bool ff_job_state_ended(enum ff_job_state s)
{
	switch (s) {
#define FF_STATE(n, name, word, end) case FF_JOB_##name: return end;
#include "job/job_states.def"
#undef FF_STATE
	}
	return false; /* not created yet */
}

const char *ff_job_wait_word(enum ff_job_wait w)
{
	return w == FF_WAIT_NONE ? "" : word_of(waits, FF_ARRAY_LEN(waits), (int)w);
}

const char *ff_job_wait_text(enum ff_job_wait w)
{
	return w == FF_WAIT_NONE ? "" : word_of(wait_texts, FF_ARRAY_LEN(wait_texts), (int)w);
}

const char *ff_step_word(enum ff_step_kind k)
{
	return k == FF_STEP_NONE ? "" : word_of(steps, FF_ARRAY_LEN(steps), (int)k);
}

int ff_step_by_word(const char *word, enum ff_step_kind *ret)
{
	const struct word *row = row_of(steps, FF_ARRAY_LEN(steps), word);

	if (!row)
		return -1;
	*ret = (enum ff_step_kind)row->value;
	return 0;
}

const char *ff_priority_word(enum ff_priority p)
{
	return word_of(priorities, FF_ARRAY_LEN(priorities), (int)p);
}

int ff_priority_by_word(const char *word, enum ff_priority *ret)
{
	const struct word *row = row_of(priorities, FF_ARRAY_LEN(priorities), word);

	if (!row)
		return -1;
	*ret = (enum ff_priority)row->value;
	return 0;
}

const char *ff_event_name(enum ff_event_type t)
{
	return word_of(events, FF_ARRAY_LEN(events), (int)t);
}

int ff_event_by_name(const char *name, enum ff_event_type *ret)
{
	const struct word *row = row_of(events, FF_ARRAY_LEN(events), name);

	if (!row)
		return -1;
	*ret = (enum ff_event_type)row->value;
	return 0;
}
