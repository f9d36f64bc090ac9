#!/bin/sh
# SPDX-License-Identifier: MIT
# No push is lost and none becomes two jobs: core or its reader dies between
# push and decision, the spool holds what the record has already, or a ref
# moved while nobody could take it.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"

jobs_of() { # BRANCH
	ff list --json --branch "claude/$1" | json items
}

completed() { # BRANCH: its one job
	is "$(jobs_of "$1")" 1
	wait_job "$(ff list --json --branch "claude/$1" | json items.0.number)" completed
}

push() { # BRANCH OPTION...
	push_to=$1
	shift
	git -C "$T/app" push "$@" origin "HEAD:claude/$push_to" >"$T/out" 2>&1
}

kill_core() {
	kill -s KILL "$(process_pid daemon)"
	wait_until '! process_alive daemon'
}

# Whatever it starts late has been started: a push that came last has its job.
settle() {
	push "settle-$(date +%s%N)" -o claude=work
	wait_job "$(pushed_job "$(cat out)")" completed
}

test_expect 'branches that were there before us' '
	make_repo app
	git -C app push -q origin main:claude/old1
	cd app
	git checkout -q -b trailer
	commit_all "work

Claude-Task: say hello" 4
	git push -q origin trailer:claude/old2
	git checkout -q main
'

test_expect 'they start nothing: not by the first push, not by a restart after it' '
	start_daemon
	ff hooks install app.git
	push first -o claude=work
	kill_core
	start_daemon
	completed first
	settle
	kill_core
	start_daemon
	settle
	is "$(jobs_of old1)$(jobs_of old2)" 00
'

test_expect 'the reader is killed over a push: another one answers' '
	kill_role reader STOP
	push reader -o claude=work
	like "$(cat out)" "push recorded; its task is being read"
	kill_role reader
	wait_until "[ \"\$(jobs_of reader)\" = 1 ]"
	completed reader
'

test_expect 'core is killed before its reader has answered: the push has its number, and is decided after the start' '
	kill_role reader STOP
	reader=$(role_pids reader)
	push undecided -o claude=work
	push asked-for-nothing
	kill_core
	wait_until "! kill -0 $reader"
	start_daemon
	wait_until "ff list --json --branch claude/undecided | grep -q completed"
	completed undecided
	is "$(jobs_of asked-for-nothing)" 0
	"$top_builddir/tests/lib/refold" state/flowforge.db
'

test_expect 'a message that was recorded and spooled: one job' '
	kill -s STOP "$(process_pid daemon)"
	push twice -o claude=work || { kill -s CONT "$(process_pid daemon)"; false; }
	like "$(cat out)" "this push is kept"
	file=$(ls state/spool/*.json)
	cp "$file" keep.json
	kill -s CONT "$(process_pid daemon)"
	wait_until "[ ! -e $file ] && [ \"\$(jobs_of twice)\" = 1 ]"
	completed twice
	# And again, long after the job has ended, and over a restart.
	cp keep.json late && mv late "$file"
	wait_until "[ ! -e $file ]"
	kill_core
	cp keep.json "$file"
	start_daemon
	wait_until "[ ! -e $file ]"
	completed twice
'

test_expect 'core is killed over a full spool: each push has one job in the end' '
	stop_daemon
	for n in $(seq 12); do
		id=$(printf "%032x" "$n")
		sed "s/\"id\":\"[0-9a-f]*\"/\"id\":\"$id\"/; s,claude/twice,claude/full$n,g" keep.json >"state/spool/$id.json"
		git -C app.git update-ref "refs/heads/claude/full$n" main
	done
	launch_daemon
	wait_until "[ \"\$(ls state/spool | wc -l)\" -lt 12 ]"
	kill_core
	start_daemon
	wait_until "[ \"\$(ls state/spool | wc -l)\" = 0 ]"
	for n in $(seq 12); do
		wait_until "[ \"\$(jobs_of full$n)\" = 1 ]"
	done
	for n in $(seq 12); do
		completed full$n
	done
'

test_expect 'what is no push goes to spool-bad, whole' '
	ls state/spool-bad >before
	for n in 1 2 3 4; do
		file=state/spool/$(printf "%032x" $((n + 160))).json
		case $n in
		1) echo "{\"m\":\"push\"" >late ;;
		2) head -c 400000 /dev/zero | tr "\0" "[" >late ;;
		3) sed "s/\"id\":\"[0-9a-f]*\"/\"id\":\"xyz\"/" keep.json >late ;;
		4) sed "s,\"repo\":\"[^\"]*\",\"repo\":\"/absent.git\"," keep.json >late ;;
		esac
		cp late "late$n"
		mv late "$file"
		wait_until "[ ! -e $file ]"
		cmp "late$n" "state/spool-bad/${file##*/}"
	done
	mkfifo state/spool/000000000000000000000000000000ff.json
	ln -s /etc/passwd state/spool/000000000000000000000000000000fe.json
	wait_until "[ -e state/spool-bad/000000000000000000000000000000ff.json ] && [ -h state/spool-bad/000000000000000000000000000000fe.json ]"
	completed twice
'

# Neither hook nor spool could keep it.
test_expect 'a ref that moved while nobody looked gets its job at the start, once' '
	stop_daemon
	mv app.git/hooks hooks.away
	git -C app push -q origin trailer:claude/unseen main:claude/unseen-no-task trailer:other
	mv hooks.away app.git/hooks
	start_daemon
	wait_until "[ \"\$(jobs_of unseen)\" = 1 ]"
	kill_core
	start_daemon
	completed unseen
	settle
	is "$(jobs_of unseen) $(jobs_of unseen-no-task)" "1 0"
	is "$(ff list --json --branch other | json items)" 0
	is "$(ff show "$(ff list --json --branch claude/unseen | json items.0.number)" --json | json task)" "say hello"
'

test_expect 'also when the reader dies over that question' '
	stop_daemon
	mv app.git/hooks hooks.away
	git -C app push -q origin trailer:claude/unseen2
	mv hooks.away app.git/hooks
	launch_daemon
	wait_until "kill_role reader"
	wait_until "[ \"\$(jobs_of unseen2)\" = 1 ]"
	completed unseen2
'

test_expect 'what the record says of each job is what its events say' '
	stop_daemon
	"$top_builddir/tests/lib/refold" state/flowforge.db
	git -C app.git fsck --strict --no-dangling
'

test_done
