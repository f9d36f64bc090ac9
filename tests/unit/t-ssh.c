/* SPDX-License-Identifier: MIT */
/* known_hosts: whose key it is, in every form of a line; the connection itself is tested by t3200 and t3201. */
#include "ssh/ssh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/lib/check.h"

static char dir[] = "/tmp/t-ssh.XXXXXX";
static char sum[32];

/* A key in the wire form of RFC 4253 that holds only bytes of that letter; *ret_n its length. */
static char *key_of(const char *type, char letter, size_t *ret_n)
{
	size_t len = strlen(type);
	char *key = ff_calloc(1, 4 + len + 4 + 32);

	key[3] = (char)len;
	memcpy(key + 4, type, len);
	key[4 + len + 3] = 32;
	memset(key + 4 + len + 4, letter, 32);
	*ret_n = 4 + len + 4 + 32;
	return key;
}

/* "TYPE BASE64" */
static char *line_of(const char *type, char letter)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	size_t n;
	FF_AUTO(ff_free) char *key = key_of(type, letter, &n);

	ff_buf_init(&text, 1024);
	ff_text_b64(&text, key, n);
	return ff_asprintf("%s %s", type, text.data);
}

static struct ff_ssh_known *known_of(const char *text)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, "known_hosts");
	struct ff_ssh_known *k = NULL;

	ok(ff_file_write(path, text, strlen(text), 0600, &err));
	ok(ff_ssh_known_open(path, &k, &err));
	return k;
}

#define ED "ssh-ed25519"
#define EC "ecdsa-sha2-nistp256"

static int check(const struct ff_ssh_known *k, const char *host, int port, const char *type, char letter, struct ff_err *err)
{
	size_t n;
	FF_AUTO(ff_free) char *key = key_of(type, letter, &n);

	return ff_ssh_known_check(k, host, port, key, n, sum, err);
}

static void test_lines(void **state)
{
	FF_AUTO(ff_free) char *a = line_of(ED, 'a'), *b = line_of(ED, 'b'), *ec = line_of(EC, 'e');
	FF_AUTO(ff_free) char *text = ff_asprintf(
		"# a comment\n\nnonsense\nhost1 %s\n[host1]:2222 %s comment of it\r\nhost2,10.0.0.2 %s\n@cert-authority host3 %s\n"
		"@revoked host4 %s\nhost4 %s\nhost5 %s\nhost5 %s\n   host6 %s", a, b, a, a, b, a, ec, a, a);
	FF_AUTO(ff_ssh_known_close) struct ff_ssh_known *k = known_of(text);

	(void)state;
	ok(check(k, "host1", 22, ED, 'a', &err));
	ok(check(k, "host1", 2222, ED, 'b', &err));
	fails(NOT_ALLOWED, "HAS CHANGED to SHA256:AAAA", check(k, "host1", 22, ED, 'b', &err));
	fails(NOT_ALLOWED, "is unknown: compare its key SHA256:AAAA", check(k, "host1", 22, EC, 'e', &err));
	ok(check(k, "host2", 22, ED, 'a', &err));
	ok(check(k, "10.0.0.2", 22, ED, 'a', &err));
	fails(NOT_ALLOWED, "is unknown", check(k, "host3", 22, ED, 'a', &err));
	ok(check(k, "host4", 22, ED, 'a', &err));
	fails(NOT_ALLOWED, "is revoked", check(k, "host4", 22, ED, 'b', &err));
	ok(check(k, "host5", 22, EC, 'e', &err));
	ok(check(k, "host5", 22, ED, 'a', &err));
	ok(check(k, "host6", 22, ED, 'a', &err));
	fails(NOT_ALLOWED, "is unknown", check(k, "host7", 22, ED, 'a', &err));
	fails(NOT_ALLOWED, "kind that is not supported", check(k, "host1", 22, "ssh-dss", 'a', &err));
}

static void test_types(void **state)
{
	FF_AUTO(ff_free) char *ec = line_of(EC, 'e'), *rsa = line_of("ssh-rsa", 'r');
	FF_AUTO(ff_free) char *text = ff_asprintf("host %s\nhost %s\n", rsa, ec);
	FF_AUTO(ff_ssh_known_close) struct ff_ssh_known *k = known_of(text);
	FF_AUTO(ff_free) char *known = ff_ssh_known_types(k, "host", 22), *strange = ff_ssh_known_types(k, "x", 22);

	(void)state;
	assert_string_equal(known, "ecdsa-sha2-nistp256,ssh-rsa,ssh-ed25519,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521");
	assert_string_equal(strange, "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-rsa");
}

static void test_files(void **state)
{
	FF_AUTO(ff_ssh_known_close) struct ff_ssh_known *k = NULL;
	FF_AUTO(ff_free) char *big = ff_calloc(1, 5 * 1024 * 1024), *path = ff_path_join(dir, "big");

	(void)state;
	fails(INVALID, "publish.known-hosts", ff_ssh_known_open("/nowhere/known_hosts", &k, &err));
	memset(big, '#', 5 * 1024 * 1024 - 1);
	ok(ff_file_write(path, big, 5 * 1024 * 1024 - 1, 0600, &err));
	fails(INVALID, "publish.known-hosts", ff_ssh_known_open(path, &k, &err));
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return ff_dir_remove(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_types), cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
