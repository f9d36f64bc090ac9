#!/bin/sh
# SPDX-License-Identifier: MIT
# Killed at any call that writes: the repository is sound, the ref is where it
# was or where it was to go, and the next run succeeds and cleans up.
. "$top_srcdir/tests/lib/test-lib.sh"

command -v strace >/dev/null || skip_all 'no strace here'
strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace may not trace here'
# LeakSanitizer does not work under ptrace.
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

write_config
make_repo app
(
	cd app &&
		git checkout -q -b topic main~1 &&
		sed -i 's/^line 3$/line three/' src/list.txt && commit_all 'three' 4 &&
		sed -i 's/^line 9$/line nine/' src/list.txt && commit_all 'nine' 5 &&
		git push -q origin topic:refs/flowforge/topic
) >/dev/null 2>&1
tip=$(git -C app rev-parse topic)
echo "main main~1 $tip refs/flowforge/topic" >line

whole() { # STATE: of killed.git
	git -C killed.git fsck --strict --no-dangling >fsck 2>&1 || { echo "$1"; cat fsck; return 1; }
	is "$(cat fsck)" ""
	now=$(git -C killed.git rev-parse refs/flowforge/topic)
	[ "$now" = "$tip" ] || is "$(git -C killed.git log --format=%s main.."$now")" "nine
three"
}

# 0 when the run was killed at the Nth such call, 1 when it has not so many.
run_killed() { # CALL N
	rm -rf killed.git
	cp -r app.git killed.git
	rc=0
	strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		flowforge --config "$T/flowforge.conf" rebase --repo killed.git --stdin --write <line >out 2>err || rc=$?
	[ $rc != 0 ] || return 1
	[ $rc -gt 128 ] || { cat err; is "$rc" 137; }
}

for call in write rename fsync link unlink mkdir fchmod; do
	test_expect "killed at every $call" '
		n=0
		while run_killed '$call' $((n + 1)); do
			n=$((n + 1))
			whole "killed at '$call' $n"
			find killed.git -name "tmp_*" -exec touch -d "1 hour ago" {} +
			# Another committer, so that nothing can be there already.
			ff -c commit.name=Again rebase --repo killed.git --stdin --write <<-END >out
				main main~1 $tip
				main main~1 $(git -C killed.git rev-parse refs/flowforge/topic) refs/flowforge/topic
			END
			is "$(sed -n 1p out | json clean) $(sed -n 2p out | json clean)" "1 1"
			whole "after '$call' $n"
			is "$(git -C killed.git rev-list --count main..refs/flowforge/topic)" 2
			is "$(find killed.git -name "tmp_*" -o -name "*.lock")" ""
			is "$(ls killed.git/objects/pack/*.pack | wc -l)" "$(ls killed.git/objects/pack/*.idx | wc -l)"
		done
		whole "not killed"
		echo $n >killed-'$call'
	'
done

# The same for merge-tree, whose objects no ref leads to: what is there is sound, and the next run has its tree.
merge_killed() { # CALL N
	rm -rf killed.git
	cp -r app.git killed.git
	rc=0
	echo "main~1 main $tip" | strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		flowforge --config "$T/flowforge.conf" merge-tree --repo killed.git --stdin --write >out 2>err || rc=$?
	[ $rc != 0 ] || return 1
	[ $rc -gt 128 ] || { cat err; is "$rc" 137; }
}
merged=$(git -C app.git merge-tree --write-tree main "$tip")

for call in write rename fsync link unlink mkdir fchmod; do
	test_expect "merge-tree killed at every $call" '
		n=0
		while merge_killed '$call' $((n + 1)); do
			n=$((n + 1))
			whole "merge killed at '$call' $n"
			find killed.git -name "tmp_*" -exec touch -d "1 hour ago" {} +
			echo "main~1 main $tip" | ff merge-tree --repo killed.git --stdin --write >out
			is "$(json tree <out)" "$merged"
			is "$(git -C killed.git ls-tree -r "$merged" | wc -l)" "$(git -C app.git ls-tree -r main | wc -l)"
			whole "merge after '$call' $n"
			# A pack of the very same bytes may have taken the place of what was left.
			is "$(find killed.git -name "tmp_*" -o -name "*.lock")" ""
			is "$(ls killed.git/objects/pack/*.pack | wc -l)" "$(ls killed.git/objects/pack/*.idx | wc -l)"
		done
		is "$(json tree <out)" "$merged"
		echo $n >merge-killed-'$call'
	'
done

test_expect 'that was often enough to mean something' '
	[ "$(cat killed-write)" -ge 3 ]
	[ "$(cat killed-rename)" -ge 2 ]
	[ "$(cat killed-fsync)" -ge 3 ]
	[ "$(cat merge-killed-write)" -ge 2 ]
	[ "$(cat merge-killed-rename)" -ge 2 ]
	[ "$(cat merge-killed-fsync)" -ge 2 ]
'

test_done
