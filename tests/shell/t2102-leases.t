#!/bin/sh
# SPDX-License-Identifier: MIT
# A worker is heard of while it waits; one that is not heard of loses its job.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >>X; sleep 5'
start_model "$T/scenario.json"
start_daemon server.workers=1 worker.silence=2s
make_hooked_repo app
cd app || exit

push_held() { # BRANCH: $job, held at the model
	rm -f ../go ../go.reached
	git commit -q --allow-empty -m more
	push origin "HEAD:refs/heads/claude/$1" -o claude=work
	job=$(said_job)
	wait_until "[ -e ../go.reached ]"
}

attempt() {
	ff show "$1" --json | json attempt
}

seconds_pass() { # N: twice the silence is enough to be killed for it
	passed_end=$(($(date +%s) + $1))
	wait_until "[ \$(date +%s) -gt $passed_end ]"
}

test_expect 'waiting long for the model or a tool is no silence' '
	push_held long
	seconds_pass 4
	is "$(job_state 1) $(attempt 1)" "running 1"
	touch ../go
	wait_job 1 completed
	is "$(attempt 1)" 1
	unlike "$(cat ../daemon.log)" worker.silent
'

test_expect 'a worker that is stopped is killed, and the job has one result' '
	push_held frozen
	old=$(role_pids worker)
	kill_role worker STOP
	wait_until "grep -q worker.silent ../daemon.log"
	wait_until "[ ! -e /proc/$old ]"
	touch ../go
	wait_job 2 completed
	is "$(attempt 2)" 2
	like "$(ff show 2 --json)" "nothing was heard of the worker"
	is "$(git -C ../app.git for-each-ref "refs/heads/claude-results/frozen-*" | wc -l)" 1
	is "$(git -C ../app.git show claude-results/frozen-2:X)" x
'

test_expect 'a worker that is stopped again and again ends its job' '
	push_held bad -o claude.retries=0
	for n in 1 2 3 4; do
		wait_until "[ \"\$(ff show 3 --json | json attempt)\" = $n ] && [ \"\$(job_state 3)\" = running ] && role_pids worker | grep -q ." 60
		kill_role worker STOP
		wait_until "[ \"\$(ff show 3 --json | json attempt)\" != $n ] || [ \"\$(job_state 3)\" != running ]" 30
	done
	wait_job 3 failed
	is "$(attempt 3)" 4
	is "$(git -C ../app.git for-each-ref "refs/heads/claude-results/bad-*")" ""
'

test_expect 'a core that was stopped itself hears first what was said meanwhile' '
	touch ../go
	push_held still
	kill -s STOP "$(process_pid daemon)"
	seconds_pass 5
	kill -s CONT "$(process_pid daemon)"
	touch ../go
	wait_job 4 completed
	is "$(attempt 4)" 1
'

test_done
