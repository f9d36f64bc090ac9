/* SPDX-License-Identifier: MIT */
/* Whole commands against a core that is played by a thread: what they ask, print and end with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/sock.h"
#include "cli/cli.h"
#include "ipc/ipc.h"

#define DEADLINE_MS 20000
#define MAX_SAY 12
#define MAX_ANSWERS 8

enum kind {
	NOTHING = 0,
	ITEM,    /* an item with this data */
	PATCH,   /* an item with a descriptor of this content */
	GROW,    /* more content for the last descriptor */
	END,     /* the end with this data */
	ERROR,   /* the end with this error code */
	HANG_UP, /* the connection is closed */
	GO,      /* nobody listens any more, then the connection is closed */
	LISTEN,  /* wait until the client closes */
};

struct say { enum kind kind; const char *text; };
/* want: the command and its arguments, as JSON with sorted keys. */
struct answer { const char *want; struct say say[MAX_SAY]; };

struct core {
	const struct answer *answers;
	int listen_fd, file;
	char *got[MAX_ANSWERS];
	sem_t asked;
};

struct world {
	char *dir, *config[2];
	char *run_setting, *state_setting, *path_env;
	char *env[6];
	struct core core;
	pthread_t thread;
	bool thread_runs;
	char *out, *talk;
	FILE *in;
};

static int64_t waits[16];
static size_t n_waits;

static void note_wait(int64_t ms)
{
	if (n_waits < FF_ARRAY_LEN(waits))
		waits[n_waits++] = ms;
}

/* --- the core's side: no assertions here, they belong into the other thread */

static struct ff_chan *accept_one(const struct core *c)
{
	struct pollfd p = { .fd = c->listen_fd, .events = POLLIN };
	int fd;

	if (poll(&p, 1, DEADLINE_MS) != 1)
		return NULL;
	fd = ff_sock_accept(c->listen_fd);
	if (fd < 0)
		return NULL;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return ff_chan_new(fd, FF_PEER_CORE, FF_PEER_CLIENT);
}

static void send_file(struct core *c, struct ff_chan *chan, const char *text)
{
	ff_close(&c->file);
	c->file = memfd_create("content", MFD_CLOEXEC);
	(void)ff_fd_write_all(c->file, text, strlen(text), NULL);
	(void)ff_chan_send(chan, FF_MSG_ITEM, json_pack("{s:i,s:{}}", "id", 1, "data"),
			   fcntl(c->file, F_DUPFD_CLOEXEC, 3), NULL);
}

static void say_one(struct core *c, struct ff_chan **chan, const struct say *s)
{
	json_t *data = s->text && s->kind != PATCH && s->kind != GROW ? json_loads(s->text, JSON_DECODE_ANY, NULL) : NULL;
	enum ff_msg_type type;
	int fd = -1;
	json_t *msg;

	switch (s->kind) {
	case NOTHING:
		break;
	case ITEM:
		(void)ff_chan_send(*chan, FF_MSG_ITEM, json_pack("{s:i,s:O}", "id", 1, "data", data), -1, NULL);
		break;
	case PATCH:
		send_file(c, *chan, s->text);
		break;
	case GROW:
		(void)ff_fd_write_all(c->file, s->text, strlen(s->text), NULL);
		break;
	case END:
		(void)ff_chan_send(*chan, FF_MSG_END, json_pack("{s:i,s:O}", "id", 1, "data", data), -1, NULL);
		break;
	case ERROR:
		(void)ff_chan_send(*chan, FF_MSG_END, json_pack("{s:i,s:{s:s,s:s}}", "id", 1, "error", "code", s->text,
								"text", "said the core"), -1, NULL);
		break;
	case GO:
		ff_close(&c->listen_fd);
		ff_chan_free(chan);
		break;
	case HANG_UP:
		ff_chan_free(chan);
		break;
	case LISTEN:
		if (ff_chan_recv(*chan, DEADLINE_MS, &type, &msg, &fd, NULL) == 0)
			json_decref(msg);
		ff_chan_free(chan);
		break;
	}
	json_decref(data);
}

static char *describe(const json_t *msg)
{
	char *args = json_dumps(json_object_get(msg, "args"), JSON_COMPACT | JSON_SORT_KEYS);
	const char *command = json_string_value(json_object_get(msg, "command"));
	char *text = ff_asprintf("%s %s", command ? command : "?", args ? args : "?");

	free(args);
	return text;
}

static void *play(void *arg)
{
	struct core *c = arg;
	struct ff_chan *chan = NULL;

	for (size_t i = 0; c->answers[i].want; i++) {
		enum ff_msg_type type;
		json_t *msg = NULL;
		int fd = -1;

		while (!chan || ff_chan_recv(chan, DEADLINE_MS, &type, &msg, &fd, NULL) < 0) {
			ff_chan_free(&chan);
			chan = accept_one(c);
			if (!chan)
				return NULL;
		}
		c->got[i] = describe(msg);
		json_decref(msg);
		(void)sem_post(&c->asked);
		for (size_t k = 0; k < MAX_SAY && chan; k++)
			say_one(c, &chan, &c->answers[i].say[k]);
	}
	ff_chan_free(&chan);
	return NULL;
}

/* --- the world of a test */

static void write_program(const struct world *w, const char *name, const char *text)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->dir, name);

	assert_int_equal(ff_file_write(path, text, strlen(text), 0700, NULL), 0);
}

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);
	const char *tmp = getenv("TMPDIR");

	w->dir = ff_asprintf("%s/t-cli-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	w->run_setting = ff_asprintf("server.run-dir=%s", w->dir);
	w->state_setting = ff_asprintf("server.state-dir=%s", w->dir);
	w->path_env = ff_asprintf("PATH=%s:/usr/bin:/bin", w->dir);
	w->env[0] = w->path_env;
	w->core.listen_fd = w->core.file = -1;
	assert_int_equal(sem_init(&w->core.asked, 0, 0), 0);
	n_waits = 0;
	*state = w;
	return 0;
}

/* From here on a core listens and answers by this script. */
static void begin(struct world *w, const struct answer *answers)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->dir, "control.sock");

	w->core.answers = answers;
	assert_int_equal(ff_sock_listen(path, 0600, &w->core.listen_fd, NULL), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, play, &w->core), 0);
	w->thread_runs = true;
}

/* The script was played to its end, and every request was the one wanted. */
static void end(struct world *w)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	w->thread_runs = false;
	ff_close(&w->core.listen_fd);
	for (size_t i = 0; w->core.answers[i].want; i++) {
		assert_non_null(w->core.got[i]);
		assert_string_equal(w->core.got[i], w->core.answers[i].want);
	}
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->thread_runs) {
		ff_close(&w->core.listen_fd);
		(void)pthread_cancel(w->thread); /* the test has failed already; do not wait for the deadline */
		(void)pthread_join(w->thread, NULL);
	}
	for (size_t i = 0; i < MAX_ANSWERS; i++)
		ff_free(&w->core.got[i]);
	ff_close(&w->core.listen_fd);
	ff_close(&w->core.file);
	(void)sem_destroy(&w->core.asked);
	assert_int_equal(ff_dir_remove(w->dir, NULL), 0);
	if (w->in)
		(void)fclose(w->in);
	free(w->out);
	free(w->talk);
	ff_free(&w->dir);
	ff_free(&w->run_setting);
	ff_free(&w->state_setting);
	ff_free(&w->path_env);
	ff_free(&w);
	return 0;
}

/* Runs a command line (words between blanks) and keeps what it wrote. */
static int run(struct world *w, const char *line)
{
	FF_AUTO(ff_free) char *words = ff_strdup(line);
	char name[] = "flowforge", option[] = "-c", *argv[40] = { name, option, w->run_setting, option, w->state_setting };
	size_t out_len, talk_len;
	struct ff_cli cli = { .environ = w->env, .in = w->in ? w->in : stdin, .wait_ms = note_wait };
	int argc = 5, status;

	free(w->out);
	free(w->talk);
	cli.out_stream = open_memstream(&w->out, &out_len);
	cli.talk = open_memstream(&w->talk, &talk_len);
	assert_non_null(cli.out_stream);
	assert_non_null(cli.talk);
	for (char *save = words, *word; (word = strsep(&save, " "));)
		argv[argc++] = word;
	status = ff_cli_main(&cli, argc, argv);
	assert_int_equal(fclose(cli.out_stream), 0);
	assert_int_equal(fclose(cli.talk), 0);
	assert_null(strchr(w->talk, '\033'));
	return status;
}

#define EV(seq, type) "{\"seq\":" #seq ",\"job\":12,\"type\":\"" type "\",\"at\":\"2026-01-02T03:04:05.000Z\",\"text\":\"t" #seq "\"}"
#define JOB12 "{\"number\":12,\"state\":\"completed\",\"description\":\"completed\",\"repo\":\"/srv/a.git\"," \
	"\"branch\":\"claude/x\",\"result_branch\":\"claude-results/x-12\",\"task\":\"do it\",\"task_from\":\"trailer\"," \
	"\"created\":\"2026-01-02T03:04:05.000Z\",\"tokens_in\":10,\"tokens_out\":20,\"cost_microusd\":1500}"
#define JOB13 "{\"number\":13,\"state\":\"failed\",\"description\":\"failed: it \\u001b[2J broke\",\"repo\":\"/srv/a.git\"," \
	"\"branch\":{\"b64\":\"/w==\"},\"created\":null}"

static void assert_in(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* --- list and show */

static void list_is_a_table(void **state)
{
	static const struct answer core[] = {
		{ "list {\"branch\":\"b\",\"limit\":50,\"state\":\"failed\"}",
		  { { ITEM, JOB13 }, { ITEM, JOB12 }, { END, "{\"next_cursor\":null}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "list --state=failed --branch b"), 0);
	end(w);
	assert_in(w->out, "JOB  STATE      AGE");
	assert_in(w->out, "12   completed  ");
	assert_in(w->out, "  a.git       claude/x  claude-results/x-12\n");
	assert_in(w->out, "\\xff");
	assert_in(w->out, "it \\x1b[2J broke\n");
	assert_null(strchr(w->out, '\033'));
	assert_string_equal(w->talk, "");
}

static void list_asks_for_pages(void **state)
{
	static const struct answer core[] = {
		{ "list {\"limit\":200}", { { ITEM, JOB13 }, { END, "{\"next_cursor\":\"c1\"}" } } },
		{ "list {\"cursor\":\"c1\",\"limit\":200}", { { ITEM, JOB12 }, { END, "{\"next_cursor\":null}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "list --json -n 300"), 0);
	end(w);
	assert_int_equal(strncmp(w->out, "{\"items\":[{\"number\":13,", 22), 0);
	assert_in(w->out, "\"next_cursor\":null}\n");
}

static void an_empty_list_is_no_data(void **state)
{
	static const struct answer core[] = { { "list {\"limit\":50}", { { END, "{\"next_cursor\":null}" } } }, { NULL } };
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "list"), 0);
	end(w);
	assert_string_equal(w->out, "");
	assert_in(w->talk, "no jobs");
}

static void show_says_everything(void **state)
{
	static const struct answer core[] = {
		{ "show {\"job\":12}", { { ITEM, EV(4, "job.started") }, { END, JOB12 } } },
		{ "show {\"job\":\"0b5c1a3e-8f5d-4c8e-9f51-0123456789ab\"}", { { ITEM, EV(4, "job.started") }, { END, JOB12 } } },
		{ "show {\"job\":9}", { { END, "null" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "show 12"), 0);
	assert_in(w->out, "job 12 completed, result in claude-results/x-12\n");
	assert_in(w->out, "task        from trailer\n  do it\n");
	assert_in(w->out, "10 tokens in, 20 out, $0.0015\n");
	assert_in(w->out, "events\n  03:04:05  job.started  t4\n");
	assert_int_equal(run(w, "--json show 0b5c1a3e-8f5d-4c8e-9f51-0123456789ab"), 0);
	assert_int_equal(strncmp(w->out, "{\"number\":12,", 13), 0);
	assert_in(w->out, ",\"events\":[{\"seq\":4,\"job\":12,\"type\":\"job.started\",");
	assert_int_equal(run(w, "show 9"), 1);
	end(w);
}

static void errors_have_their_status(void **state)
{
	static const struct answer core[] = {
		{ "show {\"job\":1}", { { ERROR, "NOT_FOUND" } } },
		{ "cancel {\"job\":1,\"reason\":\"no\"}", { { ERROR, "NOT_ALLOWED" } } },
		{ "retry {\"job\":1}", { { ERROR, "CONFLICT" } } },
		{ "show {\"job\":1}", { { HANG_UP, NULL } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "show 1"), 3);
	assert_string_equal(w->talk, "flowforge: said the core\n");
	assert_string_equal(w->out, "");
	assert_int_equal(run(w, "cancel 1 -m no"), 4);
	assert_int_equal(run(w, "retry 1"), 1);
	assert_int_equal(run(w, "show 1"), 5);
	end(w);
	assert_int_equal(run(w, "show 0"), 2);
	assert_in(w->talk, "'0' is not a job");
	assert_int_equal(run(w, "show 0b5c1a3e-8f5d-4c8e-9f51-0123456789"), 2);
	assert_int_equal(run(w, "bogus"), 2);
	assert_int_equal(run(w, "list --limit 0"), 2);
	assert_int_equal(run(w, "list --state=lost"), 2);
}

static void nobody_there_says_what_to_do(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "list"), 5);
	assert_in(w->talk, "cannot reach flowforged at ");
	assert_in(w->talk, "is it running? see flowforge doctor");
	assert_int_equal(run(w, "watch 1"), 5);
	assert_int_equal(n_waits, 0);
}

static void a_bad_configuration_is_usage(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "-c server.worker=1 list"), 2);
	assert_in(w->talk, "server.worker");
}

static void help_and_version_end_well(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "--help"), 0);
	assert_in(w->out, "usage: flowforge");
	assert_int_equal(run(w, "watch --help"), 0);
	assert_in(w->out, "--reconnect=TIME");
	assert_int_equal(run(w, "help list"), 0);
	assert_int_equal(run(w, "help lost"), 2);
	assert_int_equal(run(w, "--version"), 0);
	assert_string_equal(w->out, "flowforge " PACKAGE_VERSION "\n");
}

/* --- submit */

static void submit_sends_all(void **state)
{
	static const struct answer core[] = {
		{ "submit {\"branch\":\"x\",\"env\":\"e\",\"priority\":\"high\",\"repo\":\"/\",\"retries\":3,"
		  "\"target\":\"t\",\"task\":\"one\\ntwo\",\"ttl_ms\":7200000}", { { END, JOB12 } } },
		{ "submit {\"branch\":\"x\",\"repo\":\"/\",\"task\":\"from stdin\\n\"}", { { END, JOB12 } } },
		{ "submit {\"branch\":\"x\",\"repo\":\"/\"}", { { END, JOB12 } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "submit / x -m one -m two --target t --priority high --ttl 2h --retries 3 --env e"), 0);
	assert_in(w->out, "job 12 completed");
	w->in = tmpfile();
	assert_non_null(w->in);
	assert_true(fputs("from stdin\n", w->in) >= 0);
	rewind(w->in);
	assert_int_equal(run(w, "submit /. x -F -"), 0);
	assert_int_equal(run(w, "submit / x"), 0);
	end(w);
}

static void submit_refuses_early(void **state)
{
	FF_AUTO(ff_free) char *big = ff_calloc(1, 33 * 1024);
	FF_AUTO(ff_free) char *line = NULL;
	struct world *w = *state;

	assert_int_equal(run(w, "submit /nowhere x"), 3);
	assert_int_equal(run(w, "submit / x --priority urgent"), 2);
	assert_int_equal(run(w, "submit / x --ttl 2"), 2);
	assert_int_equal(run(w, "submit / x --retries -1"), 2);
	assert_int_equal(run(w, "submit / x -m a -F b"), 2);
	assert_int_equal(run(w, "submit / x --task="), 2);
	assert_in(w->talk, "the task is empty");
	assert_int_equal(run(w, "submit / x -m \xff"), 2);
	assert_int_equal(run(w, "submit / x -F /nowhere"), 3);
	memset(big, 'a', 32 * 1024 + 1);
	line = ff_asprintf("submit / x -m %s", big);
	assert_int_equal(run(w, line), 1);
	assert_in(w->talk, "hook.max-task");
}

/* --- log and diff */

#define LINE(stream, text) "{\"at\":\"2026-01-02T03:04:05.000Z\",\"attempt\":1,\"stream\":\"" stream "\",\"text\":\"" text "\"}\n"

static void log_prints_the_file(void **state)
{
	static const struct answer core[] = {
		{ "log {\"job\":12}", { { PATCH, LINE("agent", "one\\ntwo\\u001b[1m") "garbage\n" LINE("tool", "three") },
					{ END, "{\"size\":1,\"ended\":true,\"dropped\":9}" } } },
		{ "log {\"job\":12}", { { PATCH, LINE("agent", "one\\u009b") }, { END, "{}" } } },
		{ "log {\"job\":12}", { { END, "{\"size\":0}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "log 12"), 0);
	assert_string_equal(w->out, "agent | one\nagent | two\\x1b[1m\ntool  | three\n");
	assert_in(w->talk, "9 bytes over log.job-max were dropped");
	assert_in(w->talk, "1 damaged lines were left out");
	assert_int_equal(run(w, "log --json 12"), 0);
	assert_string_equal(w->out, LINE("agent", "one\\u009B"));
	assert_int_equal(run(w, "log 12"), 0);
	assert_string_equal(w->out, "");
	assert_in(w->talk, "has written nothing");
	end(w);
}

static void log_follows_to_the_end(void **state)
{
	/* Two connections at once: the stream, and the file asked for at its first item. */
	static const struct answer core[] = {
		{ "watch {\"job\":12}", { { ITEM, "{\"seq\":1,\"type\":\"job.started\"}" }, { END, JOB13 }, { HANG_UP, NULL } } },
		{ "log {\"job\":12}", { { PATCH, LINE("agent", "one") "{\"stream\":\"tool\",\"te" },
					{ GROW, "xt\":\"two\"}\n" }, { END, "{\"dropped\":0}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "log -f 12"), 1);
	end(w);
	assert_string_equal(w->out, "agent | one\ntool  | two\n");
}

#define PATCH_TEXT "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\033\n+b\t\n \n"

static void diff_is_exact_in_a_pipe_only(void **state)
{
	static const struct answer core[] = {
		{ "diff {\"job\":12}", { { PATCH, PATCH_TEXT }, { END, "{}" } } },
		{ "diff {\"job\":12}", { { PATCH, PATCH_TEXT }, { END, "{}" } } },
		{ "diff {\"job\":12}", { { PATCH, PATCH_TEXT }, { END, "{}" } } },
		{ "diff {\"job\":12}", { { PATCH, PATCH_TEXT }, { END, "{}" } } },
		{ "diff {\"job\":12}", { { END, "{}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "diff 12"), 0);
	assert_string_equal(w->out, PATCH_TEXT);
	assert_int_equal(run(w, "diff 12 --color=always"), 0);
	assert_in(w->out, "\033[31m-a\\x1b\n\033[0m\033[32m+b\t\n\033[0m \n");
	assert_int_equal(run(w, "shell diff 12"), 0);
	assert_in(w->out, "-a\\x1b\n+b\t\n \n");
	assert_int_equal(run(w, "shell diff 12 --raw"), 0);
	assert_string_equal(w->out, PATCH_TEXT);
	assert_int_equal(run(w, "diff 12"), 0);
	assert_in(w->talk, "changed nothing");
	end(w);
}

/* --- watch */

static void watch_ends_as_the_job(void **state)
{
	static const struct answer core[] = {
		{ "watch {\"job\":12}", { { ITEM, EV(4, "job.started") },
					  { ITEM, "{\"log\":{\"stream\":\"agent\",\"text\":\"hi\\u001b\"}}" }, { END, JOB12 } } },
		{ "watch {\"job\":13}", { { ITEM, EV(5, "job.failed") },
					  { END, JOB13 } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "watch 12"), 0);
	assert_string_equal(w->out, "03:04:05  job.started  t4\nagent | hi\\x1b\n"
			    "job 12 completed, result in claude-results/x-12\n");
	assert_int_equal(run(w, "watch --json 13"), 1);
	end(w);
	assert_string_equal(w->out, "{\"seq\":5,\"job\":12,\"type\":\"job.failed\",\"at\":\"2026-01-02T03:04:05.000Z\","
			    "\"text\":\"t5\"}\n{\"job\":{\"number\":13,\"state\":\"failed\",\"description\":"
			    "\"failed: it \\u001B[2J broke\",\"repo\":\"/srv/a.git\",\"branch\":{\"b64\":\"/w==\"},"
			    "\"created\":null}}\n");
}

static void watch_goes_on_behind_the_last_event(void **state)
{
	static const struct answer core[] = {
		{ "watch {\"job\":12}", { { ITEM, EV(4, "job.started") }, { HANG_UP, NULL } } },
		{ "watch {\"after\":4,\"job\":12}", { { HANG_UP, NULL } } },
		{ "watch {\"after\":4,\"job\":12}", { { ITEM, EV(4, "job.started") }, { ITEM, EV(6, "job.progress") },
						     { HANG_UP, NULL } } },
		{ "watch {\"after\":6,\"job\":12}", { { END, JOB12 } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "watch 12"), 0);
	end(w);
	assert_string_equal(w->out, "03:04:05  job.started  t4\n03:04:05  job.progress  t6\n"
			    "job 12 completed, result in claude-results/x-12\n");
	assert_int_equal(n_waits, 3);
	assert_int_equal(waits[0], 1000);
	assert_int_equal(waits[1], 2000);
	assert_int_equal(waits[2], 1000);
	assert_in(w->talk, "trying again in 1 s");
	assert_in(w->talk, "going on after event 4");
}

static void watch_gives_up_in_the_end(void **state)
{
	static const struct answer core[] = {
		{ "watch {\"job\":12}", { { ITEM, EV(4, "job.started") }, { GO, NULL } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "watch 12 --reconnect 2m"), 5);
	end(w);
	/* 1 2 4 8 16 30 30 make 91 s; another 30 would be over. */
	assert_int_equal(n_waits, 7);
	assert_int_equal(waits[4], 16000);
	assert_int_equal(waits[5], 30000);
	assert_int_equal(waits[6], 30000);
}

static void watch_of_no_job_ends_at_once(void **state)
{
	static const struct answer core[] = { { "watch {\"job\":99}", { { ERROR, "NOT_FOUND" } } }, { NULL } };
	struct world *w = *state;

	begin(w, core);
	assert_int_equal(run(w, "watch 99"), 3);
	end(w);
	assert_int_equal(n_waits, 0);
}

/* --- shell */

static void shell_runs_harmless_words(void **state)
{
	static const struct answer core[] = {
		{ "show {\"job\":12}", { { END, JOB12 } } },
		{ "cancel {\"job\":12}", { { END, JOB12 } } },
		{ NULL },
	};
	char words[] = "SSH_ORIGINAL_COMMAND=flowforge show 12";
	struct world *w = *state;

	begin(w, core);
	w->env[1] = words;
	assert_int_equal(run(w, "shell"), 0);
	assert_in(w->out, "job 12 completed");
	assert_int_equal(run(w, "shell flowforge cancel 12"), 0);
	end(w);
}

static void shell_refuses_all_else(void **state)
{
	static const struct { const char *line; int status; } refused[] = {
		{ "", 4 }, { "bash", 4 }, { "flowforge", 4 }, { "flowforged list", 4 }, { "flowforge submit / x", 4 },
		{ "flowforge doctor", 4 }, { "flowforge shell list", 4 }, { "flowforge --config /etc/shadow list", 4 },
		{ "flowforge list --config=/etc/shadow", 4 }, { "flowforge list -c server.run-dir=/tmp", 4 },
		{ "flowforge -cserver.run-dir=/tmp list", 4 }, { "flowforge --json doctor", 4 },
		{ "flowforge list; id", 2 }, { "flowforge show $(id)", 2 }, { "flowforge show 'x'", 2 },
		{ "flowforge show 1\nid", 2 }, { "git gc", 4 }, { "git-shell -c x", 4 }, { "flowforge show x", 2 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < FF_ARRAY_LEN(refused); i++) {
		FF_AUTO(ff_free) char *variable = ff_asprintf("SSH_ORIGINAL_COMMAND=%s", refused[i].line);
		int status;

		w->env[1] = variable;
		status = run(w, "shell");
		w->env[1] = NULL;
		if (status != refused[i].status)
			fail_msg("'%s' ended with %d: %s", refused[i].line, status, w->talk);
		assert_string_equal(w->out, "");
	}
	assert_int_equal(run(w, "shell submit / x"), 4);
	assert_in(w->talk, "list show watch log diff cancel retry");
	assert_int_equal(run(w, "shell show 1;id"), 2);
}

/* --- the program itself */

static char *program(void)
{
	const char *build = getenv("top_builddir");

	return ff_path_join(build ? build : ".", "flowforge");
}

static void shell_hands_git_over(void **state)
{
	char name[] = "flowforge", word[] = "shell", ssh[] = "SSH_ORIGINAL_COMMAND=git-receive-pack '/a b.git'";
	struct world *w = *state;
	char *const argv[] = { name, word, NULL }, *const envp[] = { w->path_env, ssh, NULL };
	FF_AUTO(ff_free) char *path = program();
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	FF_AUTO(ff_close) int from = -1;
	int fds[2];
	pid_t pid;

	ff_buf_init(&out, 4096);
	write_program(w, "git-shell", "#!/bin/sh\necho \"$#|$1|$2|$SSH_ORIGINAL_COMMAND\"\nexit 7\n");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	from = fds[0];
	assert_int_equal(ff_spawn(&(struct ff_spawn){ .path = path, .argv = argv, .envp = envp, .fd_in = -1, .fd_out = fds[1],
						      .fd_err = -1, .fd_3 = -1 }, &pid, NULL), 0);
	ff_close(&fds[1]);
	assert_int_equal(ff_fd_read_all(from, &out, NULL), 0);
	assert_int_equal(WEXITSTATUS(ff_wait(pid)), 7);
	assert_string_equal(out.data, "2|-c|git-receive-pack '/a b.git'|git-receive-pack '/a b.git'\n");
}

static void an_interrupt_is_130(void **state)
{
	static const struct answer core[] = { { "watch {\"job\":1}", { { LISTEN, NULL } } }, { NULL } };
	char name[] = "flowforge", option[] = "-c", command[] = "watch", job[] = "1";
	struct world *w = *state;
	char *const argv[] = { name, option, w->run_setting, command, job, NULL }, *const envp[] = { w->path_env, NULL };
	FF_AUTO(ff_free) char *path = program();
	struct timespec deadline;
	int status;
	pid_t pid;

	begin(w, core);
	assert_int_equal(ff_spawn(&(struct ff_spawn){ .path = path, .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1,
						      .fd_err = -1, .fd_3 = -1 }, &pid, NULL), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &deadline), 0);
	deadline.tv_sec += DEADLINE_MS / 1000;
	assert_int_equal(sem_timedwait(&w->core.asked, &deadline), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	status = ff_wait(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
	end(w);
}

/* Over ssh nobody tells us that the user has gone, except the pipe. */
static void a_reader_who_leaves_ends_a_quiet_watch(void **state)
{
	static const struct answer core[] = { { "watch {\"job\":1}", { { LISTEN, NULL } } }, { NULL } };
	char name[] = "flowforge", option[] = "-c", command[] = "watch", job[] = "1";
	struct world *w = *state;
	char *const argv[] = { name, option, w->run_setting, command, job, NULL }, *const envp[] = { w->path_env, NULL };
	FF_AUTO(ff_free) char *path = program();
	int fds[2], status;
	pid_t pid;

	begin(w, core);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(ff_spawn(&(struct ff_spawn){ .path = path, .argv = argv, .envp = envp, .fd_in = -1, .fd_out = fds[1],
						      .fd_err = -1, .fd_3 = -1 }, &pid, NULL), 0);
	ff_close(&fds[1]);
	ff_close(&fds[0]);
	status = ff_wait(pid);
	end(w);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* --- doctor */

static void doctor_is_content(void **state)
{
	static const struct answer core[] = {
		{ "status {}", { { END, "{\"version\":\"" PACKAGE_VERSION "\",\"queue\":{\"queued\":3},"
				   "\"sandbox\":{\"known\":true,\"ok\":true,\"text\":null},\"gateway\":true,"
				   "\"draining\":false,\"record_writable\":true,\"repos\":[\"/nowhere.git\"]}" } } },
		{ NULL },
	};
	FF_AUTO(ff_free) char *line = NULL;
	FF_AUTO(ff_free) char *spool = NULL;
	struct world *w = *state;

	write_program(w, "bwrap", "#!/bin/sh\necho bubblewrap 0.8.0\n");
	write_program(w, "git", "#!/bin/sh\necho git version 2.39.5\n");
	write_program(w, "key", "k");
	spool = ff_path_join(w->dir, "spool");
	assert_int_equal(ff_dir_make(spool, 0700, NULL), 0);
	line = ff_asprintf("-c sandbox.bwrap=%s/bwrap doctor", w->dir);
	begin(w, core);
	assert_int_equal(run(w, line), 0);
	end(w);
	assert_in(w->out, "ok    bubblewrap: ");
	assert_in(w->out, "ok    git: ");
	assert_in(w->out, "; 3 jobs queued, 0 waiting, 0 running\n");
	assert_in(w->out, "ok    sandbox: jobs can be confined\n");
	assert_in(w->out, "ok    spool: ");
	assert_in(w->out, "warn  hooks: /nowhere.git cannot be looked at: ");
}

static void doctor_warns_of_what_the_host_lacks(void **state)
{
	static const struct answer core[] = {
		{ "status {}", { { END, "{\"version\":\"" PACKAGE_VERSION "\",\"sandbox\":{\"known\":true,\"ok\":true,\"text\":"
				   "\"this kernel has no Landlock\"},\"gateway\":true,\"draining\":false,\"record_writable\":true}" } } },
		{ NULL },
	};
	struct world *w = *state;

	begin(w, core);
	(void)run(w, "doctor");
	end(w);
	assert_in(w->out, "warn  sandbox: jobs can be confined, but this kernel has no Landlock\n");
}

static void doctor_names_every_illness(void **state)
{
	static const struct answer core[] = {
		{ "status {}", { { END, "{\"version\":\"0.0.1\",\"sandbox\":{\"known\":true,\"ok\":false,\"text\":"
				   "\"user namespaces\\u001b\"},\"gateway\":false,\"draining\":true,"
				   "\"record_writable\":false}" } } },
		{ NULL },
	};
	FF_AUTO(ff_free) char *line = NULL;
	FF_AUTO(ff_free) char *key = NULL;
	struct world *w = *state;

	write_program(w, "bwrap", "#!/bin/sh\necho bubblewrap 0.7.0\n");
	write_program(w, "git", "#!/bin/sh\nexit 1\n");
	write_program(w, "key", "k");
	key = ff_path_join(w->dir, "key");
	assert_int_equal(chmod(key, 0644), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	line = ff_asprintf("-c sandbox.bwrap=%s/bwrap -c gateway.key-file=%s doctor", w->dir, key);
	begin(w, core);
	assert_int_equal(run(w, line), 1);
	end(w);
	assert_in(w->out, "bubblewrap 0.7.0, too old: install bubblewrap 0.8");
	assert_in(w->out, "/git --version failed: install git");
	assert_in(w->out, "can be read by others (mode 0644): chmod 600");
	assert_in(w->out, "is writable for everybody");
	assert_in(w->out, "warn  daemon: it is version 0.0.1, this is ");
	assert_in(w->out, "warn  daemon: it is ending");
	assert_in(w->out, "fail  record: ");
	assert_in(w->out, "fail  gateway: it does not run");
	assert_in(w->out, "cannot confine them: user namespaces\\x1b\n");
	assert_int_equal(run(w, "--json doctor"), 1);
	assert_in(w->out, "{\"check\":\"daemon\",\"status\":\"fail\",\"text\":\"nobody answers in ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(list_is_a_table), T(list_asks_for_pages), T(an_empty_list_is_no_data), T(show_says_everything),
		T(errors_have_their_status), T(nobody_there_says_what_to_do), T(a_bad_configuration_is_usage),
		T(help_and_version_end_well), T(submit_sends_all), T(submit_refuses_early), T(log_prints_the_file),
		T(log_follows_to_the_end), T(diff_is_exact_in_a_pipe_only), T(watch_ends_as_the_job),
		T(watch_goes_on_behind_the_last_event), T(watch_gives_up_in_the_end), T(watch_of_no_job_ends_at_once),
		T(shell_runs_harmless_words), T(shell_refuses_all_else), T(shell_hands_git_over), T(an_interrupt_is_130),
		T(a_reader_who_leaves_ends_a_quiet_watch),
		T(doctor_warns_of_what_the_host_lacks),
		T(doctor_is_content), T(doctor_names_every_illness),
	};

	if (setenv("TZ", "UTC", 1) < 0)
		return 1;
	tzset();
	return cmocka_run_group_tests_name("cli-core", tests, NULL, NULL);
}
