/* SPDX-License-Identifier: MIT */
/* Refs: looked up, listed, and moved by compare-and-swap. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "base/text.h"
#include "git/lib.h"

/* git itself waits 100 ms for the lock of a ref (core.filesRefLockTimeout); a busy server may need more. */
#define LOCK_TRIES 40
#define LOCK_PAUSE_NS 25000000L
/* So often all of that again, while the lock goes from hand to hand. */
#define LOCK_ROUNDS 10

static int lookup(struct ff_git *git, const char *ref, git_reference **ret_ref, struct ff_err *err)
{
	int rc = git_reference_lookup(ret_ref, git->repo, ref);

	if (rc == GIT_ENOTFOUND)
		return ff_err_set(err, FF_E_NOT_FOUND, "no ref %.180s", ref);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "ref %.120s", ref);
	return 0;
}

int ff_git_ref_commit(struct ff_git *git, const char *ref, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(git_reference_auto) git_reference *r = NULL;
	FF_AUTO(git_object_auto) git_object *commit = NULL;
	int rc;

	if (lookup(git, ref, &r, err) < 0)
		return -1;
	rc = git_reference_peel(&commit, r, GIT_OBJECT_COMMIT);
	if (rc == GIT_EPEEL || rc == GIT_EINVALIDSPEC)
		return ff_err_set(err, FF_E_INVALID, "ref %.180s does not lead to a commit", ref);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "ref %.120s", ref);
	git_oid_tostr(ret_oid, FF_GIT_OID, git_object_id(commit));
	return 0;
}

int ff_git_ref_oid(struct ff_git *git, const char *ref, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(git_reference_auto) git_reference *r = NULL, *direct = NULL;
	int rc;

	if (lookup(git, ref, &r, err) < 0)
		return -1;
	rc = git_reference_resolve(&direct, r);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "ref %.120s", ref);
	git_oid_tostr(ret_oid, FF_GIT_OID, git_reference_target(direct));
	return 0;
}

int ff_git_head_branch(struct ff_git *git, char **ret_branch, struct ff_err *err)
{
	FF_AUTO(git_reference_auto) git_reference *head = NULL;
	const char *to;

	if (lookup(git, "HEAD", &head, err) < 0)
		return -1;
	to = git_reference_type(head) == GIT_REFERENCE_SYMBOLIC ? git_reference_symbolic_target(head) : NULL;
	*ret_branch = ff_strdup(to && ff_starts(to, FF_HEADS) ? to + strlen(FF_HEADS) : NULL);
	return 0;
}

/* --- listing: collected first, since libgit2 gives loose refs before packed ones */

struct listed {
	char *ref;
	char oid[FF_GIT_OID];
};
struct list {
	struct listed *all;
	size_t n, room;
};

static void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		ff_free(&l->all[i].ref);
	ff_free(&l->all);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->ref, ((const struct listed *)b)->ref);
}

static bool matches(const char *const *globs, size_t n, const char *ref)
{
	for (size_t i = 0; i < n; i++)
		if (ff_glob_match(globs[i], ref))
			return true;
	return false;
}

static void list_put(struct list *l, const git_reference *r)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->all = ff_realloc(l->all, l->room, sizeof *l->all);
	}
	l->all[l->n].ref = ff_strdup(git_reference_name(r));
	git_oid_tostr(l->all[l->n++].oid, FF_GIT_OID, git_reference_target(r));
}

static int collect(struct ff_git *git, const char *const *globs, size_t n, struct list *l, struct ff_err *err)
{
	FF_AUTO(git_reference_iterator_auto) git_reference_iterator *it = NULL;
	int rc = git_reference_iterator_new(&it, git->repo);

	while (rc == 0) {
		FF_AUTO(git_reference_auto) git_reference *r = NULL;

		rc = git_reference_next(&r, it);
		if (rc == 0 && git_reference_type(r) == GIT_REFERENCE_DIRECT && matches(globs, n, git_reference_name(r)))
			list_put(l, r);
	}
	if (rc != GIT_ITEROVER)
		return ff_git_lib_fail(err, rc, "%s: cannot list the refs", git->path);
	if (l->n)
		qsort(l->all, l->n, sizeof *l->all, by_name);
	return 0;
}

int ff_git_refs(struct ff_git *git, const char *const *globs, size_t n, ff_git_ref_fn fn, void *arg,
		struct ff_err *err)
{
	FF_AUTO(list_fini) struct list l = { NULL, 0, 0 };

	if (collect(git, globs, n, &l, err) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (fn(arg, l.all[i].ref, l.all[i].oid))
			return ff_err_set(err, FF_E_CANCELLED, "the listing of refs was ended");
	return 0;
}

/* --- moving */

/*
 * Refs that nobody but us writes: our own, and a branch that is yet to be,
 * under a name that belongs to one job.
 */
static bool ours_alone(const struct ff_git_ref_change *ch)
{
	return ch->ours || ff_starts(ch->ref, FF_REF_PRIVATE "/") || !strcmp(ch->ref, FF_REF_NOTES) || !ch->old_oid ||
	       ff_oid_zero(ch->old_oid);
}

static int try_lock(git_transaction *tx, const char *ref)
{
	const struct timespec pause = { 0, LOCK_PAUSE_NS };
	int rc = 0;

	for (int i = 0; i < LOCK_TRIES; i++) {
		rc = git_transaction_lock_ref(tx, ref);
		if (rc != GIT_ELOCKED)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

static bool same_file(const char *path, const struct stat *before)
{
	struct stat now;

	return lstat(path, &now) == 0 && before->st_ino == now.st_ino && before->st_ctim.tv_sec == now.st_ctim.tv_sec &&
	       before->st_ctim.tv_nsec == now.st_ctim.tv_nsec;
}

/* One of us at a time: else the second one would remove the lock that the first one has taken in its place. */
static int take_dead_lock(git_transaction *tx, struct ff_git *git, const char *ref, const char *path, const struct stat *dead)
{
	FF_AUTO(ff_close) int alone = open(git->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (alone < 0 || flock(alone, LOCK_EX | LOCK_NB) < 0 || !same_file(path, dead))
		return GIT_ELOCKED;
	(void)unlink(path); /* when it fails the next line says so */
	return git_transaction_lock_ref(tx, ref);
}

/*
 * A worker that is killed with a lock in its hand leaves the file.  We hold a
 * lock for milliseconds, so one that was the same file all the time that we
 * waited has no owner any more, and waiting longer would lose the result.  A
 * lock that became another file meanwhile has one: of all that wait for a dead
 * one, the first takes it, and the others wait for that one then.
 */
static int lock_after_crash(git_transaction *tx, struct ff_git *git, const char *ref)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/%s.lock", git->path, ref);
	struct stat before;
	int rc = GIT_ELOCKED;

	for (int i = 0; rc == GIT_ELOCKED && i < LOCK_ROUNDS; i++) {
		bool there = lstat(path, &before) == 0;

		rc = try_lock(tx, ref);
		if (rc == GIT_ELOCKED && there && same_file(path, &before))
			rc = take_dead_lock(tx, git, ref, path, &before);
	}
	return rc;
}

static int lock_ref(git_transaction *tx, struct ff_git *git, const struct ff_git_ref_change *ch, struct ff_err *err)
{
	const char *ref = ch->ref;
	int rc = ours_alone(ch) ? lock_after_crash(tx, git, ref) : try_lock(tx, ref);

	if (rc == GIT_ELOCKED)
		return ff_err_set(err, FF_E_IO, "%.120s is locked by another git process; if none runs, one died: "
				  "remove %.120s.lock from the repository", ref, ref);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s: cannot lock %.100s", git->path, ref);
	return 0;
}

/* Refs are files and folders to git: of `a` and `a/b` only one can be. */
static int check_room(struct ff_git *git, const char *ref, struct ff_err *err)
{
	FF_AUTO(ff_free) char *above = ff_strdup(ref), *below = ff_asprintf("%s/*", ref);
	FF_AUTO(git_reference_iterator_auto) git_reference_iterator *it = NULL;
	const char *name = NULL;
	git_oid oid;

	if (git_reference_name_to_id(&oid, git->repo, ref) == 0)
		return 0; /* it has its room; to look below means to read every ref */
	for (char *slash = strrchr(above, '/'); slash && slash > above; slash = strrchr(above, '/')) {
		*slash = '\0';
		if (ff_ref_valid(above) && git_reference_name_to_id(&oid, git->repo, above) == 0)
			return ff_err_set(err, FF_E_CONFLICT, "cannot make %.90s because %.90s is there: "
					  "remove or rename that one", ref, above);
	}
	if (git_reference_iterator_glob_new(&it, git->repo, below) == 0 && git_reference_next_name(&name, it) == 0)
		return ff_err_set(err, FF_E_CONFLICT, "cannot make %.90s because %.90s is there: "
				  "remove or rename that one", ref, name);
	return 0;
}

/* What the ref holds now as hex, "" when it is absent. */
static int current(struct ff_git *git, const char *ref, char *ret_hex, struct ff_err *err)
{
	FF_AUTO(git_reference_auto) git_reference *r = NULL;
	int rc = git_reference_lookup(&r, git->repo, ref);

	if (rc < 0 && rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "ref %.120s", ref);
	if (r && git_reference_type(r) != GIT_REFERENCE_DIRECT)
		return ff_err_set(err, FF_E_GIT, "%.180s is a symbolic ref, which is not ours to move", ref);
	ret_hex[0] = '\0';
	if (r)
		git_oid_tostr(ret_hex, FF_GIT_OID, git_reference_target(r));
	return 0;
}

/* NULL and zeros both say "absent". */
static const char *wanted(const char *oid)
{
	return oid && !ff_oid_zero(oid) ? oid : "";
}

static int check_change(struct ff_git *git, const struct ff_git_ref_change *ch, struct ff_err *err)
{
	git_object_t type;
	size_t size;
	git_oid oid;
	int rc;

	if (!ff_ref_valid(ch->ref))
		return ff_err_set(err, FF_E_INVALID, "'%.180s' cannot be the name of a ref", ch->ref);
	if (!*wanted(ch->new_oid))
		return 0;
	if (ff_git_lib_oid(ch->new_oid, &oid, err) < 0)
		return -1;
	rc = git_odb_read_header(&size, &type, git->odb, &oid);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "new value of %.120s", ch->ref);
	if (ff_starts(ch->ref, FF_HEADS) && type != GIT_OBJECT_COMMIT)
		return ff_err_set(err, FF_E_INVALID, "%.120s cannot hold %s: it is not a commit", ch->ref, ch->new_oid);
	return check_room(git, ch->ref, err);
}

/* With its lock held: compares, and stages the write. */
static int stage(struct ff_git *git, git_transaction *tx, const struct ff_git_ref_change *ch,
		 const git_signature *sig, const char *reflog, struct ff_err *err)
{
	const char *old = wanted(ch->old_oid), *new = wanted(ch->new_oid);
	char now[FF_GIT_OID];
	git_oid oid;
	int rc;

	if (current(git, ch->ref, now, err) < 0)
		return -1;
	if (strcmp(now, new) == 0)
		return 0;
	if (strcmp(now, old) != 0)
		return ff_err_set(err, FF_E_REF_MOVED, "%.120s is %.12s now, not %.12s", ch->ref,
				  *now ? now : "absent", *old ? old : "absent");
	if (!*new) {
		rc = git_transaction_remove(tx, ch->ref);
	} else {
		ff_assert(git_oid_fromstr(&oid, new) == 0);
		rc = git_transaction_set_target(tx, ch->ref, &oid, sig, reflog);
	}
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot move %.120s", ch->ref);
	return 0;
}

int ff_git_publish(struct ff_git *git, const struct ff_git_ref_change *changes, size_t n,
		   const struct ff_git_person *who, const char *reflog, struct ff_err *err)
{
	FF_AUTO(git_transaction_auto) git_transaction *tx = NULL;
	FF_AUTO(git_signature_auto) git_signature *sig = NULL;
	int rc;

	if (ff_git_lib_person(who, &sig, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (check_change(git, &changes[i], err) < 0)
			return -1;
	rc = git_transaction_new(&tx, git->repo);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s: cannot begin to move refs", git->path);
	for (size_t i = 0; i < n; i++)
		if (lock_ref(tx, git, &changes[i], err) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (stage(git, tx, &changes[i], sig, reflog, err) < 0)
			return -1;
	rc = git_transaction_commit(tx);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s: cannot move refs", git->path);
	return 0;
}

int ff_git_ref_update(struct ff_git *git, const char *ref, const char *old_oid, const char *new_oid,
		      const struct ff_git_person *who, const char *reflog, struct ff_err *err)
{
	const struct ff_git_ref_change change = { ref, old_oid, new_oid };

	return ff_git_publish(git, &change, 1, who, reflog, err);
}
