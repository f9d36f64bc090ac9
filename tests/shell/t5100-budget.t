#!/bin/sh
# SPDX-License-Identifier: MIT
# Money: what is refused, ended or parked when it is used up, what was spent,
# and that nothing is counted twice or forgotten.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"

# A fresh daemon with these keys; its first push is job 1.
fresh() { # [KEY=VALUE...]
	stop_daemon
	rm -rf state run flowforge.conf
	: >model.log
	start_daemon "$@"
	[ -d app.git ] || make_hooked_repo app
	ff hooks install app.git >/dev/null
}
asked() {
	grep -c '"path":"/v1/messages"' model.log || :
}
field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

test_expect 'a job has its cost, and the sums agree with its requests' '
	fresh "gateway.price=claude-* 2 10 0.1 2.5"
	push_to one -o claude=work
	wait_job 1 completed
	ff log --model 1 --json >requests
	is "$(perl -MJSON::PP -0777 -ne "print scalar @{decode_json(\$_)}" requests)" "$(asked)"
	ff stats spend --by model --json >by
	cost=$(perl -MJSON::PP -0777 -ne "my \$s = 0; \$s += \$_->{cost_microusd} for @{decode_json(\$_)}; print \$s" requests)
	[ "$cost" -gt 0 ]
	is "$(perl -MJSON::PP -0777 -ne "my \$s = 0; \$s += \$_->{cost_microusd} for @{decode_json(\$_)}; print \$s" by)" "$cost"
	is "$(field 1 cost_microusd)" "$cost"
	# in * 2 + out * 10, to the token
	perl -MJSON::PP -0777 -ne "for (@{decode_json(\$_)}) { die if \$_->{tokens_in} * 2 + \$_->{tokens_out} * 10 != \$_->{cost_microusd} || \$_->{outcome} ne \"answered\" }" requests
	like "$(ff log --model 1)" "answered"
	for by in day repository pusher; do ff stats spend --by $by >out; is "$(wc -l <out)" 2; done
	like "$(ff stats spend --by repository)" "$T/app.git"
	! ff stats spend --by moon 2>err
	like "$(cat err)" "day, repository, pusher or model"
'

test_expect 'a job whose budget is too small asks nothing, and says why' '
	fresh budget.job-usd=0.001
	push_to two -o claude=work
	wait_job 1 failed
	is "$(asked) $(field 1 error)" "0 BUDGET"
	like "$(ff show 1)" "the budget of the job is used up.*budget.job-usd"
'

test_expect 'so does a request, and one repository may have a larger or smaller budget' '
	fresh budget.request-tokens=100
	push_to three -o claude=work
	wait_job 1 failed
	is "$(asked)" 0
	stop_daemon
	rm -rf state run
	write_config budget.job-usd=0.001
	printf "[repository \"*/app.git\"]\n\tjob-usd = 5\n" >>flowforge.conf
	start_daemon
	push_to four -o claude=work
	wait_job 1 completed
'

test_expect 'what fits into no day at all is no reason to wait for the next' '
	fresh budget.day-usd=0.001
	push_to five -o claude=work
	wait_job 1 failed
	is "$(asked) $(field 1 error)" "0 BUDGET"
	like "$(ff show 1)" "the budget of the server, today is used up.*budget.day-usd"
	(cd app && git commit -q --allow-empty -m six && git push -o claude=work origin HEAD:refs/heads/claude/six) >push.out 2>&1
	unlike "$(cat push.out)" "quota is used up"
'

# A worker of ours takes the job and asks for many answers at once.
cat >crowd.pl <<'PERL'
use strict; use warnings; use IO::Socket::UNIX; use JSON::PP;
my ($sock, $state, $many) = @ARGV;
alarm 120;
my $s = IO::Socket::UNIX->new(Peer => $sock) or die "no connection: $!\n";
print $s qq({"m":"hello","role":"worker","pid":1}\n); $s->flush;
my $job = decode_json(scalar <$s>);
my (@open, %got);
for my $i (1 .. $many) {
	my $body = qq({"model":"claude-x","max_tokens":100,"messages":[{"role":"user","content":"crowd $i"}]});
	my $c = IO::Socket::UNIX->new(Peer => "$state/jobs/$job->{job}/gate/gw.sock") or die "no socket: $!\n";
	print $c "POST /v1/messages HTTP/1.1\r\nx-api-key: $job->{token}\r\nconnection: close\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
	$c->flush; push @open, $c;
}
for my $c (@open) { my $head = <$c> // ""; $got{$1}++ if $head =~ / (\d+) /; 1 while <$c> }
print "$_:$got{$_}\n" for sort keys %got;
PERL

test_expect 'a hundred at once at the edge of the budget: not one answer too many' '
	stop_model
	echo "{\"rules\":[{\"match\":{\"last_user\":\"crowd\"},\"sequence\":[{\"text\":\"yes\",\"usage\":{\"input_tokens\":10,\"output_tokens\":90}}]}]}" >crowd.json
	start_model "$T/crowd.json"
	# An answer may cost 38 * 2.5 + 100 * 10 at most, and does cost 10 * 2 + 90 * 10 = 920.
	fresh server.workers=0 worker.socket=true "gateway.price=claude-* 2 10 0.1 2.5" gateway.max-requests=200 budget.job-usd=0.0101 gateway.hold-max=20s
	push_to seven -o claude=work
	perl crowd.pl run/worker.sock "$T/state" 100 >got || cat got
	wait_job 1 failed
	is "$(field 1 error)" BUDGET
	ff stats spend --json >sum
	spent=$(perl -MJSON::PP -0777 -ne "print decode_json(\$_)->[0]{cost_microusd}" sum)
	answers=$(asked)
	echo "# spent $spent of 10100 for $answers answers"
	# It ends when no other one fits: 9 are sure, and each answer above the limit would be an overshoot.
	[ "$spent" -le 10100 ]
	[ "$answers" -ge 9 ] && [ "$answers" -le 11 ]
	is "$spent" "$((answers * 920))"
'

test_expect 'what was under way when the gateway was killed counts, and the job goes on' '
	stop_model
	write_scenario wait:go "echo x >X"
	start_model "$T/scenario.json"
	rm -f go go.reached
	fresh
	push_to eight -o claude=work
	wait_until "[ -e go.reached ]"
	kill_role gateway
	touch go
	wait_job 1 completed
	ff log --model 1 --json >requests
	is "$(perl -MJSON::PP -0777 -ne "print join \" \", map { \$_->{state} . (\$_->{cost_microusd} > 0) } grep { \$_->{state} ne \"settled\" } @{decode_json(\$_)}" requests)" lost1
	[ "$(said_times gateway.lost)" -ge 1 ]
'

test_done
