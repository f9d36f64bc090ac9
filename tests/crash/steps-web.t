#!/bin/sh
# SPDX-License-Identifier: MIT
# The web role dies before and behind each of its durable steps, from its start
# over a job that is submitted to it.  Its client asks again with the same
# Idempotency-Key, as doc/protocol.md has it, and there is one job.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

ask_web() { # PATH [OPTION...]
	ask_path=$1
	shift
	curl -sS --max-time 20 --unix-socket "$T/web.sock" -H "Authorization: Bearer $(cat "$T/token")" "$@" "http://localhost$ask_path" 2>>"$T/curl.err"
}

submit() { # BRANCH
	[ "$(ask_web /api/v1/jobs -H "Idempotency-Key: $1" -o "$T/answer" -w '%{http_code}' \
		-d "{\"repo\": \"$T/app.git\", \"branch\": \"claude/$1\", \"task\": \"work\"}")" = 201 ]
}

# The branch is there, and its push has started nothing.
web_prepare() {
	settle_alive && stub POST /__stub/reset >/dev/null && push_branch "$1" -o claude.skip && order '' && stop_daemon
}
web_act() {
	launch_daemon
	wait_until '[ -S web.sock ] && ask_web /readyz | grep -qx ready || grep -q "^killed" steps' 60
	submit "$1"
}
web_settle() {
	wait_until "submit $1" 60 && settle "$1"
}

test_expect 'a calm push' '
	make_world "web.listen=$T/web.sock" queue.coalesce=0
	ff token create --user crash --scope submit >token
'
sweep web web
crash_done
