#include "private.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { SCAN_COUNT = 1000 };

static void on_timer(void *ctx);
static void load_scripts(struct cache *cache);
static void next_generation(struct cache *cache);
static void clean_next(struct cache *cache, const char *cursor);

/* ---- hiredis' five hooks ---- */

static void on_event(void *ctx, uint32_t events) {
    struct cache *cache = ctx;
    redisAsyncContext *redis = cache->redis;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        redisAsyncHandleRead(redis);
    }
    if (cache->redis == redis && (events & EPOLLOUT) != 0) {
        redisAsyncHandleWrite(redis);
    }
}

static void change_events(struct cache *cache, uint32_t add, uint32_t drop) {
    if (cache->watch.active) {
        loop_watch_events(cache->loop, &cache->watch, (cache->watch.events | add) & ~drop);
    }
}

static void hook_add_read(void *ctx) {
    change_events(ctx, EPOLLIN, 0);
}

static void hook_del_read(void *ctx) {
    change_events(ctx, 0, EPOLLIN);
}

static void hook_add_write(void *ctx) {
    change_events(ctx, EPOLLOUT, 0);
}

static void hook_del_write(void *ctx) {
    change_events(ctx, 0, EPOLLOUT);
}

/* hiredis frees the context, whoever asked for it: the only place where it is known to be gone. */
static void hook_cleanup(void *ctx) {
    struct cache *cache = ctx;
    loop_unwatch(cache->loop, &cache->watch);
    loop_timer_stop(cache->loop, &cache->timer);
    cache->redis = NULL;
    cache->state = CACHE_DOWN;
    cache->pending = 0;
    if (cache->was_ready && loop_now_ms(cache->loop) - cache->ready_ms >= CACHE_STABLE_MS) {
        backoff_reset(&cache->backoff);
    }
    if (!cache->was_ready && !cache->closing) {
        resolver_report_failure(&cache->resolver, cache->address);
    }
    if (!cache->closing) {
        loop_timer_start(cache->loop, &cache->timer, backoff_next_ms(&cache->backoff));
    }
}

/* ---- up ---- */

static void log_down(struct cache *cache, const char *reason) {
    if (!cache->outage_logged && !cache->closing) {
        cache->outage_logged = true; /* once an outage, not at every attempt */
        log_warn("cache connection lost", LOG_STR("host", cache->options.host),
                 LOG_INT("port", cache->options.port), LOG_STR("reason", reason));
    }
}

static void on_connect(const redisAsyncContext *redis, int status) {
    struct cache *cache = redis->data;
    if (status != REDIS_OK) {
        log_down(cache, redis->errstr);
        return; /* hiredis frees the context now */
    }
    cache->state = CACHE_LOADING;
    cache->progress_ms = loop_now_ms(cache->loop);
    load_scripts(cache);
}

static void on_disconnect(const redisAsyncContext *redis, int status) {
    struct cache *cache = redis->data;
    if (status != REDIS_OK) {
        log_down(cache, redis->errstr);
    }
}

void cache_conn_start(struct cache *cache) {
    assert(cache->state == CACHE_DOWN && cache->redis == NULL);
    cache->was_ready = false;
    if (!resolver_next_address(&cache->resolver, cache->address)) {
        loop_timer_start(cache->loop, &cache->timer, backoff_next_ms(&cache->backoff));
        return;
    }
    redisAsyncContext *redis = redisAsyncConnect(cache->address, cache->options.port);
    if (redis == NULL || redis->err != 0) {
        log_down(cache, redis == NULL ? "out of memory" : redis->errstr);
        if (redis != NULL) {
            redisAsyncFree(redis);
        }
        resolver_report_failure(&cache->resolver, cache->address);
        loop_timer_start(cache->loop, &cache->timer, backoff_next_ms(&cache->backoff));
        return;
    }
    cache->redis = redis;
    cache->state = CACHE_CONNECTING;
    cache->prefix = 0;
    redis->data = cache;
    if (loop_watch(cache->loop, &cache->watch, redis->c.fd, EPOLLOUT, on_event, cache) != ERR_OK) {
        log_down(cache, "cannot watch the socket");
    }
    redis->ev.data = cache;
    redis->ev.addRead = hook_add_read;
    redis->ev.delRead = hook_del_read;
    redis->ev.addWrite = hook_add_write;
    redis->ev.delWrite = hook_del_write;
    redis->ev.cleanup = hook_cleanup;
    redisAsyncSetConnectCallback(redis, on_connect);
    redisAsyncSetDisconnectCallback(redis, on_disconnect);
    loop_timer_start(cache->loop, &cache->timer, cache->options.connect_timeout_ms);
}

void cache_conn_drop(struct cache *cache, const char *reason) {
    if (cache->redis == NULL) {
        return;
    }
    log_down(cache, reason);
    cache->state = CACHE_DOWN; /* nothing new is sent from the callbacks that follow */
    redisAsyncFree(cache->redis);
}

static void on_timer(void *ctx) {
    struct cache *cache = ctx;
    uint64_t waited_ms = loop_now_ms(cache->loop) - cache->progress_ms;
    switch (cache->state) {
    case CACHE_DOWN: cache_conn_start(cache); return;
    case CACHE_CONNECTING: cache_conn_drop(cache, "connect timeout"); return;
    default:
        if (cache->pending > 0 && waited_ms >= cache->options.deadline_ms) {
            cache_conn_drop(cache, "no reply within the deadline");
            return;
        }
        loop_timer_start(cache->loop, &cache->timer, cache->options.deadline_ms / 2 + 1);
    }
}

/* ---- commands ---- */

bool cache_conn_send(struct cache *cache, redisCallbackFn *fn, void *privdata) {
    assert(cache->state >= CACHE_LOADING);
    if (redisAsyncCommandArgv(cache->redis, fn, privdata, cache->argc, cache->argv,
                              cache->lengths) != REDIS_OK) {
        return false;
    }
    if (cache->pending++ == 0) {
        cache->progress_ms = loop_now_ms(cache->loop);
    }
    return true;
}

bool cache_conn_accept(struct cache *cache, redisAsyncContext *redis, const redisReply *reply) {
    if (reply == NULL) { /* the connection is going */
        cache->state = CACHE_DOWN;
        log_down(cache, redis->err != 0 ? redis->errstr : "connection closed");
        return false;
    }
    cache->pending--;
    cache->progress_ms = loop_now_ms(cache->loop);
    if (reply->type == REDIS_REPLY_ERROR) {
        cache_conn_drop(cache, reply->str); /* the state of the values is unknown: start afresh */
        return false;
    }
    return true;
}

/* ---- after each connect: scripts, then an empty cache ---- */

static void build(struct cache *cache, int argc, const char *const *argv) {
    for (int i = 0; i < argc; i++) {
        cache->argv[i] = argv[i];
        cache->lengths[i] = strlen(argv[i]);
    }
    cache->argc = argc;
}

static void script_loaded(redisAsyncContext *redis, void *reply_void, void *privdata) {
    const redisReply *reply = reply_void;
    struct cache *cache = redis->data;
    size_t script = (size_t)(uintptr_t)privdata;
    if (!cache_conn_accept(cache, redis, reply)) {
        return;
    }
    if (reply->type != REDIS_REPLY_STRING || reply->len != CACHE_SHA_BYTES - 1) {
        cache_conn_drop(cache, "unexpected reply to SCRIPT LOAD");
        return;
    }
    memcpy(cache->shas[script], reply->str, CACHE_SHA_BYTES);
    if (script == CACHE_SCRIPTS - 1) {
        next_generation(cache);
    }
}

static void load_scripts(struct cache *cache) {
    loop_timer_start(cache->loop, &cache->timer, cache->options.deadline_ms / 2 + 1);
    for (size_t i = 0; i < CACHE_SCRIPTS; i++) {
        const char *const argv[] = { "SCRIPT", "LOAD", CACHE_SCRIPT_TEXTS[i] };
        build(cache, 3, argv);
        if (!cache_conn_send(cache, script_loaded, (void *)(uintptr_t)i)) {
            cache_conn_drop(cache, "out of memory");
            return;
        }
    }
}

static void generation_begun(redisAsyncContext *redis, void *reply_void, void *privdata) {
    const redisReply *reply = reply_void;
    struct cache *cache = redis->data;
    (void)privdata;
    if (!cache_conn_accept(cache, redis, reply)) {
        return;
    }
    cache->generation = (uint64_t)reply->integer;
    clean_next(cache, "0");
}

/*
 * First of all, so that whoever began to fill before this, in any process, comes too late or has
 * its value dropped: what this process could not write meanwhile, nobody else knows of.
 */
static void next_generation(struct cache *cache) {
    char fresh[CACHE_NUMBER_BYTES];
    snprintf(fresh, sizeof(fresh), "%lld", (long long)clock_unix_ms());
    const char *const argv[] = { "EVALSHA", cache->shas[CACHE_SCRIPT_NEXT_GENERATION], "1",
                                 CACHE_GENERATION_KEY, fresh };
    build(cache, 5, argv);
    cache->state = CACHE_CLEANING;
    if (!cache_conn_send(cache, generation_begun, NULL)) {
        cache_conn_drop(cache, "out of memory");
    }
}

static void keys_dropped(redisAsyncContext *redis, void *reply, void *privdata) {
    (void)privdata;
    if (!cache_conn_accept(redis->data, redis, reply)) {
        return;
    }
}

static void drop_keys(struct cache *cache, const redisReply *keys) {
    size_t done = 0;
    while (done < keys->elements && cache->state == CACHE_CLEANING) {
        size_t count =
            keys->elements - done < CACHE_KEYS_MAX ? keys->elements - done : CACHE_KEYS_MAX;
        cache->argv[0] = "UNLINK";
        cache->lengths[0] = strlen("UNLINK");
        for (size_t i = 0; i < count; i++) {
            cache->argv[i + 1] = keys->element[done + i]->str;
            cache->lengths[i + 1] = (size_t)keys->element[done + i]->len;
        }
        cache->argc = (int)count + 1;
        if (!cache_conn_send(cache, keys_dropped, NULL)) {
            cache_conn_drop(cache, "out of memory");
        }
        done += count;
    }
}

static void keys_scanned(redisAsyncContext *redis, void *reply_void, void *privdata) {
    const redisReply *reply = reply_void;
    struct cache *cache = redis->data;
    (void)privdata;
    if (!cache_conn_accept(cache, redis, reply)) {
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        cache_conn_drop(cache, "unexpected reply to SCAN");
        return;
    }
    drop_keys(cache, reply->element[1]);
    if (cache->state != CACHE_CLEANING) {
        return;
    }
    const char *cursor = reply->element[0]->str;
    if (strcmp(cursor, "0") == 0) {
        cache->prefix++;
    }
    clean_next(cache, cursor);
}

static void clean_next(struct cache *cache, const char *cursor) {
    const char *prefix = cache->options.prefixes[cache->prefix];
    if (prefix == NULL) {
        cache->state = CACHE_READY;
        cache->was_ready = true;
        cache->ready_ms = loop_now_ms(cache->loop);
        cache->epoch = cache->generation;
        cache->outage_logged = false;
        log_info("cache ready", LOG_STR("host", cache->options.host),
                 LOG_INT("port", cache->options.port));
        return;
    }
    char pattern[CACHE_KEY_BYTES_MAX + 2], count[16];
    snprintf(pattern, sizeof(pattern), "%s*", prefix);
    snprintf(count, sizeof(count), "%d", SCAN_COUNT);
    const char *const argv[] = { "SCAN", cursor, "MATCH", pattern, "COUNT", count };
    build(cache, 6, argv);
    if (!cache_conn_send(cache, keys_scanned, NULL)) {
        cache_conn_drop(cache, "out of memory");
    }
}

/* ---- open and close ---- */

enum err cache_open(struct loop *loop, const struct cache_options *options,
                    struct cache **ret_cache) {
    struct cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return ERR_NO_MEMORY;
    }
    cache->loop = loop;
    cache->options = *options;
    cache->backoff.base_ms = options->backoff_base_ms;
    cache->backoff.cap_ms = options->backoff_cap_ms;
    loop_timer_init(&cache->timer, on_timer, cache);
    resolver_open(&cache->resolver, loop, options->host);
    cache_conn_start(cache);
    *ret_cache = cache;
    return ERR_OK;
}

void cache_close(struct cache *cache) {
    if (cache == NULL) {
        return;
    }
    cache->closing = true;
    cache_conn_drop(cache, "closing");
    loop_timer_stop(cache->loop, &cache->timer);
    resolver_close(&cache->resolver);
    free(cache);
}
