#!/bin/sh
# SPDX-License-Identifier: MIT
# A signal ends contrib/quickstart in the middle of a command that takes long:
# nothing that it started goes on, and its private folder is gone.
. "$top_srcdir/tests/lib/test-lib.sh"

# A build whose programs only pretend. `hooks install` is the long command.
mkdir -p q/inst/bin q/inst/sbin q/inst/libexec/flowforge q/src built/tests/lib
for f in README.md LICENSE other; do echo $f >q/src/$f; done
printf '%s\n' LICENSE README.md other >q/files
cat >built/tests/lib/model-server <<-'EOF'
	#!/bin/sh
	echo $$ >"$T/pid.model"
	echo 'READY port=1 url=http://127.0.0.1:1' >"$3"
	exec sleep 1000
EOF
cat >q/inst/sbin/flowforged <<-'EOF'
	#!/bin/sh
	echo $$ >"$T/pid.daemon"
	exec sleep 1000
EOF
cat >q/inst/bin/flowforge <<-'EOF'
	#!/bin/sh
	case $3 in list) exit 0 ;; doctor) echo "sandbox: jobs can be confined" && exit 0 ;; esac
	echo "$HOME" >"$T/private"
	echo $$ >"$T/pid.long"
	exec sleep 1000
EOF
chmod +x built/tests/lib/model-server q/inst/*bin/*

# What a shell puts into the background ignores the interrupt; a terminal's does not.
begin() {
	rm -f pid.* private
	FLOWFORGE_BUILD=$T/q env --default-signal=INT "$top_srcdir/contrib/quickstart" --built "$T/built" >out 2>&1 &
	quickstart=$!
	wait_until 'test -s pid.long'
}

all_gone() {
	for f in pid.model pid.daemon pid.long; do
		! kill -0 "$(cat $f)" || return 1
	done
	[ ! -e "$(cat private)" ]
}

ends_by() { # SIGNAL STATUS
	begin
	kill -"$1" $quickstart
	# What failed must not stay behind, either.
	wait_until 'test ! -e "$(cat private)"' 10 || {
		kill "$(cat pid.model)" "$(cat pid.daemon)" "$(cat pid.long)"
		return 1
	}
	rc=0
	wait $quickstart || rc=$?
	is "$rc" "$2"
	all_gone
}

test_expect 'SIGTERM ends it, what it started, and its folder' 'ends_by TERM 143'
test_expect 'SIGINT does, too' 'ends_by INT 130'

test_done
