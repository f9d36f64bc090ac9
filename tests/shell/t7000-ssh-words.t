#!/bin/sh
# SPDX-License-Identifier: MIT
# What a key with command="flowforge shell" may do: real pushes and fetches by
# git, our harmless words, and nothing else.  ssh is played by a script that
# hands the command on as sshd does.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/test-lib.sh"

cat >"$T/bin/ssh" <<EOF
#!/bin/sh
# What sshd does with a forced command: nothing of the client's line is run.
while [ \$# -gt 0 ]; do
	case \$1 in
	-*) shift ;;
	*) break ;;
	esac
done
shift
SSH_ORIGINAL_COMMAND=\$* exec "$T/bin/flowforge" -c server.run-dir="$T/no-such-run" shell
EOF
chmod +x "$T/bin/ssh"
GIT_SSH_COMMAND=$T/bin/ssh
GIT_SSH_VARIANT=simple
export GIT_SSH_COMMAND GIT_SSH_VARIANT
git init -q --bare "$T/a b.git"
git init -q "$T/w"
git -C "$T/w" commit -q --allow-empty -m one

word() { # STATUS WORDS...: what the words end with
	want=$1
	shift
	rc=0
	"$T/bin/ssh" git@host "$@" >"$T/stdout" 2>"$T/stderr" || rc=$?
	[ "$rc" = "$want" ] || { echo "$*: status $rc, not $want"; cat "$T/stderr"; return 1; }
}

test_expect 'git pushes and fetches through it, also with a blank in the path' '
	git -C "$T/w" push -q "ssh://git@host$T/a b.git" HEAD:refs/heads/main
	git clone -q "ssh://git@host$T/a b.git" "$T/copy"
	[ "$(git -C "$T/copy" rev-parse HEAD)" = "$(git -C "$T/w" rev-parse HEAD)" ]
'
test_expect 'a program named behind the path of a push is not run' '
	must_fail word 0 "git-receive-pack \"$T/a b.git\"; touch $T/planted"
	must_fail word 0 "git-upload-pack \`touch $T/planted\`"
	must_fail word 0 "git-upload-pack; touch $T/planted"
	[ ! -e "$T/planted" ]
'
test_expect 'our words reach the daemon' '
	word 5 flowforge list
	grep -q "cannot reach flowforged at $T/no-such-run" "$T/stderr"
	word 5 flowforge show 12 --json
'
test_expect 'all else is refused with the words that are not' '
	for w in "" bash "flowforge submit / x" "flowforge doctor" "flowforge hooks install /" "flowforge shell list" \
		"git gc" "git-shell" "scp -t /" "internal-sftp" "flowforge"; do
		word 4 "$w"
		grep -q "list show watch log diff cancel retry" "$T/stderr"
	done
'
test_expect 'the configuration is not the caller'"'"'s' '
	echo "secret-in-a-file" >"$T/private"
	word 4 "flowforge --config $T/private list"
	word 4 "flowforge list --config=$T/private"
	word 4 "flowforge list -c server.run-dir=/tmp"
	must_fail grep -q secret-in-a-file "$T/stderr"
'
test_expect 'letters that mean something to a shell are refused' '
	for w in "flowforge show \$(id)" "flowforge show 1;id" "flowforge show 1|id" "flowforge show \`id\`" "flowforge show 1>x"; do
		word 2 "$w"
		grep -q "is not allowed over ssh" "$T/stderr"
	done
'
test_done
