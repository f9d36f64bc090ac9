/* SPDX-License-Identifier: MIT */
/*
 * SIGHUP: the configuration is read again.  A good one is taken over whole,
 * but for the keys that only a restart can change; with a mistake in it
 * everything stays as it was, and the log says why.  Processes that run keep
 * what they were started with, so that a job ends as it began.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "daemon/core/vault.h"
#include "store/audit.h"

#define HOOK_CONF_MAX (1024 * 1024)
/* Names of keys, and mistakes, for the log. */
#define HELD_MAX 8192
#define REPORT_MAX (64 * 1024)

static int write_hook_conf(const struct ff_conf *conf, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(conf, "hook.conf");
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, HOOK_CONF_MAX);
	ff_conf_write_hook_conf(conf, &text);
	return ff_file_write(path, text.data, text.len, 0644, err);
}

/* What this process goes by, for those it starts; it may hold values that are nobody else's business. */
static int write_roles_conf(const struct ff_conf *conf, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_run_path(conf, FF_ROLES_CONF);
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, FF_CONF_TEXT_MAX);
	ff_conf_write(conf, &text);
	return ff_file_write(path, text.data, text.len, 0600, err);
}

int ff_reload_write(const struct ff_conf *conf, struct ff_err *err)
{
	return write_roles_conf(conf, err) < 0 ? -1 : write_hook_conf(conf, err);
}

static void set_level(const struct ff_conf *conf)
{
	enum ff_log_level level = FF_LOG_INFO;

	(void)ff_log_level_by_name(ff_conf_str(conf, FF_CONF_LOG_LEVEL), &level); /* the table has let no other word through */
	ff_log_setup("core", level);
}

/* Each mistake is a line of its own, as --check-config would show it; err has the first. */
static void log_mistakes(struct ff_core *core, const struct ff_buf *report, const struct ff_err *err)
{
	const char *p = report->len ? report->data : "";

	p += strcspn(p, "\n");
	p += *p == '\n';
	ff_log_error(&core->log, "core.reload", "the settings stay as they were: %s", err->text);
	while (*p) {
		size_t n = strcspn(p, "\n");

		ff_log_error(&core->log, "core.reload", "%.*s", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

/* Nothing of conf is in force before all of it can be. */
static int take_over(struct ff_core *core, struct ff_conf **conf, struct ff_err *err)
{
	struct ff_conf *old = core->reloaded;

	if (ff_reload_write(*conf, err) < 0) {
		(void)ff_reload_write(core->conf, NULL); /* one of the two may be new: told to the log already */
		return -1;
	}
	core->conf = core->reloaded = ff_steal(conf);
	ff_conf_free(&old);
	set_level(core->conf);
	return 0;
}

static void reload(struct ff_core *core)
{
	struct ff_conf_source from = { .file = ff_conf_file(core->conf), .settings = core->args->settings,
				       .environ = environ };
	FF_AUTO(ff_conf_free) struct ff_conf *conf = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf held = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf report = { 0 };
	struct ff_err err = { 0 };

	ff_buf_init(&held, HELD_MAX);
	ff_buf_init(&report, REPORT_MAX);
	if (ff_conf_reload(core->conf, &from, &conf, &held, &report, &err) < 0 || take_over(core, &conf, &err) < 0) {
		log_mistakes(core, &report, &err);
		return;
	}
	ff_log_info(&core->log, "core.reloaded", "the configuration was read again");
	if (held.len)
		ff_log_warn(&core->log, "core.held", "these need a restart and stay as they were: %s", held.data);
	(void)ff_core_audit(core, &(struct ff_audit){ .uid = -1, .action = "reload", .text = ff_conf_file(core->conf) }, NULL); /* no reason to stop */
	ff_vault_reload(core);
	ff_gateway_look(core);
	ff_core_dispatch(core); /* there may be room for more jobs now */
}

static void on_hang_up(void *arg, int signo)
{
	FF_AUTO(ff_free) char *state = ff_asprintf("RELOADING=1\nMONOTONIC_USEC=%" PRId64, ff_clock_mono() * 1000);

	(void)signo;
	ff_core_notify(state);
	reload(arg);
	ff_core_notify("READY=1"); /* also after a mistake: the daemon serves on */
}

/* A log rotation sends it when it has given the files other names. The other roles notice by the name. */
static void on_user_signal(void *arg, int signo)
{
	struct ff_core *core = arg;

	(void)signo;
	ff_log_reopen();
	ff_workers_reopen_logs(core);
	ff_log_info(&core->log, "core.reopened", "SIGUSR1: the log files were opened again");
}

void ff_reload_init(struct ff_core *core)
{
	(void)ff_loop_signal(core->loop, SIGHUP, on_hang_up, core);
	(void)ff_loop_signal(core->loop, SIGUSR1, on_user_signal, core);
}

void ff_reload_fini(struct ff_core *core)
{
	ff_conf_free(&core->reloaded);
	core->conf = core->args->conf;
}
