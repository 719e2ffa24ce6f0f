/*
 * product.created and product.updated: the order service's copies of products that are older become
 * newer. An event fills none: it may be late, and the copy that it would have lost against gone
 * from Redis; only product_lookup.c fills. The first one of an epoch drops all copies (contract.h).
 */
#include "parts.h"

#include "base/clock.h"
#include "contract/contract.h"
#include "runtime/telemetry/log.h"

#include <string.h>

/* Clocks of this machine and of the product database may differ by so much. */
enum { CLOCKS_S = 3 };

static int64_t
    newest_epoch; /* that was heard of; at first: the start, when all copies were dropped */

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    struct told_product *product = item;
    (void)ctx;
    enum err err = contract_read_product(arena, event->data, product, ret_why);
    if (err == ERR_OK && product->version < 1) {
        *ret_why = "version is missing";
        return ERR_INVALID;
    }
    return err;
}

static void cached(void *ctx, enum err err) {
    (void)err; /* Redis down: the cache is emptied when it is back, and the product is fetched when
                  needed */
    consumer_segment_done(ctx, ERR_OK);
}

static enum err build_put(struct arena *arena, const struct told_product *event,
                          struct buf *scratch, struct cache_put *ret_put) {
    char key[CACHE_NAME_BYTES];
    contract_product_key(event->id, key);
    buf_clear(scratch);
    contract_write_product(event, scratch);
    if (scratch->failed) {
        return ERR_NO_MEMORY;
    }
    char *value = arena_copy(arena, buf_bytes(scratch), buf_length(scratch));
    *ret_put = (struct cache_put){ .key = arena_copy(arena, key, strlen(key)),
                                   .value = { value, buf_length(scratch) },
                                   .version = event->version,
                                   .ttl_s = CACHE_PRODUCT_COPY_TTL_S };
    return value == NULL || ret_put->key == NULL ? ERR_NO_MEMORY : ERR_OK;
}

enum err product_updated_open(void) {
    newest_epoch = clock_unix_ms() / 1000 - CLOCKS_S;
    return ERR_OK;
}

/* What was told in earlier epochs may be lost. A copy that is filled from now on is newer. */
static void drop_copies_of_earlier_epochs(const struct told_product *events, size_t count) {
    int64_t epoch = newest_epoch;
    for (size_t i = 0; i < count; i++) {
        int64_t told = contract_version_epoch(events[i].version);
        epoch = told > epoch ? told : epoch;
    }
    if (epoch > newest_epoch) {
        newest_epoch = epoch;
        log_info("copies of products are dropped", LOG_INT("epoch", epoch));
        cache_forget(backends.cache, 0);
    }
}

static void refresh_copies(void *ctx, struct consumer_segment *segment) {
    struct arena *arena = &segment->arena;
    const struct told_product *events = segment->items;
    struct cache_put *puts = arena_array(arena, segment->count, sizeof(*puts));
    (void)ctx;
    enum err err = puts == NULL ? ERR_NO_MEMORY : ERR_OK;
    struct buf scratch;
    buf_init(&scratch, 0);
    for (size_t i = 0; err == ERR_OK && i < segment->count; i++) {
        err = build_put(arena, &events[i], &scratch, &puts[i]);
    }
    buf_free(&scratch);
    if (err != ERR_OK) {
        consumer_segment_done(segment, err);
        return;
    }
    drop_copies_of_earlier_epochs(events, segment->count);
    cache_refresh(backends.cache, puts, segment->count, cached, segment);
}

const struct consumer_options product_updated_consumer = {
    .item_bytes = sizeof(struct told_product),
    .decode = decode,
    .run = refresh_copies,
};
