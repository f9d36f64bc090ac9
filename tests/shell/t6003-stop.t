#!/bin/sh
# SPDX-License-Identifier: MIT
# Stopping and starting: SIGTERM once and twice, a second daemon, what a killed
# one leaves behind, a worker that dies again and again, a record that somebody
# else has locked.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo one >ONE' wait:go 'echo two >TWO'
start_model "$T/scenario.json"

begin() { # BRANCH
	git -C "$T/app" push -o claude=work origin "main:claude/$1" >"$T/out" 2>&1
	job=$(pushed_job "$(cat "$T/out")")
	[ "$job" ]
}

held() { # BRANCH: a job whose model answer is held back
	rm -f "$T/go" "$T/go.reached"
	begin "$1"
	wait_until '[ -e go.reached ]'
}

asked() {
	grep -c /v1/messages model.log || :
}

test_expect 'a daemon with one worker' '
	start_daemon server.workers=1
	make_hooked_repo app
'

test_expect 'a second daemon on the same state is refused, and says what to do' '
	status_is 1 timeout 20 flowforged --config flowforge.conf >second.log 2>&1
	like "$(cat second.log)" "another flowforged uses $T/state: stop it first"
	# It has not taken the sockets of the first.
	is "$(job_count)" 0
	begin early && touch go && wait_job "$job" completed
'

test_expect 'SIGTERM: the running job ends, the queued one stays and runs after the next start' '
	held drain
	running=$job
	begin stays
	queued=$job
	is "$(job_state "$queued")" queued
	kill -s TERM "$(process_pid daemon)"
	wait_until "grep -q core.drain daemon.log"
	is "$(job_state "$running") $(job_state "$queued")" "running queued"
	touch go
	wait_until "! process_alive daemon"
	start_daemon
	is "$(job_state "$running")" completed
	is "$(ff show "$running" --json | json attempt)" 1
	wait_job "$queued" completed
'

test_expect 'a second SIGTERM ends it at once; the job goes on later, and no answer is bought twice' '
	asked >before
	held twice
	kill -s TERM "$(process_pid daemon)"
	wait_until "[ \"\$(grep -c \"no new job is started\" daemon.log)\" = 2 ]"
	kill -s TERM "$(process_pid daemon)"
	wait_until "! process_alive daemon" 5
	touch go
	start_daemon
	wait_job "$job" completed
	# Three make a job; the one that was held back is asked for again.
	is $(($(asked) - $(cat before))) 4
	is "$(ff show "$job" --json | json failures)" 0
'

test_expect 'the sockets that a killed daemon leaves do not hinder the next' '
	kill -s KILL "$(process_pid daemon)"
	wait_until "! process_alive daemon"
	[ -S run/hook.sock ] && [ -S run/control.sock ]
	start_daemon
	begin sockets && touch go && wait_job "$job" completed
'

test_expect 'a worker that dies again and again: the job fails, with the reason' '
	held dies
	for n in 1 2 3 4; do
		wait_until "[ \"\$(ff show $job --json | json attempt)\" = $n ] && [ \"\$(role_pids worker)\" ] && kill_role worker"
		wait_until "[ \"\$(ff show $job --json | json attempt)\" != $n ] || [ \"\$(job_state $job)\" = failed ] || [ \"\$(job_state $job)\" = waiting ]"
	done
	wait_job "$job" failed
	like "$(ff show "$job")" "the worker ended unexpectedly .*SIGKILL|the worker ended unexpectedly .*9"
	is "$(git -C app.git for-each-ref "refs/heads/claude-results/dies-*")" ""
	# Who swept its folder is gone as well.
	wait_until "[ ! -e state/jobs/$job ] && [ -z \"\$(role_pids worker)\" ]"
	touch go
	begin after && wait_job "$job" completed
'

test_expect 'the record is locked while a job ends: the job is not left behind' '
	held locked
	lock_record
	touch go
	wait_until "grep -q store.failed daemon.log"
	wait_until "[ -z \"\$(role_pids worker)\" ]"
	unlock_record
	wait_job "$job" completed 40
	wait_until "grep -q store.recovered daemon.log"
'

test_expect 'the record is locked when a push comes: it is kept, and taken without a restart' '
	lock_record
	begin kept || :
	like "$(cat out)" "this push is kept|its task is being read"
	unlock_record
	wait_until "[ \"\$(ff list --json --branch claude/kept | json items)\" = 1 ]" 20
	wait_job "$(ff list --json --branch claude/kept | json items.0.number)" completed
	is "$(ls state/spool)" ""
'

test_expect 'the record is locked between push and decision: it is decided without a restart' '
	kill_role reader STOP
	reader=$(role_pids reader)
	begin between || :
	like "$(cat out)" "its task is being read"
	lock_record
	grep -c store.failed daemon.log >before || :
	kill -s CONT $reader
	wait_until "[ \"\$(grep -c store.failed daemon.log)\" -gt \"\$(cat before)\" ]"
	unlock_record
	wait_until "ff list --json --branch claude/between | grep -q completed" 20
'

test_expect 'what the record says of each job is what its events say, and nothing is left' '
	stop_daemon
	"$top_builddir/tests/lib/refold" state/flowforge.db
	is "$(ls state/jobs)" ""
	git -C app.git fsck --strict --no-dangling
'

test_done
