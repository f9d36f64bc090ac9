/* SPDX-License-Identifier: MIT */
/* See fetch.h. */
#include "daemon/gateway/fetch.h"

#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/num.h"
#include "base/redact.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/gateway/address.h"
#include "daemon/gateway/key.h"
#include "daemon/gateway/upstream.h"
#include "ipc/ipc.h"

#define AT_ONCE_MAX 64
#define TIMEOUT_MS 30000
#define ANSWER_MAX 65536
#define PATH_MAX_BYTES 4096
#define HEADERS_MAX 32
#define HEADER_MAX 4096
/* How often the resolver is looked at. */
#define RESOLVE_LOOK_MS 5
#define ADDRESSES_MAX 64

struct fetch {
	struct ff_fetches *all;
	struct fetch *next;
	int64_t id;
	char *host, *port, *url;
	bool private, answered, done;
	struct gaicb lookup;          /* the resolver's until it says so */
	bool looking;
	struct addrinfo hints;
	struct curl_slist *pin, *headers;
	struct ff_key *secret;
	char *method;
	struct ff_buf sent, body;
	char type[256], after[64];
	CURL *easy;
	struct ff_upstream_end end;
	struct ff_watch *deadline, *look;
	bool refused;                 /* an address at the last moment */
};

struct ff_fetches {
	const struct ff_conf *conf;
	struct ff_loop *loop;
	struct ff_upstream *up;
	ff_fetched_fn fn;
	void *arg;
	struct fetch *first;
	unsigned count;
	struct ff_watch *sweep;
};

/* --- the answer to core ---------------------------------------------------------- */

static void over(struct fetch *f)
{
	f->done = true;
	ff_watch_again(f->all->sweep, 0);
}

static void say(struct fetch *f, json_t *msg)
{
	if (f->answered) {
		json_decref(msg);
		return;
	}
	f->answered = true;
	(void)json_object_set_new(msg, "id", json_integer(f->id));
	f->all->fn(f->all->arg, msg);
	over(f);
}

static void say_error(struct fetch *f, const struct ff_err *err)
{
	say(f, json_pack("{s:o}", "error", ff_json_from_err(err)));
}

static void say_failed(struct fetch *f, enum ff_err_code code, const char *text)
{
	struct ff_err err = { 0 };

	(void)ff_err_set(&err, code, "%s", text);
	say_error(f, &err);
}

static void take_other_forms(struct fetch *f)
{
	struct ff_redact *redact = ff_redact_new();

	ff_key_redact(f->secret, redact);
	ff_key_take_out(redact, &f->body);
	ff_redact_free(&redact);
}

static void say_answer(struct fetch *f, long status)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b64;
	json_t *headers = json_object();

	if (f->secret) { /* a service may quote what it refuses */
		ff_key_mask(f->secret, f->body.data, f->body.len);
		take_other_forms(f);
	}
	ff_buf_init(&b64, f->body.len * 2 + 8);
	ff_text_b64(&b64, f->body.data, f->body.len);
	if (f->type[0])
		(void)json_object_set_new(headers, "content-type", json_string(f->type));
	if (f->after[0])
		(void)json_object_set_new(headers, "retry-after", json_string(f->after));
	say(f, json_pack("{s:i, s:o, s:s}", "status", (int)status, "headers", headers, "body", b64.data));
}

/* --- while it runs ------------------------------------------------------------------ */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	size_t n = size * count;
	static const struct { const char *name; size_t at, max; } kept[] = {
		{ "content-type:", offsetof(struct fetch, type), sizeof f->type },
		{ "retry-after:", offsetof(struct fetch, after), sizeof f->after },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(kept); i++) {
		size_t k = strlen(kept[i].name), len = n, out = 0;
		char *to = (char *)f + kept[i].at;

		if (n <= k || strncasecmp(line, kept[i].name, k) != 0)
			continue;
		while (k < len && line[k] == ' ')
			k++;
		/* What is no plain text is left out: it becomes JSON. */
		for (; k < len && out < kept[i].max - 1; k++)
			if (line[k] >= ' ' && line[k] <= '~')
				to[out++] = line[k];
		to[out] = '\0';
	}
	return n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;

	return ff_buf_add(&f->body, p, size * count) < 0 ? 0 : size * count;
}

/* The address that is really connected to, at the last moment. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch *f = arg;

	(void)purpose;
	if (!f->private && !ff_address_public(&a->addr)) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void finished(void *arg, CURLcode rc)
{
	struct fetch *f = arg;
	long status = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (rc == CURLE_OK)
		say_answer(f, status);
	else if (f->refused)
		say_failed(f, FF_E_NOT_ALLOWED, "the destination's address is not public");
	else if (rc == CURLE_WRITE_ERROR)
		say_failed(f, FF_E_TOO_LARGE, "the answer is over the destination's max-bytes");
	else
		say_failed(f, rc == CURLE_OPERATION_TIMEDOUT ? FF_E_TIMEOUT : FF_E_NETWORK_ERROR, curl_easy_strerror(rc));
}

static void send_it(struct fetch *f)
{
	const char *ca = ff_conf_str(f->all->conf, FF_CONF_GATEWAY_CA_FILE);
	CURL *h = f->easy = ff_upstream_easy();

	curl_easy_setopt(h, CURLOPT_URL, f->url);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_RESOLVE, f->pin);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, f->headers);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L); /* one that another request opened was judged for that one */
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, f);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, f);
	if (f->sent.len) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, f->sent.data);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->sent.len);
	}
	if (!strcmp(f->method, "HEAD"))
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, f->method);
	if (*ca)
		curl_easy_setopt(h, CURLOPT_CAINFO, ca);
	ff_upstream_start(f->all->up, h, &f->end);
}

/* --- the address ------------------------------------------------------------------- */

static int pin(struct fetch *f, const struct addrinfo *list, struct ff_err *err)
{
	bool literal = strchr(f->host, ':') != NULL; /* an IPv6 address is its own name */
	FF_AUTO(ff_buf_fini) struct ff_buf line;
	unsigned n = 0;

	ff_buf_init(&line, 8192);
	(void)ff_buf_addf(&line, "%s%s%s:%s:", literal ? "[" : "", f->host, literal ? "]" : "", f->port);
	for (; list && n < ADDRESSES_MAX; list = list->ai_next) {
		char text[INET6_ADDRSTRLEN + 16];

		if (!f->private && !ff_address_public(list->ai_addr))
			return ff_err_set(err, FF_E_NOT_ALLOWED, "%s has an address that is not public; set private = true for the destination "
					  "if that is meant", f->host);
		if (getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		(void)ff_buf_addf(&line, list->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", n++ ? "," : "", text);
	}
	if (!n)
		return ff_err_set(err, FF_E_NETWORK_ERROR, "%s has no address", f->host);
	f->pin = curl_slist_append(NULL, line.data);
	ff_assert(f->pin);
	return 0;
}

static void on_look(void *arg)
{
	struct fetch *f = arg;
	int rc = gai_error(&f->lookup);
	struct ff_err err = { 0 };

	if (rc == EAI_INPROGRESS) {
		ff_watch_again(f->look, RESOLVE_LOOK_MS);
		return;
	}
	f->looking = false;
	if (f->answered) /* its time was over meanwhile */
		over(f);
	else if (rc != 0)
		say_failed(f, FF_E_NETWORK_ERROR, gai_strerror(rc));
	else if (pin(f, f->lookup.ar_result, &err) < 0)
		say_error(f, &err);
	else
		send_it(f);
}

static void resolve(struct fetch *f)
{
	struct gaicb *list[] = { &f->lookup };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };

	f->hints = (struct addrinfo){ .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	f->lookup = (struct gaicb){ .ar_name = f->host, .ar_service = f->port, .ar_request = &f->hints };
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, &none) != 0) {
		say_failed(f, FF_E_NETWORK_ERROR, "the resolver cannot be asked now");
		return;
	}
	f->looking = true;
	f->look = ff_loop_timer(f->all->loop, 0, on_look, f);
}

/* --- what core wants ------------------------------------------------------------------ */

/* Host and port out of the configuration's address; curl reads the same text. */
static int split_url(struct fetch *f, const char *base, const char *path, struct ff_err *err)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	size_t n;
	int rc = 0;

	ff_assert(u);
	n = strlen(base);
	while (n && base[n - 1] == '/')
		n--;
	f->url = ff_asprintf("%.*s%s", (int)n, base, path);
	if (curl_url_set(u, CURLUPART_URL, f->url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		rc = ff_err_set(err, FF_E_INVALID, "the destination's url is none");
	} else {
		size_t k = strlen(host);
		bool brackets = host[0] == '[' && host[k - 1] == ']';

		f->host = brackets ? ff_memdup0(host + 1, k - 2) : ff_strdup(host);
		f->port = ff_strdup(port);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return rc;
}

static int check_path(const char *path, struct ff_err *err)
{
	bool bad = (*path && *path != '/') || strlen(path) > PATH_MAX_BYTES || strstr(path, "/../") || ff_ends(path, "/..");

	for (const char *p = path; *p; p++)
		bad |= *p <= ' ' || *p > '~' || strchr("#\\\"<>^`{|}", *p);
	return bad ? ff_err_set(err, FF_E_INVALID, "the path has to begin with a slash and be plain") : 0;
}

static int check_method(const char *method, struct ff_err *err)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < FF_ARRAY_LEN(methods); i++)
		if (!strcmp(methods[i], method))
			return 0;
	return ff_err_set(err, FF_E_INVALID, "there is no method %.20s here", method);
}

/* Those that say where a request ends or who asks are ours to say. */
static int add_header(struct fetch *f, const char *name, const json_t *value, struct ff_err *err)
{
	static const char *const ours[] = { "host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade",
					    "authorization", "proxy-authorization", "cookie" };
	const char *text = json_string_value(value);
	FF_AUTO(ff_free) char *line = NULL;
	bool bad = !*name || !text || strlen(name) > 64 || (text && strlen(text) > HEADER_MAX);

	for (const char *p = name; *p; p++)
		bad |= !((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-');
	for (const char *p = text; p && *p; p++)
		bad |= *p < ' ' || *p > '~';
	for (size_t i = 0; i < FF_ARRAY_LEN(ours); i++)
		bad |= !strcmp(name, ours[i]);
	if (bad)
		return ff_err_set(err, FF_E_INVALID, "the header %.64s may not be sent", name);
	line = *text ? ff_asprintf("%s: %s", name, text) : ff_asprintf("%s;", name);
	f->headers = curl_slist_append(f->headers, line);
	ff_assert(f->headers);
	return 0;
}

static int add_secret(struct fetch *f, const char *to, struct ff_err *err)
{
	const struct ff_conf *c = f->all->conf;
	const char *file = ff_conf_named_str(c, FF_CONF_SECTION_DESTINATION, to, "secret-file");
	const char *header = ff_conf_named_str(c, FF_CONF_SECTION_DESTINATION, to, "secret-header");
	FF_AUTO(ff_free) char *line = NULL;

	if (!file || !*file)
		return 0;
	if (ff_key_read_file(file, &f->secret, err) < 0)
		return -1;
	line = ff_asprintf("%s %s", header ? header : "authorization: Bearer", ff_key_word(f->secret));
	f->headers = curl_slist_append(f->headers, line);
	ff_assert(f->headers);
	ff_wipe(line, strlen(line));
	return 0;
}

static int add_headers(struct fetch *f, const json_t *headers, const char *to, struct ff_err *err)
{
	const char *name;
	json_t *value;

	f->headers = curl_slist_append(NULL, "expect:");
	ff_assert(f->headers);
	if (json_object_size(headers) > HEADERS_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "more than %d headers", HEADERS_MAX);
	json_object_foreach((json_t *)(uintptr_t)headers, name, value)
		if (add_header(f, name, value, err) < 0)
			return -1;
	return add_secret(f, to, err);
}

static void on_deadline(void *arg)
{
	say_failed(arg, FF_E_TIMEOUT, "the destination gave no answer in time");
}

static int read_ask(struct fetch *f, const json_t *msg, struct ff_err *err)
{
	const enum ff_conf_section d = FF_CONF_SECTION_DESTINATION;
	const char *to = NULL, *method = NULL, *path = NULL, *body = NULL, *url;
	int64_t max = ANSWER_MAX, timeout = TIMEOUT_MS, own = 0, private = 0;

	if (ff_msg_str(msg, "to", &to, err) < 0 || ff_msg_str(msg, "method", &method, err) < 0 ||
	    ff_msg_str(msg, "path", &path, err) < 0 || ff_msg_opt_str(msg, "body", &body, err) < 0 ||
	    check_method(method, err) < 0 || check_path(path, err) < 0)
		return -1;
	url = ff_conf_named_str(f->all->conf, d, to, "url");
	if (!url)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no [destination \"%.64s\"] with a url in the configuration", to);
	(void)ff_conf_named_num(f->all->conf, d, to, "max-bytes", &max);
	(void)ff_conf_named_num(f->all->conf, d, to, "timeout", &timeout);
	(void)ff_conf_named_num(f->all->conf, d, to, "private", &private);
	if (json_object_get(msg, "timeout_ms") && ff_msg_int(msg, "timeout_ms", 1, INT32_MAX, &own, err) < 0)
		return -1;
	ff_buf_init(&f->body, (size_t)max);
	if (body && ff_text_unb64(&f->sent, body, strlen(body)) < 0)
		return ff_err_set(err, FF_E_INVALID, "the body is no base64");
	f->private = private != 0;
	f->method = ff_strdup(method);
	f->deadline = ff_loop_timer(f->all->loop, own && own < timeout ? own : timeout, on_deadline, f);
	return split_url(f, url, path, err) < 0 ? -1 : add_headers(f, json_object_get(msg, "headers"), to, err);
}

void ff_fetch_take(struct ff_fetches *all, const json_t *msg)
{
	struct fetch *f = ff_calloc(1, sizeof *f);
	struct ff_err err = { 0 };

	f->all = all;
	f->end = (struct ff_upstream_end){ finished, f };
	f->next = all->first;
	all->first = f;
	all->count++;
	ff_buf_init(&f->sent, FF_IPC_LINE_MAX);
	if (ff_msg_int(msg, "id", 0, INT64_MAX, &f->id, &err) < 0)
		say_error(f, &err);
	else if (all->count > AT_ONCE_MAX)
		say_failed(f, FF_E_RATE_LIMIT, "too many fetches are under way");
	else if (read_ask(f, msg, &err) < 0)
		say_error(f, &err);
	else
		resolve(f);
}

/* --- the end ---------------------------------------------------------------------------- */

static void free_fetch(struct fetch *f)
{
	ff_watch_free(&f->deadline);
	ff_watch_free(&f->look);
	ff_upstream_drop(f->all->up, &f->easy);
	for (struct curl_slist *s = f->headers; s; s = s->next) /* the secret is in there */
		ff_wipe(s->data, strlen(s->data));
	curl_slist_free_all(f->headers);
	curl_slist_free_all(f->pin);
	if (f->lookup.ar_result)
		freeaddrinfo(f->lookup.ar_result);
	ff_key_free(&f->secret);
	ff_buf_fini(&f->sent);
	ff_buf_fini(&f->body);
	ff_free(&f->host);
	ff_free(&f->port);
	ff_free(&f->url);
	ff_free(&f->method);
	f->all->count--;
	ff_free(&f);
}

static void sweep(void *arg)
{
	struct ff_fetches *all = arg;

	for (struct fetch **at = &all->first, *f; (f = *at); ) {
		if (!f->done || f->looking) { /* the resolver still writes into it */
			at = &f->next;
			continue;
		}
		*at = f->next;
		free_fetch(f);
	}
}

struct ff_fetches *ff_fetches_new(const struct ff_conf *conf, struct ff_loop *loop, struct ff_upstream *up,
				  ff_fetched_fn fn, void *arg)
{
	struct ff_fetches *all = ff_calloc(1, sizeof *all);

	*all = (struct ff_fetches){ .conf = conf, .loop = loop, .up = up, .fn = fn, .arg = arg };
	all->sweep = ff_loop_timer(loop, 0, sweep, all);
	return all;
}

void ff_fetches_free(struct ff_fetches **fetches)
{
	struct ff_fetches *all = ff_steal(fetches);
	struct fetch *f;

	if (!all)
		return;
	while ((f = all->first)) {
		const struct gaicb *list[] = { &f->lookup };

		if (f->looking && gai_cancel(&f->lookup) != EAI_CANCELED)
			while (gai_error(&f->lookup) == EAI_INPROGRESS)
				(void)gai_suspend(list, 1, NULL);
		all->first = f->next;
		free_fetch(f);
	}
	ff_watch_free(&all->sweep);
	ff_free(&all);
}
