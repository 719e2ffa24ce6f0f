/*
 * POST /products: parse → (answered before?) → store (with its event and its key, in one
 * transaction) → reply.
 */
#include "metrics.h"
#include "parts.h"
#include "product.h"
#include "product_keys.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/flow/http_flow.h"
#include "runtime/telemetry/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum flow_rc parse(struct flow *flow);
static enum flow_rc find_earlier(struct flow *flow);
static enum flow_rc store(struct flow *flow);
static enum flow_rc reply_created(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "find_earlier", find_earlier },
    { "store", store },
    { "reply_created", reply_created },
};

struct create_product {
    struct http_flow http;
    struct product product;
    struct keyed_request request;
    struct earlier_answer earlier;
};

/* One product waiting for the insert batch; owns its strings, because it outlives the flow. */
struct insert_item {
    struct flow_wait wait;
    struct product product;
    struct product *ret_product; /* the flow's, written while it still waits */
    struct trace_copy trace;
    struct keyed_request request; /* its claim is the batch's now */
    enum err key_err;             /* what has become of its key; ERR_OK: it is stored */
};

enum { INSERT_QUEUE_MAX = 1024, INSERT_BATCH_MAX = PRODUCT_ID_BLOCK, REPEATED_MAX = 3 };

static void fail(struct flow *flow);

static struct flow_kind KIND =
    FLOW_KIND("create_product", STEPS, struct create_product, fail, NULL);

static struct flow_pool flows;
static struct batcher inserts;
static struct id_block product_ids;
static unsigned times_repeated; /* the batch under way */

void create_product(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static void fail(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    product_keys_release(&self->request);
    http_flow_fail(flow);
}

/* ---- the steps ---- */

static enum flow_rc parse(struct flow *flow) {
    static const char *const MEMBERS[] = { "name", "price", "qty", NULL };
    struct create_product *self = (struct create_product *)flow;
    struct json_object *body = NULL;
    struct str name = { NULL, 0 };
    if (http_flow_body(flow, MEMBERS, &body) != FLOW_NEXT) {
        return FLOW_FAILED;
    }
    if (product_read_name(flow, body, true, &name)) {
        memcpy(self->product.name, name.data, name.len);
        self->product.name_length = name.len;
    }
    (void)product_read_price(flow, body, true, &self->product.price_cents);
    (void)product_read_qty(flow, body, &self->product.qty);
    contract_read_key(flow, self->request.key);
    product_keys_describe(&self->request, "create", self->product.price_cents, self->product.qty,
                          name);
    return http_flow_check(flow);
}

static enum flow_rc find_earlier(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    return product_keys_find(flow, &self->request, &self->earlier);
}

static enum flow_rc store(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    if (self->earlier.is_found) {
        return self->earlier.is_same
                   ? FLOW_NEXT
                   : flow_fail(flow, ERR_UNPROCESSABLE,
                               "This Idempotency-Key was used with another payload");
    }
    struct insert_item item = { .wait = flow_wait(flow),
                                .product = self->product,
                                .ret_product = &self->product,
                                .request = self->request };
    trace_copy(&item.trace, http_trace(exchange));
    enum err err = batcher_add(&inserts, &item);
    if (err != ERR_OK) {
        return flow_fail(flow, err, NULL);
    }
    self->request.has_claim = false; /* the batch's now: an insert may outlive its flow */
    return FLOW_WAIT;
}

static enum flow_rc reply_created(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    const struct earlier_answer *earlier = &self->earlier;
    char location[48], etag[PRODUCT_ETAG_BYTES];
    struct buf body;
    product_keys_release(&self->request);
    snprintf(location, sizeof(location), "/products/%" PRId64,
             earlier->is_found ? earlier->product_id : self->product.id);
    product_etag(earlier->is_found ? earlier->version : self->product.version, etag);
    buf_init(&body, 0);
    if (earlier->is_found) {
        buf_append(&body, earlier->body.data, earlier->body.len);
    } else {
        product_encode(&self->product, &body);
    }
    return http_flow_reply(
        flow, &(struct http_reply){ .status = 201, .location = location, .etag = etag }, &body);
}

/* ---- the insert batch: (keys →) products and events → wake ---- */

struct insert_state {
    struct pg_session *session; /* NULL: without keys it is one request */
    struct teller_event *events;
    int64_t first_outbox_id;
};

static void run_insert(void *ctx, struct batch *batch);
static void store_keys(struct batch *batch);
static void keys_stored(void *ctx, enum err err, const struct pg_rows *rows);
static void insert(struct batch *batch);
static void inserted(void *ctx, enum err err, const struct pg_rows *rows);

static void end(struct batch *batch) {
    times_repeated = 0;
    batcher_end(batch);
}

static void finish(struct batch *batch, enum err err) {
    const struct insert_state *state = batch->state;
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        if (err == ERR_OK) {
            log_info("product created", LOG_TRACE(trace_of(&item->trace)),
                     LOG_INT("productId", item->product.id), LOG_INT("qty", item->product.qty));
            if (flow_wait_is_live(item->wait)) {
                *item->ret_product = item->product;
            }
        }
        product_keys_release(&item->request);
        flow_wake(item->wait, err);
    }
    if (err == ERR_OK) {
        metrics_add(&product_metrics[M_PRODUCTS_CREATED], (int64_t)batch->count);
        outbox_publish(&backends.outbox, state->events, batch->count);
    }
    end(batch);
}

/*
 * Nothing of it is stored. What is nobody's fault is repeated from its beginning: ids that were
 * taken (either's may be: both blocks are given up), a deadlock, a connection that was stale.
 */
static void failed(struct batch *batch, enum err err) {
    bool may_pass = err == ERR_TAKEN_ID || err == ERR_CONFLICT;
    if (!may_pass || times_repeated == REPEATED_MAX) {
        finish(batch, err == ERR_CONFLICT ? ERR_UNAVAILABLE : err);
        return;
    }
    times_repeated++;
    if (err == ERR_TAKEN_ID) {
        id_block_drop(&product_ids);
        id_block_drop(&outbox_ids);
    }
    run_insert(NULL, batch);
}

static void ids_arrived(void *ctx, enum err err) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        finish(batch, err);
        return;
    }
    run_insert(NULL, batch);
}

/* Whoever was answered at its deadline may have asked again. */
static bool is_still_wanted(void *item_void) {
    struct insert_item *item = item_void;
    bool is_wanted = flow_wait_is_live(item->wait);
    if (!is_wanted) {
        product_keys_release(&item->request);
    }
    return is_wanted;
}

static void run_insert(void *ctx, struct batch *batch) {
    int64_t first_id = 0, first_outbox_id = 0, now_ms = clock_unix_ms();
    (void)ctx;
    if (batcher_filter(batch, is_still_wanted) == 0) {
        end(batch);
        return;
    }
    if (id_block_take(&outbox_ids, batch->count, &first_outbox_id) != ERR_OK) {
        id_block_wait(&outbox_ids, ids_arrived, batch);
        return;
    }
    if (id_block_take(&product_ids, batch->count, &first_id) != ERR_OK) {
        id_block_wait(&product_ids, ids_arrived, batch);
        return;
    }
    struct insert_state *state = arena_zalloc(&batch->arena, sizeof(*state));
    batch->state = state;
    if (state == NULL) {
        finish(batch, ERR_NO_MEMORY);
        return;
    }
    state->first_outbox_id = first_outbox_id;
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        item->product.id = first_id + (int64_t)i;
        item->product.version = product_first_version;
        item->product.created_ms = item->product.updated_ms = now_ms;
    }
    store_keys(batch);
}

static size_t new_keys(const struct batch *batch, struct new_key *keys) {
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        if (item->request.key[0] != '\0') {
            keys[count++] = (struct new_key){ &item->request, &item->product };
        }
    }
    return count;
}

static void store_keys(struct batch *batch) {
    struct insert_state *state = batch->state;
    struct new_key keys[INSERT_BATCH_MAX];
    size_t count = new_keys(batch, keys);
    if (count == 0) {
        insert(batch);
        return;
    }
    struct pg_call call =
        product_keys_call(&batch->arena, keys, count, keys[0].product->created_ms);
    state->session = pg_begin(backends.pg, &call, 1, keys_stored, batch);
}

/* Whoever asks again is told what has become of it. */
static bool has_its_key(void *item_void) {
    struct insert_item *item = item_void;
    if (item->key_err == ERR_OK) {
        return true;
    }
    product_keys_release(&item->request);
    flow_wake(item->wait, item->key_err);
    return false;
}

static void locked_keys_found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        finish(batch, err);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        bool is_locked = product_keys_is_among(&rows[0], &item->request);
        item->key_err = is_locked ? ERR_LOCKED : ERR_OK;
    }
    (void)batcher_filter(batch, has_its_key);
    failed(batch, ERR_CONFLICT);
}

/* Another process has some of the keys (ERR_LOCKED: it does not end; which are they?). */
static void keys_stored(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    const struct insert_state *state = batch->state;
    struct new_key keys[INSERT_BATCH_MAX];
    if (err == ERR_LOCKED) { /* the session is gone */
        struct pg_call call = product_keys_locked_call(&batch->arena, keys, new_keys(batch, keys));
        pg_run(backends.pg, &call, 1, locked_keys_found, batch);
        return;
    }
    if (err != ERR_OK) {
        failed(batch, err);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        bool is_lost =
            item->request.key[0] != '\0' && !product_keys_is_among(&rows[0], &item->request);
        item->key_err = is_lost ? ERR_CONFLICT : ERR_OK;
    }
    if (batcher_filter(batch, has_its_key) == 0) {
        pg_rollback(state->session);
        end(batch);
    } else {
        insert(batch);
    }
}

static struct pg_call insert_call(struct batch *batch) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &batch->arena, &SQL_PRODUCT_INSERT, "itiiTt", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        const struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        pg_rows_put_int8(&rows, item->product.id);
        pg_rows_put_text(&rows, (struct str){ item->product.name, item->product.name_length });
        pg_rows_put_int8(&rows, item->product.price_cents);
        pg_rows_put_int8(&rows, item->product.qty);
        pg_rows_put_time(&rows, item->product.created_ms);
        pg_rows_put_text(&rows, str_of(item->trace.request_id));
    }
    return pg_rows_call(&rows);
}

static void insert(struct batch *batch) {
    struct insert_state *state = batch->state;
    state->events = arena_array(&batch->arena, batch->count, sizeof(struct teller_event));
    if (state->events == NULL) {
        if (state->session != NULL) {
            pg_rollback(state->session);
        }
        finish(batch, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        const struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        state->events[i] =
            product_event(&batch->arena, KEY_PRODUCT_CREATED, &item->product,
                          trace_of(&item->trace), state->first_outbox_id + (int64_t)i);
    }
    struct pg_call calls[2] = {
        insert_call(batch),
        outbox_insert_call(&batch->arena, state->events, batch->count),
    };
    if (state->session != NULL) {
        pg_commit(state->session, calls, 2, inserted, batch);
    } else {
        pg_run(backends.pg, calls, 2, inserted, batch);
    }
}

static void inserted(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)rows;
    if (err != ERR_OK) {
        failed(ctx, err);
        return;
    }
    finish(ctx, ERR_OK);
}

enum err create_product_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct insert_item),
        .queue_max = INSERT_QUEUE_MAX,
        .batch_max = INSERT_BATCH_MAX,
        .inflight_max = 1,
        .run = run_insert,
    };
    id_block_init(&product_ids, backends.pg, &SQL_NEXT_PRODUCT_IDS, PRODUCT_ID_BLOCK);
    enum err err = batcher_init(&inserts, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, INSERT_QUEUE_MAX) : err;
}

void create_product_close(void) {
    batcher_done(&inserts);
    flow_pool_done(&flows);
}
