/* Everything that the order service says to its database: migrations and prepared statements. */
#ifndef ORDER_SCHEMA_H
#define ORDER_SCHEMA_H

#include "runtime/pg/pg.h"

#include <stddef.h>

enum { ORDER_ID_BLOCK = 1000 }; /* increment of the sequence, see migrations/ */

enum order_statement {
    SQL_NEXT_ORDER_IDS,
    SQL_ORDER_INSERT,      /* arrays, see order_store.c → ids of the stored orders */
    SQL_ORDER_GET,         /* ids → order rows */
    SQL_ORDER_FIRST_PAGES, /* product ids, limit → order rows, newest first within a product */
    SQL_ORDER_PAGE,        /* product id, before time, before id, limit → order rows */
    SQL_ORDER_FINISH, /* ids, statuses, reasons, times → id, product id of those that moved */
    SQL_ORDER_LAST_ID,
    SQL_ORDER_WAITING, /* after id, up to id, limit → order rows, traceparent, tracestate,
                          in outbox */
    SQL_KEY_FIND,      /* keys → key, product id, quantity of the request, order row */
    SQL_KEY_EXPIRE,
    SQL_OUTBOX_INSERT,
    SQL_OUTBOX_CLAIM,
    SQL_OUTBOX_READ,
    SQL_OUTBOX_RELEASE,
    SQL_OUTBOX_RELAX,
    SQL_OUTBOX_DELETE,
    ORDER_STATEMENTS
};

extern const struct pg_statement ORDER_SQL[ORDER_STATEMENTS];

const struct pg_migration *order_migrations(size_t *ret_count);

#endif
