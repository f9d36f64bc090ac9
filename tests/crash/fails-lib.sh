# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# The Nth call of a kind fails, once or from then on, in one role.  A run is a
# push; when the fault has shown what it does it is taken away, what died is
# started again, and then the push must have its result or a job that failed
# and says why: nothing else, and nobody may have crashed.
#
# CRASH_FROM=K: go on behind the Kth run of the test.
# CRASH_EVERY=N: each Nth call of a role (10; 1 is all of them).  Of the
# allocations, which are thousands, some CRASH_MEMORY (8) a role at equal
# distances, or each CRASH_EVERYth when that is set.
. "$top_srcdir/tests/crash/crash-lib.sh"
fail_at=0
JUDGE_LENIENT=1
export JUDGE_LENIENT

was_hit() { # CALL: the fault has happened
	case $1 in
	memory) sed "1,${log_seen}d" "$T/daemon.log" | grep -q '^nomem: .* has no memory' ;;
	*) grep -q '^failed' "$T/steps" ;;
	esac
}

# Until it is over, or the fault has happened and had the time to do what it does at once.
act_out() { # BRANCH CALL
	uptime_now
	act_end=$((uptime_s + 60 * test_slow)) act_looks=$((20 * test_slow))
	until is_over "$1" || ! process_alive daemon; do
		! was_hit "$2" || act_looks=$((act_looks - 1))
		uptime_now
		[ "$uptime_s" -le "$act_end" ] && [ $act_looks -gt 0 ] || break
		sleep 0.05
	done
	was_hit "$2" || fail_missed=$((fail_missed + 1))
}

fail_run() { # ROLE CALL N once|always
	fail_branch=$1-$2-$3-$4
	run_name="$1: $2 $3 fails $4"
	: >"$T/steps"
	log_seen=$(wc -l <"$T/daemon.log")
	if [ "$1" = core ]; then
		# Its start belongs to what may fail, so a push waits in the spool.
		stop_daemon && crash_push "$fail_branch" || problem wrong "$run_name: cannot prepare"
		fault_on "$1" "$2" "$3" "$4"
		launch_daemon
	else
		fault_on "$1" "$2" "$3" "$4"
		# A gateway that runs has its connections and files already.
		case $1-$2 in *-memory | gateway-*) restart ;; esac
		crash_push "$fail_branch"
	fi
	act_out "$fail_branch" "$2"
	fault_off "$1" "$2"
	restart && settle "$fail_branch" || {
		problem lost "$run_name: $fail_branch is not over"
		diag_file "$T/daemon.log" 20
		diag_file "$T/steps" 5
	}
	judge "$fail_branch" 1 || :
	fail_crash=$(sed "1,${log_seen}d" "$T/daemon.log" | grep -E 'assertion failed|\(signal ([1-8]|1[0-9]) ' ||
		grep -E '^ended [a-z]+ [0-9]+ signal' "$T/steps" | grep -v 'signal 9$')
	[ ! "$fail_crash" ] || problem wrong "$run_name: a crash: $(printf '%s' "$fail_crash" | cut -c1-200 | head -n 2)"
}

# By the stepper, or for memory by programs of ours whose allocator runs dry.
fault_on() {
	case $2 in
	memory) fault_programs "$1:$3:$4" ;;
	*) order "$1 fail $2 $3 $4" ;;
	esac
}
fault_off() {
	case $2 in
	memory) fault_programs '' ;;
	*) order '' ;;
	esac
}

fault_programs() { # ROLE:N:HOW, '' for the real ones; of the daemon, at its next start
	unset FLOWFORGE_NOMEM
	ln -sfn "$top_builddir/flowforged" "$T/bin/flowforged"
	[ "$1" ] || return 0
	ln -sfn "$top_builddir/tests/crash/nomem-flowforged" "$T/bin/flowforged"
	FLOWFORGE_NOMEM=$1
	export FLOWFORGE_NOMEM
}

restart() {
	stop_daemon || stop_daemon KILL
	launch_daemon
	wait_until 'ff list --json' 60
}

# How many calls of that kind a push is worth.
count_calls() { # ROLE CALL
	: >"$T/steps"
	: >"$T/memory"
	stop_daemon
	fault_on "$1" "$2" 0 once
	[ "$1" != core ] || crash_push "$1-$2-count"
	launch_daemon
	wait_until 'ff list --json' 60
	[ "$1" = core ] || crash_push "$1-$2-count"
	settle "$1-$2-count" || problem lost "$1: $2: the count is not over"
	stop_daemon
	fault_off "$1" "$2"
	case $2 in
	memory) sed -n "s/^nomem: $1 allocations //p" "$T/daemon.log" | sort -n | tail -n 1 ;;
	*) grep -c '^call' "$T/steps" ;;
	esac
}

# Each Nth; of few calls at least eight.
numbers() { # COUNT CALL
	numbers_step=${CRASH_EVERY:-10}
	[ "$2" != memory ] || [ "${CRASH_EVERY-}" ] || numbers_step=$(($1 / ${CRASH_MEMORY:-8} + 1))
	[ $((numbers_step * 8)) -le "$1" ] || numbers_step=$(($1 / 8 + 1))
	seq 1 "$numbers_step" "$1"
}

fail_sweep() { # ROLE CALL...
	fail_role=$1
	shift
	for fail_call; do
		fail_count=$(count_calls "$fail_role" "$fail_call")
		fail_tried=0 fail_missed=0
		for fail_n in $(numbers "${fail_count:-0}" "$fail_call"); do
			for fail_how in once always; do
				fail_at=$((fail_at + 1)) fail_tried=$((fail_tried + 1))
				[ $fail_at -gt "${CRASH_FROM:-0}" ] || continue
				[ $((fail_at % 50)) != 0 ] || diag "$fail_at runs, problems $(wc -l <"$T/problems"); go on with CRASH_FROM=$fail_at"
				fail_run "$fail_role" "$fail_call" "$fail_n" $fail_how
			done
		done
		diag "$fail_role: $fail_count calls of $fail_call, $fail_tried runs, of which $fail_missed made less of them"
		[ "${fail_count:-0}" -gt 0 ] || {
			test_skip "$fail_role: calls of $fail_call are made to fail" 'it makes none here'
			continue
		}
		test_expect "$fail_role: calls of $fail_call were made to fail" '[ "$fail_tried" -gt $((2 * fail_missed)) ]'
	done
}
