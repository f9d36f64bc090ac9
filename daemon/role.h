/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_ROLE_H
#define FF_DAEMON_ROLE_H

/*
 * What main.c gives every role, and all that roles share.  Roles never
 * include each other's headers: they meet in messages (src/ipc).
 *
 * A role other than core is the same program started again as
 *     flowforged --role NAME --config RUN-DIR/roles.conf
 * (what core goes by, written out by ff_conf_write) with its parent on
 * descriptor 3 (FF_IPC_PARENT_FD), its log on descriptor 2 and an environment
 * of PATH, LANG, TMPDIR and FLOWFORGE_WORD alone (the gateway also gets
 * ANTHROPIC_BASE_URL and the proxy variables).  It calls
 * ff_role_guard(), sends hello, takes its first message, and exits 0 when
 * descriptor 3 ends.
 */

#include "conf/conf.h"

struct ff_role_args {
	const struct ff_conf *conf;
	const char *self;             /* absolute path of this program */
	const char *config_file;      /* that conf was read from; NULL: there was none */
	const char *const *settings;  /* the -c flags, NULL-terminated */
	int key_fd;                   /* with the master key of secrets, taken by core; -1: none */
};

/* Each returns the exit status of the process. */
int ff_core_main(const struct ff_role_args *args);
/* flowforged --check-record: reads every page of the record, says what it found; exit status. */
int ff_core_check_record(const struct ff_conf *conf);
/* flowforged --restore FILE: puts a backup in the place of the record. The exit status; stderr says what was done. */
int ff_core_restore(const struct ff_conf *conf, const char *file);
int ff_worker_main(const struct ff_role_args *args);
int ff_reader_main(const struct ff_role_args *args);
int ff_keeper_main(const struct ff_role_args *args);
int ff_gateway_main(const struct ff_role_args *args);
int ff_tunnel_main(const struct ff_role_args *args);
int ff_web_main(const struct ff_role_args *args);

#endif
