#!/bin/sh
# SPDX-License-Identifier: MIT
# publish.method = push, and what breaks while it pushes: the connection, the
# server, a process of ours.  Each time there is one result branch in the end,
# and the model was not paid again.
# shellcheck disable=SC2046
. "$top_srcdir/tests/lib/test-lib.sh"
. "$top_srcdir/tests/lib/push-lib.sh"

push_skips
# Large enough that it is cut in the middle of the pack.
write_scenario 'head -c 600000 /dev/urandom >big'

test_expect 'a server behind a connection that can break' '
	start_model "$T/scenario.json"
	start_sshd
	push_keys
	start_proxy
	make_repo app
	push_conf "$proxy_port" >conf.words
	start_daemon $(cat conf.words)
	ff hooks install "$T/app.git"
'

begin() { # NAME
	(cd app && push origin "main:refs/heads/claude/$1" -o claude=work)
	said_job >job
}
# What is true of every one of these in the end.
ended_well() { # NAME
	job=$(cat job)
	wait_job "$job" completed 90
	is "$(git -C app.git for-each-ref --format="%(refname)" "refs/heads/claude-results/*-$job")" "refs/heads/claude-results/$1-$job"
	is "$(git -C app.git rev-parse "claude-results/$1-$job")" "$(git -C app.git rev-parse "refs/flowforge/jobs/$job/result")"
	is "$(git -C app.git cat-file -s "claude-results/$1-$job:big")" 600000
	is "$(ff show "$job" | grep -c model.answered)" 2
	git -C app.git fsck --no-dangling >fsck.out 2>&1 || { cat fsck.out; return 1; }
}
# A failed attempt of that class was noted, with that text.
retried_for() { # CLASS REGEX
	ff show "$(cat job)" >shown
	like "$(cat shown)" "$1 .*$2"
}

test_expect 'cut in mid-pack: tried again' '
	echo "cut 200000" >rule
	begin cut
	wait_until "[ -e rule.reached ]" 60
	rm rule rule.reached
	ended_well cut
	retried_for NETWORK_ERROR "connection (to the server )?(was lost|too soon)|lost|too soon"
'

test_expect 'cut before anything was said: tried again' '
	echo "cut 10" >rule
	begin early
	wait_until "[ -e rule.reached ]" 60
	rm rule rule.reached
	ended_well early
	retried_for NETWORK_ERROR 127.0.0.1
'

test_expect 'a peer that hangs in mid-transfer is cut off at publish.timeout' '
	push_reload publish.timeout=3s publish.connect-timeout=3s
	echo "hang 200000" >rule
	begin hang
	wait_until "[ -e rule.reached ]" 60
	rm rule rule.reached
	ended_well hang
	retried_for TIMEOUT publish.timeout
	is "$(role_pids tunnel)" ""
'

test_expect 'a peer that never says a word is left at publish.connect-timeout' '
	push_reload publish.timeout=10m publish.connect-timeout=500ms
	echo "hang 1" >rule
	begin mute
	wait_until "[ -e rule.reached ]" 60
	rm rule rule.reached
	push_reload publish.connect-timeout=20s
	ended_well mute
	retried_for TIMEOUT publish.connect-timeout
'

test_expect 'nobody listens: tried again, and failed in the end with the result kept' '
	end_process proxy KILL
	begin nobody
	job=$(cat job)
	wait_job "$job" failed 90
	is "$(ff show "$job" --json | json error)" NETWORK_ERROR
	like "$(ff show "$job")" "result kept as refs/flowforge/jobs/$job/result, not pushed: .*cannot connect"
	is "$(git -C app.git cat-file -s "refs/flowforge/jobs/$job/result:big")" 600000
	ff list --dead | grep "claude/nobody"
	push_reload $(push_conf | grep "^publish.url")
'

# From here on the server holds a result's push until $T/go is there.
begin_held() { # NAME
	rm -f go held
	begin "$1"
	wait_until "[ -e held ]" 60
}

test_expect 'the tunnel is killed in mid-push: one result' '
	hold_results app
	begin_held tunnel
	kill_role tunnel
	wait_until "role_pids worker | grep -q . && ! role_pids tunnel | grep -q . || ff show $(cat job) | grep -q NETWORK_ERROR"
	>go
	ended_well tunnel
'

test_expect 'the worker is killed in mid-push: one result, and its tunnel is gone with it' '
	begin_held worker
	old=$(role_pids tunnel)
	kill_role worker
	wait_until "[ ! -e /proc/$old ]"
	>go
	ended_well worker
'

test_expect 'everything is killed in mid-push: one result after the restart' '
	begin_held core
	old=$(role_pids tunnel)
	end_process daemon KILL
	wait_until "[ ! -e /proc/$old ]"
	>go
	start_daemon
	ended_well core
'

test_expect 'the server ends in mid-push: one result' '
	begin_held sshd
	# The session itself, as when the host goes down; its hook lives on.
	session=$(ps -o pid= --ppid "$(process_pid sshd)" | tr -d " ")
	# An account without rights has two processes of it.
	kill -KILL $session $(ps -o pid=,comm= --ppid "$session" | awk "/sshd/ { print \$1 }")
	wait_until "ff show $(cat job) | grep -q NETWORK_ERROR"
	>go
	ended_well sshd
'

test_expect 'in mid-push a job cannot be cancelled, as always once it publishes' '
	begin_held cancel
	must_fail ff cancel "$(cat job)" 2>out
	like "$(cat out)" "publishing its result"
	>go
	ended_well cancel
	is "$(role_pids tunnel)" ""
'
test_done
