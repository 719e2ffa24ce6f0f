/* GET /orders/{id}: one SELECT for everyone who asks in a tick. */
#include "order.h"
#include "parts.h"
#include "statements.h"

#include "runtime/flow/http_flow.h"
#include "runtime/flow/lookup.h"

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

static struct flow_kind KIND =
    FLOW_KIND("get_order", STEPS, struct get_order, http_flow_fail, "There is no such order");

static struct flow_pool flows;
static struct lookup reads;

enum { READ_BATCH_MAX = 256, READ_INFLIGHT_MAX = 2 };

void get_order(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
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
    struct lookup_question question = { flow_wait(flow), self->id };
    enum err err = lookup_ask(&reads, &question);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_order(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    struct buf body;
    buf_init(&body, 0);
    order_encode(&self->order, &body);
    return http_flow_reply(flow, &(struct http_reply){ .status = 200 }, &body);
}

/* ---- the query ---- */

static enum err give_order(const struct lookup_question *question, const void *order) {
    ((struct get_order *)question->wait.flow)->order = *(const struct order *)order;
    return ERR_OK;
}

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct lookup_round *round = ctx;
    for (size_t r = 0; err == ERR_OK && r < rows[0].count; r++) {
        struct order order;
        enum err outcome = order_from_row(&rows[0], r, 0, &order);
        lookup_answer(round, pg_rows_get_int8(&rows[0], r, 0), outcome, &order);
    }
    lookup_end(round, err);
}

static void read_orders(struct lookup_round *round) {
    struct pg_call call = pg_rows_ids_call(round->arena, &SQL_ORDER_GET, round->ids, round->count);
    pg_run(backends.pg, &call, 1, rows_arrived, round);
}

enum err get_order_open(void) {
    struct lookup_options options = {
        .question_bytes = sizeof(struct lookup_question),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = READ_BATCH_MAX,
        .inflight_max = READ_INFLIGHT_MAX,
        .read = read_orders,
        .give = give_order,
    };
    enum err err = lookup_init(&reads, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max)
                         : err;
}

void get_order_close(void) {
    lookup_done(&reads);
    flow_pool_done(&flows);
}
