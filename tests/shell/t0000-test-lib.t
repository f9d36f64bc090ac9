#!/bin/sh
# SPDX-License-Identifier: MIT
# The test library itself: a test that can't fail shows nothing.
. "$top_srcdir/tests/lib/test-lib.sh"

# Runs a test file made of stdin and keeps what it printed in $T/inner.out.
inner() {
	{
		echo '. "$top_srcdir/tests/lib/test-lib.sh"'
		cat
	} >"$T/inner.t"
	inner_rc=0
	env -u V -u KEEP top_srcdir="$top_srcdir" top_builddir="$top_builddir" FF_TEST_SLOW=1 \
		sh "$T/inner.t" >"$T/inner.out" 2>&1 || inner_rc=$?
	cat "$T/inner.out"
}

test_expect 'a command that fails fails the test, wherever it stands' '
	inner <<-\EOF
		test_expect "first" "false; true"
		test_expect "second" "true"
		test_expect "third" "is a b; true"
		test_expect "fourth" "must_fail true"
		test_expect "fifth" "unset nothing; echo \$nothing"
		test_done
	EOF
	is "$(grep -E "^(ok|not ok|1)" inner.out)" "not ok 1 - first
ok 2 - second
not ok 3 - third
not ok 4 - fourth
not ok 5 - fifth
1..5"
	is $inner_rc 1
'

test_expect 'a passed file ends with 0, a file that breaks off has no plan' '
	inner <<-\EOF
		test_expect "one" "true"
		test_done
	EOF
	is $inner_rc 0
	inner <<-\EOF
		test_expect "one" "true"
		exit 3
	EOF
	is $inner_rc 3
	unlike "$(cat inner.out)" "^1\.\."
'

test_expect 'the checks say what was found' '
	must_fail is a b >out
	is "$(cat out)" "got:  a
want: b"
	must_fail like "one two" "^two" >out
	like "$(cat out)" "nothing matches: \^two"
	must_fail unlike "one two" "two$"
	like "one
two" "^two$"
	must_fail status_is 3 sh -c "exit 4"
	status_is 4 sh -c "exit 4"
'

test_expect 'a crash is not the failure that was asked for' '
	if must_fail sh -c "kill -SEGV \$\$" >out; then false; fi
	like "$(cat out)" "status 139"
'

test_expect 'a wait ends at its deadline and says for what' '
	test_slow=1
	wait_until true 0
	if wait_until "false #here" 0 >out; then false; fi
	like "$(cat out)" "not so after 0 s: false #here"
'

test_expect 'a wait sees what another process does' '
	(sleep 0.1; echo x >came) &
	wait_until "[ -s came ]" 10
'

test_expect 'processes are ended by pid and start time, never a stranger' '
	sleep 60 &
	note_process one $!
	process_alive one
	echo "$(process_pid one) 1" >stranger.pid
	must_fail process_alive stranger
	end_process stranger
	process_alive one
	end_process one
	must_fail process_alive one
'

test_expect 'what a test started is gone when it ends, and so is its folder' '
	inner <<-\EOF
		sleep 600 &
		note_process left $!
		echo "pid $! folder $T"
		test_expect "in a test" "sleep 600 & note_process right \$!; cat right.pid"
		test_done
	EOF
	is $inner_rc 0
	pid=$(sed -n "s/^pid \([0-9]*\) .*/\1/p" inner.out)
	folder=$(sed -n "s/.* folder //p" inner.out)
	[ "$pid" ] && [ "$folder" ]
	[ ! -e "$folder" ]
	is "$(proc_start "$pid")" ""
'

test_expect 'a report of a sanitizer or a failed assertion is a failed test' '
	inner <<-\EOF
		test_expect "one" "echo core: assertion failed: x >>daemon.log"
		test_done
	EOF
	is $inner_rc 1
	like "$(cat inner.out)" "^not ok 2 - no assertion failed"
'

test_expect 'nothing of the caller reaches a test' '
	GIT_DIR=/nowhere FLOWFORGE_SERVER_WORKERS=9 ANTHROPIC_API_KEY=secret http_proxy=http://x GL_USERNAME=x inner <<-\EOF
		test_expect "clean" "env >$T/env; grep -E \"^(GIT_DIR|FLOWFORGE_SERVER|ANTHROPIC|http_proxy|GL_)\" $T/env && exit 1; true"
		test_done
	EOF
	is $inner_rc 0
'

test_expect 'a repository has the same commits every time' '
	make_repo one
	mkdir again
	(T=$T/again && make_repo one)
	is "$(git -C one.git rev-parse main)" "$(git -C again/one.git rev-parse main)"
	is "$(git -C one.git rev-list --count main)" 3
'

test_expect 'values are found in JSON' '
	is "$(echo "{ \"id\": 12, \"state\" : \"queued\"}" | json state)" queued
	is "$(echo "{\"job\":12,\"a\":[{\"b\":\"x\"},2]}" | json job)" 12
	is "$(echo "{\"a\":[{\"b\":\"x\"},2]}" | json a.0.b)" x
	is "$(echo "{\"a\":[{\"b\":\"x\"},2]}" | json a)" 2
	is "$(echo "{\"a\":[]}" | json a.7.b)" ""
	is "$(pushed_job "remote: success: job 31 queued (task)")" 31
'

test_expect 'configuration values are kept as they are' '
	write_config "a.b=x=y # z" "trigger.refs=one" "trigger.refs=two"
	is "$(git config -f flowforge.conf a.b)" "x=y # z"
	is "$(git config -f flowforge.conf --get-all trigger.refs)" "one
two"
	is "$(git config -f flowforge.conf server.run-dir)" "$T/run"
	is "$(stat -c %a key)" 600
'

test_expect 'the model server plays a scenario, and a configuration finds it' '
	must_fail start_model no-such-file
	echo "{\"rules\":[{\"match\":{},\"sequence\":[{\"text\":\"hi\"}]}]}" >scenario.json
	start_model scenario.json
	write_config
	url=$(git config -f flowforge.conf gateway.base-url)
	like "$url" "^http://127\.0\.0\.1:[0-9]+$"
	like "$(perl -MHTTP::Tiny -e "print HTTP::Tiny->new->get(shift)->{status}" "$url/")" "^200$"
	stop_model
	must_fail process_alive model
	write_scenario "echo one" "wait:go" "echo \"two\""
	is "$(json rules.1.sequence.0.tool_use.input.command <scenario.json)" "echo \"two\""
	is "$(json rules.1.sequence.0.wait_file <scenario.json)" "$T/go"
	start_model scenario.json
	stop_model
'

reason=$(no_ssh)
if [ "$reason" ]; then
	test_skip 'git pushes over ssh, options included' "$reason"
else
	test_expect 'git pushes over ssh, options included' '
		start_sshd
		[ -d one.git ] || make_repo one
		git -C one.git config receive.advertisePushOptions true
		printf "#!/bin/sh\ncat >/dev/null\necho \"\$GIT_PUSH_OPTION_COUNT \$GIT_PUSH_OPTION_0\" >got\n" >one.git/hooks/post-receive
		chmod +x one.git/hooks/post-receive
		git -C one push -q -o "say=a b" "ssh://git$T/one.git" main:over-ssh
		is "$(cat one.git/got)" "1 say=a b"
		end_process sshd
	'
fi

test_done
