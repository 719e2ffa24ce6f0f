/*
 * The broker's own layout. Reading order: broker.c (the API and the loop's side) → thread.c (what
 * both threads do: connect, reconnect, end) → publisher.c, consumer.c (the two threads) →
 * topology.c (the queues) → link.c (an AMQP connection). What passes between the loop and the
 * threads goes through queue.c (messages out, their fates back; deliveries in, and back), the
 * atomics below, an eventfd for each thread and one wake-up for the loop.
 */
#ifndef RUNTIME_BROKER_PRIVATE_H
#define RUNTIME_BROKER_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "broker.h"
#include "runtime/telemetry/metrics.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- queue.c: messages from the loop to the publisher, and their fates back ---- */

/*
 * Every function may be called from the thread named with it; each structure has its own lock, held
 * for a copy or a swap only.
 */

/*
 * One message on its way out. `properties` is NULL for an ordinary one; for a copy it holds the
 * encoded AMQP property list, and the ids but `message_id` are unused.
 */
struct send_item {
    struct broker_message message;
    const void *properties;
    size_t properties_length;
    uint64_t cookie;
    uint64_t queued_us;
    /* a copy of a delivery of this batch, for another queue; NULL: an ordinary message */
    struct delivery_batch *copied_from;
};

enum queue_mode { QUEUE_SHUT, QUEUE_BLOCKED, QUEUE_OPEN };

/* Messages waiting to be sent, bounded in number and bytes. */
struct send_queue {
    pthread_mutex_t lock;
    enum queue_mode mode;
    struct buf records;
    size_t count_max;
    size_t waiting; /* put and not yet reported by queue_sent() */
};

void queue_init(struct send_queue *sendq, size_t count_max);
void queue_done(struct send_queue *sendq);

/*
 * Loop thread: copy `item` to the end. ERR_UNAVAILABLE unless the mode is QUEUE_OPEN (the copy of
 * a delivery also passes QUEUE_BLOCKED, and is not held to the count), ERR_BUSY over a bound,
 * ERR_NO_MEMORY. `*ret_was_empty`: the publisher may be asleep and needs a signal.
 */
MUST_CHECK enum err queue_put(struct send_queue *sendq, const struct send_item *item,
                              bool *ret_was_empty);
size_t queue_waiting(struct send_queue *sendq); /* any thread */

/* Publisher thread. After QUEUE_SHUT nothing comes in, so one last take empties it for good. */
void queue_set_mode(struct send_queue *sendq, enum queue_mode mode);
/* Exchange the records for `records`, which must be empty; read them with queue_next(). */
void queue_take(struct send_queue *sendq, struct buf *records);
void queue_sent(struct send_queue *sendq, size_t count);

/* Consume the next record: false when there is none. `item` points into `records`. */
bool queue_next(struct buf *records, struct send_item *item);

struct fate_list {
    uint64_t *cookies;
    size_t count;
};

struct fate_set {
    struct fate_list lists[2]; /* [false] not confirmed, [true] confirmed */
};

/* What became of messages, from the publisher to the loop. Room for all that can be outstanding. */
struct fates {
    pthread_mutex_t lock;
    size_t capacity;
    struct fate_set posted;
};

MUST_CHECK enum err queue_fates_init(struct fates *fates, size_t capacity);
void queue_fates_done(struct fates *fates);
MUST_CHECK enum err queue_fate_set_init(struct fate_set *set, size_t capacity);
void queue_fate_set_done(struct fate_set *set);

/* Publisher thread. `copied_from` as in struct send_item: it is counted there, without cookie. */
void queue_fates_post(struct fates *fates, uint64_t cookie, struct delivery_batch *copied_from,
                      bool confirmed);
/* Loop thread: exchange what was posted for `set`, which is emptied first. */
void queue_fates_take(struct fates *fates, struct fate_set *set);
/* Loop thread: how many copies of the batch were confirmed, and not, since it was last asked. */
void queue_copies_take(struct fates *fates, struct delivery_batch *batch, size_t ret_count[2]);

/* ---- queue.c: deliveries of one queue, from the consumer to the loop and back ---- */

/*
 * A batch is filled by the consumer thread, read by the loop, used again. All texts and bodies live
 * in its arena. Not locked: it belongs to one thread at a time.
 */

/* What the broker keeps about a delivery besides what the caller sees. */
struct delivery_origin {
    const void *properties; /* encoded AMQP property list, as it came */
    size_t properties_length;
};

struct oversized {
    struct list node;
    uint64_t tag;
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
    size_t bytes;          /* of bodies and properties */
    uint64_t last_tag;     /* as the channel counts: acknowledging it covers the whole batch */
    uint64_t epoch;        /* of the connection that it came on */

    /* ---- in the loop's hands ---- */
    size_t copies[2]; /* under the lock of fates: posted, [false] failed and [true] confirmed */
    size_t copies_pending; /* with the publisher */
    bool failed;           /* a copy is lost, or it was returned: it must come again */
    bool ended;            /* broker_ack() or broker_return() was called; waits for its copies */

    /* ---- on its way back ---- */
    bool acknowledge;
    bool is_oldest; /* of those of its queue in the loop's hands */
};

/* NULL when there is no memory. */
struct delivery_batch *queue_batch_create(size_t count_max);
void queue_batch_destroy(struct delivery_batch *batch); /* accepts NULL */
void queue_batches_destroy(struct list *batches);       /* all in the list */
void queue_batch_reset(struct delivery_batch *batch, uint64_t epoch);
bool queue_batch_is_empty(const struct delivery_batch *batch);
bool queue_batch_is_full(const struct delivery_batch *batch);

/* Batches of one queue on their way to the loop and back. */
struct handover {
    pthread_mutex_t lock;
    bool is_wanted;                 /* the loop takes one more; at first it does */
    struct delivery_batch *offered; /* waits for the loop; NULL: none */
    struct list released;           /* on their way back, in the order of their release */
};

void queue_handover_init(struct handover *handover);
void queue_handover_done(struct handover *handover);

/* Consumer thread: true until queue_batch_offer(), and again after queue_batch_want(). */
bool queue_batch_is_wanted(struct handover *handover);
void queue_batch_offer(struct handover *handover, struct delivery_batch *batch);
/* Consumer thread: an offered batch that the loop has not taken yet, or NULL. It wants another. */
struct delivery_batch *queue_batch_withdraw(struct handover *handover);
/* Consumer thread: the next batch that the loop gave back, or NULL. */
struct delivery_batch *queue_batch_collect(struct handover *handover);

/* Loop thread: the offered batch, or NULL. */
struct delivery_batch *queue_batch_take(struct handover *handover);
void queue_batch_want(struct handover *handover);
void queue_batch_release(struct handover *handover, struct delivery_batch *batch);

/* ---- queue.c: messages sent and not yet settled, by delivery tag ---- */

/*
 * RabbitMQ numbers the messages of a channel in confirm mode from 1, and settles them with
 * basic.ack or basic.nack, singly or up to a tag, in any order. A mandatory message that no queue
 * takes comes back with basic.return, which carries no tag, before its basic.ack; it is recognised
 * by its routing key and message id. Publisher thread only.
 */

struct confirm_entry {
    uint64_t cookie;
    uint64_t queued_us;
    uint64_t sent_ms;
    uint64_t fingerprint;               /* queue_confirms_fingerprint() of the message */
    struct delivery_batch *copied_from; /* as in struct send_item */
    bool settled;
    bool returned;
};

typedef void confirm_fn(void *ctx, const struct confirm_entry *entry, bool confirmed);

struct confirms {
    struct confirm_entry *ring;
    size_t capacity;
    uint64_t first_tag; /* the oldest not settled; next_tag when there is none */
    uint64_t next_tag;
    size_t open; /* not settled */
    confirm_fn *fn;
    void *ctx;
};

/* `fn` learns each entry's fate, once. */
MUST_CHECK enum err queue_confirms_init(struct confirms *confirms, size_t capacity, confirm_fn *fn,
                                        void *ctx);
void queue_confirms_done(struct confirms *confirms);

/* The window from the oldest open entry is full: send nothing more. */
bool queue_confirms_full(const struct confirms *confirms);
/* When the oldest that is open was sent; UINT64_MAX: none is. */
uint64_t queue_confirms_oldest_sent_ms(const struct confirms *confirms);
/* The next message sent, in order. Not when full. */
void queue_confirms_add(struct confirms *confirms, const struct confirm_entry *entry);

/*
 * basic.ack (`ack`) or basic.nack; tag 0 with `multiple` means all so far. ERR_BAD_REPLY when the
 * tag was never sent; one already settled is ignored.
 */
MUST_CHECK enum err queue_confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple,
                                          bool ack);
/* basic.return of a message with this fingerprint: its ack will count as not confirmed. */
MUST_CHECK enum err queue_confirms_return(struct confirms *confirms, uint64_t fingerprint);
/* The connection ended: nothing open is confirmed, and tags start from 1 again. */
void queue_confirms_fail_all(struct confirms *confirms);

/* FNV-1a (64 bits) over both texts. */
uint64_t queue_confirms_fingerprint(const char *routing_key, size_t routing_key_length,
                                    const char *message_id, size_t message_id_length);

/* ---- link.c: one AMQP connection of a broker thread ---- */

/*
 * Login and topology through rabbitmq-c's blocking calls, each with a deadline; then frames are
 * encoded into one buffer, written when the socket takes them, and decoded from whatever it
 * holds, so that nothing here ever waits but link_wait().
 *
 * rabbitmq-c's own publish and receive calls are not used after the login: in 0.11 they can wait
 * for ever on a broker that throttles. The thread that owns the link calls everything, but
 * link_interrupt().
 */

enum {
    LINK_CHANNEL_MAX = 16,         /* at least BROKER_QUEUES_MAX + 1 */
    LINK_FRAME_BYTES_MAX = 131072, /* RabbitMQ's own default */
    LINK_FRAME_BYTES_MIN = 4096,   /* AMQP 0-9-1's frame-min-size */
    LINK_READ_BYTES = 131072,
    LINK_REASON_BYTES = 256,
    LINK_CHANNEL = 1, /* declares and publishes; consumers have LINK_CHANNEL + 1 + queue */
};

/* What a link needs of its thread; `wake_fd` is an eventfd that ends link_wait(). */
struct link_owner {
    const char *name; /* "publisher" or "consumer", for logs */
    const struct broker_options *options;
    const struct amqp_connection_info *target;
    int wake_fd;
    _Atomic bool closing;               /* set before wake_fd is signalled */
    _Atomic uint64_t close_deadline_ms; /* monotonic; valid once closing */
    pthread_mutex_t lock;
    int socket_fd;      /* under lock: for link_interrupt(); -1 */
    bool failure_known; /* the current outage is in the log: nothing more about it until it ends */
};

struct link {
    struct link_owner *owner;
    amqp_connection_state_t amqp;
    int fd;
    struct buf out;
    char *in;
    size_t frame_bytes_max; /* as negotiated */
    uint64_t heartbeat_ms;  /* as negotiated; 0: none */
    uint64_t sent_ms;
    uint64_t received_ms;
    bool closed_by_us;              /* connection.close-ok came */
    char reason[LINK_REASON_BYTES]; /* of the last failure */
};

/* A frame for the owner: any but heartbeats and closes. Valid during the call. */
typedef enum err link_frame_fn(void *ctx, const amqp_frame_t *frame);

MUST_CHECK enum err link_init(struct link *link, struct link_owner *owner);
void link_done(struct link *link);

/*
 * Connect, log in, open LINK_CHANNEL. ERR_UNAVAILABLE with link->reason, and the link closed.
 * ERR_DRAINING: the owner is closing.
 */
MUST_CHECK enum err link_open(struct link *link);
/* Forget the connection, gracefully or not. Harmless when there is none. */
void link_close(struct link *link);
/* Any thread: make a link_open() or topology_declare() under way fail at once. */
void link_interrupt(struct link_owner *owner);

/* A synchronous request during set-up (after link_open()); ERR_UNAVAILABLE with link->reason. */
MUST_CHECK enum err link_check(struct link *link, const char *what, amqp_rpc_reply_t reply);

/* Frames that rabbitmq-c read during the set-up; once, before link_wait(). */
MUST_CHECK enum err link_drain_setup(struct link *link, link_frame_fn *fn, void *ctx);

/* An entry of a table whose value is a text; both must stay. */
amqp_table_entry_t link_text_entry(const char *key, const char *value);

/* Append to link->out. ERR_NO_MEMORY. */
MUST_CHECK enum err link_put_method(struct link *link, amqp_channel_t channel,
                                    amqp_method_number_t id, void *method);
/* What the properties of a message may take: they must fit into one frame, as negotiated. */
size_t link_properties_bytes_max(const struct link *link);
/* basic.publish with its content: `properties` are encoded already, and no larger than that. */
MUST_CHECK enum err link_put_publish(struct link *link, amqp_basic_publish_t *publish,
                                     amqp_bytes_t properties, amqp_bytes_t body);

/* Write what the socket takes of link->out. */
MUST_CHECK enum err link_flush(struct link *link);
/*
 * Sleep until the socket is readable (or writable, when link->out is not empty), the wake_fd was
 * signalled, a heartbeat is due or `until_ms` (monotonic). Sends heartbeats; an error when the
 * broker's are missed.
 */
MUST_CHECK enum err link_wait(struct link *link, uint64_t until_ms, bool *ret_readable);
/* Read what is there and pass its frames on. Ends early, without error, on a large backlog. */
MUST_CHECK enum err link_read(struct link *link, link_frame_fn *fn, void *ctx);

/* connection.close, and wait for its answer until `deadline_ms`. Other frames are dropped. */
void link_say_goodbye(struct link *link, uint64_t deadline_ms);

/* Format link->reason and return ERR_UNAVAILABLE. */
MUST_CHECK enum err link_fail(struct link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reset the eventfd. */
void link_clear_wake(const struct link_owner *owner);

/* ---- topology.c ---- */

/*
 * After link_open(): what options say, with its dead-letter queues, on LINK_CHANNEL. A queue that
 * is there already with another type or other arguments (x-…) is used as it is, which is logged;
 * one that would lose what it is given (not durable, auto_delete, a stream) is refused.
 * ERR_UNAVAILABLE with link->reason; what the broker refused is logged once an outage.
 */
MUST_CHECK enum err topology_declare(struct link *link);

enum { TOPOLOGY_NAME_BYTES = BROKER_ROUTING_KEY_BYTES_MAX + 1 };
/* The queue beside `queue`, or beside that which it is the retry queue of. */
void topology_companion(const struct broker_queue *queue, const char *suffix,
                        char ret_name[TOPOLOGY_NAME_BYTES]);

/* ---- the whole; its metrics are in thread.c, below those who count ---- */

enum {
    M_SENT,
    M_CONFIRMED,
    M_UNCONFIRMED,
    M_RETURNED,
    M_DELIVERIES,
    M_REDELIVERIES,
    M_ACKED,
    M_PARKED,
    M_SET_ASIDE,
    M_REJECTED,
    M_RECONNECTS_PUBLISHER,
    M_RECONNECTS_CONSUMER,
    M_QUEUE_DEPTH,
    M_INFLIGHT,
    M_CONFIRM_SECONDS,
    M_BATCH_SIZE,
    M_DEAD_LETTERS,
    M_COUNT
};
extern struct metric broker_metrics[M_COUNT];

struct broker_thread;

/* What differs between the two threads. */
struct broker_thread_kind {
    const char *name;        /* "publisher" or "consumer", for logs */
    const char *thread_name; /* for the kernel */
    struct metric *reconnects;
    enum err (*session)(struct broker_thread *thread); /* while connected; ERR_OK: it drained */
    void (*lost)(struct broker_thread *thread);        /* the connection is gone */
};

struct broker_thread {
    const struct broker_thread_kind *kind;
    struct link_owner owner;
    struct broker *broker;
    struct link link;
    struct backoff backoff;
    pthread_t id;
    bool started; /* loop thread: to be joined */
    uint64_t up_since_ms;
    _Atomic bool finished; /* the thread touches nothing any more */
};

struct broker_publisher {
    struct broker_thread thread;
    struct send_queue sendq;
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
    size_t bytes;                   /* of all batches that are not in `free` */
    uint16_t prefetch;              /* of the next connection */
    bool is_consumed;               /* basic.consume-ok has come */

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
    size_t consuming_count; /* queues with basic.consume-ok */
    uint64_t consume_by_ms; /* those that have none by then are named */
    uint64_t epoch;         /* counts connections */
    bool signal_loop;
    uint64_t letters_ms;    /* when dead letters are next counted */
    size_t letters_pending; /* queues that have not answered yet */
    int64_t letters;        /* those that have */
    _Atomic uint64_t recycle_epoch; /* the loop asks to end the connection of this epoch */
};

struct broker {
    struct loop *loop;
    struct broker_options options;
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
    struct list held[BROKER_QUEUES_MAX]; /* batches in the loop's hands, oldest first */
    struct loop_task wake_task;          /* once a tick: signal the threads that have work */
    bool wake_publisher;
    bool wake_consumer;
    bool closing;
    bool close_expired;
    uint64_t close_deadline_ms;
    struct loop_timer close_timer;
    loop_fn *on_closed;
    void *on_closed_ctx;
};

/* ---- thread.c: the life of both threads ---- */

/* ERR_NO_MEMORY, ERR_INTERNAL; broker_thread_done() in any case. */
MUST_CHECK enum err broker_thread_init(struct broker_thread *thread, struct broker *broker,
                                       const struct broker_thread_kind *kind);
/*
 * Until it is closed: open the link, kind->session until it fails or the thread is closing,
 * kind->lost, wait, again.
 */
MUST_CHECK enum err broker_thread_start(struct broker_thread *thread);
void broker_thread_done(struct broker_thread *thread);
/* Loop thread. */
void broker_thread_wake(struct broker_thread *thread);
void broker_thread_close(struct broker_thread *thread, uint64_t deadline_ms);
bool broker_thread_ended(const struct broker_thread *thread); /* finished, or never started */
/* In a session. */
bool broker_thread_past_deadline(const struct broker_thread *thread);
/* For link_wait(): the close deadline, or far away. */
uint64_t broker_thread_wait_until_ms(const struct broker_thread *thread);

/* ---- publisher.c, consumer.c: the two threads ---- */

MUST_CHECK enum err broker_publisher_init(struct broker_publisher *publisher,
                                          struct broker *broker);
void broker_publisher_done(struct broker_publisher *publisher);

MUST_CHECK enum err broker_consumer_init(struct broker_consumer *consumer, struct broker *broker);
void broker_consumer_done(struct broker_consumer *consumer);

#endif
