#!/bin/sh
# SPDX-License-Identifier: MIT
# The HTTP API: every operation of openapi.json, who may use it, errors as
# RFC 9457 has them, a log that a client which is cut off reads whole.
. "$top_srcdir/tests/lib/test-lib.sh"

# PATH and options of curl: the body to stdout, the head to $T/head.
api() {
	api_path=$1
	shift
	rm -f "$T/head"
	curl -sS --max-time 60 -D "$T/head" -H "Authorization: Bearer $(cat "$T/token")" "$@" "http://127.0.0.1:$(cat "$T/port")$api_path"
}

status_of() {
	sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/head"
}

head_of() { # NAME
	tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip"
}

# The status is that, and the answer a problem with that code.
problem() { # STATUS CODE PATH [OPTION...]
	problem_status=$1 problem_code=$2
	shift 2
	api "$@" >"$T/problem" || return
	is "$(status_of)" "$problem_status"
	is "$(head_of content-type)" application/problem+json
	is "$(json code <"$T/problem")" "$problem_code"
	is "$(json status <"$T/problem")" "$problem_status"
	is "$(json request_id <"$T/problem")" "$(head_of x-request-id)"
}

submit() { # BRANCH [OPTION...]
	submit_branch=$1
	shift
	api /api/v1/jobs -d "{\"repo\": \"$T/app.git\", \"branch\": \"$submit_branch\", \"task\": \"work\"}" "$@"
}

write_scenario 'printf "one\ntwo\n" >WORK; echo seen' wait:go 'echo "and <more>"'
start_model "$T/scenario.json"
make_repo app
make_repo other
: >token

test_expect 'the API listens where web.listen says, and nowhere else by itself' '
	write_config web.listen=127.0.0.1:0 web.max-body=2k queue.coalesce=0
	start_daemon
	ff hooks install app.git other.git
	wait_until "grep -q web.ready daemon.log"
	sed -n "s/.*listening at 127.0.0.1:\([0-9]*\).*/\1/p" daemon.log >port
	api /healthz | grep -qx ok
	is "$(status_of)" 200
	# Whoever is there is told so, before anybody logged in.
	wait_until "api /readyz | grep -qx ready"
	is "$(api /health | json ready)" 1
'

test_expect 'without a token, with half of one, an unknown one: 401 and how to mend it' '
	problem 401 UNKNOWN_TOKEN /api/v1/jobs
	echo "fft_12" >token
	problem 401 UNKNOWN_TOKEN /api/v1/jobs
	like "$(head_of www-authenticate)" "^Bearer"
	ff token create --user ann --scope submit >token 2>said
	like "$(cat said)" "token 1 of ann, submit, until"
	like "$(cat token)" "^fft_[0-9a-f]{72}\$"
	cp token ann
	sed "s/.\$/0/; t; s/.\$/1/" token >other-token
	cmp -s token other-token && sed "s/.\$/1/" ann >other-token
	cp other-token token
	problem 401 UNKNOWN_TOKEN /api/v1/jobs
	like "$(cat problem)" "mistyped"
	cp ann token
	is "$(api /api/v1/jobs | json items)" 0
	is "$(api /api/v1/whoami | json user)" ann
'

test_expect 'the record has no token, and neither has the log' '
	! grep -qF "$(cat ann)" daemon.log
	! grep -rqF "$(cat ann)" state
'

test_expect 'a job is submitted, shown, listed, cancelled and tried again' '
	git -C app push -q origin HEAD:refs/heads/work HEAD:refs/heads/idle
	submit work >job
	is "$(status_of)" 201
	n=$(json number <job)
	is "$(head_of location)" "/api/v1/jobs/$n"
	is "$(json pusher <job)" ann
	wait_until "[ -e go.reached ]"
	is "$(api /api/v1/jobs/$n | json state)" running
	is "$(api "/api/v1/jobs?state=running&limit=1" | json items.0.number)" $n
	is "$(api "/api/v1/jobs?branch=nothing" | json items)" 0
	api /api/v1/jobs/$n/cancel -d "{\"reason\": \"not \\u202e now\"}" >cancelled
	is "$(json state <cancelled)" cancelled
	problem 409 CONFLICT /api/v1/jobs/$n/cancel -d "{}"
	touch go
	again=$(api /api/v1/jobs/$n/retry -X POST -H "Content-Length: 0" | json number)
	wait_job $again completed
	like "$(api /api/v1/jobs/$again/diff)" "^\\+one"
	like "$(api /api/v1/jobs/$again/log)" "^tool  \\| seen"
	is "$(api /api/v1/jobs/$again/log)" "$(ff log $again)"
	is "$(api /api/v1/jobs/$again/events | json items.0.type)" job.created
	like "$(ff admin audit)" "ann +cancel +$n +not"
'

test_expect 'an Idempotency-Key makes one job of two requests, and refuses another one' '
	submit idle -H "Idempotency-Key: k1" >first
	submit idle -H "Idempotency-Key: k1" >second
	is "$(json number <first)" "$(json number <second)"
	is "$(submit idle -H "Idempotency-Key: k1" -H "X-Request-Id: mine.1" | json code)" ""
	is "$(head_of x-request-id)" mine.1
	grep -q "\"request_id\":\"mine.1\"" daemon.log
	problem 422 INVALID /api/v1/jobs -H "Idempotency-Key: k1" -d "{\"repo\": \"$T/app.git\", \"branch\": \"work\"}"
	wait_job $(json number <first) completed
'

test_expect 'an answer that did not change is not sent again' '
	api /api/v1/jobs >/dev/null
	tag=$(head_of etag)
	is "$(api /api/v1/jobs -H "If-None-Match: $tag" | wc -c)" 0
	is "$(status_of)" 304
	api /api/v1/jobs -I >/dev/null
	is "$(status_of) $(head_of etag)" "200 $tag"
'

test_expect 'bad requests are told what is wrong and cost nothing' '
	problem 404 NOT_FOUND /api/v1/nothing
	problem 404 NOT_FOUND /api/v1/jobs/999
	problem 422 INVALID "/api/v1/jobs/%3Cscript%3E"
	problem 405 METHOD_NOT_ALLOWED /api/v1/jobs -X DELETE
	is "$(head_of allow)" "GET, HEAD, POST"
	problem 400 INVALID /api/v1/jobs -d "{"
	problem 400 INVALID /api/v1/jobs -d "[]"
	problem 422 INVALID /api/v1/jobs -d "{}"
	problem 422 INVALID /api/v1/jobs -d "{\"repo\": 1, \"branch\": \"x\"}"
	problem 422 INVALID /api/v1/jobs -d "{\"repo\": \"$T/app.git\", \"branch\": \"work\", \"tsak\": \"x\"}"
	like "$(cat problem)" "tsak"
	problem 404 NOT_FOUND /api/v1/jobs -d "{\"repo\": \"$T/app.git\", \"branch\": \"missing\"}"
	problem 422 INVALID "/api/v1/jobs?limit=%ff"
	problem 422 INVALID "/api/v1/jobs?limit=0"
	problem 422 INVALID "/api/v1/jobs?state=nonsense"
	head -c 3000 /dev/zero | tr "\0" x >large
	problem 413 TOO_LARGE /api/v1/jobs -d @large
	before=$(job_count)
	is "$(job_count)" "$before"
'

test_expect 'a reader only reads, and sees the repositories of its token alone' '
	git -C other push -q origin HEAD:refs/heads/work
	submitted=$(ff submit other.git work -m work --json | json number)
	ff token create --user bob --repo "$T/app.git" >token 2>/dev/null
	problem 403 NOT_ALLOWED /api/v1/jobs -d "{\"repo\": \"$T/app.git\", \"branch\": \"work\"}"
	problem 403 NOT_ALLOWED /api/v1/audit
	problem 403 NOT_ALLOWED /api/v1/tokens
	problem 404 NOT_FOUND /api/v1/jobs/$submitted
	problem 404 NOT_FOUND /api/v1/jobs/$submitted/log
	problem 404 NOT_FOUND "/api/v1/jobs/$submitted/log?follow=1"
	problem 404 NOT_FOUND /api/v1/jobs/$submitted/diff
	problem 404 NOT_FOUND /api/v1/jobs/$submitted/events
	! api "/api/v1/jobs?limit=200" | grep -q other.git
	is "$(api /api/v1/repositories | json items)" 1
	wait_job $submitted completed
'

test_expect 'an administrator makes tokens and takes them back' '
	ff token create --user root --scope admin --label "for me" >token 2>/dev/null
	api /api/v1/tokens -d "{\"user\": \"carl\", \"scope\": \"read\", \"ttl_ms\": 86400000}" >made
	is "$(status_of)" 201
	number=$(json number <made)
	cp token admin
	json token <made >token
	is "$(api /api/v1/whoami | json user)" carl
	cp admin token
	problem 422 INVALID /api/v1/tokens -d "{\"user\": \"carl\", \"scope\": \"all\"}"
	api /api/v1/tokens/$number -X DELETE >/dev/null
	is "$(status_of)" 200
	problem 404 NOT_FOUND /api/v1/tokens/$number -X DELETE
	json token <made >token
	problem 401 UNKNOWN_TOKEN /api/v1/whoami
	like "$(cat problem)" revoked
	cp admin token
	! api /api/v1/tokens | grep -q fft_
	like "$(ff token list)" "carl +read +all +revoked"
	like "$(api /api/v1/audit | json items.0.action)" token-revoke
	is "$(api /api/v1/status | json gateway)" 1
'

test_expect 'a token that has expired is worthless' '
	cp token admin
	ff token create --user dave --ttl 1ms >token 2>/dev/null
	wait_until "[ \"\$(api /api/v1/whoami | json code)\" = UNKNOWN_TOKEN ]"
	cp admin token
'

test_expect 'every operation of openapi.json is there' '
	api /api/v1/openapi.json >openapi.json
	perl -MJSON::PP -e "
		my \$d = JSON::PP->new->decode(join q(), <STDIN>);
		die unless \$d->{openapi} eq q(3.1.0);
		for my \$p (sort keys %{\$d->{paths}}) { for my \$m (sort keys %{\$d->{paths}{\$p}}) {
			my \$o = \$d->{paths}{\$p}{\$m};
			die qq(no summary: \$p) unless \$o->{summary} && \$o->{operationId} && \$o->{responses}{default};
			print uc(\$m), q( ), \$p, q( ), (exists \$o->{security} ? 1 : 0), qq(\n);
		} }" <openapi.json >operations
	is "$(wc -l <operations)" 20
	n=$(api "/api/v1/jobs?limit=1" | json items.0.number)
	while read -r method path open; do
		path=$(printf %s "$path" | sed "s/{job}/$n/; s/{number}/999/")
		api "$path" -X "$method" -d "" >answer
		case $(status_of) in 5??) echo "$method $path: $(cat answer)"; exit 1 ;; esac
		unlike "$(cat answer)" "there is nothing at this path|not for that method"
		# And each is closed to strangers, but for those that say so.
		curl -sS --max-time 60 -o /dev/null -D head -X "$method" -d "" "http://127.0.0.1:$(cat port)$path"
		if [ "$open" = 0 ]; then is "$method $path $(status_of)" "$method $path 401"; fi
	done <operations
'

test_expect 'a client that is cut off again and again reads exactly the log' '
	rm -f go go.reached
	n=$(submit work | json number)
	wait_until "[ -e go.reached ]"
	: >lines
	last=
	perl "$top_srcdir/tests/lib/read-events" "$(cat port)" "/api/v1/jobs/$n/log" "$(cat token)" 25 "$T/go" >lines
	wait_job $n completed
	cmp "state/logs/$n.log" lines
'

test_expect 'a log that is followed as text ends with its job' '
	rm -f go go.reached
	n=$(submit work | json number)
	api "/api/v1/jobs/$n/log?follow=1" >followed &
	wait_until "[ -e go.reached ]"
	touch go
	wait
	api /api/v1/jobs/$n/log >log
	cmp log followed
	is "$(api /api/v1/jobs/$n | json state)" completed
'

test_expect 'the web role dies and is there again; core and jobs do not notice' '
	kill_role web
	wait_until "[ \$(grep -c web.ready daemon.log) = 2 ]"
	sed -n "s/.*listening at 127.0.0.1:\([0-9]*\).*/\1/p" daemon.log | tail -n 1 >port
	wait_until "api /healthz"
	is "$(api /api/v1/whoami | json user)" root
'

test_expect 'more requests than web.rate allows: 429 and when to come again' '
	stop_daemon
	git config -f flowforge.conf web.rate 5
	git config -f flowforge.conf web.listen "$T/web.sock"
	start_daemon
	wait_until "[ -S web.sock ]"
	i=0
	until curl -sS -D head --unix-socket web.sock -H "Authorization: Bearer $(cat token)" http://x/api/v1/whoami >answer && [ "$(status_of)" = 429 ]; do
		i=$((i + 1))
		[ $i -lt 100 ]
	done
	is "$(json code <answer)" RATE_LIMIT
	[ "$(head_of retry-after)" -ge 1 ]
	is "$(stat -c %a web.sock)" 660
'

test_expect 'web.listen takes no address that others can reach' '
	stop_daemon
	git config -f flowforge.conf web.listen 0.0.0.0:80
	status_is 1 flowforged --config flowforge.conf --check-config 2>said
	like "$(cat said)" "web.listen.*127.0.0.1:PORT"
'

test_done
