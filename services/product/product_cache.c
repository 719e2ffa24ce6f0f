#include "product_cache.h"

#include "contract/names.h"

#include <assert.h>
#include <string.h>

/* One put, its key and JSON copied into the arena. False when that is exhausted. */
static bool build_put(struct arena *arena, const struct product *product, struct buf *scratch,
                      struct cache_put *ret_put) {
    char key[CACHE_NAME_BYTES];
    cache_key_product(product->id, key);
    buf_clear(scratch);
    product_encode(product, scratch);
    if (scratch->failed) {
        return false;
    }
    char *value = arena_copy(arena, buf_bytes(scratch), buf_length(scratch));
    ret_put->key = arena_copy(arena, key, strlen(key));
    ret_put->value = (struct str){ value, buf_length(scratch) };
    ret_put->version = product->version;
    ret_put->ttl_s = CACHE_PRODUCT_TTL_S;
    return value != NULL && ret_put->key != NULL;
}

/*
 * Too many for one command, or no memory: leave it to the rules of cache.h, which drop what may be
 * stale.
 */
static void give_up(struct cache *cache, cache_done_fn *fn, void *ctx) {
    cache_reset(cache, "a write could not be made");
    if (fn != NULL) {
        fn(ctx, ERR_NO_MEMORY);
    }
}

void product_cache_put(struct cache *cache, uint64_t epoch, struct arena *arena,
                       const struct product *const *products, size_t count, cache_done_fn *fn,
                       void *ctx) {
    struct cache_put *puts = arena_array(arena, count, sizeof(*puts));
    struct buf scratch;
    bool whole = puts != NULL;
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    buf_init(&scratch, 0);
    for (size_t i = 0; whole && i < count; i++) {
        whole = build_put(arena, products[i], &scratch, &puts[i]);
    }
    buf_free(&scratch);
    if (!whole) {
        give_up(cache, fn, ctx);
        return;
    }
    cache_put_newer(cache, epoch, puts, count, fn, ctx);
}
