/* Questions become rounds: batcher → cache → source → answers. */
#include "lookup.h"

#include "base/clock.h"
#include "runtime/telemetry/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct lookup_question *question_at(const struct lookup *lookup, void *questions, size_t i) {
    return (void *)((char *)questions + i * lookup->options.question_bytes);
}

static void count(struct metric *metric, size_t by) {
    if (metric != NULL) {
        metrics_add(metric, (int64_t)by);
    }
}

/* ---- answers ---- */

static void answer_one(struct lookup *lookup, const struct lookup_question *question, enum err err,
                       const void *answer) {
    if (err == ERR_OK && flow_wait_is_live(question->wait)) {
        err = lookup->options.give(question, answer);
    }
    flow_wake(question->wait, err);
}

void lookup_answer(struct lookup_round *round, int64_t id, enum err err, const void *answer) {
    for (size_t i = 0; i < round->batch->count; i++) {
        struct lookup_question *question = question_at(round->lookup, round->batch->items, i);
        if (question->id == id) {
            answer_one(round->lookup, question, err, answer);
        }
    }
}

static void end_batch(struct lookup *lookup, struct batch *batch, enum err err) {
    for (size_t i = 0; i < batch->count; i++) { /* whoever still waits */
        flow_wake(question_at(lookup, batch->items, i)->wait, err == ERR_OK ? ERR_NOT_FOUND : err);
    }
    batcher_end(batch);
}

void lookup_end(struct lookup_round *round, enum err err) {
    end_batch(round->lookup, round->batch, err);
}

/* ---- fetches: one for each id, shared by all who ask for it meanwhile ---- */

static struct lookup_fetch *find_fetch(struct lookup *lookup, int64_t id) {
    for (struct list *node = lookup->fetches.next; node != &lookup->fetches; node = node->next) {
        struct lookup_fetch *fetch = CONTAINER_OF(node, struct lookup_fetch, node);
        if (fetch->id == id) {
            return fetch;
        }
    }
    return NULL;
}

static enum err join(struct lookup_fetch *fetch, const struct lookup_question *question) {
    size_t bytes = fetch->lookup->options.question_bytes;
    if (fetch->waiter_count == fetch->waiters_max) {
        size_t wanted = fetch->waiters_max == 0 ? 16 : fetch->waiters_max * 2;
        char *waiters = reallocarray(fetch->waiters, wanted, bytes);
        if (waiters == NULL) {
            return ERR_NO_MEMORY;
        }
        fetch->waiters = waiters;
        fetch->waiters_max = wanted;
    }
    memcpy(fetch->waiters + fetch->waiter_count++ * bytes, question, bytes);
    return ERR_OK;
}

static void free_fetch(struct lookup_fetch *fetch) {
    free(fetch->waiters);
    free(fetch);
}

static enum err begin_fetch(struct lookup *lookup, const struct lookup_question *question) {
    if (lookup->fetch_count == lookup->options.fetches_max) {
        return ERR_BUSY;
    }
    struct lookup_fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        return ERR_NO_MEMORY;
    }
    fetch->lookup = lookup;
    fetch->id = question->id;
    fetch->started_us = clock_monotonic_us();
    if (join(fetch, question) != ERR_OK) {
        free_fetch(fetch);
        return ERR_NO_MEMORY;
    }
    list_append(&lookup->fetches, &fetch->node);
    lookup->fetch_count++;
    fetch->epoch = cache_epoch(lookup->options.cache);
    lookup->options.fetch(fetch);
    return ERR_OK;
}

static void fetch_for(struct lookup *lookup, const struct lookup_question *question) {
    struct lookup_fetch *fetch = find_fetch(lookup, question->id);
    enum err err = fetch == NULL ? begin_fetch(lookup, question) : join(fetch, question);
    if (err != ERR_OK) {
        flow_wake(question->wait, err);
    }
}

void lookup_fetched(struct lookup_fetch *fetch, enum err err, const void *answer) {
    struct lookup *lookup = fetch->lookup;
    for (size_t i = 0; i < fetch->waiter_count; i++) {
        answer_one(lookup, question_at(lookup, fetch->waiters, i), err, answer);
    }
    list_remove(&fetch->node);
    lookup->fetch_count--;
    free_fetch(fetch);
}

/* Their questions move from the batch into fetches; the batch is over. */
static void fetch_missing(struct lookup_round *round) {
    struct lookup *lookup = round->lookup;
    for (size_t k = 0; k < round->count; k++) {
        for (size_t i = 0; i < round->batch->count; i++) {
            struct lookup_question *question = question_at(lookup, round->batch->items, i);
            if (question->id == round->ids[k] && flow_wait_is_live(question->wait)) {
                fetch_for(lookup, question);
            }
        }
    }
    batcher_end(round->batch);
}

/* ---- a round ---- */

static void ask_source(struct lookup_round *round) {
    const struct lookup_options *options = &round->lookup->options;
    if (options->fetch != NULL) {
        fetch_missing(round);
    } else if (round->count == 0) {
        lookup_end(round, ERR_OK);
    } else {
        round->epoch = options->cache_key == NULL ? 0 : cache_epoch(options->cache);
        options->read(round);
    }
}

static void values_arrived(void *ctx, enum err err, const struct cache_value *values) {
    struct lookup_round *round = ctx;
    const struct lookup_options *options = &round->lookup->options;
    size_t asked = round->count;
    round->count = 0;
    for (size_t k = 0; k < asked; k++) {
        int64_t id = round->ids[k];
        if (err == ERR_OK && options->read_cached(round, id, &values[k])) {
            continue;
        }
        round->ids[round->count] = id;
        round->versions[round->count++] = err == ERR_OK ? values[k].version : -1;
    }
    count(options->hits, asked - round->count);
    count(options->misses, round->count);
    ask_source(round);
}

static void collect_ids(struct lookup_round *round) {
    round->count = 0;
    for (size_t i = 0; i < round->batch->count; i++) {
        int64_t id = question_at(round->lookup, round->batch->items, i)->id;
        size_t k = 0;
        while (k < round->count && round->ids[k] != id) {
            k++;
        }
        if (k == round->count) {
            round->ids[round->count++] = id;
        }
    }
}

static void run_round(void *ctx, struct batch *batch) {
    struct lookup *lookup = ctx;
    struct lookup_round *round = arena_alloc(&batch->arena, sizeof(*round));
    char keys[LOOKUP_IDS_MAX][CACHE_KEY_BYTES_MAX + 1];
    const char *names[LOOKUP_IDS_MAX];
    if (round == NULL) {
        end_batch(lookup, batch, ERR_NO_MEMORY);
        return;
    }
    round->lookup = lookup;
    round->batch = batch;
    round->arena = &batch->arena;
    collect_ids(round);
    if (lookup->options.cache_key == NULL) {
        ask_source(round);
        return;
    }
    for (size_t k = 0; k < round->count; k++) {
        lookup->options.cache_key(round->ids[k], keys[k]);
        names[k] = keys[k];
    }
    cache_get(lookup->options.cache, names, round->count, values_arrived, round);
}

/* ---- the piece itself ---- */

enum err lookup_init(struct lookup *lookup, struct loop *loop,
                     const struct lookup_options *options) {
    struct batcher_options batches = {
        .item_bytes = options->question_bytes,
        .queue_max = options->queue_max,
        .batch_max = options->batch_max,
        .inflight_max = options->inflight_max,
        .run = run_round,
        .ctx = lookup,
        .size_histogram = options->size_histogram,
    };
    assert(options->batch_max <= LOOKUP_IDS_MAX && options->give != NULL);
    assert((options->read == NULL) != (options->fetch == NULL));
    *lookup = (struct lookup){ .options = *options };
    list_init(&lookup->fetches);
    return batcher_init(&lookup->batcher, loop, &batches);
}

void lookup_done(struct lookup *lookup) {
    assert(lookup->fetch_count == 0);
    batcher_done(&lookup->batcher);
}

enum err lookup_ask(struct lookup *lookup, const void *question) {
    return batcher_add(&lookup->batcher, question);
}
