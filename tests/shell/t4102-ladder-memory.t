#!/bin/sh
# SPDX-License-Identifier: MIT
# An answer that was paid for once is given again for nothing, until somebody revokes it; and what all rungs did, in sums.
. "$top_srcdir/tests/lib/test-lib.sh"

perl -MJSON::PP -e '
	my $answer = { text => encode_json({ content => "main()\ntopic()\n", confidence => 0.9, explanation => "both" }),
		usage => { input_tokens => 1000, output_tokens => 100 } };
	my $other = { text => encode_json({ content => "topic()\nmain()\n", confidence => 0.9, explanation => "both" }),
		usage => { input_tokens => 1000, output_tokens => 100 } };
	my @rules = ({ match => { last_user => "Change branch: (one|again|shared|foreign|more)\n" }, sequence => [$answer] },
		{ match => { last_user => "Change branch: other" }, sequence => [$other] });
	push @rules, { match => { min_messages => 3 }, sequence => [{ text => "Done." }] };
	push @rules, { match => { min_messages => 1 }, sequence => [{ tool_use => { name => "bash", input => { command => "echo new >NEW" } } }] };
	print encode_json({ rules => \@rules })' >"$T/scenario.json"
start_model "$T/scenario.json" --log-bodies
write_config "gateway.price=claude-* 2 10 0.1 2.5"
start_daemon

# Two repositories with the same conflict.
for repo in app lib; do
	make_hooked_repo $repo
	(cd $repo && printf '\none\ntwo\n' >src/call.txt && commit_all calls 4 && git branch base &&
		printf '\none\nmain()\ntwo\n' >src/call.txt && commit_all 'call main' 5 && git push -q origin main)
done

job_of() { # REPOSITORY NAME
	git -C "$1" checkout -q -B "$2" base
	(cd "$1" && printf '\none\ntopic()\ntwo\n' >src/call.txt && commit_all "call topic" 6)
	git -C "$1" push -q -o claude=work origin "$2:refs/heads/claude/$2" 2>said
	job=$(pushed_job "$(cat said)")
	wait_job "$job" completed
}
asked() {
	grep -c '"You merge one conflict\|Change branch: ' "$T/model.log" || :
}
# Rung and outcome of the last try.
last_try() {
	ff show "$job" --json | perl -MJSON::PP -0777 -ne 'my $t = decode_json($_)->{resolutions}[0]{tries}[-1];
		print join " ", map { $_ // "-" } @$t{qw(rung outcome entry tokens_in tokens_out cost_microusd)}'
}

test_expect 'the first job asks the model' '
	job_of app one
	is "$(last_try) $(asked)" "4 solved - 1000 100 3000 1"
	ff memory list >out
	like "$(cat out)" "^1 +model +1 +0 .*$T/app.git +src/call.txt"
'

test_expect 'the second one with the same conflict costs no token' '
	job_of app again
	is "$(last_try) $(asked)" "2 solved 1 0 0 0 1"
	is "$(git -C app.git show "claude-results/again-$job:src/call.txt")" "$(git -C app.git show claude-results/one-1:src/call.txt)"
	ff log --model "$job" --json >requests
	is "$(json "" <requests)" 2
	like "$(git -C app.git notes --ref=refs/notes/flowforge show claude/again)" "^Resolution: src/call.txt line 3: memory .entry 1., proved"
'

test_expect 'another repository is told nothing, unless the server shares' '
	job_of lib foreign
	is "$(last_try) $(asked)" "4 solved - 1000 100 3000 2"
	ff memory forget 2 >out
	stop_daemon
	git config -f flowforge.conf memory.shared true
	start_daemon
	job_of lib shared
	is "$(last_try) $(asked)" "2 solved 1 0 0 0 2"
'

test_expect 'an entry is looked at and revoked by its number, and the jobs that had it are listed' '
	ff memory show 1 >out
	is "$(sed -n "/^result/,/^used/p" out)" "result
  main()
  topic()
used by jobs: 2 4"
	ff memory forget 1 --json >out
	is "$(json jobs <out) $(json jobs.0 <out) $(json jobs.1 <out)" "2 2 4"
	like "$(json revoked <out)" "^20"
	like "$(ff memory list)" "^1 .* revoked "
	like "$(ff admin audit)" "memory forget .*entry 1"
	status_is 3 ff memory forget 99 2>err
	status_is 2 ff memory forget 2>err
'

test_expect 'a revoked one is never used again, nor learnt again' '
	job_of app more
	is "$(last_try | cut -d" " -f1-3)" "4 solved -"
	is "$(ff memory list --json | perl -MJSON::PP -0777 -ne "print scalar grep { !\$_->{revoked} } @{decode_json(\$_)}")" 0
	# Another answer to the same conflict is another matter.
	job_of app other
	is "$(last_try | cut -d" " -f1-3)" "4 solved -"
	is "$(ff memory list --json | perl -MJSON::PP -0777 -ne "print join q( ), map { \$_->{number} } grep { !\$_->{revoked} } @{decode_json(\$_)}")" 3
'

test_expect 'what each rung did: tried, solved, refused, cost and time' '
	ff stats conflicts >out
	like "$(cat out)" "^trivial +6 +0 +0 +0 "
	like "$(cat out)" "^memory +6 +2 +0 +0 +0 +0 +.0.0000"
	like "$(cat out)" "^structured +4 +0 "
	like "$(cat out)" "^model +4 +4 +0 +0 +4000 +400 +.0.0120"
	like "$(ff stats conflicts --by language)" "^txt +20 +6 "
	like "$(ff stats conflicts --by repository)" "^$T/app.git "
	like "$(ff stats conflicts --by model)" "^claude-sonnet-5-5 +4 +4 "
	is "$(ff stats conflicts --by model --days 1 --json | json 1.cost_microusd)" 12000
	must_fail ff stats conflicts --by moon 2>err
	like "$(cat err)" "rung, repository, language or model"
'

test_expect 'with no entries to keep, nothing is remembered' '
	stop_daemon
	git config -f flowforge.conf memory.entries 0
	start_daemon
	n=$(ff memory list --json | json "")
	job_of lib one
	is "$(ff memory list --json | json "")" "$n"
'

test_done
