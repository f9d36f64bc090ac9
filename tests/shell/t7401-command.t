#!/bin/sh
# SPDX-License-Identifier: MIT
# The driver "command": a program of the operator's, its protocol, its ways to fail; drivers by branch.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo builtin >B'
start_model "$T/scenario.json"

# Seen by jobs through sandbox.read-only; what it does is said by the task.
mkdir agents
chmod 755 agents
cat >agents/agent <<'END'
#!/bin/bash
task=$(cat)
say() { printf '{"type":"%s","text":"%s"}\n' "$1" "$2"; }
case $task in
*works*)
	say log "I begin"
	say tool "make things"
	say progress "half way"
	say unknown "never mind"
	echo "no JSON at all"
	printf '{"type":"log","text":"%0100000d"}\n' 7
	env | sort >/ws/env.txt
	printf '%s' "$task" >/ws/task.txt
	ask=$(exec 3<>"/dev/tcp/127.0.0.1/${ANTHROPIC_BASE_URL##*:}" && printf 'HEAD / HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nconnection: close\r\n\r\n' "$ANTHROPIC_API_KEY" >&3 && head -n 1 <&3)
	say log "the gateway says ${ask%$'\r'}"
	printf '{"type":"result","text":"Make things\\n\\nAll of them.","model":"local-model"}\n' ;;
*fails*) echo "what is this" >&2; exit 3 ;;
*says-error*) printf '{"type":"result","error":true,"text":"I could not"}\n' ;;
*try-again*) exit 75 ;;
*hangs*) sleep 1000 ;;
esac
END
chmod 755 agents/agent

test_expect 'the configuration names the program, and each branch may have a driver of its own' '
	write_config "sandbox.read-only=$T/agents" agent.driver=command
	must_fail flowforged --config flowforge.conf --check-config 2>said
	like "$(cat said)" "the driver command needs agent.command"
	write_config "sandbox.read-only=$T/agents" agent.driver=command "agent.command=$T/agents/agent" agent.command=--some-argument agent.line-max=64k \
		"branch.claude/b/*.driver=builtin" server.workers=1
	must_fail flowforged --config flowforge.conf -c "branch.x.driver=else" --check-config 2>said
	like "$(cat said)" "branch driver.*builtin claude-code command"
	start_daemon
	make_hooked_repo app
'

test_expect 'it works: prompt, environment, log, progress, result' '
	cd app
	push -o claude=works origin main:claude/one
	cd ..
	wait_job 1 completed
	ff log 1 >out
	like "$(cat out)" "^agent . I begin"
	like "$(cat out)" "^tool  . . make things"
	like "$(cat out)" "^agent . no JSON at all"
	like "$(cat out)" "^system. a line of 1000[0-9]+ bytes of the agent was skipped .agent.line-max."
	like "$(cat out)" "^agent . the gateway says HTTP/1.1 [24]0"
	like "$(ff show 1)" "job.progress +half way"
	git -C app.git show claude-results/one-1:env.txt >env.txt
	like "$(cat env.txt)" "^FLOWFORGE_JOB=1$"
	like "$(cat env.txt)" "^FLOWFORGE_ATTEMPT=1$"
	like "$(cat env.txt)" "^FLOWFORGE_SOURCE=one$|^FLOWFORGE_SOURCE=claude/one$"
	like "$(cat env.txt)" "^FLOWFORGE_TARGET=main$"
	like "$(cat env.txt)" "^ANTHROPIC_BASE_URL=http://127.0.0.1:[0-9]+$"
	is "$(git -C app.git show claude-results/one-1:task.txt)" "$(printf "<task>\nworks\n</task>")"
	git -C app.git log -1 --format=%B claude-results/one-1 >message
	like "$(cat message)" "^Make things$"
	like "$(cat message)" "^Assisted-by: Claude:local-model"
'

test_expect 'it fails: by status, by its word, for now' '
	cd app
	push -o claude=fails -o claude.retries=0 origin main:claude/two
	push -o claude=says-error -o claude.retries=0 origin main:claude/three
	push -o claude=try-again -o claude.retries=0 origin main:claude/four
	cd ..
	wait_job 2 failed
	like "$(ff show 2)" "AGENT_FAILED +the agent.s program failed .exit status 3."
	like "$(ff log 2)" "what is this"
	wait_job 3 failed
	like "$(ff show 3)" "exit status 0.: I could not"
	wait_job 4 failed
	like "$(ff show 4)" "UNREACHABLE +the agent.s program asks for another try"
'

test_expect 'one that hangs ends with the cancelled job, and nothing of it is left' '
	cd app
	push -o claude=hangs origin main:claude/five
	cd ..
	wait_until "ff show 5 | grep -q \"job.step.started  run\" && pgrep -f \"sleep 100[0]\""
	ff cancel 5
	is "$(job_state 5)" cancelled
	wait_until "! pgrep -f \"sleep 100[0]\""
'

test_expect 'another branch, another driver' '
	cd app
	push -o claude=works origin main:claude/b/six
	cd ..
	wait_job 6 completed
	is "$(git -C app.git show claude-results/b-six-6:B)" builtin
'

test_done
