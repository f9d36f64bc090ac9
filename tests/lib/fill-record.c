/* SPDX-License-Identifier: MIT */
/*
 * Makes a record that a busy server would have after years, with the product's
 * own statements, so that tests of size need no hours:
 *
 *   fill-record FILE.db REPOSITORIES-FOLDER REPOSITORIES QUEUED ENDED [EVENTS]
 *
 * QUEUED jobs are in the queue, ENDED are over, spread over the repositories
 * FOLDER/rN.git (N from 1; they need not exist).  The daemon must not run.
 * What is there stays.  The first of the ended jobs has EVENTS more events.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "store/store.h"

#define PER_COMMIT 10000
#define TASK "Write a test for the date parser, and mend what it shows."

static const char oid[] = "1111111111111111111111111111111111111111";
static const char zeros[] = "0000000000000000000000000000000000000000";

struct fill {
	struct ff_store *store;
	int64_t repos, first_repo;
	int64_t made;
	int64_t events;
	int64_t now_ms;
};

static int event(struct fill *f, struct ff_job *job, struct ff_event ev, struct ff_err *err)
{
	ev.job = job->id;
	ev.at_ms = f->now_ms;
	ff_job_fold(job, &ev);
	return ff_store_event_add(f->store, job->id, ev.type, ev.at_ms, "{}", &ev.seq, err);
}

static int add_events(struct fill *f, int64_t job, struct ff_err *err)
{
	static const char data[] = "{\"attempt\":1,\"text\":\"one of very many events, each of which says as much as people say of what they do\"}";
	int64_t seq;

	for (; f->events; f->events--)
		if (ff_store_event_add(f->store, job, FF_EVENT_JOB_PROGRESS, f->now_ms, data, &seq, err) < 0)
			return -1;
	return 0;
}

static int finish(struct fill *f, struct ff_job *job, struct ff_err *err)
{
	if (event(f, job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = 1 }, err) < 0 ||
	    add_events(f, job->id, err) < 0)
		return -1;
	return event(f, job, (struct ff_event){ .type = FF_EVENT_JOB_COMPLETED, .attempt = 1, .oid = oid, .base_oid = oid,
						.ref = "refs/heads/claude-results/x" }, err);
}

static int make_job(struct fill *f, bool ended, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();
	struct ff_push push = { .old_oid = zeros, .new_oid = oid, .pusher = "ada", .options = "[]", .received_ms = f->now_ms };
	struct ff_event created = { .type = FF_EVENT_JOB_CREATED, .wait = FF_WAIT_SPEC, .at_ms = f->now_ms };
	int64_t seq;
	bool is_new;

	job->repo = push.repo = f->first_repo + f->made % f->repos;
	job->source_ref = ff_asprintf("refs/heads/claude/%lld", (long long)f->made++);
	job->pusher = ff_strdup("ada");
	memcpy(job->source_oid, oid, sizeof oid);
	job->created_ms = f->now_ms;
	push.ref = job->source_ref;
	ff_random(push.id, sizeof push.id);
	ff_job_fold(job, &created);
	if (ff_store_push_add(f->store, &push, &is_new, err) < 0 || ff_store_push_decided(f->store, push.row, err) < 0 ||
	    ff_store_job_add(f->store, job, push.row, 0, err) < 0 ||
	    ff_store_event_add(f->store, job->id, FF_EVENT_JOB_CREATED, f->now_ms, "{}", &seq, err) < 0)
		return -1;
	job->spec.task = ff_strdup(TASK);
	job->spec.task_from = ff_strdup("push option");
	job->spec.target = ff_strdup("main");
	if (event(f, job, (struct ff_event){ .type = FF_EVENT_SPEC_READ, .text = "push option" }, err) < 0 ||
	    event(f, job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED }, err) < 0 || (ended && finish(f, job, err) < 0))
		return -1;
	return ff_store_job_save(f->store, job, err);
}

static int make_jobs(struct fill *f, int64_t n, bool ended, struct ff_err *err)
{
	for (int64_t i = 0; i < n; i++) {
		if (i % PER_COMMIT == 0 && ff_store_begin(f->store, err) < 0)
			return -1;
		/* Not all at once, and not within the hour that queue.pusher-rate looks at. */
		f->now_ms = ff_clock_wall() - 7200000 - (n - i);
		if (make_job(f, ended, err) < 0)
			return -1;
		if ((i % PER_COMMIT == PER_COMMIT - 1 || i == n - 1) && ff_store_commit(f->store, err) < 0)
			return -1;
	}
	return 0;
}

static int make_repos(struct fill *f, const char *folder, struct ff_err *err)
{
	if (ff_store_begin(f->store, err) < 0)
		return -1;
	for (int64_t i = 1; i <= f->repos; i++) {
		FF_AUTO(ff_free) char *path = ff_asprintf("%s/r%lld.git", folder, (long long)i);
		bool is_new;
		int64_t id;

		if (ff_store_repo(f->store, path, ff_clock_wall(), &id, &is_new, err) < 0)
			return -1;
		f->first_repo = i == 1 ? id : f->first_repo;
	}
	return ff_store_commit(f->store, err);
}

int main(int argc, char **argv)
{
	struct ff_err err = { 0 };
	struct fill f = { 0 };
	int64_t queued, ended;
	int rc;

	if (argc < 6 || argc > 7 || (argc == 7 && ff_num_i64(argv[6], 0, 100000000, &f.events) < 0) || ff_num_i64(argv[3], 1, 1000000, &f.repos) < 0 || ff_num_i64(argv[4], 0, 100000000, &queued) < 0 ||
	    ff_num_i64(argv[5], 0, 100000000, &ended) < 0) {
		(void)fputs("usage: fill-record FILE.db FOLDER REPOSITORIES QUEUED ENDED [EVENTS]\n", stderr);
		return 2;
	}
	rc = ff_store_open(argv[1], &f.store, &err);
	if (rc == 0 && (rc = make_repos(&f, argv[2], &err)) == 0 && (rc = make_jobs(&f, ended, true, &err)) == 0)
		rc = make_jobs(&f, queued, false, &err);
	ff_store_close(&f.store);
	if (rc < 0)
		(void)fprintf(stderr, "fill-record: %s\n", err.text);
	return rc < 0;
}
