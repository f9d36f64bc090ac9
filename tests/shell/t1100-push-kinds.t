#!/bin/sh
# SPDX-License-Identifier: MIT
# Every kind of push, over a path and over ssh: which start a job, which do
# not, and what the pusher gets to read.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario # says "Done." and does nothing
start_model "$T/scenario.json"

# New keys for the daemon: they are read when it starts.
reconfigure() { # KEY=VALUE...
	stop_daemon
	start_daemon "$@"
}

# A push of what is there already.  git sends the options all the same, to a
# server that has seen that there is nothing to do and may be gone: then git
# ends by SIGPIPE.
push_nothing() { # ARGUMENT...
	push "$@" || is "$push_rc" 141
}

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

test_expect 'daemon, hooks and sshd are set up' '
	start_daemon
	make_hooked_repo app
	start_sshd
	git -C app remote add file "file://$T/app.git"
	git -C app remote add ssh "ssh://git$T/app.git"
	is "$(job_count)" 0
'

remotes="file ssh"
reason=$(no_ssh)
[ ! "$reason" ] || { remotes=file && test_skip "ssh: all of it" "$reason"; }

for remote in $remotes; do
	export remote
	test_expect "$remote: a new branch with a task is one job" '
		cd app
		push -o claude=one $remote HEAD:refs/heads/claude/new-$remote
		job=$(said_job)
		like "$(cat ../said)" "^success: job $job queued \(task from push option, target main\)$"
		like "$(cat ../said)" "^hint: follow it: flowforge watch $job$"
		is "$(field $job branch)" claude/new-$remote
		is "$(field $job task)" one
		is "$(field $job source_oid)" "$(git rev-parse HEAD)"
		is "$(field $job pusher)" "$(id -un)"
	'

	test_expect "$remote: deleting it is none" '
		cd app
		n=$(job_count)
		push $remote :claude/new-$remote
		is "$(cat ../said)" ""
		push -o ci.skip $remote :refs/heads/claude/new-$remote || :
		is "$(job_count)" "$n"
	'

	test_expect "$remote: a forced push is one" '
		cd app
		push -o claude=one $remote HEAD:refs/heads/claude/forced-$remote
		push -f -o claude=two $remote HEAD^:refs/heads/claude/forced-$remote
		is "$(field "$(said_job)" source_oid)" "$(git rev-parse HEAD^)"
	'

	test_expect "$remote: there, back and there again are three" '
		cd app
		push -o claude=x $remote HEAD^:refs/heads/claude/swing-$remote
		n=$(job_count)
		for to in HEAD HEAD^ HEAD; do
			push -f -o claude=x $remote $to:refs/heads/claude/swing-$remote
			[ "$(said_job)" ]
		done
		is "$(job_count)" $((n + 3))
		push_nothing -o claude=x $remote HEAD:refs/heads/claude/swing-$remote
		is "$(cat ../said)" ""
		is "$(job_count)" $((n + 3))
	'

	test_expect "$remote: several branches in one push are one each" '
		cd app
		n=$(job_count)
		push -o claude=many $remote HEAD:refs/heads/claude/a-$remote HEAD^:refs/heads/claude/b-$remote HEAD:refs/heads/other-$remote
		is "$(job_count)" $((n + 3))
		is "$(grep -c "^success: job" ../said)" 3
		n=$(job_count)
		push -o claude=many $remote HEAD:refs/heads/claude/c-$remote HEAD:refs/heads/claude/d-$remote HEAD:refs/heads/claude/e-$remote \
			HEAD:refs/heads/claude/f-$remote HEAD:refs/heads/claude/g-$remote :refs/heads/claude/a-$remote
		is "$(job_count)" $((n + 5))
		for b in c d e f g; do
			is "$(ff list --json --branch claude/$b-$remote | json items)" 1
		done
		is "$(grep -c "^success: job" ../said)" 5
		n=$(job_count)
		push -f -o claude=many $remote HEAD^:refs/heads/claude/b-$remote HEAD^:refs/heads/claude/c-$remote \
			HEAD^:refs/heads/claude/d-$remote HEAD^:refs/heads/claude/e-$remote HEAD^:refs/heads/claude/f-$remote \
			HEAD:refs/heads/claude/h-$remote HEAD:refs/heads/claude/i-$remote HEAD:refs/heads/claude/j-$remote
		is "$(job_count)" $((n + 7))
		is "$(grep -c "^success: job" ../said)" 5
		like "$(tail -n 1 ../said)" "^hint: this is not all: flowforge list"
	'

	test_expect "$remote: tags start none; with an option there is a hint" '
		cd app
		n=$(job_count)
		git tag -f v1-$remote
		git tag -f -m two claude/v2-$remote
		push $remote v1-$remote refs/tags/claude/v2-$remote
		is "$(cat ../said)" ""
		git tag -f v3-$remote
		push -o claude=x $remote v3-$remote
		like "$(cat ../said)" "^hint: no job"
		is "$(job_count)" "$n"
	'

	test_expect "$remote: claude.skip is for a push that is nothing but a push" '
		cd app
		n=$(job_count)
		push -o claude.skip $remote HEAD:refs/heads/claude/skip-$remote
		is "$(cat ../said)" ""
		push -f -o claude.skip=true -o claude=x $remote HEAD^:refs/heads/claude/skip-$remote
		is "$(cat ../said)" ""
		is "$(job_count)" "$n"
		push -o claude.skip=false -o claude=x $remote HEAD:refs/heads/claude/skip-$remote
		is "$(job_count)" $((n + 1))
	'

	test_expect "$remote: an unknown key is warned of, keys of others are left alone" '
		cd app
		push -o claude.colour=red -o claude=x -o ci.variable=claude.task -o claudette=y $remote HEAD:refs/heads/claude/warn-$remote
		is "$(grep -c "^warning:" ../said)" 1
		like "$(cat ../said)" "^warning: .*claude\.colour.*ignored"
		is "$(field "$(said_job)" task)" x
		push -o merge_request.create $remote HEAD:refs/heads/plain-$remote
		is "$(cat ../said)" ""
	'

	test_expect "$remote: nothing said anywhere is one hint and no job" '
		cd app
		n=$(job_count)
		push $remote HEAD:refs/heads/claude/quiet-$remote
		is "$(wc -l <../said)" 1
		like "$(cat ../said)" "^hint: no task.*git push -o claude="
		is "$(job_count)" "$n"
		push $remote HEAD:refs/heads/quiet-$remote
		is "$(cat ../said)" ""
		push -o claude $remote HEAD:refs/heads/claude/bare-$remote
		like "$(cat ../said)" "^hint: no task"
		is "$(job_count)" "$n"
	'

	test_expect "$remote: a task in several options keeps its lines" '
		cd app
		push -o claude.task="first line" -o claude.task="  second, äöü €" $remote HEAD:refs/heads/claude/lines-$remote
		is "$(field "$(said_job)" task)" "$(printf "first line\n  second, äöü €")"
	'
done

test_expect 'who pushed: the first variable that says so' '
	cd app
	i=0
	for v in GL_USERNAME GITEA_PUSHER_NAME GITHUB_USER_LOGIN GL_USER REMOTE_USER; do
		i=$((i + 1))
		env $v=by-$v git push -o claude=x file HEAD:refs/heads/claude/who-$v >../pushed 2>&1
		is "$(field "$(pushed_job "$(cat ../pushed)")" pusher)" by-$v
	done
	GL_USERNAME=first GL_USER=second REMOTE_USER=third push -o claude=x file HEAD:refs/heads/claude/who-first
	is "$(field "$(said_job)" pusher)" first
	GL_USER= REMOTE_USER=third push -o claude=x file HEAD:refs/heads/claude/who-empty
	is "$(field "$(said_job)" pusher)" third
	REMOTE_USER=$(printf "jos\351 \033[31m") push -o claude=x file HEAD:refs/heads/claude/who-odd
	unlike "$(ff show "$(said_job)")" "$(printf "\033")"
'

test_expect 'the tip of a result is left alone, unless an option asks' '
	write_scenario "echo made >made"
	stop_daemon
	stop_model
	start_model scenario.json
	reconfigure agent.max-turns=9
	cd app
	push -o claude=make file HEAD:refs/heads/claude/result
	job=$(said_job)
	wait_job $job completed
	git fetch -q file claude-results/result-$job
	n=$(job_count)
	push file FETCH_HEAD:refs/heads/claude/result
	like "$(cat ../said)" "^hint: this commit is a result already"
	is "$(job_count)" "$n"
	push -o claude="go on" file FETCH_HEAD:refs/heads/claude/result-two
	is "$(job_count)" $((n + 1))
'

test_expect 'trigger.options = false: options start nothing on other branches' '
	reconfigure trigger.options=false
	cd app
	n=$(job_count)
	push -o claude=x file HEAD:refs/heads/elsewhere
	like "$(cat ../said)" "^hint: .*"
	is "$(job_count)" "$n"
	push -o claude=x file HEAD:refs/heads/claude/elsewhere
	is "$(job_count)" $((n + 1))
'

test_expect 'trigger.ignore-pusher: their pushes are none of our business' '
	reconfigure trigger.ignore-pusher=mirror hook.pusher-variable=WHO
	cd app
	n=$(job_count)
	GL_USER=mirror push -o claude=x file HEAD:refs/heads/claude/mirrored
	is "$(cat ../said)" ""
	WHO=mirror push -o claude=x file HEAD^:refs/heads/claude/mirrored-too
	is "$(cat ../said)" ""
	is "$(job_count)" "$n"
	WHO=mirror GL_USER=person push -o claude=x file HEAD:refs/heads/claude/not-mirrored
	is "$(field "$(said_job)" pusher)" person
'

test_expect 'names and words that are not UTF-8' '
	cd app
	name=$(printf "caf\351")
	git -c user.name="$(printf "Jos\351")" -c i18n.commitEncoding=ISO-8859-1 commit -q --allow-empty -m "$(printf "na\357ve \377")"
	push -o claude="make it" file "HEAD:refs/heads/claude/$name"
	job=$(said_job)
	wait_job "$job" completed
	like "$(ff show "$job" --json | json branch.b64)" "^[A-Za-z0-9+/=]+$"
	git -C ../app.git rev-parse -q --verify "refs/heads/claude-results/$name-$job"
	is "$(git -C ../app.git log -1 --format=%P "refs/heads/claude-results/$name-$job")" "$(git rev-parse HEAD)"
	is "$(git -C ../app.git rev-parse "refs/flowforge/jobs/$job/source")" "$(git rev-parse HEAD)"
	like "$(ff list)" "caf"
	is "$(ff list --json --branch "claude/$name" | json items.0.number)" "$job"
	push -o "claude=$(printf "caf\351")" file HEAD:refs/heads/claude/task-bytes
	like "$(cat ../said)" "^error: job [0-9]+ failed: .*UTF-8"
'

test_expect 'a task trailer that is not UTF-8 fails with the reason' '
	cd app
	printf "Work\n\nClaude-Task: caf\351\n" | git -c i18n.commitEncoding=ISO-8859-1 commit -q --allow-empty -F -
	push file HEAD:refs/heads/claude/trailer-bytes
	like "$(cat ../said)" "^error: job [0-9]+ failed: .*UTF-8"
	git reset -q --hard HEAD^
'

test_expect 'a long branch name, a long target and a long URL still fit' '
	reconfigure server.url=https://flow.example.org/a/rather/long/path/to/the/page/of/this/server/of/ours
	cd app
	long=$(printf "%0120d" 7)
	push file HEAD:refs/heads/t/$long
	push -o claude=x -o claude.target=t/$long file HEAD:refs/heads/claude/$long
	like "$(cat ../said)" "^success: job [0-9]+ queued"
	push -o claude=x -o claude.target=$long file HEAD:refs/heads/claude/missing
	like "$(cat ../said)" "^error: job [0-9]+ failed: the target branch"
'

test_expect 'the daemon is away: the push is kept, and its job starts with it' '
	n=$(job_count)
	stop_daemon
	cd app
	push -o claude="kept for later" file HEAD:refs/heads/claude/away
	like "$(cat ../said)" "^warning: flowforge is not answering; this push is kept"
	push -o claude.skip file HEAD:refs/heads/claude/away-skip
	push file HEAD:away-plain
	is "$(cat ../said)" ""
	cd ..
	start_daemon
	wait_until "[ \"\$(job_count)\" = $((n + 1)) ]"
	job=$(ff list --json -n 1 | json items.0.number)
	is "$(field "$job" task)" "kept for later"
	wait_job "$job" completed
	is "$(job_count)" $((n + 1))
'

test_done
