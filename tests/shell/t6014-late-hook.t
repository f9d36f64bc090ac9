#!/bin/sh
# SPDX-License-Identifier: MIT
# A ref that has moved while its hook has not spoken yet, when refs are compared
# after a start: the push has one job, whoever tells of it first.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'true'
start_model "$T/scenario.json"
start_daemon
make_hooked_repo app

# Waits for $T/go, then it is ours, with git's input and environment.
rm app.git/hooks/post-receive
cat >app.git/hooks/post-receive <<-EOS
	#!/bin/sh
	: >"$T/waits"
	until [ -e "$T/go" ]; do sleep 0.02; done
	exec "$T/libexec/flowforge-hook" post-receive --conf "$T/state/hook.conf"
EOS
chmod +x app.git/hooks/post-receive

with_task() { # BRANCH: the oid of a commit of its own with a task in it
	git -C app commit-tree 'main^{tree}' -p main -m "$1" -m 'Claude-Task: from the commit'
}

# The ref has moved when this returns, and its hook has not spoken.
begin_push() { # OID BRANCH OPTION...
	begin_oid=$1 begin_branch=$2
	shift 2
	rm -f go waits
	git -C app push "$@" origin "$begin_oid:refs/heads/claude/$begin_branch" >out 2>&1 &
	note_process pusher $!
	wait_until '[ -e waits ]'
}
end_push() {
	: >go
	wait_until '! process_alive pusher' 30
}

around_hooks() { # OID BRANCH: nobody will ever tell of it
	git -C app push -q --receive-pack='git -c core.hooksPath=/nowhere receive-pack' origin "$1:refs/heads/claude/$2"
}

jobs_of() { # BRANCH
	ff list --json --branch "claude/$1" | json items
}
task_of() { # BRANCH
	ff list --json --branch "claude/$1" | json items.0.task
}

test_expect 'a push that everybody knows' '
	: >go
	git -C app push -q -o claude=work origin "main:refs/heads/claude/known"
	wait_until "[ \"\$(jobs_of known)\" = 1 ]"
'

test_expect 'a hook that speaks after the first look is asked for, and its options count' '
	stop_daemon
	begin_push "$(with_task slow)" slow -o claude="from the option"
	around_hooks "$(with_task lost)" lost
	start_daemon
	wait_until "grep -q \"claude/slow moved.*push.doubt\" daemon.log"
	end_push
	like "$(cat out)" "job [0-9]+ (queued|waits)"
	# Found in the look that follows, which is over for all refs then.
	wait_until "[ \"\$(jobs_of lost)\" = 1 ]" 30
	is "$(jobs_of slow)" 1
	is "$(task_of lost)" "from the commit"
	grep -q "claude/slow moved.*push.found" daemon.log || is "$(task_of slow)" "from the option"
'

test_expect 'one that speaks when its push was found is told the job, also by another core' '
	stop_daemon
	begin_push "$(with_task slower)" slower
	start_daemon
	wait_until "[ \"\$(jobs_of slower)\" = 1 ]" 30
	stop_daemon KILL
	start_daemon
	end_push
	like "$(cat out)" "job $(ff list --json --branch claude/slower | json items.0.number) has this push already"
	is "$(jobs_of slower)" 1
'

test_expect 'one that alone knows the task of a push that was found makes the job' '
	stop_daemon
	begin_push main option -o claude="from the option"
	start_daemon
	wait_until "grep -q \"claude/option moved.*push.found\" daemon.log" 30
	wait_until "[ \"\$(sqlite3 state/flowforge.db \"SELECT count(*) FROM pushes WHERE uid = -1 AND decided = 1\")\" = 2 ]"
	is "$(jobs_of option)" 0
	end_push
	like "$(cat out)" "job [0-9]+ (queued|waits)"
	is "$(jobs_of option) $(task_of option)" "1 from the option"
'

test_expect 'a push of the same commit, after another, is one of its own' '
	: >go
	first=$(with_task lost) other=$(with_task other)
	git -C app push -q -f origin "$other:refs/heads/claude/lost"
	git -C app push -q -f origin "$first:refs/heads/claude/lost"
	wait_until "[ \"\$(jobs_of lost)\" = 3 ]"
'

test_done
