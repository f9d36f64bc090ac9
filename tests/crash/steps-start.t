#!/bin/sh
# SPDX-License-Identifier: MIT
# Core dies before and behind each of its durable steps from its start over a
# push in the spool and its whole job to the end.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

# All steps of the start belong to it, so the order is there before the program is.
start_prepare() {
	order ''
	stop_daemon && crash_push "$1" && [ "$(ls state/spool)" ]
}
start_act() {
	launch_daemon
	wait_until "! process_alive daemon || is_over $1" $SETTLE_S
}
start_settle() { settle "$1"; }

test_expect 'a calm push' 'make_world'
sweep start core 1
crash_done
