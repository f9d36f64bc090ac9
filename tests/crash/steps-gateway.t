#!/bin/sh
# SPDX-License-Identifier: MIT
# The gateway dies before and after each of its durable steps.  The answer that
# it was asking for may be asked for again (a known gap: flight.c); one that it
# had recorded may not.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

gateway_prepare() { :; }
gateway_act() { crash_push "$1"; }
gateway_settle() { settle "$1"; }

reader_prepare() { :; }
reader_act() { crash_push "$1"; }
reader_settle() { settle "$1"; }

test_expect 'a calm push' 'make_world'
sweep gateway gateway 1
sweep reader reader
crash_done
