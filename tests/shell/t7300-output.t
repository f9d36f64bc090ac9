#!/bin/sh
# SPDX-License-Identifier: MIT
# What comes from outside goes to terminals and logs as printable text alone:
# every byte, C1 and bidi controls through task, ref name, author and model.
. "$top_srcdir/tests/lib/test-lib.sh"

# Nothing but printable UTF-8, tabs and ends of lines is in the files.
harmless() { # FILE...
	perl -CS -Mutf8 -e 'my $bad = 0;
		for my $f (@ARGV) {
			open my $h, "<:raw", $f or die "$f: $!";
			local $/; my $text = <$h>;
			utf8::decode(my $copy = $text) or do { print "$f: not UTF-8\n"; $bad = 1 };
			utf8::decode($text);
			if ($text =~ /([\x00-\x08\x0b-\x1f\x7f-\x9f\x{ad}\x{61c}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{e0000}-\x{e0fff}])/) {
				printf "%s: U+%04X near: %s\n", $f, ord $1, substr($text, $-[0] > 30 ? $-[0] - 30 : 0, 60) =~ s/[^ -~]/?/gr; $bad = 1;
			}
		}
		exit $bad' "$@" || { diag_file "$1"; return 1; }
}

# Every line of the log is one object that core wrote, or a warning before it ran.
whole_lines() {
	perl -MJSON::PP -ne 'my $l = eval { decode_json($_) }; die "no line of ours: $_" unless ref $l && $l->{ts} && $l->{role} && $l->{event}' "$T/daemon.log"
}

# All bytes but NUL, then what changes how text is shown.
perl -e 'print map(chr, 1 .. 255), "\xc2\x85\xc2\x9b\xc2\xad\xd8\x9c\xe2\x80\x8b\xe2\x80\x8e\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6\xe2\x81\xa9\xef\xbb\xbf\xf3\xa0\x81\x81\e[31m\e]0;owned\a\r"' >all
# The same as far as JSON and git options can carry it: code points up to U+00FF, one line.
perl -C0 -e 'binmode STDOUT, ":utf8"; print map(chr, 1 .. 9, 11 .. 255), "\x{61c}\x{200b}\x{200e}\x{202e}\x{2028}\x{2066}\x{2069}\x{feff}\x{e0041}\e[31m\e]0;owned\a"' >line

perl -MJSON::PP -e 'local $/; open my $f, "<:utf8", "line"; my $x = <$f>;
	print encode_json({ rules => [
		{ match => { min_messages => 3 }, sequence => [{ text => "Said: $x\nand more" }], then => "loop" },
		{ match => {}, sequence => [{ tool_use => { name => "bash", input => { command => "cat '"$T"'/../none; printf \"%b\" \"\\\\033[31m\\\\302\\\\233x\\\\r\\\\n\"; echo made >made; printf x >\"\$(printf \"n\\\\342\\\\200\\\\256m\")\"; printf \"tail\\\\033[2J\\\\n\" >>README.md" } } }], then => "loop" } ] })' >scenario.json
start_model scenario.json
start_daemon log.level=debug
make_hooked_repo app

test_expect 'through task and ref name: the pusher sees printable text alone' '
	ref=$(printf "refs/heads/claude/x\\342\\200\\256\\302\\233\\377\\302\\205y")
	git -C app push -o "claude.task=$(tr -d "\n" <line)" origin "main:$ref" >pushed 2>&1
	grep "^remote:" pushed >remote
	harmless remote
	like "$(cat remote)" "success: job 1 queued"
	wait_job 1 completed
'

test_expect 'the option alone may be bad: its answer is harmless too' '
	git -C app push -o "$(printf "claude.\\033[31mx=\\302\\2331")" -o "$(printf "claude.priority=\\033[2Jhigh")" origin "main:refs/heads/claude/bad" >pushed 2>&1 || :
	git -C app push -o "$(printf "claude.target=\\033[2J\\342\\200\\256")" origin "main:refs/heads/claude/bad2" >>pushed 2>&1 || :
	grep "^remote:" pushed >remote
	harmless remote
'

test_expect 'through author and model: what people read of the job is printable text alone' '
	for c in list "show 1" "log 1" "watch 1" "list --branch=$(printf "claude/\\033[31m")" "show $(printf "\\033[2J")" "retry $(printf "\\302\\233")"; do
		ff $c >out.txt 2>err.txt </dev/null || :
		harmless out.txt err.txt
	done
	ff log 1 >out.txt
	like "$(cat out.txt)" "tail|x"
	# A patch goes into a file as it is, and to a terminal as text.
	script -qec "flowforge --config $T/flowforge.conf diff 1" out.raw </dev/null >/dev/null
	tr -d "\r" <out.raw | sed "/^Script /d" >out.txt
	harmless out.txt
	like "$(cat out.txt)" "^.tail"
	for c in "list --json" "show 1 --json" "log 1 --json"; do
		ff $c >out.txt 2>err.txt || :
		harmless out.txt err.txt
	done
'

test_expect 'in the repository: message, note and branch of the result' '
	ref=$(git -C app.git for-each-ref --format="%(refname)" refs/heads/claude-results | head -n 1)
	git -C app.git log -1 --format=%B "$ref" >message
	git -C app.git notes --ref=refs/notes/flowforge show main >note
	harmless message
	perl -e "local \$/; open my \$f, q(<), q(note); exit 1 if <\$f> =~ /[\x00-\x08\x0b-\x1f\x7f]/"
'

test_expect 'every byte as a task of the command line and in an author is refused or shown' '
	ff submit app.git main -F all >out.txt 2>err.txt || :
	harmless out.txt err.txt
	ff submit app.git main -F line >out.txt 2>err.txt || :
	harmless out.txt err.txt
	(cd app && git -c user.name="$(printf "E\\033[31m\\342\\200\\256vil")" commit -q --allow-empty -m "$(cat ../line)" -m "Claude-Task: $(tr -d "\n" <../line)" &&
	git push origin HEAD:refs/heads/claude/author >../pushed 2>&1)
	grep "^remote:" pushed >remote
	harmless remote
	wait_job "$(pushed_job "$(cat pushed)")" completed
	ff list >out.txt
	ff show "$(pushed_job "$(cat pushed)")" >>out.txt
	harmless out.txt
'

test_expect 'in the log one line stays one line' '
	harmless daemon.log
	whole_lines
'

test_done
