/*
 * POST /orders. Read the steps from top to bottom: that is the story of an order in this service.
 * Its event leaves after the commit (order_store.c); what comes back is order_updated.c's.
 */
#include "backlog.h"
#include "idempotency.h"
#include "metrics.h"
#include "order_read.h"
#include "order_store.h"
#include "outcome_wait.h"
#include "parts.h"
#include "product_lookup.h"

#include "base/trace.h"
#include "runtime/flow/http_flow.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum flow_rc parse(struct flow *flow);            /* body and Idempotency-Key             */
static enum flow_rc find_earlier(struct flow *flow);     /* the order that this key stands for   */
static enum flow_rc find_product(struct flow *flow);     /* order-redis, else product-service    */
static enum flow_rc store_order(struct flow *flow);      /* joins the insert batch               */
static enum flow_rc wait_for_outcome(struct flow *flow); /* Prefer: wait */
static enum flow_rc read_outcome(struct flow *flow);
static enum flow_rc reply_created(struct flow *flow); /* 200 and the order                    */

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "find_earlier", find_earlier },
    { "find_product", find_product },
    { "store_order", store_order },
    { "wait_for_outcome", wait_for_outcome },
    { "read_outcome", read_outcome },
    { "reply_created", reply_created },
};

struct create_order {
    struct http_flow http;
    int64_t product_id;
    int64_t quantity;
    int64_t unit_price_cents;
    struct order order;
    bool holds_claim;
    unsigned wait_s; /* Prefer: wait, 0: none */
    struct earlier_order earlier;
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1]; /* "": none */
};

static void fail(struct flow *flow);

static struct flow_kind KIND =
    FLOW_KIND("create_order", STEPS, struct create_order, fail, "There is no such product");

static struct flow_pool flows;

static struct create_order *of(struct flow *flow) {
    return (struct create_order *)flow;
}

void create_order(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static void release_claim(struct create_order *self) {
    if (self->holds_claim) {
        idempotency_release(self->key);
        self->holds_claim = false;
    }
}

/* What is stored is answered as such: how it ended could not be read, no more. */
static void fail(struct flow *flow) {
    struct create_order *self = of(flow);
    release_claim(self);
    if (self->wait_s > 0) {
        self->wait_s = 0;
        if (reply_created(flow) == FLOW_END) {
            return;
        }
    }
    http_flow_fail(flow);
}

/* ---- the steps ---- */

static enum flow_rc parse(struct flow *flow) {
    static const char *const MEMBERS[] = { "productId", "quantity", NULL };
    static const struct http_number_rule PRODUCT_ID = {
        .member = "productId", .min = 1, .max = INT64_MAX, .required = true
    };
    static const struct http_number_rule QUANTITY = {
        .member = "quantity", .min = 1, .max = ORDER_QUANTITY_MAX, .required = true
    };
    struct create_order *self = of(flow);
    struct json_object *body = NULL;
    KILL_POINT("order", "taken");
    if (http_flow_body(flow, MEMBERS, &body) != FLOW_NEXT) {
        return FLOW_FAILED;
    }
    (void)http_flow_number(flow, body, &PRODUCT_ID, &self->product_id);
    (void)http_flow_number(flow, body, &QUANTITY, &self->quantity);
    contract_read_key(flow, self->key);
    return http_flow_check(flow);
}

static enum flow_rc find_earlier(struct flow *flow) {
    struct create_order *self = of(flow);
    if (self->key[0] == '\0') {
        return FLOW_NEXT;
    }
    enum err err = idempotency_claim(self->key);
    if (err != ERR_OK) {
        return flow_fail(flow, err, "A request with this Idempotency-Key is being processed");
    }
    self->holds_claim = true;
    err = idempotency_find(flow_wait(flow), self->key, &self->earlier);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static void note_replay(struct flow *flow) {
    const struct order *order = &of(flow)->order;
    struct trace trace = http_trace(http_flow_exchange(flow));
    metrics_add(&order_metrics[M_ORDERS_REPLAYED], 1);
    log_info("order answered again", LOG_TRACE(trace), LOG_INT("orderId", order->id),
             LOG_STR("firstRequestId", order->request_id));
}

static enum flow_rc find_product(struct flow *flow) {
    struct create_order *self = of(flow);
    if (self->earlier.found) {
        bool same = self->earlier.product_id == self->product_id &&
                    self->earlier.quantity == self->quantity;
        if (!same) {
            return flow_fail(flow, ERR_UNPROCESSABLE,
                             "This Idempotency-Key was used with another payload");
        }
        self->order = self->earlier.order;
        note_replay(flow);
        return FLOW_NEXT;
    }
    enum err err = product_lookup(flow_wait(flow), self->product_id,
                                  http_trace(http_flow_exchange(flow)), &self->unit_price_cents);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc store_order(struct flow *flow) {
    struct create_order *self = of(flow);
    struct http_exchange *exchange = http_flow_exchange(flow);
    if (self->earlier.found) {
        return FLOW_NEXT;
    }
    if (backlog_is_full()) {
        return flow_fail(flow, ERR_BUSY, "Too many orders wait to be fulfilled, try again later");
    }
    struct new_order order = {
        .product_id = self->product_id,
        .quantity = self->quantity,
        .unit_price_cents = self->unit_price_cents,
        .trace = http_trace(exchange),
        .started_us = http_started_us(exchange),
        .idempotency_key = self->key[0] == '\0' ? NULL : self->key,
    };
    enum err err = order_store_insert(flow_wait(flow), &order, &self->order);
    if (err != ERR_OK) {
        return flow_fail(flow, err, NULL);
    }
    self->holds_claim = false; /* the store's now: an insert may outlive its flow */
    return FLOW_WAIT;
}

static enum flow_rc wait_for_outcome(struct flow *flow) {
    struct create_order *self = of(flow);
    release_claim(self);
    uint64_t ms = self->order.status == ORDER_WAITING
                      ? outcome_wait_ms(http_flow_exchange(flow), &self->wait_s)
                      : 0; /* the key's order has ended */
    if (ms == 0) {
        return FLOW_NEXT;
    }
    outcome_wait(flow_wait(flow), self->order.id, ms);
    return FLOW_WAIT;
}

static enum flow_rc read_outcome(struct flow *flow) {
    struct create_order *self = of(flow);
    if (self->wait_s == 0) {
        return FLOW_NEXT;
    }
    enum err err = order_read(flow_wait(flow), self->order.id, &self->order);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_created(struct flow *flow) {
    struct create_order *self = of(flow);
    char location[48];
    struct buf body;
    snprintf(location, sizeof(location), "/orders/%" PRId64, self->order.id);
    buf_init(&body, 0);
    order_encode(&self->order, &body);
    return http_flow_reply(
        flow, &(struct http_reply){ .status = 200, .location = location, .waited_s = self->wait_s },
        &body);
}

enum err create_order_open(void) {
    return backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max);
}

void create_order_close(void) {
    flow_pool_done(&flows);
}
