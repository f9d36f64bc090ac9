#!/bin/sh
# SPDX-License-Identifier: MIT
# One key with command="flowforge shell": through a real sshd it pushes and
# fetches, asks about jobs by the same words as on the server, and does nothing else.
# shellcheck disable=SC2154
. "$top_srcdir/tests/lib/test-lib.sh"

reason=$(no_ssh)
[ ! "$reason" ] || skip_all "$reason"

over() { # WORDS...: as one types them
	timeout $((60 * test_slow)) ssh -F "$T/ssh/config" git "$@"
}
same() { # WORDS...: over ssh they say what they say here
	over flowforge "$@" | sed 's/ ([0-9]*[smh] ago)//' >"$T/there"
	ff "$@" | sed 's/ ([0-9]*[smh] ago)//' >"$T/here"
	diff "$T/here" "$T/there"
}

write_scenario 'printf "about\n" >ABOUT' wait:go ls
test_expect 'a daemon, a repository and the key' '
	start_model "$T/scenario.json"
	start_daemon
	make_hooked_repo app
	start_sshd
	printf "restrict,command=\"%s/bin/flowforge --config %s/flowforge.conf shell\" %s\n" "$T" "$T" "$(cat ssh/user.pub)" >ssh/authorized_keys
	git clone -q "ssh://git$T/app.git" copy
	is "$(git -C copy rev-parse HEAD)" "$(git -C app rev-parse main)"
'
test_expect 'a push with a task starts a job' '
	git -C copy commit -q --allow-empty -m two
	git -C copy push -o claude="say what this is" origin HEAD:claude/x >out 2>&1
	is "$(pushed_job "$(cat out)")" 1
	is "$(git -C app.git rev-parse claude/x)" "$(git -C copy rev-parse HEAD)"
	wait_until "[ -e go.reached ]"
'
test_expect 'list and show say what they say on the server' '
	like "$(over flowforge list)" "claude/x"
	over flowforge list --json >out
	is "$(json items.0.number <out)" 1
	like "$(over flowforge show 1)" "say what this is"
	over flowforge show 1 --json >out
	is "$(json state <out)" running
'
test_expect 'watch follows a running job to its end' '
	rm -f watched
	over flowforge watch 1 >watched 2>watch.err &
	pid=$!
	wait_until "grep -q . watched"
	>go
	wait "$pid"
	like "$(cat watched)" "completed"
	is "$(job_state 1)" completed
	over flowforge watch 1
'
test_expect 'log and diff are those of the server, and the result is fetched' '
	same show 1
	same log 1
	like "$(cat there)" "Done"
	same diff 1
	git -C app apply --check "$T/there"
	git -C copy fetch -q
	is "$(git -C copy show origin/claude-results/x-1:ABOUT)" about
'
test_expect 'cancel ends a job, and watch tells by its status' '
	rm -f go go.reached watched
	git -C copy commit -q --allow-empty -m three
	git -C copy push -o claude="something else" origin HEAD:claude/y >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]"
	over flowforge watch "$job" >watched 2>watch.err &
	pid=$!
	wait_until "grep -q . watched"
	over flowforge cancel "$job"
	wait_job "$job" cancelled
	status_is 1 wait "$pid"
	status_is 1 over flowforge watch "$job"
	must_fail over flowforge cancel "$job"
'
test_expect 'statuses are those of the man page' '
	status_is 3 over flowforge show 99
	status_is 2 over flowforge show "\$(id)"
	status_is 2 over flowforge show
	status_is 0 over flowforge list --help
'
test_expect 'a connection that goes away ends its watch on the server' '
	git -C copy commit -q --allow-empty -m four
	rm -f go go.reached watched
	git -C copy push -o claude="a third" origin HEAD:claude/z >out 2>&1
	job=$(pushed_job "$(cat out)")
	wait_until "[ -e go.reached ]"
	timeout 60 ssh -F ssh/config git flowforge watch "$job" >watched 2>&1 &
	pid=$!
	wait_until "grep -q . watched"
	server=$(ps -eo pid=,args= | awk -v c="$T/flowforge.conf shell" "index(\$0, c) && !/awk/ && !/bash -c|sh -c/ { print \$1 }")
	[ "$server" ]
	kill "$pid"
	wait "$pid" || :
	wait_until "! kill -0 $server"
	>go
	wait_job "$job" completed
'
test_expect 'the key opens nothing else' '
	status_is 4 over
	status_is 4 over id
	status_is 4 over flowforge submit /
	status_is 4 over flowforge doctor
	status_is 4 over flowforge --config /etc/passwd list
	status_is 128 over "git-upload-pack $T/app.git; touch $T/planted"
	[ ! -e planted ]
	if sftp -q -b /dev/null -F ssh/config git; then exit 1; fi
'
test_expect 'a server that is away is said, and a push is kept' '
	stop_daemon
	status_is 5 over flowforge list
	git -C copy commit -q --allow-empty -m five
	git -C copy push -o claude="later" origin HEAD:claude/later >out 2>&1
	like "$(cat out)" "^remote: warning:.*this push is kept"
	start_daemon
	wait_until "ff list | grep -q claude/later"
'
test_done
