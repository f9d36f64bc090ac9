#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon tidies repositories in the place of git's own gc: what pushes and
# jobs leave stays bounded, nothing is lost, nobody is in anybody's way.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/test-lib.sh"

# A keeper has the least claim to the processors: with other tests beside it, it may wait long.
patience=240

# git as the keeper finds it: `hold` makes a repack wait, `short` kills it early.
real_git=$(command -v git)
rm -f "$T/bin/git"
cat >"$T/bin/git" <<EOF
#!/bin/sh
case " \$* " in
*" repack "*)
	echo \$\$ >"$T/repack.pid"
	: >"$T/repack.reached"
	while [ -e "$T/hold" ]; do sleep 0.02; done
	[ ! -e "$T/short" ] || exec timeout -s KILL "\$(cat "$T/short")" "$real_git" "\$@"
	;;
esac
exec "$real_git" "\$@"
EOF
chmod 755 "$T/bin/git"

tidied() { # NAME KEY...: a repository that we tidy; every push leaves a pack
	make_repo "$1"
	git -C "$1.git" config gc.auto 6700
	git -C "$1.git" config receive.unpackLimit 1
	ff hooks install "$1.git"
}
packs() { ls "$1.git/objects/pack" | grep -c '\.pack$' || :; }
loose() { find "$1.git/objects" -type f -path '*/objects/??/*' | wc -l; }
loose_refs() { find "$1.git/refs" -type f | wc -l; }
change() { # NAME TEXT: a push of a new commit to main
	echo "$2" >"$1/file-$2"
	git -C "$1" add -A
	git -C "$1" commit -q -m "$2"
	git -C "$1" push -q origin HEAD:main
}
said() { grep -c "$1" "$T/daemon.log" || :; }
more_said() { # EVENT COUNT: it is in the log more often than that
	wait_until "[ \$(grep -c '$1' '$T/daemon.log') -gt $2 ]" $patience
}
# Nothing is missing or left behind.  Asked again, since a repack that begins takes packs away under fsck.
whole() { # NAME
	wait_until "'$real_git' -C $1.git fsck --full --strict >fsck 2>&1 && ! grep -E 'error|missing|corrupt|broken' fsck &&
		[ ! \"\$(find $1.git -name '*.lock')\" ]" $patience || { cat fsck; return 1; }
}

write_scenario 'echo changed >>README.md'
test_expect 'pushes and jobs: packs, loose objects and refs stay bounded' '
	start_model "$T/scenario.json"
	write_config maintenance.interval=200ms maintenance.packs=5 maintenance.loose=40 queue.coalesce=0
	tidied app
	start_daemon
	cd app
	for i in 1 2 3 4 5 6; do
		push -o claude="do $i" origin "main:claude/a$i" && said_job >>"$T/jobs"
		change ../app "p$i"
	done
	while read -r job; do wait_job "$job" completed; done <"$T/jobs"
	cd ..
	for i in $(seq 7 25); do change app "p$i"; done
	wait_until "[ \$(packs app) -lt 5 ] && [ \$(loose app) -lt 40 ]" $patience
	wait_until "[ -s app.git/packed-refs ] || [ \$(loose_refs app) -lt 90 ]" $patience
	like "$(cat daemon.log)" "maintenance.done"
	whole app
'

test_expect 'the refs and results of the jobs are all there' '
	while read -r job; do
		for ref in source base result; do
			git -C app.git cat-file -e "refs/flowforge/jobs/$job/$ref^{commit}"
		done
	done <"$T/jobs"
	is "$(git -C app.git for-each-ref refs/heads/claude-results | wc -l)" 6
	ff diff "$(head -n 1 "$T/jobs")" | grep -q "^+changed"
'

test_expect 'refs of jobs are packed' '
	oid=$(git -C app.git rev-parse main)
	for i in $(seq 1001 1100); do echo "create refs/flowforge/jobs/$i/source $oid"; done | git -C app.git update-ref --stdin
	wait_until "[ \$(loose_refs app) -lt 90 ]" $patience
	is "$(git -C app.git for-each-ref refs/flowforge/jobs | wc -l)" 118
	change app packed
	whole app
'

test_expect 'a push and a job go on while a repack is under way, and a gc keeps out' '
	: >hold
	rm -f repack.reached
	for i in 1 2 3 4 5 6; do change app "held$i"; done
	wait_until "[ -e repack.reached ]" $patience
	wait_until "grep -qx \"\$(cat repack.pid) $(hostname)\" app.git/gc.pid"
	status_is 128 git -C app.git gc --quiet 2>out
	like "$(cat out)" "gc is already running"
	change app during
	cd app && push -o claude="during" origin main:claude/during && wait_job "$(said_job)" completed
	cd ..
	n=$(said maintenance.done)
	rm hold
	more_said maintenance.done "$n"
	[ ! -e app.git/gc.pid ]
	whole app
	is "$(git -C app.git rev-parse main)" "$(git -C app rev-parse HEAD)"
'

test_expect 'a keeper that was killed blocks nobody, and what it ran still counts while it lives' '
	: >hold
	rm -f repack.reached
	for i in 1 2 3 4 5 6; do change app "killed$i"; done
	wait_until "[ -e repack.reached ]" $patience
	wait_until "grep -qx \"\$(cat repack.pid) $(hostname)\" app.git/gc.pid"
	pid=$(cat repack.pid)
	kill_role keeper
	n=$(said maintenance.busy)
	more_said maintenance.busy "$n"
	kill -s KILL "$pid"
	rm -f hold
	n=$(said maintenance.done)
	more_said maintenance.done "$n"
	wait_until "[ \$(packs app) -lt 5 ]" $patience
	whole app
'

test_expect 'a repack that is killed in the middle leaves a whole repository' '
	for s in 0.002 0.006; do
		echo $s >short
		n=$(said maintenance.failed)
		m=$(said maintenance.done)
		for i in 1 2 3 4 5 6; do change app "short$s-$i"; done
		wait_until "[ \$(said maintenance.failed) -gt $n ] || [ \$(said maintenance.done) -gt $m ]" $patience
		whole app
	done
	rm short
	wait_until "[ \$(packs app) -lt 5 ]" $patience
	whole app
'

test_expect 'files that a killed repack left go when they are old' '
	: >app.git/objects/pack/.tmp-1-pack-old.pack
	touch -d "2 days ago" app.git/objects/pack/.tmp-1-pack-old.pack
	: >app.git/objects/pack/.tmp-2-pack-new.pack
	n=$(said maintenance.done)
	for i in 1 2 3 4 5 6; do change app "left$i"; done
	more_said maintenance.done "$n"
	[ ! -e app.git/objects/pack/.tmp-1-pack-old.pack ]
	[ -e app.git/objects/pack/.tmp-2-pack-new.pack ]
	rm app.git/objects/pack/.tmp-2-pack-new.pack
'

test_expect 'a lock of another gc is respected, and one that was left is not' '
	stop_daemon
	sleep 1000 & # lives as long as the test needs
	other=$!
	echo "$other $(hostname)" >app.git/gc.pid
	start_daemon
	n=$(said maintenance.busy)
	for i in 1 2 3 4 5 6; do change app "foreign$i"; done
	more_said maintenance.busy "$n"
	[ "$(packs app)" -ge 5 ]
	kill $other
	wait $other || :
	: >app.git/gc.pid.lock
	touch -d "1 hour ago" app.git/gc.pid.lock
	wait_until "[ \$(packs app) -lt 5 ]" $patience
	wait_until "[ ! -e app.git/gc.pid ]"
	[ ! -e app.git/gc.pid.lock ]
'

test_expect 'a full run removes what no ref leads to, when it is old enough for git' '
	stop_daemon
	old=$(echo old | git -C app.git hash-object -w --stdin)
	new=$(echo new | git -C app.git hash-object -w --stdin)
	touch -d "3 weeks ago" "app.git/objects/$(echo "$old" | sed "s|..|&/|")"
	touch -d "8 days ago" app.git/flowforge/kept
	start_daemon
	wait_until "! git -C app.git cat-file -e $old" $patience
	git -C app.git cat-file -e "$new"
	whole app
'

test_expect 'the end of the daemon ends a repack, and leaves nothing behind' '
	: >hold
	rm -f repack.reached
	for i in 1 2 3 4 5 6; do change app "ended$i"; done
	wait_until "[ -e repack.reached ]" $patience
	stop_daemon
	must_fail kill -s 0 "$(cat repack.pid)"
	[ ! -e app.git/gc.pid ]
	rm hold
	whole app
'

test_expect 'a repack that takes too long is ended and tried again later' '
	: >hold
	stop_daemon || :
	write_config maintenance.interval=200ms maintenance.packs=5 maintenance.loose=40 maintenance.timeout=2s
	start_daemon
	wait_until "grep \"maintenance.timeout.*maintenance.failed\" daemon.log" $patience
	rm hold
	stop_daemon
	write_config maintenance.interval=200ms maintenance.packs=5 maintenance.loose=40
	start_daemon
	wait_until "[ \$(packs app) -lt 5 ]" $patience
	whole app
'

test_expect 'repositories of others are left alone: gc.auto = 0, no mark, objects that are precious' '
	for name in off unmarked precious; do
		tidied $name
	done
	git -C off.git config gc.auto 0
	git -C unmarked.git config --unset-all flowforge.maintenance
	git -C precious.git config core.repositoryFormatVersion 1
	git -C precious.git config extensions.preciousObjects true
	tidied last
	for i in 1 2 3 4 5 6; do
		for name in off unmarked precious last; do change $name "p$i"; done
	done
	more_said "last.git: packs" 0
	for i in 1 2 3 4 5 6; do change last "q$i"; done
	more_said "last.git: packs" 1 # a whole pass, so the others were looked at
	for name in off unmarked precious; do is "$(packs $name)" 6; done
'

test_expect 'a repository that borrows objects is tidied without theirs' '
	git clone -q --bare --shared app.git fork.git
	git clone -q fork.git fork 2>/dev/null
	git -C fork.git config gc.auto 6700
	git -C fork.git config receive.unpackLimit 1
	ff hooks install fork.git
	n=$(packs app)
	for i in $(seq 1 52); do
		echo "$i" | git -C fork.git hash-object -w --stdin | git -C fork.git pack-objects -q objects/pack/pack >/dev/null
	done
	change fork last
	wait_until "[ \$(packs fork) -lt 50 ]" $patience
	whole fork
	is "$(packs app)" "$n"
'
test_done
