/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_HOSTILE_FORM_H
#define FF_TESTS_HOSTILE_FORM_H

/* One launch form: what is attacked, the controls, the rounds in the sandbox, and the verdict on each kind. */

#include <stdint.h>

#include "tests/hostile/hostile.h"

/* What became of a kind; in the order of the tables, those of whole.c behind them. */
struct verdict {
	const char *name, *why; /* why: the control does not work, or is left out */
	bool skipped;
	int64_t tried, got;
};

struct form {
	const char *base, *name; /* base has the programs */
	uid_t uid;
	bool alone;              /* no form of root in this run */
	int64_t runs;            /* attempts wanted */
	int number;              /* of the first TAP line */
	struct target t;
	char ws[128];
	int listeners[4], peer;  /* what nobody must reach: tcp, udp, abstract, path; other end of the inherited socket */
	int64_t attempts;
};

/* Lines of TAP of one form. */
size_t form_lines(void);
/* In the form's own process: folders, files, sockets. */
void form_make(struct form *f);
/* Says that they are there, learns who the bystander is, does the work. The exit status. */
int form_main(struct form *f, int made);
/* In the parent: until the form has ended. Its exit status. */
int form_lend_bystander(struct form *f, int made, pid_t form, void (*be)(const struct form *f));

#endif
