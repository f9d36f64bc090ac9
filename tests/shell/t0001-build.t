#!/bin/sh
# SPDX-License-Identifier: MIT
# What the build installs, and that every program says what it is.
. "$top_srcdir/tests/lib/test-lib.sh"

inst=$T/inst

# Paths of what was installed, without the prefix that this build has.
installed() {
	find "$inst" -type f -o -type l | sed "s|^$inst||" | LC_ALL=C sort
}

test_expect 'make install obeys DESTDIR' '
	make -s -C "$top_builddir" install DESTDIR="$inst"
	installed
	like "$(installed)" "/libexec/flowforge/flowforge-hook$"
'

test_expect 'what is installed is complete and readable by all' '
	is "$(find "$inst" ! -type l ! -perm -444)" ""
	is "$(find "$inst" -type d ! -perm -555)" ""
	is "$(find "$inst" -perm /6000)" ""
	is "$(find "$inst" -name "*.a" -o -name "t-*" -o -name "f-*" -o -name "model-server*")" ""
'

test_expect 'nothing that is installed names the source or the build folder' '
	found=$(grep -rlFe "$top_builddir" --exclude="flowforge*" "$inst" || :)
	is "$found" ""
'

for program in $(find "$inst" \( -path '*/bin/flowforge*' -o -path '*/sbin/flowforge*' \) -type f | sort); do
	name=${program##*/}
	test_expect "$name --version and --help end with 0 and say something" '
		version=$(sed -n "s/^#define PACKAGE_VERSION \"\(.*\)\"/\1/p" "$top_builddir/config.h")
		"$program" --version >out 2>err
		like "$(head -n 1 out)" "^$name $version"
		is "$(cat err)" ""
		"$program" --help >out 2>err
		like "$(head -n 1 out)" "^usage: $name"
		is "$(cat err)" ""
	'
	test_expect "$name ends with 2 and a word to stderr on wrong usage" '
		status_is 2 "$program" --no-such-option >out 2>err
		is "$(cat out)" ""
		like "$(cat err)" "no-such-option"
	'
done

test_expect 'make uninstall leaves nothing behind' '
	make -s -C "$top_builddir" uninstall DESTDIR="$inst"
	is "$(installed)" ""
'

test_done
