#!/bin/sh
# SPDX-License-Identifier: MIT
# An answer that nobody will read any more is not paid for to its end.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

# Open connections to the model server (state 01, proc_pid_net(5)).
model_connections() {
	port=$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$T"/model*ready* | tail -n 1)
	awk -v p="$(printf ':%04X' "$port")" '$4 == "01" && $3 ~ p "$"' /proc/net/tcp | wc -l
}

test_expect 'while the answer is awaited there is one connection' '
	(cd app && push -o claude=work origin HEAD:claude/x)
	wait_until "[ -e go.reached ]"
	is "$(model_connections)" 1
'

test_expect 'a cancel breaks it off, and is no failure of the record' '
	ff cancel 1
	wait_until "[ \$(model_connections) = 0 ]"
	wait_until "[ ! -e state/jobs/1 ]"
	unlike "$(cat daemon.log)" "record.failed"
	touch go
'

test_done
