/* GET /products?limit=&cursor=: a page of the catalogue, by id. */
#include "parts.h"
#include "product.h"
#include "statements.h"

#include "runtime/flow/http_flow.h"
#include "runtime/http/http.h"

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

static const char CURSOR_SCOPE[] = "products";

struct list_products {
    struct http_flow http;
    int64_t limit;
    struct http_cursor after; /* minor: the last id of the page before */
    struct buf json;
    bool has_more;
    int64_t last_id;
};

static void fail(struct flow *flow);

static struct flow_kind KIND = FLOW_KIND("list_products", STEPS, struct list_products, fail, NULL);

static struct flow_pool flows;
static struct batcher pages;

struct page_item {
    struct flow_wait wait;
    int64_t after_id;
    int64_t limit;
};

/* Pages are not batched, but limited: so many queries at once, so many waiting. */
enum { PAGE_INFLIGHT_MAX = 2, PAGE_QUEUE_MAX = 1024 };

void list_products(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static void fail(struct flow *flow) {
    buf_free(&((struct list_products *)flow)->json);
    http_flow_fail(flow);
}

static enum flow_rc parse(struct flow *flow) {
    struct list_products *self = (struct list_products *)flow;
    buf_init(&self->json, 0);
    (void)contract_read_page(flow, CURSOR_SCOPE, &self->limit, &self->after);
    return http_flow_check(flow);
}

static enum flow_rc read_page(struct flow *flow) {
    struct list_products *self = (struct list_products *)flow;
    struct page_item item = { .wait = flow_wait(flow),
                              .after_id = self->after.minor,
                              .limit = self->limit };
    enum err err = batcher_add(&pages, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_page(struct flow *flow) {
    struct list_products *self = (struct list_products *)flow;
    char link[128], cursor[HTTP_CURSOR_BYTES];
    struct http_reply reply = { .status = 200 };
    if (self->has_more) {
        http_cursor_format((struct http_cursor){ 0, self->last_id }, CURSOR_SCOPE, cursor);
        snprintf(link, sizeof(link), "</products?limit=%" PRId64 "&cursor=%s>; rel=\"next\"",
                 self->limit, cursor);
        reply.link = link;
    }
    return http_flow_reply(flow, &reply, &self->json);
}

/* ---- the query: one row more than the page, to know whether there is a next one ---- */

static void encode_page(struct list_products *self, const struct pg_rows *rows) {
    struct product product;
    size_t count = rows->count;
    self->has_more = count > (size_t)self->limit;
    if (self->has_more) {
        count = (size_t)self->limit;
    }
    buf_append_char(&self->json, '[');
    for (size_t i = 0; i < count; i++) {
        product_from_row(rows, i, &product);
        if (i > 0) {
            buf_append_char(&self->json, ',');
        }
        product_encode(&product, &self->json);
        self->last_id = product.id;
    }
    buf_append_char(&self->json, ']');
}

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct page_item *item = batch->items;
    if (err == ERR_OK && flow_wait_is_live(item->wait)) {
        encode_page((struct list_products *)item->wait.flow, &rows[0]);
    }
    flow_wake(item->wait, err);
    batcher_end(batch);
}

static void run_page(void *ctx, struct batch *batch) {
    struct page_item *item = batch->items;
    struct pg_call call = { &SQL_PRODUCT_PAGE,
                            { pg_int8(item->after_id), pg_int8(item->limit + 1) },
                            2 };
    (void)ctx;
    pg_run(backends.pg, &call, 1, page_arrived, batch);
}

enum err list_products_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct page_item),
        .queue_max = PAGE_QUEUE_MAX,
        .batch_max = 1,
        .inflight_max = PAGE_INFLIGHT_MAX,
        .run = run_page,
    };
    enum err err = batcher_init(&pages, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, PAGE_QUEUE_MAX) : err;
}

void list_products_close(void) {
    batcher_done(&pages);
    flow_pool_done(&flows);
}
