/* SPDX-License-Identifier: MIT */
/* watch: a job live, until it ends; its end is our exit status. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/talk.h"
#include "cli/view.h"

struct watch {
	struct ff_cli *cli;
	bool json, all;
};

static int print_item(void *arg, const json_t *item, struct ff_err *err)
{
	const struct watch *w = arg;
	const json_t *log = json_object_get(item, "log");

	(void)err;
	if (w->json)
		ff_print_json(&w->cli->out, item);
	else if (log)
		ff_view_log(&w->cli->out, log);
	else
		ff_view_event(&w->cli->out, item, w->all);
	return 0;
}

/* Live means now: nothing stays in a buffer while we wait. */
static int flush(void *arg, struct ff_err *err)
{
	const struct watch *w = arg;

	if (fflush(w->cli->out.f) != 0)
		return ff_err_errno(err, "the output");
	return 0;
}

int ff_cli_watch(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	struct watch w = { cli, ff_args_value(args, FF_CLI_OPT_JSON) != NULL, !args->operand[0] };
	const struct ff_follow what = {
		.job = args->operand[0], .on_item = print_item, .on_turn = flush, .arg = &w,
	};
	FF_AUTO(ff_json_drop) json_t *job = NULL;
	FF_AUTO(ff_json_drop) json_t *last = NULL;

	if (ff_follow(cli, args, &what, &job, err) < 0)
		return -1;
	if (w.all)
		return 0;
	if (w.json) {
		last = json_pack("{s:O}", "job", job);
		ff_print_json(&cli->out, last);
	} else {
		ff_view_summary(&cli->out, job);
	}
	return ff_follow_status(job);
}
