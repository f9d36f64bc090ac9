# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# kill -9 before and after each durable step of a role.  A series has a name
# and these functions: NAME_prepare BRANCH, undisturbed; NAME_act BRANCH, during
# which the role dies; NAME_settle BRANCH, which waits until that is mended; and
# NAME_judge BRANCH EXCESS where there is more to judge.  First it is run once
# and its steps are counted; then once for each step and each side of it.  A run
# ends when the push to that branch is done with, and is judged like one that
# nobody disturbed.
#
# Not every number of the first run has the same step behind it in a later one
# (two messages may come in one turn; the WAL may be longer), so what was
# killed at is compared with what was counted, and what is missing is counted
# and killed at again.
#
# Of the frames of one transaction that follow each other in the WAL only the
# first is killed at.  To die behind a step is to die before the next one,
# except where somebody acts on it meanwhile: only messages and children are
# killed behind.  CRASH_ALL=1 leaves nothing out.  CRASH_FROM=K counts over all
# series of a test; what it leaves out is not missed.
. "$top_srcdir/tests/crash/crash-lib.sh"
sweep_from=${CRASH_FROM:-0} sweep_at=0

# Lines of the log, without what is another in each run.
normal() { # step|killed FILE: N [WHEN] KIND CALL OBJECT
	sed -n "s/^$1 [a-z]* [0-9]* //p" "$2" | sed -E "s#$T##g; s/socket:\[[0-9]*\]/socket/; s#[0-9a-f]{16}\.tmp#TMP.tmp#
		s#objects/[0-9a-f/]+[^ ]*#objects/OID#; s#/[0-9]+#/N#g; s#(results|heads/claude)/[^ ]*#\1/NAME#
		s#[0-9a-f]{16,}#HEX#g; s#_[A-Za-z0-9]{6,}\$#_TMP#; s# *\$##"
}

settle_alive() { # the daemon runs, undisturbed
	uptime_now
	alive_end=$((uptime_s + 60 * test_slow))
	until ff list --json >"$T/list.json" 2>/dev/null; do # it may be about to die
		process_alive daemon || { order ''; launch_daemon; }
		uptime_now
		[ "$uptime_s" -le $alive_end ] || return 1
		sleep 0.02
	done
}

# Who dies of the last thing that a push needs has it done with, and is dead only then.
dead_if_killed() { # ROLE
	[ "$1" = core ] && process_alive daemon && orders_taken && grep -q "^killed core $(process_pid daemon) " "$T/steps" || return 0
	wait_until '! process_alive daemon'
}

# What is made only where it is not yet, as the folders of loose objects are, is a step again.
make_bare() {
	[ ! -d "$T/app.git" ] || git -C "$T/app.git" repack -adq
}

# What to kill at: N NTH-OF-ITS-CALL WHEN KIND CALL OBJECT
plan() {
	normal step "$T/counted" | awk -v all="${CRASH_ALL:-0}" '{
		n = $1; kind = $2; call = $3; $1 = ""
		nth = ++calls[call]
		if (all || $0 != last || kind != "write") print n, nth, "before" $0
		if (kind != "exit" && (all || kind == "send" || kind == "start"))
			print n, nth, "after" $0
		last = $0
	}'
}

step_run() { # SERIES ROLE ORDER BRANCH
	run_name="$1 $3" step_judge=judge
	! command -v "$1_judge" >/dev/null || step_judge=$1_judge
	: >"$T/steps"
	"$1_prepare" "$4" || problem wrong "$run_name: cannot prepare"
	order "$2 $3"
	: >"$T/steps"
	"$1_act" "$4" || :
	# What happens now, undisturbed, is for the push to come out right.
	if "$1_settle" "$4" && order '' && dead_if_killed "$2" && { process_alive daemon || settle "$4"; }; then
		"$step_judge" "$4" "$5" || :
	else
		order ''
		problem lost "$run_name: $4 is not over ($(grep -m1 '^killed' "$T/steps" | sed "s|$T||"))"
		cp -a "$T/list.json" "$T/push.out" /dev/stderr 2>/dev/null || :
	fi
}

sweep() { # SERIES ROLE [EXCESS]
	sweep_planned=0 sweep_steps=0
	: >"$T/killed"
	: >"$T/missing"
	: >"$T/unknown"
	for sweep_pass in 1 2 3 4; do
		[ $sweep_pass = 1 ] || make_bare
		step_run "$1" "$2" count "$1-count-$sweep_pass" 0
		cp "$T/steps" "$T/counted"
		sed -n 's/^unknown [a-z]* [0-9]* //p' "$T/steps" >>"$T/unknown"
		plan >"$T/plan.all"
		if [ $sweep_pass = 1 ]; then
			sweep_steps=$(grep -c '^step' "$T/counted")
			tail -n "+$((sweep_from + 1))" "$T/plan.all" >"$T/plan"
			sweep_skipped=$(($(wc -l <"$T/plan.all") - $(wc -l <"$T/plan")))
			sweep_from=$((sweep_from - sweep_skipped)) sweep_at=$((sweep_at + sweep_skipped))
			cut -d' ' -f3- "$T/plan" | sort -u >"$T/wanted"
			diag "$1: $sweep_steps steps of $2, $(wc -l <"$T/plan") kills to make"
		else
			# The first of each kind that is missing yet, by its number among those of its call.
			awk 'NR == FNR { missing[$0] = 1; next } { n = $1 " " $2; sub(/^[0-9]* [0-9]* /, ""); if (missing[$0]) { print n, $0; missing[$0] = 0 } }' \
				"$T/missing" "$T/plan.all" >"$T/plan"
		fi
		while read -r sweep_n sweep_nth sweep_when sweep_kind sweep_call sweep_what; do
			sweep_planned=$((sweep_planned + 1)) sweep_at=$((sweep_at + 1))
			[ $sweep_pass = 1 ] || { sweep_n="$sweep_nth $sweep_call"; make_bare; }
			step_run "$1" "$2" "kill $sweep_when $sweep_n" "$1-$sweep_when-$sweep_pass-${sweep_n% *}-$sweep_nth" "${3:-0}"
			[ $((sweep_planned % 50)) != 0 ] || [ $sweep_pass != 1 ] ||
				diag "$1: $sweep_planned kills, problems $(wc -l <"$T/problems"); go on with CRASH_FROM=$sweep_at"
			grep '^killed' "$T/steps" >>"$T/killed" || diag "not reached: $sweep_when $sweep_n: $sweep_kind $sweep_call $sweep_what"
		done <"$T/plan"
		normal killed "$T/killed" | cut -d' ' -f2- | sort -u >"$T/kinds"
		comm -23 "$T/wanted" "$T/kinds" >"$T/missing"
		[ -s "$T/missing" ] || break
	done
	diag "$1: $(wc -l <"$T/wanted") kinds of kills, $sweep_planned kills tried, $(wc -l <"$T/killed") done"
	test_expect "$1: steps were counted, and each is of a known call" '
		[ -s wanted ] || [ "$sweep_skipped" -gt 0 ]
		is "$(cat unknown)" ""
	'
	test_expect "$1: the $2 was killed before and behind each kind of step" '
		is "$(cat missing)" ""
	'
}
