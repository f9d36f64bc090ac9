#!/bin/sh
# SPDX-License-Identifier: MIT
# Jobs that used up their attempts on what another attempt might mend: listed, and played again.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >>X'
start_model "$T/scenario.json"
start_daemon server.workers=1
make_hooked_repo app
cd app || exit

test_expect 'a job whose worker dies each time fails after its attempts' '
	push origin HEAD:refs/heads/claude/bad -o claude=work -o claude.retries=0
	for n in 1 2 3 4; do
		wait_until "[ \"\$(ff show 1 --json | json attempt)\" = $n ] && [ \"\$(job_state 1)\" = running ] && role_pids worker | grep -q ." 60
		is "$(ff list --dead --json | json items)" 0
		kill_role worker
		wait_until "[ \"\$(ff show 1 --json | json attempt)\" != $n ] || [ \"\$(job_state 1)\" != running ]" 30
	done
	wait_job 1 failed
'

test_expect 'it is a dead letter; a job that failed for good is none' '
	git commit -q --allow-empty -m more
	push origin HEAD:refs/heads/claude/wrong -o claude=work -o claude.target=nowhere
	is "$(job_state 2)" failed
	is "$(ff list --dead --json | json items)" 1
	is "$(ff list --dead --json | json items.0.number)" 1
	like "$(ff list --dead)" claude/bad
	is "$(ff list --state failed --json | json items)" 2
	is "$(ff list --dead --branch claude/wrong --json | json items)" 0
'

test_expect 'it is one after a restart too' '
	stop_daemon
	start_daemon
	is "$(ff list --dead --json | json items.0.number)" 1
'

test_expect 'played again, it is a new job, and no dead letter any more' '
	touch ../go
	ff retry 1 --json >out
	is "$(json number <out)" 3
	wait_job 3 completed
	is "$(job_state 1)" failed
	is "$(ff list --dead --json | json items)" 0
'

test_done
