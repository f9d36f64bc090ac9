/* SPDX-License-Identifier: MIT */
/*
 * Which names git protects, on every system that may check the tree out
 * (core.protectHFS and core.protectNTFS of git-config(1)): HFS+ ignores some
 * code points and case, NTFS ignores case, trailing dots and blanks, has
 * short names (GIT~1) and streams behind a colon.
 */
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "git/lib.h"

#define NAME_BYTES_MAX 255
#define LINK_BYTES_MAX 4095

/* Code points that HFS+ leaves out when it compares names (Apple TN1150, "Unicode Subtleties"). */
static bool hfs_ignores(unsigned cp)
{
	return (cp >= 0x200c && cp <= 0x200f) || (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x206a && cp <= 0x206f) ||
	       cp == 0xfeff;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Whether HFS+ takes it for want (lower-case ASCII). */
static bool hfs_equal(const char *name, size_t len, const char *want)
{
	while (len) {
		unsigned cp = 0, n = ff_utf8_next(name, len, &cp);

		if (!n)
			return false;
		if (!hfs_ignores(cp)) {
			if (n != 1 || !*want || lower(*name) != *want)
				return false;
			want++;
		}
		name += n;
		len -= n;
	}
	return !*want;
}

/* The length without what NTFS drops: a stream, then dots and blanks. A backslash ends a name there. */
static size_t ntfs_length(const char *name, size_t len)
{
	size_t n = 0;

	while (n < len && name[n] != ':' && name[n] != '\\')
		n++;
	while (n && (name[n - 1] == '.' || name[n - 1] == ' '))
		n--;
	return n;
}

static bool equal_nocase(const char *name, size_t len, const char *want)
{
	return len == strlen(want) && strncasecmp(name, want, len) == 0;
}

bool ff_git_lib_is_dotgit(const char *name, size_t len)
{
	size_t n = ntfs_length(name, len);

	return hfs_equal(name, len, ".git") || equal_nocase(name, n, ".git") || equal_nocase(name, n, "git~1");
}

/*
 * NTFS short names: the first six letters and ~1 to ~4, after that two to
 * four letters of a hash and ~digit.  The hash part is not computed: a name of
 * that shape whose first two letters fit is taken for one.
 */
static bool is_short_name(const char *name, size_t len, const char *dotless)
{
	size_t same = 0, tail;

	while (same < len && same < 6 && dotless[same] && lower(name[same]) == dotless[same])
		same++;
	if (len == 8 && same == 6 && name[6] == '~')
		return name[7] >= '1' && name[7] <= '4';
	tail = len > 2 ? len - 2 : 0;
	if (len != 8 || same < 2 || name[tail] != '~' || name[tail + 1] < '1' || name[tail + 1] > '9')
		return false;
	for (size_t i = 2; i < tail; i++)
		if (!((name[i] >= '0' && name[i] <= '9') || (lower(name[i]) >= 'a' && lower(name[i]) <= 'f')))
			return false;
	return true;
}

bool ff_git_lib_is_dotfile(const char *name, size_t len, const char *dotless)
{
	size_t n = ntfs_length(name, len);

	if (len && name[0] == '.' && equal_nocase(name + 1, n ? n - 1 : 0, dotless))
		return true;
	if (is_short_name(name, n, dotless))
		return true;
	{
		char dotted[32];
		size_t want = strlen(dotless);

		ff_assert(want + 2 <= sizeof dotted);
		dotted[0] = '.';
		memcpy(dotted + 1, dotless, want + 1);
		return hfs_equal(name, len, dotted);
	}
}

bool ff_git_lib_has_control(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return true;
	return false;
}

const char *ff_git_lib_name_bad(const char *name, size_t len)
{
	if (len == 0)
		return "an empty name";
	if (len > NAME_BYTES_MAX)
		return "a name of over 255 bytes";
	if (memchr(name, '/', len))
		return "a slash in a name";
	if ((len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
		return "a name that means a folder above";
	if (ff_git_lib_is_dotgit(name, len))
		return "a name that git keeps for itself";
	return NULL;
}

/*
 * `..` counts only at the front: behind a name it would lead up from wherever
 * a link of that name points to, and not to where the text says.
 */
const char *ff_git_lib_link_bad(const char *target, size_t len, int64_t depth)
{
	int64_t up = 0;
	bool down = false;

	if (len == 0 || len > LINK_BYTES_MAX || memchr(target, '\0', len))
		return "a link without a usable target";
	if (target[0] == '/')
		return "a link with an absolute target";
	while (len) {
		const char *slash = memchr(target, '/', len);
		size_t n = slash ? (size_t)(slash - target) : len;

		if (n == 2 && memcmp(target, "..", 2) == 0) {
			if (down)
				return "a link that goes down and up again";
			if (++up > depth)
				return "a link out of the tree";
		} else if (n && !(n == 1 && target[0] == '.')) {
			down = true;
			if (ff_git_lib_is_dotgit(target, n))
				return "a link into .git";
		}
		n += slash ? 1 : 0;
		target += n;
		len -= n;
	}
	return NULL;
}
