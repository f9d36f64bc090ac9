#!/bin/sh
# SPDX-License-Identifier: MIT
# A host that cannot confine jobs: pushes are taken, nothing runs, and what
# waits starts by itself when the host is mended.
. "$top_srcdir/tests/lib/test-lib.sh"

[ -x /usr/bin/bwrap ] || skip_all 'bubblewrap is not installed'

write_scenario 'echo made >made'
start_model "$T/scenario.json"

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

broken_bwrap() { # writes a program that fails, and remembers that it was run
	rm -f bwrap
	printf '#!/bin/sh\necho "bwrap: no namespaces for you" >&2\nexit 1\n' >bwrap
	chmod 755 bwrap
}

known_missing() {
	wait_until 'flowforge --config flowforge.conf doctor | grep -E "^fail +sandbox"'
}

test_expect 'the program is not there: the daemon starts, doctor says what is wrong' '
	start_daemon "sandbox.bwrap=$T/bwrap" sandbox.probe-interval=100ms
	make_hooked_repo app
	known_missing
	status_is 1 ff doctor >doctor.out
	like "$(cat doctor.out)" "^fail.*sandbox.*$T/bwrap"
	is "$(grep -c sandbox.missing daemon.log)" 1
'

test_expect 'a push is taken, and told that its job waits' '
	cd app
	push -o claude=one origin HEAD:refs/heads/claude/one
	is "$(said_job)" 1
	like "$(cat ../said)" "^warning: this host cannot run jobs now"
	wait_job 1 waiting
	is "$(field 1 wait)" blocked
	like "$(field 1 reason)" "$T/bwrap"
	like "$(ff show 1)" "$T/bwrap"
	like "$(ff list)" "waiting"
	push -o claude=two -o claude.ttl=1s origin HEAD:refs/heads/claude/two
	is "$(ff list --json --state waiting | json items)" 2
'

test_expect 'nothing ran and nothing was asked' '
	is "$(field 1 attempt)" 0
	[ ! -s model.log ]
	is "$(ls -A state/jobs 2>/dev/null)" ""
'

test_expect 'a blocked job can be cancelled, expires, and outlives a restart' '
	wait_job 2 expired
	(cd app && push -o claude=three origin HEAD:refs/heads/claude/three)
	wait_job 3 waiting
	ff cancel 3
	is "$(field 3 state)" cancelled
	stop_daemon
	start_daemon
	wait_until "[ \"\$(field 1 wait)\" = blocked ]"
'

test_expect 'the program appears: the job runs by itself' '
	cp /usr/bin/bwrap bwrap.new
	mv bwrap.new bwrap
	wait_job 1 completed
	is "$(git -C app.git show claude-results/one-1:made)" made
	like "$(ff doctor)" "^(ok|warn) +sandbox: jobs can be confined"
	like "$(ff doctor)" "^ok +limits of a job: memory .*, processes by .*rlimit, processor .*, work tree by looking"
	is "$(field 3 state) $(field 2 state)" "cancelled expired"
'

test_expect 'it breaks while the daemon runs: no job is lost, none runs without it' '
	asked=$(wc -l <model.log)
	broken_bwrap
	(cd app && push -o claude=four -o claude.retries=0 origin HEAD:refs/heads/claude/four)
	wait_until "[ \"\$(field 4 wait)\" = blocked ]"
	like "$(field 4 reason)" "no namespaces for you$"
	known_missing
	is "$(git -C app.git for-each-ref refs/heads/claude-results/four-4)" ""
	asked=$(($(wc -l <model.log) - asked))
	[ $asked -le 4 ] || { echo "the model was asked $asked times"; false; }
	cp /usr/bin/bwrap bwrap.new
	mv bwrap.new bwrap
	wait_job 4 completed
	is "$(git -C app.git show claude-results/four-4:made)" made
'

test_done
