# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
# For the tests of publish.method = push, after test-lib.sh.

# Ends the test where nobody can log in over ssh.
push_skips() {
	push_reason=$(no_ssh)
	[ ! "$push_reason" ] || skip_all "$push_reason"
}

# The daemon's own key, which the server takes beside the user's; known_hosts is start_sshd's.
push_keys() {
	[ -e "$T/ssh/flow" ] || ssh-keygen -q -t ed25519 -N '' -C flow -f "$T/ssh/flow"
	cat "$T/ssh/user.pub" "$T/ssh/flow.pub" >"$T/ssh/authorized_keys"
}

# Words for write_config.
push_conf() { # [PORT]
	push_port=${1:-$(sed -n 's/^Port //p' "$T/ssh/sshd_config")}
	printf '%s\n' publish.method=push "publish.url=ssh://$(id -un)@127.0.0.1:$push_port/PATH" \
		"publish.key-file=$T/ssh/flow" "publish.known-hosts=$T/ssh/known_hosts" queue.coalesce=0
}

# Changes keys of the running daemon, and waits until it goes by them.
push_reload() { # KEY=VALUE...
	push_seen=$(grep -c core.reloaded "$T/daemon.log" || :)
	for push_kv in "$@"; do
		git config -f "$T/flowforge.conf" --replace-all "${push_kv%%=*}" "${push_kv#*=}" || return
	done
	kill -HUP "$(process_pid daemon)"
	wait_until "[ \$(grep -c core.reloaded $T/daemon.log) -gt $push_seen ]"
}

# A proxy before sshd, its port in $proxy_port; $T/rule says what it breaks.
start_proxy() {
	rm -f "$T/proxy.ready" "$T/rule" "$T/rule.reached"
	"$top_srcdir/tests/lib/tcp-proxy" "$(sed -n 's/^Port //p' "$T/ssh/sshd_config")" "$T/proxy.ready" "$T/rule" \
		>>"$T/proxy.err" 2>&1 </dev/null &
	note_process proxy $!
	wait_until '[ -s "$T/proxy.ready" ] || ! process_alive proxy' 10
	proxy_port=$(cat "$T/proxy.ready")
	printf '[127.0.0.1]:%s %s\n' "$proxy_port" "$(cut -d' ' -f1,2 "$T/ssh/host.pub")" >>"$T/ssh/known_hosts"
}

# The server does not take a result branch before $T/go is there; $T/held says that one waits.
hold_results() { # REPO
	cat >"$T/$1.git/hooks/update" <<-EOF
		#!/bin/sh
		case \$1 in */claude-results/*) ;; *) exit 0 ;; esac
		>$T/held
		n=0
		until [ -e $T/go ] || [ \$n = 3000 ]; do sleep 0.02; n=\$((n + 1)); done
	EOF
	chmod +x "$T/$1.git/hooks/update"
	rm -f "$T/go" "$T/held"
}
