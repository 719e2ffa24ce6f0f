/* Claims of keys under way, the query for what was answered before, and the rows of new keys. */
#include "product_keys.h"

#include "parts.h"
#include "statements.h"

#include "runtime/flow/batcher.h"
#include "runtime/flow/claims.h"
#include "runtime/flow/http_flow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIND_QUEUE_MAX = 1024, FIND_BATCH_MAX = 128, FIND_INFLIGHT_MAX = 1 };

/* One question; its flow holds the request. */
struct find_item {
    struct flow_wait wait;
    const struct keyed_request *request;
    struct earlier_answer *ret_earlier;
};

static struct claims claims;
static struct batcher finds;

void product_keys_describe(struct keyed_request *request, const char *operation, int64_t first,
                           int64_t second, struct str text) {
    if (request->key[0] == '\0') {
        return;
    }
    int length = snprintf(request->text, sizeof(request->text), "%s\n%" PRId64 "\n%" PRId64 "\n",
                          operation, first, second);
    request->length = (size_t)length;
    if (text.data != NULL && text.len <= sizeof(request->text) - request->length) {
        memcpy(request->text + request->length, text.data, text.len);
        request->length += text.len;
    }
}

/* ---- what was answered before ---- */

enum flow_rc product_keys_find(struct flow *flow, struct keyed_request *request,
                               struct earlier_answer *ret_earlier) {
    if (request->key[0] == '\0') {
        return FLOW_NEXT;
    }
    enum err err = claims_take(&claims, request->key);
    if (err != ERR_OK) {
        return flow_fail(flow, err, "A request with this Idempotency-Key is being processed");
    }
    request->has_claim = true;
    struct find_item item = { flow_wait(flow), request, ret_earlier };
    err = batcher_add(&finds, &item);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

void product_keys_release(struct keyed_request *request) {
    if (request->has_claim) {
        claims_release(&claims, request->key);
        request->has_claim = false;
    }
}

static void take_row(struct find_item *item, const struct pg_rows *rows, size_t row) {
    const struct keyed_request *request = item->request;
    struct str text = pg_rows_get_text(rows, row, 1), answer = pg_rows_get_text(rows, row, 4);
    char *body =
        arena_copy(http_arena(http_flow_exchange(item->wait.flow)), answer.data, answer.len);
    if (body == NULL) {
        flow_wake(item->wait, ERR_NO_MEMORY);
        return;
    }
    *item->ret_earlier = (struct earlier_answer){
        .is_found = true,
        .is_same = str_equal(text, (struct str){ request->text, request->length }),
        .product_id = pg_rows_get_int8(rows, row, 2),
        .version = pg_rows_get_int8(rows, row, 3),
        .body = { body, answer.len },
    };
}

static void found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    for (size_t i = 0; i < batch->count; i++) {
        struct find_item *item = BATCH_ITEM(batch, struct find_item, i);
        for (size_t r = 0; err == ERR_OK && r < rows[0].count; r++) {
            if (flow_wait_is_live(item->wait) &&
                str_equal(pg_rows_get_text(&rows[0], r, 0), str_of(item->request->key))) {
                take_row(item, &rows[0], r);
            }
        }
        flow_wake(item->wait, err);
    }
    batcher_end(batch);
}

static bool is_wanted(void *item) {
    return flow_wait_is_live(((struct find_item *)item)->wait);
}

static void run_find(void *ctx, struct batch *batch) {
    struct pg_rows_writer keys;
    (void)ctx;
    if (batcher_filter(batch, is_wanted) == 0) {
        batcher_end(batch);
        return;
    }
    pg_rows_begin(&keys, &batch->arena, &SQL_PRODUCT_KEY_FIND, "t", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        pg_rows_put_text(&keys, str_of(BATCH_ITEM(batch, struct find_item, i)->request->key));
    }
    struct pg_call call = pg_rows_call(&keys);
    pg_run(backends.pg, &call, 1, found, batch);
}

/* ---- new keys ---- */

struct pg_call product_keys_call(struct arena *arena, const struct new_key *keys, size_t count,
                                 int64_t now_ms) {
    struct pg_rows_writer rows;
    struct buf answer;
    buf_init(&answer, 0);
    pg_rows_begin(&rows, arena, &SQL_PRODUCT_KEY_INSERT, "ttiitT", count);
    for (size_t i = 0; i < count; i++) {
        const struct keyed_request *request = keys[i].request;
        buf_clear(&answer);
        product_encode(keys[i].product, &answer);
        char *text =
            answer.failed ? NULL : arena_copy(arena, buf_bytes(&answer), buf_length(&answer));
        rows.failed = rows.failed || text == NULL;
        pg_rows_put_text(&rows, str_of(request->key));
        pg_rows_put_text(&rows, (struct str){ request->text, request->length });
        pg_rows_put_int8(&rows, keys[i].product->id);
        pg_rows_put_int8(&rows, keys[i].product->version);
        pg_rows_put_text(&rows, (struct str){ text, buf_length(&answer) });
        pg_rows_put_time(&rows, now_ms);
    }
    buf_free(&answer);
    return pg_rows_call(&rows);
}

struct pg_call product_keys_locked_call(struct arena *arena, const struct new_key *keys,
                                        size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, &SQL_PRODUCT_KEY_LOCKED, "t", count);
    for (size_t i = 0; i < count; i++) {
        pg_rows_put_text(&rows, str_of(keys[i].request->key));
    }
    return pg_rows_call(&rows);
}

bool product_keys_is_among(const struct pg_rows *rows, const struct keyed_request *request) {
    size_t r = 0;
    while (r < rows->count && !str_equal(pg_rows_get_text(rows, r, 0), str_of(request->key))) {
        r++;
    }
    return r < rows->count;
}

/* ---- a part of the service ---- */

enum err product_keys_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct find_item),
        .queue_max = FIND_QUEUE_MAX,
        .batch_max = FIND_BATCH_MAX,
        .inflight_max = FIND_INFLIGHT_MAX,
        .run = run_find,
    };
    return batcher_init(&finds, backends.loop, &options);
}

void product_keys_close(void) {
    batcher_done(&finds);
    claims_done(&claims);
}
