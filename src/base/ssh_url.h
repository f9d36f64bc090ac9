/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_SSH_URL_H
#define FF_BASE_SSH_URL_H

/*
 * ssh:// addresses of repositories as the administrator writes them, with a
 * place for the repository in the path: PATH is the repository's own path,
 * NAME what is left of it below publish.root, without ".git".
 *
 * Steps: parse the template once, then ff_ssh_url_path() for each repository.
 * Not for talking to anybody: src/ssh does that.
 */

#include <stdint.h>

#include "base/err.h"

struct ff_ssh_url { /* all owned; ff_ssh_url_fini */
	char *user, *host; /* an IPv6 address without its brackets */
	int64_t port;      /* 22 unless the address says another */
	char *path;        /* from the slash on, the places not filled yet */
};

/* ret_url is to be fini'd only on success. FF_E_INVALID says what is wrong with the text. */
int ff_ssh_url_parse(const char *text, struct ff_ssh_url *ret_url, struct ff_err *err);
void ff_ssh_url_fini(struct ff_ssh_url *url);
/* The path on the server for the repository at repo (absolute). root: for NAME, may be "". Freed by ff_free. */
int ff_ssh_url_path(const struct ff_ssh_url *url, const char *repo, const char *root, char **ret_path,
		    struct ff_err *err);
/* As git and sshd's shell want one argument: in single quotes. Freed by ff_free. */
char *ff_ssh_quote(const char *text);

#endif
