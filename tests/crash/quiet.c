/* SPDX-License-Identifier: MIT */
/*
 * Waits for a daemon without making a process for each look, which is most of
 * what a waiting shell costs:
 *
 *   quiet PID SECONDS STATE-FOLDER
 *
 * Ends with 0 when no job has a folder and no push is in the spool, 1 when the
 * process is gone or a zombie, 2 when the time is over, 3 for wrong words.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"

#define PAUSE_NS 4000000

/* Names that begin with a dot are of something that is being made. */
static bool is_empty(const char *state, const char *name)
{
	FF_AUTO(ff_free) char *path = ff_path_join(state, name);
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = true;

	while (dir && empty && (e = readdir(dir)))
		empty = *e->d_name == '.';
	if (dir)
		(void)closedir(dir); /* it was only read */
	return empty;
}

static bool is_alive(const char *pid)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%s/stat", pid);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	const char *end;

	ff_buf_init(&text, 4096);
	if (ff_file_read(path, &text, NULL) < 0)
		return false;
	end = strrchr(text.data, ')');
	return end && strncmp(end, ") Z", 3) != 0;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { 0, PAUSE_NS };
	int64_t seconds, end;

	if (argc != 4 || ff_num_i64(argv[2], 0, 100000, &seconds) < 0) {
		(void)fprintf(stderr, "usage: quiet PID SECONDS STATE-FOLDER\n");
		return 3;
	}
	end = ff_clock_mono() + 1000 * seconds;
	while (!is_empty(argv[3], "jobs") || !is_empty(argv[3], "spool")) {
		if (!is_alive(argv[1]))
			return 1;
		if (ff_clock_mono() > end)
			return 2;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}
