/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_NUM_H
#define FF_BASE_NUM_H

/*
 * Numbers out of text, the only parsers of numbers in the house.  All of them
 * refuse an empty string, white space, junk behind the number and overflow,
 * and leave the output untouched when they fail (return -1).
 */

#include <stdbool.h>
#include <stdint.h>

int ff_num_i64(const char *s, int64_t min, int64_t max, int64_t *ret_value);
/* A count of bytes: digits and an optional k, m or g (powers of 1024, either case). */
int ff_num_size(const char *s, int64_t *ret_bytes);
/* A duration: digits and one of ms s m h d; a bare 0 is allowed. */
int ff_num_duration(const char *s, int64_t *ret_ms);
/* true yes on 1, false no off 0, in any case (git-config(1)). */
int ff_num_bool(const char *s, int *ret_value);
/* Lower-case hexadecimal of n bytes, two digits a byte. hex has 2n + 1 bytes. */
void ff_hex(const void *bytes, unsigned n, char *hex);
/* Exactly 2n hex digits of either case into n bytes. */
int ff_unhex(const char *hex, unsigned n, void *ret_bytes);

/*
 * Digits from 1 to most (at most 9) as bits (1 << digit): "1", "1,3", "1-3,5"; "none" or nothing: no bit.
 */
int ff_num_digits(const char *s, unsigned most, unsigned *ret_bits);

/* Whether "2.1.329" is in the range "2.1.197 2.1.329", from the first to the last; what is no version is not. */
bool ff_version_in(const char *version, const char *range);

#endif
