#!/bin/sh
# SPDX-License-Identifier: MIT
# The man pages are clean, and flowforge.conf(5) says what the program does.
. "$top_srcdir/tests/lib/test-lib.sh"

pages="$top_srcdir/doc/flowforge.1 $top_srcdir/doc/flowforge-task.5 $top_srcdir/doc/flowforge-hooks.7
	$top_srcdir/doc/flowforged.8 $top_builddir/doc/flowforge.conf.5"

if command -v mandoc >/dev/null; then
	test_expect 'mandoc has no warning about any page' '
		for page in $pages; do mandoc -Tlint -W warning "$page"; done
	'
	test_expect 'the check sees a mistake' '
		sed "s/^\.Sh NAME/.Sh/" "$top_srcdir/doc/flowforge.1" >bad.1
		must_fail mandoc -Tlint -W warning bad.1
	'
else
	test_skip 'mandoc has no warning about any page' 'mandoc is not installed'
fi

page=$top_builddir/doc/flowforge.conf.5
flowforged=$top_builddir/flowforged

test_expect 'the page has every key of the program, and no other' '
	: >empty.conf
	"$flowforged" --config empty.conf --print-config | sed "s/ = .*//" >program
	sed -n "s/^\.It Cm \([a-z-]*\.[a-z-]*\)\$/\1/p" "$page" >page
	[ -s program ]
	diff program page
'

test_expect 'the page has the defaults of the program' '
	: >empty.conf
	"$flowforged" --config empty.conf --print-config | sed -n "s/^\([^ ]*\) = \(.*[^ ]\)  # default\$/\1 \2/p" >program
	awk "/^\.It Cm [a-z-]*\.[a-z-]*\$/ { key = \$3 }
		/^\.Ql \".*\" \.\$/ && key { s = \$0; sub(/^\.Ql \"/, \"\", s); sub(/\" \.\$/, \"\", s); print key, s; key = \"\" }" "$page" >page
	[ -s program ]
	diff program page
'

test_expect 'the pages name every option that flowforged has' '
	"$flowforged" --help | grep -oE -e "--[a-z-]+" | sort -u >options
	grep -q check-config options
	while read -r option; do
		grep -q -e "Fl -${option#--}" "$top_srcdir/doc/flowforged.8" || { echo "no $option"; exit 1; }
	done <options
'

test_expect 'flowforge(1) names every option of the command line' '
	sed -n "s/^FF_CLI_OPT([A-Z_]*, *[^,]*, *\"\([a-z-]*\)\".*/\1/p" "$top_srcdir/src/cli/options.def" >options
	"$top_builddir/flowforge" hooks --nothing 2>&1 | grep -oE -e "--[a-z-]+" | grep -v nothing | sed "s/^--//" >>options || :
	[ "$(wc -l <options)" -gt 20 ]
	grep -qx gitolite options
	while read -r option; do
		grep -qE "Fl -$option( |\$)" "$top_srcdir/doc/flowforge.1" || { echo "no $option"; exit 1; }
	done <options
'

test_expect 'flowforge-task(5) names every key of a task file, and no other' '
	sed -n "/struct { const char \*name; char \*\*to; } fields/,/};/p" "$top_srcdir/src/job/task_file.c" |
		grep -oE "\{ \"[a-z]+\"" | tr -cd "a-z\n" | sort >keys
	[ "$(wc -l <keys)" -ge 5 ]
	sed -n "s/^\.It Cm \([a-z]*\)\$/\1/p" "$top_srcdir/doc/flowforge-task.5" | sort >named
	diff keys named
'

test_expect 'flowforge-hooks(7) names every variable that says who pushed' '
	grep -oE "\"(GL_USERNAME|GITEA_PUSHER_NAME|GITHUB_USER_LOGIN|GL_USER|REMOTE_USER)\"" "$top_srcdir/hooks/hook_env.c" | tr -d \" | sort -u >variables
	[ -s variables ]
	while read -r variable; do
		grep -qw "$variable" "$top_srcdir/doc/flowforge-hooks.7" || { echo "no $variable"; exit 1; }
	done <variables
'

if [ -x "$top_builddir/flowforge" ]; then
	test_expect 'flowforge(1) names every command' '
		"$top_builddir/flowforge" --help >help
		like "$(cat help)" "submit"
		sed -n "s/^  \([a-z][a-z]*\) .*/\1/p" help | sort -u >commands
		[ -s commands ]
		while read -r command; do
			grep -qE "^\.(It )?Cm $command( |\$)" "$top_srcdir/doc/flowforge.1" || { echo "no $command"; exit 1; }
		done <commands
	'
fi

test_done
