#!/bin/sh
# SPDX-License-Identifier: MIT
# What an agent leaves in its work tree, and what of it becomes the result:
# the commit, its branch, the refs of the job and the note.
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

# A job that plays it, to its end; its number is in $job, its result in $result.
play() { # NAME [STATE] [SOURCE]
	push -f -o claude="play:$1" origin "${3:-main}:refs/heads/claude/$1"
	job=$(said_job)
	wait_job "$job" "${2:-completed}"
	result=claude-results/$1-$job
}

server() { # GIT ARGUMENT...
	git -C "$T/app.git" "$@"
}

changes() { # -> "M README.md A x", against the pushed commit
	server diff --no-renames --raw --abbrev=4 "$result^" "$result" | sed 's/^:\([0-7]*\) \([0-7]*\) [^ ]* [^ ]* \(.*\)/\1 \2 \3/'
}

plays 'nothing=cat README.md' \
	'binary=seq 1 20000 | gzip -nc >data.gz; : >empty; printf "a\0b\r\n" >nul; printf x >"$(printf "caf\351")"; printf x >"$(printf "two\nlines")"; printf y >"-n"; rm -f src/list.txt' \
	'modes=chmod 755 README.md; printf "#!/bin/sh\n" >run; chmod 700 run; chmod 4777 run; touch src/main.c' \
	'links=ln -s README.md inside; ln -s ../README.md src/up; ln -s /etc/passwd outside; ln -s ../../etc/passwd climbing; ln -s nowhere dangling; ln -sf /etc/shadow Makefile' \
	'nested=for d in . sub deep/er; do mkdir -p $d/.git/hooks; printf "ref: refs/heads/main\n" >$d/.git/HEAD; printf "[core]\n\tfsmonitor = touch '"$T"'/owned\n\thooksPath = hooks\n[filter \"x\"]\n\tclean = touch '"$T"'/owned\n" >$d/.git/config; printf "#!/bin/sh\ntouch '"$T"'/owned\n" >$d/.git/hooks/post-commit; chmod +x $d/.git/hooks/*; echo "* filter=x" >$d/.gitattributes; echo in >$d/file; done; mkdir file; echo "gitdir: ../x" >file/.git; mkdir sub/.GIT; echo x >sub/.GIT/config; true' \
	'everything=find . -mindepth 1 -delete; ls -A' \
	'odd=mkfifo pipe; echo secret >closed; mkdir shut; echo in >shut/file; chmod 000 closed shut; rm README.md; mkfifo README.md; true' \
	'large=head -c 70000 /dev/zero >large' \
	'write=echo made >made' \
	'clash=echo of the agent >>README.md; echo fine >fine; echo line 41 >>src/list.txt'

test_expect 'daemon and hooks are set up' '
	start_daemon result.max-file=64k review.protect= commit.name=Robot commit.email=robot@example.org \
		server.url=https://flow.example.org agent.model=claude-test-1
	make_hooked_repo app
'

test_expect 'nothing written: completed, no branch, and a text that says so' '
	cd app
	play nothing
	is "$(ff show $job --json | json description)" "completed: the task changed nothing, so there is no result branch"
	is "$(ff show $job --json | json result_branch)" ""
	is "$(server for-each-ref refs/heads/claude-results refs/flowforge/jobs/$job/result)" ""
	status_is 0 ff watch $job
	status_is 0 ff diff $job >../patch
	is "$(cat ../patch)" ""
'

test_expect 'bytes and names of any kind come back as they were' '
	cd app
	play binary
	seq 1 20000 | gzip -nc >../want
	is "$(server rev-parse $result:data.gz)" "$(git hash-object ../want)"
	is "$(server cat-file -s $result:empty)" 0
	is "$(server show $result:nul | od -An -tx1)" "$(printf "a\0b\r\n" | od -An -tx1)"
	is "$(server ls-tree --name-only $result | tr "\n" " ")" "-n Makefile README.md \"caf\\351\" data.gz empty nul src "
	like "$(ff log $job)" "left out: two.*lines: control characters"
	is "$(server ls-tree -r --name-only $result src)" src/main.c
	server fsck --strict --no-dangling
'

test_expect 'the executable bit is the only mode' '
	cd app
	play modes
	is "$(changes)" "$(printf "100644 100755 M\tREADME.md\n000000 100755 A\trun")"
'

test_expect 'links inside the tree are kept, links out of it are left out' '
	cd app
	play links
	is "$(changes)" "$(printf "000000 120000 A\tdangling\n000000 120000 A\tinside\n000000 120000 A\tsrc/up")"
	for left in outside climbing Makefile; do like "$(ff log $job)" "left out: $left"; done
'

test_expect 'repositories in the tree: their files are taken, nothing of theirs runs' '
	cd app
	play nested
	names=$(server ls-tree -r --name-only $result)
	like "$names" "^deep/er/file$"
	like "$names" "^sub/.gitattributes$"
	unlike "$names" "\.(git|GIT)(/|$)"
	[ ! -e ../owned ]
	is "$(server show $result:sub/file)" in
	git fetch -q origin $result
	git -c core.symlinks=true checkout -q --detach FETCH_HEAD
	git checkout -q main
	[ ! -e ../owned ]
'

test_expect 'everything deleted: a commit with an empty tree' '
	cd app
	play everything
	is "$(server rev-parse $result^{tree})" "$(git hash-object -t tree /dev/null)"
'

test_expect 'pipes and files nobody may read' '
	cd app
	play odd
	like "$(ff log $job)" "left out: pipe"
	is "$(server show $result:closed)" secret
	is "$(server show $result:shut/file)" in
	is "$(changes)" "$(printf "000000 100644 A\tclosed\n000000 100644 A\tshut/file")"
'

test_expect 'a file over the limit: the job fails at once and names the key' '
	cd app
	asked=$(grep -c "ev.:.request" ../model.log)
	play large failed
	like "$(ff show $job --json | json description)" "large.* 65537 bytes, over the 65536.*result\.max-file"
	is "$(ff show $job --json | json attempt)" 1
	is "$(($(grep -c "ev.:.request" ../model.log) - asked))" 2
	is "$(server for-each-ref "refs/heads/claude-results/large*")" ""
'

test_expect 'the commit: one parent, which is the source; author and trailers as configured' '
	cd app
	play write
	is "$(server log -1 --format="%P" $result)" "$(git rev-parse main)"
	is "$(server log -1 --format="%an <%ae> %cn <%ce>" $result)" "Robot <robot@example.org> Robot <robot@example.org>"
	is "$(server log -1 --format="%(trailers:key=Flowforge-Job,valueonly)%(trailers:key=Assisted-by,valueonly)" $result)" \
		"https://flow.example.org/jobs/$job
Claude:claude-test-1"
	is "$(server log -1 --format="%(trailers:key=Signed-off-by)" $result)" ""
	like "$(server log -1 --format=%s $result)" "."
'

test_expect 'the refs of the job, and the note on the pushed commit' '
	cd app
	git checkout -q -B noted main
	git commit -q --allow-empty -m "to be noted"
	git checkout -q main
	play write completed noted
	first=$job
	is "$(server rev-parse refs/flowforge/jobs/$job/source)" "$(git rev-parse noted)"
	is "$(server rev-parse refs/flowforge/jobs/$job/base)" "$(git rev-parse main)"
	is "$(server rev-parse refs/flowforge/jobs/$job/result)" "$(server rev-parse $result)"
	note=$(server notes --ref refs/notes/flowforge show "$(git rev-parse noted)")
	like "$note" "^Flowforge-Job: https://flow.example.org/jobs/$job$"
	like "$note" "^Result: $result$"
	play binary completed noted
	note=$(server notes --ref refs/notes/flowforge show "$(git rev-parse noted)")
	like "$note" "^Flowforge-Job: https://flow.example.org/jobs/$job$"
	like "$note" "^Flowforge-Job: https://flow.example.org/jobs/$first$"
	unlike "$(GIT_TRACE_PACKET=1 git push --dry-run origin main 2>&1)" "refs/flowforge"
	for ref in refs/flowforge/jobs/$job/source refs/flowforge/x refs/notes/flowforge; do
		must_fail git push -f origin "main:$ref"
		must_fail git push -f origin ":$ref"
	done
'

test_expect 'the target went on: commits of the branch are rebased, authors and dates stay' '
	cd app
	git checkout -q -b feature main
	echo feature >feature
	git add feature
	GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.org GIT_AUTHOR_DATE="2001-02-03T04:05:06+0700" \
		GIT_COMMITTER_DATE="2002-02-03T04:05:06+0200" git commit -q -m "A feature" -m "With a body."
	git checkout -q main
	echo moved >moved
	commit_all "main moved"
	git push -q origin main
	play write completed feature
	is "$(server rev-list --count main..$result)" 2
	server merge-base --is-ancestor main $result
	is "$(server log -1 --format="%an %ae %ai%n%B" $result^)" "$(git log -1 --format="%an %ae %ai%n%B" feature)"
	is "$(server rev-parse refs/flowforge/jobs/$job/base)" "$(git rev-parse main)"
	is "$(server show $result:made) $(server show $result:moved) $(server show $result:feature)" "made moved feature"
	is "$(server rev-parse claude/write)" "$(git rev-parse feature)"
'

test_expect 'a conflict: paths are listed, it is shown on the target, what was made is kept' '
	cd app
	git checkout -q -b clash main
	git checkout -q main
	echo of main >>README.md
	echo line forty-one >>src/list.txt
	commit_all "main again"
	git push -q origin main
	before=$(server for-each-ref refs/heads/main refs/heads/claude)
	play clash conflicted clash
	is "$(ff show $job --json | json conflicts.0) $(ff show $job --json | json conflicts.1)" "README.md src/list.txt"
	is "$(ff show $job --json | json conflicts)" 2
	kept=claude-conflicts/clash-$job
	is "$(ff show $job --json | json result_branch)" "$kept"
	is "$(server log -1 --format=%P $kept)" "$(server rev-parse main)"
	is "$(server show $kept:fine)" fine
	like "$(server show $kept:README.md)" "^<<<<<<< target"
	made=refs/flowforge/jobs/$job/result
	is "$(server log -1 --format=%P $made)" "$(git rev-parse clash)"
	unlike "$(server show $made:README.md)" "<<<<<<<"
	must_fail server rev-parse -q --verify refs/heads/claude-results/clash-$job
	is "$(server for-each-ref refs/heads/main)" "$(printf "%s\n" "$before" | grep refs/heads/main)"
	ff diff $job >../patch
	git checkout -q clash
	git apply --check ../patch || { cat ../patch; false; }
	status_is 1 ff watch $job
	git checkout -q main
'

test_done
