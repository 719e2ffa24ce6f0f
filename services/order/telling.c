/*
 * An order's row is its outbox: `waiting` says that somebody must still be told.
 *
 * After the commit order.created leaves from memory (telling_tell). What was not confirmed, or
 * could not be sent, is told again from its row, as soon as the broker takes it: its ids are
 * remembered as one range, oldest first. After a start that range is all that waits above the
 * mark.
 *
 * Every RECONCILE_INTERVAL_MS a round looks through the orders above the mark. One that has waited
 * RECONCILE_AFTER_MS, or twice that, or four times, … since the round before is told again, so that
 * even a broker that lost its data loses nothing, and the number of repetitions grows with the
 * logarithm of the outage only. A round that could not tell, or ended early, counts for nothing, or
 * for the ids that it came to. How long it has waited is known from the ids that had been drawn
 * at earlier looks, by this process's own monotonic clock: no wall clock of anybody can step. The
 * rows of those that are due are read; the others, stretch by stretch, are only counted, for
 * backlog.c: in the first round and without a broker, when nobody can be told, all of them. While
 * as many wait as may, a round follows each FULL_PAUSE_MS, unless a range is being told: another
 * replica may hear the outcomes.
 *
 * The mark (order_mark) says up to where no order waits and none will ever come, so that a start
 * with many stored orders looks at few. An id is drawn in the transaction that stores the order,
 * after that transaction has its number: so once no transaction is under way that is older than a
 * look, no order will come at or below the ids drawn at that look, however long a process may have
 * been frozen. Loop thread only.
 */
#include "telling.h"

#include "backlog.h"
#include "config.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/messages/id_set.h"
#include "runtime/telemetry/log.h"

#include <string.h>

enum {
    SLICE_ROWS = 10000,  /* looked at in one statement */
    PAGE_ORDERS = 500,   /* told after one statement */
    INFLIGHT_MAX = 4000, /* events with the broker; the page after that waits */
    LOOKS_MAX = 256,
    AGAIN_PAUSE_MS = 200, /* between two attempts to tell what was refused */
    FULL_PAUSE_MS = 1000, /* before a round while ORDERS_WAITING_MAX wait */
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
};

/* The highest id that had been drawn at a moment. */
struct look {
    uint64_t ms;
    int64_t id;
};

static struct {
    struct loop_timer timer;
    struct teller teller;
    struct id_set held;  /* with the broker */
    struct arena arena;  /* of one page */
    bool busy;           /* a round, or a range, is under way */
    bool waits_for_room; /* its next page, for confirms */
    bool stopped;
    bool recounts;                /* the timer has been set to count soon */
    int64_t again_from, again_to; /* to be told again; from 0: nothing */
    int64_t first_own_id;         /* the first that this process has stored; 0: none yet */
    struct look looks[LOOKS_MAX]; /* oldest first */
    size_t look_count;
    int64_t known_id;                /* was known when this look began */
    int64_t checked_id, checked_xid; /* ids drawn, and the transaction, of an earlier look */
    /* of what is under way */
    bool is_round;
    bool counts_only;     /* tells nobody */
    bool refused;         /* an event of it was not taken */
    uint64_t now_ms;      /* this look */
    uint64_t all_told_ms; /* when who was due had last been told */
    uint64_t told_ms;     /* and when from and to these ids, later */
    int64_t told_from_id, told_to_id;
    int64_t low_id;   /* the mark */
    int64_t floor_id; /* no order will come at or below it; 0: not known */
    int64_t from_id, at_id, up_to_id;
    int64_t stretch_to_id; /* all from at_id up to there are due, or none is */
    int64_t slice_rows;
    int64_t lowest_waiting_id;
    size_t told;
} telling;

static void on_timer(void *ctx);
static void looked(void *ctx, enum err err, const struct pg_rows *rows);
static void read_slice(void);
static void slice_arrived(void *ctx, enum err err, const struct pg_rows *rows);
static void slice_counted(void *ctx, enum err err, const struct pg_rows *rows);
static void move_mark(void);
static void mark_moved(void *ctx, enum err err, const struct pg_rows *rows);

static int64_t min_id(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static bool can_tell(void) {
    return broker_publish_state(backends.broker) == BROKER_UP && pg_is_ready(backends.pg);
}

static void wake_in(uint64_t ms) {
    if (!telling.stopped && !telling.busy) {
        loop_timer_start(backends.loop, &telling.timer, ms);
    }
}

/* ---- from memory ---- */

void telling_later(int64_t from_id, int64_t to_id) {
    bool is_first = telling.again_from == 0;
    telling.again_from = is_first ? from_id : min_id(telling.again_from, from_id);
    telling.again_to = telling.again_to > to_id ? telling.again_to : to_id;
    if (is_first && can_tell()) {
        wake_in(AGAIN_PAUSE_MS);
    }
}

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    (void)ctx;
    if (err == ERR_OK) {
        return;
    }
    id_set_remove(&telling.held, event->id);
    telling.refused = true;
    telling_later(event->id, event->id);
    log_info("event waits for the broker", LOG_TRACE(event->trace),
             LOG_STR("messageId", event->message_id), LOG_STR("error", err_name(err)));
}

static void on_told(void *ctx, int64_t id, bool confirmed) {
    (void)ctx;
    id_set_remove(&telling.held, id);
    if (!confirmed) {
        telling_later(id, id);
    }
    if (telling.waits_for_room && telling.teller.inflight < INFLIGHT_MAX / 2) {
        telling.waits_for_room = false;
        read_slice();
    }
}

/* Not again what is with the broker. */
static void tell(const struct teller_event *event) {
    if (id_set_has(&telling.held, event->id)) {
        return;
    }
    if (event->body.data == NULL || id_set_add(&telling.held, event->id, 0) != ERR_OK) {
        telling_later(event->id, event->id);
        return;
    }
    teller_add(&telling.teller, event);
}

void telling_tell(const struct teller_event *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (telling.first_own_id == 0) {
            telling.first_own_id = events[i].id;
        }
        tell(&events[i]);
    }
    teller_flush(&telling.teller);
    if (backlog_is_full() && !telling.recounts &&
        order_config.reconcile_interval_ms > FULL_PAUSE_MS) {
        telling.recounts = true;
        wake_in(FULL_PAUSE_MS);
    }
}

/* ---- looks: how long an order has waited ---- */

/* The ids that had been drawn at that time; 0 before the first look. */
static int64_t drawn_at(uint64_t ms) {
    int64_t id = 0;
    for (size_t i = 0; i < telling.look_count && telling.looks[i].ms <= ms; i++) {
        id = telling.looks[i].id;
    }
    return id;
}

/* Of the older half every second one goes when there is no room: who waits long waits roughly. */
static void add_look(uint64_t ms, int64_t id) {
    if (telling.look_count == LOOKS_MAX) {
        size_t kept = 0;
        for (size_t i = 0; i < LOOKS_MAX; i++) {
            if (i >= LOOKS_MAX / 2 || i % 2 == 0) {
                telling.looks[kept++] = telling.looks[i];
            }
        }
        telling.look_count = kept;
    }
    telling.looks[telling.look_count++] = (struct look){ ms, id };
}

/* Has its age passed a doubling of the threshold since it was last looked at? */
static bool is_due(int64_t id) {
    uint64_t threshold_ms = (uint64_t)order_config.reconcile_after_ms;
    bool is_told = id >= telling.told_from_id && id <= telling.told_to_id;
    uint64_t last_ms = is_told ? telling.told_ms : telling.all_told_ms;
    if (!telling.is_round) {
        return true;
    }
    for (; threshold_ms <= telling.now_ms; threshold_ms *= 2) {
        int64_t now_id = drawn_at(telling.now_ms - threshold_ms);
        int64_t last_id = last_ms < threshold_ms ? 0 : drawn_at(last_ms - threshold_ms);
        if (now_id == 0) {
            return false;
        }
        if (id > last_id && id <= now_id) {
            return true;
        }
    }
    return false;
}

/* All behind at_id up to here are due, or none is: between two such ids nothing changes. */
static int64_t stretch_end(void) {
    int64_t ends[2] = { telling.told_from_id - 1, telling.told_to_id }, end_id = telling.up_to_id;
    uint64_t looks_ms[3] = { telling.now_ms, telling.all_told_ms, telling.told_ms };
    uint64_t threshold_ms = (uint64_t)order_config.reconcile_after_ms;
    if (!telling.is_round || telling.counts_only) {
        return end_id;
    }
    for (; threshold_ms <= telling.now_ms; threshold_ms *= 2) {
        for (size_t i = 0; i < 3; i++) {
            int64_t id = looks_ms[i] < threshold_ms ? 0 : drawn_at(looks_ms[i] - threshold_ms);
            end_id = id > telling.at_id ? min_id(end_id, id) : end_id;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        end_id = ends[i] > telling.at_id ? min_id(end_id, ends[i]) : end_id;
    }
    return end_id;
}

/* ---- a round: look → slices → mark; a range: slices ---- */

/* Who was due has been told: all, or as far as it came. */
static void note_told(bool complete) {
    bool tells = !telling.counts_only;
    if (complete && telling.is_round) {
        telling.all_told_ms = telling.now_ms;
        telling.told_to_id = 0;
    } else if (tells && (complete || telling.at_id >= telling.from_id)) {
        telling.told_ms = telling.now_ms;
        telling.told_from_id = telling.from_id;
        telling.told_to_id = complete ? telling.up_to_id : telling.at_id;
    }
}

static void end(bool complete) {
    if (telling.told > 0) {
        metrics_add(&order_metrics[M_ORDERS_TOLD_AGAIN], (int64_t)telling.told);
        log_warn("waiting orders told again", LOG_INT("orders", telling.told));
    }
    note_told(complete);
    if (!complete && !telling.is_round) { /* the rest of the range */
        telling_later(telling.at_id + 1, telling.up_to_id);
    }
    telling.told = 0;
    telling.busy = telling.waits_for_room = false;
    arena_reset(&telling.arena);
    bool is_soon = telling.look_count == 0 || (telling.again_from != 0 && can_tell());
    uint64_t pause_ms = (uint64_t)order_config.reconcile_interval_ms;
    telling.recounts = backlog_is_full() && pause_ms > FULL_PAUSE_MS;
    wake_in(is_soon ? AGAIN_PAUSE_MS : telling.recounts ? FULL_PAUSE_MS : pause_ms);
}

static void begin(bool is_round) {
    telling.busy = true;
    telling.is_round = is_round;
    telling.counts_only = telling.refused = false;
    telling.slice_rows = SLICE_ROWS;
    telling.lowest_waiting_id = INT64_MAX;
    telling.now_ms = clock_monotonic_ms();
}

/* Behind `after_id`, which is the mark or before a range. */
static void set_ids(int64_t after_id, int64_t up_to_id) {
    telling.from_id = after_id + 1;
    telling.at_id = after_id;
    telling.up_to_id = up_to_id;
}

static void on_timer(void *ctx) {
    struct pg_call calls[] = { { .statement = &SQL_ORDER_DRAWN },
                               { .statement = &SQL_TRANSACTION },
                               { .statement = &SQL_ORDER_MARK } };
    (void)ctx;
    if (telling.busy || telling.stopped) {
        return;
    }
    if (telling.again_from != 0 && can_tell()) {
        begin(false);
        set_ids(telling.again_from - 1, telling.again_to);
        telling.again_from = telling.again_to = 0;
        read_slice();
        return;
    }
    begin(true);
    set_ids(0, 0);
    if (!pg_is_ready(backends.pg)) {
        end(false);
        return;
    }
    telling.known_id = backlog_newest_id();
    pg_run(backends.pg, calls, 3, looked, NULL);
}

/* After a start: what was stored before this process. What it has stored itself it has told. */
static void begin_with_all(int64_t drawn_id) {
    int64_t own_id = telling.first_own_id;
    int64_t up_to_id = own_id == 0 ? drawn_id : own_id - 1;
    if (up_to_id > telling.low_id) {
        telling_later(telling.low_id + 1, up_to_id);
    }
}

static void looked(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK || telling.stopped) {
        end(false);
        return;
    }
    int64_t drawn_id = pg_rows_get_int8(&rows[0], 0, 0);
    int64_t oldest_xid = pg_rows_get_int8(&rows[2], 0, 1);
    telling.low_id = pg_rows_get_int8(&rows[2], 0, 0);
    telling.now_ms = clock_monotonic_ms();
    bool is_first = telling.look_count == 0;
    add_look(telling.now_ms, drawn_id);
    if (pg_rows_get_int8(&rows[1], 0, 0) < telling.checked_xid) { /* a restore: they come again */
        telling.checked_xid = 0;
    }
    bool is_safe = telling.checked_xid != 0 && oldest_xid >= telling.checked_xid;
    telling.floor_id = is_safe ? telling.checked_id : 0;
    if (is_safe || telling.checked_xid == 0) {
        telling.checked_id = drawn_id;
        telling.checked_xid = pg_rows_get_int8(&rows[1], 0, 0);
    }
    if (is_first) {
        begin_with_all(drawn_id);
    }
    if (drawn_id < telling.known_id) {
        backlog_restart();
    }
    telling.counts_only = is_first || !can_tell();
    backlog_count_begin(drawn_id);
    set_ids(telling.low_id, drawn_id);
    read_slice();
}

static void read_slice(void) {
    arena_reset(&telling.arena);
    if (telling.stopped || (!telling.counts_only && (telling.refused || !can_tell()))) {
        end(false);
        return;
    }
    if (telling.at_id >= telling.up_to_id) {
        move_mark();
        return;
    }
    telling.stretch_to_id = stretch_end();
    bool is_told = !telling.counts_only && is_due(telling.at_id + 1);
    struct pg_param at = pg_int8(telling.at_id), to = pg_int8(telling.stretch_to_id);
    struct pg_call page = { &SQL_ORDER_WAITING,
                            { at, to, pg_int8(telling.slice_rows), pg_int8(PAGE_ORDERS) },
                            4 };
    struct pg_call count = { &SQL_ORDER_COUNT, { at, to, pg_int8(SLICE_ROWS) }, 3 };
    pg_run(backends.pg, is_told ? &page : &count, 1, is_told ? slice_arrived : slice_counted, NULL);
}

/* ---- a slice of which nobody is due ---- */

static void slice_counted(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK || telling.stopped) {
        end(false);
        return;
    }
    int64_t waiting = pg_rows_get_int8(&rows[0], 0, 2);
    if (waiting > 0) {
        telling.lowest_waiting_id =
            min_id(telling.lowest_waiting_id, pg_rows_get_int8(&rows[0], 0, 3));
    }
    bool is_end = pg_rows_get_int8(&rows[0], 0, 0) < SLICE_ROWS;
    telling.at_id = is_end ? telling.stretch_to_id : pg_rows_get_int8(&rows[0], 0, 1);
    backlog_count_add(telling.at_id, waiting);
    read_slice();
}

/* ---- a page of waiting orders ---- */

/* ERR_OK: it can be told; *ret_event stays as long as the arena. */
static enum err read_row(const struct pg_rows *rows, size_t row, struct teller_event *ret_event) {
    struct order order;
    struct trace_copy *trace = arena_alloc(&telling.arena, sizeof(*trace));
    if (trace == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = order_from_row(rows, row, 0, &order);
    if (err == ERR_OK) {
        trace_copy(trace, pg_rows_get_trace(rows, row, ORDER_COLUMN_COUNT));
        *ret_event = order_created_event(&telling.arena, &order, trace_of(trace));
    }
    return err;
}

static enum err tell_page(const struct pg_rows *rows, size_t count) {
    struct teller_event *events = arena_array(&telling.arena, count + 1, sizeof(*events));
    enum err err = events == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        int64_t id = pg_rows_get_int8(rows, i, 0);
        telling.lowest_waiting_id = min_id(telling.lowest_waiting_id, id);
        if (id_set_has(&telling.held, id)) {
            continue;
        }
        err = read_row(rows, i, &events[i]);
        if (err == ERR_INTERNAL) { /* logged there; it cannot be told */
            err = ERR_OK;
            continue;
        }
        if (err == ERR_OK) {
            log_info("order told again", LOG_TRACE(events[i].trace), LOG_INT("orderId", id));
            telling.told++;
            tell(&events[i]);
        }
    }
    teller_flush(&telling.teller);
    return err;
}

static void slice_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    size_t count = err == ERR_OK ? rows[0].count : 0;
    if (count == 0 || telling.stopped) {
        end(false);
        return;
    }
    bool is_end = pg_rows_is_null(&rows[0], 0, ORDER_COLUMN_COUNT + 3);
    size_t waiting = pg_rows_is_null(&rows[0], 0, 0) ? 0 : count;
    if (tell_page(&rows[0], waiting) != ERR_OK) {
        end(false);
        return;
    }
    bool is_full = waiting == PAGE_ORDERS;
    telling.slice_rows = is_full ? PAGE_ORDERS : SLICE_ROWS; /* where all wait, no more than fit */
    telling.at_id = is_end    ? telling.stretch_to_id
                    : is_full ? pg_rows_get_int8(&rows[0], count - 1, 0)
                              : pg_rows_get_int8(&rows[0], 0, ORDER_COLUMN_COUNT + 3);
    if (telling.is_round) {
        backlog_count_add(telling.at_id, (int64_t)waiting);
    }
    if (telling.teller.inflight >= INFLIGHT_MAX) {
        telling.waits_for_room = true;
        return;
    }
    read_slice();
}

static void move_mark(void) {
    if (telling.is_round) {
        backlog_count_end();
    }
    if (telling.counts_only) {
        end(telling.look_count == 1);
        return;
    }
    int64_t low_id = min_id(telling.lowest_waiting_id - 1, telling.floor_id);
    if (!telling.is_round || telling.refused || low_id <= telling.low_id) {
        end(!telling.refused);
        return;
    }
    struct pg_call call = { &SQL_ORDER_MARK_MOVE, { pg_int8(low_id) }, 1 };
    pg_run(backends.pg, &call, 1, mark_moved, NULL);
}

static void mark_moved(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    (void)rows;
    end(err == ERR_OK);
}

/* ---- start and stop ---- */

void telling_broker_up(void) {
    wake_in(0);
}

enum err telling_open(void) {
    struct teller_options options = backends_telling();
    options.on_sent = on_sent;
    options.on_told = on_told;
    memset(&telling, 0, sizeof(telling));
    teller_init(&telling.teller, backends.broker, &options);
    arena_init(&telling.arena, ARENA_BYTES_MAX);
    loop_timer_init(&telling.timer, on_timer, NULL);
    loop_timer_start(backends.loop, &telling.timer, AGAIN_PAUSE_MS);
    return ERR_OK;
}

void telling_stop(void) {
    telling.stopped = true;
    loop_timer_stop(backends.loop, &telling.timer);
    if (telling.waits_for_room) {
        end(false);
    }
}

void telling_close(void) {
    telling_stop();
    teller_done(&telling.teller);
    id_set_done(&telling.held);
    arena_done(&telling.arena);
}

bool telling_is_idle(void) {
    return !telling.busy;
}
