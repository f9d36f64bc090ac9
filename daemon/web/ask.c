/* SPDX-License-Identifier: MIT */
/* Questions to core over descriptor 3, and which answer belongs to which. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/web/web.h"

struct ff_ask {
	struct ff_ask *next;
	int64_t id;
	ff_ask_item_fn item;
	ff_ask_end_fn end;
	void *arg;
	struct ff_ask **place; /* where whoever waits keeps it */
};

static const struct ff_err gone = { .code = FF_E_UNREACHABLE, .text = "the service is being started again: try once more" };

static void unlink_ask(struct ff_web *web, struct ff_ask *a)
{
	struct ff_ask **at = &web->asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	*a->place = NULL;
}

void ff_ask(struct ff_web *web, struct ff_ask **ret, const char *command, json_t *args, const char *token,
	    const char *request_id, ff_ask_item_fn item, ff_ask_end_fn end, void *arg)
{
	struct ff_ask *a;
	json_t *msg;

	*ret = NULL;
	if (!web->chan) {
		json_decref(args);
		end(arg, NULL, &gone);
		return;
	}
	a = ff_calloc(1, sizeof *a);
	*a = (struct ff_ask){ .next = web->asks, .id = ++web->next_ask, .item = item, .end = end, .arg = arg, .place = ret };
	web->asks = *ret = a;
	msg = json_pack("{s:I,s:s,s:o,s:s?,s:s?}", "id", (json_int_t)a->id, "command", command, "args", args ? args : json_object(),
			"token", token, "request_id", request_id);
	if (ff_chan_send(web->chan, FF_MSG_REQUEST, msg, -1, &(struct ff_err){ 0 }) < 0) {
		struct ff_err err = { 0 };

		(void)ff_err_set(&err, FF_E_TOO_LARGE, "the request is too large to be passed on");
		unlink_ask(web, a);
		end(arg, NULL, &err);
		free(a);
	}
}

void ff_ask_leave(struct ff_web *web, struct ff_ask **ask)
{
	struct ff_ask *a = *ask;

	if (!a)
		return;
	if (web->chan)
		(void)ff_chan_send(web->chan, FF_MSG_LEAVE, json_pack("{s:I}", "id", (json_int_t)a->id), -1, NULL); /* a failure ends the channel */
	unlink_ask(web, a);
	free(a);
}

void ff_asks_message(struct ff_web *web, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_ask *a = web->asks;
	struct ff_err err = { 0 };
	int64_t id = 0;

	(void)ff_msg_int(msg, "id", 1, INT64_MAX, &id, NULL); /* 0 is nobody's */
	while (a && a->id != id)
		a = a->next;
	if (!a) { /* who asked has gone */
		ff_close(&fd);
		return;
	}
	if (type == FF_MSG_ITEM) {
		if (a->item)
			a->item(a->arg, json_object_get(msg, "data"), fd);
		else
			ff_close(&fd);
		return;
	}
	ff_close(&fd);
	if (json_is_object(json_object_get(msg, "error")))
		(void)ff_err_from_json(json_object_get(msg, "error"), &err);
	unlink_ask(web, a);
	a->end(a->arg, json_object_get(msg, "data"), &err);
	free(a);
}

void ff_asks_end_all(struct ff_web *web)
{
	struct ff_ask *a;

	while ((a = web->asks)) {
		unlink_ask(web, a);
		a->end(a->arg, NULL, &gone);
		free(a);
	}
}
