#!/bin/sh
# SPDX-License-Identifier: MIT
# Core dies before and after each of its durable steps: from its start over a
# push in the spool and its whole job; while it takes a push from the hook;
# while it stops.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

# All steps of the start belong to it, so the order is there before the program is.
start_prepare() {
	order ''
	stop_daemon && crash_push "$1" && [ "$(ls state/spool)" ]
}
start_act() {
	launch_daemon
	wait_until "! process_alive daemon || is_over $1" 60
}
start_settle() { settle "$1"; }

# What follows once the hook has its answer is the same as in the series above.
taking_prepare() { settle_alive; }
taking_act() {
	crash_push "$1"
	wait_until "! process_alive daemon || ff list --json --branch claude/$1 | grep -qE 'running|completed'" 60
	[ "$run_name" != 'taking count' ] || order ''
}
taking_settle() { settle "$1"; }

stop_prepare() { settle_alive && crash_push "$1" && settle "$1"; }
stop_act() { stop_daemon; }
stop_settle() { settle_alive && settle "$1"; }

settle_alive() {
	process_alive daemon || { order ''; launch_daemon; }
	wait_until 'ff list --json' 30
}

test_expect 'a calm push' 'make_world'
case ${CRASH_SERIES-} in
'' | start) sweep start core 1 ;;
esac
case ${CRASH_SERIES-} in
'' | taking) sweep taking core 1 ;;
esac
case ${CRASH_SERIES-} in
'' | stop) sweep stop core ;;
esac
crash_done
