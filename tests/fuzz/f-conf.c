/* SPDX-License-Identifier: MIT */
/*
 * A configuration file of any bytes: it is refused with a text, or all of
 * it can be asked for, and what goes to the hook has one fact a line.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct ff_conf *c)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	size_t lines = 0, want = 13;

	ff_buf_init(&out, 64 * 1024 * 1024);
	ff_conf_print(c, &out);
	ff_assert(!out.overflow);
	ff_buf_clear(&out);
	ff_conf_write_hook_conf(c, &out);
	for (const char *p = out.data; (p = strchr(p, '\n')); p++)
		lines++;
	for (const char *const *s = ff_conf_list(c, FF_CONF_TRIGGER_REFS); *s; s++)
		want++;
	for (const char *const *s = ff_conf_list(c, FF_CONF_TRIGGER_IGNORE_PUSHER); *s; s++)
		want++;
	want += *ff_conf_str(c, FF_CONF_HOOK_PUSHER_VARIABLE) != '\0';
	ff_assert(lines == want);
	(void)ff_conf_branch(c, "refs/heads/claude/x", "task"); /* only that it ends */
	for (const char *const *s = ff_conf_environments(c); *s; s++)
		ff_assert(ff_conf_environment(c, *s));
}

static int load(const void *data, size_t size, struct ff_conf **ret_conf, struct ff_buf *report,
		struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = memfd_create("conf", MFD_CLOEXEC);
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/self/fd/%d", fd);
	struct ff_conf_source from = { .file = path };

	ff_assert(fd >= 0 && ff_fd_write_all(fd, data, size, err) == 0);
	return ff_conf_load(&from, ret_conf, report, err);
}

/* What is written of it loads again, and is then written in the same way. */
static void round_trip(const struct ff_conf *c)
{
	FF_AUTO(ff_conf_free) struct ff_conf *again = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf first, second;
	struct ff_err err = { 0 };

	ff_buf_init(&first, FF_CONF_TEXT_MAX);
	ff_buf_init(&second, FF_CONF_TEXT_MAX);
	ff_conf_write(c, &first);
	ff_assert(load(first.data, first.len, &again, NULL, &err) == 0);
	ff_conf_write(again, &second);
	ff_assert(first.len == second.len && !memcmp(first.data, second.data, first.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_conf_free) struct ff_conf *c = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf report;
	struct ff_err err = { 0 };

	ff_buf_init(&report, 1024 * 1024);
	if (load(data, size, &c, &report, &err) < 0) {
		ff_assert(err.code != FF_E_NONE && err.text[0] && report.len);
		return 0;
	}
	use(c);
	round_trip(c);
	return 0;
}
