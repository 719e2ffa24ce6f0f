/*
 * order.cancelled: a batch of cancelled orders becomes one transaction.
 *
 * Lock the products, then look into the ledger, as order_created.c does, whose decisions wait
 * for the same locks. An order that has taken stock gives it back, once; one that the ledger
 * does not have gets a row, which keeps it from taking any when its order.created comes; the
 * others are as they have to be. All of them are answered with order.updated, cancelled, every
 * time that they are told; but not what cannot be given back: the ledger has other contents, or the
 * product has no room, or is gone. That is noted as a conflict, once, and told again until a person
 * has made room or resolved it.
 */
#include "ledger.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"
#include "stock_news.h"

#include "base/clock.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

struct returns;

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why);
static void lock_products(void *ctx, struct consumer_segment *segment);
static void look(void *ctx, enum err err, const struct pg_rows *rows);
static void store(struct returns *returns);
static void committed(void *ctx, enum err err, const struct pg_rows *rows);
static void cached(void *ctx, enum err err);

struct return_item {
    struct order_cancelled event;
    bool is_known;    /* the ledger has it, or an earlier one of this batch is the same */
    bool has_created; /* its row does know when it was made */
    bool gives_back;
    bool is_conflict; /* for a person to see */
};

/* A segment under way; in its arena. */
struct returns {
    struct consumer_segment *segment;
    struct arena *arena;
    struct return_item *items;
    size_t count;
    struct pg_session *session;
    struct product_set set;
    size_t conflict_count;
    int64_t now_ms;
    uint64_t started_us;
};

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    struct return_item *read = item;
    (void)ctx;
    *read = (struct return_item){ .is_known = false };
    return contract_read_order_cancelled(arena, event, &read->event, ret_why);
}

/* ---- lock ---- */

static int64_t product_of(const void *item) {
    return ((const struct return_item *)item)->event.product_id;
}

static void lock_products(void *ctx, struct consumer_segment *segment) {
    struct arena *arena = &segment->arena;
    struct returns *returns = arena_zalloc(arena, sizeof(*returns));
    int64_t *product_ids = arena_array(arena, segment->count, sizeof(*product_ids));
    int64_t *order_ids = arena_array(arena, segment->count, sizeof(*order_ids));
    (void)ctx;
    if (returns == NULL || product_ids == NULL || order_ids == NULL) {
        consumer_segment_done(segment, ERR_NO_MEMORY);
        return;
    }
    *returns = (struct returns){ .segment = segment,
                                 .arena = arena,
                                 .items = segment->items,
                                 .count = segment->count,
                                 .now_ms = clock_unix_ms(),
                                 .started_us = clock_monotonic_us() };
    for (size_t i = 0; i < returns->count; i++) {
        struct return_item *item = &returns->items[i];
        item->is_known = item->has_created = false; /* a retry starts afresh */
        item->gives_back = item->is_conflict = false;
        product_ids[i] = item->event.product_id;
        order_ids[i] = item->event.order_id;
    }
    struct pg_call calls[2] = {
        product_set_lock_call(arena, product_ids, returns->count),
        pg_rows_ids_call(arena, &SQL_LEDGER_FIND, order_ids, returns->count),
    };
    returns->session = pg_begin(backends.pg, calls, 2, look, returns);
}

/* ---- look into the ledger, and give back ---- */

static bool is_same_order(const struct order_cancelled *a, const struct order_cancelled *b) {
    return a->order_id == b->order_id && a->created_ms == b->created_ms;
}

/*
 * A row of a version before does not know when its order was made: it is that of an order that
 * was made before it was decided, when no row is exactly this one's.
 */
static bool is_of(const struct ledger_row *row, const struct return_item *item) {
    const struct order_cancelled *event = &item->event;
    if (row->order_id != event->order_id || item->is_known) {
        return false;
    }
    return row->has_created
               ? row->created_ms == event->created_ms
               : row->product_id == event->product_id && row->quantity == event->quantity &&
                     ledger_may_be_of(row, event->created_ms);
}

/* ERR_REJECTED_DATA: it cannot be read. */
static enum err take_ledger_row(struct returns *returns, const struct pg_rows *rows, size_t row,
                                bool has_created) {
    struct ledger_row ledger;
    bool is_first = true;
    if (ledger_read(rows, row, &ledger) != ERR_OK) {
        return ERR_REJECTED_DATA;
    }
    if (ledger.has_created != has_created) {
        return ERR_OK;
    }
    for (size_t i = 0; i < returns->count; i++) {
        struct return_item *item = &returns->items[i];
        const struct order_cancelled *event = &item->event;
        if (!is_of(&ledger, item)) {
            continue;
        }
        bool is_same = ledger.product_id == event->product_id && ledger.quantity == event->quantity;
        item->is_known = true;
        item->has_created = has_created;
        item->is_conflict = !is_same;
        item->gives_back = is_same && is_first && ledger.status == ORDER_DONE;
        is_first = is_first && !item->gives_back;
    }
    return ERR_OK;
}

/* Of several that tell of the same order the first counts. */
static void mark_copies(struct returns *returns) {
    for (size_t i = 1; i < returns->count; i++) {
        for (size_t k = 0; !returns->items[i].is_known && k < i; k++) {
            returns->items[i].is_known =
                is_same_order(&returns->items[i].event, &returns->items[k].event);
        }
    }
}

/* It stays taken, for its copies too, unless those have other contents already. */
static void keep_taken(struct returns *returns, struct return_item *item) {
    item->gives_back = false;
    for (size_t i = 0; i < returns->count; i++) {
        struct return_item *other = &returns->items[i];
        other->is_conflict = other->is_conflict || is_same_order(&other->event, &item->event);
    }
}

static void give_back(struct returns *returns) {
    for (size_t i = 0; i < returns->count; i++) {
        struct return_item *item = &returns->items[i];
        struct changed_product *row = product_set_find(&returns->set, item->event.product_id);
        if (row != NULL) {
            row->trace = item->event.trace;
            row->told = row->told || item->is_known; /* its event may be lost */
        }
        if (!item->gives_back) {
            continue; /* that its product is not there is usual then: product_not_found */
        }
        if (row == NULL || row->product.qty > STOCK_QTY_MAX - item->event.quantity) {
            keep_taken(returns, item);
            continue;
        }
        row->product.qty += item->event.quantity;
        row->changed = true;
    }
}

static void look(void *ctx, enum err err, const struct pg_rows *rows) {
    struct returns *returns = ctx;
    if (err != ERR_OK) { /* the session is gone */
        consumer_segment_done(returns->segment, err);
        return;
    }
    err = product_set_read(returns->arena, &rows[0], &returns->set);
    for (size_t i = 0; err == ERR_OK && i < 2 * rows[1].count; i++) { /* exact ones first */
        err = take_ledger_row(returns, &rows[1], i % rows[1].count, i < rows[1].count);
    }
    if (err != ERR_OK) {
        pg_rollback(returns->session);
        consumer_segment_done(returns->segment, err);
        return;
    }
    mark_copies(returns);
    give_back(returns);
    store(returns);
    if (consumer_segment_is_full(returns->segment)) { /* its products are ours until the commit */
        consumer_segment_passed(returns->segment);
    }
}

/* ---- store ---- */

/* Of those that the ledger does not have: they will take nothing. */
static struct pg_call insert_call(const struct returns *returns, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, returns->arena, &SQL_LEDGER_INSERT, "iiittTtT", count);
    for (size_t i = 0; i < returns->count; i++) {
        const struct order_cancelled *event = &returns->items[i].event;
        if (!returns->items[i].is_known) {
            pg_rows_put_int8(&rows, event->order_id);
            pg_rows_put_int8(&rows, event->product_id);
            pg_rows_put_int8(&rows, event->quantity);
            pg_rows_put_text(&rows, str_of(contract_status_name(ORDER_CANCELLED)));
            pg_rows_put_text(&rows, (struct str){ NULL, 0 });
            pg_rows_put_time(&rows, returns->now_ms);
            pg_rows_put_text(&rows, str_of(event->trace.request_id));
            pg_rows_put_time(&rows, event->created_ms);
        }
    }
    return pg_rows_call(&rows);
}

static struct pg_call return_call(const struct returns *returns, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, returns->arena, &SQL_LEDGER_RETURN, "iiTT", count);
    for (size_t i = 0; i < returns->count; i++) {
        if (returns->items[i].gives_back) {
            pg_rows_put_int8(&rows, returns->items[i].event.order_id);
            pg_rows_put_int8(&rows, returns->items[i].has_created);
            pg_rows_put_time(&rows, returns->items[i].event.created_ms);
            pg_rows_put_time(&rows, returns->now_ms);
        }
    }
    return pg_rows_call(&rows);
}

static struct pg_call conflict_call(const struct returns *returns, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, returns->arena, &SQL_LEDGER_CONFLICT, "iTiiTt", count);
    for (size_t i = 0; i < returns->count; i++) {
        const struct order_cancelled *event = &returns->items[i].event;
        if (returns->items[i].is_conflict) {
            pg_rows_put_int8(&rows, event->order_id);
            pg_rows_put_time(&rows, event->created_ms);
            pg_rows_put_int8(&rows, event->product_id);
            pg_rows_put_int8(&rows, event->quantity);
            pg_rows_put_time(&rows, returns->now_ms);
            pg_rows_put_text(&rows, str_of(event->trace.request_id));
        }
    }
    return pg_rows_call(&rows);
}

static void store(struct returns *returns) {
    struct pg_call calls[4];
    size_t call_count = 0, new_count = 0, back_count = 0;
    for (size_t i = 0; i < returns->count; i++) {
        new_count += !returns->items[i].is_known;
        back_count += returns->items[i].gives_back;
        returns->conflict_count += returns->items[i].is_conflict;
    }
    product_set_finish(&returns->set, returns->now_ms);
    if (returns->conflict_count > 0) { /* the first: committed() reads its rows */
        calls[call_count++] = conflict_call(returns, returns->conflict_count);
    }
    if (new_count > 0) {
        calls[call_count++] = insert_call(returns, new_count);
    }
    if (back_count > 0) {
        calls[call_count++] = return_call(returns, back_count);
        calls[call_count++] = product_set_update_call(returns->arena, &returns->set);
    }
    KILL_POINT("cancellation", "decided");
    pg_commit(returns->session, calls, call_count, committed, returns);
}

/* ---- tell ---- */

static struct teller_event answer(struct arena *arena, const struct order_cancelled *event,
                                  int64_t now_ms) {
    struct order_updated updated = {
        .order_id = event->order_id,
        .created_ms = event->created_ms,
        .product_id = event->product_id,
        .quantity = event->quantity,
        .status = ORDER_CANCELLED,
        .updated_ms = now_ms,
        .trace = event->trace,
    };
    return ledger_answer(arena, &updated);
}

/* False: no memory; all of it is done again. */
static bool tell(const struct returns *returns) {
    struct teller_event *events = arena_array(returns->arena, returns->count, sizeof(*events));
    size_t count = 0;
    for (size_t i = 0; events != NULL && i < returns->count; i++) {
        if (returns->items[i].is_conflict) {
            continue;
        }
        events[count] = answer(returns->arena, &returns->items[i].event, returns->now_ms);
        if (events[count++].body.data == NULL) {
            events = NULL;
        }
    }
    if (events != NULL) {
        consumer_answer(returns->segment, events, count);
        stock_news_add(&returns->set, returns->segment);
    }
    return events != NULL;
}

/* `rows`: those that are new; the others have been said. */
static void note_conflicts(const struct pg_rows *rows) {
    for (size_t r = 0; r < rows->count; r++) {
        log_error("a cancelled order's stock cannot be given back",
                  LOG_INT("orderId", pg_rows_get_int8(rows, r, 0)));
    }
    metrics_add(&product_metrics[M_CANCELLED_CONFLICTING], (int64_t)rows->count);
}

static void note_settled(const struct return_item *item, uint64_t us) {
    metrics_add(&product_metrics[item->gives_back ? M_CANCELLED_RETURNED
                                 : item->is_known ? M_CANCELLED_REPEATED
                                                  : M_CANCELLED_KEPT],
                1);
    log_info("cancellation settled", LOG_TRACE(item->event.trace),
             LOG_INT("orderId", item->event.order_id), LOG_INT("productId", item->event.product_id),
             LOG_INT("returned", item->gives_back ? item->event.quantity : 0), LOG_INT("us", us));
}

static void committed(void *ctx, enum err err, const struct pg_rows *rows) {
    struct returns *returns = ctx;
    if (err != ERR_OK) {
        consumer_segment_done(returns->segment, err);
        return;
    }
    KILL_POINT("cancellation", "committed");
    if (returns->conflict_count > 0) {
        note_conflicts(&rows[0]);
    }
    if (!tell(returns)) {
        consumer_segment_done(returns->segment, ERR_NO_MEMORY);
        return;
    }
    uint64_t us = clock_monotonic_us() - returns->started_us;
    for (size_t i = 0; i < returns->count; i++) {
        if (!returns->items[i].is_conflict) {
            note_settled(&returns->items[i], us);
        }
    }
    consumer_segment_passed(returns->segment);
    product_set_cache(returns->arena, &returns->set, cached, returns);
}

static void cached(void *ctx, enum err err) {
    const struct returns *returns = ctx;
    (void)err; /* Redis down costs speed, never an answer */
    consumer_segment_done(returns->segment, ERR_OK);
}

const struct consumer_options order_cancelled_consumer = {
    .item_bytes = sizeof(struct return_item),
    .decode = decode,
    .run = lock_products,
    .row = product_of,
    .find_locked = &SQL_PRODUCT_LOCKED,
};
