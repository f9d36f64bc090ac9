#!/bin/sh
# SPDX-License-Identifier: MIT
# The systemd unit: valid, and without what would break the sandbox.
. "$top_srcdir/tests/lib/test-lib.sh"

unit=$top_builddir/contrib/systemd/flowforged.service

test_expect 'every place is filled in' '
	[ -s "$unit" ]
	unlike "$(cat "$unit")" "@[A-Za-z]+@"
	like "$(cat "$unit")" "^ExecStart=/.*/flowforged\$"
	like "$(cat "$unit")" "^Type=(notify|exec)\$"
	like "$(cat "$unit")" "^ExecReload=/bin/kill -HUP \\\$MAINPID\$"
'

test_expect 'nothing breaks the sandbox' '
	like "$(cat "$unit")" "^Delegate=yes\$"
	like "$(cat "$unit")" "^LoadCredential=anthropic-api-key\$"
	unlike "$(cat "$unit")" "^(NoNewPrivileges|RestrictNamespaces|ProtectKernel|ProtectProc|ProcSubset|SystemCallFilter|PrivateDevices|RestrictSUIDSGID|RestrictRealtime|LockPersonality|MemoryDenyWriteExecute|ProtectClock|ProtectHostname|RestrictAddressFamilies|DynamicUser)="
'

if command -v systemd-analyze >/dev/null; then
	test_expect 'systemd-analyze has nothing to say' '
		sed "s|^ExecStart=.*/flowforged|ExecStart=$top_builddir/flowforged|; /^Documentation=/d" "$unit" >flowforged.service
		systemd-analyze verify ./flowforged.service 2>said || { cat said; exit 1; }
		unlike "$(cat said)" "flowforged.service"
	'
	test_expect 'and it sees a mistake' '
		sed "s|^ExecStart=.*|ExecStart=/nowhere/at/all|" "$unit" >flowforged.service
		must_fail systemd-analyze verify ./flowforged.service
	'
else
	test_skip 'systemd-analyze has nothing to say' 'systemd-analyze is not installed'
fi

test_done
