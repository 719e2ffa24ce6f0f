/* Claims of keys under way, and the query for orders that were stored before. */
#include "idempotency.h"

#include "parts.h"
#include "statements.h"

#include "runtime/flow/claims.h"

#include <stdio.h>

static struct claims claims;

enum err idempotency_claim(const char *key) {
    return claims_take(&claims, key);
}

void idempotency_release(const char *key) {
    claims_release(&claims, key);
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
    claims_done(&claims);
}
