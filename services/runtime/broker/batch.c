/* Batches of deliveries: made, and handed from the consumer thread to the loop and back. */
#include "private.h"

#include <assert.h>
#include <stdlib.h>

/* Per delivery: the body, and properties that together fit one frame. */
enum { DELIVERY_BYTES_MAX = BROKER_PARK_BODY_BYTES_MAX + 131072 + 4096 };

struct delivery_batch *batch_create(size_t count_max) {
    struct delivery_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        return NULL;
    }
    list_init(&batch->node);
    list_init(&batch->oversized);
    arena_init(&batch->arena, (count_max + 1) * DELIVERY_BYTES_MAX);
    batch->count_max = count_max;
    batch->deliveries = calloc(count_max, sizeof(*batch->deliveries));
    batch->origins = calloc(count_max, sizeof(*batch->origins));
    if (batch->deliveries == NULL || batch->origins == NULL) {
        batch_destroy(batch);
        return NULL;
    }
    return batch;
}

void batch_destroy(struct delivery_batch *batch) {
    if (batch == NULL) {
        return;
    }
    list_remove(&batch->node);
    arena_done(&batch->arena);
    free(batch->deliveries);
    free(batch->origins);
    free(batch);
}

void batch_reset(struct delivery_batch *batch, uint64_t epoch) {
    arena_reset(&batch->arena);
    list_init(&batch->oversized);
    batch->count = 0;
    batch->last_tag = 0;
    batch->epoch = epoch;
}

bool batch_is_empty(const struct delivery_batch *batch) {
    return batch->count == 0 && list_is_empty(&batch->oversized);
}

/* One oversized delivery fills a batch, so that few of them are in memory at once. */
bool batch_is_full(const struct delivery_batch *batch) {
    return batch->count == batch->count_max || !list_is_empty(&batch->oversized);
}

/* ---- one queue's batch in the loop's hands ---- */

void batch_handover_init(struct handover *handover) {
    *handover = (struct handover){ .state = HANDOVER_IDLE };
    pthread_mutex_init(&handover->lock, NULL);
}

void batch_handover_done(struct handover *handover) {
    pthread_mutex_destroy(&handover->lock);
}

/* Move from `from` to `to` and return the batch, NULL (nothing changed) in another state. */
static struct delivery_batch *handover_move(struct handover *handover, enum handover_state from,
                                            enum handover_state to) {
    struct delivery_batch *batch = NULL;
    pthread_mutex_lock(&handover->lock);
    if (handover->state == from) {
        handover->state = to;
        batch = handover->batch;
    }
    pthread_mutex_unlock(&handover->lock);
    return batch;
}

bool batch_handover_is_idle(struct handover *handover) {
    pthread_mutex_lock(&handover->lock);
    bool idle = handover->state == HANDOVER_IDLE;
    pthread_mutex_unlock(&handover->lock);
    return idle;
}

void batch_offer(struct handover *handover, struct delivery_batch *batch) {
    pthread_mutex_lock(&handover->lock);
    assert(handover->state == HANDOVER_IDLE);
    handover->state = HANDOVER_OFFERED;
    handover->batch = batch;
    pthread_mutex_unlock(&handover->lock);
}

struct delivery_batch *batch_withdraw(struct handover *handover) {
    return handover_move(handover, HANDOVER_OFFERED, HANDOVER_IDLE);
}

struct delivery_batch *batch_collect(struct handover *handover, bool *ret_acknowledge) {
    struct delivery_batch *batch = handover_move(handover, HANDOVER_RELEASED, HANDOVER_IDLE);
    if (batch != NULL) {
        *ret_acknowledge =
            handover->acknowledge; /* written before RELEASED, not again until HELD */
    }
    return batch;
}

struct delivery_batch *batch_take(struct handover *handover) {
    return handover_move(handover, HANDOVER_OFFERED, HANDOVER_HELD);
}

void batch_release(struct handover *handover, bool acknowledge) {
    pthread_mutex_lock(&handover->lock);
    assert(handover->state == HANDOVER_HELD);
    handover->state = HANDOVER_RELEASED;
    handover->acknowledge = acknowledge;
    pthread_mutex_unlock(&handover->lock);
}
