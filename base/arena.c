/* The arena: chunks, pieces of them, cleanups. */
#include "arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON /* bytes not handed out are as forbidden as those of a freed malloc() */
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(bytes, length) ((void)(bytes), (void)(length))
#define ASAN_UNPOISON_MEMORY_REGION(bytes, length) ((void)(bytes), (void)(length))
#endif

enum { ALIGNMENT = 8 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity;
    alignas(ALIGNMENT) char bytes[];
};

struct arena_cleanup {
    struct arena_cleanup *older;
    arena_cleanup_fn *fn;
    void *object;
};

/* Chunks of ARENA_CHUNK_BYTES_MAX that no scratch arena of this thread uses. */
static _Thread_local struct arena_chunk *kept;
static _Thread_local unsigned kept_count;

void arena_init_from(struct arena *arena, arena_grab_fn *grab, void *owner, size_t bytes_max) {
    *arena = (struct arena){ .grab = grab,
                             .owner = owner,
                             .bytes_max = bytes_max - bytes_max % ALIGNMENT,
                             .chunk_bytes = ARENA_CHUNK_BYTES_MIN };
}

void arena_init(struct arena *arena, size_t bytes_max) {
    arena_init_from(arena, NULL, NULL, bytes_max);
}

void arena_start_in(struct arena *arena, void *memory, size_t bytes) {
    arena->pos = memory;
    arena->end = memory == NULL ? NULL : arena->pos + bytes;
}

void arena_init_scratch(struct arena *arena, void *memory, size_t bytes, size_t bytes_max) {
    arena_init(arena, bytes_max);
    arena->chunk_bytes = ARENA_CHUNK_BYTES_MAX;
    arena->scratch = true;
    arena_start_in(arena, memory, bytes);
}

struct arena *arena_open(size_t bytes_max) {
    struct arena *arena = malloc(sizeof(*arena));
    if (arena != NULL) {
        arena_init(arena, bytes_max);
    }
    return arena;
}

void arena_close(struct arena *arena) {
    if (arena != NULL) {
        arena_done(arena);
        free(arena);
    }
}

static void run_cleanups(struct arena *arena) {
    struct arena_cleanup *cleanup;
    while ((cleanup = arena->cleanups) != NULL) {
        arena->cleanups = cleanup->older;
        cleanup->fn(cleanup->object);
    }
}

static void free_newest_chunk(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    arena->chunks = chunk->older;
    arena->total_bytes -= chunk->capacity;
    if (arena->scratch && chunk->capacity == ARENA_CHUNK_BYTES_MAX &&
        kept_count < ARENA_SCRATCH_KEPT_MAX) {
        ASAN_POISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
        chunk->older = kept;
        kept = chunk;
        kept_count++;
        return;
    }
    ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
    free(chunk);
}

void arena_reset(struct arena *arena) {
    run_cleanups(arena);
    while (arena->chunks != NULL &&
           (arena->chunks->older != NULL || arena->chunks->capacity > ARENA_KEEP_BYTES_MAX)) {
        free_newest_chunk(arena);
    }
    if (arena->chunks == NULL) {
        arena_start_in(arena, NULL, 0);
    } else {
        arena_start_in(arena, arena->chunks->bytes, arena->chunks->capacity);
        ASAN_POISON_MEMORY_REGION(arena->chunks->bytes, arena->chunks->capacity);
    }
}

void arena_done(struct arena *arena) {
    run_cleanups(arena);
    while (arena->chunks != NULL) {
        free_newest_chunk(arena);
    }
    arena_start_in(arena, NULL, 0);
}

static struct arena_chunk *new_chunk(const struct arena *arena, size_t bytes) {
    struct arena_chunk *chunk = kept;
    if (arena->scratch && bytes == ARENA_CHUNK_BYTES_MAX && chunk != NULL) {
        kept = chunk->older;
        kept_count--;
        return chunk;
    }
    if (bytes > PTRDIFF_MAX - sizeof(*chunk)) { /* malloc()'s own limit */
        return NULL;
    }
    chunk = malloc(sizeof(*chunk) + bytes);
    if (chunk != NULL) {
        chunk->capacity = bytes;
        ASAN_POISON_MEMORY_REGION(chunk->bytes, bytes);
    }
    return chunk;
}

static char *take_memory(struct arena *arena, size_t bytes) {
    if (arena->grab != NULL) {
        return arena->grab(arena->owner, bytes);
    }
    struct arena_chunk *chunk = new_chunk(arena, bytes);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    return chunk->bytes;
}

/* As much as everything before it, so that many pieces take few chunks. */
static size_t usual_chunk_bytes(const struct arena *arena) {
    if (arena->total_bytes <= arena->chunk_bytes) {
        return arena->chunk_bytes;
    }
    return arena->total_bytes < ARENA_CHUNK_BYTES_MAX ? arena->total_bytes : ARENA_CHUNK_BYTES_MAX;
}

/*
 * A piece that the current chunk has no room for. A quarter of a chunk or more gets its own memory,
 * and the current chunk is gone on with, so that little is wasted. Not inlined: arena_alloc() stays
 * short.
 */
__attribute__((noinline)) static void *alloc_elsewhere(struct arena *arena, size_t bytes,
                                                       size_t padded) {
    size_t usual = usual_chunk_bytes(arena);
    size_t room = arena->bytes_max - arena->total_bytes;
    size_t want = arena->pos != NULL && padded >= usual / 4 ? padded : usual;
    want = want < room ? want : room;
    want = want > padded ? want : padded;
    char *memory = want > room ? NULL : take_memory(arena, want);
    if (memory == NULL) {
        return NULL;
    }
    arena->total_bytes += want;
    if (want - padded >= (size_t)(arena->end - arena->pos)) {
        arena->pos = memory + padded;
        arena->end = memory + want;
    }
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    return memory;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    char *piece = arena->pos;
    size_t padded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (padded == 0) { /* nothing has an address too; what overflows has none */
        return bytes == 0 ? arena_alloc(arena, 1) : NULL;
    }
    if (padded > (size_t)(arena->end - piece)) {
        return alloc_elsewhere(arena, bytes, padded);
    }
    arena->pos += padded;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

void *arena_zalloc(struct arena *arena, size_t bytes) {
    void *out = arena_alloc(arena, bytes);
    return out == NULL ? NULL : memset(out, 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t item_bytes) {
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes)) {
        return NULL;
    }
    return arena_zalloc(arena, bytes);
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length) {
    if (length == SIZE_MAX) {
        return NULL;
    }
    char *out = arena_alloc(arena, length + 1);
    if (out == NULL) {
        return NULL;
    }
    if (length > 0) {
        memcpy(out, bytes, length);
    }
    out[length] = '\0';
    return out;
}

enum err arena_defer(struct arena *arena, arena_cleanup_fn *fn, void *object) {
    struct arena_cleanup *cleanup = arena_alloc(arena, sizeof(*cleanup));
    if (cleanup == NULL) {
        fn(object);
        return ERR_NO_MEMORY;
    }
    *cleanup = (struct arena_cleanup){ .older = arena->cleanups, .fn = fn, .object = object };
    arena->cleanups = cleanup;
    return ERR_OK;
}
