#!/bin/sh
# SPDX-License-Identifier: MIT
# Core dies before and behind each of its durable steps while it stops.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

stop_prepare() { settle_alive && crash_push "$1" && settle "$1"; }
stop_act() { stop_daemon; }
stop_settle() { settle_alive && settle "$1"; }

test_expect 'a calm push' 'make_world'
sweep stop core
crash_done
