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
	like "$(cat err)" "over 1 commits to rebase"
	# What is over rebase.max-memory goes to a file, and the result is the same.
	(cd app && git checkout -q -b large "$base" && for n in 1 2 3; do head -c 300000 /dev/urandom >blob-$n && sed -i "1s/^/$n/" src/list.txt &&
		commit_all "large $n" 7; done && git push -q origin large)
	tip=$(ff -c rebase.max-memory=64k rebase --repo app.git --onto main "$base..large")
	is "$(git -C app.git rev-parse "$tip:blob-3")" "$(git -C app rev-parse large:blob-3)"
	git -C app.git fsck --strict
	[ -z "$(find app.git/objects/pack -name "tmp*" -o -name "*.tmp")" ]
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
