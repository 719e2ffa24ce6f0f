/* link: services/contract/cache_notice.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/*
 * services/contract/cache_notice: a write that was missed is noted, once; a notice that is new
 * makes everything be forgotten. The clock is the test's own: it goes on by a millisecond a tick.
 */
#include "contract/cache_notice.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <time.h>

static bool is_first; /* question: asked at once */
static int64_t clock_ms = INT64_C(1795367790000);

int clock_gettime(clockid_t clock, struct timespec *time) {
    (void)clock;
    time->tv_sec = clock_ms / 1000;
    time->tv_nsec = clock_ms % 1000 * 1000000;
    return 0;
}

static void teardown(void) {
    cache_notice_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(cache_notice_is_idle());
    cache_notice_close();
    fake_backends_close();
}

static bool is_ours(const struct pg_statement *statement) {
    return statement == &SQL_CACHE_NOTICE_COUNT || statement == &SQL_CACHE_NOTICE_ADD;
}

/* Of the backends only the outbox asks for anything, now and then. */
static bool is_asked(void) {
    if (fake_pg.waiting > 0 && !is_ours(fake_pg.requests[0].calls[0].statement)) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    return fake_pg.waiting > 0;
}

/* After CACHE_NOTICE_MS this is asked. */
static void expect_question(const struct pg_statement *statement) {
    int64_t begin_ms = clock_ms;
    while (!is_asked() && clock_ms < begin_ms + 2 * CACHE_NOTICE_MS) {
        clock_ms++;
        loop_tick(backends.loop, 0);
    }
    ck_assert_int_ge(clock_ms - begin_ms, is_first ? 1 : CACHE_NOTICE_MS);
    ck_assert_int_le(clock_ms - begin_ms, is_first ? 50 : 2 * CACHE_NOTICE_MS);
    is_first = false;
    fake_pg_expect(FAKE_PG_RUN, statement);
    ck_assert(!cache_notice_is_idle());
}

/* … and is ours. */
static void answer_note(int64_t count) {
    PGresult *rows = fake_rows(1);
    fake_row(rows, "i", count);
    fake_pg_answer(rows, NULL, NULL);
}

static void note(int64_t count) {
    expect_question(&SQL_CACHE_NOTICE_ADD);
    answer_note(count);
}

static void setup(void) {
    fake_backends_open();
    ck_assert_int_eq(cache_notice_open(), ERR_OK);
    is_first = true;
    note(7); /* what the process before has missed */
    ck_assert_uint_eq(backends.cache->forgotten, 1);
}

static void hear(int64_t count) {
    PGresult *rows = fake_rows(1);
    expect_question(&SQL_CACHE_NOTICE_COUNT);
    fake_row(rows, "i", count);
    fake_pg_answer(rows, NULL, NULL);
}

/* What was said before it was listened to is not known: all is forgotten, once, at the start. */
START_TEST(a_new_notice_makes_all_be_forgotten) {
    hear(7);
    ck_assert_uint_eq(backends.cache->forgotten, 1);
    hear(8);
    ck_assert_uint_eq(backends.cache->forgotten, 2);
    hear(3); /* the database was restored */
    ck_assert_uint_eq(backends.cache->forgotten, 3);
}
END_TEST

START_TEST(what_was_missed_is_noted_once) {
    backends.cache->missed = 5;
    expect_question(&SQL_CACHE_NOTICE_ADD);
    backends.cache->missed = 6; /* meanwhile */
    answer_note(8);
    note(9);
    hear(9);
    ck_assert_uint_eq(backends.cache->forgotten, 1); /* its own say nothing new */
    backends.cache->missed = 7;
    note(11); /* another's came between */
    ck_assert_uint_eq(backends.cache->forgotten, 2);
}
END_TEST

START_TEST(what_could_not_be_noted_is_noted_later) {
    backends.cache->missed = 1;
    expect_question(&SQL_CACHE_NOTICE_ADD);
    fake_pg_fail(ERR_UNAVAILABLE);
    note(8);
    expect_question(&SQL_CACHE_NOTICE_COUNT);
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert_uint_eq(backends.cache->forgotten, 1);
    hear(9);
    ck_assert_uint_eq(backends.cache->forgotten, 2);
}
END_TEST

/* Which the next process would do, too, if there is one. */
START_TEST(what_is_missed_at_the_end_is_noted) {
    backends.cache->missed = 1;
    cache_notice_stop();
    fake_pg_expect(FAKE_PG_RUN, &SQL_CACHE_NOTICE_ADD);
    backends.cache->missed = 2; /* by a transaction that was under way */
    answer_note(8);
    ck_assert(!cache_notice_is_idle());
    fake_pg_expect(FAKE_PG_RUN, &SQL_CACHE_NOTICE_ADD);
    answer_note(9);
    ck_assert(cache_notice_is_idle());
    backends.cache->missed = 3; /* by the last one */
    ck_assert(!cache_notice_is_idle());
    fake_pg_expect(FAKE_PG_RUN, &SQL_CACHE_NOTICE_ADD);
    answer_note(10);
    ck_assert(cache_notice_is_idle());
}
END_TEST

START_TEST(what_is_missed_while_it_looks_for_the_last_time_is_noted) {
    expect_question(&SQL_CACHE_NOTICE_COUNT);
    backends.cache->missed = 1;
    cache_notice_stop();
    PGresult *rows = fake_rows(1);
    fake_row(rows, "i", (int64_t)7);
    fake_pg_answer(rows, NULL, NULL);
    ck_assert(!cache_notice_is_idle());
    fake_pg_expect(FAKE_PG_RUN, &SQL_CACHE_NOTICE_ADD);
    answer_note(8);
    ck_assert(cache_notice_is_idle());
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cache_notice");
    TCase *tcase = tcase_create("cache_notice");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_notice_makes_all_be_forgotten);
    tcase_add_test(tcase, what_was_missed_is_noted_once);
    tcase_add_test(tcase, what_could_not_be_noted_is_noted_later);
    tcase_add_test(tcase, what_is_missed_at_the_end_is_noted);
    tcase_add_test(tcase, what_is_missed_while_it_looks_for_the_last_time_is_noted);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
