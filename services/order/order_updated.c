/*
 * order.updated: a batch of outcomes becomes one UPDATE; then lists are dropped, then the
 * acknowledgement. That a cancelled order's stock is settled is noted in its cancellation.
 */
#include "backlog.h"
#include "metrics.h"
#include "order.h"
#include "order_store.h"
#include "outcome_wait.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

struct outcomes;

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
static void update_orders(void *ctx, struct consumer_segment *segment);
static void updated(void *ctx, enum err err, const struct pg_rows *rows);
static void find_unknown(struct outcomes *outcomes);
static void known_arrived(void *ctx, enum err err, const struct pg_rows *rows);
static void lists_dropped(void *ctx, enum err err);

/* A segment under way; in its arena. */
struct outcomes {
    struct consumer_segment *segment;
    struct arena *arena;
    const struct order_updated *items;
    size_t count;
    uint64_t started_us;
};

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    (void)ctx;
    return contract_read_order_updated(arena, event, item, ret_why);
}

static int64_t order_of(const void *item) {
    return ((const struct order_updated *)item)->order_id;
}

/* Of those that say that a cancelled order is settled; .statement NULL: none. */
static struct pg_call settle_call(const struct outcomes *outcomes) {
    struct pg_rows_writer rows;
    size_t count = 0;
    for (size_t i = 0; i < outcomes->count; i++) {
        count += outcomes->items[i].status == ORDER_CANCELLED;
    }
    if (count == 0) {
        return (struct pg_call){ NULL, { { 0 } }, 0 };
    }
    pg_rows_begin(&rows, outcomes->arena, &SQL_CANCELLATION_SETTLE, "iT", count);
    for (size_t i = 0; i < outcomes->count; i++) {
        if (outcomes->items[i].status == ORDER_CANCELLED) {
            pg_rows_put_int8(&rows, outcomes->items[i].order_id);
            pg_rows_put_time(&rows, outcomes->items[i].created_ms);
        }
    }
    return pg_rows_call(&rows);
}

static void update_orders(void *ctx, struct consumer_segment *segment) {
    struct outcomes *outcomes = arena_zalloc(&segment->arena, sizeof(*outcomes));
    struct pg_rows_writer rows;
    (void)ctx;
    if (outcomes == NULL) {
        consumer_segment_done(segment, ERR_NO_MEMORY);
        return;
    }
    *outcomes = (struct outcomes){ .segment = segment,
                                   .arena = &segment->arena,
                                   .items = segment->items,
                                   .count = segment->count,
                                   .started_us = clock_monotonic_us() };
    pg_rows_begin(&rows, outcomes->arena, &SQL_ORDER_FINISH, "ittTT", outcomes->count);
    for (size_t i = 0; i < outcomes->count; i++) {
        const struct order_updated *event = &outcomes->items[i];
        pg_rows_put_int8(&rows, event->order_id);
        pg_rows_put_text(&rows, str_of(contract_status_name(event->status)));
        pg_rows_put_text(&rows, str_of(contract_reason_name(event->reason)));
        pg_rows_put_time(&rows, event->updated_ms);
        pg_rows_put_time(&rows, event->created_ms);
    }
    struct pg_call calls[2] = { pg_rows_call(&rows), settle_call(outcomes) };
    bool settles = calls[1].statement != NULL;
    metrics_observe(&order_metrics[M_FINISH_BATCH], (int64_t)outcomes->count);
    pg_run(backends.pg, calls, settles ? 2 : 1, updated, outcomes);
}

static void log_outcome(const struct order_updated *event, int64_t waited_ms, uint64_t us) {
    static const enum order_metric METRICS[ORDER_STATUSES] = {
        [ORDER_DONE] = M_ORDERS_DONE,
        [ORDER_REJECTED] = M_ORDERS_REJECTED,
        [ORDER_CANCELLED] = M_ORDERS_CANCELLED,
    };
    log_info("order finished", LOG_TRACE(event->trace), LOG_INT("orderId", event->order_id),
             LOG_STR("status", contract_status_name(event->status)),
             LOG_STR("reason", contract_reason_name(event->reason)), LOG_INT("us", us));
    metrics_add(&order_metrics[METRICS[event->status]], 1);
    if (waited_ms >= 0) { /* clocks may step */
        metrics_observe(&order_metrics[M_FULFILMENT_SECONDS], waited_ms * 1000);
    }
}

/* It names an order as (id, createdAt); versions before only by its id. */
static bool is_of(const struct order_updated *event, int64_t order_id, int64_t created_ms) {
    return event->order_id == order_id &&
           (event->created_ms == 0 || event->created_ms == created_ms);
}

/*
 * Those that moved; a repeated event moves nothing. The rows come mostly in the order of the
 * events.
 */
static void log_outcomes(const struct outcomes *outcomes, const struct pg_rows *rows) {
    int64_t now_ms = clock_unix_ms();
    uint64_t us = clock_monotonic_us() - outcomes->started_us;
    size_t next = 0;
    for (size_t r = 0; r < rows->count; r++) {
        int64_t id = pg_rows_get_int8(rows, r, 0), created_ms = pg_rows_get_time(rows, r, 2);
        for (size_t tried = 0; tried < outcomes->count; tried++) {
            const struct order_updated *event = &outcomes->items[(next + tried) % outcomes->count];
            if (is_of(event, id, created_ms)) {
                log_outcome(event, now_ms - created_ms, us);
                next = (next + tried + 1) % outcomes->count;
                break;
            }
        }
    }
}

/* `rows`: of orders, with their products. */
static void drop_lists(struct outcomes *outcomes, const struct pg_rows *rows) {
    int64_t product_ids[CACHE_KEYS_MAX];
    for (size_t r = 0; r < rows->count; r++) {
        product_ids[r] = pg_rows_get_int8(rows, r, 1);
    }
    order_drop_lists(backends.cache, product_ids, rows->count, lists_dropped, outcomes);
}

static void updated(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outcomes *outcomes = ctx;
    if (err != ERR_OK) {
        consumer_segment_done(outcomes->segment, err);
        return;
    }
    KILL_POINT("order", "finished");
    log_outcomes(outcomes, &rows[0]);
    backlog_finished(&rows[0]);
    outcome_wait_end(&rows[0]);
    order_store_go_on();
    consumer_segment_passed(outcomes->segment);
    if (rows[0].count == outcomes->count) {
        drop_lists(outcomes, &rows[0]);
    } else {
        find_unknown(outcomes);
    }
}

/* ---- those that moved nothing: told before, or of an order that is not here ---- */

static void find_unknown(struct outcomes *outcomes) {
    int64_t *ids = arena_array(outcomes->arena, outcomes->count, sizeof(*ids));
    if (ids == NULL) {
        consumer_segment_done(outcomes->segment, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < outcomes->count; i++) {
        ids[i] = outcomes->items[i].order_id;
    }
    struct pg_call call = pg_rows_ids_call(outcomes->arena, &SQL_ORDER_KNOWN, ids, outcomes->count);
    pg_run(backends.pg, &call, 1, known_arrived, outcomes);
}

/*
 * A restored database does not have it, or it was never ours: there is nothing to repeat. The lists
 * go of all that are here: whoever was told before may have moved without an answer.
 */
static void known_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outcomes *outcomes = ctx;
    if (err != ERR_OK) {
        consumer_segment_done(outcomes->segment, err);
        return;
    }
    for (size_t i = 0; i < outcomes->count; i++) {
        const struct order_updated *event = &outcomes->items[i];
        size_t r = 0;
        while (r < rows[0].count &&
               !is_of(event, pg_rows_get_int8(&rows[0], r, 0), pg_rows_get_time(&rows[0], r, 2))) {
            r++;
        }
        if (r == rows[0].count) {
            metrics_add(&order_metrics[M_ORDERS_UNKNOWN], 1);
            log_error("an outcome of an order that is not here", LOG_TRACE(event->trace),
                      LOG_INT("orderId", event->order_id),
                      LOG_STR("status", contract_status_name(event->status)));
        }
    }
    drop_lists(outcomes, &rows[0]);
}

static void lists_dropped(void *ctx, enum err err) {
    const struct outcomes *outcomes = ctx;
    (void)err;
    consumer_segment_done(outcomes->segment, ERR_OK);
}

const struct consumer_options order_updated_consumer = {
    .item_bytes = sizeof(struct order_updated),
    .decode = decode,
    .run = update_orders,
    .row = order_of,
    .find_locked = &SQL_ORDER_LOCKED,
};
