#!/bin/sh
# SPDX-License-Identifier: MIT
# pre-receive: who may write which ref, and which options are refused.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/hook-lib.sh"
hook_conf
bare r
start_core answer done

push origin main; ok $? "an ordinary push passes"
push origin main:claude/fix; ok $? "a triggering push passes"

# --- refs that are ours
for ref in refs/heads/claude-results/fix-1 refs/heads/claude-results refs/heads/claude-conflicts/fix-1 \
	refs/flowforge/jobs/1/result refs/flowforge refs/notes/flowforge refs/notes/flowforge/x; do
	not push origin "main:$ref" && said '^remote: error: .*refs/' && said 'flowforge'
	ok $? "nobody creates $ref"
	not git -C "$T/r.git" rev-parse -q --verify "$ref" >/dev/null; ok $? "and it is not there"
done
push origin main:refs/notes/other; ok $? "other notes are not our business"
push origin main:refs/heads/claude-resultsx; ok $? "nor is a branch that only begins alike"
git -C "$T/r.git" update-ref refs/heads/claude-results/fix-1 main
git -C "$T/r.git" update-ref refs/flowforge/jobs/1/result main
commit two
not push origin main:claude-results/fix-1; ok $? "a result is not moved by a push"
not push -f origin main:claude-results/fix-1; ok $? "nor by force"
push origin :claude-results/fix-1; ok $? "but it may be deleted"
not push origin :refs/flowforge/jobs/1/result; ok $? "a job's ref may not"
not push origin main:main main:claude-results/b && said 'claude-results/b'
ok $? "one wrong ref refuses the push, and is named"
FLOWFORGE_PUBLISH=1 push origin main:claude-results/own-2; ok $? "our own update passes"

# --- options
not push -o claude.priority=urgent origin main:claude/o && said 'low, normal or high'
ok $? "a bad option is refused with the reason"
push -o claude.priority=urgent origin :claude/fix; ok $? "but not where nothing could start"
push -o ci.skip -o claude.priority=high origin main:claude/o; ok $? "a good one passes"
# shellcheck disable=SC2046
not push $(seq -f '-o x%g' 65) origin main:claude/many && said '65 push options are over the limit of 64'
ok $? "too many options are refused"
# shellcheck disable=SC2046
push $(seq -f '-o x%g' 65) origin main:plain; ok $? "but not where nothing could start"
long=$(head -c 33000 /dev/zero | tr '\0' a)
not push -o "claude.task=$long" origin main:claude/long && said 'over the limit of 32768'
ok $? "a task over the limit is refused"
for count in junk -1 99999999999999999999 0; do
	GIT_PUSH_OPTION_COUNT=$count "$hook" pre-receive --conf "$T/hook.conf" </dev/null >"$T/out" 2>&1
	ok $? "an option count of $count refuses nothing"
done

# --- broken by ourselves: warn and let pass
for broken in missing folder garbled empty fifo; do
	rm -rf "$T/hook.conf"
	case $broken in
	folder) mkdir "$T/hook.conf" ;;
	garbled) printf 'socket x\n\0\n' >"$T/hook.conf" ;;
	empty) : >"$T/hook.conf" ;;
	fifo) mkfifo "$T/hook.conf" ;;
	esac
	commit "$broken"
	push origin main:claude/b && said '^remote: warning: .*flowforge'
	ok $? "hook.conf $broken: the push passes with a warning"
done
test_done
