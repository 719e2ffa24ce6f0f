/*
 * runtime/broker/broker.h faked at link time: what was published, parked and acknowledged is
 * written down. The test plays the broker: it calls the callbacks itself.
 */
#ifndef FAKE_BROKER_H
#define FAKE_BROKER_H

#include "runtime/broker/broker.h"

enum { FAKE_BROKER_MESSAGES_MAX = 640, FAKE_BROKER_BODY_BYTES = 16384 };

struct fake_message {
    char routing_key[64], content_type[64], message_id[160], correlation_id[160], traceparent[64];
    char tracestate[520];
    char body[FAKE_BROKER_BODY_BYTES];
    uint64_t cookie;
};

struct fake_copy {
    const struct broker_delivery *delivery;
    char body[256]; /* "" when it is the delivery's */
    char reason[128];
    char detail[128]; /* of what is parked */
    unsigned attempts; /* of what is set aside */
};

struct delivery_batch {
    size_t queue;
    bool ended; /* acknowledged or returned */
};

struct broker {
    enum broker_state state;
    enum err publish_err;   /* of broker_publish() */
    size_t publish_ok_left; /* so many succeed before publish_err */
    struct fake_message messages[FAKE_BROKER_MESSAGES_MAX];
    size_t published;
    size_t reported; /* of these: their fates are known */
    struct fake_copy parked[FAKE_BROKER_MESSAGES_MAX];
    size_t parked_count;
    struct fake_copy aside[FAKE_BROKER_MESSAGES_MAX];
    size_t aside_count;
    struct delivery_batch batches[FAKE_BROKER_MESSAGES_MAX];
    size_t batch_count;
    size_t acks[BROKER_QUEUES_MAX]; /* batches */
    size_t returns[BROKER_QUEUES_MAX];
    size_t asked[BROKER_QUEUES_MAX]; /* broker_next() */
    bool consuming;
};

extern struct broker fake_broker;

void fake_broker_reset(void);

/* The cookie of the last message that has this event. */
uint64_t fake_broker_cookie(const char *event_id);
/* How often `part` occurs in what was published. */
size_t fake_broker_count(const char *part);

/* The fate of all that was published since the last call, to on_published. */
void fake_broker_fates(bool confirmed,
                       void (*fn)(const uint64_t *cookies, size_t count, bool confirmed));

/* A delivery with this id and body, both kept by the caller. */
struct broker_delivery fake_delivery(const char *message_id, const char *body);
/* These deliveries, as a batch of `queue`. */
struct broker_delivery *fake_batch(size_t queue, struct broker_delivery *deliveries, size_t count);

#endif
