/* Everything that the product service says to its database: migrations and prepared statements. */
#ifndef PRODUCT_SCHEMA_H
#define PRODUCT_SCHEMA_H

#include "runtime/pg/pg.h"

#include <stddef.h>

enum {
    PRODUCT_ID_BLOCK = 20, /* increments of the sequences, see migrations/ */
    OUTBOX_ID_BLOCK = 4000,
};

enum product_statement {
    SQL_NEXT_PRODUCT_IDS,
    SQL_NEXT_OUTBOX_IDS,
    SQL_PRODUCT_INSERT, /* ids, names, prices, quantities, times, request ids */
    SQL_PRODUCT_GET,    /* ids → product rows */
    SQL_PRODUCT_PAGE,   /* after id, limit → product rows */
    SQL_PRODUCT_LOCK,   /* ids → product rows, locked in id order */
    SQL_PRODUCT_UPDATE, /* ids, names, prices, quantities, versions, times */
    SQL_RESTOCK_INSERT, /* product ids, quantities, times, request ids */
    SQL_LEDGER_FIND, /* order ids → order id, status, reason, decided_at, product id, quantity */
    SQL_LEDGER_INSERT, /* order ids, product ids, quantities, statuses, reasons, times, request ids
                         */
    SQL_OUTBOX_INSERT,
    SQL_OUTBOX_CLAIM,
    SQL_OUTBOX_READ,
    SQL_OUTBOX_RELEASE,
    SQL_OUTBOX_RELAX,
    SQL_OUTBOX_DELETE,
    PRODUCT_STATEMENTS
};

extern const struct pg_statement PRODUCT_SQL[PRODUCT_STATEMENTS];

const struct pg_migration *product_migrations(size_t *ret_count);

#endif
