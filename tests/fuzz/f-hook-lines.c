/* SPDX-License-Identifier: MIT */
/* Strange bytes for all that the hook reads: updates, hook.conf, core's answer, an ssh key. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "hooks/hook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *arg, const struct ff_hook_update *u)
{
	static char heads[] = "refs/heads/*", results[] = "r/", conflicts[] = "refs/heads/c/";
	char *triggers[] = { heads, NULL };
	const struct ff_hook_conf conf = {
		.triggers = { triggers, 1 }, .result_prefix = results, .conflict_prefix = conflicts, .options = true,
	};

	(void)arg;
	ff_assert(strlen(u->old_oid) == strlen(u->new_oid) && *u->ref);
	if (ff_hook_forbidden(&conf, u))
		ff_assert(!ff_hook_triggers(&conf, u, true));
}

static void show(const char *text, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 1 << 20);
	ff_hook_show(&out, text, n);
	ff_assert(out.len && out.data[out.len - 1] == '\n');
	ff_assert(strcspn(out.data, "\n\r\033") == out.len - 1 && ff_utf8_valid(out.data, out.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_close) int fd = memfd_create("updates", MFD_CLOEXEC);
	FF_AUTO(ff_free) char *print = NULL;
	struct ff_hook_conf conf;

	if (size > 8192)
		return 0; /* four bytes shown for each fit ff_hook_show then */
	ff_assert(ff_fd_write_all(fd, data, size, NULL) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	(void)ff_hook_read(fd, look, NULL);
	if (ff_hook_conf_parse((const char *)data, size, &conf, NULL) == 0) {
		ff_assert(conf.socket[0] == '/' && conf.spool[0] == '/' && conf.timeout_ms >= 100);
		ff_hook_conf_fini(&conf);
	}
	show((const char *)data, size);
	print = ff_hook_fingerprint((const char *)data, size);
	return 0;
}
