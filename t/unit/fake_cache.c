#include "fake_cache.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

struct cache fake_cache;

static void drop_op(struct fake_cache_op *op) {
    for (size_t i = 0; i < FAKE_CACHE_KEYS_MAX; i++) {
        free(op->values[i]);
    }
}

void fake_cache_reset(void) {
    for (size_t i = 0; i < fake_cache.entry_count; i++) {
        free(fake_cache.entries[i].value);
    }
    for (size_t i = 0; i < fake_cache.op_count; i++) {
        drop_op(&fake_cache.ops[i]);
    }
    memset(&fake_cache, 0, sizeof(fake_cache));
    fake_cache.up = true;
    fake_cache.epoch = 1;
}

static struct fake_entry *entry_of(const char *key) {
    for (size_t i = 0; i < fake_cache.entry_count; i++) {
        if (strcmp(fake_cache.entries[i].key, key) == 0) {
            return &fake_cache.entries[i];
        }
    }
    ck_assert_uint_lt(fake_cache.entry_count, FAKE_CACHE_ENTRIES_MAX);
    struct fake_entry *entry = &fake_cache.entries[fake_cache.entry_count++];
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    return entry;
}

void fake_cache_set(const char *key, const char *value, int64_t version) {
    struct fake_entry *entry = entry_of(key);
    free(entry->value);
    entry->value = value == NULL ? NULL : strdup(value);
    entry->version = version;
}

const char *fake_cache_value(const char *key) {
    return entry_of(key)->value;
}

int64_t fake_cache_version(const char *key) {
    return entry_of(key)->version;
}

/* ---- the operations, when their turn comes ---- */

static void run_get(struct fake_cache_op *op) {
    struct cache_value values[FAKE_CACHE_KEYS_MAX];
    for (size_t i = 0; i < op->count; i++) {
        const struct fake_entry *entry = entry_of(op->keys[i]);
        values[i] = (struct cache_value){ str_of(entry->value), entry->version };
    }
    op->get_fn(op->ctx, ERR_OK, values);
}

static void run_write(struct fake_cache_op *op) {
    for (size_t i = 0; i < op->count; i++) {
        const struct fake_entry *entry = entry_of(op->keys[i]);
        if (op->kind == FAKE_REFRESH) {
            if (op->versions[i] > entry->version) {
                bool older = entry->value != NULL && entry->version > 0;
                fake_cache_set(op->keys[i], older ? op->values[i] : NULL, op->versions[i]);
            }
        } else if (op->kind == FAKE_INVALIDATE) {
            fake_cache_set(op->keys[i], NULL, entry->version + 1);
        } else if (op->kind == FAKE_PUT_NEWER ? op->versions[i] >= entry->version
                                              : op->versions[i] == entry->version) {
            fake_cache_set(op->keys[i], op->values[i], op->versions[i]);
        }
    }
    if (op->done_fn != NULL) {
        op->done_fn(op->ctx, ERR_OK);
    }
}

static bool take(struct fake_cache_op *ret_op) {
    if (fake_cache.op_count == 0) {
        return false;
    }
    *ret_op = fake_cache.ops[0];
    fake_cache.op_count--;
    memmove(&fake_cache.ops[0], &fake_cache.ops[1],
            fake_cache.op_count * sizeof(fake_cache.ops[0]));
    return true;
}

void fake_cache_run(void) {
    struct fake_cache_op op;
    while (take(&op)) {
        if (op.kind == FAKE_GET) {
            run_get(&op);
        } else {
            run_write(&op);
        }
        drop_op(&op);
    }
}

void fake_cache_lose(void) {
    struct fake_cache_op op;
    fake_cache.up = false;
    while (take(&op)) {
        if (op.kind == FAKE_GET) {
            op.get_fn(op.ctx, ERR_UNAVAILABLE, NULL);
        } else if (op.done_fn != NULL) {
            op.done_fn(op.ctx, ERR_UNAVAILABLE);
        }
        drop_op(&op);
    }
}

void fake_cache_reconnect(void) {
    for (size_t i = 0; i < fake_cache.entry_count; i++) {
        free(fake_cache.entries[i].value);
        fake_cache.entries[i].value = NULL;
    }
    fake_cache.up = true;
    fake_cache.epoch++;
}

/* ---- the interface ---- */

bool cache_is_ready(const struct cache *cache) {
    return cache->up;
}

uint64_t cache_missed(const struct cache *cache) {
    return cache->missed;
}

uint64_t cache_epoch(const struct cache *cache) {
    return cache->epoch;
}

void cache_reset(struct cache *cache, const char *reason) {
    ck_assert_ptr_nonnull(reason);
    cache->resets++;
    fake_cache_lose();
}

/* What waits is answered as before: it was sent before this. */
void cache_forget(struct cache *cache, size_t first) {
    (void)first;
    cache->forgotten++;
    if (cache->up) {
        fake_cache_run();
        fake_cache_reconnect();
    }
}

static struct fake_cache_op *add(struct cache *cache, enum fake_cache_kind kind, size_t count,
                                 void *ctx) {
    ck_assert_uint_lt(cache->op_count, FAKE_CACHE_OPS_MAX);
    ck_assert(count > 0 && count <= FAKE_CACHE_KEYS_MAX);
    struct fake_cache_op *op = &cache->ops[cache->op_count++];
    *op = (struct fake_cache_op){ .kind = kind, .count = count, .ctx = ctx };
    return op;
}

void cache_get(struct cache *cache, const char *const *keys, size_t count, cache_get_fn *fn,
               void *ctx) {
    if (!cache->up) {
        fn(ctx, ERR_UNAVAILABLE, NULL);
        return;
    }
    struct fake_cache_op *op = add(cache, FAKE_GET, count, ctx);
    op->get_fn = fn;
    for (size_t i = 0; i < count; i++) {
        snprintf(op->keys[i], sizeof(op->keys[i]), "%s", keys[i]);
    }
}

/* True: answered at once. */
static bool refuse(const struct cache *cache, uint64_t epoch, cache_done_fn *fn, void *ctx) {
    if (cache->up && (epoch == cache->epoch || epoch == CACHE_EPOCH_ANY)) {
        return false;
    }
    if (fn != NULL) {
        fn(ctx, cache->up ? ERR_OK : ERR_UNAVAILABLE);
    }
    return true;
}

static void add_puts(struct cache *cache, enum fake_cache_kind kind, const struct cache_put *puts,
                     size_t count, cache_done_fn *fn, void *ctx) {
    struct fake_cache_op *op = add(cache, kind, count, ctx);
    op->done_fn = fn;
    for (size_t i = 0; i < count; i++) {
        snprintf(op->keys[i], sizeof(op->keys[i]), "%s", puts[i].key);
        op->values[i] = strndup(puts[i].value.data, puts[i].value.len);
        op->versions[i] = puts[i].version;
        op->ttl_s = puts[i].ttl_s;
    }
}

void cache_put_newer(struct cache *cache, uint64_t epoch, const struct cache_put *puts,
                     size_t count, cache_done_fn *fn, void *ctx) {
    if (!refuse(cache, epoch, fn, ctx)) {
        add_puts(cache, FAKE_PUT_NEWER, puts, count, fn, ctx);
    }
}

void cache_refresh(struct cache *cache, const struct cache_put *puts, size_t count,
                   cache_done_fn *fn, void *ctx) {
    if (!refuse(cache, CACHE_EPOCH_ANY, fn, ctx)) {
        add_puts(cache, FAKE_REFRESH, puts, count, fn, ctx);
    }
}

void cache_put_unchanged(struct cache *cache, uint64_t epoch, const struct cache_put *put,
                         cache_done_fn *fn, void *ctx) {
    if (!refuse(cache, epoch, fn, ctx)) {
        add_puts(cache, FAKE_PUT_UNCHANGED, put, 1, fn, ctx);
    }
}

void cache_invalidate(struct cache *cache, const char *const *keys, size_t count, cache_done_fn *fn,
                      void *ctx) {
    if (refuse(cache, cache->epoch, fn, ctx)) {
        return;
    }
    struct fake_cache_op *op = add(cache, FAKE_INVALIDATE, count, ctx);
    op->done_fn = fn;
    for (size_t i = 0; i < count; i++) {
        snprintf(op->keys[i], sizeof(op->keys[i]), "%s", keys[i]);
    }
}
