/* SPDX-License-Identifier: MIT */
/* See whole.h.  What is ended here, the control lets run to its end. */
#include "tests/hostile/whole.h"

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/sandbox/room.h"
#include "daemon/sandbox/sandbox.h"
#include "tests/hostile/limits.h"

#define DEPTH 64
#define SHORT_MS 300
#define LONG_MS 30000
#define LITTLE 65536
#define MUCH (16 * 1024 * 1024)

enum limit { ROOM, DEADLINE, OUTPUT };

static const struct {
	const char *name;
	enum limit limit;
	const char *command;
} wholes[] = {
	{ "room-bytes", ROOM, "for i in $(seq 24); do head -c 1M /dev/urandom >b$i || exit 1; done" },
	{ "room-files", ROOM, "for i in $(seq 600); do : >f$i; done" },
	{ "room-depth", ROOM, "for i in $(seq 100); do mkdir d && cd d || exit 1; done" },
	{ "room-hidden", ROOM, "mkdir h && cd h && for i in $(seq 600); do : >f$i; done; chmod 0 ../h" },
	{ "deadline-sleep", DEADLINE, "sleep 1.5" },
	{ "deadline-deaf", DEADLINE, "trap '' TERM INT HUP QUIT; sleep 1.5 & wait; sleep 1" },
	{ "deadline-children", DEADLINE, "(setsid sleep 1.5 &); (setsid sleep 1.5 &); sleep 1.5" },
	{ "deadline-busy", DEADLINE, "end=$((SECONDS + 2)); while [ $SECONDS -lt $end ]; do :; done" },
	{ "output-bytes", OUTPUT, "yes | head -c 3000000" },
	{ "output-errors", OUTPUT, "yes | head -c 3000000 >&2" },
	{ "output-line", OUTPUT, "head -c 3000000 /dev/zero" },
};

size_t whole_count(void)
{
	return FF_ARRAY_LEN(wholes);
}

/* The places are emptied by a job too, since the files are the job's. */
static bool overran(const struct ff_sandbox_spec *base, size_t i, bool limited)
{
	FF_AUTO(ff_free) char *command = ff_asprintf("chmod -R u+rwx /ws; rm -rf /ws/*; %s", wholes[i].command);
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	const char *const argv[] = { "/bin/bash", "-c", command, NULL };
	struct ff_room room = { .max_bytes = WS_BYTES, .max_files = WS_FILES, .max_depth = DEPTH };
	struct ff_sandbox_spec spec = *base;
	struct ff_err err = { 0 };
	int rc;

	spec.argv = argv;
	spec.room = limited && wholes[i].limit == ROOM ? &room : NULL;
	spec.deadline_ms = ff_clock_mono() + (limited && wholes[i].limit == DEADLINE ? SHORT_MS : LONG_MS);
	spec.max_output = limited && wholes[i].limit == OUTPUT ? LITTLE : MUCH;
	rc = ff_sandbox_run(&spec, &r, &err);
	switch (wholes[i].limit) {
	case ROOM:
		return limited ? rc == 0 || err.code != FF_E_TOO_LARGE : rc == 0 && r.status == 0;
	case DEADLINE:
		return limited ? rc != 0 || !r.timed_out : rc == 0 && r.status == 0 && !r.timed_out;
	case OUTPUT:
		return rc != 0 ? limited : r.head.len + r.tail.len > LITTLE + 2;
	}
	return true;
}

void whole_controls(const struct ff_sandbox_spec *spec, struct verdict *v)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(wholes); i++, v++) {
		v->name = wholes[i].name;
		v->why = overran(spec, i, false) ? NULL : "the control does not work";
	}
}

int64_t whole_round(const struct ff_sandbox_spec *spec, struct verdict *v)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(wholes); i++, v++) {
		v->tried++;
		v->got += overran(spec, i, true);
	}
	return (int64_t)FF_ARRAY_LEN(wholes);
}
