/* SPDX-License-Identifier: MIT */
/*
 * `flowforge hooks install | status | uninstall`: puts flowforge-hook into
 * bare repositories beside whatever hooks they have, and takes it out again
 * so that every byte is as before.  Works without the daemon.  Here are the
 * words of the command line, and one repository after the other; what is done
 * in a repository is in hookwork.c.
 */
#include "cli/commands.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/libexec.h"
#include "base/names.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/hookrepo.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

enum verb { VERB_INSTALL, VERB_STATUS, VERB_UNINSTALL, VERBS };
static const char *const verb_words[VERBS] = { "install", "status", "uninstall" };

struct request {
	FILE *out, *talk;
	const struct ff_conf *conf;
	enum verb verb;
	bool dry_run, json, shared, gitolite;
	const char *forge; /* gitlab, gitea or forgejo; NULL: none */
	char **repos;
	int n_repos;
	char *program, *conf_path;
	json_t *report;    /* with --json */
};

struct one { /* what is said about one repository */
	FILE *out, *talk;
	const char *path;
	bool dry_run, json;
	bool tell;  /* the daemon must know of the repository */
	json_t *changes, *problems;
};

static const char usage_text[] =
	"usage: " FF_NAME " hooks install|status|uninstall REPOSITORY... [--dry-run] [--json] [--shared]\n"
	"       " FF_NAME " hooks install|uninstall --gitolite LOCAL_CODE [--dry-run]\n"
	"       " FF_NAME " hooks install --gitlab|--gitea|--forgejo\n"
	"  --dry-run   say what would be done\n"
	"  --json      one JSON object on standard output\n"
	"  --shared    also when core.hooksPath names a folder that other repositories use\n"
	"  --gitolite  for the folder that the rc calls LOCAL_CODE (gitolite query-rc LOCAL_CODE)\n";

static int usage(const struct request *r, const char *what, const char *word)
{
	fprintf(r->talk, "error: %s%s\n%s", what, word, usage_text);
	return 2;
}

/* ---- output */

static void said(void *arg, bool problem, const char *text)
{
	struct one *o = arg;
	FF_AUTO(ff_free) char *path = ff_text_shown(o->path, 0);

	/* The path may be any bytes; JSON gets it as it is shown. */
	json_array_append_new(problem ? o->problems : o->changes, json_string(text));
	if (o->json)
		return;
	if (problem)
		fprintf(o->talk, "%s: %s\n", path, text);
	else
		fprintf(o->out, "%s: %s%s\n", path, o->dry_run && strncmp(text, "note:", 5) ? "would " : "", text);
}

static void report(struct request *r, struct one *o, const char *state)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(o->path, 0);

	if (!r->json) {
		if (r->verb == VERB_STATUS)
			fprintf(r->out, "%s: %s\n", path, state);
		else if (!json_array_size(o->changes) && !json_array_size(o->problems))
			fprintf(r->out, "%s: nothing to do\n", path);
	}
	json_array_append_new(r->report, json_pack("{s:s, s:s, s:O, s:O}", "repo", path, "state", state,
						   "changes", o->changes, "problems", o->problems));
	json_decref(o->changes);
	json_decref(o->problems);
}

/* ---- one repository */

/*
 * Drop-only, for the group of accounts that push (doc/operations.md).
 * As core makes it, which may come later.
 */
static int make_spool(const char *path, struct ff_err *err)
{
	const struct group *group = getgrnam(FF_NAME);
	struct stat st;

	if (stat(path, &st) == 0)
		return 0;
	if (ff_dir_make(path, 0700, err) < 0)
		return -1;
	if (group && chown(path, (uid_t)-1, group->gr_gid) < 0 && errno != EPERM)
		return ff_err_errno(err, "%s: chgrp " FF_NAME, path);
	if (chmod(path, 01730) < 0) /* whatever the umask */
		return ff_err_errno(err, "%s: chmod", path);
	return 0;
}

/* hook.conf is core's to keep; written here too, so that a push before its first start is spooled. */
static void write_hook_conf(struct request *r, struct one *o)
{
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(r->conf, "");
	FF_AUTO(ff_free) char *spool = ff_conf_state_path(r->conf, "spool");
	FF_AUTO(ff_buf_fini) struct ff_buf want, have;
	struct ff_err err;

	ff_buf_init(&want, 1024 * 1024);
	ff_buf_init(&have, 1024 * 1024);
	ff_conf_write_hook_conf(r->conf, &want);
	(void)ff_file_read(r->conf_path, &have, NULL); /* missing is different */
	if (!strcmp(want.data, have.data) && access(spool, F_OK) == 0)
		return;
	if (!r->dry_run && (ff_dir_make(dir, 0711, &err) < 0 || make_spool(spool, &err) < 0 ||
			    ff_file_write(r->conf_path, want.data, want.len, 0644, &err) < 0)) {
		FF_AUTO(ff_free) char *text = ff_asprintf("note: %s was not written (%s); start " FF_DAEMON " once, which does it",
							  r->conf_path, err.text);
		said(o, false, text);
	} else {
		FF_AUTO(ff_free) char *text = ff_asprintf("write %s", r->conf_path);

		said(o, false, text);
	}
}

static int work(struct request *r, const struct ff_hookrepo *repo, struct one *o, const char **ret_state,
		struct ff_err *err)
{
	struct ff_hookwork w = { .repo = repo, .program = r->program, .conf_path = r->conf_path,
				 .dry_run = r->dry_run, .say = said, .arg = o,
				 .maintain = ff_conf_bool(r->conf, FF_CONF_MAINTENANCE_ENABLED) };

	if (repo->hooks && repo->outside && !r->shared && r->verb != VERB_STATUS)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "its hooks are in %s, where other repositories may use them too: "
				  "add --shared if that is meant", repo->hooks);
	switch (r->verb) {
	case VERB_INSTALL:
		write_hook_conf(r, o);
		if (r->gitolite)
			return ff_hookgitolite_install(&w, err);
		if (ff_hookwork_install(&w, err) < 0)
			return -1;
		o->tell = !r->dry_run && ff_hooktidy_is(&w) == FF_HOOKTIDY_OURS;
		return 0;
	case VERB_UNINSTALL:
		*ret_state = "not installed";
		return r->gitolite ? ff_hookgitolite_uninstall(&w, err) : ff_hookwork_uninstall(&w, err);
	case VERB_STATUS:
		ff_hookwork_status(&w);
		*ret_state = !json_array_size(o->problems) ? "installed" : w.any ? "partly installed" : "not installed";
		return 0;
	case VERBS:
		break;
	}
	return -1;
}

/* The same for the same repository, so that a second run leaves no second file. */
static void name_of(const char *path, char ret[33])
{
	uint64_t h[2] = { 0xcbf29ce484222325, 0x84222325cbf29ce4 };

	for (const char *p = path; *p; p++)
		for (int i = 0; i < 2; i++)
			h[i] = (h[i] ^ (unsigned char)*p) * 0x100000001b3;
	(void)snprintf(ret, 33, "%016" PRIx64 "%016" PRIx64, h[0], h[1]);
}

/*
 * The daemon learns of a repository by its first push that concerns it, which
 * may never come; one that is not to be tidied by git must be known to it
 * from now on.  So the spool gets a push of no ref.
 */
static int tell_daemon(const struct request *r, const char *path, struct ff_err *err)
{
	FF_AUTO(ff_free) char *spool = ff_conf_state_path(r->conf, "spool");
	FF_AUTO(ff_free) char *file = NULL;
	FF_AUTO(ff_free) char *text = NULL;
	json_t *msg;
	char id[33];

	name_of(path, id);
	file = ff_asprintf("%s/%s.json", spool, id);
	msg = json_pack("{s:s,s:i,s:s,s:I,s:o,s:n,s:[],s:[]}", "m", "push", "v", 1, "id", id, "at",
			(json_int_t)ff_clock_wall(), "repo", ff_json_from_bytes(path), "pusher", "options", "refs");
	text = json_dumps(msg, JSON_COMPACT);
	json_decref(msg);
	if (ff_file_write(file, text, strlen(text), 0644, err) == 0)
		return 0;
	return ff_err_wrap(err, "its packs are tidied only once a push of it started a job, since the daemon was not told");
}

static int one_repo(struct request *r, const char *path)
{
	struct one o = { .out = r->out, .talk = r->talk, .path = path, .dry_run = r->dry_run, .json = r->json,
			 .changes = json_array(), .problems = json_array() };
	const char *state = "installed";
	bool must_own = r->verb != VERB_STATUS;
	FF_AUTO(ff_free) char *real = NULL;
	struct ff_hookrepo repo;
	struct ff_err err;
	int rc, status = 0;

	rc = r->gitolite ? ff_hookrepo_enter(path, must_own, &repo, &err) : ff_hookrepo_open(path, must_own, &repo, &err);
	if (rc == 0)
		rc = work(r, &repo, &o, &state, &err);
	if (rc == 0 && o.tell)
		real = ff_strdup(repo.path);
	ff_hookrepo_close(&repo);
	if (real) /* with our own account, which may write into the spool */
		rc = tell_daemon(r, real, &err);
	if (rc < 0) {
		state = "error";
		status = ff_err_exit(err.code);
		said(&o, true, err.text);
	} else if (json_array_size(o.problems)) {
		status = 1;
	}
	report(r, &o, state);
	return status;
}

/* ---- forges, whose hooks are theirs to place */

static int explain_forge(const struct request *r)
{
	FF_AUTO(ff_buf_fini) struct ff_buf pre, post;
	bool gitlab = !strcmp(r->forge, "gitlab");
	const char *dir = gitlab ? "CUSTOM_HOOKS_DIR/" : "REPOSITORY/hooks/";

	ff_buf_init(&pre, 65536);
	ff_buf_init(&post, 65536);
	ff_hookfile_text(&pre, r->program, "pre-receive");
	ff_hookfile_text(&post, r->program, "post-receive");
	(void)ff_buf_addf(&pre, "conf %s\n", r->conf_path);
	(void)ff_buf_addf(&post, "conf %s\n", r->conf_path);
	fprintf(r->out, "%s\n"
	       "As the account that runs the server, make these two files and chmod +x them:\n\n"
	       "--- %spre-receive.d/90-" FF_NAME "\n%s\n--- %spost-receive.d/90-" FF_NAME "\n%s\n",
	       gitlab ? "GitLab: hooks for all projects are in the folder that Gitaly's [hooks] custom_hooks_dir names."
		      : "Gitea and Forgejo: hooks of a repository are beside the delegates that the server writes.",
	       dir, pre.data, dir, post.data);
	fprintf(r->out, "Then let pushes carry options and keep our refs out of them, in that account's\n"
	       "git configuration%s:\n\n"
	       "    git config --global receive.advertisePushOptions true\n"
	       "    git config --global --add receive.hideRefs " FF_REF_PRIVATE "\n",
	       gitlab ? " (for Omnibus: gitaly['configuration'][:git][:config] in gitlab.rb)" : "");
	return 0;
}

/* ---- words */

static int parse_option(struct request *r, const char *word)
{
	static const char *const forges[] = { "gitlab", "gitea", "forgejo" };

	for (size_t i = 0; i < FF_ARRAY_LEN(forges); i++) {
		if (!strcmp(word + 2, forges[i])) {
			r->forge = forges[i];
			return 0;
		}
	}
	if (!strcmp(word, "--dry-run"))
		r->dry_run = true;
	else if (!strcmp(word, "--json"))
		r->json = true;
	else if (!strcmp(word, "--shared"))
		r->shared = true;
	else if (!strcmp(word, "--gitolite"))
		r->gitolite = true;
	else
		return -1;
	return 0;
}

static int parse(struct request *r, int argc, char **argv)
{
	bool options = true;

	r->verb = VERBS;
	for (int i = 0; argc && i < VERBS; i++)
		if (!strcmp(argv[0], verb_words[i]))
			r->verb = (enum verb)i;
	if (r->verb == VERBS)
		return usage(r, "hooks takes install, status or uninstall", "");
	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (options && ff_starts(argv[i], "--")) {
			if (parse_option(r, argv[i]) < 0)
				return usage(r, "there is no option ", argv[i]);
		} else
			r->repos[r->n_repos++] = argv[i];
	}
	if (r->forge && (r->verb != VERB_INSTALL || r->n_repos))
		return usage(r, "only 'install' explains a forge, and it takes no repository: --", r->forge);
	if (r->gitolite && (r->verb == VERB_STATUS || r->n_repos != 1))
		return usage(r, "--gitolite takes install or uninstall, and the folder LOCAL_CODE", "");
	if (!r->forge && !r->n_repos)
		return usage(r, "name at least one repository", "");
	return 0;
}

static int each_repo(struct request *r)
{
	int status = 0;

	r->report = json_array();
	for (int i = 0; i < r->n_repos; i++) {
		int one = one_repo(r, r->repos[i]);

		status = status ? status : one;
	}
	if (r->json) {
		FF_AUTO(ff_free) char *text = NULL;
		json_t *all = json_pack("{s:O}", "items", r->report);

		text = json_dumps(all, JSON_INDENT(2));
		fprintf(r->out, "%s\n", text);
		json_decref(all);
	}
	json_decref(r->report);
	return status;
}

int ff_cli_hooks(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_free) char *program = ff_libexec_path(FF_NAME "-hook");
	FF_AUTO(ff_free) char **repos = ff_calloc((size_t)args->n_operand + 1, sizeof *repos);
	FF_AUTO(ff_free) char *conf_path = NULL;
	struct request r = { .out = cli->out_stream, .talk = cli->talk, .program = program, .repos = repos };
	mode_t mask;
	int status;

	for (int i = 0; i < args->n_operand; i++) {
		if (!strcmp(args->operand[i], "--help")) {
			fprintf(r.out, "%s", usage_text);
			return 0;
		}
	}
	status = parse(&r, args->n_operand, args->operand);
	if (status)
		return status;
	if (ff_cli_conf(cli, args, err) < 0)
		return -1;
	r.conf = cli->conf;
	r.conf_path = conf_path = ff_conf_state_path(cli->conf, "hook.conf");
	if (strchr(program, '\n') || strchr(conf_path, '\n'))
		return ff_err_set(err, FF_E_INVALID, "server.state-dir has a newline in its name, which no hook can name");
	mask = umask(022); /* hooks are run by the accounts of all pushers */
	status = r.forge ? explain_forge(&r) : each_repo(&r);
	(void)umask(mask);
	return status;
}
