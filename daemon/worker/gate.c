/* SPDX-License-Identifier: MIT */
/* See gate.h. */
#include "daemon/worker/gate.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/redact.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/sandbox/room.h"
#include "daemon/sandbox/tools.h"
#include "git/tree.h"

#define FOLDER "gate-ws"
#define SCRIPT_MAX ((size_t)64 * 1024)
#define OUTPUT_SHOWN ((size_t)6 * 1024)

int ff_gate_command(struct ff_run *run, const char *base, char **ret, struct ff_err *err)
{
	const char *command = ff_conf_str(run->conf, FF_CONF_GATE_COMMAND), *file = ff_conf_str(run->conf, FF_CONF_GATE_FILE);
	FF_AUTO(ff_buf_fini) struct ff_buf script = { 0 };
	struct ff_err why = { 0 };

	*ret = NULL;
	if (*command) {
		*ret = ff_strdup(command);
		return 0;
	}
	if (!*file)
		return 0;
	ff_buf_init(&script, SCRIPT_MAX);
	if (ff_git_read_path(run->git, base, file, &script, &why) < 0)
		return why.code == FF_E_NOT_FOUND ? 0 : ff_err_set(err, why.code, "gate.file: %s", why.text);
	if (memchr(script.data, '\0', script.len))
		return ff_err_set(err, FF_E_INVALID, "gate.file: %s of the target is no script", file);
	*ret = ff_buf_take(&script);
	return 0;
}

/* Whole lines from the end, secrets out. */
static char *shown(struct ff_run *run, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);
	const char *from = clean ? clean : text;
	size_t n = strlen(from);

	if (n > OUTPUT_SHOWN) {
		from += n - OUTPUT_SHOWN;
		from += strcspn(from, "\n");
		from += *from == '\n';
	}
	return ff_strdup(from);
}

static int run_it(struct ff_run *run, const char *folder, const char *command, bool *ret_green, char **ret_output, struct ff_err *err)
{
	FF_AUTO(ff_tools_result_fini) struct ff_tools_result r = { 0 };
	int64_t most = ff_conf_int(run->conf, FF_CONF_GATE_TIMEOUT);
	struct ff_sandbox_spec spec = run->spec;
	struct ff_room room = {
		.max_bytes = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_BYTES), .max_files = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_FILES),
		.max_depth = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_DEPTH),
	};
	const struct ff_tools tools = {
		.base = &spec, .deadline_ms = ff_clock_mono() + most, .call_ms = most,
		.output_bytes = (size_t)ff_conf_int(run->conf, FF_CONF_AGENT_TOOL_OUTPUT),
	};

	spec.work = folder;
	spec.env = NULL;
	spec.room = &room;
	if (ff_tools_bash(&tools, command, most, &r, err) < 0)
		return -1;
	*ret_green = !r.is_error && !r.timed_out && r.exit_status == 0;
	*ret_output = shown(run, r.text);
	return 0;
}

int ff_gate_run(struct ff_run *run, const char *command, const char *commit, bool *ret_green, char **ret_output, struct ff_err *err)
{
	FF_AUTO(ff_free) char *folder = ff_path_join(run->dir, FOLDER);
	struct ff_err why = { 0 };
	int rc = ff_place_check_out(run, folder, commit, err);

	if (rc == 0)
		rc = run_it(run, folder, command, ret_green, ret_output, err);
	if (ff_dir_remove(folder, &why) < 0) /* it goes with the job's folder */
		ff_report_logf(run, "warning: %s", why.text);
	return rc;
}
