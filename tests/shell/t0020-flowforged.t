#!/bin/sh
# SPDX-License-Identifier: MIT
# What flowforged does before it becomes a role: options and configuration.
. "$top_srcdir/tests/lib/test-lib.sh"

d=$top_builddir/flowforged

test_expect 'help and version end with 0 and go to stdout' '
	like "$("$d" --help)" "check-config"
	like "$("$d" --version)" "^flowforged [0-9]"
'

test_expect 'wrong usage ends with 2 and says so' '
	status_is 2 "$d" --nothing 2>err
	like "$(cat err)" "nothing"
	status_is 2 "$d" word 2>err
	like "$(cat err)" "too many"
	status_is 2 "$d" --config
	: >empty.conf
	status_is 2 "$d" --config empty.conf --role nobody 2>err
	like "$(cat err)" "no role .nobody"
'

test_expect 'a good configuration passes and nothing is made' '
	write_config server.workers=3
	like "$("$d" --config flowforge.conf --check-config)" "in order"
	[ ! -e state ] && [ ! -e run ]
'

test_expect 'every mistake is named with its line' '
	printf "[server]\nworkrs = 1\nworkers = 257\n" >bad.conf
	status_is 1 "$d" --config bad.conf -c log.level=loud --check-config >out 2>err
	is "$(cat out)" ""
	is "$(cat err)" "$T/bad.conf:2: unknown key server.workrs; did you mean server.workers?
$T/bad.conf:3: server.workers: \`257\` is out of range: 0 to 256
-c: log.level: \`loud\` is not one of: debug info warn error"
'

test_expect 'a start with a mistake ends with 2 at once' '
	printf "[server]\nworkers = 257\n" >bad.conf
	status_is 2 "$d" --config bad.conf 2>err
	like "$(cat err)" "bad.conf:2: server.workers"
	status_is 2 "$d" --config missing.conf 2>err
	like "$(cat err)" "missing.conf: no such file"
'

test_expect 'each value is shown with its origin' '
	printf "[server]\nworkers = 3\n" >some.conf
	mkdir conf.d
	printf "[agent]\nmodel = m\n" >conf.d/a.conf
	FLOWFORGE_LOG_LEVEL=debug "$d" --config some.conf -c job.retries=1 --print-config >out
	like "$(cat out)" "^server.workers = 3  # $T/some.conf:2\$"
	like "$(cat out)" "^agent.model = m  # $T/conf.d/a.conf:2\$"
	like "$(cat out)" "^log.level = debug  # environment FLOWFORGE_LOG_LEVEL\$"
	like "$(cat out)" "^job.retries = 1  # -c\$"
	like "$(cat out)" "^job.max-retries = 5  # default\$"
'

test_expect 'a full disk is no success' '
	: >empty.conf
	status_is 1 "$d" --config empty.conf --print-config >/dev/full 2>err
	like "$(cat err)" "standard output"
'

test_done
