#!/bin/sh
# SPDX-License-Identifier: MIT
# A record that cannot be written for a while, because a stranger holds it
# locked as a full disk would: nothing is lost, nothing stays half done.
. "$top_srcdir/tests/lib/fault-lib.sh"

# The model answers when there is a file go.
cat >scenario.json <<-EOS
	{"rules":[
	{"name":"last", "match":{"min_messages":3}, "sequence":[{"wait_file":"$T/go", "content":[{"text":"Done."}]}]},
	{"name":"first", "match":{}, "sequence":[{"content":[{"text":"One."},
		{"tool_use":{"id":"toolu_one","name":"bash","input":{"command":"echo one >ONE"}}}]}]}
	]}
EOS

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
