#!/bin/sh
# SPDX-License-Identifier: MIT
# A target that moves: its jobs are tried on it at once, and who moved it is told.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo more >>src/list.txt; echo new >NEW' true
start_model "$T/scenario.json"
start_daemon server.workers=4 drift.interval=0
make_hooked_repo app

# Pushes a job and waits for its end.
done_job() { # BRANCH
	git -C app push -o claude=work origin "main:claude/$1" >out 2>&1
	newest_job
	wait_job "$job" completed
}

# A slow machine may not know its number when the push ends.
newest_job() {
	job=$(ff list --json -n 1 | json items.0.number)
}

# A commit on main that appends a line to a file, pushed; what the pusher saw is in `out`.
move_main() { # FILE LINE
	(cd app && echo "$2" >>"$1" && commit_all "$2" && git push -q origin main) >out 2>&1
}

drift() { # JOB KEY
	ff show --json "$1" | json "drift.$2"
}

looks() { grep -c drift.looked daemon.log || :; }

configure() { # KEY=VALUE
	git config -f flowforge.conf "${1%%=*}" "${1#*=}"
	reloads=$(grep -c core.reloaded daemon.log || :)
	kill -HUP "$(process_pid daemon)"
	wait_until "[ \$(grep -c core.reloaded daemon.log) -gt $reloads ]"
}

test_expect 'a target that moves elsewhere: still applies, and nobody is bothered' '
	done_job calm
	unlike "$(ff show "$job")" "^drift"
	move_main README.md "another line"
	wait_until "ff show $job | grep ^drift"
	like "$(ff show "$job")" "^drift +still applies to main at $(git -C app rev-parse --short=10 main)"
	is "$(drift "$job" state)" applies
	unlike "$(cat out)" "job"
	unlike "$(ff show "$job")" "git.drift"
	echo "$job" >calm
'

test_expect 'a conflict is known when the target moves: pusher, show and record' '
	job=$(cat calm)
	move_main src/list.txt "other"
	wait_until "ff show $job | grep git.drift.detected"
	like "$(ff show "$job")" "^drift +would conflict with main at $(git -C app rev-parse --short=10 main) in src/list.txt"
	is "$(drift "$job" state)" conflict
	is "$(drift "$job" paths.0)" src/list.txt
	is "$(drift "$job" target_oid)" "$(git -C app rev-parse main)"
'

# The line is for whoever waits: on a slow machine the push may be over before it is known, so it is tried again.
test_expect 'who moved the target is told' '
	job=$(cat calm)
	for try in 1 2 3 4 5 6 7 8 9 10; do
		grep -q "^remote: warning: job" out && break
		(cd app && sed -i "/^other$/d" src/list.txt && commit_all "away" && git push -q origin main)
		wait_until "ff show $job | grep ^drift | grep \"still applies\""
		move_main src/list.txt "other"
		wait_until "ff show $job | grep ^drift | grep \"would conflict\""
	done
	like "$(cat out)" "^remote: warning: job $job would conflict with main as it is now: src/list.txt"
'

test_expect 'it is news once, and again when it is over' '
	job=$(cat calm)
	seen=$(ff show "$job" | grep -c git.drift.detected)
	move_main README.md "and one"
	wait_until "[ \"\$(ff show --json $job | json drift.target_oid)\" = $(git -C app rev-parse main) ]"
	unlike "$(cat out)" "warning"
	is "$(ff show "$job" | grep -c git.drift.detected)" "$seen"
	(cd app && sed -i "/^other$/d" src/list.txt && commit_all "back" && git push -q origin main) >out 2>&1
	wait_until "[ \"\$(ff show --json $job | json drift.state)\" = applies ]"
	like "$(ff show "$job")" "git.drift.cleared"
'

test_expect 'nothing was written for it, and nothing moved' '
	job=$(cat calm)
	git -C app.git fsck --strict --no-dangling
	is "$(git -C app.git rev-parse "claude-results/calm-$job")" "$(ff show --json "$job" | json result_oid)"
	[ -z "$(find "$T/tmp" -maxdepth 1 -name "flowforge-*")" ]
'

test_expect 'a result that was merged is no matter any more' '
	job=$(cat calm)
	(cd app && git fetch -q && git merge -q -m merge "origin/claude-results/calm-$job" && git push -q origin main) >out 2>&1
	wait_until "ff show $job | grep git.result.merged"
	like "$(ff show "$job")" "^drift +main at [0-9a-f]{10} has the result"
	before=$(looks)
	move_main src/list.txt "against it"
	unlike "$(cat out)" "warning"
	is "$(looks)" "$before"
'

test_expect 'one whose patch came in under another name, too; one whose branch is gone is left alone' '
	done_job picked
	(cd app && git fetch -q && echo x >>Makefile && commit_all x && git cherry-pick "origin/claude-results/picked-$job" &&
		git push -q origin main) >out 2>&1
	wait_until "[ \"\$(ff show --json $job | json drift.state)\" = merged ]"
	done_job taken
	git -C app push -q origin --delete "claude-results/taken-$job"
	move_main src/list.txt "unseen"
	wait_until "[ \"\$(ff show --json $job | json drift.state)\" = gone ]"
	unlike "$(cat out)" "job $job"
'

# What a hook says of main, so many times.
say_moved() { # TIMES
	perl -MIO::Socket::UNIX -e 'for (1 .. shift) {
		my $s = IO::Socket::UNIX->new(Peer => "run/hook.sock") or die;
		print $s qq({"m":"moved","v":1,"repo":"$ENV{T}/app.git","refs":[{"old":"x","new":"y","ref":"refs/heads/main"}]}\n);
		print while <$s>;
	}' "$1"
}

test_expect 'many moves are few looks, and the last one counts' '
	done_job often
	configure drift.interval=5s
	before=$(looks)
	move_main README.md "first move"
	(cd app && commit_all last && git push -q origin main:refs/heads/last)
	git -C app.git update-ref refs/heads/main refs/heads/last
	is "$(say_moved 30 | sort -u)" done
	wait_until "[ \"\$(ff show --json $job | json drift.target_oid)\" = $(git -C app.git rev-parse main) ]"
	[ $(($(looks) - before)) -le 10 ]
	configure drift.interval=0
	(cd app && git fetch -q origin && git reset -q --hard origin/main)
'

test_expect 'no more jobs than the limit says, the newest first' '
	done_job one
	first=$job
	done_job two
	second=$job
	configure drift.jobs=1
	move_main src/list.txt "limited"
	wait_until "[ \"\$(ff show --json $second | json drift.state)\" = conflict ]"
	like "$(tail -n 20 daemon.log)" "1 of 1 jobs tried"
	is "$(drift "$first" state)" ""
	configure drift.jobs=20
'

test_expect 'results that are too old are not tried' '
	configure drift.age=1s
	done_job aged
	ended=$(date -d "$(ff show --json "$job" | json ended)" +%s)
	wait_until "[ \$(date +%s) -gt $((ended + 2)) ]"
	before=$(looks)
	move_main src/list.txt "late"
	unlike "$(cat out)" "warning"
	is "$(looks)" "$before"
	is "$(drift "$job" state)" ""
	configure drift.age=14d
'

test_expect 'switched off: nothing is tried and the hook does not ask' '
	done_job off
	configure drift.enabled=false
	like "$(cat state/hook.conf)" "^drift no$"
	before=$(looks)
	move_main src/list.txt "unheard"
	unlike "$(cat out)" "warning"
	is "$(looks)" "$before"
	is "$(drift "$job" state)" ""
	configure drift.enabled=true
'

test_expect 'a daemon that is away: the push goes on, and leaves nothing in the spool' '
	stop_daemon
	move_main README.md "alone"
	unlike "$(cat out)" "remote:"
	[ -z "$(find state/spool -name "*.json")" ]
	start_daemon
'

test_expect 'a job that runs hears of it in its log' '
	stop_model
	stop_daemon
	write_scenario "echo more >>src/list.txt; echo new >NEW" wait:go true
	start_model "$T/scenario.json"
	start_daemon server.workers=4 drift.interval=0
	rm -f go go.reached
	(cd app && git checkout -q -b side && echo mine >>Makefile && commit_all mine &&
		git push -o claude=work origin side:claude/side && git checkout -q main) >out 2>&1
	newest_job
	wait_until "[ -e go.reached ]" 60
	move_main Makefile "theirs"
	wait_until "ff show $job | grep git.drift.detected"
	like "$(ff log "$job")" "would conflict with main as it is now: Makefile"
	touch go
	wait_job "$job" conflicted
'

test_done
