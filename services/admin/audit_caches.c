/*
 * Caches: each value is as its database has it, or absent.
 *
 * All keys of ours are read, a batch at a time, the cache before the database. A value that differs
 * may be about to be replaced: it is looked at again each LOOK_PAUSE_MS, and is under way as soon
 * as it has changed or gone. One that stays, unchanged, is broken after STALE_LOOKS at which all
 * queues were empty and consumed; in others the news may wait, and after BUSY_LOOKS nothing is
 * known.
 */
#include "audit.h"

#include "admin.h"
#include "database.h"

#include "base/arena.h"
#include "base/decimal.h"
#include "contract/contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH_KEYS = 500,
    ARRAY_BYTES = BATCH_KEYS * 21 + 3,
    ARENA_BYTES_MAX = 8 * 1024 * 1024,
    SUSPECTS_MAX = 1000, /* more differ only when something is broken: they are counted */
    STALE_LOOKS = 5,
    BUSY_LOOKS = 30,
    LOOK_PAUSE_MS = 1000,
};

/* ---- what there is: three kinds of values ---- */

struct batch;
typedef bool same_fn(const struct batch *batch, const PGresult *rows, int row, struct str value);

static same_fn is_same_product, is_same_list;

static const char PRODUCTS[] =
    "SELECT id, name, price_cents, qty, greatest(version, (SELECT floor FROM version_floor)),"
    " trunc(extract(epoch FROM created_at) * 1000)::bigint,"
    " trunc(extract(epoch FROM updated_at) * 1000)::bigint FROM products WHERE id = ANY "
    "($1::bigint[])"
    " ORDER BY id";

/* As order_encode() and list_orders.c write them; a line feed says that there is a next page. */
#define CENTS(COLUMN) COLUMN " / 100 || '.' || lpad((" COLUMN " % 100)::text, 2, '0')"
static const char LISTS[] = "SELECT p.id, '[' || coalesce(string_agg('{\"id\":' || o.id || "
                            "',\"productId\":' ||"
                            " o.product_id || ',\"quantity\":' || quantity || ',\"unitPrice\":' "
                            "|| " CENTS("unit_price_cents") " || ',\"totalPrice\":' || " CENTS(
                                "total_price_cents") " ||"
                                                     " ',\"status\":\"' || status || "
                                                     "'\",\"reason\":' || coalesce('\"' || reason "
                                                     "|| '\"', 'null') ||"
                                                     " ',\"createdAt\":\"' || to_char(created_at, "
                                                     "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') ||"
                                                     " '\",\"updatedAt\":\"' || "
                                                     "to_char(updated_at, "
                                                     "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') ||"
                                                     " '\",\"requestId\":' || "
                                                     "to_json(request_id)::text || '}', ',' ORDER "
                                                     "BY place)"
                                                     " FILTER (WHERE place <= 100), '') || ']' || "
                                                     "CASE WHEN count(o.id) > 100 THEN E'\\n' ELSE "
                                                     "''"
                                                     " END FROM unnest($1::bigint[]) AS p (id) "
                                                     "LEFT JOIN LATERAL (SELECT *, row_number() "
                                                     "OVER (ORDER"
                                                     " BY created_at DESC, id DESC) AS place FROM "
                                                     "(SELECT * FROM orders WHERE product_id = p.id"
                                                     " ORDER BY created_at DESC, id DESC LIMIT "
                                                     "101) AS newest) AS o ON true GROUP BY p.id"
                                                     " ORDER BY p.id";

static const struct kind {
    const char *redis;  /* in a name */
    const char *prefix; /* of a key */
    bool is_of_orders;  /* the redis, */
    bool asks_orders;   /* and the database */
    const char *sql;
    same_fn *is_same;
} KINDS[] = {
    { "product-redis", CACHE_PREFIX_PRODUCT, false, false, PRODUCTS, is_same_product },
    { "order-redis", CACHE_PREFIX_PRODUCT, true, false, PRODUCTS, is_same_product },
    { "order-redis", CACHE_PREFIX_ORDERS, true, true, LISTS, is_same_list },
};

enum { KIND_COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

/* Up to BATCH_KEYS keys of a kind, by their ids, in order. */
struct batch {
    const struct kind *kind;
    struct arena arena; /* of one value */
    size_t count;
    int64_t ids[BATCH_KEYS];
};

static int64_t number_of(const PGresult *rows, int row, int column) {
    return database_int(rows, row, column);
}

static bool is_same_product(const struct batch *batch, const PGresult *rows, int row,
                            struct str value) {
    struct told_product product;
    const char *why = NULL;
    struct arena *arena = (struct arena *)&batch->arena;
    arena_reset(arena);
    return contract_read_product(arena, value, &product, &why) == ERR_OK &&
           product.id == number_of(rows, row, 0) &&
           str_is(product.name, PQgetvalue(rows, row, 1)) &&
           product.price_cents == number_of(rows, row, 2) &&
           product.qty == number_of(rows, row, 3) &&
           (product.version == 0 || product.version == number_of(rows, row, 4)) &&
           product.created_ms == number_of(rows, row, 5) &&
           product.updated_ms == number_of(rows, row, 6);
}

static bool is_same_list(const struct batch *batch, const PGresult *rows, int row,
                         struct str value) {
    (void)batch;
    return str_is(value, PQgetvalue(rows, row, 1));
}

/* ---- suspects ---- */

struct suspect {
    const struct kind *kind;
    int64_t id;
    uint64_t hash; /* of the value that differs */
    bool is_stale; /* this look found it as it was */
};

static struct {
    size_t count;
    struct suspect suspects[SUSPECTS_MAX];
    int64_t beyond; /* those that have no room */
    int64_t looked;
    struct suspect *again; /* of this look; NULL: the first */
    size_t again_count;
} scan;

/* FNV-1a */
static uint64_t hash_of(struct str value) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < value.len; i++) {
        hash = (hash ^ (unsigned char)value.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static void note(const struct kind *kind, int64_t id, uint64_t hash) {
    for (size_t i = 0; scan.again != NULL && i < scan.again_count; i++) {
        struct suspect *suspect = &scan.again[i];
        if (suspect->kind == kind && suspect->id == id) {
            suspect->is_stale = suspect->hash == hash;
            return;
        }
    }
    if (scan.count < SUSPECTS_MAX) {
        scan.suspects[scan.count++] = (struct suspect){ kind, id, hash, true };
    } else {
        scan.beyond++;
    }
}

/* ---- a batch: the cache, then the database ---- */

static redisContext *redis_of(struct books *books, const struct kind *kind) {
    return kind->is_of_orders ? books_order_redis(books) : books_product_redis(books);
}

static redisReply *get_values(redisContext *redis, const struct batch *batch) {
    static char keys[BATCH_KEYS][CACHE_NAME_BYTES];
    const char *argv[BATCH_KEYS + 1] = { "MGET" };
    for (size_t i = 0; i < batch->count; i++) {
        snprintf(keys[i], CACHE_NAME_BYTES, "%s%" PRId64, batch->kind->prefix, batch->ids[i]);
        argv[i + 1] = keys[i];
    }
    redisReply *reply = redisCommandArgv(redis, (int)batch->count + 1, argv, NULL);
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != batch->count) {
        admin_complain("%s: MGET: %s", batch->kind->redis,
                       reply == NULL ? redis->errstr : "unexpected answer");
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

/* Both in the order of ids. */
static void compare(const struct batch *batch, const redisReply *values, const PGresult *rows) {
    int row = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const redisReply *element = values->element[i];
        while (row < PQntuples(rows) && number_of(rows, row, 0) < batch->ids[i]) {
            row++;
        }
        if (element->type == REDIS_REPLY_NIL) {
            continue;
        }
        struct str value = { element->str == NULL ? "" : element->str,
                             element->type == REDIS_REPLY_STRING ? element->len : 0 };
        bool is_there = row < PQntuples(rows) && number_of(rows, row, 0) == batch->ids[i];
        if (!is_there || !batch->kind->is_same(batch, rows, row, value)) {
            note(batch->kind, batch->ids[i], hash_of(value));
        }
    }
}

static int compare_ids(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static bool check_batch(struct books *books, struct batch *batch) {
    static char array[ARRAY_BYTES];
    size_t length = 0;
    redisContext *redis = redis_of(books, batch->kind);
    qsort(batch->ids, batch->count, sizeof(batch->ids[0]), compare_ids);
    for (size_t i = 0; i < batch->count; i++) {
        length += (size_t)snprintf(array + length, ARRAY_BYTES - length, "%s%" PRId64,
                                   i == 0 ? "{" : ",", batch->ids[i]);
    }
    snprintf(array + length, ARRAY_BYTES - length, "}");
    redisReply *values = redis == NULL ? NULL : get_values(redis, batch);
    PGresult *rows = values == NULL
                         ? NULL
                         : database_ask(batch->kind->asks_orders ? books->orders : books->products,
                                        batch->kind->sql, array, NULL);
    if (rows != NULL) {
        compare(batch, values, rows);
    }
    freeReplyObject(values);
    PQclear(rows);
    batch->count = 0;
    return rows != NULL;
}

/* ---- all keys of a kind ---- */

/* 0: none of ours. */
static int64_t id_of(const char *key, size_t length, const char *prefix) {
    int64_t id = 0;
    size_t skip = strlen(prefix);
    bool is_id = length > skip && memcmp(key, prefix, skip) == 0 &&
                 decimal_to_int((struct str){ key + skip, length - skip }, 0, &id) == ERR_OK;
    return is_id && id > 0 ? id : 0;
}

static bool take_keys(struct books *books, struct batch *batch, const redisReply *keys,
                      struct finding *finding) {
    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        int64_t id = id_of(key->str, key->len, batch->kind->prefix);
        scan.looked++;
        if (id == 0) { /* nobody of us writes, or drops, such a one */
            char name[FINDINGS_NAME_BYTES];
            snprintf(name, sizeof(name), "%s/%s", batch->kind->redis, key->str);
            findings_add(finding, name);
            continue;
        }
        batch->ids[batch->count++] = id;
        if (batch->count == BATCH_KEYS && !check_batch(books, batch)) {
            return false;
        }
    }
    return true;
}

static bool check_kind(struct books *books, struct batch *batch, struct finding *finding) {
    char cursor[24] = "0";
    bool good = true;
    do {
        redisContext *redis = redis_of(books, batch->kind);
        redisReply *reply = redis == NULL ? NULL
                                          : redisCommand(redis, "SCAN %s MATCH %s* COUNT 1000",
                                                         cursor, batch->kind->prefix);
        good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
        if (!good && redis != NULL) {
            admin_complain("%s: SCAN: %s", batch->kind->redis,
                           reply == NULL ? redis->errstr : "unexpected answer");
        }
        if (good) {
            snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
            good = take_keys(books, batch, reply->element[1], finding);
        }
        freeReplyObject(reply);
    } while (good && strcmp(cursor, "0") != 0);
    return good && (batch->count == 0 || check_batch(books, batch));
}

/* ---- those that differ, again ---- */

static bool look_again(struct books *books, struct batch *batch) {
    size_t kept = 0;
    scan.again = scan.suspects;
    scan.again_count = scan.count;
    for (size_t i = 0; i < scan.count; i++) {
        scan.suspects[i].is_stale = false;
    }
    for (size_t k = 0; k < KIND_COUNT; k++) {
        batch->kind = &KINDS[k];
        for (size_t i = 0; i < scan.count; i++) {
            if (scan.suspects[i].kind == batch->kind) {
                batch->ids[batch->count++] = scan.suspects[i].id;
            }
            bool is_due = batch->count == BATCH_KEYS || (i + 1 == scan.count && batch->count > 0);
            if (is_due && !check_batch(books, batch)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < scan.count; i++) {
        if (scan.suspects[i].is_stale) {
            scan.suspects[kept++] = scan.suspects[i];
        }
    }
    scan.count = kept;
    return true;
}

static bool settle_suspects(struct books *books, struct batch *batch) {
    const struct timespec pause = { LOOK_PAUSE_MS / 1000, LOOK_PAUSE_MS % 1000 * 1000000L };
    int quiet = 0;
    for (int n = 0; scan.count > 0 && quiet < STALE_LOOKS && n < BUSY_LOOKS; n++) {
        nanosleep(&pause, NULL);
        if (!look_again(books, batch)) {
            return false;
        }
        quiet += scan.count > 0 && audit_queues_are_quiet(books);
    }
    if (scan.count > 0 && quiet < STALE_LOOKS) {
        admin_complain("caches differ, but news is under way: not known whether that is right");
        return false;
    }
    return true;
}

bool audit_caches(struct books *books, struct finding *finding) {
    static struct batch batch;
    bool good = true;
    memset(&scan, 0, sizeof(scan));
    batch.count = 0;
    arena_init(&batch.arena, ARENA_BYTES_MAX);
    for (size_t k = 0; good && k < KIND_COUNT; k++) {
        batch.kind = &KINDS[k];
        good = check_kind(books, &batch, finding);
    }
    good = good && settle_suspects(books, &batch);
    for (size_t i = 0; good && i < scan.count; i++) {
        char name[FINDINGS_NAME_BYTES];
        snprintf(name, sizeof(name), "%s/%s%" PRId64, scan.suspects[i].kind->redis,
                 scan.suspects[i].kind->prefix, scan.suspects[i].id);
        findings_add(finding, name);
    }
    finding->broken += scan.count > 0 ? scan.beyond : 0;
    finding->looked = scan.looked;
    arena_done(&batch.arena);
    return good;
}
