#!/bin/sh
# SPDX-License-Identifier: MIT
# A push waits a moment in memory for what the reader says of it, so that it
# and its job are one transaction; nothing of that may be seen from outside.
. "$top_srcdir/tests/lib/test-lib.sh"

start_daemon server.workers=1 "sandbox.bwrap=$T/no-such-program" hook.answer-time=100ms
make_hooked_repo app
cd app || exit

push_to() { # BRANCH [OPTION...]: what was said is in ../said
	push_branch=$1
	shift
	git commit -q --allow-empty -m "more for $push_branch"
	push origin "HEAD:refs/heads/claude/$push_branch" -o claude=work "$@"
}
stop_reader() {
	kill_role reader STOP
}
go_on() {
	kill_role reader CONT
}
tip() { # BRANCH: the last tip that core has taken
	sqlite3 ../state/flowforge.db "SELECT lower(hex(oid)) FROM tips WHERE ref = CAST('refs/heads/claude/$1' AS BLOB)"
}
# Says a message to hook.sock as a hook does, and prints the answer.
say() { # ID OPTION OID REF
	perl -MIO::Socket::UNIX -e 'my ($sock, $repo, $id, $option, $oid, $ref) = @ARGV;
		my $s = IO::Socket::UNIX->new(Peer => $sock) or die "no daemon"; my $z = "0" x 40;
		print $s qq({"m":"push","v":1,"id":"$id","repo":"$repo","pusher":"x","refs":[{"old":"$z","new":"$oid","ref":"$ref"}],"options":["$option"]}\n);
		$s->flush; print <$s>' "$T/run/hook.sock" "$T/app.git" "$@"
}

test_expect 'with a reader that is there, the first answer has all' '
	push_to warm
	push_to one
	like "$(cat ../said)" "^success: job 2 (queued|waits) .task from push option, target main."
'

test_expect 'a reader that says nothing delays no push: the job is on disk, and its task comes later' '
	stop_reader
	push_to two
	like "$(cat ../said)" "^success: push recorded; its task is being read"
	is "$(job_state 3)" waiting
	is "$(tip two)" "$(git rev-parse HEAD)"
	go_on
	wait_until "ff show 3 --json | grep -q \"push option\""
'

test_expect 'pushes of a branch stay in order, also when the first is still held' '
	first=$(git rev-parse HEAD~1) second=$(git rev-parse HEAD)
	stop_reader
	perl -MIO::Socket::UNIX -e "my (\$sock, \$repo, @oids) = @ARGV; my (\$z, \$n, @s) = (0 x 40, 0);
		for (@oids) { push @s, IO::Socket::UNIX->new(Peer => \$sock) or die }
		for (@oids) { my \$id = ++\$n x 32; syswrite \$s[\$n - 1], qq({\"m\":\"push\",\"v\":1,\"id\":\"\$id\",\"repo\":\"\$repo\",\"pusher\":\"x\",\"refs\":[{\"old\":\"\$z\",\"new\":\"\$_\",\"ref\":\"refs/heads/claude/order\"}],\"options\":[\"claude=push \$n\"]}\n) }
		for my \$c (@s) { print <\$c> }" "$T/run/hook.sock" "$T/app.git" "$first" "$second" >../both
	is "$(grep -c "push recorded" ../both)" 2
	is "$(tip order)" "$second"
	go_on
	wait_until "ff show 5 --json | grep -q \"push option\""
	is "$(ff show 4 --json | json task) $(ff show 5 --json | json task)" "push 1 push 2"
	is "$(ff show 5 --json | json source_oid)" "$second"
'

test_expect 'the same push said twice at once is one job' '
	oid=$(git rev-parse HEAD)
	n=$(job_count)
	for i in 1 2 3 4; do
		say 33333333333333333333333333333333 claude=once "$oid" refs/heads/claude/once >"../once.$i" &
	done
	wait
	is "$(cat ../once.* | grep -c "success: job 6 ")" 4
	is "$(job_count)" $((n + 1))
'

test_expect 'a reader that dies over a held push is asked again' '
	stop_reader
	say 44444444444444444444444444444444 claude=again "$(git rev-parse HEAD)" refs/heads/claude/again >../again &
	pid=$!
	wait_until "ff list --json | grep -q claude/again"
	kill_role reader KILL
	wait $pid
	wait_until "ff show 7 --json | grep -q \"push option\""
'

test_expect 'what the repository refuses is a failed job with its reason, in the first answer' '
	push_to bad -o claude.target=nowhere
	like "$(cat ../said)" "^error: job 8 failed: .*nowhere"
	is "$(job_state 8)" failed
'
test_done
