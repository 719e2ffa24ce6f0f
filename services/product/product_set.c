/* Locked, changed in memory, written back with their events, then told to the cache. */
#include "product_set.h"

#include "parts.h"
#include "statements.h"

#include "contract/contract.h"

#include <stdlib.h>

static int compare_ids(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

struct pg_call product_set_lock_call(struct arena *arena, int64_t *ids, size_t count) {
    size_t kept = 0;
    qsort(ids, count, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || ids[kept - 1] != ids[i]) {
            ids[kept++] = ids[i];
        }
    }
    return pg_rows_ids_call(arena, &SQL_PRODUCT_LOCK, ids, kept);
}

enum err product_set_read(struct arena *arena, const struct pg_rows *rows,
                          struct product_set *ret_set) {
    struct product_set set = { NULL, rows->count };
    set.items = arena_array(arena, rows->count + 1, sizeof(*set.items));
    if (set.items == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < set.count; i++) {
        product_from_row(rows, i, &set.items[i].product);
    }
    *ret_set = set;
    return ERR_OK;
}

static int compare_item(const void *key, const void *item) {
    int64_t id = *(const int64_t *)key;
    int64_t other = ((const struct changed_product *)item)->product.id;
    return (id > other) - (id < other);
}

struct changed_product *product_set_find(const struct product_set *set, int64_t id) {
    return bsearch(&id, set->items, set->count, sizeof(*set->items), compare_item);
}

size_t product_set_changed_count(const struct product_set *set) {
    size_t changed = 0;
    for (size_t i = 0; i < set->count; i++) {
        changed += set->items[i].changed;
    }
    return changed;
}

void product_set_finish(struct product_set *set, int64_t now_ms) {
    for (size_t i = 0; i < set->count; i++) {
        struct product *product = &set->items[i].product;
        if (set->items[i].changed) {
            product->version++;
            if (now_ms > product->updated_ms) { /* the clock may step back, a product must not */
                product->updated_ms = now_ms;
            }
        }
    }
}

bool product_set_is_news(const struct changed_product *item) {
    return item->changed || item->told;
}

size_t product_set_events(struct arena *arena, const struct product_set *set,
                          struct teller_event *ret_events) {
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct changed_product *item = &set->items[i];
        if (product_set_is_news(item)) {
            ret_events[count++] =
                product_event(arena, KEY_PRODUCT_UPDATED, &item->product, item->trace, 0);
        }
    }
    return count;
}

struct pg_call product_set_update_call(struct arena *arena, const struct product_set *set) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, &SQL_PRODUCT_UPDATE, "itiiiT", product_set_changed_count(set));
    for (size_t i = 0; i < set->count; i++) {
        const struct product *product = &set->items[i].product;
        if (set->items[i].changed) {
            pg_rows_put_int8(&rows, product->id);
            pg_rows_put_text(&rows, (struct str){ product->name, product->name_length });
            pg_rows_put_int8(&rows, product->price_cents);
            pg_rows_put_int8(&rows, product->qty);
            pg_rows_put_int8(&rows, product->version);
            pg_rows_put_time(&rows, product->updated_ms);
        }
    }
    return pg_rows_call(&rows);
}

void product_set_cache(struct arena *arena, const struct product_set *set,
                       void (*fn)(void *ctx, enum err err), void *ctx) {
    const struct product **products = arena_array(arena, set->count + 1, sizeof(*products));
    size_t count = 0;
    for (size_t i = 0; products != NULL && i < set->count; i++) {
        if (product_set_is_news(&set->items[i])) {
            products[count++] = &set->items[i].product;
        }
    }
    if (count == 0) {
        if (products == NULL) {
            cache_reset(backends.cache, "out of memory");
        }
        fn(ctx, ERR_OK);
        return;
    }
    product_cache_put(backends.cache, CACHE_EPOCH_ANY, arena, products, count, fn, ctx);
}
