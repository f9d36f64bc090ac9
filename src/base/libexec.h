/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_LIBEXEC_H
#define FF_BASE_LIBEXEC_H

/*
 * Where our own helper programs are (flowforge-hook, flowforge-tool): in the
 * folder that configure was given, or in the one that FLOWFORGE_LIBEXECDIR
 * names, so that a build that was not installed can be run and tested.  No
 * other code reads that variable or knows that folder.
 */

/*
 * Absolute path of the program; whether it is there is not looked at.  A
 * variable that is empty or not absolute counts as not set, and so does any
 * in a program that runs with more rights than its caller.  Freed by ff_free.
 */
char *ff_libexec_path(const char *name);

#endif
