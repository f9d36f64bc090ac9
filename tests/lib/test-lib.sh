# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the shell tests: TAP, a temporary folder of their own, and a private
# FlowForge in it.  A test is a file like this:
#
#     #!/bin/sh
#     # What this file shows, in a line or two.
#     . "$top_srcdir/tests/lib/test-lib.sh"
#
#     test_expect 'a title that says what must be true' '
#             make_repo app &&
#             start_daemon
#             is "$(cat file)" "what must be in it"
#     '
#     test_done
#
# The commands run in a subshell under `set -eu`: each that fails is a failed
# test, except where the shell itself looks at the status (`!`, `&&`, `if`);
# for "this must fail" there is must_fail.  Variables do not outlive it, what
# was started does: it is known by files in $T and ended by pid at exit.
# Nothing here sleeps for a fixed time; every wait has a deadline.
#
# Set V=1 to trace the commands, KEEP=1 to keep the folder.

: "${top_srcdir:?run the tests by make check, or set top_srcdir and top_builddir}"
: "${top_builddir:?run the tests by make check, or set top_srcdir and top_builddir}"

test_name=${0##*/}
test_name=${test_name%.t}
test_count=0
test_failed=0

# ---------------------------------------------------------------- the world

# Short, since paths of sockets end at 107 bytes; 711, since a job's account
# must be able to walk to its workspace.
if [ ${#TMPDIR} -gt 40 ] 2>/dev/null; then TMPDIR=/tmp; fi
T=$(mktemp -d "${TMPDIR:-/tmp}/ff-${test_name%%-*}.XXXXXX") || exit 1
chmod 711 "$T"
T=$(cd "$T" && pwd -P)
cd "$T" || exit 1

# What the machine, its user or a CI service set must change nothing.
for test_v in $(env | sed -n 's/^\(FLOWFORGE_[A-Za-z0-9_]*\|ANTHROPIC_[A-Za-z0-9_]*\|CLAUDE_[A-Za-z0-9_]*\|GIT_[A-Za-z0-9_]*\|GL_[A-Za-z0-9_]*\|GITEA_[A-Za-z0-9_]*\|GITHUB_[A-Za-z0-9_]*\|SSH_[A-Za-z0-9_]*\|XDG_[A-Za-z0-9_]*\)=.*/\1/p'); do
	unset "$test_v"
done
unset test_v REMOTE_USER CREDENTIALS_DIRECTORY NOTIFY_SOCKET LISTEN_FDS LISTEN_PID \
	http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY \
	EDITOR VISUAL PAGER CDPATH POSIXLY_CORRECT NO_COLOR MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
test_key=test-key-never-shown FF_TEST_CANARY=environment-never-shown
export FF_TEST_CANARY
umask 022
mkdir "$T/home" "$T/tmp"
chmod 1777 "$T/tmp"
HOME=$T/home TMPDIR=$T/tmp TZ=UTC LC_ALL=C.UTF-8 TERM=dumb
GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$T/gitconfig GIT_TERMINAL_PROMPT=0 GIT_EDITOR=false
FLOWFORGE_LIBEXECDIR=$T/libexec
PATH=$T/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export T HOME TMPDIR TZ LC_ALL TERM PATH FLOWFORGE_LIBEXECDIR
export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL GIT_TERMINAL_PROMPT GIT_EDITOR

# The programs of the build, wherever in it they are: bin/ is found by PATH;
# libexec/ has copies, since a job's account need not reach the build folder.
# The first of a name counts: what lies deeper may be left from another build.
mkdir "$T/bin" "$T/libexec"
for test_f in "$top_builddir"/flowforge* "$top_builddir"/*/flowforge* "$top_builddir"/*/*/flowforge*; do
	[ -f "$test_f" ] && [ -x "$test_f" ] || continue
	case ${test_f##*/} in
	*.*) ;;
	flowforge | flowforged) [ -e "$T/bin/${test_f##*/}" ] || ln -s "$test_f" "$T/bin/" ;;
	flowforge-*) [ -e "$T/libexec/${test_f##*/}" ] || cp "$test_f" "$T/libexec/" ;;
	esac
done

cat >"$GIT_CONFIG_GLOBAL" <<-EOF
	[user]
		name = Test Pusher
		email = pusher@example.org
	[init]
		defaultBranch = main
	[safe]
		directory = *
	[gc]
		auto = 0
	[advice]
		detachedHead = false
EOF

# A sanitizer's findings end a test even when they are in a child of the
# daemon; what a report costs in time is paid by longer deadlines.
ASAN_OPTIONS=log_path=$T/sanitizer:detect_leaks=1
UBSAN_OPTIONS=log_path=$T/sanitizer:print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS
case ${SANITIZER:-none} in none) test_slow=${FF_TEST_SLOW:-1} ;; *) test_slow=${FF_TEST_SLOW:-4} ;; esac

# ---------------------------------------------------------------------- TAP

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# The end of a file as TAP comments, under a heading.
diag_file() { # FILE [LINES]
	[ -s "$1" ] || return 0
	diag "---- ${1#"$T"/}"
	tail -n "${2:-60}" "$1" | sed 's/^/# /'
}

test_result() { # STATUS TITLE
	test_count=$((test_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $test_count - $2"
	else
		test_failed=$((test_failed + 1))
		echo "not ok $test_count - $2"
	fi
}

test_expect() { # TITLE COMMANDS
	set +e
	(
		set -eu
		[ "${V-}" ] && set -x
		eval "$2"
	) >"$T/.out" 2>&1 </dev/null
	test_rc=$?
	test_result $test_rc "$1"
	if [ $test_rc != 0 ]; then
		diag "status $test_rc"
		diag_file "$T/.out" 200
		# Only what is new in the daemon's log since the last failure.
		sed "1,$(cat "$T/.log.seen" 2>/dev/null || echo 0)d" "$T/daemon.log" 2>/dev/null | tail -n 40 | sed 's/^/# log: /'
		wc -l 2>/dev/null <"$T/daemon.log" >"$T/.log.seen" || rm -f "$T/.log.seen"
	elif [ "${V-}" ]; then
		diag_file "$T/.out" 1000
	fi
}

test_skip() { # TITLE REASON
	test_count=$((test_count + 1))
	echo "ok $test_count - $1 # SKIP $2"
}

skip_all() { # REASON
	echo "1..0 # SKIP $*"
	exit 0
}

test_done() {
	stop_all
	test_reports
	test_canaries
	echo "1..$test_count"
	[ $test_failed = 0 ]
	exit
}

# Whatever started: no sanitizer report, no failed assertion.
test_reports() {
	test_bad=$(grep -l -E 'ERROR: (Address|Leak|Undefined|Thread)Sanitizer|runtime error:|assertion failed:' \
		"$T"/sanitizer.* "$T"/daemon*.log "$T"/model*.err 2>/dev/null)
	[ "$test_bad" ] || return 0
	test_result 1 'no assertion failed and no sanitizer reported'
	for test_f in $test_bad; do diag_file "$test_f"; done
}

# Canaries of every test: the API key that write_config makes, and a variable of
# the environment.  No file that the daemon or its jobs wrote holds one, nor its
# base64 (at three places), hex or URL form.
test_canaries() {
	[ -d "$T/state" ] || return 0
	perl -MMIME::Base64 -e 'for my $w (@ARGV) { print "$w\n", unpack("H*", $w), "\n";
		for my $o (0, 1, 2) { my $b = encode_base64(("\0" x $o) . $w, ""); my $f = int((8 * $o + 5) / 6);
			print substr($b, $f, int(8 * ($o + length $w) / 6) - $f), "\n" } (my $u = $w) =~ s/-/%2D/g; print "$u\n" }' \
		"$test_key" "$FF_TEST_CANARY" >"$T/.canaries"
	test_bad=$(cd "$T" && grep -rlaFf .canaries state run daemon*.log home tmp 2>/dev/null)
	[ "$test_bad" ] || return 0
	test_result 1 'no file of the daemon holds the API key or what is in its environment'
	diag "$test_bad"
}

# ------------------------------------------------- checks, inside test_expect

is() { # GOT WANT
	[ "$1" = "$2" ] && return
	printf 'got:  %s\nwant: %s\n' "$1" "$2"
	return 1
}

like() { # TEXT REGEX (grep -E, any line)
	printf '%s\n' "$1" | grep -qE -e "$2" && return
	printf 'nothing matches: %s\nin: %s\n' "$2" "$1"
	return 1
}

unlike() { # TEXT REGEX
	printf '%s\n' "$1" | grep -qE -e "$2" || return 0
	printf 'must not match: %s\nin: %s\n' "$2" "$1"
	return 1
}

# The command ends by itself with a status that is not 0: a crash is no failure.
must_fail() {
	must_rc=0
	"$@" || must_rc=$?
	[ $must_rc != 0 ] && [ $must_rc -lt 125 ] && return
	printf 'status %s, must fail and not crash: %s\n' "$must_rc" "$*"
	return 1
}

# Exactly that exit status.
status_is() { # STATUS COMMAND...
	want_rc=$1 got_rc=0
	shift
	"$@" || got_rc=$?
	[ "$got_rc" = "$want_rc" ] && return
	printf 'status %s, want %s: %s\n' "$got_rc" "$want_rc" "$*"
	return 1
}

# Seconds since the machine started, in $uptime_s: no process is made for it, as all who wait ask often.
uptime_now() {
	read -r uptime_s uptime_idle </proc/uptime
	uptime_s=${uptime_s%.*}
}

# Asks until the commands succeed, every 20 ms at first and then less often: the
# asking makes processes, and takes their time from what is waited for.
# DEADLINE in seconds.
wait_until() { # COMMANDS [DEADLINE]
	uptime_now
	wait_asked=0
	wait_end=$((uptime_s + ${2:-20} * test_slow))
	until (eval "$1") >"$T/.poll.$$" 2>&1; do
		uptime_now
		if [ "$uptime_s" -gt "$wait_end" ]; then
			printf 'not so after %s s: %s\n' $((${2:-20} * test_slow)) "$1"
			cat "$T/.poll.$$"
			return 1
		fi
		wait_asked=$((wait_asked + 1))
		if [ $wait_asked -lt 10 ]; then sleep 0.02; elif [ $wait_asked -lt 30 ]; then sleep 0.05; else sleep 0.2; fi
	done
}

# ------------------------------------------------------------ our processes
# A process is known by its pid and the time it started, so that a number
# that was given out again is never taken for ours.

proc_start() { # PID -> start time, nothing when it is gone or a zombie
	{ read -r proc_stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# shellcheck disable=SC2086
	set -- ${proc_stat##*) }
	[ "$1" = Z ] || echo "${20}"
}

note_process() { # NAME PID
	echo "$2 $(proc_start "$2")" >"$T/$1.pid"
}

process_alive() { # NAME
	[ -s "$T/$1.pid" ] || return 1
	read -r alive_pid alive_start <"$T/$1.pid" || return 1
	[ "$alive_start" ] && [ "$(proc_start "$alive_pid")" = "$alive_start" ]
}

process_pid() { # NAME
	read -r alive_pid alive_start <"$T/$1.pid" && echo "$alive_pid"
}

# Ends it with the signal and waits until it is gone; KILL past the deadline,
# which counts as a failure.
end_process() { # NAME [SIGNAL] [DEADLINE]
	if process_alive "$1"; then
		kill -s "${2:-TERM}" "$(process_pid "$1")" 2>/dev/null || :
		wait_until "! process_alive $1" "${3:-20}" || {
			kill -s KILL "$(process_pid "$1")" 2>/dev/null || :
			rm -f "$T/$1.pid"
			echo "$1 did not end on ${2:-TERM}"
			return 1
		}
	fi
	rm -f "$T/$1.pid"
}

stop_all() {
	for test_f in "$T"/*.pid; do
		[ -e "$test_f" ] || continue
		test_n=${test_f##*/}
		case $test_n in
		daemon*) stop_daemon >/dev/null 2>&1 || {
			test_result 1 'the daemon ends when told to'
			diag_file "$T/daemon.log"
		} ;;
		*) end_process "${test_n%.pid}" >/dev/null 2>&1 || : ;;
		esac
	done
}

test_exit() {
	test_status=$?
	trap - EXIT
	for test_f in "$T"/*.pid; do
		[ -e "$test_f" ] || continue
		test_n=${test_f##*/}
		end_process "${test_n%.pid}" KILL >/dev/null 2>&1 || :
	done
	cd / || :
	if [ "${KEEP-}" ]; then
		diag "kept: $T"
	else
		rm -rf "$T" 2>/dev/null || { chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"; }
	fi
	exit "$test_status"
}
trap test_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --------------------------------------------------------- repositories

# NAME.git, bare, and NAME, a clone with three commits on main.
make_repo() { # NAME
	git init -q --bare "$T/$1.git"
	git init -q "$T/$1"
	(
		cd "$T/$1" || exit
		git remote add origin "$T/$1.git"
		mkdir src
		printf '# %s\n\nA project to test with.\n' "$1" >README.md
		printf 'int main(void)\n{\n\treturn 0;\n}\n' >src/main.c
		commit_all 'start' 1
		seq 1 40 | sed 's/^/line /' >src/list.txt
		commit_all 'add a list' 2
		printf 'all:\n\ttrue\n' >Makefile
		commit_all 'add a makefile' 3
		git push -q origin main
	)
}

# In the current folder, with a date that never changes.
commit_all() { # MESSAGE [MINUTE]
	git add -A &&
		GIT_AUTHOR_DATE="2024-05-01T12:0${2:-9}:00Z" GIT_COMMITTER_DATE="2024-05-01T12:0${2:-9}:00Z" \
			git commit -q --allow-empty -m "$1"
}

# make_repo, and our hooks in it.
make_hooked_repo() { # NAME
	make_repo "$1" && ff hooks install "$T/$1.git"
}

# ------------------------------------------------- daemon and model server

# A configuration of our own in $T; more keys as section.key=value words.
write_config() { # [KEY=VALUE...]
	[ -e "$T/key" ] || (umask 077 && echo "$test_key" >"$T/key")
	: >"$T/flowforge.conf"
	# One pusher pushes for all tests of a file.
	# A loaded machine may need longer for an answer than a pusher would like to wait.
	set -- "server.state-dir=$T/state" "server.run-dir=$T/run" "gateway.key-file=$T/key" "hook.answer-time=1s" queue.pusher-rate=0 "$@"
	[ ! -s "$T/model.url" ] || set -- "gateway.base-url=$(cat "$T/model.url")" "$@"
	for conf_kv in "$@"; do
		git config -f "$T/flowforge.conf" --add "${conf_kv%%=*}" "${conf_kv#*=}" || return
	done
}

# The command line program, talking to our daemon.
ff() {
	flowforge --config "$T/flowforge.conf" "$@"
}

# Starts the daemon (with the configuration that is there, or a new one with
# these keys) and waits until it answers.
start_daemon() { # [KEY=VALUE...]
	[ -s "$T/flowforge.conf" ] && [ $# = 0 ] || write_config "$@" || return
	launch_daemon
	wait_until 'ff list --json || ! process_alive daemon' 30 && process_alive daemon && return
	echo 'the daemon does not answer:'
	tail -n 40 "$T/daemon.log"
	return 1
}

# Without waiting, for tests of a start that fails.
launch_daemon() {
	"$T/bin/flowforged" --config "$T/flowforge.conf" >>"$T/daemon.log" 2>&1 </dev/null &
	note_process daemon $!
}

stop_daemon() { # [SIGNAL] [DEADLINE]
	end_process daemon "${1:-TERM}" "${2:-30}"
}

# Pids of the daemon's children in that role.
role_pids() { # ROLE
	role_parent=$(process_pid daemon) || return
	for role_f in /proc/[0-9]*/cmdline; do
		role_dir=${role_f%/cmdline}
		case "$(tr '\0' ' ' 2>/dev/null <"$role_f") " in *" --role $1 "*) ;; *) continue ;; esac
		[ "$(sed -n 's/^PPid:[[:space:]]*//p' "$role_dir/status" 2>/dev/null)" = "$role_parent" ] || continue
		echo "${role_dir##*/}"
	done
}

# SIGKILL to every child of our daemon in that role; fails when there is none.
kill_role() { # ROLE [SIGNAL]
	role_list=$(role_pids "$1")
	[ "$role_list" ] || { echo "no child in role $1"; return 1; }
	# shellcheck disable=SC2086
	kill -s "${2:-KILL}" $role_list
}

# The model server with that scenario (a file, or `--demo`), its requests in
# $T/model.log; a configuration that is written later points at it.
start_model() { # SCENARIO [OPTION...]
	[ "$1" = --demo ] || { [ -e "$1" ] && set -- --scenario "$@"; } || { echo "no scenario $1"; return 1; }
	rm -f "$T/model.ready" "$T/model.url"
	"$top_builddir/tests/lib/model-server" "$@" \
		--ready-file "$T/model.ready" --log "$T/model.log" >>"$T/model.err" 2>&1 </dev/null &
	note_process model $!
	wait_until '[ -s "$T/model.ready" ] || ! process_alive model' 10
	[ -s "$T/model.ready" ] || { cat "$T/model.err"; return 1; }
	sed -n 's|.*\(http://[^ ]*\).*|\1|p' "$T/model.ready" | head -n 1 >"$T/model.url"
	[ -s "$T/model.url" ] || { cat "$T/model.ready"; return 1; }
}

stop_model() {
	end_process model
}

# ------------------------------------------------------------------- jobs

# A value in JSON on stdin: json state, json steps.0.kind; a folder of values
# is printed as its size, what is not there as nothing.
json() { # PATH
	"$top_builddir/tests/lib/json-value" "$1"
}

job_state() { # N
	ff show "$1" --json | json state
}

# Waits until the job is in that state; one that ends in another state ends
# the wait at once.
wait_job() { # N STATE [DEADLINE]
	wait_until "job_state $1 | grep -qE '^($2|completed|failed|cancelled|conflicted|superseded|expired)\$'" \
		"${3:-60}" && is "$(job_state "$1")" "$2" || { ff show "$1" || :; return 1; }
}

# How many jobs there are.
job_count() {
	ff list --json -n 10000 | json items
}

# A scenario for start_model, $T/scenario.json: the model runs these shell
# commands, one a turn, and says "Done."; `wait:NAME` before a command holds that
# answer back (NAME.reached is made) until the file NAME is in $T.  By the
# length of the conversation, so that several jobs can play it at once.
write_scenario() { # COMMAND...
	perl -MJSON::PP -e 'my ($n, @rules, %wait) = (0);
		for (@ARGV) {
			if (/^wait:(.*)/) { %wait = (wait_file => "$ENV{T}/$1"); next }
			unshift @rules, { match => { min_messages => 2 * $n++ + 1 },
				sequence => [{ %wait, tool_use => { name => "bash", input => { command => $_ } } }] };
			%wait = ();
		}
		unshift @rules, { match => { min_messages => 2 * $n + 1 }, sequence => [{ %wait, text => "Done." }] };
		print encode_json({ rules => \@rules })' -- "$@" >"$T/scenario.json"
}

# The number in "job N queued" of a push's answer.
pushed_job() { # TEXT
	printf '%s\n' "$1" | sed -n 's/.*job \([0-9][0-9]*\).*/\1/p' | head -n 1
}

# git push with these arguments, in the current folder.  What the server said
# is in $T/said; it must be fit for any terminal: at most 6 lines of 72 columns
# (an address alone on its line may be longer), UTF-8, nothing that moves the
# cursor.
push() { # ARGUMENT...
	push_rc=0
	git push "$@" >"$T/pushed" 2>&1 || push_rc=$?
	sed -n 's/^remote: \{0,1\}//p' "$T/pushed" | sed 's/[[:space:]]*$//' >"$T/said"
	perl -CS -ne 'BEGIN { binmode STDIN, ":utf8" } chomp; $n++ < 6 && (length() <= 72 || m|^ *https?://\S+$|) && !/[^\x20-\x7e\x{a0}-\x{10ffff}]|\x{fffd}/
		or die "no line for a pusher: $_\n"' <"$T/said" || { cat "$T/pushed"; return 1; }
	[ $push_rc = 0 ] || { cat "$T/pushed"; return $push_rc; }
}

# The job that the last push started.
said_job() {
	pushed_job "$(grep '^success: job' "$T/said")"
}

# ------------------------------------------------------------------- ssh

# Why nobody can log in here over ssh; nothing when somebody can.  sshd lets
# nobody in whose account has no shell.
no_ssh() {
	[ -x /usr/sbin/sshd ] || { echo 'openssh-server is not installed'; return; }
	no_ssh_shell=$(getent passwd "$(id -un)" | cut -d: -f7)
	case $no_ssh_shell in '' | *nologin | *false) echo "this account has no login shell" ;; esac
}

# A real OpenSSH server on 127.0.0.1, as the current user, with keys of its
# own; `ssh://git/PATH` reaches it from git in this test.
start_sshd() {
	[ -x /usr/sbin/sshd ] || { echo 'no /usr/sbin/sshd: run contrib/install-deps'; return 1; }
	# As root sshd wants this folder and takes no other; Debian's own unit makes it too.
	[ "$(id -u)" != 0 ] || mkdir -p -m 755 /run/sshd
	mkdir -p -m 700 "$T/ssh"
	[ -e "$T/ssh/host" ] || ssh-keygen -q -t ed25519 -N '' -C host -f "$T/ssh/host"
	[ -e "$T/ssh/user" ] || ssh-keygen -q -t ed25519 -N '' -C user -f "$T/ssh/user"
	cp "$T/ssh/user.pub" "$T/ssh/authorized_keys"
	for sshd_try in 1 2 3 4 5; do
		launch_sshd && break
		[ "$sshd_try" != 5 ] || { cat "$T/sshd.log"; return 1; }
	done
	printf '[127.0.0.1]:%s %s\n' "$sshd_port" "$(cut -d' ' -f1,2 "$T/ssh/host.pub")" >"$T/ssh/known_hosts"
	cat >"$T/ssh/config" <<-EOF
		Host git
			HostName 127.0.0.1
			Port $sshd_port
			User $(id -un)
			IdentityFile $T/ssh/user
			IdentitiesOnly yes
			IdentityAgent none
			UserKnownHostsFile $T/ssh/known_hosts
			StrictHostKeyChecking yes
			BatchMode yes
	EOF
	git config -f "$GIT_CONFIG_GLOBAL" core.sshCommand "ssh -F $T/ssh/config"
}

# On a port that was free a moment ago; fails when another was faster.
launch_sshd() {
	sshd_port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport')
	cat >"$T/ssh/sshd_config" <<-EOF
		ListenAddress 127.0.0.1
		Port $sshd_port
		HostKey $T/ssh/host
		AuthorizedKeysFile $T/ssh/authorized_keys
		AuthenticationMethods publickey
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		PidFile none
		PrintMotd no
		PrintLastLog no
		AcceptEnv none
		PermitUserEnvironment no
		SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$GIT_CONFIG_GLOBAL HOME=$HOME
	EOF
	: >"$T/sshd.log"
	/usr/sbin/sshd -D -f "$T/ssh/sshd_config" -E "$T/sshd.log" </dev/null &
	note_process sshd $!
	wait_until 'grep -q "Server listening" "$T/sshd.log" || ! process_alive sshd' 10 && process_alive sshd
}
