/* An array, sorted by id. */
#include "locked_rows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum err locked_rows_init(struct locked_rows *locked) {
    *locked = (struct locked_rows){ calloc(LOCKED_ROWS_MAX, sizeof(*locked->rows)), 0 };
    return locked->rows == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void locked_rows_done(struct locked_rows *locked) {
    free(locked->rows);
    *locked = (struct locked_rows){ 0 };
}

/* Where the row is, or where it belongs. */
static struct locked_row *place_of(const struct locked_rows *locked, int64_t id) {
    size_t low = 0, high = locked->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (locked->rows[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return &locked->rows[low];
}

static size_t rows_from(const struct locked_rows *locked, const struct locked_row *row) {
    return (size_t)(locked->rows + locked->count - row);
}

struct locked_row *locked_rows_find(const struct locked_rows *locked, int64_t id) {
    struct locked_row *row = place_of(locked, id);
    return rows_from(locked, row) > 0 && row->id == id ? row : NULL;
}

/* It may have become free elsewhere: nobody would ever say so. */
static void drop_first_due(struct locked_rows *locked) {
    const struct locked_row *first = locked->rows;
    for (size_t i = 1; i < locked->count; i++) {
        if (locked->rows[i].due_ms < first->due_ms) {
            first = &locked->rows[i];
        }
    }
    locked_rows_forget(locked, first->id);
}

void locked_rows_note(struct locked_rows *locked, int64_t id, unsigned attempts, uint64_t now_ms) {
    struct locked_row *row = locked_rows_find(locked, id);
    if (row == NULL) {
        if (locked->count == LOCKED_ROWS_MAX) {
            drop_first_due(locked);
        }
        row = place_of(locked, id);
        memmove(row + 1, row, rows_from(locked, row) * sizeof(*row));
        *row = (struct locked_row){ .id = id };
        locked->count++;
    }
    row->attempts = (row->attempts > attempts ? row->attempts : attempts) + 1;
    uint64_t delay_ms = LOCKED_ROWS_DELAY_MS;
    for (unsigned i = 1; i < row->attempts && delay_ms < LOCKED_ROWS_DELAY_MAX_MS; i++) {
        delay_ms *= 2;
    }
    row->due_ms =
        now_ms + (delay_ms < LOCKED_ROWS_DELAY_MAX_MS ? delay_ms : LOCKED_ROWS_DELAY_MAX_MS);
}

uint64_t locked_rows_pause_ms(const struct locked_rows *locked, uint64_t now_ms) {
    uint64_t next_ms = UINT64_MAX;
    bool is_overdue = false;
    for (size_t i = 0; i < locked->count; i++) {
        uint64_t due_ms = locked->rows[i].due_ms;
        if (due_ms > now_ms) {
            next_ms = due_ms < next_ms ? due_ms : next_ms;
        } else if (now_ms - due_ms < LOCKED_ROWS_GRACE_MS) {
            is_overdue = true;
        }
    }
    if (next_ms == UINT64_MAX) {
        return 0;
    }
    uint64_t pause_ms = next_ms - now_ms;
    return is_overdue && pause_ms > LOCKED_ROWS_ROUND_MS ? LOCKED_ROWS_ROUND_MS : pause_ms;
}

void locked_rows_forget(struct locked_rows *locked, int64_t id) {
    struct locked_row *row = locked_rows_find(locked, id);
    if (row != NULL) {
        locked->count--;
        memmove(row, row + 1, rows_from(locked, row) * sizeof(*row));
    }
}
