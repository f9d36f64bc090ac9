#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9, at moments that an event chooses: while the model's answer is held
# back, while a tool runs, behind each step, while the repository's own hook
# runs for the result.  The job must end exactly as one that nobody disturbed.
. "$top_srcdir/tests/lib/test-lib.sh"

# In the command line of each tool, to find those that outlive their job.
mark=tool-of-${T##*.}

# Two answers with a tool each, then the last words.  The second answer is held
# back until there is a file go; its tool, when the task is "slow tool", until
# there is a file go-tool in the work tree.
second='{"text":"Then two."},{"tool_use":{"id":"toolu_two","name":"bash","input":{"command"'
cat >scenario.json <<-EOF
	{"rules":[
	{"name":"last", "match":{"min_messages":5}, "sequence":[{"text":"Done with it."}]},
	{"name":"slow", "match":{"min_messages":3, "first_user":"slow tool"}, "sequence":[{"content":[$second:
		"touch at-tool; until [ -e go-tool ]; do sleep 0.01; done; rm -f at-tool go-tool; echo two >TWO # $mark"}}}]}]},
	{"name":"second", "match":{"min_messages":3}, "sequence":[{"wait_file":"$T/go", "content":[$second:"echo two >TWO"}}}]}]},
	{"name":"first", "match":{}, "sequence":[{"content":[{"text":"First one."},
		{"tool_use":{"id":"toolu_one","name":"bash","input":{"command":"echo one >ONE"}}}]}]}
	]}
EOF

stub() { # METHOD PATH
	perl -MHTTP::Tiny -e 'my $r = HTTP::Tiny->new->request(@ARGV); die $r->{status} unless $r->{success}; print $r->{content}' \
		"$1" "$(cat "$T/model.url")$2"
}

begin() { # BRANCH [TASK]: pushes it; $job is its number
	stub POST /__stub/reset >/dev/null
	git -C "$T/app" push -o claude="${2:-work}" origin "main:claude/$1" >"$T/push.out" 2>&1
	job=$(pushed_job "$(cat "$T/push.out")")
	[ "$job" ]
}

kill_core() {
	kill -s KILL "$(process_pid daemon)"
	wait_until '! process_alive daemon'
}

kill_who() { # core|ROLE
	if [ "$1" = core ]; then kill_core; else kill_role "$1"; fi
}

back() { # core|ROLE: core must be started again, the others come by themselves
	[ "$1" != core ] || start_daemon
}

# Kills it as soon as the event (a regular expression) is told: between the
# commit and the next thing that it does, or a few milliseconds later.
kill_at() { # EVENT core|ROLE
	kill_pids=$([ "$2" != core ] && role_pids "$2" || process_pid daemon)
	rm -f "$T/armed"
	# shellcheck disable=SC2016,SC2086
	ff watch --json --reconnect 0s "$job" 2>/dev/null | perl -e 'my ($armed, $re, @pid) = @ARGV;
		while (<STDIN>) { open my $f, ">", $armed; if (/$re/) { kill 9, @pid; exit 0 } } exit 1' "$T/armed" "$1" $kill_pids &
	wait_until '[ -e armed ]'
	touch "$T/go"
	wait $!
}

# Processes of a job, wherever they are.
tools_running() {
	for f in /proc/[0-9]*/cmdline; do
		! { tr '\0' ' ' <"$f"; } 2>/dev/null | grep -q "^bash -c .*$mark" || echo "${f%/cmdline}"
	done
}

# $job has ended as if nobody had disturbed it, with that many answers begun at most.
as_undisturbed() { # BRANCH [ANSWERS]
	wait_job "$job" completed
	is "$(git -C app.git for-each-ref --format="%(refname:short)" "refs/heads/claude-results/$1-*")" "claude-results/$1-$job"
	is "$(git -C app.git rev-parse "claude-results/$1-$job^{tree}")" "$(cat tree)"
	is "$(git -C app.git rev-list --count "main..claude-results/$1-$job")" 1
	is "$(git -C app.git rev-parse "refs/flowforge/jobs/$job/result")" "$(git -C app.git rev-parse "claude-results/$1-$job")"
	is "$(git -C app.git rev-parse "refs/flowforge/jobs/$job/source")" "$(git -C app.git rev-parse "claude/$1")"
	is "$(git -C app.git rev-parse "refs/flowforge/jobs/$job/base")" "$(git -C app.git rev-parse main)"
	like "$(git -C app.git notes --ref=flowforge show "claude/$1")" "^Result: claude-results/$1-$job\$"
	git -C app.git fsck --strict --no-dangling
	# Each line of the agent once, in order.
	is "$(sed -n "s/.*\"stream\":\"agent\",\"text\":\"\([^\"]*\)\".*/\1/p" "state/logs/$job.log" | tr "\n" "/")" \
		"First one./Then two./Done with it./"
	stub GET /__stub/state >charged
	[ "$(json charged <charged)" -le "${2:-3}" ] || { cat charged; false; }
	is "$(json rules.0.charged <charged) $(json rules.3.charged <charged)" "1 1"
	wait_until "[ ! -e state/jobs/$job ]"
	is "$(ls state/spool)" ""
	is "$(tools_running)" ""
}

test_expect 'without a disturbance: what the others are compared with' '
	start_model "$T/scenario.json"
	start_daemon
	make_repo app
	printf "#!/bin/sh\n[ ! \"\$FLOWFORGE_PUBLISH\" ] || { touch $T/hooked; until [ -e $T/let-go ]; do sleep 0.01; done; }\n" >app.git/hooks/post-receive
	chmod +x app.git/hooks/post-receive
	ff hooks install app.git
	touch let-go
	touch go
	begin calm
	wait_job "$job" completed
	git -C app.git rev-parse "claude-results/calm-$job^{tree}" >tree
	is "$(git -C app.git show "claude-results/calm-$job:TWO")" two
	as_undisturbed calm
'

for who in core worker gateway; do
	test_expect "$who is killed while an answer is held back" '
		rm -f go go.reached
		begin "held-$who"
		wait_until "[ -e go.reached ]"
		kill_who $who
		touch go
		back $who
		as_undisturbed "held-$who" 4
	'

	test_expect "$who is killed while a tool runs" '
		begin "tool-$who" "slow tool"
		wait_until "[ -e state/jobs/$job/ws/at-tool ]"
		kill_who $who
		[ $who = gateway ] || wait_until "[ -z \"\$(tools_running)\" ]"
		touch "state/jobs/$job/ws/go-tool"
		back $who
		as_undisturbed "tool-$who"
	'
done

# The branch is there already, for all to see, and nothing else is.
for who in core worker; do
	test_expect "$who is killed while the hook of the repository runs for the result" '
		rm -f hooked let-go
		touch go
		begin "hook-$who"
		wait_until "[ -e hooked ]"
		is "$(git -C app.git rev-parse "claude-results/hook-$who-$job^{tree}")" "$(cat tree)"
		kill_who $who
		touch let-go
		back $who
		as_undisturbed "hook-$who"
	'
done
# What happens behind the event within its next few milliseconds is open, and so
# is how the job gets on: but not how it ends.
for who in core worker; do
	for at in run:finished commit:started commit:finished rebase:finished publish:started publish:finished; do
		step=${at%:*} what=${at#*:}
		test_expect "$who is killed when $step has $what" '
			rm -f go go.reached
			begin "$step-$what-$who"
			wait_until "[ -e go.reached ]"
			kill_at "step[.]$what.*\"$step\"|\"$step\".*step[.]$what" $who
			[ $who != core ] || wait_until "! process_alive daemon"
			back $who
			as_undisturbed "$step-$what-$who"
		'
	done
done

test_expect 'what the record says of each job is what its events say, and nothing is left' '
	stop_daemon
	"$top_builddir/tests/lib/refold" state/flowforge.db
	is "$(ls state/jobs)" ""
	is "$(find app.git -name "*.lock")" ""
'

test_done
