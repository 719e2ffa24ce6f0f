/*
 * The books of a running system: what each check looked at, what it found, and which ids break it. One
 * thread, blocking.
 */
#ifndef ADMIN_AUDIT_H
#define ADMIN_AUDIT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUDIT_IDS_MAX = 20, AUDIT_NOTE_BYTES = 256 };

/* Of one promise; zeroed before its check. */
struct finding {
    int64_t looked; /* at so many things */
    int64_t broken; /* so many of them break it */
    size_t id_count;
    int64_t ids[AUDIT_IDS_MAX]; /* the first of these */
    char note[AUDIT_NOTE_BYTES];
};

struct books {
    PGconn *orders, *products; /* both databases */
    bool is_full;              /* from the first order on */
    bool repairs;
};

void audit_break(struct finding *finding, int64_t id);

/* False: it could not be looked at (said why). */
typedef bool audit_fn(struct books *books, struct finding *finding);

/* ---- audit_orders.c: orders and ledger, both ways ---- */

bool audit_orders_and_ledger(struct books *books, struct finding *finding);

#endif
