/* SPDX-License-Identifier: MIT */
/*
 * Tables: cells are made harmless when they come in, so that widths count
 * what is seen; what does not fit is taken from the widest column first.
 */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "cli/print.h"

#define GAP 2 /* blanks between columns */

struct cell { char *text; size_t len; enum ff_colour colour; };

struct ff_table {
	const struct ff_column *column;
	size_t n_columns;
	struct cell *cell;
	size_t n_cells;
};

struct ff_table *ff_table_new(const struct ff_column *columns, size_t count)
{
	struct ff_table *t = ff_calloc(1, sizeof *t);

	t->column = columns;
	t->n_columns = count;
	for (size_t i = 0; i < count; i++)
		ff_table_cell(t, FF_BOLD, columns[i].title);
	return t;
}

void ff_table_free(struct ff_table **tp)
{
	struct ff_table *t = *tp;

	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		ff_free(&t->cell[i].text);
	ff_free(&t->cell);
	ff_free(tp);
}

static size_t code_points(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void ff_table_cell(struct ff_table *t, enum ff_colour colour, const char *s)
{
	char *shown = ff_text_shown(s ? s : "", 0);

	t->cell = ff_realloc(t->cell, t->n_cells + 1, sizeof *t->cell);
	t->cell[t->n_cells++] = (struct cell){ shown, code_points(shown), colour };
}

static void widths(const struct ff_table *t, size_t limit, size_t *width)
{
	size_t total = GAP * (t->n_columns - 1);

	memset(width, 0, t->n_columns * sizeof *width);
	for (size_t i = 0; i < t->n_cells; i++)
		if (t->cell[i].len > width[i % t->n_columns])
			width[i % t->n_columns] = t->cell[i].len;
	for (size_t i = 0; i < t->n_columns; i++)
		total += width[i];
	while (limit && total > limit) {
		size_t widest = t->n_columns;

		for (size_t i = 0; i < t->n_columns; i++)
			if (t->column[i].least && width[i] > t->column[i].least &&
			    (widest == t->n_columns || width[i] > width[widest]))
				widest = i;
		if (widest == t->n_columns)
			return; /* narrower than the least: let it wrap */
		width[widest]--;
		total--;
	}
}

static void print_cell(const struct ff_print *p, const struct cell *c, size_t width, bool last)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, strlen(c->text) + 8);
	if (c->len > width)
		ff_text_show(&b, c->text, strlen(c->text), width > 3 ? width - 3 : 1);
	else
		(void)ff_buf_adds(&b, c->text);
	if (c->colour != FF_PLAIN)
		ff_print_colour(p, c->colour);
	(void)fputs(b.data, p->f);
	if (c->colour != FF_PLAIN)
		ff_print_colour(p, FF_PLAIN);
	if (!last)
		(void)fprintf(p->f, "%*s", (int)(width + GAP - (c->len > width ? width : c->len)), "");
}

void ff_table_print(const struct ff_table *t, const struct ff_print *p)
{
	FF_AUTO(ff_free) size_t *width = ff_calloc(t->n_columns, sizeof *width);

	widths(t, p->width, width);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t column = i % t->n_columns;
		bool last = column == t->n_columns - 1;

		print_cell(p, &t->cell[i], width[column], last);
		if (last)
			(void)fputc('\n', p->f);
	}
}
