#!/bin/sh
# SPDX-License-Identifier: MIT
# Old jobs go with all that belongs to them, and the record does not grow.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1
make_hooked_repo app

push_job() { # BRANCH: the number of the job
	git -C "$T/app" push -f -o claude=work origin "HEAD:refs/heads/claude/$1" >"$T/push.out" 2>&1
	pushed_job "$(cat "$T/push.out")"
}
refs_of() { # JOB
	git -C "$T/app.git" for-each-ref "refs/flowforge/jobs/$1/"
}
reload() { # KEY VALUE
	git config -f flowforge.conf "$1" "$2"
	kill -s HUP "$(process_pid daemon)"
	wait_until "[ \"\$(git config -f run/roles.conf $1)\" = $2 ]"
}

test_expect 'one job has ended, one runs, one is queued' '
	touch go
	is "$(push_job done)" 1
	wait_job 1 completed
	rm go go.reached
	is "$(push_job runs)" 2
	wait_job 2 running
	wait_until "[ -e go.reached ]"
	is "$(push_job queued)" 3
	[ "$(refs_of 1)" ]
	[ -s state/logs/1.log ]
'

test_expect 'logs go before jobs' '
	stop_daemon KILL
	git config -f flowforge.conf retention.logs 1s
	rm -f go.reached
	start_daemon
	wait_until "[ ! -e state/logs/1.log ]"
	is "$(job_state 1)" completed
	status_is 0 ff log 1
'

test_expect 'an old job goes with its refs; live ones and the result branch stay' '
	stop_daemon KILL
	git config -f flowforge.conf retention.jobs 1s
	start_daemon
	wait_until "! ff show 1 && ff list"
	is "$(refs_of 1)" ""
	git -C app.git rev-parse -q --verify refs/heads/claude-results/done-1
	wait_job 2 running
	is "$(job_state 3)" queued
	[ -e state/logs/2.log ]
	[ "$(refs_of 2)" ]
	is "$(job_count)" 2
'

test_expect 'they are not touched when they are older than that either' '
	wait_until "[ \$((\$(date +%s) - \$(stat -c %Y go.reached))) -ge 3 ]"
	is "$(job_state 2)" running
	is "$(job_state 3)" queued
'

test_expect 'then they end, and go' '
	touch go
	wait_until "[ \$(job_count) = 0 ]" 60
	is "$(git -C app.git for-each-ref refs/flowforge/)" ""
	is "$(ls state/logs)" ""
	git -C app.git rev-parse -q --verify refs/heads/claude-results/queued-3
'

# On a busy machine it may be publishing by now, and so end by itself.
end_job() {
	ff cancel "$1" || like "$(ff cancel "$1" 2>&1)" "is publishing its result|has ended|no job"
}

test_expect 'create and expire, over and over: the size of the record stays, numbers go on' '
	dd if=/dev/zero bs=1000 count=28 2>/dev/null | tr "\0" x >big
	last=3
	for round in 1 2 3; do
		for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
			ff submit "$T/app.git" main -F big --json >job
			n=$(json number <job)
			[ "$n" -gt $last ]
			last=$n
			end_job "$n"
		done
		wait_until "[ \$(job_count) = 0 ]" 60
		ff backup size.db
		stat -c %s size.db >>sizes
	done
	cat sizes
	[ "$(sort -n sizes | tail -n 1)" -lt 1500000 ]
	first=$(head -n 1 sizes)
	[ "$(tail -n 1 sizes)" -le $((first + 600000)) ]
'

test_expect 'a repository that was removed does not hold its jobs back' '
	ff submit "$T/app.git" main -m work --json >job
	n=$(json number <job)
	end_job "$n"
	rm -rf app.git
	wait_until "[ \$(job_count) = 0 ]"
'

test_done
