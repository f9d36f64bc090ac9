#!/bin/sh
# SPDX-License-Identifier: MIT
# contrib/install-deps against a pretended Debian: what it asks apt-get for.
. "$top_srcdir/tests/lib/test-lib.sh"

script=$top_srcdir/contrib/install-deps
real_path=$PATH

# A dpkg that has the packages in $T/installed, an apt-get that adds to it and
# writes down its words, an `id` and a sudo.
mkdir pretend
cat >pretend/dpkg-query <<-'EOF'
	#!/bin/sh
	while read -r p; do printf 'installed=%s ' "$p"; done <"$T/installed"
	printf 'config-files=removed-once '
EOF
cat >pretend/apt-get <<-'EOF'
	#!/bin/sh
	echo "$DEBIAN_FRONTEND $*" >>"$T/apt.log"
	[ ! -e "$T/apt.fails" ] || exit 100
	for w; do case $w in -* | *=* | update | install) ;; *) echo "$w" >>"$T/installed" ;; esac; done
EOF
cat >pretend/id <<-'EOF'
	#!/bin/sh
	cat "$T/uid"
EOF
cat >pretend/sudo <<-'EOF'
	#!/bin/sh
	echo "$1 $2" >>"$T/sudo.log"
	case $1 in env) exec "$@" ;; esac # never touches the machine
EOF
for tool in systemctl update-rc.d service; do printf '#!/bin/sh\nexit 0\n' >pretend/$tool; done
chmod +x pretend/*
PATH=$T/pretend:$PATH
echo 1000 >uid # so that every change goes through our sudo

all() {
	env PATH="$real_path" "$script" --list | sed 's/|.*//'
}

test_expect 'all is there: apt-get is not called' '
	all >installed
	"$script" >out
	[ ! -e apt.log ] && [ ! -e sudo.log ]
	like "$(cat out)" "everything is there"
'

test_expect 'one is missing: one update, one install of that one' '
	all | grep -v "^uuid-dev$" >installed
	"$script"
	is "$(grep -c update apt.log)" 1
	is "$(grep -c "install --no-install-recommends uuid-dev$" apt.log)" 1
	unlike "$(cat apt.log)" "^[^n]"
	rm apt.log
	"$script"
	[ ! -e apt.log ]
'

test_expect 'a package that was removed but not purged is missing' '
	all | sed "s/^mandoc$/x/" >installed
	"$script"
	like "$(cat apt.log)" "install --no-install-recommends mandoc$"
	rm apt.log
'

test_expect 'another package that does the same is enough' '
	all | sed "s/^libcurl4-openssl-dev$/libcurl4-gnutls-dev/; s/^pkg-config$/pkgconf/" >installed
	"$script"
	[ ! -e apt.log ]
'

test_expect '--build-only wants no test packages' '
	all | grep -vE "^(clang|openssh-server|gitolite3|libcmocka-dev|libclang-rt-14-dev)$" >installed
	"$script" --build-only
	[ ! -e apt.log ]
	"$script"
	like "$(cat apt.log)" "openssh-server"
	rm apt.log
'

test_expect 'an apt-get that fails is an error that says what to do' '
	: >installed
	touch apt.fails
	status_is 1 "$script" >out 2>&1
	like "$(cat out)" "apt-get update failed: .*sources"
	rm apt.fails
'

test_expect 'without root and sudo it says what is missing' '
	mv pretend/sudo pretend-sudo
	for tool in sh env tr cat grep sed uname printf; do ln -sf "$(command -v $tool)" pretend/; done
	status_is 1 env PATH="$T/pretend" "$script" >out 2>&1
	like "$(cat out)" "run this as root, or install sudo; missing: .*libgit2-dev"
'

test_expect 'not Debian, wrong words, help' '
	status_is 1 env PATH="$T/none" "$(command -v sh)" "$script" >out 2>&1 || cat out
	like "$(cat out)" "not Debian"
	status_is 2 "$script" --wrong
	status_is 0 "$script" --help
'

test_done
