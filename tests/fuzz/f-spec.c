/* SPDX-License-Identifier: MIT */
/*
 * What a pusher or a repository can put in front of the task: commit messages
 * and task files. The first byte chooses: 't' a task file, else a message.
 */
#include <stdint.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "job/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void task_file(const char *text, size_t n)
{
	FF_AUTO(ff_task_file_fini) struct ff_task_file f = { 0 };
	struct ff_err err = { 0 };

	if (ff_task_file_parse(text, n, &f, &err) < 0) {
		ff_assert(err.code != FF_E_NONE && !f.body && ff_utf8_valid(err.text, strlen(err.text)));
		return;
	}
	ff_assert(*f.body && strlen(f.body) <= n);
}

static void message(const char *text, size_t n)
{
	FF_AUTO(ff_free) char *value = ff_trailer_value(text, n, FF_TRAILER_TASK);

	if (value)
		ff_assert(strlen(value) < n && !strchr(value, '\n'));
}

static void decide(const char *text, size_t n)
{
	FF_AUTO(ff_free) char *trailer = ff_trailer_value(text, n, FF_TRAILER_TASK);
	const struct ff_policy p = { .max_task_bytes = 4096, .max_retries = 3, .default_task = "x",
				     .result_prefix = FF_RESULT_PREFIX, .conflict_prefix = FF_CONFLICT_PREFIX };
	const struct ff_repo_facts facts = { .tip_is_commit = true, .head_branch = "main", .target_oid = "1",
					     .trailer_task = trailer, .task_file = text, .task_file_len = n,
					     .task_file_name = "x" };
	const struct ff_options none = { 0 };
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
	struct ff_err err = { 0 };

	if (ff_spec_decide(&p, &none, &facts, &spec, &err) == FF_DECIDED_JOB)
		ff_assert(spec.task && spec.target && strlen(spec.task) <= p.max_task_bytes &&
			  ff_utf8_valid(spec.task, strlen(spec.task)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size < 1)
		return 0;
	if (data[0] == 't')
		task_file(text, size - 1);
	else
		message(text, size - 1);
	decide(text, size - 1);
	return 0;
}
