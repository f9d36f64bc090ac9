#!/bin/sh
# SPDX-License-Identifier: MIT
# Each call of the gateway fails.
. "$top_srcdir/tests/crash/fails-lib.sh"
crash_possible

# A sanitizer has an allocator of its own.
case ${SANITIZER:-none} in none) more=memory ;; *) more= ;; esac
test_expect 'a calm push' 'make_world'
# shellcheck disable=SC2086
fail_sweep gateway open write fsync connect $more

# libgcrypt looks at the machine when it is first used, and aborts when it cannot.
test_expect 'a gateway or core that works cannot be ended by libgcrypt' '
	for role in gateway core; do
		stop_daemon
		order "$role fail open 0 once"
		: >steps
		start_daemon
		wait_until "grep \"^spared $role .*/fips_enabled\" steps"
		order ""
	done
'
crash_done
