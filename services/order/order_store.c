/* The insert batch: one statement, or halves of it → events → lists → wake. */
#include "order_store.h"

#include "backlog.h"
#include "config.h"
#include "idempotency.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"
#include "telling.h"

#include "base/clock.h"
#include "contract/contract.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* One order waiting for the insert batch; owns its strings, because it outlives the flow. */
struct insert_item {
    struct flow_wait wait;
    struct order *ret_order; /* the flow's, written while it still waits */
    struct order order;
    bool has_key;
    enum err outcome;
    uint64_t started_us;
    struct trace_copy trace;
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
};

/*
 * Usually the whole batch is one statement. If the database refuses its data, halves of it are
 * tried, down to one order; if it waits in vain for a lock, which may be that of a key, small parts
 * one after the other, since whatever has that key costs the lock timeout.
 */
struct insert_state {
    size_t first, span;
    size_t part; /* the greatest span while a locked key is looked for; else 0 */
    uint64_t begin_ms;
    unsigned renumbered; /* times that ids proved to be taken */
};

enum {
    RENUMBERED_MAX = 3,
    LOCKED_PARTS = 16,
    LOCKED_MS_MAX = 2000, /* then it is not repeated; a migration waits so long for its table */
    GATHER_FROM = 8,      /* orders in a statement */
    GATHER_MS = 6,
};

static struct batcher inserts;
static uint64_t held_since_us; /* the next batch; 0: it is not */

static void insert_next(struct batch *batch);

enum err order_store_insert(struct flow_wait wait, const struct new_order *order,
                            struct order *ret_order) {
    struct insert_item item = {
        .wait = wait,
        .ret_order = ret_order,
        .order = { .product_id = order->product_id,
                   .quantity = order->quantity,
                   .unit_price_cents = order->unit_price_cents,
                   .total_price_cents = order->unit_price_cents * order->quantity,
                   .status = ORDER_WAITING },
        .has_key = order->idempotency_key != NULL,
        .started_us = order->started_us,
    };
    trace_copy(&item.trace, order->trace);
    memcpy(item.order.request_id, item.trace.request_id, sizeof(item.trace.request_id));
    if (item.has_key) {
        snprintf(item.key, sizeof(item.key), "%s", order->idempotency_key);
    }
    return batcher_add(&inserts, &item);
}

static struct insert_item *item_at(struct batch *batch, size_t i) {
    return BATCH_ITEM(batch, struct insert_item, i);
}

/* ---- the end of a batch ---- */

static void finish(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        struct insert_item *item = item_at(batch, i);
        if (item->has_key) {
            idempotency_release(item->key);
        }
        if (item->outcome == ERR_OK && flow_wait_is_live(item->wait)) {
            *item->ret_order = item->order;
        }
        flow_wake(item->wait, item->outcome);
    }
    batcher_end(batch);
}

static void lists_dropped(void *ctx, enum err err) {
    (void)err;
    finish(ctx);
}

/* Read your own write: the first pages that show these orders go before the answers do. */
static void drop_lists(struct batch *batch) {
    int64_t ids[CACHE_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (item_at(batch, i)->outcome == ERR_OK) {
            ids[count++] = item_at(batch, i)->order.product_id;
        }
    }
    order_drop_lists(backends.cache, ids, count, lists_dropped, batch);
}

/* ---- one statement ---- */

static void set_outcomes(struct batch *batch, enum err err) {
    struct insert_state *state = batch->state;
    for (size_t i = 0; i < state->span; i++) {
        item_at(batch, state->first + i)->outcome = err;
    }
}

/* The places that came back are stored; the others lost the race for their key. */
static void take_stored(struct batch *batch, const struct pg_rows *rows) {
    struct insert_state *state = batch->state;
    set_outcomes(batch, ERR_CONFLICT);
    for (size_t r = 0; r < rows->count; r++) {
        size_t place = (size_t)pg_rows_get_int8(rows, r, 0);
        assert(place < state->span);
        struct insert_item *item = item_at(batch, state->first + place);
        item->order.id = pg_rows_get_int8(rows, r, 1);
        item->outcome = ERR_OK;
    }
}

static void log_stored(const struct insert_item *item, uint64_t now_us) {
    log_info("order stored", LOG_TRACE(trace_of(&item->trace)), LOG_INT("orderId", item->order.id),
             LOG_INT("productId", item->order.product_id),
             LOG_INT("quantity", item->order.quantity), LOG_INT("us", now_us - item->started_us));
}

static void tell(struct batch *batch) {
    struct insert_state *state = batch->state;
    struct teller_event *events = arena_array(&batch->arena, state->span, sizeof(*events));
    uint64_t now_us = clock_monotonic_us();
    size_t count = 0;
    for (size_t i = 0; i < state->span; i++) {
        const struct insert_item *item = item_at(batch, state->first + i);
        if (item->outcome != ERR_OK) {
            continue;
        }
        log_stored(item, now_us);
        metrics_add(&order_metrics[M_ORDERS_STORED], 1);
        backlog_stored(item->order.id);
        if (events == NULL) {
            telling_later(item->order.id, item->order.id);
            continue;
        }
        events[count++] = order_created_event(&batch->arena, &item->order, trace_of(&item->trace));
    }
    telling_tell(events, count);
    KILL_POINT("order", "told");
}

static void advance(struct batch *batch) {
    struct insert_state *state = batch->state;
    state->first += state->span;
    state->span = batch->count - state->first;
    if (state->part > 0 && state->span > state->part) {
        state->span = state->part;
    }
    if (state->span == 0) {
        drop_lists(batch);
        return;
    }
    insert_next(batch);
}

/*
 * Somebody has one of the keys: the others are stored without it. Or, when there are no keys, the
 * table: that passes, or it does not.
 */
static bool repeat_locked(struct batch *batch) {
    struct insert_state *state = batch->state;
    bool has_keys = false;
    for (size_t i = 0; i < state->span; i++) {
        has_keys = has_keys || item_at(batch, state->first + i)->has_key;
    }
    bool is_found = has_keys && state->span == 1;
    if (is_found || clock_monotonic_ms() - state->begin_ms >= LOCKED_MS_MAX) {
        state->part = 0;
        return false;
    }
    if (has_keys) {
        state->span = state->part = (state->span + LOCKED_PARTS - 1) / LOCKED_PARTS;
    }
    insert_next(batch);
    return true;
}

static void inserted(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct insert_state *state = batch->state;
    if (err == ERR_TAKEN_ID && state->renumbered < RENUMBERED_MAX) {
        state->renumbered++; /* the statement draws others */
        insert_next(batch);
        return;
    }
    if (err == ERR_LOCKED && repeat_locked(batch)) {
        return;
    }
    bool about_data = err == ERR_REJECTED_DATA || err == ERR_DUPLICATE || err == ERR_INTERNAL;
    if (about_data && state->span > 1) { /* one bad row must not fail its neighbours */
        state->span /= 2;
        insert_next(batch);
        return;
    }
    if (err == ERR_OK) {
        KILL_POINT("order", "stored");
        take_stored(batch, &rows[0]);
        tell(batch);
    } else {
        set_outcomes(batch,
                     err == ERR_CONFLICT ? ERR_UNAVAILABLE : err); /* a deadlock is no key's */
    }
    advance(batch);
}

static struct pg_call insert_call(struct batch *batch) {
    struct insert_state *state = batch->state;
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &batch->arena, &SQL_ORDER_INSERT, "iiiiTtttt", state->span);
    for (size_t i = 0; i < state->span; i++) {
        const struct insert_item *item = item_at(batch, state->first + i);
        pg_rows_put_int8(&rows, (int64_t)i);
        pg_rows_put_int8(&rows, item->order.product_id);
        pg_rows_put_int8(&rows, item->order.quantity);
        pg_rows_put_int8(&rows, item->order.unit_price_cents);
        pg_rows_put_time(&rows, item->order.created_ms);
        pg_rows_put_trace(&rows, trace_of(&item->trace));
        pg_rows_put_text(&rows, item->has_key ? str_of(item->key) : (struct str){ NULL, 0 });
    }
    return pg_rows_call(&rows);
}

static void insert_next(struct batch *batch) {
    struct pg_call call = insert_call(batch);
    pg_run(backends.pg, &call, 1, inserted, batch);
}

/* ---- the start of a batch ---- */

static void fail_batch(struct batch *batch, enum err err) {
    for (size_t i = 0; i < batch->count; i++) {
        item_at(batch, i)->outcome = err;
    }
    finish(batch);
}

/*
 * Whoever was answered 503 at its deadline may have asked again: its order must not be stored now.
 */
static bool is_still_wanted(void *item_void) {
    struct insert_item *item = item_void;
    bool wanted = flow_wait_is_live(item->wait);
    if (!wanted && item->has_key) {
        idempotency_release(item->key);
    }
    return wanted;
}

static void run_insert(void *ctx, struct batch *batch) {
    int64_t now_ms = clock_unix_ms();
    (void)ctx;
    if (batcher_filter(batch, is_still_wanted) == 0) {
        batcher_end(batch);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct order *order = &item_at(batch, i)->order;
        order->created_ms = order->updated_ms = now_ms;
    }
    struct insert_state *state = arena_zalloc(&batch->arena, sizeof(*state));
    if (state == NULL) {
        fail_batch(batch, ERR_NO_MEMORY);
        return;
    }
    state->span = batch->count;
    state->begin_ms = clock_monotonic_ms();
    batch->state = state;
    insert_next(batch);
}

/* While there is a backlog, until the oldest has waited long enough; how long the batch is held. */
static uint64_t hold_ms(void *ctx, const void *oldest) {
    const struct insert_item *item = oldest;
    uint64_t hold_us = backlog_hold_us(), now_us;
    (void)ctx;
    if (hold_us == 0 && held_since_us == 0) {
        return 0;
    }
    now_us = clock_monotonic_us();
    if (now_us - item->started_us < hold_us) {
        held_since_us = held_since_us == 0 ? now_us : held_since_us;
        return (hold_us - (now_us - item->started_us) + 999) / 1000;
    }
    if (held_since_us != 0) {
        metrics_observe(&order_metrics[M_HOLD_SECONDS], (int64_t)(now_us - held_since_us));
        held_since_us = 0;
    }
    return 0;
}

void order_store_go_on(void) {
    batcher_go_on(&inserts);
}

enum err order_store_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct insert_item),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = (size_t)order_config.insert_batch_max,
        .inflight_max = (size_t)order_config.insert_inflight_max,
        .gather = { .from = GATHER_FROM, .ms_max = GATHER_MS },
        .run = run_insert,
        .hold_ms = hold_ms,
        .size_histogram = &order_metrics[M_INSERT_BATCH],
    };
    return batcher_init(&inserts, backends.loop, &options);
}

void order_store_close(void) {
    batcher_done(&inserts);
}
