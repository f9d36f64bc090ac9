#!/bin/sh
# SPDX-License-Identifier: MIT
# publish.method = push through a real gitolite: results are pushed by an
# account of their own, under gitolite's access rules.
. "$top_srcdir/tests/lib/test-lib.sh"
. "$top_srcdir/tests/lib/push-lib.sh"

push_skips
command -v gitolite >/dev/null || skip_all 'gitolite3 is not installed'
USER=$(id -un)
export USER # gitolite names itself by it
code=$HOME/local

# gitolite.conf with these rules for results, pushed as the admin does.
rules() { # LINE...
	{
		printf 'repo gitolite-admin\n    RW+ = admin\nrepo app\n    RW+ = admin\n    RW claude/ = alice\n    R = alice flow\n'
		for rules_line in "$@"; do printf '    %s\n' "$rules_line"; done
		printf '    option hook.pre-receive = flowforge-pre-receive\n    option hook.post-receive = flowforge-post-receive\n'
	} >"$T/gitolite-admin/conf/gitolite.conf"
	git -C "$T/gitolite-admin" add -A
	git -C "$T/gitolite-admin" commit -q --allow-empty -m "rules: $*"
	git -C "$T/gitolite-admin" push -q origin HEAD >"$T/admin.out" 2>&1 || { cat "$T/admin.out"; return 1; }
	unlike "$(cat "$T/admin.out")" 'FATAL|WARNING|ERROR'
}
begin() { # NAME -> $job
	git -C "$T/app" push -o claude=work alice:app "main:refs/heads/claude/$1" >"$T/out" 2>&1 || { cat "$T/out"; return 1; }
	job=$(pushed_job "$(cat "$T/out")")
}

write_scenario 'printf "about\n" >ABOUT'
test_expect 'gitolite serves, with our hooks and an account for results' '
	start_model "$T/scenario.json"
	start_sshd
	push_keys
	sed -n "/^Host git\$/,\$p" ssh/config >ssh/entry
	for who in admin alice; do
		ssh-keygen -q -t ed25519 -N "" -C "$who" -f "ssh/$who"
		sed -e "s/^Host git\$/Host $who/" -e "s|ssh/user\$|ssh/$who|" ssh/entry >>ssh/config
	done
	mkdir -p -m 700 "$HOME/.ssh"
	ln -sf "$HOME/.ssh/authorized_keys" ssh/authorized_keys
	git config --global init.defaultBranch master
	gitolite setup -pk ssh/admin.pub
	git config --global init.defaultBranch main
	perl -pi -e "s|# (LOCAL_CODE +=> +\"\\\$ENV\\{HOME\\}/local\",)|\$1|; s|# (.repo-specific-hooks.,)|\$1|" "$HOME/.gitolite.rc"
	is "$(gitolite query-rc LOCAL_CODE)" "$HOME/local"
	git clone -q admin:gitolite-admin gitolite-admin
	cp ssh/alice.pub ssh/flow.pub gitolite-admin/keydir/
	mkdir -p "$code/hooks/repo-specific"
	push_conf | sed "s|/PATH\$|/NAME|" >conf.words
	# shellcheck disable=SC2046
	start_daemon $(cat conf.words) "publish.root=$HOME/repositories" trigger.ignore-pusher=flow
	ff hooks install --gitolite "$code"
	rules "RW claude-results/ = flow"
	make_repo app
	git -C app push -q admin:app main
'

test_expect 'a result is pushed by the account that may, and starts nothing' '
	begin one
	wait_job "$job" completed
	is "$(ff show "$job" --json | json pusher)" alice
	is "$(git -C "$HOME/repositories/app.git" show "claude-results/one-$job:ABOUT")" about
	is "$(job_count)" 1
	like "$(cat "$HOME"/.gitolite/logs/*)" "app.*flow.*W.*refs/heads/claude-results/one-$job"
'

test_expect 'nobody else may, not even with the right to' '
	must_fail git -C app push admin:app main:refs/heads/claude-results/mine >out 2>&1
	like "$(cat out)" "results are made by"
	must_fail git -C app push alice:app main:refs/heads/claude-results/mine >out 2>&1
	like "$(cat out)" "DENIED|results are made by"
'

test_expect 'a rule that denies the branch is the end of the job, in its words' '
	rules "RW other/ = flow"
	begin two
	wait_job "$job" failed
	ff show "$job" --json >shown
	is "$(json error <shown) $(json attempt <shown)" "NOT_ALLOWED 1"
	like "$(json description <shown)" "result kept as refs/flowforge/jobs/$job/result.*DENIED"
	like "$(ff log "$job")" "server: .*DENIED.*refs/heads/claude-results/two-$job|server: .*claude-results/two-$job.*DENIED"
	is "$(git -C "$HOME/repositories/app.git" show "refs/flowforge/jobs/$job/result:ABOUT")" about
	is "$(git -C "$HOME/repositories/app.git" for-each-ref "refs/heads/claude-results/two*")" ""
'

test_expect 'a repository that may not be written at all is said likewise' '
	rules
	begin three
	wait_job "$job" failed
	ff show "$job" --json >shown
	is "$(json error <shown) $(json attempt <shown)" "NOT_ALLOWED 1"
	like "$(json description <shown)" "server refused the push: .*DENIED"
'
test_done
