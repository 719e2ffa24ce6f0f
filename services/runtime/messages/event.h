/*
 * Events as they travel: CloudEvents 1.0.2 in its JSON event format, in batches (JSON Event Format
 * 1.0.2, section 4: application/cloudevents-batch+json), over AMQP 0-9-1.
 *
 * Written is always a batch. Read is also what other programs send: a lone structured event, one in
 * binary mode (its attributes are the message's, see broker.h), and bare data, as versions before
 * the batch and the system that this one comes from sent it. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_EVENT_H
#define RUNTIME_MESSAGES_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/str.h"
#include "base/trace.h"
#include "runtime/broker/broker.h"

#include <stddef.h>
#include <stdint.h>

#define EVENT_CONTENT_TYPE "application/cloudevents-batch+json"

enum {
    EVENT_COUNT_MAX = 1000, /* of a batch that is received, or written */
    EVENT_ID_BYTES_MAX = 128,
};

/* The attributes that one of ours has. Strings are NUL-terminated. */
struct event_head {
    const char *type;    /* the routing key: "order.created" */
    const char *source;  /* "/order-service" */
    const char *subject; /* "orders/7"; NULL: none */
    const char *id;      /* the same when it is told again; at most EVENT_ID_BYTES_MAX */
    int64_t time_ms;     /* when it happened */
    struct trace trace;
};

/*
 * Begin an event; what the caller writes next is its member "data"; then json_write_end_object().
 */
void event_begin(struct json_writer *writer, struct buf *out, const struct event_head *head);

/* One event more, whole, on a batch in `out`; and its end. Failure is the buffer's. */
void event_batch_add(struct buf *out, struct str event);
void event_batch_end(struct buf *out);
/* How long a batch of `bytes` is when an event of `more` has been added and it has ended. */
size_t event_batch_bytes(size_t bytes, size_t more);

/* An event as it was received. */
struct event {
    const char *type; /* NULL: bare data, of the type that its queue is for */
    const char *id;   /* "" when absent */
    struct trace trace;
    struct str data;  /* JSON */
    struct str whole; /* as it came: the event; what is neither batch nor structured: the body */
    const char *why;  /* NULL, or what is wrong with its attributes: it can never succeed */
};

/*
 * The events of a message, in the arena; they point into it and into the message. ERR_INVALID: the
 * batch is no JSON; ERR_TOO_LARGE: it has more than EVENT_COUNT_MAX. *ret_why (static storage) says
 * it. ERR_NO_MEMORY.
 */
MUST_CHECK enum err event_read(struct arena *arena, const struct broker_message *message,
                               struct event **ret_events, size_t *ret_count, const char **ret_why);

/*
 * One of ours as versions before the batch sent it: its data with the members `requestId` and
 * `timestamp` at the end, appended to `out`. ERR_INVALID: it is none of ours.
 */
MUST_CHECK enum err event_write_bare(struct arena *arena, struct str event, int64_t now_ms,
                                     struct buf *out);

#endif
