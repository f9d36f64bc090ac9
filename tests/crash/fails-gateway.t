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
crash_done
