/*
 * order.updated: a batch of outcomes becomes one UPDATE; then lists are dropped, then the
 * acknowledgement.
 */
#include "metrics.h"
#include "order.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/telemetry/log.h"

static enum err decode(void *ctx, struct arena *arena, const struct broker_delivery *delivery,
                       void *item, const char **ret_why);
static void update_orders(void *ctx, void *items, size_t count);
static void updated(void *ctx, enum err err, const struct pg_rows *rows);
static void lists_dropped(void *ctx, enum err err);

struct update_item {
    struct order_updated event;
    struct trace trace; /* the delivery's, as long as the batch */
};

/* The segment under way; one at a time. */
static struct {
    struct consumer *consumer;
    struct update_item *items;
    size_t count;
    uint64_t started_us;
} segment;

static enum err decode(void *ctx, struct arena *arena, const struct broker_delivery *delivery,
                       void *item, const char **ret_why) {
    struct update_item *update = item;
    (void)ctx;
    enum err err = contract_read_order_updated(
        arena, delivery->message.body, delivery->message.body_length, &update->event, ret_why);
    if (err == ERR_OK) {
        update->trace = delivery->message.trace;
        update->trace.request_id = update->event.request_id;
    }
    return err;
}

static void update_orders(void *ctx, void *items, size_t count) {
    struct pg_rows_writer rows;
    segment.consumer = ctx;
    segment.items = items;
    segment.count = count;
    segment.started_us = clock_monotonic_us();
    pg_rows_begin(&rows, consumer_arena(segment.consumer), &SQL_ORDER_FINISH, "ittT", count);
    for (size_t i = 0; i < count; i++) {
        const struct order_updated *event = &segment.items[i].event;
        pg_rows_put_int8(&rows, event->order_id);
        pg_rows_put_text(&rows, str_of(contract_status_name(event->status)));
        pg_rows_put_text(&rows, str_of(contract_reason_name(event->reason)));
        pg_rows_put_time(&rows, event->updated_ms);
    }
    struct pg_call call = pg_rows_call(&rows);
    metrics_observe(&order_metrics[M_FINISH_BATCH], (int64_t)count);
    pg_run(backends.pg, &call, 1, updated, NULL);
}

static void log_outcome(const struct update_item *item, int64_t now_ms, uint64_t now_us) {
    const struct order_updated *event = &item->event;
    bool done = event->status == ORDER_DONE;
    log_info("order finished", LOG_TRACE(item->trace), LOG_INT("orderId", event->order_id),
             LOG_STR("status", contract_status_name(event->status)),
             LOG_STR("reason", contract_reason_name(event->reason)),
             LOG_INT("us", now_us - segment.started_us));
    metrics_add(&order_metrics[done ? M_ORDERS_DONE : M_ORDERS_REJECTED], 1);
    if (now_ms >= event->updated_ms) {
        metrics_observe(&order_metrics[M_FULFILMENT_SECONDS], (now_ms - event->updated_ms) * 1000);
    }
}

/*
 * Those that moved; a repeated event moves nothing. The rows come mostly in the order of the
 * events.
 */
static void log_outcomes(const struct pg_rows *rows) {
    int64_t now_ms = clock_unix_ms();
    uint64_t now_us = clock_monotonic_us();
    size_t next = 0;
    for (size_t r = 0; r < rows->count; r++) {
        int64_t id = pg_rows_get_int8(rows, r, 0);
        for (size_t tried = 0; tried < segment.count; tried++) {
            const struct update_item *item = &segment.items[(next + tried) % segment.count];
            if (item->event.order_id == id) {
                log_outcome(item, now_ms, now_us);
                next = (next + tried + 1) % segment.count;
                break;
            }
        }
    }
}

static void updated(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK) {
        consumer_segment_done(segment.consumer, err);
        return;
    }
    log_outcomes(&rows[0]);
    int64_t
        ids[CACHE_KEYS_MAX]; /* the products whose orders moved; none when all was told before */
    size_t count = rows[0].count;
    for (size_t r = 0; r < count; r++) {
        ids[r] = pg_rows_get_int8(&rows[0], r, 1);
    }
    order_drop_lists(backends.cache, ids, count, lists_dropped, NULL);
}

static void lists_dropped(void *ctx, enum err err) {
    (void)ctx;
    (void)err;
    consumer_segment_done(segment.consumer, ERR_OK);
}

const struct consumer_options order_updated_consumer = {
    .item_bytes = sizeof(struct update_item),
    .decode = decode,
    .run = update_orders,
};
