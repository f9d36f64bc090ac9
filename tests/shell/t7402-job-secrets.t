#!/bin/sh
# SPDX-License-Identifier: MIT
# Secrets and an environment for a job; and canaries: unique words in key file,
# record, environment and other repositories, of which no output, file, table
# or message holds one after jobs with all drivers, nor its base64, hex or URL form.
. "$top_srcdir/tests/lib/fault-lib.sh"

for claude in "${FF_CLAUDE_CODE-}" /opt/claude-code/claude ''; do
	[ -x "$claude" ] && break
done

# With bytes that base64 and URLs write in their own way.
key='CANARY-apikey-k4/w+Q~9'
job='CANARY-job-s3/c+R?t=7'
file='CANARY-keyfile-m2>u<5'
env='CANARY-environment-8x&y'
other='CANARY-other-repo-6#z'
hook='CANARY-webhook-q1;p0-x'

forms() { # WORD: it, and its base64 (three places, two alphabets), hex and URL forms
	perl -MMIME::Base64 -e 'my $w = shift; print "$w\n";
		for my $o (0, 1, 2) { my $b = encode_base64(("\0" x $o) . $w, ""); my $f = int((8 * $o + 5) / 6);
			my $s = substr($b, $f, int(8 * ($o + length $w) / 6) - $f); print "$s\n"; $s =~ tr{+/}{-_}; print "$s\n" }
		print unpack("H*", $w), "\n", uc unpack("H*", $w), "\n";
		(my $u = $w) =~ s/([^A-Za-z0-9._~-])/sprintf "%%%02X", ord $1/ge; print "$u\n"; $u =~ s/(%..)/lc $1/ge; print "$u\n"' -- "$1"
}
: >forms.txt
for word in "$key" "$job" "$file" "$env" "$other" "$hook"; do forms "$word" >>forms.txt; done
mkdir secret-things
mv forms.txt secret-things/
printf %s "$key" >secret-things/expect

# What a careless or hostile job does with what it was given: prints it in all forms, in pieces, on both streams.
cat >leak.sh <<'END'
env | grep TOKEN; cat /proc/*/environ 2>/dev/null | tr '\0' '\n' | grep -a DEPLOY | head -n 3; echo "setting: $PLAIN_SETTING"
echo "plain: $DEPLOY_TOKEN"; echo "err: $DEPLOY_TOKEN" >&2
printf %s "$DEPLOY_TOKEN" | base64 -w0; echo
printf %s "user:$DEPLOY_TOKEN" | base64 -w0; echo
printf %s "$DEPLOY_TOKEN" | od -An -v -tx1 | tr -d ' \n'; echo
printf %s "$DEPLOY_TOKEN" | perl -pe 's/([^A-Za-z0-9._~-])/sprintf "%%%02X", ord $1/ge'; echo
printf "%0190d%s\n" 7 "$DEPLOY_TOKEN"
END
leak=$(cat leak.sh)
rm leak.sh
perl -MJSON::PP -e 'my $l = shift; print encode_json({ rules => [
	{ match => { has_tool => "Write", min_messages => 3 }, sequence => [{ text => "All was printed." }] },
	{ match => { has_tool => "Write" }, sequence => [{ tool_use => { name => "Bash", input => { command => $l } } }] },
	{ match => { first_user => "commit-it", min_messages => 3 }, sequence => [{ text => "Done." }] },
	{ match => { first_user => "commit-it" }, sequence => [{ tool_use => { name => "bash", input => { command => "printf %s \"\$DEPLOY_TOKEN\" | base64 -w0 >innocent.txt" } } }] },
	{ match => { first_user => "big-commit", min_messages => 3 }, sequence => [{ text => "Done." }] },
	{ match => { first_user => "big-commit" }, sequence => [{ tool_use => { name => "bash", input => { command => "{ head -c 8650740 /dev/zero; printf %s \"\$DEPLOY_TOKEN\"; head -c 100000 /dev/zero; } >big" } } }] },
	{ match => { min_messages => 5 }, sequence => [{ text => "Done." }] },
	{ match => { min_messages => 3 }, sequence => [{ tool_use => { name => "bash", input => { command => "echo x >X" } } }] },
	{ sequence => [{ tool_use => { name => "bash", input => { command => $l } } }] } ] })' -- "$leak" >scenario.json

mkdir agents
printf '#!/bin/bash\ncat >/dev/null\n%s\necho x >/ws/X\n' "$leak" >agents/agent
chmod 755 agents agents/agent
unset leak

start_model "$T/scenario.json" --log-bodies --expect-key "$T/secret-things/expect"
write_config server.workers=1 gateway.key=secret:model "secret.key-file=$T/secret-things/master.key" "sandbox.read-only=$T/agents" \
	"agent.command=$T/agents/agent" "branch.claude/command.driver=command" "branch.claude/claude.driver=claude-code" \
	"agent.claude-code=${claude:-/nonexistent}" "job.secrets=DEPLOY_TOKEN=deploy" job.environment=plain \
	"branch.claude/none.secrets= " "environment.plain.variable=PLAIN_SETTING=of-the-configuration" log.level=debug
rm key
printf %s "$file" >secret-things/unused.key
chmod 600 secret-things/unused.key
git config -f flowforge.conf gateway.key-file "$T/secret-things/unused.key"
FF_CANARY=$env
export FF_CANARY

leaks() { # what holds a form of a canary, outside of where it was put
	grep -rlaFf secret-things/forms.txt state run daemon.log model.log home tmp app app.git out* said 2>/dev/null |
		grep -vE "^state/flowforge.db-shm" || :
}

test_expect 'secrets are set, other repositories are there' '
	ff secret init 2>out
	start_daemon
	ff secret set model --kind api-key <secret-things/expect
	printf %s "$job" | ff secret set deploy
	printf %s "$hook" | ff secret set hook --kind webhook
	make_hooked_repo app
	git init -q --bare secret-things/other.git
	git -C secret-things/other.git update-ref refs/heads/main "$(printf %s "$other" | git -C secret-things/other.git hash-object -w --stdin)" || :
	is "$(leaks)" ""
'

test_expect 'the builtin agent gets secret and environment in its sandbox; nothing shows the secret' '
	cd app
	push -o claude="print it" origin main:claude/builtin
	cd ..
	wait_job 1 completed
	ff log 1 >out.1
	like "$(cat out.1)" "plain: \[secret\]"
	like "$(cat out.1)" "^tool  . 0{100}"
	like "$(cat out.1)" "setting: of-the-configuration"
	is "$(grep -c "\[secret\]" out.1 | awk "{ print (\$1 >= 6) }")" 1
	like "$(cat model.log)" "plain: .secret."
	is "$(leaks)" ""
'

test_expect 'so does a command' '
	cd app
	push -o claude="print it" origin main:claude/command
	cd ..
	wait_job 2 completed
	ff log 2 >out.2
	like "$(cat out.2)" "plain: \[secret\]"
	is "$(leaks)" ""
'

if [ "$claude" ]; then
	test_expect 'so does Claude Code; what it sends the model is not ours to change, and stays in its sandbox' '
		sed -i "/./d" model.log
		cd app
		push -o claude="print it" origin main:claude/claude
		cd ..
		wait_job 3 completed 120
		ff log 3 >out.3
		like "$(cat out.3)" "plain: \[secret\]"
		sed -i "/./d" model.log
		is "$(leaks)" ""
	'
else
	test_skip 'so does Claude Code' 'it is not here: run contrib/install-deps --with-claude-code'
fi

test_expect 'a result that holds it is not published, in whatever form, however large the file' '
	cd app
	push -o claude=commit-it -o claude.retries=0 origin main:claude/four
	push -o claude=big-commit -o claude.retries=0 origin main:claude/five
	cd ..
	n=$(ff list --json | json items.1.number)
	wait_job "$n" failed
	like "$(ff show "$n")" "NOT_ALLOWED +.innocent.txt. of the result holds a secret that the job was given .job.secrets.: nothing is published"
	n=$((n + 1))
	wait_job "$n" failed
	like "$(ff show "$n")" "NOT_ALLOWED +.big. of the result holds a secret"
	is "$(git -C app.git for-each-ref "refs/heads/claude-results/f*")" ""
	is "$(leaks)" ""
'

test_expect 'a branch without secrets gets none; one of another kind is for no job' '
	cd app
	push -o claude="print it" origin main:claude/none
	cd ..
	n=$(ff list --json | json items.0.number)
	wait_job "$n" completed
	unlike "$(ff log "$n")" "plain: .secret"
	git config -f flowforge.conf job.secrets "STOLEN=model"
	kill -s HUP "$(process_pid daemon)"
	wait_until "grep -q core.reloaded daemon.log"
	cd app
	push -o claude="print it" -o claude.retries=0 origin main:claude/thief
	cd ..
	n=$((n + 1))
	wait_job "$n" failed
	like "$(ff show "$n")" "the secret model is of the kind api-key, not job"
	git config -f flowforge.conf job.secrets "NOBODY=nobody"
	kill -s HUP "$(process_pid daemon)"
	wait_until "[ \"\$(grep -c core.reloaded daemon.log)\" = 2 ]"
	cd app
	push -o claude="print it" -o claude.retries=0 origin main:claude/nobody
	cd ..
	n=$((n + 1))
	wait_job "$n" failed
	like "$(ff show "$n")" "there is no secret nobody: set it by flowforge secret set nobody"
'

test_expect 'no process of the daemon has one in its arguments or environment; none leaves a core' '
	for pid in $(process_pid daemon) $(pgrep -P "$(process_pid daemon)"); do
		tr "\0" "\n" <"/proc/$pid/cmdline" >>procs
		grep -z -v "^FF_CANARY=" "/proc/$pid/environ" | tr "\0" "\n" >>procs
	done
	is "$(grep -aFf secret-things/forms.txt procs || :)" ""
	for pid in $(pgrep -P "$(process_pid daemon)"); do
		unlike "$(tr "\0" "\n" <"/proc/$pid/environ")" CANARY
	done
	rm procs
'

test_expect 'a backup of the record holds none, nor does anything else at the end' '
	ff secret list >out.list
	ff admin audit >out.audit
	ff backup "$T/state/copy" 2>out.backup
	ff list --json >out.jobs
	stop_daemon
	is "$(leaks)" ""
	# And the search finds what is there.
	printf %s "x$job" | base64 >out.control
	is "$(leaks)" out.control
	rm out.control
'

test_done
