/* SPDX-License-Identifier: MIT */
/* See view.h. Every string goes through ff_print_shown, a table or ff_print_lines. */
#include "cli/view.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/names.h"
#include "base/text.h"
#include "ipc/ipc.h"
#include "job/job.h"

#define OID_SHOWN 10     /* hex digits of an object id in a line for people */
#define LINE_MAX_BYTES (512 * 1024)

char *ff_view_name(const json_t *object, const char *key)
{
	char *name = NULL;

	if (ff_msg_bytes(object, key, &name, NULL) < 0 || !name)
		return ff_strdup("");
	return name;
}

const char *ff_view_str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

int64_t ff_view_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

enum ff_colour ff_view_state_colour(const char *word)
{
	enum ff_job_state state;

	if (ff_job_state_by_word(word, &state) < 0)
		return FF_PLAIN;
	switch (state) {
	case FF_JOB_QUEUED: return FF_PLAIN;
	case FF_JOB_WAITING: case FF_JOB_HELD: return FF_YELLOW;
	case FF_JOB_RUNNING: return FF_CYAN;
	case FF_JOB_COMPLETED: return FF_GREEN;
	case FF_JOB_FAILED: case FF_JOB_CONFLICTED: return FF_RED;
	case FF_JOB_CANCELLED: case FF_JOB_SUPERSEDED: case FF_JOB_EXPIRED: return FF_DIM;
	}
	return FF_PLAIN;
}

void ff_view_number_cell(struct ff_table *t, const json_t *row, const char *key)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64, ff_view_int(row, key));

	ff_table_cell(t, FF_PLAIN, text);
}

void ff_view_rows(const struct ff_print *p, bool as_json, const json_t *rows, const struct ff_column *columns, size_t count,
		  ff_view_row_fn fn)
{
	FF_AUTO(ff_table_free) struct ff_table *t = ff_table_new(columns, count);
	json_t *row;
	size_t i;

	if (as_json) {
		ff_print_json(p, rows);
		return;
	}
	json_array_foreach(rows, i, row)
		fn(t, row);
	ff_table_print(t, p);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* How long ago, or "" for a time that is absent. */
static void ago(const json_t *object, const char *key, int64_t now_ms, char *out)
{
	int64_t at;

	out[0] = '\0';
	if (ff_print_parse_time(ff_view_str(object, key), &at) == 0)
		ff_print_span(now_ms - at, out);
}

static void list_row(struct ff_table *t, const json_t *job, int64_t now_ms)
{
	FF_AUTO(ff_free) char *number = ff_asprintf("%" PRId64, ff_view_int(job, "number"));
	FF_AUTO(ff_free) char *branch = ff_view_name(job, "branch");
	FF_AUTO(ff_free) char *repo = ff_view_name(job, "repo");
	FF_AUTO(ff_free) char *result = ff_view_name(job, "result_branch");
	FF_AUTO(ff_free) char *description = ff_view_name(job, "description");
	FF_AUTO(ff_free) char *task = ff_view_name(job, "task");
	const char *state = ff_view_str(job, "state"), *reason = description;
	char age[FF_SPAN_TEXT];

	ago(job, "created", now_ms, age);
	ff_table_cell(t, FF_PLAIN, number);
	ff_table_cell(t, ff_view_state_colour(state), state);
	ff_table_cell(t, FF_PLAIN, age);
	ff_table_cell(t, FF_PLAIN, file_name(repo));
	ff_table_cell(t, FF_PLAIN, branch);
	/* The description starts with the state, which has its own column. */
	if (ff_starts(reason, state))
		reason += strlen(state) + strspn(reason + strlen(state), ": ");
	ff_table_cell(t, FF_PLAIN, *result ? result : *reason ? reason : task);
}

void ff_view_list(const struct ff_print *p, const json_t *jobs, int64_t now_ms)
{
	static const struct ff_column columns[] = {
		{ "JOB", 0 }, { "STATE", 0 }, { "AGE", 0 }, { "REPOSITORY", 10 }, { "BRANCH", 12 }, { "WHAT", 12 },
	};
	FF_AUTO(ff_table_free) struct ff_table *t = ff_table_new(columns, FF_ARRAY_LEN(columns));
	size_t i;
	json_t *job;

	json_array_foreach(jobs, i, job)
		list_row(t, job, now_ms);
	ff_table_print(t, p);
}

static void label(const struct ff_print *p, const char *name)
{
	ff_print_colour(p, FF_DIM);
	(void)fprintf(p->f, "%-12s", name);
	ff_print_colour(p, FF_PLAIN);
}

static void field(const struct ff_print *p, const char *name, const char *value)
{
	if (!*value)
		return;
	label(p, name);
	ff_print_shown(p, FF_PLAIN, value);
	(void)fputc('\n', p->f);
}

static void name_field(const struct ff_print *p, const json_t *job, const char *name, const char *key,
		       const char *oid_key)
{
	FF_AUTO(ff_free) char *value = ff_view_name(job, key);
	const char *oid = oid_key ? ff_view_str(job, oid_key) : "";
	FF_AUTO(ff_free) char *both = NULL;

	if (!*value || !*oid) {
		field(p, name, *value ? value : oid);
		return;
	}
	both = ff_asprintf("%s (%.*s)", value, OID_SHOWN, oid);
	field(p, name, both);
}

static void time_field(const struct ff_print *p, const json_t *job, const char *key, int64_t now_ms)
{
	FF_AUTO(ff_free) char *text = NULL;
	char age[FF_SPAN_TEXT];

	ago(job, key, now_ms, age);
	if (!*age)
		return;
	text = ff_asprintf("%s (%s ago)", ff_view_str(job, key), age);
	field(p, key, text);
}

static void task_field(const struct ff_print *p, const json_t *job)
{
	FF_AUTO(ff_free) char *task = ff_view_name(job, "task");
	FF_AUTO(ff_free) char *from = ff_view_name(job, "task_from");

	if (!*task)
		return;
	label(p, "task");
	if (*from)
		(void)fputs("from ", p->f);
	ff_print_shown(p, FF_PLAIN, from);
	(void)fputc('\n', p->f);
	ff_print_lines(p, "  ", task, strlen(task));
}

static void steps_field(const struct ff_print *p, const json_t *job)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *now = ff_view_str(job, "step");
	json_t *step;
	size_t i;

	ff_buf_init(&b, LINE_MAX_BYTES);
	json_array_foreach(json_object_get(job, "steps_done"), i, step)
		(void)ff_buf_addf(&b, "%s%s", b.len ? " " : "", json_is_string(step) ? json_string_value(step) : "?");
	if (*now)
		(void)ff_buf_addf(&b, "%s%s (now)", b.len ? " " : "", now);
	field(p, "steps", b.data);
}

static void usage_field(const struct ff_print *p, const json_t *job)
{
	int64_t in = ff_view_int(job, "tokens_in"), out = ff_view_int(job, "tokens_out");
	FF_AUTO(ff_free) char *text = NULL;
	char money[FF_MONEY_TEXT];

	if (!in && !out)
		return;
	ff_print_money(ff_view_int(job, "cost_microusd"), money);
	text = ff_asprintf("%" PRId64 " tokens in, %" PRId64 " out, %s", in, out, money);
	field(p, "model", text);
}

static void conflicts_field(const struct ff_print *p, const json_t *job)
{
	json_t *path;
	size_t i;

	json_array_foreach(json_object_get(job, "conflicts"), i, path) {
		FF_AUTO(ff_free) char *name = NULL;

		if (ff_json_bytes(path, &name, NULL) == 0)
			field(p, "conflict", name);
	}
}

/* What was found when the target moved last. */
static void drift_field(const struct ff_print *p, const json_t *job)
{
	const json_t *drift = json_object_get(job, "drift"), *paths = json_object_get(drift, "paths");
	FF_AUTO(ff_free) char *target = ff_view_name(job, "target");
	FF_AUTO(ff_free) char *path = NULL;
	const char *state = ff_view_str(drift, "state");
	FF_AUTO(ff_free) char *at = ff_asprintf("%s at %.*s", target, OID_SHOWN, ff_view_str(drift, "target_oid"));
	int64_t more = ff_view_int(drift, "n_paths") - 1;
	FF_AUTO(ff_free) char *text = NULL;

	if (!strcmp(state, "applies"))
		text = ff_asprintf("still applies to %s", at);
	else if (!strcmp(state, "merged"))
		text = ff_asprintf("%s has the result", at);
	else if (!strcmp(state, "gone"))
		text = ff_strdup("the result branch was taken away");
	else if (!strcmp(state, "conflict") && ff_json_bytes(json_array_get(paths, 0), &path, NULL) == 0 && more > 0)
		text = ff_asprintf("would conflict with %s in %s and %" PRId64 " more", at, path, more);
	else if (path)
		text = ff_asprintf("would conflict with %s in %s", at, path);
	field(p, "drift", text ? text : "");
}

static void attempt_field(const struct ff_print *p, const json_t *job)
{
	FF_AUTO(ff_free) char *text = NULL;

	if (!ff_view_int(job, "attempt"))
		return;
	text = ff_asprintf("%" PRId64 ", %" PRId64 " failed", ff_view_int(job, "attempt"), ff_view_int(job, "failures"));
	field(p, "attempt", text);
}

void ff_view_job(const struct ff_print *p, const json_t *job, int64_t now_ms)
{
	json_t *event;
	size_t i;

	ff_view_summary(p, job);
	field(p, "uuid", ff_view_str(job, "uuid"));
	field(p, "address", ff_view_str(job, "url"));
	name_field(p, job, "repository", "repo", NULL);
	name_field(p, job, "branch", "branch", "source_oid");
	name_field(p, job, "target", "target", "base_oid");
	task_field(p, job);
	name_field(p, job, "pusher", "pusher", NULL);
	field(p, "priority", ff_view_str(job, "priority"));
	name_field(p, job, "environment", "environment", NULL);
	attempt_field(p, job);
	steps_field(p, job);
	field(p, "error", ff_view_str(job, "error"));
	field(p, "wait until", ff_view_str(job, "wait_until"));
	name_field(p, job, "result", "result_branch", "result_oid");
	conflicts_field(p, job);
	ff_view_ladder(p, job);
	drift_field(p, job);
	usage_field(p, job);
	time_field(p, job, "created", now_ms);
	time_field(p, job, "started", now_ms);
	time_field(p, job, "ended", now_ms);
	if (json_array_size(json_object_get(job, "events")))
		(void)fputs("events\n", p->f);
	json_array_foreach(json_object_get(job, "events"), i, event) {
		(void)fputs("  ", p->f);
		ff_view_event(p, event, false);
	}
}

void ff_view_summary(const struct ff_print *p, const json_t *job)
{
	FF_AUTO(ff_free) char *result = ff_view_name(job, "result_branch");
	FF_AUTO(ff_free) char *text = ff_view_name(job, "description");
	const char *state = ff_view_str(job, "state");

	(void)fprintf(p->f, "job %" PRId64 " ", ff_view_int(job, "number"));
	ff_print_shown(p, ff_view_state_colour(state), *text ? text : state);
	if (*result) {
		(void)fputs(", result in ", p->f);
		ff_print_shown(p, FF_BOLD, result);
	}
	(void)fputc('\n', p->f);
}

static void detail(const struct ff_print *p, const char *before, const char *text)
{
	if (!*text)
		return;
	(void)fputs(before, p->f);
	ff_print_shown(p, FF_PLAIN, text);
}

/* The time of day here, which is what a person at a clock compares with. */
static void time_of_day(const char *rfc3339, char *out, size_t size)
{
	struct tm tm;
	int64_t ms;
	time_t t;

	if (ff_print_parse_time(rfc3339, &ms) < 0) {
		(void)snprintf(out, size, "--:--:--");
		return;
	}
	t = (time_t)(ms / 1000);
	ff_assert(localtime_r(&t, &tm) != NULL && strftime(out, size, "%H:%M:%S", &tm) > 0);
}

static void event_usage(const struct ff_print *p, const json_t *ev)
{
	int64_t in = ff_view_int(ev, "tokens_in"), out = ff_view_int(ev, "tokens_out");

	if (in || out)
		(void)fprintf(p->f, "  %" PRId64 " tokens in, %" PRId64 " out", in, out);
}

static void event_paths(const struct ff_print *p, const json_t *ev)
{
	json_t *path;
	size_t i;

	json_array_foreach(json_object_get(ev, "paths"), i, path) {
		FF_AUTO(ff_free) char *name = NULL;

		if (ff_json_bytes(path, &name, NULL) == 0)
			detail(p, "  ", name);
	}
}

static enum ff_colour event_colour(const char *type)
{
	return ff_starts(type, "job.") ? ff_view_state_colour(type + strlen("job.")) : FF_PLAIN;
}

void ff_view_event(const struct ff_print *p, const json_t *ev, bool with_job)
{
	FF_AUTO(ff_free) char *ref = ff_view_name(ev, "ref");
	FF_AUTO(ff_free) char *text = ff_view_name(ev, "text");
	FF_AUTO(ff_free) char *oid = ff_asprintf("%.*s", OID_SHOWN, ff_view_str(ev, "oid"));
	const char *type = ff_view_str(ev, "type"), *name = ref;
	char at[16];

	time_of_day(ff_view_str(ev, "at"), at, sizeof at);
	(void)fprintf(p->f, "%s  ", at);
	if (with_job)
		(void)fprintf(p->f, "job %" PRId64 "  ", ff_view_int(ev, "job"));
	ff_print_shown(p, event_colour(type), type);
	if (ff_starts(ref, FF_HEADS))
		name = ref + strlen(FF_HEADS);
	if (ff_view_int(ev, "attempt") > 1)
		(void)fprintf(p->f, "  attempt %" PRId64, ff_view_int(ev, "attempt"));
	detail(p, "  ", ff_view_str(ev, "step"));
	detail(p, "  waits: ", ff_view_str(ev, "wait"));
	detail(p, "  until ", ff_view_str(ev, "until"));
	detail(p, "  ", name);
	detail(p, "  ", oid);
	detail(p, "  ", ff_view_str(ev, "error"));
	detail(p, "  ", text);
	event_usage(p, ev);
	event_paths(p, ev);
	(void)fputc('\n', p->f);
}

void ff_view_log(const struct ff_print *p, const json_t *line)
{
	FF_AUTO(ff_free) char *stream = ff_text_shown(ff_view_str(line, "stream"), 10);
	FF_AUTO(ff_free) char *prefix = ff_asprintf("%-6s| ", stream);
	FF_AUTO(ff_free) char *text = ff_view_name(line, "text");

	ff_print_lines(p, prefix, text, strlen(text));
}
