/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_CHECK_H
#define FF_TESTS_CHECK_H

/*
 * Calls that take a struct ff_err, checked. Both give the call a variable
 * `err`. Include it after cmocka.h.
 */

#include <string.h>

#include "base/err.h"

#define ok(call) \
	do { \
		struct ff_err err = { 0 }; \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, err.text); \
	} while (0)

/* It must fail with FF_E_want and a text that holds text_part. */
#define fails(want, text_part, call) \
	do { \
		struct ff_err err = { 0 }; \
		assert_int_equal((call), -1); \
		assert_string_equal(ff_err_name(err.code), #want); \
		if (!strstr(err.text, (text_part))) \
			fail_msg("'%s' is not in '%s'", (text_part), err.text); \
	} while (0)

#endif
