/*
 * GET /orders?status=&from=&to=&limit=&cursor=: orders by id, the newest first, a page at a time:
 * parse → read the page → reply with its Link.
 *
 * No index knows how an order ended, or every order would cost an entry more when it ends.
 * Cancelled ones are few and have a table of their own; those that wait are above the mark; others
 * are looked for from the newest on, at most LOOK_ROWS for a page: one may have fewer orders than
 * it could, even none, while Link names the next.
 */
#include "order.h"
#include "order_page.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "contract/contract.h"
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

enum {
    LOOK_ROWS = 50000, /* for a page */
    INFLIGHT_MAX = 2,
    LINK_BYTES = 320,
};

#define SCOPE "orders"
/* Before and after every order. */
#define OLDEST_MS INT64_C(0)
#define NEWEST_MS INT64_C(253402300799000)

struct search {
    bool has_status;
    enum order_status status;
    int64_t from_ms, to_ms;
    int64_t before_id;
    int64_t limit;
};

struct search_orders {
    struct http_flow http;
    struct search search;
    struct order_page page; /* in the exchange's arena */
    int64_t last_id;        /* the next page is before it; 0: there is none */
};

/* A page to be read; its search outlives the flow. */
struct search_item {
    struct flow_wait wait;
    struct search search;
};

static struct flow_kind KIND =
    FLOW_KIND("search_orders", STEPS, struct search_orders, http_flow_fail, NULL);

static struct flow_pool flows;
static struct batcher pages;

void search_orders(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

/* ---- the steps ---- */

static void parse_status(struct flow *flow, struct search *search) {
    struct str name = { NULL, 0 };
    enum err err = http_query_param(http_flow_exchange(flow), "status", &name);
    if (err == ERR_NOT_FOUND) {
        return;
    }
    if (err != ERR_OK || !contract_status_parse(name, &search->status)) {
        http_flow_problem(flow, "query/status", "enum",
                          "must be waiting, done, rejected or cancelled");
        return;
    }
    search->has_status = true;
}

static void parse_time(struct flow *flow, const char *path, int64_t *ret_ms) {
    struct str text = { NULL, 0 };
    int64_t ms = 0;
    enum err err = http_query_param(http_flow_exchange(flow), path + sizeof("query/") - 1, &text);
    if (err == ERR_NOT_FOUND) {
        return;
    }
    if (err != ERR_OK || clock_parse_rfc3339(text.data, text.len, &ms) != ERR_OK ||
        !clock_is_printable(ms)) {
        http_flow_problem(flow, path, "format", "must be an RFC 3339 time");
        return;
    }
    *ret_ms = ms;
}

static enum flow_rc parse(struct flow *flow) {
    struct search *search = &((struct search_orders *)flow)->search;
    struct http_cursor after = { 0, 0 };
    search->from_ms = OLDEST_MS;
    search->to_ms = NEWEST_MS;
    parse_status(flow, search);
    parse_time(flow, "query/from", &search->from_ms);
    parse_time(flow, "query/to", &search->to_ms);
    bool has_cursor = contract_read_page(flow, SCOPE, &search->limit, &after);
    search->before_id = has_cursor ? after.minor : INT64_MAX;
    return http_flow_check(flow);
}

static enum flow_rc read_page(struct flow *flow) {
    const struct search_orders *self = (struct search_orders *)flow;
    struct search_item item = { flow_wait(flow), self->search };
    enum err err = batcher_add(&pages, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

/* The same search, from there on. */
static void format_link(const struct search_orders *self, char link[LINK_BYTES]) {
    const struct search *search = &self->search;
    char cursor[HTTP_CURSOR_BYTES], status[32] = "", from[48] = "", to[48] = "";
    char time[CLOCK_RFC3339_BYTES];
    http_cursor_format((struct http_cursor){ 0, self->last_id }, SCOPE, cursor);
    if (search->has_status) {
        snprintf(status, sizeof(status), "&status=%s", contract_status_name(search->status));
    }
    if (search->from_ms != OLDEST_MS) {
        clock_format_rfc3339(search->from_ms, time);
        snprintf(from, sizeof(from), "&from=%s", time);
    }
    if (search->to_ms != NEWEST_MS) {
        clock_format_rfc3339(search->to_ms, time);
        snprintf(to, sizeof(to), "&to=%s", time);
    }
    snprintf(link, LINK_BYTES, "</orders?limit=%" PRId64 "%s%s%s&cursor=%s>; rel=\"next\"",
             search->limit, status, from, to, cursor);
}

static enum flow_rc reply_page(struct flow *flow) {
    const struct search_orders *self = (struct search_orders *)flow;
    char link[LINK_BYTES];
    struct http_reply reply = { .status = 200,
                                .body = self->page.json.data,
                                .body_length = self->page.json.len };
    if (self->last_id > 0) {
        format_link(self, link);
        reply.link = link;
    }
    http_reply(http_flow_exchange(flow), &reply);
    return FLOW_END;
}

/* ---- the query ---- */

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    const struct search_item *item = batch->items;
    struct order_page page = { 0 };
    int64_t looked_id = 0;
    struct buf json;
    buf_init(&json, 0);
    if (err == ERR_OK) {
        size_t count = rows[0].count;
        if (count > 0 && !pg_rows_is_null(&rows[0], 0, ORDER_COLUMN_COUNT)) {
            looked_id = pg_rows_get_int8(&rows[0], 0, ORDER_COLUMN_COUNT);
        }
        if (count > 0 && pg_rows_is_null(&rows[0], 0, 0)) {
            count = 0;
        }
        err = order_page_encode(&rows[0], 0, count, (size_t)item->search.limit, &json, &page);
    }
    if (err == ERR_OK && flow_wait_is_live(item->wait)) {
        struct search_orders *self = (struct search_orders *)item->wait.flow;
        err = order_page_copy(item->wait.flow, &page, &self->page);
        self->last_id = page.has_more ? page.last.minor : looked_id;
    }
    flow_wake(item->wait, err);
    buf_free(&json);
    batcher_end(batch);
}

static void run_search(void *ctx, struct batch *batch) {
    const struct search_item *item = batch->items;
    const struct search *search = &item->search;
    struct pg_param before = pg_int8(search->before_id), from = pg_time(search->from_ms),
                    to = pg_time(search->to_ms), limit = pg_int8(search->limit + 1);
    const char *status = search->has_status ? contract_status_name(search->status) : "";
    struct pg_call cancelled = { &SQL_ORDER_CANCELLED, { before, from, to, limit }, 4 };
    struct pg_call other = { &SQL_ORDER_SEARCH,
                             { before, pg_text(str_of(status)), from, to, limit,
                               pg_int8(LOOK_ROWS) },
                             6 };
    bool is_cancelled = search->has_status && search->status == ORDER_CANCELLED;
    (void)ctx;
    if (!flow_wait_is_live(item->wait)) { /* it was answered: too late */
        batcher_end(batch);
        return;
    }
    pg_run(backends.pg, is_cancelled ? &cancelled : &other, 1, page_arrived, batch);
}

enum err search_orders_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct search_item),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = 1,
        .inflight_max = INFLIGHT_MAX,
        .run = run_search,
    };
    enum err err = batcher_init(&pages, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max)
                         : err;
}

void search_orders_close(void) {
    batcher_done(&pages);
    flow_pool_done(&flows);
}
