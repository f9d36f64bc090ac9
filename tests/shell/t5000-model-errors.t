#!/bin/sh
# SPDX-License-Identifier: MIT
# The model's service says no, or nothing: what is tried again, what is not,
# and how often it is asked.
. "$top_srcdir/tests/lib/test-lib.sh"
make_repo app

# A fresh daemon against a model server that plays these steps, and then goes
# on to a job that works ("pass"), or stays with the last ("last", "loop").
against() { # STEPS-JSON THEN [KEY=VALUE...]
	step=$1 then=$2
	shift 2
	stop_daemon
	stop_model
	rm -rf state run flowforge.conf model.log
	write_scenario "echo x >X"
	perl -MJSON::PP -e 'local $/; open my $f, "<", $ARGV[0]; my $s = decode_json(<$f>);
		unshift @{$s->{rules}}, { match => {}, sequence => decode_json($ARGV[1]), then => $ARGV[2] };
		open $f, ">", $ARGV[0]; print $f encode_json($s)' "$T/scenario.json" "$step" "$then"
	start_model "$T/scenario.json"
	start_daemon "$@"
	ff hooks install app.git >/dev/null
	git -C app push -o claude=work origin "HEAD:refs/heads/claude/$(date +%s%N)" >out 2>&1
	is "$(pushed_job "$(cat out)")" 1
}

asked() {
	grep -c /v1/messages model.log || :
}

test_expect 'overloaded and rate limits are waited out' '
	against "[{\"error\":{\"status\":529,\"type\":\"overloaded_error\",\"message\":\"busy\"}},
		{\"error\":{\"status\":429,\"type\":\"rate_limit_error\",\"message\":\"slow\"},\"headers\":{\"retry-after\":\"1\"}}]" pass
	wait_job 1 completed
'

test_expect 'a key that the service refuses blocks the job, which is asked for no second time until there is another' '
	against "[{\"error\":{\"status\":401,\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}]" pass sandbox.probe-interval=100ms
	wait_until "ff show 1 --json | grep -q blocked:.key"
	like "$(ff show 1)" "blocked: key: the model service refused the API key .401 authentication_error"
	is "$(asked)" 1
	kill -s HUP "$(process_pid daemon)"
	wait_job 1 completed
'

test_expect 'an answer that breaks off is asked again, and not believed' '
	against "[{\"drop\":\"mid_stream\"},{\"end\":\"before_stop\"}]" pass
	wait_job 1 completed
'

test_expect 'a request that the model refuses is not sent again and again' '
	against "[{\"error\":{\"status\":400,\"type\":\"invalid_request_error\",\"message\":\"no\"}}]" last
	wait_job 1 failed
	[ "$(asked)" -le 2 ]
'

test_expect 'a model that never ends is stopped at the limit of turns' '
	against "[{\"tool_use\":{\"name\":\"bash\",\"input\":{\"command\":\"true\"}}}]" loop agent.max-turns=3 job.retries=0
	wait_job 1 failed
	is "$(asked)" 3
	like "$(ff show 1)" "agent.max-turns"
'

test_done
