#!/bin/sh
# SPDX-License-Identifier: MIT
# Power cuts: what core, its worker, the gateway and the hooks did to the record,
# the spool, the jobs' folders and the repository is put on tape, and from it
# states are made up that a disk may hold when the power goes at any moment:
# what was not synced is gone, torn or came early.  Each must be a record that
# has all that somebody was promised (CRASH_STATES of them, 2000), and over some
# (CRASH_FULL, 12) the daemon itself is started and must bring each push to its
# one result.  CRASH_FROM=K begins with state K.
#
# What git itself writes for a push is taken as safe: that is git's affair.
. "$top_srcdir/tests/crash/crash-lib.sh"
crash_possible

launch_daemon() {
	"$stepper" --tape "$T/tape.core" --under "$T/state" --under "$T/app.git" -- \
		"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
}

# Under the stepper, by a script, as a server that renames hooks starts it.
tape_hook() {
	rm "$T/app.git/hooks/post-receive"
	cat >"$T/app.git/hooks/post-receive" <<-EOF
		#!/bin/sh
		exec "$stepper" --tape "$T/tape.hook" --under "$T/state" -- \\
			"$T/libexec/flowforge-hook" post-receive --conf "$T/state/hook.conf"
	EOF
	chmod +x "$T/app.git/hooks/post-receive"
}

test_expect 'five pushes are on tape: told, kept, and told while others are under way' '
	write_crash_scenario
	start_model "$T/scenario.json"
	write_config
	make_repo app
	mkdir snap
	cp -a app.git snap
	find "$T/app.git" -printf "%i %y %m %p\n" >before
	start_daemon
	ff hooks install app.git
	tape_hook
	for b in p1 p2; do crash_push $b; settle $b; done
	stop_daemon KILL
	for b in p3 p4; do push_branch $b; done
	[ "$(ls state/spool | wc -l)" = 2 ]
	start_daemon
	push_branch p5
	for b in p3 p4 p5; do settle $b; done
	stop_daemon
	git -C app.git rev-parse "refs/heads/claude-results/p1-1^{tree}" >tree
	mv state state.after
	cp -a app.git app.after
	rm app.after/hooks/post-receive
	echo "300 30" >usage
'

cut() { # check|make WORD...
	cut_what=$1
	shift
	"$top_builddir/tests/crash/powercut" "$cut_what" --root "$T" --snap "$T/snap" --list "$T/before" --seed "$seed" \
		--out "$T/cut" --refold "$top_builddir/tests/lib/refold" "$@" "$T/tape.core" "$T/tape.hook"
}

states=${CRASH_STATES:-2000}
cut check --states "$states" --state "${CRASH_FROM:-0}" >"$T/cuts" 2>&1
cut_rc=$?
while read -r cut_what cut_text; do
	case $cut_what in lost | doubled | wrong) problem "$cut_what" "$cut_text" ;; *) diag "$cut_what $cut_text" ;; esac
done <"$T/cuts"
runs=$states
test_expect 'who was promised what is on the tapes' 'like "$(cat cuts)" "^promised: 3 pushes by core, 2 by the spool, [1-9][0-9]+ steps"'
test_expect "each of $states states is a whole record with all that was promised" '[ $cut_rc = 0 ]'

# State N in place of the world, as the machine finds it after it has started again.
enter_state() { # N
	cut make --state "$1" >"$T/cut.said" || return
	rm -rf "$T/state" "$T/app.git"
	mv "$T/cut/state" "$T/state" 2>/dev/null || :
	cp -a "$T/app.after" "$T/app.git"
	sed -n "s|^$T/app.git/||p" "$T/cut/named" | (cd "$T/app.git" && while IFS= read -r f; do [ -d "$f" ] || rm -f "$f"; done)
	[ ! -d "$T/cut/app.git" ] || cp -a "$T/cut/app.git/." "$T/app.git"
	# A push that nobody had heard of had not come yet.
	for enter_b in p1 p2 p3 p4 p5; do
		grep -q "^arrived refs/heads/claude/$enter_b\$" "$T/cut.said" || git -C "$T/app.git" update-ref -d "refs/heads/claude/$enter_b"
	done
	for enter_f in "$T"/state/jobs/*/prepared; do
		[ ! -e "$enter_f" ] || sed -i 's/ .*/ 00000000-0000-0000-0000-000000000000/' "$enter_f"
	done
	# Counted on a copy: who opens the record mends it.
	rm -rf "$T/copy" && mkdir "$T/copy"
	cp "$T"/state/flowforge.db* "$T/copy" 2>/dev/null || :
	paid=$(sqlite3 "$T/copy/flowforge.db" 'SELECT count(*) FROM requests WHERE status = 200' 2>/dev/null || echo 0)
}

launch_plain() {
	"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
}

full_state() { # N
	run_name="full state $1 of seed $seed"
	enter_state "$1" || { problem wrong "$run_name: cannot be made"; return; }
	stub POST /__stub/reset >/dev/null
	launch_plain
	full_jobs=0
	for full_b in p1 p2 p3 p4 p5; do
		grep -q "^promised refs/heads/claude/$full_b\$" "$T/cut.said" || continue
		full_jobs=$((full_jobs + 1))
		settle "$full_b" || { problem lost "$run_name: $full_b is not over"; continue; }
	done
	# What had arrived and was not answered may have its job or not.
	wait_until 'ff list --json >list.json && [ ! "$(ls state/jobs)" ] && ! ls state/spool/*.json && ! grep -qE "\"state\": ?\"(queued|running|waiting)\"" list.json' 60 ||
		problem wrong "$run_name: it does not come to rest"
	full_asked=$(stub GET /__stub/state | json charged)
	for full_b in p1 p2 p3 p4 p5; do
		! grep -q "^promised refs/heads/claude/$full_b\$" "$T/cut.said" || judge "$full_b" any || diag_file "$T/cut.said"
	done
	full_all=$(ff list --json -n 1000 | json items)
	[ $((paid + full_asked)) -le $((3 * full_all)) ] ||
		problem charge "$run_name: $paid answers were in the record, $full_asked more were asked for $full_all jobs"
	stop_daemon
	git -C "$T/app.git" fsck --strict --no-dangling >"$T/fsck.out" 2>&1 || problem wrong "$run_name: fsck: $(head -n 1 "$T/fsck.out")"
	"$top_builddir/tests/lib/refold" "$T/state/flowforge.db" >"$T/refold.out" || problem wrong "$run_name: $(head -n 1 "$T/refold.out")"
}

rm -rf "$T/run"
full_first=$((${CRASH_FROM:-0} + 1))
for full_n in $(seq $full_first $((full_first + ${CRASH_FULL:-12} - 1))); do full_state "$full_n"; done
[ -e "$T/state" ] || mv "$T/state.after" "$T/state"
crash_done
