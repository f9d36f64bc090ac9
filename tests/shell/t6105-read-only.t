#!/bin/sh
# SPDX-License-Identifier: MIT
# The record cannot be written: its file system becomes read-only under the
# daemon, or the file is when it starts.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"
start_faulty_daemon server.workers=1
make_hooked_repo app

test_expect 'it becomes read-only while the daemon runs: pushes are kept, one line says so' '
	push_to one -o claude=work
	wait_job 1 completed
	log_end >from
	touch no-write
	for n in two three; do push_to $n -o claude=work; done
	like "$(cat said)" "this push is kept"
	is "$(ff list --json | json items)" 1
	like "$(ff doctor || :)" "^fail +record: it cannot be written"
	like "$(complaints_since "$(cat from)")" "store.failed"
	is "$(complaints_since "$(cat from)" | grep -c .)" 1
'

test_expect 'it can be written again: all goes on' '
	rm no-write
	for n in two three; do wait_until "[ \"\$(branch_state $n)\" = completed ]"; done
	is "$(said_times store.recovered)" 1
	is "$(job_count)" 3
'

test_expect 'read-only at the start: the daemon ends, says why, and pushes are kept' '
	stop_daemon
	status_is 1 timeout 20 bwrap --dev-bind / / --ro-bind "$T/state/flowforge.db" "$T/state/flowforge.db" \
		"$T/bin/flowforged" --config flowforge.conf >start.log 2>&1
	like "$(cat start.log)" "flowforge.db: it may not be written to"
	push_to four -o claude=work
	like "$(cat said)" "this push is kept"
	start_daemon
	wait_until "[ \"\$(branch_state four)\" = completed ]"
'

test_done
