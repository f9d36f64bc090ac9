/* SPDX-License-Identifier: MIT */
/* The commands about secrets; none of them gives a value out. */
#include <inttypes.h>
#include <string.h>

#include "base/redact.h"
#include "base/text.h"
#include "daemon/core/control.h"
#include "daemon/core/vault.h"

#define PAGE_MOST 10000
#define SECRET_NAME_MAX 64

static int check_name(const char *name, struct ff_err *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (!n || name[n] || n > SECRET_NAME_MAX)
		return ff_err_set(err, FF_E_USAGE, "the name of a secret has 1 to %d letters, digits, `.`, `_` and `-`", SECRET_NAME_MAX);
	return 0;
}

/* Name and repository ("" of the server) of a request; *ret_repo: ff_free. */
static int which(struct ff_request *r, const json_t *args, const char **ret_name, char **ret_repo, struct ff_err *err)
{
	FF_AUTO(ff_free) char *repo = NULL;

	if (ff_msg_str(args, "name", ret_name, err) < 0 || check_name(*ret_name, err) < 0 ||
	    ff_msg_bytes(args, "repo", &repo, err) < 0)
		return -1;
	if (repo && *repo && ff_core_check_repo(ff_request_core(r), repo, err) < 0)
		return -1;
	*ret_repo = repo ? ff_steal(&repo) : ff_strdup("");
	return 0;
}

static void note_found(void *arg, const struct ff_secret_row *row)
{
	(void)row;
	*(bool *)arg = true;
}

static int check_room(struct ff_core *core, const char *repo, const char *name, struct ff_err *err)
{
	int64_t n = 0, most = ff_conf_int(core->conf, FF_CONF_SECRET_MAX);
	bool found = false;

	(void)ff_secrets_get(core->store, repo, name, note_found, &found, NULL); /* what is wrong the next call says */
	if (found)
		return 0;
	if (ff_secrets_count(core->store, &n, err) < 0)
		return -1;
	return n < most ? 0 : ff_err_set(err, FF_E_TOO_LARGE, "there are %" PRId64 " secrets already (secret.max)", n);
}

static int audit(struct ff_request *r, const char *action, const char *repo, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = *repo ? ff_asprintf("%s of %s", name, repo) : ff_strdup(name);

	return ff_request_audit(r, action, 0, text, err);
}

/* Once it is in the record: who asked is told, and whoever uses it gets the new one. */
static void after_change(struct ff_core *core, void *arg, bool ok)
{
	struct ff_request *r = arg;
	struct ff_err err = { 0 };

	if (ok)
		ff_gateway_look(core);
	else
		(void)ff_err_set(&err, FF_E_STORE, "the record cannot be written now; nothing has changed");
	ff_reply_end(r, &err, NULL);
}

static int take_value(struct ff_request *r, struct ff_secret **ret_value, struct ff_err *err)
{
	const struct ff_conf *conf = ff_request_core(r)->conf;
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

	if (ff_secret_from_fd(ff_request_fd(r), (size_t)ff_conf_int(conf, FF_CONF_SECRET_MAX_BYTES), &value, err) < 0)
		return err->code == FF_E_TOO_LARGE ? ff_err_wrap(err, "secret.max-bytes") : -1;
	if (ff_secret_len(value) < FF_REDACT_MIN)
		return ff_err_set(err, FF_E_INVALID, "the value has under %d bytes: it could neither be kept secret nor be found in a log",
				  FF_REDACT_MIN);
	if (memchr(ff_secret_bytes(value), 0, ff_secret_len(value)))
		return ff_err_set(err, FF_E_INVALID, "the value holds a NUL byte, which no variable or header can");
	*ret_value = ff_steal(&value);
	return 0;
}

int ff_secret_set(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;
	FF_AUTO(ff_free) char *repo = NULL;
	const char *name = NULL, *word = NULL;
	enum ff_secret_kind kind;

	if (which(r, args, &name, &repo, err) < 0 || ff_msg_str(args, "kind", &word, err) < 0)
		return -1;
	if (ff_secret_kind_by_word(word, &kind) < 0)
		return ff_err_set(err, FF_E_USAGE, "a secret is of the kind api-key, deploy-key, webhook or job, not '%.30s'", word);
	if (take_value(r, &value, err) < 0 || !ff_vault_key_id(core, err) || ff_turn_open(core, err) < 0 ||
	    check_room(core, repo, name, err) < 0)
		return -1;
	if (ff_vault_put(core, repo, name, kind, value, err) < 0 || audit(r, "secret set", repo, name, err) < 0) {
		ff_turn_fail(core, err); /* half of a row is worse than none */
		return -1;
	}
	ff_turn_after(core, after_change, r);
	return 0;
}

int ff_secret_delete(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_free) char *repo = NULL;
	const char *name = NULL;

	if (which(r, args, &name, &repo, err) < 0 || ff_turn_open(core, err) < 0 ||
	    ff_secrets_delete(core->store, repo, name, err) < 0)
		return -1;
	if (audit(r, "secret delete", repo, name, err) < 0) {
		ff_turn_fail(core, err); /* nothing goes without a word of it */
		return -1;
	}
	ff_turn_after(core, after_change, r);
	return 0;
}

static void reply_row(void *arg, const struct ff_secret_row *row)
{
	const char *kind = ff_secret_kind_word(row->kind);

	ff_reply_item(arg, json_pack("{s:s,s:s,s:o,s:s,s:o,s:o}", "name", row->name, "kind", kind ? kind : "", "repo",
				     *row->repo ? ff_json_from_bytes(row->repo) : json_null(), "key", row->key_id, "created",
				     ff_time_json(row->created_ms), "changed", ff_time_json(row->changed_ms)), -1);
}

int ff_secret_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	const char *id = ff_vault_key_id(core, NULL);

	(void)args;
	if (ff_secrets_list(core->store, 0, PAGE_MOST, reply_row, r, err) < 0)
		return -1;
	ff_reply_end(r, NULL, json_pack("{s:s?}", "key", id));
	return 0;
}

int ff_secret_rotate(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);

	(void)args;
	if (ff_vault_new_key(core, err) < 0 || ff_request_audit(r, "secret rotate", 0, ff_vault_key_id(core, NULL), err) < 0)
		return -1;
	ff_vault_reseal(core, r);
	return 0;
}
