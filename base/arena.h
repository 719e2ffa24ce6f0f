/*
 * Arena: many pieces of memory that die together, such as those of one request.
 *
 * Allocation bumps a pointer in a chunk; what the chunks take is capped. Chunks come from malloc()
 * or from a grab function of the user (nginx: the request's pool). There is no free for one piece.
 * Cleanups free foreign objects (PGresult, json_object), newest first, when the arena is reset or
 * done. Not thread-safe.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;
struct arena_cleanup;

/* Memory aligned to 8 that lives at least as long as the arena is used, or NULL. */
typedef void *arena_grab_fn(void *owner, size_t bytes);
typedef void arena_cleanup_fn(void *object);

struct arena {
    char *pos; /* what is left of the current chunk */
    char *end;
    struct arena_chunk *chunks;     /* from malloc, newest first */
    struct arena_cleanup *cleanups; /* newest first */
    arena_grab_fn *grab;            /* NULL: malloc */
    void *owner;                    /* for grab */
    size_t total_bytes;             /* taken so far, without the chunks' headers */
    size_t bytes_max;
    size_t chunk_bytes; /* the least that is taken for small pieces */
    bool scratch;       /* the thread keeps what is given back */
};

enum {
    ARENA_CHUNK_BYTES_MIN = 4096,
    ARENA_CHUNK_BYTES_MAX = 64 * 1024, /* for small pieces: a large one has its own chunk */
    ARENA_KEEP_BYTES_MAX = 64 * 1024,
    ARENA_SCRATCH_KEPT_MAX = 16 /* chunks that a thread keeps: up to 1 MiB */
};

/* On malloc, no allocation yet. `bytes_max`, rounded down to 8, caps the sum of all chunks. */
void arena_init(struct arena *arena, size_t bytes_max);

/* The chunks come from `grab` and belong to `owner`: neither reset nor done gives them back. */
void arena_init_from(struct arena *arena, arena_grab_fn *grab, void *owner, size_t bytes_max);

/*
 * The first pieces come from `memory` of the caller (aligned to 8, usually on the stack), and only
 * what does not fit there from malloc: small work allocates nothing. What larger work took is kept
 * by the thread for the next time, for giving memory back to the system and asking for it again
 * would take longer than the work.
 */
void arena_init_scratch(struct arena *arena, void *memory, size_t bytes, size_t bytes_max);

/* Start, after arena_init…(), with `memory` of the caller's, which the cap does not count. */
void arena_start_in(struct arena *arena, void *memory, size_t bytes);

/* An arena on malloc, itself on malloc; NULL without memory. Close: NULL is allowed. */
struct arena *arena_open(size_t bytes_max);
void arena_close(struct arena *arena);

/*
 * Run the cleanups and free all chunks but the first, which is kept for the next use unless it is
 * larger than ARENA_KEEP_BYTES_MAX. A cleanup may read what the arena holds, never allocate from
 * it.
 */
void arena_reset(struct arena *arena);

/* Like arena_reset(), and free the first chunk too. */
void arena_done(struct arena *arena);

/* `bytes` aligned to 8, not zeroed; NULL over the cap or when there is no memory. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_zalloc(struct arena *arena, size_t bytes);
void *arena_array(struct arena *arena, size_t count,
                  size_t item_bytes); /* overflow-checked, zeroed */
char *arena_copy(struct arena *arena, const char *bytes, size_t length); /* NUL-terminated copy */

/* Call fn(object) when the arena is reset. ERR_NO_MEMORY: `fn` was called at once. */
MUST_CHECK enum err arena_defer(struct arena *arena, arena_cleanup_fn *fn, void *object);

#endif
