#!/bin/sh
# SPDX-License-Identifier: MIT
# An answer over gateway.max-answer would be so at every try: it ends the job,
# and is not bought again.
. "$top_srcdir/tests/lib/test-lib.sh"

{
	printf '{"rules":[{"match":{},"sequence":[{"text":"'
	head -c 400000 /dev/zero | tr '\0' x
	printf '"}]}]}\n'
} >"$T/scenario.json"
start_model "$T/scenario.json"
start_daemon gateway.max-answer=64k
make_hooked_repo app

test_expect 'the job fails by the limit, which it names' '
	(cd app && push -o claude=work -o claude.retries=3 origin HEAD:claude/x)
	wait_job 1 failed
	like "$(ff show 1)" "max-answer|larger|TOO_LARGE"
'

test_expect 'one answer was asked for' '
	is "$(grep -c "\"ev\":\"request\"" model.log)" 1
'

test_done
