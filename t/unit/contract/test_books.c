/* link: services/contract/books.c services/order/statements.c t/unit/fake_pg.c
 *       t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_backends.c */
/* services/contract/books: when it asks, and what its gauges say of the answers. */
#include "contract/books.h"
#include "order/statements.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <time.h>

enum { PATIENCE_MS = 2 * BOOKS_INTERVAL_MS };

#define AT_MS INT64_C(1795367790000)

static int64_t clock_ms = AT_MS;

int clock_gettime(clockid_t clock, struct timespec *time) {
    (void)clock;
    time->tv_sec = clock_ms / 1000;
    time->tv_nsec = clock_ms % 1000 * 1000000;
    return 0;
}

static void setup(void) {
    fake_backends_open();
    ck_assert_int_eq(books_open(&SQL_ORDER_BOOKS), ERR_OK);
}

static void teardown(void) {
    books_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(books_is_idle());
    books_close();
    fake_backends_close();
}

/* Of the backends the outbox asks, too. */
static bool is_asked(void) {
    if (fake_pg.waiting > 0 && fake_pg.requests[0].calls[0].statement != &SQL_ORDER_BOOKS) {
        fake_pg_answer(NULL, NULL, NULL);
    }
    return fake_pg.waiting > 0;
}

/* After how long it asks. */
static int64_t wait_for_question(void) {
    int64_t begin_ms = clock_ms;
    while (!is_asked() && clock_ms - begin_ms < PATIENCE_MS) {
        clock_ms++;
        loop_tick(backends.loop, 0);
    }
    fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_BOOKS);
    return clock_ms - begin_ms;
}

static void answer(int64_t balanced, int64_t oldest_ms) {
    PGresult *rows = fake_rows(2);
    if (oldest_ms == 0) {
        fake_row(rows, "it", balanced, NULL);
    } else {
        fake_row(rows, "iT", balanced, oldest_ms);
    }
    wait_for_question();
    fake_pg_answer(rows, NULL, NULL);
}

START_TEST(before_the_first_answer_all_is_well) {
    ck_assert_int_eq(books_balanced(), 1);
    ck_assert_int_eq(books_oldest_waiting_s(), 0);
}
END_TEST

START_TEST(the_gauges_are_the_last_answer) {
    answer(0, clock_ms);
    ck_assert_int_eq(books_balanced(), 0);
    clock_ms += 65999; /* it goes on waiting */
    ck_assert_int_eq(books_oldest_waiting_s() >= 65, 1);
    answer(1, 0);
    ck_assert_int_eq(books_balanced(), 1);
    ck_assert_int_eq(books_oldest_waiting_s(), 0);
}
END_TEST

START_TEST(a_clock_that_stepped_back_is_no_age) {
    answer(1, clock_ms + 60000);
    ck_assert_int_eq(books_oldest_waiting_s(), 0);
}
END_TEST

START_TEST(it_asks_again_after_an_answer) {
    answer(1, 0);
    int64_t waited_ms = wait_for_question();
    ck_assert_int_ge(waited_ms, BOOKS_INTERVAL_MS);
    ck_assert_int_le(waited_ms, BOOKS_INTERVAL_MS + 10);
}
END_TEST

START_TEST(without_an_answer_the_last_one_holds) {
    answer(0, 0);
    wait_for_question();
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert_int_eq(books_balanced(), 0);
    fake_pg.ready = false;
    for (int i = 0; i < PATIENCE_MS; i++) {
        clock_ms++;
        loop_tick(backends.loop, 0);
    }
    ck_assert_int_eq(books_balanced(), 0);
    fake_pg.ready = true;
    answer(1, 0);
    ck_assert_int_eq(books_balanced(), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("books");
    TCase *tcase = tcase_create("books");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, before_the_first_answer_all_is_well);
    tcase_add_test(tcase, the_gauges_are_the_last_answer);
    tcase_add_test(tcase, a_clock_that_stepped_back_is_no_age);
    tcase_add_test(tcase, it_asks_again_after_an_answer);
    tcase_add_test(tcase, without_an_answer_the_last_one_holds);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
