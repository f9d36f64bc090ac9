#!/bin/sh
# SPDX-License-Identifier: MIT
# A record that cannot be written for a while, because a stranger holds it
# locked as a full disk would: nothing is lost, nothing stays half done.
. "$top_srcdir/tests/lib/test-lib.sh"

command -v python3 >/dev/null || skip_all "nothing here can lock a database"

# The model answers when there is a file go.
cat >scenario.json <<-EOS
	{"rules":[
	{"name":"last", "match":{"min_messages":3}, "sequence":[{"wait_file":"$T/go", "content":[{"text":"Done."}]}]},
	{"name":"first", "match":{}, "sequence":[{"content":[{"text":"One."},
		{"tool_use":{"id":"toolu_one","name":"bash","input":{"command":"echo one >ONE"}}}]}]}
	]}
EOS

lock_record() { # until there is a file unlock
	rm -f unlock locked
	python3 -c '
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2] + "/locked", "w").close()
while not os.path.exists(sys.argv[2] + "/unlock"): time.sleep(0.02)
db.execute("ROLLBACK")' "$T/state/flowforge.db" "$T" &
	note_process lock $!
	wait_until '[ -e locked ]'
}

unlock_record() {
	touch unlock
	wait "$(process_pid lock)"
}

start_model "$T/scenario.json"

test_expect 'a push while the record is locked goes to the spool and is taken by itself' '
	start_daemon
	make_hooked_repo app
	lock_record
	(cd app && git push -o claude=one origin HEAD:refs/heads/claude/one >../said 2>&1)
	is "$(ls state/spool | wc -l)" 1
	unlock_record
	wait_until "[ \"\$(job_state 1)\" = running ]" 30
	is "$(ls -A state/spool)" ""
	is "$(grep -c store.failed daemon.log)" 1
	is "$(grep -c store.recovered daemon.log)" 1
'

test_expect 'a worker that dies while the record is locked does not leave a running job' '
	wait_until "[ -n \"\$(role_pids worker)\" ]"
	lock_record
	kill_role worker
	wait_until "[ -z \"\$(role_pids worker)\" ]"
	wait_until "[ \"\$(grep -c store.failed daemon.log)\" -ge 2 ]"
	unlock_record
	touch go
	wait_job 1 completed 60
'

test_done
