/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_SHA1_H
#define FF_GIT_SHA1_H

/*
 * The plain SHA-1 of FIPS 180-4, for the check sums at the end of a pack and
 * of its index.  Never for the name of an object: those come from libgit2,
 * which looks for collisions while it hashes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FF_SHA1_LEN 20

struct ff_sha1 {
	uint32_t h[5];
	uint64_t len;
	unsigned char block[64];
	bool fast; /* the processor's own instructions; both ways come to the same sum */
};
void ff_sha1_init(struct ff_sha1 *s);
void ff_sha1_add(struct ff_sha1 *s, const void *p, size_t n);
/* Ends it; init before it is used again. */
void ff_sha1_end(struct ff_sha1 *s, unsigned char ret[FF_SHA1_LEN]);

#endif
