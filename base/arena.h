/*
 * Arena: memory of one request, given back all at once.
 *
 * Allocation bumps a pointer in a chain of chunks; the total is capped. Cleanups free foreign
 * objects (PGresult, json_object) in reverse order when the arena is reset. Not thread-safe.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;
struct arena_cleanup;

struct arena {
    struct arena_chunk *chunks;     /* newest first */
    struct arena_cleanup *cleanups; /* newest first */
    size_t used_bytes;              /* of the newest chunk */
    size_t total_bytes;             /* of all chunks, without malloc's and their own headers */
    size_t bytes_max;
};

enum { ARENA_KEEP_BYTES_MAX = 64 * 1024 };

typedef void arena_cleanup_fn(void *object);

/* No allocation yet. `bytes_max` caps the sum of all chunks. */
void arena_init(struct arena *arena, size_t bytes_max);

/*
 * Run the cleanups and free all chunks but the first, which is kept for the next use unless it is
 * larger than ARENA_KEEP_BYTES_MAX. A cleanup may read what the arena holds, never allocate from
 * it.
 */
void arena_reset(struct arena *arena);

/* Like arena_reset(), and free the first chunk too. */
void arena_done(struct arena *arena);

/* `bytes` aligned to 16, not zeroed; NULL over the cap or when malloc fails. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_zalloc(struct arena *arena, size_t bytes);
void *arena_array(struct arena *arena, size_t count,
                  size_t item_bytes); /* overflow-checked, zeroed */
char *arena_copy(struct arena *arena, const char *bytes, size_t length); /* NUL-terminated copy */

/* Call fn(object) when the arena is reset. ERR_NO_MEMORY: `fn` was called at once. */
MUST_CHECK enum err arena_defer(struct arena *arena, arena_cleanup_fn *fn, void *object);

#endif
