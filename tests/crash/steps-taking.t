#!/bin/sh
# SPDX-License-Identifier: MIT
# Core dies before and behind each of its durable steps while it takes a push
# from the hook.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

# What follows once the hook has its answer is the same as in steps-start.t.
taking_prepare() { settle_alive; }
taking_act() {
	crash_push "$1"
	wait_until "! process_alive daemon || ff list --json --branch claude/$1 | grep -qE 'running|completed'" $SETTLE_S
	[ "$run_name" != 'taking count' ] || order ''
}
taking_settle() { settle "$1"; }

test_expect 'a calm push' 'make_world'
sweep taking core 1
crash_done
