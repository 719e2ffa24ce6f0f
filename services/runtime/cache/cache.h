/*
 * Redis as a cache for the loop: one pipelined hiredis connection, deadlines, reconnect with
 * jittered backoff. Redis being down costs speed, never an answer: every operation then fails at
 * once.
 *
 * No stale value, ever. Three rules see to that:
 *  - A value with a version is written only over an older one (cache_put_newer): writers and those
 *    who fill after a miss use the same script, so a slow filler cannot undo a writer. Who only
 *    hears of versions, perhaps long after them, never fills (cache_refresh): Redis may have
 *    forgotten the value, and its version too.
 *  - A value without a version of its own (a list) is dropped and its counter raised by every
 *    writer (cache_invalidate); a filler's write counts only if the counter is still the one it
 *    read before it asked the database (cache_put_unchanged).
 *  - Writes that failed while Redis was away, or while we were, are unknown: so after every connect
 *    all values under our prefixes are dropped before the first read, and a fill that began before
 *    that, in this or another process, is not made: each cleaning begins a new generation
 *    ("version:generation"), which fills name (`epoch`) and the scripts check.
 *
 * The version of `key` lives in "version:<key>" and outlives the value; what somebody else wrote
 * there and is no positive integer counts as none.
 *
 * Callbacks may run inside the call (when Redis is down). Loop thread only.
 */
#ifndef RUNTIME_CACHE_CACHE_H
#define RUNTIME_CACHE_CACHE_H

#include "base/err.h"
#include "base/str.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

enum { CACHE_KEY_BYTES_MAX = 96, CACHE_KEYS_MAX = 512 };
#define CACHE_EPOCH_ANY UINT64_MAX /* of a put that is right at any time: a committed version */

struct cache_options {
    const char *host; /* name or address */
    uint16_t port;
    uint32_t deadline_ms; /* the oldest unanswered command; over it the connection is given up */
    uint32_t connect_timeout_ms;
    uint32_t backoff_base_ms, backoff_cap_ms;
    const char *const *prefixes; /* NULL-terminated: "product:", dropped after each connect */
};

/*
 * One value read: .bytes NULL when the key does not exist. `version` is the counter's or the
 * value's, 0 when there is none.
 */
struct cache_value {
    struct str value;
    int64_t version;
};

struct cache_put {
    const char *key;
    struct str value;
    int64_t version;
    uint32_t ttl_s;
};

/*
 * `values` (valid during the callback) has one entry per key when err is ERR_OK, else it is NULL.
 */
typedef void cache_get_fn(void *ctx, enum err err, const struct cache_value *values);
typedef void cache_done_fn(void *ctx, enum err err);

/*
 * ERR_NO_MEMORY. A host whose name does not resolve, or Redis not being there, is no error: it is
 * tried again, one address of the name after the other (resolver.h).
 */
MUST_CHECK enum err cache_open(struct loop *loop, const struct cache_options *options,
                               struct cache **ret_cache);
/* Pending operations end with ERR_UNAVAILABLE. Accepts NULL. */
void cache_close(struct cache *cache);
bool cache_is_ready(const struct cache *cache);
/*
 * Take it before asking the database for what will be put. It changes whenever the cache becomes
 * ready, and when a cache_get() hears that another process has cleaned.
 */
uint64_t cache_epoch(const struct cache *cache);

/* Writes that could not be made, or whose outcome is not known, since it was opened. */
uint64_t cache_missed(const struct cache *cache);

/*
 * A write that could not be made: give up the connection, so that the next one drops what may be
 * stale.
 */
void cache_reset(struct cache *cache, const char *reason);

/* Values and versions of `count` keys (at most CACHE_KEYS_MAX), read atomically. */
void cache_get(struct cache *cache, const char *const *keys, size_t count, cache_get_fn *fn,
               void *ctx);
/*
 * Forget all values under our prefixes from the one at `first` on, as after a connect: what was put
 * before this call is not read after it. For who may have missed news of them.
 */
void cache_forget(struct cache *cache, size_t first);

/* Set each value unless a higher version is known. Writers say CACHE_EPOCH_ANY. fn may be NULL. */
void cache_put_newer(struct cache *cache, uint64_t epoch, const struct cache_put *puts,
                     size_t count, cache_done_fn *fn, void *ctx);
/*
 * News, however late: set each value that is there and known to be older. One that is there without
 * a version goes; one that is not there stays away, and whoever is about to fill it with an older
 * version does not. fn may be NULL.
 */
void cache_refresh(struct cache *cache, const struct cache_put *puts, size_t count,
                   cache_done_fn *fn, void *ctx);
/* Set the value if the counter is still put->version (as cache_get gave it). fn may be NULL. */
void cache_put_unchanged(struct cache *cache, uint64_t epoch, const struct cache_put *put,
                         cache_done_fn *fn, void *ctx);
/*
 * Drop the values and raise the counters. Commands of one connection run in order: a later
 * cache_get sees it. fn may be NULL.
 */
void cache_invalidate(struct cache *cache, const char *const *keys, size_t count, cache_done_fn *fn,
                      void *ctx);

#endif
