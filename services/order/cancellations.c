/*
 * A cancelled order is told at once, then again RECONCILE_AFTER_MS later, after twice that, and so
 * on, up to an hour, until the product-service has answered: order_updated.c settles it. What the
 * broker did not take, or not confirm, and after a start everything that is not settled, is told
 * again as soon as that is possible. When a row is due is said by the database's clock, and whoever
 * takes it moves that on, so that of several replicas one tells.
 */
#include "cancellations.h"

#include "config.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"

#include "base/trace.h"
#include "runtime/telemetry/log.h"

#include <string.h>

enum {
    PAGE_ROWS = 200,
    HURRY_PAUSE_MS = 200, /* before what was refused is told again */
    HURRIED_MAX = 1000,   /* that are remembered; others are told again when it is their time */
    INFLIGHT_MAX = 1000,  /* events with the broker; the next page after that waits */
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
};

static struct {
    struct loop_timer timer;
    struct teller teller;
    struct arena arena; /* of one page */
    bool is_busy, is_stopped;
    bool is_first; /* after a start: there may be some that nobody has been told of; all hurry */
    int64_t hurried[HURRIED_MAX]; /* not taken, or not confirmed */
    size_t hurried_count;
} cancellations;

static void on_timer(void *ctx);
static void hurried(void *ctx, enum err err, const struct pg_rows *rows);
static void read_page(void);
static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows);

static bool can_tell(void) {
    return broker_publish_state(backends.broker) == BROKER_UP && pg_is_ready(backends.pg);
}

static void wake_in(uint64_t ms) {
    if (!cancellations.is_stopped && !cancellations.is_busy) {
        loop_timer_start(backends.loop, &cancellations.timer, ms);
    }
}

static bool hurries(void) {
    return cancellations.is_first || cancellations.hurried_count > 0;
}

static void hurry(int64_t order_id) {
    if (cancellations.hurried_count < HURRIED_MAX) {
        cancellations.hurried[cancellations.hurried_count++] = order_id;
    }
    if (cancellations.hurried_count == 1 && can_tell()) {
        wake_in(HURRY_PAUSE_MS);
    }
}

/* ---- from memory ---- */

struct teller_event cancellations_event(struct arena *arena,
                                        const struct order_cancelled *cancelled,
                                        struct trace trace) {
    struct teller_event event = { .id = cancelled->order_id,
                                  .routing_key = KEY_ORDER_CANCELLED,
                                  .trace = trace };
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf body;
    buf_init(&body, 0);
    contract_write_order_cancelled(cancelled, id, &body);
    teller_event_finish(&event, arena, id, &body);
    return event;
}

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    (void)ctx;
    if (err != ERR_OK) {
        log_info("event waits for the broker", LOG_TRACE(event->trace),
                 LOG_STR("messageId", event->message_id), LOG_STR("error", err_name(err)));
        hurry(event->id);
    }
}

static void on_told(void *ctx, int64_t id, bool confirmed) {
    (void)ctx;
    if (!confirmed) {
        hurry(id);
    }
}

void cancellations_tell(const struct teller_event *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (events[i].body.data == NULL) {
            hurry(events[i].id);
        } else {
            teller_add(&cancellations.teller, &events[i]);
        }
    }
    teller_flush(&cancellations.teller);
}

/* ---- from the rows ---- */

static void end(bool is_full) {
    cancellations.is_busy = false;
    arena_reset(&cancellations.arena);
    bool is_soon = is_full || (hurries() && can_tell());
    wake_in(is_soon ? HURRY_PAUSE_MS : (uint64_t)order_config.reconcile_interval_ms);
}

static void on_timer(void *ctx) {
    (void)ctx;
    if (cancellations.is_busy || cancellations.is_stopped) {
        return;
    }
    cancellations.is_busy = true;
    if (!can_tell() || cancellations.teller.inflight >= INFLIGHT_MAX) {
        end(false);
        return;
    }
    if (!hurries()) {
        read_page();
        return;
    }
    struct pg_call call = pg_rows_ids_call(&cancellations.arena, &SQL_CANCELLATION_HURRY,
                                           cancellations.hurried, cancellations.hurried_count);
    call.params[call.param_count++] = pg_int8(cancellations.is_first);
    cancellations.is_first = false;
    cancellations.hurried_count = 0;
    pg_run(backends.pg, &call, 1, hurried, NULL);
}

static void hurried(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    (void)rows;
    cancellations.is_first = err != ERR_OK; /* they are among all */
    if (cancellations.is_stopped) {
        end(false);
        return;
    }
    arena_reset(&cancellations.arena);
    read_page();
}

static void read_page(void) {
    struct pg_call call = { &SQL_CANCELLATION_DUE,
                            { pg_int8(PAGE_ROWS), pg_int8(order_config.reconcile_after_ms) },
                            2 };
    pg_run(backends.pg, &call, 1, page_arrived, NULL);
}

static struct teller_event read_row(const struct pg_rows *rows, size_t row,
                                    struct trace_copy *trace) {
    trace_copy(trace, pg_rows_get_trace(rows, row, 5));
    struct order_cancelled cancelled = {
        .order_id = pg_rows_get_int8(rows, row, 0),
        .created_ms = pg_rows_get_time(rows, row, 1),
        .product_id = pg_rows_get_int8(rows, row, 2),
        .quantity = pg_rows_get_int8(rows, row, 3),
        .cancelled_ms = pg_rows_get_time(rows, row, 4),
        .trace = trace_of(trace),
    };
    return cancellations_event(&cancellations.arena, &cancelled, trace_of(trace));
}

static void page_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    size_t count = err == ERR_OK ? rows[0].count : 0;
    (void)ctx;
    struct teller_event *events = arena_array(&cancellations.arena, count + 1, sizeof(*events));
    struct trace_copy *traces = arena_array(&cancellations.arena, count + 1, sizeof(*traces));
    if (events == NULL || traces == NULL) {
        end(false); /* their time will come */
        return;
    }
    for (size_t i = 0; i < count; i++) {
        events[i] = read_row(&rows[0], i, &traces[i]);
        log_info("cancellation told again", LOG_TRACE(events[i].trace),
                 LOG_INT("orderId", events[i].id));
    }
    metrics_add(&order_metrics[M_CANCELLATIONS_TOLD_AGAIN], (int64_t)count);
    cancellations_tell(events, count);
    end(count == PAGE_ROWS);
}

/* ---- a part of the service ---- */

void cancellations_broker_up(void) {
    wake_in(0);
}

enum err cancellations_open(void) {
    struct teller_options options = backends_telling();
    options.on_sent = on_sent;
    options.on_told = on_told;
    memset(&cancellations, 0, sizeof(cancellations));
    cancellations.is_first = true;
    teller_init(&cancellations.teller, backends.broker, &options);
    arena_init(&cancellations.arena, ARENA_BYTES_MAX);
    loop_timer_init(&cancellations.timer, on_timer, NULL);
    loop_timer_start(backends.loop, &cancellations.timer, HURRY_PAUSE_MS);
    return ERR_OK;
}

void cancellations_stop(void) {
    cancellations.is_stopped = true;
    loop_timer_stop(backends.loop, &cancellations.timer);
}

bool cancellations_is_idle(void) {
    return !cancellations.is_busy;
}

void cancellations_close(void) {
    cancellations_stop();
    teller_done(&cancellations.teller);
    arena_done(&cancellations.arena);
}
