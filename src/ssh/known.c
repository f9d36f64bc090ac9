/* SPDX-License-Identifier: MIT */
/*
 * known_hosts: whose key this is.  Lines are read here, so that those which
 * libssh2 does not know are not misread: @revoked keys are refused for every
 * host they name, @cert-authority lines are passed over (libssh2 knows no
 * certificates).  Hashed names work; patterns with * do not, and such a host
 * counts as unknown.
 */
#include "ssh/ssh.h"

#include <libssh2.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

#define FILE_MOST (4 * 1024 * 1024)
#define KEY_MOST 65536
#define REVOKED "@revoked"
#define SHA256_BYTES 32

struct ff_ssh_known {
	char *path;
	LIBSSH2_SESSION *session; /* never connected: libssh2 keeps its memory there */
	LIBSSH2_KNOWNHOSTS *hosts, *revoked;
};

static const struct {
	const char *name;
	int type;
} types[] = {
	{ "ssh-ed25519", LIBSSH2_KNOWNHOST_KEY_ED25519 },
	{ "ecdsa-sha2-nistp256", LIBSSH2_KNOWNHOST_KEY_ECDSA_256 },
	{ "ecdsa-sha2-nistp384", LIBSSH2_KNOWNHOST_KEY_ECDSA_384 },
	{ "ecdsa-sha2-nistp521", LIBSSH2_KNOWNHOST_KEY_ECDSA_521 },
	{ "ssh-rsa", LIBSSH2_KNOWNHOST_KEY_SSHRSA },
};

static void take_line(struct ff_ssh_known *k, const char *line, size_t n)
{
	/* libssh2 takes the last byte for the newline, whatever it is. */
	FF_AUTO(ff_free) char *copy = ff_asprintf("%.*s\n", (int)n, line);
	const char *from = copy + strspn(copy, " \t");
	LIBSSH2_KNOWNHOSTS *to = k->hosts;

	if (*from == '@') {
		if (!ff_starts(from, REVOKED))
			return;
		to = k->revoked;
		from += strlen(REVOKED);
		from += strspn(from, " \t");
	}
	/* What is no line of that file names no host, as ssh itself has it. */
	(void)libssh2_knownhost_readline(to, from, strlen(from), LIBSSH2_KNOWNHOST_FILE_OPENSSH);
}

int ff_ssh_known_open(const char *path, struct ff_ssh_known **ret_known, struct ff_err *err)
{
	FF_AUTO(ff_ssh_known_close) struct ff_ssh_known *k = ff_calloc(1, sizeof *k);
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, FILE_MOST);
	k->path = ff_strdup(path);
	k->session = libssh2_session_init();
	ff_assert(k->session);
	k->hosts = libssh2_knownhost_init(k->session);
	k->revoked = libssh2_knownhost_init(k->session);
	ff_assert(k->hosts && k->revoked);
	if (ff_file_read(path, &text, err) < 0) {
		if (err)
			err->code = FF_E_INVALID;
		return ff_err_wrap(err, "publish.known-hosts");
	}
	for (const char *line = text.data; *line;) {
		size_t n = strcspn(line, "\r\n");

		take_line(k, line, n);
		line += n + (line[n] != '\0');
	}
	*ret_known = ff_steal(&k);
	return 0;
}

void ff_ssh_known_close(struct ff_ssh_known **known)
{
	struct ff_ssh_known *k = ff_steal(known);

	if (!k)
		return;
	if (k->hosts)
		libssh2_knownhost_free(k->hosts);
	if (k->revoked)
		libssh2_knownhost_free(k->revoked);
	if (k->session)
		(void)libssh2_session_free(k->session); /* it has no connection that could be in the way */
	ff_free(&k->path);
	ff_free(&k);
}

static int look_up(LIBSSH2_KNOWNHOSTS *in, const char *host, int64_t port, const char *key, size_t n, int type)
{
	return libssh2_knownhost_checkp(in, host, (int)port, key, n,
					LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | type, NULL);
}

/* With a key that is nobody's: does a line name this host and type? */
static bool has(const struct ff_ssh_known *k, const char *host, int64_t port, int type)
{
	static const char nobody[] = "-";

	return look_up(k->hosts, host, port, nobody, sizeof nobody - 1, type) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
}

/*
 * A server may have keys of several types; without this order it would show
 * one that is not in the file, and count as unknown.
 */
char *ff_ssh_known_types(const struct ff_ssh_known *k, const char *host, int64_t port)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 4096);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < FF_ARRAY_LEN(types); i++)
			if (has(k, host, port, types[i].type) == (round == 0))
				(void)ff_buf_addf(&out, "%s%s", out.len ? "," : "", types[i].name);
	return ff_buf_take(&out);
}

/* The name of its type is the first string of a key (RFC 4253, section 6.6). */
static int type_of(const char *key, size_t n)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++) {
		size_t len = strlen(types[i].name);

		if (n > 4 + len && key[0] == 0 && key[1] == 0 && key[2] == 0 && (size_t)key[3] == len &&
		    !memcmp(key + 4, types[i].name, len))
			return types[i].type;
	}
	return 0;
}

/* "SHA256:..." as ssh-keygen -l prints it. Freed by ff_free. */
static char *fingerprint(const void *sha256)
{
	FF_AUTO(ff_buf_fini) struct ff_buf hash;

	ff_buf_init(&hash, 128);
	ff_text_b64(&hash, sha256, SHA256_BYTES);
	while (hash.len && hash.data[hash.len - 1] == '=')
		hash.data[--hash.len] = '\0';
	return ff_asprintf("SHA256:%s", hash.data);
}

int ff_ssh_known_check(const struct ff_ssh_known *k, const char *host, int64_t port, const char *key, size_t n,
		       const void *sha256, struct ff_err *err)
{
	FF_AUTO(ff_free) char *print = NULL;
	int type = type_of(key, n), found;

	if (!type || n > KEY_MOST)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%.60s shows a key of a kind that is not supported here", host);
	print = fingerprint(sha256);
	if (look_up(k->revoked, host, port, key, n, type) == LIBSSH2_KNOWNHOST_CHECK_MATCH)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "the key of %.60s (%s) is revoked: give the server a new one", host,
				  print);
	found = look_up(k->hosts, host, port, key, n, type);
	if (found == LIBSSH2_KNOWNHOST_CHECK_MATCH)
		return 0;
	if (found == LIBSSH2_KNOWNHOST_CHECK_NOTFOUND)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "host %.40s port %d is unknown: compare its key %s on the server, "
				  "then add it to publish.known-hosts", host, (int)port, print);
	return ff_err_set(err, FF_E_NOT_ALLOWED, "the key of host %.40s port %d HAS CHANGED to %s: find out why before "
			  "you change publish.known-hosts", host, (int)port, print);
}
