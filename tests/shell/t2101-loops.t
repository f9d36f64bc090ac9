#!/bin/sh
# SPDX-License-Identifier: MIT
# Results that come back as pushes: each guard ends the loop, also when the
# others are not there.
. "$top_srcdir/tests/lib/test-lib.sh"

# Every job changes something, so that every job has a result.
write_scenario 'date +%N >>X'
start_model "$T/scenario.json"
make_repo app
# The repository's own hook pushes every result to a task branch: $T/loop does it.
cat >app.git/hooks/post-receive <<-EOF
	#!/bin/sh
	while read -r old new ref; do
		case \$ref in refs/heads/claude-results/*) ;; *) continue ;; esac
		echo \$ref >>$T/rounds
		sh $T/loop \$new \$(wc -l <$T/rounds) >>$T/loop.out 2>&1
	done
EOF
chmod +x app.git/hooks/post-receive

# A new record, so that every guard starts from nothing.
fresh() { # KEY=VALUE...
	stop_daemon
	rm -rf "$T/state" "$T/rounds" "$T/loop.out"
	: >"$T/daemon.log"
	git -C "$T/app.git" for-each-ref --format='delete %(refname)' refs/heads/claude refs/heads/claude-results refs/flowforge refs/notes |
		git -C "$T/app.git" update-ref --stdin
	git -C "$T/app.git" update-ref refs/heads/main "$(git -C "$T/app" rev-parse main)"
	write_config server.workers=1 "$@"
	start_daemon
	ff hooks install "$T/app.git"
}

# What the loop does with commit $1 in round $2.
loop_is() {
	printf '%s\n' "$1" >"$T/loop"
}

push_first() {
	git -C "$T/app" checkout -q -B work main
	git -C "$T/app" commit -q --allow-empty -m more
	(cd "$T/app" && push origin HEAD:refs/heads/claude/start -o claude=work)
}

rounds() {
	wc -l <"$T/rounds"
}

test_expect 'what a hook pushes while we publish starts nothing' '
	fresh
	loop_is "git push -q . \$1:refs/heads/claude/loop-\$2 -o claude=again"
	push_first
	wait_job 1 completed
	is "$(rounds) $(job_count)" "1 1"
	git -C app.git rev-parse -q --verify refs/heads/claude/loop-1
'

test_expect 'a result that is pushed without a word starts nothing' '
	fresh
	loop_is "env -u FLOWFORGE_PUBLISH git push -q . \$1:refs/heads/claude/loop-\$2"
	push_first
	wait_job 1 completed
	is "$(rounds) $(job_count)" "1 1"
	like "$(cat loop.out)" "this commit is a result already"
'

test_expect 'a result branch starts nothing, whatever is asked' '
	fresh
	loop_is "env -u FLOWFORGE_PUBLISH git push -q . \$1:refs/heads/claude-results/mine-\$2 -o claude=again"
	push_first
	wait_job 1 completed
	is "$(rounds) $(job_count)" "1 1"
	unlike "$(git -C app.git for-each-ref)" "claude-results/mine"
'

again="env -u FLOWFORGE_PUBLISH git push -q . \$1:refs/heads/claude/loop-\$2 -o claude=again"

test_expect 'results on results end at queue.chain-depth, as a failed job' '
	fresh queue.chain-depth=2
	loop_is "$again"
	push_first
	wait_job 4 failed
	for n in 1 2 3; do wait_job $n completed; done
	is "$(rounds) $(job_count)" "3 4"
	like "$(ff show 4)" "results of 3 jobs"
	like "$(ff show 4)" "queue\.chain-depth"
	like "$(cat loop.out)" "error: job 4 failed"
'

test_expect 'merged into the target, a result is no chain any more' '
	git -C app.git update-ref refs/heads/main "$(git -C app.git rev-parse refs/heads/claude/loop-3)"
	loop_is :
	git -C app fetch -q origin
	git -C app checkout -q -B work origin/main
	git -C app commit -q --allow-empty -m "by hand"
	(cd app && push origin HEAD:refs/heads/claude/next -o claude=work)
	wait_job 5 completed
'

test_expect 'a loop that hides its chain ends at queue.pusher-rate' '
	fresh queue.chain-depth=100 queue.pusher-rate=3
	loop_is "git update-ref refs/heads/main \$1; $again"
	push_first
	wait_until "grep -q push.limited daemon.log" 60
	for n in $(seq "$(job_count)"); do wait_job $n completed; done
	# The first pusher may have another name than the hook has.
	case $(job_count) in 3 | 4) ;; *) ff list; false ;; esac
	is "$(rounds)" "$(job_count)"
	like "$(cat loop.out)" "error: no job: .* reached the limit"
	like "$(cat loop.out)" "queue\.pusher-rate"
'

test_expect 'over the limit the push itself is taken, with the time when it frees' '
	fresh queue.pusher-rate=2 queue.coalesce=0
	loop_is :
	push_first
	(cd app && git commit -q --allow-empty -m x && push origin HEAD:refs/heads/claude/two -o claude=two)
	(cd app && git commit -q --allow-empty -m x && push origin HEAD:refs/heads/claude/three -o claude=three)
	tr "\n" " " <said >line
	like "$(cat line)" "error: no job: .* limit of 2 jobs an +hour +\(queue.pusher-rate\); it +frees +at +20[0-9-]*T[0-9:.]*Z"
	is "$(git -C app.git rev-parse claude/three)" "$(git -C app rev-parse HEAD)"
	is "$(job_count)" 2
	# One whose task only the repository knows is refused when that is read.
	(cd app && git commit -q --allow-empty -m x -m "Claude-Task: four" && push origin HEAD:refs/heads/claude/four)
	like "$(cat said)" "error: no job"
	is "$(job_count)" 2
	stop_daemon
	start_daemon
	is "$(job_count)" 2
'

test_done
