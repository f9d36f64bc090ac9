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

# Commits on COMMIT, in one line or beside each other, each with its number in FILE; their names.
many() { # line|beside N COMMIT FILE
	perl -e 'my ($how, $n, $from, $file) = @ARGV;
		for (1 .. $n) {
			print "commit refs/many/", $how eq "line" ? 0 : $_, "\nmark :$_\ncommitter n <e> 1714565100 +0000\ndata 1\nm\n";
			print "from $from\n" if $how ne "line" || $_ == 1;
			print "M 644 inline $file\ndata ", length, "\n$_\n";
		}' "$@" | git -C app.git fast-import --quiet --export-marks="$T/marks"
	sort -t: -k2n marks | cut -d" " -f2
}

# A series so long that the target moves many times while it is applied.
test_expect 'a target that does not stand still: rebased again, then published as it is, and said so' '
	main=$(git -C app.git rev-parse main)
	many beside 500 "$main" moved >targets
	tip=$(many line 1500 "$main" long | tail -n 1)
	git -C app fetch -q origin refs/many/0:refs/heads/long
	is "$(git -C app rev-parse long)" "$tip"
	git config -f flowforge.conf rebase.target-tries 2
	kill -HUP "$(process_pid daemon)"
	wait_until "grep -q \"core.reloaded\" daemon.log"
	rm -f "$T/go" "$T/go.reached"
	git -C app push -o claude=work origin "long:refs/heads/claude/moving" >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]" 60
	touch moving
	(while read -r next && [ -e moving ]; do git -C app.git update-ref refs/heads/main "$next"; done <targets) &
	touch go
	wait_job "$job" completed
	rm moving
	wait
	like "$(ff log "$job")" "main moved to [0-9a-f]{12} meanwhile: rebased again"
	like "$(ff show "$job")" "main moved 3 times while the result was rebased: it lies on [0-9a-f]{12}"
	is "$(git -C app.git show "claude-results/moving-$job:NEW")" new
	is "$(git -C app.git rev-list --count "$main..claude-results/moving-$job")" 1502
	git -C app.git update-ref refs/heads/main "$(git -C app rev-parse main)"
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
