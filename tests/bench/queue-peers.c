/* SPDX-License-Identifier: MIT */
/*
 * Sides that need their own client library; tests/bench/queue compiles this
 * file, the build does not.
 *
 * postgres: a table, FOR UPDATE SKIP LOCKED, prepared statements, each its own
 *   transaction; in OWN progress and completion go down one pipeline, which
 *   makes them one transaction.  Words: CONNINFO.
 * rabbit: a quorum queue with publisher confirms and manual acknowledgement.
 *   An acknowledgement is not answered, so that a confirmed message into a
 *   second quorum queue, of bounded length, is what progress and completion
 *   are.  In OWN the confirms of these are awaited together.  Words: PORT.
 */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <libpq-fe.h>
#include <amqp.h>
#include <amqp_tcp_socket.h>

/* --- postgres */

struct pg {
	PGconn *db;
	char id[32];
};

static const char *const statements[][2] = {
	{ "enqueue", "INSERT INTO jobs (task) VALUES ($1)" },
	{ "claim", "UPDATE jobs SET state = 2 WHERE id = (SELECT id FROM jobs WHERE state = 1 ORDER BY priority DESC, id"
		   " LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, task" },
	{ "progress", "UPDATE jobs SET step = $2 WHERE id = $1" },
	{ "complete", "UPDATE jobs SET state = 3 WHERE id = $1" },
};

static void *open_postgres(int client, char **words)
{
	struct pg *p = calloc(1, sizeof *p);

	(void)client;
	if (!p || !words[0])
		die("postgres: CONNINFO");
	p->db = PQconnectdb(words[0]);
	if (PQstatus(p->db) != CONNECTION_OK)
		die("postgres: %s", PQerrorMessage(p->db));
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		PQclear(PQprepare(p->db, statements[i][0], statements[i][1], 0, NULL));
	return p;
}

static PGresult *check(struct pg *p, PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_PIPELINE_SYNC)
		die("postgres: %s", PQerrorMessage(p->db));
	return r;
}

static void run(struct pg *p, const char *name, const char *a, const char *b)
{
	const char *const values[] = { a, b };

	PQclear(check(p, PQexecPrepared(p->db, name, b ? 2 : 1, values, NULL, NULL, 0)));
}

static int postgres_enqueue(void *client)
{
	run(client, "enqueue", payload, NULL);
	return 1;
}

/* Somebody else may have been faster; how often it was asked. */
static int postgres_claim(struct pg *p)
{
	for (int n = 1;; n++) {
		PGresult *r = check(p, PQexecPrepared(p->db, "claim", 0, NULL, NULL, NULL, 0));
		int rows = PQntuples(r);

		if (rows)
			snprintf(p->id, sizeof p->id, "%s", PQgetvalue(r, 0, 0));
		PQclear(r);
		if (rows)
			return n;
	}
}

static void send_one(struct pg *p, const char *name, const char *a, const char *b)
{
	const char *const values[] = { a, b };

	if (!PQsendQueryPrepared(p->db, name, b ? 2 : 1, values, NULL, NULL, 0))
		die("postgres: %s", PQerrorMessage(p->db));
}

static void postgres_pipeline(struct pg *p)
{
	PGresult *r;
	int synced = 0;

	PQenterPipelineMode(p->db);
	for (int i = 0; i < 3; i++)
		send_one(p, "progress", p->id, i == 0 ? "1" : i == 1 ? "2" : "3");
	send_one(p, "complete", p->id, NULL);
	PQpipelineSync(p->db);
	while (!synced) {
		r = PQgetResult(p->db);
		if (r) /* NULL stands between the results of two statements */
			synced = PQresultStatus(check(p, r)) == PGRES_PIPELINE_SYNC;
		PQclear(r);
	}
	PQexitPipelineMode(p->db);
}

static int postgres_lifecycle(void *client, enum how how)
{
	struct pg *p = client;
	int n;

	postgres_enqueue(p);
	n = postgres_claim(p);
	if (how == OWN) {
		postgres_pipeline(p);
		return n + 2;
	}
	run(p, "progress", p->id, "1");
	run(p, "progress", p->id, "2");
	run(p, "progress", p->id, "3");
	run(p, "complete", p->id, NULL);
	return n + 5;
}

const struct side side_postgres = { "postgres", open_postgres, postgres_enqueue, postgres_lifecycle };

/* --- rabbit */

struct rabbit {
	amqp_connection_state_t c;
	uint64_t confirmed; /* every message up to this one */
};

static void good(struct rabbit *r, const char *what)
{
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(r->c);

	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		die("rabbitmq: %s failed", what);
}

static void declare(struct rabbit *r, const char *name, int bounded)
{
	amqp_table_entry_t entries[] = {
		{ .key = amqp_cstring_bytes("x-queue-type"),
		  .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("quorum") } },
		{ .key = amqp_cstring_bytes("x-max-length"), .value = { .kind = AMQP_FIELD_KIND_I32, .value.i32 = 1000 } },
	};
	amqp_table_t args = { .num_entries = bounded ? 2 : 1, .entries = entries };

	amqp_queue_declare(r->c, 1, amqp_cstring_bytes(name), 0, 1, 0, 0, args);
	good(r, "queue.declare");
}

static void *open_rabbit(int client, char **words)
{
	struct rabbit *r = calloc(1, sizeof *r);
	amqp_socket_t *s;

	(void)client;
	if (!r || !words[0])
		die("rabbit: PORT");
	r->c = amqp_new_connection();
	s = amqp_tcp_socket_new(r->c);
	if (!s || amqp_socket_open(s, "127.0.0.1", (int)strtol(words[0], NULL, 10)) ||
	    amqp_login(r->c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type != AMQP_RESPONSE_NORMAL)
		die("rabbitmq: no connection");
	amqp_channel_open(r->c, 1);
	good(r, "channel.open");
	amqp_confirm_select(r->c, 1);
	good(r, "confirm.select");
	declare(r, "jobs", 0);
	declare(r, "told", 1);
	return r;
}

static void publish(struct rabbit *r, const char *queue, const char *body)
{
	amqp_basic_properties_t props = { ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2 };

	if (amqp_basic_publish(r->c, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0, &props,
			       amqp_cstring_bytes(body)) != AMQP_STATUS_OK)
		die("rabbitmq: publish failed");
}

/* One confirm may stand for several, and they come in any order. */
static void confirmed(struct rabbit *r, unsigned n)
{
	unsigned missing = (1u << n) - 1; /* the last n messages, the oldest in bit 0 */

	while (missing) {
		amqp_frame_t f;
		amqp_basic_ack_t *ack;

		if (amqp_simple_wait_frame(r->c, &f) != AMQP_STATUS_OK)
			die("rabbitmq: the connection ended");
		if (f.frame_type != AMQP_FRAME_METHOD)
			continue;
		ack = f.payload.method.decoded;
		if (f.payload.method.id != AMQP_BASIC_ACK_METHOD || ack->delivery_tag <= r->confirmed ||
		    ack->delivery_tag > r->confirmed + n)
			die("rabbitmq: an unexpected answer, method %x", (unsigned)f.payload.method.id);
		missing &= ~(ack->multiple ? (2u << (ack->delivery_tag - r->confirmed - 1)) - 1
					   : 1u << (ack->delivery_tag - r->confirmed - 1));
	}
	r->confirmed += n;
	amqp_maybe_release_buffers(r->c);
}

static int rabbit_enqueue(void *client)
{
	publish(client, "jobs", payload);
	confirmed(client, 1);
	return 1;
}

static uint64_t rabbit_claim(struct rabbit *r)
{
	amqp_rpc_reply_t reply = amqp_basic_get(r->c, 1, amqp_cstring_bytes("jobs"), 0);
	amqp_basic_get_ok_t *ok = reply.reply.decoded;
	amqp_message_t m;
	uint64_t tag;

	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		die("rabbitmq: basic.get failed");
	if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
		return 0; /* it is on its way to this queue's leader */
	tag = ok->delivery_tag;
	if (amqp_read_message(r->c, 1, &m, 0).reply_type != AMQP_RESPONSE_NORMAL)
		die("rabbitmq: no message");
	amqp_destroy_message(&m);
	return tag;
}

static int rabbit_lifecycle(void *client, enum how how)
{
	struct rabbit *r = client;
	uint64_t tag;
	int n = 0;

	rabbit_enqueue(r);
	do
		n++;
	while (!(tag = rabbit_claim(r)));
	for (int i = 0; i < 3; i++) {
		publish(r, "told", "progress");
		if (how == EQUAL)
			confirmed(r, 1);
	}
	amqp_basic_ack(r->c, 1, tag, 0);
	publish(r, "told", "completed");
	confirmed(r, how == EQUAL ? 1 : 4);
	return n + (how == EQUAL ? 5 : 2);
}

const struct side side_rabbit = { "rabbit", open_rabbit, rabbit_enqueue, rabbit_lifecycle };
