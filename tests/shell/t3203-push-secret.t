#!/bin/sh
# SPDX-License-Identifier: MIT
# publish.key = secret:NAME: the key that pushes lies sealed in the record, that
# of a repository before that of the server, and is on no disk in the clear.
. "$top_srcdir/tests/lib/test-lib.sh"
. "$top_srcdir/tests/lib/push-lib.sh"

push_skips
write_scenario 'printf "about\n" >ABOUT'

# A pushed branch of that name, and its job's end; $job is its number.
try() { # NAME STATE
	(cd app && push origin "main:refs/heads/claude/$1" -o claude=work -o claude.retries=0)
	job=$(said_job)
	wait_job "$job" "$2"
}

test_expect 'a server, a master key, and no file with the key that pushes' '
	start_model "$T/scenario.json"
	start_sshd
	push_keys
	make_repo app
	printf "#!/bin/sh\ncat >>%s/post\n" "$T" >app.git/hooks/post-receive
	chmod +x app.git/hooks/post-receive
	push_conf | grep -v publish.key-file >conf.words
	# shellcheck disable=SC2046
	write_config $(cat conf.words) publish.key=secret:pusher "secret.key-file=$T/master.key"
	ff secret init 2>/dev/null
	start_daemon
	ff hooks install "$T/app.git"
'

test_expect 'no such secret: the result is kept, and what to do is said' '
	try none failed
	like "$(ff show "$job")" "there is no secret pusher: set it by flowforge secret set pusher"
	like "$(ff show "$job")" "result kept as refs/flowforge/jobs/$job/result"
'

test_expect 'one of another kind, or that is no key, is none' '
	ff secret set pusher --kind webhook <ssh/flow
	try kind failed
	like "$(ff show "$job")" "pusher is of the kind webhook, not deploy-key"
	ff secret delete pusher
	echo this-is-no-private-key | ff secret set pusher --kind deploy-key
	try words failed
	like "$(ff show "$job")" "the secret of publish.key is no private key: make one by ssh-keygen"
'

test_expect 'the key of the server pushes, and the hooks of the other side run' '
	ff secret set pusher --kind deploy-key <ssh/flow
	rm ssh/flow
	try one completed
	is "$(git -C app.git show "claude-results/one-$job:ABOUT")" about
	like "$(cat post)" " refs/heads/claude-results/one-$job\$"
'

test_expect 'the key of a repository comes before that of the server' '
	ssh-keygen -q -t ed25519 -N "" -f ssh/stranger
	ff secret set pusher --kind deploy-key --repo app.git <ssh/stranger
	try strange failed
	like "$(ff show "$job")" "refused the key of publish.key"
	ff secret delete pusher --repo app.git
	try two completed
'

test_expect 'the key is nowhere but where it was put' '
	stop_daemon
	word=$(sed -n 3p "$T/ssh/stranger")
	[ ${#word} -ge 32 ]
	is "$(grep -rlF -e "$word" state run daemon.log model.log home tmp app.git || :)" ""
	is "$(grep -rlF -e "PRIVATE KEY" state run daemon.log model.log home tmp app.git || :)" ""
'

test_done
