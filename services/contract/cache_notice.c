/*
 * The number of notices, looked at all the time. The first one is for what an earlier process may
 * have missed, whose end nobody has seen.
 */
#include "cache_notice.h"

#include "runtime/process/backends.h"
#include "runtime/telemetry/log.h"

#include <string.h>

enum { FIRST_LOOK_MS = 20 }; /* as soon as the database is there: before anything is cached */

static struct {
    struct loop_timer timer;
    bool is_busy, is_stopped;
    bool is_known; /* `count` was read */
    int64_t count; /* of notices, as it was last read */
    /* Writes of ours, as far as they are noted; UINT64_MAX: an earlier process's are not. */
    uint64_t missed;
    uint64_t noting; /* … and will be when the statement under way has ended */
} notice;

static void wake(void) {
    if (!notice.is_stopped) {
        loop_timer_start(backends.loop, &notice.timer,
                         notice.is_known ? CACHE_NOTICE_MS : FIRST_LOOK_MS);
    }
}

/* `own`: so many of them are ours, who clean when Redis is back. */
static void take_count(int64_t count, int64_t own) {
    bool is_new = notice.is_known && count != notice.count + own;
    if (is_new) {
        log_info("a replica was without Redis: what is cached is forgotten");
    }
    if (is_new || !notice.is_known) {
        cache_forget(backends.cache, 0);
    }
    notice.is_known = true;
    notice.count = count;
}

static void noted(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    notice.is_busy = false;
    if (err == ERR_OK && rows[0].count > 0) {
        notice.missed = notice.noting;
        take_count(pg_rows_get_int8(&rows[0], 0, 0), 1);
    }
    wake();
}

static void heard(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    notice.is_busy = false;
    if (err == ERR_OK && rows[0].count > 0) {
        take_count(pg_rows_get_int8(&rows[0], 0, 0), 0);
    }
    wake();
}

static void look(void *ctx) {
    (void)ctx;
    if (!pg_is_ready(backends.pg)) {
        wake();
        return;
    }
    notice.noting = cache_missed(backends.cache);
    bool has_missed = notice.noting != notice.missed;
    struct pg_call call = { .statement =
                                has_missed ? &SQL_CACHE_NOTICE_ADD : &SQL_CACHE_NOTICE_COUNT };
    notice.is_busy = true;
    pg_run(backends.pg, &call, 1, has_missed ? noted : heard, NULL);
}

enum err cache_notice_open(void) {
    memset(&notice, 0, sizeof(notice));
    notice.missed = UINT64_MAX;
    loop_timer_init(&notice.timer, look, NULL);
    wake();
    return ERR_OK;
}

void cache_notice_stop(void) {
    notice.is_stopped = true;
    loop_timer_stop(backends.loop, &notice.timer);
    (void)cache_notice_is_idle(); /* begins with what is known by now */
}

/* Also of a process that could not start: cache and database are gone by now. */
void cache_notice_close(void) {
    notice.is_stopped = true;
    loop_timer_stop(backends.loop, &notice.timer);
}

/* What the last transactions miss is still noted, as long as there is a database to take it. */
bool cache_notice_is_idle(void) {
    if (notice.is_stopped && !notice.is_busy && cache_missed(backends.cache) != notice.missed) {
        look(NULL);
    }
    return !notice.is_busy;
}
