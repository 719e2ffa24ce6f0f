/* link: services/order/cancellations.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c services/order/backlog.c t/unit/fake_pg.c t/unit/fake_cache.c
 *       t/unit/fake_broker.c t/unit/fake_backends.c */
/* services/order/cancellations: they are told, from memory or from the row, until settled. */
#include "order/cancellations.h"
#include "order/config.h"
#include "order/metrics.h"
#include "order/parts.h"
#include "order/statements.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <string.h>

enum {
    INTERVAL_MS = 1000,
    AFTER_MS = 60000,
    HURRY_MS = 200,
    HURRIED = 1000,
    PAGE = 200,
    INFLIGHT = 1000,
    PATIENCE_MS = 10000,
};

#define CREATED_MS INT64_C(1795367792123)
#define CANCELLED_MS INT64_C(1795367799999)
#define EVENT_ID "order.cancelled-5-1795367792123"

struct order_config order_config;

static struct arena arena;

static void setup(void) {
    fake_backends_open();
    arena_init(&arena, 1 << 22);
    order_config = (struct order_config){ .reconcile_interval_ms = INTERVAL_MS,
                                          .reconcile_after_ms = AFTER_MS };
    ck_assert_int_eq(cancellations_open(), ERR_OK);
}

static void teardown(void) {
    cancellations_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(cancellations_is_idle());
    cancellations_close();
    arena_done(&arena);
    fake_backends_close();
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

static void wait_for_request(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
    ck_assert_uint_eq(fake_pg.waiting, 1);
}

static void expect_hurry(const int64_t *ids, size_t count, bool any) {
    wait_for_request();
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_CANCELLATION_HURRY)->calls[0];
    ck_assert_uint_eq(fake_param_count(call, 0), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(fake_param_int8_at(call, 0, i), ids[i]);
    }
    ck_assert_int_eq(fake_param_int8(call, 1), any);
}

/* The page of those that are due: `count` from id 5 on. */
static void answer_due(int64_t count) {
    wait_for_request();
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_CANCELLATION_DUE)->calls[0];
    ck_assert_int_eq(fake_param_int8(call, 0), PAGE);
    ck_assert_int_eq(fake_param_int8(call, 1), AFTER_MS);
    PGresult *rows = fake_rows(8);
    for (int64_t id = 5; id < 5 + count; id++) {
        fake_row(rows, "iTiiTttt", id, CREATED_MS, (int64_t)7, (int64_t)3, CANCELLED_MS,
                 "my-request", "00-trace", id == 5 ? "a=1" : NULL);
    }
    fake_pg_answer(rows, NULL, NULL);
}

/* After a start all that are not settled are due: of some perhaps nobody has been told. */
static void start(int64_t count) {
    expect_hurry(NULL, 0, true);
    fake_pg_answer(NULL, NULL, NULL);
    answer_due(count);
}

static void settle(size_t message, bool confirmed) {
    teller_on_published(&fake_broker.messages[message].cookie, 1, confirmed);
}

/* Order 5 is cancelled: it is told from memory. */
static void cancel_one(void) {
    struct order_cancelled cancelled = { 5, 7, 3, CREATED_MS, CANCELLED_MS, { "r", "", "" } };
    struct teller_event event = cancellations_event(&arena, &cancelled, cancelled.trace);
    cancellations_tell(&event, 1);
}

START_TEST(after_a_start_what_is_not_settled_is_told) {
    start(2);
    ck_assert_uint_eq(fake_broker.published, 2);
    const struct fake_message *message = &fake_broker.messages[0];
    ck_assert_str_eq(message->routing_key, "order.cancelled");
    ck_assert_str_eq(message->message_id, EVENT_ID); /* as it was told first */
    ck_assert_ptr_nonnull(strstr(message->body,
                                 "\"traceparent\":\"00-trace\",\"tracestate\":\"a=1\","
                                 "\"requestid\":\"my-request\""));
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"data\":{\"orderId\":5,\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                              "\"productId\":7,\"quantity\":3,"
                              "\"cancelledAt\":\"2026-11-22T17:16:39.999Z\"}"));
    ck_assert_int_eq(order_metrics[M_CANCELLATIONS_TOLD_AGAIN].value, 2);
    settle(0, true);
    settle(1, true);
    uint64_t begin_ms = clock_monotonic_ms();
    wait_for_request();
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, INTERVAL_MS - 100);
    answer_due(0); /* a round: nobody hurries */
}
END_TEST

/* 0: not confirmed, 1: not taken */
START_TEST(what_the_broker_has_not_is_told_again_soon) {
    static const int64_t FIVE[] = { 5 };
    start(0);
    fake_broker.publish_err = _i == 1 ? ERR_BUSY : ERR_OK;
    cancel_one();
    if (_i == 0) {
        settle(0, false);
    }
    fake_broker.publish_err = ERR_OK;
    uint64_t begin_ms = clock_monotonic_ms();
    expect_hurry(FIVE, 1, false);
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, INTERVAL_MS / 2);
    fake_pg_answer(NULL, NULL, NULL);
    size_t before = fake_broker.published;
    answer_due(1);
    ck_assert_uint_eq(fake_broker.published, before + 1);
    settle(before, true);
    run_for(HURRY_MS * 2);
    ck_assert_uint_eq(fake_pg.waiting, 0); /* once */
}
END_TEST

START_TEST(while_the_broker_is_away_nothing_is_asked) {
    static const int64_t IDS[] = { 5, 5 };
    start(0);
    fake_broker.state = BROKER_DOWN;
    fake_broker.publish_err = ERR_UNAVAILABLE;
    cancel_one();
    cancel_one();
    run_for(INTERVAL_MS + HURRY_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_broker.state = BROKER_UP;
    fake_broker.publish_err = ERR_OK;
    cancellations_broker_up();
    loop_tick(backends.loop, 1);
    expect_hurry(IDS, 2, false);
    fake_pg_answer(NULL, NULL, NULL);
    answer_due(1);
    ck_assert_uint_eq(fake_broker.published, 1);
    settle(0, true);
}
END_TEST

START_TEST(without_a_database_nothing_is_asked) {
    fake_pg.ready = false;
    run_for(INTERVAL_MS + HURRY_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_pg.ready = true;
    start(1);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

/* They hurry still; the page is read all the same. */
START_TEST(who_hurries_is_not_forgotten_when_the_database_fails) {
    expect_hurry(NULL, 0, true);
    fake_pg_fail(ERR_TIMEOUT);
    wait_for_request();
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_CANCELLATION_DUE);
    fake_pg_fail(ERR_TIMEOUT);
    uint64_t begin_ms = clock_monotonic_ms();
    start(1);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, HURRY_MS - 10);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

/* More than are remembered: the others are told again when it is their time. */
START_TEST(so_many_hurry) {
    struct order_cancelled cancelled = { 5, 7, 3, CREATED_MS, CANCELLED_MS, { "r", "", "" } };
    struct teller_event event = cancellations_event(&arena, &cancelled, cancelled.trace);
    start(0);
    fake_broker.publish_err = ERR_BUSY;
    for (int i = 0; i <= HURRIED; i++) {
        cancellations_tell(&event, 1);
    }
    wait_for_request();
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_CANCELLATION_HURRY)->calls[0];
    ck_assert_uint_eq(fake_param_count(call, 0), HURRIED);
    fake_pg_answer(NULL, NULL, NULL);
    answer_due(0);
}
END_TEST

/* A full page is followed by the next one, until so many are with the broker. */
START_TEST(many_are_told_page_by_page_as_the_broker_takes_them) {
    start(PAGE);
    for (size_t pages = 2; pages <= INFLIGHT / PAGE; pages++) {
        uint64_t begin_ms = clock_monotonic_ms();
        answer_due(PAGE);
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, INTERVAL_MS / 2);
        fake_broker.published =
            0; /* there is room in the fake for no more; they are not confirmed */
    }
    run_for(INTERVAL_MS + HURRY_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

/* 0: while those that hurry are noted, 1: while the page is read */
START_TEST(after_a_stop_nothing_begins) {
    expect_hurry(NULL, 0, true);
    if (_i == 0) {
        cancellations_stop();
        ck_assert(!cancellations_is_idle());
        fake_pg_answer(NULL, NULL, NULL);
    } else {
        fake_pg_answer(NULL, NULL, NULL);
        cancellations_stop();
        ck_assert(!cancellations_is_idle());
        answer_due(PAGE); /* what was taken is told */
        ck_assert_uint_eq(fake_broker.published, PAGE);
        settle(0, false);
    }
    ck_assert(cancellations_is_idle());
    cancellations_broker_up();
    run_for(INTERVAL_MS + HURRY_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cancellations");
    TCase *tcase = tcase_create("cancellations");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, after_a_start_what_is_not_settled_is_told);
    tcase_add_loop_test(tcase, what_the_broker_has_not_is_told_again_soon, 0, 2);
    tcase_add_test(tcase, while_the_broker_is_away_nothing_is_asked);
    tcase_add_test(tcase, without_a_database_nothing_is_asked);
    tcase_add_test(tcase, who_hurries_is_not_forgotten_when_the_database_fails);
    tcase_add_test(tcase, so_many_hurry);
    tcase_add_test(tcase, many_are_told_page_by_page_as_the_broker_takes_them);
    tcase_add_loop_test(tcase, after_a_stop_nothing_begins, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
