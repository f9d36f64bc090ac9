#!/bin/sh
# SPDX-License-Identifier: MIT
# A push with a task, from the hook to the branch that comes back.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'printf "about this\n" >ABOUT; mkdir -p docs; printf "x\n" >docs/x; chmod +x docs/x; rm Makefile; ls'
start_model "$T/scenario.json"

test_expect 'daemon and hooks are set up' '
	start_daemon
	make_hooked_repo app
	is "$(job_count)" 0
'

test_expect 'an ordinary push says and starts nothing' '
	cd app
	commit_all "more" 4
	git push origin main >out 2>&1
	unlike "$(cat out)" "^remote:"
	is "$(job_count)" 0
'

test_expect 'a push without a task gets a hint, and no job' '
	cd app
	git push origin main:claude/nothing-said >out 2>&1
	like "$(cat out)" "^remote: hint:"
	is "$(job_count)" 0
'

test_expect 'a push with a task is answered with the job, in a few short lines' '
	cd app
	git push -o claude="say what this is" origin main:claude/first >out 2>&1
	like "$(cat out)" "^remote: success: job 1 queued"
	is "$(pushed_job "$(cat out)")" 1
	[ "$(grep -c ^remote: out)" -le 6 ]
	unlike "$(sed -n "s/^remote: //p" out | sed "s/ *$//")" ".{73}"
'

test_expect 'watch follows the job and ends with its status' '
	timeout $((60 * test_slow)) flowforge --config flowforge.conf watch 1 >watch.out
	is "$(job_state 1)" completed
	like "$(cat watch.out)" "completed"
'

test_expect 'the result is one commit on the target, with what the agent did' '
	is "$(git -C app.git rev-list --count main..claude-results/first-1)" 1
	is "$(git -C app.git diff --name-status --no-renames main claude-results/first-1)" "$(printf "A\tABOUT\nD\tMakefile\nA\tdocs/x")"
	is "$(git -C app.git show claude-results/first-1:ABOUT)" "about this"
	like "$(git -C app.git ls-tree -r claude-results/first-1)" "^100755 blob .*docs/x$"
	git -C app.git fsck --strict --no-dangling
'

test_expect 'the commit says who made it, and for which job' '
	git -C app.git log -1 --format="%an <%ae>%n%(trailers:only)" claude-results/first-1 >out
	like "$(cat out)" "^FlowForge <flowforge@localhost>$"
	like "$(cat out)" "^Flowforge-Job: "
	like "$(cat out)" "^Assisted-by: Claude:"
	unlike "$(git -C app.git log -1 --format=%B claude-results/first-1)" "Signed-off-by"
'

test_expect 'the objects of the job are kept under its refs' '
	is "$(git -C app.git rev-parse refs/flowforge/jobs/1/source)" "$(git -C app.git rev-parse claude/first)"
	is "$(git -C app.git rev-parse refs/flowforge/jobs/1/result)" "$(git -C app.git rev-parse claude-results/first-1)"
'

test_expect 'pushers see no refs of ours and cannot write them' '
	git -C app push --dry-run --porcelain origin main 2>&1
	unlike "$(GIT_TRACE_PACKET=1 git -C app push --dry-run origin main 2>&1)" "refs/flowforge"
	must_fail git -C app push origin main:refs/flowforge/jobs/9/source
	must_fail git -C app push origin main:claude-results/first-2
	must_fail git -C app push --force origin main:claude-results/first-1
'

test_expect 'show, list, log and diff tell about it' '
	like "$(ff show 1)" "say what this is"
	ff show 1 --json >out
	is "$(json result_branch <out)" claude-results/first-1
	is "$(ff list --json | json items.0.number)" 1
	like "$(ff log 1)" "Done\."
	ff diff 1 >patch
	git -C app apply --check "$T/patch"
	status_is 3 ff show 99
	status_is 3 ff log 99
'

test_expect 'the person who fetches the result gets it' '
	git -C app fetch -q origin claude-results/first-1
	is "$(git -C app show FETCH_HEAD:ABOUT)" "about this"
'

test_expect 'a push of the result starts no job, unless it says so' '
	cd app
	git push origin FETCH_HEAD:refs/heads/claude/first >out 2>&1
	like "$(cat out)" "^remote: hint:"
	is "$(job_count)" 1
	git push -o claude="go on" origin FETCH_HEAD:refs/heads/claude/more >out 2>&1
	is "$(pushed_job "$(cat out)")" 2
	wait_job 2 completed
'

test_expect 'there and back again are three jobs' '
	cd app
	git commit -q --allow-empty -m A
	git push -q -f -o claude=one origin HEAD:claude/swing
	git commit -q --allow-empty -m B
	git push -q -f -o claude=two origin HEAD:claude/swing
	git push -q -f -o claude=three origin HEAD^:claude/swing
	is "$(job_count)" 5
'

test_expect 'the task comes from a trailer, or a file of the target branch' '
	cd app
	git checkout -q main
	mkdir -p .flowforge/tasks
	echo "refresh the docs" >.flowforge/tasks/refresh.md
	commit_all "a task file" 5
	git push -q origin main
	git push origin main:claude/refresh/july >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_job "$job" completed
	like "$(ff show "$job" --json | json task)" "refresh the docs"
	git checkout -q -b trailer
	git commit -q --allow-empty -m "Work" --trailer "Claude-Task: by trailer"
	git push origin trailer:claude/trailer >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_job "$job" completed
	is "$(ff show "$job" --json | json task)" "by trailer"
'

test_expect 'a wrong option refuses the push with the reason' '
	cd app
	must_fail git push -o claude.priority=urgent -o claude=x origin main:claude/wrong >out 2>&1
	like "$(cat out)" "^remote: error:.*priority"
	must_fail git -C ../app.git rev-parse -q --verify claude/wrong
'

test_expect 'the key is nowhere but in its file' '
	found=$(grep -rlF test-key-never-shown "$T" --exclude=key --exclude=.out --exclude-dir=bin || :)
	is "$found" ""
'

test_expect 'the daemon ends when told to, with its children' '
	pid=$(process_pid daemon)
	stop_daemon
	is "$(ps -o pid= --ppid "$pid")" ""
	like "$(cat daemon.log)" "."
'

test_done
