#!/bin/sh
# SPDX-License-Identifier: MIT
# Core dies before and behind each of its durable steps while a secret is set
# anew.  A job has the old value then or the new one, whole; once the command
# was answered, the new one.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

set_secret() { # VALUE
	printf %s "$1" | ff secret set deploy >"$T/set.out" 2>&1
}

secret_prepare() { settle_alive; }
secret_act() {
	new_value=value-of-$1 answered=
	set_secret "$new_value" && answered=1
	order ''
}
secret_settle() { settle_alive && crash_push "$1" && settle "$1"; }

# What the job of that branch was given, as its result has it.
given() { # BRANCH
	git -C app.git for-each-ref --format='%(refname)' "refs/heads/claude-results/$1-*" | while read -r given_ref; do
		git -C app.git show "$given_ref:ONE"
	done
}
sum_of() { printf %s "$1" | sha256sum; }

secret_judge() { # BRANCH EXCESS
	secret_has=$(given "$1")
	if [ "$secret_has" = "$(sum_of "$new_value")" ]; then
		old_value=$new_value
	elif [ "$answered" ] || [ "$secret_has" != "$(sum_of "$old_value")" ]; then
		problem wrong "$run_name: the job was given another secret (answered: ${answered:-no})"
	fi
	judge "$@"
	# Its client asks again when it got no answer, and then it is so.
	[ "$old_value" = "$new_value" ] || { set_secret "$new_value" && old_value=$new_value; } ||
		problem wrong "$run_name: set again: $(cat "$T/set.out")"
}

test_expect 'a calm push' '
	write_crash_scenario "printf %s \"\$DEPLOY\" | sha256sum >ONE" "echo two >TWO"
	start_model "$T/scenario.json"
	write_hasty_config "secret.key-file=$T/master.key" job.secrets=DEPLOY=deploy
	ff secret init 2>init.out
	start_daemon
	set_secret first-value
	make_hooked_repo app
	crash_push calm && settle calm && judge calm
	is "$(given calm)" "$(sum_of first-value)"
'
old_value=first-value
sweep secret core 1
crash_done
