/* link: services/contract/key_expiry.c services/order/statements.c t/unit/fake_pg.c
 *       t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_backends.c */
/*
 * services/contract/key_expiry: when the next chunk goes, and from where. What a chunk deletes is
 * in test_order_statements.c. The clock is the test's own: it goes on by a millisecond a tick.
 */
#include "contract/key_expiry.h"
#include "order/parts.h"
#include "order/statements.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <time.h>

enum { ROUND_MS = 1000, CHUNK = 1000, TOOK_MS = 50, PATIENCE_MS = 10000, ROUNDS_FROM_START = 600 };

#define AT_MS INT64_C(1795367790000)

static int64_t clock_ms = AT_MS;

int clock_gettime(clockid_t clock, struct timespec *time) {
    (void)clock;
    time->tv_sec = clock_ms / 1000;
    time->tv_nsec = clock_ms % 1000 * 1000000;
    return 0;
}

static void tick(void) {
    clock_ms++;
    loop_tick(backends.loop, 0);
}

static void setup(void) {
    fake_backends_open();
    ck_assert_int_eq(key_expiry_open(), ERR_OK);
}

static void teardown(void) {
    key_expiry_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(key_expiry_is_idle());
    key_expiry_close();
    fake_backends_close();
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        tick();
    }
}

/* Of the backends only the outbox asks for anything, now and then. */
static bool is_asked(void) {
    if (fake_pg.waiting > 0 && fake_pg.requests[0].calls[0].statement == &SQL_OUTBOX_CLAIM) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    return fake_pg.waiting > 0;
}

/* The next chunk is asked for from this time on, not before `pause_ms` from now. */
static void expect_chunk(int64_t from_ms, uint64_t pause_ms) {
    uint64_t begin_ms = clock_monotonic_ms();
    while (!is_asked() && clock_monotonic_ms() < begin_ms + PATIENCE_MS) {
        tick();
    }
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, pause_ms);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_COMMIT_RELAX);
    ck_assert_uint_eq(request->count, 2);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_KEY_EXPIRE);
    ck_assert_int_eq(fake_param_time(&request->calls[1], 0), from_ms);
    ck_assert_int_eq(fake_param_int8(&request->calls[1], 1), CHUNK);
    ck_assert(!key_expiry_is_idle());
}

/* So many keys were deleted, the latest of that time. */
static void answer(int64_t keys, int64_t last_ms) {
    PGresult *rows = fake_rows(2);
    if (keys == 0) {
        fake_row(rows, "it", keys, NULL);
    } else {
        fake_row(rows, "iT", keys, last_ms);
    }
    fake_pg_answer(fake_rows(1), rows, NULL);
    ck_assert(key_expiry_is_idle());
}

START_TEST(a_full_chunk_is_followed_by_the_next_one_after_three_times_what_it_took) {
    expect_chunk(0, ROUND_MS - 100);
    run_for(TOOK_MS);
    answer(CHUNK, AT_MS);
    expect_chunk(AT_MS, 3 * TOOK_MS);
    uint64_t begin_ms = clock_monotonic_ms();
    answer(CHUNK, AT_MS + 1);
    expect_chunk(AT_MS + 1, 0);
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, ROUND_MS / 2); /* it took nothing */
    answer(CHUNK - 1, AT_MS + 2);
    expect_chunk(AT_MS + 2, ROUND_MS - 100); /* the round is over */
}
END_TEST

START_TEST(after_a_round_that_found_nothing_it_begins_anew) {
    expect_chunk(0, 0);
    answer(CHUNK, AT_MS);
    expect_chunk(AT_MS, 0);
    answer(0, 0);
    expect_chunk(AT_MS, ROUND_MS - 100); /* the round has found a chunk */
    answer(0, 0);
    expect_chunk(0, ROUND_MS - 100);
}
END_TEST

/* Each round finds something: what was passed over is looked for now and then all the same. */
START_TEST(after_many_rounds_it_begins_anew) {
    int64_t from_ms = 0;
    for (int round = 0; round < 2 * ROUNDS_FROM_START; round++) {
        if (round == ROUNDS_FROM_START) {
            from_ms = 0;
        }
        expect_chunk(from_ms, ROUND_MS - 100);
        from_ms = AT_MS + round;
        answer(1, from_ms);
    }
    expect_chunk(0, ROUND_MS - 100);
}
END_TEST

START_TEST(a_chunk_that_failed_is_tried_again_in_the_next_round) {
    expect_chunk(0, 0);
    answer(CHUNK, AT_MS);
    expect_chunk(AT_MS, 0);
    run_for(ROUND_MS / 2);
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert(key_expiry_is_idle());
    expect_chunk(AT_MS, 3 * ROUND_MS / 2); /* it took long */
}
END_TEST

START_TEST(without_a_database_it_waits) {
    fake_pg.ready = false;
    run_for(ROUND_MS + ROUND_MS / 2);
    ck_assert_uint_eq(fake_pg.asked, 0);
    fake_pg.ready = true;
    expect_chunk(0, 0);
}
END_TEST

START_TEST(nothing_begins_after_a_stop) {
    expect_chunk(0, 0);
    key_expiry_stop();
    ck_assert(!key_expiry_is_idle());
    answer(CHUNK, AT_MS);
    run_for(ROUND_MS + ROUND_MS / 2);
    ck_assert_uint_eq(fake_pg.asked, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("key_expiry");
    TCase *tcase = tcase_create("key_expiry");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_full_chunk_is_followed_by_the_next_one_after_three_times_what_it_took);
    tcase_add_test(tcase, after_a_round_that_found_nothing_it_begins_anew);
    tcase_add_test(tcase, after_many_rounds_it_begins_anew);
    tcase_add_test(tcase, a_chunk_that_failed_is_tried_again_in_the_next_round);
    tcase_add_test(tcase, without_a_database_it_waits);
    tcase_add_test(tcase, nothing_begins_after_a_stop);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
