/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_WALFILE_H
#define FF_STORE_WALFILE_H

/*
 * A VFS that gathers what SQLite writes into a write-ahead log.  SQLite makes
 * two calls of pwrite(2) a page; gathered, a transaction is one call before
 * its fdatasync(2).  All other files, and all other calls, are the system's.
 *
 * Only for synchronous=FULL: there each commit syncs the log before anybody is
 * told of it, and a sync, like each reading of what is not written yet, writes
 * first.  A write that fails shows at the sync, which fails the commit.
 */

/* Makes it known to SQLite, once; the name to open a database with, NULL when SQLite has no VFS of its own. */
const char *ff_walfile_vfs(void);

#endif
