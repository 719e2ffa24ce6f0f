/*
 * What a flow waits for is a batcher: adaptive group commit.
 *
 * Items are copied into a bounded queue. At the end of the tick, while fewer than `inflight_max`
 * batches are under way, up to `batch_max` items are taken and given to `run`; what arrives
 * meanwhile is the next batch. At low load an item goes alone and at once; at high load the batch
 * grows and the cost per item falls: all the more when a large batch is not joined by another one
 * before that is full (`gather`). A batch owns its items: they outlive the flows that asked.
 * Loop thread only.
 */
#ifndef RUNTIME_FLOW_BATCHER_H
#define RUNTIME_FLOW_BATCHER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "gather.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct metric;
struct batcher;

struct batch {
    struct batcher *batcher;
    void *items; /* `count` items of batcher->options.item_bytes each, in arrival order */
    size_t count;
    struct arena arena; /* for parameters and results; reset by batcher_end() */
    void *state;        /* the runner's own */
    size_t taken;       /* `count`, before batcher_filter() */
    uint64_t began_us;
    struct list node;
};

struct batcher_options {
    size_t item_bytes;
    size_t queue_max;
    size_t batch_max;
    size_t inflight_max;
    size_t arena_bytes_max; /* per batch; 0: 64 MiB */
    /*
     * Under load the next batch begins when it is full, or has gathered after the end of the one
     * before; or when that one, under way, has taken .ms_max.
     */
    struct gather gather;
    /* Start the batch; end it, now or later, with batcher_end(). */
    void (*run)(void *ctx, struct batch *batch);
    /*
     * May be NULL. 0: the next batch may start; else it is looked at again after so many
     * milliseconds, or with batcher_add() and batcher_go_on(). `oldest`: its first item.
     */
    uint64_t (*hold_ms)(void *ctx, const void *oldest);
    void *ctx;
    struct metric *size_histogram; /* may be NULL */
};

struct batcher {
    struct batcher_options options;
    struct loop *loop;
    struct loop_task flush;
    struct loop_timer later; /* the next batch gathers, or is held back */
    char *queue;             /* ring of queue_max items */
    size_t head;
    size_t waiting; /* items in the ring */
    struct batch *batches;
    struct list idle;
    size_t inflight;
    struct gather gather;
};

MUST_CHECK enum err batcher_init(struct batcher *batcher, struct loop *loop,
                                 const struct batcher_options *options);
void batcher_done(struct batcher *batcher); /* accepts one zeroed; no batch may be under way */

/* Queue a copy of `item`. ERR_BUSY when queue_max items wait already. */
MUST_CHECK enum err batcher_add(struct batcher *batcher, const void *item);

/* What the next batch was held back for may be over: look again at the end of this tick. */
void batcher_go_on(struct batcher *batcher);

/* The batch is over: its memory is reused, the next one may start at the end of this tick. */
void batcher_end(struct batch *batch);

/*
 * Keep only the items for which `keep` returns true, in their order; returns how many are left. For
 * a runner's first line: what nobody waits for any more is not begun.
 */
size_t batcher_filter(struct batch *batch, bool (*keep)(void *item));

/* Nothing waits and nothing is under way. */
bool batcher_is_idle(const struct batcher *batcher);

/* The i-th item of a batch as a `type *`. */
#define BATCH_ITEM(batch, type, i) (&((type *)(batch)->items)[i])

#endif
