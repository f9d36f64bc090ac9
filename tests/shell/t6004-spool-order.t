#!/bin/sh
# SPDX-License-Identifier: MIT
# Pushes that were kept while nobody could take them become jobs in the order
# in which they were made, each once, though their files have names by chance.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'true'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app
stop_daemon

test_expect 'a hundred pushes while the daemon is down are a hundred files' '
	cd app
	for n in $(seq 1 100); do
		git commit -q --allow-empty -m "push $n"
		git rev-parse HEAD >>"$T/want"
		git push -q -o claude="push $n" origin HEAD:claude/x 2>/dev/null
	done
	is "$(ls "$T/state/spool" | wc -l)" 100
'

test_expect 'they are a hundred jobs of that branch, first come first' '
	start_daemon
	wait_until "[ \$(job_count) = 100 ]" 30
	for n in $(seq 1 100); do echo "SELECT lower(hex(source_oid)) FROM jobs WHERE id = $n;"; done |
		sqlite3 "$T/state/flowforge.db" >got
	cmp got want
	wait_until "[ -z \"\$(ls state/spool)\" ]" 15
'

test_expect 'none was made a second time by comparing refs' '
	stop_daemon
	start_daemon
	is "$(job_count)" 100
'

test_done
