#!/bin/sh
# SPDX-License-Identifier: MIT
# Merges of made-up trees come out as git's: the same tree ids, the same paths
# in conflict.  MERGE_CASES=10000 for the long run, MERGE_SEED for other trees.
. "$top_srcdir/tests/lib/test-lib.sh"

agree() {
	"$top_srcdir/tests/bench/agree" generated N="$1" SEED="$2" MIN=100 V=1 FLOWFORGE="$top_builddir/flowforge"
}

test_expect "${MERGE_CASES:-500} merges of trees edited at random" '
	agree "${MERGE_CASES:-500}" "${MERGE_SEED:-1}" >out || { cat out; false; }
	[ "$(sed -n "s/^cases  *//p" out)" -ge "$(( ${MERGE_CASES:-500} * 99 / 100 ))" ]
'

test_expect 'enough of them are in conflict, and some are hard' '
	[ "$(sed -n "s/^  in conflict in git  *//p" out)" -ge "$(( ${MERGE_CASES:-500} / 10 ))" ]
	[ "$(sed -n "s/^hard and in conflict  *//p" out)" -ge 1 ]
'

test_expect 'a program that merges otherwise is found out' '
	cat >liar <<-EOF
	#!/bin/sh
	"$top_builddir/flowforge" "\$@" | sed -u "s/\"clean\":true,\"tree\":\"./\"clean\":true,\"tree\":\"x/"
	EOF
	chmod +x liar
	! "$top_srcdir/tests/bench/agree" generated N=20 SEED=1 FLOWFORGE="$T/liar" >out
	[ "$(sed -n "s/^wrong clean trees  *//p" out)" -gt 0 ]
'

test_done
