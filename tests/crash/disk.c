/* SPDX-License-Identifier: MIT */
/* See disk.h. */
#include "tests/crash/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define SECTOR 512
#define FILE_MAX (1024L * 1024 * 1024)

struct change { /* of bytes, not safe yet */
	int64_t offset;
	size_t n;
	char *bytes; /* NULL: the length becomes offset */
};

struct node {
	uint64_t inode;
	bool folder;
	uint32_t mode;
	struct ff_buf safe;
	struct change *changes;
	size_t n, room;
};

struct name {
	char *path;
	struct node *node; /* NULL: no such name (any more) */
};

struct rename { /* of names, not safe yet: path is node, and from is nothing any more */
	char *folder, *path, *from;
	struct node *node;
};

struct disk {
	struct node **nodes;
	size_t n_nodes, room_nodes;
	struct name *names; /* safe ones */
	size_t n_names, room_names;
	struct rename *moves;
	size_t n_moves, room_moves;
};

uint64_t chance_next(struct chance *c)
{
	uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64, Steele et al. 2014 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t chance_below(struct chance *c, uint64_t below)
{
	return below ? chance_next(c) % below : 0;
}

#define GROW(list, n, room) \
	do { if ((n) == (room)) (list) = ff_realloc((list), (room) = (room) ? 2 * (room) : 64, sizeof *(list)); } while (0)

/* --- bytes ---------------------------------------------------------------------- */

static void set_length(struct ff_buf *b, size_t n)
{
	if (n > b->len) {
		size_t more = n - b->len;

		memset(ff_buf_room(b, more), 0, more);
		ff_buf_grown(b, more);
	} else if (n < b->len) {
		b->len = n;
		b->data[n] = '\0';
	}
}

static void put_bytes(struct ff_buf *b, int64_t offset, const char *bytes, size_t n)
{
	if (b->len < (size_t)offset + n)
		set_length(b, (size_t)offset + n);
	if (n)
		memcpy(b->data + offset, bytes, n);
}

static void do_change(struct ff_buf *b, const struct change *c)
{
	if (c->bytes)
		put_bytes(b, c->offset, c->bytes, c->n);
	else
		set_length(b, (size_t)c->offset);
}

/* Sector by sector, each there or not. */
static void do_torn(struct ff_buf *b, const struct change *c, struct chance *chance)
{
	size_t at = 0;

	while (at < c->n) {
		size_t part = SECTOR - (size_t)((c->offset + (int64_t)at) % SECTOR);

		if (part > c->n - at)
			part = c->n - at;
		if (chance_below(chance, 2))
			put_bytes(b, c->offset + (int64_t)at, c->bytes + at, part);
		at += part;
	}
}

static void add_change(struct node *node, int64_t offset, const void *bytes, size_t n)
{
	GROW(node->changes, node->n, node->room);
	node->changes[node->n++] = (struct change){ .offset = offset, .n = n, .bytes = bytes ? ff_memdup0(bytes, n) : NULL };
}

static void sync_bytes(struct node *node)
{
	for (size_t i = 0; i < node->n; i++) {
		do_change(&node->safe, &node->changes[i]);
		ff_free(&node->changes[i].bytes);
	}
	node->n = 0;
}

/* --- nodes and names ---------------------------------------------------------------- */

static struct node *find(const struct disk *d, uint64_t inode)
{
	for (size_t i = d->n_nodes; i-- > 0;) /* numbers are used again: the newest */
		if (d->nodes[i]->inode == inode)
			return d->nodes[i];
	return NULL;
}

static struct node *add_node(struct disk *d, uint64_t inode, bool folder, uint32_t mode)
{
	struct node *node = ff_calloc(1, sizeof *node);

	*node = (struct node){ .inode = inode, .folder = folder, .mode = mode };
	ff_buf_init(&node->safe, FILE_MAX);
	GROW(d->nodes, d->n_nodes, d->room_nodes);
	return d->nodes[d->n_nodes++] = node;
}

static void set_name(struct name **list, size_t *n, size_t *room, const char *path, struct node *node)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*list)[i].path, path)) {
			(*list)[i].node = node;
			return;
		}
	if (!node)
		return;
	GROW(*list, *n, *room);
	(*list)[(*n)++] = (struct name){ .path = ff_strdup(path), .node = node };
}

static void add_move(struct disk *d, const char *path, const char *from, struct node *node)
{
	const char *slash = strrchr(path, '/');

	ff_assert(slash);
	GROW(d->moves, d->n_moves, d->room_moves);
	d->moves[d->n_moves++] = (struct rename){ .folder = ff_memdup0(path, (size_t)(slash - path)), .path = ff_strdup(path),
						  .from = ff_strdup(from), .node = node };
}

/* Makes the moves safe that are marked, and keeps the order of the others. */
static void sync_moves(struct disk *d, const bool *safe)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_moves; i++) {
		struct rename *m = &d->moves[i];

		if (!safe[i]) {
			d->moves[kept++] = *m;
			continue;
		}
		if (m->from)
			set_name(&d->names, &d->n_names, &d->room_names, m->from, NULL);
		set_name(&d->names, &d->n_names, &d->room_names, m->path, m->node);
		ff_free(&m->folder);
		ff_free(&m->path);
		ff_free(&m->from);
	}
	d->n_moves = kept;
}

/* A folder, also one that somebody else made (NULL): all in it. A file: its names, and what happened in their folders before. */
static void sync_names(struct disk *d, const struct node *node, const char *path)
{
	FF_AUTO(ff_free) bool *safe = ff_calloc(d->n_moves, sizeof *safe);

	for (size_t i = d->n_moves; i-- > 0;) {
		safe[i] = !node || node->folder ? !strcmp(d->moves[i].folder, path) : d->moves[i].node == node;
		for (size_t later = i + 1; later < d->n_moves && !safe[i]; later++)
			safe[i] = safe[later] && !strcmp(d->moves[i].folder, d->moves[later].folder);
	}
	sync_moves(d, safe);
}

/* --- the tape ------------------------------------------------------------------------ */

struct disk *disk_new(void)
{
	return ff_calloc(1, sizeof(struct disk));
}

static void free_node(struct node *node)
{
	for (size_t i = 0; i < node->n; i++)
		ff_free(&node->changes[i].bytes);
	ff_free(&node->changes);
	ff_buf_fini(&node->safe);
	free(node);
}

void disk_free(struct disk **disk)
{
	struct disk *d = ff_steal(disk);

	if (!d)
		return;
	for (size_t i = 0; i < d->n_moves; i++) {
		ff_free(&d->moves[i].folder);
		ff_free(&d->moves[i].path);
		ff_free(&d->moves[i].from);
	}
	for (size_t i = 0; i < d->n_names; i++)
		ff_free(&d->names[i].path);
	for (size_t i = 0; i < d->n_nodes; i++)
		free_node(d->nodes[i]);
	ff_free(&d->moves);
	ff_free(&d->names);
	ff_free(&d->nodes);
	free(d);
}

void disk_base(struct disk *d, const char *path, uint64_t inode, bool folder, uint32_t mode, const char *from)
{
	struct node *node = add_node(d, inode, folder, mode);

	if (!folder)
		ff_assert(ff_file_read(from, &node->safe, NULL) == 0);
	set_name(&d->names, &d->n_names, &d->room_names, path, node);
}

static bool apply_bytes(struct node *node, const struct tape_record *r, const void *bytes)
{
	if (!node || node->folder)
		return false;
	add_change(node, r->offset, r->type == TAPE_WRITE ? bytes : NULL, (size_t)r->bytes);
	return true;
}

bool disk_apply(struct disk *d, const struct tape_record *r, const char *name, const char *second, const void *bytes)
{
	struct node *node = find(d, r->inode);

	switch ((enum tape_type)r->type) {
	case TAPE_WRITE:
	case TAPE_SIZE:
		return apply_bytes(node, r, bytes);
	case TAPE_SYNC:
		if (node)
			sync_bytes(node);
		sync_names(d, node, name);
		return true;
	case TAPE_CREATE:
	case TAPE_MKDIR:
		add_move(d, name, NULL, add_node(d, r->inode, r->type == TAPE_MKDIR, (uint32_t)r->offset));
		return true;
	case TAPE_RENAME:
	case TAPE_LINK:
		if (!node)
			return false;
		add_move(d, second, r->type == TAPE_RENAME ? name : NULL, node);
		return true;
	case TAPE_UNLINK:
		add_move(d, name, NULL, NULL);
		return true;
	case TAPE_SEND:
	case TAPE_SAY:
		return true;
	case TAPE_OTHER:
		break;
	}
	return false;
}

size_t disk_pending(const struct disk *d)
{
	size_t n = d->n_moves;

	for (size_t i = 0; i < d->n_nodes; i++)
		n += d->nodes[i]->n;
	return n;
}

/* --- a state ----------------------------------------------------------------------------- */

enum luck { LUCK_ALL, LUCK_NOTHING, LUCK_CHANCE };

/* The names after the cut: of each folder's moves those up to some point. */
static void draw_names(const struct disk *d, struct chance *chance, enum luck luck, struct name **list, size_t *n,
		       size_t *room)
{
	FF_AUTO(ff_free) bool *seen = ff_calloc(d->n_moves, sizeof *seen);
	FF_AUTO(ff_free) bool *kept = ff_calloc(d->n_moves, sizeof *kept);

	for (size_t i = 0; i < d->n_moves; i++) {
		size_t there = 0, cut;

		if (seen[i])
			continue;
		for (size_t k = i; k < d->n_moves; k++)
			there += !strcmp(d->moves[k].folder, d->moves[i].folder);
		cut = luck == LUCK_ALL ? there : luck == LUCK_NOTHING ? 0 : (size_t)chance_below(chance, there + 1);
		for (size_t k = i; k < d->n_moves; k++)
			if (!strcmp(d->moves[k].folder, d->moves[i].folder)) {
				seen[k] = true;
				kept[k] = cut > 0;
				cut -= cut > 0;
			}
	}
	for (size_t i = 0; i < d->n_names; i++)
		set_name(list, n, room, d->names[i].path, d->names[i].node);
	for (size_t i = 0; i < d->n_moves; i++) {
		if (!kept[i])
			continue;
		if (d->moves[i].from)
			set_name(list, n, room, d->moves[i].from, NULL);
		set_name(list, n, room, d->moves[i].path, d->moves[i].node);
	}
}

static void draw_bytes(const struct node *node, struct chance *chance, enum luck luck, struct ff_buf *out)
{
	ff_buf_init(out, FILE_MAX);
	(void)ff_buf_add(out, node->safe.data, node->safe.len); /* it fitted there */
	for (size_t i = 0; i < node->n; i++) {
		const struct change *c = &node->changes[i];
		uint64_t what = luck == LUCK_ALL ? 0 : luck == LUCK_NOTHING ? 1 : chance_below(chance, 3);

		if (what == 2 && c->bytes)
			do_torn(out, c, chance);
		else if (what != 1)
			do_change(out, c);
	}
}

/* The shared memory of the WAL is written through a mapping, which no tape has; nobody may believe it after a cut. */
static void draw_shm(struct chance *chance, struct ff_buf *out)
{
	ff_buf_init(out, FILE_MAX);
	for (int i = 0; i < 32768 / 8; i++) {
		uint64_t junk = chance_next(chance);

		(void)ff_buf_add(out, (const char *)&junk, sizeof junk);
	}
}

static bool left_out(const char *path)
{
	const char *ws = strstr(path, "/ws/");

	return ws && strstr(path, "/jobs/");
}

/* to NULL: only what is drawn for it. */
static void make_file(const struct name *name, struct chance *chance, enum luck luck, const char *to)
{
	FF_AUTO(ff_free) char *folder = to ? ff_memdup0(to, (size_t)(strrchr(to, '/') - to)) : NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf bytes;
	FF_AUTO(ff_close) int fd = -1;
	size_t n = strlen(name->path);

	if (n > 4 && !strcmp(name->path + n - 4, "-shm"))
		draw_shm(chance, &bytes);
	else
		draw_bytes(name->node, chance, luck, &bytes);
	if (!to)
		return;
	ff_assert(ff_dir_make(folder, 0755, NULL) == 0);
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ff_assert(fd >= 0 && fchmod(fd, name->node->mode & 07777) == 0);
	ff_assert(ff_fd_write_all(fd, bytes.data, bytes.len, NULL) == 0);
}

void disk_make(const struct disk *d, struct chance *chance, const char *root, const char *only, const char *out)
{
	struct name *list = NULL;
	size_t n = 0, room = 0, prefix = strlen(root);
	uint64_t kind = chance_below(chance, 10);
	enum luck luck = kind == 0 ? LUCK_ALL : kind < 3 ? LUCK_NOTHING : LUCK_CHANCE;

	draw_names(d, chance, luck, &list, &n, &room);
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *to = ff_asprintf("%s%s", out, list[i].path + prefix);
		bool wanted = !only || ff_starts(list[i].path, only);

		if (!list[i].node || strncmp(list[i].path, root, prefix) != 0 || left_out(list[i].path))
			continue;
		if (!list[i].node->folder)
			make_file(&list[i], chance, luck, wanted ? to : NULL);
		else if (wanted)
			ff_assert(ff_dir_make(to, list[i].node->mode & 07777, NULL) == 0);
	}
	for (size_t i = 0; i < n; i++)
		ff_free(&list[i].path);
	ff_free(&list);
}
