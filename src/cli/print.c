/* SPDX-License-Identifier: MIT */
/* Colour, text and times; the tables are in table.c. */
#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"

const char *ff_print_getenv(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static size_t terminal_width(FILE *f, char *const *env)
{
	const char *columns = ff_print_getenv(env, "COLUMNS");
	struct winsize ws;
	int64_t n;

	if (columns && ff_num_i64(columns, 1, 10000, &n) == 0)
		return (size_t)n;
	if (ioctl(fileno(f), TIOCGWINSZ, &ws) == 0 && ws.ws_col)
		return ws.ws_col;
	return 80;
}

int ff_print_setup(struct ff_print *p, FILE *f, const char *when, char *const *env, struct ff_err *err)
{
	const char *no_color = ff_print_getenv(env, "NO_COLOR"), *term = ff_print_getenv(env, "TERM");
	bool tty = fileno(f) >= 0 && isatty(fileno(f));
	bool colour = tty && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));

	if (when && !strcmp(when, "always"))
		colour = true;
	else if (when && !strcmp(when, "never"))
		colour = false;
	else if (when && strcmp(when, "auto"))
		return ff_err_set(err, FF_E_USAGE, "--color is auto, always or never, not '%s'", when);
	*p = (struct ff_print){ .f = f, .tty = tty, .colour = colour, .width = tty ? terminal_width(f, env) : 0 };
	return 0;
}

void ff_print_colour(const struct ff_print *p, enum ff_colour colour)
{
	static const char *const codes[] = {
		[FF_PLAIN] = "0", [FF_BOLD] = "1", [FF_DIM] = "2", [FF_RED] = "31", [FF_GREEN] = "32",
		[FF_YELLOW] = "33", [FF_BLUE] = "34", [FF_CYAN] = "36",
	};

	if (p->colour)
		(void)fprintf(p->f, "\033[%sm", codes[colour]);
}

void ff_print_shown(const struct ff_print *p, enum ff_colour colour, const char *s)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(s, 0);

	if (colour != FF_PLAIN)
		ff_print_colour(p, colour);
	(void)fputs(shown, p->f);
	if (colour != FF_PLAIN)
		ff_print_colour(p, FF_PLAIN);
}

static void print_line(const struct ff_print *p, const char *s, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 16 * n + 16); /* a hidden byte becomes 4 */
	for (;;) {
		const char *tab = memchr(s, '\t', n);
		size_t part = tab ? (size_t)(tab - s) : n;

		ff_text_show(&b, s, part, 0);
		if (!tab)
			break;
		(void)ff_buf_addc(&b, '\t');
		s += part + 1;
		n -= part + 1;
	}
	ff_assert(!b.overflow);
	(void)fwrite(b.data, 1, b.len, p->f);
}

void ff_print_lines(const struct ff_print *p, const char *prefix, const void *bytes, size_t n)
{
	const char *s = bytes;

	while (n) {
		const char *end = memchr(s, '\n', n);
		size_t len = end ? (size_t)(end - s) : n;

		(void)fputs(prefix, p->f);
		print_line(p, s, len);
		(void)fputc('\n', p->f);
		len += end ? 1 : 0;
		s += len;
		n -= len;
	}
}

void ff_print_json(const struct ff_print *p, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

	ff_assert(text != NULL);
	for (const char *s = text; *s; s++) {
		if (*s == 0x7f) /* only ever inside a string, and jansson leaves it */
			(void)fputs("\\u007f", p->f);
		else
			(void)fputc(*s, p->f);
	}
	(void)fputc('\n', p->f);
	free(text);
}

/* The number in n digits at s. */
static int digits(const char *s, size_t n, int max, int *ret)
{
	char text[8] = "";
	int64_t v;

	ff_assert(n < sizeof text);
	memcpy(text, s, n);
	if (text[0] == '-' || ff_num_i64(text, 0, max, &v) < 0)
		return -1;
	*ret = (int)v;
	return 0;
}

int ff_print_parse_time(const char *s, int64_t *ret_ms)
{
	static const char shape[] = "....-..-..T..:..:..";
	struct tm tm = { 0 };
	const char *rest = s + sizeof shape - 1;
	size_t n;
	int ms = 0;

	for (size_t i = 0; shape[i]; i++)
		if (!s[i] || (shape[i] == '.' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i]))
			return -1;
	if (digits(s, 4, 9999, &tm.tm_year) < 0 || digits(s + 5, 2, 12, &tm.tm_mon) < 0 ||
	    digits(s + 8, 2, 31, &tm.tm_mday) < 0 || digits(s + 11, 2, 23, &tm.tm_hour) < 0 ||
	    digits(s + 14, 2, 59, &tm.tm_min) < 0 || digits(s + 17, 2, 60, &tm.tm_sec) < 0)
		return -1;
	if (*rest == '.') {
		n = strspn(++rest, "0123456789");
		if (n != 3 || digits(rest, n, 999, &ms) < 0)
			return -1;
		rest += n;
	}
	if (strcmp(rest, "Z"))
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}

void ff_print_span(int64_t ms, char *out)
{
	static const struct { int64_t s; char unit; } units[] = {
		{ 365 * 86400, 'y' }, { 14 * 86400, 'w' }, { 2 * 86400, 'd' }, { 2 * 3600, 'h' }, { 120, 'm' }, { 0, 's' },
	};
	static const int64_t size[] = { 365 * 86400, 7 * 86400, 86400, 3600, 60, 1 };
	int64_t s = ms > 0 ? ms / 1000 : 0;
	size_t i = 0;

	while (s < units[i].s)
		i++;
	(void)snprintf(out, FF_SPAN_TEXT, "%" PRId64 "%c", s / size[i], units[i].unit);
}

void ff_print_money(int64_t microusd, char *out)
{
	int64_t tenths = (microusd + 50) / 100; /* of a thousandth of a dollar */

	(void)snprintf(out, FF_MONEY_TEXT, "$%" PRId64 ".%04" PRId64, tenths / 10000, tenths % 10000);
}
