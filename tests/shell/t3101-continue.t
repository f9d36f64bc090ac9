#!/bin/sh
# SPDX-License-Identifier: MIT
# A result that conflicts with its target, and how a person goes on from there.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo more >>src/list.txt; echo new >NEW' wait:go true
start_model "$T/scenario.json"
start_daemon server.workers=4
make_hooked_repo app

# A job for the branch as it is pushed, whose target moves by a line at the end of the list meanwhile: conflicted.
clash() { # BRANCH [COMMIT-ISH]
	rm -f "$T/go" "$T/go.reached"
	git -C app push -o claude=work origin "${2:-main}:refs/heads/claude/$1" >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until '[ -e go.reached ]' 60
	(cd app && git checkout -q main && echo "target of $1" >>src/list.txt && commit_all "target of $1" 6 && git push -q origin main)
	touch go
	wait_job "$job" conflicted
	branch=claude-conflicts/$1-$job
}

# A clone at the branch of conflicts.
checkout_conflict() { # BRANCH
	git -C app fetch -q origin "$1"
	git -C app checkout -q FETCH_HEAD
}

# Takes the markers out of a file, which keeps the lines of both sides.
solve() { # FILE
	sed -i '/^<<<<<<< /d; /^=======$/d; /^>>>>>>> /d; /^||||||| /d' "app/$1"
}

test_expect 'the branch of conflicts holds what could be merged, on top of the target' '
	clash one
	checkout_conflict "$branch"
	is "$(git -C app rev-parse FETCH_HEAD~1)" "$(git -C app.git rev-parse main)"
	is "$(cat app/NEW)" new
	like "$(cat app/src/list.txt)" "^<<<<<<< target"
	like "$(cat app/src/list.txt)" "^>>>>>>> change"
	like "$(git -C app log -1 --format=%B)" "git push origin HEAD:$branch"
	like "$(ff show "$job")" "push what it must be to $branch"
	is "$(git -C app.git show "refs/flowforge/jobs/$job/result:src/list.txt" | tail -n 1)" more
	git -C app.git fsck --strict
'

test_expect 'what still has markers is no answer: it stays conflicted and says where' '
	job=1 branch=claude-conflicts/one-1
	(cd app && git commit -q --allow-empty -m "nothing done" && push origin "HEAD:$branch")
	like "$(cat said)" "success: job 1 goes on with what you pushed"
	wait_until "ff show 1 | grep -q \"still has conflict markers\""
	is "$(job_state 1)" conflicted
	like "$(ff show 1)" "src/list.txt still has conflict markers: push it without them to $branch"
	is "$(git -C app.git rev-parse "$branch")" "$(git -C app rev-parse HEAD)"
'

test_expect 'the answer is pushed: the result is published, by the author of the commit' '
	job=1 branch=claude-conflicts/one-1
	solve src/list.txt
	(cd app && git commit -qam "solved" && push origin "HEAD:$branch")
	wait_job 1 completed
	is "$(git -C app.git rev-list --count main..claude-results/one-1)" 1
	is "$(git -C app.git show claude-results/one-1:src/list.txt | tail -n 2)" "target of one
more"
	is "$(git -C app.git log -1 --format="%an %cn" claude-results/one-1)" "FlowForge FlowForge"
	like "$(git -C app.git log -1 --format=%B claude-results/one-1)" "^Flowforge-Job: 1"
	like "$(ff show 1)" "git.conflict.resolved"
	git -C app.git fsck --strict
'

test_expect 'nothing goes on from the conflicts of a job that is done' '
	before=$(git -C app.git rev-parse claude-conflicts/one-1)
	(cd app && git commit -q --allow-empty -m more && must_fail push origin HEAD:claude-conflicts/one-1)
	like "$(cat said)" "job 1 is completed: nothing goes on from its conflicts"
	is "$(git -C app.git rev-parse claude-conflicts/one-1)" "$before"
	status_is 1 ff continue 1 2>err
	like "$(cat err)" "only a conflicted one can go on"
'

test_expect 'only the pusher of the job may push to its conflicts' '
	clash two
	checkout_conflict "$branch"
	solve src/list.txt
	before=$(git -C app.git rev-parse "$branch")
	(cd app && git commit -qam "mine" && export GL_USERNAME=mallory && must_fail push origin "HEAD:$branch")
	like "$(cat said)" "who alone may push to its conflicts"
	is "$(git -C app.git rev-parse "$branch")" "$before"
	is "$(job_state "$job")" conflicted
	# Nor may anybody make such a branch, or push to one that is no job'"'"'s.
	(cd app && must_fail push origin HEAD:refs/heads/claude-conflicts/mine-77)
	like "$(cat said)" "conflicts are shown here by flowforge alone"
	(cd app && push origin "HEAD:$branch")
	wait_job "$job" completed
'

test_expect 'the target moved on: without an answer, continue tries again' '
	clash three
	old=$(git -C app.git rev-parse "$branch")
	git -C app checkout -q main
	(cd app && sed -i "\$d" src/list.txt && commit_all "taken back" 7 && git push -q origin main)
	ff continue "$job"
	wait_job "$job" completed
	git -C app.git merge-base --is-ancestor main "claude-results/three-$job"
	is "$(git -C app.git rev-parse "$branch")" "$old"
'

test_expect 'two conflicts in one series, one after the other, each commit by its author' '
	git -C app checkout -q -b series main~2
	(cd app && sed -i "s/^line 3$/line drei/" src/list.txt && GIT_AUTHOR_NAME=Zoe GIT_AUTHOR_EMAIL=zoe@example.org commit_all first 1 &&
		echo x >X && commit_all between 2 && git checkout -q main && sed -i "s/^line 3$/line three/" src/list.txt && commit_all three 7 && git push -q origin main)
	clash series series
	checkout_conflict "$branch"
	like "$(git -C app log -1 --format=%s)" "Conflict: first"
	sed -i "/^<<<<<<</,/^>>>>>>>/c line 3 of both" app/src/list.txt
	(cd app && git commit -qam "first answer" && push origin "HEAD:$branch")
	wait_until "git -C app.git log -1 --format=%s $branch | grep -q \"^Conflict: \" && [ \"\$(git -C app.git rev-parse $branch~1^{tree})\" != \"\$(git -C app.git rev-parse main^{tree})\" ]"
	wait_until "[ \"\$(job_state $job)\" = conflicted ]"
	is "$(git -C app.git rev-list --count "main..$branch")" 3
	is "$(git -C app.git log -1 --format=%an "$branch~2")" Zoe
	checkout_conflict "$branch"
	solve src/list.txt
	(cd app && git commit -qam "second answer" && push origin "HEAD:$branch")
	wait_job "$job" completed
	is "$(git -C app.git log --format=%s "main..claude-results/series-$job" | tail -n 2)" "between
first"
	is "$(git -C app.git rev-list --count "main..claude-results/series-$job")" 3
	is "$(git -C app.git log --format=%an "main..claude-results/series-$job" | tail -n 1)" Zoe
	like "$(git -C app.git show "claude-results/series-$job:src/list.txt")" "^line 3 of both"
	git -C app.git fsck --strict
'

test_expect 'a worker that dies when the second conflict is shown: the first answer counts' '
	git -C app checkout -q -B series2 main~1
	(cd app && sed -i "s/^line 9$/line neun/" src/list.txt && commit_all first 1 && git checkout -q main &&
		sed -i "s/^line 9$/line nine/" src/list.txt && commit_all nine 7 && git push -q origin main)
	clash killed series2
	checkout_conflict "$branch"
	sed -i "/^<<<<<<</,/^>>>>>>>/c line 9 of both" app/src/list.txt
	# A hook of the repository holds the worker where the branch has moved and nobody has been told.
	cat >app.git/hooks/held <<-END
		#!/bin/sh
		read -r old new ref
		[ "\${FLOWFORGE_PUBLISH-}" ] || exit 0
		case \$ref in refs/heads/$branch) : >"$T/held"; while [ -e "$T/hold" ]; do sleep 0.02; done ;; esac
	END
	chmod +x app.git/hooks/held
	ff hooks uninstall app.git
	mv app.git/hooks/held app.git/hooks/post-receive
	ff hooks install app.git
	touch hold
	(cd app && git commit -qam "first answer" && git push -q origin "HEAD:$branch") &
	wait_until "git -C app.git log -1 --format=%s $branch | grep -q \"^Conflict: \" && [ -e held ] && git -C app.git rev-parse -q --verify refs/flowforge/jobs/$job/conflict-2"
	kill_role worker
	rm -f hold
	wait
	wait_until "[ \"\$(job_state $job)\" = conflicted ] && ff show $job | grep -q \"attempt.*3\""
	is "$(git -C app.git rev-list --count "main..$branch")" 2
	checkout_conflict "$branch"
	like "$(cat app/src/list.txt)" "^line 9 of both"
	solve src/list.txt
	(cd app && git commit -qam "second answer" && push origin "HEAD:$branch")
	wait_job "$job" completed
	like "$(git -C app.git show "claude-results/killed-$job:src/list.txt")" "^line 9 of both"
	git -C app.git fsck --strict
'

test_expect 'a branch of conflicts that was deleted is made again' '
	clash gone
	git -C app.git update-ref -d "refs/heads/$branch"
	ff continue "$job"
	wait_until "git -C app.git rev-parse -q --verify refs/heads/$branch"
	wait_until "[ \"\$(job_state $job)\" = conflicted ]"
	checkout_conflict "$branch"
	solve src/list.txt
	(cd app && git commit -qam "solved" && push origin "HEAD:$branch")
	wait_job "$job" completed
'

test_expect 'a branch that was set elsewhere is left alone, and said to be astray' '
	clash astray
	checkout_conflict "$branch"
	git -C app checkout -q --orphan elsewhere
	(cd app && git commit -qm elsewhere && push -f origin "HEAD:$branch")
	wait_until "ff show $job | grep -q \"does not stand on the conflict any more\""
	is "$(job_state "$job")" conflicted
	is "$(git -C app.git rev-parse "$branch")" "$(git -C app rev-parse HEAD)"
	git -C app.git update-ref "refs/heads/$branch" "refs/flowforge/jobs/$job/conflict-1^1"
	checkout_conflict "$branch"
	solve src/list.txt
	# An amended conflict is as good as a commit on top of it.
	(cd app && git commit -qa --amend -m "solved" && push -f origin "HEAD:$branch")
	wait_job "$job" completed
	git -C app checkout -q main
'

test_expect 'with the daemon away the push is refused, and lost is nothing' '
	clash away
	checkout_conflict "$branch"
	solve src/list.txt
	stop_daemon
	(cd app && git commit -qam "solved" && must_fail push origin "HEAD:$branch")
	like "$(cat said)" "push again when the server is back"
	start_daemon
	(cd app && push origin "HEAD:$branch")
	wait_job "$job" completed
'

test_expect 'over ssh the word is known, too' '
	clash ssh
	git -C app.git update-ref "refs/heads/$branch" "$(git -C app.git commit-tree -p "$branch" -m by-hand "main^{tree}")"
	flowforge --config "$T/flowforge.conf" shell flowforge continue "$job"
	wait_job "$job" completed
	# The answer was the target itself: nothing is left of the commit.
	is "$(git -C app.git rev-parse "claude-results/ssh-$job")" "$(git -C app.git rev-parse main)"
'

# As if it had run that often, and the daemon had died while it ran.
interrupted() { # ATTEMPTS CONTINUED
	stop_daemon
	sqlite3 state/flowforge.db "UPDATE jobs SET state = 3, attempt = $1 WHERE id = $job;
		DELETE FROM events WHERE job = $job AND type = 16;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
		INSERT INTO events (job, seq, type, at_ms, data) SELECT $job, 1000000 * $1 + i, 16, 1, '{}' FROM n"
	start_daemon
}

test_expect 'going on often is no sign that a job brings the daemon down' '
	clash often
	interrupted 30 25
	wait_job "$job" conflicted
	interrupted 40 1
	wait_job "$job" failed
	like "$(ff show "$job")" "the daemon ended too often"
'

test_done
