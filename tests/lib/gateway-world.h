/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_GATEWAY_WORLD_H
#define FF_TESTS_GATEWAY_WORLD_H

/*
 * For unit tests: a folder with the model server and the real gateway
 * (flowforged --role gateway) running in it, the test being core.  Every
 * failure in here fails the test.
 */

#include <sys/types.h>

#include "ipc/ipc.h"

#define WORLD_KEY "sk-canary-5d1f0c7e9b"
#define WORLD_TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WORLD_DEADLINE_MS 20000
/* Longer than the name of a socket may be. */
#define WORLD_STATE "state-of-a-server-whose-folders-have-long-names/and-are-deep/so-that-its-sockets-need-more-than-sun_path"

struct world {
	char dir[64];
	char *url, *sock, *log; /* of the server, of job 1, of the gateway */
	pid_t model, gateway;
	struct ff_chan *chan;
	const char *settings; /* further lines of [gateway], and of sections behind it; NULL: none */
};
extern struct world w;

/* Every DIR in the scenario becomes the folder. Starts both and opens job 1. */
void world_start(const char *scenario);
int world_stop(void);
void world_start_gateway(void);
void world_stop_gateway(void);
void world_open_job(void);
void world_kill_gateway(void); /* as a crash would */
void world_open(int64_t job, const char *token);
void world_say(enum ff_msg_type type, json_t *msg); /* msg is taken */
/* The next message from the gateway; ret may be NULL, else owned by the caller. */
void world_expect(enum ff_msg_type want, json_t **ret);
void world_drain(void); /* forgets what came */
/* What core answers to the question for money. The gateway's requests are numbered from 1. */
struct world_rule {
	int waits;               /* so often: ask again */
	enum ff_err_code refuse; /* then this; NONE: yes */
	int asked;               /* counted */
};
/* Sets it, unless NULL; returns the one before. */
struct world_rule world_rule(const struct world_rule *rule);
/* Freed by ff_free; a missing file is an empty one. */
char *world_path(const char *name);
char *world_get(const char *path);
void world_put(const char *name, const char *text, mode_t mode);
/* Requests that the server has answered by this rule. */
int world_asked(const char *rule);

#endif
