#include "order_pages.h"

#include "app.h"
#include "config.h"
#include "metrics.h"
#include "order.h"
#include "statements.h"

#include "base/clock.h"
#include "contract/names.h"
#include "runtime/json/json.h"

#include <string.h>

enum {
    FIRST_BATCH_MAX = 64,
    FIRST_INFLIGHT_MAX = 2,
    LATER_INFLIGHT_MAX = 2, /* not batched, but limited */
};

/* After every order: the year 9999. */
#define NEWEST_MS INT64_C(253402300799000)

struct page_item {
    struct flow_wait wait;
    struct arena *arena; /* the exchange's, used while it waits */
    struct order_page *ret_page;
    int64_t product_id;
    int64_t limit;
    struct http_cursor after;
};

enum err order_pages_read(struct flow_wait wait, struct arena *arena, int64_t product_id,
                          int64_t limit, const struct http_cursor *after,
                          struct order_page *ret_page) {
    struct page_item item = { .wait = wait,
                              .arena = arena,
                              .ret_page = ret_page,
                              .product_id = product_id,
                              .limit = limit,
                              .after = { NEWEST_MS, INT64_MAX } };
    if (after == NULL && limit == PAGE_LIMIT_DEFAULT) {
        return batcher_add(&app.first_pages, &item);
    }
    if (after != NULL) {
        item.after = *after;
    }
    return batcher_add(&app.later_pages, &item);
}

static void answer(const struct page_item *item, const struct order_page *page, enum err err) {
    if (err == ERR_OK && flow_wait_is_live(item->wait)) {
        char *copy = arena_copy(item->arena, page->json.data, page->json.len);
        *item->ret_page = *page;
        item->ret_page->json.data = copy;
        err = copy == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    flow_wake(item->wait, err);
}

/*
 * Rows [first, end) as a page of at most `limit`; one row more than that means that there is a next
 * page.
 */
static enum err encode_rows(const struct pg_rows *rows, size_t first, size_t end, size_t limit,
                            struct buf *out, struct order_page *ret_page) {
    struct order order = { 0 };
    ret_page->has_more = end - first > limit;
    if (ret_page->has_more) {
        end = first + limit;
    }
    buf_clear(out);
    buf_append_char(out, '[');
    for (size_t r = first; r < end; r++) {
        if (order_from_row(rows, r, 0, &order) != ERR_OK) {
            return ERR_INTERNAL;
        }
        if (r > first) {
            buf_append_char(out, ',');
        }
        order_encode(&order, out);
    }
    buf_append_char(out, ']');
    ret_page->last = (struct http_cursor){ order.created_ms, order.id };
    ret_page->json = (struct str){ buf_bytes(out), buf_length(out) };
    return out->failed ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- first pages: cache, else one query for all products that were missing ---- */

struct first_state {
    int64_t ids[FIRST_BATCH_MAX];      /* distinct */
    int64_t versions[FIRST_BATCH_MAX]; /* counters, as they were before the query */
    bool usable[FIRST_BATCH_MAX];      /* the counter is known: the page may be cached */
    size_t id_count;
    int64_t missing[FIRST_BATCH_MAX];
    size_t missing_count;
    uint64_t epoch;
};

static void answer_product(struct batch *batch, int64_t product_id, const struct order_page *page,
                           enum err err) {
    for (size_t i = 0; i < batch->count; i++) {
        const struct page_item *item = BATCH_ITEM(batch, struct page_item, i);
        if (item->product_id == product_id) {
            answer(item, page, err);
        }
    }
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

/* A cached value as a page; false when it is not one. */
static bool read_cached(struct arena *arena, struct str value, struct order_page *ret_page) {
    if (value.data == NULL || value.len < 2) {
        return false;
    }
    *ret_page = (struct order_page){ .json = value };
    ret_page->has_more = value.data[value.len - 1] == '\n';
    ret_page->json.len -= ret_page->has_more;
    if (value.data[0] != '[' || value.data[ret_page->json.len - 1] != ']') {
        return false; /* not ours: a miss */
    }
    return !ret_page->has_more || read_last(arena, ret_page->json, &ret_page->last);
}

static void cache_page(struct first_state *state, int64_t product_id, struct order_page *page,
                       struct buf *json) {
    char key[CACHE_NAME_BYTES];
    size_t k = 0;
    while (state->ids[k] != product_id) {
        k++;
    }
    if (!state->usable[k]) {
        return;
    }
    if (page->has_more) {
        buf_append_char(json, '\n');
    }
    cache_key_orders(product_id, key);
    struct cache_put put = { .key = key,
                             .value = { buf_bytes(json), buf_length(json) },
                             .version = state->versions[k],
                             .ttl_s = CACHE_ORDERS_TTL_S };
    if (!json->failed && cache_is_ready(app.cache)) {
        cache_put_unchanged(app.cache, state->epoch, &put, NULL, NULL);
    }
}

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct first_state *state = batch->state;
    struct buf json;
    size_t row = 0;
    buf_init(&json, 0);
    for (size_t m = 0; m < state->missing_count; m++) {
        struct order_page page = { .json = { NULL, 0 } };
        enum err outcome = err;
        size_t first = row;
        if (err == ERR_OK) {
            while (row < rows[0].count && pg_rows_get_int8(&rows[0], row, 1) == state->missing[m]) {
                row++;
            }
            outcome = encode_rows(&rows[0], first, row, PAGE_LIMIT_DEFAULT, &json, &page);
        }
        answer_product(batch, state->missing[m], &page, outcome);
        if (outcome == ERR_OK) {
            cache_page(state, state->missing[m], &page, &json);
        }
    }
    buf_free(&json);
    batcher_end(batch);
}

static void query_missing(struct batch *batch) {
    struct first_state *state = batch->state;
    struct pg_call call = pg_rows_ids_call(&batch->arena, &SQL_ORDER_FIRST_PAGES, state->missing,
                                           state->missing_count);
    call.params[call.param_count++] = pg_int8(PAGE_LIMIT_DEFAULT + 1);
    pg_run(app.pg, &call, 1, rows_arrived, batch);
}

static void values_arrived(void *ctx, enum err err, const struct cache_value *values) {
    struct batch *batch = ctx;
    struct first_state *state = batch->state;
    for (size_t k = 0; k < state->id_count; k++) {
        struct order_page page;
        bool hit = err == ERR_OK && read_cached(&batch->arena, values[k].value, &page);
        metrics_add(&order_metrics[hit ? M_LIST_HITS : M_LIST_MISSES], 1);
        if (hit) {
            answer_product(batch, state->ids[k], &page, ERR_OK);
            continue;
        }
        state->usable[k] = err == ERR_OK;
        state->versions[k] = err == ERR_OK ? values[k].version : 0;
        state->missing[state->missing_count++] = state->ids[k];
    }
    if (state->missing_count == 0) {
        batcher_end(batch);
        return;
    }
    query_missing(batch);
}

static void collect_ids(struct first_state *state, struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = BATCH_ITEM(batch, struct page_item, i)->product_id;
        size_t k = 0;
        while (k < state->id_count && state->ids[k] != id) {
            k++;
        }
        if (k == state->id_count) {
            state->ids[state->id_count++] = id;
        }
    }
}

static void run_first(void *ctx, struct batch *batch) {
    struct first_state *state = arena_zalloc(&batch->arena, sizeof(*state));
    char names[FIRST_BATCH_MAX][CACHE_NAME_BYTES];
    const char *keys[FIRST_BATCH_MAX];
    (void)ctx;
    if (state == NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            flow_wake(BATCH_ITEM(batch, struct page_item, i)->wait, ERR_NO_MEMORY);
        }
        batcher_end(batch);
        return;
    }
    batch->state = state;
    state->epoch = cache_epoch(app.cache);
    collect_ids(state, batch);
    for (size_t k = 0; k < state->id_count; k++) {
        cache_key_orders(state->ids[k], names[k]);
        keys[k] = names[k];
    }
    cache_get(app.cache, keys, state->id_count, values_arrived, batch);
}

/* ---- any other page: straight from the database ---- */

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    const struct page_item *item = batch->items;
    struct order_page page = { .json = { NULL, 0 } };
    struct buf json;
    buf_init(&json, 0);
    if (err == ERR_OK) {
        err = encode_rows(&rows[0], 0, rows[0].count, (size_t)item->limit, &json, &page);
    }
    answer(item, &page, err);
    buf_free(&json);
    batcher_end(batch);
}

static void run_later(void *ctx, struct batch *batch) {
    const struct page_item *item = batch->items;
    struct pg_call call = { &SQL_ORDER_PAGE,
                            { pg_int8(item->product_id), pg_time(item->after.major),
                              pg_int8(item->after.minor), pg_int8(item->limit + 1) },
                            4 };
    (void)ctx;
    pg_run(app.pg, &call, 1, page_arrived, batch);
}

enum err order_pages_init(void) {
    struct batcher_options first = {
        .name = "order_first_pages",
        .item_bytes = sizeof(struct page_item),
        .queue_max = (size_t)order_config.requests_max,
        .batch_max = FIRST_BATCH_MAX,
        .inflight_max = FIRST_INFLIGHT_MAX,
        .run = run_first,
    };
    struct batcher_options later = first;
    later.name = "order_later_pages";
    later.batch_max = 1;
    later.inflight_max = LATER_INFLIGHT_MAX;
    later.run = run_later;
    enum err err = batcher_init(&app.first_pages, app.loop, &first);
    return err == ERR_OK ? batcher_init(&app.later_pages, app.loop, &later) : err;
}
