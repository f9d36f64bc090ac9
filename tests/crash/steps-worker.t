#!/bin/sh
# SPDX-License-Identifier: MIT
# The worker dies before and after each of its durable steps.
. "$top_srcdir/tests/crash/steps-lib.sh"
crash_possible

worker_prepare() { :; }
worker_act() { crash_push "$1"; }
worker_settle() { settle "$1"; }

test_expect 'a calm push' 'make_world'
sweep worker worker
crash_done
