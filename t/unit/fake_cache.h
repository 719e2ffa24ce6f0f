/*
 * runtime/cache/cache.h faked at link time: a small table with the rules of the real one.
 * Operations wait until the test lets them run (fake_cache_run); a cache that is down answers
 * inside the call.
 */
#ifndef FAKE_CACHE_H
#define FAKE_CACHE_H

#include "runtime/cache/cache.h"

enum { FAKE_CACHE_ENTRIES_MAX = 64, FAKE_CACHE_OPS_MAX = 32, FAKE_CACHE_KEYS_MAX = 8 };

struct fake_entry {
    char key[CACHE_KEY_BYTES_MAX + 1];
    char *value; /* NULL: none */
    int64_t version;
};

enum fake_cache_kind {
    FAKE_GET,
    FAKE_PUT_NEWER,
    FAKE_REFRESH,
    FAKE_PUT_UNCHANGED,
    FAKE_INVALIDATE
};

struct fake_cache_op {
    enum fake_cache_kind kind;
    size_t count;
    char keys[FAKE_CACHE_KEYS_MAX][CACHE_KEY_BYTES_MAX + 1];
    char *values[FAKE_CACHE_KEYS_MAX];
    int64_t versions[FAKE_CACHE_KEYS_MAX];
    uint32_t ttl_s;
    cache_get_fn *get_fn;
    cache_done_fn *done_fn;
    void *ctx;
};

struct cache {
    bool up;
    uint64_t missed;    /* as the test says */
    unsigned forgotten; /* so often */
    uint64_t epoch;
    size_t resets;
    struct fake_entry entries[FAKE_CACHE_ENTRIES_MAX];
    size_t entry_count;
    struct fake_cache_op ops[FAKE_CACHE_OPS_MAX];
    size_t op_count;
};

extern struct cache fake_cache;

/* Up, and empty. */
void fake_cache_reset(void);
/* Run everything that waits, also what that adds. */
void fake_cache_run(void);
/* The connection is lost: what waits fails, and nothing more is taken. */
void fake_cache_lose(void);
/* It is back, emptied, under a new epoch. */
void fake_cache_reconnect(void);

/* As if written by somebody else. `value` NULL: only the version is known. */
void fake_cache_set(const char *key, const char *value, int64_t version);
const char *fake_cache_value(const char *key); /* NULL: none */
int64_t fake_cache_version(const char *key);   /* 0: none */

#endif
