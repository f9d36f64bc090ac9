#!/bin/sh
# SPDX-License-Identifier: MIT
# The way to the service: TLS that is verified, a certificate authority of
# one's own, ANTHROPIC_BASE_URL, and a proxy.
. "$top_srcdir/tests/lib/fault-lib.sh"

command -v openssl >/dev/null || skip_all 'openssl is not installed'
python3 -c 'import ssl' 2>/dev/null || skip_all 'python3 is not installed'

# An authority, and a certificate of it for that name.
certificate() { # NAME SUBJECT-ALTERNATIVE-NAME
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	printf 'subjectAltName=%s\n' "$2" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=authority -days 3650 -keyout ca.key -out ca.pem 2>/dev/null ||
	skip_all 'openssl makes no certificates here'

start_tls() { # NAME of the certificate
	end_process tls
	rm -f tls.ready
	: >tls.log
	"$top_srcdir/tests/lib/tls-proxy" "$(sed 's/.*://' model.url)" "$1.pem" "$1.key" "$T/tls.ready" "$T/tls.log" >>tls.err 2>&1 </dev/null &
	note_process tls $!
	wait_until '[ -s tls.ready ]'
	read -r tls proxy <tls.ready
}
# A fresh daemon that asks there; its first push is job 1.
fresh() { # KEY=VALUE...
	stop_daemon
	rm -rf state run flowforge.conf
	: >model.log
	write_config gateway.retries=0 job.retries=0 "$@"
	git config -f flowforge.conf --replace-all gateway.base-url "${base-https://127.0.0.1:$tls}"
	start_daemon
	[ -d app.git ] || make_hooked_repo app
	ff hooks install app.git >/dev/null
}

test_expect 'certificates, and a service behind TLS' '
	certificate good IP:127.0.0.1
	certificate other DNS:other.example.org
	write_scenario "echo x >X"
	start_model "$T/scenario.json"
'

test_expect 'a certificate of an authority that nobody knows is refused, before a byte of the key' '
	start_tls good
	fresh
	push_to unknown -o claude=work
	wait_job 1 failed
	like "$(ff show 1)" "the API cannot be reached: .*(certificate|peer)"
	is "$(grep -c path model.log || :) $(sort -u tls.log)" "0 refused"
'

test_expect 'with gateway.ca-file it is known' '
	start_tls good
	fresh "gateway.ca-file=$T/ca.pem"
	push_to known -o claude=work
	wait_job 1 completed
	is "$(sort -u tls.log)" tls
	[ "$(grep -c path model.log)" -ge 2 ]
'

test_expect 'a certificate for another name is not' '
	start_tls other
	fresh "gateway.ca-file=$T/ca.pem"
	push_to name -o claude=work
	wait_job 1 failed
	like "$(ff show 1)" "the API cannot be reached: .*(certificate|peer)"
	is "$(grep -c path model.log || :)" 0
'

test_expect 'ANTHROPIC_BASE_URL of the daemon comes before gateway.base-url, and a proxy is used for it' '
	start_tls good
	base=https://127.0.0.1:1 ANTHROPIC_BASE_URL=https://127.0.0.1:$tls https_proxy=http://127.0.0.1:$proxy
	export ANTHROPIC_BASE_URL https_proxy
	fresh "gateway.ca-file=$T/ca.pem"
	push_to proxy -o claude=work
	wait_job 1 completed
	is "$(sort -u tls.log)" "connect 127.0.0.1:$tls
tls"
'

test_done
