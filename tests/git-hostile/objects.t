#!/bin/sh
# SPDX-License-Identifier: MIT
# Crafted trees, bombs, and ref names of any kind through a real push and a
# real job: each ends in a refusal with its reason, or as it should.
. "$top_srcdir/tests/lib/test-lib.sh"

write_scenario 'echo made >made'
start_model "$T/scenario.json"
start_daemon result.max-bytes=8m result.max-files=2000 job.retries=0
make_hooked_repo app

# A commit on main whose root has one more entry, as raw bytes that git mktree would refuse.
crafted() { # MODE NAME(for printf) BLOB-OR-TREE -> commit
	git -C app ls-tree -z main >/dev/null
	case $3 in
	tree) id=$(git -C app rev-parse 'main^{tree}') ;;
	*) id=$(echo x | git -C app hash-object -w --stdin) ;;
	esac
	{ printf "$1 $2\\0"; printf %s "$id" | perl -ne 'print pack "H*", $_'; } >raw
	tree=$(git -C app hash-object -w -t tree --literally --stdin <raw)
	git -C app commit-tree -p main -m crafted "$tree"
}

# Pushed with a client that checks nothing.
job_of() { # COMMIT REF
	git -C app push -f -o claude=work origin "$1:$2" >said 2>&1 || return
	job=$(pushed_job "$(cat said)")
}

test_expect 'crafted trees: no job gets them, and the reason is said' '
	n=0
	while read -r mode name kind; do
		n=$((n + 1))
		job_of "$(crafted "$mode" "$name" "$kind")" "refs/heads/claude/c$n"
		wait_until "job_state $job | grep -qE \"failed|completed\"" 60
		is "$mode $name $(job_state "$job")" "$mode $name failed"
		like "$(ff show "$job")" "not checked out"
	done <<-END
		40000 .git tree
		40000 .GIT tree
		40000 git~1 tree
		100644 .git blob
		40000 .g\\342\\200\\214it tree
		40000 .. tree
		100644 a/b blob
		120000 .git blob
	END
'

test_expect 'control: git itself would have checked such a tree out or been fooled by it' '
	commit=$(crafted 100644 a/b blob)
	git -C app ls-tree "$commit" | grep -q "a/b"
'

test_expect 'bombs of files, folders and bytes end with the limit that they reach' '
	t=$(git -C app rev-parse "main^{tree}")
	for i in 1 2 3 4 5 6 7 8; do t=$(for j in 0 1 2 3 4 5 6 7 8 9; do printf "040000 tree %s\t%s\n" "$t" $j; done | git -C app mktree); done
	job_of "$(git -C app commit-tree -m bomb "$t")" refs/heads/claude/files
	wait_job "$job" failed
	like "$(ff show "$job")" "result.max-files"
	t=$(git -C app rev-parse "main^{tree}")
	for i in $(seq 100); do t=$(printf "040000 tree %s\td\n" "$t" | git -C app mktree); done
	job_of "$(git -C app commit-tree -m deep "$t")" refs/heads/claude/deep
	wait_job "$job" failed
	like "$(ff show "$job")" "result.max-depth"
	b=$(head -c 100000000 /dev/zero | git -C app hash-object -w --stdin)
	t=$(printf "100644 blob %s\tzeros\n" "$b" | git -C app mktree)
	job_of "$(git -C app commit-tree -m zlib "$t")" refs/heads/claude/bytes
	wait_job "$job" failed
	like "$(ff show "$job")" "result.max-bytes"
	[ "$(du -sk app.git | cut -f1)" -lt 20000 ]
'

test_expect 'ref names are bytes: nothing runs, and the result has its branch' '
	mkdir ran
	for name in -rf "\$(touch\${IFS}ran/a)" "\`touch\${IFS}ran/b\`" "a;touch\${IFS}ran/c" "a|b" "a&b" "q\"uote" "q'"'"'uote" "<script>alert(1)</script>" \
		"$(printf "bidi\\342\\200\\256x")" "$(printf "c1\\302\\233x")" "$(printf "latin\\351")" "--upload-pack=x" "@" "HEAD" "%s%n"; do
		job_of main "refs/heads/claude/$name"
		[ "$job" ]
		wait_job "$job" completed
		is "$(git -C app.git for-each-ref "refs/heads/claude-results/*-$job" | wc -l)" 1
	done
	is "$(ls ran)" ""
'

test_expect 'a client that speaks receive-pack by itself: escapes and thousands of options are refused or ignored' '
	old=0000000000000000000000000000000000000000
	new=$(git -C app rev-parse main)
	before=$(job_count)
	perl -e "sub p { printf q(%04x%s), 4 + length \$_[0], \$_[0] } p(qq($old $new refs/heads/claude/raw\0report-status push-options)); print q(0000);
		p(qq(claude.task=a\e[31mb\nc)) for 1 .. 3000; print q(0000)" >wire
	: | git -C app pack-objects --stdout >>wire
	git receive-pack app.git <wire >answer 2>err || :
	perl -e "local \$/; open my \$f, q(<), q(err); exit 1 if <\$f> =~ /\e/"
	[ "$(job_count)" -le "$((before + 1))" ]
'

test_done
