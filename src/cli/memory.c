/* SPDX-License-Identifier: MIT */
/* memory list|show|forget: answers to conflicts that the server remembers. */
#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"
#include "job/rung.h"

#define LIST_MOST 1000

static void print_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *repo = ff_view_name(row, "repo");
	FF_AUTO(ff_free) char *path = ff_view_name(row, "path");

	ff_view_number_cell(t, row, "number");
	ff_table_cell(t, FF_PLAIN, ff_rung_name(ff_view_int(row, "rung")));
	ff_view_number_cell(t, row, "job");
	ff_view_number_cell(t, row, "uses");
	ff_table_cell(t, FF_PLAIN, json_is_string(json_object_get(row, "revoked")) ? "revoked" : ff_view_str(row, "used"));
	ff_table_cell(t, FF_PLAIN, repo);
	ff_table_cell(t, FF_PLAIN, path);
}

static int list(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const struct ff_column columns[] = { { "ENTRY", 0 }, { "BY", 0 }, { "OF JOB", 0 }, { "USES", 0 }, { "USED", 0 },
						    { "REPOSITORY", 8 }, { "FILE", 8 } };
	FF_AUTO(ff_json_drop) json_t *rows = json_array();
	struct ff_talk_ask ask = { .command = "memory-list", .on_item = ff_talk_collect, .arg = rows };
	const char *limit = ff_args_value(args, FF_CLI_OPT_LIMIT);
	int64_t n = 0;

	if (limit && ff_num_i64(limit, 1, LIST_MOST, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "--limit is a number from 1 to %d, not '%s'", LIST_MOST, limit);
	ask.args = json_object();
	if (n)
		(void)json_object_set_new(ask.args, "limit", json_integer(n));
	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_view_rows(&cli->out, ff_args_value(args, FF_CLI_OPT_JSON), rows, columns, FF_ARRAY_LEN(columns), print_row);
	return 0;
}

static void print_text(const struct ff_print *p, const json_t *entry, const char *name)
{
	FF_AUTO(ff_free) char *text = ff_view_name(entry, name);

	(void)fprintf(p->f, "%s\n", name);
	ff_print_lines(p, "  ", text, strlen(text));
}

static void print_entry(const struct ff_print *p, const json_t *entry)
{
	FF_AUTO(ff_free) char *repo = ff_view_name(entry, "repo");
	FF_AUTO(ff_free) char *path = ff_view_name(entry, "path");
	const char *revoked = ff_view_str(entry, "revoked");
	json_t *job;
	size_t i;

	(void)fprintf(p->f, "entry %" PRId64 " of job %" PRId64 " by the rung %s%s%s\n", ff_view_int(entry, "number"), ff_view_int(entry, "job"),
		      ff_rung_name(ff_view_int(entry, "rung")), *revoked ? ", revoked " : "", revoked);
	ff_print_shown(p, FF_PLAIN, repo);
	(void)fputs("  ", p->f);
	ff_print_shown(p, FF_PLAIN, path);
	(void)fputc('\n', p->f);
	print_text(p, entry, "base");
	print_text(p, entry, "target");
	print_text(p, entry, "change");
	print_text(p, entry, "result");
	(void)fputs("used by jobs:", p->f);
	json_array_foreach(json_object_get(entry, "jobs"), i, job)
		(void)fprintf(p->f, " %" JSON_INTEGER_FORMAT, json_integer_value(job));
	(void)fputs(json_array_size(json_object_get(entry, "jobs")) ? "\n" : " none\n", p->f);
}

static int one(struct ff_cli *cli, const struct ff_args *args, const char *command, struct ff_err *err)
{
	struct ff_talk_ask ask = { .command = command };
	FF_AUTO(ff_json_drop) json_t *entry = NULL;
	int64_t n;

	if (args->n_operand != 2 || ff_num_i64(args->operand[1], 1, INT64_MAX, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "which entry? memory %s NUMBER, as memory list shows it", args->operand[0]);
	ask.args = json_pack("{s:I}", "number", (json_int_t)n);
	if (ff_talk_once(cli, args, &ask, &entry, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_JSON))
		ff_print_json(&cli->out, entry);
	else
		print_entry(&cli->out, entry);
	return 0;
}

int ff_cli_memory(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *what = args->operand[0];

	if (!strcmp(what, "list"))
		return args->n_operand == 1 ? list(cli, args, err)
					    : ff_err_set(err, FF_E_USAGE, "memory list takes no number: memory show NUMBER shows one entry");
	if (!strcmp(what, "show"))
		return one(cli, args, "memory-show", err);
	if (!strcmp(what, "forget"))
		return one(cli, args, "memory-forget", err);
	return ff_err_set(err, FF_E_USAGE, "memory knows list, show and forget, not '%s'", what);
}
