/* link: services/order/backlog.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/* services/order/backlog: held back is who comes faster than is fulfilled, and nobody else. */
#include "order/backlog.h"
#include "order/config.h"
#include "order/parts.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

enum { WINDOW_MS = 110, WAITING_MAX = 10 };

struct order_config order_config;

static int64_t stored, finished;

static void setup(void) {
    fake_backends_open();
    order_config = (struct order_config){ .orders_waiting_max = WAITING_MAX };
    ck_assert_int_eq(backlog_open(), ERR_OK);
    stored = finished = 1000000; /* as after a start: ids do not begin at 1 */
}

static void teardown(void) {
    fake_backends_close();
}

static void store(int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        backlog_stored(++stored);
    }
}

static void hear_of(int64_t id) {
    PGresult *result = fake_rows(1);
    fake_row(result, "i", id);
    backlog_finished(&(struct pg_rows){ .handle = result, .count = 1 });
    PQclear(result);
}

static void finish(int64_t count) {
    finished += count;
    hear_of(finished);
}

static void pass(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

/* `count` are fulfilled in a window during which far more wait: the speed is known. */
static void work(int64_t count) {
    store(1000000);
    finish(1);
    pass(WINDOW_MS);
    finish(count);
}

/* All but `count` are fulfilled. */
static void leave(int64_t count) {
    finish(stored - finished - count);
}

START_TEST(without_a_backlog_nobody_is_held_back) {
    for (int i = 0; i < 20; i++) {
        store(BACKLOG_ORDERS_MIN - 1);
        ck_assert_uint_eq(backlog_hold_us(), 0);
        pass(WINDOW_MS / 5);
        leave(0);
        ck_assert_uint_eq(backlog_hold_us(), 0);
    }
    store(1000000); /* how fast orders came says nothing of how fast they can be fulfilled */
    ck_assert_uint_eq(backlog_hold_us(), 0);
}
END_TEST

START_TEST(what_a_backlog_is_worth_is_not_known_before_one_was_worked_on) {
    store(1000000);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    finish(1);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    pass(WINDOW_MS);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    finish(1);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
}
END_TEST

/* However slow: a few orders are messages that others share, or the turn of another replica. */
START_TEST(so_few_orders_hold_nobody_back) {
    work(1);
    leave(BACKLOG_ORDERS_MIN - 1);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    store(1);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
}
END_TEST

/* 100,000 in 110 ms or, on a slow machine, more. */
START_TEST(the_delay_grows_with_the_backlog_and_ends_with_it) {
    enum { SPEED = 100000, STEP = 5000 };
    uint64_t begun_ms = clock_monotonic_ms(), last_us = 0;
    work(SPEED);
    uint64_t window_ms = clock_monotonic_ms() - begun_ms; /* at least */
    finished = stored; /* not heard of: only the delay is looked at */
    int64_t worth_nothing = (int64_t)SPEED * (BACKLOG_WORTH_US / 1000) / (int64_t)(window_ms + 2);
    hear_of(stored - worth_nothing);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    for (int i = 0; last_us < BACKLOG_HOLD_US_MAX; i++) {
        ck_assert_int_lt(i, 1000);
        store(STEP);
        ck_assert_uint_ge(backlog_hold_us(), last_us);
        ck_assert_uint_lt(backlog_hold_us(), last_us + BACKLOG_HOLD_US_MAX / 2); /* no jump */
        last_us = backlog_hold_us();
    }
    store(1000000);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    hear_of(stored);
    ck_assert_uint_eq(backlog_hold_us(), 0);
}
END_TEST

/* 0: the broker is down, 1: blocked, 2: no outcome comes, 3: this process is shutting down */
START_TEST(nobody_is_held_back_for_whoever_is_away) {
    work(1);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    fake_broker.state = _i == 0 ? BROKER_DOWN : _i == 1 ? BROKER_BLOCKED : BROKER_UP;
    backends.is_draining = _i == 3;
    if (_i == 2) {
        pass(BACKLOG_STILL_MS + 10);
    }
    ck_assert_uint_eq(backlog_hold_us(), 0);
    if (_i == 2) { /* old orders, told again, do not say that it goes on; the next new one does */
        hear_of(1);
        ck_assert_uint_eq(backlog_hold_us(), 0);
        finish(1);
        ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    }
}
END_TEST

/* A stop is not slowness: what was done in seconds without an outcome says nothing. */
START_TEST(the_time_without_outcomes_does_not_count) {
    enum { SPEED = 100000, WORTH_MS = BACKLOG_WORTH_US / 1000 - 10 };
    uint64_t begun_ms = clock_monotonic_ms();
    store(SPEED + 1 + BACKLOG_ORDERS_MIN);
    finish(1);
    pass(WINDOW_MS);
    finish(SPEED); /* the next window begins here */
    int64_t window_ms = (int64_t)(clock_monotonic_ms() - begun_ms); /* at least */
    store((int64_t)SPEED * WORTH_MS / (window_ms + 2) - BACKLOG_ORDERS_MIN);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    pass(BACKLOG_STILL_MS + 10);
    finish(1);
    store(1);
    ck_assert_uint_eq(backlog_hold_us(), 0);
}
END_TEST

/* What was learned in bad times is forgotten in good ones, also when nobody waits any more. */
START_TEST(it_learns_that_it_is_faster) {
    work(1);
    leave(0);
    store(BACKLOG_ORDERS_MIN);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    leave(0);
    pass(WINDOW_MS);
    store(1000000);
    leave(0);
    pass(WINDOW_MS);
    store(1);
    leave(0);
    store(BACKLOG_ORDERS_MIN);
    ck_assert_uint_eq(backlog_hold_us(), 0);
}
END_TEST

/* The sequence was set forward, or other replicas have stored what nobody here has heard of. */
START_TEST(a_gap_in_the_ids_is_gone_with_the_next_outcome) {
    work(1);
    leave(0);
    stored += 1000000;
    store(1);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    hear_of(stored);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    hear_of(stored + 1000000); /* another replica's */
    store(1);
    ck_assert_uint_eq(backlog_hold_us(), 0);
}
END_TEST

/* A restore: ids begin again at an earlier one. How fast it is, is known as before. */
START_TEST(it_is_measured_anew_from_earlier_ids) {
    work(1);
    leave(0);
    ck_assert_int_eq(backlog_newest_id(), stored);
    backlog_restart();
    ck_assert_int_eq(backlog_newest_id(), 0);
    stored = finished = 1000;
    store(1);
    ck_assert_int_eq(backlog_newest_id(), stored);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    finish(1);
    store(BACKLOG_ORDERS_MIN - 1);
    ck_assert_uint_eq(backlog_hold_us(), 0);
    store(1);
    ck_assert_uint_eq(backlog_hold_us(), BACKLOG_HOLD_US_MAX);
    hear_of(stored + 1); /* another replica's */
    ck_assert_int_eq(backlog_newest_id(), stored + 1);
}
END_TEST

/* ---- how many wait ---- */

START_TEST(it_is_full_at_its_limit) {
    ck_assert(!backlog_is_full());
    store(WAITING_MAX - 1);
    ck_assert(!backlog_is_full());
    store(1);
    ck_assert(backlog_is_full());
    store(1); /* requests that were under way */
    finish(1);
    ck_assert(backlog_is_full());
    finish(1);
    ck_assert(!backlog_is_full());
    ck_assert_int_eq(backlog_waiting(), WAITING_MAX - 1);
}
END_TEST

/* Another replica has stored them. */
START_TEST(it_is_never_below_0) {
    finish(1);
    finish(1);
    ck_assert_int_eq(backlog_waiting(), 0);
    store(1);
    ck_assert_int_eq(backlog_waiting(), 1);
    backlog_count_begin(stored);
    backlog_count_add(stored, 0);
    finish(1);
    backlog_count_end();
    ck_assert_int_eq(backlog_waiting(), 0);
}
END_TEST

START_TEST(a_count_that_is_given_up_changes_nothing) {
    store(3);
    backlog_count_begin(stored);
    backlog_count_add(stored - 1, 1000);
    ck_assert_int_eq(backlog_waiting(), 3);
    backlog_count_begin(stored);
    backlog_count_add(stored, 7);
    backlog_count_end();
    ck_assert_int_eq(backlog_waiting(), 7);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("backlog");
    TCase *tcase = tcase_create("backlog");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_a_backlog_nobody_is_held_back);
    tcase_add_test(tcase, what_a_backlog_is_worth_is_not_known_before_one_was_worked_on);
    tcase_add_test(tcase, so_few_orders_hold_nobody_back);
    tcase_add_test(tcase, the_delay_grows_with_the_backlog_and_ends_with_it);
    tcase_add_loop_test(tcase, nobody_is_held_back_for_whoever_is_away, 0, 4);
    tcase_add_test(tcase, the_time_without_outcomes_does_not_count);
    tcase_add_test(tcase, it_learns_that_it_is_faster);
    tcase_add_test(tcase, a_gap_in_the_ids_is_gone_with_the_next_outcome);
    tcase_add_test(tcase, it_is_measured_anew_from_earlier_ids);
    tcase_add_test(tcase, it_is_full_at_its_limit);
    tcase_add_test(tcase, it_is_never_below_0);
    tcase_add_test(tcase, a_count_that_is_given_up_changes_nothing);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
