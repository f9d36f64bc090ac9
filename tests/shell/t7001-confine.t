#!/bin/sh
# SPDX-License-Identifier: MIT
# flowforge-confine by itself, without the sandbox around it, so that what
# holds is its own; and a kernel without Landlock, as strace pretends it.
. "$top_srcdir/tests/lib/test-lib.sh"

confine=$T/libexec/flowforge-confine
mkdir mine
abi() { # the version of Landlock here, 0 without
	python3 -c 'import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))' 2>/dev/null ||
		perl -e 'my $n = syscall(444, 0, 0, 1); print $n < 0 ? 0 : $n'
}

test_expect 'wrong words start nothing' '
	for words in "" "--" "true" "size=1 -- /bin/true" "open-files=0 -- /bin/true" "open-files=x -- /bin/true" "landlock=no -- /bin/true"; do
		status_is 126 "$confine" $words 7>why
		[ -s why ]
	done
	status_is 126 "$confine" -- /nonexistent 7>why
	is "$(cat why)" "/nonexistent: No such file or directory"
	status_is 126 "$confine" write=/nonexistent landlock=required -- /bin/true 7>why
'

test_expect 'it becomes the program, with its words, status and environment' '
	is "$(HERE=there "$confine" write=/tmp -- /bin/sh -c "echo \$HERE \$1 \$0; exit 3" a "b c" || echo $?)" "there b c a
3"
'

test_expect 'descriptors are closed, limits only ever go down' '
	is "$("$confine" -- /bin/sh -c "ls /proc/self/fd | wc -l" 7>why 8</etc/passwd 200</etc/passwd)" 4
	[ ! -s why ]
	is "$(ulimit -n 100; "$confine" open-files=4096 -- /bin/sh -c "ulimit -n; ulimit -Hn")" "100
100"
	is "$("$confine" "write=$T/mine" file-bytes=1023 -- /bin/sh -c "ulimit -c; ulimit -f; head -c 5000 /dev/zero 2>/dev/null >mine/f; stat -c %s mine/f" || :)" "0
2
1024"
'

if [ "$(abi)" -ge 2 ]; then
	test_expect 'files change only where they may' '
		is "$("$confine" "write=$T/mine" -- /bin/sh -c "echo a >mine/a; mkdir mine/d; mv mine/a mine/d/b; cat mine/d/b
			{ echo b >beside; } 2>/dev/null || echo no; mkdir dir 2>/dev/null || echo no; rm confine.t 2>/dev/null || echo no
			cat /etc/hostname >/dev/null && { echo c >/dev/null; } && echo yes")" "a
no
no
no
yes"
		[ ! -e beside ] && [ ! -e dir ]
	'
else
	test_skip 'files change only where they may' 'this kernel has no Landlock'
fi

# Not the kernel that lacks it, but what it would say.
without_landlock() {
	strace -f -qq -o /dev/null -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:error=EOPNOTSUPP "$@"
}

test_expect 'a kernel without Landlock: jobs run, unless it is required' '
	is "$(without_landlock "$confine" "write=$T/mine" -- /bin/sh -c "echo b >beside && cat beside")" b
	status_is 126 without_landlock "$confine" landlock=required "write=$T/mine" -- /bin/true 7>why
	is "$(cat why)" "Landlock: Function not implemented"
'

case ${SANITIZER:-none} in none) ;; *)
	# LeakSanitizer, which is itself a tracer, ends a program that is traced.
	test_skip 'the doctor says so, and what it asks for keeps jobs waiting' 'a sanitizer cannot look at a traced program'
	test_done ;;
esac

test_expect 'the doctor says so, and what it asks for keeps jobs waiting' '
	printf "#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=landlock_create_ruleset %s /usr/bin/bwrap \"\$@\"\n" \
		"-e inject=landlock_create_ruleset:error=EOPNOTSUPP" >bwrap
	chmod 755 bwrap
	write_scenario true
	start_model "$T/scenario.json"
	start_daemon "sandbox.bwrap=$T/bwrap" sandbox.probe-interval=100ms
	wait_until "ff doctor >doctor.out; grep -qE \"^(fail|warn) +sandbox: jobs\" doctor.out"
	like "$(cat doctor.out)" "^warn +sandbox: jobs can be confined, but this kernel has no Landlock"
	stop_daemon
	start_daemon "sandbox.bwrap=$T/bwrap" sandbox.probe-interval=100ms sandbox.require=landlock
	wait_until "ff doctor >doctor.out; grep -qE \"^fail +sandbox: jobs\" doctor.out"
	like "$(cat doctor.out)" "^fail +sandbox: jobs wait, .*sandbox.require has landlock"
	status_is 1 flowforged --config flowforge.conf -c sandbox.require=walls --check-config 2>said
	like "$(cat said)" "sandbox.require"
'

test_done
