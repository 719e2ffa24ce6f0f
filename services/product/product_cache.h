/* product-redis: product:{id} holds the public JSON of a product, under its version. */
#ifndef PRODUCT_PRODUCT_CACHE_H
#define PRODUCT_PRODUCT_CACHE_H

#include "base/arena.h"
#include "product.h"
#include "runtime/cache/cache.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Write products through, newest version wins. For a writer: after its commit. For a filler: with
 * the epoch from before it asked the database. `fn` may be NULL; it may run inside the call. Memory
 * from `arena` until then.
 */
void product_cache_put(struct cache *cache, uint64_t epoch, struct arena *arena,
                       const struct product *const *products, size_t count, cache_done_fn *fn,
                       void *ctx);

#endif
