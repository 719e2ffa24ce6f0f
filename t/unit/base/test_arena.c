/* services/common/arena: alignment, the cap at its edge, cleanups, what a reset keeps. */
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
        ck_assert_uint_eq((uintptr_t)items[i] % 16, 0);
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
    const size_t caps[] = { 1, 16, 100, 4096, 5000, 100000 };
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

int main(void) {
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, every_allocation_is_aligned_and_separate);
    tcase_add_test(tests, cap_is_exact);
    tcase_add_test(tests, cap_counts_all_chunks);
    tcase_add_test(tests, a_cap_of_nothing_gives_nothing);
    tcase_add_test(tests, sizes_that_overflow_fail);
    tcase_add_test(tests, zalloc_and_array_are_zeroed_after_reuse);
    tcase_add_test(tests, copy_ends_with_nul);
    tcase_add_test(tests, cleanups_run_once_newest_first);
    tcase_add_test(tests, defer_without_memory_calls_at_once);
    tcase_add_test(tests, reset_keeps_one_chunk_unless_it_is_large);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
