/*
 * GET /orders/{id}: parse → read → (wait → read again) → reply. `Prefer: wait=N` waits while the
 * order does.
 */
#include "order_read.h"
#include "outcome_wait.h"
#include "parts.h"

#include "runtime/flow/http_flow.h"

static enum flow_rc parse(struct flow *flow);
static enum flow_rc read_order(struct flow *flow);
static enum flow_rc wait_for_outcome(struct flow *flow);
static enum flow_rc read_again(struct flow *flow);
static enum flow_rc reply_order(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "read_order", read_order },
    { "wait_for_outcome", wait_for_outcome },
    { "read_again", read_again },
    { "reply_order", reply_order },
};

struct get_order {
    struct http_flow http;
    int64_t id;
    struct order order;
    unsigned wait_s; /* Prefer: wait; 0: none, or there was nothing to wait for */
};

static struct flow_kind KIND =
    FLOW_KIND("get_order", STEPS, struct get_order, http_flow_fail, "There is no such order");

static struct flow_pool flows;

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
    enum err err = order_read(flow_wait(flow), self->id, &self->order);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc wait_for_outcome(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    uint64_t ms = self->order.status == ORDER_WAITING
                      ? outcome_wait_ms(http_flow_exchange(flow), &self->wait_s)
                      : 0;
    if (ms == 0) {
        return FLOW_NEXT;
    }
    outcome_wait(flow_wait(flow), self->id, ms);
    return FLOW_WAIT;
}

static enum flow_rc read_again(struct flow *flow) {
    const struct get_order *self = (struct get_order *)flow;
    return self->wait_s == 0 ? FLOW_NEXT : read_order(flow);
}

static enum flow_rc reply_order(struct flow *flow) {
    struct get_order *self = (struct get_order *)flow;
    struct buf body;
    buf_init(&body, 0);
    order_encode(&self->order, &body);
    return http_flow_reply(flow, &(struct http_reply){ .status = 200, .waited_s = self->wait_s },
                           &body);
}

enum err get_order_open(void) {
    return backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max);
}

void get_order_close(void) {
    flow_pool_done(&flows);
}
