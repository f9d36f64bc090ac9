# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the crash tests: a world whose daemon runs under the stepper, pushes that
# are made one by one and judged, and the count of what must never be.
#
# A push is of a commit of its own, with its task in the trailer: what a hook
# was told by push options dies with the hook, what is in the repository does
# not.
#
# CRASH_RUNS=N  random kills (200)            CRASH_SEED=N  of what is chosen by chance (1)
# CRASH_FROM=K  go on behind run K            CRASH_ALL=1   leave no step out
. "$top_srcdir/tests/lib/test-lib.sh"

# What is not over by then is lost; a loaded machine may need long for a push.
SETTLE_S=180
stepper=$top_builddir/tests/crash/stepper
quiet=$top_builddir/tests/crash/quiet
seed=${CRASH_SEED:-1}
runs=0
: >"$T/problems"
: >"$T/orders"
: >"$T/steps"

[ "${SANITIZER:-none}" = none ] || ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # which cannot be done to who is traced

crash_possible() { # or all is skipped
	"$stepper" --order 'cli count' -- "$T/bin/flowforge" --version >/dev/null 2>&1 ||
		skip_all 'ptrace does not work for us here'
}

launch_daemon() {
	"$stepper" --orders "$T/orders" --log "$T/steps" -- \
		"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
}

order() { # ORDER, '' for none
	printf '%s\n' "$1" >"$T/orders.new"
	[ "$1" ] || : >"$T/orders.new"
	mv "$T/orders.new" "$T/orders"
	[ ! "$1" ] || orders_taken
}

# The order is in force, or nobody is there who could take it.
orders_taken() {
	process_alive daemon || return 0
	: >"$T/orders.fresh"
	uptime_now
	taken_end=$((uptime_s + 30 * test_slow))
	while [ -e "$T/orders.fresh" ] && process_alive daemon; do
		uptime_now
		[ "$uptime_s" -le $taken_end ] || return 1
		sleep 0.005
	done
}

# Three answers; what one costs would depend on the length of a name otherwise.
write_crash_scenario() { # [COMMAND...], as of write_scenario
	[ $# -gt 0 ] || set -- 'echo one >ONE' 'echo two >TWO'
	write_scenario "$@" &&
		sed -i 's/"sequence":\[{/&"usage":{"input_tokens":100,"output_tokens":10},/g' "$T/scenario.json"
}

# Whoever was disturbed tries again soon: what is waited for here is waited for hundreds of times.
write_hasty_config() { # [KEY=VALUE...]
	write_config gateway.retry-delay=150ms job.retry-delay=100ms "$@"
}

# The world: one repository, and a calm push that the others are compared with.
make_world() { # [KEY=VALUE...]
	write_crash_scenario &&
		start_model "$T/scenario.json" &&
		write_hasty_config "$@" &&
		start_daemon &&
		make_hooked_repo app &&
		crash_push calm &&
		settle calm &&
		git -C "$T/app.git" rev-parse 'refs/heads/claude-results/calm-1^{tree}' >"$T/tree" &&
		judge calm
}

stub() { # METHOD PATH
	read -r stub_url <"$T/model.url"
	# Without IO::Socket, which takes longer to load than all of this.
	perl -MSocket -e 'my ($m, $p, $host, $port) = (@ARGV[0, 1], $ARGV[2] =~ m{//([0-9.]+):(\d+)}) or die "no address";
		my $s; socket($s, PF_INET, SOCK_STREAM, 0) && connect($s, sockaddr_in($port, inet_aton($host))) or die "no model server";
		syswrite $s, "$m $p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		local $/; my $a = <$s>; $a =~ s/^.*?\r\n\r\n//s; print $a' "$1" "$2" "$stub_url"
}

# Alone in the world: what the model is asked from now on is for it.
crash_push() { # BRANCH [OPTION...]
	stub POST /__stub/reset >/dev/null
	push_branch "$@"
}

push_branch() { # BRANCH [OPTION...]: a commit of its own
	push_commit=$(GIT_AUTHOR_DATE='2024-05-01T12:09:00Z' GIT_COMMITTER_DATE='2024-05-01T12:09:00Z' \
		git -C "$T/app" commit-tree 'main^{tree}' -p main -m "$1" -m 'Claude-Task: work')
	push_ref=refs/heads/claude/$1
	shift
	git -C "$T/app" push "$@" origin "$push_commit:$push_ref" >"$T/push.out" 2>&1
}

nothing_under_way() { # in the folders of jobs and of the spool; no process is made to see it
	for way_f in "$T"/state/jobs/* "$T"/state/spool/*.json; do
		[ ! -e "$way_f" ] || return 1
	done
}

is_over() { # BRANCH: its job has ended, and nothing of it is under way
	nothing_under_way && ff list --json --branch "claude/$1" >"$T/list.json" 2>/dev/null &&
		grep -qE '"state": ?"(completed|failed|cancelled|conflicted|superseded|expired)"' "$T/list.json" &&
		nothing_under_way
}

# Starts the daemon when it is dead, and waits until that push is done with.
settle() { # BRANCH
	uptime_now
	settle_end=$((uptime_s + SETTLE_S * test_slow))
	until is_over "$1"; do
		process_alive daemon || { order ''; launch_daemon; }
		uptime_now
		[ "$uptime_s" -le $settle_end ] || return 1
		if nothing_under_way; then
			sleep 0.03
		else
			"$quiet" "$(process_pid daemon)" $((settle_end - uptime_s)) "$T/state" || :
		fi
	done
}

problem() { # CATEGORY TEXT
	printf '%s %s\n' "$1" "$2" >>"$T/problems"
	diag "$1: $2"
}

# Tells, as problems, what is not as if nothing had happened.
judge() { # BRANCH [EXCESS-ANSWERS]
	runs=$((runs + 1))
	stub GET /__stub/state >"$T/charged.json"
	"$top_srcdir/tests/crash/judge" "$1" "${2:-0}" >"$T/judged" 2>"$T/judge.err" ||
		echo "wrong the judge died: $(tail -n 1 "$T/judge.err")" >>"$T/judged"
	[ -s "$T/judged" ] || return 0
	while read -r judge_what judge_text; do
		problem "$judge_what" "${run_name:-$1}: $judge_text ($(grep -m1 '^killed' "$T/steps" | sed "s|$T||"))"
	done <"$T/judged"
	return 1
}

count_of() { # CATEGORY
	grep -c "^$1 " "$T/problems" || :
}

# The whole record and repository, and what may only pile up.
judge_all() {
	stop_daemon || problem wrong 'the daemon did not stop'
	"$top_builddir/tests/lib/refold" "$T/state/flowforge.db" >"$T/refold.out" 2>&1 ||
		problem wrong "refold: $(head -n 1 "$T/refold.out")"
	git -C "$T/app.git" fsck --strict --no-dangling >"$T/fsck.out" 2>&1 || problem wrong "fsck: $(head -n 1 "$T/fsck.out")"
	crash_left=$(for f in /proc/[0-9]*/cmdline; do
		! { tr '\0' ' ' <"$f"; } 2>/dev/null | grep -qE "flowforge(d|-hook)? .*$T|$T/state/jobs" || echo "${f%/cmdline}"
	done)
	[ ! "$crash_left" ] || problem leak "processes are left: $crash_left"
}

# The last lines of each crash test: what was counted, and the verdict.
crash_done() {
	judge_all
	crash_sum="runs $runs, lost jobs $(count_of lost), doubled results $(count_of doubled), doubled charges $(count_of charge), wrong states $(count_of wrong), leaks $(count_of leak)"
	diag "$test_name: $crash_sum"
	mkdir -p "$top_builddir/tests/crash/counted" && echo "$crash_sum" >"$top_builddir/tests/crash/counted/$test_name"
	test_expect 'nothing lost, doubled, wrong or left over' '[ ! -s problems ] || { head -n 50 problems; false; }'
	test_done
}
