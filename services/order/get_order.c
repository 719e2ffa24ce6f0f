/* GET /orders/{id}: one SELECT for everyone who asks in a tick. */
#include "app.h"
#include "config.h"
#include "order.h"
#include "statements.h"

#include "runtime/flow/http_flow.h"

static enum flow_rc parse(struct flow *flow);
static enum flow_rc read_order(struct flow *flow);
static enum flow_rc reply_order(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "read_order", read_order },
    { "reply_order", reply_order },
};

struct get_order {
    struct http_flow http;
    int64_t id;
    struct order order;
};

static void fail(struct flow *flow) {
    http_flow_fail_missing(flow, "There is no such order");
}

static struct flow_kind KIND = {
    .name = "get_order",
    .steps = STEPS,
    .step_count = sizeof(STEPS) / sizeof(STEPS[0]),
    .fail = fail,
    .flow_bytes = sizeof(struct get_order),
};

struct read_item {
    struct flow_wait wait;
    int64_t id;
};

enum { READ_BATCH_MAX = 256, READ_INFLIGHT_MAX = 2 };

void get_order(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&app.get_flows, exchange);
}

static enum flow_rc parse(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    if (http_path_id(http_flow_exchange(flow), 0, &self->id) != ERR_OK) {
        http_flow_problem(flow, "path/id", "type", "must be a positive integer");
    }
    return http_flow_check(flow);
}

static enum flow_rc read_order(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    struct read_item item = { .wait = flow_wait(flow), .id = self->id };
    enum err err = batcher_add(&app.reads, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_order(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    struct buf body;
    buf_init(&body, 0);
    order_encode(&self->order, &body);
    return http_flow_reply(flow, &(struct http_reply){ .status = 200 }, &body);
}

/* ---- the read batch ---- */

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    for (size_t r = 0; err == ERR_OK && r < rows[0].count; r++) {
        struct order order;
        int64_t id = pg_rows_get_int8(&rows[0], r, 0);
        enum err outcome = order_from_row(&rows[0], r, 0, &order);
        for (size_t i = 0; i < batch->count; i++) {
            struct read_item *item = BATCH_ITEM(batch, struct read_item, i);
            if (item->id != id || !flow_wait_is_live(item->wait)) {
                continue;
            }
            if (outcome == ERR_OK) {
                ((struct get_order *)item->wait.flow)->order = order;
            }
            flow_wake(item->wait, outcome);
        }
    }
    for (size_t i = 0; i < batch->count; i++) { /* whoever still waits: not found, or the error */
        flow_wake(BATCH_ITEM(batch, struct read_item, i)->wait,
                  err == ERR_OK ? ERR_NOT_FOUND : err);
    }
    batcher_end(batch);
}

static void run_read(void *ctx, struct batch *batch) {
    int64_t ids[READ_BATCH_MAX];
    (void)ctx;
    for (size_t i = 0; i < batch->count; i++) {
        ids[i] = BATCH_ITEM(batch, struct read_item, i)->id;
    }
    struct pg_call call = pg_rows_ids_call(&batch->arena, &SQL_ORDER_GET, ids, batch->count);
    pg_run(app.pg, &call, 1, rows_arrived, batch);
}

enum err get_order_init(void) {
    struct batcher_options options = {
        .name = "order_read",
        .item_bytes = sizeof(struct read_item),
        .queue_max = (size_t)order_config.requests_max,
        .batch_max = READ_BATCH_MAX,
        .inflight_max = READ_INFLIGHT_MAX,
        .run = run_read,
    };
    KIND.deadline_ms = (uint32_t)order_config.request_deadline_ms;
    enum err err = batcher_init(&app.reads, app.loop, &options);
    if (err == ERR_OK) {
        err = flow_pool_init(&app.get_flows, app.loop, &KIND, (size_t)order_config.requests_max);
    }
    return err;
}
