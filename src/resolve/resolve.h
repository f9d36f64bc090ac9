/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_RESOLVE_H
#define FF_RESOLVE_RESOLVE_H

/*
 * The ladder of conflict resolution: each conflict of a merge goes up from
 * rung to rung, the cheapest first, until one has an answer, and what comes
 * out is proved (merge/proof.h) before it counts.  An answer that the proof
 * refuses is taken back, and its conflict goes on one rung higher.
 *
 *   1 trivial      both sides say the same but for white space, edits that
 *                  touch but do not overlap, lists that may be joined
 *   2 memory       the same conflict was answered before
 *   3 structured   one side has all that the other did and more, edits of one
 *                  line in different places
 *   4 model        a model is asked about the conflict
 *
 * The rules of 1 and 3 are here; 2 and 4 are callbacks, since they need what
 * this room may not have.  Nothing is guessed by a rule: a conflict that none
 * is made for stays one.  Pure: objects come from the source that the proof
 * has, too, and time from a callback.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "job/rung.h"
#include "merge/proof.h"

struct ff_region;

#define FF_RUNG_BIT(rung) (1u << (rung))
/* Those that need nobody else. */
#define FF_RUNGS_RULES (FF_RUNG_BIT(FF_RUNG_TRIVIAL) | FF_RUNG_BIT(FF_RUNG_STRUCTURED))
/* "1", "1,3", "1-4"; "none" or "": no rung. FF_E_INVALID: numbers from 1 to 4. */
int ff_rungs_read(const char *text, unsigned *ret_rungs, struct ff_err *err);

enum ff_try {
	FF_TRY_PASSED,  /* it does not know this conflict */
	FF_TRY_SOLVED,
	FF_TRY_REFUSED, /* it had an answer, which the proof refused */
	FF_TRY_FAILED,  /* it had to have one, and what came could not be used */
};
const char *ff_try_name(enum ff_try outcome); /* "passed", "solved", "refused", "failed" */

/* What one rung did about one conflict. Texts are owned; ff_resolved_fini. */
struct ff_resolved_try {
	enum ff_rung rung;
	enum ff_try outcome;
	unsigned turn;      /* how often this rung was asked about this conflict before */
	char *how;          /* the rule's word, the model's name; NULL: nothing to say */
	char *text;         /* its explanation, or why it could not be used; NULL: none */
	char *objections;   /* of the proof, a line each; NULL: none */
	int64_t time_us;
	int confidence;     /* percent; -1: none was said */
	int64_t tokens_in, tokens_out, cost_microusd;
	int64_t entry;      /* of the memory; 0: none */
	unsigned skip;      /* turns of this rung that would come to the same: they are left out */
};

/* What a rung that is not a rule is asked. All of it is borrowed. */
struct ff_resolve_ask {
	const struct ff_merge_conflict *conflict;
	const struct ff_region *region;          /* the three sides of it */
	const struct ff_lines_conflicts *texts;  /* and of the file */
	size_t hunk;                             /* region of texts */
	unsigned turn;
	const char *objections;                  /* of the proof to the answer before; NULL: there was none */
};
/* 1: answered, the lines are in out; 0: not, and try says why; -1: the work is to end. Fills in *try but rung, turn and time. */
typedef int (*ff_resolve_rung_fn)(void *arg, const struct ff_resolve_ask *ask, struct ff_buf *out,
				  struct ff_resolved_try *ret_try, struct ff_err *err);

struct ff_resolve {
	struct ff_proof proof;    /* all but result; proof.merge is what is to be resolved */
	unsigned rungs;           /* FF_RUNG_BIT of each */
	const char *const *lists; /* globs of paths where both sides' lines are kept (NULL-terminated), or NULL */
	ff_resolve_rung_fn memory, model; /* NULL: there is no such rung */
	void *arg;
	unsigned model_turns;     /* how often the model may be asked about one conflict */
	int64_t (*now_us)(void);  /* NULL: no time is taken */
};

struct ff_resolved_hunk {
	enum ff_rung rung;  /* FF_RUNG_NONE: not solved */
	const char *rule;   /* how, of its last try; NULL when not solved */
	uint32_t line;      /* of the target, from 1 */
	struct ff_resolved_try *tries;
	size_t n_tries;
	char *answer;       /* lines of the result when solved */
	size_t answer_len;
};
struct ff_resolved_path {
	const char *path;  /* borrowed of the merge */
	enum ff_merge_kind kind;
	struct ff_resolved_hunk *hunks; /* none for a conflict that is not of lines */
	size_t n_hunks, n_solved;
	bool solved;       /* all hunks, and proved */
	bool refused;      /* all hunks, but not proved */
	uint32_t mode;     /* of the result when solved; 0: it is gone */
	struct ff_merge_id id;
	struct ff_proof_result proof; /* the last one of this path */
};
struct ff_resolved { /* ff_resolved_fini */
	struct ff_resolved_path *paths;
	size_t n_paths, n_solved;
	bool solved;             /* all of it; then tree is proved */
	struct ff_merge_id tree; /* absent otherwise */
	struct ff_merge_id partial; /* the merge with the paths that are solved; absent when the merge has no tree */
	struct ff_proof_result proof; /* of the tree */
};
/* 0 also when nothing could be solved. Errors as ff_proof_tree(), and those of the callbacks. */
int ff_resolve(const struct ff_resolve *what, struct ff_resolved *ret, struct ff_err *err);
void ff_resolved_fini(struct ff_resolved *resolved);

/* The reasons that refuse, a line each for people and models; of one conflict of the path, 0: all. Freed by ff_free. */
char *ff_resolve_objections(const struct ff_proof_result *proof, uint32_t conflict);

#endif
