#!/bin/sh
# SPDX-License-Identifier: MIT
# post-receive: a push reaches core or the spool, and never waits longer than it may.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/hook-lib.sh"
hook_conf 'timeout-ms 300'
bare r
# The limit of 2 seconds, and the push itself on a busy machine.
in_time() { [ $(($(now_ms) - $1)) -lt $((4000 * test_slow)) ]; }
message() { # FILE EXPRESSION: one message, checked by another parser than ours
	perl -MJSON::PP -e 'local $/; my $m = decode_json(<STDIN>); exit !eval($ARGV[0]) ' "$2" <"$1"
}

push origin main
ok $? "a push that does not concern us passes"
[ "$(spooled)" = 0 ] && not said flowforge; ok $? "and leaves no trace"

# --- daemon away
push origin main:claude/a && said '^remote: warning: .*is not answering'; ok $? "no daemon: the push passes with a warning"
[ "$(spooled)" = 1 ]; ok $? "and is in the spool"
file=$(find "$T/spool" -name '*.json')
id=$(basename "$file" .json)
new=$(git -C "$T/r" rev-parse main)
message "$file" "\$m->{m} eq 'push' && \$m->{v} == 1 && \$m->{id} eq '$id' && \$m->{repo} eq '$(realpath "$T/r.git")'
	&& @{\$m->{refs}} == 1 && \$m->{refs}[0]{new} eq '$new' && \$m->{refs}[0]{old} eq '0' x 40
	&& \$m->{refs}[0]{ref} eq 'refs/heads/claude/a' && length \$m->{pusher} && \$m->{at} > 1e12"
ok $? "as the message that core would have got"
[ "$(tail -c 1 "$file" | od -An -c | tr -d ' ')" = '\n' ]; ok $? "in one line"
rm -f "$T/spool/"*

# --- daemon there
start_core answer '> success: job 12 queued' '> https://flow.example.org/jobs/12' done
push -o claude="do it" -o ci.secret=x origin main:claude/b && said '^remote: success: job 12 queued' && said 'flow.example.org/jobs/12'
ok $? "core's answer is shown"
[ "$(spooled)" = 0 ]; ok $? "and nothing is spooled"
message "$T/message" '"@{$m->{options}}" eq "claude=do it"'; ok $? "options of others stay where they are"
push -o claude.task="on any branch" origin main:topic; message "$T/message" '$m->{refs}[0]{ref} eq "refs/heads/topic"'
ok $? "an option triggers on any branch"
rm -f "$T/message"; push origin main:topic2 main:refs/tags/t; not test -e "$T/message"; ok $? "no option, no trigger: core is not asked"
push -o claude=x origin main:refs/tags/t2 && said 'hint: no job was started' && not test -e "$T/message"
ok $? "an option without a branch is not met with silence"
push -o claude.tsk=x origin main:claude/typo && said "claude.tsk is not known"; ok $? "an unknown key is named"
rm -f "$T/message"; push origin :claude/typo; not test -e "$T/message"; ok $? "a deletion starts nothing"
commit skip; push -o claude.skip origin main:claude/b; message "$T/message" '"@{$m->{options}}" eq "claude.skip"'
ok $? "a push to be skipped is told, so that it is not taken for a lost one"

# --- core says strange things
esc=$(printf '\033')
start_core answer "> ${esc}[31mred$(printf '\r')" "> $(head -c 300 /dev/zero | tr '\0' b)" \
	"> https://x/$(head -c 300 /dev/zero | tr '\0' c)" '> 4' '> 5' '> 6' '> seventh' done
commit esc; push origin main:claude/b
not grep -q "$esc" "$T/out"; ok $? "no escape reaches the pusher"
not grep -q 'b\{73\}' "$T/out" && grep -q 'b\{60\}' "$T/out"; ok $? "long lines are cut"
grep -q 'c\{100\}' "$T/out" && not grep -q 'c\{201\}' "$T/out"; ok $? "addresses later"
grep -q '^remote: 6' "$T/out" && not grep -q seventh "$T/out"; ok $? "six lines are shown and no more"

# --- core is sick: the push goes on, the job waits in the spool
for mode in silent deaf close drip 'answer spool' 'answer nonsense' 'answer'; do
	rm -f "$T/spool/"*
	# shellcheck disable=SC2086
	start_core $mode
	commit "$mode"
	t0=$(now_ms)
	push origin main:claude/b; ok $? "core is '$mode': the push passes"
	in_time "$t0"; ok $? "core is '$mode': in time"
	[ "$(spooled)" = 1 ]; ok $? "core is '$mode': it is in the spool"
done
start_core deaf
rm -f "$T/spool/"*
commit big
big=$(head -c 32000 /dev/zero | tr '\0' d)
t0=$(now_ms)
push -o "claude.task=$big" origin main:claude/b && in_time "$t0" && [ "$(spooled)" = 1 ]; ok $? "a long message to a deaf core as well"
stop_core

# --- limits
rm -f "$T/spool/"*
hook_conf 'timeout-ms 300' 'max-refs 3'
push origin main:claude/1 main:claude/2 main:claude/3 main:claude/4 main:claude/5 && said 'hint: 2 refs more'
ok $? "refs over the limit are named"
message "$(find "$T/spool" -name '*.json')" '@{$m->{refs}} == 3'; ok $? "and left out"
hook_conf 'max-message 4096'
rm -f "$T/spool/"*
commit size; push -o "claude.task=$big" origin main:claude/b && said 'error: .*4096 bytes' && [ "$(spooled)" = 0 ]
ok $? "a message over the limit is said to be"

# --- the spool is broken too
hook_conf 'timeout-ms 300'
rmdir "$T/spool"; commit nospool
push origin main:claude/b && said 'warning: .*could not keep this push' && said 'tell the administrator'
ok $? "no spool either: the pusher is told what to do"
mkdir "$T/spool"

# --- a client that does not read what it is told
rm -f "$T/spool/"*
new=$(git -C "$T/r" rev-parse main)
mkfifo "$T/full"
exec 9<>"$T/full"
perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_NONBLOCK); 1 while syswrite(STDOUT, "x" x 4096); fcntl(STDOUT, F_SETFL, 0)' >&9
t0=$(now_ms)
(cd "$T/r.git" && printf '%040d %s refs/heads/claude/w\n' 0 "$new" | timeout $((10 * test_slow)) "$hook" post-receive --conf "$T/hook.conf" 2>&9)
ok $? "a client that does not read: the hook ends well"
in_time "$t0" && [ "$(spooled)" = 1 ]; ok $? "in time, and the push is kept"
exec 9<&-

# --- who and what
run() { # [VAR=VALUE...]: the message in the spool of one hook run
	rm -f "$T/spool/"*
	(cd "$T/r.git" && printf '%040d %s refs/heads/claude/w\n' 0 "$new" | env GIT_DIR=. "$@" "$hook" post-receive --conf "$T/hook.conf" 2>/dev/null)
	message "$(find "$T/spool" -name '*.json')" "$want"
}
want='$m->{pusher} eq "ann" && $m->{project} eq "grp/p"'
run GL_USERNAME=ann GL_USER=bob GL_PROJECT_PATH=grp/p GL_REPOSITORY=project-1; ok $? "GitLab's names"
want='$m->{pusher} eq "bob" && $m->{project} eq "p"'
run GL_USER=bob GL_REPO=p; ok $? "gitolite's names"
want='$m->{pusher} eq "cat" && $m->{project} eq "o/p"'
run GITEA_PUSHER_NAME=cat GITEA_REPO_USER_NAME=o GITEA_REPO_NAME=p GL_REPO=q; ok $? "Gitea's names"
key=AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
echo "publickey ssh-ed25519 $key" >"$T/auth"
echo "ssh-ed25519 $key" >"$T/key.pub"
want="\$m->{pusher} eq '$(ssh-keygen -lf "$T/key.pub" | cut -d' ' -f2)'"
run SSH_USER_AUTH="$T/auth"; ok $? "the fingerprint that ssh-keygen prints"
want="\$m->{pusher} eq '$(id -un)'"
run A=b; ok $? "the unix account last"
for wiki in GITEA_REPO_IS_WIKI=true GL_REPOSITORY=wiki-7; do
	not run "$wiki" 2>/dev/null && [ "$(spooled)" = 0 ]; ok $? "$wiki: left alone"
done
hook_conf 'timeout-ms 300' 'ignore mirror' 'pusher-variable WHO'
want='$m->{pusher} eq "mirror" && "@{$m->{options}}" eq "claude.skip"'
run WHO=mirror; ok $? "an ignored pusher's push is told as one to be skipped"

# --- a drop-only folder, as an account that may not list it
if [ "$(id -u)" = 0 ]; then
	rm -f "$T/spool/"*
	hook_conf 'timeout-ms 300'
	chmod 755 "$T"; chown root:nogroup "$T/spool"; chmod 1730 "$T/spool"; chmod 644 "$T/hook.conf"
	cp "$hook" "$T/hook-copy"; chmod 755 "$T/hook-copy" # the build folder may be closed to others
	(cd "$T" && printf '%040d %s refs/heads/claude/w\n' 0 "$new" |
		setpriv --reuid=65534 --regid=65534 --clear-groups "$T/hook-copy" post-receive --conf "$T/hook.conf") >"$T/out" 2>&1
	said 'this push is kept' && [ "$(find "$T/spool" -name '*.json' -perm 644 -uid 65534 | wc -l)" = 1 ]
	ok $? "another account can drop a push, and core can read it"
else
	test_skip "another account can drop a push" "needs root for a second account"
fi
test_done
