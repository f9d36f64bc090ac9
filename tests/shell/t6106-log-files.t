#!/bin/sh
# SPDX-License-Identifier: MIT
# Log files that are given other names: SIGUSR1 opens new ones, for the daemon
# and the jobs that run; nothing is written twice or lost.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo a >A' wait:go 'echo x >X'
start_model "$T/scenario.json"
mkdir log

test_expect 'log.file: every role writes there, nothing goes to standard error' '
	start_daemon server.workers=1 "log.file=$T/log/f.log"
	make_hooked_repo app
	wait_until "grep -q core.ready log/f.log"
	is "$(cat daemon.log)" ""
	is "$(stat -c %a log/f.log)" 640
'

test_expect 'rotated: after SIGUSR1 the lines of all roles, and of the job, are in new files' '
	push_to one -o claude=work
	wait_until "[ -e go.reached ] && [ -s state/logs/1.log ]"
	mv log/f.log log/f.log.1
	mv state/logs/1.log moved.log
	kill -s USR1 "$(process_pid daemon)"
	wait_until "grep -q core.reopened log/f.log"
	unlike "$(cat log/f.log.1)" core.reopened
	sum=$(cksum <moved.log)
	mv key away
	kill -s HUP "$(process_pid daemon)"
	wait_until "grep -q \"role.:.gateway.*stays in use\" log/f.log"
	mv away key
	touch go
	wait_job 1 completed
	is "$(cksum <moved.log)" "$sum"
	like "$(cat state/logs/1.log)" "published"
	like "$(ff log 1)" "published"
	like "$(cat log/f.log)" "job.completed"
	unlike "$(cat log/f.log.1)" "job.completed"
'

test_expect 'a file that cannot be opened ends the start, and says which' '
	stop_daemon
	status_is 1 timeout 20 flowforged --config flowforge.conf -c "log.file=$T/nowhere/f.log" 2>said.start
	like "$(cat said.start)" "log.file: $T/nowhere/f.log: No such file"
'

test_expect 'without log.file the signal does no harm' '
	git config -f flowforge.conf --unset log.file
	start_daemon
	kill -s USR1 "$(process_pid daemon)"
	wait_until "grep -q core.reopened daemon.log"
	ff list
'

test_done
