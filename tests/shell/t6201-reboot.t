#!/bin/sh
# SPDX-License-Identifier: MIT
# The machine starts again in the middle of a job: what the work tree holds is
# not trusted any more, so it is made again, and the tools do again what they
# had done in it.  No answer of the model is paid for twice.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo one >ONE' wait:go 'echo two >TWO'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

test_expect 'a result has what was done before the start, too' '
	git -C app push -o claude=work origin main:claude/boot >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]" 60
	kill -s KILL "$(process_pid daemon)"
	wait_until "! process_alive daemon"
	# As if another start of the machine had written it.
	sed -i "s/ .*/ 00000000-0000-0000-0000-000000000000/" "state/jobs/$job/prepared"
	touch go
	start_daemon
	wait_job "$job" completed
	is "$(git -C app.git show "claude-results/boot-$job:ONE" "claude-results/boot-$job:TWO")" "one
two"
	# 3 answers make a job; the one that was cut may be asked again.
	[ "$(grep -c /v1/messages model.log)" -le 4 ]
'

test_done
