/* SPDX-License-Identifier: MIT */
/* What was spent, for those who ask over control.sock: by day, repository, pusher or model, and request by request. */
#include "daemon/core/control.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "store/spend.h"

#define ROWS_MOST 10000
#define DAYS_MOST 3650
#define PAGE 200
#define DAY_MS (int64_t)86400000

static void spend_item(void *arg, const struct ff_spend_row *row)
{
	char day[FF_CLOCK_TEXT];

	ff_clock_format(row->day_ms, day);
	day[10] = '\0'; /* RFC 3339: the date comes first */
	(void)json_array_append_new(arg, json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "day", day, "name",
		ff_json_from_bytes(row->name), "requests", (json_int_t)row->requests, "tokens_in", (json_int_t)row->tokens_in, "tokens_out",
		(json_int_t)row->tokens_out, "cache_read", (json_int_t)row->cache_read, "cache_write", (json_int_t)row->cache_write,
		"cost_microusd", (json_int_t)row->microusd));
}

/* A callback of the store must not say anything to anybody. */
static void reply_all(struct ff_request *r, json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		ff_reply_item(r, json_incref(json_array_get(rows, i)), -1);
	json_decref(rows);
}

static int by_word(const char *word, enum ff_spend_by *ret, struct ff_err *err)
{
	static const char *const words[] = { [FF_SPEND_BY_DAY] = "day", [FF_SPEND_BY_REPOSITORY] = "repository",
					     [FF_SPEND_BY_PUSHER] = "pusher", [FF_SPEND_BY_MODEL] = "model" };

	for (unsigned i = 0; i < FF_ARRAY_LEN(words); i++)
		if (!strcmp(words[i], word)) {
			*ret = (enum ff_spend_by)i;
			return 0;
		}
	return ff_err_set(err, FF_E_USAGE, "what was spent is counted by day, repository, pusher or model, not by '%.30s'", word);
}

int ff_spend_reply(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	enum ff_spend_by by = FF_SPEND_BY_DAY;
	int64_t days = 30, limit = 50;
	const char *word = NULL;
	json_t *rows;

	if (ff_msg_opt_str(args, "by", &word, err) < 0 || (word && by_word(word, &by, err) < 0) ||
	    (json_object_get(args, "days") && ff_msg_int(args, "days", 1, DAYS_MOST, &days, err) < 0) ||
	    (json_object_get(args, "limit") && ff_msg_int(args, "limit", 1, ROWS_MOST, &limit, err) < 0))
		return -1;
	rows = json_array();
	if (ff_spend_stats(ff_request_core(r)->store, by, ff_clock_wall() - (days - 1) * DAY_MS, (int)limit, spend_item, rows, err) < 0) {
		json_decref(rows);
		return -1;
	}
	reply_all(r, rows);
	ff_reply_end(r, NULL, NULL);
	return 0;
}

struct page { json_t *rows; int64_t last; };

static void request_item(void *arg, const struct ff_spend *s)
{
	static const char *const states[] = { [FF_SPEND_OPEN] = "open", [FF_SPEND_SETTLED] = "settled", [FF_SPEND_LOST] = "lost" };
	struct page *p = arg;

	p->last = s->id;
	(void)json_array_append_new(p->rows, json_pack("{s:I, s:i, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "request",
		(json_int_t)s->id, "attempt", s->attempt, "key", s->key, "model", s->model, "outcome", s->outcome, "state", states[s->state],
		"status", s->status, "tokens_in", (json_int_t)s->tokens.input, "tokens_out", (json_int_t)s->tokens.output, "cache_read",
		(json_int_t)s->tokens.cache_read, "cache_write", (json_int_t)s->tokens.cache_write, "cost_microusd",
		(json_int_t)s->microusd, "latency_ms", (json_int_t)s->latency_ms, "at", ff_time_json(s->at_ms)));
}

int ff_requests_reply(struct ff_request *r, const struct ff_job *job, const json_t *args, struct ff_err *err)
{
	struct page p = { .rows = json_array() };
	int64_t after = 0;
	bool more;

	if ((json_object_get(args, "after") && ff_msg_int(args, "after", 0, INT64_MAX, &after, err) < 0) ||
	    ff_spend_list(ff_request_core(r)->store, job->id, after, PAGE, request_item, &p, err) < 0) {
		json_decref(p.rows);
		return -1;
	}
	more = json_array_size(p.rows) == PAGE;
	reply_all(r, p.rows);
	ff_reply_end(r, NULL, json_pack("{s:I}", "next", (json_int_t)(more ? p.last : 0)));
	return 0;
}
