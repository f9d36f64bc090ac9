#!/bin/sh
# SPDX-License-Identifier: MIT
# The record cannot be written for a while, because a stranger holds it locked:
# it can be read, pushes are kept, commands wait within their two limits.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
touch go
start_daemon server.workers=1 queue.hold-max=3
make_hooked_repo app

submit() { # NAME: in the background
	start_ff "$1" submit "$T/app.git" main -m work --json
}
waits() { # NAME
	wait_until "grep -q 'waiting for it' $1.err"
}
gone() { # NAME
	wait_until "! process_alive $1"
	rm -f "$T/$1.pid"
}

test_expect 'a job, while all is well' '
	push_to first -o claude=work
	wait_job 1 completed
'

from=$(log_end)
lock_record # for all tests up to unlock_record

test_expect 'locked: a push succeeds and is kept, jobs can still be read, one line says what is wrong' '
	push_to second -o claude=work
	like "$(cat said)" "this push is kept"
	is "$(ff list --json | json items)" 1
	like "$(ff show 1)" "job 1 completed"
	ff watch 1 >watched
	like "$(cat watched)" "job.completed"
	like "$(ff doctor || :)" "^fail +record"
	is "$(ls state/spool | wc -l)" 1
'

test_expect 'commands wait, and who asked is told' '
	for n in a b; do submit $n; waits $n; done
	start_ff retry retry 1 --json
	waits retry
	status_is 1 ff cancel 1 2>cancel.err
	like "$(cat cancel.err)" "has ended already"
	is "$(job_count)" 1
'

test_expect 'more than queue.hold-max are refused at once, as try again later' '
	status_is 5 ff submit "$T/app.git" main -m work 2>refused
	like "$(cat refused)" "queue.hold-max"
	status_is 5 ff retry 1 2>refused
'

test_expect 'who goes away takes the command along and makes room' '
	end_process b
	submit c
	waits c
	end_process c
'

test_expect 'what was not done within queue.hold-time is refused' '
	reload queue.hold-time 100ms
	status_is 5 ff submit "$T/app.git" main -m work 2>refused
	like "$(cat refused)" "queue.hold-time"
	process_alive a
	reload queue.hold-max 0
	status_is 5 ff submit "$T/app.git" main -m work 2>refused
	like "$(cat refused)" "queue.hold-max"
'

unlock_record

test_expect 'unlocked: what waited is done, what was refused or left is not' '
	gone a
	gone retry
	[ "$(json number <a.out)" ]
	[ "$(json number <retry.out)" ]
	wait_until "[ \"\$(branch_state second)\" = completed ] && [ -z \"\$(ls state/spool)\" ]"
	is "$(job_count)" 4
	like "$(ff doctor || :)" "^ok +record: .*in order"
	unlike "$(ff doctor || :)" "^fail +record"
'

test_expect 'however often it was tried, that was one line' '
	is "$(complaints_since "$from" | grep -c .)" 1
	like "$(complaints_since "$from")" store.failed
	is "$(said_times store.recovered)" 1
'

test_done
