/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_SCHEMA_H
#define FF_STORE_SCHEMA_H

/* The tables and how an older database becomes a present one. For store.c alone. */

#include "base/err.h"

#define FF_SCHEMA_VERSION 15

struct sqlite3;

/* Brings the database to FF_SCHEMA_VERSION, each step in a transaction of its own. */
int ff_schema_migrate(struct sqlite3 *db, struct ff_err *err);

#endif
