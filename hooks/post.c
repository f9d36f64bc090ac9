/* SPDX-License-Identifier: MIT */
/*
 * post-receive: the push has happened and its exit status reaches nobody, so
 * all that matters is that core learns of it, now or from the spool, and that
 * the pusher does not wait.  Of other branches that moved core is told, too,
 * since jobs may have one for their target; that is worth no spool file.  A
 * push without a ref that concerns us ends after its standard input has been
 * read.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"
#include "hooks/hook.h"

#define HARD_LIMIT_MS 1950 /* of the 2 seconds that a push may be held up */
#define ID_BYTES 16
/* Core answers within hook.answer-time; this long on top for it to do so. */
#define ANSWER_GRACE_MS 100

struct push {
	const struct ff_hook_conf *conf;
	const char **options; /* borrowed from the environment, the array is ours */
	size_t option_count;
	bool asks;            /* a claude option that could start a job */
	size_t refs, left;    /* taken into the message; more, for which there was no room */
	size_t branches;      /* branches that this push sets */
	struct ff_buf json;   /* of the refs */
	size_t moves;         /* branches that jobs may have for their target */
	struct ff_buf moved;  /* JSON of them */
	struct ff_buf say;    /* for the pusher */
	size_t shown;         /* lines that were */
	struct ff_hook_follow follow; /* where core tells what the job does, if somebody asked */
	char id[2 * ID_BYTES + 1];
};

static volatile sig_atomic_t taken; /* core or the spool has it */

static void too_late(int signo)
{
	static const char text[] = "warning: " FF_NAME " could not take this push over in time;\n"
		"  push again with a new commit, or tell the administrator\n";
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	(void)signo;
	if (!taken && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(0);
}

/* What no deadline of ours bounds: a slow disk, a client that does not read. */
static void arm(int64_t timeout_ms)
{
	struct sigaction act = { .sa_handler = too_late };
	int64_t ms = timeout_ms + 100 > HARD_LIMIT_MS ? timeout_ms + 100 : HARD_LIMIT_MS;
	struct itimerval t = { .it_value = { ms / 1000, (ms % 1000) * 1000 } };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	ff_assert(sigaction(SIGALRM, &act, NULL) == 0);
	ff_assert(sigprocmask(SIG_UNBLOCK, &mask, NULL) == 0); /* a mask is inherited */
	ff_assert(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

/* The pusher has said that he will wait. */
static void disarm(void)
{
	static const struct itimerval off;

	ff_assert(setitimer(ITIMER_REAL, &off, NULL) == 0);
}

void ff_hook_add_ref(struct ff_buf *json, const struct ff_hook_update *u)
{
	(void)ff_buf_addf(json, "%s{\"old\":\"%s\",\"new\":\"%s\",\"ref\":", json->len ? "," : "", u->old_oid, u->new_oid);
	ff_text_json_bytes(json, u->ref, strlen(u->ref));
	(void)ff_buf_addc(json, '}');
}

/* Adds a ref to a message, if there is room for one more. */
static bool take_one(const struct push *p, const struct ff_hook_update *u, struct ff_buf *json, size_t n)
{
	size_t before = json->len;

	if ((int64_t)n == p->conf->max_refs)
		return false;
	ff_hook_add_ref(json, u);
	if (!json->overflow)
		return true;
	json->len = before;
	json->data[before] = '\0';
	json->overflow = false;
	return false;
}

static void take_ref(void *arg, const struct ff_hook_update *u)
{
	struct push *p = arg;

	p->branches += !ff_oid_zero(u->new_oid) && ff_starts(u->ref, FF_HEADS);
	if (ff_hook_moves(p->conf, u))
		p->moves += take_one(p, u, &p->moved, p->moves);
	if (!ff_hook_triggers(p->conf, u, p->asks) && !ff_hook_answers(p->conf, u))
		return;
	if (take_one(p, u, &p->json, p->refs))
		p->refs++;
	else
		p->left++;
}

static bool ignored(const struct ff_hook_conf *conf, const char *pusher)
{
	for (size_t i = 0; i < conf->ignores.count; i++)
		if (!strcmp(conf->ignores.items[i], pusher))
			return true;
	return false;
}

/* Only options of our area: those of others may hold what is no business of ours. */
static void add_options(const struct push *p, bool skip, struct ff_buf *out)
{
	const char *comma = "";
	bool asks;

	if (skip) {
		(void)ff_buf_adds(out, "\"" FF_OPTION ".skip\"");
		return;
	}
	for (size_t i = 0; i < p->option_count; i++) {
		if (!ff_hook_option_ours(p->options[i], &asks))
			continue;
		(void)ff_buf_adds(out, comma);
		ff_text_json_bytes(out, p->options[i], strlen(p->options[i]));
		comma = ",";
	}
}

/*
 * The message of src/ipc/msg.def.  The push of an ignored pusher is sent as
 * one to be skipped, so that core, which looks for tips it never heard of
 * when it starts, does not take it for a lost one.
 */
static int make_message(const struct push *p, const char *repo, struct ff_buf *out)
{
	FF_AUTO(ff_free) char *pusher = ff_hook_pusher(p->conf);
	FF_AUTO(ff_free) char *project = ff_hook_project(repo);

	(void)ff_buf_addf(out, "{\"m\":\"push\",\"v\":1,\"id\":\"%s\",\"at\":%" PRId64 ",\"repo\":", p->id, ff_clock_wall());
	ff_text_json_bytes(out, repo, strlen(repo));
	(void)ff_buf_adds(out, ",\"pusher\":");
	ff_text_json_bytes(out, pusher, strlen(pusher));
	(void)ff_buf_adds(out, ",\"project\":");
	ff_text_json_bytes(out, project, strlen(project));
	(void)ff_buf_adds(out, ",\"options\":[");
	add_options(p, ignored(p->conf, pusher), out);
	(void)ff_buf_adds(out, "],\"refs\":[");
	(void)ff_buf_add(out, p->json.data, p->json.len);
	(void)ff_buf_adds(out, "]}\n");
	return out->overflow ? -1 : 0;
}

static void spool(struct push *p, const struct ff_buf *line)
{
	struct ff_err err;

	if (ff_hook_spool(p->conf->spool, p->id, line, &err) == 0) {
		taken = 1;
		(void)ff_buf_adds(&p->say, "warning: " FF_NAME " is not answering; this push is kept, and its\n"
				  "  job starts when the server is back: no need to push again\n");
		return;
	}
	(void)ff_buf_adds(&p->say, "warning: " FF_NAME " is not answering and could not keep this push:\n  ");
	ff_hook_show(&p->say, err.text, strlen(err.text));
	(void)ff_buf_adds(&p->say, "  your commits are stored, but no job starts; tell the administrator,\n"
			  "  then push again with a new commit\n");
}

static void hand_over(struct push *p, const char *repo, int64_t deadline_ms)
{
	FF_AUTO(ff_buf_fini) struct ff_buf line;

	ff_buf_init(&line, (size_t)p->conf->max_message);
	if (make_message(p, repo, &line) < 0) {
		(void)ff_buf_addf(&p->say, "error: this push says more than %" PRId64 " bytes; no job was started\n"
				  "hint: put the task into a file below " FF_TASK_FOLDER ", or push fewer refs\n",
				  p->conf->max_message);
		return;
	}
	if (ff_hook_deliver(p->conf->socket, &line, deadline_ms, &p->say, &p->follow) == FF_HOOK_SPOOL)
		spool(p, &line);
	else
		taken = 1;
	if (p->left)
		(void)ff_buf_addf(&p->say, "hint: %zu refs more of this push start no job, the limit is %" PRId64 "\n",
				  p->left, p->conf->max_refs);
}

static void show(struct push *p)
{
	for (size_t i = 0; i < p->say.len; i++)
		p->shown += p->say.data[i] == '\n';
	if (p->say.len)
		(void)!write(STDERR_FILENO, p->say.data, p->say.len); /* nobody else to tell */
	ff_buf_clear(&p->say);
}

/* What both messages have said is no more than one may say. */
static void say_also(struct push *p, const struct ff_buf *more)
{
	size_t lines = p->shown;

	for (size_t i = 0; i < more->len && lines < FF_HOOK_SHOWN_LINES; i++) {
		(void)ff_buf_addc(&p->say, more->data[i]);
		lines += more->data[i] == '\n';
	}
}

/* Core may know of jobs that conflict from now on. If it is away, or does not know in time, nothing is lost. */
static void tell_moves(struct push *p, const char *repo)
{
	FF_AUTO(ff_buf_fini) struct ff_buf line = { 0 }, said = { 0 };

	ff_buf_init(&line, (size_t)p->conf->max_message);
	ff_buf_init(&said, 65536);
	(void)ff_buf_adds(&line, "{\"m\":\"moved\",\"v\":1,\"repo\":");
	ff_text_json_bytes(&line, repo, strlen(repo));
	(void)ff_buf_addf(&line, ",\"refs\":[%s]}\n", p->moved.data);
	if (!line.overflow && ff_hook_deliver(p->conf->socket, &line, ff_clock_mono() + p->conf->answer_ms + ANSWER_GRACE_MS,
					      &said, NULL) == FF_HOOK_DONE)
		say_also(p, &said);
}

/* pre-receive has refused these already where it is installed. */
static int options_good(struct push *p)
{
	struct ff_options parsed;
	struct ff_err err;
	int rc = ff_options_parse(p->options, p->option_count, &p->conf->limits, &parsed, &err);

	if (rc < 0) {
		(void)ff_buf_adds(&p->say, "error: ");
		ff_text_show(&p->say, err.text, strlen(err.text), 0);
		(void)ff_buf_adds(&p->say, "\nhint: no job was started; push a new commit with the option mended\n");
	} else if (parsed.unknown) {
		(void)ff_buf_adds(&p->say, "warning: push option ");
		ff_text_show(&p->say, parsed.unknown, strlen(parsed.unknown), 40);
		(void)ff_buf_adds(&p->say, " is not known here and was ignored\n");
	}
	ff_options_fini(&parsed);
	return rc;
}

/* Somebody asked for a job and gets none: silence would look like success. */
static void explain_nothing(struct push *p)
{
	if (!p->asks)
		return;
	if (!p->conf->options && p->branches)
		(void)ff_buf_adds(&p->say, "hint: " FF_OPTION " push options start no job on this server;\n"
				  "  push to a branch that does, " FF_OPTION "/NAME by default\n");
	else
		(void)ff_buf_adds(&p->say, "hint: no job was started, since " FF_OPTION " options work on branches\n"
				  "  that this push sets, and there is none in it\n");
}

static void run(struct push *p)
{
	FF_AUTO(ff_free) char *repo = NULL;
	struct ff_err err;
	int64_t deadline_ms;

	if (!p->refs && !p->left)
		explain_nothing(p);
	if (!p->refs && !p->left && !p->moves)
		return;
	/* The clock starts here: until now git was writing. */
	deadline_ms = ff_clock_mono() + p->conf->timeout_ms;
	arm(p->conf->timeout_ms);
	repo = ff_hook_repo(&err);
	if (!repo && !p->refs && !p->left)
		return;
	if (!repo) {
		(void)ff_buf_adds(&p->say, "warning: " FF_NAME " cannot tell which repository this is:\n  ");
		ff_hook_show(&p->say, err.text, strlen(err.text));
		return;
	}
	if (ff_hook_is_wiki(repo))
		return;
	if ((p->refs || p->left) && options_good(p) == 0)
		hand_over(p, repo, deadline_ms);
	show(p);
	taken = 1; /* what follows may be late, and nothing is missing then */
	if (p->moves)
		tell_moves(p, repo);
}

int ff_hook_post_receive(const struct ff_hook_conf *conf)
{
	struct push p = { .conf = conf, .follow = { .fd = -1 } };
	unsigned char id[ID_BYTES];

	ff_id_draw(id);
	ff_hex(id, sizeof id, p.id);
	ff_buf_init(&p.say, 65536);
	ff_buf_init(&p.json, (size_t)conf->max_message / 2);
	ff_buf_init(&p.moved, (size_t)conf->max_message / 2);
	p.options = ff_hook_options(environ, &p.option_count);
	for (size_t i = 0; i < p.option_count; i++)
		(void)ff_hook_option_ours(p.options[i], &p.asks);
	(void)ff_hook_read(STDIN_FILENO, take_ref, &p); /* bad lines name no ref */
	run(&p);
	show(&p);
	if (p.follow.fd >= 0) {
		disarm();
		ff_hook_follow(&p.follow);
	}
	ff_buf_fini(&p.say);
	ff_buf_fini(&p.json);
	ff_buf_fini(&p.moved);
	ff_free(&p.options);
	return 0;
}
