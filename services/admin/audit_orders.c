/*
 * Orders and ledger, both ways, while orders come and end.
 *
 * Both databases are asked for a digest of each block of BLOCK_IDS ids: how many orders have ended,
 * and the exclusive or of a hash of each one's product, quantity, outcome and time. Blocks whose
 * digests are equal are done with. In the others the two sides are compared order by order, and
 * what differs is looked at again, up to LOOKS times, LOOK_PAUSE_MS apart. An order that is under
 * way is told from one that is broken by the order in which the sides are read (orders, ledger,
 * orders):
 *
 *   the ledger's row is written after the order's: whatever the ledger had, there is an order of
 *   an order ends after the ledger's row: whatever had ended, the ledger has
 *
 * An order is (id, createdAt): a row of the ledger with another time is that of another order. One
 * of a version before does not know its order's time, and is that of the order with its id that has
 * no other row.
 */
#include "audit.h"
#include "database.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_IDS = 10000,
    RANGE_IDS = 50 * BLOCK_IDS, /* of one question: a second of a snapshot at most */
    LOOKS = 6,
    LOOK_PAUSE_MS = 250,
    AGAIN_IDS = 1000,     /* looked at again in one question */
    SUSPECTS_MAX = 20000, /* those beyond are not looked at again: so many are not under way */
    ARRAY_BYTES = AGAIN_IDS * 21 + 3,
    ID_BYTES = 24,
};

/* ---- what is asked ---- */

/*
 * 1 done, 2 cancelled (whatever became of its stock), 3 and 4 rejected, 5 rejected for a reason
 * that nobody knows.
 */
#define OUTCOME                                                                                    \
    "CASE WHEN status = 'done' THEN 1 WHEN status IN ('cancelled', 'returned') THEN 2"             \
    " WHEN reason = 'out_of_stock' THEN 3 WHEN reason = 'product_not_found' THEN 4 ELSE 5 END"
#define MS(COLUMN) "(date_part('epoch', " COLUMN ") * 1000)::bigint"
#define HASH(ID)                                                                                   \
    "hashint8extended(" ID ", hashint8extended(product_id, quantity * 8 + " OUTCOME "))"

/*
 * A row for each block: those that have ended: how many, their digests, without and with time;
 * those that wait below the mark $3; those that are cancelled. Then, with no block, a row for each
 * price of a product: AUDIT_PRICES_GROUP. (By the lowest id, so that the planner, which does not
 * know how few blocks there are, does not sort all orders.)
 */
static const char ORDER_BLOCKS[] =
    "SELECT block, count(*) FILTER (WHERE ended), bit_xor(hash) FILTER (WHERE ended),"
    " bit_xor(hashint8extended(at, hash)) FILTER (WHERE ended),"
    " count(*) FILTER (WHERE NOT ended AND id <= $3::bigint),"
    " count(*) FILTER (WHERE status = 'cancelled'), " AUDIT_PRICES_GROUP(
        "$4") " FROM (SELECT id,"
              " id / 10000 AS block, product_id, unit_price_cents, created_at, status, reason,"
              " status <> 'waiting' AS ended, " HASH("id") " AS hash, " MS(
                  "created_at") " AS at FROM orders"
                                " WHERE id >= $1::bigint AND id <= $2::bigint) AS o"
                                " GROUP BY GROUPING SETS ((block), (product_id, unit_price_cents))"
                                " ORDER BY block IS NULL, min(id)";

/* Block; how many, their digests, without and with time; those that do not know it. */
static const char LEDGER_BLOCKS[] =
    "SELECT block, count(*), bit_xor(hash), bit_xor(hashint8extended(at, hash)),"
    " count(*) FILTER (WHERE at IS NULL) FROM (SELECT order_id, order_id / 10000 AS "
    "block, " HASH("order_id") " AS hash, CASE WHEN order_created_at > '-infinity' THEN " MS(
        "order_created_at") " END AS at FROM stock_ledger WHERE order_id >= $1::bigint"
                            " AND order_id <= $2::bigint) AS l GROUP BY block ORDER BY "
                            "min(order_id)";

static const char CANCELLATION_BLOCKS[] =
    "SELECT order_id / 10000, count(*) FROM cancellations WHERE order_id >= $1::bigint"
    " AND order_id <= $2::bigint GROUP BY 1 ORDER BY 1";

static const char ORDER_ROWS[] = "SELECT o.id, " MS(
    "o.created_at") ", o.product_id, o.quantity, o.status,"
                    " coalesce(o.reason, ''), (c.settled_at IS NOT NULL)::int FROM orders AS o "
                    "LEFT JOIN"
                    " cancellations AS c ON c.order_id = o.id WHERE o.id >= $1::bigint AND o.id <= "
                    "$2::bigint"
                    " AND ($3 = '' OR o.id = ANY (nullif($3, '')::bigint[])) ORDER BY o.id";

static const char LEDGER_ROWS[] =
    "SELECT order_id, CASE WHEN order_created_at > '-infinity' THEN " MS(
        "order_created_at") " ELSE 0 END, product_id, quantity, status, coalesce(reason, ''), 0"
                            " FROM stock_ledger WHERE order_id >= $1::bigint AND order_id <= "
                            "$2::bigint"
                            " AND ($3 = '' OR order_id = ANY (nullif($3, '')::bigint[])) ORDER BY "
                            "order_id,"
                            " order_created_at";

static const char LEFT_IDS[] = "SELECT id FROM orders WHERE id >= $1::bigint AND id <= $2::bigint"
                               " AND status = 'waiting' AND id <= $3::bigint ORDER BY id";

static const char UNSETTLED_IDS[] =
    "SELECT id FROM orders AS o WHERE id >= $1::bigint AND id <= $2::bigint"
    " AND status = 'cancelled' AND NOT EXISTS (SELECT FROM cancellations AS c"
    " WHERE c.order_id = o.id) ORDER BY id";

/* Below the mark of the last clean audit these alone may have changed since. */
static const char CANCELLED_SINCE[] =
    "SELECT order_id FROM cancellations WHERE order_id <= $1::bigint"
    " AND cancelled_at > $2::timestamptz - interval '1 hour' AND order_id > $3::bigint"
    " ORDER BY order_id LIMIT $4::bigint";

/* ---- what is found ---- */

enum { LOST = 1, UNKNOWN = 2, DIFFERENT = 4, ANY = LOST | UNKNOWN | DIFFERENT };

struct suspect {
    int64_t id;
    unsigned kinds;
};

static struct {
    bool is_good; /* all was read */
    int64_t looked;
    size_t count;
    struct suspect suspects[SUSPECTS_MAX];
    struct finding lost, unknown, different, left, unsettled;
} scan;

static void judge(int64_t id, unsigned kinds) {
    if ((kinds & LOST) != 0) {
        findings_add_id(&scan.lost, id);
    }
    if ((kinds & UNKNOWN) != 0) {
        findings_add_id(&scan.unknown, id);
    }
    if ((kinds & DIFFERENT) != 0) {
        findings_add_id(&scan.different, id);
    }
}

static void suspect(int64_t id, unsigned kinds) {
    if (scan.count < SUSPECTS_MAX) {
        scan.suspects[scan.count++] = (struct suspect){ id, kinds };
    } else {
        judge(id, kinds);
    }
}

/*
 * ---- one order: its row before the ledger was read, those of the ledger, its row after that ----
 */

struct side {
    int64_t id, created_ms, product_id, quantity; /* created_ms 0: not known */
    const char *status, *reason;
    bool is_settled; /* of a cancelled order: the product-service has answered */
};

static struct side read_side(const PGresult *rows, int row) {
    return (struct side){ .id = database_int(rows, row, 0),
                          .created_ms = database_int(rows, row, 1),
                          .product_id = database_int(rows, row, 2),
                          .quantity = database_int(rows, row, 3),
                          .status = PQgetvalue(rows, row, 4),
                          .reason = PQgetvalue(rows, row, 5),
                          .is_settled = database_int(rows, row, 6) != 0 };
}

static bool is(const struct side *side, const char *status) {
    return strcmp(side->status, status) == 0;
}

static bool is_same(const struct side *order, const struct side *ledger) {
    if (order->product_id != ledger->product_id || order->quantity != ledger->quantity) {
        return false;
    }
    if (is(order, "waiting")) {
        return true; /* it will hear */
    }
    if (is(order,
           "cancelled")) { /* audit_tables_cancellations knows for how long it is not settled */
        return !order->is_settled || !is(ledger, "done");
    }
    return strcmp(order->status, ledger->status) == 0 && strcmp(order->reason, ledger->reason) == 0;
}

static bool has_ended(const struct side *order) {
    return is(order, "cancelled") ? order->is_settled : !is(order, "waiting");
}

/* Which of the rows from `first` to `end` is this order's; -1: none. */
static int find_its_row(const PGresult *ledger, int first, int end, const struct side *order) {
    int its = -1;
    for (int row = first; row < end; row++) {
        struct side side = read_side(ledger, row);
        if (side.created_ms == order->created_ms) {
            return row;
        }
        its = side.created_ms == 0 ? row : its;
    }
    return its;
}

static unsigned kinds_of(const struct side *early, const PGresult *ledger, int first, int end,
                         const struct side *late) {
    int its = late == NULL ? -1 : find_its_row(ledger, first, end, late);
    unsigned kinds = end - first > (its >= 0) ? UNKNOWN : 0;
    if (its >= 0) {
        struct side row = read_side(ledger, its);
        kinds |= is_same(late, &row) ? 0 : DIFFERENT;
    } else if (late != NULL && early != NULL && has_ended(early)) {
        kinds |= LOST;
    }
    return kinds;
}

/* The row at *at if it is of this id, past which *at then moves; else NULL. */
static const struct side *take_side(const PGresult *rows, int *at, int64_t id, struct side *side) {
    if (*at == PQntuples(rows) || database_int(rows, *at, 0) != id) {
        return NULL;
    }
    *side = read_side(rows, (*at)++);
    return side;
}

/* INT64_MAX: there is none; rows without one come last. */
static int64_t id_at(const PGresult *rows, int at) {
    bool is_there = at < PQntuples(rows) && !PQgetisnull(rows, at, 0);
    return is_there ? database_int(rows, at, 0) : INT64_MAX;
}

typedef void kinds_fn(int64_t id, unsigned kinds);

static void compare(const PGresult *before, const PGresult *ledger, const PGresult *after,
                    kinds_fn *fn) {
    int b = 0, l = 0, a = 0;
    for (;;) {
        int64_t id = id_at(before, b);
        id = id_at(ledger, l) < id ? id_at(ledger, l) : id;
        id = id_at(after, a) < id ? id_at(after, a) : id;
        if (id == INT64_MAX) {
            return;
        }
        struct side early_side, late_side;
        const struct side *early = take_side(before, &b, id, &early_side);
        const struct side *late = take_side(after, &a, id, &late_side);
        int first = l;
        while (id_at(ledger, l) == id) {
            l++;
        }
        unsigned kinds = kinds_of(early, ledger, first, l, late);
        if (kinds != 0) {
            fn(id, kinds);
        }
    }
}

/* Of these ids; `array` "": all in the range. */
static bool look(struct books *books, int64_t from_id, int64_t to_id, const char *array,
                 kinds_fn *fn) {
    char from[ID_BYTES], to[ID_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, from_id);
    snprintf(to, sizeof(to), "%" PRId64, to_id);
    PGresult *before = database_ask(books->orders, ORDER_ROWS, from, to, array, NULL);
    PGresult *ledger =
        before == NULL ? NULL : database_ask(books->products, LEDGER_ROWS, from, to, array, NULL);
    PGresult *after =
        ledger == NULL ? NULL : database_ask(books->orders, ORDER_ROWS, from, to, array, NULL);
    if (after != NULL) {
        compare(before, ledger, after, fn);
    }
    PQclear(before);
    PQclear(ledger);
    PQclear(after);
    return after != NULL;
}

/* ---- those that differ, again ---- */

/* Ids come in their order: so does the suspect that each is of. */
static size_t again_at;

static void note_again(int64_t id, unsigned kinds) {
    while (scan.suspects[again_at].id < id) {
        scan.suspects[again_at++].kinds = 0;
    }
    scan.suspects[again_at++].kinds &= kinds;
}

static void format_array(size_t first, size_t end, char *out) {
    size_t length = 0;
    for (size_t i = first; i < end; i++) {
        length += (size_t)snprintf(out + length, ARRAY_BYTES - length, "%s%" PRId64,
                                   i == first ? "{" : ",", scan.suspects[i].id);
    }
    snprintf(out + length, ARRAY_BYTES - length, "}");
}

static bool look_again(struct books *books) {
    static char array[ARRAY_BYTES];
    size_t kept = 0;
    for (size_t first = 0; first < scan.count; first += AGAIN_IDS) {
        size_t end = first + AGAIN_IDS < scan.count ? first + AGAIN_IDS : scan.count;
        format_array(first, end, array);
        again_at = first;
        if (!look(books, scan.suspects[first].id, scan.suspects[end - 1].id, array, note_again)) {
            return false;
        }
        while (again_at < end) {
            scan.suspects[again_at++].kinds = 0;
        }
    }
    for (size_t i = 0; i < scan.count; i++) {
        if (scan.suspects[i].kinds != 0) {
            scan.suspects[kept++] = scan.suspects[i];
        }
    }
    scan.count = kept;
    return true;
}

static int compare_suspects(const void *a, const void *b) {
    const struct suspect *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* By their ids, each once. */
static void sort_suspects(void) {
    size_t kept = 0;
    qsort(scan.suspects, scan.count, sizeof(scan.suspects[0]), compare_suspects);
    for (size_t i = 0; i < scan.count; i++) {
        if (kept > 0 && scan.suspects[kept - 1].id == scan.suspects[i].id) {
            scan.suspects[kept - 1].kinds |= scan.suspects[i].kinds;
        } else {
            scan.suspects[kept++] = scan.suspects[i];
        }
    }
    scan.count = kept;
}

static bool settle_suspects(struct books *books) {
    const struct timespec pause = { LOOK_PAUSE_MS / 1000, LOOK_PAUSE_MS % 1000 * 1000000L };
    sort_suspects();
    for (int n = 1; scan.count > 0 && n < LOOKS; n++) {
        if (n > 1) {
            nanosleep(&pause, NULL);
        }
        if (!look_again(books)) {
            return false;
        }
    }
    for (size_t i = 0; i < scan.count; i++) {
        judge(scan.suspects[i].id, scan.suspects[i].kinds);
    }
    return true;
}

/* ---- blocks ---- */

struct blocks {
    PGresult *orders, *ledger, *cancellations;
    int o, l, c;
};

static bool add_ids(struct books *books, const char *sql, int64_t block, struct finding *finding) {
    char from[ID_BYTES], to[ID_BYTES], low[ID_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, block * BLOCK_IDS);
    snprintf(to, sizeof(to), "%" PRId64, block * BLOCK_IDS + BLOCK_IDS - 1);
    snprintf(low, sizeof(low), "%" PRId64, books->low_id);
    PGresult *rows = database_ask(books->orders, sql, from, to, sql == LEFT_IDS ? low : NULL, NULL);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        findings_add_id(finding, database_int(rows, row, 0));
    }
    PQclear(rows);
    return rows != NULL;
}

/* One that is not there: no order has ended. */
static bool is_equal(const struct blocks *blocks, int64_t block) {
    bool has_orders = id_at(blocks->orders, blocks->o) == block;
    bool has_ledger = id_at(blocks->ledger, blocks->l) == block;
    const PGresult *orders = blocks->orders, *ledger = blocks->ledger;
    int64_t ended = has_orders ? database_int(orders, blocks->o, 1) : 0;
    int64_t decided = has_ledger ? database_int(ledger, blocks->l, 1) : 0;
    if (ended != decided || ended == 0) {
        return ended == decided;
    }
    int digest = database_int(ledger, blocks->l, 4) > 0 ? 2 : 3;
    return strcmp(PQgetvalue(orders, blocks->o, digest), PQgetvalue(ledger, blocks->l, digest)) ==
           0;
}

static bool check_block(struct books *books, const struct blocks *blocks, int64_t block) {
    bool has_orders = id_at(blocks->orders, blocks->o) == block;
    bool has_cancellations = id_at(blocks->cancellations, blocks->c) == block;
    int64_t left = has_orders ? database_int(blocks->orders, blocks->o, 4) : 0;
    int64_t cancelled = has_orders ? database_int(blocks->orders, blocks->o, 5) : 0;
    int64_t noted = has_cancellations ? database_int(blocks->cancellations, blocks->c, 1) : 0;
    scan.looked += has_orders ? database_int(blocks->orders, blocks->o, 1) : 0;
    if (left > 0 && !add_ids(books, LEFT_IDS, block, &scan.left)) {
        return false;
    }
    if (cancelled != noted && !add_ids(books, UNSETTLED_IDS, block, &scan.unsettled)) {
        return false;
    }
    return is_equal(blocks, block) ||
           look(books, block * BLOCK_IDS, block * BLOCK_IDS + BLOCK_IDS - 1, "", suspect);
}

static bool check_blocks(struct books *books, struct blocks *blocks) {
    for (;;) {
        int64_t block = id_at(blocks->orders, blocks->o);
        int64_t ledger = id_at(blocks->ledger, blocks->l);
        block = ledger < block ? ledger : block;
        if (block == INT64_MAX) {
            return true;
        }
        while (id_at(blocks->cancellations, blocks->c) < block) {
            blocks->c++; /* of orders that are not there: audit_tables_cancellations */
        }
        if (!check_block(books, blocks, block)) {
            return false;
        }
        blocks->o += id_at(blocks->orders, blocks->o) == block;
        blocks->l += id_at(blocks->ledger, blocks->l) == block;
    }
}

static bool check_range(struct books *books, int64_t from_id, int64_t to_id) {
    char from[ID_BYTES], to[ID_BYTES], low[ID_BYTES];
    struct blocks blocks = { NULL, NULL, NULL, 0, 0, 0 };
    snprintf(from, sizeof(from), "%" PRId64, from_id);
    snprintf(to, sizeof(to), "%" PRId64, to_id);
    snprintf(low, sizeof(low), "%" PRId64, books->low_id);
    blocks.orders =
        database_ask(books->orders, ORDER_BLOCKS, from, to, low, audit_prices_beginning(), NULL);
    if (blocks.orders != NULL) {
        blocks.cancellations = database_ask(books->orders, CANCELLATION_BLOCKS, from, to, NULL);
    }
    if (blocks.cancellations != NULL) {
        blocks.ledger = database_ask(books->products, LEDGER_BLOCKS, from, to, NULL);
    }
    bool good = blocks.ledger != NULL && check_blocks(books, &blocks) &&
                audit_prices_compare(books, blocks.orders, blocks.o, from, to);
    PQclear(blocks.orders);
    PQclear(blocks.cancellations);
    PQclear(blocks.ledger);
    return good;
}

/* ---- all of them ---- */

/* INT64_MAX: there is none. False: said why. */
static bool find_next(PGconn *connection, const char *sql, int64_t from_id, int64_t *ret_id) {
    char from[ID_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, from_id);
    PGresult *rows = database_ask(connection, sql, from, NULL);
    if (rows != NULL) {
        *ret_id = PQgetisnull(rows, 0, 0) ? INT64_MAX : database_int(rows, 0, 0);
    }
    PQclear(rows);
    return rows != NULL;
}

static bool read_ranges(struct books *books, int64_t from_id) {
    int64_t order_id = 0, ledger_id = 0, next_id = from_id;
    while (find_next(books->orders, "SELECT min(id) FROM orders WHERE id >= $1::bigint", next_id,
                     &order_id) &&
           find_next(books->products,
                     "SELECT min(order_id) FROM stock_ledger WHERE order_id >= $1::bigint", next_id,
                     &ledger_id)) {
        next_id = order_id < ledger_id ? order_id : ledger_id;
        if (next_id > INT64_MAX - RANGE_IDS) {
            return true;
        }
        int64_t end_id = next_id / BLOCK_IDS * BLOCK_IDS + RANGE_IDS - 1; /* whole blocks */
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\rorders from %" PRId64 " on …\033[K", next_id);
        }
        if (!check_range(books, next_id, end_id)) {
            return false;
        }
        next_id = end_id + 1;
    }
    return false;
}

/* So many at a time as there is room for; others need it after that. */
static bool read_cancelled(struct books *books) {
    char from[ID_BYTES], above[ID_BYTES] = "0", room[ID_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, books->from_id);
    snprintf(room, sizeof(room), "%d", SUSPECTS_MAX);
    for (int count = SUSPECTS_MAX; count == SUSPECTS_MAX;) {
        PGresult *rows =
            database_ask(books->orders, CANCELLED_SINCE, from, books->clean_at, above, room, NULL);
        count = rows == NULL ? -1 : PQntuples(rows);
        for (int row = 0; row < count; row++) {
            suspect(database_int(rows, row, 0), ANY);
            snprintf(above, sizeof(above), "%s", PQgetvalue(rows, row, 0));
        }
        PQclear(rows);
        if (count < 0 || !settle_suspects(books)) {
            return false;
        }
        scan.count = 0;
    }
    return true;
}

bool audit_orders_read(struct books *books) {
    memset(&scan, 0, sizeof(scan));
    bool good = audit_prices_begin(books) && (books->from_id == 0 || read_cancelled(books)) &&
                read_ranges(books, books->from_id + 1) && settle_suspects(books);
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    scan.is_good = good;
    return good;
}

static bool give(const struct finding *found, struct finding *finding) {
    *finding = *found;
    finding->looked = scan.looked;
    return scan.is_good;
}

bool audit_orders_lost(struct books *books, struct finding *finding) {
    (void)books;
    return give(&scan.lost, finding);
}

bool audit_orders_unknown(struct books *books, struct finding *finding) {
    (void)books;
    return give(&scan.unknown, finding);
}

bool audit_orders_different(struct books *books, struct finding *finding) {
    (void)books;
    return give(&scan.different, finding);
}

bool audit_orders_left(struct books *books, struct finding *finding) {
    (void)books;
    return give(&scan.left, finding);
}

bool audit_orders_unsettled(struct books *books, struct finding *finding) {
    (void)books;
    return give(&scan.unsettled, finding);
}

bool audit_orders_priced(struct books *books, struct finding *finding) {
    (void)books;
    return give(audit_prices_found(), finding);
}
