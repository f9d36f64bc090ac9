/* SPDX-License-Identifier: MIT */
/* Where the helper programs are looked for, and what may change it. */
#include "base/libexec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/names.h"

static void assert_path(const char *variable, const char *want)
{
	FF_AUTO(ff_free) char *got = NULL;

	if (variable)
		assert_int_equal(setenv(FF_ENV_LIBEXECDIR, variable, 1), 0);
	else
		assert_int_equal(unsetenv(FF_ENV_LIBEXECDIR), 0);
	got = ff_libexec_path("flowforge-hook");
	assert_string_equal(got, want);
}

static void installed_folder_unless_told(void **state)
{
	(void)state;
	assert_path(NULL, FF_LIBEXECDIR "/flowforge-hook");
	assert_path("/some/build", "/some/build/flowforge-hook");
}

static void useless_variable_is_not_believed(void **state)
{
	(void)state;
	assert_path("", FF_LIBEXECDIR "/flowforge-hook");
	assert_path("build", FF_LIBEXECDIR "/flowforge-hook");
	assert_path("../build", FF_LIBEXECDIR "/flowforge-hook");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(installed_folder_unless_told),
		cmocka_unit_test(useless_variable_is_not_believed),
	};

	return cmocka_run_group_tests_name("libexec", tests, NULL, NULL);
}
