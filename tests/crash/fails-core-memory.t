#!/bin/sh
# SPDX-License-Identifier: MIT
# Core has no memory, from its start to the end of a job.
. "$top_srcdir/tests/crash/fails-lib.sh"
crash_possible

case ${SANITIZER:-none} in none) ;; *) skip_all 'a sanitizer has an allocator of its own' ;; esac
test_expect 'a calm push' 'make_world'
fail_sweep core memory
crash_done
