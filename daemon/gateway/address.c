/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include "daemon/gateway/address.h"

#include <stdint.h>
#include <string.h>

#include <netinet/in.h>

#include "base/mem.h"

static bool public4(const unsigned char a[4])
{
	static const struct { unsigned char net[4]; unsigned bits; } closed[] = {
		{ { 0, 0, 0, 0 }, 8 }, { { 10, 0, 0, 0 }, 8 }, { { 100, 64, 0, 0 }, 10 }, { { 127, 0, 0, 0 }, 8 },
		{ { 169, 254, 0, 0 }, 16 }, { { 172, 16, 0, 0 }, 12 }, { { 192, 0, 0, 0 }, 24 }, { { 192, 0, 2, 0 }, 24 },
		{ { 192, 88, 99, 0 }, 24 }, { { 192, 168, 0, 0 }, 16 }, { { 198, 18, 0, 0 }, 15 }, { { 198, 51, 100, 0 }, 24 },
		{ { 203, 0, 113, 0 }, 24 }, { { 224, 0, 0, 0 }, 4 }, { { 240, 0, 0, 0 }, 4 },
	};
	uint32_t ip = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];

	for (size_t i = 0; i < FF_ARRAY_LEN(closed); i++) {
		const unsigned char *n = closed[i].net;
		uint32_t net = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];

		if ((ip ^ net) >> (32 - closed[i].bits) == 0)
			return false;
	}
	return true;
}

static bool within(const unsigned char a[16], const unsigned char *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, net, whole) != 0)
		return false;
	return !rest || (a[whole] ^ net[whole]) >> (8 - rest) == 0;
}

/* Prefixes with an IPv4 address at that byte. */
static const struct { unsigned char net[16]; unsigned bits, at; } wraps[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96, 12 },       /* mapped */
	{ { 0, 0x64, 0xff, 0x9b }, 96, 12 },                            /* NAT64 */
	{ { 0x20, 0x02 }, 16, 2 },                                      /* 6to4 */
};

static bool public6(const unsigned char a[16])
{
	static const struct { unsigned char net[16]; unsigned bits; } closed[] = {
		{ { 0x20, 0x01 }, 23 },                   /* protocol assignments, Teredo among them */
		{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },       /* documentation */
		{ { 0x3f, 0xff }, 20 },                   /* documentation */
	};
	static const unsigned char global[16] = { 0x20 };

	for (size_t i = 0; i < FF_ARRAY_LEN(wraps); i++)
		if (within(a, wraps[i].net, wraps[i].bits))
			return public4(a + wraps[i].at);
	if (!within(a, global, 3)) /* 2000::/3 is all that is given out */
		return false;
	for (size_t i = 0; i < FF_ARRAY_LEN(closed); i++)
		if (within(a, closed[i].net, closed[i].bits))
			return false;
	return true;
}

bool ff_address_public(const struct sockaddr *sa)
{
	unsigned char a[16];

	if (sa->sa_family == AF_INET) {
		memcpy(a, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return public4(a);
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(a, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	return public6(a);
}
