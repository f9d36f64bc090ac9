/* SPDX-License-Identifier: MIT */
/* The commands that ask once and print what comes: submit, list, show, cancel, retry, approve, reject. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/option.h"
#include "base/text.h"

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "job/job.h"

#define LIST_DEFAULT 50
#define LIST_PAGE 200   /* most that core gives at once */
#define LIST_MOST 10000

/* A job: as JSON, or by the function for people. */
static int print_job(struct ff_cli *cli, const struct ff_args *args, json_t *job,
		     void (*view)(const struct ff_print *p, const json_t *job))
{
	if (ff_args_value(args, FF_CLI_OPT_JSON))
		ff_print_json(&cli->out, job);
	else
		view(&cli->out, job);
	return 0;
}

static void view_everything(const struct ff_print *p, const json_t *job)
{
	ff_view_job(p, job, ff_clock_wall());
}

struct held { struct ff_cli *cli; bool told; int seconds; };

/* The only item there is: the daemon lets the command wait. */
static int on_held(void *arg, json_t *data, int fd, struct ff_err *err)
{
	struct held *h = arg;

	(void)err;
	ff_close(&fd);
	if (json_is_true(json_object_get(data, "held")) && !h->told) {
		h->told = true;
		ff_cli_say(h->cli, "the daemon cannot write its record now; waiting for it (see " FF_NAME " doctor)");
	}
	return 0;
}

/* One that was told to wait hears from the daemon when the time is over. */
static int on_silence(void *arg, struct ff_err *err)
{
	struct held *h = arg;

	if (h->told || ++h->seconds < FF_TALK_TIMEOUT_MS / FF_TALK_TICK_MS)
		return 0;
	return ff_err_set(err, FF_E_TIMEOUT, FF_DAEMON " gives no answer");
}

/* A command whose only argument is a job and whose answer is one. request is taken. */
static int job_command(struct ff_cli *cli, const struct ff_args *args, const char *command, json_t *request,
		       void (*view)(const struct ff_print *p, const json_t *job), struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *job = NULL;
	struct held held = { .cli = cli };
	const char *who = cli->remote ? ff_print_getenv(cli->environ, "GL_USER") : NULL; /* gitolite: whose key it was */
	const struct ff_talk_ask ask = { .command = command, .args = request, .on_item = on_held, .tick = on_silence,
					 .arg = &held };

	if (who)
		(void)json_object_set_new(request, "who", ff_json_from_bytes(who));
	if (ff_talk_once(cli, args, &ask, &job, err) < 0)
		return -1;
	return print_job(cli, args, job, view);
}

/* The events come one by one, as they may be more than one message holds. */
int ff_cli_show(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *events = json_array();
	FF_AUTO(ff_json_drop) json_t *job = NULL;
	struct ff_talk_ask ask = { .command = "show", .on_item = ff_talk_collect, .arg = events };

	if (ff_talk_job(args->operand[0], &ask.args, err) < 0 || ff_talk_once(cli, args, &ask, &job, err) < 0)
		return -1;
	if (!json_is_object(job))
		return ff_err_set(err, FF_E_PROTOCOL, FF_DAEMON " did not say what the job is");
	(void)json_object_set(job, "events", events);
	return print_job(cli, args, job, view_everything);
}

int ff_cli_cancel(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *reason = ff_args_value(args, FF_CLI_OPT_REASON);
	json_t *request;

	if (ff_talk_job(args->operand[0], &request, err) < 0)
		return -1;
	if (reason)
		(void)json_object_set_new(request, "reason", ff_json_from_bytes(reason));
	return job_command(cli, args, "cancel", request, ff_view_summary, err);
}

int ff_cli_continue(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	json_t *request;

	if (ff_talk_job(args->operand[0], &request, err) < 0)
		return -1;
	return job_command(cli, args, "continue", request, ff_view_summary, err);
}

/* For a person behind ssh this is said to the daemon, which lets those alone that it knows by name. */
static int judge(struct ff_cli *cli, const struct ff_args *args, const char *command, struct ff_err *err)
{
	const char *reason = ff_args_value(args, FF_CLI_OPT_REASON);
	json_t *request;

	if (ff_talk_job(args->operand[0], &request, err) < 0)
		return -1;
	if (reason)
		(void)json_object_set_new(request, "reason", ff_json_from_bytes(reason));
	if (cli->remote)
		(void)json_object_set_new(request, "remote", json_true());
	return job_command(cli, args, command, request, ff_view_summary, err);
}

int ff_cli_approve(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	return judge(cli, args, "approve", err);
}

int ff_cli_reject(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	return judge(cli, args, "reject", err);
}

int ff_cli_retry(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	json_t *request;

	if (ff_talk_job(args->operand[0], &request, err) < 0)
		return -1;
	return job_command(cli, args, "retry", request, ff_view_summary, err);
}

/* --- submit */

/* The task from -m and -F, into out; *ret_given tells an empty task from none. */
static int read_task(struct ff_cli *cli, const struct ff_args *args, struct ff_buf *out, bool *ret_given,
		     struct ff_err *err)
{
	const char *file = ff_args_value(args, FF_CLI_OPT_TASK_FILE);
	bool message = ff_args_value(args, FF_CLI_OPT_TASK) != NULL;

	if (file && message)
		return ff_err_set(err, FF_E_USAGE, "the task is given twice: use -m or -F");
	*ret_given = file || message;
	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].opt == FF_CLI_OPT_TASK)
			(void)ff_buf_addf(out, "%s%s", out->len ? "\n" : "", args->given[i].value);
	if (out->overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the task is over hook.max-task, %zu bytes", out->max);
	if (!file)
		return 0;
	if (!strcmp(file, "-") ? ff_fd_read_all(fileno(cli->in), out, err) : ff_file_read(file, out, err))
		return ff_err_wrap(err, "the task (hook.max-task is %zu bytes)", out->max);
	return 0;
}

static int add_task(struct ff_cli *cli, const struct ff_args *args, json_t *request, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf task;
	bool given = false;

	ff_buf_init(&task, ff_conf_option_limits(cli->conf).max_task_bytes);
	if (read_task(cli, args, &task, &given, err) < 0)
		return -1;
	if (!given)
		return 0;
	if (!task.len || strspn(task.data, " \t\r\n") == task.len)
		return ff_err_set(err, FF_E_USAGE, "the task is empty");
	if (memchr(task.data, '\0', task.len) || !ff_utf8_valid(task.data, task.len))
		return ff_err_set(err, FF_E_INVALID, "the task is not UTF-8 text");
	(void)json_object_set_new(request, "task", json_stringn(task.data, task.len));
	return 0;
}

static int add_numbers(const struct ff_args *args, json_t *request, struct ff_err *err)
{
	const char *ttl = ff_args_value(args, FF_CLI_OPT_TTL), *retries = ff_args_value(args, FF_CLI_OPT_RETRIES);
	int64_t n;

	if (ttl && ff_num_duration(ttl, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "--ttl is a time as 30m or 2h, not '%s'", ttl);
	if (ttl)
		(void)json_object_set_new(request, "ttl_ms", json_integer(n));
	if (retries && ff_num_i64(retries, 0, 100, &n) < 0)
		return ff_err_set(err, FF_E_USAGE, "--retries is a number from 0 to 100, not '%s'", retries);
	if (retries)
		(void)json_object_set_new(request, "retries", json_integer(n));
	return 0;
}

static int add_words(const struct ff_args *args, json_t *request, struct ff_err *err)
{
	static const struct { enum ff_cli_opt opt; const char *key; } words[] = {
		{ FF_CLI_OPT_TARGET, "target" }, { FF_CLI_OPT_ENV, "env" }, { FF_CLI_OPT_PRIORITY, "priority" },
	};
	const char *priority = ff_args_value(args, FF_CLI_OPT_PRIORITY);
	enum ff_priority p;

	if (priority && ff_priority_by_word(priority, &p) < 0)
		return ff_err_set(err, FF_E_USAGE, "--priority is low, normal or high, not '%s'", priority);
	for (size_t i = 0; i < FF_ARRAY_LEN(words); i++) {
		const char *value = ff_args_value(args, words[i].opt);

		if (value)
			(void)json_object_set_new(request, words[i].key, ff_json_from_bytes(value));
	}
	return 0;
}

int ff_cli_submit(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *request = json_object();
	char *repo = realpath(args->operand[0], NULL);

	if (!repo)
		return ff_err_set(err, errno == EACCES ? FF_E_NOT_ALLOWED : FF_E_NOT_FOUND, "%s: %s",
				  args->operand[0], strerror(errno));
	(void)json_object_set_new(request, "repo", ff_json_from_bytes(repo));
	free(repo);
	(void)json_object_set_new(request, "branch", ff_json_from_bytes(args->operand[1]));
	if (add_words(args, request, err) < 0 || add_numbers(args, request, err) < 0 ||
	    ff_cli_conf(cli, args, err) < 0 || add_task(cli, args, request, err) < 0)
		return -1;
	return job_command(cli, args, "submit", ff_steal(&request), ff_view_summary, err);
}

/* --- list */

/* Fills the request from the options; *ret_limit is how many jobs are wanted. */
static int list_request(const struct ff_args *args, json_t *request, int64_t *ret_limit, struct ff_err *err)
{
	const char *state = ff_args_value(args, FF_CLI_OPT_STATE), *repo = ff_args_value(args, FF_CLI_OPT_REPO);
	const char *branch = ff_args_value(args, FF_CLI_OPT_BRANCH), *limit = ff_args_value(args, FF_CLI_OPT_LIMIT);
	enum ff_job_state known;

	if (limit && ff_num_i64(limit, 1, LIST_MOST, ret_limit) < 0)
		return ff_err_set(err, FF_E_USAGE, "--limit is a number from 1 to %d, not '%s'", LIST_MOST, limit);
	if (state && ff_job_state_by_word(state, &known) < 0)
		return ff_err_set(err, FF_E_USAGE, "no state is called '%s': see " FF_NAME "(1)", state);
	if (state)
		(void)json_object_set_new(request, "state", json_string(state));
	if (ff_args_value(args, FF_CLI_OPT_DEAD))
		(void)json_object_set_new(request, "dead", json_true());
	if (repo) {
		char *path = realpath(repo, NULL);

		/* A repository that was removed still has jobs. */
		(void)json_object_set_new(request, "repo", ff_json_from_bytes(path ? path : repo));
		free(path);
	}
	if (branch)
		(void)json_object_set_new(request, "branch", ff_json_from_bytes(branch));
	return 0;
}

/* Page after page until `limit` jobs are there; *ret_next is the cursor of the rest, or null. */
static int list_pages(struct ff_cli *cli, const struct ff_args *args, json_t *request, int64_t limit, json_t *items,
		      json_t **ret_next, struct ff_err *err)
{
	FF_AUTO(ff_chan_free) struct ff_chan *chan = NULL;

	if (ff_talk_open(cli, args, &chan, err) < 0)
		return -1;
	for (;;) {
		int64_t left = limit - (int64_t)json_array_size(items);
		FF_AUTO(ff_json_drop) json_t *last = json_incref(json_object_get(request, "cursor"));
		struct ff_talk_ask ask = { .command = "list", .on_item = ff_talk_collect, .arg = items };
		FF_AUTO(ff_json_drop) json_t *end = NULL;
		json_t *next;

		(void)json_object_set_new(request, "limit", json_integer(left < LIST_PAGE ? left : LIST_PAGE));
		ask.args = json_deep_copy(request);
		if (ff_talk(chan, &ask, &end, err) < 0)
			return -1;
		next = json_object_get(end, "next_cursor");
		/* A page may be empty and not the last: the daemon looks at so many jobs at a time. */
		if (!next || json_is_null(next) || (last && json_equal(next, last)) || (int64_t)json_array_size(items) >= limit) {
			*ret_next = next ? json_incref(next) : json_null();
			return 0;
		}
		(void)json_object_set(request, "cursor", next);
	}
}

int ff_cli_list(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *request = json_object();
	FF_AUTO(ff_json_drop) json_t *items = json_array();
	FF_AUTO(ff_json_drop) json_t *next = NULL;
	FF_AUTO(ff_json_drop) json_t *answer = NULL;
	int64_t limit = LIST_DEFAULT;

	if (list_request(args, request, &limit, err) < 0 ||
	    list_pages(cli, args, request, limit, items, &next, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_JSON)) {
		answer = json_pack("{s:O,s:O}", "items", items, "next_cursor", next);
		ff_print_json(&cli->out, answer);
		return 0;
	}
	if (!json_array_size(items)) {
		ff_cli_say(cli, "no jobs");
		return 0;
	}
	ff_view_list(&cli->out, items, ff_clock_wall());
	if (!json_is_null(next))
		ff_cli_say(cli, "there are more: see --limit");
	return 0;
}
