#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of whoever, whenever, while pushes go on.  Three pushes and four
# kills make a round, after which each push must be done with as if nothing had
# happened.  CRASH_RUNS kills (200); CRASH_SEED chooses them, CRASH_FROM=K
# goes on behind the Kth.
. "$top_srcdir/tests/crash/crash-lib.sh"

launch_daemon() {
	"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
}

wanted=${CRASH_RUNS:-200}
kill_n=${CRASH_FROM:-0}
last=$((kill_n + wanted))
killed=0

one_kill() {
	kill_n=$((kill_n + 1))
	one_said=$("$top_srcdir/tests/crash/killer" "$seed" "$kill_n")
	printf 'run %s: %s\n' "$kill_n" "$one_said" >>"$T/kills"
	case $one_said in
	nobody*) return 0 ;;
	core*) wait_until '! process_alive daemon' || problem wrong "run $kill_n: core outlives a SIGKILL" ;;
	esac
	killed=$((killed + 1))
	process_alive daemon || launch_daemon
}

round() {
	: >"$T/kills"
	stub POST /__stub/reset >/dev/null
	round_kills=$killed round_pushes=
	for round_i in 1 2 3; do
		round_branch=r$kill_n-$round_i
		push_branch "$round_branch" &
		round_pushes="$round_pushes $!"
		one_kill
	done
	one_kill
	# shellcheck disable=SC2086
	wait $round_pushes || :
	round_kills=$((killed - round_kills))
	# A push whose hook died told nobody: it is found at a start, and what it had begun to
	# keep is looked at when it is a minute old.
	! grep -q ': hook' "$T/kills" || {
		find "$T/state/spool" -name '.*.tmp' -exec touch -d '2 minutes ago' {} +
		stop_daemon && launch_daemon
	}
}

# A push whose pre-receive hook was killed was refused by git, and is none.
arrived() { # BRANCH...
	for round_branch; do
		! git -C "$T/app.git" rev-parse -q --verify "refs/heads/claude/$round_branch" >/dev/null || printf '%s ' "$round_branch"
	done
}

judge_round() { # FIRST: the number of the kill before the round
	judge_branches=$(arrived "r$1-1" "r$(($1 + 1))-2" "r$(($1 + 2))-3")
	judge_problems=$(wc -l <"$T/problems")
	# All of them before the first is judged, so that nothing is under way.
	for round_branch in $judge_branches $judge_branches; do
		settle "$round_branch" && continue
		problem lost "seed $seed, runs $1 to $kill_n: $round_branch is not over"
		diag "$(ff list -n 5 2>&1; ls "$T/state/jobs" "$T/state/spool")"
		diag_file "$T/daemon.log" 60
	done
	for round_branch in $judge_branches; do
		run_name="seed $seed, runs $1 to $kill_n, $round_branch"
		judge "$round_branch" any || :
	done
	[ "$(wc -l <"$T/problems")" = "$judge_problems" ] || diag_file "$T/kills"
	# An answer that was cut short may be asked again; no answer that was recorded.
	round_charged=$(stub GET /__stub/state | json charged)
	[ "$round_charged" -le $((9 + round_kills)) ] ||
		problem charge "seed $seed, runs $1 to $kill_n: $round_charged answers for 3 jobs and $round_kills kills"
}

diag "seed $seed, kills $((kill_n + 1)) to $last"
test_expect 'a calm push' 'make_world'
while [ "$kill_n" -lt "$last" ]; do
	round_first=$kill_n
	round
	judge_round "$round_first"
	[ $((kill_n % 200)) -gt 3 ] || diag "$kill_n runs, $killed kills, problems $(wc -l <"$T/problems"); go on with CRASH_SEED=$seed CRASH_FROM=$kill_n"
done
runs=$killed
test_expect "most runs met somebody to kill: $killed of $wanted" '[ "$killed" -gt "$((wanted / 3))" ]'
crash_done
