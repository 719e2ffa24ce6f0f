/*
 * Orders and ledger, both ways, while orders come and end.
 *
 * Both databases are asked for a digest of each block of BLOCK_IDS ids: how many orders have ended, and the
 * exclusive or of a hash of each one's product, quantity, outcome and time. Blocks whose digests are equal are
 * done with. In the others the two sides are compared order by order, and what differs is looked at
 * again, up to LOOKS times, LOOK_PAUSE_MS apart: an order that is under way is told from one that is broken by
 * the order in which the two sides are read, and by time.
 *
 *   the ledger's row is written after the order's, so: ledger first, then orders: whatever the ledger has, there
 *   is an order of
 *   an order ends after the ledger's row, so: orders first, then ledger: whatever has ended, the ledger has
 */
#include "audit.h"
#include "database.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BLOCK_IDS = 10000,
    RANGE_IDS = 1000 * BLOCK_IDS, /* of one question */
    LOOKS = 6,
    LOOK_PAUSE_MS = 1000,
    SUSPECTS_MAX = 2 * BLOCK_IDS,
    ARRAY_BYTES = SUSPECTS_MAX * 21 + 3,
};

/* A row of either side. */
struct side {
    int64_t id, created_ms, product_id, quantity;
    char status[16], reason[32];
};

#define HASHED(ID, CREATED, STATUS)                                                                \
    "count(*), bit_xor(hashtextextended(concat_ws('|', " ID ", " CREATED                           \
    ", product_id, quantity, " STATUS ", coalesce(reason, '')), 0))"
/* Rows of versions before do not know when their order was made; up to the last of these nobody is asked. */
#define CREATED(ID, COLUMN)                                                                        \
    "CASE WHEN " ID " > $3::bigint THEN extract(epoch FROM " COLUMN ")::numeric(20, 3) END"

static const char ORDER_BLOCKS[] = "SELECT id / 10000, " HASHED(
    "id", CREATED("id", "created_at"),
    "status") " FROM orders WHERE id > $1::bigint AND id <= $2::bigint AND status <> 'waiting'"
              " GROUP BY 1 ORDER BY 1";

static const char LEDGER_BLOCKS[] =
    "SELECT order_id / 10000, " HASHED("order_id", CREATED("order_id", "order_created_at"),
                                       "CASE status WHEN 'returned' THEN 'cancelled' ELSE status "
                                       "END") " FROM stock_ledger WHERE order_id > $1::bigint AND "
                                              "order_id <= $2::bigint"
                                              " GROUP BY 1 ORDER BY 1";

static const char ORDER_ROWS[] =
    "SELECT id, (extract(epoch FROM created_at) * 1000)::bigint, product_id, quantity, status,"
    " coalesce(reason, '') FROM orders WHERE id = ANY ($1::bigint[]) ORDER BY id";

static const char LEDGER_ROWS[] =
    "SELECT order_id, CASE WHEN order_created_at > '-infinity' THEN"
    " (extract(epoch FROM order_created_at) * 1000)::bigint ELSE 0 END, product_id, quantity,"
    " status, coalesce(reason, '') FROM stock_ledger WHERE order_id = ANY ($1::bigint[])"
    " ORDER BY order_id, order_created_at";

/* ---- suspects: ids of which the sides differ ---- */

struct suspects {
    size_t count;
    int64_t ids[SUSPECTS_MAX];
};

static void suspect(struct suspects *suspects, int64_t id) {
    if (suspects->count < SUSPECTS_MAX &&
        (suspects->count == 0 || suspects->ids[suspects->count - 1] != id)) {
        suspects->ids[suspects->count++] = id;
    }
}

static char *array_of(const struct suspects *suspects) {
    char *text = malloc(ARRAY_BYTES);
    size_t length = 0;
    for (size_t i = 0; text != NULL && i < suspects->count; i++) {
        length += (size_t)snprintf(text + length, ARRAY_BYTES - length, "%s%" PRId64,
                                   i == 0 ? "{" : ",", suspects->ids[i]);
    }
    if (text != NULL) {
        snprintf(text + length, ARRAY_BYTES - length, "%s", length == 0 ? "{}" : "}");
    }
    return text;
}

static struct side read_side(const PGresult *rows, int row) {
    struct side side = { .id = database_int(rows, row, 0),
                         .created_ms = database_int(rows, row, 1),
                         .product_id = database_int(rows, row, 2),
                         .quantity = database_int(rows, row, 3) };
    snprintf(side.status, sizeof(side.status), "%s", PQgetvalue(rows, row, 4));
    snprintf(side.reason, sizeof(side.reason), "%s", PQgetvalue(rows, row, 5));
    return side;
}

/* The row of this id, from *at on, which moves; false: there is none. */
static bool find_side(const PGresult *rows, int *at, int64_t id, struct side *ret_side) {
    while (*at < PQntuples(rows) && database_int(rows, *at, 0) < id) {
        (*at)++;
    }
    if (*at == PQntuples(rows) || database_int(rows, *at, 0) != id) {
        return false;
    }
    *ret_side = read_side(rows, *at);
    return true;
}

/* Of several rows of the ledger with this id the one of this order; the others are from before a restore. */
static bool find_its_row(const PGresult *ledger, int *at, const struct side *order,
                         struct side *ret_side) {
    struct side side;
    bool is_found = find_side(ledger, at, order->id, &side);
    for (int row = *at; is_found && row < PQntuples(ledger); row++) {
        side = read_side(ledger, row);
        if (side.id != order->id) {
            return false;
        }
        if (side.created_ms == 0 || side.created_ms == order->created_ms) {
            *ret_side = side;
            return true;
        }
    }
    return false;
}

static bool is_same(const struct side *order, const struct side *ledger) {
    bool is_order = order->product_id == ledger->product_id && order->quantity == ledger->quantity;
    if (strcmp(order->status, "waiting") == 0) {
        return is_order; /* it will hear */
    }
    if (strcmp(order->status, "cancelled") == 0) {
        return is_order; /* a cancellation has a check of its own */
    }
    return is_order && strcmp(order->status, ledger->status) == 0 &&
           strcmp(order->reason, ledger->reason) == 0;
}

/*
 * Those that still differ. `before` and `after` are the orders before and after the ledger was read.
 */
static void compare(const struct suspects *suspects, const PGresult *before, const PGresult *ledger,
                    const PGresult *after, struct suspects *ret_left) {
    int b = 0, l = 0, a = 0;
    ret_left->count = 0;
    for (size_t i = 0; i < suspects->count; i++) {
        int64_t id = suspects->ids[i];
        struct side early, late, row;
        bool was_there = find_side(before, &b, id, &early);
        bool is_there = find_side(after, &a, id, &late);
        int at = l;
        bool any = find_side(ledger, &at, id, &row);
        l = at;
        if (any && !is_there) {
            suspect(ret_left, id); /* the ledger has an order that there is not */
            continue;
        }
        if (!is_there) {
            continue;
        }
        bool has_row = find_its_row(ledger, &at, &late, &row);
        bool had_ended = was_there && strcmp(early.status, "waiting") != 0 &&
                         strcmp(early.status, "cancelled") != 0;
        if ((had_ended && !has_row) || (has_row && !is_same(&late, &row))) {
            suspect(ret_left, id);
        }
    }
}

static bool look_again(struct books *books, const struct suspects *suspects,
                       struct suspects *ret_left) {
    char *ids = array_of(suspects);
    PGresult *before = NULL, *ledger = NULL, *after = NULL;
    if (ids != NULL) {
        before = database_ask(books->orders, ORDER_ROWS, ids, NULL);
        ledger = before == NULL ? NULL : database_ask(books->products, LEDGER_ROWS, ids, NULL);
        after = ledger == NULL ? NULL : database_ask(books->orders, ORDER_ROWS, ids, NULL);
    }
    if (after != NULL) {
        compare(suspects, before, ledger, after, ret_left);
    }
    PQclear(before);
    PQclear(ledger);
    PQclear(after);
    free(ids);
    return after != NULL;
}

static void pause_ms(long ms) {
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* A block whose digests differ: all of its ids are suspects at first. */
static bool check_block(struct books *books, int64_t block, struct finding *finding) {
    static struct suspects suspects, left;
    suspects.count = 0;
    for (int64_t id = block * BLOCK_IDS; id < (block + 1) * BLOCK_IDS; id++) {
        suspect(&suspects, id);
    }
    for (int look = 0; suspects.count > 0 && look < LOOKS; look++) {
        if (look > 1) {
            pause_ms(LOOK_PAUSE_MS);
        }
        if (!look_again(books, &suspects, &left)) {
            return false;
        }
        suspects = left;
    }
    for (size_t i = 0; i < suspects.count; i++) {
        audit_break(finding, suspects.ids[i]);
    }
    return true;
}

/* ---- blocks ---- */

static bool check_blocks(struct books *books, const PGresult *orders, const PGresult *ledger,
                         struct finding *finding) {
    int o = 0, l = 0;
    while (o < PQntuples(orders) || l < PQntuples(ledger)) {
        int64_t order_block = o < PQntuples(orders) ? database_int(orders, o, 0) : INT64_MAX;
        int64_t ledger_block = l < PQntuples(ledger) ? database_int(ledger, l, 0) : INT64_MAX;
        int64_t block = order_block < ledger_block ? order_block : ledger_block;
        bool is_equal = order_block == ledger_block &&
                        strcmp(PQgetvalue(orders, o, 1), PQgetvalue(ledger, l, 1)) == 0 &&
                        strcmp(PQgetvalue(orders, o, 2), PQgetvalue(ledger, l, 2)) == 0;
        finding->looked += order_block == block ? database_int(orders, o, 1) : 0;
        if (!is_equal && !check_block(books, block, finding)) {
            return false;
        }
        o += order_block == block;
        l += ledger_block == block;
    }
    return true;
}

/* The highest id of a row that does not know its order's time. */
static bool find_old(struct books *books, int64_t *ret_old) {
    PGresult *rows = database_ask(books->products,
                                  "SELECT max(order_id) FROM stock_ledger"
                                  " WHERE order_created_at = '-infinity'",
                                  NULL);
    if (rows != NULL) {
        *ret_old = database_int(rows, 0, 0);
    }
    PQclear(rows);
    return rows != NULL;
}

/* The next id from this one on that either side has; false: there is none, or it could not be asked (said why). */
static bool find_next(struct books *books, int64_t from, int64_t *ret_next) {
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, from);
    PGresult *orders = database_ask(
        books->orders, "SELECT min(id) FROM orders WHERE id >= $1::bigint", text, NULL);
    PGresult *ledger = orders == NULL ? NULL
                                      : database_ask(books->products,
                                                     "SELECT min(order_id) FROM stock_ledger"
                                                     " WHERE order_id >= $1::bigint",
                                                     text, NULL);
    int64_t next = INT64_MAX;
    bool any = false;
    for (int side = 0; ledger != NULL && side < 2; side++) {
        const PGresult *rows = side == 0 ? orders : ledger;
        if (!PQgetisnull(rows, 0, 0)) {
            any = true;
            next = database_int(rows, 0, 0) < next ? database_int(rows, 0, 0) : next;
        }
    }
    PQclear(orders);
    PQclear(ledger);
    *ret_next = next;
    return any;
}

bool audit_orders_and_ledger(struct books *books, struct finding *finding) {
    int64_t next = 0, old = 0;
    bool is_good = find_old(books, &old);
    while (is_good && find_next(books, next, &next)) {
        char after[24], to[24], old_to[24];
        int64_t from = next / RANGE_IDS * RANGE_IDS; /* whole blocks */
        int64_t end = from > INT64_MAX - RANGE_IDS ? INT64_MAX : from + RANGE_IDS - 1;
        snprintf(after, sizeof(after), "%" PRId64, from - 1);
        snprintf(to, sizeof(to), "%" PRId64, end);
        snprintf(old_to, sizeof(old_to), "%" PRId64, old);
        PGresult *orders = database_ask(books->orders, ORDER_BLOCKS, after, to, old_to, NULL);
        PGresult *ledger =
            orders == NULL ? NULL
                           : database_ask(books->products, LEDGER_BLOCKS, after, to, old_to, NULL);
        is_good = ledger != NULL && check_blocks(books, orders, ledger, finding);
        PQclear(orders);
        PQclear(ledger);
        if (end == INT64_MAX) {
            break;
        }
        next = end + 1;
    }
    return is_good;
}
