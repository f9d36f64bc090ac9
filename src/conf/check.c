/* SPDX-License-Identifier: MIT */
/*
 * What the type of a key does not say.  Most of these keep a mistake in the
 * configuration from becoming a loop (a result branch that starts a job), a
 * leak (the state folder readable in jobs) or a commit that git refuses.
 */
#include "conf/parts.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "base/num.h"
#include "base/price.h"
#include "base/ssh_url.h"
#include "base/text.h"
#include "conf/table.h"

static int bad(struct ff_err *err, const char *text)
{
	return ff_err_set(err, FF_E_INVALID, "%s", text);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int check_url(const char *text, struct ff_err *err)
{
	if (!ff_starts(text, "https://") && !ff_starts(text, "http://"))
		return bad(err, "must start with https:// or http://");
	if (!strstr(text, "://")[3] || ff_ends(text, "/"))
		return bad(err, "must name a host and not end with a slash");
	if (strpbrk(text, " \"<>\\^`{|}"))
		return bad(err, "has a character that no address has");
	return 0;
}

static int check_server_url(const char *text, struct ff_err *err)
{
	return *text ? check_url(text, err) : 0;
}

static int check_base_url(const char *text, struct ff_err *err)
{
	if (check_url(text, err) < 0)
		return -1;
	if (ff_ends(text, "/v1"))
		return bad(err, "must be given without /v1");
	if (strpbrk(text, "@?#"))
		return bad(err, "must be host and path alone; the key belongs into gateway.key-file");
	return 0;
}

static int check_prefix(const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *sample = ff_asprintf("%s%sx-1", FF_HEADS, text);

	if (*text == '-' || !ff_ref_valid(sample))
		return bad(err, "does not start a valid branch name (git-check-ref-format(1))");
	return 0;
}

/* Whether some name that starts with prefix matches the glob. */
static bool reaches(const char *glob, const char *prefix)
{
	for (; *prefix; glob++, prefix++) {
		if (*glob == '*')
			return true;
		if (*glob != '?' && *glob != *prefix)
			return false;
	}
	return true;
}

static int check_trigger(const char *text, struct ff_err *err)
{
	if (!ff_starts(text, "refs/"))
		return bad(err, "must be a glob of full ref names, as in " FF_TRIGGER_GLOB);
	if (strchr(text, ' '))
		return bad(err, "has a blank in it; write one glob a line");
	if (reaches(text, FF_REF_PRIVATE "/") || reaches(text, FF_REF_NOTES))
		return bad(err, "matches refs that " FF_NAME " itself writes below " FF_REF_PRIVATE " and " FF_REF_NOTES);
	return 0;
}

static int check_variable(const char *text, struct ff_err *err)
{
	for (const char *p = text; *p; p++)
		if (!(is_alnum(*p) || *p == '_') || (p == text && *p >= '0' && *p <= '9'))
			return bad(err, "must be the name of an environment variable: letters, digits and `_`");
	return 0;
}

#define RUNGS 4 /* of the ladder, src/resolve */

static int check_rungs(const char *text, struct ff_err *err)
{
	unsigned bits;

	return ff_num_digits(text, RUNGS, &bits) == 0 ? 0 : bad(err, "must be numbers of rungs, like 1-3 or 1,3, or none");
}

static int check_target(const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf("%s%s", FF_HEADS, text);

	if (ff_starts(text, "refs/"))
		return bad(err, "must be a branch name without refs/heads/");
	if (*text && (*text == '-' || !ff_ref_valid(ref)))
		return bad(err, "is not a valid branch name (git-check-ref-format(1))");
	return 0;
}

static int check_name(const char *text, struct ff_err *err)
{
	if (strpbrk(text, "<>"))
		return bad(err, "must not have < or > in it; the address belongs into commit.email");
	return *text == ' ' || ff_ends(text, " ") ? bad(err, "must not start or end with a blank") : 0;
}

static int check_email(const char *text, struct ff_err *err)
{
	const char *at = strchr(text, '@');

	if (!at || at == text || !at[1] || strchr(at + 1, '@') || strpbrk(text, " <>"))
		return bad(err, "must be a mail address, as in " FF_NAME "@example.org");
	return 0;
}

static int check_attribution(const char *text, struct ff_err *err)
{
	static const char *const refused[] = { "Signed-off-by", FF_TRAILER_JOB, FF_TRAILER_TASK };
	size_t n = 0;

	if (!*text)
		return 0;
	while (is_alnum(text[n]) || text[n] == '-')
		n++;
	if (!n || text[n] != ':' || text[n + 1] != ' ' || !text[n + 2])
		return bad(err, "must be a trailer, as in Assisted-by: Claude:MODEL");
	if (n == strlen(refused[0]) && !strncasecmp(text, refused[0], n))
		return bad(err, "must not be Signed-off-by: that is a person's statement");
	for (size_t i = 1; i < FF_ARRAY_LEN(refused); i++)
		if (n == strlen(refused[i]) && !strncasecmp(text, refused[i], n))
			return bad(err, "must not be a trailer that " FF_NAME " itself reads");
	return 0;
}

static int check_read_only(const char *text, struct ff_err *err)
{
	if (*text != '/' || !text[1])
		return bad(err, "must be an absolute path of a folder, and not /");
	if (strstr(text, "/../") || ff_ends(text, "/..") || strstr(text, "//") || strstr(text, "/./"))
		return bad(err, "must be written without `..`, `.` and double slashes");
	return 0;
}

static int check_publish_url(const char *text, struct ff_err *err)
{
	struct ff_ssh_url url;

	if (!*text)
		return 0;
	if (ff_ssh_url_parse(text, &url, err) < 0)
		return -1;
	ff_ssh_url_fini(&url);
	return 0;
}

static int check_listen(const char *text, struct ff_err *err)
{
	static const char *const hosts[] = { "127.0.0.1:", "[::1]:", "localhost:" };
	int64_t port;

	if (!*text || *text == '/')
		return 0;
	for (size_t i = 0; i < FF_ARRAY_LEN(hosts); i++)
		if (ff_starts(text, hosts[i]) && ff_num_i64(text + strlen(hosts[i]), 0, 65535, &port) == 0)
			return 0;
	return bad(err, "must be 127.0.0.1:PORT, [::1]:PORT or the path of a socket; other machines are let in by a server in "
			"front, which speaks TLS");
}

static int check_price(const char *text, struct ff_err *err)
{
	struct ff_price price;

	return ff_price_parse(text, &price, err);
}

static int check_allow(const char *text, struct ff_err *err)
{
	static const char *const words[] = { "server-tools", "mcp", "containers", "urls", "files", "surcharges" };

	for (size_t i = 0; i < FF_ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i]))
			return 0;
	return bad(err, "must be one of server-tools, mcp, containers, urls, files, surcharges; give the key several times for several");
}

#define SECRET_NAME_MAX 64
#define VARIABLE_MAX 255

/* Letters, digits and more; ends at the end or at a blank or `=`. */
static size_t word_len(const char *p, const char *more)
{
	size_t n = 0;

	while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= '0' && p[n] <= '9') ||
	       (p[n] && strchr(more, p[n])))
		n++;
	return n;
}

static int check_secret_ref(const char *text, struct ff_err *err)
{
	const char *name = text + strlen("secret:");
	size_t n;

	if (!*text)
		return 0;
	if (!ff_starts(text, "secret:"))
		return bad(err, "must be written secret:NAME; a key itself is never part of the configuration");
	n = word_len(name, "._-");
	return n && !name[n] && n <= SECRET_NAME_MAX
		? 0 : bad(err, "must be written secret:NAME, and a name has 1 to 64 letters, digits, `.`, `_` and `-`");
}

int ff_conf_check_job_secrets(const char *text, struct ff_err *err)
{
	static const char *const ours[] = { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL",
					    "CLAUDE_CODE_OAUTH_TOKEN", "HOME", "PATH" };

	for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
		size_t variable = word_len(p, "_"), name = word_len(p, "._-");
		const char *end = p + name;

		if (*p >= '0' && *p <= '9')
			return bad(err, "a variable must not start with a digit");
		if (p[variable] == '=') {
			name = word_len(p + variable + 1, "._-");
			end = p + variable + 1 + name;
		} else if (name != variable) {
			return bad(err, "a name that is no variable is written VARIABLE=NAME");
		}
		if (!variable || !name || variable > VARIABLE_MAX || name > SECRET_NAME_MAX || (*end && *end != ' '))
			return bad(err, "is a list of VARIABLE=NAME or NAME with blanks between");
		for (size_t i = 0; i < FF_ARRAY_LEN(ours); i++)
			if (strlen(ours[i]) == variable && !strncmp(ours[i], p, variable))
				return bad(err, "must not set what FlowForge sets itself (PATH, HOME, ANTHROPIC_...)");
		p = end;
	}
	return 0;
}

static int check_require(const char *text, struct ff_err *err)
{
	return strcmp(text, "landlock") != 0 && strcmp(text, "cgroup") != 0 ? bad(err, "is none of: landlock, cgroup") : 0;
}

static int check_environment(const char *text, struct ff_err *err)
{
	size_t n = word_len(text, "._-");

	return text[n] ? bad(err, "must be the name of an [environment] section") : 0;
}

static const struct {
	enum ff_conf_key key;
	int (*check)(const char *text, struct ff_err *err);
} checks[] = {
	{ FF_CONF_RESOLVE_RUNGS, check_rungs },
	{ FF_CONF_SERVER_URL, check_server_url },
	{ FF_CONF_TRIGGER_REFS, check_trigger },
	{ FF_CONF_HOOK_PUSHER_VARIABLE, check_variable },
	{ FF_CONF_JOB_TARGET, check_target },
	{ FF_CONF_JOB_ENVIRONMENT, check_environment },
	{ FF_CONF_JOB_SECRETS, ff_conf_check_job_secrets },
	{ FF_CONF_GATEWAY_KEY, check_secret_ref },
	{ FF_CONF_PUBLISH_KEY, check_secret_ref },
	{ FF_CONF_GATEWAY_BASE_URL, check_base_url },
	{ FF_CONF_GATEWAY_ALLOW, check_allow },
	{ FF_CONF_GATEWAY_PRICE, check_price },
	{ FF_CONF_SANDBOX_READ_ONLY, check_read_only },
	{ FF_CONF_SANDBOX_REQUIRE, check_require },
	{ FF_CONF_PUBLISH_RESULT_PREFIX, check_prefix },
	{ FF_CONF_PUBLISH_CONFLICT_PREFIX, check_prefix },
	{ FF_CONF_PUBLISH_URL, check_publish_url },
	{ FF_CONF_COMMIT_NAME, check_name },
	{ FF_CONF_COMMIT_EMAIL, check_email },
	{ FF_CONF_COMMIT_ATTRIBUTION, check_attribution },
	{ FF_CONF_WEB_LISTEN, check_listen },
};

int ff_conf_check_value(enum ff_conf_key key, const char *text, struct ff_err *err)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(checks); i++)
		if (checks[i].key == key)
			return checks[i].check(text, err);
	return 0;
}

struct all {
	const struct ff_conf *c;
	struct ff_conf_errors *errors;
};

/* Whether both were read well; what was refused already needs no second error. */
static bool usable(const struct all *a, enum ff_conf_key x, enum ff_conf_key y)
{
	return !a->c->values[x].bad && !a->c->values[y].bad;
}

/* Where the one of the two was set that is not the default. */
static const char *blame(const struct all *a, enum ff_conf_key x, enum ff_conf_key y)
{
	const char *origin = a->c->values[x].origin ? a->c->values[x].origin : a->c->values[y].origin;

	return origin ? origin : "built-in defaults";
}

static void at_most(const struct all *a, enum ff_conf_key x, enum ff_conf_key y)
{
	const struct ff_conf_row *rx = ff_conf_table_row(x), *ry = ff_conf_table_row(y);
	const char *unit = rx->type == FF_CONF_TIME ? "ms" : "";
	int64_t vx = a->c->values[x].num, vy = a->c->values[y].num;

	if (usable(a, x, y) && vx > vy)
		ff_conf_error(a->errors, FF_E_INVALID, blame(a, x, y),
			      "%s (%" PRId64 "%s) must not be more than %s (%" PRId64 "%s)",
			      rx->key, vx, unit, ry->key, vy, unit);
}

static void check_numbers(const struct all *a)
{
	at_most(a, FF_CONF_JOB_RETRIES, FF_CONF_JOB_MAX_RETRIES);
	at_most(a, FF_CONF_JOB_TTL, FF_CONF_JOB_MAX_TTL);
	at_most(a, FF_CONF_HOOK_ANSWER_TIME, FF_CONF_HOOK_TIMEOUT);
	at_most(a, FF_CONF_AGENT_ANSWER_TOKENS, FF_CONF_AGENT_MAX_TOKENS);
}

static void check_prefixes(const struct all *a)
{
	enum ff_conf_key x = FF_CONF_PUBLISH_RESULT_PREFIX, y = FF_CONF_PUBLISH_CONFLICT_PREFIX;
	const char *px = a->c->values[x].text, *py = a->c->values[y].text;

	if (usable(a, x, y) && (ff_starts(px, py) || ff_starts(py, px)))
		ff_conf_error(a->errors, FF_E_INVALID, blame(a, x, y),
			      "%s and %s must differ, and neither may start with the other",
			      ff_conf_table_row(x)->key, ff_conf_table_row(y)->key);
}

/* A result branch that starts a job would pay for itself for ever. */
static void check_loop(const struct all *a, enum ff_conf_key prefix)
{
	const struct ff_conf_value *globs = &a->c->values[FF_CONF_TRIGGER_REFS];
	FF_AUTO(ff_free) char *ref = ff_asprintf("%s%s", FF_HEADS, a->c->values[prefix].text);

	if (!usable(a, prefix, FF_CONF_TRIGGER_REFS))
		return;
	for (size_t i = 0; i < globs->list.count; i++)
		if (reaches(globs->list.items[i], ref))
			ff_conf_error(a->errors, FF_E_INVALID, blame(a, prefix, FF_CONF_TRIGGER_REFS),
				      "trigger.refs %s matches branches named by %s (%s): results would start jobs",
				      globs->list.items[i], ff_conf_table_row(prefix)->key,
				      a->c->values[prefix].text);
}

/* Whether one path is the other or a folder above it. */
static bool holds(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return !strncmp(folder, path, n) && (path[n] == '/' || !path[n]);
}

static void check_secrets(const struct all *a, enum ff_conf_key key)
{
	const struct ff_conf_value *folders = &a->c->values[FF_CONF_SANDBOX_READ_ONLY];
	const char *path = a->c->values[key].text;

	if (!*path || !usable(a, key, FF_CONF_SANDBOX_READ_ONLY))
		return;
	for (size_t i = 0; i < folders->list.count; i++)
		if (holds(folders->list.items[i], path) || holds(path, folders->list.items[i]))
			ff_conf_error(a->errors, FF_E_INVALID, blame(a, FF_CONF_SANDBOX_READ_ONLY, key),
				      "sandbox.read-only %s would show %s (%s) to jobs",
				      folders->list.items[i], ff_conf_table_row(key)->key, path);
}

/* A push that lacks something fails at the end of a job that was paid for: say it at the start. */
static void check_publish(const struct all *a)
{
	static const enum ff_conf_key needed[] = { FF_CONF_PUBLISH_URL, FF_CONF_PUBLISH_KEY_FILE, FF_CONF_PUBLISH_KNOWN_HOSTS };
	enum ff_conf_key method = FF_CONF_PUBLISH_METHOD, root = FF_CONF_PUBLISH_ROOT;
	bool push = !strcmp(a->c->values[method].text, "push");

	/* A repository may ask for a push as soon as there is an address. */
	if (!push && !*a->c->values[FF_CONF_PUBLISH_URL].text)
		return;
	for (size_t i = 0; i < FF_ARRAY_LEN(needed); i++)
		if (usable(a, method, needed[i]) && !*a->c->values[needed[i]].text &&
		    !(needed[i] == FF_CONF_PUBLISH_KEY_FILE && *a->c->values[FF_CONF_PUBLISH_KEY].text))
			ff_conf_error(a->errors, FF_E_INVALID, blame(a, method, needed[i]),
				      "%s needs %s", push ? "publish.method = push" : "publish.url",
				      ff_conf_table_row(needed[i])->key);
	if (usable(a, FF_CONF_PUBLISH_URL, root) && strstr(a->c->values[FF_CONF_PUBLISH_URL].text, "NAME") &&
	    !*a->c->values[root].text)
		ff_conf_error(a->errors, FF_E_INVALID, blame(a, FF_CONF_PUBLISH_URL, root),
			      "NAME in publish.url needs publish.root, the folder of all repositories");
	at_most(a, FF_CONF_PUBLISH_CONNECT_TIMEOUT, FF_CONF_PUBLISH_TIMEOUT);
}

/* Who gets a copy of the database must not get the key with it. */
static void check_master_key(const struct all *a)
{
	enum ff_conf_key key = FF_CONF_SECRET_KEY_FILE, state = FF_CONF_SERVER_STATE_DIR;

	if (*a->c->values[key].text && usable(a, key, state) && holds(a->c->values[state].text, a->c->values[key].text))
		ff_conf_error(a->errors, FF_E_INVALID, blame(a, key, state),
			      "secret.key-file must not lie in server.state-dir, beside what it seals");
}

static bool is_environment(const struct all *a, const char *name)
{
	for (size_t i = 0; i < a->c->env_count; i++)
		if (!strcmp(a->c->envs[i].name, name))
			return true;
	return false;
}

static bool has_command(const struct all *a)
{
	const struct ff_conf_value *v = &a->c->values[FF_CONF_AGENT_COMMAND];

	return v->bad || (v->list.count && v->list.items[0][0] == '/');
}

static void check_one_driver(const struct all *a, const char *driver, const char *origin)
{
	if (driver && !strcmp(driver, "command") && !has_command(a))
		ff_conf_error(a->errors, FF_E_INVALID, origin,
			      "the driver command needs agent.command, whose first word is an absolute path");
}

static void check_one_environment(const struct all *a, const char *name, const char *origin)
{
	if (name && *name && !is_environment(a, name))
		ff_conf_error(a->errors, FF_E_INVALID, origin, "there is no section [environment \"%s\"]", name);
}

static void check_jobs(const struct all *a)
{
	enum ff_conf_key driver = FF_CONF_AGENT_DRIVER, env = FF_CONF_JOB_ENVIRONMENT;

	if (usable(a, driver, driver))
		check_one_driver(a, a->c->values[driver].text, blame(a, driver, FF_CONF_AGENT_COMMAND));
	if (usable(a, env, env))
		check_one_environment(a, a->c->values[env].text, blame(a, env, env));
	for (size_t i = 0; i < a->c->branch_count; i++) {
		const struct ff_conf_branch *b = &a->c->branches[i];

		check_one_driver(a, b->value[FF_CONF_BRANCH_DRIVER], b->origin[FF_CONF_BRANCH_DRIVER]);
		check_one_environment(a, b->value[FF_CONF_BRANCH_ENVIRONMENT], b->origin[FF_CONF_BRANCH_ENVIRONMENT]);
	}
}

static void check_tasks(const struct all *a)
{
	int64_t max = a->c->values[FF_CONF_HOOK_MAX_TASK].num;

	for (size_t i = 0; i < a->c->branch_count; i++) {
		const struct ff_conf_branch *b = &a->c->branches[i];

		const char *task = b->value[FF_CONF_BRANCH_TASK];

		if (task && (int64_t)strlen(task) > max)
			ff_conf_error(a->errors, FF_E_INVALID, b->origin[FF_CONF_BRANCH_TASK],
				      "branch task: has %zu bytes: hook.max-task is %" PRId64, strlen(task), max);
	}
}

void ff_conf_check_all(const struct ff_conf *c, struct ff_conf_errors *errors)
{
	struct all a = { c, errors };

	check_numbers(&a);
	check_prefixes(&a);
	check_loop(&a, FF_CONF_PUBLISH_RESULT_PREFIX);
	check_loop(&a, FF_CONF_PUBLISH_CONFLICT_PREFIX);
	check_secrets(&a, FF_CONF_SERVER_STATE_DIR);
	check_secrets(&a, FF_CONF_SERVER_RUN_DIR);
	check_secrets(&a, FF_CONF_GATEWAY_KEY_FILE);
	check_secrets(&a, FF_CONF_PUBLISH_KEY_FILE);
	check_secrets(&a, FF_CONF_SECRET_KEY_FILE);
	check_master_key(&a);
	check_publish(&a);
	check_jobs(&a);
	check_tasks(&a);
}
