/*
 * A bump allocator: many small pieces that die together.
 *
 * The arena takes chunks from a grab function of its user (nginx: the request's pool, tools and
 * tests: malloc through oa_arena_open()). There is no free for one piece. Not thread-safe.
 */
#ifndef OPENAPI_ARENA_H
#define OPENAPI_ARENA_H

#include <stddef.h>

/*
 * Returns memory aligned for any type, which lives at least as long as the arena is used, or NULL.
 */
typedef void *(*oa_grab_fn)(void *owner, size_t bytes);

struct oa_arena {
    oa_grab_fn grab;
    void *owner;
    char *pos;
    char *end;
    size_t bytes;     /* taken from grab so far */
    size_t bytes_max; /* oa_alloc() answers NULL rather than go beyond */
    size_t chunk_bytes;
};

/* Use `grab`; nothing is allocated yet. The memory belongs to `owner`. */
void oa_arena_init(struct oa_arena *arena, oa_grab_fn grab, void *owner, size_t bytes_max);

/* An arena on malloc, allocated in itself; NULL when there is no memory. */
struct oa_arena *oa_arena_open(size_t bytes_max);

/* Free an arena of oa_arena_open() and all its pieces; NULL is allowed. */
void oa_arena_close(struct oa_arena *arena);

enum {
    OA_ARENA_CHUNK_BYTES = 4096,
    OA_SCRATCH_CHUNK_BYTES = 64 * 1024,
    OA_SCRATCH_KEPT_MAX = 16 /* chunks that a thread keeps: up to 1 MiB */
};

/*
 * An arena that takes its first pieces from memory of the caller, usually on the stack, and only
 * what does not fit there from malloc: small work allocates nothing. What larger work took is kept
 * by the thread for the next time, for giving memory back to the system and asking for it again
 * would take longer than the work.
 */
struct oa_scratch {
    struct oa_arena arena;
    struct oa_chunk *chunks;
};

/* `memory` is aligned to 8; it may be used until oa_scratch_done(). */
void oa_scratch_init(struct oa_scratch *scratch, void *memory, size_t bytes, size_t bytes_max);

/* Keep or free what came from malloc. */
void oa_scratch_done(struct oa_scratch *scratch);

/* `bytes` of memory, aligned to 8, not cleared. NULL: no memory, or over the limit. */
void *oa_alloc(struct oa_arena *arena, size_t bytes);

/* The same for `count` elements of `size`, cleared; NULL also when the product overflows. */
void *oa_calloc(struct oa_arena *arena, size_t count, size_t size);

#endif
