/* POST /products: parse → store (with its event, in one transaction) → reply. */
#include "metrics.h"
#include "parts.h"
#include "product.h"
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
static enum flow_rc store(struct flow *flow);
static enum flow_rc reply_created(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "store", store },
    { "reply_created", reply_created },
};

struct create_product {
    struct http_flow http;
    struct product product;
};

/* One product waiting for the insert batch; owns its strings, because it outlives the flow. */
struct insert_item {
    struct flow_wait wait;
    struct product product;
    struct product *ret_product; /* the flow's, written while it still waits */
    struct trace_copy trace;
};

enum { INSERT_QUEUE_MAX = 1024, INSERT_BATCH_MAX = PRODUCT_ID_BLOCK, RENUMBERED_MAX = 3 };

static struct flow_kind KIND =
    FLOW_KIND("create_product", STEPS, struct create_product, http_flow_fail, NULL);

static struct flow_pool flows;
static struct batcher inserts;
static struct id_block product_ids;
static unsigned times_renumbered; /* the batch under way: ids proved to be taken */

void create_product(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
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
    return http_flow_check(flow);
}

static enum flow_rc store(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    struct insert_item item = { .wait = flow_wait(flow),
                                .product = self->product,
                                .ret_product = &self->product };
    trace_copy(&item.trace, http_trace(exchange));
    enum err err = batcher_add(&inserts, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_created(struct flow *flow) {
    struct create_product *self = (struct create_product *)flow;
    char location[48], etag[PRODUCT_ETAG_BYTES];
    struct buf body;
    snprintf(location, sizeof(location), "/products/%" PRId64, self->product.id);
    product_etag(self->product.version, etag);
    buf_init(&body, 0);
    product_encode(&self->product, &body);
    return http_flow_reply(
        flow, &(struct http_reply){ .status = 201, .location = location, .etag = etag }, &body);
}

/* ---- the insert batch ---- */

static void run_insert(void *ctx, struct batch *batch);

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
static bool is_still_wanted(void *item) {
    return flow_wait_is_live(((struct insert_item *)item)->wait);
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
        item->product.version = 1;
        item->product.created_ms = item->product.updated_ms = now_ms;
        events[i] = product_event(&batch->arena, KEY_PRODUCT_CREATED, &item->product,
                                  trace_of(&item->trace), first_outbox_id + (int64_t)i);
    }
    batch->state = events;
    struct pg_call calls[2] = {
        insert_call(batch),
        outbox_insert_call(&batch->arena, events, batch->count),
    };
    pg_run(backends.pg, calls, 2, inserted, batch);
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
