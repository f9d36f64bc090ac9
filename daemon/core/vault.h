/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_VAULT_H
#define FF_DAEMON_CORE_VAULT_H

/*
 * The secrets of the record: the master key, sealing and opening, and which
 * text must not leave.  secrets.c has the commands, vault.c the rest.  A
 * value is opened for whoever needs it now and wiped; what stays in memory is
 * what texts are searched for (base/redact.h).
 */

#include "crypto/secret.h"
#include "daemon/core/core.h"
#include "store/secrets.h"

struct ff_request;

/* What is missing is said when somebody wants a secret, and in the log when there are any. */
void ff_vault_init(struct ff_core *core);
void ff_vault_fini(struct ff_core *core);
/* The key file may have changed. */
void ff_vault_reload(struct ff_core *core);
/* The id of the key that seals; NULL: there is none, and err says what to do. */
const char *ff_vault_key_id(const struct ff_core *core, struct ff_err *err);
/* Seals the value and writes it, within the turn. */
int ff_vault_put(struct ff_core *core, const char *repo, const char *name, enum ff_secret_kind kind,
		 const struct ff_secret *value, struct ff_err *err);
/*
 * By name: that of the repository (a path, or NULL) before that of the server.
 * FF_E_NOT_FOUND when there is neither, FF_E_INVALID when it is of another kind.
 */
int ff_vault_get(struct ff_core *core, const char *repo, const char *name, enum ff_secret_kind kind,
		 struct ff_secret **ret_value, struct ff_err *err);
/*
 * The variables that a job gets from secrets, "NAME=value" with a NUL behind
 * each, in a memfd for its worker; -1 when it gets none.
 */
int ff_vault_job(struct ff_core *core, const struct ff_job *job, int *ret_fd, struct ff_err *err);
/* "secret:NAME" of the configuration; its NAME, or NULL when the key is not set. */
const char *ff_vault_ref(const struct ff_conf *conf, enum ff_conf_key key);
/* What is sealed with older keys is sealed anew, some rows a turn; then those keys go. r (or NULL) is answered at the end. */
void ff_vault_reseal(struct ff_core *core, struct ff_request *r);
/* A new master key seals from now on, and is on disk; the old ones stay until all is sealed anew. */
int ff_vault_new_key(struct ff_core *core, struct ff_err *err);
/* What texts are cleaned of; never NULL. */
struct ff_redact *ff_vault_redact(const struct ff_core *core);

#endif
