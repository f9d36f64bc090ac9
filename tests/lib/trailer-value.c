/* SPDX-License-Identifier: MIT */
/*
 * For t0010-trailers.t: prints the value of the trailer KEY of the commit
 * message on stdin, or exits 1 when there is none.
 */
#include <stdio.h>

#include "base/file.h"
#include "job/spec.h"

int main(int argc, char **argv)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	FF_AUTO(ff_free) char *value = NULL;
	struct ff_err err = { 0 };

	ff_buf_init(&b, 1024 * 1024);
	if (argc != 2 || ff_fd_read_all(0, &b, &err) < 0)
		return 2;
	value = ff_trailer_value(b.data, b.len, argv[1]);
	if (!value)
		return 1;
	return puts(value) < 0 ? 2 : 0;
}
