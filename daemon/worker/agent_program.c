/* SPDX-License-Identifier: MIT */
/* See agent_program.h. */
#include "daemon/worker/agent_program.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/sandbox/tools.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_say.h"

#define BINDS_MAX 4
#define ARGS_MAX 256
#define ENV_MAX 2048
#define SOCKET_WAIT_MS 10000
#define ERRORS_MAX 16384 /* kept of stderr */

struct state {
	struct ff_agent_run *run;
	const struct ff_program *program;
	struct ff_buf line;
	size_t most;     /* of a line */
	int64_t skipped; /* bytes of the line that is too long; 0: it is not */
};

static void end_line(struct state *s)
{
	FF_AUTO(ff_free) char *note = NULL;
	json_t *json;

	if (s->skipped) {
		note = ff_asprintf("a line of %" PRId64 " bytes of the agent was skipped (agent.line-max)", s->skipped);
		s->run->log(s->run->arg, "system", note);
	} else if (s->line.len) {
		json = json_loadb(s->line.data, s->line.len, JSON_ALLOW_NUL, NULL);
		s->program->line(s->program->arg, json_is_object(json) ? json : NULL, s->line.data);
		json_decref(json);
	}
	s->skipped = 0;
	ff_buf_clear(&s->line);
}

static void on_output(void *arg, const char *p, size_t n)
{
	struct state *s = arg;

	while (n) {
		const char *eol = memchr(p, '\n', n);
		size_t len = eol ? (size_t)(eol - p) : n;

		if (s->skipped || s->line.len + len > s->most)
			s->skipped += (int64_t)(len + (s->skipped ? 0 : s->line.len));
		else
			(void)ff_buf_add(&s->line, p, len);
		if (eol)
			end_line(s);
		len += eol != NULL;
		p += len;
		n -= len;
	}
}

static int on_tick(void *arg, struct ff_err *err)
{
	struct state *s = arg;

	if (s->run->stopped(s->run->arg, err) < 0)
		return -1;
	return s->program->check ? s->program->check(s->program->arg, err) : 0;
}

/* The gateway makes the socket at the same time as we are started. */
static int wait_for_socket(const struct ff_agent_run *run, struct ff_err *err)
{
	int64_t until = ff_clock_mono() + SOCKET_WAIT_MS;
	struct stat st;

	while (stat(run->gateway_socket, &st) < 0) {
		if (ff_clock_mono() > until)
			return ff_err_set(err, FF_E_UNREACHABLE, "the gateway made no socket at %s", run->gateway_socket);
		if (run->stopped(run->arg, err) < 0)
			return -1;
		(void)poll(NULL, 0, 20);
	}
	return 0;
}

struct words {
	const char *v[ENV_MAX + 1];
	size_t n;
};

static int add_all(struct words *w, const char *const *list, size_t most, struct ff_err *err)
{
	for (; list && *list; list++) {
		if (w->n >= most)
			return ff_err_set(err, FF_E_TOO_LARGE, "the agent's program has over %zu arguments or variables", most);
		w->v[w->n++] = *list;
	}
	w->v[w->n] = NULL;
	return 0;
}

static int run_it(struct state *s, struct ff_sandbox_spec *spec, const char *gate, struct ff_sandbox_result *r, struct ff_err *err)
{
	static const char *const relay[] = { FF_SANDBOX_TOOL, "relay", FF_PROGRAM_GATE "/gw.sock", "--", NULL };
	struct ff_sandbox_bind binds[BINDS_MAX + 2] = { { .host = gate, .inside = FF_PROGRAM_GATE } };
	const struct ff_sandbox_bind *more = s->program->binds;
	struct words argv = { .n = 0 }, env = { .n = 0 };

	for (size_t i = 1; more && more->host; i++) {
		ff_assert(i <= BINDS_MAX);
		binds[i] = *more++;
	}
	if (add_all(&argv, relay, ARGS_MAX, err) < 0 || add_all(&argv, s->program->argv, ARGS_MAX, err) < 0 ||
	    add_all(&env, spec->env, ENV_MAX, err) < 0 || add_all(&env, s->program->env, ENV_MAX, err) < 0)
		return -1;
	spec->binds = binds;
	spec->argv = argv.v;
	spec->env = env.v;
	return ff_sandbox_run(spec, r, err);
}

int ff_program_run(struct ff_agent_run *run, const struct ff_program *program, int *ret_status, char **ret_errors,
		   struct ff_err *err)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	FF_AUTO(ff_free) char *gate = ff_memdup0(run->gateway_socket, (size_t)(strrchr(run->gateway_socket, '/') - run->gateway_socket));
	struct state s = { .run = run, .program = program, .most = (size_t)ff_conf_int(run->conf, FF_CONF_AGENT_LINE_MAX) };
	struct ff_sandbox_spec spec = *run->tools->base;
	int rc;

	if (wait_for_socket(run, err) < 0)
		return -1;
	spec.in = program->prompt;
	spec.in_len = strlen(program->prompt);
	spec.deadline_ms = run->deadline_ms;
	spec.max_output = ERRORS_MAX;
	spec.on_output = on_output;
	spec.tick = on_tick;
	spec.arg = &s;
	ff_buf_init(&s.line, s.most + 1);
	rc = run_it(&s, &spec, gate, &r, err);
	end_line(&s);
	ff_buf_fini(&s.line);
	if (rc < 0)
		return -1;
	if (r.timed_out)
		return ff_err_set(err, FF_E_DEADLINE, "the job's time is over (job.deadline)");
	if (r.out_of_memory)
		return ff_err_set(err, FF_E_AGENT_FAILED, "the agent's program used more memory than sandbox.max-memory");
	*ret_status = WIFSIGNALED(r.status) ? 128 + WTERMSIG(r.status) : WEXITSTATUS(r.status);
	*ret_errors = ff_agent_shown(run, r.head.data, ERRORS_MAX);
	return 0;
}
