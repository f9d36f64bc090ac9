#!/bin/sh
# SPDX-License-Identifier: MIT
# flowforge prove and flowforge resolve on a real repository.
. "$top_srcdir/tests/lib/test-lib.sh"

flowforge() { "$top_builddir/flowforge" "$@"; }
prove() { flowforge prove --repo w --base base --target target --change change "$@"; }
resolve() { flowforge resolve --repo w --base base --target target --change change "$@"; }
# What stands in a.txt, around one line of our choice.
text() { seq 1 5; printf '%s\n' "$1"; seq 6 10; }
result() { # NAME LINE: a commit of the merge with that line
	(cd w && git checkout -q -B "$1" base && text "$2" >a.txt && echo new >other && commit_all "$1")
}

git init -q w
(
	cd w || exit
	text "call(red, at, big)" >a.txt && echo old >other && commit_all base && git branch base
	git checkout -q -b target && text "call(blue, at, big)" >a.txt && commit_all target
	git checkout -q -b change base && text "call(red, at, small)" >a.txt && echo new >other && commit_all change
)
result good "call(blue, at, small)"
result of-target "call(blue, at, big)"
result of-change "call(red, at, small)"

test_expect 'a result with both edits is proved' '
	prove --result good >out
	is "$(cat out)" proved
'

test_expect 'a result that lacks a side names that side: target is target, change is change' '
	rc=0; prove --result of-target >out || rc=$?
	is "$rc" 1
	like "$(cat out)" "dropped of the change: call.red, at, small."
	rc=0; prove --result of-change --json >out || rc=$?
	is "$rc" 1
	like "$(cat out)" "\"rule\": *\"dropped-target\""
	like "$(cat out)" "call.blue, at, big."
	! grep -wE "ours|theirs" out
'

test_expect 'trees do as well as commits, and a file that is not the merge is refused' '
	prove --result "$(git -C w rev-parse "good^{tree}")" >out
	(cd w && git checkout -q --detach good && echo old >other && commit_all spoilt && git branch spoilt)
	rc=0; prove --result spoilt >out || rc=$?
	is "$rc" 1
	like "$(cat out)" "other: .*not what the clean merge has"
'

test_expect 'line by line, and a bad line ends nothing' '
	printf "%s\n" "base target change good" "base target nowhere good" "base target change of-target" >in
	rc=0; flowforge prove --repo w --stdin <in >out || rc=$?
	is "$rc" 1
	is "$(wc -l <out)" 3
	like "$(sed -n 1p out)" "\"proved\": *true"
	like "$(sed -n 2p out)" "\"error\""
	like "$(sed -n 3p out)" "\"proved\": *false"
'

test_expect 'what is missing on the command line is said' '
	rc=0; flowforge prove --repo w --base base 2>err || rc=$?
	is "$rc" 2
	rc=0; prove 2>err || rc=$?
	is "$rc" 2
	like "$(cat err)" "result is missing"
	rc=0; resolve --rungs 9 2>err || rc=$?
	is "$rc" 2
'

test_expect 'the rungs solve it, and the tree is proved; nothing is written unless asked' '
	find w/.git/objects -type f | sort >before
	resolve >out
	find w/.git/objects -type f | sort >after
	cmp before after
	is "$(tail -n 1 out)" "$(git -C w rev-parse "good^{tree}")"
	like "$(cat out)" "line 6: structured: line-tokens"
	resolve --write --json >out
	like "$(cat out)" "\"solved\": *true"
	prove --result "$(git -C w rev-parse "good^{tree}")" >out
'

test_expect 'a rung that is off solves nothing, and the status says so' '
	rc=0; resolve --rungs 1 >out || rc=$?
	is "$rc" 1
	like "$(cat out)" "open: content: a.txt"
'

test_expect 'the bounds are configuration' '
	prove --result of-target -c proof.lost-percent=100 -c proof.change-percent=100 >out
	like "$(cat out)" "allowed: a.txt: .*dropped of the change"
'

test_done
