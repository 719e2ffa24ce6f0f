/*
 * What passes between the loop's thread and the two broker threads: messages to send, their fates,
 * and batches of deliveries. Every function here may be called from the thread named with it; each
 * structure has its own lock, held for a copy or a swap only.
 */
#ifndef RUNTIME_BROKER_QUEUE_H
#define RUNTIME_BROKER_QUEUE_H

#include "base/buf.h"
#include "broker.h"

#include <pthread.h>

enum { BROKER_NO_PARK = 255 };

/*
 * One message on its way out. `properties` is NULL for an ordinary one; for a parked delivery it
 * holds the encoded AMQP property list, and the ids but `message_id` are unused.
 */
struct send_item {
    struct broker_message message;
    const void *properties;
    size_t properties_length;
    uint64_t cookie;
    uint64_t queued_us;
    uint8_t park_queue; /* index of the queue that it was parked from, or BROKER_NO_PARK */
};

enum sendq_mode { SENDQ_SHUT, SENDQ_BLOCKED, SENDQ_OPEN };

/* Messages waiting to be sent, bounded in number and bytes. */
struct sendq {
    pthread_mutex_t lock;
    enum sendq_mode mode;
    struct buf records;
    size_t count_max;
    size_t waiting; /* put and not yet reported by sendq_sent() */
};

void sendq_init(struct sendq *sendq, size_t count_max);
void sendq_done(struct sendq *sendq);

/*
 * Loop thread: copy `item` to the end. ERR_UNAVAILABLE unless the mode is SENDQ_OPEN (a parked
 * delivery also passes SENDQ_BLOCKED, and is not held to the count), ERR_BUSY over a bound,
 * ERR_NO_MEMORY. `*ret_was_empty`: the publisher may be asleep and needs a signal.
 */
MUST_CHECK enum err sendq_put(struct sendq *sendq, const struct send_item *item,
                              bool *ret_was_empty);
size_t sendq_waiting(struct sendq *sendq); /* any thread */

/* Publisher thread. After SENDQ_SHUT nothing comes in, so one last take empties it for good. */
void sendq_set_mode(struct sendq *sendq, enum sendq_mode mode);
/* Exchange the records for `records`, which must be empty; read them with send_item_next(). */
void sendq_take(struct sendq *sendq, struct buf *records);
void sendq_sent(struct sendq *sendq, size_t count);

/* Consume the next record: false when there is none. `item` points into `records`. */
bool send_item_next(struct buf *records, struct send_item *item);

/* ---- fates of messages ---- */

struct fate_list {
    uint64_t *cookies;
    size_t count;
};

struct fate_set {
    struct fate_list lists[2];          /* [false] not confirmed, [true] confirmed */
    size_t parks[BROKER_QUEUES_MAX][2]; /* likewise, by the queue that they were parked from */
};

/* What became of messages, from the publisher to the loop. Room for all that can be outstanding. */
struct fates {
    pthread_mutex_t lock;
    size_t capacity;
    struct fate_set posted;
};

MUST_CHECK enum err fates_init(struct fates *fates, size_t capacity);
void fates_done(struct fates *fates);
MUST_CHECK enum err fate_set_init(struct fate_set *set, size_t capacity);
void fate_set_done(struct fate_set *set);

/* Publisher thread. */
void fates_post(struct fates *fates, uint64_t cookie, uint8_t park_queue, bool confirmed);
/* Loop thread: exchange what was posted for `set`, which is emptied first. */
void fates_take(struct fates *fates, struct fate_set *set);

/* ---- one queue's batch in the loop's hands ---- */

struct delivery_batch;

enum handover_state {
    HANDOVER_IDLE,     /* the loop has nothing: offer the next one */
    HANDOVER_OFFERED,  /* waits for the loop */
    HANDOVER_HELD,     /* in the loop's hands */
    HANDOVER_RELEASED, /* on its way back */
};

struct handover {
    pthread_mutex_t lock;
    enum handover_state state;
    struct delivery_batch *batch;
    bool acknowledge;
};

void handover_init(struct handover *handover);
void handover_done(struct handover *handover);

/* Consumer thread: the last one came back; only handover_offer() ends this state. */
bool handover_is_idle(struct handover *handover);
void handover_offer(struct handover *handover, struct delivery_batch *batch);
/* Consumer thread: an offered batch that the loop has not taken yet, or NULL. */
struct delivery_batch *handover_withdraw(struct handover *handover);
/* Consumer thread: the batch that the loop gave back, or NULL. */
struct delivery_batch *handover_collect(struct handover *handover, bool *ret_acknowledge);

/* Loop thread: the offered batch, or NULL. */
struct delivery_batch *handover_take(struct handover *handover);
void handover_release(struct handover *handover, bool acknowledge);

#endif
