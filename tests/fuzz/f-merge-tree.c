/* SPDX-License-Identifier: MIT */
/*
 * Trees from strangers: the input is up to four tree objects, a line "--"
 * between them; every id in them leads, by its first byte, to one of these
 * again, or to a blob.  Folders without end, names twice, cut entries: a merge
 * ends, with a tree that can be read, the same one each time, or with an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "merge/part.h"
#include "tests/lib/memsource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID_LEN 20
#define TREES 4

struct pieces {
	const uint8_t *data[TREES];
	size_t len[TREES];
	struct memsource written;
	struct ff_merge_source memory;
};

static int read_piece(void *arg, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	struct pieces *p = arg;

	if (p->memory.read_tree(&p->written, id, ret, NULL) == 0 || p->memory.read_blob(&p->written, id, ret, NULL) == 0)
		return 0;
	if (id->b[0] % 8 >= TREES)
		return ff_err_set(err, FF_E_NOT_FOUND, "no such object");
	*ret = (struct ff_merge_bytes){ p->data[id->b[0] % 8], p->len[id->b[0] % 8], NULL };
	return 0;
}

static int piece_size(void *arg, const struct ff_merge_id *id, uint64_t *ret, struct ff_err *err)
{
	struct ff_merge_bytes b;

	if (read_piece(arg, id, &b, err) < 0)
		return -1;
	*ret = b.len;
	((struct pieces *)arg)->memory.release(&((struct pieces *)arg)->written, &b);
	return 0;
}

static void give_back(void *arg, struct ff_merge_bytes *bytes)
{
	struct pieces *p = arg;

	p->memory.release(&p->written, bytes);
}

static int write_tree(void *arg, const void *data, size_t len, struct ff_merge_id *ret, struct ff_err *err)
{
	struct pieces *p = arg;
	FF_AUTO(ff_arena_fini) struct ff_arena arena = { 0 };
	struct ff_tree t;

	ff_assert(ff_tree_parse(&arena, data, len, ID_LEN, 1000000, &t, err) == 0 && !t.odd);
	return p->memory.write_tree(&p->written, data, len, ret, err);
}

static int write_blob(void *arg, const void *data, size_t len, struct ff_merge_id *ret, struct ff_err *err)
{
	struct pieces *p = arg;

	return p->memory.write_blob(&p->written, data, len, ret, err);
}

static void split(struct pieces *p, const uint8_t *data, size_t size)
{
	for (int i = 0; i < TREES; i++) {
		const uint8_t *end = i + 1 < TREES && size ? memmem(data, size, "\n--\n", 4) : NULL;

		p->data[i] = data;
		p->len[i] = end ? (size_t)(end - data) : size;
		data += p->len[i] + (end ? 4 : 0);
		size -= p->len[i] + (end ? 4 : 0);
	}
}

static int merge(struct pieces *p, struct ff_merge_result *ret)
{
	const struct ff_merge_source source = { .arg = p, .id_len = ID_LEN, .read_tree = read_piece,
		.read_blob = read_piece, .blob_size = piece_size, .release = give_back, .write_tree = write_tree,
		.write_blob = write_blob };
	struct ff_merge what = { .source = &source, .text = memsource_merge_text,
				 .limits = { .max_tree_entries = 2000, .max_depth = 6, .max_text_bytes = 65536 } };

	what.base.b[1] = what.target.b[1] = what.change.b[1] = what.attributes.b[1] = 1;
	what.target.b[0] = what.attributes.b[0] = 1;
	what.change.b[0] = 2;
	return ff_merge(&what, ret, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result one = { 0 }, two = { 0 };
	struct pieces p = { { NULL }, { 0 }, { NULL }, { NULL } };

	memsource_init(&p.written, &p.memory);
	split(&p, data, size);
	if (merge(&p, &one) == 0) {
		ff_assert(merge(&p, &two) == 0);
		ff_assert(one.clean == two.clean && one.n_conflicts == two.n_conflicts);
		ff_assert(ff_merge_id_equal(&one.tree, &two.tree));
		ff_assert(one.clean == (one.n_conflicts == 0) && one.hard == ff_merge_id_absent(&one.tree));
	}
	ff_assert(p.written.n_lent == 0);
	memsource_fini(&p.written);
	return 0;
}
