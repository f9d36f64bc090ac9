/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_EVENTS_H
#define FF_STORE_EVENTS_H

/*
 * Events that wait for the end of their transaction, for store.c; what others
 * ask is in store.h.  They are written by ff_events_flush, before the COMMIT
 * and before anybody reads or deletes rows of events, or forgotten by
 * ff_events_drop.
 */

#include "base/err.h"

struct ff_store;
struct ff_events;

struct ff_events *ff_events_new(void);
void ff_events_free(struct ff_events **events);
int ff_events_flush(struct ff_store *s, struct ff_err *err);
void ff_events_drop(struct ff_events *events);

#endif
