#!/bin/sh
# SPDX-License-Identifier: MIT
# Large numbers: what must not become slow is not measured here, but must
# happen in pieces, in order, and within its limits.  tests/bench/scale measures.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/test-lib.sh"

fill() { # REPOSITORIES QUEUED ENDED
	mkdir -p "$T/state"
	"$top_builddir/tests/lib/fill-record" "$T/state/flowforge.db" "$T/repos" "$@"
}
pushed() { # BRANCH: a push that is answered, not spooled
	push -o claude=work origin "HEAD:claude/$1" && like "$(cat "$T/said")" "^success: job [0-9]+ queued"
}

git init -q --bare plain.git
rm -rf plain.git/hooks
mkdir repos
for test_i in $(seq 300); do cp -r plain.git "repos/r$test_i.git"; done
make_repo app

test_expect 'a long queue on a host without a sandbox: pushes are answered while it becomes blocked' '
	write_config sandbox.bwrap=/nonexistent server.readers=3 server.workers=1
	fill 300 4000 3000 90000
	ff hooks install app.git
	start_daemon
	cd app
	for i in 1 2 3 4 5; do pushed "p$i"; done
	cd ..
	wait_until "ff list --state waiting --json -n 300 | json items | grep -qx 300"
'

test_expect 'no more readers than server.readers, however many repositories' '
	stop_daemon
	start_daemon
	most=0
	# The comparison of all refs at the start; its end shows in the record.
	for i in $(seq 25); do
		n=$(role_pids reader | wc -l)
		[ "$n" -le "$most" ] || most=$n
	done
	[ "$most" -le 3 ]
	[ "$most" -ge 1 ]
	cd app && pushed after
'

test_expect 'lists page through what no index leads to' '
	is "$(ff list --branch claude/7 --json | json items)" 1
	is "$(ff list --branch claude/7 --json | json items.0.number)" 8
	is "$(ff list --branch claude/6999 --json | json items.0.number)" 7000
	is "$(ff list --branch claude/none --json | json items)" 0
	is "$(ff list --repo repos/r5.git --state completed --json -n 10000 | json items)" 10
	is "$(ff list --repo repos/r5.git --state failed --json | json items)" 0
	ff list --json -n 450 | perl -MJSON::PP -e "my \$v = decode_json(join q(), <STDIN>); my \$last = 1e9;
		for (@{\$v->{items}}) { die unless \$_->{number} < \$last; \$last = \$_->{number} } print scalar @{\$v->{items}}" >n
	is "$(cat n)" 450
'

test_expect 'watch gives every event of a job that has very many, also to a slow reader' '
	ff watch 1 --json | perl -MJSON::PP -ne "BEGIN { \$last = 0 } my \$v = decode_json(\$_); sleep 1 if \$. == 1000 or \$. == 50000;
		if (\$v->{seq}) { die unless \$v->{seq} > \$last; \$last = \$v->{seq}; \$n++ } \$end = \$v->{job} if ref \$v->{job};
		END { print \"\$n \$end->{state}\n\" }" >n
	is "$(cat n)" "90005 completed"
	is "$(ff show 1 --json | json events)" 10000
'

test_expect 'they are queued again when the sandbox is there' '
	stop_daemon
	write_scenario "echo x >x"
	start_model "$T/scenario.json"
	write_config server.readers=3 server.workers=1 queue.pusher-rate=0
	start_daemon
	wait_until "ff list --state queued --json -n 300 | json items | grep -qx 300"
	wait_until "ff list --state failed --json | json items | grep -qvx 0" # they are worked off: their repositories are empty
'

test_expect 'ten thousand refs of jobs: no push sees them, and results come' '
	stop_daemon
	rm -rf state
	write_config
	oid=$(git -C app.git rev-parse main)
	git -C app.git pack-refs --all --prune
	{
		echo "# pack-refs with: peeled fully-peeled sorted "
		{ grep -v "^#" app.git/packed-refs; seq 100001 110000 | sed "s|.*|$oid refs/flowforge/jobs/&/source|"; } | LC_ALL=C sort -k 2
	} >packed && cp packed app.git/packed-refs
	is "$(git -C app.git for-each-ref refs/flowforge/jobs | wc -l)" 10000
	start_daemon
	cd app
	GIT_TRACE_PACKET=1 git push -o claude=work origin HEAD:claude/many 2>packets
	is "$(grep -c "refs/flowforge" packets)" 0
	wait_job 1 completed
	git fetch -q origin claude-results/many-1
'

test_expect 'two thousand files: from the push to the result' '
	cd app
	mkdir many
	for d in $(seq 20); do
		mkdir many/$d
		for f in $(seq 100); do echo "$d $f" >many/$d/$f; done
	done
	commit_all "many files"
	push -q origin HEAD:main
	push -o claude=work origin HEAD:claude/files
	job=$(said_job)
	wait_job "$job" completed
	git fetch -q origin "claude-results/files-$job"
	is "$(git ls-tree -r FETCH_HEAD | wc -l)" "$(($(git ls-tree -r HEAD | wc -l) + 1))"
'
test_done
