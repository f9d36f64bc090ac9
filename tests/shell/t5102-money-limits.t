#!/bin/sh
# SPDX-License-Identifier: MIT
# Each limit of money, tokens and answers is reached, and says its name: one of
# a day parks the job until the next, as the pusher is told; others end it.
. "$top_srcdir/tests/lib/fault-lib.sh"

# Two turns; the first takes so much that a second request does not fit any more.
turns='{"rules":[{"match":{"min_messages":3},"sequence":[{"text":"Done."}]},
	{"sequence":[{"content":[TEXT{"tool_use":{"name":"bash","input":{"command":"echo x >X"}}}],"usage":{"input_tokens":600,"output_tokens":1000}}]}]}'
printf %s "$turns" | sed 's/TEXT//' >scenario.json
start_model "$T/scenario.json"

# A fresh daemon with these keys; its first push is job 1.  A request of it may cost 10,240 for the answer
# and some 2,000 for itself, in millionths of a dollar; the first does cost 11,200.
fresh() { # KEY=VALUE...
	stop_daemon
	rm -rf state run flowforge.conf
	: >model.log
	start_daemon server.workers=1 job.retries=0 "gateway.price=claude-* 2 10 0.1 2.5" agent.answer-tokens=1024 "$@"
	[ -d app.git ] || make_hooked_repo app
	ff hooks install app.git >/dev/null
}
asked() {
	grep -c '"path":"/v1/messages"' model.log || :
}
field() { # JOB KEY
	ff show "$1" --json | json "$2"
}
parks() { # WHOSE KEY=VALUE
	fresh "$2"
	push_to "${2%%=*}" -o claude=work
	wait_until '[ "$(field 1 wait)" = parked ]'
	is "$(asked)" 1
	like "$(field 1 wait_until)" 'T00:00:00'
	like "$(ff show 1)" "budget of $1, today is used up.*${2%%=*}"
}
ends() { # ASKED REGEX KEY=VALUE...
	ends_asked=$1 ends_text=$2
	shift 2
	fresh "$@"
	push_to "ends-${1%%=*}" -o claude=work
	wait_job 1 failed
	is "$(asked)" "$ends_asked"
	like "$(ff show 1)" "$ends_text"
}

test_expect 'money and tokens of a repository, a pusher and the server, of a day' '
	for what in "the repository:repository" "the pusher:pusher" "the server:day"; do
		parks "${what%:*}" "budget.${what#*:}-usd=0.015"
		parks "${what%:*}" "budget.${what#*:}-tokens=3000"
	done
	# The last of them was that of the server: whoever pushes is told.
	(cd app && git commit -q --allow-empty -m more && git push -o claude=work origin HEAD:refs/heads/claude/more) >push.out 2>&1
	like "$(cat push.out)" "hint: the model.s quota is used up until .*T00:00:00"
'

test_expect 'money and tokens of a job and of a request' '
	ends 1 "BUDGET .*budget of the job is used up.*budget.job-usd" budget.job-usd=0.015
	ends 1 "BUDGET .*budget of the job is used up.*budget.job-tokens" budget.job-tokens=3000
	ends 0 "BUDGET .*budget of one request is used up.*budget.request-usd" budget.request-usd=0.01
	ends 0 "BUDGET .*budget of one request is used up.*budget.request-tokens" budget.request-tokens=1000
'

test_expect 'a model that has no price, or is not one that jobs may ask' '
	ends 0 "there is no price for the model mystery .gateway.price, gateway.unknown-model." agent.model=mystery gateway.unknown-model=refuse
	ends 0 "the model mystery is none of those that jobs may ask here .gateway.models." agent.model=mystery "gateway.models=claude-*"
	# Without the word it is counted as the dearest that is known: 600 * 4 + 1000 * 20, and more for what came after.
	fresh agent.model=mystery
	push_to dearest -o claude=work
	wait_job 1 completed
	is "$(ff log --model 1 --json | json 0.cost_microusd)" 22400
'

test_expect 'answers that are kept, and their bytes' '
	ends 1 "gateway.max-answers.* allow no more" gateway.max-answers=1
	stop_model
	printf %s "$turns" | sed "s/TEXT/{\"text\":\"LONG\"},/" | perl -pe "s/LONG/q(x) x 70000/e" >scenario.json
	start_model "$T/scenario.json"
	ends 1 "gateway.max-answer-bytes allow no more" gateway.max-answer-bytes=64k
'

test_expect 'an answer of which nobody could read the end counts as what it could have cost' '
	stop_model
	printf %s "$turns" | perl -pe "s/TEXT/q({\"text\":\"x\"},) x 300/e" >scenario.json
	start_model "$T/scenario.json"
	fresh gateway.retries=0
	push_to blocks -o claude=work
	wait_job 1 failed
	ff log --model 1 --json >requests
	is "$(json 0.state <requests) $(json 0.outcome <requests)" "lost cut"
	[ "$(json 0.cost_microusd <requests)" -ge 10240 ]
'

test_done
