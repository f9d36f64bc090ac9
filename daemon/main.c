/* SPDX-License-Identifier: MIT */
/*
 * flowforged: one program, several roles.
 *
 *~ Tour, stop 1.  Welcome.  A `git push` starts a job: a model works on the
 *~ pushed commit in a sandbox, the result is rebased on the target branch and
 *~ published as a branch.  doc/architecture.md has the picture; this tour
 *~ goes through the code in the order in which a push does.  Grep for
 *~ "Tour, stop" to see all stops.
 *~
 *~ This file is where every process of the daemon begins: it reads the command
 *~ line and the configuration, and becomes one of the roles below.  The first
 *~ process is core; it starts the others, which are this program again with
 *~ --role and their parent on descriptor 3.  Stop 2 is hooks/flowforge-hook.c,
 *~ where a push comes in.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/names.h"
#include "base/num.h"
#include "conf/conf.h"
#include "daemon/role.h"
#include "ipc/ipc.h"

/* Exit status: wrong usage or configuration. The service manager must not try again with the same. */
#define EXIT_USAGE 2
/* All errors of one configuration, and all of its lines. */
#define REPORT_MAX (1024 * 1024)
#define PRINT_MAX (64 * 1024 * 1024)

/*
 *~ Tour, stop 1, the roles.  Each holds what the others must not: core the
 *~ database and the queue (daemon/core), a worker one repository and the
 *~ job's sandbox (daemon/worker, daemon/sandbox), a reader one repository to
 *~ look things up, a keeper one repository to tidy it (daemon/keeper), the
 *~ gateway the model key and the network (daemon/gateway), a tunnel the ssh
 *~ key of one push (daemon/tunnel), web the way in by HTTP (daemon/web).  They share no memory and no headers, only the messages
 *~ of src/ipc/msg.def.
 */
static const struct {
	const char *name;
	int (*main)(const struct ff_role_args *args);
} roles[] = {
	{ "core", ff_core_main },
	{ "worker", ff_worker_main },
	{ "reader", ff_reader_main },
	{ "keeper", ff_keeper_main },
	{ "gateway", ff_gateway_main },
	{ "tunnel", ff_tunnel_main },
	{ "web", ff_web_main },
	{ NULL, NULL },
};

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT, MODE_RESTORE, MODE_CHECK_RECORD };

struct command_line {
	enum mode mode;
	const char *role;
	const char *config;
	const char *restore;
	int key_fd;
	const char **settings; /* NULL-terminated */
	size_t setting_count;
};

static const char usage[] =
	"usage: " FF_DAEMON " [--config FILE] [-c KEY=VALUE]... [--check-config | --print-config |\n"
	"                  --check-record | --restore FILE]\n"
	"       " FF_DAEMON " --version | --help\n"
	"\n"
	"  --config FILE   read FILE and conf.d/*.conf beside it instead of\n"
	"                  " FF_DEFAULT_CONF "\n"
	"  --key-fd N      read the master key of secrets from this descriptor\n"
	"  -c KEY=VALUE    set one key (" FF_NAME ".conf(5)); may be repeated\n"
	"  --check-config  name every error in the configuration; change nothing\n"
	"  --print-config  show every key's value and where it comes from\n"
	"  --check-record  read every page of the record and say whether it is whole\n"
	"  --restore FILE  put this backup in the place of the record; not while the\n"
	"                  daemon runs\n"
	"  --version       show the version\n"
	"  --help          show this text\n";

enum { OPT_CONFIG = 256, OPT_ROLE, OPT_CHECK, OPT_PRINT, OPT_CHECK_RECORD, OPT_RESTORE, OPT_KEY_FD, OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "role", required_argument, NULL, OPT_ROLE },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "check-record", no_argument, NULL, OPT_CHECK_RECORD },
	{ "restore", required_argument, NULL, OPT_RESTORE },
	{ "key-fd", required_argument, NULL, OPT_KEY_FD },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Writes to stdout; a full disk or a closed pipe is an error like any other. */
static int show(const char *text)
{
	struct ff_err err = { 0 };

	if (ff_fd_write_all(STDOUT_FILENO, text, strlen(text), &err) == 0)
		return 0;
	(void)fprintf(stderr, FF_DAEMON ": standard output: %s\n", err.text);
	return 1;
}

static int wrong_usage(const char *what)
{
	(void)fprintf(stderr, FF_DAEMON ": %s\n%s", what, usage);
	return EXIT_USAGE;
}

/* -1 to go on, else the exit status. */
static int read_command_line(int argc, char **argv, struct command_line *cl)
{
	int64_t fd = -1;
	int c;

	cl->settings = ff_calloc((size_t)argc + 1, sizeof *cl->settings);
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c': cl->settings[cl->setting_count++] = optarg; break;
		case OPT_CONFIG: cl->config = optarg; break;
		case OPT_ROLE: cl->role = optarg; break;
		case OPT_CHECK: cl->mode = MODE_CHECK; break;
		case OPT_PRINT: cl->mode = MODE_PRINT; break;
		case OPT_CHECK_RECORD: cl->mode = MODE_CHECK_RECORD; break;
		case OPT_RESTORE: cl->mode = MODE_RESTORE; cl->restore = optarg; break;
		case OPT_KEY_FD:
			if (ff_num_i64(optarg, STDERR_FILENO + 1, INT_MAX, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0)
				return wrong_usage("--key-fd is the number of an open descriptor from 3 on");
			cl->key_fd = (int)fd;
			break;
		case OPT_VERSION: return show(FF_DAEMON " " PACKAGE_VERSION "\n");
		case 'h': return show(usage);
		default: return wrong_usage("wrong option"); /* getopt has named it */
		}
	}
	if (optind < argc)
		return wrong_usage("there is an argument too many; every value belongs to an option");
	return -1;
}

/* No mistake in the configuration, and it may be mended while the daemon runs: so a warning, no more. */
static void warn_about_key(const struct ff_conf *conf)
{
	const char *path = ff_conf_str(conf, FF_CONF_GATEWAY_KEY_FILE);
	struct stat st;

	if (!*path)
		return;
	if (stat(path, &st) < 0)
		(void)fprintf(stderr, FF_DAEMON ": warning: gateway.key-file: %s: %s; jobs will wait for it\n", path,
			      strerror(errno));
	else if (st.st_mode & 077)
		(void)fprintf(stderr, FF_DAEMON ": warning: gateway.key-file: %s can be read by others (mode %03o); jobs will wait "
			      "until: chmod 600 %s\n", path, (unsigned)(st.st_mode & 0777), path);
}

/* Loads and forgets; every error goes to stderr. */
static int check_config(const struct ff_conf_source *from)
{
	FF_AUTO(ff_conf_free) struct ff_conf *conf = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf report;
	struct ff_err err = { 0 };

	ff_buf_init(&report, REPORT_MAX);
	if (ff_conf_load(from, &conf, &report, &err) == 0) {
		warn_about_key(conf);
		return show("the configuration is in order\n");
	}
	(void)ff_fd_write_all(STDERR_FILENO, report.data, report.len, NULL); /* nowhere else to tell */
	return 1;
}

static int print_config(const struct ff_conf *conf)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, PRINT_MAX);
	ff_conf_print(conf, &text);
	return show(text.data);
}

/*
 * Descriptors 0 to 2 must be something before anything else is opened: a
 * database that gets number 2 would be written over by the first log line.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0) {
			(void)fprintf(stderr, FF_DAEMON ": /dev/null: %s\n", strerror(errno));
			exit(EXIT_FAILURE);
		}
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
}

static char *own_path(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);

	/* Without /proc, the installed place is the best guess. */
	return n > 0 && (size_t)n < sizeof path ? ff_memdup0(path, (size_t)n) : ff_strdup(FF_SBINDIR "/" FF_DAEMON);
}

static int run_role(const char *name, const struct ff_role_args *args)
{
	const char *file = ff_conf_str(args->conf, FF_CONF_LOG_FILE);
	const char *word = ff_conf_str(args->conf, FF_CONF_LOG_LEVEL);
	enum ff_log_level level = FF_LOG_INFO;
	struct ff_err err = { 0 };

	for (size_t i = 0; roles[i].name; i++) {
		if (strcmp(roles[i].name, name))
			continue;
		(void)ff_log_level_by_name(word, &level); /* the table has let no other word through */
		ff_log_setup(roles[i].name, level);
		/* Core has a pipe to these two, and writes their lines itself (daemon/core/childlog.h). */
		if (*file && strcmp(name, "worker") && strcmp(name, "reader") && ff_log_open(file, &err) < 0) {
			(void)fprintf(stderr, FF_DAEMON ": log.file: %s\n", err.text);
			return 1;
		}
		/* A peer that is gone is an error of the write, not our end. */
		(void)signal(SIGPIPE, SIG_IGN);
		return roles[i].main(args);
	}
	(void)fprintf(stderr, FF_DAEMON ": there is no role `%s`\n", name);
	return EXIT_USAGE;
}

static int run(const struct command_line *cl)
{
	struct ff_conf_source from = { .file = cl->config, .settings = cl->settings, .environ = environ };
	FF_AUTO(ff_conf_free) struct ff_conf *conf = NULL;
	FF_AUTO(ff_free) char *self = NULL;
	struct ff_role_args args;
	struct ff_err err = { 0 };

	if (cl->mode == MODE_CHECK)
		return check_config(&from);
	if (ff_conf_load(&from, &conf, NULL, &err) < 0) {
		(void)fprintf(stderr, FF_DAEMON ": %s\n", err.text);
		return EXIT_USAGE;
	}
	if (cl->mode == MODE_PRINT)
		return print_config(conf);
	if (cl->mode == MODE_CHECK_RECORD)
		return ff_core_check_record(conf);
	if (cl->mode == MODE_RESTORE)
		return ff_core_restore(conf, cl->restore);
	self = own_path();
	args = (struct ff_role_args){
		.conf = conf, .self = self, .config_file = ff_conf_file(conf), .settings = cl->settings,
		.key_fd = cl->key_fd,
	};
	return run_role(cl->role ? cl->role : "core", &args);
}

int main(int argc, char **argv)
{
	struct command_line cl = { .mode = MODE_RUN, .key_fd = -1 };
	int status;

	fill_standard_descriptors();
	ff_json_setup();
	status = read_command_line(argc, argv, &cl);
	if (status < 0)
		status = run(&cl);
	ff_free(&cl.settings);
	return status;
}
