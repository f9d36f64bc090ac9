#!/bin/sh
# SPDX-License-Identifier: MIT
# The wall clock jumps by years, forth and back: nothing is deleted for it, no
# job is lost, and the log is not filled.
. "$top_srcdir/tests/lib/fault-lib.sh"

years=315360000 # ten of them
write_scenario 'echo x >X'
start_model "$T/scenario.json"
# Passes come four times a second, because of the short retention.logs.
start_faulty_daemon server.workers=1 retention.jobs=1d retention.logs=1s retention.settle=1h queue.pusher-rate=4
make_hooked_repo app

has_job() { # N
	ff show "$1" --json >/dev/null
}
times_over() { # EVENT N
	wait_until "[ \"\$(said_times $1)\" -gt $2 ]"
}

test_expect 'ten years ahead: said once, and no job has grown old' '
	push_to one -o claude=work
	wait_job 1 completed
	set_clock $years
	wait_until "grep -q clock.far daemon.log"
	push_to two -o claude=work
	wait_job 2 completed
	like "$(ff show 2 --json | json ended)" "^20[3-9]"
	has_job 1
	is "$(said_times clock.far)" 1
	like "$(ff doctor || :)" "^warn +clock"
'

test_expect 'not even for a daemon that was started with the wrong clock' '
	wait_until "sqlite3 state/flowforge.db \"SELECT known_ms FROM clock\" | grep -q ."
	stop_daemon
	# As if it had been away for an hour, of which nobody knows.
	sqlite3 state/flowforge.db "UPDATE clock SET known_ms = known_ms - 3600000"
	start_faulty_daemon
	wait_until "[ \"\$(said_times clock.far)\" = 2 ]"
	has_job 1
	push_to three -o claude=work
	wait_job 3 completed
	has_job 1
'

test_expect 'set right again: all is as before, and jobs from the future do not count against their pusher' '
	set_clock 0
	times_over clock.steady 0
	like "$(ff doctor || :)" "retention|record"
	unlike "$(ff doctor || :)" "^warn +clock"
	for n in 4 5 6; do
		push_to $n -o claude=work
		wait_job $n completed
	done
	has_job 1
'

test_expect 'ten years back: jobs run, nothing is deleted' '
	set_clock -$years
	times_over clock.far 2
	push_to 7 -o claude=work
	wait_job 7 completed
	for n in 1 2 3 4 5 6 7; do has_job $n; done
'

test_expect 'back and forth: the log does not fill' '
	reload queue.pusher-rate 0
	before=$(($(said_times clock.set) + $(said_times clock.far)))
	for n in 1 2 3 4 5 6 7 8 9 10; do
		set_clock $years
		ff submit "$T/app.git" main -m work
		set_clock -$years
		ff submit "$T/app.git" main -m work
	done
	set_clock 0
	[ $(($(said_times clock.set) + $(said_times clock.far) - before)) -le 4 ]
	for n in 1 2 3 4 5 6 7; do has_job $n; done
'

test_expect 'a clock that stays where it is becomes the one that counts, after retention.settle' '
	reload retention.settle 1s
	set_clock $((years * 2))
	wait_until "! has_job 1 && ff list"
'

test_done
