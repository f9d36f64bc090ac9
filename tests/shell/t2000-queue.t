#!/bin/sh
# SPDX-License-Identifier: MIT
# Who runs when: one worker, several pushes.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1
make_hooked_repo app

push_job() { # BRANCH OPTION...: the number of the job
	push_to=$1
	shift
	git -C "$T/app" push "$@" -o claude=work origin "HEAD:claude/$push_to" >"$T/push.out" 2>&1
	pushed_job "$(cat "$T/push.out")"
}

test_expect 'as many run as there are workers, the rest is queued' '
	is "$(push_job one)" 1
	wait_job 1 running
	wait_until "[ -e go.reached ]"
	is "$(push_job low -o claude.priority=low)" 2
	is "$(push_job two)" 3
	is "$(push_job high -o claude.priority=high)" 4
	for n in 2 3 4; do is "$(job_state $n)" queued; done
'

test_expect 'a newer push of a branch waits for the running job of that branch' '
	git -C app commit -q --allow-empty -m more
	is "$(push_job one -o claude.priority=high)" 5
	is "$(job_state 5)" waiting
	like "$(ff show 5)" "earlier job of the same branch"
'

test_expect 'a queued job can be cancelled, and stays so' '
	is "$(push_job gone)" 6
	ff cancel 6 -m "changed my mind"
	is "$(job_state 6)" cancelled
	like "$(ff show 6)" "changed my mind"
	status_is 1 ff watch 6
'

test_expect 'high before normal before low' '
	touch go
	for n in 1 2 3 4 5; do wait_job $n completed; done
	started() { ff show "$1" --json | json started; }
	is "$(for n in 2 3 4; do echo "$(started $n) $n"; done | sort | cut -d" " -f2 | tr "\n" " ")" "4 3 2 "
'

test_expect 'a running job can be cancelled: its agent is ended, nothing is published' '
	rm -f go go.reached
	is "$(push_job stop)" 7
	wait_until "[ -e go.reached ]"
	ff cancel 7
	wait_job 7 cancelled
	is "$(git -C app.git for-each-ref "refs/heads/claude-results/stop-*")" ""
	touch go
'

test_expect 'a job that ended can be tried again, as a new job' '
	ff retry 7 --json >out
	new=$(json number <out)
	is "$new" 8
	wait_job 8 completed
	is "$(job_state 7)" cancelled
'

test_expect 'a job that waited past its ttl expires' '
	rm -f go go.reached
	is "$(push_job busy)" 9
	wait_until "[ -e go.reached ]"
	is "$(push_job late -o claude.ttl=1s)" 10
	wait_job 10 expired
	touch go
	wait_job 9 completed
'

test_expect 'submit starts a job without a push' '
	ff submit "$T/app.git" main -m "by hand" --json >out
	wait_job "$(json number <out)" completed
'

test_done
