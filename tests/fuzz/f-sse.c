/* SPDX-License-Identifier: MIT */
/* Model answers: the pieces in which a stream comes must make no difference to what is understood. */
#include <stdint.h>
#include <string.h>

#include "model/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct ff_answer *a, const uint8_t *data, size_t size, size_t piece)
{
	for (size_t at = 0; at < size; at += piece)
		if (ff_answer_feed(a, data + at, size - at < piece ? size - at : piece, NULL) < 0)
			return -1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_answer_free) struct ff_answer *whole = ff_answer_new(NULL, NULL);
	FF_AUTO(ff_answer_free) struct ff_answer *bytes = ff_answer_new(NULL, NULL);
	FF_AUTO(ff_answer_free) struct ff_answer *body = ff_answer_new(NULL, NULL);

	ff_assert(feed(whole, data, size, size + 1) == feed(bytes, data, size, 1));
	ff_assert(whole->complete == bytes->complete && whole->stop == bytes->stop);
	ff_assert(json_equal(whole->content, bytes->content));
	ff_assert(!memcmp(&whole->usage, &bytes->usage, sizeof whole->usage));
	(void)ff_answer_body(body, data, size, NULL); /* any answer will do, as long as it is one */
	ff_assert(body->usage.input >= 0 && body->usage.output >= 0);
	return 0;
}
