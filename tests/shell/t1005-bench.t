#!/bin/sh
# SPDX-License-Identifier: MIT
# That the benchmarks still work; what they find is not judged here.
. "$top_srcdir/tests/lib/test-lib.sh"

test_expect 'two rounds give a median and a ratio for each side' '
	N=2 MAX_RATIO= V= INSTALL=0 PUSHERS=4 ROUNDS=1 "$top_srcdir/tests/bench/push" >table
	cat table
	for side in stock bare sh nothing job; do
		like "$(cat table)" "^$side( +[0-9]+\.[0-9]+ ms){3} +[0-9]+\.[0-9]+$"
	done
	like "$(cat table)" "^4 at once, pushes a second, against bare +RATIO +[0-9.]+"
'
test_expect 'a ratio above the limit is a failure' '
	must_fail env N=2 MAX_RATIO=0.0001 V= INSTALL=0 PUSHERS=0 "$top_srcdir/tests/bench/push" >table 2>why
	like "$(cat why)" "the ratio of job, [0-9.]+, is above 0.0001"
'
test_expect 'the load of the queue runs, and every answer it waits for comes' '
	N=1 S=0.2 PEERS= Q=0 "$top_srcdir/tests/bench/queue" >table
	cat table
	is "$(grep -cE "^  core +[0-9]+ /s +[0-9.]+ answers" table)" 4
	like "$(cat table)" "^  core +[1-9][0-9]* /s +6.00 answers"
	like "$(cat table)" "^  core +[1-9][0-9]* /s +3.00 answers"
	like "$(cat table)" "^  floor .* RATIO +[0-9.]+"
'
test_done
