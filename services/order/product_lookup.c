#include "product_lookup.h"

#include "app.h"
#include "config.h"
#include "metrics.h"

#include "base/clock.h"
#include "contract/events.h"
#include "contract/names.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOKUP_BATCH_MAX = 256,
    LOOKUP_INFLIGHT_MAX = 2,
    FETCHES_MAX = 1024, /* products fetched at once; more is ERR_BUSY */
    FETCH_ARENA_BYTES_MAX = 262144,
};

struct lookup_item {
    struct flow_wait wait;
    int64_t product_id;
    int64_t *ret_price_cents; /* the flow's, written while it waits */
    struct trace trace;       /* the exchange's, read while it waits */
};

/* One product on its way from the product service, and everyone who waits for it. */
struct fetch {
    int64_t product_id; /* 0: free */
    uint64_t epoch;
    struct lookup_item *waiters;
    size_t waiter_count, waiter_capacity;
    uint64_t started_us;
};

static struct fetch fetches[FETCHES_MAX];

enum err product_lookup(struct flow_wait wait, int64_t product_id, struct trace trace,
                        int64_t *ret_price_cents) {
    struct lookup_item item = { wait, product_id, ret_price_cents, trace };
    return batcher_add(&app.lookups, &item);
}

static void answer(const struct lookup_item *item, enum err err, int64_t price_cents) {
    if (err == ERR_OK && flow_wait_is_live(item->wait)) {
        *item->ret_price_cents = price_cents;
    }
    flow_wake(item->wait, err);
}

/* ---- from the product service ---- */

static void end_fetch(struct fetch *fetch, enum err err, int64_t price_cents) {
    for (size_t i = 0; i < fetch->waiter_count; i++) {
        answer(&fetch->waiters[i], err, price_cents);
    }
    fetch->waiter_count = 0; /* its array is kept for the next one */
    fetch->product_id = 0;
}

/* The version is the answer's entity tag: "7", perhaps weak. */
static int64_t version_of(struct str etag) {
    char text[24];
    size_t skip = etag.len > 2 && etag.data[0] == 'W' ? 2 : 0;
    if (etag.data == NULL || etag.len - skip < 3 || etag.len - skip >= sizeof(text)) {
        return 0;
    }
    memcpy(text, etag.data + skip + 1, etag.len - skip - 2);
    text[etag.len - skip - 2] = '\0';
    return strtoll(text, NULL, 10);
}

static void fill_cache(const struct product_event *product, uint64_t epoch) {
    char key[CACHE_NAME_BYTES];
    struct buf copy;
    cache_key_product(product->id, key);
    buf_init(&copy, 0);
    product_copy_encode(product, &copy);
    if (!copy.failed && product->version > 0) {
        struct cache_put put = { .key = key,
                                 .value = { buf_bytes(&copy), buf_length(&copy) },
                                 .version = product->version,
                                 .ttl_s = CACHE_PRODUCT_COPY_TTL_S };
        cache_put_newer(app.cache, epoch, &put, 1, NULL, NULL);
    }
    buf_free(&copy);
}

static enum err read_response(const struct http_response *response, int64_t product_id,
                              uint64_t epoch, int64_t *ret_price_cents) {
    struct arena arena;
    struct product_event product;
    const char *why = NULL;
    if (response->status == 404) {
        return ERR_NOT_FOUND;
    }
    if (response->status == 503) {
        return ERR_UNAVAILABLE;
    }
    arena_init(&arena, FETCH_ARENA_BYTES_MAX);
    enum err err = ERR_BAD_REPLY;
    if (response->status == 200 &&
        product_event_decode(&arena, response->body.data, response->body.len, &product, &why) ==
            ERR_OK &&
        product.id == product_id) {
        product.version = version_of(response->etag);
        fill_cache(&product, epoch);
        *ret_price_cents = product.price_cents;
        err = ERR_OK;
    } else {
        log_warn("unusable answer from the product service", LOG_INT("status", response->status),
                 LOG_INT("productId", product_id), LOG_STR("reason", why));
    }
    arena_done(&arena);
    return err;
}

/* For everybody who waits: one line for each, as each is a request of its own. */
static void note_fetch(const struct fetch *fetch, enum err err) {
    uint64_t took_us = clock_monotonic_us() - fetch->started_us;
    for (size_t i = 0; i < fetch->waiter_count; i++) {
        const struct lookup_item *item = &fetch->waiters[i];
        if (flow_wait_is_live(item->wait)) {
            struct trace_ids ids = trace_ids_of(str_of(item->trace.parent));
            log_info("product fetched", LOG_STR("requestId", item->trace.request_id),
                     LOG_TRACE(ids), LOG_INT("productId", fetch->product_id),
                     LOG_STR("outcome", err_name(err)), LOG_INT("us", took_us));
        }
    }
}

static void fetched(void *ctx, enum err err, const struct http_response *response) {
    struct fetch *fetch = ctx;
    int64_t price_cents = 0;
    if (err == ERR_OK) {
        err = read_response(response, fetch->product_id, fetch->epoch, &price_cents);
    } else if (err == ERR_BUSY || err == ERR_TIMEOUT) {
        err = ERR_UNAVAILABLE; /* for the client: try again later */
    }
    note_fetch(fetch, err);
    end_fetch(fetch, err, price_cents);
}

static struct fetch *find_fetch(int64_t product_id) {
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        if (fetches[i].product_id == product_id) {
            return &fetches[i];
        }
    }
    return NULL;
}

static enum err join(struct fetch *fetch, const struct lookup_item *item) {
    if (fetch->waiter_count == fetch->waiter_capacity) {
        size_t capacity = fetch->waiter_capacity == 0 ? 16 : fetch->waiter_capacity * 2;
        struct lookup_item *waiters = reallocarray(fetch->waiters, capacity, sizeof(*waiters));
        if (waiters == NULL) {
            return ERR_NO_MEMORY;
        }
        fetch->waiters = waiters;
        fetch->waiter_capacity = capacity;
    }
    fetch->waiters[fetch->waiter_count++] = *item;
    return ERR_OK;
}

static void start_fetch(struct fetch *fetch, const struct lookup_item *first) {
    char target[48];
    snprintf(target, sizeof(target), "/products/%" PRId64, first->product_id);
    fetch->product_id = first->product_id;
    fetch->epoch = cache_epoch(app.cache);
    fetch->started_us = clock_monotonic_us();
    metrics_add(&order_metrics[M_PRODUCT_FETCHES], 1);
    http_client_get(app.products, target, first->trace, fetched, fetch);
}

static void fetch_for(const struct lookup_item *item) {
    if (!flow_wait_is_live(item->wait)) {
        return;
    }
    struct fetch *fetch = find_fetch(item->product_id);
    bool is_new = fetch == NULL;
    if (is_new) {
        fetch = find_fetch(0);
    }
    enum err err = fetch == NULL ? ERR_BUSY : join(fetch, item);
    if (err != ERR_OK) {
        answer(item, err, 0);
        return;
    }
    if (is_new) {
        start_fetch(fetch, item);
    }
}

/* ---- from the cache ---- */

struct lookup_state {
    int64_t ids[LOOKUP_BATCH_MAX]; /* distinct */
    size_t id_count;
};

static bool read_copy(struct arena *arena, int64_t product_id, struct str json,
                      int64_t *ret_price_cents) {
    struct product_event product;
    const char *why = NULL;
    if (json.data == NULL ||
        product_event_decode(arena, json.data, json.len, &product, &why) != ERR_OK ||
        product.id != product_id) {
        return false;
    }
    *ret_price_cents = product.price_cents;
    return true;
}

static void values_arrived(void *ctx, enum err err, const struct cache_value *values) {
    struct batch *batch = ctx;
    struct lookup_state *state = batch->state;
    for (size_t k = 0; k < state->id_count; k++) {
        int64_t price_cents = 0;
        bool hit =
            err == ERR_OK && read_copy(&batch->arena, state->ids[k], values[k].value, &price_cents);
        metrics_add(&order_metrics[hit ? M_PRODUCT_HITS : M_PRODUCT_MISSES], 1);
        for (size_t i = 0; i < batch->count; i++) {
            const struct lookup_item *item = BATCH_ITEM(batch, struct lookup_item, i);
            if (item->product_id != state->ids[k]) {
                continue;
            }
            if (hit) {
                answer(item, ERR_OK, price_cents);
            } else {
                fetch_for(item);
            }
        }
    }
    batcher_end(batch);
}

static void collect_ids(struct lookup_state *state, struct batch *batch) {
    state->id_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = BATCH_ITEM(batch, struct lookup_item, i)->product_id;
        size_t k = 0;
        while (k < state->id_count && state->ids[k] != id) {
            k++;
        }
        if (k == state->id_count) {
            state->ids[state->id_count++] = id;
        }
    }
}

static void run_lookup(void *ctx, struct batch *batch) {
    struct lookup_state *state = arena_alloc(&batch->arena, sizeof(*state));
    char names[LOOKUP_BATCH_MAX][CACHE_NAME_BYTES];
    const char *keys[LOOKUP_BATCH_MAX];
    (void)ctx;
    if (state == NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            answer(BATCH_ITEM(batch, struct lookup_item, i), ERR_NO_MEMORY, 0);
        }
        batcher_end(batch);
        return;
    }
    batch->state = state;
    collect_ids(state, batch);
    for (size_t k = 0; k < state->id_count; k++) {
        cache_key_product(state->ids[k], names[k]);
        keys[k] = names[k];
    }
    cache_get(app.cache, keys, state->id_count, values_arrived, batch);
}

enum err product_lookup_init(void) {
    struct batcher_options options = {
        .name = "product_lookup",
        .item_bytes = sizeof(struct lookup_item),
        .queue_max = (size_t)order_config.requests_max,
        .batch_max = LOOKUP_BATCH_MAX,
        .inflight_max = LOOKUP_INFLIGHT_MAX,
        .run = run_lookup,
    };
    return batcher_init(&app.lookups, app.loop, &options);
}

void product_lookup_done(void) {
    batcher_done(&app.lookups);
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        free(fetches[i].waiters);
        fetches[i] = (struct fetch){ 0 };
    }
}
