#!/bin/sh
# SPDX-License-Identifier: MIT
# Each call of a worker and of the gateway fails.
. "$top_srcdir/tests/crash/fails-lib.sh"
crash_possible

# A sanitizer has an allocator of its own.
case ${SANITIZER:-none} in none) more=memory ;; *) more= ;; esac
test_expect 'a calm push' 'make_world'
for role in ${CRASH_ROLES:-worker gateway}; do
	# shellcheck disable=SC2086
	fail_sweep "$role" ${CRASH_CALLS:-open write fsync connect $more}
done
crash_done
