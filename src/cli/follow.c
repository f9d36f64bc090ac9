/* SPDX-License-Identifier: MIT */
/* See follow.h. */
#include "cli/follow.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/args.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"
#include "job/job.h"

#define FIRST_WAIT_MS 1000
#define LONGEST_WAIT_MS 30000
#define RECONNECT_MS (10 * 60 * 1000)

struct state {
	struct ff_cli *cli;
	const struct ff_follow *what;
	int64_t after;     /* last event seen */
	int64_t wait_ms;   /* next wait between tries; starts anew with each item */
	int64_t waited_ms; /* since the last item */
};

static int turn(void *arg, struct ff_err *err)
{
	struct state *s = arg;

	if (!ff_cli_reader(s->cli))
		return ff_err_set(err, FF_E_CANCELLED, "nobody reads the output any more");
	return s->what->on_turn ? s->what->on_turn(s->what->arg, err) : 0;
}

static int item(void *arg, json_t *data, int fd, struct ff_err *err)
{
	struct state *s = arg;
	int64_t seq = ff_view_int(data, "seq");

	ff_close(&fd);
	s->wait_ms = FIRST_WAIT_MS;
	s->waited_ms = 0;
	/* A daemon that repeats itself after a restart is not printed twice. */
	if (seq && seq <= s->after)
		return 0;
	if (s->what->on_item(s->what->arg, data, err) < 0)
		return -1;
	if (seq)
		s->after = seq;
	return turn(arg, err);
}

static int request(const struct ff_follow *what, int64_t after, json_t **ret, struct ff_err *err)
{
	if (!what->job)
		*ret = json_object();
	else if (ff_talk_job(what->job, ret, err) < 0)
		return -1;
	if (after)
		(void)json_object_set_new(*ret, "after", json_integer(after));
	return 0;
}

static int once(struct state *s, const struct ff_args *args, bool *connected, json_t **ret_job, struct ff_err *err)
{
	FF_AUTO(ff_chan_free) struct ff_chan *chan = NULL;
	struct ff_talk_ask ask = { .command = "watch", .on_item = item, .tick = turn, .arg = s };

	if (ff_talk_open(s->cli, args, &chan, err) < 0)
		return -1;
	if (*connected && s->what->job)
		ff_cli_say(s->cli, "connected again, going on after event %" PRId64, s->after);
	else if (*connected)
		ff_cli_say(s->cli, "connected again; what happened meanwhile is in the list of jobs");
	*connected = true;
	if (request(s->what, s->after, &ask.args, err) < 0)
		return -1;
	return ff_talk(chan, &ask, ret_job, err);
}

int ff_follow(struct ff_cli *cli, const struct ff_args *args, const struct ff_follow *what, json_t **ret_job,
	      struct ff_err *err)
{
	struct state s = { .cli = cli, .what = what, .wait_ms = FIRST_WAIT_MS };
	const char *limit = ff_args_value(args, FF_CLI_OPT_RECONNECT);
	int64_t limit_ms = RECONNECT_MS;
	bool connected = false;

	if (limit && ff_num_duration(limit, &limit_ms) < 0)
		return ff_err_set(err, FF_E_USAGE, "--reconnect is a time as 30s or 10m, not '%s'", limit);
	for (;;) {
		struct ff_err why = { 0 };

		if (once(&s, args, &connected, ret_job, &why) == 0)
			return 0;
		if (why.code != FF_E_UNREACHABLE || !connected || s.waited_ms + s.wait_ms > limit_ms)
			return ff_err_set(err, why.code, "%s", why.text);
		ff_cli_say(cli, "%s; trying again in %" PRId64 " s", why.text, s.wait_ms / 1000);
		(void)fflush(cli->out.f);
		cli->wait_ms(s.wait_ms);
		if (turn(&s, err) < 0)
			return -1;
		s.waited_ms += s.wait_ms;
		s.wait_ms = s.wait_ms * 2 < LONGEST_WAIT_MS ? s.wait_ms * 2 : LONGEST_WAIT_MS;
	}
}

int ff_follow_status(const json_t *job)
{
	return strcmp(ff_view_str(job, "state"), ff_job_state_word(FF_JOB_COMPLETED)) ? 1 : 0;
}
