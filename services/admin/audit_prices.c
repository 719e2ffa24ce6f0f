/*
 * Was the price of each order that of its product when it was made? The product database has the
 * prices of each product, with the time from which each counts (product_prices, which the database
 * itself writes); the order database is given them, a piece at a time, and names the orders that
 * have another.
 *
 * The order-service may know a price for as long as its copy lives and an event takes to come:
 * LATE. The clocks of the order-service and of the product database agree within EARLY. Orders that
 * were made before prices were noted are not looked at, nor those whose product was never there:
 * nothing was sold. Prices are read after it is known up to which order is looked, and an order
 * whose price came later is looked at again.
 */
#include "audit.h"

#include "database.h"

#include <inttypes.h>
#include <stdio.h>

enum { RANGE_IDS = 500000, ID_BYTES = 24 };

#define LATE "interval '10 minutes'"
#define EARLY "interval '1 minute'"
/* Of one question: products whose prices are sent. */
#define PIECE "50000"

static const char LAST_ID[] = "SELECT coalesce(max(id), 0) FROM orders";

/*
 * Of the products behind $1: how many prices, the last product (all that there are: the highest
 * id), ids, prices, from and until when.
 */
static const char PRICES[] =
    "WITH piece AS MATERIALIZED (SELECT id FROM products WHERE id > $1::bigint ORDER BY id"
    " LIMIT " PIECE "), last AS (SELECT CASE WHEN count(*) < " PIECE
    " THEN 9223372036854775807 ELSE max(id) END AS id FROM piece)"
    " SELECT count(*), (SELECT id FROM last), coalesce(array_agg(product_id), '{}'),"
    " coalesce(array_agg(price_cents), '{}'), coalesce(array_agg(since - " EARLY "), '{}'),"
    " coalesce(array_agg(until + " LATE "), '{}') FROM (SELECT product_id, price_cents, since,"
    " lead(since, 1, 'infinity') OVER (PARTITION BY product_id ORDER BY since) AS until"
    " FROM product_prices WHERE product_id > $1::bigint AND product_id <= (SELECT id FROM last))"
    " AS p";

/* What was not noted from the beginning is known from then on; a copy may be older by LATE. */
static const char BEGINNING[] = "SELECT coalesce(max(since) FILTER (WHERE is_first_known) + " LATE
                                ", '-infinity') FROM product_prices";

static const char WRONG[] =
    "WITH p AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[],"
    " $4::timestamptz[]) AS t (product_id, price_cents, since, until))"
    " SELECT o.id FROM orders AS o WHERE o.id >= $5::bigint AND o.id <= $6::bigint"
    " AND o.product_id > $7::bigint AND o.product_id <= $8::bigint AND o.created_at >= "
    "$9::timestamptz"
    " AND o.reason IS DISTINCT FROM 'product_not_found' AND NOT EXISTS (SELECT FROM p"
    " WHERE p.product_id = o.product_id AND p.price_cents = o.unit_price_cents"
    " AND o.created_at >= p.since AND o.created_at < p.until) ORDER BY o.id";

struct piece {
    const char *after_product; /* the first product is behind it */
    PGresult *prices;
    const char *beginning;
    int64_t last_id; /* of the orders that are looked at */
};

static bool check_range(struct books *books, const struct piece *piece, int64_t from_id,
                        struct finding *finding) {
    char from[ID_BYTES], to[ID_BYTES];
    int64_t end_id = from_id + RANGE_IDS - 1;
    snprintf(from, sizeof(from), "%" PRId64, from_id);
    snprintf(to, sizeof(to), "%" PRId64, end_id < piece->last_id ? end_id : piece->last_id);
    PGresult *prices = piece->prices;
    PGresult *wrong =
        database_ask(books->orders, WRONG, PQgetvalue(prices, 0, 2), PQgetvalue(prices, 0, 3),
                     PQgetvalue(prices, 0, 4), PQgetvalue(prices, 0, 5), from, to,
                     piece->after_product, PQgetvalue(prices, 0, 1), piece->beginning, NULL);
    for (int row = 0; wrong != NULL && row < PQntuples(wrong); row++) {
        findings_add(finding, PQgetvalue(wrong, row, 0));
    }
    PQclear(wrong);
    return wrong != NULL;
}

/* The first id from this one on; above last_id: there is none. False: said why. */
static bool find_next(struct books *books, int64_t *id) {
    char from[ID_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, *id);
    PGresult *rows = database_ask(books->orders,
                                  "SELECT coalesce(min(id), 9223372036854775807)"
                                  " FROM orders WHERE id >= $1::bigint",
                                  from, NULL);
    if (rows != NULL) {
        *id = database_int(rows, 0, 0);
    }
    PQclear(rows);
    return rows != NULL;
}

static bool check_piece(struct books *books, const struct piece *piece, struct finding *finding) {
    int64_t id = books->from_id + 1;
    finding->looked += database_int(piece->prices, 0, 0);
    while (find_next(books, &id)) {
        if (id > piece->last_id) {
            return true;
        }
        if (!check_range(books, piece, id, finding)) {
            return false;
        }
        id += RANGE_IDS;
    }
    return false;
}

static bool check_all(struct books *books, struct piece *piece, struct finding *finding) {
    char after[ID_BYTES] = "0";
    bool good = true, is_last = false;
    piece->after_product = after;
    while (good && !is_last) {
        piece->prices = database_ask(books->products, PRICES, after, NULL);
        good = piece->prices != NULL && check_piece(books, piece, finding);
        if (good) {
            is_last = database_int(piece->prices, 0, 1) == INT64_MAX;
            snprintf(after, sizeof(after), "%s", PQgetvalue(piece->prices, 0, 1));
        }
        PQclear(piece->prices);
    }
    return good;
}

bool audit_prices(struct books *books, struct finding *finding) {
    PGresult *last = database_ask(books->orders, LAST_ID, NULL);
    PGresult *beginning = last == NULL ? NULL : database_ask(books->products, BEGINNING, NULL);
    bool good = false;
    if (beginning != NULL) {
        struct piece piece = { .beginning = PQgetvalue(beginning, 0, 0),
                               .last_id = database_int(last, 0, 0) };
        good = check_all(books, &piece, finding);
    }
    PQclear(last);
    PQclear(beginning);
    return good;
}
