#!/bin/sh
# SPDX-License-Identifier: MIT
# Beside a real gitolite, whose home is the test's: its access rules go on
# working with our hooks in, and a task reaches the daemon with the name that
# gitolite gave the pusher.  Pushes come through a real sshd.
. "$top_srcdir/tests/lib/test-lib.sh"

reason=$(no_ssh)
command -v gitolite >/dev/null || reason='gitolite3 is not installed'
[ ! "$reason" ] || skip_all "$reason"
USER=$(id -un)
export USER # gitolite names itself by it
code=$HOME/local

# Each person's name is a host of the ssh configuration, with a key of their own.
people() {
	sed -n '/^Host git$/,$p' "$T/ssh/config" >"$T/ssh/entry"
	for who in admin alice bob; do
		ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/ssh/$who" || return
		sed -e "s/^Host git\$/Host $who/" -e "s|ssh/user\$|ssh/$who|" "$T/ssh/entry" >>"$T/ssh/config"
	done
	# What sshd reads is what gitolite writes.
	mkdir -p -m 700 "$HOME/.ssh" && ln -sf "$HOME/.ssh/authorized_keys" "$T/ssh/authorized_keys"
}
# A line of the rc, uncommented or added to ENABLE.
rc() {
	perl -pi -e 's|# (LOCAL_CODE +=> +"\$ENV\{HOME\}/local",)|$1|; s|# (.repo-specific-hooks.,)|$1|;
		s|^( +).info.,|$1q(info), q(flowforge),|' "$HOME/.gitolite.rc"
	is "$(gitolite query-rc LOCAL_CODE)" "$HOME/local" && gitolite query-rc POST_COMPILE | grep repo-specific
}
# gitolite.conf with these lines for the repository app, pushed as the admin does.
admin_push() ( # LINE...
	cd "$T/gitolite-admin" || exit
	{
		printf 'repo gitolite-admin\n    RW+ = admin\nrepo testing\n    RW+ = @all\nrepo app\n    RW+ = admin\n'
		printf '    RW+ claude/ = alice\n    RW+ main = bob\n    R = alice bob\n'
		for admin_line in "$@"; do printf '    %s\n' "$admin_line"; done
	} >conf/gitolite.conf
	git add -A && git commit -q --allow-empty -m "$*" && git push -q origin HEAD >"$T/admin.out" 2>&1 ||
		{ cat "$T/admin.out"; exit 1; }
	unlike "$(cat "$T/admin.out")" 'FATAL|WARNING|ERROR'
)
all_files() { # what uninstall must bring back
	find "$code" -mindepth 1 -maxdepth 1 ! -name commands
	find "$code/hooks" "$HOME/repositories/app.git/hooks" -type f ! -name "*.sample" -exec cksum {} + | sort
	git config --global --list | sort
}

test_expect 'gitolite is set up, and serves' '
	start_sshd
	people
	# gitolite looks for its configuration on the branch of that name only.
	git config --global init.defaultBranch master
	gitolite setup -pk "$T/ssh/admin.pub"
	git config --global init.defaultBranch main
	rc
	git clone -q admin:gitolite-admin "$T/gitolite-admin"
	cp "$T/ssh/alice.pub" "$T/ssh/bob.pub" gitolite-admin/keydir/
	mkdir -p "$code/hooks/repo-specific" "$code/commands"
	printf "#!/bin/sh\necho \"other saw \$GL_USER\"\n" >"$code/hooks/repo-specific/other"
	chmod +x "$code/hooks/repo-specific/other"
	admin_push "option hook.post-receive = other"
	make_repo app
	git -C app push -q admin:app main
	git -C app checkout -q -b work
	git -C app commit -q --allow-empty -m two
	git -C app push alice:app HEAD:claude/before >out 2>&1
	like "$(cat out)" "^remote: other saw alice"
	all_files >before
'

write_scenario 'printf "about\n" >ABOUT'
test_expect 'the hooks are installed, and say what is left to do' '
	start_model "$T/scenario.json"
	start_daemon
	ff hooks install --gitolite "$code" >out
	grep "option hook\." out
	admin_push "option hook.pre-receive = flowforge-pre-receive" \
		"option hook.post-receive = other flowforge-post-receive"
	ff hooks install --gitolite "$code" >again
	unlike "$(cat again)" "write "
'
test_expect 'a push by alice with a task makes a job of alice' '
	git -C app commit -q --allow-empty -m three
	git -C app push -o claude="say what this is" alice:app HEAD:claude/x >out 2>&1
	cat out
	like "$(cat out)" "^remote: other saw alice"
	job=$(pushed_job "$(cat out)")
	is "$job" 1
	ff show "$job" --json >shown
	is "$(json pusher <shown)" alice
	wait_job "$job" completed
	is "$(git -C app ls-remote alice:app "refs/heads/claude-results/*" | wc -l)" 1
'
test_expect 'a branch that is not hers is still refused, and starts nothing' '
	must_fail git -C app push -o claude=x alice:app HEAD:main >out 2>&1
	like "$(cat out)" "DENIED"
	must_fail git -C app push -o claude=x bob:app HEAD:claude/bob >out 2>&1
	like "$(cat out)" "DENIED"
	status_is 128 git -C app push -o claude=x alice:gitolite-admin HEAD:claude/x >out 2>&1
	like "$(cat out)" "DENIED"
	is "$(job_count)" 1
'
test_expect 'what our own rules refuse is refused, for the admin too' '
	must_fail git -C app push admin:app HEAD:claude-results/x-9 >out 2>&1
	like "$(cat out)" "results are made by"
	must_fail git -C app push -o claude.priority=urgent -o claude=x alice:app HEAD:claude/y >out 2>&1
	like "$(cat out)" "priority"
	is "$(git ls-remote admin:app claude/y claude-results/x-9)" ""
	is "$(job_count)" 1
'
test_expect 'a push of a repository without the option lines starts nothing' '
	git -C app push -o claude=x admin:testing HEAD:claude/x >out 2>&1
	unlike "$(cat out)" "job"
	is "$(job_count)" 1
'
test_expect 'an admin push still works, with a task in another repository' '
	admin_push "option hook.pre-receive = flowforge-pre-receive" \
		"option hook.post-receive = other flowforge-post-receive" "RW+ next = bob"
	git -C app push -q bob:app HEAD:next
	git -C app push -q bob:app HEAD:main
'
test_expect 'our words are a command of gitolite' '
	printf "#!/bin/sh\nexec %s/bin/flowforge --config %s/flowforge.conf shell \"\$@\"\n" "$T" "$T" >"$code/commands/flowforge"
	chmod +x "$code/commands/flowforge"
	ssh -F ssh/config alice flowforge list >out
	like "$(cat out)" "completed.*claude/x"
	ssh -F ssh/config alice flowforge show 1 --json >out
	is "$(json pusher <out)" alice
	must_fail ssh -F ssh/config alice flowforge hooks status / 2>out
	like "$(cat out)" "not allowed"
'
test_expect 'a value that was there before comes back, one set by others stays' '
	HOME=$T/other GIT_CONFIG_GLOBAL=$T/other/gitconfig
	mkdir -p "$T/other/local"
	git config --global receive.advertisePushOptions false
	git config --global receive.hideRefs refs/flowforge
	git config --global --add receive.hideRefs refs/secret
	cp "$GIT_CONFIG_GLOBAL" "$T/other/before"
	ff hooks install --gitolite "$T/other/local"
	is "$(git config --global receive.advertisePushOptions)" true
	ff hooks uninstall --gitolite "$T/other/local"
	diff "$T/other/before" "$GIT_CONFIG_GLOBAL"
	is "$(ls "$T/other/local")" hooks
	ff hooks install --gitolite "$T/other/local"
	git config --global receive.advertisePushOptions 0
	ff hooks uninstall --gitolite "$T/other/local"
	is "$(git config --global receive.advertisePushOptions)" 0
'
test_expect 'uninstall takes out what is ours, and pushes go on' '
	ff hooks uninstall --gitolite "$code"
	git -C app commit -q --allow-empty -m four
	git -C app push alice:app HEAD:claude/x >out 2>&1
	like "$(cat out)" "^remote: other saw alice"
	unlike "$(cat out)" "flowforge|No such file"
	admin_push "option hook.post-receive = other"
	git -C app commit -q --allow-empty -m five
	git -C app push alice:app HEAD:claude/x >out 2>&1
	like "$(cat out)" "^remote: other saw alice"
	must_fail git -C app push alice:app HEAD:main >out 2>&1
	like "$(cat out)" "DENIED"
	is "$(job_count)" 1
	all_files >after
	diff before after
'
test_done
