/* SPDX-License-Identifier: MIT */
/* See key.h. */
#include "daemon/gateway/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/redact.h"
#include "conf/conf.h"
#include "crypto/secret.h"

#define KEY_MAX 4096
#define CREDENTIAL "anthropic-api-key"
#define HEADER "x-api-key: "

struct ff_key {
	char header[sizeof HEADER + KEY_MAX];
};

char *ff_key_place(const struct ff_conf *conf)
{
	const char *file = ff_conf_str(conf, FF_CONF_GATEWAY_KEY_FILE), *ref = ff_conf_str(conf, FF_CONF_GATEWAY_KEY);
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (*ref)
		return ff_strdup(ref);
	if (*file)
		return ff_strdup(file);
	return dir && *dir ? ff_path_join(dir, CREDENTIAL) : NULL;
}

static int check_mode(int fd, const char *path, struct ff_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ff_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s: the API key has to be in a regular file", path);
	/* A service credential belongs to root and is readable through an ACL that shows as group rights. */
	if ((st.st_mode & 077) && !(st.st_uid == 0 && getenv("CREDENTIALS_DIRECTORY") && !(st.st_mode & 037)))
		return ff_err_set(err, FF_E_NOT_ALLOWED,
				  "%s: others can read the API key (mode %03o); run: chmod 600 %s, and change the key if the host has other users",
				  path, (unsigned)(st.st_mode & 0777), path);
	return 0;
}

static int take(struct ff_key *key, const char *text, size_t n, const char *path, struct ff_err *err)
{
	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	if (!n)
		return ff_err_set(err, FF_E_INVALID, "%s: the file is empty; it has to hold the API key", path);
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return ff_err_set(err, FF_E_INVALID, "%s: not an API key: it has to be one word", path);
	memcpy(key->header, HEADER, sizeof HEADER - 1);
	memcpy(key->header + sizeof HEADER - 1, text, n);
	return 0;
}

int ff_key_read(const struct ff_conf *conf, struct ff_key **ret_key, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_key_place(conf);

	if (!path)
		return ff_err_set(err, FF_E_INVALID, "there is no API key: put it into a file of mode 600 and name that in gateway.key-file");
	return ff_key_read_file(path, ret_key, err);
}

int ff_key_read_file(const char *path, struct ff_key **ret_key, struct ff_err *err)
{
	FF_AUTO(ff_key_free) struct ff_key *key = ff_calloc(1, sizeof *key);
	FF_AUTO(ff_close) int fd = -1;
	char text[KEY_MAX + 1];
	ssize_t n;
	int rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return ff_err_set(err, FF_E_INVALID, "%s: the API key cannot be read: %s; put it there, readable for the daemon's account alone, or correct gateway.key-file",
				  path, strerror(errno));
	if (check_mode(fd, path, err) < 0)
		return -1;
	n = read(fd, text, sizeof text);
	if (n < 0)
		rc = ff_err_errno(err, "%s", path);
	else if (n > KEY_MAX)
		rc = ff_err_set(err, FF_E_TOO_LARGE, "%s: not an API key: over %d bytes", path, KEY_MAX);
	else
		rc = take(key, text, (size_t)n, path, err);
	ff_wipe(text, sizeof text);
	if (rc == 0)
		*ret_key = ff_steal(&key);
	return rc;
}

int ff_key_from_fd(int fd, struct ff_key **ret_key, struct ff_err *err)
{
	FF_AUTO(ff_key_free) struct ff_key *key = ff_calloc(1, sizeof *key);
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

	if (ff_secret_from_fd(fd, KEY_MAX, &value, err) < 0 ||
	    take(key, ff_secret_bytes(value), ff_secret_len(value), "the secret of gateway.key", err) < 0)
		return -1;
	*ret_key = ff_steal(&key);
	return 0;
}

void ff_key_free(struct ff_key **key)
{
	if (*key)
		ff_wipe(*key, sizeof **key);
	ff_free(key);
}

const char *ff_key_word(const struct ff_key *key)
{
	return key->header + sizeof HEADER - 1;
}

const char *ff_key_header(const struct ff_key *key)
{
	return key->header;
}

bool ff_key_same(const struct ff_key *a, const struct ff_key *b)
{
	return !strcmp(a->header, b->header); /* both are ours */
}

void ff_key_redact(const struct ff_key *key, struct ff_redact *redact)
{
	ff_redact_add(redact, ff_key_word(key), strlen(ff_key_word(key)));
}

void ff_key_mask(const struct ff_key *key, char *p, size_t n)
{
	const char *word = key->header + sizeof HEADER - 1;
	size_t len = strlen(word);
	char *at;

	while ((at = memmem(p, n, word, len))) {
		memset(at, '*', len);
		n -= (size_t)(at - p) + len;
		p = at + len;
	}
}

void ff_key_take_out(struct ff_redact *redact, struct ff_buf *body)
{
	FF_AUTO(ff_redact_stream_fini) struct ff_redact_stream s;
	FF_AUTO(ff_buf_fini) struct ff_buf clean;

	ff_buf_init(&clean, body->max + sizeof FF_REDACT_MARK * (body->len / FF_REDACT_MIN + 1)); /* the mark may be longer */
	ff_redact_stream_init(&s, redact);
	ff_redact_feed(&s, body->data, body->len, &clean);
	ff_redact_end(&s, &clean);
	ff_buf_clear(body);
	(void)ff_buf_add(body, clean.data, clean.len < body->max ? clean.len : body->max);
}
