/* SPDX-License-Identifier: MIT */
/* Which handler a method and a path belong to. */
#include <string.h>

#include "base/text.h"
#include "daemon/web/handlers.h"

const struct ff_route ff_routes[] = {
#define FF_ROUTE(method, path, handler, open, body, operation, summary) \
	{ FF_##method, path, ff_http_##handler, open, body, operation, summary },
#include "daemon/web/routes.def"
#undef FF_ROUTE
	{ 0 },
};

/* Part by part; a part in braces takes any that is not empty and fits. */
static bool matches(const char *pattern, const char *path, char *param, size_t size)
{
	param[0] = '\0';
	for (;;) {
		size_t want = strcspn(pattern, "/"), have = strcspn(path, "/");

		if (*pattern == '{') {
			if (!have || have >= size)
				return false;
			memcpy(param, path, have);
			param[have] = '\0';
		} else if (want != have || memcmp(pattern, path, want)) {
			return false;
		}
		pattern += want;
		path += have;
		if (!*pattern || !*path)
			return *pattern == *path;
		pattern++;
		path++;
	}
}

const struct ff_route *ff_route_find(struct ff_http *r, const char **ret_allowed)
{
	static const char *const sets[] = { "", "GET, HEAD", "POST", "GET, HEAD, POST", "DELETE", "GET, HEAD, DELETE",
					    "POST, DELETE", "GET, HEAD, POST, DELETE" };
	enum ff_method method = r->method == FF_HEAD ? FF_GET : r->method;
	const char *below = ff_starts(r->path, FF_WEB_API "/") ? r->path + strlen(FF_WEB_API) : NULL;
	char param[sizeof r->param];
	unsigned set = 0;

	for (const struct ff_route *route = ff_routes; route->path; route++) {
		bool whole = route->path[0] == '=';
		const char *path = whole ? r->path : below;

		if (!path || !matches(route->path + whole, path, param, sizeof param))
			continue;
		if (route->method == method) {
			memcpy(r->param, param, sizeof param);
			return route;
		}
		set |= 1u << route->method;
	}
	*ret_allowed = sets[set];
	return NULL;
}
