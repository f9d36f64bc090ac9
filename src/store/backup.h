/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_BACKUP_H
#define FF_STORE_BACKUP_H

/*
 * Copies of the record: made in small steps while it is in use, and looked
 * over before one takes its place.  When, where and under which name is
 * core's business (daemon/core/backup.c, restore.c).
 *
 *     ff_backup_open(store, path, &b, err);
 *     each turn: ff_backup_step(b, err), until it returns FF_BACKUP_DONE
 *     ff_backup_close(&b);
 *
 * What is written to the record meanwhile is in the copy, too: it shows the
 * record as it is at the last step.
 */

#include <stdint.h>

#include "base/err.h"

struct ff_store;
struct ff_backup;

enum ff_backup_state {
	FF_BACKUP_MORE,
	FF_BACKUP_LATER, /* a transaction is open: no step was made */
	FF_BACKUP_DONE,
};

/* path must not exist. The store must outlive it. */
int ff_backup_open(struct ff_store *s, const char *path, struct ff_backup **ret_backup, struct ff_err *err);
/* Copies some 256 KiB. */
int ff_backup_step(struct ff_backup *b, enum ff_backup_state *ret_state, struct ff_err *err);
/* The copy is whole only if the last step said so; it has not been synced to disk. */
void ff_backup_close(struct ff_backup **b);

/* The last numbers that were given out. */
struct ff_backup_numbers {
	int64_t job, event;
};
/*
 * Reads every page of a record that nobody uses. FF_E_INVALID: it is damaged,
 * no record, or of a newer program.
 */
int ff_backup_check(const char *path, struct ff_err *err);
/*
 * The same in short, of a record that may be in use: it is only read.
 * FF_E_INVALID: it is damaged, FF_E_STORE: it cannot be read now.
 */
int ff_backup_quick_check(const char *path, struct ff_err *err);
/* Makes the file complete without its -wal, and reads its numbers. */
int ff_backup_fold(const char *path, struct ff_backup_numbers *ret_numbers, struct ff_err *err);
/* No number up to these is given out again. */
int ff_backup_raise(const char *path, const struct ff_backup_numbers *least, struct ff_err *err);

#endif
