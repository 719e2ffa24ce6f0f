/* GET /products/{id}: from product-redis, else from the database, which fills the cache. */
#include "app.h"
#include "config.h"
#include "metrics.h"
#include "product.h"
#include "product_cache.h"
#include "statements.h"

#include "contract/names.h"
#include "runtime/flow/http_flow.h"

#include <assert.h>
#include <string.h>

static enum flow_rc parse(struct flow *flow);
static enum flow_rc read_product(struct flow *flow);
static enum flow_rc reply_product(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "read_product", read_product },
    { "reply_product", reply_product },
};

struct get_product {
    struct http_flow http;
    int64_t id;
    struct str json; /* in the exchange's arena */
    int64_t version;
};

static void fail(struct flow *flow) {
    http_flow_fail_missing(flow, "There is no such product");
}

static struct flow_kind KIND = {
    .name = "get_product",
    .steps = STEPS,
    .step_count = sizeof(STEPS) / sizeof(STEPS[0]),
    .fail = fail,
    .flow_bytes = sizeof(struct get_product),
};

/* One reader waiting for the read batch. */
struct read_item {
    struct flow_wait wait;
    int64_t id;
};

enum { READ_BATCH_MAX = 256, READ_INFLIGHT_MAX = 2 };

void get_product(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&app.get_flows, exchange);
}

/* ---- the steps ---- */

static enum flow_rc parse(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    if (http_path_id(http_flow_exchange(flow), 0, &self->id) != ERR_OK) {
        http_flow_problem(flow, "path/id", "type", "must be a positive integer");
    }
    return http_flow_check(flow);
}

static enum flow_rc read_product(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    struct read_item item = { .wait = flow_wait(flow), .id = self->id };
    enum err err = batcher_add(&app.reads, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_product(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    char etag[PRODUCT_ETAG_BYTES];
    struct http_reply reply = { .status = 200, .etag = etag };
    struct str if_none_match = http_header(exchange, "If-None-Match");
    product_etag(self->version, etag);
    if (if_none_match.data != NULL && product_etag_matches(if_none_match, self->version)) {
        reply.status = 304;
    } else {
        reply.body = self->json.data;
        reply.body_length = self->json.len;
    }
    http_reply(exchange, &reply);
    return FLOW_END;
}

/* ---- the read batch: one MGET, then one SELECT for what was missing ---- */

struct read_state {
    int64_t ids[READ_BATCH_MAX]; /* distinct */
    size_t id_count;
    uint64_t epoch;
};

/* Answer everyone who waits for `id`. `json` NULL: there is no such product. */
static void answer(struct batch *batch, int64_t id, struct str json, int64_t version,
                   enum err err) {
    for (size_t i = 0; i < batch->count; i++) {
        struct read_item *item = BATCH_ITEM(batch, struct read_item, i);
        if (item->id != id || !flow_wait_is_live(item->wait)) {
            continue;
        }
        struct get_product *self = (struct get_product *)item->wait.flow;
        enum err outcome = err;
        if (outcome == ERR_OK) {
            struct arena *arena = http_arena(http_flow_exchange(item->wait.flow));
            char *copy = arena_copy(arena, json.data, json.len);
            self->json = (struct str){ copy, json.len };
            self->version = version;
            outcome = copy == NULL ? ERR_NO_MEMORY : ERR_OK;
        }
        flow_wake(item->wait, outcome);
    }
}

MUST_CHECK static enum err answer_from_rows(struct batch *batch, const struct pg_rows *rows) {
    struct read_state *state = batch->state;
    const struct product *found[READ_BATCH_MAX];
    struct product *products = arena_array(&batch->arena, rows->count, sizeof(*products));
    struct buf json;
    if (products == NULL) {
        return ERR_NO_MEMORY;
    }
    buf_init(&json, 0);
    for (size_t i = 0; i < rows->count; i++) {
        struct product *product = &products[i];
        product_from_row(rows, i, product);
        found[i] = product;
        buf_clear(&json);
        product_encode(product, &json);
        answer(batch, product->id, (struct str){ buf_bytes(&json), buf_length(&json) },
               product->version, json.failed ? ERR_NO_MEMORY : ERR_OK);
    }
    buf_free(&json);
    if (rows->count > 0 && cache_is_ready(app.cache)) {
        product_cache_put(app.cache, state->epoch, &batch->arena, found, rows->count, NULL, NULL);
    }
    return ERR_OK;
}

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    if (err == ERR_OK && rows[0].count > 0) {
        err = answer_from_rows(batch, &rows[0]);
    }
    for (size_t i = 0; i < batch->count; i++) { /* whoever still waits: not found, or the error */
        flow_wake(BATCH_ITEM(batch, struct read_item, i)->wait,
                  err == ERR_OK ? ERR_NOT_FOUND : err);
    }
    batcher_end(batch);
}

static void read_database(struct batch *batch, const int64_t *ids, size_t count) {
    struct read_state *state = batch->state;
    struct pg_call call = pg_rows_ids_call(&batch->arena, &SQL_PRODUCT_GET, ids, count);
    state->epoch = cache_epoch(app.cache);
    pg_run(app.pg, &call, 1, rows_arrived, batch);
}

/* The cache is ours, but its answers go out as they are: what is no object is a miss. */
static bool is_object(struct str value) {
    return value.data != NULL && value.len >= 2 && value.data[0] == '{' &&
           value.data[value.len - 1] == '}';
}

static void values_arrived(void *ctx, enum err err, const struct cache_value *values) {
    struct batch *batch = ctx;
    struct read_state *state = batch->state;
    int64_t missing[READ_BATCH_MAX];
    size_t missing_count = 0;
    for (size_t i = 0; i < state->id_count; i++) {
        if (err == ERR_OK && values[i].version > 0 && is_object(values[i].value)) {
            answer(batch, state->ids[i], values[i].value, values[i].version, ERR_OK);
        } else {
            missing[missing_count++] = state->ids[i];
        }
    }
    metrics_add(&product_metrics[M_CACHE_HITS], (int64_t)(state->id_count - missing_count));
    metrics_add(&product_metrics[M_CACHE_MISSES], (int64_t)missing_count);
    if (missing_count == 0) {
        batcher_end(batch);
        return;
    }
    read_database(batch, missing, missing_count);
}

static void collect_ids(struct read_state *state, struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = BATCH_ITEM(batch, struct read_item, i)->id;
        size_t k = 0;
        while (k < state->id_count && state->ids[k] != id) {
            k++;
        }
        if (k == state->id_count) {
            state->ids[state->id_count++] = id;
        }
    }
}

static void run_read(void *ctx, struct batch *batch) {
    struct read_state *state = arena_alloc(&batch->arena, sizeof(*state));
    const char *keys[READ_BATCH_MAX];
    char names[READ_BATCH_MAX][CACHE_NAME_BYTES];
    (void)ctx;
    batch->state = state;
    if (state == NULL) {
        rows_arrived(batch, ERR_NO_MEMORY, NULL);
        return;
    }
    state->id_count = 0;
    collect_ids(state, batch);
    for (size_t i = 0; i < state->id_count; i++) {
        cache_key_product(state->ids[i], names[i]);
        keys[i] = names[i];
    }
    cache_get(app.cache, keys, state->id_count, values_arrived, batch);
}

enum err get_product_init(void) {
    struct batcher_options options = {
        .name = "product_read",
        .item_bytes = sizeof(struct read_item),
        .queue_max = (size_t)product_config.requests_max,
        .batch_max = READ_BATCH_MAX,
        .inflight_max = READ_INFLIGHT_MAX,
        .run = run_read,
        .size_histogram = &product_metrics[M_READ_BATCH],
    };
    KIND.deadline_ms = (uint32_t)product_config.request_deadline_ms;
    enum err err = batcher_init(&app.reads, app.loop, &options);
    if (err == ERR_OK) {
        err = flow_pool_init(&app.get_flows, app.loop, &KIND, (size_t)product_config.requests_max);
    }
    return err;
}
