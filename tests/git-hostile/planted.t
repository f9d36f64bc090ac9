#!/bin/sh
# SPDX-License-Identifier: MIT
# Jobs leave repositories in their trees, in many places and spellings, that
# make git run a planted program in every way it knows.  None may ever run,
# and each is shown to run where git itself meets it.
. "$top_srcdir/tests/lib/test-lib.sh"

plant=$top_srcdir/tests/git-hostile/plant
places='. sub deep/er/still src pa pb pc pd/e pf pg'
mkdir fired control
chmod 777 fired

# Everything that a person may do in a folder that a job left. Much of it fails, which is not what is looked at.
meet() {
	git add a.p; sed -i /filter=p/d .gitattributes; rm a.p; git add -A .; git commit -qm one; git commit --allow-empty; git commit -q -S --allow-empty -m signed
	git status; git config core.fsmonitor false
	for f in a a.x a.c a.t a.m; do echo more >>$f; done
	git diff a.c; git diff a.t; git -c diff.external="$(pwd)/.git/run/external" diff a; git difftool -y a; git add .; git commit -qm two
	git checkout -q -f HEAD~1 -- a.x; git checkout -q -b side HEAD~1
	for f in a a.m; do echo side >$f; done; git commit -qam side; git checkout -q main || git checkout -q -f master
	git merge -q side -m merged; git mergetool -y a; git checkout -q --theirs a; git add -A .; git commit -qm resolved
	echo p >>a; printf 'y\n' | TERM=xterm git -c color.ui=always -c color.diff=always -c color.interactive=always add -p
	echo p >>a; printf 'y\n' | TERM=xterm script -qec 'git add -p' /dev/null
	git commit -qam three; git rebase -i HEAD~1; git rebase --abort; git fire; git also
	printf 'protocol=https\nhost=x.invalid\n\n' | git credential fill; printf 'protocol=https\nhost=x.invalid\n\n' | git -c credential.helper= credential fill
	git fetch ssh://x.invalid/y; git fetch git://x.invalid/y; git fetch "ext::$(pwd)/.git/run/ext"; git fetch up
	echo m | git interpret-trailers --trailer X=1; git archive --format=x HEAD
	script -qec 'git log -1' /dev/null
	git checkout -q -f main; git checkout -q -b topic HEAD~1; git commit -q --allow-empty -m t; git rebase main; git commit -q --amend --allow-empty -m amended
	echo am >am.txt; git add am.txt; git commit -qm am; git format-patch -1 --stdout >../patch; git reset -q --hard HEAD~1; git am ../patch; git am --abort
	git checkout -q -f -b left main~1; echo l >l; git add l; git commit -qm l; git merge -q --no-edit main
	git init -q --bare ../to.git; git push -q ../to.git HEAD
	git update-index --add --cacheinfo 160000,"$(git rev-parse HEAD)",s; printf '[submodule "s"]\n\tpath = s\n\turl = %s\n' "$(pwd)" >.gitmodules; git -c protocol.file.allow=always submodule update --init s
}

test_expect 'control: each planted program runs where git itself meets it' '
	cd control
	mkdir fired
	"$plant" "$T/control/fired" one >/dev/null
	ls one/.git/run | sort >planted
	cd one
	unset GIT_EDITOR GIT_TERMINAL_PROMPT
	GIT_CONFIG_GLOBAL=/dev/null; export GIT_CONFIG_GLOBAL
	(set +e; meet) >../said 2>&1 </dev/null || :
	cd ..
	ls fired | sort >ran
	is "$(comm -23 planted ran | tr "\n" " ")" ""
'

test_expect '400 planted programs in the tree of a job, and none of them runs' '
	perl -MJSON::PP -e "print encode_json({ rules => [{ match => { min_messages => 3 }, sequence => [{ text => q(Planted.) }], then => q(loop) },
		{ match => {}, sequence => [{ tool_use => { name => q(bash), input => { command => \$ARGV[0] } } }], then => q(loop) }] })" -- \
		"sh plant \"$T/fired\" $places && for g in .GIT .Git git~1 \"\$(printf .g\\\\342\\\\200\\\\214it)\"; do dotgit=\$g sh plant \"$T/fired\" sp/\$(printf %s \"\$g\" | od -An -tx1 | tr -d \" \"); done; echo made >made" >scenario.json
	start_model "$T/scenario.json"
	start_daemon review.protect=
	make_hooked_repo app
	(cd app && cp "$plant" plant && commit_all plant && git push -q origin main)
	(cd app && push -o claude=plant origin main:refs/heads/claude/plant)
	job=$(cd app && said_job)
	wait_job "$job" completed 120
	ff log "$job" >log
	left=$(grep -c "left out: .*: a name that git keeps for itself" log)
	[ "$left" -ge 14 ]
	planted=$(sh -c "cd $T/control && rm -rf count && mkdir count && cd count && $plant /nowhere $places p q r s")
	diag "$planted programs planted"
	[ "$planted" -ge 400 ]
	result=claude-results/plant-$job
	is "$(git -C app.git show "$result:made")" made
	git -C app.git ls-tree -r -z --name-only "$result" | tr "\000" "\n" >names
	unlike "$(cat names)" "(^|/)\.[gG][iI][tT]/"
	like "$(cat names)" "^sub/.gitattributes"
	ff diff "$job" >/dev/null
	ff show "$job" >/dev/null
	is "$(ls fired)" ""
'

test_expect 'the result is rebased onto a target whose attributes name all of them: none runs' '
	(cd app && git checkout -q main && printf "* filter=x diff=t merge=x\n" >.gitattributes && echo moved >>README.md && commit_all moved && git push -q origin main)
	(cd app && git checkout -q -b again main~1 && echo of-the-pusher >>README.md && commit_all pushed && push -o claude=plant origin again:refs/heads/claude/again)
	job=$(cd app && said_job)
	wait_until "job_state $job | grep -qE \"completed|conflicted\"" 120
	is "$(ls fired)" ""
'

test_done
