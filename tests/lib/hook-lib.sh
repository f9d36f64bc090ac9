# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the tests of the hook alone, without daemon and installer: repositories
# with the hook in place, and a core that does as it is told (fake-core.c).
# A check here is a command with `ok $? "what must be true"` behind it, since
# what a push did is looked at from several sides.
# shellcheck disable=SC2154
. "$top_srcdir/tests/lib/test-lib.sh"

hook=$top_builddir/flowforge-hook
mkdir "$T/spool"

ok() { # STATUS TITLE
	test_result "$1" "$2"
	[ "$1" = 0 ] || diag_file "$T/out"
}
not() { if "$@"; then return 1; else return 0; fi; }

hook_conf() { # [LINE...]: writes $T/hook.conf
	{
		echo "socket $T/hook.sock"
		echo "spool $T/spool"
		echo "trigger refs/heads/claude/*"
		echo "options yes"
		echo "result-prefix claude-results/"
		echo "conflict-prefix claude-conflicts/"
		for l in "$@"; do echo "$l"; done
	} >"$T/hook.conf"
}
bare() { # NAME: a bare repository with both hooks in place
	make_repo "$1" && git -C "$T/$1.git" config receive.advertisePushOptions true || return
	git -C "$T/$1" remote set-url origin "file://$T/$1.git"
	for t in pre-receive post-receive; do
		printf '#!%s %s\n# made by a test\nconf %s\n' "$hook" "$t" "$T/hook.conf" >"$T/$1.git/hooks/$t"
		chmod +x "$T/$1.git/hooks/$t"
	done
}
commit() { git -C "$T/r" commit -q --allow-empty -m "$1"; }
push() { # arguments of git push, from the work tree r; output in $T/out
	git -C "$T/r" push "$@" >"$T/out" 2>&1
}
said() { grep -qe "$1" "$T/out"; }
start_core() { # MODE [LINE...]
	end_process core
	rm -f "$T/message" "$T/ready" "$T/hook.sock"
	"$top_builddir/tests/lib/fake-core" "$T/hook.sock" "$T/message" "$@" >"$T/ready" &
	note_process core $!
	wait_until '[ -s "$T/ready" ]'
}
stop_core() {
	end_process core
	rm -f "$T/hook.sock"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
spooled() { find "$T/spool" -type f | wc -l; }
