#!/bin/sh
# SPDX-License-Identifier: MIT
# What a repository's own config takes away from what the server allows.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'tail -f /dev/null'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

test_expect 'flowforge.deadline ends a run that the server would let go on for an hour' '
	git -C app.git config flowforge.deadline 1s
	(cd app && push -o claude=work origin HEAD:claude/slow)
	wait_job "$(said_job)" failed
	like "$(ff show "$(said_job)")" "DEADLINE"
'

test_expect 'a deadline that is none is said before anything is paid' '
	git -C app.git config flowforge.deadline soon
	(cd app && push -o claude=work origin HEAD:claude/soon)
	wait_job "$(said_job)" failed
	like "$(ff show "$(said_job)")" "must be a time like 30m"
	is "$(ff show "$(said_job)" --json | json tokens_in)" 0
	git -C app.git config --unset flowforge.deadline
'

test_expect 'flowforge.options = false: push options start nothing' '
	git -C app.git config flowforge.options false
	(cd app && push -o claude=work origin HEAD:claude/option)
	like "$(cat said)" "own configuration switches"
	git -C app.git config --unset flowforge.options
'

test_expect 'flowforge.enabled = false: nothing does' '
	git -C app.git config flowforge.enabled false
	(cd app && push -o claude=work origin HEAD:claude/off)
	like "$(cat said)" "own configuration switches"
	is "$(git -C app.git for-each-ref refs/heads/claude-results)" ""
'

test_done
