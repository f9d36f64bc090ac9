#!/bin/sh
# SPDX-License-Identifier: MIT
# Whatever dies, wherever it was: no push is lost, no job is done twice.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo one >ONE' wait:go 'echo two >TWO'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

begin() { # BRANCH
	rm -f "$T/go" "$T/go.reached"
	git -C app push -o claude=work origin "main:claude/$1" >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until '[ -e go.reached ]' 60
}

# One result, one commit, both files.
whole_result() { # BRANCH
	is "$(git -C app.git for-each-ref --format="%(refname)" "refs/heads/claude-results/$1-*")" "refs/heads/claude-results/$1-$job"
	is "$(git -C app.git rev-list --count "main..claude-results/$1-$job")" 1
	is "$(git -C app.git show "claude-results/$1-$job:TWO")" two
}

test_expect 'a worker that is killed: the job runs again and completes' '
	begin worker
	kill_role worker
	touch go
	wait_job "$job" completed
	whole_result worker
'

test_expect 'the gateway is killed: it comes back, the job completes' '
	begin gateway
	kill_role gateway
	touch go
	wait_job "$job" completed
	whole_result gateway
'

test_expect 'the daemon is killed in the middle of a job: its children end with it' '
	begin daemon
	worker=$(role_pids worker | head -n 1)
	kill -s KILL "$(process_pid daemon)"
	wait_until "! process_alive daemon && [ ! -e /proc/$worker/exe ]"
	touch go
	start_daemon
	wait_job "$job" completed
	whole_result daemon
'

test_expect 'no answer of the model is bought twice for it' '
	grep -c /v1/messages model.log >before
	begin paid
	kill -s KILL "$(process_pid daemon)"
	wait_until "! process_alive daemon"
	touch go
	start_daemon
	wait_job "$job" completed
	# 3 answers make a job; the one that was cut may be asked again.
	[ $(($(grep -c /v1/messages model.log) - $(cat before))) -le 4 ]
'

test_expect 'the daemon is away: the push is taken, at once, and run later' '
	stop_daemon
	touch go
	begun=$(date +%s%N)
	git -C app push -o claude=later origin main:claude/later >out 2>&1
	[ $((($(date +%s%N) - begun) / 1000000)) -lt $((2500 * test_slow)) ]
	like "$(cat out)" "^remote: warning: flowforge is not answering; this push is kept"
	is "$(ls state/spool/*.json | wc -l)" 1
	start_daemon
	wait_until "[ \"\$(ff list --json --branch claude/later | json items)\" = 1 ]"
	job=$(ff list --json --branch claude/later | json items.0.number)
	wait_job "$job" completed
	whole_result later
	wait_until "! ls state/spool/*.json"
'

test_expect 'the daemon hangs: the push is kept all the same, within two seconds' '
	kill -s STOP "$(process_pid daemon)"
	begun=$(date +%s%N)
	git -C app push -o claude=hang origin main:claude/hang >out 2>&1 || { kill -s CONT "$(process_pid daemon)"; false; }
	took=$((($(date +%s%N) - begun) / 1000000))
	kill -s CONT "$(process_pid daemon)"
	[ $took -lt $((2500 * test_slow)) ]
	wait_until "[ \"\$(ff list --json --branch claude/hang | json items)\" = 1 ]"
	job=$(ff list --json --branch claude/hang | json items.0.number)
	wait_job "$job" completed
	whole_result hang
'

test_expect 'a spool file that is no push is put aside, not lost, and harms nothing' '
	echo "not a push" >state/spool/00000000000000000000000000000000.json
	stop_daemon
	start_daemon
	wait_until "[ ! -e state/spool/00000000000000000000000000000000.json ]"
	grep -rq "not a push" state
	ff list --json
'

test_expect 'nothing of dead jobs is left in the state folder' '
	wait_until "[ -z \"\$(ls state/jobs 2>/dev/null)\" ]"
'

test_done
