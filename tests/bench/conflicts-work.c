/* SPDX-License-Identifier: MIT */
/*
 * The work of tests/bench/conflicts in one process: a line "BASE TARGET CHANGE
 * RESULT" in, a line of JSON out.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "git/git.h"
#include "git/mergetree.h"
#include "git/pack.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "merge/merge.h"
#include "merge/proof.h"

int main(int argc, char **argv)
{
	struct ff_err err = { 0 };
	struct ff_git *git = NULL;
	struct ff_merge_source source;
	char line[512];

	if (argc < 2 || ff_git_open(argv[1], &git, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	ff_git_source(git, &source);
	while (fgets(line, sizeof line, stdin)) {
		char n[4][100];
		struct ff_merge m = { 0 };
		struct ff_merge_result r = { 0 };
		struct ff_proof_result pr = { 0 };
		struct ff_proof p = { .source = &source, .myers = ff_git_myers, .bounds = FF_PROOF_BOUNDS };
		char *why = NULL;
		if (sscanf(line, "%99s %99s %99s %99s", n[0], n[1], n[2], n[3]) != 4)
			continue;
		ff_git_pack_begin(git, false, FF_GIT_PACK_MEMORY);
		if (ff_git_tree_named(git, n[0], &m.base, &err) < 0 || ff_git_tree_named(git, n[1], &m.target, &err) < 0 ||
		    ff_git_tree_named(git, n[2], &m.change, &err) < 0 || ff_git_tree_named(git, n[3], &p.result, &err) < 0) {
			printf("ERR %s\n", err.text);
			continue;
		}
		m.attributes = m.target;
		if (ff_git_merge_trees(git, &m, NULL, &r, &why, &err) < 0) {
			printf("ERR %s\n", err.text);
			continue;
		}
		if (!r.clean) {
			p.merge = &r;
			if (ff_proof_tree(&p, &pr, &err) < 0) {
				printf("ERR %s\n", err.text);
				continue;
			}
			printf("%s %s hard=%d", n[3], pr.proved ? "PROVED" : "REFUSED", r.hard);
			for (size_t i = 0; i < r.n_conflicts; i++)
				printf(" k:%s", ff_merge_kind_name(r.conflicts[i].kind));
			for (int i = 0; i < FF_PROOF_RULE_COUNT; i++)
				if (pr.by_rule[i])
					printf(" %s=%zu", ff_proof_rule_name(i), pr.by_rule[i]);
			printf("\n");
			if (argc > 2)
				for (size_t i = 0; i < pr.n_reasons; i++)
					printf("   %s%s %s:%u %s\n", ff_proof_rule_name(pr.reasons[i].rule), pr.reasons[i].removal ? "(removal)" : "", pr.reasons[i].path, pr.reasons[i].line, pr.reasons[i].text ? pr.reasons[i].text : "");
			fflush(stdout);
			ff_proof_fini(&pr);
		}
		ff_merge_result_fini(&r);
		ff_git_pack_drop(git);
	}
	ff_git_close(&git);
	return 0;
}
