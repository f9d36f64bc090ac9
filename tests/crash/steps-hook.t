#!/bin/sh
# SPDX-License-Identifier: MIT
# The hook dies before and after each of its durable steps, while core answers
# and while it is away.  Core never hears of a hook that died too early; what
# the push asked for in its commit is found at the next start.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

# Under the stepper, by a script, as a server that renames hooks starts it.
trace_hook() {
	rm app.git/hooks/post-receive
	cat >app.git/hooks/post-receive <<-EOF
		#!/bin/sh
		exec "$stepper" --orders "$T/hook-orders" --log "$T/steps" -- "$T/libexec/flowforge-hook" post-receive --conf "$T/state/hook.conf"
	EOF
	chmod +x app.git/hooks/post-receive
	: >hook-orders
}
hook_order() {
	mv "$T/orders" "$T/hook-orders"
	: >"$T/orders"
}

restart() {
	stop_daemon
	launch_daemon
	wait_until 'ff list --json' 60
}

told_prepare() { settle_alive; }
told_act() { hook_order; crash_push "$1"; }
told_settle() { restart && settle "$1"; }

away_prepare() { stop_daemon; }
away_act() { hook_order; crash_push "$1"; }
# As if the minute were over after which what a dead hook left is looked at.
away_settle() {
	find state/spool -name '.*.tmp' -exec touch -d '2 minutes ago' {} +
	restart && settle "$1"
}

CRASH_ALL=1 # they are few: both sides of each

test_expect 'a calm push' 'make_world && trace_hook'
sweep told hook
test_expect 'it told core' 'like "$(cat kinds)" "^after send sendto"'
sweep away hook
test_expect 'it kept the push' 'like "$(cat kinds)" "^after sync fsync /state/spool" && like "$(cat kinds)" "^after name renameat"'
crash_done
