/* base/arena: alignment, the cap at its edge, cleanups, what a reset keeps. */
#include "base/arena.h"

#include "unit.h"

#include <string.h>

static char called[8]; /* the names of the cleanups that ran, in order */
static size_t called_count;

static void note_call(void *object) {
    called[called_count++] = *(const char *)object;
}

START_TEST(every_allocation_is_aligned_and_separate) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *items[200];
    for (size_t i = 0; i < UNIT_COUNT(items); i++) {
        items[i] = arena_alloc(&arena, i);
        ck_assert_ptr_nonnull(items[i]);
        ck_assert_uint_eq((uintptr_t)items[i] % 8, 0);
        memset(items[i], (int)i, i);
    }
    size_t mismatches = 0;
    for (size_t i = 0; i < UNIT_COUNT(items); i++) {
        for (size_t byte = 0; byte < i; byte++) {
            mismatches += items[i][byte] != (unsigned char)i;
        }
    }
    ck_assert_uint_eq(mismatches, 0);
    arena_done(&arena);
}
END_TEST

START_TEST(cap_is_exact) {
    const size_t caps[] = { 8, 16, 104, 4096, 5000, 100000 };
    for (size_t i = 0; i < UNIT_COUNT(caps); i++) {
        struct arena arena;
        arena_init(&arena, caps[i]);
        ck_assert_ptr_null(arena_alloc(&arena, caps[i] + 1));
        ck_assert_ptr_nonnull(arena_alloc(&arena, caps[i]));
        ck_assert_ptr_null(arena_alloc(&arena, 1));
        ck_assert_uint_eq(arena.total_bytes, caps[i]);
        arena_done(&arena);
        ck_assert_uint_eq(arena.total_bytes, 0);
    }
}
END_TEST

START_TEST(cap_is_rounded_down_to_the_alignment) {
    struct arena arena;
    arena_init(&arena, 7);
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_init(&arena, 103);
    ck_assert_ptr_null(arena_alloc(&arena, 97));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 96));
    arena_done(&arena);
}
END_TEST

START_TEST(cap_counts_all_chunks) {
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    size_t count = 0;
    while (arena_alloc(&arena, 1024) != NULL) {
        count++;
        ck_assert_uint_le(count, 64);
    }
    ck_assert_uint_eq(count, 64); /* nothing is lost between chunks of this size */
    arena_reset(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1024));
    arena_done(&arena);
}
END_TEST

START_TEST(a_cap_of_nothing_gives_nothing) {
    struct arena arena;
    arena_init(&arena, 0);
    ck_assert_ptr_null(arena_alloc(&arena, 0));
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_done(&arena);
}
END_TEST

START_TEST(sizes_that_overflow_fail) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 15));
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
    arena_done(&arena);
}
END_TEST

START_TEST(zalloc_and_array_are_zeroed_after_reuse) {
    static const char ZEROS[500];
    struct arena arena;
    arena_init(&arena, 4096);
    memset(arena_alloc(&arena, 1000), 0xff, 1000);
    arena_reset(&arena);
    ck_assert_mem_eq(arena_zalloc(&arena, 500), ZEROS, 500);
    ck_assert_mem_eq(arena_array(&arena, 50, 10), ZEROS, 500);
    arena_done(&arena);
}
END_TEST

START_TEST(copy_ends_with_nul) {
    struct arena arena;
    arena_init(&arena, 4096);
    ck_assert_mem_eq(arena_copy(&arena, "a\0bc", 3), "a\0b", 4);
    ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
    arena_done(&arena);
}
END_TEST

START_TEST(cleanups_run_once_newest_first) {
    struct arena arena;
    arena_init(&arena, 4096);
    ck_assert_int_eq(arena_defer(&arena, note_call, "a"), ERR_OK);
    ck_assert_int_eq(arena_defer(&arena, note_call, "b"), ERR_OK);
    ck_assert_uint_eq(called_count, 0);
    arena_reset(&arena);
    ck_assert_mem_eq(called, "ba", 2);
    ck_assert_int_eq(arena_defer(&arena, note_call, "c"), ERR_OK);
    arena_done(&arena);
    arena_done(&arena);
    ck_assert_uint_eq(called_count, 3);
    ck_assert_mem_eq(called, "bac", 3);
}
END_TEST

START_TEST(defer_without_memory_calls_at_once) {
    struct arena arena;
    arena_init(&arena, 8);
    ck_assert_int_eq(arena_defer(&arena, note_call, "x"), ERR_NO_MEMORY);
    ck_assert_uint_eq(called_count, 1);
    arena_done(&arena);
    ck_assert_uint_eq(called_count, 1);
}
END_TEST

START_TEST(reset_keeps_one_chunk_unless_it_is_large) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    void *first = arena_alloc(&arena, 16);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100000));
    arena_reset(&arena);
    ck_assert_uint_le(arena.total_bytes, ARENA_KEEP_BYTES_MAX);
    ck_assert_ptr_eq(arena_alloc(&arena, 16), first); /* no malloc for the next request */
    arena_done(&arena);

    arena_init(&arena, 1 << 20);
    ck_assert_ptr_nonnull(arena_alloc(&arena, ARENA_KEEP_BYTES_MAX));
    arena_reset(&arena);
    ck_assert_uint_eq(arena.total_bytes, ARENA_KEEP_BYTES_MAX);
    arena_done(&arena);

    arena_init(&arena, 1 << 20);
    ck_assert_ptr_nonnull(arena_alloc(&arena, ARENA_KEEP_BYTES_MAX + 1));
    arena_reset(&arena);
    ck_assert_uint_eq(arena.total_bytes, 0);
    arena_done(&arena);
}
END_TEST

/* What fits into the caller's memory takes nothing else; what does not goes on with malloc. */
START_TEST(scratch_memory_comes_first) {
    _Alignas(8) char memory[256];
    struct arena scratch;
    arena_init_scratch(&scratch, memory, sizeof(memory), 8192);
    char *piece = arena_alloc(&scratch, 200);
    ck_assert_ptr_eq(piece, memory);
    ck_assert_uint_eq(scratch.total_bytes, 0);
    piece = arena_alloc(&scratch, 100);
    ck_assert_ptr_nonnull(piece);
    ck_assert(piece < memory || piece >= memory + sizeof(memory));
    memset(piece, 1, 100);
    ck_assert_ptr_null(arena_alloc(&scratch, 8192));
    arena_done(&scratch);
}
END_TEST

/* Up to ARENA_SCRATCH_KEPT_MAX chunks are there again; more were freed. */
START_TEST(scratch_memory_is_kept) {
    struct arena scratch;
    char *first[ARENA_SCRATCH_KEPT_MAX + 4];
    unsigned same = 0;
    arena_init_scratch(&scratch, NULL, 0, 64 * 1024 * 1024);
    for (size_t i = 0; i < ARENA_SCRATCH_KEPT_MAX + 4; i++) {
        first[i] = arena_alloc(&scratch, ARENA_CHUNK_BYTES_MAX);
    }
    arena_done(&scratch);
    arena_init_scratch(&scratch, NULL, 0, 64 * 1024 * 1024);
    for (size_t i = 0; i < ARENA_SCRATCH_KEPT_MAX; i++) {
        char *again = arena_alloc(&scratch, ARENA_CHUNK_BYTES_MAX);
        for (size_t k = 0; k < ARENA_SCRATCH_KEPT_MAX + 4; k++) {
            same += again == first[k];
        }
        memset(again, 1, ARENA_CHUNK_BYTES_MAX);
    }
    arena_done(&scratch);
    ck_assert_uint_eq(same, ARENA_SCRATCH_KEPT_MAX);
}
END_TEST

static char owned[3 * ARENA_CHUNK_BYTES_MIN];

static void *grab_owned(void *owner, size_t bytes) {
    size_t *used = owner;
    if (bytes > sizeof(owned) - *used) {
        return NULL;
    }
    *used += bytes;
    return owned + *used - bytes;
}

START_TEST(chunks_come_from_the_owner) {
    size_t used = 0;
    struct arena arena;
    arena_init_from(&arena, grab_owned, &used, SIZE_MAX);
    char *small = arena_alloc(&arena, 100);
    ck_assert_ptr_eq(small, owned);
    ck_assert_uint_eq(used, ARENA_CHUNK_BYTES_MIN);
    char *large = arena_alloc(&arena, ARENA_CHUNK_BYTES_MIN);
    ck_assert_ptr_eq(large, owned + ARENA_CHUNK_BYTES_MIN);
    ck_assert_ptr_eq(arena_alloc(&arena, 1), small + 104); /* the first chunk is gone on with */
    ck_assert_ptr_null(arena_alloc(&arena, 2 * ARENA_CHUNK_BYTES_MIN));
    ck_assert_int_eq(arena_defer(&arena, note_call, "o"), ERR_OK);
    arena_done(&arena);
    ck_assert_mem_eq(called, "o", 1);
}
END_TEST

START_TEST(memory_of_the_caller_is_not_counted) {
    size_t used = 0;
    _Alignas(8) char first[256];
    struct arena arena;
    arena_init_from(&arena, grab_owned, &used, ARENA_CHUNK_BYTES_MIN);
    arena_start_in(&arena, first, sizeof(first));
    ck_assert_ptr_eq(arena_alloc(&arena, sizeof(first)), first);
    ck_assert_uint_eq(used, 0);
    ck_assert_ptr_eq(arena_alloc(&arena, ARENA_CHUNK_BYTES_MIN), owned);
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_done(&arena);
}
END_TEST

START_TEST(open_and_close_come_in_pairs) {
    struct arena *arena = arena_open(64);
    ck_assert_ptr_nonnull(arena_alloc(arena, 64));
    ck_assert_ptr_null(arena_alloc(arena, 1));
    arena_close(arena);
    arena_close(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, every_allocation_is_aligned_and_separate);
    tcase_add_test(tests, cap_is_exact);
    tcase_add_test(tests, cap_is_rounded_down_to_the_alignment);
    tcase_add_test(tests, cap_counts_all_chunks);
    tcase_add_test(tests, a_cap_of_nothing_gives_nothing);
    tcase_add_test(tests, sizes_that_overflow_fail);
    tcase_add_test(tests, zalloc_and_array_are_zeroed_after_reuse);
    tcase_add_test(tests, copy_ends_with_nul);
    tcase_add_test(tests, cleanups_run_once_newest_first);
    tcase_add_test(tests, defer_without_memory_calls_at_once);
    tcase_add_test(tests, reset_keeps_one_chunk_unless_it_is_large);
    tcase_add_test(tests, scratch_memory_comes_first);
    tcase_add_test(tests, scratch_memory_is_kept);
    tcase_add_test(tests, open_and_close_come_in_pairs);
    tcase_add_test(tests, chunks_come_from_the_owner);
    tcase_add_test(tests, memory_of_the_caller_is_not_counted);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
