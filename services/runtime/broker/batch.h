/*
 * A batch of deliveries of one queue: filled by the consumer thread, read by the loop, used again.
 * All texts and bodies live in the batch's arena. Not locked: it belongs to one thread at a time.
 */
#ifndef RUNTIME_BROKER_BATCH_H
#define RUNTIME_BROKER_BATCH_H

#include "base/arena.h"
#include "base/list.h"
#include "broker.h"

/* What the broker keeps about a delivery besides what the caller sees. */
struct delivery_origin {
    const void *properties; /* encoded AMQP property list, as it came */
    size_t properties_length;
};

struct oversized {
    struct list node;
    struct broker_message message;
    struct delivery_origin origin;
};

struct delivery_batch {
    struct list node;
    struct arena arena;
    struct broker_delivery *deliveries; /* batch_max */
    struct delivery_origin *origins;    /* origins[i] belongs to deliveries[i] */
    size_t count;
    size_t count_max;
    struct list oversized; /* to be parked before the batch is acknowledged */
    uint64_t last_tag;     /* as the channel counts: acknowledging it covers the whole batch */
    uint64_t epoch;        /* of the connection that it came on */
};

/* NULL when there is no memory. */
struct delivery_batch *batch_create(size_t count_max);
void batch_destroy(struct delivery_batch *batch); /* accepts NULL */
void batch_reset(struct delivery_batch *batch, uint64_t epoch);
bool batch_is_empty(const struct delivery_batch *batch);
bool batch_is_full(const struct delivery_batch *batch);

#endif
