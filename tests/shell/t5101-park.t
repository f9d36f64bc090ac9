#!/bin/sh
# SPDX-License-Identifier: MIT
# The service wants to be left alone until later: the job waits, without a
# worker and without a failed try, and goes on by itself where it was.
. "$top_srcdir/tests/lib/fault-lib.sh"

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

test_expect 'a job whose quota is used up is parked, and its answers are not paid for again' '
	write_scenario "echo x >X" "echo y >Y"
	perl -MJSON::PP -e "local \$/; open my \$f, q(<), \$ARGV[0]; my \$s = decode_json(<\$f>);
		unshift @{\$s->{rules}}, { name => q(limit), match => { nth => 2 }, sequence => [{ error => { status => 429 }, headers => { q(retry-after) => q(4) } }] };
		open \$f, q(>), \$ARGV[0]; print \$f encode_json(\$s)" "$T/scenario.json"
	start_model "$T/scenario.json"
	start_daemon gateway.hold-max=0 job.retries=0
	make_hooked_repo app
	push_to one -o claude=work
	wait_until "[ \"\$(field 1 wait)\" = parked ]"
	like "$(field 1 wait_until)" "^20"
	like "$(ff show 1)" "quota is used up, until"
	wait_job 1 completed
	is "$(field 1 attempt) $(field 1 failures)" "2 0"
	# Each answer once: the first was not asked for again.
	ff log --model 1 --json >requests
	perl -MJSON::PP -0777 -ne "my %n; \$n{\$_->{key}}++ for grep { \$_->{outcome} eq q(answered) } @{decode_json(\$_)}; die if grep { \$_ > 1 } values %n; print scalar keys %n, qq(\n)" requests >answered
	is "$(cat answered)" "$(($(grep -c "\"path\":\"/v1/messages\"" model.log) - 1))"
	like "$(ff log --model 1)" "parked"
'

test_done
