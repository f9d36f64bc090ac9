/* SPDX-License-Identifier: MIT */
/* See task.h. Core is trusted more than a job is, but a worker believes no bytes of anybody. */
#include "daemon/worker/task.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "ipc/ipc.h"

#define ENV_MAX 1000
/* All variables from secrets. */
#define SECRETS_BYTES_MAX (256 * 1024)

static int need_bytes(const json_t *msg, const char *key, char **ret, struct ff_err *err)
{
	char *value = NULL;

	if (ff_msg_bytes(msg, key, &value, err))
		return -1;
	if (!value)
		return ff_err_set(err, FF_E_PROTOCOL, "the job has no %s", key);
	*ret = value;
	return 0;
}

static int read_oid(const json_t *msg, const char *key, char *ret_oid, struct ff_err *err)
{
	const char *oid = NULL;

	if (ff_msg_opt_str(msg, key, &oid, err))
		return -1;
	if (!oid || !*oid)
		return 0;
	if (!ff_oid_valid(oid))
		return ff_err_set(err, FF_E_PROTOCOL, "%s is no object id", key);
	memcpy(ret_oid, oid, strlen(oid) + 1);
	return 0;
}

static int read_steps(const json_t *msg, struct ff_task *t, struct ff_err *err)
{
	const char *word;
	json_t *step;

	json_object_foreach(json_object_get(msg, "steps"), word, step) {
		enum ff_step_kind k;

		if (ff_step_by_word(word, &k))
			return ff_err_set(err, FF_E_PROTOCOL, "there is no step %.40s", word);
		t->done[k] = true;
		if (read_oid(step, "oid", t->oid[k], err))
			return -1;
	}
	return 0;
}

static bool is_env_name(const char *s)
{
	if (!*s || isdigit((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (*s != '_' && !(isalnum((unsigned char)*s) && (unsigned char)*s < 128))
			return false;
	return true;
}

static int read_env(const json_t *msg, struct ff_task *t, struct ff_err *err)
{
	json_t *env = json_object_get(msg, "env"), *value;
	size_t n = 0;
	const char *name;

	if (json_object_size(env) > ENV_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "the environment has over %d variables", ENV_MAX);
	t->env = ff_calloc(json_object_size(env) + 1, sizeof(char *));
	json_object_foreach(env, name, value) {
		if (!is_env_name(name) || !json_is_string(value))
			return ff_err_set(err, FF_E_PROTOCOL, "%.60s is no environment variable", name);
		t->env[n++] = ff_asprintf("%s=%s", name, json_string_value(value));
	}
	t->n_plain = n;
	return 0;
}

/* Behind the others: of two of one name the last one counts. */
static int read_secrets(int fd, struct ff_task *t, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *all = NULL;
	size_t n = t->n_plain, left;
	const char *p;

	if (ff_secret_from_fd(fd, SECRETS_BYTES_MAX, &all, err))
		return ff_err_wrap(err, "secrets");
	p = ff_secret_bytes(all);
	for (left = ff_secret_len(all); left; n++) {
		size_t len = strnlen(p, left);
		const char *is = memchr(p, '=', len);
		FF_AUTO(ff_free) char *name = is ? ff_memdup0(p, (size_t)(is - p)) : NULL;

		if (len == left || !name || !is_env_name(name) || n - t->n_plain >= ENV_MAX)
			return ff_err_set(err, FF_E_PROTOCOL, "what came as secrets is no list of variables");
		t->env = ff_realloc(t->env, n + 2, sizeof(char *));
		t->env[n] = ff_memdup0(p, len);
		t->env[n + 1] = NULL;
		p += len + 1;
		left -= len + 1;
	}
	return 0;
}

static int read_all(const json_t *msg, int *secrets_fd, struct ff_task *t, struct ff_err *err)
{
	int64_t attempt = 0;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &t->job, err) ||
	    ff_msg_int(msg, "attempt", 1, INT32_MAX, &attempt, err) ||
	    ff_msg_int(msg, "deadline_ms", 1, INT64_MAX / 2, &t->deadline_ms, err) ||
	    need_bytes(msg, "repo", &t->repo, err) || need_bytes(msg, "source_ref", &t->source_ref, err) ||
	    need_bytes(msg, "source_name", &t->source_name, err) || need_bytes(msg, "target", &t->target, err) ||
	    need_bytes(msg, "task", &t->text, err) || ff_msg_bytes(msg, "task_from", &t->text_from, err) ||
	    ff_msg_bytes(msg, "url", &t->url, err) || ff_msg_bytes(msg, "token", &t->token, err) || read_oid(msg, "source_oid", t->source_oid, err) ||
	    read_oid(msg, "base_oid", t->base_oid, err) || read_oid(msg, "approved_oid", t->approved_oid, err) || read_steps(msg, t, err) ||
	    read_env(msg, t, err) || ff_msg_bytes(msg, "driver", &t->driver, err) || ff_msg_bytes(msg, "rungs", &t->rungs, err) ||
	    (*secrets_fd >= 0 && read_secrets(ff_steal_fd(secrets_fd), t, err)))
		return -1;
	t->attempt = (int)attempt;
	if (!t->source_oid[0])
		return ff_err_set(err, FF_E_PROTOCOL, "the job has no source_oid");
	return 0;
}

int ff_task_read(const json_t *msg, int secrets_fd, struct ff_task *ret_task, struct ff_err *err)
{
	FF_AUTO(ff_task_fini) struct ff_task t = { 0 };
	FF_AUTO(ff_close) int fd = secrets_fd;

	if (read_all(msg, &fd, &t, err))
		return ff_err_wrap(err, "job message");
	*ret_task = t;
	memset(&t, 0, sizeof(t));
	return 0;
}

void ff_task_fini(struct ff_task *task)
{
	ff_free(&task->repo);
	ff_free(&task->source_ref);
	ff_free(&task->source_name);
	ff_free(&task->target);
	ff_free(&task->text);
	ff_free(&task->text_from);
	ff_free(&task->url);
	if (task->token)
		ff_wipe(task->token, strlen(task->token));
	ff_free(&task->token);
	ff_free(&task->driver);
	ff_free(&task->rungs);
	for (char **p = task->env; p && *p; p++) {
		ff_wipe(*p, strlen(*p)); /* some are secrets */
		ff_free(p);
	}
	ff_free(&task->env);
}
