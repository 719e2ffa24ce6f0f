/*
 * Whether the database was restored to an earlier moment: what it has lost, it cannot say itself.
 *
 * Every WITNESS_LOOK_MS the database counts one beat more (witness.sql); how many those were, and
 * the last ids of the service's sequences, are noted in its Redis, `witness:{service}`, which is
 * read before each beat. A database that has fewer beats than were noted was restored (or Redis
 * belongs to another one): that is said in one line, with the cure. A sequence that is
 * behind what was noted goes on above that, so that the ids of lost orders and products do not come
 * again. A beat is committed before it is noted: a crash is no restore. What happened between the
 * last beat and the restored moment, or when Redis has forgotten, is not noticed here.
 *
 * A service asks its database only after Redis has answered, or after WITNESS_WAIT_MS: so the first
 * beat comes before the first order. Loop thread only.
 */
#ifndef RUNTIME_PROCESS_WITNESS_H
#define RUNTIME_PROCESS_WITNESS_H

#include "base/buf.h"
#include "base/clock.h"
#include "runtime/cache/cache.h"
#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"

#include <stdint.h>

enum {
    WITNESS_LOOK_MS = 2000,
    WITNESS_WAIT_MS = 1000,
    WITNESS_SEQUENCES_MAX = 4,
    WITNESS_MARGIN_IDS = 100000, /* more than are given between two beats */
};

/* Its statement, for pg_options.statements; NULL ends the list. */
extern const struct pg_statement *const WITNESS_STATEMENTS[];

/* What was lost: from the beat before the restored moment until the one that was noted last. */
struct witness_loss {
    char from[CLOCK_RFC3339_BYTES], until[CLOCK_RFC3339_BYTES];
    /* Of the service's first sequence: the last id that the database knows, and that was noted. */
    int64_t last_id, noted_id;
};

struct witness_options {
    struct loop *loop;
    struct pg *pg; /* waits until it is told to go: options.waits */
    struct cache *cache;
    const char *service;                 /* its name */
    const struct pg_sequence *sequences; /* one to WITNESS_SEQUENCES_MAX */
    /* Append what to do about a loss: a command. */
    void (*cure)(const struct witness_loss *loss, struct buf *out);
};

void witness_open(const struct witness_options *options); /* strings and tables must stay */
void witness_on_database_ready(void);
void witness_close(void); /* begins nothing more; harmless to repeat */

#endif
