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

enum { ALIGNMENT = 16, CHUNK_BYTES = 4096 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity;
    alignas(ALIGNMENT) char bytes[];
};

#define CHUNK_BYTES_MAX                                                                            \
    ((size_t)PTRDIFF_MAX - sizeof(struct arena_chunk)) /* malloc()'s own limit */

struct arena_cleanup {
    struct arena_cleanup *older;
    arena_cleanup_fn *fn;
    void *object;
};

void arena_init(struct arena *arena, size_t bytes_max) {
    *arena = (struct arena){ .bytes_max = bytes_max };
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
    ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
    free(chunk);
}

void arena_reset(struct arena *arena) {
    run_cleanups(arena);
    while (arena->chunks != NULL &&
           (arena->chunks->older != NULL || arena->chunks->capacity > ARENA_KEEP_BYTES_MAX)) {
        free_newest_chunk(arena);
    }
    arena->used_bytes = 0;
    if (arena->chunks != NULL) {
        ASAN_POISON_MEMORY_REGION(arena->chunks->bytes, arena->chunks->capacity);
    }
}

void arena_done(struct arena *arena) {
    run_cleanups(arena);
    while (arena->chunks != NULL) {
        free_newest_chunk(arena);
    }
    arena->used_bytes = 0;
}

/* A chunk for at least `bytes` more: as large as everything before it, as far as the cap allows. */
static bool add_chunk(struct arena *arena, size_t bytes) {
    size_t room = arena->bytes_max - arena->total_bytes;
    room = room < CHUNK_BYTES_MAX ? room : CHUNK_BYTES_MAX;
    if (bytes > room) {
        return false;
    }
    size_t capacity = arena->total_bytes > CHUNK_BYTES ? arena->total_bytes : CHUNK_BYTES;
    capacity = capacity < room ? capacity : room;
    capacity = capacity > bytes ? capacity : bytes;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);
    if (chunk == NULL) {
        return false;
    }
    ASAN_POISON_MEMORY_REGION(chunk->bytes, capacity);
    chunk->capacity = capacity;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->total_bytes += capacity;
    arena->used_bytes = 0;
    return true;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    size_t left = arena->chunks == NULL ? 0 : arena->chunks->capacity - arena->used_bytes;
    if (left < bytes || left == 0) {
        if (!add_chunk(arena, bytes == 0 ? 1 : bytes)) {
            return NULL;
        }
        left = arena->chunks->capacity;
    }
    char *out = arena->chunks->bytes + arena->used_bytes;
    size_t padded = bytes == 0 ? ALIGNMENT : bytes + (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT;
    arena->used_bytes += padded < left ? padded : left; /* the end of a chunk needs no padding */
    ASAN_UNPOISON_MEMORY_REGION(out, bytes);
    return out;
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
