/* SPDX-License-Identifier: MIT */
/* See ladder_answer.h. */
#include "daemon/worker/ladder_answer.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "ipc/ipc.h"
#include "model/answer.h"

#define ANSWER_MAX ((size_t)4 << 20)
#define EXPLANATION_COLUMNS 1000

json_t *ff_ladder_answer_schema(void)
{
	return json_pack("{s:{s:s, s:{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}}, s:[s,s,s], s:b}}}", "format", "type", "json_schema", "schema",
			 "type", "object", "properties", "content", "type", "string", "confidence", "type", "number", "explanation", "type",
			 "string", "required", "content", "confidence", "explanation", "additionalProperties", 0);
}

void ff_ladder_answer_fini(struct ff_ladder_answer *a)
{
	ff_free(&a->content);
	ff_free(&a->explanation);
}

/* Its text blocks together; thoughts are none. */
static char *text_of(const json_t *content)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	json_t *block;
	size_t i;

	ff_buf_init(&b, ANSWER_MAX);
	json_array_foreach(content, i, block) {
		const char *type = json_string_value(json_object_get(block, "type"));
		const char *text = json_string_value(json_object_get(block, "text"));

		if (type && text && !strcmp(type, "text"))
			(void)ff_buf_adds(&b, text); /* what is too long is cut, and is no JSON then */
	}
	return ff_buf_take(&b);
}

static int read_object(const json_t *o, struct ff_ladder_answer *ret, struct ff_err *err)
{
	const json_t *content = json_object_get(o, "content"), *confidence = json_object_get(o, "confidence");
	const json_t *explanation = json_object_get(o, "explanation");
	double sure = json_number_value(confidence);

	if (!json_is_string(content) || !json_is_number(confidence) || !json_is_string(explanation))
		return ff_err_set(err, FF_E_PROTOCOL, "the answer has no content, confidence or explanation");
	if (!(sure >= 0 && sure <= 1))
		return ff_err_set(err, FF_E_PROTOCOL, "the confidence is not from 0 to 1");
	if (strlen(json_string_value(content)) != json_string_length(content))
		return ff_err_set(err, FF_E_PROTOCOL, "the content has a NUL in it");
	*ret = (struct ff_ladder_answer){
		.content = ff_strdup(json_string_value(content)), .len = json_string_length(content), .confidence = (int)(sure * 100),
		.explanation = ff_text_shown(json_string_value(explanation), EXPLANATION_COLUMNS),
	};
	return 0;
}

int ff_ladder_answer_read(const struct ff_answer *a, struct ff_ladder_answer *ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = NULL;
	json_t *o;
	int rc;

	if (a->stop == FF_STOP_REFUSAL)
		return ff_err_set(err, FF_E_MODEL_REFUSED, "the model refused to answer");
	if (a->stop == FF_STOP_MAX_TOKENS)
		return ff_err_set(err, FF_E_TOO_LARGE, "the answer was cut (resolve.answer-tokens)");
	if (a->stop != FF_STOP_END_TURN && a->stop != FF_STOP_SEQUENCE)
		return ff_err_set(err, FF_E_PROTOCOL, "the model stopped for another reason: %s", a->stop_word[0] ? a->stop_word : "none");
	text = text_of(a->content);
	o = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	rc = json_is_object(o) ? read_object(o, ret, err) : ff_err_set(err, FF_E_PROTOCOL, "the answer is not one JSON object");
	json_decref(o);
	return rc;
}
