#!/bin/sh
# SPDX-License-Identifier: MIT
# A copy of the record is made while jobs run, and a daemon goes on from it.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1
make_hooked_repo app

push_job() { # BRANCH: the number of the job
	git -C "$T/app" push -o claude=work origin "HEAD:refs/heads/claude/$1" >"$T/push.out" 2>&1
	pushed_job "$(cat "$T/push.out")"
}

test_expect 'a backup is written while a job runs and another is queued' '
	is "$(push_job one)" 1
	wait_job 1 running
	wait_until "[ -e go.reached ]"
	is "$(push_job two)" 2
	ff backup copy.db 2>said
	like "$(cat said)" "copy.db: the record, [0-9]+ bytes. Not in it: .*configuration.*key.*logs.*refs"
	is "$(stat -c %a copy.db)" 600
	is "$(ls -A | grep -c copy.db)" 1
	[ ! -e state/backup.tmp ]
'

test_expect 'it is replaced as a whole, or stays as it was' '
	cp copy.db first.db
	ff backup copy.db
	mkdir folder
	must_fail ff backup folder
	must_fail ff backup nowhere/copy.db
	[ ! -e state/backup.tmp ]
	ff list >list
'

test_expect 'backups in a crowd of pushes: each answer is quick, each copy is whole' '
	for n in 1 2 3; do ff backup copy$n.db & echo $! >>pids; done
	for n in 3 4 5 6 7 8; do is "$(push_job b$n)" $n; done
	made=0
	for pid in $(cat pids); do if wait "$pid"; then made=$((made + 1)); fi; done
	[ $made -ge 1 ]
	[ ! -e state/backup.tmp ]
'

test_expect 'nothing is restored under a running daemon' '
	status_is 1 ff restore copy.db 2>said
	like "$(cat said)" "stop it first"
'

test_expect 'what a killed daemon left of a backup is removed' '
	kill_role worker
	stop_daemon KILL
	echo half >state/backup.tmp
	start_daemon
	[ ! -e state/backup.tmp ]
	wait_job 1 running
	is "$(push_job after)" 9
	stop_daemon KILL
'

test_expect 'only a whole record of a known version is taken' '
	cp -a state before
	head -c 20000 copy.db >cut.db
	status_is 2 ff restore cut.db 2>said
	like "$(cat said)" "cut.db: it is damaged"
	echo "this is no database, but long enough to look like a file of one" >text.db
	status_is 2 ff restore text.db 2>said
	like "$(cat said)" "text.db: it is damaged or no record"
	perl -e "open my \$f, q(+<), shift or die; seek \$f, 60, 0; print \$f pack q(N), 999" "$(cp copy.db new.db; echo new.db)"
	status_is 2 ff restore new.db 2>said
	like "$(cat said)" "version 999"
	mkfifo pipe
	status_is 2 ff restore pipe
	status_is 1 ff restore missing.db
	cmp before/flowforge.db state/flowforge.db
	is "$(ls state)" "$(ls before)"
'

test_expect 'the backup is put in place, and the old record is kept' '
	ff restore first.db 2>said
	like "$(cat said)" "is kept as .*/flowforge.db.before-[0-9]+\$"
	is "$(stat -c %a state/flowforge.db)" 600
	is "$(ls state | grep -c "flowforge.db.before-[0-9]*\$")" 1
	[ ! -e state/flowforge.db-wal ]
	[ ! -e state/flowforge.db.restore ]
'

test_expect 'the daemon goes on with the jobs that were queued in it' '
	touch go
	start_daemon
	wait_job 1 completed
	wait_job 2 completed
	git -C app.git rev-parse -q --verify refs/heads/claude-results/two-2
'

test_expect 'numbers that only the lost record knew are not given out again' '
	git -C app commit -q --allow-empty -m more
	n=$(push_job later)
	[ "$n" -gt 9 ]
	wait_job "$n" completed
'

test_expect 'a damaged record is kept with its journal; no result is overwritten by a job that runs again' '
	stop_daemon
	echo rubbish >state/flowforge.db
	echo journal >state/flowforge.db-wal
	ff restore copy.db 2>said
	like "$(cat said)" "the old record cannot be read"
	like "$(cat state/flowforge.db.before-*)" rubbish
	is "$(cat state/flowforge.db.before-*-wal)" journal
	result=$(git -C app.git rev-parse refs/heads/claude-results/two-2)
	start_daemon
	# Run again within the same second it makes the same commit, and completes; else it finds the branch taken.
	wait_until "case \$(job_state 2) in failed | completed) ;; *) false ;; esac" 30
	is "$(git -C app.git rev-parse refs/heads/claude-results/two-2)" "$result"
'

test_expect 'without a record there is nothing to keep' '
	stop_daemon
	rm -r state
	ff restore copy.db 2>said
	unlike "$(cat said)" "is kept as"
	start_daemon
	is "$(job_count)" 2
'

test_done
