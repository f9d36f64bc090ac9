#!/bin/sh
# SPDX-License-Identifier: MIT
# Whoever reaches hook.sock: connections that say nothing, strangers who take
# all places, a daemon without descriptors.  Pushes of others go on, and
# nothing that was pushed is lost.
. "$top_srcdir/tests/lib/test-lib.sh"

start_model --demo
start_daemon
make_hooked_repo app

# COUNT connections that say one byte each and then nothing, as another
# account if AS is set; says how many when all are made.
crowd() { # COUNT
	rm -f "$T/crowd"
	${AS-} perl -MIO::Socket::UNIX -e '$SIG{PIPE} = "IGNORE"; $0 = "crowd";
		for (1 .. $ARGV[1]) { my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or last; syswrite $s, "{"; push @all, $s }
		syswrite STDOUT, @all . "\n"; select undef, undef, undef, 120' "$T/run/hook.sock" "$1" >"$T/crowd" 2>"$T/crowd.err" &
	note_process crowd $!
	wait_until '[ -s "$T/crowd" ]'
}

push_job() { # BRANCH
	git -C "$T/app" push -o claude=work origin "HEAD:claude/$1" >"$T/push.out" 2>&1
	pushed_job "$(grep success "$T/push.out" || :)"
}

ticks() { # of the processor, taken by core so far
	awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$(process_pid daemon)/stat"
}

test_expect 'connections that say nothing are ended, and the next push is answered' '
	crowd 300
	wait_until "grep -q hook.slow daemon.log"
	wait_until "[ \"\$(ls /proc/$(process_pid daemon)/fd | wc -l)\" -lt 60 ]"
	is "$(push_job silent)" 1
	end_process crowd KILL
'

if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	test_expect 'another account does not take all places' '
		chmod 711 "$T/run" && chmod 666 "$T/run/hook.sock"
		AS="setpriv --reuid 65534 --clear-groups" crowd 300
		is "$(push_job crowded)" 2
		end_process crowd KILL
	'
else
	test_skip 'another account does not take all places' 'needs root'
fi

test_expect 'a push into a folder that is no repository leaves nothing behind' '
	mkdir "$T/plain"
	perl -MIO::Socket::UNIX -e '"'"'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; my ($z, $o) = ("0" x 40, "1" x 40);
		print $s "{\"m\":\"push\",\"v\":1,\"id\":\"", "7" x 32, "\",\"repo\":\"$ARGV[1]\",\"pusher\":\"x\",\"refs\":[{\"old\":\"$z\",\"new\":\"$o\",\"ref\":\"refs/heads/claude/x\"}],\"options\":[\"claude=x\"]}\n";
		$s->flush; print <$s>'"'"' "$T/run/hook.sock" "$T/plain" >"$T/answer"
	like "$(cat answer)" "error: no job"
	unlike "$(ff list --json)" plain
'

test_expect 'without a descriptor to spare the daemon waits, and then takes the push' '
	pid=$(process_pid daemon)
	wait_until "[ -z \"\$(ff list --json | grep -E \"queued|running\")\" ]" 60
	prlimit --nofile=3:1024 --pid "$pid"
	before=$(ticks)
	push_job starved >/dev/null
	crowd 20
	end_process crowd KILL
	process_alive daemon
	[ $(($(ticks) - before)) -lt 100 ]
	prlimit --nofile=1024:1024 --pid "$pid"
	wait_until "ff list --json | grep -q claude/starved" 30
	process_alive daemon
	wait_until "[ -z \"\$(ls state/spool)\" ]" 15
'

test_expect 'server.repositories says which, by the real path' '
	stop_daemon
	mkdir -p shelf
	make_hooked_repo inside
	mv inside.git shelf/ && ln -s shelf/inside.git inside.git
	cp -r shelf/inside.git outside.git
	git config -f flowforge.conf server.repositories "$T/shelf/*"
	start_daemon
	cd inside && git push -o claude=work origin HEAD:claude/in >../push.out 2>&1
	like "$(cat ../push.out)" "success: job"
	git push -o claude=work "$T/outside.git" HEAD:claude/out >../push.out 2>&1
	like "$(cat ../push.out)" "is not among"
	cd ..
	must_fail ff submit outside.git main -m work 2>out
	like "$(cat out)" "not among server.repositories"
	must_fail ff submit shelf/../outside.git main -m work
'

if [ "$(id -u)" = 0 ]; then
	test_expect 'root takes repositories of others only when they are named' '
		chown -R nobody shelf/inside.git outside.git
		cd inside && git push -o claude=work origin HEAD:claude/named >../push.out 2>&1
		like "$(cat ../push.out)" "success: job"
		cd ..
		stop_daemon
		git config -f flowforge.conf --unset server.repositories
		start_daemon
		cd inside && git push -o claude=work origin HEAD:claude/unnamed >../push.out 2>&1
		like "$(cat ../push.out)" "belongs to another"
		cd ../app && git push -o claude=work origin HEAD:claude/own >../push.out 2>&1
		like "$(cat ../push.out)" "success: job"
	'
else
	test_skip 'root takes repositories of others only when they are named' 'needs root'
fi

test_done
