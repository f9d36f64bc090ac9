/* SPDX-License-Identifier: MIT */
/* How often a failed attempt is made again, and how long that waits. */
#include "job/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ff_job job_with(int retries, int failures)
{
	return (struct ff_job){ .state = FF_JOB_RUNNING, .failures = failures, .spec = { .retries = retries } };
}

static void test_three_attempts(void **state)
{
	int attempts = 1;

	(void)state;
	for (int failures = 0; failures < 100; failures++, attempts++) {
		struct ff_job job = job_with(2, failures);

		if (!ff_job_retry(&job, FF_E_NETWORK_ERROR, 2000, 0).again)
			break;
	}
	assert_int_equal(attempts, 3);
}

static void test_only_what_can_be_mended(void **state)
{
	struct ff_job job = job_with(5, 0);

	(void)state;
	assert_true(ff_job_retry(&job, FF_E_RATE_LIMIT, 2000, 1).again);
	assert_false(ff_job_retry(&job, FF_E_MODEL_REFUSED, 2000, 1).again);
	assert_false(ff_job_retry(&job, FF_E_DEADLINE, 2000, 1).again);
	assert_false(ff_job_retry(&job, FF_E_TOO_LARGE, 2000, 1).again);
}

static void test_host_faults(void **state)
{
	(void)state;
	for (int failures = 0; failures < 6; failures++) {
		struct ff_job job = job_with(0, failures);

		assert_int_equal(ff_job_retry(&job, FF_E_UNREACHABLE, 2000, 0).again, failures < 3);
		assert_int_equal(ff_job_retry(&job, FF_E_CONTAINER_START_FAILED, 2000, 0).again, failures < 3);
		assert_false(ff_job_retry(&job, FF_E_NETWORK_ERROR, 2000, 0).again);
	}
}

static void test_delays(void **state)
{
	static const int64_t least[] = { 1000, 2000, 4000, 8000, 15000, 15000, 15000 };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(least); i++) {
		struct ff_job job = job_with(100, (int)i);

		assert_int_equal(ff_job_retry(&job, FF_E_NETWORK_ERROR, 2000, 0).delay_ms, least[i]);
		assert_int_equal(ff_job_retry(&job, FF_E_NETWORK_ERROR, 2000, (uint32_t)least[i]).delay_ms, 2 * least[i]);
		for (uint32_t chance = 1; chance; chance *= 3) {
			int64_t ms = ff_job_retry(&job, FF_E_NETWORK_ERROR, 2000, chance).delay_ms;

			assert_in_range(ms, least[i], 2 * least[i]);
			if (chance > UINT32_MAX / 3)
				break;
		}
	}
}

static void test_own_delay(void **state)
{
	struct ff_job first = job_with(100, 0), late = job_with(100, 50);

	(void)state;
	assert_in_range(ff_job_retry(&first, FF_E_NETWORK_ERROR, 10, 999).delay_ms, 5, 10);
	assert_in_range(ff_job_retry(&late, FF_E_NETWORK_ERROR, 10, 999).delay_ms, 15000, 30000);
	assert_in_range(ff_job_retry(&first, FF_E_NETWORK_ERROR, 30000, 999).delay_ms, 15000, 30000);
	assert_in_range(ff_job_retry(&late, FF_E_NETWORK_ERROR, 30000, 999).delay_ms, 15000, 30000);
}

static void test_first_loss_at_once(void **state)
{
	struct ff_job first = job_with(2, 0), second = job_with(2, 1);

	(void)state;
	assert_int_equal(ff_job_retry(&first, FF_E_UNREACHABLE, 2000, 999).delay_ms, 0);
	assert_in_range(ff_job_retry(&second, FF_E_UNREACHABLE, 2000, 999).delay_ms, 2000, 4000);
}

static void test_dead(void **state)
{
	struct ff_job job = { .state = FF_JOB_FAILED, .error = FF_E_NETWORK_ERROR };

	(void)state;
	assert_true(ff_job_dead(&job));
	job.error = FF_E_INVALID;
	assert_false(ff_job_dead(&job));
	job.error = FF_E_NONE;
	assert_false(ff_job_dead(&job));
	job = (struct ff_job){ .state = FF_JOB_WAITING, .error = FF_E_NETWORK_ERROR };
	assert_false(ff_job_dead(&job));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_attempts), cmocka_unit_test(test_only_what_can_be_mended),
		cmocka_unit_test(test_host_faults), cmocka_unit_test(test_delays), cmocka_unit_test(test_own_delay),
		cmocka_unit_test(test_first_loss_at_once), cmocka_unit_test(test_dead),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
