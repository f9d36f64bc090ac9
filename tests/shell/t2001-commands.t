#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands of flowforge(1) on live jobs: what they print, what they end
# with, and cancelling in every state.
. "$top_srcdir/tests/lib/test-lib.sh"

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

push_job() { # BRANCH OPTION...: the number of the job
	push_to=$1
	shift
	rm -f "$T/go" "$T/go.reached"
	git -C "$T/app" push -f "$@" -o claude=work origin "HEAD:refs/heads/claude/$push_to" >"$T/push.out" 2>&1
	pushed_job "$(cat "$T/push.out")"
}

# The exit status and the only line that the command says on stderr.
says() { # STATUS REGEX COMMAND...
	says_rc=$1 says_re=$2
	shift 2
	status_is "$says_rc" "$@" >"$T/says.out" 2>"$T/says"
	like "$(cat "$T/says")" "$says_re"
	unlike "$(cat "$T/says.out")" "^flowforge:"
}

# Does a process with this word in its arguments run?
runs() { # WORD
	for runs_f in /proc/[0-9]*/cmdline; do
		tr '\0' ' ' <"$runs_f" 2>/dev/null | grep -qF -e "$1" && [ "${runs_f#/proc/}" != "$$/cmdline" ] && return
	done
	return 1
}

write_scenario 'printf "one\ntwo\n" >WORK; echo seen' wait:go true
start_model "$T/scenario.json"
make_repo app
# The repository's own hook: counts its runs, and stays while $T/hold is there.
cat >"$T/app.git/hooks/post-receive" <<-EOF
	#!/bin/sh
	while read -r old new ref; do echo "\$ref" >>$T/own-hook; done
	[ -z "\${FLOWFORGE_PUBLISH-}" ] || while [ -e $T/hold ]; do touch $T/held; sleep 0.02; done
EOF
chmod +x "$T/app.git/hooks/post-receive"

test_expect 'daemon and hooks are set up' '
	write_config server.workers=1 publish.hook-timeout=60s queue.coalesce=0
	start_daemon
	ff hooks install app.git
	touch go
	: >own-hook
'

test_expect 'show, list, log and diff of a job that ran; by number and UUID' '
	job=$(push_job first -o claude.priority=high)
	wait_until "[ -e go.reached ]"
	is "$(field $job state)" running
	touch go
	wait_job $job completed
	uuid=$(field $job uuid)
	like "$uuid" "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
	for id in $job $uuid; do
		like "$(ff show $id)" "^job $job completed"
		is "$(ff show $id --json | json uuid)" "$uuid"
		like "$(ff log $id)" seen
		ff diff $id >patch
		git -C app apply --check "$T/patch"
		status_is 0 ff watch $id >watch.out
		like "$(tail -n 1 watch.out)" completed
		says 1 "has ended already" ff cancel $id
	done
	is "$(ff log $job --json | head -n 1 | json attempt)" 1
	like "$(cat patch)" "^\+two$"
	is "$(ff diff $job --raw)" "$(cat patch)"
	is "$(ff watch $job --json | tail -n 1 | json job.state)" completed
'

test_expect 'the repository`s own hook ran once for the push and once for the result' '
	is "$(cat own-hook)" "refs/heads/claude/first
refs/heads/claude-results/first-1"
'

test_expect 'the keys of --json are these, for a job of any age' '
	perl -MJSON::PP -e "print join q( ), sort keys %{decode_json(join q(), <STDIN>)->{items}[0]}" <<-EOF >keys
		$(ff list --json)
	EOF
	is "$(cat keys)" "approved_oid attempt base_oid branch conflicts cost_microusd created description ended environment error failures number priority pusher reason repo result_branch result_oid retries source_oid started state step steps_done target task task_from tokens_in tokens_out ttl_ms url uuid wait wait_until"
	is "$(ff show 1 --json | json events.0.type)" job.created
'

test_expect 'cancel: waiting for an earlier job of the branch, queued, running in a model wait' '
	run=$(push_job branch)
	wait_until "[ -e go.reached ]"
	git -C app commit -q --allow-empty -m more
	queued=$(push_job other)
	waiting=$(push_job branch)
	is "$(field $waiting state) $(field $waiting wait)" "waiting source"
	is "$(field $queued state)" queued
	ff cancel $waiting >out
	like "$(cat out)" "^job $waiting cancelled"
	ff cancel "$(field $queued uuid)" -m "no more \"wanted\""
	is "$(field $queued state) $(field $waiting state) $(field $run state)" "cancelled cancelled running"
	is "$(field $queued description)" "cancelled: no more \"wanted\""
	status_is 0 ff cancel $run
	wait_job $run cancelled
	touch go
	for n in $run $queued $waiting; do
		says 1 "has ended already" ff cancel $n
		must_fail git -C app.git rev-parse -q --verify "refs/flowforge/jobs/$n/result"
	done
'

test_expect 'the next job of the branch runs when the one before has ended' '
	run=$(push_job next)
	wait_until "[ -e go.reached ]"
	git -C app commit -q --allow-empty -m more
	two=$(push_job next)
	git -C app commit -q --allow-empty -m more
	three=$(push_job next)
	is "$(field $two wait) $(field $three wait)" "source source"
	ff cancel $two
	is "$(field $three state)" waiting
	touch go
	wait_job $run completed
	wait_job $three completed
'

test_expect 'log -f prints what comes, and ends with the status of the job' '
	job=$(push_job follow)
	wait_until "[ -e go.reached ]"
	timeout 60 flowforge --config flowforge.conf log -f $job >follow.out 2>&1 &
	note_process follow $!
	wait_until "grep -q seen follow.out"
	touch go
	rc=0; wait $! || rc=$?
	is $rc 0
	like "$(cat follow.out)" "published claude-results/follow-$job"
'

test_expect 'cancel: in the publish step it is too late, and says so' '
	touch hold
	rm -f held
	job=$(push_job late)
	touch go
	wait_until "[ -e held ]"
	says 1 "cannot be cancelled any more" ff cancel $job
	rm hold
	wait_job $job completed
	git -C app.git rev-parse -q --verify claude-results/late-$job
'

test_expect 'cancel: running in a tool; the tool is ended' '
	stop_daemon
	stop_model
	write_scenario "echo before; sleep 86321"
	start_model scenario.json
	start_daemon server.workers=1
	job=$(push_job tool)
	wait_until "runs \"sleep 86321\""
	ff cancel $job
	wait_job $job cancelled
	wait_until "! runs \"sleep 86321\""
	like "$(ff log $job)" "sleep 86321"
	wait_until "[ ! -e state/jobs/$job ]"
	says 3 "no result" ff diff $job
'

test_expect 'a job that failed: watch and log -f end with 1, retry makes a new one' '
	bad=$(push_job broken -o claude.target=nowhere)
	is "$(field $bad state)" failed
	status_is 1 ff watch $bad
	status_is 1 ff log -f $bad
	says 1 "never had a task" ff retry $bad
	stop_daemon
	stop_model
	write_scenario "echo again >AGAIN"
	start_model scenario.json
	start_daemon server.workers=1
	old=$(ff list --json --state cancelled -n 1 | json items.0.number)
	ff retry "$(field $old uuid)" --json >out
	new=$(json number <out)
	is "$(json branch <out)" "$(field $old branch)"
	wait_job $new completed
	is "$(git -C app.git show "claude-results/tool-$new:AGAIN")" again
'

test_expect 'list: filters and pages' '
	total=$(job_count)
	is "$(ff list --json -n 2 | json items)" 2
	is "$(ff list --json -n 2 | json items.0.number)" $total
	like "$(ff list --json -n 2 | json next_cursor)" "."
	is "$(ff list --json -n 200 | json next_cursor)" ""
	is "$(ff list --json --branch claude/branch | json items)" 2
	is "$(ff list --json --branch refs/heads/claude/branch | json items)" 2
	is "$(ff list --json --branch claude/nowhere | json items)" 0
	is "$(ff list --json --state cancelled --branch claude/branch -n 1 | json items)" 1
	is "$(ff list --json --state queued | json items)" 0
	is "$(ff list --json --repo app.git | json items)" $total
	says 3 "." ff list --repo /nowhere.git
	says 2 "no state" ff list --state sleeping
	says 2 "limit" ff list -n 0
	says 0 "there are more" ff list -n 2
	is "$(ff list -n 2 2>/dev/null | wc -l)" 3
'

test_expect 'submit: a job for a branch as it stands' '
	printf "from stdin\nin lines\n" | ff submit app.git main -F - --priority low --ttl 1h --retries 0 --target main --json >out
	job=$(json number <out)
	wait_job $job completed
	is "$(field $job task)" "$(printf "from stdin\nin lines")"
	is "$(field $job priority) $(field $job ttl_ms) $(field $job retries) $(field $job pusher)" "low 3600000 0 submit"
	says 2 "empty" ff submit app.git main -m " "
	says 2 "twice" ff submit app.git main -m x -F -
	says 2 "priority" ff submit app.git main -m x --priority urgent
	says 3 "nowhere" ff submit app.git nowhere -m x
	says 3 "." ff submit /nowhere.git main -m x
	says 2 "." ff submit app.git main
	says 2 "result branches" ff submit app.git "claude-results/tool-$(ff list --json --branch claude/tool -n 1 | json items.0.number)" -m x
'

test_expect 'exit statuses: wrong usage 2, not found 3, not allowed 4, unreachable 5' '
	for words in "" nonsense "show" "show 1 2" "show --wrong 1" "list --limit" "watch --reconnect soon 1" "show 1x"; do
		status_is 2 ff $words
	done
	for id in 9999 9223372036854775807 00000000-0000-4000-8000-000000000000; do
		for command in show watch log diff cancel retry; do
			says 3 "." ff $command $id
		done
	done
	if [ "$(id -u)" = 0 ]; then
		says 4 "." setpriv --reuid 65534 --regid 65534 --clear-groups flowforge --config "$T/flowforge.conf" list ||
			says 4 "." setpriv --reuid 65534 --regid 65534 --clear-groups "$top_builddir/flowforge" --config "$T/flowforge.conf" list
	fi
	stop_daemon
	for words in list "show 1" "watch 1" "log 1" "log -f 1" "diff 1" "cancel 1" "retry 1" "submit app.git main -m x"; do
		says 5 "." ff $words
	done
	status_is 0 ff --help
	status_is 0 ff --version
'

file_kb() {
	awk '/^RssFile/ { print $2 }' "/proc/$(process_pid daemon)/status"
}

test_expect 'code that was used is let go of when nobody asks for anything' '
	process_alive daemon || start_daemon
	ff list --json >/dev/null
	before=$(file_kb)
	wait_until "[ \$(file_kb) -lt $((before - 100)) ]"
'

test_done
