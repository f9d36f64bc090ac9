#!/bin/sh
# SPDX-License-Identifier: MIT
# A push message with one malformed ref made jobs of the refs before it, while
# the pusher read that there was none.
. "$top_srcdir/tests/lib/test-lib.sh"

start_model --demo
start_daemon
make_hooked_repo app

say() { # MESSAGE: what core answers
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; syswrite $s, "$ARGV[1]\n"; print <$s>' \
		"$T/run/hook.sock" "$1"
}

ref() { # NAME NEW
	printf '{"ref":"refs/heads/claude/%s","old":"%040d","new":"%s"}' "$1" 0 "$2"
}

test_expect 'a push is taken as a whole or not at all' '
	tip=$(git -C app rev-parse HEAD)
	like "$(say "{\"m\":\"push\",\"v\":1,\"id\":\"00112233445566778899aabbccddeeff\",\"repo\":\"$(git -C app remote get-url origin)\",\"options\":[\"claude=work\"],\"refs\":[$(ref good "$tip"),$(ref bad none)]}" | tr -d "\n")" "error: no job"
	is "$(job_count)" 0
'

test_done
