/*
 * order.created: a batch of orders becomes one transaction.
 *
 * Lock the products, then look into the ledger (in this order: whoever decided an order before us
 * held the same lock); decide in arrival order (stock.c); write ledger and products, and commit;
 * then order.updated and the cache. The orders' own rows, in the order service, are the outbox of
 * all this: a waiting order is told again, and the ledger answers.
 */
#include "ledger.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"
#include "stock.h"
#include "stock_news.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

struct decision;

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
static void lock_products(void *ctx, struct consumer_segment *segment);
static void decide(void *ctx, enum err err, const struct pg_rows *rows);
static void store_outcomes(struct decision *decision);
static void committed(void *ctx, enum err err, const struct pg_rows *rows);
static void cached(void *ctx, enum err err);

struct decision_item {
    struct stock_order order;
    int64_t decided_ms;
    struct trace trace;
};

/* A segment under way; in its arena. */
struct decision {
    struct consumer_segment *segment;
    struct arena *arena;
    struct decision_item *items;
    size_t count;
    struct pg_session *session;
    struct product_set set;
    int64_t now_ms;
    uint64_t started_us;
};

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    struct decision_item *decision = item;
    struct order_created created;
    (void)ctx;
    enum err err = contract_read_order_created(arena, event, &created, ret_why);
    if (err != ERR_OK) {
        return err;
    }
    *decision = (struct decision_item){
        .order = { .order_id = created.order_id,
                   .created_ms = created.created_ms,
                   .product_id = created.product_id,
                   .quantity = created.quantity },
        .trace = created.trace,
    };
    return ERR_OK;
}

/* ---- lock ---- */

static int64_t product_of(const void *item) {
    return ((const struct decision_item *)item)->order.product_id;
}

static void lock_products(void *ctx, struct consumer_segment *segment) {
    struct arena *arena = &segment->arena;
    struct decision *decision = arena_zalloc(arena, sizeof(*decision));
    int64_t *product_ids = arena_array(arena, segment->count, sizeof(*product_ids));
    int64_t *order_ids = arena_array(arena, segment->count, sizeof(*order_ids));
    (void)ctx;
    if (decision == NULL || product_ids == NULL || order_ids == NULL) {
        consumer_segment_done(segment, ERR_NO_MEMORY);
        return;
    }
    *decision = (struct decision){ .segment = segment,
                                   .arena = arena,
                                   .items = segment->items,
                                   .count = segment->count,
                                   .now_ms = clock_unix_ms(),
                                   .started_us = clock_monotonic_us() };
    for (size_t i = 0; i < decision->count; i++) {
        struct decision_item *item = &decision->items[i];
        product_ids[i] = item->order.product_id;
        order_ids[i] = item->order.order_id;
        item->order.known = false; /* a retry starts afresh */
        item->decided_ms = decision->now_ms;
    }
    struct pg_call calls[2] = {
        product_set_lock_call(arena, product_ids, decision->count),
        pg_rows_ids_call(arena, &SQL_LEDGER_FIND, order_ids, decision->count),
    };
    metrics_observe(&product_metrics[M_DECISION_BATCH], (int64_t)decision->count);
    decision->session = pg_begin(backends.pg, calls, 2, decide, decision);
}

/* ---- decide ---- */

enum { IDS_SAID_MS = 60000 };

/* The order database was restored to an earlier moment: its ids go on above those of the ledger. */
#define IDS_CURE                                                                                   \
    "./prodorder psql order -c \"SELECT setval('order_numbers', greatest(last_value,"              \
    " $(./prodorder psql product -Atc 'SELECT max(order_id) FROM stock_ledger')))"                 \
    " FROM order_numbers\""

/*
 * ERR_UNPROCESSABLE: the same order with other contents; ERR_REJECTED_DATA: unreadable. The
 * consumer isolates it. A row of another order with its id, from before a restore, is none of its
 * own.
 */
static enum err take_ledger_row(struct decision *decision, const struct pg_rows *rows, size_t row) {
    struct ledger_row ledger;
    if (ledger_read(rows, row, &ledger) != ERR_OK) {
        return ERR_REJECTED_DATA;
    }
    for (size_t i = 0; i < decision->count; i++) {
        struct decision_item *item = &decision->items[i];
        if (!ledger_is_of(&ledger, item->order.order_id, item->order.created_ms,
                          item->trace.request_id)) {
            continue;
        }
        if (ledger.product_id != item->order.product_id ||
            ledger.quantity != item->order.quantity) {
            return ERR_UNPROCESSABLE;
        }
        item->order.known = true;
        item->order.status = ledger.status;
        item->order.reason = ledger.reason;
        item->decided_ms = ledger.decided_ms;
    }
    return ERR_OK;
}

/* The ledger has an order of another time with the id of a new one. Said now and then only. */
static void look_for_ids_that_come_again(const struct decision *decision,
                                         const struct pg_rows *rows) {
    static uint64_t next_ms;
    for (size_t r = 0; r < rows->count; r++) {
        int64_t id = pg_rows_get_int8(rows, r, 0);
        for (size_t i = 0; i < decision->count; i++) {
            const struct stock_order *order = &decision->items[i].order;
            if (order->order_id == id && !order->known && clock_monotonic_ms() >= next_ms) {
                next_ms = clock_monotonic_ms() + IDS_SAID_MS;
                log_warn("order ids come again", LOG_INT("orderId", id), LOG_STR("cure", IDS_CURE));
            }
        }
    }
}

static enum err decide_stock(struct decision *decision) {
    struct product_set *set = &decision->set;
    struct arena *arena = decision->arena;
    struct stock_level *levels = arena_array(arena, set->count + 1, sizeof(*levels));
    struct stock_order **orders = arena_array(arena, decision->count, sizeof(*orders));
    struct stock_order **scratch = arena_array(arena, decision->count, sizeof(*scratch));
    if (levels == NULL || orders == NULL || scratch == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < set->count; i++) {
        levels[i].product_id = set->items[i].product.id;
        levels[i].qty = set->items[i].product.qty;
    }
    for (size_t i = 0; i < decision->count; i++) {
        orders[i] = &decision->items[i].order;
    }
    stock_decide(levels, set->count, orders, decision->count, scratch);
    for (size_t i = 0; i < set->count; i++) {
        set->items[i].changed = levels[i].taken > 0;
        set->items[i].product.qty = levels[i].qty;
    }
    for (size_t i = 0; i < decision->count; i++) { /* the last order of a product names its event */
        const struct decision_item *item = &decision->items[i];
        struct changed_product *row = product_set_find(set, item->order.product_id);
        if (row != NULL) {
            row->trace = item->trace;
            row->told = row->told || item->order.known; /* its event may be lost */
        }
    }
    return ERR_OK;
}

/* ---- an order that the ledger has with other contents, alone ---- */

static void conflict_noted(void *ctx, enum err err, const struct pg_rows *rows) {
    struct decision *decision = ctx;
    bool is_new = err == ERR_OK && rows[0].count > 0;
    if (err == ERR_OK) {
        log_error("the ledger has this order with other contents",
                  LOG_TRACE(decision->items[0].trace),
                  LOG_INT("orderId", decision->items[0].order.order_id), LOG_BOOL("new", is_new));
        metrics_add(&product_metrics[M_ORDERS_CONFLICTING], is_new);
    }
    consumer_segment_done(decision->segment, is_new ? ERR_UNPROCESSABLE : err);
}

/*
 * On record, and a dead letter when it was not before: it is told again until a person resolves it.
 */
static void note_conflict(struct decision *decision) {
    const struct decision_item *item = &decision->items[0];
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, decision->arena, &SQL_LEDGER_CONFLICT, "iTiiTt", 1);
    pg_rows_put_int8(&rows, item->order.order_id);
    pg_rows_put_time(&rows, item->order.created_ms);
    pg_rows_put_int8(&rows, item->order.product_id);
    pg_rows_put_int8(&rows, item->order.quantity);
    pg_rows_put_time(&rows, decision->now_ms);
    pg_rows_put_text(&rows, str_of(item->trace.request_id));
    struct pg_call call = pg_rows_call(&rows);
    pg_commit(decision->session, &call, 1, conflict_noted, decision);
}

static void decide(void *ctx, enum err err, const struct pg_rows *rows) {
    struct decision *decision = ctx;
    if (err != ERR_OK) { /* the session is gone */
        consumer_segment_done(decision->segment, err);
        return;
    }
    err = product_set_read(decision->arena, &rows[0], &decision->set);
    for (size_t i = 0; err == ERR_OK && i < rows[1].count; i++) {
        err = take_ledger_row(decision, &rows[1], i);
    }
    if (err == ERR_UNPROCESSABLE && decision->count == 1) {
        note_conflict(decision);
        return;
    }
    if (err == ERR_OK) {
        look_for_ids_that_come_again(decision, &rows[1]);
        err = decide_stock(decision);
    }
    if (err != ERR_OK) {
        pg_rollback(decision->session);
        consumer_segment_done(decision->segment, err);
        return;
    }
    store_outcomes(decision);
    if (consumer_segment_is_full(decision->segment)) { /* its products are ours until the commit */
        consumer_segment_passed(decision->segment);
    }
}

/* ---- store ---- */

/* New decisions only: copies and what the ledger has are left out. */
static struct pg_call ledger_call(const struct decision *decision, size_t new_count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, decision->arena, &SQL_LEDGER_INSERT, "iiittTtT", new_count);
    for (size_t i = 0; i < decision->count; i++) {
        const struct decision_item *item = &decision->items[i];
        if (!item->order.known) {
            pg_rows_put_int8(&rows, item->order.order_id);
            pg_rows_put_int8(&rows, item->order.product_id);
            pg_rows_put_int8(&rows, item->order.quantity);
            pg_rows_put_text(&rows, str_of(contract_status_name(item->order.status)));
            pg_rows_put_text(&rows, str_of(contract_reason_name(item->order.reason)));
            pg_rows_put_time(&rows, decision->now_ms);
            pg_rows_put_text(&rows, str_of(item->trace.request_id));
            pg_rows_put_time(&rows, item->order.created_ms);
        }
    }
    return pg_rows_call(&rows);
}

static void store_outcomes(struct decision *decision) {
    struct pg_call calls[2];
    size_t call_count = 0, new_count = 0;
    for (size_t i = 0; i < decision->count; i++) {
        new_count += !decision->items[i].order.known;
    }
    product_set_finish(&decision->set, decision->now_ms);
    if (new_count > 0) {
        calls[call_count++] = ledger_call(decision, new_count);
    }
    if (product_set_changed_count(&decision->set) > 0) {
        calls[call_count++] = product_set_update_call(decision->arena, &decision->set);
    }
    KILL_POINT("order", "decided");
    pg_commit(decision->session, calls, call_count, committed, decision);
}

/* ---- tell ---- */

static struct teller_event order_event(struct arena *arena, const struct decision_item *item) {
    struct order_updated updated = {
        .order_id = item->order.order_id,
        .created_ms = item->order.created_ms,
        .product_id = item->order.product_id,
        .quantity = item->order.quantity,
        .status = item->order.status,
        .reason = item->order.reason,
        .updated_ms = item->decided_ms,
        .trace = item->trace,
    };
    return ledger_answer(arena, &updated);
}

/* False: no memory; all of it is done again. */
static bool tell(const struct decision *decision) {
    struct teller_event *events = arena_array(decision->arena, decision->count, sizeof(*events));
    for (size_t i = 0; events != NULL && i < decision->count; i++) {
        events[i] = order_event(decision->arena, &decision->items[i]);
        if (events[i].body.data == NULL) {
            events = NULL;
        }
    }
    if (events != NULL) {
        consumer_answer(decision->segment, events, decision->count);
        stock_news_add(&decision->set, decision->segment);
    }
    return events != NULL;
}

static void count_outcome(const struct decision_item *item) {
    enum product_metric metric = M_ORDERS_DONE;
    if (item->order.known) {
        metric = M_ORDERS_REPEATED;
    } else if (item->order.reason == REASON_OUT_OF_STOCK) {
        metric = M_ORDERS_OUT_OF_STOCK;
    } else if (item->order.reason == REASON_PRODUCT_NOT_FOUND) {
        metric = M_ORDERS_PRODUCT_NOT_FOUND;
    }
    metrics_add(&product_metrics[metric], 1);
}

static void log_outcome(const struct decision_item *item, uint64_t took_us) {
    log_info("order decided", LOG_TRACE(item->trace), LOG_INT("orderId", item->order.order_id),
             LOG_INT("productId", item->order.product_id),
             LOG_STR("status", contract_status_name(item->order.status)),
             LOG_STR("reason", contract_reason_name(item->order.reason)),
             LOG_BOOL("repeated", item->order.known), LOG_INT("us", took_us));
}

static void committed(void *ctx, enum err err, const struct pg_rows *rows) {
    struct decision *decision = ctx;
    (void)rows;
    if (err != ERR_OK) {
        consumer_segment_done(decision->segment, err);
        return;
    }
    KILL_POINT("order", "committed");
    if (!tell(decision)) {
        consumer_segment_done(decision->segment, ERR_NO_MEMORY);
        return;
    }
    KILL_POINT("outcome", "told");
    uint64_t took_us = clock_monotonic_us() - decision->started_us;
    for (size_t i = 0; i < decision->count; i++) {
        log_outcome(&decision->items[i], took_us);
        count_outcome(&decision->items[i]);
    }
    consumer_segment_passed(decision->segment);
    product_set_cache(decision->arena, &decision->set, cached, decision);
}

static void cached(void *ctx, enum err err) {
    const struct decision *decision = ctx;
    (void)err; /* Redis down costs speed, never an answer */
    consumer_segment_done(decision->segment, ERR_OK);
}

const struct consumer_options order_created_consumer = {
    .item_bytes = sizeof(struct decision_item),
    .decode = decode,
    .run = lock_products,
    .row = product_of,
    .find_locked = &SQL_PRODUCT_LOCKED,
};
