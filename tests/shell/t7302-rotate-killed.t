#!/bin/sh
# SPDX-License-Identifier: MIT
# Core is killed at every change of a file that a rotation of the master key
# makes: whatever it was about, each secret opens with the keys that are in the
# file, the next start ends the rotation, and the old key is of no more use.
. "$top_srcdir/tests/lib/fault-lib.sh"

many=70 # more than are sealed in one turn
write_scenario 'for i in $(seq 70); do eval "printf %s \"\$V$i\""; done | sha256sum >sum'
start_model "$T/scenario.json"

sql() {
	sqlite3 "$T/state/flowforge.db" "$1"
}
# Every key that a row is sealed with is in the file.
keys_are_there() {
	sql 'SELECT DISTINCT key_id FROM secrets' >ids
	while read -r id; do
		grep -q "^flowforge-key-1 $id " master.key || { echo "killed at $n: no key $id"; cat ids; cut -c1-40 master.key; return 1; }
	done <ids
}
sealed_with_one() {
	[ "$(wc -l <master.key)" = 1 ] && [ "$(sql 'SELECT DISTINCT key_id FROM secrets')" = "$(cut -d' ' -f2 master.key)" ]
}

test_expect 'secrets, each with a value of its own' '
	write_config "secret.key-file=$T/master.key" server.workers=1 "job.secrets=$(for i in $(seq $many); do printf "V%d=many-%d " "$i" "$i"; done)"
	ff secret init 2>/dev/null
	start_faulty_daemon
	for i in $(seq $many); do echo "value of $i: $(head -c 12 /dev/urandom | od -An -tx1 | tr -d " \n")" >"value.$i"; ff secret set "many-$i" <"value.$i" 2>/dev/null; done
	for i in $(seq $many); do printf %s "$(cat "value.$i")"; done | sha256sum >want
	is "$(sql "SELECT count(*) FROM secrets")" $many
'

test_expect 'killed at any change of a file, no secret is lost' '
	n=0 killed=0 before=$(cut -d" " -f2 master.key)
	while :; do
		n=$((n + 1))
		echo $n >kill-at.new && mv kill-at.new kill-at
		ff secret rotate >said 2>&1 && rc=0 || rc=$?
		rm -f kill-at
		[ $rc != 0 ] || break
		wait_until "! process_alive daemon"
		killed=$((killed + 1))
		keys_are_there
		is "$(sql "SELECT count(*) FROM secrets")" $many
		start_faulty_daemon
		wait_until sealed_with_one
	done
	echo "# killed $killed times"
	[ $killed -ge 10 ]
	unlike "$(cat daemon.log)" "secret.closed|could not be opened"
	unlike "$(cat master.key)" "$before"
'

test_expect 'and each has the value that it had' '
	sealed_with_one
	make_hooked_repo app
	push_to one -o claude=work
	wait_job 1 completed
	is "$(git -C app.git show claude-results/one-1:sum)" "$(cat want)"
'

test_done
