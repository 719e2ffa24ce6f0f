#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN_BYTES = 8 };

/* A chunk of an arena on malloc; the pieces follow. */
struct oa_chunk {
    struct oa_chunk *next;
    size_t bytes;
    max_align_t data[];
};

struct heap_arena {
    struct oa_arena arena; /* first: the public pointer is the allocated one */
    struct oa_chunk *chunks;
};

void oa_arena_init(struct oa_arena *arena, oa_grab_fn grab, void *owner, size_t bytes_max) {
    *arena = (struct oa_arena){
        .grab = grab, .owner = owner, .bytes_max = bytes_max, .chunk_bytes = OA_ARENA_CHUNK_BYTES
    };
}

static void *heap_grab(void *owner, size_t bytes) {
    struct oa_chunk **chunks = owner;
    struct oa_chunk *chunk;

    if (bytes > SIZE_MAX - sizeof(*chunk)) {
        return NULL;
    }
    chunk = malloc(sizeof(*chunk) + bytes);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->bytes = bytes;
    chunk->next = *chunks;
    *chunks = chunk;
    return chunk->data;
}

static void free_chunks(struct oa_chunk *chunk) {
    while (chunk != NULL) {
        struct oa_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
}

struct oa_arena *oa_arena_open(size_t bytes_max) {
    struct heap_arena *heap = calloc(1, sizeof(*heap));

    if (heap == NULL) {
        return NULL;
    }
    oa_arena_init(&heap->arena, heap_grab, &heap->chunks, bytes_max);
    return &heap->arena;
}

void oa_arena_close(struct oa_arena *arena) {
    struct heap_arena *heap = (struct heap_arena *)arena;

    if (heap == NULL) {
        return;
    }
    free_chunks(heap->chunks);
    free(heap);
}

/* Chunks of OA_SCRATCH_CHUNK_BYTES that nobody uses. */
static _Thread_local struct oa_chunk *kept;
static _Thread_local unsigned kept_count;

static void *scratch_grab(void *owner, size_t bytes) {
    struct oa_chunk **chunks = owner;
    struct oa_chunk *chunk = kept;

    if (bytes != OA_SCRATCH_CHUNK_BYTES || chunk == NULL) {
        return heap_grab(owner, bytes);
    }
    kept = chunk->next;
    kept_count--;
    chunk->next = *chunks;
    *chunks = chunk;
    return chunk->data;
}

void oa_scratch_init(struct oa_scratch *scratch, void *memory, size_t bytes, size_t bytes_max) {
    scratch->chunks = NULL;
    oa_arena_init(&scratch->arena, scratch_grab, &scratch->chunks, bytes_max);
    if (bytes_max >= OA_SCRATCH_CHUNK_BYTES) {
        scratch->arena.chunk_bytes = OA_SCRATCH_CHUNK_BYTES;
    }
    scratch->arena.pos = memory;
    scratch->arena.end = scratch->arena.pos + bytes;
}

void oa_scratch_done(struct oa_scratch *scratch) {
    while (scratch->chunks != NULL) {
        struct oa_chunk *chunk = scratch->chunks;

        scratch->chunks = chunk->next;
        if (chunk->bytes == OA_SCRATCH_CHUNK_BYTES && kept_count < OA_SCRATCH_KEPT_MAX) {
            chunk->next = kept;
            kept = chunk;
            kept_count++;
        } else {
            free(chunk);
        }
    }
}

/* A piece of a quarter of a chunk or more gets its own memory, so that little is wasted. */
static void *grab_more(struct oa_arena *arena, size_t bytes) {
    size_t want = bytes >= arena->chunk_bytes / 4 ? bytes : arena->chunk_bytes;
    char *memory;

    if (want > arena->bytes_max - arena->bytes) {
        return NULL;
    }
    memory = arena->grab(arena->owner, want);
    if (memory == NULL) {
        return NULL;
    }
    arena->bytes += want;
    if (want == arena->chunk_bytes) {
        arena->pos = memory + bytes;
        arena->end = memory + want;
    }
    return memory;
}

void *oa_alloc(struct oa_arena *arena, size_t bytes) {
    char *piece = arena->pos;

    if (bytes > SIZE_MAX - ALIGN_BYTES) {
        return NULL;
    }
    bytes = (bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    if (bytes > (size_t)(arena->end - piece)) {
        return grab_more(arena, bytes);
    }
    arena->pos += bytes;
    return piece;
}

void *oa_calloc(struct oa_arena *arena, size_t count, size_t size) {
    void *piece;

    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    piece = oa_alloc(arena, count * size);
    if (piece != NULL) {
        memset(piece, 0, count * size);
    }
    return piece;
}
