/* Shared by cache.c (operations) and cache_conn.c (the connection's life). */
#ifndef RUNTIME_CACHE_PRIVATE_H
#define RUNTIME_CACHE_PRIVATE_H

#include "cache.h"
#include "runtime/loop/backoff.h"
#include "runtime/loop/resolve.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

/* Writers may write from CLEANING on: what they refused to, another replica would not learn of. */
enum cache_state { CACHE_DOWN, CACHE_CONNECTING, CACHE_LOADING, CACHE_CLEANING, CACHE_READY };

enum cache_script {
    CACHE_SCRIPT_PUT_NEWER,
    CACHE_SCRIPT_PUT_UNCHANGED,
    CACHE_SCRIPT_INVALIDATE,
    CACHE_SCRIPT_NEXT_GENERATION,
    CACHE_SCRIPTS
};

enum {
    CACHE_SHA_BYTES = 41,
    CACHE_VERSION_KEY_BYTES = CACHE_KEY_BYTES_MAX + 16,
    CACHE_NUMBER_BYTES = 24,
    CACHE_STABLE_MS = 5000 /* up for so long: the next outage is another one */
};

struct cache {
    struct loop *loop;
    struct cache_options options;
    struct resolver resolver;
    char address[RESOLVE_ADDRESS_BYTES]; /* of this attempt */
    bool was_ready;                      /* on this connection, at ready_ms */
    uint64_t ready_ms;
    redisAsyncContext *redis; /* NULL when down */
    enum cache_state state;
    uint64_t epoch;      /* the generation that Redis told last, while ready */
    uint64_t generation; /* of the cleaning under way */
    struct loop_watch watch;
    struct loop_timer timer; /* backoff, connect timeout or progress check, by state */
    struct backoff backoff;  /* reset by a write that was made, or after CACHE_STABLE_MS */
    size_t pending;          /* commands without a reply */
    uint64_t progress_ms;    /* last reply, or when the first pending command was sent */
    bool closing;
    bool outage_logged;
    char shas[CACHE_SCRIPTS][CACHE_SHA_BYTES];
    size_t prefix; /* being cleaned */
    /* Scratch for building one command. */
    const char *argv[CACHE_KEYS_MAX * 5 + 5];
    size_t lengths[CACHE_KEYS_MAX * 5 + 5];
    int argc;
    char version_keys[CACHE_KEYS_MAX][CACHE_VERSION_KEY_BYTES];
    char numbers[CACHE_KEYS_MAX * 2 + 2][CACHE_NUMBER_BYTES];
    size_t number_count;
    struct cache_value values[CACHE_KEYS_MAX];
};

extern const char *const CACHE_SCRIPT_TEXTS[CACHE_SCRIPTS];
extern const char CACHE_GENERATION_KEY[];

/* cache_conn.c */
void cache_conn_start(struct cache *cache);
/* The one way down: give up the connection; pending commands get a NULL reply; come back later. */
void cache_conn_drop(struct cache *cache, const char *reason);
/* Send cache->argv; false when it could not be queued. */
bool cache_conn_send(struct cache *cache, redisCallbackFn *fn, void *privdata);
/*
 * Every reply callback begins with this: counts it; false when `reply` is none or an error (the
 * connection then goes).
 */
bool cache_conn_accept(struct cache *cache, redisAsyncContext *redis, const redisReply *reply);

#endif
