#!/bin/sh
# SPDX-License-Identifier: MIT
# Who did what is kept for longer than the job it was done to, and not for
# ever; the record stays as large as it is with jobs that come and go.
. "$top_srcdir/tests/lib/fault-lib.sh"

write_scenario 'echo x >X'
start_model "$T/scenario.json"
start_daemon server.workers=2 retention.jobs=1s
make_hooked_repo app

actions() {
	ff admin audit --json | perl -MJSON::PP -e 'print join " ", map { $_->{action} . ($_->{job} ? "-$_->{job}" : "") } reverse @{decode_json(join "", <STDIN>)}'
}

test_expect 'what is done by command is noted, with who and when' '
	ff submit "$T/app.git" main -m work --json >job
	n=$(json number <job)
	wait_until "! ff show $n && ff list"
	is "$(actions)" submit
	stop_model
	ff submit "$T/app.git" main -m work --json >job
	n=$(json number <job)
	ff cancel "$n" -m "not now"
	ff retry "$n" --json >job
	m=$(json number <job)
	ff cancel "$m"
	ff backup copy.db
	reload log.level info
	wait_until "[ \"\$(actions)\" = \"submit submit cancel-$n retry-$n cancel-$m backup reload\" ]"
	is "$(ff admin audit --json -n 3 | json 0.uid)" -1
	is "$(ff admin audit --json | json 4.uid)" "$(id -u)"
	like "$(ff admin audit)" "cancel +$n +not now"
	like "$(ff admin audit)" "retry +$n +as job $m"
	like "$(ff admin audit --json | json 0.at)" "^20..-..-..T.*Z\$"
	start_model "$T/scenario.json"
'

test_expect 'it outlives the jobs and a restart, and a restore is noted as well' '
	wait_until "[ \"\$(job_count)\" = 0 ]"
	stop_daemon
	ff restore copy.db
	git config -f flowforge.conf --replace-all gateway.base-url "$(cat model.url)"
	start_daemon
	wait_until "actions | grep -qE \"backup restore\$|retry-. cancel-. restore\$\""
	[ ! -e state/restored ]
	must_fail ff admin nonsense
'

test_expect 'over ssh, the name that the server in front gave is noted' '
	ff submit "$T/app.git" main -m work --json >job
	n=$(json number <job)
	GL_USER=ada ff shell cancel "$n" || GL_USER=ada ff shell retry "$n"
	like "$(ff admin audit -n 1)" " ada +(cancel|retry)"
	must_fail ff shell admin audit
'

test_expect 'after retention.audit it goes' '
	reload retention.audit 1s
	wait_until "[ -z \"\$(actions)\" ]"
	reload retention.audit 365d
'

test_expect 'jobs come and go, with what they leave: the record stays as large as it is' '
	head -c 20000 /dev/zero | tr "\0" x >big
	: >pages
	for round in 1 2 3; do
		for n in 1 2 3; do push_to "soak$n" -o claude=work; done
		for n in 1 2 3 4 5 6 7 8; do
			ff submit "$T/app.git" main -F big --json >job
			ff cancel "$(json number <job)" || :
		done >/dev/null 2>&1
		wait_until "[ \"\$(job_count)\" = 0 ]" 60
		wait_until "[ \"\$(sqlite3 state/flowforge.db \"PRAGMA freelist_count\")\" -le 128 ]"
		sqlite3 state/flowforge.db "PRAGMA page_count" >>pages
	done
	cat pages
	first=$(head -n 1 pages)
	[ "$(sort -n pages | tail -n 1)" -le $((first + 160)) ]
	[ "$(tail -n 1 pages)" -lt 500 ]
	for t in requests steps timers events pushes expired ended; do
		is "$t $(sqlite3 state/flowforge.db "SELECT count(*) FROM $t")" "$t 0"
	done
	is "$(git -C app.git for-each-ref refs/flowforge/jobs)" ""
'

test_done
