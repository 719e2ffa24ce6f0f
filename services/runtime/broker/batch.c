#include "batch.h"

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
