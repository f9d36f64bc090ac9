/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_AGENT_SAY_H
#define FF_WORKER_AGENT_SAY_H

/* What a driver writes into the job's log: known secrets taken out first, then made harmless, then cut. */

#include <stddef.h>

struct ff_agent_run;

/* One line, "MARK text", cut at the width of a terminal. */
void ff_agent_say(const struct ff_agent_run *run, const char *stream, const char *mark, const char *text);
/* The last lines of a text, each as above. */
void ff_agent_say_tail(const struct ff_agent_run *run, const char *stream, const char *text);
/* Whole lines that people should read whole: what a model says. */
void ff_agent_say_all(const struct ff_agent_run *run, const char *stream, const char *text);

/* Known secrets out, harmless, cut at most characters, for an error. Freed by ff_free. */
char *ff_agent_shown(const struct ff_agent_run *run, const char *text, size_t most);

#endif
