/*
 * GET /orders/product/{productId}?limit=&cursor=: the orders of a product, newest first, a page at
 * a time: parse → read the page → reply with its Link.
 *
 * The first page of the default length is kept in order-redis under orders:product:{id}, as the
 * JSON array that is shown; a line feed behind the array says that there is a next page. Every
 * writer drops it before it answers (order_store.c, order_updated.c). Readers of one tick share one
 * MGET and one query (flow/lookup). Any other page comes straight from the database.
 */
#include "metrics.h"
#include "order.h"
#include "order_page.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "contract/contract.h"
#include "runtime/flow/http_flow.h"
#include "runtime/flow/lookup.h"
#include "runtime/http/http.h"
#include "runtime/json/json.h"

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
    SCOPE_BYTES = 48,
    FIRST_BATCH_MAX = 64,
    FIRST_INFLIGHT_MAX = 2,
    LATER_INFLIGHT_MAX = 2, /* not batched, but limited */
};

/* After every order: the year 9999. */
#define NEWEST_MS INT64_C(253402300799000)

struct list_orders {
    struct http_flow http;
    int64_t product_id;
    int64_t limit;
    bool has_cursor;
    struct http_cursor after;
    char scope[SCOPE_BYTES]; /* a cursor belongs to the list of one product */
    struct order_page page;  /* in the exchange's arena */
};

/* A page that is read from the database alone. */
struct page_item {
    struct flow_wait wait;
    int64_t product_id;
    int64_t limit;
    struct http_cursor after;
};

static struct flow_kind KIND =
    FLOW_KIND("list_orders", STEPS, struct list_orders, http_flow_fail, NULL);

static struct flow_pool flows;
static struct lookup first_pages;
static struct batcher later_pages;

void list_orders(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static enum flow_rc parse(struct flow *flow) {
    struct list_orders *self = (struct list_orders *)flow;
    if (http_path_id(http_flow_exchange(flow), 0, &self->product_id) != ERR_OK) {
        http_flow_problem(flow, "path/productId", "type", "must be a positive integer");
    }
    snprintf(self->scope, sizeof(self->scope), "orders:%" PRId64, self->product_id);
    self->has_cursor = contract_read_page(flow, self->scope, &self->limit, &self->after);
    return http_flow_check(flow);
}

static enum flow_rc read_page(struct flow *flow) {
    struct list_orders *self = (struct list_orders *)flow;
    struct flow_wait wait = flow_wait(flow);
    enum err err;
    if (!self->has_cursor && self->limit == PAGE_LIMIT_DEFAULT) {
        err = lookup_ask(&first_pages, &(struct lookup_question){ wait, self->product_id });
    } else {
        struct page_item item = { wait, self->product_id, self->limit, { NEWEST_MS, INT64_MAX } };
        if (self->has_cursor) {
            item.after = self->after;
        }
        err = batcher_add(&later_pages, &item);
    }
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

/* ---- a page ---- */

static enum err give_page(struct flow_wait wait, const struct order_page *page) {
    return order_page_copy(wait.flow, page, &((struct list_orders *)wait.flow)->page);
}

/* ---- first pages: cache, else one query for all products that were missing ---- */

static enum err give_first(const struct lookup_question *question, const void *page) {
    return give_page(question->wait, page);
}

/* Time and id of the last order of a cached array, for the cursor of the next page. */
static bool read_last(struct arena *arena, struct str json, struct http_cursor *ret_last) {
    struct json_object *order = NULL;
    struct str created;
    size_t at = json.len;
    while (at > 0 &&
           json.data[at - 1] != '{') { /* orders hold no objects, and their strings no brace */
        at--;
    }
    if (at == 0 || json.len < at + 1) {
        return false;
    }
    return json_parse(arena, json.data + at - 1, json.len - at, &order, NULL) == ERR_OK &&
           json_is_object(order) && json_get_decimal(order, "id", 0, &ret_last->minor) == ERR_OK &&
           json_get_string(order, "createdAt", &created.data, &created.len) == ERR_OK &&
           clock_parse_rfc3339(created.data, created.len, &ret_last->major) == ERR_OK;
}

static bool read_cached(struct lookup_round *round, int64_t id, const struct cache_value *cached) {
    struct str value = cached->value;
    struct order_page page = { .json = value };
    if (value.data == NULL || value.len < 2) {
        return false;
    }
    page.has_more = value.data[value.len - 1] == '\n';
    page.json.len -= page.has_more;
    if (value.data[0] != '[' || value.data[page.json.len - 1] != ']') {
        return false; /* not ours: a miss */
    }
    if (page.has_more && !read_last(round->arena, page.json, &page.last)) {
        return false;
    }
    lookup_answer(round, id, ERR_OK, &page);
    return true;
}

/* The i-th of the round, unless its counter is not known. */
static void cache_page(const struct lookup_round *round, size_t i, bool has_more,
                       struct buf *json) {
    char key[CACHE_NAME_BYTES];
    if (has_more) {
        buf_append_char(json, '\n');
    }
    contract_orders_key(round->ids[i], key);
    struct cache_put put = { .key = key,
                             .value = { buf_bytes(json), buf_length(json) },
                             .version = round->versions[i],
                             .ttl_s = CACHE_ORDERS_TTL_S };
    if (!json->failed && put.version >= 0 && cache_is_ready(backends.cache)) {
        cache_put_unchanged(backends.cache, round->epoch, &put, NULL, NULL);
    }
}

static void first_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct lookup_round *round = ctx;
    struct buf json;
    size_t row = 0;
    buf_init(&json, 0);
    for (size_t i = 0; err == ERR_OK && i < round->count; i++) {
        struct order_page page;
        size_t first = row;
        while (row < rows[0].count && pg_rows_get_int8(&rows[0], row, 1) == round->ids[i]) {
            row++;
        }
        enum err outcome =
            order_page_encode(&rows[0], first, row, PAGE_LIMIT_DEFAULT, &json, &page);
        lookup_answer(round, round->ids[i], outcome, &page);
        if (outcome == ERR_OK) {
            cache_page(round, i, page.has_more, &json);
        }
    }
    buf_free(&json);
    lookup_end(round, err);
}

static void read_first(struct lookup_round *round) {
    struct pg_call call =
        pg_rows_ids_call(round->arena, &SQL_ORDER_FIRST_PAGES, round->ids, round->count);
    call.params[call.param_count++] = pg_int8(PAGE_LIMIT_DEFAULT + 1);
    pg_run(backends.pg, &call, 1, first_arrived, round);
}

/* ---- any other page: straight from the database ---- */

static void later_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    const struct page_item *item = batch->items;
    struct order_page page;
    struct buf json;
    buf_init(&json, 0);
    if (err == ERR_OK) {
        err = order_page_encode(&rows[0], 0, rows[0].count, (size_t)item->limit, &json, &page);
    }
    if (err == ERR_OK && flow_wait_is_live(item->wait)) {
        err = give_page(item->wait, &page);
    }
    flow_wake(item->wait, err);
    buf_free(&json);
    batcher_end(batch);
}

static void read_later(void *ctx, struct batch *batch) {
    const struct page_item *item = batch->items;
    struct pg_call call = { &SQL_ORDER_PAGE,
                            { pg_int8(item->product_id), pg_time(item->after.major),
                              pg_int8(item->after.minor), pg_int8(item->limit + 1) },
                            4 };
    (void)ctx;
    pg_run(backends.pg, &call, 1, later_arrived, batch);
}

enum err list_orders_open(void) {
    struct lookup_options first = {
        .question_bytes = sizeof(struct lookup_question),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = FIRST_BATCH_MAX,
        .inflight_max = FIRST_INFLIGHT_MAX,
        .cache = backends.cache,
        .cache_key = contract_orders_key,
        .read_cached = read_cached,
        .read = read_first,
        .give = give_first,
        .hits = &order_metrics[M_LIST_HITS],
        .misses = &order_metrics[M_LIST_MISSES],
    };
    struct batcher_options later = {
        .item_bytes = sizeof(struct page_item),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = 1,
        .inflight_max = LATER_INFLIGHT_MAX,
        .run = read_later,
    };
    enum err err = lookup_init(&first_pages, backends.loop, &first);
    if (err == ERR_OK) {
        err = batcher_init(&later_pages, backends.loop, &later);
    }
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max)
                         : err;
}

void list_orders_close(void) {
    lookup_done(&first_pages);
    batcher_done(&later_pages);
    flow_pool_done(&flows);
}
