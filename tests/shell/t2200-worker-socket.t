#!/bin/sh
# SPDX-License-Identifier: MIT
# Workers that come to worker.sock: they take jobs one after the other, lose
# them when they go or are silent, and are fenced off by the attempt.
. "$top_srcdir/tests/lib/test-lib.sh"

start_model --demo
start_daemon server.workers=0 worker.socket=true worker.silence=1s job.retries=5
make_hooked_repo app

# What is said on the worker's side: "> LINE" sends, "< REGEX" waits for a line
# that matches, "hold" stays silent until the other side hangs up.
cat >guest.pl <<'PERL'
use strict;
use warnings;
use IO::Socket::UNIX;
$SIG{PIPE} = "IGNORE";
$SIG{__DIE__} = sub { return if $^S; print STDERR @_; exit 1 };
my $s = IO::Socket::UNIX->new(Peer => shift) or die "no connection: $!\n";
$s->autoflush(1);
alarm 60;
for (@ARGV) {
	if (/^> (.*)/s) { print $s "$1\n" }
	elsif (/^< (.*)/s) { my $want = $1; my $line = <$s> // die "hung up instead of $want\n"; print $line; $line =~ $want or die "no $want in $line" }
	elsif ($_ eq 'hold') { print while <$s> }
}
PERL
guest() {
	perl "$T/guest.pl" "$T/run/worker.sock" "$@"
}
push_job() { # BRANCH: its number
	git -C app push -o claude=work origin "HEAD:claude/$1" >push.out 2>&1
	pushed_job "$(grep success push.out)"
}
hello='> {"m":"hello","role":"worker","pid":1,"gateway":false}'
done_1='> {"m":"done","attempt":1,"outcome":"nothing"}'

test_expect 'the socket is for our own account alone' '
	is "$(stat -c %a run/worker.sock)" 600
'

test_expect 'jobs stay queued until a worker comes, which takes them one by one' '
	is "$(push_job one) $(push_job two)" "1 2"
	is "$(job_state 1) $(job_state 2)" "queued queued"
	guest "$hello" "< \"m\": ?\"job\", ?\"job\": ?1," "> {\"m\":\"event\",\"attempt\":1,\"type\":\"job.progress\",\"text\":\"half\"}" \
		"> {\"m\":\"step\",\"attempt\":1,\"step\":\"prepare\",\"state\":\"started\"}" "< ack" "$done_1" "< ack" \
		"> {\"m\":\"claim\"}" "< \"job\": ?2," "$done_1" "> {\"m\":\"claim\"}" "< ack"
	is "$(job_state 1) $(job_state 2)" "completed completed"
	like "$(ff show 1 --json)" "half"
'

test_expect 'a worker that waits is given the next job' '
	guest "$hello" "< \"job\": ?3," "$done_1" "< ack" >waits.out 2>&1 &
	note_process guest $!
	is "$(push_job three)" 3
	wait_job 3 completed
	wait_until "! process_alive guest"
'

test_expect 'one that goes away loses its job to the next, as another attempt' '
	is "$(push_job four)" 4
	guest "$hello" "< \"job\": ?4,"
	wait_until "ff show 4 --json | grep -q \"the worker went away\""
	guest "$hello" "< \"attempt\": ?2," "$done_1" "< refused.*attempt" "> {\"m\":\"done\",\"attempt\":2,\"outcome\":\"nothing\"}" "< ack"
	wait_job 4 completed
'

test_expect 'one that is silent loses it too, and is told' '
	is "$(push_job five)" 5
	guest "$hello" "< \"job\": ?5," "< refused" hold
	wait_until "ff show 5 --json | grep -q \"nothing was heard of the worker\""
	ff cancel 5
	guest "$hello" "$done_1" "< refused.*no job"
'

test_expect 'a job that is cancelled is taken from its worker' '
	is "$(push_job six)" 6
	guest "$hello" "< \"job\": ?6," "> {\"m\":\"alive\"}" "< refused" hold >six.out 2>&1 &
	note_process guest $!
	wait_job 6 running
	ff cancel 6
	wait_until "! process_alive guest"
	like "$(cat six.out)" "\"m\": ?\"refused\""
'

test_expect 'the worker of the house does its job over the socket, too' '
	is "$(push_job seven)" 7
	perl -MIO::Socket::UNIX -e "\$^F = 9; my \$s = IO::Socket::UNIX->new(Peer => shift) or die; require POSIX; POSIX::dup2(fileno \$s, 3); exec @ARGV" \
		"$T/run/worker.sock" "$T/bin/flowforged" --role worker --config "$T/run/roles.conf"
	wait_job 7 completed
	git -C app.git rev-parse -q --verify claude-results/seven-7
'

if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	test_expect 'another account is turned away, even when the file lets it in' '
		chmod 666 run/worker.sock
		chmod 755 "$T" && must_fail setpriv --reuid 65534 --clear-groups perl "$T/guest.pl" "$T/run/worker.sock" "$hello" "< job"
		like "$(cat daemon.log)" "uid 65534 may not use the worker socket"
	'
else
	test_skip 'another account is turned away, even when the file lets it in' 'needs root'
fi

test_expect 'it is off by default' '
	stop_daemon
	write_config
	start_daemon
	[ ! -e run/worker.sock ]
'
test_done
