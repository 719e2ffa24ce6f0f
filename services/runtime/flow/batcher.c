/* Batches: a ring of items that wait, and batches that are idle or under way. */
#include "batcher.h"

#include "runtime/telemetry/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES_MAX_DEFAULT = 64 * 1024 * 1024 };

static void flush(void *ctx);

enum err batcher_init(struct batcher *batcher, struct loop *loop,
                      const struct batcher_options *options) {
    assert(options->batch_max > 0 && options->inflight_max > 0 && options->queue_max > 0);
    size_t arena_bytes_max =
        options->arena_bytes_max > 0 ? options->arena_bytes_max : ARENA_BYTES_MAX_DEFAULT;
    *batcher = (struct batcher){ .options = *options, .loop = loop, .gather = options->gather };
    loop_task_init(&batcher->flush, flush, batcher);
    loop_timer_init(&batcher->later, flush, batcher);
    list_init(&batcher->idle);
    batcher->queue = calloc(options->queue_max, options->item_bytes);
    batcher->batches = calloc(options->inflight_max, sizeof(*batcher->batches));
    if (batcher->queue == NULL || batcher->batches == NULL) {
        batcher_done(batcher);
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < options->inflight_max; i++) {
        struct batch *batch = &batcher->batches[i];
        batch->batcher = batcher;
        arena_init(&batch->arena, arena_bytes_max);
        batch->items = calloc(options->batch_max, options->item_bytes);
        if (batch->items == NULL) {
            batcher_done(batcher);
            return ERR_NO_MEMORY;
        }
        list_append(&batcher->idle, &batch->node);
    }
    return ERR_OK;
}

void batcher_done(struct batcher *batcher) {
    if (batcher->batches != NULL) {
        assert(batcher->inflight == 0);
        for (size_t i = 0; i < batcher->options.inflight_max; i++) {
            free(batcher->batches[i].items);
            if (batcher->batches[i].batcher != NULL) {
                arena_done(&batcher->batches[i].arena);
            }
        }
        loop_task_cancel(&batcher->flush);
        loop_timer_stop(batcher->loop, &batcher->later);
    }
    free(batcher->batches);
    free(batcher->queue);
    *batcher = (struct batcher){ 0 };
}

/* How long the next batch still gathers; a full one does not. */
static uint64_t gather_ms(const struct batcher *batcher) {
    bool is_full = batcher->waiting >= batcher->options.batch_max;
    return is_full ? 0 : gather_left_ms(&batcher->gather);
}

static bool can_begin(const struct batcher *batcher) {
    return batcher->waiting > 0 && batcher->inflight < batcher->options.inflight_max;
}

static void schedule(struct batcher *batcher) {
    if (!can_begin(batcher)) {
        return;
    }
    uint64_t ms = gather_ms(batcher);
    if (ms == 0) {
        loop_task_queue(batcher->loop, &batcher->flush, LOOP_TASK_FLUSH);
    } else if (!loop_timer_armed(&batcher->later)) {
        loop_timer_start(batcher->loop, &batcher->later, ms);
    }
}

enum err batcher_add(struct batcher *batcher, const void *item) {
    size_t capacity = batcher->options.queue_max;
    if (batcher->waiting == capacity) {
        return ERR_BUSY;
    }
    size_t slot = (batcher->head + batcher->waiting) % capacity;
    memcpy(batcher->queue + slot * batcher->options.item_bytes, item, batcher->options.item_bytes);
    batcher->waiting++;
    schedule(batcher);
    return ERR_OK;
}

static void take_items(struct batcher *batcher, struct batch *batch) {
    size_t bytes = batcher->options.item_bytes;
    size_t count = batcher->waiting;
    if (count > batcher->options.batch_max) {
        count = batcher->options.batch_max;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy((char *)batch->items + i * bytes, batcher->queue + batcher->head * bytes, bytes);
        batcher->head = (batcher->head + 1) % batcher->options.queue_max;
    }
    batcher->waiting -= count;
    batch->count = count;
}

static uint64_t held_ms(const struct batcher *batcher) {
    const void *oldest = batcher->queue + batcher->head * batcher->options.item_bytes;
    return batcher->options.hold_ms == NULL
               ? 0
               : batcher->options.hold_ms(batcher->options.ctx, oldest);
}

static void begin(struct batcher *batcher) {
    struct list *node = list_take_first(&batcher->idle);
    assert(node != NULL);
    struct batch *batch = CONTAINER_OF(node, struct batch, node);
    take_items(batcher, batch);
    batch->state = NULL;
    batch->taken = batch->count;
    batch->began_us = clock_monotonic_us();
    batcher->inflight++;
    gather_after(&batcher->gather, batch->taken, UINT64_MAX);
    if (batcher->options.size_histogram != NULL) {
        metrics_observe(batcher->options.size_histogram, (int64_t)batch->count);
    }
    batcher->options.run(batcher->options.ctx, batch);
}

static void flush(void *ctx) {
    struct batcher *batcher = ctx;
    loop_timer_stop(batcher->loop, &batcher->later);
    while (can_begin(batcher)) {
        uint64_t ms = gather_ms(batcher);
        ms = ms > 0 ? ms : held_ms(batcher);
        if (ms > 0) {
            loop_timer_start(batcher->loop, &batcher->later, ms);
            return;
        }
        begin(batcher);
    }
}

void batcher_go_on(struct batcher *batcher) {
    schedule(batcher);
}

void batcher_end(struct batch *batch) {
    struct batcher *batcher = batch->batcher;
    assert(batcher->inflight > 0);
    arena_reset(&batch->arena);
    batch->count = 0;
    batcher->inflight--;
    loop_timer_stop(batcher->loop, &batcher->later);
    gather_after(&batcher->gather, batch->taken, clock_monotonic_us() - batch->began_us);
    list_append(&batcher->idle, &batch->node);
    schedule(batcher);
}

size_t batcher_filter(struct batch *batch, bool (*keep)(void *item)) {
    size_t bytes = batch->batcher->options.item_bytes, kept = 0;
    char *items = batch->items;
    for (size_t i = 0; i < batch->count; i++) {
        if (!keep(items + i * bytes)) {
            continue;
        }
        if (kept != i) {
            memcpy(items + kept * bytes, items + i * bytes, bytes);
        }
        kept++;
    }
    batch->count = kept;
    return kept;
}

bool batcher_is_idle(const struct batcher *batcher) {
    return batcher->waiting == 0 && batcher->inflight == 0;
}
