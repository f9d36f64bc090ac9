#!/bin/sh
# SPDX-License-Identifier: MIT
# An agent that is in the hands of an attacker: what it can reach, and what
# of it reaches a branch.  Each attempt writes what it got into FOUND.
. "$top_srcdir/tests/lib/test-lib.sh"

echo canary-of-the-host >"$T/outside"
chmod 644 "$T/outside"
perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 5) or die;
	open my $f, ">", "$ENV{T}/tcp.port"; print $f $s->sockport; close $f;
	while (my $c = $s->accept) { print $c "canary-on-tcp\n"; close $c }' </dev/null >/dev/null 2>&1 &
note_process listener $!
wait_until '[ -s tcp.port ]'

SECRET_OF_THE_SERVER=canary-environment
export SECRET_OF_THE_SERVER
make_repo app

# A fresh model and daemon, one job with these commands, to its end.
attack() { # BRANCH COMMAND...
	branch=$1
	shift
	stop_daemon
	stop_model
	rm -f "$T/flowforge.conf"
	write_scenario "$@"
	start_model "$T/scenario.json"
	start_daemon review.protect=
	ff hooks install "$T/app.git" >/dev/null
	git -C "$T/app" push -o claude=attack origin "main:claude/$branch" >"$T/push.out" 2>&1
	job=$(pushed_job "$(cat "$T/push.out")")
	[ "$job" ]
	wait_until "job_state $job | grep -qE 'completed|failed'" 120
}

read_all="cat $T/outside $T/key $T/flowforge.conf $T/app.git/HEAD /etc/shadow >>FOUND 2>/dev/null"
connect="timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$(cat "$T/tcp.port") && cat <&3' >>FOUND 2>/dev/null"

test_expect 'the attempts succeed where there is no wall' '
	write_config
	mkdir control && cd control
	sh -c "$read_all; $connect" || :
	like "$(cat FOUND)" "canary-of-the-host"
	like "$(cat FOUND)" "test-key-never-shown"
	like "$(cat FOUND)" "canary-on-tcp"
	rm FOUND
'

test_expect 'nothing of the host is read' '
	attack read "$read_all; $connect; true" \
		"cat /proc/[0-9]*/environ 2>/dev/null | tr \"\\\\0\" \"\\\\n\" | grep -E \"canary|KEY|FLOWFORGE\" >>FOUND; true" \
		"find / -type s 2>/dev/null >>FOUND; ls /proc | grep -cE \"^[0-9]+\$\" >PROCESSES; id -u >UID; true"
	is "$(job_state $job)" completed
	result=claude-results/read-$job
	is "$(git -C app.git show "$result:FOUND")" ""
	[ "$(git -C app.git show "$result:PROCESSES")" -lt 12 ]
	is "$(git -C app.git show "$result:UID")" 1000
	unlike "$(ff log "$job")" "canary-o|canary-e|never-shown"
'

test_expect 'nothing of the host is written' '
	attack write "touch /usr/owned /etc/owned $T/owned /ws/done 2>/dev/null; true"
	is "$(job_state $job)" completed
	git -C app.git cat-file -e "claude-results/write-$job:done"
	[ ! -e "$T/owned" ] && [ ! -e /usr/owned ] && [ ! -e /etc/owned ]
'

test_expect 'nothing runs because of what a job wrote into .git or .gitattributes' '
	attack git "mkdir -p a/.git/hooks .git/hooks && for h in post-checkout pre-commit post-index-change; do
			printf \"#!/bin/sh\\\\ntouch $T/owned\\\\n\" >.git/hooks/\$h; done; chmod +x .git/hooks/*
			printf \"[filter \\\\\"x\\\\\"]\\\\n\\\\tclean = touch $T/owned\\\\n[core]\\\\n\\\\tfsmonitor = touch $T/owned\\\\n\" >.git/config
			cp -r .git/. a/.git/; echo \"* filter=x\" >.gitattributes; echo x >a/x"
	is "$(job_state $job)" completed
	[ ! -e "$T/owned" ]
	like "$(git -C app.git ls-tree -r --name-only "claude-results/git-$job")" "^a/x$"
	unlike "$(git -C app.git ls-tree -r --name-only "claude-results/git-$job")" "(^|/)\.git(/|$)"
'

test_expect 'a link out of the tree and a pipe never reach a branch' '
	n=0
	for bad in "ln -s $T/outside link" "ln -s ../../../../../../etc/passwd link" "mkfifo link"; do
		attack "link-$((n += 1))" "$bad; echo x >beside"
		for ref in $(git -C app.git for-each-ref --format="%(refname)" "refs/heads/claude-results/link-*" "refs/heads/claude-conflicts/*"); do
			unlike "$(git -C app.git ls-tree -r --name-only "$ref")" "^link$"
		done
	done
'

test_expect 'what a job left running is gone with it' '
	attack survive "setsid sh -c \"sleep 300; touch $T/owned\" >/dev/null 2>&1 & (sleep 301 &) ; echo x >X; true"
	is "$(job_state $job)" completed
	is "$(pgrep -f "touch $T/owned" || :)" ""
'

test_expect 'the key is nowhere but in its file' '
	is "$(grep -rlF test-key-never-shown "$T" --exclude=key --exclude=.out --exclude-dir=bin || :)" ""
'

if [ "$(id -u)" = 0 ]; then
	test_skip 'no role can be looked into, not by its own account either' 'root may look into all'
else
	test_expect 'no role can be looked into, not by its own account either' '
		[ -r /proc/$$/environ ]
		rm -f "$T/go" "$T/go.reached"
		stop_model
		write_scenario wait:go true
		start_model "$T/scenario.json"
		stop_daemon
		rm -f "$T/flowforge.conf"
		start_daemon
		git -C "$T/app" push -o claude=wait origin main:claude/looked-into >"$T/push.out" 2>&1
		job=$(pushed_job "$(cat "$T/push.out")")
		wait_until "[ -e \"$T/go.reached\" ]"
		for role in gateway reader worker; do
			[ "$(role_pids $role)" ]
		done
		for pid in $(process_pid daemon) $(role_pids gateway) $(role_pids reader) $(role_pids worker); do
			[ ! -r "/proc/$pid/environ" ]
		done
		touch "$T/go"
		wait_job "$job" completed
	'
fi

test_done
