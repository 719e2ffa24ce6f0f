/* link: services/order/reconcile.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/*
 * services/order/reconcile: a waiting order is told again when its age has doubled, whatever
 * happened.
 */
#include "order/config.h"
#include "order/parts.h"
#include "order/statements.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include "fake_backends.h"
#include "unit.h"

#include <stdio.h>

enum { INTERVAL_MS = 2, AFTER_MS = 60000, PATIENCE_MS = 10000, PAGE = 500, SLICE = 20000 };

struct order_config order_config;

static int64_t round_from_ms, round_to_ms; /* the round under way began between these two */

static void setup(void) {
    fake_backends_open();
    order_config = (struct order_config){ .reconcile_interval_ms = INTERVAL_MS,
                                          .reconcile_after_ms = AFTER_MS };
    ck_assert_int_eq(reconcile_open(), ERR_OK);
}

static void teardown(void) {
    reconcile_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(reconcile_is_idle());
    reconcile_close();
    fake_backends_close();
}

static void wait_for_round(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        round_from_ms = clock_unix_ms();
        loop_tick(backends.loop, 1);
        round_to_ms = clock_unix_ms();
    }
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_KEY_EXPIRE);
}

static void expect_slice(int64_t after_id, int64_t up_to_id) {
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_WAITING)->calls[0];
    ck_assert_int_eq(fake_param_int8(call, 0), after_id);
    ck_assert_int_eq(fake_param_int8(call, 1), up_to_id);
    ck_assert_int_eq(fake_param_int8(call, 2), PAGE);
}

/* Up to the first slice of a round; the table's last id is `last_id`. */
static void begin_round(int64_t last_id) {
    PGresult *rows = fake_rows(1);
    wait_for_round();
    fake_pg_answer(NULL, NULL, NULL);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_LAST_ID);
    fake_row(rows, "i", last_id);
    fake_pg_answer(rows, NULL, NULL);
}

static void answer_nothing(void) {
    fake_pg_answer(fake_rows(14), NULL, NULL);
}

static void add_order(PGresult *rows, int64_t id, int64_t created_ms, bool in_outbox) {
    fake_row(rows, "iiiiittTTttttb", id, (int64_t)7, (int64_t)3, (int64_t)100, (int64_t)300,
             "waiting", NULL, created_ms, created_ms, "shown", "request", "00-trace", "a=1",
             (int)in_outbox);
}

static void answer_order(int64_t id, int64_t created_ms, bool in_outbox) {
    PGresult *rows = fake_rows(14);
    add_order(rows, id, created_ms, in_outbox);
    fake_pg_answer(rows, NULL, NULL);
}

START_TEST(an_order_that_waits_too_long_is_told_again) {
    PGresult *rows = fake_rows(14);
    begin_round(50);
    expect_slice(0, 50);
    add_order(rows, 41, round_from_ms - AFTER_MS, false);
    add_order(rows, 42, round_to_ms - AFTER_MS + 1, false); /* not yet */
    fake_pg_answer(rows, NULL, NULL);
    const struct pg_call *insert =
        &fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_INSERT_MISSING)->calls[0];
    ck_assert_uint_eq(fake_param_count(insert, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(insert, 0, 0), 41);
    ck_assert_uint_eq(fake_broker.published, 0); /* commit first, tell after */
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "order.created");
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/41\""), 1);
    ck_assert_uint_eq(fake_broker_count("\"traceparent\":\"00-trace\",\"tracestate\":\"a=1\","
                                        "\"requestid\":\"request\""),
                      1);
    ck_assert_ptr_nonnull(strstr(fake_broker.messages[0].body,
                                 "\"orderId\":41,\"productId\":7,"
                                 "\"quantity\":3,\"status\":\"waiting\""));
    ck_assert(reconcile_is_idle());
}
END_TEST

START_TEST(an_event_that_could_not_be_stored_is_not_told) {
    begin_round(50);
    answer_order(41, round_from_ms - AFTER_MS, false);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_INSERT_MISSING);
    fake_pg_fail(_i == 0 ? ERR_UNAVAILABLE : ERR_DUPLICATE); /* a replica was faster */
    ck_assert_uint_eq(fake_broker.published, 0);
    ck_assert(reconcile_is_idle());
    begin_round(50);
    answer_order(41, round_from_ms - AFTER_MS, false); /* the look did not count */
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_INSERT_MISSING);
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

enum { QUICK_AFTER_MS = 20, QUICK_LIFE_MS = 700 };

/* Is a doubling of the threshold among the ages above `low_ms` up to `high_ms`? */
static bool has_doubling(int64_t low_ms, int64_t high_ms) {
    for (int64_t age_ms = QUICK_AFTER_MS; age_ms <= high_ms; age_ms *= 2) {
        if (age_ms > low_ms) {
            return true;
        }
    }
    return false;
}

/* One order, looked at every few milliseconds of its real life. */
START_TEST(repetitions_double) {
    order_config.reconcile_after_ms = QUICK_AFTER_MS;
    int64_t created_ms = clock_unix_ms(), last_from_ms = created_ms, last_to_ms = created_ms;
    size_t told = 0;
    while (round_to_ms - created_ms < QUICK_LIFE_MS) {
        begin_round(50);
        answer_order(1, created_ms, false);
        bool tells = fake_pg.waiting > 0;
        if (tells) {
            fake_pg_answer(NULL, NULL, NULL);
            outbox_on_published(&backends.outbox,
                                &fake_broker.messages[fake_broker.published - 1].cookie, 1,
                                false); /* lost again */
            told++;
        }
        ck_assert(!tells || has_doubling(last_from_ms - created_ms, round_to_ms - created_ms));
        ck_assert(tells || !has_doubling(last_to_ms - created_ms, round_from_ms - created_ms));
        last_from_ms = round_from_ms;
        last_to_ms = round_to_ms;
    }
    ck_assert_uint_ge(told, 1);
    ck_assert_uint_eq(fake_broker.published, told);
}
END_TEST

START_TEST(an_order_in_the_outbox_is_left_to_the_outbox_but_not_forgotten) {
    begin_round(300000);
    answer_order(7, round_from_ms - 10 * AFTER_MS, true);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    while (!reconcile_is_idle()) {
        answer_nothing();
    }
    ck_assert_uint_eq(fake_broker.published, 0);
    begin_round(300000);
    expect_slice(6, 6 + SLICE); /* it is looked for until it has left waiting */
    answer_nothing();
}
END_TEST

START_TEST(the_mark_moves_on_but_not_past_those_who_may_come_late) {
    begin_round(250000);
    expect_slice(0, SLICE);
    while (!reconcile_is_idle()) {
        answer_nothing();
    }
    begin_round(250010);
    expect_slice(150000, 150000 + SLICE);
    answer_nothing();
}
END_TEST

START_TEST(many_ids_are_looked_through_in_slices_and_pages) {
    PGresult *rows = fake_rows(14);
    begin_round(2 * SLICE + 5);
    expect_slice(0, SLICE);
    for (int64_t id = 1; id <= PAGE; id++) {
        add_order(rows, id, round_to_ms, false);
    }
    fake_pg_answer(rows, NULL, NULL);
    expect_slice(PAGE, PAGE + SLICE); /* a full page: there may be more behind it */
    answer_nothing();
    expect_slice(PAGE + SLICE, 2 * SLICE + 5);
    ck_assert(!reconcile_is_idle());
    answer_nothing();
    ck_assert(reconcile_is_idle());
}
END_TEST

START_TEST(a_round_that_fails_is_as_if_it_had_not_been) {
    begin_round(250000);
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert(reconcile_is_idle());
    wait_for_round();
    fake_pg_answer(NULL, NULL, NULL);
    fake_pg_fail(ERR_UNAVAILABLE); /* the last id */
    ck_assert(reconcile_is_idle());
    begin_round(250000);
    expect_slice(0, SLICE);
    answer_nothing();
}
END_TEST

START_TEST(without_a_broker_only_keys_expire) {
    fake_broker.state = _i == 0 ? BROKER_DOWN : BROKER_BLOCKED;
    wait_for_round();
    fake_pg_fail(ERR_TIMEOUT);
    wait_for_round();
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(reconcile_is_idle());
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_broker.state = BROKER_UP;
    begin_round(50);
    answer_nothing();
}
END_TEST

START_TEST(without_a_database_it_waits) {
    fake_pg.ready = false;
    uint64_t end_ms = clock_monotonic_ms() + 10 * INTERVAL_MS;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
    ck_assert_uint_eq(fake_pg.asked, 0);
    fake_pg.ready = true;
    begin_round(50);
    answer_nothing();
}
END_TEST

/* While the orders, or the outbox's rows, are under way. */
START_TEST(stopping_during_a_round) {
    begin_round(50);
    if (_i == 1) {
        answer_order(1, round_from_ms - AFTER_MS, false);
        (void)fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_INSERT_MISSING);
    }
    reconcile_stop();
    ck_assert(!reconcile_is_idle());
    if (_i == 1) {
        fake_pg_answer(NULL, NULL, NULL);
    } else {
        answer_order(1, round_from_ms - AFTER_MS, false);
    }
    ck_assert(reconcile_is_idle());
    ck_assert_uint_eq(fake_pg.waiting + fake_broker.published, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reconcile");
    TCase *tcase = tcase_create("reconcile");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_order_that_waits_too_long_is_told_again);
    tcase_add_loop_test(tcase, an_event_that_could_not_be_stored_is_not_told, 0, 2);
    tcase_add_test(tcase, repetitions_double);
    tcase_add_test(tcase, an_order_in_the_outbox_is_left_to_the_outbox_but_not_forgotten);
    tcase_add_test(tcase, the_mark_moves_on_but_not_past_those_who_may_come_late);
    tcase_add_test(tcase, many_ids_are_looked_through_in_slices_and_pages);
    tcase_add_test(tcase, a_round_that_fails_is_as_if_it_had_not_been);
    tcase_add_loop_test(tcase, without_a_broker_only_keys_expire, 0, 2);
    tcase_add_test(tcase, without_a_database_it_waits);
    tcase_add_loop_test(tcase, stopping_during_a_round, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
