/*
 * order resolve: what a person decides about an order whose books do not say the same: it is ended,
 * if it waits and nothing else can end it; it stays as it has ended, and ledger, stock, price list
 * and cancellation are made to say so; or there is no such order, and what the ledger has of it
 * goes. Who and why are kept.
 *
 * The ledger first, in one transaction that begins with the locks of the products: whoever decides
 * about an order has its product's. Then the order, and what is cached of it. Whatever dies in
 * between, the order is told again, and the ledger answers what was decided; or the command is
 * given again.
 */
#include "admin.h"
#include "audit.h"
#include "books.h"
#include "database.h"

#include "base/decimal.h"
#include "contract/contract.h"

#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By now everything that could end by itself has: it was told again five times. */
#define PATIENCE "interval '5 minutes'"

enum { QUIET_LOOKS = 3, QUIET_PAUSE_S = 1 };
enum { TEXT_BYTES_MAX = 500 }; /* of who and why; the table's own limit is 500 characters */

static const char USAGE[] =
    "usage: prodorder-admin order resolve ID... [done|rejected|cancelled|gone] [--why TEXT]\n"
    "                                     [--by NAME]\n"
    "\n"
    "An order that waits, and that nothing else can end, is ended: the ledger has it with another\n"
    "product or quantity, nobody tells it again, or it waits for more than 5 minutes while the\n"
    "queues are empty and consumed. done takes its stock, if there is enough; rejected takes "
    "none.\n"
    "Refused while it can still end by itself.\n"
    "\n"
    "An order that has ended stays as it is (no end need be given, or its own): the ledger, the\n"
    "stock, its price in the price list and its cancellation are made to say the same. One that "
    "is\n"
    "done and for which there is no stock can be cancelled first (POST /orders/ID/cancel).\n"
    "\n"
    "gone: for what the ledger has, or has noted as cancelled, and is no order (of that time): "
    "stock\n"
    "that it has taken is given back, its row goes.\n"
    "\n"
    "Who and why are kept in the table resolutions of the order database.\n"
    "\n"
    "Environment: ORDER_DATABASE_URL, PRODUCT_DATABASE_URL, RABBITMQ_URL, ORDER_REDIS_URL,\n"
    "PRODUCT_REDIS_URL.\n"
    "Exit status: 0; 1 when one was refused, or could not be done; 2 for a wrong command.\n";

struct resolve {
    struct books books;
    PGconn *ledger, *orders; /* that write */
    const char *id, *why, *by;
    const char *end; /* what was asked for; NULL: as it is */
    /* the order, as text of its database */
    bool is_there;
    char status[16], order_reason[32];
    char product_id[24], quantity[24], price_cents[24], created_at[BOOKS_TIME_BYTES];
    char request_id[160];
    bool is_old, is_below_mark;
    bool is_noted;    /* its cancellation is as it has to be: settled, or there is none */
    bool is_settling; /* it is young, and not settled */
    bool is_quiet;    /* the queues, before anything was locked */
    /* the ledger's row */
    bool has_row, is_conflict;
    char reason[32]; /* of the order's end */
    char row_status[16], row_product_id[24], row_quantity[24], row_created_at[BOOKS_TIME_BYTES];
    char was[128]; /* what the ledger had, for people */
};

static int refuse(const struct resolve *resolve, const char *why) {
    fprintf(stderr, "prodorder-admin order: %s: %s\n", resolve->id, why);
    return ADMIN_BAD;
}

/* ---- what is known ---- */

static void keep(char *to, size_t room, const PGresult *rows, int row, int column) {
    snprintf(to, room, "%s", PQgetvalue(rows, row, column));
}

static const char READ_ORDER[] =
    "SELECT o.status, o.product_id, o.quantity, o.created_at, o.request_id, o.created_at < now() -"
    " " PATIENCE ", o.id <= coalesce((SELECT low_id FROM order_mark), 0), coalesce(o.reason, ''),"
    " o.unit_price_cents, CASE WHEN o.status = 'cancelled' THEN c.settled_at IS NOT NULL"
    " AND (c.created_at, c.product_id, c.quantity) = (o.created_at, o.product_id, o.quantity)"
    " ELSE c.order_id IS NULL END, c.settled_at IS NULL AND c.cancelled_at >= now() - " PATIENCE
    " FROM orders AS o LEFT JOIN cancellations AS c ON c.order_id = o.id WHERE o.id = $1::bigint";

/* False: said why. */
static bool read_order(struct resolve *resolve) {
    PGresult *rows = database_ask(resolve->books.orders, READ_ORDER, resolve->id, NULL);
    resolve->is_there = rows != NULL && PQntuples(rows) == 1;
    if (resolve->is_there) {
        keep(resolve->status, sizeof(resolve->status), rows, 0, 0);
        keep(resolve->product_id, sizeof(resolve->product_id), rows, 0, 1);
        keep(resolve->quantity, sizeof(resolve->quantity), rows, 0, 2);
        keep(resolve->created_at, sizeof(resolve->created_at), rows, 0, 3);
        keep(resolve->request_id, sizeof(resolve->request_id), rows, 0, 4);
        resolve->is_old = *PQgetvalue(rows, 0, 5) == 't';
        resolve->is_below_mark = *PQgetvalue(rows, 0, 6) == 't';
        keep(resolve->order_reason, sizeof(resolve->order_reason), rows, 0, 7);
        keep(resolve->price_cents, sizeof(resolve->price_cents), rows, 0, 8);
        resolve->is_noted = *PQgetvalue(rows, 0, 9) == 't';
        resolve->is_settling = *PQgetvalue(rows, 0, 10) == 't';
    }
    PQclear(rows);
    return rows != NULL;
}

static bool is(const struct resolve *resolve, const char *status) {
    return strcmp(resolve->status, status) == 0;
}

static bool asks(const struct resolve *resolve, const char *end) {
    return resolve->end != NULL && strcmp(resolve->end, end) == 0;
}

/* Does the order's own state allow what is asked for? */
static int check_order(const struct resolve *resolve) {
    char text[160];
    if (asks(resolve, "gone")) {
        return ADMIN_GOOD;
    }
    if (!resolve->is_there) {
        return refuse(resolve, "there is no such order (gone: what the ledger has of it goes)");
    }
    if (is(resolve, "waiting")) {
        return asks(resolve, "done") || asks(resolve, "rejected")
                   ? ADMIN_GOOD
                   : refuse(resolve,
                            "it waits: done or rejected? (POST /orders/ID/cancel cancels)");
    }
    if (resolve->end != NULL && !is(resolve, resolve->end)) {
        snprintf(text, sizeof(text), "it has ended: %s%s", resolve->status,
                 is(resolve, "done") ? ", and can only be cancelled: POST /orders/ID/cancel" : "");
        return refuse(resolve, text);
    }
    if (is(resolve, "cancelled") && resolve->is_settling) {
        return refuse(resolve, "it was cancelled less than 5 minutes ago: the product-service is "
                               "being told");
    }
    return ADMIN_GOOD;
}

/* Of the order, and of whatever the ledger has with its id; in the order in which all lock them. */
static const char LOCK_PRODUCTS[] =
    "SELECT id FROM products WHERE id = nullif($2, '')::bigint OR id IN (SELECT product_id FROM"
    " stock_ledger WHERE order_id = $1::bigint) ORDER BY id FOR UPDATE";
/* The same row as the product-service takes for this order's (ledger.h). */
static const char READ_LEDGER[] =
    "SELECT status, product_id, quantity, order_created_at, coalesce(reason, '') FROM stock_ledger"
    " WHERE order_id = $1::bigint AND (order_created_at = $2::timestamptz"
    " OR (order_created_at = '-infinity' AND request_id = $3)) ORDER BY order_created_at DESC"
    " LIMIT 1 FOR UPDATE";

static void keep_row(struct resolve *resolve, const PGresult *rows, int row) {
    keep(resolve->row_status, sizeof(resolve->row_status), rows, row, 0);
    keep(resolve->row_product_id, sizeof(resolve->row_product_id), rows, row, 1);
    keep(resolve->row_quantity, sizeof(resolve->row_quantity), rows, row, 2);
    keep(resolve->row_created_at, sizeof(resolve->row_created_at), rows, row, 3);
    keep(resolve->reason, sizeof(resolve->reason), rows, row, 4);
    snprintf(resolve->was, sizeof(resolve->was), "%s: %s of product %s", resolve->row_status,
             resolve->row_quantity, resolve->row_product_id);
}

static bool read_ledger(struct resolve *resolve) {
    PGresult *rows = database_ask(resolve->ledger, READ_LEDGER, resolve->id, resolve->created_at,
                                  resolve->request_id, NULL);
    resolve->has_row = rows != NULL && PQntuples(rows) == 1;
    if (resolve->has_row) {
        keep_row(resolve, rows, 0);
        resolve->is_conflict = strcmp(resolve->row_product_id, resolve->product_id) != 0 ||
                               strcmp(resolve->row_quantity, resolve->quantity) != 0;
    }
    PQclear(rows);
    return rows != NULL;
}

/* All queues empty and consumed, for a while: what was told has been heard, and nothing is told. */
static bool are_queues_quiet(struct resolve *resolve) {
    for (int look = 0; look < QUIET_LOOKS; look++) {
        if (look > 0) {
            sleep(QUIET_PAUSE_S);
        }
        if (!audit_queues_are_quiet(&resolve->books)) {
            return false;
        }
    }
    return true;
}

static int check_it_cannot_end(const struct resolve *resolve) {
    if (resolve->is_conflict) {
        return ADMIN_GOOD;
    }
    if (!resolve->is_old && !resolve->is_below_mark) {
        return refuse(resolve, "it can still end by itself: it waits for less than 5 minutes");
    }
    if (!resolve->is_quiet) {
        return refuse(resolve, "it can still end by itself: events are in RabbitMQ, or nobody "
                               "consumes them");
    }
    if (resolve->has_row && strcmp(resolve->row_status, resolve->end) != 0) {
        char text[160];
        snprintf(text, sizeof(text), "the ledger has decided it: %s. That is how it can end",
                 resolve->row_status);
        return refuse(resolve, text);
    }
    return ADMIN_GOOD;
}

/* ---- the ledger, stock and price: in one transaction ---- */

/*
 * False: said why; also when there is not enough. What belongs to a product that is not there goes
 * back nowhere.
 */
static bool move_stock(struct resolve *resolve, const char *product_id, const char *quantity,
                       char sign) {
    char sql[640];
    snprintf(sql, sizeof(sql),
             "WITH moved AS (UPDATE products SET qty = qty %c $2::bigint,"
             " version = 1 + greatest(version, (SELECT floor FROM version_floor)),"
             " updated_at = greatest(date_trunc('milliseconds', now()), updated_at) WHERE id = "
             "$1::bigint AND qty %c $2::bigint BETWEEN 0 AND %" PRId64 " RETURNING id)"
             " SELECT id FROM moved UNION ALL SELECT $1::bigint WHERE '%c' = '+'"
             " AND NOT EXISTS (SELECT FROM products WHERE id = $1::bigint)",
             sign, sign, (int64_t)STOCK_QTY_MAX, sign);
    PGresult *rows = database_ask(resolve->ledger, sql, product_id, quantity, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (rows != NULL && !good) {
        char text[160];
        snprintf(text, sizeof(text), "the stock of product %s does not allow it%s", product_id,
                 is(resolve, "done") ? ": restock it, or cancel the order (POST /orders/ID/cancel)"
                                     : "");
        refuse(resolve, text);
    }
    PQclear(rows);
    return good;
}

/* $7: the reason that the order has; "": it has none yet. */
#define REASON                                                                                     \
    "CASE WHEN $5 <> 'rejected' THEN NULL WHEN $7 <> '' THEN $7 WHEN EXISTS (SELECT FROM products" \
    " WHERE id = $3::bigint) THEN 'out_of_stock' ELSE 'product_not_found' END"
/* Anew: that somebody has decided it meanwhile is an error. */
static const char INSERT_ROW[] =
    "INSERT INTO stock_ledger (order_id, order_created_at, product_id, quantity, status, reason,"
    " decided_at, request_id) VALUES ($1::bigint, $2::timestamptz, $3::bigint, $4::bigint, $5,"
    " " REASON ", now(), $6) RETURNING coalesce(reason, '')";
/* In the place of what says something else. */
static const char REPLACE_ROW[] =
    "UPDATE stock_ledger SET product_id = $3::bigint, quantity = $4::bigint, status = $5,"
    " reason = " REASON ", decided_at = now(), request_id = $6,"
    " returned_at = CASE WHEN $5 = 'returned' THEN now() END"
    " WHERE order_id = $1::bigint AND order_created_at = $2::timestamptz"
    " RETURNING coalesce(reason, '')";

static bool write_row(struct resolve *resolve, const char *status) {
    PGresult *rows = database_ask(
        resolve->ledger, resolve->has_row ? REPLACE_ROW : INSERT_ROW, resolve->id,
        resolve->has_row ? resolve->row_created_at : resolve->created_at, resolve->product_id,
        resolve->quantity, status, resolve->request_id, resolve->order_reason, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (good) {
        keep(resolve->reason, sizeof(resolve->reason), rows, 0, 0);
    }
    PQclear(rows);
    return good;
}

/* How the order ends, or has ended. */
static const char *end_of(const struct resolve *resolve) {
    return is(resolve, "waiting") ? resolve->end : resolve->status;
}

static bool is_same_end(const struct resolve *resolve) {
    const char *end = end_of(resolve);
    if (!resolve->has_row || resolve->is_conflict) {
        return false;
    }
    if (strcmp(end, "cancelled") == 0) {
        return strcmp(resolve->row_status, "done") != 0;
    }
    return strcmp(resolve->row_status, end) == 0 &&
           (is(resolve, "waiting") || strcmp(resolve->reason, resolve->order_reason) == 0);
}

static const char FORGET_CONFLICT[] = "DELETE FROM ledger_conflicts WHERE order_id = $1::bigint"
                                      " AND order_created_at = $2::timestamptz";

/* The ledger says how the order ends, and the stock is as the ledger says. */
static bool decide(struct resolve *resolve) {
    const char *end = end_of(resolve);
    bool had_taken = resolve->has_row && strcmp(resolve->row_status, "done") == 0;
    if (strcmp(end, "cancelled") == 0 && had_taken && !resolve->is_conflict) {
        end = "returned";
    }
    return (!had_taken ||
            move_stock(resolve, resolve->row_product_id, resolve->row_quantity, '+')) &&
           (strcmp(end, "done") != 0 ||
            move_stock(resolve, resolve->product_id, resolve->quantity, '-')) &&
           write_row(resolve, end) &&
           database_do(resolve->ledger, FORGET_CONFLICT, resolve->id, resolve->created_at, NULL);
}

/*
 * The order's price becomes one that its product had just then, and the one before it again; unless
 * it is one that audit knows.
 */
static const char NOTE_PRICE[] =
    "WITH p AS (SELECT price_cents, since, lead(since, 1, 'infinity') OVER (ORDER BY since) AS"
    " until FROM product_prices WHERE product_id = $1::bigint),"
    " free AS (SELECT greatest($2::timestamptz, max(since) + interval '1 microsecond') AS at FROM p"
    " WHERE since <= $2::timestamptz + interval '1 second'),"
    " noted AS (INSERT INTO product_prices (product_id, since, price_cents) SELECT $1::bigint, at,"
    " $3::bigint FROM free WHERE $2::timestamptz >= (" AUDIT_PRICES_BEGINNING ") AND NOT EXISTS"
    " (SELECT FROM p WHERE price_cents = $3::bigint AND $2::timestamptz >= since "
    "- " AUDIT_PRICES_EARLY " AND $2::timestamptz < until + " AUDIT_PRICES_LATE
    ") RETURNING since),"
    " before AS (INSERT INTO product_prices (product_id, since, price_cents) SELECT $1::bigint,"
    " noted.since + interval '1 microsecond', b.price_cents FROM noted, LATERAL (SELECT price_cents"
    " FROM p WHERE p.since < noted.since ORDER BY p.since DESC LIMIT 1) AS b)"
    " SELECT since FROM noted";

/* How many; -1: said why. */
static int note_price(struct resolve *resolve) {
    if (strcmp(resolve->order_reason, "product_not_found") == 0) {
        return 0;
    }
    PGresult *rows = database_ask(resolve->ledger, NOTE_PRICE, resolve->product_id,
                                  resolve->created_at, resolve->price_cents, NULL);
    int noted = rows == NULL ? -1 : PQntuples(rows);
    PQclear(rows);
    return noted;
}

/* ---- the order, and what is cached ---- */

#define RECORD                                                                                     \
    " INSERT INTO resolutions (order_id, created_at, status, resolved_at, resolved_by, why,"       \
    " ledger_was) SELECT id, created_at, $3, now(), $5, $6, nullif($7, '') FROM ended"             \
    " RETURNING order_id"
static const char END_ORDER[] =
    "WITH ended AS (UPDATE orders SET status = $3, reason = nullif($4, ''),"
    " updated_at = greatest(date_trunc('milliseconds', now()), created_at) WHERE id = $1::bigint"
    " AND created_at = $2::timestamptz AND status = 'waiting' RETURNING id, created_at)" RECORD;
/* It stays as it is; its cancellation is settled, or there is none. */
static const char KEEP_ORDER[] =
    "WITH ended AS (SELECT * FROM orders WHERE id = $1::bigint AND created_at = $2::timestamptz"
    " AND status = $3 AND reason IS NOT DISTINCT FROM nullif($4, '') FOR UPDATE),"
    " gone AS (DELETE FROM cancellations WHERE $3 <> 'cancelled' AND order_id IN (SELECT id FROM"
    " ended)), settled AS (INSERT INTO cancellations (order_id, created_at, product_id, quantity,"
    " cancelled_at, settled_at, next_at, request_id, traceparent, tracestate) SELECT id, "
    "created_at,"
    " product_id, quantity, now(), now(), now(), request_id, traceparent, tracestate FROM ended"
    " WHERE $3 = 'cancelled' ON CONFLICT (order_id) DO UPDATE SET created_at = excluded.created_at,"
    " product_id = excluded.product_id, quantity = excluded.quantity, settled_at = now())" RECORD;

static bool end_order(struct resolve *resolve) {
    bool waits = is(resolve, "waiting");
    PGresult *rows = database_ask(resolve->orders, waits ? END_ORDER : KEEP_ORDER, resolve->id,
                                  resolve->created_at, end_of(resolve),
                                  waits ? resolve->reason : resolve->order_reason, resolve->by,
                                  resolve->why, resolve->was, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (rows != NULL && !good) {
        refuse(resolve, "it has ended otherwise meanwhile: ./prodorder trace says how");
    }
    PQclear(rows);
    return good;
}

static bool drop_product(struct resolve *resolve, const char *product_id) {
    char product[CACHE_NAME_BYTES];
    redisContext *orders = books_order_redis(&resolve->books);
    redisContext *products = books_product_redis(&resolve->books);
    snprintf(product, sizeof(product), CACHE_PREFIX_PRODUCT "%s", product_id);
    return orders != NULL && products != NULL && books_drop(orders, product) &&
           books_drop(products, product);
}

static void drop_caches(struct resolve *resolve) {
    char list[CACHE_NAME_BYTES];
    bool good = *resolve->row_product_id == '\0' || drop_product(resolve, resolve->row_product_id);
    if (good && resolve->is_there) {
        snprintf(list, sizeof(list), CACHE_PREFIX_ORDERS "%s", resolve->product_id);
        good = drop_product(resolve, resolve->product_id) &&
               books_drop(books_order_redis(&resolve->books), list);
    }
    if (!good) {
        admin_complain("what is cached of it is not dropped: ./prodorder audit --repair");
    }
}

/* ---- what is no order ---- */

static const char READ_ROWS[] =
    "SELECT status, product_id, quantity, order_created_at, coalesce(reason, '') FROM stock_ledger"
    " WHERE order_id = $1::bigint ORDER BY order_created_at FOR UPDATE";
static const char DELETE_ROW[] = "DELETE FROM stock_ledger WHERE order_id = $1::bigint"
                                 " AND order_created_at = $2::timestamptz";
static const char RECORD_GONE[] =
    "INSERT INTO resolutions (order_id, created_at, status, resolved_at, resolved_by, why,"
    " ledger_was) VALUES ($1::bigint, $2::timestamptz, 'gone', now(), $3, $4, $5)";
static const char DELETE_CANCELLATION[] =
    "DELETE FROM cancellations AS c WHERE order_id = $1::bigint AND NOT EXISTS (SELECT FROM orders"
    " AS o WHERE o.id = c.order_id) RETURNING order_id";

/* As audit tells them apart: one that does not know its time is the order's, if no other is. */
static bool is_the_orders(const struct resolve *resolve, const PGresult *rows, int row) {
    bool has_exact = false;
    for (int i = 0; i < PQntuples(rows); i++) {
        has_exact = has_exact || strcmp(PQgetvalue(rows, i, 3), resolve->created_at) == 0;
    }
    return resolve->is_there &&
           strcmp(PQgetvalue(rows, row, 3), has_exact ? resolve->created_at : "-infinity") == 0;
}

/* On record first: what is given again after a failure finds the same. */
static bool forget_row(struct resolve *resolve, const PGresult *rows, int row) {
    keep_row(resolve, rows, row);
    return database_do(resolve->orders, RECORD_GONE, resolve->id, resolve->row_created_at,
                       resolve->by, resolve->why, resolve->was, NULL) &&
           (strcmp(resolve->row_status, "done") != 0 ||
            move_stock(resolve, resolve->row_product_id, resolve->row_quantity, '+')) &&
           database_do(resolve->ledger, DELETE_ROW, resolve->id, resolve->row_created_at, NULL);
}

/* Within the transaction; the order was read after the ledger, whose row is written after it. */
static int forget_rows(struct resolve *resolve) {
    PGresult *rows = database_ask(resolve->ledger, READ_ROWS, resolve->id, NULL);
    bool good = rows != NULL && read_order(resolve);
    int forgotten = 0;
    for (int row = 0; good && row < PQntuples(rows); row++) {
        if (!is_the_orders(resolve, rows, row)) {
            good = forget_row(resolve, rows, row);
            forgotten++;
        }
    }
    PQclear(rows);
    PGresult *noted =
        good ? database_ask(resolve->orders, DELETE_CANCELLATION, resolve->id, NULL) : NULL;
    if (noted == NULL) {
        return ADMIN_BAD;
    }
    forgotten += PQntuples(noted);
    PQclear(noted);
    return forgotten > 0 ? ADMIN_GOOD
                         : refuse(resolve, "the ledger has nothing of it that is no order's");
}

/* ---- the command ---- */

/* Within a transaction of the ledger's; the order was read with the lock. */
static int make_it_say_so(struct resolve *resolve) {
    bool waits = is(resolve, "waiting");
    int noted = 0;
    if (!read_ledger(resolve) || !read_order(resolve) || check_order(resolve) != ADMIN_GOOD ||
        (waits && check_it_cannot_end(resolve) != ADMIN_GOOD)) {
        return ADMIN_BAD;
    }
    bool is_same = is_same_end(resolve);
    if (!is_same && !decide(resolve)) {
        return ADMIN_BAD;
    }
    if (!waits && (noted = note_price(resolve)) < 0) {
        return ADMIN_BAD;
    }
    return waits || !is_same || noted > 0 || !resolve->is_noted
               ? ADMIN_GOOD
               : refuse(resolve, "it has ended, and the books say the same: nothing was changed");
}

static int resolve_order(struct resolve *resolve) {
    bool is_gone = asks(resolve, "gone");
    if (!read_order(resolve) || check_order(resolve) != ADMIN_GOOD) {
        return ADMIN_BAD;
    }
    resolve->is_quiet = resolve->is_there && is(resolve, "waiting") &&
                        (resolve->is_old || resolve->is_below_mark) && are_queues_quiet(resolve);
    /* Read again with the lock: a cancellation after that waits for it, and gives back. */
    if (!database_do(resolve->ledger, "BEGIN", NULL) ||
        !database_do(resolve->ledger, LOCK_PRODUCTS, resolve->id, resolve->product_id, NULL) ||
        (is_gone ? forget_rows(resolve) : make_it_say_so(resolve)) != ADMIN_GOOD ||
        !database_do(resolve->ledger, "COMMIT", NULL)) {
        (void)database_do(resolve->ledger, "ROLLBACK", NULL);
        return ADMIN_BAD;
    }
    if (!is_gone && !end_order(resolve)) {
        return ADMIN_BAD;
    }
    drop_caches(resolve);
    const char *reason = is_gone || strcmp(end_of(resolve), "rejected") != 0 ? "" : resolve->reason;
    printf("order %s: %s%s%s, by %s: %s\n", resolve->id, is_gone ? "gone" : end_of(resolve),
           *reason != '\0' ? ", " : "", reason, resolve->by, resolve->why);
    return ADMIN_GOOD;
}

static const char *who(void) {
    const char *name = getenv("SUDO_USER");
    const struct passwd *entry = name == NULL ? getpwuid(getuid()) : NULL;
    return name != NULL ? name : entry != NULL ? entry->pw_name : "unknown";
}

static bool is_fitting(const char *text) {
    return *text != '\0' && strlen(text) <= TEXT_BYTES_MAX;
}

/* One after the other, whatever becomes of those before. */
static int resolve_all(const struct resolve *asked, char **ids, int count) {
    static struct resolve one;
    int status = ADMIN_GOOD;
    struct books books = asked->books;
    for (int i = 0; i < count; i++) {
        one = *asked;
        one.books = books; /* with what is connected by now */
        one.id = ids[i];
        status = resolve_order(&one) == ADMIN_GOOD ? status : ADMIN_BAD;
        books = one.books;
    }
    books_close(&books);
    return status;
}

static int run(struct resolve *resolve, char **ids, int count) {
    int status = ADMIN_BAD;
    if (!books_open(&resolve->books)) {
        books_close(&resolve->books);
        return status;
    }
    resolve->ledger = database_connect("PRODUCT_DATABASE_URL", false);
    resolve->orders = database_connect("ORDER_DATABASE_URL", false);
    if (resolve->ledger != NULL && resolve->orders != NULL) {
        status = resolve_all(resolve, ids, count);
    } else {
        books_close(&resolve->books);
    }
    PQfinish(resolve->ledger);
    PQfinish(resolve->orders);
    return status;
}

/* The last word, if it is an end; NULL: it is not. */
static const char *find_end(const char *word) {
    static const char *const ENDS[] = { "done", "rejected", "cancelled", "gone" };
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        if (strcmp(word, ENDS[i]) == 0) {
            return ENDS[i];
        }
    }
    return NULL;
}

static int read_words(struct resolve *resolve, char **words, int count) {
    if (count < 2 || strcmp(words[0], "resolve") != 0) {
        fputs(USAGE, stderr);
        return ADMIN_USAGE;
    }
    resolve->end = find_end(words[count - 1]);
    int id_count = count - 1 - (resolve->end != NULL);
    for (int i = 1; i <= id_count; i++) {
        int64_t id = 0;
        if (decimal_to_int(str_of(words[i]), 0, &id) != ERR_OK || id < 1) {
            fprintf(stderr, "prodorder-admin order: %s is no order's id\n", words[i]);
            return ADMIN_USAGE;
        }
    }
    if (id_count == 0 || !is_fitting(resolve->why) || !is_fitting(resolve->by)) {
        fprintf(stderr, "prodorder-admin order: %s\n",
                id_count == 0 ? "which?" : "--why and --by are 1 to 500 bytes");
        return ADMIN_USAGE;
    }
    return run(resolve, words + 1, id_count);
}

int admin_order(int argc, char **argv) {
    static const struct option LONG[] = { { "why", required_argument, NULL, 'w' },
                                          { "by", required_argument, NULL, 'b' },
                                          { "help", no_argument, NULL, 'h' },
                                          { NULL, 0, NULL, 0 } };
    struct resolve resolve = { .why = "no reason given", .by = who() };
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
        switch (c) {
        case 'w': resolve.why = optarg; break;
        case 'b': resolve.by = optarg; break;
        case 'h': fputs(USAGE, stdout); return ADMIN_GOOD;
        default: fputs(USAGE, stderr); return ADMIN_USAGE;
        }
    }
    return read_words(&resolve, argv + optind, argc - optind);
}
