/* SPDX-License-Identifier: MIT */
/* See logline.h. */
#include "ipc/logline.h"

#include <string.h>

#include "base/text.h"
#include "ipc/ipc.h"

void ff_logline_text(struct ff_buf *out, const json_t *line, size_t max_columns)
{
	FF_AUTO(ff_free) char *text = NULL;
	const char *stream = NULL;

	if (ff_msg_str(line, "stream", &stream, NULL) < 0 || ff_msg_bytes(line, "text", &text, NULL) < 0 || !text)
		return;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		FF_AUTO(ff_free) char *shown = ff_text_shown(stream, 10);

		(void)ff_buf_addf(out, "%-6s| ", shown);
		ff_text_show(out, p, strcspn(p, "\n"), max_columns);
		(void)ff_buf_addc(out, '\n');
	}
}

void ff_logline_parse(struct ff_buf *out, const char *p, size_t n, size_t max_columns)
{
	json_t *line = n ? ff_json_parse(p, n, NULL) : NULL;

	if (line)
		ff_logline_text(out, line, max_columns);
	json_decref(line);
}
