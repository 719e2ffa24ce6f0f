/*
 * order.created: a batch of orders becomes one transaction.
 *
 * Lock the products, then look into the ledger (in this order: whoever decided an order before us
 * held the same lock); decide in arrival order (stock.c); write ledger, products and outbox, and
 * commit; then cache, order.updated, and the acknowledgement.
 */
#include "metrics.h"
#include "parts.h"
#include "product_set.h"
#include "statements.h"
#include "stock.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/telemetry/log.h"

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
static void lock_products(void *ctx, void *items, size_t count);
static void decide(void *ctx, enum err err, const struct pg_rows *rows);
static void store_outcomes(struct arena *arena);
static void committed(void *ctx, enum err err, const struct pg_rows *rows);
static void cached(void *ctx, enum err err);

struct decision_item {
    struct stock_order order;
    int64_t decided_ms;
    struct trace trace;
};

/* The segment under way; one at a time. */
static struct {
    struct consumer *consumer;
    struct decision_item *items;
    size_t count;
    struct pg_session *session;
    struct product_set set;
    struct teller_event *events; /* order.updated for each order, then product.updated */
    size_t event_count;
    int64_t now_ms;
    uint64_t started_us;
} segment;

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

static void lock_products(void *ctx, void *items, size_t count) {
    struct arena *arena = consumer_arena(ctx);
    struct decision_item *decisions = items;
    int64_t *product_ids = arena_array(arena, count, sizeof(*product_ids));
    int64_t *order_ids = arena_array(arena, count, sizeof(*order_ids));
    segment.consumer = ctx;
    if (product_ids == NULL || order_ids == NULL) {
        consumer_segment_done(segment.consumer, ERR_NO_MEMORY);
        return;
    }
    segment.items = decisions;
    segment.count = count;
    segment.now_ms = clock_unix_ms();
    segment.started_us = clock_monotonic_us();
    for (size_t i = 0; i < count; i++) {
        product_ids[i] = decisions[i].order.product_id;
        order_ids[i] = decisions[i].order.order_id;
        decisions[i].order.known = false; /* a retry starts afresh */
        decisions[i].decided_ms = segment.now_ms;
    }
    struct pg_call calls[2] = {
        product_set_lock_call(arena, product_ids, count),
        pg_rows_ids_call(arena, &SQL_LEDGER_FIND, order_ids, count),
    };
    metrics_observe(&product_metrics[M_DECISION_BATCH], (int64_t)count);
    segment.session = pg_begin(backends.pg, calls, 2, decide, NULL);
}

/* ---- decide ---- */

/* A row of a version before has no createdAt. */
static bool is_its_row(const struct pg_rows *rows, size_t row, const struct decision_item *item) {
    if (pg_rows_get_int8(rows, row, 0) != item->order.order_id) {
        return false;
    }
    if (pg_rows_is_null(rows, row, 7)) {
        return str_equal(pg_rows_get_text(rows, row, 6), str_of(item->trace.request_id));
    }
    return pg_rows_get_time(rows, row, 7) == item->order.created_ms;
}

/*
 * ERR_REJECTED_DATA: the same order with other contents, or unreadable; the consumer isolates and
 * parks it. A row of another order with its id, from before a restore, is none of its own.
 */
static enum err take_ledger_row(const struct pg_rows *rows, size_t row) {
    for (size_t i = 0; i < segment.count; i++) {
        struct decision_item *item = &segment.items[i];
        if (!is_its_row(rows, row, item)) {
            continue;
        }
        bool same = pg_rows_get_int8(rows, row, 4) == item->order.product_id &&
                    pg_rows_get_int8(rows, row, 5) == item->order.quantity;
        bool known = contract_status_parse(pg_rows_get_text(rows, row, 1), &item->order.status) &&
                     contract_reason_parse(pg_rows_get_text(rows, row, 2), &item->order.reason);
        if (!same || !known) {
            log_error("the ledger has this order with other contents",
                      LOG_INT("orderId", item->order.order_id));
            return ERR_REJECTED_DATA;
        }
        item->order.known = true;
        item->decided_ms = pg_rows_get_time(rows, row, 3);
    }
    return ERR_OK;
}

static enum err decide_stock(struct arena *arena) {
    size_t levels_count = segment.set.count;
    struct stock_level *levels = arena_array(arena, levels_count + 1, sizeof(*levels));
    struct stock_order **orders = arena_array(arena, segment.count, sizeof(*orders));
    struct stock_order **scratch = arena_array(arena, segment.count, sizeof(*scratch));
    if (levels == NULL || orders == NULL || scratch == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < levels_count; i++) {
        levels[i].product_id = segment.set.items[i].product.id;
        levels[i].qty = segment.set.items[i].product.qty;
    }
    for (size_t i = 0; i < segment.count; i++) {
        orders[i] = &segment.items[i].order;
    }
    stock_decide(levels, levels_count, orders, segment.count, scratch);
    for (size_t i = 0; i < levels_count; i++) {
        segment.set.items[i].changed = levels[i].taken > 0;
        segment.set.items[i].product.qty = levels[i].qty;
    }
    for (size_t i = 0; i < segment.count; i++) { /* the last order of a product names its event */
        struct changed_product *row =
            product_set_find(&segment.set, segment.items[i].order.product_id);
        if (row != NULL) {
            row->trace = segment.items[i].trace;
        }
    }
    return ERR_OK;
}

static void abandon(enum err err) {
    pg_rollback(segment.session);
    consumer_segment_done(segment.consumer, err);
}

static void ids_arrived(void *ctx, enum err err) {
    (void)ctx;
    if (err != ERR_OK) {
        abandon(err);
        return;
    }
    store_outcomes(consumer_arena(segment.consumer));
}

static void decide(void *ctx, enum err err, const struct pg_rows *rows) {
    struct arena *arena = consumer_arena(segment.consumer);
    (void)ctx;
    if (err != ERR_OK) { /* the session is gone */
        consumer_segment_done(segment.consumer, err);
        return;
    }
    err = product_set_read(arena, &rows[0], &segment.set);
    for (size_t i = 0; err == ERR_OK && i < rows[1].count; i++) {
        err = take_ledger_row(&rows[1], i);
    }
    if (err == ERR_OK) {
        err = decide_stock(arena);
    }
    if (err != ERR_OK) { /* there may be no set to count in */
        abandon(err);
        return;
    }
    segment.event_count = segment.count + product_set_changed_count(&segment.set);
    segment.events = arena_array(arena, segment.event_count, sizeof(*segment.events));
    if (segment.events == NULL) {
        abandon(ERR_NO_MEMORY);
        return;
    }
    store_outcomes(arena);
}

/* ---- store ---- */

static struct teller_event order_event(struct arena *arena, const struct decision_item *item,
                                       int64_t outbox_id) {
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
    struct teller_event event = { .id = outbox_id,
                                  .routing_key = KEY_ORDER_UPDATED,
                                  .trace = item->trace };
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf body;
    buf_init(&body, 0);
    contract_write_order_updated(&updated, id, &body);
    teller_event_finish(&event, arena, id, &body);
    return event;
}

/* New decisions only: copies and what the ledger has are left out. */
static struct pg_call ledger_call(struct arena *arena, size_t new_count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, &SQL_LEDGER_INSERT, "iiittTtT", new_count);
    for (size_t i = 0; i < segment.count; i++) {
        const struct decision_item *item = &segment.items[i];
        if (!item->order.known) {
            pg_rows_put_int8(&rows, item->order.order_id);
            pg_rows_put_int8(&rows, item->order.product_id);
            pg_rows_put_int8(&rows, item->order.quantity);
            pg_rows_put_text(&rows, str_of(contract_status_name(item->order.status)));
            pg_rows_put_text(&rows, str_of(contract_reason_name(item->order.reason)));
            pg_rows_put_time(&rows, segment.now_ms);
            pg_rows_put_text(&rows, str_of(item->trace.request_id));
            pg_rows_put_time(&rows, item->order.created_ms);
        }
    }
    return pg_rows_call(&rows);
}

static void store_outcomes(struct arena *arena) {
    int64_t first_outbox_id = 0;
    struct pg_call calls[3];
    size_t call_count = 0, new_count = 0;
    if (id_block_take(&outbox_ids, segment.event_count, &first_outbox_id) != ERR_OK) {
        id_block_wait(&outbox_ids, ids_arrived, NULL);
        return;
    }
    for (size_t i = 0; i < segment.count; i++) {
        segment.events[i] = order_event(arena, &segment.items[i], first_outbox_id + (int64_t)i);
        new_count += !segment.items[i].order.known;
    }
    product_set_finish(arena, &segment.set, segment.now_ms,
                       first_outbox_id + (int64_t)segment.count, segment.events + segment.count);
    if (new_count > 0) {
        calls[call_count++] = ledger_call(arena, new_count);
    }
    if (segment.event_count > segment.count) {
        calls[call_count++] = product_set_update_call(arena, &segment.set);
    }
    calls[call_count++] = outbox_insert_call(arena, segment.events, segment.event_count);
    pg_commit(segment.session, calls, call_count, committed, NULL);
}

/* ---- tell ---- */

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
    (void)ctx;
    (void)rows;
    if (err == ERR_TAKEN_ID) {
        id_block_drop(&outbox_ids);
    }
    if (err != ERR_OK) {
        consumer_segment_done(segment.consumer, err);
        return;
    }
    uint64_t took_us = clock_monotonic_us() - segment.started_us;
    for (size_t i = 0; i < segment.count; i++) {
        log_outcome(&segment.items[i], took_us);
        count_outcome(&segment.items[i]);
    }
    outbox_publish(&backends.outbox, segment.events, segment.event_count);
    product_set_cache(consumer_arena(segment.consumer), &segment.set, cached, NULL);
}

static void cached(void *ctx, enum err err) {
    (void)ctx;
    (void)err; /* Redis down costs speed, never an answer */
    consumer_segment_done(segment.consumer, ERR_OK);
}

const struct consumer_options order_created_consumer = {
    .item_bytes = sizeof(struct decision_item),
    .decode = decode,
    .run = lock_products,
};
