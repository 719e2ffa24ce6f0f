/*
 * POST /orders/{id}/cancel: parse → cancel (in a batch) → reply.
 *
 * The order's row says `cancelled` with the commit, and a row of `cancellations` that the
 * product-service has to be told (cancellations.c), which gives the stock back or never takes it.
 * Asked again, the answer is the same.
 */
#include "backlog.h"
#include "cancellations.h"
#include "config.h"
#include "metrics.h"
#include "order_store.h"
#include "outcome_wait.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/flow/http_flow.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

static enum flow_rc parse(struct flow *flow);
static enum flow_rc cancel(struct flow *flow);
static enum flow_rc reply_order(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "cancel", cancel },
    { "reply_order", reply_order },
};

struct cancel_order {
    struct http_flow http;
    int64_t id;
    struct order order; /* afterwards */
};

/* One order to be cancelled; it outlives its flow. */
struct cancel_item {
    struct flow_wait wait;
    int64_t id;
    int64_t product_id; /* when it was read */
    enum err outcome;
    struct trace_copy trace;
};

enum { CANCEL_BATCH_MAX = 128, CANCEL_INFLIGHT_MAX = 1, REPEATED_MAX = 3 };

/*
 * Usually the whole batch is one statement. If the database refuses one, halves of it are tried,
 * down to one order; if one is locked, it is repeated without it.
 */
struct cancel_state {
    int64_t now_ms;
    size_t first, span;
    unsigned repeated;
};

static struct flow_kind KIND =
    FLOW_KIND("cancel_order", STEPS, struct cancel_order, http_flow_fail, "There is no such order");

static struct flow_pool flows;
static struct batcher cancels;

static void next_part(struct batch *batch);
static void cancelled(void *ctx, enum err err, const struct pg_rows *rows);
static void locked_found(void *ctx, enum err err, const struct pg_rows *rows);
static void lists_dropped(void *ctx, enum err err);

void cancel_order(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

/* ---- the steps ---- */

static enum flow_rc parse(struct flow *flow) {
    struct cancel_order *self = (struct cancel_order *)flow;
    if (http_path_id(http_flow_exchange(flow), 0, &self->id) != ERR_OK) {
        http_flow_problem(flow, "path/id", "type", "must be a positive integer");
    }
    return http_flow_check(flow);
}

static enum flow_rc cancel(struct flow *flow) {
    struct cancel_order *self = (struct cancel_order *)flow;
    struct cancel_item item = { .wait = flow_wait(flow), .id = self->id };
    trace_copy(&item.trace, http_trace(http_flow_exchange(flow)));
    enum err err = batcher_add(&cancels, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_order(struct flow *flow) {
    struct cancel_order *self = (struct cancel_order *)flow;
    struct buf body;
    if (self->order.status != ORDER_CANCELLED) {
        return flow_fail(flow, ERR_CONFLICT, "The order was rejected: there is nothing to cancel");
    }
    buf_init(&body, 0);
    order_encode(&self->order, &body);
    return http_flow_reply(flow, &(struct http_reply){ .status = 200 }, &body);
}

/* ---- the batch: cancel and read → (find who is locked → again) → tell; lists → wake ---- */

static struct cancel_item *item_at(struct batch *batch, size_t i) {
    return BATCH_ITEM(batch, struct cancel_item, i);
}

/* What has not been read yet, or failed. */
static void set_outcomes(struct batch *batch, enum err err) {
    const struct cancel_state *state = batch->state;
    for (size_t i = 0; i < state->span; i++) {
        item_at(batch, state->first + i)->outcome = err;
    }
}

/* The ids of those that are tried, each once; how many. */
static size_t ids_to_try(struct batch *batch, int64_t ids[CANCEL_BATCH_MAX],
                         size_t places[CANCEL_BATCH_MAX]) {
    const struct cancel_state *state = batch->state;
    size_t count = 0;
    for (size_t i = state->first; i < state->first + state->span; i++) {
        size_t k = 0;
        while (k < count && ids[k] != item_at(batch, i)->id) {
            k++;
        }
        if (k == count && item_at(batch, i)->outcome != ERR_LOCKED) {
            places[count] = i;
            ids[count++] = item_at(batch, i)->id;
        }
    }
    return count;
}

static struct pg_call cancel_call(struct batch *batch, const size_t *places, size_t count) {
    const struct cancel_state *state = batch->state;
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &batch->arena, &SQL_ORDER_CANCEL, "iTttt", count);
    for (size_t i = 0; i < count; i++) {
        const struct cancel_item *item = item_at(batch, places[i]);
        pg_rows_put_int8(&rows, item->id);
        pg_rows_put_time(&rows, state->now_ms);
        pg_rows_put_trace(&rows, trace_of(&item->trace));
    }
    struct pg_call call = pg_rows_call(&rows);
    call.params[call.param_count++] = pg_int8(order_config.reconcile_after_ms);
    return call;
}

/* Whoever was answered at its deadline may have asked again; that is harmless. */
static void try_part(struct batch *batch) {
    int64_t ids[CANCEL_BATCH_MAX];
    size_t places[CANCEL_BATCH_MAX];
    size_t count = ids_to_try(batch, ids, places);
    if (count == 0) {
        next_part(batch);
        return;
    }
    struct pg_call calls[2] = {
        cancel_call(batch, places, count),
        pg_rows_ids_call(&batch->arena, &SQL_ORDER_GET, ids, count),
    };
    pg_run(backends.pg, calls, 2, cancelled, batch);
}

static void begin_part(struct batch *batch, size_t first) {
    struct cancel_state *state = batch->state;
    state->first = first;
    state->span = batch->count - first;
    state->repeated = 0;
    set_outcomes(batch, ERR_NOT_FOUND);
    try_part(batch);
}

/* The lists of all that were read go, whoever has moved them. */
static void drop_lists(struct batch *batch) {
    int64_t product_ids[CANCEL_BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (item_at(batch, i)->product_id != 0) {
            product_ids[count++] = item_at(batch, i)->product_id;
        }
    }
    order_drop_lists(backends.cache, product_ids, count, lists_dropped, batch);
}

static void next_part(struct batch *batch) {
    const struct cancel_state *state = batch->state;
    size_t end = state->first + state->span;
    if (end == batch->count) {
        drop_lists(batch);
    } else {
        begin_part(batch, end);
    }
}

static void lists_dropped(void *ctx, enum err err) {
    struct batch *batch = ctx;
    (void)err; /* Redis down costs speed, never an answer */
    for (size_t i = 0; i < batch->count; i++) {
        flow_wake(item_at(batch, i)->wait, item_at(batch, i)->outcome);
    }
    batcher_end(batch);
}

static void run_batch(void *ctx, struct batch *batch) {
    static struct cancel_state state;
    _Static_assert(CANCEL_INFLIGHT_MAX == 1, "each batch has a state of its own");
    (void)ctx;
    state.now_ms = clock_unix_ms();
    batch->state = &state;
    begin_part(batch, 0);
}

/* Nothing of the part is stored. */
static void failed(struct batch *batch, enum err err) {
    struct cancel_state *state = batch->state;
    bool about_data = err == ERR_REJECTED_DATA || err == ERR_DUPLICATE || err == ERR_INTERNAL;
    bool may_pass = err == ERR_LOCKED || err == ERR_CONFLICT;
    if (about_data && state->span > 1) { /* one that is refused must not fail its neighbours */
        state->span /= 2;
        try_part(batch);
        return;
    }
    if (!may_pass || state->repeated == REPEATED_MAX) {
        set_outcomes(batch, err == ERR_CONFLICT ? ERR_UNAVAILABLE : err);
        next_part(batch);
        return;
    }
    state->repeated++;
    if (err == ERR_CONFLICT) {
        try_part(batch);
        return;
    }
    int64_t ids[CANCEL_BATCH_MAX];
    size_t places[CANCEL_BATCH_MAX];
    size_t count = ids_to_try(batch, ids, places);
    struct pg_call call = pg_rows_ids_call(&batch->arena, &SQL_ORDER_LOCKED, ids, count);
    pg_run(backends.pg, &call, 1, locked_found, batch);
}

static void locked_found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    const struct cancel_state *state = batch->state;
    if (err != ERR_OK) {
        set_outcomes(batch, err == ERR_CONFLICT ? ERR_UNAVAILABLE : err);
        next_part(batch);
        return;
    }
    for (size_t r = 0; r < rows[0].count; r++) {
        for (size_t i = 0; i < state->span; i++) {
            struct cancel_item *item = item_at(batch, state->first + i);
            if (item->id == pg_rows_get_int8(&rows[0], r, 0)) {
                item->outcome = ERR_LOCKED;
            }
        }
    }
    try_part(batch);
}

/* The orders as they are now, to whom asked. */
static void give_orders(struct batch *batch, const struct pg_rows *rows) {
    const struct cancel_state *state = batch->state;
    for (size_t r = 0; r < rows->count; r++) {
        struct order order;
        enum err err = order_from_row(rows, r, 0, &order);
        for (size_t i = 0; i < state->span; i++) {
            struct cancel_item *item = item_at(batch, state->first + i);
            if (item->id != pg_rows_get_int8(rows, r, 0)) {
                continue;
            }
            item->outcome = err;
            item->product_id = pg_rows_get_int8(rows, r, 1);
            if (err == ERR_OK && flow_wait_is_live(item->wait)) {
                ((struct cancel_order *)item->wait.flow)->order = order;
            }
        }
    }
}

static const struct cancel_item *find_item(struct batch *batch, int64_t id) {
    size_t i = 0;
    while (item_at(batch, i)->id != id) {
        i++;
    }
    return item_at(batch, i);
}

/* `moved`: id, and whether it waited; `rows`: the orders. */
static void tell(struct batch *batch, const struct pg_rows *moved, const struct pg_rows *rows) {
    struct teller_event *events = arena_array(&batch->arena, moved->count + 1, sizeof(*events));
    size_t count = 0;
    for (size_t m = 0; m < moved->count; m++) {
        int64_t id = pg_rows_get_int8(moved, m, 0);
        const struct cancel_item *item = find_item(batch, id);
        struct trace trace = trace_of(&item->trace);
        struct order order;
        size_t r = 0;
        while (r < rows->count && pg_rows_get_int8(rows, r, 0) != id) {
            r++;
        }
        if (pg_rows_get_bool(moved, m, 1)) {
            backlog_left(id);
        }
        metrics_add(&order_metrics[M_ORDERS_CANCELLED], 1);
        log_info("order cancelled", LOG_TRACE(trace), LOG_INT("orderId", id),
                 LOG_BOOL("waited", pg_rows_get_bool(moved, m, 1)));
        if (events != NULL && r < rows->count && order_from_row(rows, r, 0, &order) == ERR_OK) {
            struct order_cancelled event = { .order_id = id,
                                             .product_id = order.product_id,
                                             .quantity = order.quantity,
                                             .created_ms = order.created_ms,
                                             .cancelled_ms = order.updated_ms,
                                             .trace = trace };
            events[count++] = cancellations_event(&batch->arena, &event, trace);
        }
    }
    cancellations_tell(events, count);
}

static void cancelled(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        failed(batch, err);
        return;
    }
    KILL_POINT("order", "cancelled");
    give_orders(batch, &rows[1]);
    tell(batch, &rows[0], &rows[1]);
    outcome_wait_end(&rows[0]);
    order_store_go_on();
    next_part(batch);
}

enum err cancel_order_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct cancel_item),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = CANCEL_BATCH_MAX,
        .inflight_max = CANCEL_INFLIGHT_MAX,
        .run = run_batch,
    };
    enum err err = batcher_init(&cancels, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max)
                         : err;
}

void cancel_order_close(void) {
    batcher_done(&cancels);
    flow_pool_done(&flows);
}
