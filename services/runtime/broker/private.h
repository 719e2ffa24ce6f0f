/*
 * The broker's own layout: broker.c is the API and the loop's side, broker_publisher.c and
 * broker_consumer.c are the two threads. What they share goes through broker_queue.h, the atomics
 * below, an eventfd for each thread and one wake-up for the loop.
 */
#ifndef RUNTIME_BROKER_PRIVATE_H
#define RUNTIME_BROKER_PRIVATE_H

#include "batch.h"
#include "confirms.h"
#include "connection.h"
#include "queue.h"
#include "runtime/loop/backoff.h"
#include "runtime/loop/loop.h"
#include "runtime/telemetry/metrics.h"

enum {
    M_PUBLISHED,
    M_CONFIRMED,
    M_UNCONFIRMED,
    M_RETURNED,
    M_DELIVERIES,
    M_REDELIVERIES,
    M_ACKED,
    M_PARKED,
    M_REJECTED,
    M_RECONNECTS_PUBLISHER,
    M_RECONNECTS_CONSUMER,
    M_QUEUE_DEPTH,
    M_INFLIGHT,
    M_CONFIRM_SECONDS,
    M_BATCH_SIZE,
    M_COUNT
};
extern struct metric broker_metrics[M_COUNT];

struct broker_thread {
    struct link_owner owner;
    struct broker *broker;
    struct link link;
    struct backoff backoff;
    pthread_t id;
    bool started; /* loop thread: to be joined */
    uint64_t up_since_ms;
    _Atomic bool finished; /* the thread touches nothing any more */
    struct metric *reconnects;
};

struct broker_publisher {
    struct broker_thread thread;
    struct sendq sendq;
    struct buf records; /* taken from sendq and not yet sent */
    struct confirms confirms;
    struct fates fates;
    bool fates_posted; /* since the loop was signalled */
    bool blocked;
    uint64_t epoch;         /* counts connections */
    bool redeclare;         /* a message was returned: connect again when nothing is in flight */
    uint64_t redeclared_ms; /* when that was last decided; 0: never */
    char returned_key[BROKER_ROUTING_KEY_BYTES_MAX + 1]; /* of the last basic.return */
    char *properties;                                    /* PROPERTIES_BYTES, for encoding */
    _Atomic size_t properties_bytes_max; /* of the connection, for the loop's parked copies */
    uint64_t unblocked_ms;               /* when it last began to take messages */
};

/* One consumed queue; the channel is LINK_CHANNEL + 1 + its index. */
struct broker_consumer_queue {
    struct handover handover;
    struct list ready; /* batches to offer, oldest first; the last may still be filling */
    struct list free;
    struct delivery_batch *filling; /* last of `ready`, or NULL */

    /* The delivery whose frames are coming in. */
    enum { ASSEMBLE_NOTHING, ASSEMBLE_HEADER, ASSEMBLE_BODY, ASSEMBLE_SKIP } assembling;
    struct broker_delivery delivery;
    struct delivery_origin origin;
    char routing_key[BROKER_ROUTING_KEY_BYTES_MAX + 1];
    uint64_t tag;
    char *body;
    uint64_t body_length;
    uint64_t body_received;
};

struct broker_consumer {
    struct broker_thread thread;
    struct broker_consumer_queue queues[BROKER_QUEUES_MAX];
    size_t queue_count;
    size_t consuming_count; /* basic.consume-ok */
    uint64_t epoch;         /* counts connections */
    bool signal_loop;
    _Atomic uint64_t recycle_epoch; /* the loop asks to end the connection of this epoch */
};

/* What the loop knows of the batch in its hands. */
struct held_batch {
    struct delivery_batch *batch; /* NULL: none */
    size_t parks_pending;
    bool park_failed;
    bool acknowledged; /* broker_ack_batch() was called; waits for parks */
};

struct broker {
    struct loop *loop;
    struct broker_options options; /* strings are our own */
    struct broker_queue declare_only[BROKER_QUEUES_MAX];
    char *url; /* cut into `target` */
    struct amqp_connection_info target;
    struct broker_callbacks callbacks;
    void *ctx;

    struct broker_publisher publisher;
    struct broker_consumer consumer;
    _Atomic uint64_t publish_state; /* epoch << 2 | enum broker_state */
    _Atomic bool consuming;
    struct loop_wakeup wakeup; /* either thread → loop */

    /* Loop thread only. */
    uint64_t told_state;   /* publish_state as on_state knows it */
    struct fate_set fates; /* being reported */
    size_t outstanding;    /* published and not reported */
    size_t outstanding_max;
    struct held_batch held[BROKER_QUEUES_MAX];
    struct loop_task wake_task; /* once a tick: signal the threads that have work */
    bool wake_publisher;
    bool wake_consumer;
    bool closing;
    bool close_expired;
    uint64_t close_deadline_ms;
    struct loop_timer close_timer;
    loop_fn *on_closed;
    void *on_closed_ctx;
};

/* ---- broker_thread.c ---- */

/* ERR_NO_MEMORY, ERR_INTERNAL; broker_thread_done() in any case. */
MUST_CHECK enum err broker_thread_init(struct broker_thread *thread, struct broker *broker,
                                       const char *name, struct metric *reconnects);
MUST_CHECK enum err broker_thread_start(struct broker_thread *thread, void *(*main_fn)(void *),
                                        void *arg);
void broker_thread_done(struct broker_thread *thread);
/* Loop thread. */
void broker_thread_wake(struct broker_thread *thread);
void broker_thread_close(struct broker_thread *thread, uint64_t deadline_ms);
bool broker_thread_ended(const struct broker_thread *thread); /* finished, or never started */

/*
 * The life of both threads: open the link, `session` until it fails or the thread is closing,
 * `lost`, wait, again. `session` returns ERR_OK when it drained on purpose.
 */
struct session_fns {
    enum err (*session)(void *ctx);
    void (*lost)(void *ctx);
    void *ctx;
};
void broker_thread_live(struct broker_thread *thread, const struct session_fns *fns);
bool broker_thread_past_deadline(const struct broker_thread *thread);
/* For link_wait(): the close deadline, or far away. */
uint64_t broker_thread_wait_until_ms(const struct broker_thread *thread);
/* Any broker thread. */
void broker_signal_loop(struct broker *broker);

void *broker_publisher_main(void *publisher);
MUST_CHECK enum err broker_publisher_init(struct broker_publisher *publisher,
                                          struct broker *broker);
void broker_publisher_done(struct broker_publisher *publisher);

void *broker_consumer_main(void *consumer);
MUST_CHECK enum err broker_consumer_init(struct broker_consumer *consumer, struct broker *broker);
void broker_consumer_done(struct broker_consumer *consumer);

/* ---- broker_park.c: loop thread ---- */

/* Queue the copy of a delivery for "<queue>.dlq". ERR_UNAVAILABLE, ERR_NO_MEMORY, ERR_BAD_REPLY. */
MUST_CHECK enum err park_send(struct broker *broker, size_t queue,
                              const struct broker_message *message,
                              const struct delivery_origin *origin, const char *reason);

#endif
