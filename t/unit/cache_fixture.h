/*
 * For the tests of runtime/cache: a real Redis that each test starts for itself, a cache connected
 * to it, its operations, waited for, and redis-cli's part.
 */
#ifndef CACHE_FIXTURE_H
#define CACHE_FIXTURE_H

#include "runtime/cache/cache.h"
#include "runtime/loop/loop.h"
#include "runtime/telemetry/log.h"

#include "throwaway_server.h"
#include "unit.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>

enum { DEADLINE_MS = 200, VALUES_MAX = 8, TEXT_BYTES = 64 };

struct outcome {
    unsigned calls;
    enum err err;
    char values[VALUES_MAX][TEXT_BYTES]; /* "(none)" when absent */
    int64_t versions[VALUES_MAX];
    size_t wanted;
};

static struct throwaway server;
static struct loop *loop;
static struct cache *cache;
static redisContext *client; /* redis-cli's part */

static inline void connect_client(void) {
    client = redisConnect("127.0.0.1", server.port);
    ck_assert_ptr_nonnull(client);
    ck_assert_int_eq(client->err, 0);
}

/* A command as from redis-cli; its answer as text. */
static inline const char *redis(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline const char *redis(const char *format, ...) {
    static char text[256];
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(client, format, arguments);
    va_end(arguments);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(text, sizeof(text), "%lld", reply->integer);
    } else {
        snprintf(text, sizeof(text), "%s", reply->type == REDIS_REPLY_NIL ? "(none)" : reply->str);
    }
    freeReplyObject(reply);
    return text;
}

static inline void open_cache_at(const char *host, uint32_t backoff_cap_ms) {
    static const char *const PREFIXES[] = { "product:", "orders:", NULL };
    struct cache_options options = { .host = host,
                                     .port = server.port,
                                     .deadline_ms = DEADLINE_MS,
                                     .connect_timeout_ms = 2000,
                                     .backoff_base_ms = 5,
                                     .backoff_cap_ms = backoff_cap_ms,
                                     .prefixes = PREFIXES };
    ck_assert_int_eq(cache_open(loop, &options, &cache), ERR_OK);
}

static inline void open_cache(void) {
    open_cache_at("127.0.0.1", 20);
}

static inline void setup(void) {
    log_init("test", LOG_LEVELS, 2);
    throwaway_redis_start(&server);
    connect_client();
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    open_cache();
    WAIT_FOR(cache_is_ready(cache));
}

static inline void teardown(void) {
    cache_close(cache);
    loop_destroy(loop);
    redisFree(client);
    throwaway_stop(&server);
}

/* ---- operations, waited for ---- */

static inline void note_values(void *ctx, enum err err, const struct cache_value *values) {
    struct outcome *outcome = ctx;
    outcome->calls++;
    outcome->err = err;
    ck_assert((err == ERR_OK) == (values != NULL));
    for (size_t i = 0; err == ERR_OK && i < outcome->wanted; i++) {
        snprintf(outcome->values[i], TEXT_BYTES, "%.*s", (int)values[i].value.len,
                 values[i].value.data == NULL ? "" : values[i].value.data);
        if (values[i].value.data == NULL) {
            snprintf(outcome->values[i], TEXT_BYTES, "(none)");
        }
        outcome->versions[i] = values[i].version;
    }
}

static inline void note_done(void *ctx, enum err err) {
    struct outcome *outcome = ctx;
    outcome->calls++;
    outcome->err = err;
}

static inline const struct outcome *get(const char *const *keys, size_t count) {
    static struct outcome outcome;
    outcome = (struct outcome){ .wanted = count };
    cache_get(cache, keys, count, note_values, &outcome);
    WAIT_FOR(outcome.calls == 1);
    return &outcome;
}

static inline const struct outcome *get_one(const char *key) {
    return get(&key, 1);
}

static inline struct cache_put put_of(const char *key, const char *value, int64_t version) {
    return (
        struct cache_put){ .key = key, .value = str_of(value), .version = version, .ttl_s = 60 };
}

static inline enum err put_newer(uint64_t epoch, const char *key, const char *value,
                                 int64_t version) {
    struct outcome outcome = { 0 };
    struct cache_put put = put_of(key, value, version);
    cache_put_newer(cache, epoch, &put, 1, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    return outcome.err;
}

static inline enum err put_unchanged(uint64_t epoch, const char *key, const char *value,
                                     int64_t counter) {
    struct outcome outcome = { 0 };
    struct cache_put put = put_of(key, value, counter);
    cache_put_unchanged(cache, epoch, &put, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    return outcome.err;
}

static inline enum err invalidate(const char *const *keys, size_t count) {
    struct outcome outcome = { 0 };
    cache_invalidate(cache, keys, count, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    return outcome.err;
}

static inline void expect(const char *key, const char *value, int64_t version) {
    const struct outcome *outcome = get_one(key);
    ck_assert_int_eq(outcome->err, ERR_OK);
    ck_assert_str_eq(outcome->values[0], value);
    ck_assert_int_eq(outcome->versions[0], version);
}

#endif
