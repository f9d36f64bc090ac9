/* SPDX-License-Identifier: MIT */
/* The builtin agent's two tools. See tools.h. */
#include "daemon/sandbox/tools.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/sandbox/edit.h"
#include "daemon/sandbox/sandbox.h"

/* execve(2) takes no longer argument (MAX_ARG_STRLEN). */
#define COMMAND_MAX (128 * 1024 - 1)
/* Beyond the kept output; only the note about what was left out and escapes come on top. */
#define TEXT_MAX_FACTOR 4

/* What goes to the model travels as JSON: UTF-8, no NUL. */
static void add_clean(struct ff_buf *out, const char *p, size_t n)
{
	while (n > 0) {
		unsigned cp, len = ff_utf8_next(p, n, &cp);

		if (len == 0 || cp == 0) {
			(void)ff_buf_addf(out, "\\x%02x", (unsigned char)*p);
			len = 1;
		} else {
			(void)ff_buf_add(out, p, len);
		}
		p += len;
		n -= len;
	}
}

static const char memory_note[] = "\n[killed: the command used more memory than sandbox.max-memory lets it]\n";

static char *make_text(const struct ff_sandbox_result *r)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, (r->head.len + r->tail.len) * TEXT_MAX_FACTOR + 256);
	add_clean(&out, r->head.data, r->head.len);
	if (r->dropped)
		(void)ff_buf_addf(&out, "\n[... %" PRId64 " bytes left out ...]\n", r->dropped);
	add_clean(&out, r->tail.data, r->tail.len);
	if (r->out_of_memory)
		(void)ff_buf_adds(&out, memory_note);
	return ff_buf_take(&out);
}

static int call(const struct ff_tools *tools, const struct ff_sandbox_spec *spec, struct ff_tools_result *ret_result,
		struct ff_err *err)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };

	if (tools->deadline_ms <= ff_clock_mono())
		return ff_err_set(err, FF_E_DEADLINE, "the job's time is over (job.deadline)");
	if (ff_sandbox_run(spec, &r, err))
		return -1;
	*ret_result = (struct ff_tools_result){
		.text = make_text(&r),
		.timed_out = r.timed_out,
		.dropped = r.dropped,
		.exit_status = r.timed_out || r.out_of_memory || WIFSIGNALED(r.status) ? 128 + 9 : WEXITSTATUS(r.status),
	};
	ret_result->is_error = ret_result->exit_status != 0;
	return 0;
}

static int refuse(struct ff_tools_result *ret_result, const char *why)
{
	*ret_result = (struct ff_tools_result){ .text = ff_strdup(why), .is_error = true, .exit_status = 1 };
	return 0;
}

static struct ff_sandbox_spec prepare(const struct ff_tools *tools, const char *const *argv, int64_t timeout_ms)
{
	struct ff_sandbox_spec spec = *tools->base;
	int64_t most = timeout_ms > 0 && timeout_ms < tools->call_ms ? timeout_ms : tools->call_ms;

	spec.argv = argv;
	spec.deadline_ms = ff_clock_mono() + most;
	if (spec.deadline_ms > tools->deadline_ms)
		spec.deadline_ms = tools->deadline_ms;
	spec.max_output = tools->output_bytes;
	return spec;
}

int ff_tools_bash(const struct ff_tools *tools, const char *command, int64_t timeout_ms,
		  struct ff_tools_result *ret_result, struct ff_err *err)
{
	const char *const argv[] = { "/bin/bash", "-c", command, NULL };
	struct ff_sandbox_spec spec = prepare(tools, argv, timeout_ms);

	if (strlen(command) > COMMAND_MAX)
		return refuse(ret_result, "The command is over 128 KiB. Write it into a file and run that.");
	return call(tools, &spec, ret_result, err);
}

int ff_tools_edit(const struct ff_tools *tools, const struct ff_edit *edit, struct ff_tools_result *ret_result,
		  struct ff_err *err)
{
	const char *const argv[] = { FF_SANDBOX_TOOL, "edit", NULL };
	struct ff_sandbox_spec spec = prepare(tools, argv, 0);
	FF_AUTO(ff_buf_fini) struct ff_buf in;

	ff_buf_init(&in, FF_EDIT_REQUEST_MAX);
	if (ff_edit_write(edit, &in, NULL))
		return refuse(ret_result, "The text is too large for one edit.");
	spec.in = in.data;
	spec.in_len = in.len;
	return call(tools, &spec, ret_result, err);
}

void ff_tools_result_fini(struct ff_tools_result *result)
{
	ff_free(&result->text);
}
