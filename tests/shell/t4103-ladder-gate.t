#!/bin/sh
# SPDX-License-Identifier: MIT
# The gate: the target's own check on what the ladder came to; what it says goes to the model once, then to a person.
. "$top_srcdir/tests/lib/test-lib.sh"

perl -MJSON::PP -e '
	sub lines { return { text => encode_json({ content => $_[0], confidence => 0.9, explanation => "both" }),
		usage => { input_tokens => 1000, output_tokens => 100 } } }
	my %said = (green => [lines("main()\ngreen()\n")], mend => [lines("mend()\nmain()\n"), lines("main()\nmend()\n")],
		red => [lines("red()\nmain()\n")], mine => [lines("mine()\nmain()\n")], slow => [lines("main()\nslow()\n")]);
	my @rules = map { { match => { last_user => "Change branch: $_\n" }, sequence => $said{$_} } } sort keys %said;
	push @rules, { match => { min_messages => 3 }, sequence => [{ text => "Done." }] };
	push @rules, { match => { min_messages => 1 }, sequence => [{ tool_use => { name => "bash", input => { command => "echo new >NEW" } } }] };
	print encode_json({ rules => \@rules })' >"$T/scenario.json"
start_model "$T/scenario.json" --log-bodies
write_config memory.entries=0
start_daemon
make_hooked_repo app

(
	cd app || exit
	printf '\none\ntwo\n' >src/call.txt
	mkdir .flowforge
	# The job of the gate: main() comes first, and the agent has been there.
	printf 'echo "looked at line 3 in $PWD"\n[ -e NEW ] && [ ! -e GATED ] && >GATED\nsed -n 3p src/call.txt | grep main || { echo "main() must come first" >&2; exit 3; }\n' >.flowforge/gate
	commit_all calls 4
	git branch base
	printf '\none\nmain()\ntwo\n' >src/call.txt
	commit_all 'call main' 5
	git push -q origin main
)

job_of() { # NAME [COMMANDS]
	name=$1
	git -C app checkout -q -B "$name" base
	(cd app && printf '\none\n%s()\ntwo\n' "$name" >src/call.txt && eval "${2:-:}" && commit_all "call $name" 6)
	git -C app push -q -o claude=work origin "$name:refs/heads/claude/$name" 2>said
	job=$(pushed_job "$(cat said)")
}
asked() {
	grep -cF "Change branch: $name" "$T/model.log" || :
}

test_expect 'what it lets through is published, and nothing that it leaves behind' '
	job_of green
	wait_job "$job" completed
	like "$(ff log "$job")" "the gate let it through"
	must_fail git -C app.git rev-parse -q --verify "claude-results/green-$job:GATED"
	is "$(asked)" 1
	[ ! -e "state/jobs/$job/gate-ws" ]
'

test_expect 'when it fails, the model is told its output, once, and may mend it' '
	job_of mend
	wait_job "$job" completed
	is "$(git -C app.git show "claude-results/mend-$job:src/call.txt" | sed -n 3,4p)" "main()
mend()"
	is "$(asked)" 2
	grep -F "Change branch: mend" model.log | tail -n 1 | grep -q "check-output-1>.*looked at line 3 in /ws.*main() must come first"
	like "$(ff show "$job")" "refused: main.. must come first"
	like "$(ff log "$job")" "the gate failed, and a model is asked once more"
'

test_expect 'when it fails again, a person has the conflict, and the output' '
	job_of red
	wait_job "$job" conflicted
	is "$(asked)" 2
	branch=claude-conflicts/red-$job
	like "$(git -C app.git show "$branch:src/call.txt")" "^<<<<<<< target"
	like "$(git -C app.git log -1 --format=%B "$branch")" "main.. must come first"
	like "$(ff show "$job")" "the gate failed"
'

test_expect 'the gate of the change counts for nothing' '
	job_of mine "echo exit 0 >.flowforge/gate"
	wait_job "$job" conflicted
	like "$(ff show "$job")" "refused: main.. must come first"
'

test_expect 'the server may have a gate of its own; one that takes too long has failed' '
	stop_daemon
	git config -f flowforge.conf gate.command "echo waiting; sleep 100"
	git config -f flowforge.conf gate.timeout 1s
	start_daemon
	job_of slow
	wait_job "$job" conflicted 90
	like "$(ff show "$job")" "waiting"
'

test_expect 'without a conflict there is nothing that the gate has to look at' '
	git -C app checkout -q -B plain main
	git -C app push -q -o claude=work origin plain:refs/heads/claude/plain 2>said
	job=$(pushed_job "$(cat said)")
	wait_job "$job" completed
	unlike "$(ff log "$job")" "gate"
'

test_expect 'rules without a model go to a person at once' '
	stop_daemon
	git config -f flowforge.conf resolve.rungs 1,3
	git config -f flowforge.conf gate.command "exit 1"
	start_daemon
	git -C app checkout -q main
	(cd app && printf "call(red, at, big)\n" >src/two.txt && commit_all two 7 && git branch -f base && printf "call(blue, at, big)\n" >src/two.txt &&
		commit_all blue 8 && git push -q origin main && git checkout -q -B rules base && printf "call(red, at, small)\n" >src/two.txt && commit_all small 9)
	git -C app push -q -o claude=work origin rules:refs/heads/claude/rules 2>said
	job=$(pushed_job "$(cat said)")
	wait_job "$job" conflicted
	like "$(ff show "$job")" "structured: solved"
	like "$(git -C app.git show "claude-conflicts/rules-$job:src/two.txt")" "^<<<<<<< target"
'

test_done
