/*
 * The safety reconciler: an order that waits too long is told again, so that even a broker that
 * lost its data loses nothing.
 *
 * Every RECONCILE_INTERVAL_MS the waiting orders are paged through, oldest first. One whose age has
 * passed RECONCILE_AFTER_MS, or twice that, or four times, … since the last look is published
 * again: the number of repetitions grows with the logarithm of the outage only. Expired idempotency
 * keys go in the same round.
 */
#include "app.h"
#include "config.h"
#include "metrics.h"
#include "order.h"
#include "schema.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "contract/events.h"
#include "contract/names.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PAGE_ORDERS = 500,
    ARENA_BYTES_MAX = 1024 * 1024,
    LATE_COMMIT_MS = 60000, /* a commit may follow its created_at by so much */
};

static struct {
    struct loop_timer timer;
    struct arena arena;
    bool busy;
    bool stopped;
    int64_t from_ms;      /* nothing waits that is older */
    int64_t last_look_ms; /* 0: never */
    int64_t now_ms;       /* of this round */
    int64_t oldest_ms;    /* waiting order seen in this round; INT64_MAX: none */
    struct cursor after;  /* last order of the page before */
    size_t told;
} reconciler;

static void start_round(void *ctx);
static void read_page(void);

static void end_round(bool complete) {
    if (complete) {
        int64_t newest_ms = reconciler.now_ms - LATE_COMMIT_MS - order_config.reconcile_after_ms;
        reconciler.from_ms = reconciler.oldest_ms < newest_ms ? reconciler.oldest_ms : newest_ms;
        reconciler.last_look_ms = reconciler.now_ms;
    }
    if (reconciler.told > 0) {
        metric_add(&order_metrics[M_ORDERS_TOLD_AGAIN], (int64_t)reconciler.told);
        log_warn("waiting orders told again", LOG_INT("orders", reconciler.told));
    }
    reconciler.busy = false;
    if (reconciler.stopped) {
        arena_done(&reconciler.arena);
    } else {
        loop_timer_start(app.loop, &reconciler.timer, (uint64_t)order_config.reconcile_interval_ms);
    }
}

/* Has the age passed a doubling of the threshold since the last look? */
static bool is_due(int64_t created_ms) {
    int64_t age_ms = reconciler.now_ms - created_ms;
    int64_t age_then_ms = reconciler.last_look_ms == 0 ? 0 : reconciler.last_look_ms - created_ms;
    int64_t threshold_ms = order_config.reconcile_after_ms;
    while (threshold_ms <= age_then_ms) {
        threshold_ms *= 2;
    }
    return age_ms >= threshold_ms;
}

static void tell_again(const struct order *order, struct str traceparent) {
    struct order_created event = {
        .order_id = order->id,
        .product_id = order->product_id,
        .quantity = order->quantity,
        .created_ms = order->created_ms,
        .request_id = str_of(order->request_id),
    };
    char message_id[48];
    struct buf body;
    buf_init(&body, 0);
    order_created_encode(&event, reconciler.now_ms, &body);
    snprintf(message_id, sizeof(message_id), KEY_ORDER_CREATED "-%" PRId64, order->id);
    struct outbox_event out = {
        .id = order->id,
        .routing_key = KEY_ORDER_CREATED,
        .message_id = str_of(message_id),
        .correlation_id = event.request_id,
        .traceparent = traceparent,
        .body = { buf_bytes(&body), buf_length(&body) },
    };
    if (!body.failed) {
        outbox_publish(&app.outbox, &out, 1);
        reconciler.told++;
    }
    buf_free(&body);
}

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    arena_reset(&reconciler.arena);
    if (err != ERR_OK || reconciler.stopped) {
        end_round(false);
        return;
    }
    for (size_t r = 0; r < rows[0].count; r++) {
        struct order order;
        order_from_row(&rows[0], r, 0, &order);
        if (order.created_ms < reconciler.oldest_ms) {
            reconciler.oldest_ms = order.created_ms;
        }
        bool in_outbox = pg_get_bool(&rows[0], r, ORDER_COLUMN_COUNT + 1); /* its sweep tells it */
        if (!in_outbox && is_due(order.created_ms)) {
            tell_again(&order, pg_get_text(&rows[0], r, ORDER_COLUMN_COUNT));
        }
        reconciler.after = (struct cursor){ order.created_ms, order.id };
    }
    if (rows[0].count == PAGE_ORDERS) {
        read_page();
        return;
    }
    end_round(true);
}

static void read_page(void) {
    struct pg_call call = { .statement = SQL_ORDER_WAITING, .param_count = 5 };
    call.params[0] = pg_time(&reconciler.arena, reconciler.from_ms);
    call.params[1] =
        pg_time(&reconciler.arena, reconciler.now_ms - order_config.reconcile_after_ms);
    call.params[2] = pg_time(&reconciler.arena, reconciler.after.major);
    call.params[3] = pg_int8(&reconciler.arena, reconciler.after.minor);
    call.params[4] = pg_int8(&reconciler.arena, PAGE_ORDERS);
    pg_run(app.pg, &call, 1, page_arrived, NULL);
}

static void keys_expired(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err == ERR_OK && rows[0].affected > 0) {
        log_info("idempotency keys expired", LOG_INT("keys", rows[0].affected));
    }
    if (reconciler.stopped || broker_publish_state(app.broker) != BROKER_UP) {
        end_round(false);
        return;
    }
    read_page();
}

static void start_round(void *ctx) {
    struct pg_call call = { .statement = SQL_KEY_EXPIRE };
    (void)ctx;
    if (!pg_is_ready(app.pg)) {
        end_round(false);
        return;
    }
    reconciler.busy = true;
    reconciler.now_ms = clock_unix_ms();
    reconciler.oldest_ms = INT64_MAX;
    reconciler.after = (struct cursor){ 0, 0 };
    reconciler.told = 0;
    pg_run(app.pg, &call, 1, keys_expired, NULL);
}

void reconcile_start(void) {
    arena_init(&reconciler.arena, ARENA_BYTES_MAX);
    loop_timer_init(&reconciler.timer, start_round, NULL);
    loop_timer_start(app.loop, &reconciler.timer, (uint64_t)order_config.reconcile_interval_ms);
}

void reconcile_stop(void) {
    reconciler.stopped = true;
    loop_timer_stop(app.loop, &reconciler.timer);
    if (!reconciler.busy) {
        arena_done(&reconciler.arena);
    }
}

bool reconcile_is_idle(void) {
    return !reconciler.busy;
}
