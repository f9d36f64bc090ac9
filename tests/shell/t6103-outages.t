#!/bin/sh
# SPDX-License-Identifier: MIT
# Sockets that are removed, no descriptors left, a process that is stopped: each
# push succeeds, becomes one job, and all goes on by itself.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=1 server.reader-timeout=1s worker.silence=1s server.spool-warn=64k
make_hooked_repo app

# The push has become one job, which has ended well, and nothing is left in the spool.
becomes_one_job() { # BRANCH
	wait_until "[ \"\$(branch_state $1)\" = completed ]" 40
	is "$(branch_jobs "$1")" 1
	wait_until '[ -z "$(ls state/spool)" ]'
}

test_expect 'two daemons: neither the state folder nor the run folder can be shared' '
	cp flowforge.conf other.conf
	git config -f other.conf server.run-dir "$T/run2"
	status_is 1 timeout 20 flowforged --config other.conf >second.log 2>&1
	like "$(cat second.log)" "another flowforged uses $T/state: .*another server.state-dir"
	cp flowforge.conf other.conf
	git config -f other.conf server.state-dir "$T/state2"
	status_is 1 timeout 20 flowforged --config other.conf >second.log 2>&1
	like "$(cat second.log)" "another flowforged uses $T/run: .*another server.run-dir"
	push_to both -o claude=work
	like "$(cat said)" "success: job"
	becomes_one_job both
'

test_expect 'hook.sock is removed: the push goes by the spool, and the socket comes back' '
	rm run/hook.sock
	push_to nosock -o claude=work
	becomes_one_job nosock
	wait_until "[ -S run/hook.sock ]"
	push_to sock -o claude=work
	like "$(cat said)" "success: job"
	is "$(grep -c "hook.sock was removed" daemon.log)" 1
	becomes_one_job sock
'

test_expect 'the whole run folder is removed: it comes back' '
	rm -rf run
	push_to norun -o claude=work
	wait_until "[ -S run/hook.sock ] && [ -S run/control.sock ] && [ -s run/roles.conf ]"
	becomes_one_job norun
	is "$(stat -c %a run/control.sock) $(stat -c %a run/hook.sock)" "600 660"
'

test_expect 'something else is put in its place: that is left alone and named' '
	rm run/hook.sock
	echo mine >run/hook.sock
	wait_until "grep -q \"hook.sock is not the socket\" daemon.log"
	push_to other -o claude=work
	becomes_one_job other
	is "$(cat run/hook.sock)" mine
	rm run/hook.sock
	wait_until "[ -S run/hook.sock ]"
'

test_expect 'no descriptors left: the push is kept, one line says so, and it goes on when there are' '
	from=$(log_end)
	was=$(prlimit --pid "$(process_pid daemon)" --nofile --noheadings --output SOFT)
	prlimit --pid "$(process_pid daemon)" --nofile=1:
	for n in 1 2; do push_to fd$n -o claude=work; done
	like "$(cat said)" "this push is kept"
	wait_until "[ \"\$(said_times core.descriptors)\" -ge 1 ]"
	prlimit --pid "$(process_pid daemon)" --nofile="$was:"
	for n in 1 2; do becomes_one_job fd$n; done
	is "$(said_times core.descriptors)" 1
	complaints_since "$from"
	is "$(complaints_since "$from" | grep -c .)" 1
'

test_expect 'core is stopped: the push is kept in time, and is one job when core goes on' '
	kill -s STOP "$(process_pid daemon)"
	push_to core -o claude=work
	like "$(cat said)" "this push is kept"
	kill -s CONT "$(process_pid daemon)"
	becomes_one_job core
'

test_expect 'the reader is stopped: the push is answered, another reader is asked' '
	wait_until "kill_role reader STOP" # the comparison of refs after a start needs one
	push_to reader -o claude=work
	# The second, when it was asked for refs before, and so was missed earlier.
	like "$(cat said)" "its task is being read|success: job"
	becomes_one_job reader
	is "$(said_times reader.silent)" 1
'

test_expect 'the gateway is stopped: it is replaced, and the job goes on' '
	old=$(role_pids gateway)
	kill_role gateway STOP
	push_to gateway -o claude=work
	like "$(cat said)" "success: job"
	becomes_one_job gateway
	is "$(said_times gateway.silent)" 1
	[ "$(role_pids gateway)" != "$old" ]
'

test_expect 'the worker is stopped: it is replaced, and the job goes on' '
	write_scenario wait:go "echo x >X"
	stop_model
	start_model "$T/scenario.json"
	stop_daemon
	git config -f flowforge.conf gateway.base-url "$(cat model.url)"
	start_daemon
	push_to worker -o claude=work
	wait_until "[ -e go.reached ]"
	kill_role worker STOP
	touch go
	becomes_one_job worker
	is "$(said_times worker.silent)" 1
'

test_expect 'a large spool: doctor and one line of the log say so, nothing is refused' '
	stop_daemon
	head -c 30000 /dev/zero | tr "\0" x >task
	for n in 1 2 3; do push_to big$n -o "claude=$(cat task)"; done
	like "$(ff doctor || :)" "^fail +spool: .*3 pushes.*server.spool-warn"
	touch go
	start_daemon
	for n in 1 2 3; do becomes_one_job big$n; done
	is "$(said_times spool.large)" 1
	like "$(ff doctor || :)" "^ok +spool"
'

test_done
