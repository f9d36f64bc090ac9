/* SPDX-License-Identifier: MIT */
/*
 * See vault.h.  A rotation survives a crash at any point, because the key
 * file always opens every row: first it gets the new key beside the old one,
 * then the rows are sealed anew, some in each transaction, and when none is
 * left the old key goes from the file.  Whoever starts again and finds two
 * keys goes on there.
 */
#include "daemon/core/vault.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/redact.h"
#include "base/text.h"
#include "crypto/keyring.h"
#include "daemon/core/control.h"

#define CREDENTIAL "flowforge-master-key"
/* Rows of one turn: all pushes wait meanwhile. */
#define ROWS 50
/* Of all variables of one job. */
#define JOB_BYTES (256 * 1024)

struct ff_vault {
	struct ff_core *core;
	struct ff_keyring *ring; /* NULL: there is none, and why says so */
	struct ff_err why;
	char *path;              /* of the file it is from; NULL: a descriptor, which cannot be read twice */
	struct ff_redact *redact;
	struct ff_watch *work;   /* while rows are sealed anew */
	int64_t after, failed, done;
	struct ff_request *waits;
};

struct row {
	int64_t id;
	char *repo, *name, *key_id;
	enum ff_secret_kind kind;
	struct ff_secret *sealed; /* no secret, but bytes with a length */
};

static void row_fini(struct row *row)
{
	ff_free(&row->repo);
	ff_free(&row->name);
	ff_free(&row->key_id);
	ff_secret_free(&row->sealed);
}

static void copy_row(struct row *to, const struct ff_secret_row *row)
{
	*to = (struct row){ .id = row->id, .repo = ff_strdup(row->repo), .name = ff_strdup(row->name),
			    .key_id = ff_strdup(row->key_id), .kind = row->kind, .sealed = ff_secret_new(row->sealed, row->n) };
}

/* --- the master key ---------------------------------------------------------------- */

/* Beside the database it would be in every copy of it. */
static int check_place(const struct ff_core *core, const char *path, struct ff_err *err)
{
	char *file = realpath(path, NULL), *state = realpath(ff_conf_str(core->conf, FF_CONF_SERVER_STATE_DIR), NULL);
	size_t n = state ? strlen(state) : 0;
	bool inside = file && state && ff_starts(file, state) && file[n] == '/';

	free(file);
	free(state);
	return inside ? ff_err_set(err, FF_E_INVALID, "%s: the master key lies in server.state-dir, beside what it seals: move it "
				   "elsewhere", path) : 0;
}

static char *key_path(const struct ff_core *core)
{
	const char *file = ff_conf_str(core->conf, FF_CONF_SECRET_KEY_FILE), *dir = getenv("CREDENTIALS_DIRECTORY");
	FF_AUTO(ff_free) char *credential = dir && *dir ? ff_path_join(dir, CREDENTIAL) : NULL;

	if (*file)
		return ff_strdup(file);
	return credential && access(credential, F_OK) == 0 ? ff_steal(&credential) : NULL;
}

static int read_key(struct ff_vault *v, struct ff_keyring **ret_ring, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *text = NULL;
	FF_AUTO(ff_close) int fd = v->core->args->key_fd;

	if (fd >= 0) {
		if (ff_secret_read(fd, FF_KEY_FILE_MAX, &text, err) < 0 || ff_keyring_parse(text, ret_ring, err) < 0)
			return ff_err_wrap(err, "the master key from --key-fd");
		return 0;
	}
	ff_free(&v->path);
	v->path = key_path(v->core);
	if (!v->path)
		return ff_err_set(err, FF_E_KEY_MISSING, "there is no master key for secrets: run flowforge secret init FILE, and "
				  "name the file in secret.key-file");
	if (check_place(v->core, v->path, err) < 0 ||
	    ff_secret_from_file(v->path, "the master key", FF_KEY_FILE_MAX, &text, err) < 0)
		return -1;
	return ff_keyring_parse(text, ret_ring, err) < 0 ? ff_err_wrap(err, "%s", v->path) : 0;
}

static int open_key(struct ff_vault *v, struct ff_err *err)
{
	struct ff_keyring *ring = NULL;

	if (read_key(v, &ring, err) < 0) {
		v->why = *err;
		return -1;
	}
	ff_keyring_free(&v->ring);
	v->ring = ring;
	v->why = (struct ff_err){ 0 };
	return 0;
}

const char *ff_vault_key_id(const struct ff_core *core, struct ff_err *err)
{
	const struct ff_vault *v = core->vault;

	if (v->ring)
		return ff_keyring_id(v->ring);
	(void)ff_err_set(err, FF_E_KEY_MISSING, "%s", v->why.text);
	return NULL;
}

/* --- sealing and opening ------------------------------------------------------------ */

int ff_vault_put(struct ff_core *core, const char *repo, const char *name, enum ff_secret_kind kind,
		 const struct ff_secret *value, struct ff_err *err)
{
	const char *const more[] = { ff_secret_kind_word(kind), repo, name, NULL };
	struct ff_seal_place place = { .table = "secrets", .column = "sealed", .more = more };
	struct ff_secret_row row = { .kind = kind, .changed_ms = ff_clock_wall() };
	FF_AUTO(ff_buf_fini) struct ff_buf blob = { 0 };

	row.key_id = ff_vault_key_id(core, err);
	if (!row.key_id || ff_secrets_row(core->store, repo, name, row.changed_ms, &row.id, err) < 0)
		return -1;
	place.row = row.id;
	ff_buf_init(&blob, ff_secret_len(value) + FF_SEAL_EXTRA);
	ff_seal(core->vault->ring, &place, value, &blob);
	row.sealed = blob.data;
	row.n = blob.len;
	if (ff_secrets_fill(core->store, &row, err) < 0)
		return -1;
	ff_redact_add(core->vault->redact, ff_secret_bytes(value), ff_secret_len(value));
	return 0;
}

static int open_row(const struct ff_vault *v, const struct row *row, struct ff_secret **ret_value, struct ff_err *err)
{
	const char *const more[] = { ff_secret_kind_word(row->kind), row->repo, row->name, NULL };
	const struct ff_seal_place place = { .table = "secrets", .column = "sealed", .row = row->id, .more = more };

	if (!v->ring)
		return ff_err_set(err, FF_E_KEY_MISSING, "%s", v->why.text);
	if (ff_unseal(v->ring, &place, row->key_id, ff_secret_bytes(row->sealed), ff_secret_len(row->sealed), ret_value, err) == 0)
		return 0;
	return ff_err_wrap(err, "the secret %s", row->name);
}

static void take_row(void *arg, const struct ff_secret_row *row)
{
	copy_row(arg, row);
}

static int find_row(struct ff_core *core, const char *repo, const char *name, struct row *ret_row, struct ff_err *err)
{
	struct ff_err none = { 0 };

	if (repo && ff_secrets_get(core->store, repo, name, take_row, ret_row, &none) == 0)
		return 0;
	if (none.code && none.code != FF_E_NOT_FOUND)
		return ff_err_set(err, none.code, "%s", none.text);
	if (ff_secrets_get(core->store, "", name, take_row, ret_row, &none) == 0)
		return 0;
	if (none.code != FF_E_NOT_FOUND)
		return ff_err_set(err, none.code, "%s", none.text);
	return ff_err_set(err, FF_E_NOT_FOUND, "there is no secret %s: set it by flowforge secret set %s", name, name);
}

int ff_vault_get(struct ff_core *core, const char *repo, const char *name, enum ff_secret_kind kind,
		 struct ff_secret **ret_value, struct ff_err *err)
{
	FF_AUTO(row_fini) struct row row = { 0 };

	if (find_row(core, repo, name, &row, err) < 0)
		return -1;
	/* So that nobody gets an API key into a job by its name. */
	if (row.kind != kind)
		return ff_err_set(err, FF_E_INVALID, "the secret %s is of the kind %s, not %s", name, ff_secret_kind_word(row.kind),
				  ff_secret_kind_word(kind));
	return open_row(core->vault, &row, ret_value, err);
}

const char *ff_vault_ref(const struct ff_conf *conf, enum ff_conf_key key)
{
	const char *text = ff_conf_str(conf, key);

	return ff_starts(text, "secret:") ? text + strlen("secret:") : NULL;
}

/* Appends NAME=value and a NUL; item is "VARIABLE=NAME" or "NAME". */
static int add_variable(struct ff_core *core, const char *repo, const char *item, struct ff_buf *out, struct ff_err *err)
{
	const char *equals = strchr(item, '='), *name = equals ? equals + 1 : item;
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

	if (ff_vault_get(core, repo, name, FF_SECRET_JOB, &value, err) < 0)
		return -1;
	(void)ff_buf_add(out, item, equals ? (size_t)(equals - item) : strlen(item));
	(void)ff_buf_addc(out, '=');
	(void)ff_buf_add(out, ff_secret_bytes(value), ff_secret_len(value) + 1);
	return out->overflow ? ff_err_set(err, FF_E_TOO_LARGE, "the secrets of a job have over %d bytes", JOB_BYTES) : 0;
}

int ff_vault_job(struct ff_core *core, const struct ff_job *job, int *ret_fd, struct ff_err *err)
{
	const char *names = ff_job_secret_names(core, job);
	FF_AUTO(ff_free) char *repo = NULL;
	FF_AUTO(ff_secret_free) struct ff_secret *all = NULL;
	struct ff_buf text;
	int rc = 0;

	names += strspn(names, " ");
	*ret_fd = -1;
	if (!*names)
		return 0;
	if (ff_store_repo_path(core->store, job->repo, &repo, err) < 0)
		return -1;
	ff_buf_init(&text, JOB_BYTES);
	(void)ff_buf_room(&text, JOB_BYTES); /* at once: what grows leaves copies behind */
	for (; rc == 0 && *names; names += strspn(names, " ")) {
		size_t n = strcspn(names, " ");
		FF_AUTO(ff_free) char *item = ff_memdup0(names, n);

		rc = add_variable(core, repo, item, &text, err);
		names += n;
	}
	if (rc == 0) {
		all = ff_secret_new(text.data, text.len);
		rc = ff_secret_to_fd(all, ret_fd, err);
	}
	ff_wipe(text.data, text.cap);
	ff_buf_fini(&text);
	return rc;
}

/* --- a page of rows ----------------------------------------------------------------- */

struct page {
	struct row rows[ROWS];
	size_t n;
};

static void page_fini(struct page *page)
{
	for (size_t i = 0; i < page->n; i++)
		row_fini(&page->rows[i]);
	page->n = 0;
}

static void take_into_page(void *arg, const struct ff_secret_row *row)
{
	struct page *page = arg;

	copy_row(&page->rows[page->n++], row);
}

/* --- what must not leave -------------------------------------------------------------- */

struct ff_redact *ff_vault_redact(const struct ff_core *core)
{
	return core->vault->redact;
}

static void learn(struct ff_vault *v)
{
	int64_t after = 0, lost = 0;
	struct ff_err err = { 0 };
	bool more = true;

	while (more) {
		FF_AUTO(page_fini) struct page page = { 0 };

		if (ff_secrets_list(v->core->store, after, ROWS, take_into_page, &page, &err) < 0)
			break;
		for (size_t i = 0; i < page.n; i++) {
			FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

			after = page.rows[i].id;
			if (open_row(v, &page.rows[i], &value, &err) == 0)
				ff_redact_add(v->redact, ff_secret_bytes(value), ff_secret_len(value));
			else
				lost++;
		}
		more = page.n == ROWS;
	}
	if (lost)
		ff_log_error(&v->core->log, "secret.closed", "%" PRId64 " secrets cannot be opened: %s", lost, err.text);
}

/* --- rotation --------------------------------------------------------------------------- */

static int write_key(const struct ff_vault *v, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *text = ff_keyring_text(v->ring);

	return ff_file_write(v->path, ff_secret_bytes(text), ff_secret_len(text), 0600, err);
}

int ff_vault_new_key(struct ff_core *core, struct ff_err *err)
{
	struct ff_vault *v = core->vault;

	if (!ff_vault_key_id(core, err))
		return -1;
	if (!v->path)
		return ff_err_set(err, FF_E_UNSUPPORTED, "the master key came by descriptor: start " FF_DAEMON " with two keys, the "
				  "new one first (flowforge secret init FILE makes one)");
	if (open_key(v, err) < 0) /* somebody may have written a new one into it already */
		return -1;
	if (ff_keyring_count(v->ring) > 1)
		return 0;
	if (ff_keyring_add(v->ring, err) < 0)
		return -1;
	if (write_key(v, err) == 0)
		return 0;
	(void)open_key(v, NULL); /* as it is on disk */
	return ff_err_wrap(err, "the new master key could not be written; put one that flowforge secret init makes before the old one "
			   "in %s yourself", v->path);
}

static void answer(struct ff_vault *v, const struct ff_err *err)
{
	struct ff_request *r = ff_steal(&v->waits);

	if (r)
		ff_reply_end(r, err, json_pack("{s:s,s:I,s:I}", "key", v->ring ? ff_keyring_id(v->ring) : "", "sealed",
					       (json_int_t)v->done, "failed", (json_int_t)v->failed));
}

static void finish(struct ff_vault *v)
{
	struct ff_core *core = v->core;
	struct ff_err err = { 0 };
	size_t keys = ff_keyring_count(v->ring);

	ff_watch_free(&v->work);
	if (v->failed) {
		ff_err_set(&err, FF_E_INVALID, "%" PRId64 " secrets could not be opened, so the old master keys stay: set or delete "
			   "them, then rotate again", v->failed);
	} else if (keys > 1 && v->path) {
		ff_keyring_drop_old(v->ring);
		if (write_key(v, &err) < 0) {
			ff_log_warn(&core->log, "secret.key", "the old master keys are of no more use, remove them: %s", err.text);
			err = (struct ff_err){ 0 };
		}
	}
	if (v->done || v->failed || keys > 1)
		ff_log_info(&core->log, "secret.rotated", "%" PRId64 " secrets are sealed with the master key %s, %" PRId64 " are not",
			    v->done, ff_keyring_id(v->ring), v->failed);
	answer(v, err.code ? &err : NULL);
}

static void seal_page(struct ff_vault *v, struct page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		const struct row *row = &page->rows[i];
		FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;
		struct ff_err err = { 0 };

		v->after = row->id;
		if (open_row(v, row, &value, &err) == 0 &&
		    ff_vault_put(v->core, row->repo, row->name, row->kind, value, &err) == 0) {
			v->done++;
			continue;
		}
		v->failed++;
		ff_log_error(&v->core->log, "secret.rotate", "%s", err.text);
	}
}

static void seal_some(void *arg);

static void after_page(struct ff_core *core, void *arg, bool ok)
{
	struct ff_vault *v = core->vault;
	bool last = arg != NULL;

	if (!v || !v->work)
		return;
	if (!ok) { /* the record is mended first */
		v->after = v->done = v->failed = 0;
		ff_watch_again(v->work, 1000);
	} else if (last) {
		finish(v);
	} else {
		ff_watch_again(v->work, 0);
	}
}

static void seal_some(void *arg)
{
	struct ff_vault *v = arg;
	FF_AUTO(page_fini) struct page page = { 0 };
	struct ff_err err = { 0 };

	if (ff_turn_open(v->core, &err) < 0 ||
	    ff_secrets_other(v->core->store, ff_keyring_id(v->ring), v->after, ROWS, take_into_page, &page, &err) < 0) {
		ff_watch_again(v->work, 1000);
		return;
	}
	seal_page(v, &page);
	ff_turn_after(v->core, after_page, page.n < ROWS ? v : NULL);
}

void ff_vault_reseal(struct ff_core *core, struct ff_request *r)
{
	struct ff_vault *v = core->vault;

	if (r && v->waits) {
		const struct ff_err busy = { .code = FF_E_CONFLICT, .text = "a rotation is under way already" };

		ff_reply_end(r, &busy, NULL);
		return;
	}
	v->waits = r;
	v->after = v->done = v->failed = 0;
	if (!v->work)
		v->work = ff_loop_timer(core->loop, 0, seal_some, v);
	else
		ff_watch_again(v->work, 0);
}

/* --- life ----------------------------------------------------------------------------------- */

/* A rotation that a crash ended, or keys that somebody put there. */
static void go_on(struct ff_vault *v)
{
	int64_t other = 0;

	if (!v->ring || v->work || ff_secrets_count_other(v->core->store, ff_keyring_id(v->ring), &other, NULL) < 0)
		return;
	if (other || ff_keyring_count(v->ring) > 1)
		ff_vault_reseal(v->core, NULL);
}

void ff_vault_init(struct ff_core *core)
{
	struct ff_vault *v = ff_calloc(1, sizeof *v);
	struct ff_err err = { 0 };
	int64_t n = 0;

	core->vault = v;
	v->core = core;
	v->redact = ff_redact_new();
	ff_log_redact(v->redact);
	(void)open_key(v, &err); /* kept in why */
	if (ff_secrets_count(core->store, &n, NULL) == 0 && n && !v->ring)
		ff_log_error(&core->log, "secret.key", "%" PRId64 " secrets cannot be used: %s", n, v->why.text);
	else if (n)
		learn(v);
	go_on(v);
}

void ff_vault_reload(struct ff_core *core)
{
	struct ff_vault *v = core->vault;
	struct ff_err err = { 0 };
	bool had = v->ring != NULL;

	if (!v->path && had) /* from a descriptor */
		return;
	if (open_key(v, &err) < 0) {
		if (had)
			ff_log_error(&core->log, "secret.key", "%s; the master key that was read before stays in use", err.text);
		return;
	}
	if (!had)
		learn(v);
	go_on(v);
}

void ff_vault_fini(struct ff_core *core)
{
	struct ff_vault *v = ff_steal(&core->vault);

	if (!v)
		return;
	ff_watch_free(&v->work);
	ff_log_redact(NULL);
	ff_redact_free(&v->redact);
	ff_keyring_free(&v->ring);
	ff_free(&v->path);
	free(v);
}
