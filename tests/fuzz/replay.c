/* SPDX-License-Identifier: MIT */
/*
 * Replays a fuzz corpus without a fuzzer, so that `make check` runs what
 * fuzzing once found with any compiler: TAP, one line a file.
 * The corpus is tests/fuzz/corpus/NAME for the program f-NAME.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int skip_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	FF_AUTO(ff_free) char *dir = NULL;
	struct dirent **entries = NULL;
	int n, bad = 0;

	(void)argc;
	dir = ff_asprintf("%s/tests/fuzz/corpus/%s", top ? top : ".", name + strlen("f-"));
	n = scandir(dir, &entries, skip_dots, alphasort);
	if (n <= 0) {
		printf("Bail out! no corpus in %s\n", dir);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(dir, entries[i]->d_name);
		FF_AUTO(ff_buf_fini) struct ff_buf b;
		struct ff_err err = { 0 };

		ff_buf_init(&b, 64 * 1024 * 1024);
		if (ff_file_read(path, &b, &err) < 0 || LLVMFuzzerTestOneInput((const uint8_t *)b.data, b.len) != 0) {
			printf("not ok %d - %s %s\n", i + 1, entries[i]->d_name, err.text);
			bad = 1;
		} else {
			printf("ok %d - %s\n", i + 1, entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return bad;
}
