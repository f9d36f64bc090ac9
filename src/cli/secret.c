/* SPDX-License-Identifier: MIT */
/*
 * secret: the values that the record keeps sealed.  A value comes from
 * standard input, never from the command line, which every account of the
 * host can read; it goes to the daemon in a memfd.  Nothing gives one out.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "conf/conf.h"
#include "crypto/keyring.h"
#include "ipc/ipc.h"

/* Of what is read; the daemon's secret.max-bytes says what is taken. */
#define VALUE_MAX ((size_t)1024 * 1024)

/* --- init --------------------------------------------------------------------- */

static int write_new(const char *path, const struct ff_secret *text, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return ff_err_set(err, FF_E_CONFLICT, "%s is there already: what is sealed with it could not be opened without it; for a "
				  "new key run " FF_NAME " secret rotate", path);
	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	if (ff_fd_write_all(fd, ff_secret_bytes(text), ff_secret_len(text), err) < 0)
		return ff_err_wrap(err, "%s", path);
	return fsync(fd) < 0 ? ff_err_errno(err, "%s", path) : 0;
}

static int init(struct ff_cli *cli, const struct ff_args *args, const char *file, struct ff_err *err)
{
	FF_AUTO(ff_keyring_free) struct ff_keyring *ring = NULL;
	FF_AUTO(ff_secret_free) struct ff_secret *text = NULL;

	if (ff_cli_conf(cli, args, err) < 0)
		return -1;
	if (!file && *ff_conf_str(cli->conf, FF_CONF_SECRET_KEY_FILE))
		file = ff_conf_str(cli->conf, FF_CONF_SECRET_KEY_FILE);
	if (!file)
		return ff_err_set(err, FF_E_USAGE, "which file? set secret.key-file, or name one");
	ring = ff_keyring_new();
	text = ff_keyring_text(ring);
	if (write_new(file, text, err) < 0)
		return -1;
	ff_cli_say(cli, "%s: a new master key, %s. Keep a copy where the backups of the record are not: without it nothing that it "
		   "seals can be opened", file, ff_keyring_id(ring));
	return 0;
}

/* --- set ------------------------------------------------------------------------- */

/* A line from a terminal, which does not show it. */
static int ask_value(struct ff_cli *cli, int fd, struct ff_secret **ret_value, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *line = ff_secret_empty(VALUE_MAX);
	struct termios before, quiet;
	ssize_t n;

	if (tcgetattr(fd, &before) < 0)
		return ff_err_errno(err, "terminal");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON;
	ff_cli_say(cli, "the value, which is not shown, and return:");
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		return ff_err_errno(err, "terminal");
	n = read(fd, ff_secret_room(line), VALUE_MAX);
	(void)tcsetattr(fd, TCSAFLUSH, &before); /* what was read counts */
	if (n <= 0)
		return ff_err_set(err, FF_E_INVALID, "there was no value");
	*ret_value = ff_secret_new(ff_secret_bytes(line), (size_t)n);
	return 0;
}

static int read_value(struct ff_cli *cli, bool is_key_file, struct ff_secret **ret_value, struct ff_err *err)
{
	int fd = fileno(cli->in);
	int rc = isatty(fd) ? ask_value(cli, fd, ret_value, err) : ff_secret_read(fd, VALUE_MAX, ret_value, err);

	if (rc < 0)
		return err->code == FF_E_INVALID ? ff_err_set(err, FF_E_USAGE, "give the value on standard input: it is empty") : -1;
	if (!is_key_file) /* that is a file of lines, each with its end */
		ff_secret_trim(*ret_value);
	return 0;
}

/* {"name", "repo"} of the command line. */
static int named(const struct ff_args *args, json_t **ret, struct ff_err *err)
{
	const char *repo = ff_args_value(args, FF_CLI_OPT_REPO);
	char *real = NULL;

	if (!args->operand[1])
		return ff_err_set(err, FF_E_USAGE, "which secret? give its name");
	if (repo && !(real = realpath(repo, NULL)))
		return ff_err_set(err, FF_E_NOT_FOUND, "%s: %s", repo, strerror(errno));
	*ret = json_pack("{s:s,s:o}", "name", args->operand[1], "repo", ff_json_from_bytes(real));
	free(real);
	return *ret ? 0 : ff_err_set(err, FF_E_USAGE, "the name is not UTF-8");
}

static int set(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *kind = ff_args_value(args, FF_CLI_OPT_KIND);
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;
	struct ff_talk_ask ask = { .command = "secret-set" };

	if (!kind)
		kind = "job";
	if (named(args, &ask.args, err) < 0)
		return -1;
	if (read_value(cli, !strcmp(kind, "deploy-key"), &value, err) < 0 || ff_secret_to_fd(value, &ask.pass_fd, err) < 0) {
		json_decref(ask.args);
		return -1;
	}
	(void)json_object_set_new(ask.args, "kind", json_string(kind));
	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_cli_say(cli, "%s is set", args->operand[1]);
	return 0;
}

static int drop(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	struct ff_talk_ask ask = { .command = "secret-delete" };

	if (named(args, &ask.args, err) < 0 || ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_cli_say(cli, "%s is deleted", args->operand[1]);
	return 0;
}

/* --- list, rotate ------------------------------------------------------------------ */

static void print_row(struct ff_table *t, const json_t *row)
{
	FF_AUTO(ff_free) char *repo = ff_view_name(row, "repo");

	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "name"));
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "kind"));
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "changed"));
	ff_table_cell(t, FF_PLAIN, ff_view_str(row, "key"));
	ff_table_cell(t, FF_PLAIN, repo);
}

static int list(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const struct ff_column columns[] = { { "NAME", 8 }, { "KIND", 0 }, { "CHANGED", 0 }, { "MASTER KEY", 0 }, { "REPOSITORY", 12 } };
	FF_AUTO(ff_json_drop) json_t *rows = json_array();
	const struct ff_talk_ask ask = { .command = "secret-list", .on_item = ff_talk_collect, .arg = rows };

	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	ff_view_rows(&cli->out, ff_args_value(args, FF_CLI_OPT_JSON), rows, columns, FF_ARRAY_LEN(columns), print_row);
	return 0;
}

/* As long as it takes; if the daemon goes away, the connection ends. */
static int wait_on(void *arg, struct ff_err *err)
{
	(void)arg;
	(void)err;
	return 0;
}

static int rotate(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const struct ff_talk_ask ask = { .command = "secret-rotate", .tick = wait_on };
	FF_AUTO(ff_json_drop) json_t *data = NULL;

	if (ff_talk_once(cli, args, &ask, &data, err) < 0)
		return -1;
	ff_cli_say(cli, "%" PRId64 " secrets are sealed anew with the master key %s; backups from before need the old one",
		   ff_view_int(data, "sealed"), ff_view_str(data, "key"));
	return 0;
}

int ff_cli_secret(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *what = args->operand[0], *name = args->operand[1];

	if (!strcmp(what, "init"))
		return init(cli, args, name, err);
	if (!strcmp(what, "set"))
		return set(cli, args, err);
	if (!strcmp(what, "delete"))
		return drop(cli, args, err);
	if (name && (!strcmp(what, "list") || !strcmp(what, "rotate")))
		return ff_err_set(err, FF_E_USAGE, "secret %s takes no name", what);
	if (!strcmp(what, "list"))
		return list(cli, args, err);
	if (!strcmp(what, "rotate"))
		return rotate(cli, args, err);
	return ff_err_set(err, FF_E_USAGE, "secret knows init, set, list, rotate and delete, not '%s'", what);
}
