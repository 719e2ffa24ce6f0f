/*
 * The checks of the books, one for each promise of the contract, §7, that can be looked at from
 * outside. Nothing is written by them, and every question is a short transaction. What is under way
 * is told from what is broken by the order in which two places are read, by looking again, or by
 * its age: each check says how.
 */
#ifndef ADMIN_AUDIT_H
#define ADMIN_AUDIT_H

#include "books.h"
#include "findings.h"

/* What should have gone on by now; PostgreSQL's. */
#define AUDIT_PATIENCE "interval '5 minutes'"

/* False: it could not be looked at (said why). `finding` is zeroed before. */
typedef bool audit_fn(struct books *books, struct finding *finding);

/* ---- audit_orders.c: orders and ledger, both ways ---- */

/* Before those that follow: reads both sides. False: said why. */
bool audit_orders_read(struct books *books);
audit_fn audit_orders_lost;      /* has ended, and the ledger does not have it */
audit_fn audit_orders_unknown;   /* the ledger has it, and there is none */
audit_fn audit_orders_different; /* both have it, and do not say the same */
audit_fn audit_orders_left;      /* waits below the mark */
audit_fn audit_orders_unsettled; /* was cancelled, and nobody will be told */

audit_fn audit_orders_priced; /* at a price that its product did not have */

/* ---- audit_tables.c: what one database is asked ---- */

audit_fn audit_tables_stock;
audit_fn audit_tables_waiting;
audit_fn audit_tables_mark;
audit_fn audit_tables_cancellations;
audit_fn audit_tables_order_keys;
audit_fn audit_tables_product_keys;
audit_fn audit_tables_order_sequences;
audit_fn audit_tables_product_sequences;
audit_fn audit_tables_order_outbox;
audit_fn audit_tables_product_outbox;

/* ---- audit_prices.c: for audit_orders.c, which reads the orders ---- */

/* An order's price may have been its product's so long before, or after, it was made. */
#define AUDIT_PRICES_LATE "interval '10 minutes'"
#define AUDIT_PRICES_EARLY "interval '1 minute'"
/* What was not noted from the beginning is known from then on; a copy may be older by LATE. */
#define AUDIT_PRICES_BEGINNING                                                                     \
    "SELECT coalesce(max(since) FILTER (WHERE is_first_known) + " AUDIT_PRICES_LATE                \
    ", '-infinity') FROM product_prices"

/*
 * Of orders grouped by product and price: these, and when the first and the last was made. SINCE is
 * the parameter that has audit_prices_beginning().
 */
#define AUDIT_PRICES_GROUP(SINCE)                                                                  \
    "product_id, unit_price_cents, min(created_at) FILTER (WHERE reason IS DISTINCT FROM"          \
    " 'product_not_found' AND created_at >= " SINCE "::timestamptz), max(created_at) FILTER"       \
    " (WHERE reason IS DISTINCT FROM 'product_not_found' AND created_at >= " SINCE                 \
    "::timestamptz)"

/* Before the first range. False: said why. */
bool audit_prices_begin(struct books *books);
/* From when on prices are known. */
const char *audit_prices_beginning(void);
/*
 * The groups of a range of ids: `rows` from `first` on, their columns from AUDIT_PRICES_COLUMN on.
 */
enum { AUDIT_PRICES_COLUMN = 6 };
bool audit_prices_compare(struct books *books, const PGresult *rows, int first, const char *from_id,
                          const char *to_id);
/* What was found. */
const struct finding *audit_prices_found(void);

/* ---- audit_queues.c ---- */

audit_fn audit_queues;
audit_fn audit_queues_dead_letters;
/* Every queue is consumed, and nothing is ready in it. False also when that is not known. */
bool audit_queues_are_quiet(struct books *books);

/* ---- audit_caches.c: names are product-redis/product:7 and order-redis/… ---- */

audit_fn audit_caches;

/* ---- audit_repair.c: what is safe; how many of them were done, -1: said why not ---- */

typedef int64_t audit_repair_fn(struct books *books, const struct finding *finding);

audit_repair_fn audit_repair_orders;        /* waiting ones are told again */
audit_repair_fn audit_repair_cancellations; /* likewise */
audit_repair_fn audit_repair_caches;        /* dropped */

#endif
