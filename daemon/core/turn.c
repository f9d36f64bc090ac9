/* SPDX-License-Identifier: MIT */
/*
 * Group commit.  One fsync a turn, whatever the number of messages in it, and
 * no answer before it: that is what makes the record both durable and fast.
 */
#include <stdlib.h>

#include "daemon/core/core.h"

struct ff_after {
	struct ff_after *next;
	ff_after_fn fn;
	void *arg;
};

int ff_turn_open(struct ff_core *core, struct ff_err *err)
{
	if (core->in_turn)
		return core->turn_failed ? ff_err_set(err, FF_E_STORE, "the record cannot be written now") : 0;
	core->in_turn = true;
	core->turn_failed = false;
	ff_log_hold(); /* a turn of many messages has many lines */
	if (!ff_mend_may_write(core)) {
		core->turn_failed = true;
		return ff_err_set(err, FF_E_STORE, "the record cannot be written now");
	}
	if (ff_store_begin(core->store, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	return 0;
}

void ff_turn_fail(struct ff_core *core, const struct ff_err *err)
{
	core->in_turn = true;
	core->turn_failed = true;
	ff_mend_failed(core, err);
}

void ff_turn_after(struct ff_core *core, ff_after_fn fn, void *arg)
{
	struct ff_after *a = ff_calloc(1, sizeof *a);

	*a = (struct ff_after){ .fn = fn, .arg = arg };
	*core->after_end = a;
	core->after_end = &a->next;
}

static bool commit(struct ff_core *core)
{
	struct ff_err err = { 0 };

	if (!core->turn_failed && ff_store_commit(core->store, &err) < 0)
		ff_turn_fail(core, &err);
	if (core->turn_failed) {
		ff_store_rollback(core->store);
		ff_workers_forget(core);
		ff_recent_fini(core);
		return false;
	}
	ff_mend_committed(core);
	return true;
}

void ff_turn_end(void *arg)
{
	struct ff_core *core = arg;

	while (core->in_turn || core->after_first || core->dispatch) {
		struct ff_after *list, *next;
		bool ok;

		/* Jobs that may start do so in the transaction that let them. */
		if (core->dispatch && !core->turn_failed)
			ff_core_dispatch_now(core);
		core->dispatch = false;
		ok = !core->in_turn || commit(core);
		if (core->in_turn)
			ff_rest_later(core);
		list = core->after_first; /* a commit may add to it */

		core->in_turn = core->turn_failed = false;
		core->after_first = NULL;
		core->after_end = &core->after_first;
		for (; list; list = next) {
			next = list->next;
			list->fn(core, list->arg, ok);
			free(list);
		}
	}
	ff_log_release();
	if (core->store)
		ff_store_checkpoint(core->store); /* everybody has their answers */
}
