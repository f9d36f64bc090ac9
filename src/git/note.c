/* SPDX-License-Identifier: MIT */
/* Notes that several jobs, and people with git-notes(1), may write at the same time. */
#include <string.h>

#include "base/names.h"
#include "git/lib.h"

#define NOTE_TRIES 20
#define NOTE_MAX ((size_t)1024 * 1024)

/* Appends a paragraph, with an empty line before it when it is not the first. */
static void add_paragraph(struct ff_buf *out, const char *p, size_t n)
{
	while (n && p[n - 1] == '\n')
		n--;
	if (n && out->len)
		(void)ff_buf_addc(out, '\n');
	if (n) {
		(void)ff_buf_add(out, p, n);
		(void)ff_buf_addc(out, '\n');
	}
}

static size_t first_line(const char *s, size_t n)
{
	const char *nl = memchr(s, '\n', n);

	return nl ? (size_t)(nl - s) : n;
}

/* The old note with text in the place of the paragraph that begins alike, or behind it. */
static void merge_note(struct ff_buf *out, const char *old, const char *text)
{
	size_t key = first_line(text, strlen(text));
	bool put = false;

	while (*old) {
		const char *end = strstr(old, "\n\n");
		size_t n = end ? (size_t)(end - old) : strlen(old);

		if (first_line(old, n) == key && memcmp(old, text, key) == 0) {
			if (!put)
				add_paragraph(out, text, strlen(text));
			put = true;
		} else {
			add_paragraph(out, old, n);
		}
		old += n;
		old += strspn(old, "\n");
	}
	if (!put)
		add_paragraph(out, text, strlen(text));
}

/* The notes commit as it is now, or NULL. */
static int notes_tip(struct ff_git *git, const char *ref, char *hex, git_commit **ret_tip, struct ff_err *err)
{
	struct ff_err why = { 0 };

	hex[0] = '\0';
	if (ff_git_ref_commit(git, ref, hex, &why) == 0)
		return ff_git_lib_commit(git, hex, ret_tip, err);
	if (why.code == FF_E_NOT_FOUND)
		return 0;
	return ff_err_set(err, why.code, "%s", why.text);
}

static int try_once(struct ff_git *git, const char *ref, const git_oid *object, const char *text,
		    const struct ff_git_person *who, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *tip = NULL;
	FF_AUTO(git_note_auto) git_note *note = NULL;
	FF_AUTO(git_signature_auto) git_signature *sig = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf whole;
	char old_hex[FF_GIT_OID], new_hex[FF_GIT_OID];
	git_oid commit, blob;
	int rc = GIT_ENOTFOUND;

	ff_buf_init(&whole, NOTE_MAX);
	if (notes_tip(git, ref, old_hex, &tip, err) < 0 || ff_git_lib_person(who, &sig, err) < 0)
		return -1;
	if (tip)
		rc = git_note_commit_read(&note, git->repo, tip, object);
	if (rc < 0 && rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "cannot read the note in %s", ref);
	merge_note(&whole, note ? git_note_message(note) : "", text);
	if (whole.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "a note in %s would be over %zu bytes: shorten it with git notes",
				  ref, NOTE_MAX);
	rc = git_note_commit_create(&commit, &blob, git->repo, tip, sig, sig, object, whole.data, 1);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot write a note for %s", ref);
	git_oid_tostr(new_hex, sizeof new_hex, &commit);
	return ff_git_ref_update(git, ref, tip ? old_hex : NULL, new_hex, who, "notes: " FF_NAME, err);
}

int ff_git_note(struct ff_git *git, const char *notes_ref, const char *object, const char *text,
		const struct ff_git_person *who, struct ff_err *err)
{
	struct ff_err why = { 0 };
	git_oid oid;

	if (ff_git_lib_oid(object, &oid, err) < 0)
		return -1;
	if (!*text || *text == '\n' || strstr(text, "\n\n"))
		return ff_err_set(err, FF_E_INVALID, "the text of a note must be one paragraph");
	for (int i = 0; i < NOTE_TRIES; i++) {
		if (try_once(git, notes_ref, &oid, text, who, &why) == 0)
			return 0;
		if (why.code != FF_E_REF_MOVED)
			break;
	}
	return ff_err_set(err, why.code, "%s", why.text);
}
