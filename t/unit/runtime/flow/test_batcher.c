/* runtime/flow/batcher: what arrives meanwhile is the next batch. */
#include "runtime/flow/batcher.h"
#include "runtime/telemetry/metrics.h"

#include "base/clock.h"

#include "unit.h"

#include <signal.h>

enum { QUEUE_MAX = 10, BATCH_MAX = 4, BATCHES_MAX = 64 };

static struct loop *loop;
static struct batcher batcher;
static struct batch *runs[BATCHES_MAX]; /* in the order they were started */
static size_t run_count;
static bool done_at_once;

static void run(void *ctx, struct batch *batch) {
    ck_assert_ptr_eq(ctx, &batcher);
    ck_assert_uint_lt(run_count, BATCHES_MAX);
    ck_assert_ptr_null(batch->state);
    batch->state = &runs[run_count];
    runs[run_count++] = batch;
    if (done_at_once) {
        batcher_end(batch);
    }
}

static struct batcher_options options_of(size_t inflight_max) {
    return (struct batcher_options){ .item_bytes = sizeof(int),
                                     .queue_max = QUEUE_MAX,
                                     .batch_max = BATCH_MAX,
                                     .inflight_max = inflight_max,
                                     .run = run,
                                     .ctx = &batcher };
}

static void open_batcher(size_t inflight_max) {
    struct batcher_options options = options_of(inflight_max);
    ck_assert_int_eq(batcher_init(&batcher, loop, &options), ERR_OK);
}

static void setup(void) {
    run_count = 0;
    done_at_once = false;
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
}

static void teardown(void) {
    ck_assert(batcher_is_idle(&batcher));
    batcher_done(&batcher);
    batcher_done(&batcher);
    loop_destroy(loop);
}

static void add(int first, int count) {
    for (int i = 0; i < count; i++) {
        int item = first + i;
        ck_assert_int_eq(batcher_add(&batcher, &item), ERR_OK);
    }
}

static void expect_batch(size_t index, int first, size_t count) {
    ck_assert_uint_lt(index, run_count);
    ck_assert_uint_eq(runs[index]->count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(*BATCH_ITEM(runs[index], int, i), first + (int)i);
    }
}

START_TEST(an_item_goes_alone_and_at_once) {
    open_batcher(1);
    add(1, 1);
    ck_assert_uint_eq(run_count, 0); /* not inside batcher_add() */
    ck_assert(!batcher_is_idle(&batcher));
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 1);
    expect_batch(0, 1, 1);
    ck_assert(!batcher_is_idle(&batcher));
    batcher_end(runs[0]);
}
END_TEST

START_TEST(what_arrives_meanwhile_is_the_next_batch) {
    open_batcher(1);
    add(1, 1);
    loop_tick(loop, 0);
    for (int i = 0; i < 3; i++) { /* over several ticks */
        add(2 + i, 1);
        loop_tick(loop, 0);
    }
    ck_assert_uint_eq(run_count, 1);
    batcher_end(runs[0]);
    ck_assert_uint_eq(run_count, 1); /* at the end of the tick */
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 2);
    expect_batch(1, 2, 3);
    batcher_end(runs[1]);
}
END_TEST

START_TEST(the_items_of_one_tick_share_a_batch_up_to_its_limit) {
    open_batcher(1);
    add(1, 9);
    for (size_t i = 0; i < 3; i++) {
        loop_tick(loop, 0);
        ck_assert_uint_eq(run_count, i + 1);
        expect_batch(i, 1 + (int)i * BATCH_MAX, i < 2 ? BATCH_MAX : 1);
        batcher_end(runs[i]);
    }
}
END_TEST

START_TEST(so_many_batches_at_once_and_no_more) {
    open_batcher(2);
    add(1, 10);
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 2);
    expect_batch(0, 1, BATCH_MAX);
    expect_batch(1, 5, BATCH_MAX);
    batcher_end(runs[1]); /* in any order */
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 3);
    expect_batch(2, 9, 2);
    expect_batch(0, 1, BATCH_MAX); /* untouched */
    batcher_end(runs[0]);
    batcher_end(runs[2]);
}
END_TEST

START_TEST(a_full_queue_is_busy) {
    int item = 99;
    open_batcher(1);
    add(1, 1);
    loop_tick(loop, 0);
    add(2, QUEUE_MAX);
    ck_assert_int_eq(batcher_add(&batcher, &item), ERR_BUSY);
    batcher_end(runs[0]);
    loop_tick(loop, 0);
    add(12, BATCH_MAX); /* as many as left; the ring goes round */
    ck_assert_int_eq(batcher_add(&batcher, &item), ERR_BUSY);
    int next = 2;
    for (size_t i = 1; next < 16; i++) {
        int count = next + BATCH_MAX <= 16 ? BATCH_MAX : 16 - next;
        expect_batch(i, next, (size_t)count);
        next += count;
        batcher_end(runs[i]);
        loop_tick(loop, 0);
    }
}
END_TEST

START_TEST(a_batch_may_be_done_inside_its_run) {
    open_batcher(1);
    done_at_once = true;
    add(1, 9);
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 3);
    ck_assert(batcher_is_idle(&batcher));
}
END_TEST

START_TEST(the_items_are_copies) {
    int item = 1;
    open_batcher(1);
    ck_assert_int_eq(batcher_add(&batcher, &item), ERR_OK);
    item = 2;
    loop_tick(loop, 0);
    expect_batch(0, 1, 1);
    batcher_end(runs[0]);
}
END_TEST

START_TEST(the_arena_is_the_batch_s_and_limited) {
    struct batcher_options options = options_of(1);
    options.arena_bytes_max = 10000;
    ck_assert_int_eq(batcher_init(&batcher, loop, &options), ERR_OK);
    for (size_t i = 0; i < 3; i++) { /* reset between batches: never exhausted by their sum */
        add(1, 1);
        loop_tick(loop, 0);
        ck_assert_ptr_nonnull(arena_alloc(&runs[i]->arena, 4000));
        ck_assert_ptr_null(arena_alloc(&runs[i]->arena, 20000));
        batcher_end(runs[i]);
    }
}
END_TEST

START_TEST(sizes_are_measured) {
    static struct metric sizes = { .name = "test_batch_size", .type = METRIC_HISTOGRAM_SIZE };
    struct batcher_options options = options_of(1);
    options.size_histogram = &sizes;
    ck_assert_int_eq(batcher_init(&batcher, loop, &options), ERR_OK);
    done_at_once = true;
    add(1, 6);
    loop_tick(loop, 0);
    ck_assert_int_eq(sizes.value, 2);
    ck_assert_int_eq(sizes.sum, 6);
}
END_TEST

/* ---- held back by its owner ---- */

static uint64_t hold_for_ms;
static int hold_oldest;
static size_t hold_asked;

static uint64_t hold_ms(void *ctx, const void *oldest) {
    ck_assert_ptr_eq(ctx, &batcher);
    hold_oldest = *(const int *)oldest;
    hold_asked++;
    return hold_for_ms;
}

static void open_held(uint64_t ms) {
    struct batcher_options options = options_of(1);
    options.hold_ms = hold_ms;
    hold_for_ms = ms;
    hold_asked = 0;
    ck_assert_int_eq(batcher_init(&batcher, loop, &options), ERR_OK);
}

START_TEST(without_a_reason_to_hold_it_goes_at_once_and_sets_no_timer) {
    open_held(0);
    add(1, 1);
    loop_tick(loop, 0);
    expect_batch(0, 1, 1);
    ck_assert_uint_eq(hold_asked, 1);
    ck_assert(!loop_timer_armed(&batcher.later));
    batcher_end(runs[0]);
}
END_TEST

/* 0: its time is over, 1: its owner says so, 2: another item comes when the reason is gone */
START_TEST(a_held_batch_grows_and_goes_in_the_end) {
    open_held(_i == 0 ? 20 : 3600000);
    add(1, 1);
    loop_tick(loop, 0);
    add(2, 1);
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 0);
    ck_assert_int_eq(hold_oldest, 1);
    ck_assert(!batcher_is_idle(&batcher));
    hold_for_ms = 0;
    if (_i == 1) {
        batcher_go_on(&batcher);
    } else if (_i == 2) {
        add(3, 1);
    }
    for (int i = 0; run_count == 0 && i < 10000; i++) {
        loop_tick(loop, _i == 0 ? 1 : 0);
    }
    expect_batch(0, 1, _i == 2 ? 3 : 2);
    batcher_end(runs[0]);
}
END_TEST

START_TEST(going_on_with_nothing_that_waits_is_harmless) {
    open_held(0);
    batcher_go_on(&batcher);
    loop_tick(loop, 0);
    ck_assert_uint_eq(hold_asked + run_count, 0);
}
END_TEST

START_TEST(closing_while_a_batch_is_held) {
    open_held(3600000);
    add(1, 1);
    loop_tick(loop, 0);
    ck_assert(loop_timer_armed(&batcher.later));
    batcher_done(&batcher); /* and the loop has no timer of it: teardown() */
}
END_TEST

/* ---- gathering under load ---- */

enum { GATHER_FROM = 3, GATHER_MS = 40, LONG_MS = 3600000 };

static void open_gathering(uint32_t ms_max) {
    struct batcher_options options = options_of(2);
    options.gather = (struct gather){ .from = GATHER_FROM, .ms_max = ms_max };
    options.hold_ms = hold_ms;
    hold_for_ms = 0;
    ck_assert_int_eq(batcher_init(&batcher, loop, &options), ERR_OK);
}

static void wait_for_runs(size_t count) {
    uint64_t begin_ms = clock_monotonic_ms();
    while (run_count < count && clock_monotonic_ms() - begin_ms < 10000) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(run_count, count);
}

static void tick_for(uint64_t ms) {
    uint64_t begin_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() - begin_ms < ms) {
        loop_tick(loop, 1);
    }
}

START_TEST(small_batches_join_each_other) {
    open_gathering(LONG_MS);
    add(1, GATHER_FROM - 1);
    loop_tick(loop, 0);
    add(3, 1);
    loop_tick(loop, 0);
    expect_batch(0, 1, 2);
    expect_batch(1, 3, 1);
    ck_assert(!loop_timer_armed(&batcher.later));
    batcher_end(runs[0]);
    batcher_end(runs[1]);
    add(4, 1); /* nor does anything gather after them */
    loop_tick(loop, 0);
    expect_batch(2, 4, 1);
    batcher_end(runs[2]);
}
END_TEST

START_TEST(a_large_batch_is_joined_only_by_a_full_one) {
    open_gathering(LONG_MS);
    add(1, GATHER_FROM);
    loop_tick(loop, 0);
    add(4, BATCH_MAX - 1);
    loop_tick(loop, 0);
    ck_assert_uint_eq(run_count, 1);
    add(7, 1);
    loop_tick(loop, 0);
    expect_batch(1, 4, BATCH_MAX);
    batcher_end(runs[0]);
    batcher_end(runs[1]);
}
END_TEST

START_TEST(a_large_batch_that_lasts_is_joined_all_the_same) {
    open_gathering(GATHER_MS);
    uint64_t begin_ms = clock_monotonic_ms();
    add(1, GATHER_FROM);
    loop_tick(loop, 0);
    add(4, 1);
    wait_for_runs(2);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, GATHER_MS - 1);
    expect_batch(1, 4, 1);
    batcher_end(runs[0]);
    batcher_end(runs[1]);
}
END_TEST

/* A batch that was held back leaves no timer behind in which the next one would gather. */
START_TEST(what_was_held_back_does_not_lengthen_the_gathering) {
    open_gathering(GATHER_MS);
    hold_for_ms = LONG_MS;
    add(1, GATHER_FROM);
    loop_tick(loop, 0);
    hold_for_ms = 0;
    batcher_go_on(&batcher);
    loop_tick(loop, 0);
    expect_batch(0, 1, GATHER_FROM);
    add(4, 1);
    wait_for_runs(2);
    batcher_end(runs[0]);
    batcher_end(runs[1]);
}
END_TEST

/* 0: twice as long as the one before has taken; 1: not longer than .ms_max */
START_TEST(after_a_large_batch_the_next_one_gathers) {
    open_gathering(_i == 0 ? LONG_MS : GATHER_MS);
    add(1, GATHER_FROM);
    loop_tick(loop, 0);
    tick_for(_i == 0 ? 20 : 2 * GATHER_MS);
    uint64_t end_ms = clock_monotonic_ms();
    batcher_end(runs[0]);
    add(4, 1);
    loop_tick(loop, 0);
    add(5, 1);
    wait_for_runs(2);
    ck_assert_uint_ge(clock_monotonic_ms() - end_ms, _i == 0 ? 19 : GATHER_MS - 1);
    expect_batch(1, 4, 2);
    batcher_end(runs[1]);
}
END_TEST

START_TEST(closing_while_a_batch_gathers) {
    open_gathering(LONG_MS);
    add(1, GATHER_FROM);
    loop_tick(loop, 0);
    tick_for(20);
    batcher_end(runs[0]);
    add(4, 1);
    ck_assert(loop_timer_armed(&batcher.later));
    batcher_done(&batcher);
}
END_TEST

START_TEST(closing_with_a_batch_under_way_is_a_bug) {
    open_batcher(1);
    add(1, 1);
    loop_tick(loop, 0);
    batcher_done(&batcher);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("batcher");
    TCase *tcase = tcase_create("batcher");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_item_goes_alone_and_at_once);
    tcase_add_test(tcase, what_arrives_meanwhile_is_the_next_batch);
    tcase_add_test(tcase, the_items_of_one_tick_share_a_batch_up_to_its_limit);
    tcase_add_test(tcase, so_many_batches_at_once_and_no_more);
    tcase_add_test(tcase, a_full_queue_is_busy);
    tcase_add_test(tcase, a_batch_may_be_done_inside_its_run);
    tcase_add_test(tcase, the_items_are_copies);
    tcase_add_test(tcase, the_arena_is_the_batch_s_and_limited);
    tcase_add_test(tcase, sizes_are_measured);
    tcase_add_test(tcase, without_a_reason_to_hold_it_goes_at_once_and_sets_no_timer);
    tcase_add_loop_test(tcase, a_held_batch_grows_and_goes_in_the_end, 0, 3);
    tcase_add_test(tcase, going_on_with_nothing_that_waits_is_harmless);
    tcase_add_test(tcase, closing_while_a_batch_is_held);
    tcase_add_test(tcase, small_batches_join_each_other);
    tcase_add_test(tcase, a_large_batch_is_joined_only_by_a_full_one);
    tcase_add_test(tcase, a_large_batch_that_lasts_is_joined_all_the_same);
    tcase_add_test(tcase, what_was_held_back_does_not_lengthen_the_gathering);
    tcase_add_loop_test(tcase, after_a_large_batch_the_next_one_gathers, 0, 2);
    tcase_add_test(tcase, closing_while_a_batch_gathers);
    tcase_add_test_raise_signal(tcase, closing_with_a_batch_under_way_is_a_bug, SIGABRT);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
