/*
 * Consuming events in batches, each exactly as often as it takes.
 *
 * The events of a batch of deliveries are decoded into items, at most `batch_max` at a time: a
 * message may have many. What can never succeed is parked in the dead-letter queue with the reason,
 * each event alone. The items go to `run` as one segment (usually all of them, in one transaction),
 * which ends with consumer_segment_done():
 *
 *   ERR_OK             the next segment, or the acknowledgement of the deliveries
 *   ERR_REJECTED_DATA  the segment is halved until the bad item stands alone, and is parked;
 *   ERR_TOO_LARGE      likewise
 *   ERR_INTERNAL       likewise, but only after RETRIES_INTERNAL_MAX repetitions: nobody knows
 *                      whether it is the data's fault (pg/sqlstate.c)
 *   anything else      the same segment again after a growing, jittered delay, for ever: the
 *                      dependency is away, the prefetch limit holds the rest back in the broker
 *
 * So `run` must be idempotent. One batch at a time. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_CONSUMER_H
#define RUNTIME_MESSAGES_CONSUMER_H

#include "base/arena.h"
#include "base/err.h"
#include "event.h"
#include "runtime/broker/broker.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct consumer_options {
    const char *name; /* for logs: "order_created" */
    const char *type; /* of its events: the routing key that the queue is bound with */
    size_t queue;     /* index in broker_options.queues */
    size_t item_bytes;
    size_t batch_max; /* events */
    uint32_t backoff_base_ms, backoff_cap_ms;
    /*
     * Fill `item` from the event. ERR_NO_MEMORY: it is tried again; anything else but ERR_OK parks
     * it with *ret_why (static storage). Strings may point into the event or `arena`.
     */
    enum err (*decode)(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
    /* Process items[0, count): end with consumer_segment_done(), now or later. */
    void (*run)(void *ctx, void *items, size_t count);
    void *ctx;
};

struct consumer {
    struct loop *loop;
    struct broker *broker;
    struct consumer_options options;
    struct backoff backoff;
    struct loop_timer retry;
    const struct broker_delivery *deliveries; /* in hand, until they are acknowledged */
    size_t delivery_count;
    size_t at_delivery, at_event; /* where decoding goes on */
    char *items;
    struct consumer_origin {
        const struct broker_delivery *delivery;
        struct event event; /* in the decode arena */
    } * origins;            /* of the items, same order */
    size_t count;           /* items decoded */
    size_t first;           /* of the segment */
    size_t span;
    unsigned attempts_internal;
    bool busy; /* a segment is under way */
    bool stopped;
    struct arena decode_arena;  /* lives as long as the items */
    struct arena segment_arena; /* for `run`, reset between segments */
};

MUST_CHECK enum err consumer_open(struct consumer *consumer, struct loop *loop,
                                  const struct consumer_options *options);
void consumer_close(struct consumer *consumer); /* accepts one zeroed */

/* From the broker's on_deliveries for this queue. */
void consumer_on_deliveries(struct consumer *consumer, struct broker *broker,
                            struct broker_delivery *deliveries, size_t count);
void consumer_segment_done(struct consumer *consumer, enum err err);
struct arena *consumer_arena(struct consumer *consumer);

/* Drain: no new segment, no retry. What was not acknowledged comes again after the restart. */
void consumer_stop(struct consumer *consumer);
bool consumer_is_idle(const struct consumer *consumer); /* no segment is under way */

#endif
