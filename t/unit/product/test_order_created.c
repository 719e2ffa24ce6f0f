/* link: services/product/order_created.c services/product/product_set.c services/product/ledger.c
 *       services/product/product.c services/product/stock.c services/product/metrics.c
 *       services/product/statements.c services/product/stock_news.c t/unit/fake_pg.c
 *       t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_backends.c */
/*
 * services/product/order_created: a batch of orders becomes one transaction; whatever goes wrong,
 * an order is decided once and told as often as it takes.
 */
#include "stock_events_fixture.h"

static void setup(void) {
    stock_events_open(&order_created_consumer);
}

static void add_order(int64_t order_id, int64_t product_id, int64_t quantity) {
    add_event(order_id, product_id, quantity, "");
}

START_TEST(a_batch_is_one_transaction_then_events_cache_and_acknowledgement) {
    add_order(1, 7, 3);
    add_order(2, 7, 3);
    deliveries[1].message.trace.parent = "00-trace";
    deliveries[1].message.trace.state = "a=1";
    add_order(3, 9, 1);
    add_order(4, 7, 2);
    deliver();
    const struct fake_pg_request *lock = fake_pg_expect(FAKE_PG_BEGIN, &SQL_PRODUCT_LOCK);
    ck_assert_uint_eq(fake_param_count(&lock->calls[0], 0), 2); /* each product once */
    ck_assert_int_eq(fake_param_int8_at(&lock->calls[0], 0, 0), 7);
    ck_assert_uint_eq(fake_param_count(&lock->calls[1], 0), 4);
    answer_lock(5, NULL);
    const struct fake_pg_request *commit = expect_commit();
    const struct pg_call *ledger = call_of(commit, &SQL_LEDGER_INSERT);
    static const char *const STATUSES[] = { "done", "rejected", "rejected", "done" };
    static const char *const REASONS[] = { NULL, "out_of_stock", "product_not_found", NULL };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(fake_param_int8_at(ledger, 0, i), (int64_t)i + 1);
        ck_assert(str_equal(fake_param_text_at(ledger, 3, i), str_of(STATUSES[i])));
        ck_assert(str_equal(fake_param_text_at(ledger, 4, i), str_of(REASONS[i])));
    }
    const struct pg_call *update = call_of(commit, &SQL_PRODUCT_UPDATE);
    ck_assert_uint_eq(fake_param_count(update, 0), 1); /* one update a product */
    ck_assert_int_eq(fake_param_int8_at(update, 3, 0), 0);
    ck_assert_int_eq(fake_param_int8_at(update, 4, 0), 4);
    ck_assert_ptr_null(call_of(commit, &SQL_OUTBOX_INSERT)); /* the orders are their own */
    ck_assert_uint_eq(fake_broker.published + fake_broker.acks[0], 0); /* commit first */
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 5);
    ck_assert(published("order.updated", OUTCOME("1", "3", "done")));
    ck_assert(
        published("order.updated", OUTCOME("2", "3", "rejected") ",\"reason\":\"out_of_stock\""));
    ck_assert(published("product.updated", "\"id\":7,\"name\":\"thing\",\"price\":19.90,\"qty\":0,"
                                           "\"version\":4"));
    ck_assert(published("order.updated", "\"requestid\":\"r-1\""));
    /* order 2's trace: its own outcome's, nobody else's */
    ck_assert_uint_eq(fake_broker_count("traceparent"), 1);
    ck_assert_uint_eq(fake_broker_count("\"traceparent\":\"00-trace\",\"tracestate\":\"a=1\","
                                        "\"requestid\":\"r-2\""),
                      1);
    ck_assert_uint_eq(fake_broker.acks[0], 0); /* not before the cache, and the confirms */
    fake_cache_run();
    ck_assert_int_eq(fake_cache_version("product:7"), 4);
    ck_assert_uint_eq(fake_broker.acks[0], 0);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

START_TEST(copies_within_a_batch_count_once_and_are_all_told) {
    add_order(1, 7, 3);
    add_order(1, 7, 3);
    add_order(2, 7, 3);
    deliver();
    answer_lock(5, NULL);
    const struct fake_pg_request *commit = expect_commit();
    const struct pg_call *ledger = call_of(commit, &SQL_LEDGER_INSERT);
    ck_assert_uint_eq(fake_param_count(ledger, 0), 2);
    ck_assert_int_eq(fake_param_int8_at(call_of(commit, &SQL_PRODUCT_UPDATE), 3, 0), 2);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.published, 4);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

START_TEST(a_redelivery_is_answered_from_the_ledger) {
    PGresult *ledger = fake_rows(8);
    fake_row(ledger, LEDGER_TYPES, INT64_C(1), "done", NULL, CREATED_MS + 5000, INT64_C(7),
             INT64_C(3), "r-1", CREATED_MS);
    fake_row(ledger, LEDGER_TYPES, INT64_C(2), "rejected", "out_of_stock", CREATED_MS, INT64_C(7),
             INT64_C(1), "r-2", CREATED_MS);
    add_order(1, 7, 3);
    add_order(2, 7, 1); /* there would be stock by now: what was decided stands */
    deliver();
    answer_lock(5, ledger);
    const struct fake_pg_request *commit = expect_commit();
    ck_assert_ptr_null(call_of(commit, &SQL_LEDGER_INSERT));
    ck_assert_ptr_null(call_of(commit, &SQL_PRODUCT_UPDATE));
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.published, 3);
    /* how the product is now, whose event may have been lost */
    ck_assert(published("product.updated", "\"qty\":5,\"version\":3"));
    ck_assert(published(
        "order.updated",
        OUTCOME("1", "3", "done") ",\"reason\":null,\"updatedAt\":\"2026-11-22T17:16:37.123Z\""));
    ck_assert(published("order.updated", "\"status\":\"rejected\",\"reason\":\"out_of_stock\""));
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

/*
 * An order database that was restored from a backup gives ids out again: those are other orders.
 * 0: another createdAt; 1: a row of a version before, with another request id
 */
START_TEST(an_order_whose_id_came_before_is_another_order) {
    PGresult *ledger = fake_rows(8);
    if (_i == 0) {
        fake_row(ledger, LEDGER_TYPES, INT64_C(1), "done", NULL, CREATED_MS, INT64_C(8), INT64_C(4),
                 "r-1", CREATED_MS - 1);
    } else {
        fake_row(ledger, "ittTiitt", INT64_C(1), "done", NULL, CREATED_MS, INT64_C(8), INT64_C(4),
                 "other", NULL);
    }
    add_order(1, 7, 3);
    deliver();
    answer_lock(5, ledger);
    const struct fake_pg_request *commit = expect_commit();
    const struct pg_call *insert = call_of(commit, &SQL_LEDGER_INSERT);
    ck_assert_uint_eq(fake_param_count(insert, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(call_of(commit, &SQL_PRODUCT_UPDATE), 3, 0), 2);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.parked_count, 0);
    ck_assert(published("order.updated", OUTCOME("1", "3", "done")));
}
END_TEST

/*
 * Its cancellation was faster (0), or it is told again after its stock came back (1): it takes
 * none.
 */
START_TEST(a_cancelled_order_takes_nothing) {
    PGresult *ledger = fake_rows(8);
    fake_row(ledger, LEDGER_TYPES, INT64_C(1), _i == 0 ? "cancelled" : "returned", NULL,
             CREATED_MS + 5000, INT64_C(7), INT64_C(3), "of the cancellation", CREATED_MS);
    add_order(1, 7, 3);
    add_order(2, 7, 4);
    deliver();
    answer_lock(5, ledger);
    const struct fake_pg_request *commit = expect_commit();
    const struct pg_call *insert = call_of(commit, &SQL_LEDGER_INSERT);
    ck_assert_uint_eq(fake_param_count(insert, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(insert, 0, 0), 2);
    ck_assert_int_eq(fake_param_int8_at(call_of(commit, &SQL_PRODUCT_UPDATE), 3, 0), 1);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert(published("order.updated", OUTCOME("1", "3", "cancelled") ",\"reason\":null"));
    ck_assert(published("order.updated", OUTCOME("2", "4", "done")));
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

START_TEST(a_row_of_a_version_before_is_known_by_its_request_id) {
    PGresult *ledger = fake_rows(8);
    fake_row(ledger, "ittTiitt", INT64_C(1), "done", NULL, CREATED_MS, INT64_C(7), INT64_C(3),
             "r-1", NULL);
    add_order(1, 7, 3);
    deliver();
    answer_lock(5, ledger);
    ck_assert_ptr_null(call_of(expect_commit(), &SQL_LEDGER_INSERT));
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert(published("order.updated", OUTCOME("1", "3", "done")));
}
END_TEST

/* The same id and time within a batch is a copy, the same id alone is not. */
START_TEST(two_orders_of_one_id_in_a_batch_are_two) {
    add_order(1, 7, 3);
    add_order(1, 7, 2);
    memcpy(strstr(bodies[1], "32.123Z"), "33.123Z", 7);
    deliver();
    answer_lock(5, NULL);
    const struct pg_call *insert = call_of(expect_commit(), &SQL_LEDGER_INSERT);
    ck_assert_uint_eq(fake_param_count(insert, 0), 2);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker_count("\"status\":\"done\""), 2);
}
END_TEST

/*
 * 0: another product, 1: another quantity, 2: a status that nobody knows
 */
/*
 * With another product, or quantity: a dead letter when it is noted for the first time, and not
 * again.
 */
START_TEST(an_order_that_the_ledger_has_otherwise_is_parked_once) {
    bool is_new = _i < 2;
    add_order(1, 7, 3);
    deliver();
    PGresult *ledger = fake_rows(8), *noted = fake_rows(1);
    fake_row(ledger, LEDGER_TYPES, INT64_C(1), "done", NULL, CREATED_MS,
             _i % 2 == 0 ? INT64_C(8) : INT64_C(7), _i % 2 == 1 ? INT64_C(4) : INT64_C(3), "r-1",
             CREATED_MS);
    answer_lock(5, ledger);
    const struct pg_call *note = call_of(expect_commit(), &SQL_LEDGER_CONFLICT);
    ck_assert_int_eq(fake_param_int8_at(note, 0, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(note, 1, 0) / 1000 + PG_EPOCH_UNIX_MS, CREATED_MS);
    ck_assert_int_eq(fake_param_int8_at(note, 2, 0), 7);
    ck_assert_int_eq(fake_param_int8_at(note, 3, 0), 3);
    if (is_new) {
        fake_row(noted, "i", INT64_C(1));
    }
    fake_pg_answer(noted, NULL, NULL);
    ck_assert_uint_eq(fake_broker.parked_count, is_new);
    ck_assert(!is_new || strcmp(fake_broker.parked[0].reason, "conflict") == 0);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(a_ledger_that_cannot_be_read_parks_the_order) {
    PGresult *ledger = fake_rows(8);
    add_order(1, 7, 3);
    deliver();
    fake_row(ledger, LEDGER_TYPES, INT64_C(1), "lost", NULL, CREATED_MS, INT64_C(7), INT64_C(3),
             "r-1", CREATED_MS);
    answer_lock(5, ledger);
    ck_assert_uint_eq(fake_pg.rollbacks, 1);
    ck_assert_str_eq(fake_broker.parked[0].reason, "refused");
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

static const enum err PASSING[] = { ERR_CONFLICT, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_DUPLICATE };

/* At the lock and at the commit, each error of the database; then it works. */
START_TEST(the_database_fails_and_the_batch_is_decided_afresh) {
    bool at_commit = _i % 2 == 1;
    add_order(1, 7, 3);
    deliver();
    if (at_commit) {
        answer_lock(5, NULL);
        (void)expect_commit();
    }
    fake_pg_fail(PASSING[_i / 2]);
    ck_assert_uint_eq(fake_broker.published + fake_broker.acks[0] + fake_broker.parked_count, 0);
    answer_lock(2, NULL); /* somebody else was faster meanwhile */
    const struct pg_call *ledger = call_of(expect_commit(), &SQL_LEDGER_INSERT);
    ck_assert(str_equal(fake_param_text_at(ledger, 3, 0), STR("rejected")));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 1);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

/* The commit was made, but its answer was lost: the ledger knows. */
START_TEST(a_commit_of_unknown_outcome_is_not_applied_twice) {
    PGresult *rows = fake_rows(8);
    add_order(1, 7, 3);
    deliver();
    answer_lock(5, NULL);
    fake_pg_fail(ERR_UNAVAILABLE);
    fake_row(rows, LEDGER_TYPES, INT64_C(1), "done", NULL, CREATED_MS, INT64_C(7), INT64_C(3),
             "r-1", CREATED_MS);
    answer_lock(2, rows);
    const struct fake_pg_request *commit = expect_commit();
    ck_assert_ptr_null(call_of(commit, &SQL_PRODUCT_UPDATE));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(published("order.updated", "\"status\":\"done\""));
    fake_cache_run(); /* what was committed was not written through */
    ck_assert_int_eq(fake_cache_version("product:7"), 3);
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

/* Somebody has locked one of the products: its order is set aside, the other one decided. */
START_TEST(an_order_of_a_locked_product_is_set_aside) {
    add_order(1, 8, 1);
    add_order(2, 7, 1);
    deliver();
    fake_pg_fail(ERR_LOCKED);
    const struct fake_pg_request *find = fake_pg_expect(FAKE_PG_RUN, &SQL_PRODUCT_LOCKED);
    ck_assert_int_eq(fake_param_int8_at(&find->calls[0], 0, 0), 8);
    ck_assert_int_eq(fake_param_int8_at(&find->calls[0], 0, 1), 7);
    PGresult *locked = fake_rows(1);
    fake_row(locked, "i", INT64_C(8));
    fake_pg_answer(locked, NULL, NULL);
    ck_assert_uint_eq(fake_broker.aside_count, 1);
    ck_assert_ptr_eq(fake_broker.aside[0].delivery, &deliveries[0]);
    answer_lock(5, NULL);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    confirm();
    ck_assert(published("order.updated", OUTCOME("2", "1", "done")));
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

/* The next batch begins while this one commits, when this one is full; else after the commit. */
START_TEST(batches_overlap) {
    bool is_full = _i == 1;
    size_t count = is_full ? ORDERS_MAX - 1 : 1; /* as many events as a transaction may have */
    for (size_t i = 0; i < count; i++) {
        add_order((int64_t)i + 1, 7, 1);
    }
    consumer.options.batch_max = count + !is_full;
    deliver();
    ck_assert_uint_eq(fake_broker.asked[0], 0);
    answer_lock(100, NULL);
    ck_assert_uint_eq(fake_broker.asked[0], is_full ? 1 : 0); /* its commit is under way */
    if (!is_full) {
        fake_pg_answer(NULL, NULL, NULL);
    }
    ck_assert_uint_eq(fake_broker.asked[0], 1);                   /* its cache is */
    struct broker_delivery next = fake_delivery("id", bodies[0]); /* the first of them again */
    consumer_on_deliveries(&consumer, fake_batch(0, &next, 1), 1);
    if (is_full) {
        ck_assert_uint_eq(fake_pg.waiting, 2);
        fake_pg_answer(NULL, NULL, NULL);
    }
    fake_cache_run();
    PGresult *ledger = fake_rows(8);
    fake_row(ledger, LEDGER_TYPES, INT64_C(1), "done", NULL, CREATED_MS, INT64_C(7), INT64_C(1),
             "r-1", CREATED_MS);
    answer_lock(4, ledger);
    ck_assert_ptr_null(call_of(expect_commit(), &SQL_LEDGER_INSERT));
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    confirm();
    wait_for_acks(2);
    ck_assert_uint_eq(fake_broker.acks[0], 2);
    ck_assert_uint_eq(fake_broker_count("\"status\":\"done\""), count + 1);
}
END_TEST

START_TEST(the_one_order_that_the_database_refuses_is_parked) {
    for (int64_t id = 1; id <= 4; id++) {
        add_order(id, 7, 1);
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
    ck_assert_str_eq(fake_broker.parked[0].reason, "refused");
}
END_TEST

START_TEST(what_is_malformed_is_parked) {
    deliveries[delivery_count++] = fake_delivery("id", "{\"orderId\":0}");
    deliver();
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_str_eq(fake_broker.parked[0].reason, "invalid");
    ck_assert_str_eq(fake_broker.parked[0].detail, "orderId is not a positive integer");
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_pg.asked, 0);
}
END_TEST

START_TEST(redis_may_be_gone) {
    add_order(1, 7, 3);
    deliver();
    answer_lock(5, NULL);
    fake_cache.up = _i != 0;
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_lose();
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert_uint_eq(fake_broker.published, 2);
}
END_TEST

/*
 * A reader may have cached the version before: the committed one must reach the new connection too.
 */
START_TEST(redis_comes_back_during_the_transaction) {
    add_order(1, 7, 3);
    deliver();
    answer_lock(5, NULL);
    fake_cache_lose();
    fake_cache_reconnect();
    fake_cache_set("product:7", "older", 3);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_int_eq(fake_cache_version("product:7"), 4);
    ck_assert_ptr_nonnull(strstr(fake_cache_value("product:7"), "\"qty\":2"));
    confirm();
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

START_TEST(stopping_during_a_transaction) {
    add_order(1, 7, 3);
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
    Suite *suite = suite_create("order_created");
    TCase *tcase = tcase_create("order_created");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, stock_events_close);
    tcase_add_test(tcase, a_batch_is_one_transaction_then_events_cache_and_acknowledgement);
    tcase_add_test(tcase, copies_within_a_batch_count_once_and_are_all_told);
    tcase_add_test(tcase, a_redelivery_is_answered_from_the_ledger);
    tcase_add_loop_test(tcase, an_order_whose_id_came_before_is_another_order, 0, 2);
    tcase_add_loop_test(tcase, a_cancelled_order_takes_nothing, 0, 2);
    tcase_add_test(tcase, a_row_of_a_version_before_is_known_by_its_request_id);
    tcase_add_test(tcase, two_orders_of_one_id_in_a_batch_are_two);
    tcase_add_loop_test(tcase, an_order_that_the_ledger_has_otherwise_is_parked_once, 0, 4);
    tcase_add_test(tcase, a_ledger_that_cannot_be_read_parks_the_order);
    tcase_add_loop_test(tcase, the_database_fails_and_the_batch_is_decided_afresh, 0,
                        2 * (int)UNIT_COUNT(PASSING));
    tcase_add_test(tcase, a_commit_of_unknown_outcome_is_not_applied_twice);
    tcase_add_test(tcase, an_order_of_a_locked_product_is_set_aside);
    tcase_add_loop_test(tcase, batches_overlap, 0, 2);
    tcase_add_loop_test(tcase, the_one_order_that_the_database_refuses_is_parked, 0, 4);
    tcase_add_test(tcase, what_is_malformed_is_parked);
    tcase_add_loop_test(tcase, redis_may_be_gone, 0, 2);
    tcase_add_test(tcase, redis_comes_back_during_the_transaction);
    tcase_add_test(tcase, stopping_during_a_transaction);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
