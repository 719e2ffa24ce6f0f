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

struct fake_parked {
    const struct broker_delivery *delivery;
    char body[256]; /* "" when it is the delivery's */
    char reason[128];
};

struct broker {
    enum broker_state state;
    enum err publish_err;   /* of broker_publish() */
    size_t publish_ok_left; /* so many succeed before publish_err */
    struct fake_message messages[FAKE_BROKER_MESSAGES_MAX];
    size_t published;
    struct fake_parked parked[FAKE_BROKER_MESSAGES_MAX];
    size_t parked_count;
    size_t acks[BROKER_QUEUES_MAX]; /* batches */
    bool consuming;
};

extern struct broker fake_broker;

void fake_broker_reset(void);

/* The cookie of the last message that has this event. */
uint64_t fake_broker_cookie(const char *event_id);
/* How often `part` occurs in what was published. */
size_t fake_broker_count(const char *part);

/* A delivery of queue 0 with this id and body, both kept by the caller. */
struct broker_delivery fake_delivery(const char *message_id, const char *body);

#endif
