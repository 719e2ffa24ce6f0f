/* link: services/order/cancel_order.c services/order/cancellations.c services/order/order.c
 *       services/order/order_read.c services/order/outcome_wait.c services/order/get_order.c
 *       services/order/metrics.c services/order/statements.c services/order/backlog.c
 *       t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_stack.c
 *       t/unit/fake_backends.c */
/* POST /orders/{id}/cancel, step by step, with all that its dependencies can do. */
#include "order/backlog.h"
#include "order/config.h"
#include "order/metrics.h"
#include "order/order_store.h"
#include "order/parts.h"
#include "order/statements.h"

#include "fake_stack.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

enum {
    DEADLINE_MS = 30000,
    SHORT_MS = 500,
    INTERVAL_MS = 1000,
    AFTER_MS = 60000,
    MANY = 8,
};

#define CREATED_MS INT64_C(1795367792123)
#define CANCELLED_MS INT64_C(1795367799999)
#define EVENT_ID "order.cancelled-5-1795367792123"

struct order_config order_config;

static size_t gone_on;

void order_store_go_on(void) {
    gone_on++;
}

static const struct http_route ROUTES[] = {
    { "POST", "/orders/{id}/cancel", "cancel_order", cancel_order, NULL },
    { "GET", "/orders/{id}", "get_order", get_order, NULL },
};

static void open_with(uint32_t deadline_ms, int64_t requests_max) {
    order_config = (struct order_config){ .reconcile_interval_ms = INTERVAL_MS,
                                          .reconcile_after_ms = AFTER_MS,
                                          .orders_waiting_max = INT64_MAX };
    config_shared =
        (struct config_shared){ .requests_max = requests_max, .request_deadline_ms = deadline_ms };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    metrics_register(order_metrics, ORDER_METRIC_COUNT);
    order_metrics[M_ORDERS_CANCELLED].value = 0;
    order_metrics[M_CANCELLATIONS_TOLD_AGAIN].value = 0;
    gone_on = 0;
    ck_assert_int_eq(backlog_open(), ERR_OK);
    ck_assert_int_eq(cancellations_open(), ERR_OK);
    ck_assert_int_eq(order_read_open(), ERR_OK);
    ck_assert_int_eq(outcome_wait_open(), ERR_OK);
    ck_assert_int_eq(get_order_open(), ERR_OK);
    ck_assert_int_eq(cancel_order_open(), ERR_OK);
}

/* Requests only: nothing is told from rows. */
static void setup(void) {
    open_with(DEADLINE_MS, 16);
    cancellations_stop();
}

static void setup_short(void) {
    open_with(SHORT_MS, 16);
    cancellations_stop();
}

static void setup_small(void) {
    open_with(DEADLINE_MS, 2);
    cancellations_stop();
}

static void teardown(void) {
    cancellations_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    stack_settle();
    ck_assert(cancellations_is_idle());
    ck_assert(outcome_wait_is_idle());
    ck_assert_uint_eq(flow_count(), 0);
    cancel_order_close();
    get_order_close();
    outcome_wait_close();
    order_read_close();
    cancellations_close();
    stack_close();
}

/* ---- the steps, one helper each ---- */

static int post_with(const char *target, const char *headers) {
    int fd = stack_connect();
    stack_send(fd, "POST", target, headers, NULL);
    return fd;
}

static int post(int64_t id) {
    char target[64];
    snprintf(target, sizeof(target), "/orders/%lld/cancel", (long long)id);
    return post_with(target, "");
}

static const struct fake_pg_request *expect_cancel(void) {
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_CANCEL);
    ck_assert_uint_eq(request->count, 2);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_ORDER_GET);
    ck_assert_uint_eq(fake_param_count(&request->calls[1], 0),
                      fake_param_count(&request->calls[0], 0));
    return request;
}

static void add_order(PGresult *rows, int64_t id, const char *status, const char *reason) {
    fake_row(rows, "iiiiittTTt", id, id + 2, (int64_t)3, (int64_t)1990, (int64_t)5970, status,
             reason, CREATED_MS, CANCELLED_MS, "r");
}

/* One order as it is afterwards; `moved`: 'w' it waited, 'd' it was done, '-' it did not move. */
static void answer_one(int64_t id, char moved, const char *status) {
    PGresult *first = fake_rows(2), *second = fake_rows(10);
    (void)expect_cancel();
    if (moved != '-') {
        fake_row(first, "ib", id, moved == 'w');
    }
    add_order(second, id, status, strcmp(status, "rejected") == 0 ? "out_of_stock" : NULL);
    fake_pg_answer(first, second, NULL);
}

/* All that it asks for become cancelled. */
static void answer_all(void) {
    PGresult *first = fake_rows(2), *second = fake_rows(10);
    const struct pg_call *call = &expect_cancel()->calls[0];
    for (size_t i = 0; i < fake_param_count(call, 0); i++) {
        int64_t id = fake_param_int8_at(call, 0, i);
        fake_row(first, "ib", id, 1);
        add_order(second, id, "cancelled", NULL);
    }
    fake_pg_answer(first, second, NULL);
}

static void drop_lists(void) {
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    ck_assert_int_eq(fake_cache.ops[0].kind, FAKE_INVALIDATE);
    fake_cache_run();
}

/* ---- the good way ---- */

START_TEST(an_order_is_cancelled_then_told_then_answered) {
    int fd =
        post_with("/orders/5/cancel", "X-Request-Id: my-request\r\ntraceparent: "
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                                      "tracestate: a=1\r\n");
    const struct pg_call *call = &expect_cancel()->calls[0];
    ck_assert_uint_eq(fake_param_count(call, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(call, 0, 0), 5);
    ck_assert(str_equal(fake_param_text_at(call, 2, 0), STR("my-request")));
    ck_assert(str_equal(fake_param_text_at(call, 4, 0), STR("a=1")));
    ck_assert_int_eq(fake_param_int8(call, 5), AFTER_MS);
    ck_assert_uint_eq(fake_broker.published, 0); /* not before the commit */
    answer_one(5, 'd', "cancelled");
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert(stack_is_silent(fd)); /* read your own write: not before the list is dropped */
    ck_assert_str_eq(fake_cache.ops[0].keys[0], "orders:product:7");
    drop_lists();
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body,
                     "{\"id\":5,\"productId\":7,\"quantity\":3,\"unitPrice\":19.90,"
                     "\"totalPrice\":59.70,\"status\":\"cancelled\",\"reason\":null,"
                     "\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                     "\"updatedAt\":\"2026-11-22T17:16:39.999Z\",\"requestId\":\"r\"}");
    const struct fake_message *message = &fake_broker.messages[0];
    ck_assert_str_eq(message->routing_key, "order.cancelled");
    ck_assert_str_eq(message->message_id, EVENT_ID);
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-"));
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"tracestate\":\"a=1\",\"requestid\":\"my-request\""));
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"data\":{\"orderId\":5,\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                              "\"productId\":7,\"quantity\":3,"
                              "\"cancelledAt\":\"2026-11-22T17:16:39.999Z\"}"));
    ck_assert_int_eq(order_metrics[M_ORDERS_CANCELLED].value, 1);
}
END_TEST

/* It has been told before, or will be from its row. */
START_TEST(cancelled_again_it_is_answered_again_and_not_told) {
    int fd = post(5);
    answer_one(5, '-', "cancelled");
    drop_lists(); /* whoever moved it may have died before it did that */
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, "\"status\":\"cancelled\""));
    ck_assert_uint_eq(fake_broker.published, 0);
    ck_assert_int_eq(order_metrics[M_ORDERS_CANCELLED].value, 0);
}
END_TEST

START_TEST(one_that_was_rejected_cannot_be_cancelled) {
    int fd = post(5);
    answer_one(5, '-', "rejected");
    drop_lists();
    ck_assert_str_eq(
        stack_expect(fd, 409)->body,
        "{\"statusCode\":409,\"message\":\"The order was rejected: there is nothing to cancel\"}");
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(one_that_is_not_there) {
    int fd = post(5);
    (void)expect_cancel();
    fake_pg_answer(fake_rows(2), fake_rows(10), NULL);
    ck_assert_str_eq(stack_expect(fd, 404)->body,
                     "{\"statusCode\":404,\"message\":\"There is no such order\"}");
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

static const char *const BAD_TARGETS[] = {
    "/orders/0/cancel",  "/orders/-1/cancel", "/orders/01/cancel",
    "/orders/1x/cancel", "/orders//cancel",   "/orders/9223372036854775808/cancel",
};

START_TEST(what_is_no_order_is_refused_at_once) {
    const struct stack_answer *answer = stack_receive(post_with(BAD_TARGETS[_i], ""));
    ck_assert(answer->status == 400 ||
              (answer->status == 404 && strstr(BAD_TARGETS[_i], "//") != NULL));
    ck_assert_uint_eq(fake_pg.asked, 0);
}
END_TEST

/* Whoever is held back for the backlog, or waits for the outcome, hears of it. */
START_TEST(one_that_waited_waits_no_more) {
    backlog_stored(4);
    backlog_stored(5);
    int reader = stack_connect();
    stack_send(reader, "GET", "/orders/5", "Prefer: wait=10\r\n", NULL);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    PGresult *rows = fake_rows(10);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_GET);
    add_order(rows, 5, "waiting", NULL);
    fake_pg_answer(rows, NULL, NULL);
    int fd = post(5);
    answer_one(5, _i == 0 ? 'w' : 'd', "cancelled");
    ck_assert_int_eq(backlog_waiting(), _i == 0 ? 1 : 2);
    ck_assert_uint_eq(gone_on, 1);
    STACK_WAIT_FOR(fake_pg.waiting > 0); /* it is read again */
    rows = fake_rows(10);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_GET);
    add_order(rows, 5, "cancelled", NULL);
    fake_pg_answer(rows, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(stack_expect(reader, 200)->body, "\"status\":\"cancelled\""));
    drop_lists();
    stack_expect(fd, 200);
}
END_TEST

/* ---- many at once ---- */

/* In one statement: while the first is under way the others gather. */
static void post_many(int fds[MANY], int64_t first_id) {
    int before = post(1000);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    for (int i = 0; i < MANY; i++) {
        fds[i] = post(first_id + i);
    }
    STACK_WAIT_FOR(flow_count() == MANY + 1);
    answer_all();
    drop_lists();
    stack_expect(before, 200);
    fake_broker.published = 0;
    order_metrics[M_ORDERS_CANCELLED].value = 0;
    ck_assert_uint_eq(fake_param_count(&expect_cancel()->calls[0], 0), MANY);
}

START_TEST(many_are_one_statement_and_each_gets_its_own) {
    int fds[MANY];
    char part[48];
    post_many(fds, 1);
    answer_all();
    ck_assert_uint_eq(fake_broker.published, MANY);
    drop_lists();
    for (int i = 0; i < MANY; i++) {
        snprintf(part, sizeof(part), "{\"id\":%d,\"productId\":%d,", i + 1, i + 3);
        ck_assert_ptr_nonnull(strstr(stack_expect(fds[i], 200)->body, part));
    }
}
END_TEST

START_TEST(the_same_one_twice_is_asked_for_once) {
    int before = post(1000);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    int one = post(5), other = post(5), third = post(6);
    STACK_WAIT_FOR(flow_count() == 4);
    answer_all();
    drop_lists();
    stack_expect(before, 200);
    ck_assert_uint_eq(fake_param_count(&expect_cancel()->calls[0], 0), 2);
    answer_all();
    drop_lists();
    stack_expect(one, 200);
    stack_expect(other, 200);
    stack_expect(third, 200);
    ck_assert_uint_eq(fake_broker_count("\"subject\":\"orders/5\""), 1);
}
END_TEST

/* ---- what can go wrong ---- */

static const struct {
    enum err err;
    int status;
} FAILURES[] = {
    { ERR_UNAVAILABLE, 503 }, { ERR_TIMEOUT, 503 },       { ERR_NO_MEMORY, 503 },
    { ERR_INTERNAL, 500 },    { ERR_REJECTED_DATA, 500 },
};

START_TEST(the_database_fails) {
    int fd = post(5);
    (void)expect_cancel();
    fake_pg_fail(FAILURES[_i].err);
    const struct stack_answer *answer = stack_expect(fd, FAILURES[_i].status);
    ck_assert_int_eq(strstr(answer->headers, "\r\nRetry-After: ") != NULL, answer->status == 503);
    ck_assert_uint_eq(fake_broker.published, 0);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

static const enum err DATA_ERRORS[] = { ERR_REJECTED_DATA, ERR_DUPLICATE, ERR_INTERNAL };

/* The database refuses one (somebody's trigger, a constraint): the others are cancelled. */
START_TEST(one_that_is_refused_does_not_fail_its_neighbours) {
    int fds[MANY], bad = _i % MANY;
    post_many(fds, 1);
    for (int statements = 0; fake_pg.waiting > 0; statements++) {
        const struct pg_call *call = &expect_cancel()->calls[0];
        bool has_bad = false;
        ck_assert_int_lt(statements, 12);
        for (size_t i = 0; i < fake_param_count(call, 0); i++) {
            has_bad = has_bad || fake_param_int8_at(call, 0, i) == bad + 1;
        }
        if (has_bad) {
            fake_pg_fail(DATA_ERRORS[_i / MANY]);
        } else {
            answer_all();
        }
    }
    drop_lists();
    for (int i = 0; i < MANY; i++) {
        stack_expect(fds[i], i == bad ? 500 : 200);
    }
    ck_assert_uint_eq(fake_broker.published, MANY - 1);
}
END_TEST

/* A row that this program would not have written. */
START_TEST(one_that_cannot_be_read_fails_alone) {
    int fds[MANY];
    post_many(fds, 1);
    PGresult *first = fake_rows(2), *second = fake_rows(10);
    for (int64_t id = 1; id <= MANY; id++) {
        fake_row(first, "ib", id, 1);
        add_order(second, id, id == 3 ? "lost" : "cancelled", NULL);
    }
    fake_pg_answer(first, second, NULL);
    drop_lists();
    for (int i = 0; i < MANY; i++) {
        stack_expect(fds[i], i == 2 ? 500 : 200);
    }
    ck_assert_uint_eq(fake_broker.published, MANY - 1);
}
END_TEST

static void answer_locked(int64_t id) {
    PGresult *rows = fake_rows(1);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_LOCKED);
    if (id != 0) {
        fake_row(rows, "i", id);
    }
    fake_pg_answer(rows, NULL, NULL);
}

/* Who wants that one is told to come again, the others are cancelled. */
START_TEST(one_that_is_locked_holds_up_itself_only) {
    int fds[MANY];
    post_many(fds, 1);
    fake_pg_fail(ERR_LOCKED);
    answer_locked(_i + 1);
    const struct pg_call *call = &expect_cancel()->calls[0];
    ck_assert_uint_eq(fake_param_count(call, 0), MANY - 1);
    answer_all();
    drop_lists();
    for (int i = 0; i < MANY; i++) {
        const struct stack_answer *answer = stack_expect(fds[i], i == _i ? 503 : 200);
        ck_assert_int_eq(strstr(answer->headers, "\r\nRetry-After: ") != NULL, i == _i);
    }
    ck_assert_uint_eq(fake_broker.published, MANY - 1);
}
END_TEST

/* All that there are, without another attempt; 1: nor can it be asked which. */
START_TEST(when_all_are_locked_all_come_again) {
    int fd = post(5);
    (void)expect_cancel();
    fake_pg_fail(ERR_LOCKED);
    if (_i == 0) {
        answer_locked(5);
    } else {
        (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_LOCKED);
        fake_pg_fail(ERR_LOCKED);
    }
    ck_assert_uint_eq(fake_pg.waiting, 0);
    stack_expect(fd, 503);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* 0: a lock that nobody has when it is looked for, 1: deadlocks; after the fourth time: later. */
START_TEST(what_passes_is_tried_four_times) {
    int fds[2] = { post(5), post(6) };
    for (int attempt = 1; attempt <= 4; attempt++) {
        (void)expect_cancel();
        fake_pg_fail(_i == 0 ? ERR_LOCKED : ERR_CONFLICT);
        if (_i == 0 && attempt < 4) {
            answer_locked(0);
        }
    }
    stack_settle();
    if (fake_pg.waiting > 0) { /* they came in two ticks */
        answer_all();
        drop_lists();
        stack_expect(fds[1], 200);
    } else {
        stack_expect(fds[1], 503);
    }
    stack_expect(fds[0], 503);
}
END_TEST

START_TEST(a_deadlock_is_tried_again) {
    int fd = post(5);
    (void)expect_cancel();
    fake_pg_fail(ERR_CONFLICT);
    answer_one(5, 'd', "cancelled");
    drop_lists();
    stack_expect(fd, 200);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(redis_may_be_gone) {
    int fd = post(5);
    fake_cache.up = _i != 0;
    answer_one(5, 'd', "cancelled");
    fake_cache_lose();
    stack_expect(fd, 200);
}
END_TEST

START_TEST(the_broker_may_be_gone) {
    int fd = post(5);
    fake_broker.publish_err = ERR_UNAVAILABLE;
    answer_one(5, 'd', "cancelled");
    drop_lists();
    stack_expect(fd, 200);
}
END_TEST

START_TEST(more_requests_than_allowed_are_busy) {
    int fds[2] = { post(5), post(6) };
    STACK_WAIT_FOR(flow_count() == 2);
    stack_expect(post(7), 503);
    while (flow_count() > 0) {
        stack_settle();
        if (fake_pg.waiting > 0) {
            answer_all();
        }
        fake_cache_run();
    }
    stack_expect(fds[0], 200);
    stack_expect(fds[1], 200);
}
END_TEST

/* 0: while the database is asked, 1: while the list is dropped */
START_TEST(a_dependency_that_is_too_slow) {
    int fd = post(5);
    (void)expect_cancel();
    if (_i == 1) {
        answer_one(5, 'd', "cancelled");
    }
    ck_assert_int_eq(stack_receive(fd)->status, 503);
    if (_i == 0) {
        answer_one(5, 'd', "cancelled");
    }
    drop_lists();
    ck_assert(stack_is_silent(fd));
    ck_assert_uint_eq(fake_broker.published, 1); /* what is stored is told */
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves) {
    int fd = post(5);
    (void)expect_cancel();
    close(fd);
    stack_settle();
    answer_one(5, 'd', "cancelled");
    drop_lists();
    stack_settle();
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert_uint_eq(fake_broker.published, 1);
    STACK_WAIT_FOR(http_server_connection_count(stack_server()) == 0);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*open)(void)) {
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void) {
    Suite *suite = suite_create("cancel_order");
    TCase *usual = add_case(suite, "usual", setup), *quick = add_case(suite, "short", setup_short),
          *small = add_case(suite, "small", setup_small);
    tcase_add_test(usual, an_order_is_cancelled_then_told_then_answered);
    tcase_add_test(usual, cancelled_again_it_is_answered_again_and_not_told);
    tcase_add_test(usual, one_that_was_rejected_cannot_be_cancelled);
    tcase_add_test(usual, one_that_is_not_there);
    tcase_add_loop_test(usual, what_is_no_order_is_refused_at_once, 0,
                        (int)UNIT_COUNT(BAD_TARGETS));
    tcase_add_loop_test(usual, one_that_waited_waits_no_more, 0, 2);
    tcase_add_test(usual, many_are_one_statement_and_each_gets_its_own);
    tcase_add_test(usual, the_same_one_twice_is_asked_for_once);
    tcase_add_loop_test(usual, the_database_fails, 0, (int)UNIT_COUNT(FAILURES));
    tcase_add_loop_test(usual, one_that_is_refused_does_not_fail_its_neighbours, 0,
                        MANY * (int)UNIT_COUNT(DATA_ERRORS));
    tcase_add_test(usual, one_that_cannot_be_read_fails_alone);
    tcase_add_loop_test(usual, one_that_is_locked_holds_up_itself_only, 0, MANY);
    tcase_add_loop_test(usual, when_all_are_locked_all_come_again, 0, 2);
    tcase_add_loop_test(usual, what_passes_is_tried_four_times, 0, 2);
    tcase_add_test(usual, a_deadlock_is_tried_again);
    tcase_add_loop_test(usual, redis_may_be_gone, 0, 2);
    tcase_add_test(usual, the_broker_may_be_gone);
    tcase_add_test(small, more_requests_than_allowed_are_busy);
    tcase_add_loop_test(quick, a_dependency_that_is_too_slow, 0, 2);
    tcase_add_test(usual, a_client_that_leaves);
    return unit_run(suite);
}
