/* SPDX-License-Identifier: MIT */
/* openapi.json (OpenAPI 3.1), made from the table of routes so that it cannot tell another story than they do. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/web/web.h"

struct parameter {
	const char *operation, *name, *type, *description;
};

static const struct parameter parameters[] = {
	{ "listJobs", "state", "string", "only jobs in this state" },
	{ "listJobs", "repo", "string", "path of a repository: only its jobs" },
	{ "listJobs", "branch", "string", "only jobs of this branch" },
	{ "listJobs", "dead", "boolean", "only failed jobs that another attempt might mend" },
	{ "listJobs", "limit", "integer", "at most so many (50; up to 200)" },
	{ "listJobs", "cursor", "string", "next_cursor of the page before" },
	{ "getJobLog", "follow", "boolean", "go on until the job ends" },
	{ "listAudit", "limit", "integer", "at most so many (50; up to 10000)" },
};

static const struct parameter fields[] = {
	{ "submitJob", "repo", "string", "path of the repository on the server" },
	{ "submitJob", "branch", "string", "branch whose tip is worked on" },
	{ "submitJob", "task", "string", "what is to be done" },
	{ "submitJob", "target", "string", "branch that the result is rebased on" },
	{ "submitJob", "priority", "string", "low, normal or high" },
	{ "submitJob", "ttl_ms", "integer", "expire when not started within this time" },
	{ "submitJob", "retries", "integer", "tries after the first" },
	{ "submitJob", "env", "string", "environment from the server's configuration" },
	{ "cancelJob", "reason", "string", "why, for those who look at the job later" },
	{ "createToken", "user", "string", "whose it is" },
	{ "createToken", "label", "string", "what for" },
	{ "createToken", "scope", "string", "read, submit or admin" },
	{ "createToken", "ttl_ms", "integer", "how long it is good for (90 days)" },
	{ "createToken", "repos", "array", "globs of paths of repositories; none: all" },
};

static const char *const required[][2] = {
	{ "submitJob", "repo" }, { "submitJob", "branch" }, { "createToken", "user" }, { "createToken", "scope" },
};

static json_t *schema(const char *type)
{
	if (!strcmp(type, "array"))
		return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "string");
	return json_pack("{s:s}", "type", type);
}

static json_t *parameters_of(const struct ff_route *route)
{
	json_t *list = json_array();
	const char *brace = strchr(route->path, '{');

	if (brace) {
		FF_AUTO(ff_free) char *name = ff_memdup0(brace + 1, strcspn(brace + 1, "}"));

		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:{s:s}}", "name", name, "in", "path", "required", 1, "schema",
							    "type", "string"));
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(parameters); i++)
		if (!strcmp(parameters[i].operation, route->operation))
			(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:o}", "name", parameters[i].name, "in", "query",
				"description", parameters[i].description, "schema", schema(parameters[i].type)));
	return list;
}

static json_t *body_of(const struct ff_route *route)
{
	json_t *properties = json_object(), *needed = json_array();
	json_t *object;

	for (size_t i = 0; i < FF_ARRAY_LEN(fields); i++) {
		json_t *field;

		if (strcmp(fields[i].operation, route->operation))
			continue;
		field = schema(fields[i].type);
		(void)json_object_set_new(field, "description", json_string(fields[i].description));
		(void)json_object_set_new(properties, fields[i].name, field);
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(required); i++)
		if (!strcmp(required[i][0], route->operation))
			(void)json_array_append_new(needed, json_string(required[i][1]));
	object = json_pack("{s:s,s:o,s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
	if (json_array_size(needed))
		(void)json_object_set(object, "required", needed);
	json_decref(needed);
	return json_pack("{s:b,s:{s:{s:o}}}", "required", json_object_get(object, "required") != NULL, "content", "application/json",
			 "schema", object);
}

static json_t *operation(const struct ff_route *route)
{
	json_t *responses = json_pack("{s:{s:s},s:{s:s,s:{s:{s:{s:s}}}}}", route->method == FF_POST ? "2XX" : "200", "description",
				      route->summary, "default", "description", "What went wrong (RFC 9457)", "content",
				      "application/problem+json", "schema", "$ref", "#/components/schemas/Problem");
	json_t *op = json_pack("{s:s,s:s,s:o,s:o}", "operationId", route->operation, "summary", route->summary, "parameters",
			       parameters_of(route), "responses", responses);

	if (!strcmp(route->operation, "isReady"))
		(void)json_object_set_new(responses, "503", json_pack("{s:s}", "description", "What is missing"));
	if (route->body)
		(void)json_object_set_new(op, "requestBody", body_of(route));
	if (route->open)
		(void)json_object_set_new(op, "security", json_array());
	return op;
}

static json_t *paths(void)
{
	static const char *const words[] = { [FF_GET] = "get", [FF_POST] = "post", [FF_DELETE] = "delete" };
	json_t *all = json_object();

	for (const struct ff_route *route = ff_routes; route->path; route++) {
		FF_AUTO(ff_free) char *path = route->path[0] == '=' ? ff_strdup(route->path + 1)
								     : ff_asprintf(FF_WEB_API "%s", route->path);
		json_t *item = json_object_get(all, path);

		if (!item) {
			item = json_object();
			(void)json_object_set_new(all, path, item);
		}
		(void)json_object_set_new(item, words[route->method], operation(route));
	}
	return all;
}

char *ff_openapi_text(void)
{
	json_t *problem = json_pack("{s:s,s:{s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s}}}", "type", "object", "properties",
		"type", "type", "string", "title", "type", "string", "status", "type", "integer", "detail", "type", "string",
		"instance", "type", "string", "code", "type", "string", "request_id", "type", "string");
	json_t *doc = json_pack("{s:s,s:{s:s,s:s},s:o,s:{s:{s:o},s:{s:{s:s,s:s}}},s:[{s:[]}]}", "openapi", "3.1.0", "info", "title",
		"FlowForge", "version", PACKAGE_VERSION, "paths", paths(), "components", "schemas", "Problem", problem,
		"securitySchemes", "token", "type", "http", "scheme", "bearer", "security", "token");
	char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);

	ff_assert(text);
	json_decref(doc);
	return text;
}
