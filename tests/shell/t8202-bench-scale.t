#!/bin/sh
# SPDX-License-Identifier: MIT
# That the benchmark of sizes still works; what it finds is not judged here.
# shellcheck disable=SC2016
. "$top_srcdir/tests/lib/test-lib.sh"

test_expect 'every part prints its rows' '
	N=200 FILES=200 ROUNDS=1 PARTS="record refs files" "$top_srcdir/tests/bench/scale" >table 2>&1 || { cat table; exit 1; }
	cat table
	for row in "start to first answer" "list --state queued" "push with a job" "push, hidden as installed" "step prepare" "push to result"; do
		like "$(cat table)" "^$row +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+$"
	done
	like "$(cat table)" "^memory of core, peak +[0-9.]+ MB +[0-9.]+ MB +[0-9.]+$"
	unlike "$(cat table)" "was not answered in time"
'
test_done
