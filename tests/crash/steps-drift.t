#!/bin/sh
# SPDX-License-Identifier: MIT
# Core, and the reader that tries, die before and behind each of their durable
# steps while the target of a result moves so that it conflicts.  What was not
# tried then is tried when the target moves again; the job stays as it was.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

# Its own target, of which it has a result.
job_with_target() { # BRANCH
	git -C app push -q origin "main:refs/heads/target-$1" && crash_push "$1" -o "claude.target=target-$1" && settle "$1"
}
move_target() { # BRANCH COMMIT
	git -C app push origin "$2:refs/heads/target-$1" >move.out 2>&1 || problem wrong "$run_name: the push to the target is refused"
}
drift_is_known() { # COMMIT
	ff show --json "$drift_job" >show.json && [ "$(json drift.state <show.json) $(json drift.target_oid <show.json)" = "conflict $1" ]
}
drift_is_told() { # in the log, which is no step of core
	sed "1,${drift_seen}d" daemon.log | grep -q git.drift.detected
}

core_prepare() {
	settle_alive && job_with_target "$1" && drift_job=$(ff list --json --branch "claude/$1" | json items.0.number) &&
		drift_seen=$(wc -l <daemon.log)
}
core_act() {
	move_target "$1" "$moved"
	wait_until '! process_alive daemon || drift_is_told' 60
	order '' # what mends it is not disturbed
}
core_settle() {
	settle_alive && move_target "$1" "$again" && wait_until "drift_is_known $again" 60 && settle "$1"
}
core_judge() { # BRANCH EXCESS
	# The two moves are one conflict, which is told once.
	core_told=$(ff show "$drift_job" | grep -c 'git.drift.detected' || :)
	[ "$core_told" = 1 ] || problem doubled "$run_name: the conflict is told $core_told times"
	judge "$@"
}

reader_prepare() { core_prepare "$1"; }
reader_act() {
	move_target "$1" "$moved"
	wait_until "grep -q '^killed' steps || drift_is_told" 60
	order ''
}
reader_settle() { core_settle "$1"; }
reader_judge() { core_judge "$@"; }

commit_one() { # TEXT PARENT: a commit that adds what the result adds, with other text
	one_blob=$(echo "$1" | git -C app hash-object -w --stdin)
	one_tree=$({ git -C app ls-tree main; printf '100644 blob %s\tONE\n' "$one_blob"; } | git -C app mktree)
	git -C app commit-tree "$one_tree" -p "$2" -m "$1"
}

test_expect 'a calm push' 'make_world drift.interval=0'
moved=$(commit_one moved main) again=$(commit_one again "$moved")
sweep core core
sweep reader reader
crash_done
