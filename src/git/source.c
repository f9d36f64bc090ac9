/* SPDX-License-Identifier: MIT */
/*
 * See source.h.  What is lent is either a new object of pack.c or an object
 * of libgit2's cache; `hold` is one of the two, told apart by its lowest bit,
 * since giving back happens once for every tree of every merge.
 */
#include "git/source.h"

#include <string.h>

#include "git/lib.h"
#include "merge/merge.h"

#define NEW ((uintptr_t)1)

static git_oid oid_of(const struct ff_merge_id *id)
{
	git_oid oid;

	memcpy(oid.id, id->b, GIT_OID_RAWSZ);
	return oid;
}

static void set_id(struct ff_merge_id *id, const git_oid *oid)
{
	*id = (struct ff_merge_id){ { 0 } };
	memcpy(id->b, oid->id, GIT_OID_RAWSZ);
}

static int wrong(const git_oid *oid, git_object_t want, struct ff_err *err)
{
	char hex[FF_GIT_OID];

	return ff_err_set(err, FF_E_GIT, "%s is not a %s", git_oid_tostr(hex, sizeof hex, oid), git_object_type2string(want));
}

static int read_any(struct ff_git *git, const struct ff_merge_id *id, git_object_t type, struct ff_merge_bytes *ret,
		    struct ff_err *err)
{
	struct ff_git_lib_lent lent;
	git_odb_object *obj = NULL;
	git_oid oid = oid_of(id);
	int rc = ff_git_lib_lend(git, &oid, type, &lent, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		*ret = (struct ff_merge_bytes){ (const unsigned char *)lent.data, lent.len,
						(void *)((uintptr_t)lent.item | NEW) };
		return 0;
	}
	rc = git_odb_read(&obj, git->odb, &oid);
	if (rc < 0)
		return ff_git_lib_unread(git, &oid, rc, err);
	if (git_odb_object_type(obj) != type) {
		git_odb_object_free(obj);
		return wrong(&oid, type, err);
	}
	*ret = (struct ff_merge_bytes){ git_odb_object_data(obj), git_odb_object_size(obj), obj };
	return 0;
}

static int read_tree(void *git, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	return read_any(git, id, GIT_OBJECT_TREE, ret, err);
}

static int read_blob(void *git, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	return read_any(git, id, GIT_OBJECT_BLOB, ret, err);
}

int ff_git_source_read_commit(void *git, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	return read_any(git, id, GIT_OBJECT_COMMIT, ret, err);
}

static int blob_size(void *arg, const struct ff_merge_id *id, uint64_t *ret_size, struct ff_err *err)
{
	struct ff_git *git = arg;
	git_oid oid = oid_of(id);
	git_object_t type;
	size_t size;
	int rc = git_odb_read_header(&size, &type, git->odb, &oid);

	if (rc < 0)
		return ff_git_lib_unread(git, &oid, rc, err);
	if (type != GIT_OBJECT_BLOB)
		return wrong(&oid, GIT_OBJECT_BLOB, err);
	*ret_size = size;
	return 0;
}

static void release(void *git, struct ff_merge_bytes *bytes)
{
	uintptr_t hold = (uintptr_t)bytes->hold;

	if (hold & NEW)
		ff_git_lib_give_back(git, (struct ff_pack_item *)(hold & ~NEW));
	else if (hold)
		git_odb_object_free(bytes->hold);
	*bytes = (struct ff_merge_bytes){ NULL, 0, NULL };
}

static int write_any(struct ff_git *git, git_object_t type, const void *data, size_t len, struct ff_merge_id *ret_id,
		     struct ff_err *err)
{
	git_oid oid;

	if (ff_git_lib_put(git, type, data, len, &oid, err) < 0)
		return -1;
	set_id(ret_id, &oid);
	return 0;
}

static int write_tree(void *git, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err)
{
	return write_any(git, GIT_OBJECT_TREE, data, len, ret_id, err);
}

static int write_blob(void *git, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err)
{
	return write_any(git, GIT_OBJECT_BLOB, data, len, ret_id, err);
}

int ff_git_source_write_commit(void *git, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err)
{
	return write_any(git, GIT_OBJECT_COMMIT, data, len, ret_id, err);
}

void ff_git_source(struct ff_git *git, struct ff_merge_source *ret_source)
{
	*ret_source = (struct ff_merge_source){
		.arg = git, .id_len = GIT_OID_RAWSZ, .read_tree = read_tree, .read_blob = read_blob,
		.blob_size = blob_size, .release = release, .write_tree = write_tree, .write_blob = write_blob,
	};
}

int ff_git_source_id(const char *hex, struct ff_merge_id *ret_id, struct ff_err *err)
{
	git_oid oid;

	if (ff_git_lib_oid(hex, &oid, err) < 0)
		return -1;
	set_id(ret_id, &oid);
	return 0;
}

void ff_git_source_hex(const struct ff_merge_id *id, char *ret_hex)
{
	git_oid oid = oid_of(id);

	git_oid_tostr(ret_hex, FF_GIT_OID, &oid);
}
