#!/bin/sh
# SPDX-License-Identifier: MIT
# A client of control.sock that has looked into the repository itself: many
# jobs over one connection, in the order in which they were sent.
. "$top_srcdir/tests/lib/test-lib.sh"

start_model --demo
start_daemon server.workers=0 worker.socket=true
make_hooked_repo app
oid=$(git -C app.git rev-parse main)

# Sends all words at once, each a line, and prints as many lines as it was promised.
cat >client.pl <<'PERL'
use strict;
use warnings;
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Peer => shift) or die "no connection: $!\n";
alarm 60;
$s->autoflush(1);
print $s join('', map { "$_\n" } @ARGV);
for (@ARGV) { print scalar(<$s>) // die "hung up\n" }
PERL
client() {
	perl "$T/client.pl" "$T/run/control.sock" "$@"
}
ask() { # ID BRANCH [MORE]: a request
	printf '{"m":"request","id":%s,"command":"submit","args":{"repo":"%s","branch":"%s"%s}}' "$1" "$T/app.git" "$2" "${3-}"
}
field() { # JOB KEY
	ff show "$1" --json | json "$2"
}
known=",\"oid\":\"$oid\",\"task\":\"do it\",\"target\":\"main\""

test_expect 'many over one connection, each is queued with what it said' '
	client "$(ask 1 claude/a "$known")" "$(ask 2 claude/b "$known,\"priority\":\"high\",\"retries\":0")" \
		"$(ask 3 refs/heads/topic/c "$known,\"who\":\"ann\"")" >out
	cat out
	is "$(grep -c "\"state\": *\"queued\"" out)" 3
	is "$(sed -E "s/.*\"number\": *([0-9]+).*/\\1/" out | tr "\n" " ")" "1 2 3 "
	is "$(field 1 task) $(field 1 target) $(field 1 branch) $(field 1 source_oid)" "do it main claude/a $oid"
	is "$(field 1 pusher) $(field 3 pusher)" "submit ann"
	is "$(field 2 priority) $(field 2 retries) $(field 3 branch)" "high 0 topic/c"
	ff admin audit >log
	is "$(grep -c submit log)" 3
'

test_expect 'one of the same branch waits: nobody asks twice by mistake here' '
	client "$(ask 1 claude/a "$known")" "$(ask 2 claude/b "$known,\"priority\":\"low\"")" >out
	cat out
	is "$(job_state 1) $(job_state 2)" "queued queued"
	is "$(job_state 4) $(job_state 5)" "waiting waiting"
'

test_expect 'what is wrong is said, and makes no job' '
	client "$(ask 1 claude/x ",\"oid\":\"$oid\",\"task\":\"x\"")" "$(ask 2 claude/x ",\"oid\":\"zz\",\"task\":\"x\",\"target\":\"main\"")" \
		"$(ask 3 "claude/.." "$known")" "$(ask 4 claude-results/x "$known")" "$(ask 5 claude/x "$known,\"env\":\"none\"")" \
		"$(ask 6 claude/x "$known,\"push_id\":\"00000000000000000000000000000000\"")" >out
	cat out
	is "$(grep -c error out)" 6
	like "$(sed -n 1p out)" "a task and a target"
	like "$(sed -n 4p out)" "result"
	is "$(ff list --json | grep -o "\"number\"" | wc -l)" 5
'

test_expect 'they are there after a kill' '
	kill -s KILL "$(process_pid daemon)"
	wait_until "! process_alive daemon"
	start_daemon server.workers=0 worker.socket=true
	is "$(job_state 3) $(job_state 4) $(job_state 5)" "queued waiting waiting"
'
test_done
