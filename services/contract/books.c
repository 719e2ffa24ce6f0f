/* A question each BOOKS_INTERVAL_MS, and its last answer. */
#include "books.h"

#include "base/clock.h"
#include "runtime/process/backends.h"

#include <string.h>

static struct {
    struct loop_timer timer;
    const struct pg_statement *statement;
    bool is_busy, is_stopped;
    bool is_unbalanced;
    int64_t oldest_ms; /* since when an order waits; 0: none does */
} books;

int64_t books_balanced(void) {
    return !books.is_unbalanced;
}

int64_t books_oldest_waiting_s(void) {
    int64_t ms = books.oldest_ms == 0 ? 0 : clock_unix_ms() - books.oldest_ms;
    return ms > 0 ? ms / 1000 : 0; /* clocks step */
}

static void answered(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    books.is_busy = false;
    if (err == ERR_OK && rows[0].count == 1) {
        books.is_unbalanced = pg_rows_get_int8(&rows[0], 0, 0) == 0;
        books.oldest_ms = pg_rows_is_null(&rows[0], 0, 1) ? 0 : pg_rows_get_time(&rows[0], 0, 1);
    }
    if (!books.is_stopped) {
        loop_timer_start(backends.loop, &books.timer, BOOKS_INTERVAL_MS);
    }
}

static void ask(void *ctx) {
    struct pg_call call = { .statement = books.statement };
    (void)ctx;
    books.is_busy = true;
    if (!pg_is_ready(backends.pg)) {
        answered(NULL, ERR_UNAVAILABLE, NULL);
        return;
    }
    pg_run(backends.pg, &call, 1, answered, NULL);
}

/* ---- start and stop ---- */

enum err books_open(const struct pg_statement *statement) {
    memset(&books, 0, sizeof(books));
    books.statement = statement;
    loop_timer_init(&books.timer, ask, NULL);
    loop_timer_start(backends.loop, &books.timer, BOOKS_INTERVAL_MS / 10);
    return ERR_OK;
}

void books_stop(void) {
    books.is_stopped = true;
    loop_timer_stop(backends.loop, &books.timer);
}

void books_close(void) {
    books_stop();
}

bool books_is_idle(void) {
    return !books.is_busy;
}
