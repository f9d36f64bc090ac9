#!/bin/sh
# SPDX-License-Identifier: MIT
# flowforge rebase: commits onto a new base in a bare repository, without a daemon.
. "$top_srcdir/tests/lib/test-lib.sh"

write_config commit.name=Rebaser commit.email=rebaser@example.org
make_repo app
(
	cd app &&
		git checkout -q -b topic main~1 &&
		sed -i 's/^line 3$/line three/' src/list.txt && commit_all 'three' 4 &&
		echo new >new && commit_all 'a new file' 5 &&
		git checkout -q -b clash main~1 &&
		echo mine >>src/list.txt && commit_all 'mine' 6 &&
		git checkout -q main &&
		echo theirs >>src/list.txt && commit_all 'theirs' 7 &&
		git push -q origin main topic clash
) >/dev/null 2>&1
base=$(git -C app.git merge-base main topic)

files() { # of the repository, with what is in them
	(cd app.git && find . -type f | sort | xargs sha1sum)
}

test_expect 'the new tip is printed, and is what git rebase makes' '
	tip=$(ff rebase --repo app.git --onto main main~2..topic)
	(cd app && git checkout -q -b check topic && git rebase -q main)
	is "$(git -C app.git rev-parse "$tip^{tree}")" "$(git -C app rev-parse "check^{tree}")"
	is "$(git -C app.git log --format="%s %an %at %cn" "main..$tip")" "a new file Test Pusher 1714565100 Rebaser
three Test Pusher 1714565040 Rebaser"
	git -C app.git fsck --strict
	is "$(ls app.git/objects/pack/*.pack | wc -l)" 1
'

test_expect 'no branch moved, and a work tree serves as well' '
	is "$(git -C app.git rev-parse topic)" "$(git -C app rev-parse topic)"
	tree=$(git -C app rev-parse "check^{tree}")
	tip=$(ff rebase --repo app --onto main main~2..topic)
	is "$(git -C app rev-parse "$tip^{tree}")" "$tree"
'

test_expect 'a conflict is printed, and the status says so' '
	before=$(files)
	status_is 1 ff rebase --repo app.git --dry-run --onto main main~2..clash >out 2>err
	is "$(cat out)" "content: src/list.txt"
	like "$(cat err)" "commit [0-9a-f]{12} \(mine\) does not apply"
	status_is 1 ff rebase --repo app.git --dry-run --json --onto main main~2..clash >out
	is "$(json clean <out) $(json conflicts.0.path <out) $(json conflicts.0.kind <out) $(json hard <out)" "0 src/list.txt content 0"
	is "$(json at <out)" "$(git -C app rev-parse clash)"
	is "$(files)" "$before"
'

test_expect 'a dry run says what would come out and writes nothing' '
	git clone -q --bare app.git dry.git
	(cd dry.git && find . -type f | sort | xargs sha1sum) >before
	tip=$(ff -c commit.name=Other rebase --repo dry.git --dry-run --onto main main~2..topic)
	must_fail git -C dry.git cat-file -e "$tip"
	(cd dry.git && find . -type f | sort | xargs sha1sum) >after
	cmp before after
'

test_expect 'questions line by line, in order, with mistakes between' '
	before=$(files)
	main=$(git -C app.git rev-parse main) topic=$(git -C app.git rev-parse topic)
	status_is 1 ff rebase --repo app.git --stdin >out <<-END
		$main $base $topic
		main $base clash

		main nothing topic
		main
		main $base topic refs/heads/x
		$main $main $main
	END
	is "$(wc -l <out)" 6
	sed -n 1p out >1; sed -n 2p out >2; sed -n 3p out >3; sed -n 4p out >4; sed -n 5p out >5; sed -n 6p out >6
	is "$(json clean <1) $(json onto <1) $(json base <1) $(json tip <1)" "1 $main $base $topic"
	is "$(json tree <1)" "$(git -C app rev-parse "check^{tree}")"
	like "$(json result <1)" "^[0-9a-f]{40}\$"
	is "$(json clean <2) $(json conflicts.0.kind <2)" "0 content"
	is "$(json error.code <3) $(json tip <3)" "NOT_FOUND topic"
	is "$(json error.code <4)" USAGE
	like "$(json error.text <5)" "with --write only"
	is "$(json result <6)" "$main"
	is "$(files)" "$before"
'

test_expect 'with --write the objects are there, and a named branch moves' '
	topic=$(git -C app.git rev-parse topic)
	printf "main %s topic refs/heads/topic\n" "$base" | ff rebase --repo app.git --stdin --write >out
	is "$(git -C app.git rev-parse topic)" "$(json result <out)"
	is "$(git -C app.git rev-list --count main..topic)" 2
	# Moved meanwhile: nothing is overwritten.
	printf "main %s %s refs/heads/topic\n" "$base" "$topic" | status_is 1 ff -c commit.name=Other rebase --repo app.git --stdin --write >out
	is "$(json error.code <out)" REF_MOVED
	is "$(git -C app.git rev-list --count main..topic)" 2
	git -C app.git fsck --strict
'

test_expect 'limits and merges are refused with the reason' '
	(cd app && git checkout -q topic && git checkout -q -b merged && git merge -q --no-ff -m merge main~2 2>/dev/null || :
		git checkout -q -b side main~1 && echo s >s && commit_all s 8 && git checkout -q merged && git merge -q --no-ff -m merge side &&
		git push -q origin merged)
	status_is 2 ff -c rebase.merges=refuse rebase --repo app.git --onto main "$base..merged" 2>err
	like "$(cat err)" "merge commits, which rebase.merges refuses"
	tip=$(ff rebase --repo app.git --onto main "$base..merged")
	is "$(git -C app.git rev-list --merges --count "main..$tip")" 0
	status_is 1 ff -c rebase.max-commits=1 rebase --repo app.git --onto main "$base..merged" 2>err
	like "$(cat err)" "over 1 commits to rebase: raise rebase.max-commits"
	# What is over rebase.max-memory goes to a file, and the result is the same.
	(cd app && git checkout -q -b large "$base" && for n in 1 2 3; do head -c 300000 /dev/urandom >blob-$n && sed -i "1s/^/$n/" src/list.txt &&
		commit_all "large $n" 7; done && git push -q origin large)
	tip=$(ff -c rebase.max-memory=64k rebase --repo app.git --onto main "$base..large")
	is "$(git -C app.git rev-parse "$tip:blob-3")" "$(git -C app rev-parse large:blob-3)"
	git -C app.git fsck --strict
	[ -z "$(find app.git/objects/pack -name "tmp*" -o -name "*.tmp")" ]
'

test_expect 'what is missing from the repository is said, and what to do' '
	git clone -q --bare --depth=1 --no-single-branch "file://$T/app.git" shallow.git
	status_is 1 ff rebase --repo shallow.git --onto main main..clash 2>err
	like "$(cat err)" "is not in .*/shallow.git, which is a shallow clone: run git fetch --unshallow there"
	git -C shallow.git fetch -q --unshallow
	ff rebase --repo shallow.git --dry-run --onto main~1 "main~2..clash"
	git clone -q --bare --shared app.git lost.git
	mkdir away && mv app.git/objects/* away
	mkdir app.git/objects/pack
	status_is 1 ff rebase --repo lost.git --onto main main~1..clash 2>err
	like "$(cat err)" "object [0-9a-f]{40} is missing from .*/lost.git: run git fsck there"
	rmdir app.git/objects/pack
	mv away/* app.git/objects
	ff rebase --repo lost.git --dry-run --onto main~1 "main~2..clash"
'

test_expect 'a hard conflict without a git to ask says so' '
	(cd app && git checkout -q -b folder main && mkdir d && seq 50 >d/a && seq 50 90 >d/b && commit_all d 8 && git checkout -q -b moved &&
		git mv d e && commit_all moved 9 && git checkout -q -b more folder && echo c >d/c && commit_all more 10 && git push -q origin folder moved more)
	status_is 1 ff rebase --repo app.git --onto moved folder..more >out 2>err
	is "$(cat out)" "directory-rename: e/c"
	is "$(grep -c "git could not be asked" err)" 0
	status_is 1 ff -c merge.git=/nowhere/git rebase --repo app.git --onto moved folder..more >out 2>err
	is "$(cat out)" "directory-rename: d"
	like "$(cat err)" "git could not be asked: .*/nowhere/git"
'

test_expect 'empty, signed, octopus and differently encoded commits' '
	(cd app && git checkout -q -b odd "$base" && git commit -q --allow-empty -m empty && echo x >odd && git add odd &&
		printf "gr\\374n\\n" >../msg && git -c i18n.commitEncoding=ISO-8859-1 commit -q -F ../msg &&
		git commit -q --allow-empty --allow-empty-message -m "" &&
		printf "tree %s\\nparent %s\\nauthor A <a@e> 1700000000 +0130\\ncommitter C <c@e> 1700000000 -0200\\ngpgsig sig\\n \\n more\\nx-other y\\n\\nsigned" \
			"$(git rev-parse "HEAD^{tree}")" "$(git rev-parse HEAD)" >../raw &&
		git checkout -q -B odd "$(git hash-object -t commit -w ../raw)" && git push -q origin odd
		for n in 1 2; do git checkout -q -b "arm$n" "$base" && echo "$n" >"arm$n" && commit_all "arm $n" 8; done
		git checkout -q -b octopus "$base" && echo o >o && commit_all o 9 && git merge -q -m many arm1 arm2 && git push -q origin octopus)
	tip=$(ff rebase --repo app.git --onto main "$base..odd")
	is "$(git -C app.git log --format="%s|%e|%an %ad" --date=raw "main..$tip" | sed "s/|Test Pusher.*/|/")" "signed||A 1700000000 +0130
||
grün|ISO-8859-1|
empty||"
	is "$(git -C app.git cat-file commit "$tip" | sed -n "5,\$p")" "
signed"
	git -C app.git fsck --strict
	tip=$(ff rebase --repo app.git --onto main "$base..octopus")
	is "$(git -C app.git log --format=%s "main..$tip" | sort | xargs)" "arm 1 arm 2 o"
	is "$(git -C app.git ls-tree --name-only "$tip" arm1 arm2 o | xargs)" "arm1 arm2 o"
'

test_expect 'wrong usage says what is missing' '
	status_is 2 ff rebase --onto main a..b 2>err
	like "$(cat err)" "repo=PATH is missing"
	status_is 2 ff rebase --repo app.git a..b 2>err
	like "$(cat err)" "onto=REV is missing"
	status_is 2 ff rebase --repo app.git --onto main main 2>err
	like "$(cat err)" "write BASE..TIP"
	status_is 3 ff rebase --repo app.git --onto main main..nothing 2>err
	status_is 3 ff rebase --repo nowhere.git --onto main main..topic 2>err
	status_is 2 ff rebase --repo app.git --stdin --onto main 2>err
	like "$(cat err)" "come in lines"
'

test_done
