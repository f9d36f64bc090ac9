/* SPDX-License-Identifier: MIT */
/*
 * The sides of FlowForge.  Words: RUN-DIR REPOSITORY OID.  A client is a worker
 * that came to worker.sock and stays, and what brings jobs: with `core` a
 * client of control.sock that stays too, as a server in front of it does; with
 * `push` the hook, with a connection of its own for every push, as git makes
 * them.  Every job is of another branch, as one of a branch waits for the one
 * before.
 */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct core {
	char *hook_sock, *worker_sock, *control_sock, *repo, *oid;
	unsigned long long id, n;
	struct input hook, worker, control;
	int asked; /* the first claim is the hello */
};

static char *in_folder(const char *dir, const char *name)
{
	char *s = NULL;

	if (asprintf(&s, "%s/%s", dir, name) < 0)
		die("no memory");
	return s;
}

static void *open_core(int client, char **words)
{
	struct core *c = calloc(1, sizeof *c);

	(void)client;
	if (!c || !words[0] || !words[1] || !words[2])
		die("core: RUN-DIR REPOSITORY OID");
	c->hook_sock = in_folder(words[0], "hook.sock");
	c->worker_sock = in_folder(words[0], "worker.sock");
	c->control_sock = in_folder(words[0], "control.sock");
	c->repo = words[1];
	c->oid = words[2];
	if (getrandom(&c->id, sizeof c->id, 0) != sizeof c->id)
		die("no random numbers");
	c->worker.fd = c->control.fd = -1;
	return c;
}

static int submit(void *client)
{
	struct core *c = client;
	char msg[2048];
	int n = snprintf(msg, sizeof msg, "{\"m\":\"request\",\"id\":%llu,\"command\":\"submit\",\"args\":{\"repo\":\"%s\","
			 "\"branch\":\"claude/%llx/%llu\",\"oid\":\"%s\",\"target\":\"main\",\"task\":\"%s\"}}\n", c->n, c->repo, c->id,
			 c->n, c->oid, payload);
	char *line;

	c->n++;
	if (c->control.fd < 0)
		c->control.fd = connect_unix(c->control_sock);
	send_all(c->control.fd, msg, (size_t)n);
	line = read_line(&c->control);
	if (!strstr(line, "\"m\":\"end\"") || !strstr(line, "\"state\":\"queued\""))
		die("core did not queue a job, but: %s", line);
	return 1;
}

static int push_one(void *client)
{
	struct core *c = client;
	char msg[2048];
	int n = snprintf(msg, sizeof msg, "{\"m\":\"push\",\"v\":1,\"id\":\"%016llx%016llx\",\"at\":0,\"repo\":\"%s\","
			 "\"pusher\":\"bench\",\"project\":\"bench\",\"options\":[\"claude.task=%s\"],\"refs\":[{\"old\":\"%040d\","
			 "\"new\":\"%s\",\"ref\":\"refs/heads/claude/%llx/%llu\"}]}\n", c->id, c->n, c->repo, payload, 0, c->oid,
			 c->id, c->n);
	int queued = 0;
	char *line;

	c->n++;
	c->hook = (struct input){ .fd = connect_unix(c->hook_sock) };
	send_all(c->hook.fd, msg, (size_t)n);
	while ((line = read_line(&c->hook))[0] == '>')
		queued |= strstr(line, "success: job ") != NULL;
	if (strcmp(line, "done") || !queued)
		die("core did not queue a job, but: %s", line);
	close(c->hook.fd);
	return 1;
}

static void say(struct core *c, const char *msg)
{
	send_all(c->worker.fd, msg, strlen(msg));
}

static void expect(struct core *c, const char *what)
{
	char *line = read_line(&c->worker);

	if (!strstr(line, what))
		die("core: expected %s, got %s", what, line);
}

static void claim(struct core *c)
{
	if (c->worker.fd < 0) {
		c->worker.fd = connect_unix(c->worker_sock);
		say(c, "{\"m\":\"hello\",\"role\":\"worker\",\"pid\":1,\"gateway\":false}\n");
	} else {
		say(c, "{\"m\":\"claim\"}\n");
	}
	expect(c, "\"m\":\"job\"");
}

#define DONE "{\"m\":\"done\",\"attempt\":1,\"outcome\":\"completed\"}\n"
#define PROGRESS(n) "{\"m\":\"event\",\"attempt\":1,\"type\":\"job.progress\",\"text\":\"step " #n " of 3\"}\n"
#define STEP(what, state) "{\"m\":\"step\",\"attempt\":1,\"step\":\"" what "\",\"state\":\"" state "\"}\n"

static void step(struct core *c, const char *msg)
{
	say(c, msg);
	expect(c, "\"m\":\"ack\"");
}

static int work(struct core *c, enum how how)
{
	claim(c);
	if (how == OWN) {
		step(c, PROGRESS(1) PROGRESS(2) PROGRESS(3) DONE);
		return 3;
	}
	step(c, STEP("prepare", "started"));
	step(c, STEP("prepare", "finished"));
	step(c, STEP("run", "started"));
	step(c, DONE);
	return 6;
}

static int lifecycle(void *client, enum how how)
{
	submit(client);
	return work(client, how);
}

static int push_lifecycle(void *client, enum how how)
{
	push_one(client);
	return work(client, how);
}

const struct side side_core = { "core", open_core, submit, lifecycle };
const struct side side_push = { "push", open_core, push_one, push_lifecycle };
