/*
 * order resolve: ends an order that nothing else can end, as a person decides, and keeps who and
 * why.
 *
 * The ledger first, in one transaction: its row for this order becomes what was decided, stock is
 * taken, or given back where a row of other contents had taken it. Then the order, and what is
 * cached of it. Whatever dies in between, the order is told again, and the ledger answers what was
 * decided.
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
    "usage: prodorder-admin order resolve ID done|rejected [--why TEXT] [--by NAME]\n"
    "\n"
    "Ends an order that waits and that nothing else can end: the ledger has it with another "
    "product "
    "or\n"
    "quantity, nobody tells it again, or it waits for more than 5 minutes while the queues are "
    "empty "
    "and\n"
    "consumed. done takes its stock, if there is enough; rejected takes none. Who and why are kept "
    "in "
    "the\n"
    "table resolutions of the order database. Refused while it can still end by itself.\n"
    "\n"
    "Environment: ORDER_DATABASE_URL, PRODUCT_DATABASE_URL, RABBITMQ_URL, ORDER_REDIS_URL,\n"
    "PRODUCT_REDIS_URL.\n"
    "Exit status: 0; 1 when it was refused, or could not be done; 2 for a wrong command.\n";

struct resolve {
    struct books books;
    PGconn *ledger, *orders; /* that write */
    const char *id, *why, *by;
    bool is_done;
    /* the order, as text of its database */
    char product_id[24], quantity[24], created_at[BOOKS_TIME_BYTES], request_id[160];
    bool is_old, is_below_mark;
    bool is_quiet; /* the queues, before anything was locked */
    /* the ledger's row */
    bool has_row, is_conflict;
    char reason[32]; /* of the order's end */
    char row_status[16], row_product_id[24], row_quantity[24], row_created_at[BOOKS_TIME_BYTES];
};

static int refuse(const struct resolve *resolve, const char *why) {
    fprintf(stderr, "prodorder-admin order: %s: %s\n", resolve->id, why);
    return ADMIN_BAD;
}

/* ---- what is known ---- */

static void keep(char *to, size_t room, const PGresult *rows, int column) {
    snprintf(to, room, "%s", PQgetvalue(rows, 0, column));
}

static const char READ_ORDER[] =
    "SELECT status, product_id, quantity, created_at, request_id, created_at < now() - " PATIENCE
    ", id <= coalesce((SELECT low_id FROM order_mark), 0) FROM orders WHERE id = $1::bigint";

static int read_order(struct resolve *resolve) {
    PGresult *rows = database_ask(resolve->books.orders, READ_ORDER, resolve->id, NULL);
    int status = ADMIN_BAD;
    if (rows != NULL && PQntuples(rows) == 0) {
        refuse(resolve, "there is no such order");
    } else if (rows != NULL && strcmp(PQgetvalue(rows, 0, 0), "waiting") != 0) {
        char text[64];
        snprintf(text, sizeof(text), "it has ended: %s", PQgetvalue(rows, 0, 0));
        refuse(resolve, text);
    } else if (rows != NULL) {
        keep(resolve->product_id, sizeof(resolve->product_id), rows, 1);
        keep(resolve->quantity, sizeof(resolve->quantity), rows, 2);
        keep(resolve->created_at, sizeof(resolve->created_at), rows, 3);
        keep(resolve->request_id, sizeof(resolve->request_id), rows, 4);
        resolve->is_old = *PQgetvalue(rows, 0, 5) == 't';
        resolve->is_below_mark = *PQgetvalue(rows, 0, 6) == 't';
        status = ADMIN_GOOD;
    }
    PQclear(rows);
    return status;
}

/* The same row as the product-service takes for this order's (ledger.h). */
static const char READ_LEDGER[] =
    "SELECT status, product_id, quantity, order_created_at, coalesce(reason, '') FROM stock_ledger"
    " WHERE order_id = $1::bigint AND (order_created_at = $2::timestamptz"
    " OR (order_created_at = '-infinity' AND request_id = $3)) ORDER BY order_created_at DESC"
    " LIMIT 1 FOR UPDATE";
/* Whoever decides about this order has this lock until his commit. */
static const char LOCK_PRODUCT[] = "SELECT id FROM products WHERE id = $1::bigint FOR UPDATE";

static bool read_ledger(struct resolve *resolve) {
    if (!database_do(resolve->ledger, LOCK_PRODUCT, resolve->product_id, NULL)) {
        return false;
    }
    PGresult *rows = database_ask(resolve->ledger, READ_LEDGER, resolve->id, resolve->created_at,
                                  resolve->request_id, NULL);
    resolve->has_row = rows != NULL && PQntuples(rows) == 1;
    if (resolve->has_row) {
        keep(resolve->row_status, sizeof(resolve->row_status), rows, 0);
        keep(resolve->row_product_id, sizeof(resolve->row_product_id), rows, 1);
        keep(resolve->row_quantity, sizeof(resolve->row_quantity), rows, 2);
        keep(resolve->row_created_at, sizeof(resolve->row_created_at), rows, 3);
        keep(resolve->reason, sizeof(resolve->reason), rows, 4);
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
    if (resolve->has_row &&
        strcmp(resolve->row_status, resolve->is_done ? "done" : "rejected") != 0) {
        char text[160];
        snprintf(text, sizeof(text), "the ledger has decided it: %s. That is how it can end",
                 resolve->row_status);
        return refuse(resolve, text);
    }
    return ADMIN_GOOD;
}

/* ---- the ledger, and stock ---- */

/* False: said why; also when there is not enough. */
static bool move_stock(struct resolve *resolve, const char *product_id, const char *quantity,
                       char sign) {
    char sql[512];
    snprintf(sql, sizeof(sql),
             "UPDATE products SET qty = qty %c $2::bigint,"
             " version = 1 + greatest(version, (SELECT floor FROM version_floor)),"
             " updated_at = greatest(date_trunc('milliseconds', now()), updated_at) WHERE id = "
             "$1::bigint"
             " AND qty %c $2::bigint BETWEEN 0 AND %" PRId64 " RETURNING id",
             sign, sign, (int64_t)STOCK_QTY_MAX);
    PGresult *rows = database_ask(resolve->ledger, sql, product_id, quantity, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (rows != NULL && !good) {
        char text[96];
        snprintf(text, sizeof(text), "the stock of product %s does not allow it", product_id);
        refuse(resolve, text);
    }
    PQclear(rows);
    return good;
}

/*
 * Anew, or in the place of a row of other contents; that somebody has decided it meanwhile is an
 * error.
 */
#define REASON                                                                                     \
    "CASE WHEN $5 = 'done' THEN NULL WHEN EXISTS (SELECT FROM products WHERE id = $3::bigint)"     \
    " THEN 'out_of_stock' ELSE 'product_not_found' END"
static const char INSERT_ROW[] =
    "INSERT INTO stock_ledger (order_id, order_created_at, product_id, quantity, status, reason,"
    " decided_at, request_id) VALUES ($1::bigint, $2::timestamptz, $3::bigint, $4::bigint, $5,"
    " " REASON ", now(), $6) RETURNING coalesce(reason, '')";
static const char REPLACE_ROW[] =
    "UPDATE stock_ledger SET product_id = $3::bigint, quantity = $4::bigint, status = $5,"
    " reason = " REASON ", decided_at = now(), request_id = $6, returned_at = NULL"
    " WHERE order_id = $1::bigint AND order_created_at = $2::timestamptz"
    " RETURNING coalesce(reason, '')";

static bool write_row(struct resolve *resolve) {
    PGresult *rows = database_ask(
        resolve->ledger, resolve->has_row ? REPLACE_ROW : INSERT_ROW, resolve->id,
        resolve->has_row ? resolve->row_created_at : resolve->created_at, resolve->product_id,
        resolve->quantity, resolve->is_done ? "done" : "rejected", resolve->request_id, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (good) {
        keep(resolve->reason, sizeof(resolve->reason), rows, 0);
    }
    PQclear(rows);
    return good;
}

static const char FORGET_CONFLICT[] = "DELETE FROM ledger_conflicts WHERE order_id = $1::bigint"
                                      " AND order_created_at = $2::timestamptz";

/* Within a transaction. A row of the same contents stays as it is: it says what was asked for. */
static bool decide(struct resolve *resolve) {
    bool had_taken = resolve->is_conflict && strcmp(resolve->row_status, "done") == 0;
    if (resolve->has_row && !resolve->is_conflict) {
        return true;
    }
    return (!had_taken ||
            move_stock(resolve, resolve->row_product_id, resolve->row_quantity, '+')) &&
           (!resolve->is_done ||
            move_stock(resolve, resolve->product_id, resolve->quantity, '-')) &&
           write_row(resolve) &&
           database_do(resolve->ledger, FORGET_CONFLICT, resolve->id, resolve->created_at, NULL);
}

/* ---- the order, and what is cached ---- */

static const char END_ORDER[] =
    "WITH ended AS (UPDATE orders SET status = $3, reason = nullif($4, ''),"
    " updated_at = greatest(date_trunc('milliseconds', now()), created_at) WHERE id = $1::bigint"
    " AND created_at = $2::timestamptz AND status = 'waiting' RETURNING id, created_at)"
    " INSERT INTO resolutions (order_id, created_at, status, resolved_at, resolved_by, why,"
    " ledger_was) SELECT id, created_at, $3, now(), $5, $6, nullif($7, '') FROM ended"
    " RETURNING order_id";

static bool end_order(struct resolve *resolve) {
    char was[128] = "";
    if (resolve->has_row) {
        snprintf(was, sizeof(was), "%s: %s of product %s", resolve->row_status,
                 resolve->row_quantity, resolve->row_product_id);
    }
    PGresult *rows = database_ask(resolve->orders, END_ORDER, resolve->id, resolve->created_at,
                                  resolve->is_done ? "done" : "rejected", resolve->reason,
                                  resolve->by, resolve->why, was, NULL);
    bool good = rows != NULL && PQntuples(rows) == 1;
    if (rows != NULL && !good) {
        refuse(resolve, "it has ended meanwhile: ./prodorder trace says how");
    }
    PQclear(rows);
    return good;
}

static void drop_caches(struct resolve *resolve) {
    char list[CACHE_NAME_BYTES], product[CACHE_NAME_BYTES], other[CACHE_NAME_BYTES];
    redisContext *orders = books_order_redis(&resolve->books);
    redisContext *products = books_product_redis(&resolve->books);
    snprintf(list, sizeof(list), CACHE_PREFIX_ORDERS "%s", resolve->product_id);
    snprintf(product, sizeof(product), CACHE_PREFIX_PRODUCT "%s", resolve->product_id);
    snprintf(other, sizeof(other), CACHE_PREFIX_PRODUCT "%s", resolve->row_product_id);
    bool good =
        orders != NULL && products != NULL && books_drop(orders, list) &&
        books_drop(orders, product) && books_drop(products, product) &&
        (!resolve->is_conflict || (books_drop(orders, other) && books_drop(products, other)));
    if (!good) {
        admin_complain("what is cached of it is not dropped: ./prodorder audit --repair");
    }
}

/* ---- the command ---- */

static int resolve_order(struct resolve *resolve) {
    if (read_order(resolve) != ADMIN_GOOD) {
        return ADMIN_BAD;
    }
    resolve->is_quiet = (resolve->is_old || resolve->is_below_mark) && are_queues_quiet(resolve);
    /* Once more with the lock: a cancellation after that waits for it, and gives back. */
    if (!database_do(resolve->ledger, "BEGIN", NULL) || !read_ledger(resolve) ||
        read_order(resolve) != ADMIN_GOOD || check_it_cannot_end(resolve) != ADMIN_GOOD ||
        !decide(resolve) || !database_do(resolve->ledger, "COMMIT", NULL)) {
        return ADMIN_BAD; /* the connection's end rolls back */
    }
    if (!end_order(resolve)) {
        return ADMIN_BAD;
    }
    drop_caches(resolve);
    printf("order %s: %s%s%s, by %s: %s\n", resolve->id, resolve->is_done ? "done" : "rejected",
           *resolve->reason != '\0' ? ", " : "", resolve->reason, resolve->by, resolve->why);
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

static int run(struct resolve *resolve) {
    int status = ADMIN_BAD;
    if (books_open(&resolve->books)) {
        resolve->ledger = database_connect("PRODUCT_DATABASE_URL", false);
        resolve->orders = database_connect("ORDER_DATABASE_URL", false);
        if (resolve->ledger != NULL && resolve->orders != NULL) {
            status = resolve_order(resolve);
        }
        PQfinish(resolve->ledger);
        PQfinish(resolve->orders);
    }
    books_close(&resolve->books);
    return status;
}

int admin_order(int argc, char **argv) {
    static const struct option LONG[] = { { "why", required_argument, NULL, 'w' },
                                          { "by", required_argument, NULL, 'b' },
                                          { "help", no_argument, NULL, 'h' },
                                          { NULL, 0, NULL, 0 } };
    struct resolve resolve = { .why = "no reason given", .by = who() };
    int64_t id = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
        switch (c) {
        case 'w': resolve.why = optarg; break;
        case 'b': resolve.by = optarg; break;
        case 'h': fputs(USAGE, stdout); return ADMIN_GOOD;
        default: fputs(USAGE, stderr); return ADMIN_USAGE;
        }
    }
    char **words = argv + optind;
    bool is_right = argc - optind == 3 && strcmp(words[0], "resolve") == 0 &&
                    (strcmp(words[2], "done") == 0 || strcmp(words[2], "rejected") == 0);
    if (!is_right) {
        fputs(USAGE, stderr);
        return ADMIN_USAGE;
    }
    if (decimal_to_int(str_of(words[1]), 0, &id) != ERR_OK || id < 1) {
        fprintf(stderr, "prodorder-admin order: %s is no order's id\n", words[1]);
        return ADMIN_USAGE;
    }
    if (!is_fitting(resolve.why) || !is_fitting(resolve.by)) {
        fprintf(stderr, "prodorder-admin order: --why and --by are 1 to %d bytes\n",
                TEXT_BYTES_MAX);
        return ADMIN_USAGE;
    }
    resolve.id = words[1];
    resolve.is_done = strcmp(words[2], "done") == 0;
    return run(&resolve);
}
