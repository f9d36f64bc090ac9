#!/bin/sh
# SPDX-License-Identifier: MIT
# SIGHUP: a good configuration is taken over, a bad one changes nothing.
. "$top_srcdir/tests/lib/test-lib.sh"

# Sends the signal and waits until the log has one more line of that event.
reload() { # EVENT
	reload_n=$(grep -c "\"event\":\"$1\"" daemon.log || :)
	kill -s HUP "$(process_pid daemon)"
	wait_until "[ \$(grep -c '\"event\":\"$1\"' daemon.log) -gt $reload_n ]"
}
set_key() { # KEY VALUE
	git config -f flowforge.conf "$1" "$2"
}

# What a service manager would hear.
perl -MSocket -e '
	my $s;
	socket($s, AF_UNIX, SOCK_DGRAM, 0) && bind($s, sockaddr_un($ARGV[0])) or die $!;
	$| = 1;
	while (defined recv($s, my $b, 4096, 0)) { $b =~ s/\n/ /g; print "$b\n" }' "$T/notify" >said.manager 2>&1 </dev/null &
note_process manager $!
wait_until '[ -S notify ]' || exit 1

write_scenario wait:go 'echo x >X'
start_model "$T/scenario.json"
NOTIFY_SOCKET=$T/notify
export NOTIFY_SOCKET
start_daemon server.workers=1 hook.max-task=1000
unset NOTIFY_SOCKET
make_hooked_repo app

test_expect 'a job runs, and a branch that is not designated starts none' '
	git -C app push -q -o claude=work origin HEAD:refs/heads/claude/one
	wait_job 1 running
	wait_until "[ -e go.reached ]"
	git -C app push -q origin HEAD:refs/heads/bot/a
	is "$(job_count)" 1
'

test_expect 'what changed is written for hooks and roles' '
	set_key trigger.refs "refs/heads/bot/*"
	set_key hook.max-task 2000
	set_key server.workers 2
	set_key branch.bot/\*.task "look at it"
	set_key log.level debug
	reload core.reloaded
	like "$(cat state/hook.conf)" "refs/heads/bot/"
	like "$(cat state/hook.conf)" "2000"
	is "$(git config -f run/roles.conf server.workers)" 2
	is "$(stat -c %a run/roles.conf)" 600
	is "$(stat -c %a state/hook.conf)" 644
'

test_expect 'the new settings are in force: another trigger, another worker' '
	git -C app commit -q --allow-empty -m more
	git -C app push -q origin HEAD:refs/heads/bot/a
	wait_until "[ \$(job_count) = 2 ]"
	wait_job 2 running
	is "$(job_state 1)" running
'

test_expect 'the level of the log is in force' '
	set_key log.level warn
	kill -s HUP "$(process_pid daemon)"
	wait_until "[ \"\$(git config -f run/roles.conf log.level)\" = warn ]"
	kill -s USR1 "$(process_pid daemon)"
	ff list # the signal was there first
	ff list
	set_key log.level debug
	reload core.reloaded
	unlike "$(cat daemon.log)" core.reopened
	ff list
'

test_expect 'keys that need a restart are named and stay' '
	set_key server.state-dir "$T/elsewhere"
	set_key gateway.max-answers 77
	reload core.held
	like "$(grep core.held daemon.log)" "server.state-dir .*gateway.max-answers|gateway.max-answers .*server.state-dir"
	is "$(git config -f run/roles.conf server.state-dir)" "$T/state"
	unlike "$(cat run/roles.conf)" "\"77\""
	[ ! -e elsewhere ]
	set_key server.state-dir "$T/state"
	git config -f flowforge.conf --unset gateway.max-answers
	reload core.reloaded
'

test_expect 'a bad file changes nothing, and the log says where the mistake is' '
	cp run/roles.conf before
	cp state/hook.conf before.hook
	cp flowforge.conf good
	set_key server.workers 5
	printf "[server]\n\tnonsense = 1\n" >>flowforge.conf
	reload core.reload
	like "$(grep core.reload\\\" daemon.log)" "flowforge.conf:[0-9]+: .*nonsense"
	cmp before run/roles.conf
	cmp before.hook state/hook.conf
	cp good flowforge.conf
	ff list
'

test_expect 'so does a file that has gone' '
	mv flowforge.conf away
	reload core.reload
	mv away flowforge.conf
	cmp before run/roles.conf
	is "$(job_state 1)" running
'

test_expect 'a file that cannot be written leaves the old settings in force' '
	mv run/roles.conf kept
	mkdir -p run/roles.conf/in-the-way
	set_key log.level error
	reload core.reload
	rm -r run/roles.conf
	set_key log.level debug
	reload core.reloaded
	cmp before run/roles.conf
'

test_expect 'the jobs that ran were not disturbed' '
	touch go
	wait_job 1 completed
	wait_job 2 completed
'

if grep -q "^#define HAVE_SYSTEMD 1" "$top_builddir/config.h"; then
	test_expect 'the service manager hears of each reload and its end' '
		wait_until "[ \$(grep -c RELOADING=1 said.manager) -ge 7 ]"
		like "$(cat said.manager)" "^RELOADING=1 MONOTONIC_USEC=[0-9]+"
		wait_until "[ \$(grep -c READY=1 said.manager) = \$((\$(grep -c RELOADING=1 said.manager) + 1)) ]"
	'
fi

test_done
