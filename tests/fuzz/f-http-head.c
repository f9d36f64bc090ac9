/* SPDX-License-Identifier: MIT */
/* Request heads: whatever is taken lies inside the input, and cutting it short never makes it whole. */
#include <stdint.h>
#include <string.h>

#include "model/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct ff_head h, shorter;
	ssize_t n = ff_head_parse(p, size, &h, NULL);

	if (n <= 0)
		return 0;
	ff_assert((size_t)n <= size && !memcmp(p + n - 4, "\r\n\r\n", 4));
	ff_assert(h.content_length >= -1 && h.count <= FF_HEAD_FIELDS_MAX);
	for (unsigned i = 0; i < h.count; i++) {
		const struct ff_head_field *f = &h.fields[i];

		ff_assert(f->name_len > 0 && f->name > p && f->value + f->value_len <= p + n - 4);
		ff_assert(!memchr(f->value, '\n', f->value_len) && !memchr(f->value, '\r', f->value_len));
	}
	ff_assert(ff_head_parse(p, (size_t)n - 1, &shorter, NULL) == 0);
	return 0;
}
