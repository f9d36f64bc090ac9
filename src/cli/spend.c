/* SPDX-License-Identifier: MIT */
/* stats spend: what was spent, by day, repository, pusher or model; log --model: the requests of one job. */
#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"

#define DAYS_DEFAULT 30
#define DAYS_MOST 3650
#define ROWS_DEFAULT 50
#define ROWS_MOST 10000

static void money_cell(struct ff_table *t, const json_t *row)
{
	char text[FF_MONEY_TEXT];

	ff_print_money(ff_view_int(row, "cost_microusd"), text);
	ff_table_cell(t, FF_PLAIN, text);
}

static void spend_cells(struct ff_table *t, const json_t *row, const char *name)
{
	ff_table_cell(t, FF_PLAIN, *name ? name : "-");
	ff_view_number_cell(t, row, "requests");
	ff_view_number_cell(t, row, "tokens_in");
	ff_view_number_cell(t, row, "tokens_out");
	ff_view_number_cell(t, row, "cache_read");
	ff_view_number_cell(t, row, "cache_write");
	money_cell(t, row);
}

static void day_row(struct ff_table *t, const json_t *row)
{
	spend_cells(t, row, ff_view_str(row, "day"));
}

static void name_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *name = ff_view_name(row, "name");

	spend_cells(t, row, name);
}

static int number_of(const struct ff_args *args, enum ff_cli_opt opt, const char *name, int64_t most, int64_t *n, struct ff_err *err)
{
	const char *text = ff_args_value(args, opt);

	if (text && ff_num_i64(text, 1, most, n) < 0)
		return ff_err_set(err, FF_E_USAGE, "--%s is a number from 1 to %" PRId64 ", not '%s'", name, most, text);
	return 0;
}

static void conflicts_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *name = ff_view_name(row, "name");
	int64_t us = ff_view_int(row, "time_us");
	FF_AUTO(ff_free) char *ms = ff_asprintf("%" PRId64 ".%" PRId64, us / 1000, us / 100 % 10);

	ff_table_cell(t, FF_PLAIN, *name ? name : "-");
	ff_view_number_cell(t, row, "tried");
	ff_view_number_cell(t, row, "solved");
	ff_view_number_cell(t, row, "refused");
	ff_view_number_cell(t, row, "failed");
	ff_view_number_cell(t, row, "tokens_in");
	ff_view_number_cell(t, row, "tokens_out");
	money_cell(t, row);
	ff_table_cell(t, FF_PLAIN, ms);
}

static const struct ff_column spend_columns[] = { { "BY", 8 }, { "REQUESTS", 0 }, { "INPUT", 0 }, { "OUTPUT", 0 }, { "CACHE READ", 0 },
						  { "CACHE WRITE", 0 }, { "COST", 0 } };
static const struct ff_column conflict_columns[] = { { "BY", 8 }, { "TRIED", 0 }, { "SOLVED", 0 }, { "REFUSED", 0 }, { "FAILED", 0 },
						     { "INPUT", 0 }, { "OUTPUT", 0 }, { "COST", 0 }, { "MS", 0 } };

int ff_cli_stats(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *rows = json_array();
	bool conflicts = !strcmp(args->operand[0], "conflicts"), as_json = ff_args_value(args, FF_CLI_OPT_JSON);
	struct ff_talk_ask ask = { .command = conflicts ? "conflicts" : "spend", .on_item = ff_talk_collect, .arg = rows };
	const char *by = ff_args_value(args, FF_CLI_OPT_BY);
	int64_t days = DAYS_DEFAULT, most = ROWS_DEFAULT;

	if (strcmp(args->operand[0], "spend") && !conflicts)
		return ff_err_set(err, FF_E_USAGE, "stats knows spend and conflicts, not '%s'", args->operand[0]);
	if (number_of(args, FF_CLI_OPT_DAYS, "days", DAYS_MOST, &days, err) < 0 ||
	    number_of(args, FF_CLI_OPT_LIMIT, "limit", ROWS_MOST, &most, err) < 0)
		return -1;
	by = by ? by : conflicts ? "rung" : "day";
	ask.args = json_pack("{s:s, s:I, s:I}", "by", by, "days", (json_int_t)days, "limit", (json_int_t)most);
	if (!ask.args)
		return ff_err_set(err, FF_E_USAGE, "--by is a word, and not UTF-8");
	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	if (conflicts)
		ff_view_rows(&cli->out, as_json, rows, conflict_columns, FF_ARRAY_LEN(conflict_columns), conflicts_row);
	else
		ff_view_rows(&cli->out, as_json, rows, spend_columns, FF_ARRAY_LEN(spend_columns), strcmp(by, "day") ? name_row : day_row);
	return 0;
}

static void request_row(struct ff_table *t, const json_t *row)
{
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "at"));
	ff_view_number_cell(t, row, "attempt");
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "model"));
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "outcome"));
	ff_view_number_cell(t, row, "tokens_in");
	ff_view_number_cell(t, row, "tokens_out");
	ff_view_number_cell(t, row, "cache_read");
	ff_view_number_cell(t, row, "cache_write");
	money_cell(t, row);
	ff_view_number_cell(t, row, "latency_ms");
}

/* Page by page; core gives some at a time. */
static int all_requests(struct ff_cli *cli, const struct ff_args *args, json_t *rows, struct ff_err *err)
{
	int64_t after = 0;

	for (;;) {
		FF_AUTO(ff_json_drop) json_t *end = NULL;
		struct ff_talk_ask ask = { .command = "requests", .on_item = ff_talk_collect, .arg = rows };

		if (ff_talk_job(args->operand[0], &ask.args, err) < 0)
			return -1;
		(void)json_object_set_new(ask.args, "after", json_integer(after));
		if (ff_talk_once(cli, args, &ask, &end, err) < 0)
			return -1;
		if (ff_view_int(end, "next") <= after)
			return 0;
		after = ff_view_int(end, "next");
	}
}

int ff_cli_log_model(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const struct ff_column columns[] = { { "TIME", 0 }, { "TRY", 0 }, { "MODEL", 8 }, { "OUTCOME", 0 }, { "INPUT", 0 },
		{ "OUTPUT", 0 }, { "CACHE READ", 0 }, { "CACHE WRITE", 0 }, { "COST", 0 }, { "MS", 0 } };
	FF_AUTO(ff_json_drop) json_t *rows = json_array();

	if (all_requests(cli, args, rows, err) < 0)
		return -1;
	ff_view_rows(&cli->out, ff_args_value(args, FF_CLI_OPT_JSON), rows, columns, FF_ARRAY_LEN(columns), request_row);
	return 0;
}
