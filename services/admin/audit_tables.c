/*
 * Checks that are one question of one database, which sees one moment of it: nothing is under way
 * in there. What waits for somebody else is known by its age.
 */
#include "audit.h"

#include "database.h"

#include <stdio.h>

enum { SQL_BYTES = 2048 };

/*
 * How many there are, and the names of those that break the promise, in the order of `broken`; only
 * those are sent that a finding keeps. `since` is $1 of `broken`, if it has one.
 */
static bool ask(PGconn *connection, const char *count, const char *broken, const char *since,
                struct finding *finding) {
    char sql[SQL_BYTES];
    snprintf(sql, sizeof(sql), "SELECT b.name, count(*) OVER () FROM (%s) AS b (name) LIMIT %d",
             broken, FINDINGS_NAMES_MAX);
    PGresult *rows = database_ask(connection, count, NULL);
    if (rows == NULL) {
        return false;
    }
    finding->looked = database_int(rows, 0, 0);
    PQclear(rows);
    rows = database_ask(connection, sql, since, NULL);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        findings_add(finding, PQgetvalue(rows, row, 0));
    }
    if (rows != NULL && PQntuples(rows) > 0) {
        finding->broken = database_int(rows, 0, 1);
    }
    PQclear(rows);
    return rows != NULL;
}

/* ---- stock ---- */

bool audit_tables_stock(struct books *books, struct finding *finding) {
    return ask(books->products, "SELECT count(*) FROM products",
               "SELECT coalesce(p.id, l.product_id) FROM products AS p"
               " FULL JOIN (SELECT product_id, sum(quantity) AS quantity FROM stock_ledger"
               " WHERE status = 'done' GROUP BY 1) AS l ON l.product_id = p.id"
               " LEFT JOIN (SELECT product_id, sum(quantity) AS quantity FROM restocks GROUP BY 1)"
               " AS r ON r.product_id = p.id"
               " WHERE p.id IS NULL OR p.qty < 0"
               " OR p.initial_qty + coalesce(r.quantity, 0) - coalesce(l.quantity, 0) <> p.qty"
               " ORDER BY 1",
               NULL, finding);
}

/* ---- what waits ---- */

bool audit_tables_waiting(struct books *books, struct finding *finding) {
    return ask(books->orders,
               "SELECT count(*) FROM orders WHERE id > coalesce((SELECT low_id FROM order_mark), 0)"
               " AND status = 'waiting'",
               "SELECT id FROM orders WHERE id > coalesce((SELECT low_id FROM order_mark), 0)"
               " AND status = 'waiting' AND created_at < now() - " AUDIT_PATIENCE " ORDER BY 1",
               NULL, finding);
}

bool audit_tables_mark(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT coalesce(max(low_id), 0) FROM order_mark",
               "SELECT low_id FROM order_mark WHERE low_id > (SELECT last_value FROM order_numbers)"
               " UNION ALL SELECT 0 WHERE NOT EXISTS (SELECT FROM order_mark)",
               NULL, finding);
}

bool audit_tables_cancellations(struct books *books, struct finding *finding) {
    return ask(
        books->orders, "SELECT count(*) FROM cancellations",
        "SELECT c.order_id FROM cancellations AS c LEFT JOIN orders AS o ON o.id = c.order_id"
        " WHERE (c.settled_at IS NULL AND c.cancelled_at < now() - " AUDIT_PATIENCE ")"
        " OR o.status IS DISTINCT FROM 'cancelled' OR o.created_at <> c.created_at"
        " OR o.product_id <> c.product_id OR o.quantity <> c.quantity ORDER BY 1",
        NULL, finding);
}

static bool check_outbox(PGconn *connection, struct finding *finding) {
    return ask(connection, "SELECT count(*) FROM outbox",
               "SELECT id FROM outbox WHERE available_at < now() - " AUDIT_PATIENCE " ORDER BY 1",
               NULL, finding);
}

bool audit_tables_order_outbox(struct books *books, struct finding *finding) {
    return check_outbox(books->orders, finding);
}

bool audit_tables_product_outbox(struct books *books, struct finding *finding) {
    return check_outbox(books->products, finding);
}

/* ---- keys: those that came since the last clean audit, or an hour before that ---- */

bool audit_tables_order_keys(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT count(*) FROM idempotency_keys",
               "SELECT k.order_id FROM idempotency_keys AS k LEFT JOIN orders AS o"
               " ON o.id = k.order_id WHERE k.created_at > $1::timestamptz - interval '1 hour'"
               " AND (o.id IS NULL OR o.product_id <> k.product_id OR o.quantity <> k.quantity"
               " OR o.created_at <> k.created_at) ORDER BY 1",
               books->clean_at, finding);
}

bool audit_tables_product_keys(struct books *books, struct finding *finding) {
    return ask(books->products, "SELECT count(*) FROM idempotency_keys",
               "SELECT k.key FROM idempotency_keys AS k LEFT JOIN products AS p"
               " ON p.id = k.product_id WHERE k.created_at > $1::timestamptz - interval '1 hour'"
               " AND (p.id IS NULL OR k.version < 1"
               " OR k.version > greatest(p.version, (SELECT floor FROM version_floor))"
               " OR NOT starts_with(k.answer, '{\"id\":' || k.product_id || ',')) ORDER BY 1",
               books->clean_at, finding);
}

/*
 * ---- sequences: ahead of their tables, and as far apart as the blocks that are taken of them ----
 */

#define SEQUENCE(NAME, TABLE, BLOCK)                                                               \
    "SELECT '" NAME "' WHERE (SELECT max(id) FROM " TABLE                                          \
    ") >= (SELECT last_value + CASE WHEN is_called THEN " BLOCK " ELSE 0 END FROM " NAME           \
    ") OR (SELECT seqincrement FROM pg_sequence WHERE seqrelid = '" NAME "'::regclass) <> " BLOCK

bool audit_tables_order_sequences(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT last_value FROM order_numbers",
               SEQUENCE("order_numbers", "orders", "1"), NULL, finding);
}

bool audit_tables_product_sequences(struct books *books, struct finding *finding) {
    return ask(books->products, "SELECT last_value FROM product_ids",
               SEQUENCE("product_ids", "products", "20") " UNION ALL " SEQUENCE(
                   "outbox_ids", "outbox", "4000") " UNION ALL " SEQUENCE("restocks_id_seq",
                                                                          "restocks", "1"),
               NULL, finding);
}
