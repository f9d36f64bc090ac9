/* SPDX-License-Identifier: MIT */
/*
 * flowforge-tool, bound read-only into every sandbox:
 *     flowforge-tool edit              a request (edit.h) on stdin, text for the model on stdout
 *     flowforge-tool probe TMP SHM     do the walls stand? sizes in bytes
 *     flowforge-tool relay SOCKET -- PROGRAM [ARGUMENT...]
 *                                      PROGRAM, its ANTHROPIC_BASE_URL leading to that socket; its exit status
 * Exit status 0 done, 1 refused with the reason on stdout, 2 wrong usage.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "daemon/sandbox/tool/tool.h"

static int serve(const struct ff_edit *edit, struct ff_err *err)
{
	switch (edit->command) {
	case FF_EDIT_VIEW:
		return ff_tool_view(edit, err);
	case FF_EDIT_CREATE:
	case FF_EDIT_REPLACE:
	case FF_EDIT_INSERT:
		return ff_tool_change(edit, err);
	}
	return ff_err_set(err, FF_E_PROTOCOL, "unknown command");
}

static int edit_main(void)
{
	FF_AUTO(ff_buf_fini) struct ff_buf in;
	FF_AUTO(ff_edit_fini) struct ff_edit edit = { 0 };
	struct ff_err err;

	ff_buf_init(&in, FF_EDIT_REQUEST_MAX);
	if (ff_fd_read_all(STDIN_FILENO, &in, &err) || ff_edit_read(in.data, in.len, &edit, &err) || serve(&edit, &err)) {
		(void)printf("%s\n", err.text); /* a reader that is gone needs nothing; so for all prints here */
		return 1;
	}
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	int64_t tmp, shm;

	umask(022);
	if (argc == 2 && !strcmp(argv[1], "edit"))
		return edit_main();
	if (argc == 4 && !strcmp(argv[1], "probe") && ff_num_i64(argv[2], 1, INT64_MAX, &tmp) == 0 &&
	    ff_num_i64(argv[3], 1, INT64_MAX, &shm) == 0)
		return ff_tool_probe(tmp, shm);
	if (argc >= 5 && !strcmp(argv[1], "relay") && !strcmp(argv[3], "--"))
		return ff_tool_relay(argv[2], argv + 4);
	(void)fputs("usage: flowforge-tool edit | probe TMP-BYTES SHM-BYTES | relay SOCKET -- PROGRAM [ARGUMENT...]\n", stderr);
	return 2;
}
