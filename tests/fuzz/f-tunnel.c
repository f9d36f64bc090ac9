/* SPDX-License-Identifier: MIT */
/* What a worker says: whatever passes starts with the one command that may, or asks for nothing. */
#include <stdint.h>
#include <string.h>

#include "daemon/tunnel/filter.h"

#define OID "1111111111111111111111111111111111111111"
#define REF "refs/heads/r"
#define COMMAND "0000000000000000000000000000000000000000 " OID " " REF

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_filter_fini) struct ff_filter f = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	size_t first = size ? data[0] % (size + 1) : 0;
	int rc;

	ff_buf_init(&out, size + 8192);
	ff_filter_init(&f, REF, OID);
	rc = ff_filter_take(&f, (const char *)data, first, &out, NULL);
	if (rc == 0)
		rc = ff_filter_take(&f, (const char *)data + first, size - first, &out, NULL);
	ff_assert(out.len <= size && !memcmp(out.data, data, out.len));
	if (out.len <= 4)
		ff_assert(!out.len || !memcmp(out.data, "0000", 4));
	else
		ff_assert(out.len > 4 + strlen(COMMAND) && !memcmp(out.data + 4, COMMAND, strlen(COMMAND)));
	return 0;
}
