#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk of the state folder is full, spool and all: pushes succeed, one line
# says so, and everything goes on by itself when there is room again.
. "$top_srcdir/tests/lib/fault-lib.sh"
on_small_disk 8388608

write_scenario 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1 server.state-dir=/mnt/state 'branch.claude/*.task=do the usual'
make_hooked_repo app

test_expect 'a job, while there is room' '
	push_to first -o claude=work
	wait_job 1 completed
'

test_expect 'full to the last byte: pushes succeed, jobs can be read, one line says what is wrong' '
	log_end >from
	fill_disk
	for n in 1 2 3; do push_to full-$n; done
	like "$(cat said)" "could not keep this push"
	is "$(ff list --json | json items)" 1
	like "$(ff show 1)" "job 1 completed"
	start_ff submit submit "$T/app.git" main -m work --json
	wait_until "grep -q \"waiting for it\" submit.err"
	status_is 1 ff doctor >doctor
	like "$(cat doctor)" "^fail +disk: /mnt/state"
	like "$(cat doctor)" "^fail +record: it cannot be written"
	like "$(complaints_since "$(cat from)")" "store.failed.*|/mnt/state has no room left"
	is "$(complaints_since "$(cat from)" | grep -c store.failed)" 1
'

test_expect 'with room for a note, but not for the record: pushes are kept' '
	rm /mnt/ballast2
	dd if=/mnt/ballast of=/mnt/ballast bs=65536 seek="$(($(stat -c %s /mnt/ballast) / 65536 - 4))" count=0 2>/dev/null
	push_to kept -o claude=work
	like "$(cat said)" "this push is kept"
	is "$(ls /mnt/state/spool | wc -l)" 1
	is "$(said_times store.recovered)" 0
'

test_expect 'room again: what was kept, what could not be kept and what waited all become jobs' '
	give_room
	wait_until "[ \"\$(job_count)\" = 6 ]" 40
	for n in full-1 full-2 full-3 kept; do wait_until "[ \"\$(branch_state $n)\" = completed ]" 40; done
	wait_until "[ \"\$(json number <submit.out)\" ]"
	is "$(ls -A /mnt/state/spool)" ""
	is "$(said_times store.failed) $(said_times store.recovered)" "1 1"
	push_to last -o claude=work
	wait_until "[ \"\$(branch_state last)\" = completed ]"
'

test_expect 'the log was not flooded' '
	complaints_since "$(cat from)"
	[ "$(complaints_since "$(cat from)" | grep -vc "push.found")" -le 3 ]
'

test_done
