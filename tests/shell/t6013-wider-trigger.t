#!/bin/sh
# SPDX-License-Identifier: MIT
# Designating more branches must not start a job for each that is there
# already: their old tips were no pushes that anybody missed.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'true'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

around_hooks() { # pushes as if nobody could have told us
	git push -q "$T/app.git" --receive-pack="git -c core.hooksPath=/nowhere receive-pack" "$@"
}

test_expect 'a branch with a task is there, and is none of ours' '
	cd app
	git commit -q --allow-empty -m "old work

Claude-Task: never ask for this"
	push origin HEAD:work/old
	push -o claude=first origin HEAD:claude/x
	is "$(job_count)" 1
'

test_expect 'designated now, it starts nothing' '
	stop_daemon
	start_daemon "trigger.refs=refs/heads/work/*"
	cd app
	git commit -q --allow-empty -m "new work

Claude-Task: ask for this"
	push origin HEAD:work/new
	wait_until "[ \$(job_count) = 2 ]"
	is "$(ff list --json | grep -c "never ask")" 0
	# The comparison comes when no hook of before can be under way any more.
	wait_until "sqlite3 ../state/flowforge.db \"SELECT globs FROM repos\" | grep -q work"
	is "$(ff list --json | grep -c "never ask")" 0
'

test_expect 'from then on a tip that moved unseen has its job' '
	stop_daemon
	cd app
	around_hooks HEAD:refs/heads/work/old
	start_daemon "trigger.refs=refs/heads/work/*"
	wait_until "[ \$(job_count) = 3 ]" 20
'

test_done
