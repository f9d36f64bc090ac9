#!/bin/sh
# Trailers as we read them are trailers as git reads them: the same messages
# go through git interpret-trailers and through ff_trailer_value.
. "$top_srcdir/tests/lib/test-lib.sh"

reader=$top_builddir/tests/lib/trailer-value

by_git() { # FILE: the last value, or nothing
	git interpret-trailers --no-divider --parse <"$1" | sed -n 's/^[Cc]laude-[Tt]ask: *//p' | tail -n 1
}
by_us() { "$reader" Claude-Task <"$1" || test $? = 1; }

same() { # TITLE TEXT, with the escapes of printf %b
	printf '%b' "$2" >"$T/message"
	by_git "$T/message" >"$T/git"
	by_us "$T/message" >"$T/us"
	test_expect "$1" 'cmp "$T/git" "$T/us"'
}

same 'one trailer' 'T\n\nClaude-Task: x\n'
same 'no newline at the end' 'T\n\nClaude-Task: x'
same 'blank lines behind it' 'T\n\nClaude-Task: x\n\n \n\n'
same 'the last of two counts' 'T\n\nClaude-Task: x\nA: b\nClaude-Task: y\n'
same 'folded lines' 'T\n\nClaude-Task: a\n  b\n\tc\nA: b\n'
same 'folded from the first line on' 'T\n\nClaude-Task:\n  a b\n'
same 'blanks before the colon' 'T\n\nClaude-Task  : x\n'
same 'a colon in the value' 'T\n\nClaude-Task: x: y\n'
same 'not the last paragraph' 'T\n\nClaude-Task: x\n\nText.\n'
same 'the title is none' 'Claude-Task: x\n'
same 'a title of two lines is none' 'T\nClaude-Task: x\n'
same 'text in the paragraph' 'T\n\nClaude-Task: x\ntext\n'
same 'text and a line of git, a quarter' 'T\n\nClaude-Task: x\n1\n2\n3\n4\n5\n6\nSigned-off-by: A <a@b.c>\n'
same 'text and a line of git, less than a quarter' 'T\n\nClaude-Task: x\n1\n2\n3\n4\n5\n6\n7\nSigned-off-by: A <a@b.c>\n'
same 'a cherry-pick line' 'T\n\nClaude-Task: x\ntext\n(cherry picked from commit 1234)\n'
same 'a folded line without a trailer' 'T\n\n  folded\nClaude-Task: x\n'
same 'text then a folded line' 'T\n\ntext\n  folded\nClaude-Task: x\nSigned-off-by: A <a@b.c>\n'
same 'comments between' 'T\n\n# c\nClaude-Task: x\n# c\n y\n'
same 'comments behind' 'T\n\nClaude-Task: x\n\n# c\n# d\n'
same 'a list of conflicts behind' 'T\n\nClaude-Task: x\n\nConflicts:\n\ta\n\tb\n'
same 'carriage returns' 'T\r\n\r\nClaude-Task: x\r\n'
same 'three dashes are text' 'T\n\nClaude-Task: x\n---\n'
same 'an underscore is no key' 'T\n\nClaude-Task: x\nA_b: c\n'
same 'an empty message' ''

test_done
