/*
 * How far acceptance is ahead of fulfilment, and how long it is held back for that.
 *
 * The backlog is measured in ids: the newest that this process has stored, less the newest whose
 * outcome it has heard. All replicas draw their ids from one sequence, and outcomes come roughly in
 * that order, so this is the backlog of all of them without a word between them, by nobody's clock.
 * A gap in the sequence is gone with the next newer outcome, though it passes for speed for
 * some seconds; old orders that are told again move nothing.
 *
 * What it is worth in time follows from how fast the outcomes' ids move on. Without a backlog that
 * says how fast orders come, and so only that at least so much can be fulfilled: a higher speed is
 * learned then, a lower one only while there is a backlog. The delay grows with the square of
 * what the backlog is worth beyond BACKLOG_WORTH_US: gently where a few clients are enough to keep
 * the system busy, and enough to hold back thousands of them. It is counted from each order's own
 * request, so it bounds what one client waits, however many there are.
 *
 * Whoever decides may be away: when no outcome has come for BACKLOG_STILL_MS, or the broker takes
 * nothing, orders are accepted without delay, until ORDERS_WAITING_MAX of them wait. How many that
 * are is known roughly: telling.c counts them on its rounds, and in between this process knows of
 * those that it stores and finishes itself. What other replicas store and finish meanwhile comes in
 * with the next round, of which there is one a second while the limit is reached (but none while
 * orders are told again after an outage); and so does what the requests under way, at most
 * REQUESTS_MAX, store beyond.
 */
#include "backlog.h"

#include "config.h"
#include "parts.h"

#include <string.h>

enum {
    WINDOW_MS = 100,    /* over which the speed is measured */
    SQUARE_US = 500000, /* a backlog worth so much beyond its limit holds back for as long */
};

static struct {
    int64_t stored_id;   /* the newest that this process has stored */
    int64_t finished_id; /* the newest whose outcome it has heard */
    uint64_t moved_ms;   /* when that was */
    int64_t ids_per_s;   /* how fast it can move; 0: not known */
    /* the window under way */
    uint64_t window_ms;
    int64_t window_id;
    bool window_is_busy;
    int64_t waiting; /* orders: the last complete count, and what came and went since */
    /* the count under way, or the last */
    int64_t counted;
    int64_t counted_to_id, count_up_to_id;
} backlog;

/* ---- how many wait ---- */

static int64_t not_below_0(int64_t value) {
    return value > 0 ? value : 0;
}

int64_t backlog_waiting(void) {
    return backlog.waiting;
}

bool backlog_is_full(void) {
    return backlog.waiting >= order_config.orders_waiting_max;
}

void backlog_count_begin(int64_t up_to_id) {
    backlog.counted = 0;
    backlog.counted_to_id = 0;
    backlog.count_up_to_id = up_to_id;
}

void backlog_count_add(int64_t to_id, int64_t waiting) {
    backlog.counted_to_id = to_id;
    backlog.counted += waiting;
}

void backlog_count_end(void) {
    backlog.waiting = not_below_0(backlog.counted);
}

/* One that a count under way comes to later will not be among those that wait. */
static void note_finished(int64_t id) {
    backlog.waiting = not_below_0(backlog.waiting - 1);
    if (id <= backlog.counted_to_id || id > backlog.count_up_to_id) {
        backlog.counted--;
    }
}

/* ---- how far ahead acceptance is ---- */

void backlog_stored(int64_t id) {
    backlog.waiting++;
    if (id > backlog.count_up_to_id) {
        backlog.counted++;
    }
    if (id > backlog.stored_id) {
        backlog.stored_id = id;
    }
}

static bool is_busy(void) {
    return backlog.stored_id - backlog.finished_id >= BACKLOG_ORDERS_MIN;
}

static void open_window(uint64_t now_ms) {
    backlog.window_ms = now_ms;
    backlog.window_id = backlog.finished_id;
    backlog.window_is_busy = is_busy();
}

/* With a backlog it shows what can be done; without one, that at least so much can be. */
static void close_window(uint64_t now_ms) {
    int64_t ms = (int64_t)(now_ms - backlog.window_ms);
    int64_t measured = (backlog.finished_id - backlog.window_id) * 1000 / ms + 1;
    if (backlog.window_is_busy && is_busy()) {
        bool is_known = backlog.ids_per_s > 0;
        backlog.ids_per_s = is_known ? (3 * backlog.ids_per_s + measured) / 4 : measured;
    } else if (backlog.ids_per_s > 0 && measured > backlog.ids_per_s) {
        backlog.ids_per_s = measured;
    }
    open_window(now_ms);
}

static bool is_still(uint64_t now_ms) {
    return backlog.finished_id == 0 || now_ms - backlog.moved_ms >= BACKLOG_STILL_MS;
}

void backlog_finished(const struct pg_rows *rows) {
    uint64_t now_ms = loop_now_ms(backends.loop);
    int64_t newest_id = 0;
    for (size_t r = 0; r < rows->count; r++) {
        int64_t id = pg_rows_get_int8(rows, r, 0);
        newest_id = id > newest_id ? id : newest_id;
        note_finished(id);
    }
    if (newest_id <= backlog.finished_id) {
        return;
    }
    bool begins = is_still(now_ms);
    backlog.finished_id = newest_id;
    backlog.moved_ms = now_ms;
    if (begins) {
        open_window(now_ms);
    } else if (now_ms - backlog.window_ms >= WINDOW_MS) {
        close_window(now_ms);
    }
}

void backlog_left(int64_t id) {
    note_finished(id);
}

int64_t backlog_newest_id(void) {
    return backlog.stored_id > backlog.finished_id ? backlog.stored_id : backlog.finished_id;
}

void backlog_restart(void) {
    backlog.stored_id = backlog.finished_id = 0;
}

uint64_t backlog_hold_us(void) {
    if (!is_busy() || backlog.ids_per_s == 0 || is_still(loop_now_ms(backends.loop)) ||
        broker_publish_state(backends.broker) != BROKER_UP || backends.is_draining) {
        return 0;
    }
    double worth_us =
        (double)(backlog.stored_id - backlog.finished_id) * 1e6 / (double)backlog.ids_per_s;
    double over_us = worth_us - BACKLOG_WORTH_US;
    if (over_us <= 0) {
        return 0;
    }
    double hold_us = over_us * over_us / SQUARE_US;
    return hold_us < BACKLOG_HOLD_US_MAX ? (uint64_t)hold_us : BACKLOG_HOLD_US_MAX;
}

enum err backlog_open(void) {
    memset(&backlog, 0, sizeof(backlog));
    return ERR_OK;
}
