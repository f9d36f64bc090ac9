#!/bin/sh
# SPDX-License-Identifier: MIT
# What a reviewer would miss in a result is listed with it; a result that
# changes protected paths is held until somebody lets it through.
. "$top_srcdir/tests/lib/test-lib.sh"

# The model plays the command of the task's name: play NAME=COMMAND...
plays() {
	perl -MJSON::PP -e 'my @rules;
		for (@ARGV) {
			my ($name, $command) = split /=/, $_, 2;
			my %task = (first_user => "play:$name\\b");
			push @rules, { match => { %task, min_messages => 3 }, sequence => [{ text => "Played $name." }], then => "loop" },
				{ match => { %task }, sequence => [{ tool_use => { name => "bash", input => { command => $command } } }], then => "loop" };
		}
		print encode_json({ rules => \@rules })' -- "$@" >"$T/scenario.json"
	start_model "$T/scenario.json"
}

play() { # NAME STATE [BRANCH]
	(cd "$T/app" && push -f -o claude="play:$1" origin "main:refs/heads/claude/${3:-$1}")
	job=$(cd "$T/app" && said_job)
	wait_job "$job" "$2"
}

server() { # GIT ARGUMENT...
	git -C "$T/app.git" "$@"
}

plays 'ci=mkdir -p .github/workflows; echo evil >.github/workflows/ci.yml; echo fine >fine' \
	'again=mkdir -p .github/workflows; echo evil >.github/workflows/ci.yml; echo again >fine' \
	'reject=mkdir .claude; echo x >.claude/settings.json' \
	'expire=echo x >Jenkinsfile' \
	'look=printf "a\342\200\256b\n" >src/trick.c; chmod +x README.md; ln -s src s; echo x >AGENTS.md' \
	'own=mkdir deploy; echo x >deploy/prod' \
	'fine=echo fine >fine'

test_expect 'what a reader would miss is listed with the result, by show, log and note' '
	start_daemon
	make_hooked_repo app
	play look completed
	ff show $job >shown
	like "$(cat shown)" "git.result.reviewed .*hidden characters in an added line  src/trick.c:1"
	like "$(cat shown)" "git.result.reviewed .*executable now  README.md"
	like "$(cat shown)" "git.result.reviewed .*is a link now  s"
	like "$(cat shown)" "git.result.reviewed .*obeyed by other programs  AGENTS.md"
	like "$(ff log $job)" "look at: src/trick.c:1 has hidden characters"
	like "$(server notes --ref=refs/notes/flowforge show main)" "^Look-at: src/trick.c:1 has hidden characters in an added line"
	play fine completed
	unlike "$(ff show $job)" "git.result.reviewed"
'

test_expect 'a result that changes a protected path is held: no branch, but all that is needed to decide' '
	play ci held
	echo $job >ci.job
	is "$(server for-each-ref "refs/heads/claude-results/ci-$job")" ""
	like "$(ff show $job)" "held: it changes protected paths: .github/workflows/ci.yml; see flowforge diff $job, then flowforge approve $job or reject $job"
	like "$(ff show $job)" "job.held .*protected paths.*\.github/workflows/ci.yml"
	like "$(ff list)" "held .*protected paths"
	like "$(ff list --state=held)" "claude/ci"
	like "$(ff diff $job)" "^\+evil"
	is "$(server show refs/flowforge/jobs/$job/result:.github/workflows/ci.yml)" evil
	like "$(server notes --ref=refs/notes/flowforge show main)" "^Held: it changes protected paths"
	wait_until "[ ! -e \"$T/state/jobs/$job\" ] || [ ! -e state/jobs/$job/ws ]"
'

test_expect 'it stays held over a restart, and holds up no later job of its branch' '
	job=$(cat ci.job)
	stop_daemon
	start_daemon
	is "$(job_state $job)" held
	(cd app && git commit -q --allow-empty -m next && push -f -o claude="play:fine" origin HEAD:refs/heads/claude/ci)
	wait_job "$(cd app && said_job)" completed
	is "$(job_state $job)" held
'

test_expect 'over ssh only those may approve whom the server or the repository names' '
	job=$(cat ci.job)
	status_is 4 ff shell flowforge approve $job 2>err
	like "$(cat err)" "only people with a name"
	GL_USER=mallory; export GL_USER
	status_is 4 ff shell flowforge approve $job 2>err
	like "$(cat err)" "review.approvers and the repository.s flowforge.approvers"
	server config flowforge.approvers "bob, mallory2 ada"
	status_is 4 ff shell flowforge approve $job 2>err
	is "$(job_state $job)" held
	GL_USER=ada ff shell flowforge approve $job
	wait_job $job completed
'

test_expect 'approved, it is published: rebased on the target as it is by then' '
	job=$(cat ci.job)
	is "$(server show claude-results/ci-$job:.github/workflows/ci.yml)" evil
	like "$(ff show $job)" "job.approved .*approved by ada"
	like "$(ff admin audit)" "ada.*approve"
	like "$(server notes --ref=refs/notes/flowforge show main)" "^Result: claude-results/ci-$job"
	status_is 1 ff approve $job 2>err
	like "$(cat err)" "job $job is completed: only a held one"
'

test_expect 'an approval is of one job: the next one like it is held again' '
	play again held
	ff approve $job -m "seen it"
	wait_job $job completed
	like "$(ff show $job)" "approved by an administrator: seen it"
'

test_expect 'rejected, it ends with nothing published' '
	play reject held
	ff reject $job -m "not like this"
	is "$(job_state $job)" cancelled
	like "$(ff show $job)" "rejected by an administrator: not like this"
	is "$(server for-each-ref "refs/heads/claude-results/reject-$job")" ""
	like "$(ff admin audit)" "reject"
	status_is 1 ff reject $job 2>err
	play expire held
	ff cancel $job
	is "$(job_state $job)" cancelled
	is "$(server for-each-ref "refs/heads/claude-results/expire-$job")" ""
'

test_expect 'nobody came: it expires' '
	stop_daemon
	start_daemon review.hold-time=1s
	play expire expired late
	like "$(ff show $job)" "nobody approved or rejected it within review.hold-time"
	is "$(server for-each-ref "refs/heads/claude-results/late-$job")" ""
'

test_expect 'which paths are protected is the configuration to say' '
	stop_daemon
	start_daemon "review.protect=DEPLOY/*"
	play own held own-1
	play ci completed ci-1
	stop_daemon
	start_daemon review.protect=
	play own completed own-2
'

test_done
