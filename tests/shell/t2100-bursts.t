#!/bin/sh
# SPDX-License-Identifier: MIT
# Pushes of one branch in quick succession: what becomes one job and what does not.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1 queue.coalesce=1h
make_hooked_repo app
cd app || exit

push_job() { # BRANCH OPTION...: job number in $job
	push_to=$1
	shift
	git commit -q --allow-empty -m more &&
		push "$@" origin "HEAD:claude/$push_to" &&
		job=$(said_job)
}

test_expect 'pushes that ask for the same become the newest job' '
	push_job busy -o claude=hold
	is "$job" 1
	wait_until "[ -e ../go.reached ]"
	push_job fast -o claude=work
	push_job fast -o claude=work
	like "$(cat "$T/said")" "job 2 is superseded by job 3"
	push_job fast -o claude=work
	like "$(cat "$T/said")" "job 3 is superseded by job 4"
	is "$(job_state 2) $(job_state 3) $(job_state 4)" "superseded superseded queued"
	like "$(ff show 2)" "superseded by job 3"
	like "$(ff show 2 --json)" "job\.superseded"
	is "$(ff show 4 --json | json source_oid)" "$(git rev-parse HEAD)"
'

test_expect 'another task, target or parameter is another job' '
	git push -q origin main:other
	push_job mixed -o claude=one
	first=$job
	push_job mixed -o claude=two
	push_job mixed -o claude=two -o claude.priority=high
	push_job mixed -o claude=two -o claude.target=other
	push_job mixed -o claude=two -o claude.ttl=1h
	push_job mixed -o claude=two -o claude.retries=1
	for n in $(seq "$first" "$job"); do like "$(job_state $n)" "^(queued|waiting)$"; done
	is "$job" $((first + 5))
'

test_expect 'only the equal one among several is superseded' '
	push_job mixed -o claude=one
	is "$(job_state 5)" superseded
	like "$(ff show 5)" "superseded by job $job"
	is "$(job_state 6)" queued
'

test_expect 'the same on another branch is another job' '
	push_job here -o claude=same
	a=$job
	push_job there -o claude=same
	is "$(job_state $a) $(job_state $job)" "queued queued"
'

test_expect 'a job that runs is not superseded' '
	push_job busy -o claude=hold
	is "$(job_state 1)" running
	is "$(job_state $job)" waiting
	push_job busy -o claude=hold
	is "$(job_state 1) $(job_state $((job - 1))) $(job_state $job)" "running superseded waiting"
'

test_expect 'what is left runs, each once' '
	touch ../go
	n=1
	while [ $n -le "$(job_count)" ]; do
		case $(job_state $n) in superseded) ;; *) wait_job $n completed ;; esac
		n=$((n + 1))
	done
	is "$(git -C ../app.git for-each-ref "refs/heads/claude-results/fast-*" | wc -l)" 1
'

test_expect 'with queue.coalesce = 0 every push is a job' '
	cd ..
	stop_daemon
	rm -f go go.reached
	write_config server.workers=1 queue.coalesce=0
	start_daemon
	cd app
	push_job busy -o claude=hold2
	wait_until "[ -e ../go.reached ]"
	push_job fast -o claude=work
	a=$job
	push_job fast -o claude=work
	is "$(job_state $a) $(job_state $job)" "queued waiting"
	touch ../go
	wait_job $job completed
'

test_expect 'past the window it is another job' '
	cd ..
	stop_daemon
	rm -f go go.reached
	write_config server.workers=1 queue.coalesce=1ms
	start_daemon
	cd app
	push_job busy -o claude=hold3
	wait_until "[ -e ../go.reached ]"
	push_job fast -o claude=work
	a=$job
	push_job fast -o claude=work
	is "$(job_state $a) $(job_state $job)" "queued waiting"
	touch ../go
	wait_job $job completed
'

test_done
