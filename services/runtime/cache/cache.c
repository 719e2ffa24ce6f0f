/*
 * The cache: a connection that comes back, empties what it finds, and carries commands; then the
 * operations, most of which are scripts (scripts.h).
 */
#include "cache.h"
#include "scripts.h"

#include "base/clock.h"
#include "runtime/loop/resolver.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Writers may write from CLEANING on: what they refused to, another replica would not learn of. */
enum cache_state { CACHE_DOWN, CACHE_CONNECTING, CACHE_LOADING, CACHE_CLEANING, CACHE_READY };

enum {
    SHA_BYTES = 41,
    VERSION_KEY_BYTES = CACHE_KEY_BYTES_MAX + 16,
    NUMBER_BYTES = 24,
    STABLE_MS = 5000, /* up for so long: the next outage is another one */
    SCAN_COUNT = 1000
};

#define AGAIN_NONE SIZE_MAX

struct cache {
    struct loop *loop;
    struct cache_options options;
    struct resolver resolver;
    char address[RESOLVE_ADDRESS_BYTES]; /* of this attempt */
    bool was_ready;                      /* on this connection, at ready_ms */
    uint64_t ready_ms;
    redisAsyncContext *redis; /* NULL when down */
    enum cache_state state;
    uint64_t missed;     /* writes that could not be made */
    uint64_t epoch;      /* the generation that Redis told last, while ready */
    uint64_t generation; /* of the cleaning under way */
    struct loop_watch watch;
    struct loop_timer timer; /* backoff, connect timeout or progress check, by state */
    struct backoff backoff;  /* reset by a write that was made, or after STABLE_MS */
    size_t pending;          /* commands without a reply */
    uint64_t progress_ms;    /* last reply, or when the first pending command was sent */
    bool closing;
    bool outage_logged;
    char shas[SCRIPTS][SHA_BYTES];
    size_t prefix; /* being cleaned */
    size_t again;  /* … once more from here on, when that has ended; AGAIN_NONE: not */
    /* Scratch for building one command. */
    const char *argv[CACHE_KEYS_MAX * 5 + 5];
    size_t lengths[CACHE_KEYS_MAX * 5 + 5];
    int argc;
    char version_keys[CACHE_KEYS_MAX][VERSION_KEY_BYTES];
    char numbers[CACHE_KEYS_MAX * 2 + 2][NUMBER_BYTES];
    size_t number_count;
    struct cache_value values[CACHE_KEYS_MAX];
};

static void on_timer(void *ctx);
static void load_scripts(struct cache *cache);
static void next_generation(struct cache *cache);
static void clean_next(struct cache *cache, const char *cursor);

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
    snprintf(number, NUMBER_BYTES, "%lld", (long long)value);
    add_text(cache, number);
}

static void add_key_and_version(struct cache *cache, const char *key, size_t index) {
    char *version_key = cache->version_keys[index];
    assert(index < CACHE_KEYS_MAX && strlen(key) <= CACHE_KEY_BYTES_MAX);
    snprintf(version_key, VERSION_KEY_BYTES, "version:%s", key);
    add_text(cache, key);
    add_text(cache, version_key);
}

static void begin_script(struct cache *cache, enum cache_script script, size_t key_count) {
    begin(cache);
    add_text(cache, "EVALSHA");
    add_text(cache, cache->shas[script]);
    add_number(cache, (int64_t)key_count);
}

/* ---- down, and commands ---- */

static void log_down(struct cache *cache, const char *reason) {
    if (!cache->outage_logged && !cache->closing) {
        cache->outage_logged = true; /* once an outage, not at every attempt */
        log_warn("cache connection lost", LOG_STR("host", cache->options.host),
                 LOG_INT("port", cache->options.port), LOG_STR("reason", reason));
    }
}

/* The one way down: pending commands get a NULL reply; it comes back later. */
static void drop(struct cache *cache, const char *reason) {
    if (cache->redis == NULL) {
        return;
    }
    log_down(cache, reason);
    cache->state = CACHE_DOWN; /* nothing new is sent from the callbacks that follow */
    redisAsyncFree(cache->redis);
}

/* Send cache->argv; false when it could not be queued. */
static bool send_command(struct cache *cache, redisCallbackFn *fn, void *privdata) {
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

/*
 * Every reply callback begins with this: counts it; false when `reply` is none or an error (the
 * connection then goes).
 */
static bool accept_reply(struct cache *cache, redisAsyncContext *redis, const redisReply *reply) {
    if (reply == NULL) { /* the connection is going */
        cache->state = CACHE_DOWN;
        log_down(cache, redis->err != 0 ? redis->errstr : "connection closed");
        return false;
    }
    cache->pending--;
    cache->progress_ms = loop_now_ms(cache->loop);
    if (reply->type == REDIS_REPLY_ERROR) {
        drop(cache, reply->str); /* the state of the values is unknown: start afresh */
        return false;
    }
    return true;
}

/* One of the connection's own. */
static void send_or_drop(struct cache *cache, redisCallbackFn *fn, void *privdata) {
    if (!send_command(cache, fn, privdata)) {
        drop(cache, "out of memory");
    }
}

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

static void change_events(struct cache *cache, uint32_t more, uint32_t less) {
    if (cache->watch.active) {
        loop_watch_events(cache->loop, &cache->watch, (cache->watch.events | more) & ~less);
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
    if (cache->was_ready && loop_now_ms(cache->loop) - cache->ready_ms >= STABLE_MS) {
        loop_backoff_reset(&cache->backoff);
    }
    if (!cache->was_ready && !cache->closing) {
        resolver_report_failure(&cache->resolver, cache->address);
    }
    if (!cache->closing) {
        loop_timer_start(cache->loop, &cache->timer, loop_backoff_next_ms(&cache->backoff));
    }
}

/* ---- up ---- */

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

static void start(struct cache *cache) {
    assert(cache->state == CACHE_DOWN && cache->redis == NULL);
    cache->was_ready = false;
    if (!resolver_next_address(&cache->resolver, cache->address)) {
        loop_timer_start(cache->loop, &cache->timer, loop_backoff_next_ms(&cache->backoff));
        return;
    }
    redisAsyncContext *redis = redisAsyncConnect(cache->address, cache->options.port);
    if (redis == NULL || redis->err != 0) {
        log_down(cache, redis == NULL ? "out of memory" : redis->errstr);
        if (redis != NULL) {
            redisAsyncFree(redis);
        }
        resolver_report_failure(&cache->resolver, cache->address);
        loop_timer_start(cache->loop, &cache->timer, loop_backoff_next_ms(&cache->backoff));
        return;
    }
    cache->redis = redis;
    cache->state = CACHE_CONNECTING;
    cache->prefix = 0;
    cache->again = AGAIN_NONE;
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

static void on_timer(void *ctx) {
    struct cache *cache = ctx;
    uint64_t waited_ms = loop_now_ms(cache->loop) - cache->progress_ms;
    switch (cache->state) {
    case CACHE_DOWN: start(cache); return;
    case CACHE_CONNECTING: drop(cache, "connect timeout"); return;
    default:
        if (cache->pending > 0 && waited_ms >= cache->options.deadline_ms) {
            drop(cache, "no reply within the deadline");
            return;
        }
        loop_timer_start(cache->loop, &cache->timer, cache->options.deadline_ms / 2 + 1);
    }
}

/* ---- after each connect: scripts, then an empty cache ---- */

static void script_loaded(redisAsyncContext *redis, void *answer, void *privdata) {
    const redisReply *reply = answer;
    struct cache *cache = redis->data;
    size_t script = (size_t)(uintptr_t)privdata;
    if (!accept_reply(cache, redis, reply)) {
        return;
    }
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_BYTES - 1) {
        drop(cache, "unexpected reply to SCRIPT LOAD");
        return;
    }
    memcpy(cache->shas[script], reply->str, SHA_BYTES);
    if (script == SCRIPTS - 1) {
        next_generation(cache);
    }
}

static void load_scripts(struct cache *cache) {
    loop_timer_start(cache->loop, &cache->timer, cache->options.deadline_ms / 2 + 1);
    for (size_t i = 0; i < SCRIPTS && cache->state == CACHE_LOADING; i++) {
        begin(cache);
        add_text(cache, "SCRIPT");
        add_text(cache, "LOAD");
        add_text(cache, SCRIPT_TEXTS[i]);
        send_or_drop(cache, script_loaded, (void *)(uintptr_t)i);
    }
}

static void generation_begun(redisAsyncContext *redis, void *answer, void *privdata) {
    const redisReply *reply = answer;
    struct cache *cache = redis->data;
    (void)privdata;
    if (!accept_reply(cache, redis, reply)) {
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
    begin_script(cache, SCRIPT_NEXT_GENERATION, 1);
    add_text(cache, GENERATION_KEY);
    add_number(cache, clock_unix_ms());
    cache->state = CACHE_CLEANING;
    send_or_drop(cache, generation_begun, NULL);
}

static void clean_from(struct cache *cache, size_t first) {
    cache->prefix = first;
    cache->again = AGAIN_NONE;
    next_generation(cache);
}

static void keys_dropped(redisAsyncContext *redis, void *reply, void *privdata) {
    (void)privdata;
    (void)accept_reply(redis->data, redis, reply);
}

static void drop_keys(struct cache *cache, const redisReply *keys) {
    size_t done = 0;
    while (done < keys->elements && cache->state == CACHE_CLEANING) {
        begin(cache);
        add_text(cache, "UNLINK");
        for (size_t i = 0; i < CACHE_KEYS_MAX && done < keys->elements; i++, done++) {
            add(cache, keys->element[done]->str, (size_t)keys->element[done]->len);
        }
        send_or_drop(cache, keys_dropped, NULL);
    }
}

static void keys_scanned(redisAsyncContext *redis, void *answer, void *privdata) {
    const redisReply *reply = answer;
    struct cache *cache = redis->data;
    (void)privdata;
    if (!accept_reply(cache, redis, reply)) {
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        drop(cache, "unexpected reply to SCAN");
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
    if (prefix == NULL && cache->again != AGAIN_NONE) {
        clean_from(cache, cache->again);
        return;
    }
    if (prefix == NULL) {
        cache->state = CACHE_READY;
        cache->epoch = cache->generation;
        if (!cache->was_ready) {
            cache->was_ready = true;
            cache->ready_ms = loop_now_ms(cache->loop);
            cache->outage_logged = false;
            log_info("cache ready", LOG_STR("host", cache->options.host),
                     LOG_INT("port", cache->options.port));
        }
        return;
    }
    char pattern[CACHE_KEY_BYTES_MAX + 2];
    snprintf(pattern, sizeof(pattern), "%s*", prefix);
    begin(cache);
    add_text(cache, "SCAN");
    add_text(cache, cursor);
    add_text(cache, "MATCH");
    add_text(cache, pattern);
    add_text(cache, "COUNT");
    add_number(cache, SCAN_COUNT);
    send_or_drop(cache, keys_scanned, NULL);
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
    start(cache);
    *ret_cache = cache;
    return ERR_OK;
}

void cache_close(struct cache *cache) {
    if (cache == NULL) {
        return;
    }
    cache->closing = true;
    drop(cache, "closing");
    loop_timer_stop(cache->loop, &cache->timer);
    resolver_close(&cache->resolver);
    free(cache);
}

/* ---- operations: sending and replies ---- */

/* One operation on its way; freed with its reply. */
struct cache_op {
    struct cache *cache;
    size_t count; /* of the values, for get_fn */
    cache_get_fn *get_fn;
    cache_done_fn *done_fn;
    void *ctx;
};

/* Send cache->argv as `op`; false when there is no memory. */
static bool send_op(struct cache *cache, struct cache_op op, redisCallbackFn *fn) {
    struct cache_op *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return false;
    }
    *copy = op;
    bool sent = send_command(cache, fn, copy);
    if (!sent) {
        free(copy);
    }
    return sent;
}

static void script_done(redisAsyncContext *redis, void *reply, void *privdata) {
    struct cache_op *op = privdata;
    enum err err = accept_reply(op->cache, redis, reply) ? ERR_OK : ERR_UNAVAILABLE;
    if (err == ERR_OK && ((const redisReply *)reply)->integer > 0) {
        loop_backoff_reset(&op->cache->backoff); /* Redis does take writes */
    }
    op->cache->missed += err != ERR_OK;
    if (op->done_fn != NULL) {
        op->done_fn(op->ctx, err);
    }
    free(op);
}

static void send_script(struct cache *cache, cache_done_fn *fn, void *ctx) {
    struct cache_op op = { .cache = cache, .done_fn = fn, .ctx = ctx };
    if (send_op(cache, op, script_done)) {
        return;
    }
    drop(cache, "out of memory"); /* an unsent write: the next connect cleans */
    cache->missed++;
    if (fn != NULL) {
        fn(ctx, ERR_UNAVAILABLE);
    }
}

/* True: a put or an invalidation is not to be sent, and the caller was told. */
static bool refuse(struct cache *cache, uint64_t epoch, cache_done_fn *fn, void *ctx) {
    bool writes = epoch == CACHE_EPOCH_ANY;
    bool able = cache->state >= (writes ? CACHE_CLEANING : CACHE_READY);
    if (able && (writes || epoch == cache->epoch)) {
        return false;
    }
    cache->missed += writes;
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

/* The same rule as number() in the scripts. */
static int64_t parse_version(const redisReply *reply) {
    static const char DIGITS[] = "0123456789";
    if (reply->type != REDIS_REPLY_STRING || reply->len > VERSION_DIGITS_MAX ||
        reply->str[0] == '0' || strspn(reply->str, DIGITS) != reply->len) {
        return 0;
    }
    return strtoll(reply->str, NULL, 10);
}

static void values_arrived(redisAsyncContext *redis, void *answer, void *privdata) {
    const redisReply *reply = answer;
    struct cache_op *op = privdata;
    struct cache *cache = op->cache;
    if (!accept_reply(cache, redis, reply)) {
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
    add_text(cache, GENERATION_KEY);
    struct cache_op op = { .cache = cache, .count = count, .get_fn = fn, .ctx = ctx };
    if (!send_op(cache, op, values_arrived)) {
        fn(ctx, ERR_UNAVAILABLE, NULL);
    }
}

static void put_versions(struct cache *cache, enum cache_script script, uint64_t epoch,
                         const struct cache_put *puts, size_t count, cache_done_fn *fn, void *ctx) {
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    if (refuse(cache, epoch, fn, ctx)) {
        return;
    }
    begin_script(cache, script, count * 2 + 1);
    for (size_t i = 0; i < count; i++) {
        add_key_and_version(cache, puts[i].key, i);
    }
    add_text(cache, GENERATION_KEY);
    for (size_t i = 0; i < count; i++) {
        add(cache, puts[i].value.data, puts[i].value.len);
        add_number(cache, puts[i].version);
        add_number(cache, puts[i].ttl_s);
    }
    add_epoch(cache, epoch);
    send_script(cache, fn, ctx);
}

void cache_put_newer(struct cache *cache, uint64_t epoch, const struct cache_put *puts,
                     size_t count, cache_done_fn *fn, void *ctx) {
    put_versions(cache, SCRIPT_PUT_NEWER, epoch, puts, count, fn, ctx);
}

void cache_refresh(struct cache *cache, const struct cache_put *puts, size_t count,
                   cache_done_fn *fn, void *ctx) {
    put_versions(cache, SCRIPT_REFRESH, CACHE_EPOCH_ANY, puts, count, fn, ctx);
}

void cache_put_unchanged(struct cache *cache, uint64_t epoch, const struct cache_put *put,
                         cache_done_fn *fn, void *ctx) {
    assert(epoch != CACHE_EPOCH_ANY);
    if (refuse(cache, epoch, fn, ctx)) {
        return;
    }
    begin_script(cache, SCRIPT_PUT_UNCHANGED, 3);
    add_key_and_version(cache, put->key, 0);
    add_text(cache, GENERATION_KEY);
    add(cache, put->value.data, put->value.len);
    add_number(cache, put->version);
    add_number(cache, put->ttl_s);
    add_epoch(cache, epoch);
    send_script(cache, fn, ctx);
}

void cache_invalidate(struct cache *cache, const char *const *keys, size_t count, cache_done_fn *fn,
                      void *ctx) {
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    if (refuse(cache, CACHE_EPOCH_ANY, fn, ctx)) {
        return;
    }
    begin_script(cache, SCRIPT_INVALIDATE, count * 2);
    for (size_t i = 0; i < count; i++) {
        add_key_and_version(cache, keys[i], i);
    }
    add_number(cache, clock_unix_ms());
    send_script(cache, fn, ctx);
}

bool cache_is_ready(const struct cache *cache) {
    return cache->state == CACHE_READY;
}

uint64_t cache_missed(const struct cache *cache) {
    return cache->missed;
}

uint64_t cache_epoch(const struct cache *cache) {
    return cache->epoch;
}

void cache_reset(struct cache *cache, const char *reason) {
    drop(cache, reason);
}

void cache_forget(struct cache *cache, size_t first) {
    if (cache->state == CACHE_READY) {
        clean_from(cache, first);
    } else if (cache->state == CACHE_CLEANING && first < cache->again) { /* may be past it */
        cache->again = first;
    } /* else the next connect cleans */
}
