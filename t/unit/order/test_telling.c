/* link: services/order/telling.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c services/order/backlog.c t/unit/fake_pg.c
 *       t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_backends.c */
/*
 * services/order/telling: whoever waits is told of, from memory or from its row, whatever happens.
 */
#include "order/backlog.h"
#include "order/config.h"
#include "order/parts.h"
#include "order/statements.h"
#include "order/telling.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include "fake_backends.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum {
    QUICK_AFTER_MS = 20,
    QUICK_LIFE_MS = 700,
    INTERVAL_MS = 300,
    AFTER_MS = 60000,
    PATIENCE_MS = 10000,
    PAGE = 500,
    SLICE = 10000,
    WAITING_MAX = 100000,
    FULL_PAUSE_MS = 1000,
};

#define CREATED_MS INT64_C(1795367790000)
#define NO_MARK 0

struct order_config order_config;

static struct arena arena;

static void setup(void) {
    fake_backends_open();
    arena_init(&arena, 1 << 20);
    order_config = (struct order_config){ .reconcile_interval_ms = INTERVAL_MS,
                                          .reconcile_after_ms = AFTER_MS,
                                          .orders_waiting_max = WAITING_MAX };
    ck_assert_int_eq(backlog_open(), ERR_OK);
    ck_assert_int_eq(telling_open(), ERR_OK);
}

static void teardown(void) {
    telling_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(telling_is_idle());
    telling_close();
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

/* ---- from memory ---- */

static struct teller_event event_of(int64_t id) {
    struct order order = {
        .id = id, .product_id = 7, .quantity = 3, .created_ms = CREATED_MS, .updated_ms = CREATED_MS
    };
    return order_created_event(&arena, &order, (struct trace){ "request", "00-trace", "a=1" });
}

static void tell(int64_t id) {
    struct teller_event event = event_of(id);
    telling_tell(&event, 1);
}

static void settle(size_t message, bool confirmed) {
    teller_on_published(&fake_broker.messages[message].cookie, 1, confirmed);
}

/* ---- a round, statement by statement ---- */

/* The ids that were drawn, the transaction that asks, the mark, the oldest transaction. */
static void answer_look(int64_t drawn, int64_t xid, int64_t mark, int64_t oldest) {
    PGresult *rows[3] = { fake_rows(1), fake_rows(1), fake_rows(2) };
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_DRAWN);
    ck_assert_uint_eq(request->count, 3);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_TRANSACTION); /* after it: see telling.c */
    ck_assert_ptr_eq(request->calls[2].statement, &SQL_ORDER_MARK);
    fake_row(rows[0], "i", drawn);
    fake_row(rows[1], "i", xid);
    fake_row(rows[2], "ii", mark, oldest);
    fake_pg_answer(rows[0], rows[1], rows[2]);
}

static void expect_slice_of(int64_t after_id, int64_t up_to_id, int64_t rows) {
    wait_for_request();
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_WAITING)->calls[0];
    ck_assert_int_eq(fake_param_int8(call, 0), after_id);
    ck_assert_int_eq(fake_param_int8(call, 1), up_to_id);
    ck_assert_int_eq(fake_param_int8(call, 2), rows);
    ck_assert_int_eq(fake_param_int8(call, 3), PAGE);
}

static void expect_slice(int64_t after_id, int64_t up_to_id) {
    expect_slice_of(after_id, up_to_id, SLICE);
}

/* A stretch of which nobody is due; so many rows are there, and so many of them wait. */
static void expect_count(int64_t after_id, int64_t up_to_id, int64_t rows, int64_t last_id,
                         int64_t waiting, int64_t first_id) {
    wait_for_request();
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_COUNT)->calls[0];
    ck_assert_int_eq(fake_param_int8(call, 0), after_id);
    ck_assert_int_eq(fake_param_int8(call, 1), up_to_id);
    ck_assert_int_eq(fake_param_int8(call, 2), SLICE);
    PGresult *answer = fake_rows(4);
    fake_row(answer, "iiii", rows, last_id, waiting, first_id);
    fake_pg_answer(answer, NULL, NULL);
}

#define WAITING_TYPES "iiiiittTTtttt"

static void add_order(PGresult *rows, int64_t id, int64_t last_id) {
    fake_row(rows, WAITING_TYPES "i", id, (int64_t)7, (int64_t)3, (int64_t)100, (int64_t)300,
             "waiting", NULL, CREATED_MS, CREATED_MS, "shown", "request", "00-trace", "a=1",
             last_id);
}

/* A slice up to `last_id` where one order waits, or (0) none. */
static void answer_slice(int64_t id, int64_t last_id) {
    PGresult *rows = fake_rows(14);
    if (id != 0) {
        add_order(rows, id, last_id);
    } else {
        fake_row(rows, "ttttttttttttti", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                 NULL, NULL, NULL, last_id);
    }
    fake_pg_answer(rows, NULL, NULL);
}

static void answer_end(void) {
    PGresult *rows = fake_rows(14);
    fake_row(rows, "tttttttttttttt", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             NULL, NULL, NULL, NULL);
    fake_pg_answer(rows, NULL, NULL);
}

/* The database answers a round, stretch by stretch: these two wait. */
static void play(int64_t first_id, int64_t second_id) {
    while (!telling_is_idle()) {
        ck_assert_uint_eq(fake_pg.waiting, 1);
        const struct pg_call *call = &fake_pg.requests[0].calls[0];
        int64_t after_id = fake_param_int8(call, 0), to_id = fake_param_int8(call, 1);
        bool has_first = first_id > after_id && first_id <= to_id;
        bool has_second = second_id > after_id && second_id <= to_id;
        if (call->statement == &SQL_ORDER_COUNT) {
            expect_count(after_id, to_id, to_id - after_id, to_id, has_first + has_second,
                         has_first ? first_id : second_id);
        } else {
            expect_slice(after_id, to_id);
            answer_slice(has_first ? first_id : has_second ? second_id : 0, to_id);
        }
    }
}

/* The first look of a process, with nothing above the mark. */
static void start_at(int64_t drawn) {
    wait_for_request();
    answer_look(drawn, 100, drawn, 100);
    ck_assert(telling_is_idle());
}

/* ---- tests ---- */

START_TEST(what_was_stored_is_told_from_memory) {
    start_at(40);
    struct teller_event events[] = { event_of(41), event_of(42) };
    telling_tell(events, 2);
    ck_assert_uint_eq(fake_broker_count("\"type\":\"order.created\""), 2);
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/41\""), 1);
    ck_assert_uint_eq(fake_broker_count("\"traceparent\":\"00-trace\",\"tracestate\":\"a=1\","
                                        "\"requestid\":\"request\""),
                      2);
    settle(0, true);
    settle(1, true);
    run_for(INTERVAL_MS / 2);
    ck_assert_uint_eq(fake_pg.waiting, 0); /* nothing is to be told again */
}
END_TEST

/* 0: not confirmed, 1: not taken */
START_TEST(what_was_not_confirmed_is_told_again_from_its_row) {
    start_at(40);
    fake_broker.publish_err = _i == 1 ? ERR_BUSY : ERR_OK;
    tell(41);
    if (_i == 0) {
        settle(0, false);
    }
    size_t before = fake_broker.published;
    fake_broker.publish_err = ERR_OK;
    expect_slice(40, 41);
    answer_slice(41, 41);
    ck_assert_uint_eq(fake_broker.published, before + 1);
    ck_assert_uint_eq(fake_broker_count("\"orderId\":41,\"productId\":7,\"quantity\":3,"
                                        "\"status\":\"waiting\""),
                      before + 1);
    ck_assert(telling_is_idle());
    run_for(INTERVAL_MS / 2);
    ck_assert_uint_eq(fake_pg.waiting, 0); /* once */
}
END_TEST

START_TEST(what_is_with_the_broker_is_not_told_again) {
    start_at(40);
    tell(41);
    tell(42);
    settle(0, false);
    tell(43);
    settle(2, false);
    expect_slice(40, 43);
    PGresult *rows = fake_rows(14);
    for (int64_t id = 41; id <= 43; id++) {
        add_order(rows, id, 43);
    }
    fake_pg_answer(rows, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 5);
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/42\""), 1);
}
END_TEST

START_TEST(while_the_broker_is_away_orders_wait_and_are_told_when_it_is_back) {
    start_at(40);
    fake_broker.state = BROKER_DOWN;
    fake_broker.publish_err = ERR_UNAVAILABLE;
    tell(41);
    tell(42);
    run_for(INTERVAL_MS / 2);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_broker.state = BROKER_UP;
    fake_broker.publish_err = ERR_OK;
    telling_broker_up();
    loop_tick(backends.loop, 1);
    expect_slice(40, 42);
    answer_slice(41, 42);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(a_broker_that_is_lost_again_leaves_the_rest_for_later) {
    PGresult *rows = fake_rows(14);
    start_at(40);
    telling_later(41, 60);
    expect_slice(40, 60);
    add_order(rows, 41, 50);
    add_order(rows, 42, 50);
    fake_broker.publish_err = ERR_UNAVAILABLE;
    fake_broker.publish_ok_left = 1;
    fake_pg_answer(rows, NULL, NULL);
    ck_assert(telling_is_idle());
    fake_broker.publish_err = ERR_OK;
    expect_slice(41, 60); /* from the first that was not taken */
    answer_end();
}
END_TEST

/* ---- after a start ---- */

START_TEST(after_a_start_all_that_waits_above_the_mark_is_told) {
    wait_for_request();
    answer_look(90, 100, 50, 100);
    expect_count(50, 90, 39, 90, 1, 60); /* first of all it is known how many wait */
    ck_assert_int_eq(backlog_waiting(), 1);
    expect_slice(50, 90);
    answer_slice(60, 75);
    expect_slice(75, 90); /* the last that was looked at */
    answer_slice(0, 80);
    expect_slice(80, 90);
    answer_end();
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(what_this_process_has_stored_before_its_first_look_is_not_told_twice) {
    tell(81);
    wait_for_request();
    answer_look(90, 100, 50, 100);
    expect_count(50, 90, 0, 0, 0, 0);
    expect_slice(50, 80);
    answer_end();
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(a_full_page_goes_on_behind_its_last_order) {
    PGresult *rows = fake_rows(14);
    order_config.reconcile_interval_ms = 60000;
    wait_for_request();
    answer_look(9000, 100, NO_MARK, 100);
    expect_count(0, 9000, 8000, 8000, 8000, 1);
    expect_slice(0, 9000);
    for (int64_t id = 1; id <= PAGE; id++) {
        add_order(rows, id, 8000);
    }
    fake_pg_answer(rows, NULL, NULL);
    expect_slice_of(PAGE, 9000, PAGE); /* where all wait, no more are looked at than fit */
    answer_slice(0, PAGE + 1);
    expect_slice(PAGE + 1, 9000);
    answer_end();
    ck_assert_uint_eq(fake_broker_count("\"type\":\"order.created\""), PAGE);
}
END_TEST

/* ---- rounds ---- */

static uint64_t look_from_ms, look_to_ms; /* the look was between these two */

static void look(int64_t drawn, int64_t xid) {
    wait_for_request();
    look_from_ms = clock_monotonic_ms();
    answer_look(drawn, xid, NO_MARK, 99);
    look_to_ms = clock_monotonic_ms();
}

/* Is a doubling of the threshold among the ages above `low_ms` up to `high_ms`? */
static bool has_doubling(uint64_t low_ms, uint64_t high_ms) {
    for (uint64_t age_ms = QUICK_AFTER_MS; age_ms <= high_ms; age_ms *= 2) {
        if (age_ms > low_ms) {
            return true;
        }
    }
    return false;
}

/* An order that had been drawn at the first look: its age counts from there. */
START_TEST(who_waits_for_long_is_told_again_at_doubled_times) {
    size_t told = 0;
    order_config.reconcile_after_ms = QUICK_AFTER_MS;
    order_config.reconcile_interval_ms = 5;
    wait_for_request();
    uint64_t first_from_ms = clock_monotonic_ms();
    answer_look(40, 100, 40, 100);
    uint64_t first_to_ms = clock_monotonic_ms();
    uint64_t last_from_ms = first_to_ms, last_to_ms = first_to_ms;
    for (int64_t round = 1; look_to_ms < first_to_ms + QUICK_LIFE_MS; round++) {
        size_t before = fake_broker.published;
        look(41, 100 + round);
        play(40, 0);
        ck_assert_int_eq(backlog_waiting(), 1);
        bool tells = fake_broker.published > before;
        told += tells;
        ck_assert(!tells || has_doubling(last_from_ms - first_to_ms, look_to_ms - first_from_ms));
        ck_assert(tells || !has_doubling(last_to_ms - first_from_ms, look_from_ms - first_to_ms));
        if (tells) {
            settle(fake_broker.published - 1, true);
        }
        last_from_ms = look_from_ms;
        last_to_ms = look_to_ms;
    }
    ck_assert_uint_ge(told, 2);
}
END_TEST

START_TEST(who_became_due_without_a_broker_is_told_when_it_is_back) {
    order_config.reconcile_after_ms = QUICK_AFTER_MS;
    order_config.reconcile_interval_ms = 5;
    start_at(40);
    fake_broker.state = BROKER_DOWN;
    uint64_t until_ms = clock_monotonic_ms() + QUICK_AFTER_MS * 5; /* 4 times is passed, 8 is not */
    while (clock_monotonic_ms() < until_ms) {
        look(41, 101);
        play(40, 0);
    }
    ck_assert_uint_eq(fake_broker.published, 0);
    fake_broker.state = BROKER_UP;
    look(41, 102);
    play(40, 0);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(what_was_told_again_is_not_due_for_the_same_age) {
    order_config.reconcile_after_ms = INTERVAL_MS / 10;
    start_at(40);
    order_config.reconcile_interval_ms = 5;
    telling_later(31, 35);
    expect_slice(30, 35); /* after a pause of 200 ms: at 7 times the threshold */
    answer_slice(33, 35);
    ck_assert_uint_eq(fake_broker.published, 1);
    settle(0, true);
    look(41, 101);
    play(33, 36);
    ck_assert_uint_eq(fake_broker.published, 2);
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/36\""), 1);
    ck_assert_int_eq(backlog_waiting(), 2);
}
END_TEST

START_TEST(a_round_that_ends_early_leaves_its_rest_due) {
    order_config.reconcile_after_ms = INTERVAL_MS / 10;
    start_at(40);
    look(41, 101);       /* at 10 times the threshold: 16 times is far */
    expect_slice(0, 40); /* those that had been drawn so early */
    answer_slice(31, 35);
    expect_slice(35, 40);
    order_config.reconcile_interval_ms = 5;
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert_int_eq(backlog_waiting(), 0); /* it has not seen all */
    look(41, 102);
    play(31, 39);
    ck_assert_uint_eq(fake_broker.published, 2);
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/39\""), 1);
    ck_assert_int_eq(backlog_waiting(), 2);
}
END_TEST

START_TEST(who_is_younger_than_the_threshold_is_not_told_again) {
    start_at(40);
    wait_for_request();
    answer_look(41, 101, NO_MARK, 100);
    expect_count(0, 41, 41, 41, 1, 41);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* ---- how many wait ---- */

static void finish(int64_t id) {
    PGresult *result = fake_rows(1);
    fake_row(result, "i", id);
    backlog_finished(&(struct pg_rows){ .handle = result, .count = 1 });
    PQclear(result);
}

/* 20 wait in the first slice, 30 in the second; some are stored and finished meanwhile. */
START_TEST(what_happens_during_a_count_is_in_it_once) {
    start_at(40);
    for (int64_t id = 35; id <= 45; id++) {
        backlog_stored(id);
    }
    ck_assert_int_eq(backlog_waiting(), 11);
    finish(35);
    ck_assert_int_eq(backlog_waiting(), 10);
    wait_for_request();
    answer_look(90, 200, 20, 100);
    finish(60); /* before it is come to: not in the count */
    ck_assert_int_eq(backlog_waiting(), 9);
    expect_count(20, 90, SLICE, 50, 20, 31);
    finish(36);         /* behind: 19 are left there */
    backlog_stored(91); /* above: 2 are there, and of these */
    backlog_stored(92);
    finish(91); /* 1 is left */
    expect_count(50, 90, 30, 90, 30, 51);
    ck_assert_int_eq(backlog_waiting(), 50);
    finish(92);
    ck_assert_int_eq(backlog_waiting(), 49);
}
END_TEST

/* Another replica hears the outcomes: it is counted again, soon, until fewer wait. */
START_TEST(while_it_is_full_it_is_counted_each_second) {
    order_config.reconcile_interval_ms = 3600000;
    order_config.orders_waiting_max = 2;
    start_at(40);
    run_for(FULL_PAUSE_MS + FULL_PAUSE_MS / 2);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    for (int64_t id = 41; id <= 43; id++) { /* it stays at the time that was set first */
        backlog_stored(id);
        tell(id);
        run_for(FULL_PAUSE_MS / 4);
    }
    for (int64_t left = 2; left >= 1; left--) {
        ck_assert(backlog_is_full());
        wait_for_request();
        answer_look(43, 101, 40, 100);
        expect_count(40, 43, 3, 43, left, 42);
        run_for(FULL_PAUSE_MS / 4);
        ck_assert_uint_eq(fake_pg.waiting, 0);
    }
    ck_assert(!backlog_is_full());
    ck_assert(telling_is_idle());
    run_for(FULL_PAUSE_MS + FULL_PAUSE_MS / 2);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

/* 0: what was drawn is not below what is known, 1: only of what was stored since, 2: it is */
START_TEST(after_a_restore_the_backlog_is_measured_anew) {
    start_at(40);
    backlog_stored(90);
    finish(90);
    wait_for_request();
    if (_i == 1) {
        backlog_stored(91);
    }
    answer_look(_i == 2 ? 89 : 90, 101, 89, 100);
    ck_assert_int_eq(backlog_newest_id(), _i == 2 ? 0 : 90 + _i);
    if (_i != 2) {
        expect_count(89, 90, 1, 90, 0, 0);
    }
}
END_TEST

/* ---- the mark ---- */

static void expect_mark(int64_t low_id) {
    wait_for_request();
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_MARK_MOVE);
    ck_assert_int_eq(fake_param_int8(&request->calls[0], 0), low_id);
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(telling_is_idle());
}

/* The ids of the look before, once no transaction is older than it: nobody can store below them. */
START_TEST(the_mark_follows_when_no_transaction_is_older) {
    start_at(40);
    wait_for_request();
    answer_look(90, 200, 40, 99); /* one of before the first look is still under way */
    expect_count(40, 90, 0, 0, 0, 0);
    ck_assert(telling_is_idle());
    wait_for_request();
    answer_look(120, 300, 40, 100); /* it has ended: 40 is safe, and no higher than the mark */
    expect_count(40, 120, 0, 0, 0, 0);
    ck_assert(telling_is_idle());
    wait_for_request();
    answer_look(150, 400, 40, 299); /* something older than the look at 120 */
    expect_count(40, 150, 0, 0, 0, 0);
    ck_assert(telling_is_idle());
    wait_for_request();
    answer_look(180, 500, 40, 300);
    expect_count(40, 180, 0, 0, 0, 0);
    expect_mark(120);
}
END_TEST

/* Transactions have lower numbers then. */
START_TEST(after_a_restore_the_mark_follows_as_before) {
    start_at(40);
    wait_for_request();
    answer_look(90, 20, 40, 19);
    expect_count(40, 90, 0, 0, 0, 0);
    wait_for_request();
    answer_look(120, 30, 40, 20);
    expect_count(40, 120, 0, 0, 0, 0);
    expect_mark(90);
}
END_TEST

START_TEST(the_mark_stays_below_who_waits) {
    start_at(40);
    wait_for_request();
    answer_look(90, 200, 20, 100);
    expect_count(20, 90, SLICE, 50, 2, 31);
    expect_count(50, 90, 1, 90, 1, 90);
    expect_mark(30);
}
END_TEST

/* ---- what fails ---- */

START_TEST(a_round_that_fails_moves_nothing) {
    start_at(40);
    wait_for_request();
    fake_pg_fail(ERR_UNAVAILABLE); /* the look */
    ck_assert(telling_is_idle());
    wait_for_request();
    answer_look(90, 200, 20, 100);
    expect_count(20, 90, SLICE, 50, 2, 31);
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert(telling_is_idle());
    ck_assert_int_eq(backlog_waiting(), 0);
}
END_TEST

START_TEST(a_range_that_fails_is_told_later) {
    start_at(40);
    telling_later(41, 60);
    expect_slice(40, 60);
    fake_pg_fail(ERR_UNAVAILABLE);
    expect_slice(40, 60);
    answer_end();
}
END_TEST

START_TEST(without_a_broker_it_only_counts) {
    start_at(40);
    fake_broker.state = _i == 0 ? BROKER_DOWN : BROKER_BLOCKED;
    fake_broker.publish_err = ERR_UNAVAILABLE;
    wait_for_request();
    answer_look(90, 200, 20, 100);
    tell(91); /* what comes meanwhile is refused by the broker, and changes nothing here */
    expect_count(20, 90, SLICE, 50, 3, 31);
    expect_count(50, 90, 40, 90, 40, 51);
    ck_assert(telling_is_idle()); /* nor is the mark moved */
    ck_assert_int_eq(backlog_waiting(), 43);
}
END_TEST

START_TEST(without_a_database_it_waits) {
    fake_pg.ready = false;
    run_for(2 * INTERVAL_MS);
    ck_assert_uint_eq(fake_pg.asked, 0);
    fake_pg.ready = true;
    start_at(40);
}
END_TEST

START_TEST(stopping_during_a_range) {
    start_at(40);
    telling_later(41, 60);
    expect_slice(40, 60);
    telling_stop();
    ck_assert(!telling_is_idle());
    answer_slice(41, 60);
    ck_assert(telling_is_idle());
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(stopping_during_a_round) {
    start_at(40);
    wait_for_request();
    answer_look(90, 200, 20, 100);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    telling_stop();
    ck_assert(!telling_is_idle());
    expect_count(20, 90, SLICE, 50, 2, 31);
    ck_assert(telling_is_idle());
    ck_assert_uint_eq(fake_broker.published, 0);
    run_for(2 * INTERVAL_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("telling");
    TCase *tcase = tcase_create("telling");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_stored_is_told_from_memory);
    tcase_add_loop_test(tcase, what_was_not_confirmed_is_told_again_from_its_row, 0, 2);
    tcase_add_test(tcase, what_is_with_the_broker_is_not_told_again);
    tcase_add_test(tcase, while_the_broker_is_away_orders_wait_and_are_told_when_it_is_back);
    tcase_add_test(tcase, a_broker_that_is_lost_again_leaves_the_rest_for_later);
    tcase_add_test(tcase, after_a_start_all_that_waits_above_the_mark_is_told);
    tcase_add_test(tcase, what_this_process_has_stored_before_its_first_look_is_not_told_twice);
    tcase_add_test(tcase, a_full_page_goes_on_behind_its_last_order);
    tcase_add_test(tcase, who_waits_for_long_is_told_again_at_doubled_times);
    tcase_add_test(tcase, who_is_younger_than_the_threshold_is_not_told_again);
    tcase_add_test(tcase, who_became_due_without_a_broker_is_told_when_it_is_back);
    tcase_add_test(tcase, what_was_told_again_is_not_due_for_the_same_age);
    tcase_add_test(tcase, a_round_that_ends_early_leaves_its_rest_due);
    tcase_add_test(tcase, the_mark_follows_when_no_transaction_is_older);
    tcase_add_test(tcase, after_a_restore_the_mark_follows_as_before);
    tcase_add_test(tcase, the_mark_stays_below_who_waits);
    tcase_add_test(tcase, a_round_that_fails_moves_nothing);
    tcase_add_test(tcase, a_range_that_fails_is_told_later);
    tcase_add_loop_test(tcase, without_a_broker_it_only_counts, 0, 2);
    tcase_add_test(tcase, without_a_database_it_waits);
    tcase_add_test(tcase, stopping_during_a_range);
    tcase_add_test(tcase, stopping_during_a_round);
    tcase_add_test(tcase, what_happens_during_a_count_is_in_it_once);
    tcase_add_test(tcase, while_it_is_full_it_is_counted_each_second);
    tcase_add_loop_test(tcase, after_a_restore_the_backlog_is_measured_anew, 0, 3);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
