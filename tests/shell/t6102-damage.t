#!/bin/sh
# SPDX-License-Identifier: MIT
# A page of the record is rubbish: nothing is written on top of it, pushes are
# kept, and the administrator is told once what to do.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1
make_hooked_repo app

test_expect 'a backup of a good record' '
	push_to first -o claude=work
	wait_job 1 completed
	like "$(ff doctor || :)" "^ok +record: .*flowforge.db is in order"
	ff backup good.db
	stop_daemon
	like "$(flowforged --config flowforge.conf --check-record)" "is in order"
'

test_expect 'a damaged page is named, also without a daemon' '
	damage_table pushes
	status_is 2 flowforged --config flowforge.conf --check-record 2>said.check
	like "$(cat said.check)" "flowforge.db: it is damaged"
	like "$(ff doctor || :)" "^fail +record: .*damaged.*restore"
'

test_expect 'the daemon takes a push into the spool, and what is left can be read' '
	start_daemon
	push_to second -o claude=work
	like "$(cat said)" "this push is kept"
	is "$(ls state/spool | wc -l)" 1
	is "$(ff list --json | json items)" 1
	like "$(ff show 1)" "job 1 completed"
	status_is 5 ff submit "$T/app.git" main -m work 2>refused
	like "$(cat refused)" "backup"
	like "$(ff doctor || :)" "^fail +record: .*damaged.*restore"
'

test_expect 'one line says what to do, however many pushes come' '
	sum=$(cksum <state/flowforge.db)
	for n in 3 4 5; do push_to $n -o claude=work; done
	is "$(said_times store.damaged) $(said_times store.failed)" "1 0"
	like "$(grep store.damaged daemon.log)" "restore with the newest backup"
	is "$(cksum <state/flowforge.db)" "$sum"
	is "$(ls state/spool | wc -l)" 4
'

test_expect 'restored: nothing that was pushed is lost' '
	stop_daemon
	ff restore good.db
	start_daemon
	wait_until "[ \"\$(job_count)\" = 5 ] && [ -z \"\$(ls state/spool)\" ]"
	for n in second 3 4 5; do wait_until "[ \"\$(branch_state $n)\" = completed ]"; done
	is "$(job_state 1)" completed
	like "$(ff doctor || :)" "^ok +record: .*is in order"
'

test_expect 'a record whose first page is rubbish: the daemon does not start on it, and says what to do' '
	stop_daemon
	dd if=/dev/urandom of=state/flowforge.db bs=4096 count=1 conv=notrunc 2>/dev/null
	rm -f state/flowforge.db-wal
	sum=$(cksum <state/flowforge.db)
	status_is 1 flowforged --config flowforge.conf >start.log 2>&1
	like "$(cat start.log)" "damaged.*restore it from a backup"
	is "$(cksum <state/flowforge.db)" "$sum"
'

test_done
