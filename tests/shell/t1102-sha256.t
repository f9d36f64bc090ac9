#!/bin/sh
# SPDX-License-Identifier: MIT
# Repositories with SHA-256 object names: refused with the reason, wherever
# they turn up.
. "$top_srcdir/tests/lib/test-lib.sh"

git init -q --bare --object-format=sha256 "$T/new.git" 2>/dev/null || skip_all 'this git has no SHA-256'
git init -q --object-format=sha256 "$T/new"
(cd "$T/new" && git remote add origin "$T/new.git" && echo a >a && commit_all one 1 && git push -q origin main)

write_scenario 'true'
start_model "$T/scenario.json"

test_expect 'hooks install refuses, and changes nothing' '
	start_daemon
	find new.git -type f | sort | xargs sha256sum >before
	must_fail ff hooks install new.git 2>err
	like "$(cat err)" "sha256 object names.*nothing was changed"
	find new.git -type f | sort | xargs sha256sum >after
	cmp before after
	make_hooked_repo app
	must_fail ff hooks install new.git app.git 2>/dev/null
'

test_expect 'hooks made by hand: the push is taken, its job fails with the reason' '
	cp -P app.git/hooks/pre-receive app.git/hooks/post-receive new.git/hooks/
	cp -R app.git/flowforge new.git/
	git -C new.git config receive.advertisePushOptions true
	cd new
	push -o claude=x origin HEAD:refs/heads/claude/x
	like "$(tr "\n" " " <../said)" "^error: job 1 failed: .*(SHA-256|sha256)"
	is "$(job_state 1)" failed
	is "$(ff show 1 --json | json source_oid)" "$(git rev-parse HEAD)"
	git -C ../new.git rev-parse -q --verify refs/heads/claude/x
	[ ! -s ../model.log ]
	push -o claude=x -o claude.retries=3 origin HEAD:refs/heads/claude/y
	is "$(job_state 2)" failed
'

test_expect 'submit and diff say the same; the daemon goes on' '
	must_fail ff submit new.git main -m x 2>err
	like "$(cat err)" "SHA-256|sha256"
	must_fail ff diff 1
	must_fail ff retry 1
	(cd app && push -o claude=x origin HEAD:refs/heads/claude/fine && wait_job "$(said_job)" completed)
	stop_daemon
	start_daemon
	is "$(job_state 1)" failed
'

test_done
