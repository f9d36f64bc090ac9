#!/bin/sh
# SPDX-License-Identifier: MIT
# publish.method = push: the result goes through a real OpenSSH server, so
# that the repository's hooks judge it; what can be wrong with keys, hosts and
# rules, each with what the user is told.  t3201 breaks the connection.
. "$top_srcdir/tests/lib/test-lib.sh"
. "$top_srcdir/tests/lib/push-lib.sh"

push_skips
write_scenario 'printf "about\n" >ABOUT'

test_expect 'a server, a key of ours, a repository with hooks of its own' '
	start_model "$T/scenario.json"
	start_sshd
	push_keys
	make_repo app
	printf "#!/bin/sh\ncat >>%s/post; echo \"from the server\"\nenv >%s/post.env\n" "$T" "$T" >app.git/hooks/post-receive
	chmod +x app.git/hooks/post-receive
	push_conf >conf.words
	# shellcheck disable=SC2046
	start_daemon $(cat conf.words)
	ff hooks install "$T/app.git"
'

test_expect 'a result is pushed: its hooks run in the session, its branch is there' '
	(cd app && push origin main:refs/heads/claude/one -o claude=work)
	wait_job 1 completed
	is "$(git -C app.git show claude-results/one-1:ABOUT)" about
	like "$(cat post)" "^0{40} $(git -C app.git rev-parse claude-results/one-1) refs/heads/claude-results/one-1\$"
	like "$(cat post.env)" "^SSH_CONNECTION=127.0.0.1"
	unlike "$(cat post.env)" "^FLOWFORGE_PUBLISH="
	like "$(ff log 1)" "server: from the server"
	is "$(git -C app.git notes --ref=flowforge show claude/one | sed -n "s/^Result: //p")" claude-results/one-1
	is "$(job_count)" 1
'

test_expect 'doctor looks at key and host' '
	ff doctor >out || :
	like "$(cat out)" "^ok +push key: $T/ssh/flow, mode 0600"
	like "$(cat out)" "^ok +push host: .127.0.0.1.:[0-9]+ is in $T/ssh/known_hosts"
	status_is 1 ff -c "publish.key-file=$T/app/README.md" -c "publish.known-hosts=$T/ssh/user.pub" doctor >out
	like "$(cat out)" "^fail +push key: .* can be read by others .mode 0644.: chmod 600"
	like "$(cat out)" "^fail +push host: .* is not in $T/ssh/user.pub: add what ssh-keyscan"
	status_is 1 ff -c "publish.key-file=$T/none" -c "publish.known-hosts=$T/none" doctor >out
	like "$(cat out)" "^fail +push key: .*ssh-keygen"
	like "$(cat out)" "^fail +push host: .*ssh-keyscan"
'

# A pushed branch of that name, and its job's end; $job is its number.
try() { # NAME STATE [REPO]
	(cd "${3:-app}" && push origin "main:refs/heads/claude/$1" -o claude=work)
	job=$(said_job)
	wait_job "$job" "$2"
}
# Failed once and for all, with that class and that text; the result is kept, and no branch was made.
failed_with() { # CLASS REGEX [REPO]
	ff show "$job" --json >shown
	is "$(json error <shown) $(json attempt <shown)" "$1 1"
	like "$(json description <shown)" "$2"
	like "$(json description <shown)" "result kept as refs/flowforge/jobs/$job/result"
	is "$(git -C "${3:-app}.git" cat-file -t "refs/flowforge/jobs/$job/result")" commit
	is "$(git -C "${3:-app}.git" for-each-ref "refs/heads/claude-results/*-$job" "refs/heads/claude-conflicts/*-$job")" ""
}

test_expect 'an unknown host is refused, with its fingerprint and what to do' '
	push_reload "publish.known-hosts=$T/ssh/empty"
	printf "# nobody\n[127.0.0.2]:22 %s\n" "$(cut -d" " -f1,2 ssh/host.pub)" >ssh/empty
	try unknown failed
	failed_with NOT_ALLOWED "host 127.0.0.1 port [0-9]+ is unknown: compare its key $(ssh-keygen -lf ssh/host.pub | cut -d" " -f2 | sed "s/[+]/[+]/g") "
'

test_expect 'another key than the known one is refused, and so is a revoked one' '
	ssh-keygen -q -t ed25519 -N "" -f ssh/other
	host=$(sed -n "s/ .*//p" ssh/known_hosts)
	printf "%s %s\n" "$host" "$(cut -d" " -f1,2 ssh/other.pub)" >ssh/wrong
	push_reload "publish.known-hosts=$T/ssh/wrong"
	try wrong failed
	failed_with NOT_ALLOWED "HAS CHANGED to SHA256:"
	printf "%s %s\n@revoked %s %s\n" "$host" "$(cut -d" " -f1,2 ssh/host.pub)" "$host" "$(cut -d" " -f1,2 ssh/host.pub)" >ssh/wrong
	try revoked failed
	failed_with NOT_ALLOWED "is revoked"
'

test_expect 'a hashed name is known, too' '
	cp ssh/known_hosts ssh/hashed
	ssh-keygen -q -H -f ssh/hashed
	unlike "$(cat ssh/hashed)" 127
	push_reload "publish.known-hosts=$T/ssh/hashed"
	try hashed completed
	push_reload "publish.known-hosts=$T/ssh/known_hosts"
'

test_expect 'a key that the server does not take is refused, agent or not' '
	stop_daemon
	eval "$(ssh-agent -s -a "$T/agent")" >/dev/null
	note_process agent "$SSH_AGENT_PID"
	ssh-add -q ssh/user
	ssh -o IdentitiesOnly=no -o "IdentityAgent=$T/agent" -i /dev/null -o UserKnownHostsFile="$T/ssh/known_hosts" \
		-p "$(sed -n "s/^Port //p" ssh/sshd_config)" 127.0.0.1 true
	git config -f flowforge.conf publish.key-file "$T/ssh/other"
	chmod 600 ssh/other
	start_daemon
	try agent failed
	failed_with NOT_ALLOWED "refused the key of publish.key-file"
	end_process agent
'

test_expect 'a key with a passphrase, or no key at all, is said' '
	ssh-keygen -q -t ed25519 -N secret-words -f ssh/locked
	push_reload "publish.key-file=$T/ssh/locked"
	try locked failed
	failed_with INVALID "without a passphrase"
	push_reload "publish.key-file=$T/ssh/flow.pub"
	chmod 600 ssh/flow.pub
	try public failed
	failed_with INVALID "holds no private key"
'

test_expect 'a key that others can read is not used' '
	cp ssh/flow ssh/open
	chmod 640 ssh/open
	push_reload "publish.key-file=$T/ssh/open"
	try open failed
	failed_with NOT_ALLOWED "can be read by others .mode 640.: chmod 600"
	push_reload "publish.key-file=$T/ssh/flow"
	unlike "$(cat daemon.log state/logs/*)" "$(sed -n 3p ssh/flow)"
'

test_expect 'a rule of the repository refuses: its words, made harmless, and no second try' '
	make_repo strict
	cat >strict.git/hooks/pre-receive <<-EOF
		#!/bin/sh
		while read -r old new ref; do
			case \$ref in */claude-results/*) ;; *) continue ;; esac
			printf "\033[31mno results\033[0m in here: ask bob\n" >&2
			exit 1
		done
	EOF
	chmod +x strict.git/hooks/pre-receive
	ff hooks install "$T/strict.git"
	try rule failed strict
	failed_with NOT_ALLOWED "pre-receive hook declined.*no results.* in here: ask bob" strict
	like "$(ff log "$job")" "server: .*no results.* in here: ask bob"
	is "$(ff log "$job" | tr -d "\n -~" | wc -c)" 0
	ff show "$job" >shown
	like "$(cat shown)" "refs/flowforge/jobs/$job/result"
'

test_expect 'a branch that is there with something else is left alone' '
	next=$(($(job_count) + 1))
	git -C app.git update-ref "refs/heads/claude-results/there-$next" main
	(cd app && push origin main:refs/heads/claude/there -o claude=work)
	job=$(said_job)
	is "$job" "$next"
	wait_job "$job" failed
	is "$(ff show "$job" --json | json error)" CONFLICT
	like "$(ff show "$job")" "claude-results/there-$job is there already"
	is "$(git -C app.git rev-parse "claude-results/there-$job")" "$(git -C app rev-parse main)"
'

test_expect 'what conflicts is pushed, too' '
	git -C app checkout -q -b other main
	echo other >app/ABOUT
	(cd app && commit_all "another ABOUT" && git push -q git:"$T/app.git" other:refs/heads/moved)
	(cd app && push origin main:refs/heads/claude/clash -o claude=work -o claude.target=moved)
	git -C app checkout -q main
	job=$(said_job)
	wait_job "$job" conflicted
	like "$(git -C app.git show "claude-conflicts/clash-$job:ABOUT")" "^>>>>>>> change"
	like "$(ff log "$job")" "server: from the server"
	like "$(cat post)" "refs/heads/claude-conflicts/clash-$job\$"
	(cd app && git fetch -q origin "claude-conflicts/clash-$job" && git checkout -q FETCH_HEAD && echo both >ABOUT &&
		git commit -qam solved && push origin "HEAD:claude-conflicts/clash-$job" && git checkout -q main)
	wait_job "$job" completed
	is "$(git -C app.git show "claude-results/clash-$job:ABOUT")" both
	like "$(cat post)" "refs/heads/claude-results/clash-$job\$"
'

test_expect 'while our push is expected, nobody else can make anything of it' '
	hold_results app
	(cd app && push origin main:refs/heads/claude/forge -o claude=work)
	job=$(said_job)
	wait_until "[ -e held ]"
	result=$(git -C app.git rev-parse "refs/flowforge/jobs/$job/result")
	ref=refs/heads/claude-results/forge-$job
	git -C app fetch -q "$T/app.git" "refs/flowforge/jobs/$job/result"
	for what in "main:$ref" "$result:$ref-x" "$result:refs/heads/claude-results/other" "$result:refs/heads/claude-conflicts/forge-$job" \
		"$result:$ref $result:refs/heads/claude-results/second" "$result:$ref main:refs/heads/plain"; do
		# shellcheck disable=SC2086
		must_fail git -C app push git:"$T/app.git" $what >out 2>&1
		like "$(cat out)" "are (made|shown here) by flowforge alone"
	done
	is "$(git -C app.git for-each-ref "refs/heads/claude-results/*forge*" refs/heads/plain "refs/heads/claude-conflicts/forge*")" ""
	>go
	wait_job "$job" completed
	is "$(git -C app.git rev-parse "$ref")" "$result"
	must_fail git -C app push git:"$T/app.git" "main:refs/heads/claude-results/forge-$job-1" >out 2>&1
	rm app.git/hooks/update
'

test_expect 'with the daemon away a result branch is refused, and other pushes go on' '
	stop_daemon
	must_fail git -C app push git:"$T/app.git" main:refs/heads/claude-results/away >out 2>&1
	like "$(cat out)" "results are made by flowforge alone"
	git -C app push -q git:"$T/app.git" main:refs/heads/plain
	start_daemon
'

test_expect 'an address that leads elsewhere is noticed' '
	git clone -q --bare app.git app.git.mirror
	push_reload "$(push_conf | sed -n "s/^\(publish.url=.*PATH\)/\1.mirror/p")"
	try elsewhere completed
	like "$(ff log "$job")" "warning: the server took claude-results/elsewhere-$job, but it is not in $T/app.git"
	is "$(git -C app.git.mirror rev-parse "claude-results/elsewhere-$job")" "$(git -C app.git rev-parse "refs/flowforge/jobs/$job/result")"
	push_reload "$(push_conf | sed -n "s/^\(publish.url=.*PATH\)/\1/p")"
'

test_expect 'a repository may ask for a push, and not for less' '
	git -C app.git config flowforge.publish ref
	try less completed
	like "$(ff log "$job")" "flowforge.publish = ref .* passed over"
	like "$(ff log "$job")" "server: from the server"
	push_reload publish.method=ref
	git -C app.git config flowforge.publish push
	try more completed
	like "$(ff log "$job")" "server: from the server"
	git -C app.git config flowforge.publish maybe
	try maybe failed
	like "$(ff show "$job")" "flowforge.publish .* must be ref or push"
	git -C app.git config --unset flowforge.publish
	try plain completed
	unlike "$(ff log "$job")" "server:"
	like "$(ff log "$job")" "post-receive: from the server"
'

test_expect 'a configuration that cannot work is not taken' '
	check() { status_is 1 flowforged --config "$T/flowforge.conf" -c publish.method=push "$@" --check-config 2>out; }
	check -c publish.url=
	like "$(cat out)" "publish.method = push needs publish.url"
	check -c publish.key-file= -c publish.known-hosts=
	like "$(cat out)" "needs publish.key-file"
	like "$(cat out)" "needs publish.known-hosts"
	for url in https://git@h/PATH git@h:PATH ssh://h/PATH ssh://git:word@h/PATH ssh://git@h/app.git ssh://git@h:0/PATH \
		ssh://git@-oProxyCommand=x/PATH ssh://-l@h/PATH ssh://git@/PATH; do
		check -c "publish.url=$url"
		like "$(cat out)" "publish.url"
	done
	check -c publish.method=ref -c publish.key-file=
	like "$(cat out)" "publish.url needs publish.key-file"
	check -c publish.url=ssh://git@h/NAME
	like "$(cat out)" "needs publish.root"
	check -c publish.timeout=5s -c publish.connect-timeout=6s
	like "$(cat out)" "must not be more than publish.timeout"
'
test_done
