/*
 * The transactional outbox: commit first, tell after.
 *
 * The caller inserts its events with outbox_insert_call() in the transaction that makes them true.
 * After the commit it hands them to outbox_publish(): they leave from memory, those of one type
 * together in messages of up to `events_per_message_max`. The publisher's confirm deletes the row
 * (in batches, without waiting for the disk: a row that comes back after a crash is only sent
 * again). What is left, after a crash or while the broker is away, is found by the sweep: when the
 * broker comes up, and every sweep_interval_ms. Consumers must therefore take hearing twice as
 * harmless.
 *
 * When the broker module's queue is full, the ids of what did not fit wait in a backlog; as soon as
 * confirms make room their rows are read again and sent. So a burst costs memory for its ids only,
 * and no event waits for the sweep.
 *
 * A row is claimed by pushing its `available_at` into the future; FOR UPDATE SKIP LOCKED lets
 * replicas share the sweep. Rows that this process has in hand are not sent again. What a
 * connection that ended took with it is released, so that it need not wait for the end of its
 * claim, unless another claim has followed. What the broker refuses is not released, or it would be
 * sent over and over. Loop thread only.
 *
 * Table:  outbox (id bigint PRIMARY KEY, routing_key text, message_id text, correlation_id text,
 *                 traceparent text, tracestate text (may be NULL), body text,
 *                 available_at timestamptz)
 */
#ifndef RUNTIME_MESSAGES_OUTBOX_H
#define RUNTIME_MESSAGES_OUTBOX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "id_set.h"
#include "runtime/broker/broker.h"
#include "runtime/flow/batcher.h"
#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"
#include "teller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its statements, for pg_options.statements; NULL ends the list. By name for tests. */
extern const struct pg_statement *const OUTBOX_STATEMENTS[];
extern const struct pg_statement SQL_OUTBOX_INSERT, SQL_OUTBOX_INSERT_MISSING, SQL_OUTBOX_CLAIM,
    SQL_OUTBOX_READ, SQL_OUTBOX_RELEASE, SQL_COMMIT_RELAX, SQL_OUTBOX_DELETE;

struct outbox_options {
    const char *source; /* of the events; for rows of versions before, which have only the data */
    struct teller_options telling; /* without its callbacks */
    uint32_t sweep_interval_ms;
    size_t sweep_batch_max; /* rows read at once, by sweep and backlog */
    size_t backlog_below;   /* fewer events than this with the broker module: the backlog goes on */
};

struct outbox {
    struct loop *loop;
    struct pg *pg;
    struct broker *broker;
    struct outbox_options options;
    struct batcher deletions, releases;
    struct id_set held; /* rows that this process has in hand: with the broker module, or in the
                           backlog; their claims (SQL_OUTBOX_CLAIM) are the marks */
    struct id_set told; /* confirmed while a sweep is under way: it may have read them before */
    struct teller teller;
    int source;       /* of what is being sent, a metric */
    size_t lost;      /* of these, still to be reported: with a connection that has ended */
    int64_t *backlog; /* ring of ids */
    size_t backlog_head, backlog_count;
    int64_t *reading; /* ids of the backlog being read */
    size_t reading_count;
    struct loop_timer timer;
    struct arena backlog_arena;
    struct arena sweep_arena;
    bool sweeping;
    bool sweep_all; /* the next sweep takes fresh rows too: the broker has just come back */
    bool closing;
};

MUST_CHECK enum err outbox_open(struct outbox *outbox, struct loop *loop, struct pg *pg,
                                struct broker *broker, const struct outbox_options *options);
void outbox_close(struct outbox *outbox); /* accepts one zeroed; pg must be closed before */

/* The INSERT for the caller's transaction. Memory from `arena`, until the request is done. */
struct pg_call outbox_insert_call(struct arena *arena, const struct teller_event *events,
                                  size_t count);
/* The same for events whose rows may be there already: those stay as they are. */
struct pg_call outbox_insert_missing_call(struct arena *arena, const struct teller_event *events,
                                          size_t count);
/* After the commit. Copies. Whatever cannot be sent now is left to the sweep. */
void outbox_publish(struct outbox *outbox, const struct teller_event *events, size_t count);

/* From the broker's callbacks; the first after teller_on_published(). */
void outbox_look(struct outbox *outbox);
void outbox_on_broker_state(struct outbox *outbox, enum broker_state state);

/* Stop sweeping; nothing more will be published. */
void outbox_stop(struct outbox *outbox);
/* No deletion and no release waits or is under way (for the drain). */
bool outbox_is_idle(const struct outbox *outbox);

#endif
