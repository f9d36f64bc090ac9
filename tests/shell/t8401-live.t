#!/bin/sh
# SPDX-License-Identifier: MIT
# Live updates over WebSocket: who may connect, what a channel tells, and going
# on from a number after having been away.
. "$top_srcdir/tests/lib/test-lib.sh"

live() { # FILE-OF-TOKEN OPTION...: messages on stdin
	live_token=$(cat "$T/$1")
	shift
	"$top_srcdir/tests/lib/live-client" "$(cat "$T/port")" "$live_token" "$@"
}

# Values of that key in the lines of a file, each once in its order.
values() { # FILE PATH
	while read -r values_line; do printf '%s\n' "$values_line" | json "$2"; done <"$1"
}

push_job() { # BRANCH: the number of its job
	rm -f "$T/go" "$T/go.reached"
	git -C "$T/app" push -f -o claude=work origin "HEAD:refs/heads/claude/$1" >"$T/push.out" 2>&1
	pushed_job "$(cat "$T/push.out")"
}

write_scenario 'echo one >WORK; echo seen' wait:go true
start_model "$T/scenario.json"
make_repo app
make_repo other
: >token

test_expect 'a daemon with the API' '
	write_config web.listen=127.0.0.1:0 web.rate=0 web.max-unsent=32k queue.coalesce=0
	start_daemon
	ff hooks install app.git other.git
	touch go
	git -C other push -q -o claude=work origin HEAD:refs/heads/claude/known
	wait_job 1 completed
	wait_until "grep -q web.ready daemon.log"
	sed -n "s/.*listening at 127.0.0.1:\([0-9]*\).*/\1/p" daemon.log >port
	ff token create --user ann --scope submit >ann 2>/dev/null
	ff token create --user bob --repo "$T/other.git" >bob 2>/dev/null
'

test_expect 'no token, a bad one, one of elsewhere in a page of elsewhere: no connection' '
	like "$(live token </dev/null)" "^HTTP/1.[01] 401"
	echo fft_00 >token
	like "$(live token </dev/null)" "^HTTP/1.[01] 401"
	cp ann token
	like "$(live token -o https://evil.example </dev/null)" "^HTTP/1.[01] 403"
	like "$(live token -o null </dev/null)" "^HTTP/1.[01] 403"
	# A token that looks right and is not known: told, and closed.
	ff token create --user gone >token 2>/dev/null
	ff token revoke 3
	like "$(live token </dev/null)" "UNKNOWN_TOKEN.*revoked"
'

test_expect 'a job from its first event to its end; then nothing more comes of it' '
	job=$(push_job first)
	wait_until "[ -e go.reached ]"
	echo "{\"type\": \"subscribe\", \"channel\": \"job:$job\", \"after\": 0}" | live ann -o "http://127.0.0.1:$(cat port)" >live.out &
	wait_until "grep -q job.started live.out"
	touch go
	wait_until "grep -q \"\\\"type\\\":\\\"ended\\\"\" live.out"
	tail -n 1 live.out >last
	is "$(json payload.state <last)" completed
	kill $!
	ff show $job --json | perl -MJSON::PP -e "print map { \"\$_->{seq}\n\" } @{JSON::PP->new->decode(join q(), <STDIN>)->{events}}" >want
	[ -s want ]
	grep "\"type\":\"update\"" live.out >updates
	values updates seq >got
	cmp want got
	is "$(sed -n 1p updates | json payload.type)" job.created
	like "$(sed -n 1p updates | json timestamp)" "^20"
'

test_expect 'one that was away goes on from its number, from what is kept and from the record' '
	job=$(push_job second)
	wait_until "[ -e go.reached ]"
	echo "{\"type\": \"subscribe\", \"channel\": \"job:$job\", \"after\": 0}" | live ann -n 3 >part1
	seq=$(values part1 seq | tail -n 1)
	touch go
	wait_job $job completed
	echo "{\"type\": \"subscribe\", \"channel\": \"job:$job\", \"after\": $seq}" | live ann -n 100 >part2 &
	wait_until "grep -q \"\\\"type\\\":\\\"ended\\\"\" part2"
	kill $!
	ff show $job --json | perl -MJSON::PP -e "print map { \"\$_->{seq}\n\" } @{JSON::PP->new->decode(join q(), <STDIN>)->{events}}" >want
	cat part1 part2 | grep "\"type\":\"update\"" >updates
	values updates seq >got
	cmp want got
'

test_expect 'all and repo: tell of what a token may see, and of nothing else' '
	printf "%s\n" "{\"type\": \"subscribe\", \"channel\": \"all\"}" "{\"type\": \"subscribe\", \"channel\": \"repo:$T/app.git\"}" \
		"{\"type\": \"subscribe\", \"channel\": \"repo:$T/other.git\"}" "{\"type\": \"subscribe\", \"channel\": \"job:2\"}" \
		"{\"type\": \"subscribe\", \"channel\": \"nonsense\"}" "{\"type\": \"subscribe\", \"channel\": \"all\"}" "x" | live bob >bob.out &
	bob=$!
	printf "%s\n" "{\"type\": \"subscribe\", \"channel\": \"all\"}" | live ann >ann.out &
	ann=$!
	wait_until "[ \$(grep -c \"\\\"type\\\":\\\"error\\\"\" bob.out) = 5 ] && grep -q subscribed ann.out"
	job=$(push_job third)
	touch go
	wait_job $job completed
	wait_until "grep -q job.completed ann.out"
	! grep -q job.created bob.out
	git -C other push -q -o claude=work origin HEAD:refs/heads/claude/mine
	wait_until "[ \$(grep -c job.completed bob.out) = 2 ]"
	wait_until "[ \$(grep -c job.completed ann.out) = 2 ]"
	kill $bob $ann
'

test_expect 'a token that is revoked hears no more' '
	ff token create --user eve >eve 2>made
	n=$(sed -n "s/.*token \([0-9]*\) of.*/\1/p" made)
	echo "{\"type\": \"subscribe\", \"channel\": \"all\"}" | live eve >eve.out &
	wait_until "grep -q subscribed eve.out"
	ff token revoke $n
	wait_until "grep -q UNKNOWN_TOKEN eve.out"
	kill $!
'

test_expect 'a client that does not read is told to read anew, and holds up nobody' '
	job=$(push_job slow)
	wait_until "[ -e go.reached ]"
	rm -f read-now
	printf "%s\n" "{\"type\": \"subscribe\", \"channel\": \"all\"}" "{\"type\": \"subscribe\", \"channel\": \"repo:$T/app.git\"}" |
		live ann -r "$T/read-now" >slow.out &
	slow=$!
	# More than the sockets between the two and the bound of web hold.
	printf "{\"repo\": \"%s\", \"branch\": \"main\", \"task\": \"work\"}" "$T/app.git" >body
	curl -sS -o /dev/null -H "Authorization: Bearer $(cat ann)" -d @body "http://127.0.0.1:$(cat port)/api/v1/jobs?[1-300]"
	is "$(job_count)" $((job + 300))
	touch go
	wait_job $job completed
	touch read-now
	wait_until "grep -q resync slow.out"
	kill $slow
'

test_done
