/*
 * Was the price of each order that of its product when it was made? The product database has the
 * prices of each product, with the time from which each counts (product_prices, which the database
 * itself writes). Orders come as groups, those of a product at a price in a range of ids, with the
 * times of the first and the last. A group that lies within one time of its price is done with; the
 * orders of the others are looked at one by one.
 *
 * The order-service may know a price for as long as its copy lives and an event takes to come:
 * AUDIT_PRICES_LATE. The clocks of the order-service and of the product database agree within
 * AUDIT_PRICES_EARLY. Orders that
 * were made before prices were noted are not looked at, nor those whose product was never there:
 * nothing was sold. Prices are read after the groups: what orders had, they have.
 */
#include "audit.h"
#include "database.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

/*
 * Groups: product, price, first, last → the products of those that are not within one time; all
 * times of their prices: products, prices, from, until; the last order of all groups. NULL: none.
 */
static const char DOUBTFUL[] =
    "WITH valid AS NOT MATERIALIZED (SELECT product_id, price_cents, since - " AUDIT_PRICES_EARLY
    " AS since,"
    " lead(since, 1, 'infinity') OVER (PARTITION BY product_id ORDER BY since) + " AUDIT_PRICES_LATE
    " AS until"
    " FROM product_prices), groups AS MATERIALIZED (SELECT * FROM unnest($1::bigint[],"
    " $2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS g (product_id, price_cents, first,"
    " last)), doubtful AS MATERIALIZED (SELECT DISTINCT product_id FROM groups AS g WHERE NOT "
    "EXISTS"
    " (SELECT FROM valid AS v WHERE v.product_id = g.product_id AND v.price_cents = g.price_cents"
    " AND g.first >= v.since AND g.last < v.until))"
    " SELECT (SELECT array_agg(product_id) FROM doubtful), coalesce(array_agg(v.product_id), '{}'),"
    " coalesce(array_agg(v.price_cents), '{}'), coalesce(array_agg(v.since), '{}'),"
    " coalesce(array_agg(v.until), '{}'), (SELECT max(last) FROM groups)"
    " FROM valid AS v WHERE v.product_id IN (SELECT product_id FROM doubtful)";

/* Those of DOUBTFUL; then the range of ids, and what is known from when. */
static const char WRONG[] =
    "WITH p AS MATERIALIZED (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[],"
    " $5::timestamptz[]) AS t (product_id, price_cents, since, until))"
    " SELECT o.id FROM orders AS o WHERE o.id >= $7::bigint AND o.id <= $8::bigint"
    " AND o.product_id = ANY ($1::bigint[]) AND o.created_at <= $6::timestamptz"
    " AND o.created_at >= $9::timestamptz AND o.reason IS DISTINCT FROM 'product_not_found'"
    " AND NOT EXISTS (SELECT FROM p WHERE p.product_id = o.product_id"
    " AND p.price_cents = o.unit_price_cents AND o.created_at >= p.since AND o.created_at < "
    "p.until)"
    " ORDER BY o.id";

static struct {
    char beginning[BOOKS_TIME_BYTES];
    struct finding found;
} prices;

bool audit_prices_begin(struct books *books) {
    PGresult *rows = database_ask(books->products, AUDIT_PRICES_BEGINNING, NULL);
    memset(&prices, 0, sizeof(prices));
    if (rows != NULL) {
        snprintf(prices.beginning, sizeof(prices.beginning), "%s", PQgetvalue(rows, 0, 0));
    }
    PQclear(rows);
    return rows != NULL;
}

const char *audit_prices_beginning(void) {
    return prices.beginning;
}

const struct finding *audit_prices_found(void) {
    return &prices.found;
}

/* A column of the groups as an array; those without an order that counts are left out. */
static void write_array(const PGresult *rows, int first, int column, struct buf *out) {
    buf_append_char(out, '{');
    for (int row = first, written = 0; row < PQntuples(rows); row++) {
        if (!PQgetisnull(rows, row, AUDIT_PRICES_COLUMN + 2)) {
            buf_append_str(out, written++ > 0 ? ",\"" : "\"");
            buf_append_str(out, PQgetvalue(rows, row, column));
            buf_append_char(out, '"');
        }
    }
    buf_append(out, "}", 2); /* with its end */
}

static PGresult *ask_doubtful(struct books *books, const PGresult *rows, int first) {
    struct buf arrays[4];
    bool failed = false;
    for (int i = 0; i < 4; i++) {
        buf_init(&arrays[i], 0);
        write_array(rows, first, AUDIT_PRICES_COLUMN + i, &arrays[i]);
        failed = failed || arrays[i].failed;
    }
    PGresult *doubtful = failed ? NULL
                                : database_ask(books->products, DOUBTFUL, buf_bytes(&arrays[0]),
                                               buf_bytes(&arrays[1]), buf_bytes(&arrays[2]),
                                               buf_bytes(&arrays[3]), NULL);
    for (int i = 0; i < 4; i++) {
        buf_free(&arrays[i]);
    }
    return doubtful;
}

bool audit_prices_compare(struct books *books, const PGresult *rows, int first, const char *from_id,
                          const char *to_id) {
    PGresult *doubtful = ask_doubtful(books, rows, first), *wrong = NULL;
    bool good = doubtful != NULL;
    if (good && !PQgetisnull(doubtful, 0, 0)) {
        wrong = database_ask(books->orders, WRONG, PQgetvalue(doubtful, 0, 0),
                             PQgetvalue(doubtful, 0, 1), PQgetvalue(doubtful, 0, 2),
                             PQgetvalue(doubtful, 0, 3), PQgetvalue(doubtful, 0, 4),
                             PQgetvalue(doubtful, 0, 5), from_id, to_id, prices.beginning, NULL);
        good = wrong != NULL;
    }
    for (int row = 0; wrong != NULL && row < PQntuples(wrong); row++) {
        findings_add(&prices.found, PQgetvalue(wrong, row, 0));
    }
    PQclear(doubtful);
    PQclear(wrong);
    return good;
}
