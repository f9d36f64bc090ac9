/* SPDX-License-Identifier: MIT */
/*
 * Push options as a hostile client sends them: one an input line, since the
 * server passes on anything but NUL (a line here ends at a NUL or 0x1e, so
 * that newlines are tried too).
 */
#include <stdint.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"

#define MAX_OPTIONS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ff_option_limits limits = { 32, 200, 50 };
	FF_AUTO(ff_free) char *text = ff_memdup0(data, size);
	const char *options[MAX_OPTIONS];
	FF_AUTO(ff_options_fini) struct ff_options o;
	struct ff_err err = { 0 };
	size_t n = 0;
	int rc;

	for (char *p = text; p < text + size && n < MAX_OPTIONS; p += strlen(p) + 1) {
		char *end = strchr(p, 0x1e);

		if (end)
			*end = '\0';
		options[n++] = p;
	}
	rc = ff_options_parse(options, n, &limits, &o, &err);
	ff_assert(rc == 0 || err.code == FF_E_INVALID || err.code == FF_E_TOO_LARGE);
	ff_assert(o.task.len <= limits.max_task_bytes);
	if (rc == 0 && o.target) {
		FF_AUTO(ff_free) char *ref = ff_asprintf("refs/heads/%s", o.target);

		ff_assert(ff_ref_valid(ref) && strlen(o.target) <= limits.max_value_bytes);
	}
	ff_assert(rc < 0 || !o.has_ttl || o.ttl_ms > 0);
	ff_assert(rc < 0 || !o.has_task || o.any);
	return 0;
}
