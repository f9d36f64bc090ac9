/* SPDX-License-Identifier: MIT */
/* When requests are let go to a service that fails, and which addresses are the internet's. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/gateway/address.h"
#include "daemon/gateway/circuit.h"

static void test_circuit(void **state)
{
	struct ff_circuit c = { .failures = 5, .window_ms = 60000, .probe_ms = 30000 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_false(ff_circuit_failed(&c, 1000 + i));
	assert_true(ff_circuit_allows(&c, 1010));
	assert_true(ff_circuit_failed(&c, 1010));
	assert_false(ff_circuit_allows(&c, 1011));
	assert_int_equal(ff_circuit_next_ms(&c, 1011), 31010);
	/* One, and no second one beside it. */
	assert_true(ff_circuit_allows(&c, 31010));
	assert_false(ff_circuit_allows(&c, 31011));
	assert_false(ff_circuit_failed(&c, 31020));
	assert_false(ff_circuit_allows(&c, 61019));
	assert_true(ff_circuit_allows(&c, 61020));
	ff_circuit_void(&c); /* it came to nothing: another one may try */
	assert_true(ff_circuit_allows(&c, 61021));
	assert_true(ff_circuit_ok(&c));
	assert_true(ff_circuit_allows(&c, 61022));
	assert_false(ff_circuit_ok(&c));
	/* Slow failures do not add up. */
	for (int i = 0; i < 20; i++)
		assert_false(ff_circuit_failed(&c, 100000 + i * 15001));
	assert_true(ff_circuit_allows(&c, 500000));
	c = (struct ff_circuit){ .failures = 0 };
	for (int i = 0; i < 20; i++)
		assert_false(ff_circuit_failed(&c, i));
	assert_true(ff_circuit_allows(&c, 30));
}

static bool public_text(const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
		return ff_address_public((const struct sockaddr *)(const void *)&six);
	}
	assert_int_equal(inet_pton(AF_INET, text, &four.sin_addr), 1);
	return ff_address_public((const struct sockaddr *)(const void *)&four);
}

static void test_addresses(void **state)
{
	static const char *const closed[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
		"198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2001::1",
		"2001:0:4136:e378::", "2001:db8::1", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "100::1", "4000::1",
		"2001:10::1", "2001:2::1",
	};
	static const char *const open[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.0.0.1", "128.0.0.1", "169.253.0.1",
		"172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450::1", "2001:4860::8888", "2001:200::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
	};
	const struct sockaddr unknown = { .sa_family = AF_UNIX };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(closed); i++) {
		if (public_text(closed[i]))
			print_message("# taken for public: %s\n", closed[i]);
		assert_false(public_text(closed[i]));
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(open); i++) {
		if (!public_text(open[i]))
			print_message("# not taken for public: %s\n", open[i]);
		assert_true(public_text(open[i]));
	}
	assert_false(ff_address_public(&unknown));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_circuit), cmocka_unit_test(test_addresses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
