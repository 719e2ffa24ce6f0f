/* Everything that the product service says to its database: migrations and prepared statements. */
#ifndef PRODUCT_STATEMENTS_H
#define PRODUCT_STATEMENTS_H

#include "runtime/pg/pg.h"

enum {
    PRODUCT_ID_BLOCK = 20, /* increments of the sequences, see migrations/ */
    OUTBOX_ID_BLOCK = 4000,
};

extern const struct pg_migration PRODUCT_MIGRATIONS[]; /* version 0 ends the list */
extern const struct pg_sequence PRODUCT_SEQUENCES[];   /* a table NULL ends the list */
/* All of these; NULL ends the list. */
extern const struct pg_statement *const PRODUCT_STATEMENTS[];

extern const struct pg_statement SQL_NEXT_PRODUCT_IDS, SQL_NEXT_OUTBOX_IDS;
/* rows of id, name, price, quantity, time, request id */
extern const struct pg_statement SQL_PRODUCT_INSERT;
/* ids → product rows */
extern const struct pg_statement SQL_PRODUCT_GET;
/* no version is below it; no row: 1 */
extern const struct pg_statement SQL_VERSION_FLOOR;
/* after id, limit → product rows */
extern const struct pg_statement SQL_PRODUCT_PAGE;
/* ids → product rows, locked in id order */
extern const struct pg_statement SQL_PRODUCT_LOCK;
/* ids → those that another transaction has locked, as far as was looked within a second */
extern const struct pg_statement SQL_PRODUCT_LOCKED;
/* rows of id, name, price, quantity, version, time */
extern const struct pg_statement SQL_PRODUCT_UPDATE;
/* rows of product id, quantity (below 0: taken away), time, request id, reason of an adjustment */
extern const struct pg_statement SQL_RESTOCK_INSERT;
/*
 * order ids → order id, status, reason, decided_at, product id, quantity, request id, the order's
 * created_at, which is NULL in rows of versions before. An id may have several orders.
 */
extern const struct pg_statement SQL_LEDGER_FIND;
/* rows of order id, product id, quantity, status, reason, time, request id, order's created_at */
extern const struct pg_statement SQL_LEDGER_INSERT;
/* keys → key, request, product id, version, answer; within 24 hours */
extern const struct pg_statement SQL_PRODUCT_KEY_FIND;
/*
 * rows of key, request, product id, version, answer, time → the keys that are stored; another
 * transaction's of the last 24 hours is left as it is, and not returned
 */
extern const struct pg_statement SQL_PRODUCT_KEY_INSERT;
/* keys → those that another transaction is storing, as far as was looked within a second */
extern const struct pg_statement SQL_PRODUCT_KEY_LOCKED;
/*
 * rows of order id, 1 when the row knows the order's created_at, that, time: of orders that are
 * done, their stock is back; that there was no room for it is noted no more
 */
extern const struct pg_statement SQL_LEDGER_RETURN;
/* → as books_open() wants it */
extern const struct pg_statement SQL_PRODUCT_BOOKS;

/* rows of order id, created_at, product id, quantity, now, request id → order ids of new ones */
extern const struct pg_statement SQL_LEDGER_CONFLICT;

#endif
