/*
 * The reconciler: an order that waits too long is told again, so that even a broker that lost its
 * data loses nothing.
 *
 * Every RECONCILE_INTERVAL_MS the ids above a low-water mark are looked through, in slices of the
 * primary key. A waiting order whose age has passed RECONCILE_AFTER_MS, or twice that, or four
 * times, … since the last look gets an outbox row again, and is published like any other: the
 * number of repetitions grows with the logarithm of the outage only. An order that is still in the
 * outbox is left to the outbox. Expired idempotency keys go in the same round.
 *
 * The mark stays LATE_IDS below the last id, because replicas take ids in blocks and commit in any
 * order; and now and then a round begins at the first order again, for whoever was later than that.
 */
#include "config.h"
#include "metrics.h"
#include "order.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/telemetry/log.h"

enum {
    SLICE_IDS = 20000,
    PAGE_ORDERS = 500,
    LATE_IDS = 100 * ORDER_ID_BLOCK,
    ROUNDS_UNTIL_FULL = 360, /* an hour, at the default interval */
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
};

static struct {
    struct loop_timer timer;
    struct arena arena; /* of one page */
    bool busy;
    bool stopped;
    int64_t low_id;       /* no order up to here waits */
    int64_t last_look_ms; /* 0: never */
    unsigned rounds;      /* since the last one that began at the first order */
    /* of the round under way */
    int64_t now_ms;
    int64_t last_id;
    int64_t at_id; /* looked through up to here */
    int64_t lowest_waiting_id;
    size_t told;
    /* of the page under way */
    struct teller_event *events;
    size_t event_count;
    int64_t page_end_id;
} reconciler;

static void start_round(void *ctx);
static void keys_expired(void *ctx, enum err err, const struct pg_rows *rows);
static void last_id_arrived(void *ctx, enum err err, const struct pg_rows *rows);
static void read_slice(void);
static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows);
static void rows_inserted(void *ctx, enum err err, const struct pg_rows *rows);

static int64_t min_id(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void end_round(bool complete) {
    if (complete) {
        int64_t mark = min_id(reconciler.lowest_waiting_id - 1, reconciler.last_id - LATE_IDS);
        reconciler.low_id = mark > 0 ? mark : 0;
        reconciler.last_look_ms = reconciler.now_ms;
        if (++reconciler.rounds >= ROUNDS_UNTIL_FULL) {
            reconciler.rounds = 0;
            reconciler.low_id = 0;
        }
    }
    if (reconciler.told > 0) {
        metrics_add(&order_metrics[M_ORDERS_TOLD_AGAIN], (int64_t)reconciler.told);
        log_warn("waiting orders told again", LOG_INT("orders", reconciler.told));
        reconciler.told = 0;
    }
    reconciler.busy = false;
    arena_reset(&reconciler.arena);
    if (!reconciler.stopped) {
        loop_timer_start(backends.loop, &reconciler.timer,
                         (uint64_t)order_config.reconcile_interval_ms);
    }
}

/* ---- a round: keys → last id → slices ---- */

static void start_round(void *ctx) {
    struct pg_call call = { .statement = &SQL_KEY_EXPIRE };
    (void)ctx;
    if (!pg_is_ready(backends.pg)) {
        end_round(false);
        return;
    }
    reconciler.busy = true;
    reconciler.now_ms = clock_unix_ms();
    reconciler.at_id = reconciler.low_id;
    reconciler.lowest_waiting_id = INT64_MAX;
    pg_run(backends.pg, &call, 1, keys_expired, NULL);
}

static void keys_expired(void *ctx, enum err err, const struct pg_rows *rows) {
    struct pg_call call = { .statement = &SQL_ORDER_LAST_ID };
    (void)ctx;
    if (err == ERR_OK && rows[0].affected > 0) {
        log_info("idempotency keys expired", LOG_INT("keys", rows[0].affected));
    }
    if (reconciler.stopped || broker_publish_state(backends.broker) != BROKER_UP) {
        end_round(false);
        return;
    }
    pg_run(backends.pg, &call, 1, last_id_arrived, NULL);
}

static void last_id_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK || reconciler.stopped) {
        end_round(false);
        return;
    }
    reconciler.last_id = pg_rows_get_int8(&rows[0], 0, 0);
    read_slice();
}

static void read_slice(void) {
    arena_reset(&reconciler.arena);
    if (reconciler.at_id >= reconciler.last_id) {
        end_round(true);
        return;
    }
    reconciler.page_end_id = min_id(reconciler.at_id + SLICE_IDS, reconciler.last_id);
    struct pg_call call = { &SQL_ORDER_WAITING,
                            { pg_int8(reconciler.at_id), pg_int8(reconciler.page_end_id),
                              pg_int8(PAGE_ORDERS) },
                            3 };
    pg_run(backends.pg, &call, 1, page_arrived, NULL);
}

/* ---- a page ---- */

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

static enum err take_row(const struct pg_rows *rows, size_t row) {
    struct order order;
    bool in_outbox = pg_rows_get_bool(rows, row, ORDER_COLUMN_COUNT + 3);
    enum err err = order_from_row(rows, row, 0, &order);
    if (err != ERR_OK) {
        return ERR_OK; /* logged there; it cannot be told */
    }
    reconciler.lowest_waiting_id = min_id(reconciler.lowest_waiting_id, order.id);
    if (in_outbox || !is_due(order.created_ms)) {
        return ERR_OK;
    }
    struct trace_copy *trace = arena_alloc(&reconciler.arena, sizeof(*trace));
    if (trace == NULL) {
        return ERR_NO_MEMORY;
    }
    trace_copy(trace, pg_rows_get_trace(rows, row, ORDER_COLUMN_COUNT));
    reconciler.events[reconciler.event_count++] =
        order_created_event(&reconciler.arena, &order, trace_of(trace));
    return ERR_OK;
}

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK || reconciler.stopped) {
        end_round(false);
        return;
    }
    size_t count = rows[0].count;
    reconciler.event_count = 0;
    reconciler.events = arena_array(&reconciler.arena, count + 1, sizeof(*reconciler.events));
    err = reconciler.events == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (size_t r = 0; err == ERR_OK && r < count; r++) {
        err = take_row(&rows[0], r);
    }
    if (err != ERR_OK) {
        end_round(false);
        return;
    }
    bool full = count == PAGE_ORDERS;
    reconciler.at_id = full ? pg_rows_get_int8(&rows[0], count - 1, 0) : reconciler.page_end_id;
    if (reconciler.event_count == 0) {
        read_slice();
        return;
    }
    struct pg_call call =
        outbox_insert_missing_call(&reconciler.arena, reconciler.events, reconciler.event_count);
    pg_run(backends.pg, &call, 1, rows_inserted, NULL);
}

/* From here on they are the outbox's: what cannot be sent now is found by its sweep. */
static void rows_inserted(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    (void)rows;
    if (err != ERR_OK || reconciler.stopped) {
        end_round(false);
        return;
    }
    for (size_t i = 0; i < reconciler.event_count; i++) {
        const struct teller_event *event = &reconciler.events[i];
        log_info("order told again", LOG_TRACE(event->trace), LOG_INT("orderId", event->id));
    }
    reconciler.told += reconciler.event_count;
    outbox_publish(&backends.outbox, reconciler.events, reconciler.event_count);
    read_slice();
}

/* ---- start and stop ---- */

enum err reconcile_open(void) {
    reconciler.low_id = reconciler.last_look_ms = 0;
    reconciler.rounds = 0;
    reconciler.stopped = reconciler.busy = false;
    arena_init(&reconciler.arena, ARENA_BYTES_MAX);
    loop_timer_init(&reconciler.timer, start_round, NULL);
    loop_timer_start(backends.loop, &reconciler.timer,
                     (uint64_t)order_config.reconcile_interval_ms);
    return ERR_OK;
}

void reconcile_stop(void) {
    reconciler.stopped = true;
    loop_timer_stop(backends.loop, &reconciler.timer);
}

void reconcile_close(void) {
    reconcile_stop();
    arena_done(&reconciler.arena);
}

bool reconcile_is_idle(void) {
    return !reconciler.busy;
}
