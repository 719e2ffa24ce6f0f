/*
 * Changes of existing products, in batches: lock the rows in id order, change them in memory, write
 * them back with their events, in one transaction. Both the API (PATCH, restock) and the orders
 * work so.
 */
#ifndef PRODUCT_PRODUCT_SET_H
#define PRODUCT_PRODUCT_SET_H

#include "base/arena.h"
#include "base/err.h"
#include "product.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A locked product and what became of it. */
struct changed_product {
    struct product product;
    bool changed;
    bool told;          /* again, though it has not changed */
    struct trace trace; /* of the last change: who is named in the event */
};

/* Locked rows, sorted by id. */
struct product_set {
    struct changed_product *items;
    size_t count;
};

/* The SELECT … FOR UPDATE. `ids` is sorted on the way. */
struct pg_call product_set_lock_call(struct arena *arena, int64_t *ids, size_t count);
/* Its rows, in `arena`. */
MUST_CHECK enum err product_set_read(struct arena *arena, const struct pg_rows *rows,
                                     struct product_set *ret_set);
/* NULL: no such product. */
struct changed_product *product_set_find(const struct product_set *set, int64_t id);
size_t product_set_changed_count(const struct product_set *set);

/* It has changed, or is to be told again. */
bool product_set_is_news(const struct changed_product *item);

/* Raise the version of each changed product, and set its time. */
void product_set_finish(struct product_set *set, int64_t now_ms);
/*
 * After that: product.updated of each that has changed or is told again; how many. Without memory
 * for one its body says so. `ret_events` has room for as many as the set has.
 */
size_t product_set_events(struct arena *arena, const struct product_set *set,
                          struct teller_event *ret_events);
/* The UPDATE of all changed products. */
struct pg_call product_set_update_call(struct arena *arena, const struct product_set *set);

/*
 * After the commit: write the products that have changed, or are told again, through to the cache;
 * fn as in product_cache_put().
 */
void product_set_cache(struct arena *arena, const struct product_set *set,
                       void (*fn)(void *ctx, enum err err), void *ctx);

#endif
