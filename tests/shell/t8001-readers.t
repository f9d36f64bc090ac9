#!/bin/sh
# SPDX-License-Identifier: MIT
# server.readers bounds the processes that look into repositories: more
# repositories than that are asked one after another, none is forgotten.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'true'
start_model "$T/scenario.json"
start_daemon server.readers=2
for n in 1 2 3 4 5 6; do make_hooked_repo "r$n"; done

test_expect 'six repositories with two readers: every push has its job' '
	for n in 1 2 3 4 5 6; do (cd "r$n" && push -o claude=work origin HEAD:claude/x); done
	is "$(job_count)" 6
'

test_expect 'at start all six are looked at, by two at a time' '
	stop_daemon
	for n in 1 2 3 4 5 6; do
		git -C "r$n" commit -q --allow-empty -m "lost

Claude-Task: found again"
		git -C "r$n" push -q "$T/r$n.git" --receive-pack="git -c core.hooksPath=/nowhere receive-pack" HEAD:refs/heads/claude/x
	done
	start_daemon server.readers=2
	wait_until "[ \$(job_count) = 12 ]" 30
	[ "$(role_pids reader | wc -w)" -le 2 ]
'

test_done
