#!/bin/sh
# SPDX-License-Identifier: MIT
# Core cannot write or sync, from its start to the end of a job.
. "$top_srcdir/tests/crash/fails-lib.sh"
crash_possible

test_expect 'a calm push' 'make_world'
fail_sweep core write fsync
crash_done
