/* SPDX-License-Identifier: MIT */
/* admin audit: what administrators did. */
#include <inttypes.h>
#include <string.h>

#include "base/names.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"

#define LIST_MOST 10000

static void print_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *uid = ff_asprintf("%" PRId64, ff_view_int(row, "uid"));
	FF_AUTO(ff_free) char *job = ff_view_int(row, "job") ? ff_asprintf("%" PRId64, ff_view_int(row, "job")) : NULL;
	FF_AUTO(ff_free) char *who = ff_view_name(row, "who");
	FF_AUTO(ff_free) char *text = ff_view_name(row, "text");

	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "at"));
	ff_table_cell(t, FF_PLAIN, *who ? who : ff_view_int(row, "uid") < 0 ? "signal" : uid);
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "action"));
	ff_table_cell(t, FF_PLAIN, job);
	ff_table_cell(t, FF_PLAIN, text);
}

int ff_cli_admin(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const struct ff_column columns[] = { { "TIME", 0 }, { "WHO", 8 }, { "ACTION", 0 }, { "JOB", 0 }, { "WHAT", 12 } };
	const char *limit = ff_args_value(args, FF_CLI_OPT_LIMIT);
	FF_AUTO(ff_json_drop) json_t *rows = json_array();
	struct ff_talk_ask ask = { .command = "audit", .on_item = ff_talk_collect, .arg = rows };
	int64_t n = 50;

	if (strcmp(args->operand[0], "audit"))
		return ff_err_set(err, FF_E_USAGE, "admin knows audit, not '%s'", args->operand[0]);
	if (limit && ff_num_i64(limit, 1, LIST_MOST, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "--limit is a number from 1 to %d, not '%s'", LIST_MOST, limit);
	ask.args = json_pack("{s:I}", "limit", (json_int_t)n);
	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_view_rows(&cli->out, ff_args_value(args, FF_CLI_OPT_JSON), rows, columns, FF_ARRAY_LEN(columns), print_row);
	return 0;
}
