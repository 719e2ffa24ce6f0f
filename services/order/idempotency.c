/* Claims of keys under way, and the query for orders that were stored before. */
#include "idempotency.h"

#include "parts.h"
#include "statements.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- claims: a chained hash table, as large as the number of requests under way ---- */

struct claim {
    struct claim *next;
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
};

enum { CLAIM_BUCKETS = 4096 };

static struct claim *claims[CLAIM_BUCKETS];

bool idempotency_key_is_valid(struct str key) {
    if (key.len < 1 || key.len > IDEMPOTENCY_KEY_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < '!' || key.data[i] > '~') {
            return false;
        }
    }
    return true;
}

/* The link that points to the claim of `key`, or to NULL at the end of its bucket. */
static struct claim **find_claim(const char *key) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = key; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    struct claim **link = &claims[hash % CLAIM_BUCKETS];
    while (*link != NULL && strcmp((*link)->key, key) != 0) {
        link = &(*link)->next;
    }
    return link;
}

enum err idempotency_claim(const char *key) {
    struct claim **link = find_claim(key);
    if (*link != NULL) {
        return ERR_CONFLICT;
    }
    struct claim *claim = calloc(1, sizeof(*claim));
    if (claim == NULL) {
        return ERR_NO_MEMORY;
    }
    snprintf(claim->key, sizeof(claim->key), "%s", key);
    *link = claim;
    return ERR_OK;
}

void idempotency_release(const char *key) {
    struct claim **link = find_claim(key);
    struct claim *claim = *link;
    assert(claim != NULL);
    *link = claim->next;
    free(claim);
}

/* ---- what was stored before ---- */

struct key_item {
    struct flow_wait wait;
    struct earlier_order *ret_earlier;
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
};

static struct batcher key_reads;

enum { KEY_BATCH_MAX = 256, KEY_INFLIGHT_MAX = 1 };

enum err idempotency_find(struct flow_wait wait, const char *key,
                          struct earlier_order *ret_earlier) {
    struct key_item item = { .wait = wait, .ret_earlier = ret_earlier };
    snprintf(item.key, sizeof(item.key), "%s", key);
    return batcher_add(&key_reads, &item);
}

static void take_row(struct batch *batch, const struct pg_rows *rows, size_t row) {
    struct str key = pg_rows_get_text(rows, row, 0);
    for (size_t i = 0; i < batch->count; i++) {
        struct key_item *item = BATCH_ITEM(batch, struct key_item, i);
        if (!str_equal(key, str_of(item->key)) || !flow_wait_is_live(item->wait)) {
            continue;
        }
        struct earlier_order *earlier = item->ret_earlier;
        if (order_from_row(rows, row, 3, &earlier->order) != ERR_OK) {
            flow_wake(item->wait, ERR_INTERNAL);
            continue;
        }
        earlier->found = true;
        earlier->product_id = pg_rows_get_int8(rows, row, 1);
        earlier->quantity = pg_rows_get_int8(rows, row, 2);
        earlier->order.status = ORDER_WAITING; /* the same answer as then */
        earlier->order.reason = REASON_NONE;
        earlier->order.updated_ms = earlier->order.created_ms;
    }
}

static void keys_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    for (size_t r = 0; err == ERR_OK && r < rows[0].count; r++) {
        take_row(batch, &rows[0], r);
    }
    for (size_t i = 0; i < batch->count; i++) {
        flow_wake(BATCH_ITEM(batch, struct key_item, i)->wait, err);
    }
    batcher_end(batch);
}

static void run_find(void *ctx, struct batch *batch) {
    struct pg_rows_writer keys;
    (void)ctx;
    pg_rows_begin(&keys, &batch->arena, &SQL_KEY_FIND, "t", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        pg_rows_put_text(&keys, str_of(BATCH_ITEM(batch, struct key_item, i)->key));
    }
    struct pg_call call = pg_rows_call(&keys);
    pg_run(backends.pg, &call, 1, keys_arrived, batch);
}

enum err idempotency_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct key_item),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = KEY_BATCH_MAX,
        .inflight_max = KEY_INFLIGHT_MAX,
        .run = run_find,
    };
    return batcher_init(&key_reads, backends.loop, &options);
}

void idempotency_close(void) {
    batcher_done(&key_reads);
    for (size_t i = 0; i < CLAIM_BUCKETS; i++) {
        while (claims[i] != NULL) {
            struct claim *claim = claims[i];
            claims[i] = claim->next;
            free(claim);
        }
    }
}
