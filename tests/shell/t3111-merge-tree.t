#!/bin/sh
# SPDX-License-Identifier: MIT
# flowforge merge-tree: a line in, a line out, nothing written.
. "$top_srcdir/tests/lib/test-lib.sh"

flowforge() { "$top_builddir/flowforge" "$@"; }
merge() { flowforge merge-tree --repo "$T/r.git" --stdin "$@"; }
files() { (cd "$T/r.git" && find . -type f | sort); }
# The value of a key in a line of JSON.
key() { perl -MJSON::PP -e 'my $v = decode_json(scalar <STDIN>); $v = ref $v eq "ARRAY" ? $v->[$_] : $v->{$_} for @ARGV; print ref $v ? encode_json($v) : $v' "$@"; }

git init -q --bare r.git
git init -q w
(
	cd w || exit
	git remote add origin "$T/r.git"
	seq 1 20 >list && mkdir -p old && seq 30 60 >old/a && seq 70 99 >old/b && commit_all base && git branch base
	git checkout -q -b target && sed -i 's/^2$/two/' list && commit_all target
	git checkout -q -b change base && sed -i 's/^19$/nineteen/' list && commit_all change
	git checkout -q -b clash base && sed -i 's/^2$/zwei/' list && commit_all clash
	git checkout -q -b moved base && git mv old new && commit_all moved
	git checkout -q -b added base && seq 5 >old/c && commit_all added
	git tag -a -m tag v1 target
	git push -q origin --all && git push -q origin v1
)
files >before

test_expect 'a clean merge has the tree that git makes' '
	echo base target change | merge >out
	is "$(key clean <out)" true
	is "$(key tree <out)" "$(git -C w merge-tree --write-tree target change)"
'

test_expect 'ids of commits, trees and tags are the same as names' '
	for n in base target change; do git -C w rev-parse "$n^{tree}"; done | xargs | merge >out2
	cmp out out2
	echo "$(git -C w rev-parse base) refs/tags/v1 change" | merge >out2
	cmp out out2
'

test_expect 'a conflict names path and kind' '
	echo base target clash | merge >out
	is "$(cat out)" "{\"clean\":false,\"conflicts\":[{\"path\":\"list\",\"kind\":\"content\"}],\"hard\":false}"
'

test_expect 'answers come in order, and a bad line ends nothing' '
	printf "%s\n" "base target" "base target change more" "" "nowhere target change" \
		"0123456789012345678901234567890123456789 target change" "base target clash" \
		"$(printf "%5000s" x)" "base target:list change" "base target change" >in
	printf "base\0target change\n" >>in
	merge <in >out
	is "$(wc -l <out)" 10
	for n in 1 2 3 4 5 7 8 10; do like "$(sed -n ${n}p out)" "^{\"error\":\"" || false; done
	like "$(sed -n 6p out)" "\"clean\":false"
	like "$(sed -n 9p out)" "\"clean\":true"
'

test_expect 'a name that is not UTF-8, and a line without an end' '
	printf "b\351se target change\nbase target change" | merge >out
	is "$(wc -l <out)" 2
	like "$(sed 1q out | key error)" "^b.xe9se: "
	like "$(sed -n 2p out)" "\"clean\":true"
	[ "$( (head -c 30000000 /dev/zero | tr "\0" x; echo; echo base target change) | merge | wc -l)" = 2 ]
'

test_expect 'each answer comes before the next question' '
	mkfifo in.fifo out.fifo
	merge <in.fifo >out.fifo &
	exec 8>in.fifo 9<out.fifo
	for n in 1 2 3; do echo base target change >&8; read -r line <&9; like "$line" "\"clean\":true" || false; done
	exec 8>&- 9<&-
	wait
'

test_expect 'a side that is nothing at all: 40 zeros' '
	echo "$(printf "%040d" 0) target target" | merge >out
	is "$(key tree <out)" "$(git -C w rev-parse "target^{tree}")"
'

test_expect 'a folder that moved away is given to git' '
	echo base moved added | merge >out
	is "$(key hard <out)" true
	is "$(key conflicts 0 path <out)" new/c
	is "$(key conflicts 0 kind <out)" directory-rename
'

test_expect 'without a git to ask it is a conflict, and that is said once' '
	printf "%s\n" "base moved added" "base moved added" | PATH=/nowhere "$top_builddir/flowforge" merge-tree \
		--repo "$T/r.git" --stdin >out 2>err
	is "$(key hard <out)" true
	is "$(key conflicts 0 path <out)" old
	is "$(grep -c "no git in PATH" err)" 1
'

test_expect 'a git that fails, and one that never answers' '
	mkdir fake && printf "#!/bin/sh\nexit 3\n" >fake/git && chmod +x fake/git
	echo base moved added | PATH="$T/fake:$PATH" merge >out 2>err
	is "$(key hard <out)" true
	like "$(cat err)" "exit 3"
	printf "#!/bin/sh\nexec sleep 1000\n" >fake/git
	echo base moved added | PATH="$T/fake:$PATH" merge -c merge.git-timeout=200ms >out 2>err
	is "$(key conflicts 0 path <out)" old
	like "$(cat err)" "in time"
'

test_expect 'no merge driver runs, whoever configured it' '
	(cd w && git checkout -q -b driven target && echo "* merge=evil" >.gitattributes && commit_all attr &&
		git push -q origin driven)
	git -C r.git config merge.evil.driver "touch $T/ran"
	git -C r.git config merge.default evil
	HOME="$T" git config --global merge.evil.driver "touch $T/ran"
	echo base driven change | HOME="$T" merge >out 2>err
	is "$(key conflicts 0 kind <out)" driver
	is "$(key hard <out)" true
	git -C r.git config --unset merge.evil.driver
	HOME="$T" git config --global --unset merge.evil.driver
	echo base driven change | merge >out
	is "$(key clean <out)" true
	[ ! -e ran ]
	git -C r.git config --unset merge.default
'

test_expect 'a path that is not UTF-8' '
	(cd w && git checkout -q -b latin1 base && printf "1\n" >"$(printf "h\351")" && commit_all latin1 &&
		git checkout -q -b latin2 base && printf "2\n" >"$(printf "h\351")" && commit_all latin2 &&
		git push -q origin latin1 latin2)
	echo base latin1 latin2 | merge >out
	is "$(key conflicts 0 path b64 <out)" "$(printf "h\351" | base64)"
'

test_expect 'what a killed process left in TMPDIR goes away, and nothing else' '
	tmp=${TMPDIR:-/tmp}
	mkdir "$tmp/flowforge-merge-left" "$tmp/flowforge-merge-held" "$tmp/flowforge-merge-new" "$tmp/other-left"
	touch "$tmp/flowforge-merge-left/HEAD"
	touch -d "1 hour ago" "$tmp/flowforge-merge-left" "$tmp/flowforge-merge-held" "$tmp/other-left"
	exec 7<"$tmp/flowforge-merge-held"
	flock -n 7
	echo base moved added | merge >out
	is "$(key conflicts 0 kind <out)" directory-rename
	is "$(ls -d "$tmp"/*-left "$tmp"/flowforge-merge-* | xargs -n 1 basename | sort -u | xargs)" \
		"flowforge-merge-held flowforge-merge-new other-left"
	exec 7<&-
	rmdir "$tmp/flowforge-merge-held" "$tmp/flowforge-merge-new" "$tmp/other-left"
'

test_expect 'nothing was written' '
	(cd w && git push -q origin --delete driven latin1 latin2)
	files | grep -v "objects/../" >after
	grep -v "objects/../" before | sort >want
	diff want after
	[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "flowforge-merge-*" -newer before)" ]
'

test_expect '--write writes the tree, as one pack, and nothing but objects' '
	packs=$(find r.git/objects/pack -name "*.pack" | wc -l)
	find r.git/objects/?? -type f | sort >loose
	printf "%s\n" "base target change" "base target change" "base target clash" "nowhere target change" | merge --write >out
	is "$(wc -l <out)" 4
	is "$(find r.git/objects/pack -name "*.pack" | wc -l)" $((packs + 1))
	find r.git/objects/?? -type f | sort | diff loose -
	is "$(git -C r.git cat-file -p "$(key tree <out):list" | sed -n "2p;19p" | xargs)" "two nineteen"
	git -C r.git fsck --strict
	echo base moved added | merge --write >out
	is "$(key hard <out)" true
'

test_expect 'limits are refused clearly' '
	echo base target change | merge -c merge.max-text=10 >out 2>err
	is "$(key conflicts 0 kind <out)" too-large
	is "$(key hard <out)" true
	echo base target change | merge -c merge.max-entries=3 >out
	like "$(key error <out)" "more than 3 names to look at: raise merge.max-entries"
	# Lines on both sides, in files that were moved.
	(cd w && git checkout -q -b deep base && mkdir -p a/b/c && seq 20 >a/b/c/d && seq 100 130 >e && commit_all deep &&
		git checkout -q -b deep1 && git mv e f && sed -i "s/^2$/two/" a/b/c/d && sed -i "s/^101$/x/" f && commit_all 1 &&
		git checkout -q -b deep2 deep && sed -i "s/^19$/y/" a/b/c/d && sed -i "s/^129$/z/" e && commit_all 2 &&
		git push -q origin deep deep1 deep2)
	echo deep deep1 deep2 | merge >out
	is "$(key clean <out)" true
	echo deep deep1 deep2 | merge -c merge.max-depth=2 >out
	like "$(key error <out)" "more than 2 deep: raise merge.max-depth"
	echo deep deep1 deep2 | merge -c merge.max-rename-bytes=10 >out 2>err
	like "$(cat out)" "too-large"
	echo deep deep1 deep2 | merge -c merge.rename-limit=1 >out
	is "$(key clean <out)" true
'

test_expect 'wrong usage' '
	rc=0; flowforge merge-tree --stdin </dev/null 2>err || rc=$?
	is $rc 2
	rc=0; flowforge merge-tree --repo "$T/r.git" 2>err || rc=$?
	is $rc 2
	rc=0; flowforge merge-tree --repo "$T/nowhere" --stdin </dev/null 2>err || rc=$?
	is $rc 3
	rc=0; flowforge merge-tree --repo "$T" --stdin </dev/null 2>err || rc=$?
	is $rc 3
	flowforge merge-tree --repo w --stdin </dev/null
'

test_done
