/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_NAMES_H
#define FF_BASE_NAMES_H

/*
 * Every name by which users, other programs and repositories know the
 * product.  Nothing else spells them out: renaming the product, or moving a
 * ref namespace, is a change of this file alone.
 */

#define FF_NAME "flowforge"
#define FF_DAEMON "flowforged"
#define FF_ENV_PREFIX "FLOWFORGE_"
/* Folder of our helper programs in a run that is not installed: libexec.h. */
#define FF_ENV_LIBEXECDIR "FLOWFORGE_LIBEXECDIR"

/* Refs. Job refs are hidden from pushes by receive.hideRefs (githooks side). */
#define FF_REF_PRIVATE "refs/flowforge"
#define FF_REF_JOBS "refs/flowforge/jobs"
#define FF_REF_NOTES "refs/notes/flowforge"
#define FF_HEADS "refs/heads/"

/* Default templates and globs; flowforge.conf(5) can change them. */
#define FF_TRIGGER_GLOB "refs/heads/claude/*"
#define FF_RESULT_PREFIX "claude-results/"
#define FF_CONFLICT_PREFIX "claude-conflicts/"

/* What a pusher types. */
#define FF_OPTION "claude"
#define FF_TRAILER_TASK "Claude-Task"
#define FF_TASK_FOLDER ".flowforge/tasks"

/* What our commits carry. */
#define FF_TRAILER_JOB "Flowforge-Job"

/* Set for every hook that runs because of a ref update of our own. */
#define FF_ENV_PUBLISH "FLOWFORGE_PUBLISH"

/* Our entry in a folder of hooks; and, in a repository, the file that says where hook.conf is (doc/protocol.md). */
#define FF_HOOK_ENTRY "90-" FF_NAME
#define FF_HOOK_PLACE FF_NAME "/hook"

/* In the folder of a job: what the gateway recorded. The worker leaves it alone, so that no answer is bought twice. */
#define FF_JOB_ANSWERS "answers"
/* And that with its gateway's socket, gw.sock. */
#define FF_JOB_GATE "gate"

/* In a repository's configuration: we tidy it, so git need not after each push. In lower case, as git lists it. */
#define FF_KEY_MAINTENANCE FF_NAME ".maintenance"

#endif
