#!/bin/sh
# SPDX-License-Identifier: MIT
# A job is cancelled; the worker that removes its folder dies before and behind
# each of its durable steps.  Another one removes what is left, without a start.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

sweep_prepare() {
	settle_alive || return
	rm -f go.reached
	crash_push "$1" && wait_until '[ -e go.reached ]' && sweep_job=$(ff list --json --branch "claude/$1" | json items.0.number)
}
sweep_act() {
	ff cancel "$sweep_job" >cancel.out 2>&1
	wait_until 'nothing_under_way || grep -q "^killed" steps' 60
	order ''
}
sweep_settle() { wait_until nothing_under_way 60; }
sweep_judge() {
	runs=$((runs + 1))
	is "$(job_state "$sweep_job")" cancelled || problem wrong "$run_name: it is not cancelled"
	is "$(ls state/jobs state/spool)" "$(printf 'state/jobs:\n\nstate/spool:')" || problem leak "$run_name: $(ls state/jobs state/spool)"
}

test_expect 'a calm push' '
	write_crash_scenario wait:go "echo one >ONE" "echo two >TWO"
	start_model "$T/scenario.json"
	write_hasty_config
	start_daemon
	make_hooked_repo app
	: >go
	crash_push calm && settle calm && judge calm
	rm go
'
sweep sweep worker
: >go
crash_done
