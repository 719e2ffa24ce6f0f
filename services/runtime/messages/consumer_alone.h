/*
 * An event that leaves its neighbours: parked because it can never succeed, or set aside because
 * its row is locked. Its delivery is acknowledged only when the broker has the copy. Part of
 * consumer.h; loop thread only.
 */
#ifndef RUNTIME_MESSAGES_CONSUMER_ALONE_H
#define RUNTIME_MESSAGES_CONSUMER_ALONE_H

#include "event.h"
#include "runtime/broker/broker.h"

#include <stdbool.h>

/* An event and the delivery that it came with. */
struct consumer_origin {
    const struct broker_delivery *delivery;
    struct event event; /* in the decode arena */
};

/*
 * `name`: the consumer's, for the log; `reason`, a word of docs/events.md, and `detail` go into log
 * and dead letter.
 */
void consumer_alone_park(struct broker *broker, const char *name,
                         const struct consumer_origin *origin, const char *reason,
                         const char *detail);
/* `was_tried`: an attempt more. */
void consumer_alone_set_aside(struct broker *broker, const char *name,
                              const struct consumer_origin *origin, bool was_tried);

#endif
