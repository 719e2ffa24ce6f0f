#include "private.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much longer than the value its version is remembered: far more than any request may take. */
#define VERSION_EXTRA_S "300"
#define COUNTER_TTL_S "86400"

enum { VERSION_DIGITS_MAX = 16 }; /* Lua's numbers are exact so far */

/* A version or counter: what is not one of ours (parse_version()) counts as 0, like none at all. */
#define LUA_NUMBER                                                                                 \
    "local function number(key) local text = redis.pcall('GET', key) "                             \
    "return type(text) == 'string' and #text <= 16 and tonumber(text:match('^[1-9]%d*$')) or 0 "   \
    "end "

/* The last key is the generation's; the last argument the one that the caller knows, or empty. */
#define LUA_GENERATION                                                                             \
    "if ARGV[#ARGV] ~= '' and tonumber(ARGV[#ARGV]) ~= number(KEYS[#KEYS]) then return 0 end "

/*
 * KEYS: generation; ARGV: a number that it never was, for when there is none; returns the next one
 */
static const char NEXT_GENERATION[] =
    LUA_NUMBER "local next = number(KEYS[1]) + 1 "
               "if next == 1 then next = tonumber(ARGV[1]) end "
               "redis.call('SET', KEYS[1], string.format('%.0f', next)) return next";

/* KEYS: value key, version key, …; ARGV: value, version, seconds to live, …; returns how many */
static const char PUT_NEWER[] = LUA_NUMBER LUA_GENERATION
    "local set = 0 "
    "for i = 1, (#KEYS - 1) / 2 do "
    "local value, version, ttl = ARGV[3*i-2], ARGV[3*i-1], ARGV[3*i] "
    "if tonumber(version) >= number(KEYS[2*i]) then "
    "redis.call('SET', KEYS[2*i-1], value, 'EX', ttl) "
    "redis.call('SET', KEYS[2*i], version, 'EX', ttl + " VERSION_EXTRA_S ") "
    "set = set + 1 end end return set";

/* KEYS: value key, counter key; ARGV: value, counter as it was, seconds to live; returns 1 or 0 */
static const char PUT_UNCHANGED[] = LUA_NUMBER LUA_GENERATION
    "if number(KEYS[2]) == tonumber(ARGV[2]) then "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3]) return 1 end return 0";

/*
 * KEYS: value key, counter key, …; ARGV: a number that no counter ever was, for one that is not a
 * number; returns 1
 */
static const char INVALIDATE[] =
    LUA_NUMBER "for i = 1, #KEYS / 2 do "
               "redis.call('UNLINK', KEYS[2*i-1]) "
               "if redis.call('EXISTS', KEYS[2*i]) == 1 and number(KEYS[2*i]) == 0 then "
               "redis.call('SET', KEYS[2*i], ARGV[1]) else redis.call('INCR', KEYS[2*i]) end "
               "redis.call('EXPIRE', KEYS[2*i], " COUNTER_TTL_S ") "
               "end return 1";

const char CACHE_GENERATION_KEY[] = "version:generation";

const char *const CACHE_SCRIPT_TEXTS[CACHE_SCRIPTS] = {
    [CACHE_SCRIPT_PUT_NEWER] = PUT_NEWER,
    [CACHE_SCRIPT_PUT_UNCHANGED] = PUT_UNCHANGED,
    [CACHE_SCRIPT_INVALIDATE] = INVALIDATE,
    [CACHE_SCRIPT_NEXT_GENERATION] = NEXT_GENERATION,
};

/* One operation on its way; freed with its reply. */
struct cache_op {
    struct cache *cache;
    size_t count;
    cache_get_fn *get_fn;
    cache_done_fn *done_fn;
    void *ctx;
};

bool cache_is_ready(const struct cache *cache) {
    return cache->state == CACHE_READY;
}

uint64_t cache_epoch(const struct cache *cache) {
    return cache->epoch;
}

void cache_reset(struct cache *cache, const char *reason) {
    cache_conn_drop(cache, reason);
}

/* ---- building a command in the scratch arrays ---- */

static void begin(struct cache *cache) {
    cache->argc = 0;
    cache->number_count = 0;
}

static void add(struct cache *cache, const char *bytes, size_t length) {
    assert(cache->argc < (int)(sizeof(cache->argv) / sizeof(cache->argv[0])));
    cache->argv[cache->argc] = bytes;
    cache->lengths[cache->argc] = length;
    cache->argc++;
}

static void add_text(struct cache *cache, const char *text) {
    add(cache, text, strlen(text));
}

static void add_number(struct cache *cache, int64_t value) {
    char *number = cache->numbers[cache->number_count++];
    snprintf(number, CACHE_NUMBER_BYTES, "%lld", (long long)value);
    add_text(cache, number);
}

static void add_key_and_version(struct cache *cache, const char *key, size_t index) {
    char *version_key = cache->version_keys[index];
    assert(index < CACHE_KEYS_MAX && strlen(key) <= CACHE_KEY_BYTES_MAX);
    snprintf(version_key, CACHE_VERSION_KEY_BYTES, "version:%s", key);
    add_text(cache, key);
    add_text(cache, version_key);
}

static void begin_script(struct cache *cache, enum cache_script script, size_t key_count) {
    begin(cache);
    add_text(cache, "EVALSHA");
    add_text(cache, cache->shas[script]);
    add_number(cache, (int64_t)key_count);
}

/* ---- sending and replies ---- */

static struct cache_op *new_op(struct cache *cache, size_t count, void *ctx) {
    struct cache_op *op = calloc(1, sizeof(*op));
    if (op != NULL) {
        op->cache = cache;
        op->count = count;
        op->ctx = ctx;
    }
    return op;
}

static void script_done(redisAsyncContext *redis, void *reply, void *privdata) {
    struct cache_op *op = privdata;
    enum err err = cache_conn_accept(op->cache, redis, reply) ? ERR_OK : ERR_UNAVAILABLE;
    if (err == ERR_OK && ((const redisReply *)reply)->integer > 0) {
        backoff_reset(&op->cache->backoff); /* Redis does take writes */
    }
    if (op->done_fn != NULL) {
        op->done_fn(op->ctx, err);
    }
    free(op);
}

static void send_script(struct cache *cache, size_t count, cache_done_fn *fn, void *ctx) {
    struct cache_op *op = new_op(cache, count, ctx);
    if (op != NULL) {
        op->done_fn = fn;
        if (cache_conn_send(cache, script_done, op)) {
            return;
        }
        free(op);
    }
    cache_conn_drop(cache, "out of memory"); /* an unsent write: the next connect cleans */
    if (fn != NULL) {
        fn(ctx, ERR_UNAVAILABLE);
    }
}

/* True: a put or an invalidation is not to be sent, and the caller was told. */
static bool refuse(const struct cache *cache, uint64_t epoch, cache_done_fn *fn, void *ctx) {
    bool writes = epoch == CACHE_EPOCH_ANY;
    bool able = cache->state >= (writes ? CACHE_CLEANING : CACHE_READY);
    if (able && (writes || epoch == cache->epoch)) {
        return false;
    }
    if (fn != NULL) {
        fn(ctx, able ? ERR_OK : ERR_UNAVAILABLE); /* too late a filler: nothing to do */
    }
    return true;
}

/* What LUA_GENERATION compares. */
static void add_epoch(struct cache *cache, uint64_t epoch) {
    if (epoch == CACHE_EPOCH_ANY) {
        add_text(cache, "");
    } else {
        add_number(cache, (int64_t)epoch);
    }
}

/* ---- operations ---- */

/* The same rule as number() in the scripts. */
static int64_t parse_version(const redisReply *reply) {
    static const char DIGITS[] = "0123456789";
    if (reply->type != REDIS_REPLY_STRING || reply->len > VERSION_DIGITS_MAX ||
        reply->str[0] == '0' || strspn(reply->str, DIGITS) != reply->len) {
        return 0;
    }
    return strtoll(reply->str, NULL, 10);
}

static void values_arrived(redisAsyncContext *redis, void *reply_void, void *privdata) {
    const redisReply *reply = reply_void;
    struct cache_op *op = privdata;
    struct cache *cache = op->cache;
    if (!cache_conn_accept(cache, redis, reply)) {
        op->get_fn(op->ctx, ERR_UNAVAILABLE, NULL);
        free(op);
        return;
    }
    assert(reply->type == REDIS_REPLY_ARRAY && reply->elements == op->count * 2 + 1);
    for (size_t i = 0; i < op->count; i++) {
        const redisReply *value = reply->element[2 * i];
        bool found = value->type == REDIS_REPLY_STRING;
        cache->values[i].value.data = found ? value->str : NULL;
        cache->values[i].value.len = found ? (size_t)value->len : 0;
        cache->values[i].version = parse_version(reply->element[2 * i + 1]);
    }
    cache->epoch = (uint64_t)parse_version(reply->element[2 * op->count]);
    op->get_fn(op->ctx, ERR_OK, cache->values);
    free(op);
}

void cache_get(struct cache *cache, const char *const *keys, size_t count, cache_get_fn *fn,
               void *ctx) {
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    if (cache->state != CACHE_READY) {
        fn(ctx, ERR_UNAVAILABLE, NULL);
        return;
    }
    begin(cache);
    add_text(cache, "MGET");
    for (size_t i = 0; i < count; i++) {
        add_key_and_version(cache, keys[i], i);
    }
    add_text(cache, CACHE_GENERATION_KEY);
    struct cache_op *op = new_op(cache, count, ctx);
    if (op != NULL) {
        op->get_fn = fn;
        if (cache_conn_send(cache, values_arrived, op)) {
            return;
        }
        free(op);
    }
    fn(ctx, ERR_UNAVAILABLE, NULL);
}

void cache_put_newer(struct cache *cache, uint64_t epoch, const struct cache_put *puts,
                     size_t count, cache_done_fn *fn, void *ctx) {
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    if (refuse(cache, epoch, fn, ctx)) {
        return;
    }
    begin_script(cache, CACHE_SCRIPT_PUT_NEWER, count * 2 + 1);
    for (size_t i = 0; i < count; i++) {
        add_key_and_version(cache, puts[i].key, i);
    }
    add_text(cache, CACHE_GENERATION_KEY);
    for (size_t i = 0; i < count; i++) {
        add(cache, puts[i].value.data, puts[i].value.len);
        add_number(cache, puts[i].version);
        add_number(cache, puts[i].ttl_s);
    }
    add_epoch(cache, epoch);
    send_script(cache, count, fn, ctx);
}

void cache_put_unchanged(struct cache *cache, uint64_t epoch, const struct cache_put *put,
                         cache_done_fn *fn, void *ctx) {
    assert(epoch != CACHE_EPOCH_ANY);
    if (refuse(cache, epoch, fn, ctx)) {
        return;
    }
    begin_script(cache, CACHE_SCRIPT_PUT_UNCHANGED, 3);
    add_key_and_version(cache, put->key, 0);
    add_text(cache, CACHE_GENERATION_KEY);
    add(cache, put->value.data, put->value.len);
    add_number(cache, put->version);
    add_number(cache, put->ttl_s);
    add_epoch(cache, epoch);
    send_script(cache, 1, fn, ctx);
}

void cache_invalidate(struct cache *cache, const char *const *keys, size_t count, cache_done_fn *fn,
                      void *ctx) {
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    if (refuse(cache, CACHE_EPOCH_ANY, fn, ctx)) {
        return;
    }
    begin_script(cache, CACHE_SCRIPT_INVALIDATE, count * 2);
    for (size_t i = 0; i < count; i++) {
        add_key_and_version(cache, keys[i], i);
    }
    add_number(cache, clock_unix_ms());
    send_script(cache, count, fn, ctx);
}
