/*
 * POST /products: parse → (answered before?) → store (with its event and its key, in one transaction)
 * → reply.
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
    bool holds_claim;
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
};

enum { INSERT_QUEUE_MAX = 1024, INSERT_BATCH_MAX = PRODUCT_ID_BLOCK, RENUMBERED_MAX = 3 };

static void fail(struct flow *flow);

static struct flow_kind KIND =
    FLOW_KIND("create_product", STEPS, struct create_product, fail, NULL);

static struct flow_pool flows;
static struct batcher inserts;
static struct id_block product_ids;
static unsigned times_renumbered; /* the batch under way: ids proved to be taken */

void create_product(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static void fail(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    if (self->holds_claim) {
        product_keys_release(self->request.key);
    }
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
    if (self->request.key[0] == '\0') {
        return FLOW_NEXT;
    }
    enum err err = product_keys_claim(self->request.key);
    if (err != ERR_OK) {
        return flow_fail(flow, err, "A request with this Idempotency-Key is being processed");
    }
    self->holds_claim = true;
    err = product_keys_find(flow_wait(flow), &self->request, &self->earlier);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
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
    self->holds_claim = false; /* the batch's now: an insert may outlive its flow */
    return FLOW_WAIT;
}

static enum flow_rc reply_created(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    const struct earlier_answer *earlier = &self->earlier;
    char location[48], etag[PRODUCT_ETAG_BYTES];
    struct buf body;
    if (self->holds_claim) {
        product_keys_release(self->request.key);
        self->holds_claim = false;
    }
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

/* ---- the insert batch ---- */

static void run_insert(void *ctx, struct batch *batch);

static void release(struct insert_item *item) {
    if (item->request.key[0] != '\0') {
        product_keys_release(item->request.key);
        item->request.key[0] = '\0';
    }
}

/* Another process has stored one of the keys: whoever has one asks again; the others go on. */
static bool is_without_key(void *item_void) {
    struct insert_item *item = item_void;
    if (item->request.key[0] == '\0') {
        return true;
    }
    release(item);
    flow_wake(item->wait, ERR_CONFLICT);
    return false;
}

static void finish(struct batch *batch, enum err err) {
    struct teller_event *events = batch->state;
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        if (err == ERR_OK) {
            log_info("product created", LOG_TRACE(trace_of(&item->trace)),
                     LOG_INT("productId", item->product.id), LOG_INT("qty", item->product.qty));
            if (flow_wait_is_live(item->wait)) {
                *item->ret_product = item->product;
            }
        }
        release(item);
        flow_wake(item->wait, err);
    }
    if (err == ERR_OK) {
        metrics_add(&product_metrics[M_PRODUCTS_CREATED], (int64_t)batch->count);
        outbox_publish(&backends.outbox, events, batch->count);
    }
    batcher_end(batch);
}

static void inserted(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)rows;
    if (err == ERR_TAKEN_ID && times_renumbered < RENUMBERED_MAX) { /* one batch at a time */
        times_renumbered++;
        id_block_drop(&product_ids);
        id_block_drop(&outbox_ids);
        run_insert(NULL, ctx);
        return;
    }
    if (err == ERR_DUPLICATE) {
        (void)batcher_filter(ctx, is_without_key);
        run_insert(NULL, ctx);
        return;
    }
    times_renumbered = 0;
    finish(ctx, err);
}

static void ids_arrived(void *ctx, enum err err) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        finish(batch, err);
        return;
    }
    run_insert(NULL, batch);
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

/* Whoever was answered at its deadline may have asked again. */
static bool is_still_wanted(void *item_void) {
    struct insert_item *item = item_void;
    bool is_wanted = flow_wait_is_live(item->wait);
    if (!is_wanted) {
        release(item);
    }
    return is_wanted;
}

/* The keys' statements; how many. */
static size_t key_calls(struct batch *batch, int64_t now_ms, struct pg_call *ret_calls) {
    struct new_key keys[INSERT_BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        if (item->request.key[0] != '\0') {
            keys[count++] = (struct new_key){ &item->request, &item->product };
        }
    }
    if (count == 0) {
        return 0;
    }
    product_keys_calls(&batch->arena, keys, count, now_ms, ret_calls);
    return PRODUCT_KEYS_CALLS;
}

static void run_insert(void *ctx, struct batch *batch) {
    int64_t first_id = 0, first_outbox_id = 0, now_ms = clock_unix_ms();
    (void)ctx;
    if (batcher_filter(batch, is_still_wanted) == 0) {
        batcher_end(batch);
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
    struct teller_event *events = arena_array(&batch->arena, batch->count, sizeof(*events));
    if (events == NULL) {
        finish(batch, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = BATCH_ITEM(batch, struct insert_item, i);
        item->product.id = first_id + (int64_t)i;
        item->product.version = product_first_version;
        item->product.created_ms = item->product.updated_ms = now_ms;
        events[i] = product_event(&batch->arena, KEY_PRODUCT_CREATED, &item->product,
                                  trace_of(&item->trace), first_outbox_id + (int64_t)i);
    }
    batch->state = events;
    struct pg_call calls[2 + PRODUCT_KEYS_CALLS] = {
        insert_call(batch),
        outbox_insert_call(&batch->arena, events, batch->count),
    };
    size_t count = 2 + key_calls(batch, now_ms, &calls[2]);
    pg_run(backends.pg, calls, count, inserted, batch);
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
