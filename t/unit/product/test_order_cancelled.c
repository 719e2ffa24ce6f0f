/* link: services/product/order_cancelled.c services/product/product_set.c services/product/ledger.c
 *       services/product/product.c services/product/metrics.c services/product/statements.c
 *       services/product/stock_news.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/*
 * services/product/order_cancelled: a batch of cancelled orders becomes one transaction; whatever
 * goes wrong, what was taken is given back once, and each is answered as often as it is told.
 */
#include "product/metrics.h"

#include "stock_events_fixture.h"

#define LATER_MS (CREATED_MS + 5000)

static void setup(void) {
    stock_events_open(&order_cancelled_consumer);
    for (size_t i = 0; i < PRODUCT_METRIC_COUNT; i++) {
        product_metrics[i].value = 0;
    }
}

static void add_cancelled(int64_t order_id, int64_t product_id, int64_t quantity) {
    add_event(order_id, product_id, quantity, ",\"cancelledAt\":\"2026-11-22T18:00:00.000Z\"");
}

/* What the ledger has of an order of product 7; `created_ms` 0: a row of a version before. */
static void add_row(PGresult *ledger, int64_t order_id, int64_t quantity, const char *status,
                    int64_t created_ms) {
    const char *reason = strcmp(status, "rejected") == 0 ? "out_of_stock" : NULL;
    if (created_ms == 0) {
        fake_row(ledger, "ittTiitt", order_id, status, reason, LATER_MS, INT64_C(7), quantity,
                 "of the order", NULL);
    } else {
        fake_row(ledger, LEDGER_TYPES, order_id, status, reason, LATER_MS, INT64_C(7), quantity,
                 "of the order", created_ms);
    }
}

static PGresult *one_row(int64_t quantity, const char *status, int64_t created_ms) {
    PGresult *ledger = fake_rows(8);
    add_row(ledger, 1, quantity, status, created_ms);
    return ledger;
}

/* How many orders the commit gives back, and puts into the ledger; and the stock of product 7 then,
   -1: it is not changed. */
static void expect_changes(size_t returned, size_t inserted, int64_t qty) {
    const struct fake_pg_request *commit = expect_commit();
    const struct pg_call *back = call_of(commit, &SQL_LEDGER_RETURN);
    const struct pg_call *insert = call_of(commit, &SQL_LEDGER_INSERT);
    const struct pg_call *update = call_of(commit, &SQL_PRODUCT_UPDATE);
    ck_assert_uint_eq(back == NULL ? 0 : fake_param_count(back, 0), returned);
    ck_assert_uint_eq(insert == NULL ? 0 : fake_param_count(insert, 0), inserted);
    ck_assert_int_eq(update == NULL ? -1 : fake_param_int8_at(update, 3, 0), qty);
}

static int64_t time_at(const struct pg_call *call, size_t param, size_t row) {
    return fake_param_int8_at(call, param, row) / 1000 + PG_EPOCH_UNIX_MS;
}

static void end_well(size_t answers) {
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker_count("\"status\":\"cancelled\",\"reason\":null"), answers);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
}

START_TEST(a_batch_is_one_transaction_then_events_cache_and_acknowledgement) {
    static const char *const STATUSES[] = { "done", "rejected", "cancelled", "returned" };
    PGresult *ledger = fake_rows(8);
    for (int64_t id = 1; id <= 4; id++) {
        add_row(ledger, id, 2, STATUSES[id - 1], CREATED_MS);
    }
    for (int64_t id = 1; id <= 5; id++) {
        add_cancelled(id, 7, 2); /* nobody has heard of the fifth */
    }
    add_cancelled(6, 9, 2); /* nor of its product */
    deliveries[0].message.trace.parent = "00-trace";
    deliver();
    const struct fake_pg_request *lock = fake_pg_expect(FAKE_PG_BEGIN, &SQL_PRODUCT_LOCK);
    ck_assert_uint_eq(fake_param_count(&lock->calls[0], 0), 2);
    ck_assert_uint_eq(fake_param_count(&lock->calls[1], 0), 6);
    answer_lock(5, ledger);
    expect_changes(1, 2, 7);
    const struct pg_call *back = call_of(expect_commit(), &SQL_LEDGER_RETURN);
    ck_assert_int_eq(fake_param_int8_at(back, 0, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(back, 1, 0), 1);
    ck_assert_int_eq(time_at(back, 2, 0), CREATED_MS);
    const struct pg_call *insert = call_of(expect_commit(), &SQL_LEDGER_INSERT);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(fake_param_int8_at(insert, 0, i), 5 + (int64_t)i);
        ck_assert_int_eq(fake_param_int8_at(insert, 1, i), i == 0 ? 7 : 9);
        ck_assert_int_eq(fake_param_int8_at(insert, 2, i), 2);
        ck_assert(str_equal(fake_param_text_at(insert, 3, i), STR("cancelled")));
        ck_assert_ptr_null(fake_param_text_at(insert, 4, i).data);
        ck_assert_int_eq(time_at(insert, 7, i), CREATED_MS);
    }
    ck_assert_int_eq(fake_param_int8_at(call_of(expect_commit(), &SQL_PRODUCT_UPDATE), 4, 0), 4);
    ck_assert_uint_eq(fake_broker.published + fake_broker.acks[0], 0); /* commit first */
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 7);
    ck_assert(published("order.updated", OUTCOME("1", "2", "cancelled") ",\"reason\":null"));
    ck_assert(published("order.updated", "\"id\":\"order.updated-cancelled-2-1795367792123\""));
    ck_assert(published("product.updated", "\"qty\":7,\"version\":4"));
    ck_assert_uint_eq(fake_broker_count("\"traceparent\":\"00-trace\",\"requestid\":\"r-1\""), 1);
    ck_assert_uint_eq(fake_broker.acks[0], 0); /* not before the cache, and the confirms */
    fake_cache_run();
    ck_assert_int_eq(fake_cache_version("product:7"), 4);
    ck_assert_uint_eq(fake_broker.acks[0], 0);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_int_eq(product_metrics[M_CANCELLED_RETURNED].value, 1);
    ck_assert_int_eq(product_metrics[M_CANCELLED_KEPT].value, 2);
    ck_assert_int_eq(product_metrics[M_CANCELLED_REPEATED].value, 3);
}
END_TEST

/* The ledger has it (0), has it from a version before (1), or does not (2). */
START_TEST(copies_within_a_batch_count_once_and_are_all_answered) {
    for (int i = 0; i < 3; i++) {
        add_cancelled(1, 7, 3);
    }
    deliver();
    answer_lock(5, _i == 2 ? NULL : one_row(3, "done", _i == 0 ? CREATED_MS : 0));
    expect_changes(_i == 2 ? 0 : 1, _i == 2 ? 1 : 0, _i == 2 ? -1 : 8);
    end_well(3);
}
END_TEST

/* What was told before is told again, with how the product is now: its event may have been lost. */
START_TEST(a_cancellation_that_was_settled_changes_nothing) {
    static const char *const STATUSES[] = { "returned", "cancelled", "rejected" };
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, one_row(3, STATUSES[_i / 2], _i % 2 == 0 ? CREATED_MS : 0));
    expect_changes(0, 0, -1);
    end_well(1);
    ck_assert(published("product.updated", "\"qty\":5,\"version\":3"));
}
END_TEST

/* ---- whose row it is ---- */

static const struct {
    int64_t quantity, created_ms, decided_after_ms; /* after the order was made */
    bool is_its;
} OLD_ROWS[] = {
    { 3, CREATED_MS, 5000, true },
    { 3, CREATED_MS - 1, 5000, false }, /* of an order database before a restore */
    { 3, 0, 5000, true },
    { 3, 0, 0, true },
    { 3, 0, -60000, true },  /* clocks do not agree */
    { 3, 0, -60001, false }, /* of an order with its id, before a restore */
    { 4, 0, 5000, false },
};

/*
 * Its createdAt says so; of a row of a version before, which has none, product, quantity and
 * time.
 */
START_TEST(rows_of_this_order_and_of_others_with_its_id) {
    PGresult *ledger = fake_rows(8);
    int64_t decided_ms = CREATED_MS + OLD_ROWS[_i].decided_after_ms;
    if (OLD_ROWS[_i].created_ms == 0) {
        fake_row(ledger, "ittTiitt", INT64_C(1), "done", NULL, decided_ms, INT64_C(7),
                 OLD_ROWS[_i].quantity, "another", NULL);
    } else {
        fake_row(ledger, LEDGER_TYPES, INT64_C(1), "done", NULL, decided_ms, INT64_C(7),
                 OLD_ROWS[_i].quantity, "another", OLD_ROWS[_i].created_ms);
    }
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, ledger);
    if (OLD_ROWS[_i].is_its) {
        expect_changes(1, 0, 8);
        const struct pg_call *back = call_of(expect_commit(), &SQL_LEDGER_RETURN);
        ck_assert_int_eq(fake_param_int8_at(back, 1, 0), OLD_ROWS[_i].created_ms != 0);
    } else {
        expect_changes(0, 1, -1);
    }
    end_well(1);
}
END_TEST

/* It has a row that is exactly its own, whichever comes first: the other is another order's. */
START_TEST(an_exact_row_is_preferred) {
    PGresult *ledger = fake_rows(8);
    for (int i = 0; i < 2; i++) {
        add_row(ledger, 1, 3, i == _i / 2 ? "done" : "rejected", i == _i % 2 ? 0 : CREATED_MS);
    }
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, ledger);
    bool is_done = _i / 2 != _i % 2;
    expect_changes(is_done, 0, is_done ? 8 : -1);
    if (is_done) {
        const struct pg_call *back = call_of(expect_commit(), &SQL_LEDGER_RETURN);
        ck_assert_int_eq(fake_param_int8_at(back, 1, 0), 1);
    }
    end_well(1);
}
END_TEST

/* Two orders of one id, from before and after a restore: each has its own row. */
START_TEST(two_orders_of_one_id_are_two) {
    PGresult *ledger = fake_rows(8);
    add_row(ledger, 1, 3, "done", CREATED_MS);
    add_row(ledger, 1, 2, "done", CREATED_MS + 1000);
    add_cancelled(1, 7, 3);
    add_cancelled(1, 7, 2);
    memcpy(strstr(bodies[1], "32.123Z"), "33.123Z", 7);
    deliver();
    answer_lock(5, ledger);
    expect_changes(2, 0, 10);
    end_well(2);
}
END_TEST

/* ---- what a person has to see ---- */

/* The commit notes so many conflicts, of which so many are new; so many are answered. */
static void end_with_conflicts(size_t conflicts, size_t new_ones, size_t answers) {
    const struct pg_call *noted = call_of(expect_commit(), &SQL_LEDGER_CONFLICT);
    PGresult *rows = fake_rows(1);
    ck_assert_uint_eq(noted == NULL ? 0 : fake_param_count(noted, 0), conflicts);
    for (size_t i = 0; i < new_ones; i++) {
        fake_row(rows, "i", fake_param_int8_at(noted, 0, i));
    }
    fake_pg_answer(rows, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker_count("\"status\":\"cancelled\",\"reason\":null"), answers);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
    ck_assert_int_eq(product_metrics[M_CANCELLED_CONFLICTING].value, (int64_t)new_ones);
    int64_t settled = product_metrics[M_CANCELLED_RETURNED].value +
                      product_metrics[M_CANCELLED_REPEATED].value +
                      product_metrics[M_CANCELLED_KEPT].value;
    ck_assert_int_eq(settled, (int64_t)answers);
}

/* Another quantity (0, 2), another product (1, 3); noted before (2, 3). It is not settled. */
START_TEST(what_the_ledger_has_otherwise_is_noted_and_not_answered) {
    int64_t product_id = _i % 2 == 0 ? 7 : 9;
    add_cancelled(1, product_id, _i % 2 == 0 ? 2 : 3);
    deliver();
    answer_lock(5, one_row(3, "done", CREATED_MS));
    expect_changes(0, 0, -1);
    const struct pg_call *noted = call_of(expect_commit(), &SQL_LEDGER_CONFLICT);
    ck_assert_int_eq(fake_param_int8_at(noted, 0, 0), 1);
    ck_assert_int_eq(time_at(noted, 1, 0), CREATED_MS);
    ck_assert_int_eq(fake_param_int8_at(noted, 2, 0), product_id);
    ck_assert_int_eq(fake_param_int8_at(noted, 3, 0), _i % 2 == 0 ? 2 : 3);
    ck_assert(str_equal(fake_param_text_at(noted, 5, 0), STR("r-1")));
    end_with_conflicts(1, _i < 2, 0);
}
END_TEST

/* A copy with other contents, which comes first, does not keep the right one from its stock. */
START_TEST(a_copy_with_other_contents_takes_no_turn) {
    add_cancelled(1, 7, 2);
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, one_row(3, "done", CREATED_MS));
    expect_changes(1, 0, 8);
    end_with_conflicts(1, 1, 1);
}
END_TEST

START_TEST(an_unreadable_row_of_the_ledger_parks_its_event) {
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, one_row(3, "lost", CREATED_MS));
    ck_assert_uint_eq(fake_pg.rollbacks, 1);
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* ---- what cannot be given back ---- */

/* There is room to the brim (0), not one more (1); the neighbour has its own (both). */
START_TEST(stock_that_has_no_room_stays_taken) {
    PGresult *ledger = fake_rows(8);
    add_row(ledger, 1, 3 + _i, "done", CREATED_MS);
    add_row(ledger, 2, 1, "done", CREATED_MS);
    add_cancelled(1, 7, 3 + _i);
    add_cancelled(2, 7, 1);
    deliver();
    answer_lock(2147483647 - 3 - (_i == 0), ledger);
    expect_changes(_i == 0 ? 2 : 1, 0, _i == 0 ? 2147483647 : 2147483645);
    if (_i == 0) {
        end_well(2);
    } else {
        end_with_conflicts(1, 1, 1);
    }
}
END_TEST

/* Nor is a copy answered, as if that had been done. */
START_TEST(copies_of_what_has_no_room_are_not_settled) {
    add_cancelled(1, 7, 3);
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(2147483647, one_row(3, "done", CREATED_MS));
    expect_changes(0, 0, -1);
    end_with_conflicts(2, 1, 0);
}
END_TEST

/* Told again when there is room: it needs nobody. */
START_TEST(what_has_room_at_last_is_given_back) {
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(2147483644, one_row(3, "done", CREATED_MS));
    expect_changes(1, 0, 2147483647);
    end_with_conflicts(0, 0, 1);
}
END_TEST

START_TEST(stock_of_a_product_that_is_gone_stays_taken) {
    add_cancelled(1, 7, 3);
    deliver();
    wait_for_request();
    fake_pg_answer(NULL, one_row(3, "done", CREATED_MS), NULL);
    expect_changes(0, 0, -1);
    end_with_conflicts(1, 1, 0);
}
END_TEST

/* ---- failures ---- */

static const enum err PASSING[] = { ERR_CONFLICT, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_DUPLICATE };

/*
 * At the lock and at the commit, each error of the database: then it is looked at afresh. Meanwhile
 * the order was decided, or the commit was made and only its answer lost.
 */
START_TEST(the_database_fails_and_the_batch_is_done_afresh) {
    bool at_commit = _i % 2 == 1, is_returned = _i / 2 % 2 == 1;
    add_cancelled(1, 7, 3);
    deliver();
    if (at_commit) {
        answer_lock(5, is_returned ? one_row(3, "done", CREATED_MS) : NULL);
        (void)expect_commit();
    }
    fake_pg_fail(PASSING[_i / 4]);
    ck_assert_uint_eq(fake_broker.published + fake_broker.acks[0] + fake_broker.parked_count, 0);
    answer_lock(2, one_row(3, is_returned ? "returned" : "done", CREATED_MS));
    expect_changes(!is_returned, 0, is_returned ? -1 : 5);
    end_well(1);
}
END_TEST

START_TEST(a_cancellation_of_a_locked_product_is_set_aside) {
    add_cancelled(1, 8, 1);
    add_cancelled(2, 7, 1);
    deliver();
    fake_pg_fail(ERR_LOCKED);
    PGresult *locked = fake_rows(1), *ledger = fake_rows(8);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_PRODUCT_LOCKED);
    fake_row(locked, "i", INT64_C(8));
    fake_pg_answer(locked, NULL, NULL);
    ck_assert_uint_eq(fake_broker.aside_count, 1);
    ck_assert_ptr_eq(fake_broker.aside[0].delivery, &deliveries[0]);
    add_row(ledger, 2, 1, "done", CREATED_MS);
    answer_lock(5, ledger);
    expect_changes(1, 0, 6);
    end_well(1);
}
END_TEST

/* The next batch begins while this one commits, when this one is full; else after the commit. */
START_TEST(batches_overlap) {
    size_t count = _i == 1 ? ORDERS_MAX - 1 : 1;
    for (size_t i = 0; i < count; i++) {
        add_cancelled((int64_t)i + 1, 7, 1);
    }
    consumer.options.batch_max = count + (_i == 0);
    deliver();
    ck_assert_uint_eq(fake_broker.asked[0], 0);
    answer_lock(5, NULL);
    ck_assert_uint_eq(fake_broker.asked[0], _i == 1);
    expect_changes(0, count, -1);
    end_well(count);
    ck_assert_uint_eq(fake_broker.asked[0], 1);
}
END_TEST

START_TEST(the_one_that_the_database_refuses_is_parked) {
    for (int64_t id = 1; id <= 4; id++) {
        add_cancelled(id, 7, 1);
    }
    deliver();
    for (int rounds = 0; fake_broker.acks[0] == 0; rounds++) {
        ck_assert_int_lt(rounds, 12);
        answer_lock(100, NULL);
        const struct pg_call *ledger = call_of(expect_commit(), &SQL_LEDGER_INSERT);
        bool has_bad = false;
        for (size_t i = 0; i < fake_param_count(ledger, 0); i++) {
            has_bad = has_bad || fake_param_int8_at(ledger, 0, i) == _i + 1;
        }
        if (has_bad) {
            fake_pg_fail(ERR_REJECTED_DATA);
        } else {
            fake_pg_answer(NULL, NULL, NULL);
        }
        fake_cache_run();
        confirm();
        wait_for_acks(1);
    }
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_ptr_eq(fake_broker.parked[0].delivery, &deliveries[_i]);
    ck_assert_uint_eq(fake_broker_count("\"status\":\"cancelled\""), 3);
}
END_TEST

#define GOOD "\"orderId\":1,\"productId\":7,\"quantity\":3,\"createdAt\":\"" CREATED_TEXT "\""

static const struct {
    const char *body, *reason;
} MALFORMED[] = {
    { "{" GOOD "}", "cancelledAt is not an RFC 3339 time" },
    { "{\"orderId\":0,\"cancelledAt\":\"" CREATED_TEXT "\"}", "orderId is not a positive integer" },
    { "{\"orderId\":1,\"productId\":7,\"quantity\":1000001}",
      "quantity is not an integer from 1 to 1000000" },
};

START_TEST(what_is_malformed_is_parked) {
    deliveries[delivery_count++] = fake_delivery("id", MALFORMED[_i].body);
    deliver();
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_str_eq(fake_broker.parked[0].detail, MALFORMED[_i].reason);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_pg.asked, 0);
}
END_TEST

START_TEST(redis_may_be_gone) {
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, one_row(3, "done", CREATED_MS));
    fake_cache.up = _i != 0;
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_lose();
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.published, 2);
}
END_TEST

START_TEST(stopping_during_a_transaction) {
    add_cancelled(1, 7, 3);
    deliver();
    answer_lock(5, NULL);
    consumer_stop(&consumer);
    ck_assert(!consumer_is_idle(&consumer));
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert(!consumer_is_idle(&consumer)); /* its answer is not confirmed */
    confirm();
    ck_assert(consumer_is_idle(&consumer));
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order_cancelled");
    TCase *tcase = tcase_create("order_cancelled");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, stock_events_close);
    tcase_add_test(tcase, a_batch_is_one_transaction_then_events_cache_and_acknowledgement);
    tcase_add_loop_test(tcase, copies_within_a_batch_count_once_and_are_all_answered, 0, 3);
    tcase_add_loop_test(tcase, a_cancellation_that_was_settled_changes_nothing, 0, 6);
    tcase_add_loop_test(tcase, rows_of_this_order_and_of_others_with_its_id, 0,
                        (int)UNIT_COUNT(OLD_ROWS));
    tcase_add_loop_test(tcase, an_exact_row_is_preferred, 0, 4);
    tcase_add_test(tcase, two_orders_of_one_id_are_two);
    tcase_add_loop_test(tcase, what_the_ledger_has_otherwise_is_noted_and_not_answered, 0, 4);
    tcase_add_test(tcase, a_copy_with_other_contents_takes_no_turn);
    tcase_add_test(tcase, an_unreadable_row_of_the_ledger_parks_its_event);
    tcase_add_loop_test(tcase, stock_that_has_no_room_stays_taken, 0, 2);
    tcase_add_test(tcase, copies_of_what_has_no_room_are_not_settled);
    tcase_add_test(tcase, what_has_room_at_last_is_given_back);
    tcase_add_test(tcase, stock_of_a_product_that_is_gone_stays_taken);
    tcase_add_loop_test(tcase, the_database_fails_and_the_batch_is_done_afresh, 0,
                        4 * (int)UNIT_COUNT(PASSING));
    tcase_add_test(tcase, a_cancellation_of_a_locked_product_is_set_aside);
    tcase_add_loop_test(tcase, batches_overlap, 0, 2);
    tcase_add_loop_test(tcase, the_one_that_the_database_refuses_is_parked, 0, 4);
    tcase_add_loop_test(tcase, what_is_malformed_is_parked, 0, (int)UNIT_COUNT(MALFORMED));
    tcase_add_loop_test(tcase, redis_may_be_gone, 0, 2);
    tcase_add_test(tcase, stopping_during_a_transaction);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
