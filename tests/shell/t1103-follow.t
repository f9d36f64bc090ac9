#!/bin/sh
# SPDX-License-Identifier: MIT
# git push -o claude.follow: the push shows what its job does and ends with it;
# whatever cuts it off does nothing to the job.
. "$top_srcdir/tests/lib/test-lib.sh"

push() { # BRANCH OPTION...
	push_to=$1
	shift
	git -C "$T/app" push -f "$@" origin "HEAD:refs/heads/claude/$push_to"
}

write_scenario 'echo one >WORK; printf "seen \033[31m and \342\200\256 that"' wait:go true
start_model "$T/scenario.json"
make_repo app

test_expect 'a daemon' '
	write_config queue.coalesce=0 hook.followers=1
	start_daemon
	ff hooks install app.git
	touch go
'

test_expect 'the push ends with the job, and has shown what it did' '
	push first -o claude=work -o claude.follow >out 2>&1
	job=$(pushed_job "$(cat out)")
	is "$(job_state $job)" completed
	like "$(cat out)" "remote: job.step.started: run"
	like "$(cat out)" "remote: tool  \| seen"
	like "$(cat out)" "remote: job $job completed: git fetch origin claude-results/first-$job"
'

test_expect 'what a job writes reaches no terminal raw' '
	grep -q "seen" out
	! LC_ALL=C grep -q "$(printf "\033")" out
	! LC_ALL=C grep -q "$(printf "\342\200\256")" out
'

test_expect 'claude.follow=no, and no job to follow: a push like any other' '
	rm -f go go.reached
	push second -o claude=work -o claude.follow=no >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]"
	touch go
	wait_job $job completed
	push none -o claude.skip -o claude.follow >out 2>&1
	unlike "$(cat out)" "job [0-9]"
	must_fail push bad -o claude.follow=maybe >out 2>&1
	like "$(cat out)" "claude.follow takes true or false"
'

test_expect 'one more than hook.followers ends at once and says where to look' '
	rm -f go go.reached
	push third -o claude=work -o claude.follow >out3 2>&1 &
	third=$!
	wait_until "[ -e go.reached ]"
	push fourth -o claude=work -o claude.follow >out4 2>&1
	job4=$(pushed_job "$(cat out4)")
	like "$(cat out4)" "followed already: flowforge watch $job4"
	# A push without it is not held up by the one that follows.
	push fifth -o claude=work >out5 2>&1
	touch go
	wait $third
	wait_job $job4 completed
'

test_expect 'a pusher who goes away: the job goes on, and his place is free' '
	rm -f go go.reached
	push sixth -o claude=work -o claude.follow >out 2>&1 &
	pusher=$!
	wait_until "[ -e go.reached ]"
	job=$(ff list --json -n 1 | sed -n "s/.*\"number\": *\([0-9]*\).*/\1/p" | head -n 1)
	kill $(pgrep -P $pusher) $pusher # the shell, and the git in it
	touch go
	wait_job $job completed
	# His hook notices with the next line that it cannot write.
	wait_until "push seventh\$(date +%s%N) -o claude=work -o claude.follow >out 2>&1 && grep \"completed: git fetch\" out" 60
'

test_expect 'a daemon that stops: the push ends and says that the job goes on' '
	rm -f go go.reached
	push eighth -o claude=work -o claude.follow >out 2>&1 &
	pusher=$!
	wait_until "[ -e go.reached ]"
	stop_daemon KILL
	wait $pusher
	like "$(cat out)" "nothing more is heard of the job here; it goes on"
	touch go
	start_daemon
	job=$(pushed_job "$(cat out)")
	wait_job $job completed
'

test_done
