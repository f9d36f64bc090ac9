#!/bin/sh
# SPDX-License-Identifier: MIT
# No API key: jobs wait, are told what to do about it, and run when it is there.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"
write_config server.workers=1 sandbox.probe-interval=100ms
mv key away

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

test_expect 'a key file that is missing, or open to others: a warning at the check, no mistake' '
	flowforged --config flowforge.conf --check-config >out 2>warned
	like "$(cat out)" "in order"
	like "$(cat warned)" "warning: gateway.key-file: $T/key: No such file"
	cp away key
	chmod 644 key
	flowforged --config flowforge.conf --check-config >out 2>warned
	like "$(cat warned)" "can be read by others .mode 644"
	chmod 600 key
	flowforged --config flowforge.conf --check-config >out 2>warned
	is "$(cat warned)" ""
	rm key
'

test_expect 'without a key the push is taken, and the job waits as blocked with the reason' '
	start_daemon
	make_hooked_repo app
	push_to one -o claude=work
	wait_job 1 waiting
	is "$(field 1 wait) $(field 1 attempt)" "blocked 0"
	like "$(field 1 reason)" "$T/key: the API key cannot be read: No such file.*put it there"
	unlike "$(ff show 1)" "the model service"
	like "$(ff doctor || :)" "^fail +key: jobs wait: $T/key"
	[ ! -s model.log ]
	is "$(said_times gateway.key.missing)" 1
'

test_expect 'a key that others can read is none' '
	cp away key
	chmod 644 key
	wait_until "ff show 1 --json | grep -q chmod.600 || ff doctor | grep -q chmod.600"
	is "$(field 1 state)" waiting
'

test_expect 'the key is there: the job runs by itself' '
	chmod 600 key
	wait_job 1 completed
	is "$(field 1 attempt)" 1
	like "$(ff doctor || :)" "^ok +key: read from $T/key"
'

test_expect 'the gateway is started anew without a key: a job that comes waits, and a reload releases it' '
	mv key away
	git config -f flowforge.conf sandbox.probe-interval 1h
	kill -s HUP "$(process_pid daemon)"
	wait_until "grep -q \"the key that was read before stays in use\" daemon.log"
	kill_role gateway
	wait_until "[ \"\$(said_times gateway.key.missing)\" -ge 2 ] && ff doctor | grep -q \"^fail  *key\""
	push_to two -o claude=work
	wait_job 2 waiting
	is "$(field 2 wait)" blocked
	mv away key
	kill -s HUP "$(process_pid daemon)"
	wait_job 2 completed
	is "$(field 2 attempt)" 1
'

test_expect 'the key goes while a job runs: it waits, uncounted, and goes on' '
	write_scenario wait:go "echo x >X"
	stop_model
	start_model "$T/scenario.json"
	stop_daemon
	write_config server.workers=1 sandbox.probe-interval=100ms
	start_daemon
	push_to three -o claude=work -o claude.retries=0
	wait_until "[ -e go.reached ]"
	mv key away
	kill_role gateway
	wait_until "[ \"\$(field 3 wait)\" = blocked ]"
	is "$(field 3 failures)" 0
	touch go
	mv away key
	wait_job 3 completed
'

test_done
