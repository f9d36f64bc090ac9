#!/bin/sh
# SPDX-License-Identifier: MIT
# Somebody edits the configuration while the daemon runs: roles that are
# started meanwhile go by what core goes by, mistakes or not.
. "$top_srcdir/tests/lib/test-lib.sh"

test_expect 'the daemon starts, with settings from everywhere' '
	write_config trigger.refs=refs/heads/a/*
	printf "[environment \"e\"]\n\tvariable = TOKEN=a\\\\\"b\n" >>flowforge.conf
	cp flowforge.conf good.conf
	FLOWFORGE_TRIGGER_REFS=refs/heads/b/* FLOWFORGE_SERVER_READERS=3 launch_daemon
	wait_until "ff list --json || ! process_alive daemon" 30
	process_alive daemon
	[ "$(role_pids gateway)" ]
'

test_expect 'what it goes by is written for its roles alone' '
	is "$(stat -c %a run/roles.conf)" 600
	is "$(git config -f run/roles.conf server.readers)" 3
	is "$(git config -f run/roles.conf environment.e.variable)" "TOKEN=a\"b"
	is "$(git config -f run/roles.conf --get-all trigger.refs | grep .)" "refs/heads/a/*
refs/heads/b/*"
'

test_expect 'a role that is started again does not see a broken file' '
	old=$(role_pids gateway)
	echo "[server" >flowforge.conf
	must_fail ff list
	kill_role gateway
	wait_until "new=\$(role_pids gateway) && [ \"\$new\" ] && [ \"\$new\" != $old ]" 20
	"$top_builddir/flowforge" --config good.conf list --json
	unlike "$(cat daemon.log)" "is missing in this section header"
'

test_done
