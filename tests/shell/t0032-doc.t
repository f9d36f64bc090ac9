#!/bin/sh
# SPDX-License-Identifier: MIT
# What the texts in doc/ name is there, and the tables they repeat are whole.
. "$top_srcdir/tests/lib/test-lib.sh"

cd "$top_srcdir" || exit 1

test_expect 'every file that a text names exists' '
	grep -hoE "\`(src|daemon|hooks|doc|tests|contrib)/[A-Za-z0-9_./-]*\.(c|h|def|md|sh|awk)\`" doc/*.md CONTRIBUTING.md README.md |
		tr -d "\`" | grep -vE "ROOM|PARSER" | sort -u >"$T/named"
	[ -s "$T/named" ]
	while read -r file; do [ -e "$file" ] || [ "$file" = hooks/post-receive ] || { echo "no $file"; exit 1; }; done <"$T/named"
'

test_expect 'protocol.md has every message, command and event' '
	sed -n "s/^FF_MSG([0-9]*, *[A-Z_]*, *\"\([a-z]*\)\".*/\1/p" src/ipc/msg.def >"$T/words"
	sed -n "s/^FF_COMMAND(\"\([a-z]*\)\".*/\1/p" src/ipc/command.def >>"$T/words"
	sed -n "s/^FF_EVENT([0-9]*, *[A-Z_]*, *\"\([a-z_.]*\)\".*/\1/p" src/job/event.def >>"$T/words"
	[ "$(wc -l <"$T/words")" -gt 40 ]
	while read -r word; do
		grep -qE "^\|.*\`$word\`" doc/protocol.md || { echo "no $word"; exit 1; }
	done <"$T/words"
'

test_expect 'protocol.md has every key of hook.conf' '
	: >"$T/empty.conf"
	sed -n "s/.*hook_[a-z]*(\(c, \)*out, \"\([a-z-]*\)\".*/\2/p" src/conf/print.c | sort -u >"$T/keys"
	[ "$(wc -l <"$T/keys")" -gt 10 ]
	while read -r key; do
		grep -qE "^\|.*\`$key\`" doc/protocol.md || { echo "no $key"; exit 1; }
	done <"$T/keys"
'

test_expect 'configuration keys in the texts are keys' '
	sed -n "s/^FF_CONF([A-Z_]*, \"\([a-z.-]*\)\".*/\1/p" src/conf/conf.def >"$T/keys"
	sections=$(sed "s/\..*//" "$T/keys" | sort -u | tr "\n" "|" | sed "s/|\$//")
	grep -hoE "\`($sections)\.[a-z-]+\`" doc/*.md README.md | tr -d "\`" | sort -u |
		grep -vE "\.(c|h|def|md|conf|sock)\$" >"$T/named" || :
	grep -hoE "^\.?(It )?Cm ($sections)\.[a-z-]+|Cm ($sections)\.[a-z-]+" doc/*.in doc/*.8 doc/*.1 | sed "s/.*Cm //" | sort -u >>"$T/named"
	[ -s "$T/named" ]
	# job.created and its like are events
	while read -r key; do
		grep -qxF "$key" "$T/keys" || grep -qF "\"$key\"" src/job/event.def || { echo "no key $key"; exit 1; }
	done <"$T/named"
'

test_done
