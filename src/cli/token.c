/* SPDX-License-Identifier: MIT */
/* token create|list|revoke: what programs show to the HTTP API. */
#include <inttypes.h>
#include <string.h>

#include "base/names.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"

#define NEVER_MORE_MS (3650LL * 86400 * 1000)

static int add_repos(const struct ff_args *args, json_t *ask)
{
	json_t *list = json_array();

	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].opt == FF_CLI_OPT_REPO)
			(void)json_array_append_new(list, ff_json_from_bytes(args->given[i].value));
	return json_object_set_new(ask, "repos", list);
}

static int create(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *user = ff_args_value(args, FF_CLI_OPT_USER), *scope = ff_args_value(args, FF_CLI_OPT_SCOPE);
	const char *ttl = ff_args_value(args, FF_CLI_OPT_TTL), *label = ff_args_value(args, FF_CLI_OPT_LABEL);
	struct ff_talk_ask ask = { .command = "token-create" };
	FF_AUTO(ff_json_drop) json_t *token = NULL;
	int64_t ttl_ms = 0;

	if (args->n_operand > 1)
		return ff_err_set(err, FF_E_USAGE, "token create takes options alone");
	if (!user)
		return ff_err_set(err, FF_E_USAGE, "whose token is it? give --user NAME");
	if (ttl && (ff_num_duration(ttl, &ttl_ms) < 0 || ttl_ms < 1 || ttl_ms > NEVER_MORE_MS))
		return ff_err_set(err, FF_E_USAGE, "--ttl is a time as 12h or 90d, at most ten years, not '%s'", ttl);
	ask.args = json_pack("{s:o,s:s,s:o}", "user", ff_json_from_bytes(user), "scope", scope ? scope : "read", "label",
			     ff_json_from_bytes(label));
	(void)add_repos(args, ask.args);
	if (ttl)
		(void)json_object_set_new(ask.args, "ttl_ms", json_integer(ttl_ms));
	if (ff_talk_once(cli, args, &ask, &token, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_JSON)) {
		ff_print_json(&cli->out, token);
		return 0;
	}
	ff_cli_say(cli, "token %" PRId64 " of %s, %s, until %s; it is shown this once:", ff_view_int(token, "number"), user,
		   ff_view_str(token, "scope"), ff_view_str(token, "expires"));
	ff_print_shown(&cli->out, FF_PLAIN, ff_view_str(token, "token"));
	ff_print_lines(&cli->out, "", "\n", 1);
	return 0;
}

/* --- list --------------------------------------------------------------------------- */

static void print_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *number = ff_asprintf("%" PRId64, ff_view_int(row, "number"));
	FF_AUTO(ff_free) char *user = ff_view_name(row, "user");
	FF_AUTO(ff_free) char *label = ff_view_name(row, "label");
	bool revoked = json_is_string(json_object_get(row, "revoked"));
	FF_AUTO(ff_free) char *repos = ff_asprintf("%zu", json_array_size(json_object_get(row, "repos")));

	ff_table_cell(t, FF_PLAIN, number);
	ff_table_cell(t, FF_PLAIN, user);
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "scope"));
	ff_table_cell(t, FF_PLAIN, strcmp(repos, "0") ? repos : "all");
	ff_table_cell(t, FF_PLAIN, revoked ? "revoked" : ff_view_str(row, "expires"));
	ff_table_cell(t, FF_PLAIN, label);
}

static int list(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const struct ff_column columns[] = { { "TOKEN", 0 }, { "USER", 8 }, { "SCOPE", 0 }, { "REPOS", 0 }, { "UNTIL", 0 }, { "LABEL", 8 } };
	FF_AUTO(ff_json_drop) json_t *rows = json_array();
	struct ff_talk_ask ask = { .command = "token-list", .on_item = ff_talk_collect, .arg = rows };

	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_view_rows(&cli->out, ff_args_value(args, FF_CLI_OPT_JSON), rows, columns, FF_ARRAY_LEN(columns), print_row);
	return 0;
}

static int revoke(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	struct ff_talk_ask ask = { .command = "token-revoke" };
	int64_t n;

	if (args->n_operand != 2 || ff_num_i64(args->operand[1], 1, INT64_MAX, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "which token? token revoke NUMBER, as token list shows it");
	ask.args = json_pack("{s:I}", "number", (json_int_t)n);
	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_cli_say(cli, "token %" PRId64 " is worthless now", n);
	return 0;
}

int ff_cli_token(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *what = args->operand[0];

	if (!strcmp(what, "create"))
		return create(cli, args, err);
	if (!strcmp(what, "revoke"))
		return revoke(cli, args, err);
	if (!strcmp(what, "list") && args->n_operand == 1)
		return list(cli, args, err);
	return ff_err_set(err, FF_E_USAGE, "token knows create, list and revoke, not '%s'", what);
}
