/*
 * Rows that another transaction has locked, by id: how often that was found out, and when the next
 * attempt is due. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_LOCKED_ROWS_H
#define RUNTIME_MESSAGES_LOCKED_ROWS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
    LOCKED_ROWS_MAX = 1024, /* then the one that was due first is forgotten, and found out anew */
    /* the delay of the next attempt after the first one that failed; it doubles, up to … */
    LOCKED_ROWS_DELAY_MS = 250,
    LOCKED_ROWS_DELAY_MAX_MS = 2000,
    /* after that long without the attempt that is due, any event of the row is one */
    LOCKED_ROWS_GRACE_MS = 10000,
    LOCKED_ROWS_ROUND_MS = 50,
};

struct locked_row {
    int64_t id;
    unsigned attempts; /* that failed */
    uint64_t due_ms;   /* of the next one, monotonic */
};

struct locked_rows {
    struct locked_row *rows; /* by id */
    size_t count;
};

MUST_CHECK enum err locked_rows_init(struct locked_rows *locked);
void locked_rows_done(struct locked_rows *locked); /* accepts one zeroed */

/* NULL: not known to be locked. Valid until another call. */
struct locked_row *locked_rows_find(const struct locked_rows *locked, int64_t id);
/* One attempt more has failed, at `now_ms`; others have made `attempts` before, as far as known. */
void locked_rows_note(struct locked_rows *locked, int64_t id, unsigned attempts, uint64_t now_ms);
/*
 * When nothing could be tried: how long until something can, 0 when nothing is awaited. A row that
 * is due already, for less than LOCKED_ROWS_GRACE_MS, has its event behind those of others: these
 * go round, with a pause of LOCKED_ROWS_ROUND_MS.
 */
uint64_t locked_rows_pause_ms(const struct locked_rows *locked, uint64_t now_ms);
/* It is free. */
void locked_rows_forget(struct locked_rows *locked, int64_t id);

#endif
