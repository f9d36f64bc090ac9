#!/bin/sh
# SPDX-License-Identifier: MIT
# A job whose commits conflict with its target: what the ladder solves, what it leaves, and what is told of both.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo new >NEW'
start_model "$T/scenario.json"
write_config resolve.rungs=1,3
printf '[branch "claude/alone*"]\n\trungs = none\n[branch "claude/first*"]\n\trungs = 1\n' >>"$T/flowforge.conf"
start_daemon
make_hooked_repo app

# Around one line of our choice.
text() { seq 1 5; printf '%s\n' "$1"; seq 6 10; }
write() { text "$1" >app/src/call.txt; }
(cd app && text 'call(red, at, big)' >src/call.txt && printf 'one\ntwo\nthree\n' >src/both.txt && commit_all calls 4 && git push -q origin main)
git -C app branch base

# main: the target, with the call in blue.
git -C app checkout -q main
write 'call(blue, at, big)'
(cd app && commit_all blue 5 && git push -q origin main)

# A branch from where main was, with these commands as a commit each, and a job for it.
job_of() { # NAME COMMANDS...
	name=$1
	shift
	git -C app checkout -q -B "$name" base
	for commands; do (cd app && eval "$commands" && GIT_AUTHOR_NAME=Zoe GIT_AUTHOR_EMAIL=zoe@example.org commit_all "$commands" 6); done
	git -C app push -q -o claude=work origin "$name:refs/heads/claude/$name" 2>said
	job=$(pushed_job "$(cat said)")
	echo "$job" >"job.$name"
}
result() { # PATH
	git -C app.git show "claude-results/$name-$job:$1"
}

test_expect 'edits of one line in two places: solved, proved and published, by the author of the commit' '
	job_of easy "text \"call(red, at, small)\" >src/call.txt"
	wait_job "$job" completed
	is "$(result src/call.txt)" "$(text "call(blue, at, small)")"
	is "$(result NEW)" new
	is "$(git -C app.git log --format=%an "main..claude-results/easy-$job" | tail -n 1)" Zoe
	is "$(git -C app.git rev-list --count "main..claude-results/easy-$job")" 2
	must_fail git -C app.git rev-parse -q --verify "claude-conflicts/easy-$job"
	git -C app.git fsck --strict
'

test_expect 'what each rung did is kept with the job: in show, its JSON, the log and the note' '
	job=$(cat job.easy)
	ff show "$job" >out
	like "$(cat out)" "src/call.txt: proved"
	like "$(cat out)" "line 6: trivial: passed, "
	like "$(cat out)" "line 6: structured: solved .line-tokens., "
	like "$(cat out)" "git.conflict.resolved.*by the ladder, and proved.*src/call.txt"
	ff show "$job" --json >out
	is "$(json resolutions.0.verdict <out) $(json resolutions.0.path <out)" "proved src/call.txt"
	is "$(json resolutions.0.tries.1.rung <out) $(json resolutions.0.tries.1.outcome <out)" "3 solved"
	is "$(json resolutions.0.tries.1.cost_microusd <out)" 0
	[ "$(json resolutions.0.tries.1.time_us <out)" -ge 0 ]
	is "$(json resolutions.0.reasons <out)" 0
	like "$(ff log "$job")" "proved: each commit does what it did before"
	like "$(git -C app.git notes --ref=refs/notes/flowforge show "claude/easy")" "^Resolution: src/call.txt line 6: structured .line-tokens., proved"
'

test_expect 'one conflict behind the other: the rebase goes on from the same place' '
	job_of series "text \"call(red, at, small)\" >src/call.txt" "echo x >X" "text \"call(red, at, tiny)\" >src/call.txt"
	wait_job "$job" completed
	is "$(result src/call.txt)" "$(text "call(blue, at, tiny)")"
	is "$(git -C app.git rev-list --count "main..claude-results/series-$job")" 4
	is "$(git -C app.git show "claude-results/series-$job~3:src/call.txt" | sed -n 6p)" "call(blue, at, small)"
	is "$(ff show "$job" --json | json resolutions)" 2
'

test_expect 'what stays open goes to a person, with what was tried and without what was solved' '
	git -C app checkout -q main
	(cd app && printf "one\ntwo of main\nthree\n" >src/both.txt && commit_all both 7 && git push -q origin main)
	job_of open "text \"call(red, at, small)\" >src/call.txt && printf \"one\ntwo of open\nthree\n\" >src/both.txt"
	wait_job "$job" conflicted
	branch=claude-conflicts/open-$job
	is "$(git -C app.git show "$branch:src/call.txt")" "$(text "call(blue, at, small)")"
	git -C app.git show "$branch:src/both.txt" >both
	is "$(cat both)" "one
<<<<<<< target
two of main
=======
two of open
>>>>>>> change
three"
	git -C app.git log -1 --format=%B "$branch" >message
	like "$(cat message)" "src/both.txt: open"
	like "$(cat message)" "line 2: trivial passed, structured passed"
	like "$(cat message)" "src/call.txt: proved"
	like "$(ff show "$job")" "src/both.txt: open"
	git -C app fetch -q origin "$branch"
	git -C app checkout -q FETCH_HEAD
	(cd app && printf "one\ntwo of both\nthree\n" >src/both.txt && git commit -qam answer && push origin "HEAD:$branch")
	wait_job "$job" completed
	is "$(result src/both.txt)" "one
two of both
three"
	is "$(result src/call.txt)" "$(text "call(blue, at, small)")"
'

test_expect 'behind a person, the ladder goes on' '
	job_of behind "printf \"one\ntwo of behind\nthree\n\" >src/both.txt" "text \"call(red, at, small)\" >src/call.txt"
	wait_job "$job" conflicted
	branch=claude-conflicts/behind-$job
	git -C app fetch -q origin "$branch"
	git -C app checkout -q FETCH_HEAD
	(cd app && printf "one\ntwo of all\nthree\n" >src/both.txt && git commit -qam answer && push origin "HEAD:$branch")
	wait_job "$job" completed
	is "$(result src/both.txt)" "one
two of all
three"
	is "$(result src/call.txt)" "$(text "call(blue, at, small)")"
'

test_expect 'what is not proved as a whole is not published, although each commit is: the first conflict is shown' '
	git -C app checkout -q main
	(cd app && seq 1 9 >src/list.txt && commit_all list 8 && git push -q origin main)
	git -C app checkout -q base
	job_of whole "text \"call(red, at, small)\" >src/call.txt && seq 1 9 >src/list.txt" "git checkout -q base src/list.txt"
	wait_job "$job" conflicted
	ff show "$job" >out
	like "$(cat out)" "all commits: refused"
	like "$(cat out)" "src/list.txt: has no conflict, and is not what the clean merge has"
	like "$(ff log "$job")" "not proved, so nothing of it is taken"
	like "$(git -C app.git show "claude-conflicts/whole-$job:src/call.txt")" "^<<<<<<< target"
'

test_expect 'a branch may do without rungs, or with some of them' '
	job_of alone "text \"call(red, at, small)\" >src/call.txt"
	wait_job "$job" conflicted
	is "$(ff show "$job" --json | json resolutions)" 0
	job_of first "text \"call(red, at, small)\" >src/call.txt"
	wait_job "$job" conflicted
	is "$(ff show "$job" --json | json resolutions.0.tries)" 1
	is "$(ff show "$job" --json | json resolutions.0.tries.0.rung)" 1
	printf "[branch \"x\"]\n\trungs = 7\n" >bad.conf
	must_fail flowforged --config bad.conf --check-config 2>err
	like "$(cat err)" "numbers of rungs"
'

test_expect 'target and change are what they are called, and are called nothing else' '
	job=$(cat job.first) alone=claude-conflicts/alone-$(cat job.alone)
	for n in $(seq 1 "$job"); do ff show "$n"; ff show "$n" --json; ff log "$n"; done >all
	git -C app.git log --format=%B --branches="claude-conflicts/*" >>all
	git -C app.git log -p refs/notes/flowforge >>all
	git -C app.git show "$alone:src/call.txt" >>all
	unlike "$(cat all)" "(^|[^a-z])(ours|theirs)([^a-z]|\$)"
	is "$(git -C app.git show "$alone:src/call.txt" | sed -n "/^<<<<<<< target/,/^=/p" | sed -n 2p)" "call(blue, at, big)"
'

test_done
