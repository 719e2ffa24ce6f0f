/*
 * RabbitMQ for a loop that must never block.
 *
 * rabbitmq-c has no asynchronous interface, and a throttling broker freezes whoever writes to it.
 * So publishing and consuming live in two threads with a connection and a channel each, behind
 * bounded queues; eventfds wake the loop. All functions and callbacks here belong to the loop's
 * thread.
 *
 * Both threads declare the topology after each connect (exchange, queues with their dead-letter
 * queues, bindings), and reconnect for ever with jittered backoff. A durable queue that exists with
 * another type or other arguments is used as it is, and logged. What was published and not yet
 * confirmed when a connection ends is reported as not confirmed; what was delivered and not yet
 * acknowledged comes again (at least once), and its old tags are ignored.
 *
 * AMQP 0-9-1, publisher confirms and connection.blocked as documented by RabbitMQ.
 */
#ifndef RUNTIME_BROKER_BROKER_H
#define RUNTIME_BROKER_BROKER_H

#include "base/err.h"
#include "base/trace.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct delivery_batch;

/*
 * A queue, with its dead-letter queue "<name>.dlq". One that is named "<retry_of>.retry" is where
 * the events of queue `retry_of` come again that were set aside; its dead letters go to that
 * one's.
 */
struct broker_queue {
    const char *name;            /* "order.created.product-service" */
    const char *routing_keys[4]; /* bound to the exchange with these; NULL ends the list */
    const char *retry_of;        /* or NULL */
};

#define BROKER_RETRY_SUFFIX ".retry"
#define BROKER_DLQ_SUFFIX ".dlq"
#define BROKER_ATTEMPTS_HEADER "x-prodorder-attempts" /* a decimal number */

enum {
    BROKER_QUEUES_MAX = 8, /* consumed; and as many declared for others */
    BROKER_ROUTING_KEY_BYTES_MAX = 255,
    BROKER_ID_BYTES_MAX = 128,
    BROKER_BODY_BYTES_MAX = 1024 * 1024,
    BROKER_CONTENT_TYPE_BYTES_MAX = 255,
    BROKER_QUEUED_BYTES_MAX = 16 * 1024 * 1024,  /* of all messages waiting to be sent */
    BROKER_IN_HAND_BYTES_MAX = 16 * 1024 * 1024, /* of a queue's deliveries that are outstanding */
    BROKER_ATTEMPTS_MAX = 1000000,               /* then it is counted anew */
    /* a larger delivery is dead-lettered by the broker itself */
    BROKER_PARK_BODY_BYTES_MAX = 2 * 1024 * 1024,
};

/*
 * A message on its way out or in. Strings are NUL-terminated; "" when absent. In a delivery, a
 * traceparent or tracestate that is malformed is absent, and there is no state without a parent.
 *
 * One in the binary mode of CloudEvents (AMQP binding 1.0.2, 3.1), with headers cloudEvents:… or
 * cloudEvents_…, has its id, request id and trace from there.
 */
struct broker_message {
    const char *routing_key;  /* at most 255 bytes; sent: the property type, too */
    const char *content_type; /* sent; not looked at in a delivery */
    const char *message_id;   /* at most BROKER_ID_BYTES_MAX */
    const char *event_type;   /* received: of binary mode; NULL in any other */
    struct trace trace;       /* correlation_id and the headers traceparent and tracestate */
    const char *body;         /* JSON; NUL-terminated in a delivery */
    size_t body_length;       /* at most BROKER_BODY_BYTES_MAX */
};

struct broker_delivery {
    struct broker_message message; /* valid until broker_ack(); an id over its limit is "" */
    struct delivery_batch *batch;  /* that it came with */
    size_t queue;                  /* index into options.queues */
    uint64_t tag;                  /* opaque: holds the connection's epoch too */
    unsigned attempts;             /* how often it was set aside */
    bool redelivered;
};

enum broker_state { BROKER_DOWN, BROKER_UP, BROKER_BLOCKED };

struct broker_callbacks {
    /* Publishing connection: down, up, or blocked by the broker (memory or disk alarm). */
    void (*on_state)(void *ctx, enum broker_state state);
    /*
     * The fate of messages, in batches: `confirmed` or not (nack, return, connection lost). That of
     * what a connection took with it comes after on_state(BROKER_DOWN).
     */
    void (*on_published)(void *ctx, const uint64_t *cookies, size_t count, bool confirmed);
    /*
     * A batch of deliveries, at least one, in arrival order, all of queue `queue`. The array and
     * its messages stay valid until broker_ack() or broker_return(). The next batch of the queue is
     * handed over after broker_next(): what arrives meanwhile (at most `batch_max`). A body of more
     * than BROKER_BODY_BYTES_MAX is never handed over: it is parked with the reason "too_large".
     */
    void (*on_deliveries)(void *ctx, size_t queue, struct broker_delivery *deliveries,
                          size_t count);
};

struct broker_options {
    const char *url; /* amqp://user:password@host:port/vhost (the password is never logged) */
    const char *connection_name; /* shown in the management UI: "order-service"; messages' app_id */
    const char *exchange;        /* durable topic exchange */
    /* The queues to consume; name NULL ends the list. */
    struct broker_queue queues[BROKER_QUEUES_MAX];
    /* Queues of other services that must exist before the first publish, or it were unroutable. */
    const struct broker_queue *declare_only;
    size_t declare_only_count; /* at most BROKER_QUEUES_MAX */
    bool classic_queues;       /* declare them so; else as quorum queues */
    uint32_t heartbeat_s;
    uint32_t rpc_timeout_ms;     /* connecting, declaring, until consuming */
    size_t publish_queue_max;    /* messages waiting to be sent; over it ERR_BUSY */
    size_t publish_inflight_max; /* sent and not confirmed */
    uint32_t confirm_timeout_ms; /* without a confirm the connection is recycled; 0: a minute */
    uint16_t prefetch;           /* per queue */
    size_t batch_max;            /* deliveries per on_deliveries */
    uint32_t backoff_base_ms, backoff_cap_ms;
};

/*
 * Start the threads. Never waits for the broker. ERR_INVALID: malformed URL (logged without the
 * password). The broker not being there is not an error. What `options` points to must stay.
 */
MUST_CHECK enum err broker_open(struct loop *loop, const struct broker_options *options,
                                const struct broker_callbacks *callbacks, void *ctx,
                                struct broker **ret_broker);

/* For /readyz: the publishing side; whether every queue is being consumed (true without any). */
enum broker_state broker_publish_state(const struct broker *broker);
bool broker_is_consuming(const struct broker *broker);

/*
 * Queue one persistent message (mandatory; its app_id is options.connection_name) for the
 * publishing thread. Everything is copied. Its fate comes to on_published with `cookie`, exactly
 * once, unless the call fails: ERR_UNAVAILABLE when down or blocked, ERR_BUSY when the queue is
 * full, ERR_TOO_LARGE, ERR_DRAINING after broker_close().
 */
MUST_CHECK enum err broker_publish(struct broker *broker, const struct broker_message *message,
                                   uint64_t cookie);

/* `queue` (index into options.queues) may hand over its next batch. */
void broker_next(struct broker *broker, size_t queue);
/*
 * Acknowledge a batch and give its memory back: once for each, in any order. Not acknowledging for
 * long is allowed: what is outstanding counts against the queue's prefetch only.
 */
void broker_ack(struct broker *broker, struct delivery_batch *batch);
/*
 * Give a batch back so that it comes again, and with it all that is outstanding: the consuming
 * connection is recycled.
 */
void broker_return(struct broker *broker, struct delivery_batch *batch);
/*
 * Publish a delivery of a batch in hand, or one event of it as `body`, to its dead-letter queue
 * (default exchange; the delivery's properties and headers, and x-prodorder-reason, a word;
 * x-prodorder-detail, a sentence; x-prodorder-queue, x-prodorder-time). `body` is copied; .data
 * NULL: the delivery's. It is acknowledged with its batch, but only after the copy is confirmed:
 * broker_ack() waits for it. If the copy fails, the batch comes again as after broker_return().
 * Both texts are copied.
 */
void broker_park(struct broker *broker, const struct broker_delivery *delivery, struct str body,
                 const char *reason, const char *detail);
/*
 * The same, but to its retry queue, which must be among options.queues: it comes again from there,
 * alone, with its count of attempts (x-prodorder-attempts).
 */
void broker_set_aside(struct broker *broker, const struct broker_delivery *delivery,
                      struct str body, const char *reason, unsigned attempts);

/*
 * Drain: hand over nothing more, refuse new messages, send what is queued, wait for confirms, and
 * for acknowledgements that were asked for, at most `deadline_ms` in all; then on_closed(ctx), and
 * the threads have ended. What is left is reported as not confirmed before; a batch not
 * acknowledged before this call comes again. Only a name lookup under way can make it later than
 * the deadline. Once.
 */
void broker_close(struct broker *broker, uint32_t deadline_ms, loop_fn *on_closed, void *ctx);
/* After on_closed, or from it. Accepts NULL. */
void broker_free(struct broker *broker);

#endif
