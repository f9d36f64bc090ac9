/* SPDX-License-Identifier: MIT */
/*
 * Makes up what a disk may hold after a power cut, and looks whether that is
 * a record that one can go on with:
 *
 *   powercut check KEYS... TAPE...    looks at --states N states, from --state I on
 *   powercut make KEYS... TAPE...     writes state number --state I to --out
 *
 * --root DIR    below which everything on the tapes lies; its state/ is looked at
 * --snap DIR    copy of it from before the tapes, --list FILE what find -printf
 *               '%i %y %m %p\n' said of it then
 * --out DIR     where states are made     --seed N    of what is drawn by chance
 * --refold PROGRAM                        tests/lib/refold
 *
 * State I of a seed is always the same.  `check` prints one line a finding, with a
 * category of judge first, and what it did; `make` prints where the cut is,
 * a line "arrived REF" for each push whose hook had begun to hand it over and
 * "promised REF" for each that was answered, and leaves in OUT/named each path
 * that the tapes name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "store/stmt.h"
#include "store/store.h"
#include "tests/crash/disk.h"

#define TAPE_MAX (2048L * 1024 * 1024)

struct event {
	struct tape_record r;
	const char *name, *second, *bytes;
};

enum ack_what { ACK_PUSH = 1, ACK_KEPT, ACK_STEP };
struct ack {
	enum ack_what what;
	int64_t at_ns;
	char id[33]; /* of the push */
	char ref[256];
};

static struct cut {
	const char *root, *snap, *list, *out, *refold;
	int64_t seed, states, state;
	struct event *events;
	size_t n_events, room_events;
	struct ack *acks;
	size_t n_acks, room_acks;
	long findings, pending;
} cut = { .states = 100 };

#define GROW(list, n, room) \
	do { if ((n) == (room)) (list) = ff_realloc((list), (room) = (room) ? 2 * (room) : 64, sizeof *(list)); } while (0)

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "powercut: %s: %s\n", what, why);
	exit(2);
}

/* --- tapes ----------------------------------------------------------------------- */

/* The bytes stay: events point into them. */
static void read_tape(const char *path)
{
	struct ff_buf all;
	struct ff_err err = { 0 };
	size_t at = 0;

	ff_buf_init(&all, TAPE_MAX);
	if (ff_file_read(path, &all, &err) < 0)
		die(path, err.text);
	while (at + sizeof(struct tape_record) <= all.len) {
		struct event *e;

		GROW(cut.events, cut.n_events, cut.room_events);
		e = &cut.events[cut.n_events++];
		memcpy(&e->r, all.data + at, sizeof e->r);
		e->name = all.data + at + sizeof e->r;
		e->second = e->name + e->r.name_len;
		e->bytes = e->second + e->r.second_len;
		at += sizeof e->r + e->r.name_len + e->r.second_len + e->r.bytes;
	}
	if (at != all.len)
		die(path, "ends within a record");
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return (x->r.at_ns > y->r.at_ns) - (x->r.at_ns < y->r.at_ns);
}

/* What follows key in the bytes of a message. */
static const char *after(const struct event *e, const char *key)
{
	const char *at = memmem(e->bytes, e->r.bytes, key, strlen(key));

	return at ? at + strlen(key) : NULL;
}

/* Its first ref, from a hook's line. */
static bool ref_of(const struct event *e, char *ret_ref, size_t size)
{
	const char *at = after(e, "\"refs\":"), *end;

	at = at && after(e, "\"ref\":\"") ? after(e, "\"ref\":\"") : NULL;
	end = at ? memchr(at, '"', (size_t)(e->bytes + e->r.bytes - at)) : NULL;
	if (end)
		(void)snprintf(ret_ref, size, "%.*s", (int)(end - at), at);
	return end;
}

static bool is_push(const struct event *e)
{
	return (e->r.type == TAPE_SEND || e->r.type == TAPE_WRITE) && after(e, "{\"m\":\"push\"") && after(e, "\"id\":\"");
}

/* The push that this hook was about: it is in the line that it sent or kept before. */
static bool push_of(size_t until, uint32_t pid, struct ack *ret)
{
	for (size_t i = until; i-- > 0;) {
		const struct event *e = &cut.events[i];

		if (e->r.pid != pid || !is_push(e))
			continue;
		memcpy(ret->id, after(e, "\"id\":\""), 32);
		return ref_of(e, ret->ref, sizeof ret->ref);
	}
	return false;
}

static void add_ack(enum ack_what what, size_t i)
{
	struct ack a = { .what = what, .at_ns = cut.events[i].r.at_ns };

	if (what != ACK_STEP && !push_of(i, cut.events[i].r.pid, &a))
		die("tape", "a hook answers for a push that nobody knows");
	GROW(cut.acks, cut.n_acks, cut.room_acks);
	cut.acks[cut.n_acks++] = a;
}

/* Who was promised what, and when. */
static void find_acks(void)
{
	for (size_t i = 0; i < cut.n_events; i++) {
		const struct event *e = &cut.events[i];

		if (e->r.type == TAPE_SAY && (after(e, "success: job") || after(e, "push recorded")))
			add_ack(ACK_PUSH, i);
		else if (e->r.type == TAPE_SAY && after(e, "this push is kept"))
			add_ack(ACK_KEPT, i);
		else if (e->r.type == TAPE_SEND && !strcmp(e->name, "core") && after(e, "\"m\":\"ack\""))
			add_ack(ACK_STEP, i);
	}
}

/* --- the disk before ------------------------------------------------------------------ */

static void add_base(struct disk *disk, char *line)
{
	char *inode = strsep(&line, " "), *type = strsep(&line, " "), *mode = strsep(&line, " ");
	FF_AUTO(ff_free) char *from = NULL;
	int64_t n;

	if (!line || ff_num_i64(inode, 1, INT64_MAX, &n) < 0 || (*type != 'f' && *type != 'd'))
		return;
	from = ff_asprintf("%s%s", cut.snap, line + strlen(cut.root));
	disk_base(disk, line, (uint64_t)n, *type == 'd', (uint32_t)strtoul(mode, NULL, 8), from);
}

static struct disk *make_disk(void)
{
	struct disk *disk = disk_new();
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct ff_err err = { 0 };
	char *at, *line;

	ff_buf_init(&text, TAPE_MAX);
	if (ff_file_read(cut.list, &text, &err) < 0)
		die(cut.list, err.text);
	at = text.data;
	while ((line = strsep(&at, "\n")))
		add_base(disk, line);
	return disk;
}

static void apply(struct disk *disk, const struct event *e)
{
	static const char *const left_out[] = { "/run/", "/ws/" };

	for (size_t i = 0; i < FF_ARRAY_LEN(left_out); i++)
		if (strstr(e->name, left_out[i]))
			return;
	if (!disk_apply(disk, &e->r, e->name, e->second, e->bytes))
		die(e->name, "the tape cannot be followed");
}

/* --- is it a record that one can go on with? ---------------------------------------------- */

static void found(int64_t state, const char *what, const char *text)
{
	(void)printf("%s state %" PRId64 " of seed %" PRId64 ": %s\n", what, state, cut.seed, text);
	cut.findings++;
}

static int64_t number(struct ff_store *s, const char *sql, const void *blob)
{
	sqlite3_stmt *st = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(ff_stmt_db(s), sql, -1, &st, NULL) == SQLITE_OK &&
	    (!blob || sqlite3_bind_blob(st, 1, blob, 16, SQLITE_STATIC) == SQLITE_OK) && sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st); /* -1 says it */
	return n;
}

static bool in_record(struct ff_store *s, const char *id)
{
	unsigned char raw[16];

	ff_assert(ff_unhex(id, sizeof raw, raw) == 0);
	return number(s, "SELECT count(*) FROM pushes WHERE push_id = ?", raw) > 0;
}

static bool in_spool(const char *id)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/state/spool/%s.json", cut.out, id);
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, 1024 * 1024);
	return ff_file_read(path, &text, NULL) == 0 && text.len && text.data[text.len - 1] == '\n' &&
	       !memchr(text.data, '\0', text.len);
}

/* A row of type 0 has a line for each of its events (store/events.c). */
#define EVENTS "SELECT ifnull(sum(CASE type WHEN 0 THEN length(data) - length(replace(data, char(10), '')) ELSE 1 END), 0) FROM events"

/* Everything that somebody was told before that moment. */
static void check_acks(int64_t state, struct ff_store *s, int64_t at_ns)
{
	int64_t steps = 0, has = s ? number(s, EVENTS, NULL) : 0;

	for (size_t i = 0; i < cut.n_acks; i++) {
		const struct ack *a = &cut.acks[i];

		if (a->at_ns > at_ns)
			continue;
		steps += a->what == ACK_STEP;
		if (a->what == ACK_PUSH && !(s && in_record(s, a->id)))
			found(state, "lost", "a push that core has answered");
		if (a->what == ACK_KEPT && !(s && in_record(s, a->id)) && !in_spool(a->id))
			found(state, "lost", "a push that the hook has kept");
	}
	if (has < steps)
		found(state, "lost", "a step that a worker was told is on disk");
}

static void check_whole(int64_t state, struct ff_store *s)
{
	if (number(s, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'", NULL) != 1)
		found(state, "wrong", "the database is damaged");
	if (number(s, "SELECT count(*) FROM pragma_foreign_key_check", NULL) != 0)
		found(state, "wrong", "the database has a row that leads nowhere");
	if (number(s, "SELECT count(*) - count(DISTINCT source_ref) FROM jobs", NULL) != 0)
		found(state, "doubled", "two jobs of one push");
}

static void check_fold(int64_t state, char *db)
{
	char *const argv[] = { (char *)(uintptr_t)cut.refold, db, NULL };
	static char *const env[] = { NULL };
	posix_spawn_file_actions_t fa;
	int status = -1;
	pid_t pid;

	ff_assert(posix_spawn_file_actions_init(&fa) == 0 &&
		  posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0);
	if (posix_spawn(&pid, cut.refold, &fa, NULL, argv, env))
		die(cut.refold, "cannot start");
	(void)waitpid(pid, &status, 0);
	(void)posix_spawn_file_actions_destroy(&fa);
	if (status)
		found(state, "wrong", "a job is not what its events say");
}

static void check_state(int64_t state, int64_t at_ns)
{
	FF_AUTO(ff_free) char *db = ff_asprintf("%s/state/flowforge.db", cut.out);
	FF_AUTO(ff_store_close) struct ff_store *s = NULL;
	struct ff_err err = { 0 };

	if (access(db, F_OK) < 0) {
		check_acks(state, NULL, at_ns);
		return;
	}
	if (ff_store_open(db, &s, &err) < 0) {
		found(state, "wrong", err.text);
		return;
	}
	check_whole(state, s);
	check_acks(state, s, at_ns);
	ff_store_close(&s);
	check_fold(state, db);
}

/* --- states -------------------------------------------------------------------------------- */

struct plan {
	int64_t state;
	size_t at; /* so many events before it */
	struct chance chance;
};

static struct plan plan_state(int64_t state)
{
	struct plan p = { .state = state, .chance = { (uint64_t)cut.seed * UINT64_C(1000003) + (uint64_t)state } };

	p.at = (size_t)chance_below(&p.chance, cut.n_events + 1);
	return p;
}

static int by_place(const void *a, const void *b)
{
	const struct plan *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static void make_state(const struct disk *disk, struct plan *p, const char *only)
{
	struct ff_err err = { 0 };

	if (ff_dir_remove(cut.out, &err) < 0 || ff_dir_make(cut.out, 0755, &err) < 0)
		die(cut.out, err.text);
	disk_make(disk, &p->chance, cut.root, only, cut.out);
	cut.pending += (long)disk_pending(disk);
}

static int check_all(void)
{
	struct plan *plans = ff_calloc((size_t)cut.states, sizeof *plans);
	FF_AUTO(ff_free) char *only = ff_path_join(cut.root, "state");
	FF_AUTO(disk_free) struct disk *disk = make_disk();
	int kinds[ACK_STEP + 1] = { 0 };
	size_t at = 0;

	for (int64_t i = 0; i < cut.states; i++)
		plans[i] = plan_state(cut.state + i);
	qsort(plans, (size_t)cut.states, sizeof *plans, by_place);
	for (int64_t i = 0; i < cut.states; i++) {
		for (; at < plans[i].at; at++)
			apply(disk, &cut.events[at]);
		make_state(disk, &plans[i], only);
		check_state(plans[i].state, at ? cut.events[at - 1].r.at_ns : 0);
	}
	free(plans);
	for (size_t i = 0; i < cut.n_acks; i++)
		kinds[cut.acks[i].what]++;
	(void)printf("promised: %d pushes by core, %d by the spool, %d steps\n", kinds[ACK_PUSH], kinds[ACK_KEPT], kinds[ACK_STEP]);
	(void)printf("%" PRId64 " states of %zu steps on the tapes, %ld findings; %.1f steps were not safe in the mean\n",
		     cut.states, cut.n_events, cut.findings, (double)cut.pending / (double)cut.states);
	return cut.findings ? 1 : 0;
}

static void say_pushes(size_t at)
{
	char ref[256];

	for (size_t i = 0; i < at; i++)
		if (is_push(&cut.events[i]) && ref_of(&cut.events[i], ref, sizeof ref))
			(void)printf("arrived %s\n", ref);
	for (size_t i = 0; i < cut.n_acks; i++)
		if (cut.acks[i].what != ACK_STEP && at && cut.acks[i].at_ns <= cut.events[at - 1].r.at_ns)
			(void)printf("promised %s\n", cut.acks[i].ref);
}

static int make_one(void)
{
	struct plan p = plan_state(cut.state);
	FF_AUTO(disk_free) struct disk *disk = make_disk();
	FF_AUTO(ff_free) char *list = NULL;
	FILE *named;

	for (size_t i = 0; i < p.at; i++)
		apply(disk, &cut.events[i]);
	make_state(disk, &p, NULL);
	list = ff_path_join(cut.out, "named");
	named = fopen(list, "w");
	if (!named)
		die(list, strerror(errno));
	for (size_t i = 0; i < cut.n_events; i++)
		if (*cut.events[i].name == '/')
			(void)fprintf(named, "%s\n%s\n", cut.events[i].name, cut.events[i].second);
	(void)fclose(named);
	(void)printf("cut behind step %zu of %zu, %zu not safe\n", p.at, cut.n_events, disk_pending(disk));
	say_pushes(p.at);
	return 0;
}

/* --- command line ------------------------------------------------------------------------------ */

static int take(const char *key, const char *value)
{
	const struct { const char *key, **text; int64_t *number; } keys[] = {
		{ "--root", &cut.root, NULL }, { "--snap", &cut.snap, NULL }, { "--list", &cut.list, NULL },
		{ "--out", &cut.out, NULL }, { "--refold", &cut.refold, NULL }, { "--seed", NULL, &cut.seed },
		{ "--states", NULL, &cut.states }, { "--state", NULL, &cut.state },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++) {
		if (strcmp(key, keys[i].key) != 0)
			continue;
		if (keys[i].text)
			*keys[i].text = value;
		return keys[i].number ? ff_num_i64(value, 0, 1000000000, keys[i].number) : 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int i = 2;

	for (; i + 1 < argc && ff_starts(argv[i], "--"); i += 2)
		if (take(argv[i], argv[i + 1]) < 0)
			die(argv[i], "no such key, or no such value");
	if (argc < 3 || i == argc || !cut.root || !cut.snap || !cut.list || !cut.out)
		die("usage", "powercut check|make --root DIR --snap DIR --list FILE --out DIR ... TAPE...");
	for (; i < argc; i++)
		read_tape(argv[i]);
	if (cut.n_events)
		qsort(cut.events, cut.n_events, sizeof *cut.events, by_time);
	find_acks();
	return !strcmp(argv[1], "make") ? make_one() : check_all();
}
