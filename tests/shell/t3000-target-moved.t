#!/bin/sh
# SPDX-License-Identifier: MIT
# What comes of a job whose target went on while it worked.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo more >>src/list.txt; echo new >NEW' wait:go true
start_model "$T/scenario.json"
start_daemon server.workers=4
make_hooked_repo app

# Pushes a job and waits until its agent has changed the files.
begin() { # BRANCH
	rm -f "$T/go" "$T/go.reached"
	git -C app push -o claude=work origin "main:claude/$1" >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until '[ -e go.reached ]' 60
}

test_expect 'the result comes on top of the target as it is then' '
	begin clean
	(cd app && sed -i "s/^line 3$/line three/" src/list.txt && commit_all "three" 5 && git push -q origin main)
	touch go
	wait_job "$job" completed
	is "$(git -C app.git rev-list --count "main..claude-results/clean-$job")" 1
	git -C app.git merge-base --is-ancestor main "claude-results/clean-$job"
	list=$(git -C app.git show "claude-results/clean-$job:src/list.txt")
	like "$list" "^line three$"
	like "$list" "^more$"
'

test_expect 'a change on both sides is a conflict: kept, shown, and named' '
	begin clash
	(cd app && echo other >>src/list.txt && commit_all "clash" 6 && git push -q origin main)
	touch go
	wait_job "$job" conflicted
	must_fail git -C app.git rev-parse -q --verify "refs/heads/claude-results/clash-$job"
	is "$(git -C app.git show "claude-conflicts/clash-$job:NEW")" new
	like "$(ff show "$job")" "src/list.txt"
	status_is 1 ff watch "$job"
'

test_expect 'nobody else has had a branch moved' '
	is "$(git -C app.git rev-parse main)" "$(git -C app rev-parse main)"
'

test_expect 'a job that changes nothing completes without a result branch' '
	stop_model
	stop_daemon
	write_scenario "true"
	start_model "$T/scenario.json"
	start_daemon server.workers=4
	git -C app push -o claude=nothing origin main:claude/nothing >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_job "$job" completed
	is "$(git -C app.git for-each-ref "refs/heads/claude-results/nothing-*")" ""
'

test_done
