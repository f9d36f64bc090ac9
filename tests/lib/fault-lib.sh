# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the tests of what breaks under a running daemon.
# shellcheck disable=SC2154
. "$top_srcdir/tests/lib/test-lib.sh"

: "${state:=$T/state}" # state-dir of the daemon

# Another program holds the record locked from now on, as sqlite3 in a terminal would.
lock_record() {
	rm -f "$T/lock" "$T/lock.out" && mkfifo "$T/lock"
	sqlite3 "$state/flowforge.db" <"$T/lock" >"$T/lock.out" 2>&1 &
	note_process lock $!
	exec 8>"$T/lock"
	echo '.timeout 10000' >&8
	echo 'BEGIN IMMEDIATE; SELECT 42;' >&8
	wait_until 'grep -q 42 "$T/lock.out"'
}
unlock_record() {
	exec 8>&-
	wait_until '! process_alive lock'
}

# How many lines of that event are in the daemon's log; how many errors and warnings since line N.
said_times() { # EVENT
	grep -c "\"event\":\"$1\"" "$T/daemon.log" || :
}
log_end() {
	wc -l <"$T/daemon.log"
}
complaints_since() { # LINE
	sed "1,${1}d" "$T/daemon.log" | grep -E '"level":"(warn|error)"' || :
}

# The command line program in the background, known as NAME, its output in NAME.out and NAME.err.
start_ff() { # NAME WORD...
	start_name=$1
	shift
	# Not with the descriptor that holds the record locked.
	(exec 8>&- flowforge --config "$T/flowforge.conf" "$@") >"$T/$start_name.out" 2>"$T/$start_name.err" </dev/null &
	note_process "$start_name" $!
}

# One key of the running daemon.
reload() { # KEY VALUE
	git config -f "$T/flowforge.conf" --replace-all "$1" "$2"
	kill -s HUP "$(process_pid daemon)"
	wait_until "[ \"\$(git config -f $T/run/roles.conf $1)\" = '$2' ]"
}

# A push from the clone app to that branch with a new commit; it must succeed whatever is broken.
push_to() { # BRANCH [OPTION...]
	push_branch=$1
	shift
	(
		cd "$T/app" || exit
		git commit -q --allow-empty -m "for $push_branch"
		push "$@" origin "HEAD:refs/heads/claude/$push_branch"
	)
	is "$(git -C "$T/app.git" rev-parse "claude/$push_branch")" "$(git -C "$T/app" rev-parse HEAD)"
}

branch_jobs() { # BRANCH
	ff list --json --branch "claude/$1" | json items
}
branch_state() { # BRANCH
	ff list --json --branch "claude/$1" | json items.0.state
}

# Runs the test that sources this in a mount namespace with a small disk of its
# own: /mnt, that many bytes.  The whole test, as the hooks need it as well.
on_small_disk() { # BYTES
	[ "${FF_SMALL_DISK-}" ] || {
		rm -rf "$T"
		unset TMPDIR
		FF_SMALL_DISK=yes exec bwrap --dev-bind / / --size "$1" --tmpfs /mnt -- /bin/sh "$0"
	}
	state=/mnt/state
}

# The disk of the state folder, full to the last byte; give_room takes that back.
fill_disk() {
	dd if=/dev/zero of=/mnt/ballast bs=65536 2>/dev/null || :
	dd if=/dev/zero of=/mnt/ballast2 bs=512 2>/dev/null || :
}
give_room() {
	rm -f /mnt/ballast /mnt/ballast2
}

# Writes rubbish over the first page of a table or index of the record; the daemon must not run.
damage_table() { # NAME
	damage_page=$(sqlite3 "$state/flowforge.db" "SELECT rootpage FROM sqlite_schema WHERE name = '$1'")
	damage_size=$(sqlite3 "$state/flowforge.db" 'PRAGMA page_size')
	[ "$damage_page" -gt 1 ]
	tr '\0' '\377' </dev/zero | dd of="$state/flowforge.db" bs="$damage_size" seek=$((damage_page - 1)) count=1 conv=notrunc iflag=fullblock 2>/dev/null
}

# start_daemon, with core's clock and disk under the test's control: the wall
# clock is set by the seconds in the file $T/clock, writing fails while there is
# $T/no-write, and core is killed at the change of a file whose number is in $T/kill-at.
start_faulty_daemon() { # [KEY=VALUE...]
	[ $# = 0 ] || write_config "$@"
	[ -e "$T/clock" ] || echo 0 >"$T/clock"
	FF_FAULT_CLOCK="$T/clock" FF_FAULT_WRITE="$T/no-write" FF_FAULT_KILL="$T/kill-at" ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" \
		LD_PRELOAD="$top_builddir/tests/lib/fault.so" \
		"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
	wait_until 'ff list --json || ! process_alive daemon' 30 && process_alive daemon
}
set_clock() { # SECONDS
	echo "$1" >"$T/clock.new" && mv "$T/clock.new" "$T/clock"
}
