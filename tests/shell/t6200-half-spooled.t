#!/bin/sh
# SPDX-License-Identifier: MIT
# A hook that dies while it keeps a push leaves a file without its name: with
# the whole line in it that is a push, with less it is nothing.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'true'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app
stop_daemon

jobs_of() { # BRANCH
	ff list --json --branch "claude/$1" | json items
}

half_file() { # BRANCH: the spooled push, as if the hook had died before it gave it its name
	git -C app push -q -o claude=work origin "main:claude/$1" 2>/dev/null
	for f in state/spool/*.json; do
		half=${f##*/}
		half=state/spool/.${half%.json}.tmp
		mv "$f" "$half"
	done
}

test_expect 'a whole one becomes its job with its push options, a cut one goes, a young one is left alone' '
	half_file whole
	touch -d "2 minutes ago" "$half"
	half_file cut
	truncate -s -1 "$half"
	touch -d "2 minutes ago" "$half"
	# That push is found by its ref, and asked for nothing.
	half_file young
	start_daemon
	wait_until "[ \"\$(jobs_of whole)\" = 1 ]"
	wait_until "[ \"\$(ls -A state/spool)\" = \"${half##*/}\" ]"
	wait_job "$(ff list --json --branch claude/whole | json items.0.number)" completed
	is "$(jobs_of cut) $(jobs_of young)" "0 0"
'

test_expect 'and when its time is over, it is taken' '
	touch -d "2 minutes ago" state/spool/.*.tmp
	wait_until "[ \"\$(jobs_of young)\" = 1 ]"
	wait_until "[ ! \"\$(ls -A state/spool)\" ]"
'

test_expect 'what a core that died was writing is gone after the next start' '
	stop_daemon
	touch state/hook.conf.0123456789abcdef.tmp run/roles.conf.0123456789abcdef.tmp
	start_daemon
	is "$(ls state/*.tmp run/*.tmp 2>/dev/null)" ""
'

test_expect 'a lock on a ref of the job that a dead worker left is gone when the job is over' '
	# The ref is there, and the worker died before it took its lock away.
	write_scenario "wait:go" "echo x >X"
	stop_model
	stop_daemon
	start_model "$T/scenario.json"
	rm flowforge.conf
	start_daemon
	git -C app push -o claude=work origin main:claude/locked >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]"
	[ -e "app.git/refs/flowforge/jobs/$job/source" ]
	touch "app.git/refs/flowforge/jobs/$job/source.lock"
	kill_role worker
	touch go
	wait_job "$job" completed
	is "$(find app.git -name "*.lock")" ""
'

test_done
