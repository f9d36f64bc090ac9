/* SPDX-License-Identifier: MIT */
/* See key.h. */
#include "daemon/tunnel/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crypto/secret.h"

#define KEY_MOST (64 * 1024)
#define BEGIN "-----BEGIN "

struct ff_push_key {
	size_t len;
	char text[KEY_MOST + 1];
};

static int check(int fd, const char *path, struct ff_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ff_err_errno(err, "publish.key-file %.100s", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "publish.key-file %.100s: the key has to be in a regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "publish.key-file %.100s belongs to another account than the daemon's",
				  path);
	if (st.st_mode & 077)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "publish.key-file %.80s can be read by others (mode %03o): chmod 600 it; "
				  "make a new key if the host has other users", path, (unsigned)(st.st_mode & 0777));
	return 0;
}

static int read_all(int fd, struct ff_push_key *key, const char *path, struct ff_err *err)
{
	ssize_t n;

	while (key->len < KEY_MOST && (n = read(fd, key->text + key->len, KEY_MOST - key->len)) != 0) {
		if (n < 0 && errno != EINTR)
			return ff_err_errno(err, "publish.key-file %.100s", path);
		if (n > 0)
			key->len += (size_t)n;
	}
	if (strncmp(key->text, BEGIN, strlen(BEGIN)) != 0 || key->len == KEY_MOST)
		return ff_err_set(err, FF_E_INVALID, "publish.key-file %.100s holds no private key: make one by ssh-keygen -t "
				  "ed25519", path);
	return 0;
}

int ff_push_key_read(const struct ff_conf *conf, struct ff_push_key **ret_key, struct ff_err *err)
{
	const char *path = ff_conf_str(conf, FF_CONF_PUBLISH_KEY_FILE);
	FF_AUTO(ff_push_key_free) struct ff_push_key *key = ff_calloc(1, sizeof *key);
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return ff_err_set(err, FF_E_INVALID, "publish.key-file %.100s cannot be read: %s", path, strerror(errno));
	if (check(fd, path, err) < 0 || read_all(fd, key, path, err) < 0)
		return -1;
	*ret_key = ff_steal(&key);
	return 0;
}

int ff_push_key_from_fd(int fd, struct ff_push_key **ret_key, struct ff_err *err)
{
	FF_AUTO(ff_push_key_free) struct ff_push_key *key = ff_calloc(1, sizeof *key);
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

	if (ff_secret_from_fd(fd, KEY_MOST - 1, &value, err) < 0)
		return ff_err_wrap(err, "the secret of publish.key");
	key->len = ff_secret_len(value);
	memcpy(key->text, ff_secret_bytes(value), key->len);
	if (strncmp(key->text, BEGIN, strlen(BEGIN)) != 0)
		return ff_err_set(err, FF_E_INVALID, "the secret of publish.key is no private key: make one by ssh-keygen -t ed25519, and "
				  "give the file to flowforge secret set --kind deploy-key");
	*ret_key = ff_steal(&key);
	return 0;
}

void ff_push_key_free(struct ff_push_key **key)
{
	if (*key)
		ff_wipe(*key, sizeof **key);
	ff_free(key);
}

const char *ff_push_key_text(const struct ff_push_key *key, size_t *ret_len)
{
	*ret_len = key->len;
	return key->text;
}
