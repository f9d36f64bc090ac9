#!/bin/sh
# SPDX-License-Identifier: MIT
# pre-receive: who may write which ref, and which options are refused.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/hook-lib.sh"
hook_conf
bare r
start_core answer spool

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

# --- a result that the daemon pushes itself: core knows
start_core answer done
push origin main:claude-results/own-3; ok $? "a result that core expects passes"
like "$(cat "$T/message")" "^\{\"m\":\"expect\",\"v\":1,\"oid\":\"$(git -C "$T/r" rev-parse main)\",\"repo\":\"$T/r.git\",\"ref\":\"refs/heads/claude-results/own-3\"\}\$"
ok $? "it was asked about repository, ref and commit"
push origin main:claude-conflicts/own-3; ok $? "and so does a conflict"
rm -f "$T/message"
not push origin main:claude-results/own-4 main:plain && said 'results are made by'
ok $? "never together with another ref"
not push origin main:claude-results/own-5 main:claude-results/own-6; ok $? "nor two at once"
git -C "$T/r.git" update-ref refs/heads/claude-results/old main~1
not push -f origin main:claude-results/old; ok $? "none that is there is moved"
for ref in refs/flowforge/jobs/1/result2 refs/notes/flowforge; do
	not push origin "main:$ref"; ok $? "$ref is nobody's, whatever core says"
done
[ ! -e "$T/message" ]; ok $? "core was asked about none of these"
for how in 'answer no' 'answer ">_hello"' silent deaf close drip; do
	# shellcheck disable=SC2086
	start_core $how
	not push origin main:claude-results/own-7 && said 'results are made by'
	ok $? "core does this: $how; it is refused"
done
stop_core
not push origin main:claude-results/own-7 && said 'results are made by'; ok $? "with core away, too"
push origin main:claude/away && said 'is not answering'; ok $? "which no other push minds"
start_core answer spool

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
