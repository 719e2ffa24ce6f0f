/*
 * Consuming events in batches, each exactly as often as it takes.
 *
 * The events of a batch of deliveries are decoded into items, at most `batch_max` at a time: a
 * message may have many. What can never succeed is parked in the dead-letter queue with the reason,
 * each event alone. The items go to `run` as one segment (usually all of them, in one transaction),
 * which ends with consumer_segment_done():
 *
 *   ERR_OK             the deliveries are acknowledged when nothing else of them is open, and the
 *                      broker has confirmed what consumer_answer() told, and holds are released
 *   ERR_LOCKED         somebody else's transaction has locked a row: which is asked with
 *                      `find_locked`; the events of these rows are set aside, the others go on
 *   ERR_REJECTED_DATA  the segment is halved until the bad item stands alone, and is parked;
 *   ERR_TOO_LARGE      likewise
 *   ERR_UNPROCESSABLE  likewise: it contradicts what is stored
 *   ERR_INTERNAL       likewise, but only after RETRIES_INTERNAL_MAX repetitions: nobody knows
 *                      whether it is the data's fault (pg/sqlstate.c)
 *   anything else      the same segment again after a growing, jittered delay, for ever: the
 *                      dependency is away, the prefetch limit holds the rest back in the broker
 *
 * So `run` must be idempotent. Segments overlap, as far as `run` allows it: the next one begins
 * when this one has said consumer_segment_passed(), or is done.
 *
 * What is set aside is published again alone, to the queue's retry queue, before its delivery is
 * acknowledged. A consumer of its own (`main` says of which) hears that queue, one segment at a
 * time: it tries a locked row again after LOCKED_ROWS_DELAY_MS, then twice that, up to
 * LOCKED_ROWS_DELAY_MAX_MS. Meanwhile new events of that row go there, too, without waiting for its
 * lock.
 *
 * Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_CONSUMER_H
#define RUNTIME_MESSAGES_CONSUMER_H

#include "base/arena.h"
#include "base/err.h"
#include "consumer_alone.h"
#include "event.h"
#include "locked_rows.h"
#include "runtime/broker/broker.h"
#include "runtime/flow/gather.h"
#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"
#include "teller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONSUMER_SEGMENTS_MAX = 2, /* under way at once */
    CONSUMER_BATCHES_MAX = 64, /* of deliveries, in hand */
    /* Before the next batch is asked for; a full segment has a backlog behind it. flow/gather.h */
    CONSUMER_GATHER_FROM = 8,
    CONSUMER_GATHER_MS = 20,
};

struct consumer;
struct consumer_batch;

/* Items under way together. */
struct consumer_segment {
    struct consumer *consumer;
    void *items; /* of this run */
    size_t count;
    struct arena arena; /* for `run`, reset after it */

    /* ---- the consumer's ---- */
    struct consumer_batch *batch; /* that they came with; NULL: idle */
    char *decoded;
    struct consumer_origin *origins; /* of the decoded items, same order */
    size_t decoded_count;
    size_t first; /* of this run, in `decoded` */
    size_t span;  /* at most so many in a run */
    unsigned attempts_internal;
    bool is_running, has_passed;
    uint64_t began_us;         /* this run */
    struct arena decode_arena; /* lives as long as the items */
    struct loop_timer timer;   /* the next attempt */
};

struct consumer_options {
    const char *name; /* for logs: "order_created" */
    const char *type; /* of its events: the routing key that the queue is bound with */
    size_t queue;     /* index in broker_options.queues */
    size_t item_bytes;
    size_t batch_max; /* events */
    uint32_t backoff_base_ms, backoff_cap_ms;
    uint32_t answer_timeout_ms; /* 0: ANSWER_TIMEOUT_MS */
    /*
     * Fill `item` from the event. ERR_NO_MEMORY: it is tried again; anything else but ERR_OK parks
     * it with *ret_why (static storage). Strings may point into the event or `arena`.
     */
    enum err (*decode)(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
    /* Process the segment's items: end with consumer_segment_done(), now or later. */
    void (*run)(void *ctx, struct consumer_segment *segment);
    void *ctx;
    struct teller_options telling; /* for consumer_answer(); without its callbacks */
    /*
     * Rows that others may lock; NULL: ERR_LOCKED is one of the errors that pass. `row`: the id of
     * the row that an item needs. `find_locked`: from the ids $1::bigint[] those that are locked,
     * each once, whatever is asked for twice.
     */
    int64_t (*row)(const void *item);
    const struct pg_statement *find_locked;
    struct pg *pg;
    struct consumer *main; /* this is its retry queue's; NULL: it is none */
};

struct consumer {
    struct loop *loop;
    struct broker *broker;
    struct consumer_options options;
    struct backoff backoff;
    struct teller teller;
    struct consumer_segment segments[CONSUMER_SEGMENTS_MAX];
    struct list batches; /* in hand, oldest first */
    struct list idle_batches;
    struct consumer_batch *batch_memory;
    struct loop_timer answers; /* looks at answers that are late */
    int64_t last_batch_id;
    struct locked_rows locked;
    struct loop_timer pause; /* until enough has gathered; of a retry queue's: until a row is due */
    struct gather gather;
    bool has_advanced;  /* something has succeeded since the last batch came */
    bool has_asked;     /* for the next batch */
    bool is_proceeding; /* segments are being begun */
    bool stopped;
};

MUST_CHECK enum err consumer_open(struct consumer *consumer, struct loop *loop,
                                  struct broker *broker, const struct consumer_options *options);
void consumer_close(struct consumer *consumer); /* accepts one zeroed */

/* From the broker's callbacks: on_deliveries of this queue; on_state. */
void consumer_on_deliveries(struct consumer *consumer, struct broker_delivery *deliveries,
                            size_t count);
void consumer_on_broker_state(struct consumer *consumer, enum broker_state state);

/* As many items as a segment may have: more may be waiting. */
bool consumer_segment_is_full(const struct consumer_segment *segment);
/*
 * The next segment may begin: what this one does to the database is before what that one does.
 * Early, it costs batching: what arrives meanwhile shares no transaction. So before the commit only
 * when this one is full.
 */
void consumer_segment_passed(struct consumer_segment *segment);
/*
 * After the commit, before consumer_segment_done(): what the segment has to tell. Its deliveries
 * are acknowledged only when the broker has confirmed all of it: else they come again, and so does
 * the answer. While the broker blocks publishers, or after ANSWER_TIMEOUT_MS without a confirm,
 * they are acknowledged all the same: it must be harmless to lose the answer, because whoever waits
 * for it asks again. Copies; ids are not looked at.
 */
void consumer_answer(struct consumer_segment *segment, struct teller_event *events, size_t count);
/*
 * Something else that the acknowledgement waits for, until consumer_release(), as if it were an
 * answer. A batch that is acknowledged meanwhile is forgotten; so is the hold.
 */
struct consumer_hold {
    struct consumer *consumer;
    int64_t batch_id;
    size_t deliveries; /* that are held */
};
struct consumer_hold consumer_hold(struct consumer_segment *segment);
/* It is one on the batch of this segment. */
bool consumer_holds(const struct consumer_hold *hold, const struct consumer_segment *segment);
/* `is_good`: as if confirmed; else the batch comes again. */
void consumer_release(const struct consumer_hold *hold, bool is_good);

void consumer_segment_done(struct consumer_segment *segment, enum err err);

/* Drain: no new segment, no retry. What was not acknowledged comes again after the restart. */
void consumer_stop(struct consumer *consumer);
/* No segment is under way, and no answer of a batch that would then be acknowledged. */
bool consumer_is_idle(const struct consumer *consumer);

#endif
