/* SPDX-License-Identifier: MIT */
/* What administrators do is kept for longer than what they do it to. */
#include "store/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/core/control.h"

/* Left by flowforged --restore, for the record that it put in place. */
#define RESTORED "restored"
#define RESTORED_MAX 8192
#define LIST_MOST 10000

int ff_core_audit(struct ff_core *core, const struct ff_audit *what, struct ff_err *err)
{
	struct ff_audit a = *what;

	a.at_ms = ff_age_now(core);
	if (ff_turn_open(core, err) < 0)
		return -1;
	if (ff_audit_add(core->store, &a, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	return 0;
}

int ff_request_audit(struct ff_request *r, const char *action, int64_t job, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *who = ff_request_who(r);
	const struct ff_audit a = { .uid = (int64_t)ff_request_uid(r), .who = who, .action = action, .job = job, .text = text };

	return ff_core_audit(ff_request_core(r), &a, err);
}

/* --- the command --------------------------------------------------------------- */

static void reply_row(void *arg, const struct ff_audit *a)
{
	ff_reply_item(arg, json_pack("{s:o,s:I,s:o,s:s,s:o,s:o}", "at", ff_time_json(a->at_ms), "uid", (json_int_t)a->uid,
				     "who", ff_json_from_bytes(a->who), "action", a->action, "job",
				     a->job ? json_integer(a->job) : json_null(), "text", ff_json_from_bytes(a->text)), -1);
}

int ff_audit_reply(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	int64_t limit = 50;

	if (json_object_get(args, "limit") && ff_msg_int(args, "limit", 1, LIST_MOST, &limit, err) < 0)
		return -1;
	if (ff_audit_list(ff_request_core(r)->store, (int)limit, reply_row, r, err) < 0)
		return -1;
	ff_reply_end(r, NULL, NULL);
	return 0;
}

/* --- a restore, which is done while no core is there ------------------------------ */

void ff_audit_restored(const struct ff_conf *conf, const char *file)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(conf, RESTORED);
	struct ff_err err = { 0 };

	(void)ff_file_write(path, file, strlen(file), 0600, &err); /* the restore itself is done, whether this is known later or not */
}

static void forget_note(struct ff_core *core, void *arg, bool ok)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(core->conf, RESTORED);

	(void)arg;
	if (ok && unlink(path) < 0)
		ff_log_warn(&core->log, "audit.restored", "%s: %s", path, strerror(errno));
}

void ff_audit_init(struct ff_core *core)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(core->conf, RESTORED);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct ff_err err = { 0 };

	ff_buf_init(&text, RESTORED_MAX);
	if (ff_file_read(path, &text, &err) < 0)
		return;
	if (ff_core_audit(core, &(struct ff_audit){ .uid = (int64_t)geteuid(), .action = "restore", .text = text.data }, &err) == 0)
		ff_turn_after(core, forget_note, NULL);
}
