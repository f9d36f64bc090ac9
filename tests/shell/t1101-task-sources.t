#!/bin/sh
# SPDX-License-Identifier: MIT
# Where a task and its settings come from, which source counts before which,
# and what is refused before any money is spent.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario # says "Done." and does nothing
start_model "$T/scenario.json"

field() { # JOB KEY
	ff show "$1" --json | json "$2"
}

# The job of the last push: task, where it is from, target.
from() {
	from_json=$(ff show "$(said_job)" --json)
	printf '%s|%s|%s\n' "$(printf %s "$from_json" | json task)" "$(printf %s "$from_json" | json task_from)" \
		"$(printf %s "$from_json" | json target)"
}

# The last push was refused or its job failed, with that reason; nobody asked the model.
failed() { # REGEX
	like "$(tr '\n' ' ' <"$T/said" | sed 's/  */ /g')" "^error: job [0-9]+ failed: .*$1"
	job=$(pushed_job "$(cat "$T/said")")
	is "$(job_state "$job")" failed
	is "$(ff show "$job" --json | json attempt)" 0
}

# A task file on that branch of the server; text on stdin.
task_file() { # BRANCH NAME
	git fetch -q origin "$1"
	git checkout -q --detach FETCH_HEAD
	mkdir -p .flowforge/tasks
	cat >".flowforge/tasks/$2.md"
	commit_all "task $2"
	git push -q origin "HEAD:refs/heads/$1"
	git checkout -q main
}

test_expect 'daemon and hooks are set up' '
	start_daemon job.max-retries=4 job.max-ttl=2d job.ttl=1d
	make_hooked_repo app
	cd app
	git push -q origin main:release
	is "$(job_count)" 0
'

test_expect 'push option before trailer before task file' '
	cd app
	echo "from the file" | task_file main order
	git checkout -q -b order
	git commit -q --allow-empty -m "Work" --trailer "Claude-Task: from the trailer"
	push -o claude="from the option" origin HEAD:refs/heads/claude/order/1
	is "$(from)" "from the option|push option|main"
	push origin HEAD:refs/heads/claude/order/2
	is "$(from)" "from the trailer|trailer|main"
	push origin HEAD^:refs/heads/claude/order/3
	is "$(from)" "from the file|task file order|main"
	push origin HEAD^:refs/heads/claude/no-file
	like "$(cat ../said)" "^hint: no task given"
'

test_expect 'only the tip speaks, and only its last paragraph' '
	cd app
	git commit -q --allow-empty -m "More work"
	push origin HEAD:refs/heads/claude/tip-is-silent
	like "$(cat ../said)" "^hint: no task given"
	git commit -q --allow-empty -m "Claude-Task: in the subject" -m "Claude-Task: in the middle" -m "Words at the end."
	push origin HEAD:refs/heads/claude/middle
	like "$(cat ../said)" "^hint: no task given"
	printf "Work\n\nReviewed-by: A\nclaude-task: folded\n over two lines\n" | git commit -q --allow-empty -F -
	push origin HEAD:refs/heads/claude/folded
	is "$(from)" "folded over two lines|trailer|main"
'

test_expect 'a task file is read from the target, never from the push' '
	cd app
	git checkout -q -B own main
	mkdir -p .flowforge/tasks
	echo "from the pushed commit" >.flowforge/tasks/own.md
	echo "changed by the pushed commit" >.flowforge/tasks/order.md
	commit_all "my own task"
	push origin HEAD:refs/heads/claude/own
	like "$(cat ../said)" "^hint: no task given"
	push -o ci.x origin HEAD:refs/heads/claude/order/own
	is "$(from)" "from the file|task file order|main"
	echo "for releases" | task_file release order
	push -o claude.target=release origin own:refs/heads/claude/order/release
	is "$(from)" "for releases|task file order|release"
'

test_expect 'the head of a task file sets what no option sets' '
	cd app
	printf -- "---\n# a remark\ntarget: release\npriority: high\nttl: 2h\nretries: 1\n---\n\nwith a head\nin two lines\n" | task_file main head
	push origin main:refs/heads/claude/head/1
	job=$(said_job)
	is "$(from)" "$(printf "with a head\nin two lines|task file head|release")"
	is "$(field $job priority) $(field $job ttl_ms) $(field $job retries)" "high 7200000 1"
	push -o claude.target=main -o claude.priority=low -o claude.ttl=30m -o claude.retries=0 origin main:refs/heads/claude/head/2
	job=$(said_job)
	is "$(field $job target) $(field $job priority) $(field $job ttl_ms) $(field $job retries)" "main low 1800000 0"
'

test_expect 'mistakes in a task file are named with their line' '
	cd app
	printf -- "---\ncolour: red\n---\ndo\n" | task_file main bad-key
	printf -- "---\nttl: soon\n---\ndo\n" | task_file main bad-ttl
	printf -- "---\nretries: 9\n---\ndo\n" | task_file main many-retries
	printf -- "---\ntarget: main\n" | task_file main open-head
	printf -- "---\nenv: nowhere\n---\ndo\n" | task_file main bad-env
	printf -- "---\ntarget: nowhere\n---\ndo\n" | task_file main bad-target
	: | task_file main empty
	printf "caf\351\n" | task_file main bytes
	head -c 40000 /dev/zero | tr "\0" a | task_file main huge
	push origin main:refs/heads/claude/bad-key
	failed "line 2: unknown key .colour."
	push origin main:refs/heads/claude/bad-ttl
	failed "ttl takes a time"
	push origin main:refs/heads/claude/many-retries
	failed "limit is 4 \(job.max-retries\)"
	push origin main:refs/heads/claude/open-head
	failed "not closed"
	push origin main:refs/heads/claude/bad-env
	failed "unknown environment .nowhere."
	push origin main:refs/heads/claude/empty
	failed "there is no task in it"
	push origin main:refs/heads/claude/bytes
	failed "UTF-8"
	push origin main:refs/heads/claude/huge
	failed "hook.max-task"
'

test_expect 'a target that only the task file names is looked for before the model is paid' '
	cd app
	asked=$(wc -l <../model.log)
	push origin main:refs/heads/claude/bad-target
	job=$(pushed_job "$(cat ../said)")
	wait_job "$job" failed
	like "$(field "$job" description)" "nowhere"
	is "$(wc -l <../model.log)" "$asked"
'

test_expect 'the target: option, configuration, HEAD' '
	cd app
	git push -q origin main:refs/heads/stable main:refs/heads/trunk
	push -o claude=x origin main:refs/heads/claude/t1
	is "$(from)" "x|push option|main"
	git -C ../app.git symbolic-ref HEAD refs/heads/trunk
	push -o claude=x origin main:refs/heads/claude/t2
	is "$(from)" "x|push option|trunk"
	push -o claude=x -o claude.target=refs/heads/release origin main:refs/heads/claude/t3
	is "$(from)" "x|push option|release"
	git -C ../app.git symbolic-ref HEAD refs/heads/main
'

test_expect 'a target that is not there fails the job, with the reason at once' '
	cd app
	push -o claude=x -o claude.target=nowhere origin main:refs/heads/claude/t4
	failed "target branch .nowhere. does not exist"
	git -C ../app.git symbolic-ref HEAD refs/heads/unborn
	push -o claude=x origin main:refs/heads/claude/t5
	failed "target branch .unborn. does not exist"
	git -C ../app.git symbolic-ref HEAD refs/heads/main
	must_fail push -o claude=x -o claude.target="no such..name" origin main:refs/heads/claude/t6
	like "$(cat ../said)" "^error: .*claude\.target"
'

test_expect 'limits of what a pusher may ask for' '
	cd app
	push -o claude=x -o claude.retries=4 -o claude.ttl=2d -o claude.priority=normal origin main:refs/heads/claude/l1
	job=$(said_job)
	is "$(field $job priority) $(field $job ttl_ms) $(field $job retries)" "normal 172800000 4"
	push -o claude=x origin main:refs/heads/claude/l2
	job=$(said_job)
	is "$(field $job priority) $(field $job ttl_ms) $(field $job retries)" "normal 86400000 2"
	push -o claude=x -o claude.retries=5 origin main:refs/heads/claude/l3
	failed "job.max-retries"
	push -o claude=x -o claude.ttl=3d origin main:refs/heads/claude/l4
	failed "job.max-ttl"
	push -o claude=x -o claude.env=nowhere origin main:refs/heads/claude/l5
	failed "unknown environment .nowhere."
'

for wrong in claude.priority=urgent claude.ttl=soon claude.ttl=0 claude.ttl=-1h claude.retries=-1 claude.retries=many \
	claude.env=a/b claude.task= 'claude=  ' claude.skip=perhaps; do
	test_expect "$wrong refuses the push" '
		cd app
		must_fail push -o claude=x -o "$wrong" origin main:refs/heads/claude/wrong
		like "$(cat ../said)" "^error:"
		must_fail git -C ../app.git rev-parse -q --verify claude/wrong
	'
done

test_expect 'defaults of branches and environments of the configuration' '
	stop_daemon
	write_config job.target=stable
	cat >>flowforge.conf <<-EOF
		[branch "refs/heads/claude/docs/*"]
			task = refresh the docs
			target = release
		[environment "nightly"]
			variable = NIGHT=1
	EOF
	start_daemon
	cd app
	push origin main:refs/heads/claude/docs/july
	is "$(from)" "refresh the docs|branch default|release"
	push -o claude origin main:refs/heads/claude/docs/bare
	is "$(from)" "refresh the docs|branch default|release"
	push -o claude.target=main origin main:refs/heads/claude/docs/main
	is "$(from)" "refresh the docs|branch default|main"
	git checkout -q --detach main
	git commit -q --allow-empty -m "Work" --trailer "Claude-Task: from the trailer"
	push origin HEAD:refs/heads/claude/docs/trailer
	is "$(from)" "from the trailer|trailer|release"
	push -o claude=x -o claude.env=nightly origin main:refs/heads/claude/env
	is "$(from)" "x|push option|stable"
	is "$(field "$(said_job)" environment)" nightly
	push -o claude=x -o claude.env=daily origin main:refs/heads/claude/env2
	failed "known are nightly"
'

test_done
