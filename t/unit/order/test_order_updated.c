/* link: services/order/order_updated.c services/order/product_updated.c services/order/order.c
 *       services/order/metrics.c services/order/statements.c services/order/backlog.c
 *       services/order/config.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/* The order service's consumers: outcomes of orders, and its copies of products. */
#include "order/metrics.h"
#include "order/order_store.h"
#include "order/outcome_wait.h"
#include "order/parts.h"
#include "order/statements.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <inttypes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10000, EVENTS_MAX = 6 };

#define CREATED_MS INT64_C(1795367790000)

enum { ORDER_UPDATED, PRODUCT_CREATED, PRODUCT_UPDATED, QUEUES };

static struct consumer consumers[QUEUES];
static struct broker_delivery deliveries[EVENTS_MAX];
static char bodies[EVENTS_MAX][256];
static size_t delivery_count;

static size_t gone_on, outcomes_heard;

void order_store_go_on(void) {
    gone_on++;
}

void outcome_wait_end(const struct pg_rows *rows) {
    outcomes_heard += rows->count;
}

static void setup(void) {
    static const struct consumer_options *const OPTIONS[QUEUES] = { &order_updated_consumer,
                                                                    &product_updated_consumer,
                                                                    &product_updated_consumer };
    fake_backends_open();
    metrics_register(order_metrics, ORDER_METRIC_COUNT);
    delivery_count = gone_on = outcomes_heard = 0;
    for (size_t i = 0; i < QUEUES; i++) {
        fake_backends_consume(&consumers[i], OPTIONS[i], i, EVENTS_MAX);
    }
}

static void teardown(void) {
    for (size_t i = 0; i < QUEUES; i++) {
        consumer_close(&consumers[i]);
    }
    fake_backends_close();
}

static void deliver(size_t queue) {
    consumer_on_deliveries(&consumers[queue], fake_batch(queue, deliveries, delivery_count),
                           delivery_count);
}

static void add_outcome(int64_t order_id, const char *status, const char *reason) {
    char *body = bodies[delivery_count];
    snprintf(body, sizeof(bodies[0]),
             "{\"orderId\":%lld,\"productId\":7,\"status\":\"%s\",\"reason\":%s,"
             "\"updatedAt\":\"2026-11-22T17:16:32.123Z\",\"requestId\":\"r\"}",
             (long long)order_id, status, reason);
    deliveries[delivery_count++] = fake_delivery("id", body);
}

static void wait_for_request(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_FINISH);
}

/* Orders 1 … count have moved, each of its own product or all of product 7. */
static void answer_finish(int64_t count, bool own_products) {
    PGresult *rows = fake_rows(3);
    for (int64_t id = 1; id <= count; id++) {
        fake_row(rows, "iiT", id, own_products ? id : INT64_C(7), CREATED_MS);
    }
    fake_pg_answer(rows, NULL, NULL);
}

/* The orders that there are, when an event moved nothing: 1 … count. */
static void answer_known(int64_t count) {
    PGresult *rows = fake_rows(3);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_KNOWN);
    for (int64_t id = 1; id <= count; id++) {
        fake_row(rows, "iiT", id, INT64_C(7), CREATED_MS);
    }
    fake_pg_answer(rows, NULL, NULL);
}

static bool unknown_is(int count) {
    char line[64];
    struct buf text;
    buf_init(&text, 0);
    metrics_render(&text);
    buf_append_char(&text, '\0');
    snprintf(line, sizeof(line), "\nprodorder_orders_unknown_total %d\n", count);
    bool found = strstr(buf_bytes(&text), line) != NULL;
    buf_free(&text);
    return found;
}

START_TEST(outcomes_are_one_update_then_lists_then_the_acknowledgement) {
    add_outcome(1, "done", "null");
    add_outcome(2, "rejected", "\"out_of_stock\"");
    add_outcome(3, "rejected", "\"product_not_found\"");
    deliver(ORDER_UPDATED);
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_FINISH)->calls[0];
    static const char *const STATUSES[] = { "done", "rejected", "rejected" };
    static const char *const REASONS[] = { NULL, "out_of_stock", "product_not_found" };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(fake_param_int8_at(call, 0, i), (int64_t)i + 1);
        ck_assert(str_equal(fake_param_text_at(call, 1, i), str_of(STATUSES[i])));
        ck_assert(str_equal(fake_param_text_at(call, 2, i), str_of(REASONS[i])));
    }
    fake_cache_set("orders:product:7", "[]", 0);
    answer_finish(3, false);
    ck_assert_uint_eq(gone_on, 1);        /* who was held back for the backlog may go */
    ck_assert_uint_eq(outcomes_heard, 3); /* and who waits for them */
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 0);
    ck_assert_uint_eq(fake_cache.op_count, 1);
    ck_assert_uint_eq(fake_cache.ops[0].count, 1); /* a list is dropped once, not once an order */
    fake_cache_run();
    ck_assert_ptr_null(fake_cache_value("orders:product:7"));
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

START_TEST(every_product_that_moved_loses_its_list) {
    for (int64_t id = 1; id <= 3; id++) {
        add_outcome(id, "done", "null");
    }
    deliver(ORDER_UPDATED);
    answer_finish(3, true);
    ck_assert_uint_eq(fake_cache.ops[0].count, 3);
    fake_cache_run();
    ck_assert_int_eq(fake_cache_version("orders:product:3"), 1);
}
END_TEST

START_TEST(hearing_twice_changes_nothing) {
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    answer_finish(0, false);
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 0);
    fake_cache_set("orders:product:7", "[]", 0);
    answer_known(1);
    ck_assert(unknown_is(0));
    fake_cache_run(); /* it may have moved without our knowing: the database's answer was lost */
    ck_assert_ptr_null(fake_cache_value("orders:product:7"));
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

/* 0: no order has its id; 1: one has, of another time, as after a restore */
START_TEST(an_outcome_of_an_order_that_is_not_here_is_said_and_counted) {
    add_outcome(1, "done", "null");
    add_outcome(_i == 0 ? 9 : 2, "done", "null");
    if (_i == 1) {
        snprintf(
            bodies[1], sizeof(bodies[1]),
            "{\"orderId\":2,\"createdAt\":\"2026-11-22T17:16:00.000Z\",\"productId\":7,\"status\":"
            "\"done\",\"updatedAt\":\"2026-11-22T17:16:32.123Z\"}");
        deliveries[1] = fake_delivery("id", bodies[1]);
    }
    deliver(ORDER_UPDATED);
    answer_finish(1, false);
    answer_known(2);
    ck_assert(unknown_is(1));
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
}
END_TEST

START_TEST(who_cannot_be_looked_up_is_tried_again) {
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    answer_finish(0, false);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_KNOWN);
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 0);
    wait_for_request();
    answer_finish(0, false);
    answer_known(1);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

/* From the order's acceptance on, by its own row: not from the decision. */
START_TEST(fulfilment_counts_from_the_acceptance) {
    struct buf text;
    PGresult *rows = fake_rows(3);
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    fake_row(rows, "iiT", INT64_C(1), INT64_C(7), clock_unix_ms() - 3000);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_FINISH);
    fake_pg_answer(rows, NULL, NULL);
    buf_init(&text, 0);
    metrics_render(&text);
    buf_append_char(&text, '\0');
    const char *sum = strstr(buf_bytes(&text), "prodorder_order_fulfilment_seconds_sum ");
    ck_assert_ptr_nonnull(sum);
    double seconds = strtod(strchr(sum, ' '), NULL);
    ck_assert(seconds >= 3.0 && seconds < 3.0 + PATIENCE_MS);
    buf_free(&text);
}
END_TEST

/* An order that this says is cancelled: its stock is back, or will never be taken. */
static void add_cancelled(int64_t order_id) {
    char *body = bodies[delivery_count];
    snprintf(body, sizeof(bodies[0]),
             "{\"orderId\":%lld,\"createdAt\":\"2026-11-22T17:16:30.000Z\",\"productId\":7,"
             "\"status\":\"cancelled\",\"updatedAt\":\"2026-11-22T17:16:32.123Z\"}",
             (long long)order_id);
    deliveries[delivery_count++] = fake_delivery("id", body);
}

/* In the transaction of the outcomes, which move no order that is cancelled already. */
START_TEST(cancelled_orders_are_settled_with_the_outcomes) {
    add_outcome(1, "done", "null");
    add_cancelled(2);
    add_outcome(3, "rejected", "\"out_of_stock\"");
    add_cancelled(4);
    deliver(ORDER_UPDATED);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_FINISH);
    ck_assert_uint_eq(request->count, 2);
    ck_assert_uint_eq(fake_param_count(&request->calls[0], 0), 4);
    ck_assert(str_equal(fake_param_text_at(&request->calls[0], 1, 1), STR("cancelled")));
    ck_assert_ptr_null(fake_param_text_at(&request->calls[0], 2, 1).data);
    const struct pg_call *settle = &request->calls[1];
    ck_assert_ptr_eq(settle->statement, &SQL_CANCELLATION_SETTLE);
    ck_assert_uint_eq(settle->param_count, 2);
    ck_assert_uint_eq(fake_param_count(settle, 0), 2);
    ck_assert_uint_eq(fake_param_count(settle, 1), 2);
    ck_assert_int_eq(fake_param_int8_at(settle, 0, 0), 2);
    ck_assert_int_eq(fake_param_int8_at(settle, 0, 1), 4);
    ck_assert_int_eq(fake_param_int8_at(settle, 1, 0) / 1000 + PG_EPOCH_UNIX_MS, CREATED_MS);
    int64_t before = order_metrics[M_ORDERS_CANCELLED].value;
    answer_finish(1, false);
    ck_assert_int_eq(order_metrics[M_ORDERS_CANCELLED].value, before);
    answer_known(4);
    ck_assert(unknown_is(0));
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

START_TEST(without_a_cancelled_one_nothing_is_settled) {
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    ck_assert_uint_eq(fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_FINISH)->count, 1);
    answer_finish(1, false);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

/* After a restore it waits here, and the ledger knows that it was cancelled. */
START_TEST(an_order_that_waits_may_end_as_cancelled) {
    add_cancelled(1);
    deliver(ORDER_UPDATED);
    int64_t before = order_metrics[M_ORDERS_CANCELLED].value;
    wait_for_request();
    answer_finish(1, false);
    ck_assert_int_eq(order_metrics[M_ORDERS_CANCELLED].value, before + 1);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

/* Both or none: what fails is told and settled again. */
START_TEST(what_could_not_be_settled_is_tried_again) {
    add_cancelled(2);
    deliver(ORDER_UPDATED);
    wait_for_request();
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 0);
    wait_for_request();
    ck_assert_uint_eq(fake_pg.requests[0].count, 2);
    answer_finish(0, false);
    answer_known(2);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

START_TEST(the_database_is_away_for_a_while) {
    static const enum err ERRORS[] = { ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CONFLICT };
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    for (size_t i = 0; i < UNIT_COUNT(ERRORS); i++) {
        wait_for_request();
        fake_pg_fail(ERRORS[i]);
        ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 0);
    }
    wait_for_request();
    answer_finish(1, false);
    fake_cache_run();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
}
END_TEST

START_TEST(redis_may_be_gone) {
    add_outcome(1, "done", "null");
    deliver(ORDER_UPDATED);
    fake_cache.up = _i != 0;
    answer_finish(1, false);
    fake_cache_lose();
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

START_TEST(a_refused_outcome_is_parked_alone) {
    add_outcome(1, "done", "null");
    add_outcome(2, "done",
                "\"out_of_stock\""); /* contradicts itself: the table's check refuses it */
    deliver(ORDER_UPDATED);
    fake_pg_fail(ERR_REJECTED_DATA);
    wait_for_request();
    answer_finish(1, false);
    fake_cache_run();
    wait_for_request();
    fake_pg_fail(ERR_REJECTED_DATA);
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_ptr_eq(fake_broker.parked[0].delivery, &deliveries[1]);
    ck_assert_uint_eq(fake_broker.acks[ORDER_UPDATED], 1);
}
END_TEST

/* ---- copies of products ---- */

static void add_product(int64_t id, const char *version) {
    char *body = bodies[delivery_count];
    snprintf(
        body, sizeof(bodies[0]),
        "{\"id\":%lld,\"name\":\"x\",\"price\":1.00,\"qty\":3,%s"
        "\"createdAt\":\"2026-11-22T17:16:32.123Z\",\"updatedAt\":\"2026-11-22T17:16:32.123Z\"}",
        (long long)id, version);
    deliveries[delivery_count++] = fake_delivery("id", body);
}

START_TEST(product_events_refresh_the_copies_newest_wins) {
    size_t queue = _i == 0 ? PRODUCT_CREATED : PRODUCT_UPDATED;
    fake_cache_set("product:1", "older", 3);
    fake_cache_set("product:2", "newer", 9);
    add_product(1, "\"version\":5,");
    add_product(2, "\"version\":5,");
    add_product(1, "\"version\":4,"); /* overtaken */
    deliver(queue);
    fake_cache_run();
    ck_assert_int_eq(fake_cache_version("product:1"), 5);
    ck_assert_str_eq(fake_cache_value("product:1"), bodies[0]);
    ck_assert_str_eq(fake_cache_value("product:2"), "newer");
    ck_assert_uint_eq(fake_broker.acks[queue], 1);
}
END_TEST

/* Redis forgot the copy, which may have been newer than the event; or only its version. */
START_TEST(a_product_event_fills_no_copy) {
    size_t queue = _i == 0 ? PRODUCT_CREATED : PRODUCT_UPDATED;
    fake_cache_set("product:2", "nobody knows how old", 0);
    add_product(1, "\"version\":5,");
    add_product(2, "\"version\":5,");
    deliver(queue);
    fake_cache_run();
    for (int64_t id = 1; id <= 2; id++) {
        const char *key = id == 1 ? "product:1" : "product:2";
        ck_assert_ptr_null(fake_cache_value(key));
        ck_assert_int_eq(fake_cache_version(key), 5); /* nobody fills with less */
    }
    ck_assert_uint_eq(fake_broker.acks[queue], 1);
}
END_TEST

/* What was told in earlier epochs may be lost: a restore of the product database. */
START_TEST(the_first_event_of_an_epoch_drops_all_copies) {
    static const char *const OF_EPOCHS[] = { "\"version\":1048576,", "\"version\":1048577,",
                                             "\"version\":1048575,", "\"version\":2097153," };
    static const size_t FORGOTTEN[] = { 1, 1, 1, 2 }; /* since the first of them */
    for (size_t i = 0; i < UNIT_COUNT(OF_EPOCHS); i++) {
        fake_cache_set("product:2", "of before", 9);
        add_product(1, OF_EPOCHS[i]);
        deliver(_i == 0 ? PRODUCT_CREATED : PRODUCT_UPDATED);
        fake_cache_run();
        ck_assert_uint_eq(fake_cache.forgotten, FORGOTTEN[i]);
        bool is_new = i == 0 || FORGOTTEN[i] > FORGOTTEN[i - 1];
        ck_assert(is_new == (fake_cache_value("product:2") == NULL));
        delivery_count = 0;
    }
}
END_TEST

/* One that began before this process did: its copies were dropped then. */
START_TEST(an_epoch_of_before_the_start_drops_nothing) {
    char member[64];
    for (int is_new = 0; is_new < 2; is_new++) {
        ck_assert_int_eq(product_updated_open(), ERR_OK);
        snprintf(member, sizeof(member), "\"version\":%" PRId64 ",",
                 (clock_unix_ms() / 1000 + (is_new ? 1 : -60)) << 20);
        add_product(1, member);
        deliver(PRODUCT_UPDATED);
        fake_cache_run();
        ck_assert_uint_eq(fake_cache.forgotten, is_new ? 1 : 0);
        delivery_count = 0;
    }
}
END_TEST

START_TEST(a_product_without_version_is_parked) {
    add_product(1, "");
    deliver(PRODUCT_UPDATED);
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_str_eq(fake_broker.parked[0].reason, "invalid");
    ck_assert_str_eq(fake_broker.parked[0].detail, "version is missing");
    ck_assert_uint_eq(fake_broker.acks[PRODUCT_UPDATED], 1);
}
END_TEST

START_TEST(copies_are_not_worth_waiting_for_redis) {
    add_product(1, "\"version\":5,");
    fake_cache.up = _i != 0;
    deliver(PRODUCT_UPDATED);
    fake_cache_lose();
    ck_assert_uint_eq(fake_broker.acks[PRODUCT_UPDATED], 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order_updated");
    TCase *tcase = tcase_create("order_updated");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, outcomes_are_one_update_then_lists_then_the_acknowledgement);
    tcase_add_test(tcase, every_product_that_moved_loses_its_list);
    tcase_add_test(tcase, hearing_twice_changes_nothing);
    tcase_add_loop_test(tcase, an_outcome_of_an_order_that_is_not_here_is_said_and_counted, 0, 2);
    tcase_add_test(tcase, who_cannot_be_looked_up_is_tried_again);
    tcase_add_test(tcase, fulfilment_counts_from_the_acceptance);
    tcase_add_test(tcase, cancelled_orders_are_settled_with_the_outcomes);
    tcase_add_test(tcase, without_a_cancelled_one_nothing_is_settled);
    tcase_add_test(tcase, an_order_that_waits_may_end_as_cancelled);
    tcase_add_test(tcase, what_could_not_be_settled_is_tried_again);
    tcase_add_test(tcase, the_database_is_away_for_a_while);
    tcase_add_loop_test(tcase, redis_may_be_gone, 0, 2);
    tcase_add_test(tcase, a_refused_outcome_is_parked_alone);
    tcase_add_loop_test(tcase, product_events_refresh_the_copies_newest_wins, 0, 2);
    tcase_add_loop_test(tcase, a_product_event_fills_no_copy, 0, 2);
    tcase_add_loop_test(tcase, the_first_event_of_an_epoch_drops_all_copies, 0, 2);
    tcase_add_test(tcase, an_epoch_of_before_the_start_drops_nothing);
    tcase_add_test(tcase, a_product_without_version_is_parked);
    tcase_add_loop_test(tcase, copies_are_not_worth_waiting_for_redis, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
