#!/bin/sh
# SPDX-License-Identifier: MIT
# Each call of the hook and of the command line program fails.  A hook that
# cannot tell and cannot keep a push says so, and its job is found at the next
# start; a command ends with one of its statuses, and with 0 only when it has
# done all of it.
. "$top_srcdir/tests/crash/fails-lib.sh"
crash_possible

memory_status=71

# --- the hook, by a script as a server that renames hooks starts it

hook_script() { # WORDS that come before the hook's arguments
	rm -f "$T/app.git/hooks/post-receive"
	printf '#!/bin/sh\nexec %s post-receive --conf "%s/state/hook.conf"\n' "$1" "$T" >"$T/app.git/hooks/post-receive"
	chmod +x "$T/app.git/hooks/post-receive"
}
hook_fault() { # CALL N HOW
	case $1 in
	memory) hook_script "env FLOWFORGE_NOMEM=hook:$2:$3 $top_builddir/tests/crash/nomem-hook" ;;
	*) hook_script "$stepper --order 'hook fail $1 $2 $3' --log $T/steps -- $T/libexec/flowforge-hook" ;;
	esac
}

hook_run() { # told|away CALL N HOW
	hook_branch=$1-$2-$3-$4
	run_name="hook, $1: $2 $3 fails $4"
	: >"$T/steps"
	hook_fault "$2" "$3" "$4"
	[ "$1" = told ] || stop_daemon
	crash_push "$hook_branch" || problem wrong "$run_name: the push is refused"
	! grep -q 'died of signal' "$T/push.out" || problem wrong "$run_name: $(grep 'died of signal' "$T/push.out")"
	! grep -E '^ended hook [0-9]+ signal' "$T/steps" || problem wrong "$run_name: a crash"
	restart
	settle "$hook_branch" || problem lost "$run_name: $hook_branch is not over"
	judge "$hook_branch" || :
}

hook_count() { # told|away CALL
	: >"$T/steps"
	hook_fault "$2" 0 once
	[ "$1" = told ] || stop_daemon
	crash_push "$1-$2-count"
	restart >/dev/null
	settle "$1-$2-count" || problem lost "hook, $1: $2: the count is not over"
	case $2 in
	memory) sed -n 's/.*nomem: hook allocations \([0-9]*\).*/\1/p' "$T/push.out" | head -n 1 ;;
	*) grep -c '^call' "$T/steps" ;;
	esac
}

hook_sweep() { # told|away CALL...
	sweep_how=$1 sweep_tried=0
	shift
	for sweep_call; do
		sweep_count=$(hook_count "$sweep_how" "$sweep_call")
		for sweep_n in $(numbers "${sweep_count:-0}" "$sweep_call"); do
			# A hook does one thing after the other: for memory, which it never gets back, once says it.
			for sweep_mode in once $([ "$sweep_call" = memory ] || echo always); do
				hook_run "$sweep_how" "$sweep_call" "$sweep_n" $sweep_mode
				sweep_tried=$((sweep_tried + 1))
			done
		done
		diag "hook, $sweep_how: ${sweep_count:-0} calls of $sweep_call"
	done
	test_expect "hook, $sweep_how: there were calls to fail" '[ "$sweep_tried" -gt 3 ]'
}

test_expect 'a calm push' 'make_world'
case ${SANITIZER:-none} in none) more=memory ;; *) more= ;; esac
hook_sweep told open connect $more
hook_sweep away open write fsync connect $more

# --- the command line

cli_run() { # CALL N HOW COMMAND...: its status in cli_rc, what it said in cli.out
	cli_call=$1 cli_n=$2 cli_how=$3 cli_rc=0
	shift 3
	: >"$T/steps"
	if [ "$cli_call" = memory ]; then
		FLOWFORGE_NOMEM=cli:$cli_n:$cli_how "$top_builddir/tests/crash/nomem-flowforge" \
			--config "$T/flowforge.conf" "$@" >"$T/cli.out" 2>"$T/cli.err" || cli_rc=$?
	else
		"$stepper" --order "cli fail $cli_call $cli_n $cli_how" --log "$T/steps" -- \
			"$T/bin/flowforge" --config "$T/flowforge.conf" "$@" >"$T/cli.out" 2>"$T/cli.err" || cli_rc=$?
	fi
}

cli_sweep() { # COMMAND...
	cli_run open 0 once "$@"
	cp "$T/cli.out" "$T/cli.want"
	cli_runs=0
	for sweep_call in open write connect $more; do
		cli_run "$sweep_call" 0 once "$@"
		if [ "$sweep_call" = memory ]; then
			sweep_count=$(sed -n 's/^nomem: cli allocations //p' "$T/cli.err" | tail -n 1)
		else
			sweep_count=$(grep -c '^call' "$T/steps")
		fi
		for sweep_n in $(numbers "${sweep_count:-0}" "$sweep_call"); do
			for sweep_mode in once always; do
				cli_run "$sweep_call" "$sweep_n" $sweep_mode "$@"
				cli_runs=$((cli_runs + 1))
				run_name="flowforge $*: $sweep_call $sweep_n fails $sweep_mode"
				case $cli_rc in
				0) cmp -s "$T/cli.out" "$T/cli.want" || problem wrong "$run_name: status 0, and the output is another" ;;
				[1-5] | $memory_status) [ -s "$T/cli.err" ] || problem wrong "$run_name: status $cli_rc without a word" ;;
				*) problem wrong "$run_name: status $cli_rc: $(head -n 1 "$T/cli.err")" ;;
				esac
			done
		done
	done
	runs=$((runs + cli_runs))
	diag "flowforge $*: $cli_runs runs"
	test_expect "flowforge $*: there were calls to fail" '[ "$cli_runs" -gt 3 ]'
}

# Without --json it says how long ago.
cli_sweep list --json
cli_sweep show 1 --json
cli_sweep log 1

# What an installation that failed has begun, another one ends.
git init -q --bare other.git
for n in $(numbers 60 open); do
	for call in open write $more; do
		cli_run $call "$n" once hooks install "$T/other.git"
		case $cli_rc in [0-5] | $memory_status) ;; *) problem wrong "hooks install: $call $n: status $cli_rc" ;; esac
		ff hooks install "$T/other.git" >/dev/null 2>cli.err || problem wrong "hooks install after $call $n: $(cat cli.err)"
		ff hooks uninstall "$T/other.git" >/dev/null 2>cli.err || problem wrong "hooks uninstall after $call $n: $(cat cli.err)"
		[ ! "$(find other.git/hooks -name '*.tmp')" ] || problem leak "hooks install: $call $n: $(find other.git/hooks -name '*.tmp')"
		runs=$((runs + 1))
	done
done
crash_done
