/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include "daemon/gateway/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "crypto/apitoken.h"

/* First lines. Another first line is a record of a version that we do not know: as good as none. */
static const char stream_line[] = "{\"v\":1,\"status\":200,\"content_type\":\"text/event-stream\"}\n";
static const char json_line[] = "{\"v\":1,\"status\":200,\"content_type\":\"application/json\"}\n";

void ff_record_key(const void *body, size_t n, char key[FF_RECORD_KEY])
{
	unsigned char digest[FF_APITOKEN_HASH];

	ff_sha256(body, n, digest);
	ff_hex(digest, sizeof digest, key);
}

int ff_record_room(const char *dir, size_t max_count, size_t max_bytes, struct ff_err *err)
{
	DIR *d = opendir(dir);
	size_t count = 0, bytes = 0;
	struct dirent *e;
	struct stat st;

	if (!d)
		return ff_err_errno(err, "%s", dir);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			count++;
			bytes += (size_t)st.st_size;
		}
	(void)closedir(d);
	if (count >= max_count || bytes >= max_bytes)
		return ff_err_set(err, FF_E_TOO_LARGE, "the job has %zu recorded answers of %zu bytes; "
				  "gateway.max-answers and gateway.max-answer-bytes allow no more", count, bytes);
	return 0;
}

int ff_record_write(const char *dir, const char *key, bool stream, const void *p, size_t n, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, key);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, n + sizeof stream_line + sizeof json_line);
	(void)ff_buf_adds(&b, stream ? stream_line : json_line); /* both fit by the line above */
	(void)ff_buf_add(&b, p, n);
	return ff_file_write(path, b.data, b.len, 0600, err);
}

int ff_record_read(const char *dir, const char *key, size_t max_bytes, struct ff_record *ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, key);
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *line;

	ff_buf_init(&b, max_bytes + sizeof stream_line);
	if (ff_file_read(path, &b, err) < 0)
		return -1;
	if (b.len > sizeof stream_line && !memcmp(b.data, stream_line, sizeof stream_line - 1))
		line = stream_line;
	else if (b.len > sizeof json_line && !memcmp(b.data, json_line, sizeof json_line - 1))
		line = json_line;
	else
		return ff_err_set(err, FF_E_NOT_FOUND, "%s: not a record of this version", path);
	ff_buf_consume(&b, strlen(line));
	ret->stream = line == stream_line;
	ret->body = b;
	b.data = NULL;
	return 0;
}
