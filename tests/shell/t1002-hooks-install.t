#!/bin/sh
# SPDX-License-Identifier: MIT
# The installer: every hook that was there goes on working, nothing is done
# twice, and uninstall gives back every byte.
# shellcheck disable=SC2154,SC2016
. "$top_srcdir/tests/lib/test-lib.sh"

write_config
# Names, kinds, rights, link targets and contents of a tree; the objects do not matter here.
snapshot() { # FOLDER
	(cd "$1" && find . -path ./objects -prune -o -printf '%p %y %m %l\n' | LC_ALL=C sort
	find . -path ./objects -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort -k 2)
}
fresh() { # NAME: a repository with its work tree, and a snapshot of it
	make_repo "$1"
	rm -f "$1.git/hooks/"*
}
script() { # PATH TEXT
	mkdir -p "${1%/*}" && printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1"
}
# A trigger would need the daemon; the spool shows as well that our hook ran.
spooled() { find "$T/state/spool" -type f 2>/dev/null | wc -l; }
reaches_us() { # NAME
	rm -f "$T/state/spool/"* "$T/state/spool/".*.tmp
	git -C "$1" push -q origin "main:claude/x$(date +%s%N)" 2>push.out || { cat push.out; return 1; }
	is "$(spooled)" 1
}

test_expect 'a repository without hooks gets both, and a push arrives' '
	fresh plain
	snapshot plain.git >before
	ff hooks install plain.git >out
	like "$(cat out)" "link hooks/post-receive to /"
	is "$(stat -c %a state/spool)" 1730
	is "$(git -C plain.git config receive.advertisePushOptions)" true
	is "$(git -C plain.git config receive.hideRefs)" refs/flowforge
	is "$(readlink plain.git/hooks/post-receive)" "$T/libexec/flowforge-hook"
	is "$(sed -n "s/^conf //p" plain.git/flowforge/hook)" "$T/state/hook.conf"
	reaches_us plain
	status_is 0 ff hooks status plain.git
	git -C plain push -q -o claude.skip origin main:skipped
	must_fail git -C plain push origin main:claude-results/x-1
'

test_expect 'the refs of jobs cost no push time, unless somebody decided which refs count' '
	is "$(git -C plain.git config core.alternateRefsPrefixes)" "refs/heads refs/tags"
	fresh counted
	git -C counted.git config core.alternateRefsPrefixes refs/heads
	ff hooks install counted.git >out
	unlike "$(cat out)" alternateRefsPrefixes
	is "$(git -C counted.git config core.alternateRefsPrefixes)" refs/heads
	git -C counted.git config core.compression 1
	ff hooks uninstall counted.git
	is "$(git -C counted.git config core.alternateRefsPrefixes)" refs/heads
'

test_expect 'a second run changes nothing, and says so' '
	snapshot plain.git >first
	ff hooks install plain.git >out
	like "$(cat out)" "nothing to do"
	snapshot plain.git | cmp first -
'

test_expect 'uninstall gives back every byte' '
	fresh other
	snapshot other.git >before
	ff hooks install other.git
	ff hooks uninstall other.git
	snapshot other.git | diff before -
	ff hooks uninstall other.git
	snapshot other.git | diff before -
	status_is 1 ff hooks status other.git
'

test_expect 'a dry run only speaks' '
	fresh dry
	script dry.git/hooks/post-receive true
	snapshot dry.git >before
	ff hooks install --dry-run dry.git >out
	like "$(cat out)" "would move hooks/post-receive"
	snapshot dry.git | diff before -
	ff hooks install dry.git
	snapshot dry.git >before
	ff hooks uninstall --dry-run dry.git >out
	like "$(cat out)" "would move hooks/post-receive.d/50-previous back"
	snapshot dry.git | diff before -
'

test_expect 'a hook of others is run with the same input, arguments and environment' '
	fresh chain
	script chain.git/hooks/post-receive "cat >\$GIT_DIR/seen; echo from the old hook"
	script chain.git/hooks/pre-receive "cat >\$GIT_DIR/seen-before; test \"\$GIT_PUSH_OPTION_0\" != no"
	snapshot chain.git >before
	ff hooks install chain.git
	reaches_us chain
	like "$(cat push.out)" "remote: from the old hook"
	cmp chain.git/seen chain.git/seen-before
	like "$(cat chain.git/seen)" "^0{40} [0-9a-f]{40} refs/heads/claude/"
	must_fail git -C chain push -q -o no origin main:again
	ff hooks uninstall chain.git
	rm chain.git/seen chain.git/seen-before
	git -C chain.git for-each-ref --format="delete %(refname)" refs/heads/claude | git -C chain.git update-ref --stdin
	find chain.git -empty -type d -name claude -delete
	snapshot chain.git | diff before -
'

test_expect 'the status of hooks is passed on' '
	cmp libexec/flowforge-hook "$top_builddir/flowforge-hook"
	fresh status
	script status.git/hooks/post-receive "exit 0"
	script status.git/hooks/pre-receive "cat >/dev/null; exit 0"
	ff hooks install status.git
	cd status.git
	d=hooks/pre-receive.d
	script $d/10-first "cat >/dev/null; echo 10 >>ran; exit 7"
	script $d/95-last "echo 95 >>ran; exit 3"
	status_is 7 hooks/pre-receive </dev/null
	is "$(cat ran)" 10
	rm ran
	for n in 10-first 95-last; do cp $d/$n hooks/post-receive.d/; done
	status_is 7 hooks/post-receive </dev/null
	is "$(cat ran)" "10
95"
	script $d/10-first "kill -9 \$\$"
	status_is 137 hooks/pre-receive </dev/null
'

test_expect 'leftovers are not run, a hook without #! is, a deaf one harms nobody' '
	cd status.git
	rm -f ran hooks/post-receive.d/10-first hooks/post-receive.d/95-last
	for n in 10-a~ 20-b.bak .30-c 40-d.sample; do script hooks/post-receive.d/$n "echo $n >>ran"; done
	script hooks/post-receive.d/45-plain "echo no >>ran" && chmod 644 hooks/post-receive.d/45-plain
	printf "echo shell \$1 >>ran\n" >hooks/post-receive.d/60-sh && chmod 755 hooks/post-receive.d/60-sh
	script hooks/post-receive.d/10-deaf "exec <&-; exit 0"
	script hooks/post-receive.d/70-count "wc -l >>ran"
	seq 1 200000 | hooks/post-receive arg
	is "$(cat ran)" "shell arg
200000"
'

test_expect 'uninstall keeps what came after it, and says what to do' '
	status_is 1 ff hooks uninstall status.git 2>out
	like "$(cat out)" "stays, because hooks/p[a-z-]*receive.d/.* came after it"
	[ -x status.git/hooks/post-receive ]
'

test_expect 'links stay links, and lead where they led' '
	fresh links
	script shared/hook "cat >/dev/null; echo linked"
	ln -s ../../shared/hook links.git/hooks/post-receive
	ln -s "$T/shared/hook" links.git/hooks/pre-receive
	snapshot links.git >before
	ff hooks install links.git
	is "$(readlink links.git/hooks/post-receive.d/50-previous)" ../../../shared/hook
	reaches_us links
	like "$(cat push.out)" "remote: linked"
	git -C links.git for-each-ref --format="delete %(refname)" refs/heads/claude | git -C links.git update-ref --stdin
	find links.git -empty -type d -name claude -delete
	ff hooks uninstall links.git
	snapshot links.git | diff before -
'

test_expect 'a server with a folder of its own gets an entry there' '
	fresh forge
	script forge.git/hooks/post-receive "data=\$(cat)
hookname=\$(basename \$0)
for hook in hooks/\${hookname}.d/*; do echo \"\$data\" | \$hook; done"
	cp forge.git/hooks/post-receive forge.git/hooks/pre-receive
	mkdir forge.git/hooks/post-receive.d
	snapshot forge.git >before
	ff hooks install forge.git
	[ -x forge.git/hooks/post-receive.d/90-flowforge ]
	like "$(cat forge.git/hooks/post-receive)" hookname
	status_is 0 ff hooks status forge.git
	ff hooks uninstall forge.git
	snapshot forge.git | diff before -
	ff hooks install forge.git
	reaches_us forge
'

test_expect 'files in a folder that nobody ran are not run by us' '
	fresh asleep
	script asleep.git/hooks/post-receive "cat >/dev/null"
	script asleep.git/hooks/post-receive.d/bomb "touch $T/exploded"
	ff hooks install asleep.git
	reaches_us asleep
	[ ! -e exploded ]
	ff hooks uninstall asleep.git
	script asleep.git/hooks/post-receive.flowforge.d/bomb "touch $T/exploded"
	status_is 1 ff hooks install asleep.git 2>out
	like "$(cat out)" "move them away"
	reaches_us asleep || [ ! -e exploded ]
'

test_expect 'an interrupted installation is finished by the next' '
	fresh half
	script half.git/hooks/post-receive "cat >/dev/null; echo old"
	snapshot half.git >before
	mkdir half.git/hooks/post-receive.d
	ln half.git/hooks/post-receive half.git/hooks/post-receive.d/50-previous
	ff hooks install half.git
	reaches_us half
	like "$(cat push.out)" "remote: old"
	is "$(grep -c "^folder " half.git/hooks/post-receive)" 1
	is "$(sed -n "s/^folder //p" half.git/hooks/post-receive)" post-receive.d
'

test_expect 'configuration that others changed since is kept' '
	fresh edited
	git -C edited.git config receive.hideRefs refs/secret
	git -C edited.git config receive.advertisePushOptions false
	ff hooks install edited.git
	git -C edited.git config core.abbrev 9
	ff hooks uninstall edited.git
	is "$(git -C edited.git config core.abbrev)" 9
	is "$(git -C edited.git config --get-all receive.hideRefs)" refs/secret
	is "$(git -C edited.git config receive.advertisePushOptions)" false
	[ ! -e edited.git/flowforge ]
'

test_expect 'core.hooksPath is respected, and a shared folder needs a word' '
	fresh path
	git -C path.git config core.hooksPath own-hooks
	ff hooks install path.git
	[ -x path.git/own-hooks/post-receive ] && [ ! -e path.git/hooks/post-receive ]
	ff hooks uninstall path.git
	[ ! -e path.git/own-hooks ]
	mkdir common
	git -C path.git config core.hooksPath "$T/common"
	status_is 4 ff hooks install path.git 2>out
	like "$(cat out)" "add --shared"
	is "$(ls common)" ""
	ff hooks install --shared path.git
	[ -x common/post-receive ] && [ ! -L common/post-receive ]
	reaches_us path
'

test_expect 'what cannot be served is refused with the reason' '
	status_is 3 ff hooks install nowhere.git 2>out
	like "$(cat out)" "nowhere.git: No such file"
	mkdir -p empty
	must_fail ff hooks install empty
	must_fail ff hooks install plain 2>out
	like "$(cat out)" "work tree"
	must_fail ff hooks install plain.git/objects 2>out
	like "$(cat out)" "inside the repository"
	git init -q --bare --object-format=sha256 sha256.git
	snapshot sha256.git >before
	must_fail ff hooks install sha256.git 2>out
	like "$(cat out)" "sha256"
	snapshot sha256.git | diff before -
	status_is 2 ff hooks
	status_is 2 ff hooks install
	status_is 2 ff hooks install --nonsense x
	ln -s "$T/gl/hooks/common/post-receive" other.git/hooks/post-receive
	must_fail ff hooks install other.git 2>out
	like "$(cat out)" "use .flowforge hooks install --gitolite"
'

test_expect 'variables of a hook around us do not lead astray' '
	fresh victim
	fresh real
	GIT_DIR=$T/victim.git GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.bare GIT_CONFIG_VALUE_0=false ff hooks install real.git
	[ -x real.git/hooks/post-receive ] && [ ! -e victim.git/hooks/post-receive ]
'

test_expect 'status finds stale paths and missing settings' '
	fresh stale
	ff hooks install stale.git
	ln -sf /gone/flowforge-hook stale.git/hooks/post-receive
	git -C stale.git config --unset receive.hideRefs
	echo "conf /gone/hook.conf" >stale.git/flowforge/hook
	status_is 1 ff hooks status stale.git >out 2>&1
	like "$(cat out)" "partly installed"
	like "$(cat out)" "hooks/post-receive does not run .* leads to /gone/flowforge-hook"
	like "$(cat out)" "hooks/pre-receive reads /gone/hook.conf instead of $T/state/hook.conf"
	like "$(cat out)" "hideRefs"
	ff hooks install stale.git
	status_is 0 ff hooks status stale.git
	rm stale.git/hooks/post-receive
	script stale.git/hooks/post-receive "cat >/dev/null"
	ff hooks install stale.git
	chmod -x stale.git/hooks/post-receive
	status_is 1 ff hooks status stale.git >out 2>&1
	like "$(cat out)" "hooks/post-receive may not be run: chmod"
	ff hooks install stale.git
	status_is 0 ff hooks status stale.git
	status_is 1 ff hooks status --json stale.git sha256.git >out || :
	is "$(json items.0.state <out)" installed
'

test_expect 'an odd path of the program' '
	mkdir "a b'\''c"
	cp "$top_builddir/flowforge-hook" "a b'\''c/"
	fresh odd
	script odd.git/hooks/pre-receive "cat >\$GIT_DIR/seen"
	FLOWFORGE_LIBEXECDIR="$T/a b'\''c" ff hooks install odd.git
	reaches_us odd
	[ -s odd.git/seen ]
	FLOWFORGE_LIBEXECDIR="$T/a b'\''c" ff hooks status odd.git
	rm -r odd.git/seen "a b'\''c"
	git -C odd push -q origin main:after
	[ -s odd.git/seen ]
'

# As after the removal of the package, or in the midst of an upgrade.
away() { mv "$T/libexec/flowforge-hook" "$T/libexec/away"; }
back() { mv "$T/libexec/away" "$T/libexec/flowforge-hook"; }

test_expect 'the program is gone: pushes go on, and it is seen' '
	away
	git -C plain push -q -o claude=x origin main:claude/gone >out 2>&1
	is "$(cat out)" ""
	git -C forge push -q origin main:claude/gone >out 2>&1
	is "$(cat out)" ""
	for h in pre-receive post-receive; do
		seq 1 200000 | status_is 0 forge.git/hooks/$h.d/90-flowforge
	done
	status_is 1 ff hooks status plain.git >out 2>&1
	like "$(cat out)" "libexec/flowforge-hook is missing or may not be run: pushes go on"
	must_fail ff hooks install plain.git
	back
	status_is 0 ff hooks status plain.git
	reaches_us plain
	reaches_us forge
'

# What hooks see and what comes of it, in a repository with some of others.
others() { # TYPE STATUS-10 STATUS-95: prints what ran, with which input, and the status
	rm -f ran
	script "hooks/$1.d/10-first" "cksum >>ran; exit $2"
	script "hooks/$1.d/95-last" "cksum >>ran; exit $3"
	others_rc=0
	"hooks/$1" one "t w o" <../input || others_rc=$?
	echo "$others_rc"
	cat ran
}
scene() { # prints all that the dispatcher does with the folders
	for h in pre-receive post-receive; do
		for s in "0 0" "7 3" "0 5"; do
			# shellcheck disable=SC2086
			others $h $s
		done
	done
}
test_expect 'the program is gone: the hooks of others run as before' '
	fresh orphans
	script orphans.git/hooks/pre-receive "cat >\$GIT_DIR/seen; test \"\$GIT_PUSH_OPTION_0\" != no"
	script orphans.git/hooks/post-receive "echo old >>ran"
	ff hooks install orphans.git
	away
	git -C orphans push -q -o yes origin main:claude/gone >out 2>&1
	like "$(cat orphans.git/seen)" "^0{40} [0-9a-f]{40} refs/heads/claude/gone"
	must_fail git -C orphans push -q -o no origin main:again
	back
	{ printf "zero\000byte\377 \n\n"; seq 1 60000; printf "end\n\n\n"; } >input
	cd orphans.git
	printf "echo shell \$1 \"\$2\" \${LC_ALL-unset} >>ran\n" >hooks/post-receive.d/Z-sh && chmod 755 hooks/post-receive.d/Z-sh
	for n in a~ b.bak .c d.sample "#e" f.orig g.rej h.swp i.tmp j.dpkg-old k.dpkg-new l.dpkg-dist m.rpmsave n.rpmnew o.rpmorig; do
		script "hooks/post-receive.d/$n" "echo $n >>ran"
	done
	script hooks/post-receive.d/45-plain "echo no >>ran" && chmod 644 hooks/post-receive.d/45-plain
	script hooks/post-receive.d/10-deaf "exec <&-; exit 0"
	script hooks/post-receive.d/92-fds "for n in 3 4 5 6 7 8 9; do readlink /proc/\$\$/fd/\$n; done | grep deleted >>ran || :"
	mkdir hooks/post-receive.d/60-folder
	export FLOWFORGE_PUBLISH=1
	scene >../with
	sum=$(cksum <../input)
	is "$(sed -n 1,3p ../with)" "0
$sum
$sum"
	is "$(sed -n 4,5p ../with)" "7
$sum"
	is "$(grep -c "^shell one t w o C.UTF-8" ../with)" 3
	is "$(grep -c "^7$" ../with)" 2
	is "$(grep -c "^5$" ../with)" 2
	unlike "$(cat ../with)" "deleted|no|[a-o][.~]"
	away
	scene >../without
	(unset LC_ALL && scene) >../unset
	back
	diff ../with ../without
	sed "s/ C.UTF-8$/ unset/" ../with | diff - ../unset
	is "$(ls -A "$TMPDIR")" ""
	for s in dash bash "busybox sh"; do
		command -v ${s%% *} >/dev/null || continue
		away
		sed "s|^#!/bin/sh$|#!$(command -v ${s%% *})${s#${s%% *}}|" hooks/post-receive >hooks/x && chmod +x hooks/x
		mv hooks/post-receive ../kept && mv hooks/x hooks/post-receive
		scene >../by
		mv ../kept hooks/post-receive
		back
		diff ../with ../by
	done
	script hooks/pre-receive.d/10-first "kill -9 \$\$"
	away
	status_is 137 hooks/pre-receive <../input
	TMPDIR=$T/nowhere status_is 1 hooks/pre-receive <../input
	rm hooks/pre-receive.d/95-last
	# Back before its turn in the folder, in which it would not know its type.
	script hooks/pre-receive.d/10-first "mv $T/libexec/away $T/libexec/flowforge-hook"
	status_is 0 hooks/pre-receive <../input
	[ -x "$T/libexec/flowforge-hook" ]
'

test_expect 'hook files of an older kind are replaced, and uninstalled' '
	fresh older
	script older.git/hooks/pre-receive "cat >/dev/null; echo old"
	snapshot older.git >before
	ff hooks install older.git
	snapshot older.git >wanted
	old_kind() { # FILE TYPE LINE...
		rm "older.git/hooks/$1"
		{ printf "#!%s %s\n# flowforge; made by \`flowforge hooks install\`\n" "$T/libexec/flowforge-hook" "$2"; shift 2; printf "%s\n" "$@"; } >"$T/old"
		install -m 755 "$T/old" "older.git/hooks/$name"
	}
	old_all() {
		name=post-receive && old_kind $name post-receive "conf $T/state/hook.conf"
		name=pre-receive.d/90-flowforge && old_kind $name pre-receive "conf $T/state/hook.conf"
		name=pre-receive && old_kind $name dispatch:pre-receive "folder pre-receive.d" "previous 50-previous"
		rm -f older.git/flowforge/hook
	}
	old_all
	reaches_us older
	status_is 1 ff hooks status older.git >out 2>&1
	for f in post-receive pre-receive pre-receive.d/90-flowforge; do
		like "$(cat out)" "hooks/$f is of an old form that refuses pushes"
	done
	git -C older.git for-each-ref --format="delete %(refname)" refs/heads/claude | git -C older.git update-ref --stdin
	find older.git -empty -type d -name claude -delete
	ff hooks install older.git
	snapshot older.git | diff wanted -
	status_is 0 ff hooks status older.git
	old_all
	ff hooks uninstall older.git
	snapshot older.git | diff before -
'

# gc.auto = 0 of the tests' own configuration says that somebody else tidies: not so in these repositories.
tidy_repo() { # NAME [VALUE of receive.autogc]
	fresh "$1"
	git -C "$1.git" config gc.auto 6700
	[ $# = 1 ] || git -C "$1.git" config receive.autogc "$2"
	snapshot "$1.git" >"$1.before"
}
autogc() { git -C "$1.git" config --get receive.autogc || echo none; }

test_expect 'gc is taken out of pushes where the daemon tidies, and given back' '
	tidy_repo tidy
	ff hooks install --dry-run tidy.git >out
	like "$(cat out)" "would set receive.autogc = false and flowforge.maintenance = true"
	is "$(autogc tidy)" none
	[ "$(spooled)" = 0 ] || rm -f state/spool/*
	ff hooks install tidy.git
	is "$(autogc tidy)" false
	is "$(git -C tidy.git config flowforge.maintenance)" true
	is "$(cat state/spool/*.json | json repo)" "$T/tidy.git"
	ff hooks install tidy.git >out
	like "$(cat out)" "nothing to do"
	is "$(spooled)" 1
	status_is 0 ff hooks status tidy.git >out
	like "$(cat out)" "the daemon tidies this repository"
	ff hooks uninstall tidy.git
	snapshot tidy.git | diff tidy.before -
'

test_expect 'a value that was there comes back, also when others have edited the configuration' '
	for value in true yes; do
		tidy_repo tidy$value $value
		ff hooks install tidy$value.git
		is "$(autogc tidy$value)" false
		ff hooks uninstall tidy$value.git
		snapshot tidy$value.git | diff tidy$value.before -
		ff hooks install tidy$value.git
		git -C tidy$value.git config core.compression 1
		ff hooks uninstall tidy$value.git
		is "$(autogc tidy$value)" $value
		is "$(git -C tidy$value.git config core.compression)" 1
		must_fail git -C tidy$value.git config flowforge.maintenance
	done
'

test_expect 'whoever has a way of his own keeps it' '
	tidy_repo own false
	ff hooks install own.git
	must_fail git -C own.git config flowforge.maintenance
	status_is 0 ff hooks status own.git
	ff hooks uninstall own.git
	snapshot own.git | diff own.before -
	tidy_repo zero
	git -C zero.git config gc.auto 0
	ff hooks install zero.git
	is "$(autogc zero)" none
	tidy_repo no
	git -C no.git config flowforge.maintenance false
	ff hooks install no.git
	is "$(autogc no)" none
	status_is 0 ff hooks status no.git
'

test_expect 'when the daemon tidies no longer, git gets it back by another install' '
	tidy_repo back true
	ff hooks install back.git
	status_is 1 ff -c maintenance.enabled=false hooks status back.git >out 2>&1
	like "$(cat out)" "nobody tidies this repository"
	ff -c maintenance.enabled=false hooks install back.git
	is "$(autogc back)" true
	must_fail git -C back.git config flowforge.maintenance
	status_is 0 ff -c maintenance.enabled=false hooks status back.git
	status_is 1 ff hooks status back.git >out 2>&1
	like "$(cat out)" "git tidies within pushes"
	ff hooks uninstall back.git
	snapshot back.git | diff back.before -
'

test_expect 'gitolite: files for repo-specific hooks, and back' '
	mkdir -p local
	ff hooks install --gitolite local >out
	[ -x local/hooks/repo-specific/flowforge-post-receive ]
	away
	seq 1 200000 | status_is 0 local/hooks/repo-specific/flowforge-post-receive
	back
	like "$(cat out)" "option hook.post-receive = flowforge-post-receive"
	is "$(git config --global receive.advertisePushOptions)" true
	ff hooks uninstall --gitolite local
	is "$(ls local/hooks/repo-specific)" ""
	is "$(git config --global receive.advertisePushOptions)$(git config --global receive.hideRefs)" ""
'

test_expect 'forges get instructions' '
	for f in gitlab gitea forgejo; do
		ff hooks install --$f >out
		like "$(cat out)" "flowforge-hook. post-receive"
		like "$(cat out)" "advertisePushOptions"
	done
'

if [ "$(id -u)" = 0 ]; then
	test_expect 'root works as the owner, and others are refused' '
		fresh owned
		chown -R nobody owned.git
		chmod 755 "$T"
		ff hooks install owned.git
		is "$(find owned.git ! -user nobody | wc -l)" 0
		ff hooks uninstall owned.git
		is "$(find owned.git ! -user nobody | wc -l)" 0
		cp "$top_builddir/flowforge" "$top_builddir/flowforge-hook" "$T/home/"
		chmod 755 "$T/home"
		chmod 644 "$T/flowforge.conf"
		status_is 4 setpriv --reuid=65534 --clear-groups "$T/home/flowforge" --config "$T/flowforge.conf" hooks install plain.git 2>out
		like "$(cat out)" "belongs to root"
	'
else
	test_skip 'root works as the owner, and others are refused' 'needs root'
fi
test_done
