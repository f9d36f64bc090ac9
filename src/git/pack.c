/* SPDX-License-Identifier: MIT */
/*
 * See pack.h: the table of the new objects, and what libgit2 sees of it, a
 * backend of its object database that comes before all others.  The names of
 * the objects are made by git_odb_hash(), which finds SHA-1 collisions; since
 * the table is asked first, an object that the repository has already may
 * come twice, which is harmless, and saves the search for it.
 */
#include <stdlib.h>
#include <string.h>

#include <git2/sys/odb_backend.h>

#include "base/file.h"
#include "git/lib.h"
#include "git/packfile.h"

/* Far behind libgit2's own, loose (1) and packed (2): the highest comes first. */
#define PRIORITY 10

struct ff_pack_item {
	struct ff_pack_entry entry; /* at and crc once it is in the file */
	enum ff_pack_type type;
	bool in_file;
	unsigned lent; /* to how many its bytes are lent */
	size_t size;
	char *data;    /* NULL: in the file alone */
};

struct ff_pack {
	bool keep, streaming;
	bool committed; /* on disk, and still read from here: to find a new pack, libgit2 reads every folder of packs */
	size_t max_memory, in_memory;
	int64_t bytes;
	struct ff_pack_item **items;
	size_t n, room;
	uint32_t *table; /* index + 1; 0: free */
	size_t slots;    /* a power of two */
	struct ff_packfile *file; /* NULL: all is in memory */
};

static bool active(const struct ff_git *git)
{
	return git->pack && !git->pack->committed;
}

/* --- the table */

static size_t slot_of(const struct ff_pack *p, const unsigned char *id)
{
	size_t at;

	memcpy(&at, id, sizeof at);
	for (at &= p->slots - 1; p->table[at]; at = (at + 1) & (p->slots - 1))
		if (memcmp(p->items[p->table[at] - 1]->entry.id, id, GIT_OID_RAWSZ) == 0)
			break;
	return at;
}

static struct ff_pack_item *find(const struct ff_pack *p, const git_oid *oid)
{
	uint32_t n = p && p->slots ? p->table[slot_of(p, oid->id)] : 0;

	return n ? p->items[n - 1] : NULL;
}

static void widen(struct ff_pack *p)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		p->items = ff_realloc(p->items, p->room, sizeof(struct ff_pack_item *));
	}
	if (2 * (p->n + 1) <= p->slots)
		return;
	p->slots = p->slots ? 2 * p->slots : 256;
	ff_free(&p->table);
	p->table = ff_calloc(p->slots, sizeof *p->table);
	for (size_t i = 0; i < p->n; i++)
		p->table[slot_of(p, p->items[i]->entry.id)] = (uint32_t)i + 1;
}

static struct ff_pack_item *add_item(struct ff_pack *p, const git_oid *oid, enum ff_pack_type type, size_t size)
{
	struct ff_pack_item *it = ff_calloc(1, sizeof *it);

	ff_assert(p->n < UINT32_MAX - 1);
	widen(p);
	*it = (struct ff_pack_item){ .type = type, .size = size };
	memcpy(it->entry.id, oid->id, sizeof it->entry.id);
	p->items[p->n] = it;
	p->table[slot_of(p, oid->id)] = (uint32_t)++p->n;
	p->bytes += (int64_t)size;
	return it;
}

static void forget_data(struct ff_pack *p, struct ff_pack_item *it)
{
	if (!it->data || it->lent || !it->in_file)
		return;
	ff_free(&it->data);
	p->in_memory -= it->size;
}

/* --- the file */

/* Every repository has its objects under its own folder: ff_git_open never follows GIT_OBJECT_DIRECTORY. */
static char *folder(const struct ff_git *git)
{
	return ff_path_join(git->path, "objects/pack");
}

static int open_file(struct ff_git *git, uint32_t count, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = folder(git);

	if (git->pack->file)
		return 0;
	if (git->pack->keep && !git->swept) {
		ff_packfile_sweep(dir);
		git->swept = true;
	}
	return ff_packfile_open(git->pack->keep ? dir : NULL, count, &git->pack->file, err);
}

/* All that is not in the file yet. */
static int put_all(struct ff_pack *p, struct ff_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct ff_pack_item *it = p->items[i];

		if (!it->in_file && ff_packfile_add(p->file, it->type, it->data, it->size, &it->entry, err) < 0)
			return -1;
		it->in_file = true;
	}
	return 0;
}

static int spill(struct ff_git *git, struct ff_err *err)
{
	struct ff_pack *p = git->pack;

	if (p->in_memory <= p->max_memory || p->streaming)
		return 0;
	if (open_file(git, 0, err) < 0 || put_all(p, err) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		forget_data(p, p->items[i]);
	return 0;
}

/* --- objects in and out */

static int put_named(struct ff_git *git, const git_oid *oid, enum ff_pack_type type, const void *data, size_t size,
		     struct ff_err *err)
{
	struct ff_pack_item *it;

	if (find(git->pack, oid))
		return 0;
	it = add_item(git->pack, oid, type, size);
	it->data = ff_memdup0(data, size);
	git->pack->in_memory += size;
	return spill(git, err);
}

int ff_git_lib_put(struct ff_git *git, git_object_t type, const void *data, size_t size, git_oid *ret_oid,
		   struct ff_err *err)
{
	git_oid oid;
	int rc = active(git) ? git_odb_hash(&oid, data, size, type) : git_odb_write(&oid, git->odb, data, size, type);

	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot write an object");
	if (active(git) && put_named(git, &oid, (enum ff_pack_type)type, data, size, err) < 0)
		return -1;
	*ret_oid = oid;
	return 0;
}

static int fetch(struct ff_pack *p, struct ff_pack_item *it, void *out, struct ff_err *err)
{
	if (!it->data)
		return ff_packfile_read(p->file, it->entry.at, out, it->size, err);
	memcpy(out, it->data, it->size);
	return 0;
}

int ff_git_lib_lend(struct ff_git *git, const git_oid *oid, git_object_t type, struct ff_git_lib_lent *ret,
		    struct ff_err *err)
{
	struct ff_pack_item *it = find(git->pack, oid);

	if (!it)
		return 0;
	if (it->type != (enum ff_pack_type)type)
		return ff_err_set(err, FF_E_GIT, "an object is not a %s", git_object_type2string(type));
	if (!it->data) {
		FF_AUTO(ff_free) char *data = ff_calloc(it->size + 1, 1);

		if (fetch(git->pack, it, data, err) < 0)
			return -1;
		it->data = ff_steal(&data);
		git->pack->in_memory += it->size;
	}
	it->lent++;
	*ret = (struct ff_git_lib_lent){ it->data, it->size, it };
	return 1;
}

void ff_git_lib_give_back(struct ff_git *git, struct ff_pack_item *item)
{
	if (--item->lent == 0 && git->pack->in_memory > git->pack->max_memory)
		forget_data(git->pack, item);
}

int ff_git_lib_each_new(struct ff_git *git, ff_git_lib_new_fn fn, void *arg, struct ff_err *err)
{
	for (size_t i = 0; git->pack && i < git->pack->n; i++) {
		const struct ff_pack_item *it = git->pack->items[i];
		struct ff_git_lib_lent lent;
		git_oid oid;
		int rc;

		memcpy(oid.id, it->entry.id, sizeof oid.id);
		if (ff_git_lib_lend(git, &oid, (git_object_t)it->type, &lent, err) < 0)
			return -1;
		rc = fn(arg, (git_object_t)it->type, lent.data, lent.len, err);
		ff_git_lib_give_back(git, lent.item);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- what libgit2 sees */

struct backend {
	git_odb_backend base; /* first: libgit2 knows this part */
	struct ff_git *git;
};

static struct ff_git *git_of(git_odb_backend *b)
{
	return ((struct backend *)(void *)b)->git;
}

static int backend_failed(const struct ff_err *err)
{
	git_error_set_str(err->code == FF_E_IO ? GIT_ERROR_OS : GIT_ERROR_ODB, err->text);
	return GIT_ERROR;
}

static int backend_read(void **ret, size_t *ret_len, git_object_t *ret_type, git_odb_backend *b, const git_oid *oid)
{
	struct ff_pack *p = git_of(b)->pack;
	struct ff_pack_item *it = find(p, oid);
	struct ff_err err = { 0 };
	void *data;

	if (!it)
		return GIT_ENOTFOUND;
	data = git_odb_backend_data_alloc(b, it->size + 1);
	if (!data)
		return GIT_ERROR;
	if (fetch(p, it, data, &err) < 0) {
		git_odb_backend_data_free(b, data);
		return backend_failed(&err);
	}
	((char *)data)[it->size] = '\0';
	*ret = data;
	*ret_len = it->size;
	*ret_type = (git_object_t)it->type;
	return 0;
}

static int backend_header(size_t *ret_len, git_object_t *ret_type, git_odb_backend *b, const git_oid *oid)
{
	const struct ff_pack_item *it = find(git_of(b)->pack, oid);

	if (!it)
		return GIT_ENOTFOUND;
	*ret_len = it->size;
	*ret_type = (git_object_t)it->type;
	return 0;
}

static int backend_exists(git_odb_backend *b, const git_oid *oid)
{
	return find(git_of(b)->pack, oid) != NULL;
}

static int backend_write(git_odb_backend *b, const git_oid *oid, const void *data, size_t size, git_object_t type)
{
	struct ff_git *git = git_of(b);
	struct ff_err err = { 0 };

	if (!active(git))
		return GIT_PASSTHROUGH;
	return put_named(git, oid, (enum ff_pack_type)type, data, size, &err) < 0 ? backend_failed(&err) : 0;
}

struct stream {
	git_odb_stream base;
	struct ff_git *git;
	enum ff_pack_type type;
	struct ff_pack_entry entry;
	bool ended;
};

static int stream_write(git_odb_stream *base, const char *data, size_t n)
{
	struct stream *s = (struct stream *)(void *)base;
	struct ff_err err = { 0 };

	return ff_packfile_more(s->git->pack->file, data, n, &err) < 0 ? backend_failed(&err) : 0;
}

static int stream_end(git_odb_stream *base, const git_oid *oid)
{
	struct stream *s = (struct stream *)(void *)base;
	struct ff_pack *p = s->git->pack;
	struct ff_err err = { 0 };
	struct ff_pack_item *it;

	if (find(p, oid))
		return 0; /* free cuts it off */
	if (ff_packfile_end(p->file, &s->entry, &err) < 0)
		return backend_failed(&err);
	it = add_item(p, oid, s->type, (size_t)base->declared_size);
	it->entry.at = s->entry.at;
	it->entry.crc = s->entry.crc;
	it->in_file = s->ended = true;
	return 0;
}

static void stream_free(git_odb_stream *base)
{
	struct stream *s = (struct stream *)(void *)base;
	struct ff_pack *p = s->git->pack;

	p->streaming = false;
	if (!s->ended)
		(void)ff_packfile_cut(p->file, &s->entry, NULL); /* what stays is in no index */
	ff_free(&s);
}

static int backend_stream(git_odb_stream **ret, git_odb_backend *b, git_object_size_t size, git_object_t type)
{
	struct ff_git *git = git_of(b);
	FF_AUTO(ff_free) struct stream *s = NULL;
	struct ff_err err = { 0 };

	if (!active(git))
		return GIT_PASSTHROUGH;
	ff_assert(!git->pack->streaming);
	s = ff_calloc(1, sizeof *s);
	*s = (struct stream){ .git = git, .type = (enum ff_pack_type)type, .base = {
		.backend = b, .mode = GIT_STREAM_WRONLY, .write = stream_write, .finalize_write = stream_end,
		.free = stream_free } };
	if (open_file(git, 0, &err) < 0 || ff_packfile_begin(git->pack->file, s->type, size, &s->entry, &err) < 0)
		return backend_failed(&err);
	git->pack->streaming = true;
	*ret = &ff_steal(&s)->base;
	return 0;
}

static void backend_free(git_odb_backend *b)
{
	ff_free(&b);
}

static void add_backend(struct ff_git *git)
{
	struct backend *b = ff_calloc(1, sizeof *b);

	ff_assert(git_odb_init_backend(&b->base, GIT_ODB_BACKEND_VERSION) == 0);
	b->git = git;
	b->base.read = backend_read;
	b->base.read_header = backend_header;
	b->base.exists = backend_exists;
	b->base.write = backend_write;
	b->base.writestream = backend_stream;
	b->base.free = backend_free;
	ff_assert(git_odb_add_backend(git->odb, &b->base, PRIORITY) == 0); /* fails only for lack of memory */
	git->has_backend = true;
}

/* --- begin and end */

void ff_git_pack_begin(struct ff_git *git, bool keep, size_t max_memory)
{
	ff_assert(!active(git));
	ff_git_pack_drop(git);
	if (!git->has_backend)
		add_backend(git);
	git->pack = ff_calloc(1, sizeof *git->pack);
	*git->pack = (struct ff_pack){ .keep = keep, .max_memory = max_memory };
}

void ff_git_pack_drop(struct ff_git *git)
{
	struct ff_pack *p = ff_steal(&git->pack);

	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		ff_assert(!p->items[i]->lent);
		ff_free(&p->items[i]->data);
		ff_free(&p->items[i]);
	}
	ff_free(&p->items);
	ff_free(&p->table);
	ff_packfile_close(&p->file);
	ff_free(&p);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct ff_pack_entry *)a)->id, ((const struct ff_pack_entry *)b)->id, GIT_OID_RAWSZ);
}

/* core.sharedRepository as the mode bits that it adds; "umask" and whatever git would not know add none. */
static unsigned shared_mode(struct ff_git *git)
{
	FF_AUTO(ff_free) char *value = NULL;

	if (ff_git_config(git, "core.sharedrepository", &value, NULL) < 0 || !value)
		return 0;
	if (!strcmp(value, "group") || !strcmp(value, "true") || !strcmp(value, "1"))
		return 0660;
	if (!strcmp(value, "all") || !strcmp(value, "world") || !strcmp(value, "everybody") || !strcmp(value, "2"))
		return 0664;
	if (value[0] == '0' && strspn(value, "01234567") == strlen(value) && strlen(value) == 4)
		return (unsigned)((value[1] - '0') * 64 + (value[2] - '0') * 8 + (value[3] - '0'));
	return 0;
}

static int save(struct ff_git *git, struct ff_err *err)
{
	struct ff_pack *p = git->pack;
	FF_AUTO(ff_free) struct ff_pack_entry *entries = ff_calloc(p->n, sizeof *entries);

	if (open_file(git, (uint32_t)p->n, err) < 0 || put_all(p, err) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		entries[i] = p->items[i]->entry;
	qsort(entries, p->n, sizeof *entries, by_id);
	return ff_packfile_finish(p->file, entries, (uint32_t)p->n, shared_mode(git), err);
}

void ff_git_sync(bool on)
{
	ff_packfile_sync(on);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, (int)on); /* knows this option */
}

int ff_git_pack_commit(struct ff_git *git, struct ff_git_packed *ret, struct ff_err *err)
{
	struct ff_git_packed made;
	int rc;

	ff_assert(active(git) && git->pack->keep && !git->pack->streaming);
	made = (struct ff_git_packed){ git->pack->n, git->pack->bytes };
	rc = made.objects ? save(git, err) : 0;
	if (rc < 0) {
		ff_git_pack_drop(git);
		return ff_err_wrap(err, "%s", git->path);
	}
	git->pack->committed = true;
	if (ret)
		*ret = made;
	return 0;
}
