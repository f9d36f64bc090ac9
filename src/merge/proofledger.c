/* SPDX-License-Identifier: MIT */
/*
 * What is missing in the conflicts of a merge, against what is too much in
 * them.  A line that only moved, or whose white space is another, cancels out;
 * so does one that lives on in a line that carries its tokens.  What is left
 * is the verdict.
 */
#include "merge/proofpart.h"

#include <stdlib.h>
#include <string.h>

#define REWRITTEN_PERCENT 75

static bool wants_line(const struct ff_proof_missing *m)
{
	return !m->done && !m->removal;
}

/* The same tokens: in the same conflict first, then wherever it moved to. */
static void match_moved(struct ff_proof_run *run, bool same_region)
{
	for (size_t i = 0; i < run->n_missing; i++) {
		struct ff_proof_missing *m = &run->missing[i];

		for (size_t j = 0; j < run->n_excess && wants_line(m); j++) {
			struct ff_proof_excess *e = &run->excess[j];

			if (e->used || (same_region && e->region != m->region) || !ff_ids_equal(&m->tokens, &e->tokens))
				continue;
			/* An empty line is none that moves; the old spacing of a line is not what that side made of it. */
			if (!m->tokens.n || e->text == m->before_text || e->text == m->other_text)
				continue;
			e->used = 3;
			e->used_whole = true;
			m->done = true;
		}
	}
}

static bool knows(const struct ff_ids *sorted, uint32_t id)
{
	size_t lo = 0, hi = sorted->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (sorted->ids[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < sorted->n && sorted->ids[lo] == id;
}

/* No word in it that neither side and not the base has in this conflict. */
static bool made_of_both(const struct ff_proof_run *run, const struct ff_proof_excess *e)
{
	for (size_t i = 0; i < e->tokens.n; i++)
		if (ff_words_is_word(&run->tokens, e->tokens.ids[i]) &&
		    !knows(&run->regions[e->region].vocabulary, e->tokens.ids[i]))
			return false;
	return true;
}

/* A word of the old line that neither side took out; each may have taken another one of several. */
static bool left_by_both(const struct ff_proof_missing *m, uint32_t id)
{
	uint32_t old = ff_ids_count(&m->before, id), now = ff_ids_count(&m->tokens, id);

	return m->other.n ? now + ff_ids_count(&m->other, id) > old && old : now && old;
}

/*
 * It is that line, edited: of the words that both sides left in it half are
 * there, and all of them when this one did no more than to take some out.
 */
static bool keeps(const struct ff_proof_run *run, const struct ff_ids *line, const struct ff_proof_missing *m, bool added)
{
	size_t all = 0, there = 0;

	for (size_t i = 0; i < m->tokens.n; i++) {
		uint32_t id = m->tokens.ids[i];

		if (!ff_words_is_word(&run->tokens, id) || !left_by_both(m, id))
			continue;
		all++;
		there += ff_ids_count(line, id) > 0;
	}
	return added ? 2 * there >= all : there == all;
}

/* Every token that this side added is in the line, and none that it removed. */
static bool carries(const struct ff_proof_run *run, const struct ff_ids *line, const struct ff_proof_missing *m)
{
	bool words = false, added = false;

	for (size_t i = 0; i < m->tokens.n; i++) {
		uint32_t id = m->tokens.ids[i], now = ff_ids_count(&m->tokens, id), old = ff_ids_count(&m->before, id);
		bool word = ff_words_is_word(&run->tokens, id);

		if (now <= old)
			continue;
		if (ff_ids_count(line, id) < (word ? now : now - old))
			return false;
		added |= word;
	}
	for (size_t i = 0; i < m->before.n; i++) {
		uint32_t id = m->before.ids[i], now = ff_ids_count(&m->tokens, id), old = ff_ids_count(&m->before, id);

		if (now >= old || !ff_words_is_word(&run->tokens, id))
			continue;
		if (ff_ids_count(line, id) > now)
			return false;
		words = true;
	}
	return (words || added) && keeps(run, line, m, added);
}

/* How often a word may stand in a line that carries others: as in what they replaced, and what each added. */
static uint32_t allowed_count(const struct ff_proof_run *run, uint32_t carrier, uint32_t word)
{
	uint32_t before = 0, added = 0;

	for (size_t i = 0; i < run->n_missing; i++) {
		const struct ff_proof_missing *m = &run->missing[i];
		uint32_t now, old;

		if (m->removal || !m->done || m->carrier != carrier)
			continue;
		now = ff_ids_count(&m->tokens, word);
		old = ff_ids_count(&m->before, word);
		before = old > before ? old : before;
		added += now > old ? now - old : 0;
	}
	return before + added ? before + added : 1;
}

/* A line with its words twice carries nothing. */
static void check_carriers(struct ff_proof_run *run)
{
	for (size_t j = 0; j < run->n_excess; j++) {
		struct ff_proof_excess *e = &run->excess[j];
		bool good = true;

		if (!e->used || e->used_whole)
			continue;
		for (size_t i = 0; i < e->tokens.n && good; i++)
			good = !ff_words_is_word(&run->tokens, e->tokens.ids[i]) ||
			       ff_ids_count(&e->tokens, e->tokens.ids[i]) <= allowed_count(run, (uint32_t)j, e->tokens.ids[i]);
		if (good)
			continue;
		e->used = 0;
		for (size_t i = 0; i < run->n_missing; i++)
			if (run->missing[i].done && !run->missing[i].removal && run->missing[i].carrier == j)
				run->missing[i].done = false;
	}
}

/* A line that carries both sides is there once, not once for each; and one that the base has carries nothing new. */
static bool may_carry(const struct ff_proof_run *run, size_t j)
{
	const struct ff_proof_excess *e = &run->excess[j];

	for (size_t i = 0; i < run->n_excess; i++) {
		const struct ff_proof_excess *other = &run->excess[i];

		if (i != j && other->used && other->region == e->region && ff_ids_equal(&other->tokens, &e->tokens))
			return false;
	}
	return !e->known;
}

static void match_carried(struct ff_proof_run *run)
{
	for (size_t i = 0; i < run->n_missing; i++) {
		struct ff_proof_missing *m = &run->missing[i];
		uint8_t side = m->side == FF_SIDE_CHANGE ? 2 : 1;

		for (size_t j = 0; j < run->n_excess && wants_line(m); j++) {
			struct ff_proof_excess *e = &run->excess[j];

			if (e->region != m->region || (e->used & side) || m->side == FF_SIDE_BOTH)
				continue;
			if (!may_carry(run, j) || !made_of_both(run, e) || !carries(run, &e->tokens, m))
				continue;
			e->used |= side;
			m->done = true;
			m->carrier = (uint32_t)j;
		}
	}
	check_carriers(run);
}

/* --- lines written anew */

/* A line of the change that is gone, with one in its place that has half of its tokens and nothing new in it. */
static bool rewritten(const struct ff_proof_run *run, const struct ff_proof_missing *m, const struct ff_proof_excess *e)
{
	size_t all = m->tokens.n + e->tokens.n;

	return !e->used && e->region == m->region && !e->known && all && made_of_both(run, e) &&
	       200 * ff_ids_common(&m->tokens, &e->tokens) / all >= REWRITTEN_PERCENT;
}

static void match_rewritten(struct ff_proof_run *run)
{
	for (size_t i = 0; i < run->n_missing; i++) {
		struct ff_proof_missing *m = &run->missing[i];

		for (size_t j = 0; j < run->n_excess && wants_line(m) && !m->rewritten && m->side == FF_SIDE_CHANGE; j++)
			if (rewritten(run, m, &run->excess[j])) {
				run->excess[j].used = 3;
				m->rewritten = true;
			}
	}
}

/* --- the verdict */

static struct ff_proof_reason *last_said(struct ff_proof_run *run)
{
	return run->out->n_reasons ? &run->out->reasons[run->out->n_reasons - 1] : NULL;
}

static void say_line(struct ff_proof_run *run, enum ff_proof_rule rule, uint32_t region, uint32_t line, uint32_t text)
{
	const struct ff_word *w = &run->lines.words[text];
	size_t before = run->out->n_reasons;

	ff_proof_say(run, rule, run->regions[region].path, line, w->p, w->n);
	if (run->out->n_reasons > before)
		last_said(run)->conflict = run->regions[region].number;
}

/* A dropped line of the change is no reason yet: that depends on how many there are. */
static void count_dropped(struct ff_proof_run *run)
{
	for (size_t i = 0; i < run->n_missing; i++)
		if (!run->missing[i].done && run->missing[i].side == FF_SIDE_CHANGE) {
			run->regions[run->missing[i].region].dropped++;
			run->regions[run->missing[i].region].lost += !run->missing[i].rewritten;
		}
	for (size_t i = 0; i < run->n_excess; i++) {
		const struct ff_proof_excess *e = &run->excess[i];

		if (!e->used && (e->known & FF_EXCESS_CHANGE_REMOVED) && !(e->known & FF_EXCESS_TARGET_REMOVED))
			run->regions[e->region].dropped++, run->regions[e->region].lost++;
	}
}

static bool within(const struct ff_proof_run *run, uint32_t region)
{
	const struct ff_proof_region *r = &run->regions[region];

	return (uint64_t)r->dropped * 100 <= (uint64_t)r->change_lines * run->what->bounds.change_percent &&
	       (uint64_t)r->lost * 100 <= (uint64_t)r->change_lines * run->what->bounds.lost_percent;
}

static void allow_last(struct ff_proof_run *run, enum ff_proof_rule rule)
{
	struct ff_proof_reason *r = last_said(run);

	run->out->n_refused--;
	run->out->by_rule[rule]--;
	if (r && run->out->n_reasons < FF_PROOF_REASONS_MAX)
		r->allowed = true;
}

static void dropped(struct ff_proof_run *run, bool of_change, uint32_t region, uint32_t line, uint32_t text, bool removal,
		    uint32_t *target_dropped)
{
	enum ff_proof_rule rule = of_change ? FF_PROOF_DROPPED_CHANGE : FF_PROOF_DROPPED_TARGET;
	bool allowed = of_change ? within(run, region) : *target_dropped < run->what->bounds.target_lines;

	*target_dropped += !of_change;
	run->out->n_dropped++;
	say_line(run, rule, region, line, text);
	if (last_said(run))
		last_said(run)->removal = removal;
	if (allowed)
		allow_last(run, rule);
}

void ff_proof_settle(struct ff_proof_run *run)
{
	uint32_t target_dropped = 0;

	match_moved(run, true);
	match_carried(run);
	match_moved(run, false);
	match_rewritten(run);
	count_dropped(run);
	for (size_t i = 0; i < run->n_missing; i++) {
		const struct ff_proof_missing *m = &run->missing[i];

		if (!m->done)
			dropped(run, m->side == FF_SIDE_CHANGE, m->region, 0, m->text, m->removal, &target_dropped);
	}
	for (size_t i = 0; i < run->n_excess; i++) {
		const struct ff_proof_excess *e = &run->excess[i];

		if (e->used)
			continue;
		if (e->known & (FF_EXCESS_TARGET_REMOVED | FF_EXCESS_CHANGE_REMOVED))
			dropped(run, !(e->known & FF_EXCESS_TARGET_REMOVED), e->region, e->line, e->text, true, &target_dropped);
		else
			say_line(run, e->known & FF_EXCESS_SIDES ? FF_PROOF_DOUBLED : FF_PROOF_INVENTED, e->region, e->line, e->text);
	}
}
