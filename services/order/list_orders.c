/* GET /orders/product/{productId}?limit=&cursor=: parse → read the page → reply with its Link. */
#include "app.h"
#include "config.h"
#include "order_pages.h"

#include "base/clock.h"
#include "contract/limits.h"
#include "runtime/flow/http_flow.h"

#include <inttypes.h>
#include <stdio.h>

static enum flow_rc parse(struct flow *flow);
static enum flow_rc read_page(struct flow *flow);
static enum flow_rc reply_page(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "read_page", read_page },
    { "reply_page", reply_page },
};

enum { SCOPE_BYTES = 48 };

struct list_orders {
    struct http_flow http;
    int64_t product_id;
    int64_t limit;
    bool has_cursor;
    struct http_cursor after;
    char scope[SCOPE_BYTES]; /* a cursor belongs to the list of one product */
    struct order_page page;
};

static struct flow_kind KIND = {
    .name = "list_orders",
    .steps = STEPS,
    .step_count = sizeof(STEPS) / sizeof(STEPS[0]),
    .fail = http_flow_fail,
    .flow_bytes = sizeof(struct list_orders),
};

void list_orders(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&app.list_flows, exchange);
}

static enum flow_rc parse(struct flow *flow) {
    struct list_orders *self = (struct list_orders *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    struct str cursor;
    if (http_path_id(exchange, 0, &self->product_id) != ERR_OK) {
        http_flow_problem(flow, "path/productId", "type", "must be a positive integer");
    }
    if (http_query_int(exchange, "limit", 1, PAGE_LIMIT_MAX, PAGE_LIMIT_DEFAULT, &self->limit) !=
        ERR_OK) {
        http_flow_problem(flow, "query/limit", "maximum", "must be an integer from 1 to 1000");
    }
    snprintf(self->scope, sizeof(self->scope), "orders:%" PRId64, self->product_id);
    enum err err = http_query_param(exchange, "cursor", &cursor);
    if (err == ERR_OK) {
        self->has_cursor = true;
        err = http_cursor_parse(cursor, self->scope, &self->after);
        if (err == ERR_OK && !clock_is_printable(self->after.major)) {
            err = ERR_INVALID;
        }
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        http_flow_problem(flow, "query/cursor", "format", "is not a cursor that we issued");
    }
    return http_flow_check(flow);
}

static enum flow_rc read_page(struct flow *flow) {
    struct list_orders *self = (struct list_orders *)flow;
    enum err err =
        order_pages_read(flow_wait(flow), http_arena(http_flow_exchange(flow)), self->product_id,
                         self->limit, self->has_cursor ? &self->after : NULL, &self->page);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_page(struct flow *flow) {
    struct list_orders *self = (struct list_orders *)flow;
    char link[160], cursor[HTTP_CURSOR_BYTES];
    struct http_reply reply = { .status = 200,
                                .body = self->page.json.data,
                                .body_length = self->page.json.len };
    if (self->page.has_more) {
        http_cursor_format(self->page.last, self->scope, cursor);
        snprintf(link, sizeof(link),
                 "</orders/product/%" PRId64 "?limit=%" PRId64 "&cursor=%s>; rel=\"next\"",
                 self->product_id, self->limit, cursor);
        reply.link = link;
    }
    http_reply(http_flow_exchange(flow), &reply);
    return FLOW_END;
}

enum err list_orders_init(void) {
    KIND.deadline_ms = (uint32_t)order_config.request_deadline_ms;
    return flow_pool_init(&app.list_flows, app.loop, &KIND, (size_t)order_config.requests_max);
}
