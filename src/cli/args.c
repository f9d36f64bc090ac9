/* SPDX-License-Identifier: MIT */
/* One walk over the words; every text a user reads comes from the two tables. */
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "cli/commands.h"

static const struct option {
	char letter;
	const char *name, *value, *help;
} options[] = {
#define FF_CLI_OPT(id, letter, name, value, help) { letter, name, value, help },
#include "cli/options.def"
#undef FF_CLI_OPT
};

static const struct ff_cli_command commands[] = {
#define FF_CLI_CMD(name, fn, operands, least, most, over_ssh, opts, help) \
	{ name, ff_cli_##fn, operands, least, most, over_ssh, opts, help },
#include "cli/commands.def"
#undef FF_CLI_CMD
};

_Static_assert(FF_CLI_OPTS <= 64, "options are bits of a uint64_t");

const struct ff_cli_command *ff_args_command(const char *name)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static uint64_t permitted(const struct ff_args *a)
{
	return a->command ? FF_CLI_ALWAYS | a->command->options : FF_CLI_FIRST;
}

/* The option of that name (n bytes) or letter; FF_CLI_OPTS when the command takes none such. */
static enum ff_cli_opt find(uint64_t allowed, const char *name, size_t n, char letter)
{
	for (enum ff_cli_opt i = 0; i < FF_CLI_OPTS; i++) {
		const struct option *o = &options[i];

		if (!(allowed & UINT64_C(1) << i))
			continue;
		if (letter ? o->letter == letter : o->name && strlen(o->name) == n && !memcmp(o->name, name, n))
			return i;
	}
	return FF_CLI_OPTS;
}

static int bad(const struct ff_args *a, struct ff_err *err, const char *what, const char *word)
{
	return ff_err_set(err, FF_E_USAGE, "%s '%s': see " FF_NAME " help%s%s", what, word,
			  a->command ? " " : "", a->command ? a->command->name : "");
}

static void keep(struct ff_args *a, enum ff_cli_opt opt, const char *value)
{
	a->given = ff_realloc(a->given, a->n_given + 1, sizeof *a->given);
	a->given[a->n_given++] = (struct ff_arg){ opt, value };
}

/* One option word at argv[i]; returns how many words it took, or -1. */
static int take_option(struct ff_args *a, char **argv, struct ff_err *err)
{
	const char *word = argv[0], *value = NULL;
	enum ff_cli_opt opt;

	if (word[1] == '-') {
		size_t n = strcspn(word + 2, "=");

		opt = find(permitted(a), word + 2, n, 0);
		value = word[2 + n] ? word + 3 + n : NULL;
	} else {
		opt = find(permitted(a), NULL, 0, word[1]);
		value = word[2] ? word + 2 : NULL;
	}
	if (opt == FF_CLI_OPTS)
		return bad(a, err, "no such option", word);
	if (!options[opt].value) {
		if (value)
			return bad(a, err, "no value is wanted in", word);
		keep(a, opt, "");
		return 1;
	}
	if (!value && !argv[1])
		return bad(a, err, "a value is missing behind", word);
	keep(a, opt, value ? value : argv[1]);
	return value ? 1 : 2;
}

static int check(const struct ff_args *a, struct ff_err *err)
{
	const struct ff_cli_command *c = a->command;
	uint64_t wanted = c ? FF_CLI_ALWAYS | c->options : FF_CLI_FIRST;

	if (ff_args_value(a, FF_CLI_OPT_HELP) || ff_args_value(a, FF_CLI_OPT_VERSION))
		return 0;
	if (!c)
		return ff_err_set(err, FF_E_USAGE, "a command is missing: see " FF_NAME " help");
	for (size_t i = 0; i < a->n_given; i++)
		if (!(wanted & UINT64_C(1) << a->given[i].opt))
			return ff_err_set(err, FF_E_USAGE, "%s does not know --%s: see " FF_NAME " help %s",
					  c->name, options[a->given[i].opt].name, c->name);
	if (a->n_operand < c->least || (c->most >= 0 && a->n_operand > c->most))
		return ff_err_set(err, FF_E_USAGE, "usage: " FF_NAME " %s [options] %s", c->name, c->operands);
	return 0;
}

int ff_args_parse(int argc, char **argv, struct ff_args *a, struct ff_err *err)
{
	bool options_end = false;

	*a = (struct ff_args){ .operand = ff_calloc((size_t)argc + 1, sizeof(char *)) };
	for (int i = 1; i < argc;) {
		bool raw = a->command && a->command->most < 0;
		int took = 1;

		if (!raw && !options_end && !strcmp(argv[i], "--")) {
			options_end = true;
		} else if (!raw && !options_end && argv[i][0] == '-' && argv[i][1]) {
			took = take_option(a, argv + i, err);
		} else if (!a->command) {
			a->command = ff_args_command(argv[i]);
			if (!a->command)
				return bad(a, err, "no such command", argv[i]);
		} else {
			a->operand[a->n_operand++] = argv[i];
		}
		if (took < 0)
			return -1;
		i += took;
	}
	return check(a, err);
}

void ff_args_fini(struct ff_args *a)
{
	ff_free(&a->given);
	ff_free(&a->operand);
	a->n_given = 0;
	a->n_operand = 0;
}

const char *ff_args_value(const struct ff_args *a, enum ff_cli_opt opt)
{
	for (size_t i = a->n_given; i > 0; i--)
		if (a->given[i - 1].opt == opt)
			return a->given[i - 1].value;
	return NULL;
}

static void help_options(uint64_t which, struct ff_buf *out)
{
	for (enum ff_cli_opt i = 0; i < FF_CLI_OPTS; i++) {
		const struct option *o = &options[i];
		char left[64];

		if (!(which & UINT64_C(1) << i))
			continue;
		(void)snprintf(left, sizeof left, "%c%c%s%s%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			       o->letter && o->name ? ", " : "  ", o->name ? "--" : "", o->name ? o->name : "",
			       o->value ? (o->name ? "=" : " ") : "", o->value ? o->value : "");
		(void)ff_buf_addf(out, "  %-22s %s\n", left, o->help);
	}
}

static void help_all(struct ff_buf *out)
{
	(void)ff_buf_adds(out, "usage: " FF_NAME " [options] COMMAND [options] [operands]\n\ncommands:\n");
	for (size_t i = 0; i < FF_ARRAY_LEN(commands); i++) {
		FF_AUTO(ff_free) char *left = ff_asprintf("%s %s", commands[i].name, commands[i].operands);

		(void)ff_buf_addf(out, "  %-22s %s\n", left, commands[i].help);
	}
	(void)ff_buf_adds(out, "\nA JOB is a number or a UUID.\n\noptions:\n");
	help_options(FF_CLI_FIRST, out);
	(void)ff_buf_adds(out, "\nexit status: 0 done, 1 the job failed, 2 wrong usage, 3 not found, 4 not allowed,\n"
			       "5 server unreachable, 130 interrupted\n");
}

void ff_args_help(const struct ff_cli_command *c, struct ff_buf *out)
{
	if (!c) {
		help_all(out);
		return;
	}
	(void)ff_buf_addf(out, "usage: " FF_NAME " %s%s %s\n\n%s\n", c->name, c->most < 0 ? "" : " [options]", c->operands, c->help);
	(void)ff_buf_adds(out, c->most < 0 ? "\noptions, before the command:\n" : "\noptions:\n");
	help_options(FF_CLI_ALWAYS | c->options, out);
}

void ff_args_ssh_words(struct ff_buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < FF_ARRAY_LEN(commands); i++) {
		if (!commands[i].over_ssh)
			continue;
		(void)ff_buf_addf(out, "%s%s", blank, commands[i].name);
		blank = " ";
	}
}
