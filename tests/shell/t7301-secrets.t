#!/bin/sh
# SPDX-License-Identifier: MIT
# Secrets in the record: the master key, setting, listing, rotating; the API key from there.
. "$top_srcdir/tests/lib/fault-lib.sh"

secret='sk-canary/key+one=4711'
write_scenario 'echo x >X'
printf %s "$secret" >expect
start_model "$T/scenario.json" --expect-key "$T/expect"
write_config server.workers=1 sandbox.probe-interval=100ms gateway.key=secret:model "secret.key-file=$T/master.key"

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

sql() {
	sqlite3 "$T/state/flowforge.db" "$1"
}

test_expect 'no master key: set says what to do, the job waits with the reason' '
	start_daemon
	make_hooked_repo app
	status_is 1 ff secret set model --kind api-key <expect 2>said
	like "$(cat said)" "master.key: the master key cannot be read|secret init"
	push_to one -o claude=work
	wait_job 1 waiting
	like "$(field 1 reason)" "there is no secret model: set it by flowforge secret set model"
	like "$(ff doctor || :)" "^fail +key: jobs wait: there is no secret model"
'

test_expect 'init makes a file for this account alone, and never twice' '
	ff secret init 2>said
	is "$(stat -c %a master.key)" 600
	like "$(cat master.key)" "^flowforge-key-1 [0-9a-f]{16} [0-9a-f]{64}$"
	unlike "$(cat said)" "[0-9a-f]{32}"
	cp master.key before
	status_is 1 ff secret init 2>said
	like "$(cat said)" "is there already"
	cmp master.key before
'

test_expect 'the secret is set from standard input, and the job that waited runs with it' '
	kill -s HUP "$(process_pid daemon)"
	wait_until "ff secret set model --kind api-key <expect"
	wait_job 1 completed
	is "$(field 1 attempt)" 1
	like "$(ff doctor || :)" "^ok +key: read from secret:model"
	unlike "$(cat model.log)" "\"status\":401"
'

test_expect 'list shows what it is, and not what is in it' '
	ff secret list >out
	like "$(cat out)" "^model +api-key +[-0-9T:.Z]+ +[0-9a-f]{16}"
	unlike "$(cat out)" canary
	ff secret list --json >out
	is "$(json 0.name <out) $(json 0.kind <out) $(json 0.repo <out)" "model api-key "
	unlike "$(cat out)" canary
	like "$(ff admin audit)" "secret set .*model"
'

test_expect 'wrong use is refused: kind, name, nothing, too short, too long, a NUL byte' '
	status_is 2 ff secret set a --kind password <expect
	status_is 2 ff secret set "a b" <expect
	status_is 2 ff secret set a </dev/null
	printf short | status_is 2 ff secret set a
	head -c 70000 /dev/zero | tr "\\0" x | status_is 1 ff secret set a 2>said
	like "$(cat said)" "secret.max-bytes.*over 65536"
	printf "abcdefgh\\0ijk" | status_is 2 ff secret set a
	status_is 3 ff secret set a --repo "$T" <expect
	status_is 3 ff secret delete nobody
	status_is 2 ff secret show model
	is "$(sql "SELECT count(*) FROM secrets")" 1
'

test_expect 'of a repository and of the server are two' '
	echo of-the-server | ff secret set token
	echo of-the-repository | ff secret set token --repo app.git
	is "$(sql "SELECT count(*) FROM secrets WHERE name = '\''token'\''")" 2
	ff secret delete token --repo app.git
	is "$(ff secret list | grep -c ^token)" 1
'

test_expect 'no more than secret.max' '
	git config -f flowforge.conf secret.max 2
	kill -s HUP "$(process_pid daemon)"
	wait_until "! echo one-too-many | ff secret set third 2>said && grep -q \"2 secrets already (secret.max)\" said"
	echo again-the-same | ff secret set token
	git config -f flowforge.conf --unset secret.max
	kill -s HUP "$(process_pid daemon)"
	wait_until "echo no-longer-too-many | ff secret set third"
'

test_expect 'rotation seals everything anew while the daemon serves, and the old key goes' '
	for i in $(seq 60); do echo "value number $i" | ff secret set "many-$i" 2>/dev/null; done
	old=$(sed "s/^flowforge-key-1 \([^ ]*\).*/\1/" master.key)
	ff secret rotate 2>said
	like "$(cat said)" "^(flowforge: )?63 secrets are sealed anew"
	is "$(wc -l <master.key)" 1
	is "$(stat -c %a master.key)" 600
	unlike "$(cat master.key)" "$old"
	is "$(sql "SELECT count(DISTINCT key_id), max(key_id) <> '\''$old'\'' FROM secrets")" "1|1"
	push_to two -o claude=work
	wait_job 2 completed
	like "$(ff admin audit)" "secret rotate"
'

test_expect 'a rotation that a crash ended goes on at the next start' '
	stop_daemon
	cp master.key old.key
	ff secret init new.key
	cat new.key old.key >master.key
	start_daemon
	wait_until "[ \"\$(wc -l <master.key)\" = 1 ]"
	cmp master.key new.key
	is "$(sql "SELECT count(DISTINCT key_id) FROM secrets")" 1
	push_to three -o claude=work
	wait_job 3 completed
'

test_expect 'a row that was copied over another, cut or changed does not open; the old key stays' '
	stop_daemon
	sql "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = '\''many-1'\'') WHERE name = '\''many-2'\'';
		UPDATE secrets SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE name = '\''many-3'\'';
		UPDATE secrets SET name = '\''many-5-renamed'\'' WHERE name = '\''many-5'\'';
		UPDATE secrets SET kind = 4 WHERE name = '\''model'\''"
	start_daemon
	like "$(grep secret.closed daemon.log)" "4 secrets cannot be opened"
	status_is 2 ff secret rotate 2>said
	like "$(cat said)" "4 secrets could not be opened, so the old master keys stay"
	is "$(wc -l <master.key)" 2
	like "$(ff doctor || :)" "^fail +key: jobs wait: .*model is of the kind job"
'

test_expect 'a master key that others can read, or that lies beside the record, is none' '
	stop_daemon
	chmod 640 master.key
	start_daemon
	like "$(grep secret.key daemon.log | tail -n 1)" "others can read the master key .mode 640.; run: chmod 600"
	stop_daemon
	chmod 600 master.key
	must_fail flowforged --config flowforge.conf -c "secret.key-file=$T/state/master.key" --check-config 2>said
	like "$(cat said)" "must not lie in server.state-dir"
	cp master.key state/hidden
	mv master.key away
	ln -s "$T/state/hidden" master.key
	start_daemon
	like "$(grep secret.key daemon.log | tail -n 1)" "lies in server.state-dir"
	stop_daemon
	rm master.key state/hidden
	mv away master.key
'

test_expect 'the key by descriptor, and as a service credential' '
	git config -f flowforge.conf --unset secret.key-file
	"$T/bin/flowforged" --config flowforge.conf --key-fd 7 7<master.key >>daemon.log 2>&1 </dev/null &
	note_process daemon $!
	wait_until "ff list --json"
	ff secret set model --kind api-key <expect
	wait_until "ff doctor | grep -q \"^ok  *key: read from secret:model\""
	status_is 1 ff secret rotate 2>said
	like "$(cat said)" "came by descriptor"
	stop_daemon
	mkdir -p creds
	cp master.key creds/flowforge-master-key
	CREDENTIALS_DIRECTORY=$T/creds
	export CREDENTIALS_DIRECTORY
	start_daemon
	wait_until "ff doctor | grep -q \"^ok  *key: read from secret:model\""
	must_fail flowforged --config flowforge.conf --key-fd 9 2>said
	like "$(cat said)" "open descriptor"
'

test_expect 'nothing of any value is on disk or in the log' '
	stop_daemon
	for word in canary "value number" of-the-server of-the-repository no-longer-too-many; do
		is "$(grep -rlF -e "$word" state run daemon.log model.log home tmp app.git || :)" ""
	done
'

test_done
