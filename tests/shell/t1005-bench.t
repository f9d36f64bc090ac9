#!/bin/sh
# SPDX-License-Identifier: MIT
# That the benchmark of pushes still works; what it finds is not judged here.
. "$top_srcdir/tests/lib/test-lib.sh"

test_expect 'two rounds give a median and a ratio for each side' '
	N=2 MAX_RATIO= V= "$top_srcdir/tests/bench/push" >table
	cat table
	for side in plain sh nothing job; do
		like "$(cat table)" "^$side( +[0-9]+\.[0-9]+ ms){3} +[0-9]+\.[0-9]+$"
	done
'
test_expect 'a ratio above the limit is a failure' '
	must_fail env N=2 MAX_RATIO=0.0001 V= "$top_srcdir/tests/bench/push" >table 2>why
	like "$(cat why)" "the ratio of job, [0-9.]+, is above 0.0001"
'
test_done
