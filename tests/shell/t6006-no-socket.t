#!/bin/sh
# SPDX-License-Identifier: MIT
# The gateway cannot make the job's socket: the attempt fails with the reason
# and is tried again, instead of an agent that cannot reach its model.
. "$top_srcdir/tests/lib/test-lib.sh"

start_model --demo
start_daemon
make_hooked_repo app

test_expect 'without a socket the attempt fails, and the next one works' '
	mkdir -p state/jobs/1/gate/gw.sock/in-the-way
	(cd app && git push -o claude=work origin HEAD:refs/heads/claude/one >../said 2>&1)
	wait_until "ff show 1 --json | grep -q CONTAINER_START_FAILED"
	rm -rf state/jobs/1
	wait_job 1 completed 60
	unlike "$(ff log 1)" "agent.*attempt.:1[^0-9]"
'

test_done
