/* link: services/order/create_order.c services/order/order_store.c services/order/idempotency.c
 *       services/order/product_lookup.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c services/order/telling.c services/order/backlog.c
 *       services/order/order_read.c services/order/get_order.c services/order/outcome_wait.c
 *       t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_http_client.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * POST /orders, step by step: parse → find_earlier → find_product → store_order → reply, and at
 * each of them everything that its dependency can do; but for find_product see
 * test_product_lookup.c.
 */
#include "create_order_fixture.h"

#include "order/backlog.h"
#include "order/metrics.h"
#include "order/order_store.h"

enum { BACKLOG_TO = 1000000, BACKLOG_WINDOW_MS = 110, HASTY_MS = 100 };

/* ---- the good way ---- */

START_TEST(an_order_is_stored_then_answered_then_told) {
    int fd = post_with("X-Request-Id: my-request\r\ntraceparent: "
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                       "tracestate: a=1\r\ntracestate: b=2\r\n",
                       BODY);
    answer_lookup();
    const struct pg_call *call = insert_call();
    ck_assert_int_eq(fake_param_int8_at(call, 1, 0), 7);
    ck_assert_int_eq(fake_param_int8_at(call, 2, 0), 3);
    ck_assert_int_eq(fake_param_int8_at(call, 3, 0), PRICE_CENTS);
    ck_assert(str_equal(fake_param_text_at(call, 5, 0), STR("my-request")));
    ck_assert(str_equal(fake_param_text_at(call, 7, 0), STR("a=1,b=2")));
    ck_assert_ptr_null(fake_param_text_at(call, 8, 0).data); /* no key */
    ck_assert_uint_eq(fake_broker.published, 0);
    ck_assert(stack_is_silent(fd)); /* not before the commit */
    answer_insert();
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert(stack_is_silent(fd)); /* nor before the list is dropped: read your own write */
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
    const struct fake_message *message = &fake_broker.messages[0];
    ck_assert_str_eq(message->routing_key, "order.created");
    ck_assert_int_eq(strncmp(message->message_id, "order.created-5000-", 19), 0);
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-"));
    ck_assert_ptr_nonnull(
        strstr(message->body, "\"tracestate\":\"a=1,b=2\",\"requestid\":\"my-request\""));
}
END_TEST

START_TEST(an_order_with_a_key_stores_the_key) {
    int fd = post_until_insert(KEY);
    ck_assert_ptr_null(fake_param_text_at(insert_call(), 7, 0).data); /* no tracestate */
    ck_assert(str_equal(fake_param_text_at(insert_call(), 8, 0), STR("k-1")));
    answer_insert();
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

START_TEST(the_same_key_and_payload_give_the_same_order) {
    int fd = post_with(KEY, BODY);
    answer_key(true, 7, 3);
    const struct stack_answer *answer = stack_expect(fd, 200);
    check_order(answer, 42); /* waiting, as it was answered then */
    ck_assert_ptr_nonnull(strstr(answer->body, "\"requestId\":\"first-request\""));
    ck_assert_ptr_nonnull(strstr(answer->body, "\"updatedAt\":\"2026-11-22T17:16:32.123Z\""));
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(the_same_key_with_another_payload_is_refused) {
    int fd = post_with(KEY, BODY);
    answer_key(true, _i == 0 ? 8 : 7, _i == 0 ? 3 : 4);
    stack_expect(fd, 422);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(a_key_under_way_is_a_conflict) {
    int first = post_until_insert(KEY);
    stack_expect(post_with(KEY, BODY), 409);
    answer_insert();
    stack_expect(post_with(KEY, BODY), 409); /* until the first one is answered */
    drop_lists();
    check_order(stack_expect(first, 200), FIRST_ID);
    int again = post_with(KEY, BODY);
    answer_key(true, 7, 3);
    check_order(stack_expect(again, 200), 42);
}
END_TEST

START_TEST(a_key_that_another_process_stored_meanwhile_is_a_conflict) {
    int fd = post_until_insert(KEY);
    fake_pg_answer(fake_rows(2), NULL, NULL); /* its place does not come back */
    stack_expect(fd, 409);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* ---- parse ---- */

static const struct {
    const char *headers, *body;
    int status;
    const char *problem; /* part of the answer */
} BAD_REQUESTS[] = {
    { "", "{", 400, "line 1, column" },
    { "", "[]", 400, "must be an object" },
    { "", "{}", 400, "\"path\":\"/quantity\"" },
    { "", "{\"productId\":0,\"quantity\":1}", 400, "\"keyword\":\"minimum\"" },
    { "", "{\"productId\":9223372036854775808,\"quantity\":1}", 400, "\"keyword\":\"maximum\"" },
    { "", "{\"productId\":\"1\",\"quantity\":1}", 400, "\"path\":\"/productId\"" },
    { "", "{\"productId\":1,\"quantity\":0}", 400, "must be >= 1" },
    { "", "{\"productId\":1,\"quantity\":1000001}", 400, "must be <= 1000000" },
    { "", "{\"productId\":1,\"quantity\":1.5}", 400, "must be an integer" },
    { "", "{\"productId\":1,\"quantity\":1,\"x~/y\":1}", 400, "\"path\":\"/x~0~1y\"" },
    { "Idempotency-Key: a b\r\n", "{\"productId\":1,\"quantity\":1}", 400,
      "header/Idempotency-Key" },
    { "Idempotency-Key: a\tb\r\n", "{\"productId\":1,\"quantity\":1}", 400,
      "header/Idempotency-Key" },
    { "Idempotency-Key: caf\xC3\xA9\r\n", "{\"productId\":1,\"quantity\":1}", 400,
      "header/Idempotency-Key" },
    { "Idempotency-Key:\r\n", "{\"productId\":1,\"quantity\":1}", 400, "header/Idempotency-Key" },
    { "", NULL, 415, "application/json" },
};

START_TEST(what_is_malformed_is_refused_at_once) {
    int fd = post_with(BAD_REQUESTS[_i].headers, BAD_REQUESTS[_i].body);
    const struct stack_answer *answer = stack_expect(fd, BAD_REQUESTS[_i].status);
    ck_assert_msg(strstr(answer->body, BAD_REQUESTS[_i].problem) != NULL, "%s", answer->body);
    ck_assert_uint_eq(fake_cache.op_count + fake_pg.asked, 0);
}
END_TEST

/* The longest that is taken, the first that is not; and the visible characters at both ends. */
START_TEST(a_key_has_a_longest_length) {
    char header[IDEMPOTENCY_KEY_BYTES_MAX + 32], key[IDEMPOTENCY_KEY_BYTES_MAX + 2];
    memset(key, '!', sizeof(key));
    key[1] = '~';
    key[IDEMPOTENCY_KEY_BYTES_MAX + _i] = '\0';
    snprintf(header, sizeof(header), "Idempotency-Key: %s\r\n", key);
    int fd = post_with(header, BODY);
    if (_i == 1) {
        ck_assert_ptr_nonnull(strstr(stack_expect(fd, 400)->body, "header/Idempotency-Key"));
        return;
    }
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_KEY_FIND)->calls[0];
    ck_assert(str_equal(fake_param_text_at(call, 0, 0), str_of(key)));
    fake_pg_fail(ERR_UNAVAILABLE);
    stack_expect(fd, 503);
}
END_TEST

START_TEST(an_integer_may_have_a_zero_fraction) {
    int fd = post_with("", "{\"productId\":7.0,\"quantity\":3e0}");
    answer_lookup();
    answer_insert();
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

/* ---- find_earlier ---- */

static const struct {
    enum err err;
    int status;
} FAILURES[] = {
    { ERR_UNAVAILABLE, 503 },
    { ERR_TIMEOUT, 503 },
    { ERR_INTERNAL, 500 },
    { ERR_NO_MEMORY, 503 },
};

START_TEST(the_keys_cannot_be_read) {
    int fd = post_with(KEY, BODY);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    fake_pg_fail(FAILURES[_i].err);
    check_retry_after(stack_expect(fd, FAILURES[_i].status));
}
END_TEST

/* ---- store_order ---- */

static const struct {
    enum err err;
    int status;
} INSERT_FAILURES[] = {
    { ERR_UNAVAILABLE, 503 }, { ERR_TIMEOUT, 503 },  { ERR_CONFLICT, 503 },
    { ERR_NO_MEMORY, 503 },   { ERR_INTERNAL, 500 }, { ERR_REJECTED_DATA, 500 },
    { ERR_DUPLICATE, 500 },   { ERR_LOCKED, 503 },
};

START_TEST(an_order_that_could_not_be_stored) {
    int fd = post_until_insert(KEY);
    fake_pg_fail(INSERT_FAILURES[_i].err);
    check_retry_after(stack_expect(fd, INSERT_FAILURES[_i].status));
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* The sequence was behind: other ids, and nobody notices; but not for ever. */
START_TEST(an_order_whose_id_is_taken_gets_another) {
    int fd = post_until_insert(KEY);
    for (int i = 0; i <= _i; i++) {
        fake_pg_fail(ERR_TAKEN_ID);
        if (i == 3) {
            check_retry_after(stack_expect(fd, 503));
            return;
        }
        ck_assert_uint_eq(fake_param_count(insert_call(), 0), 1); /* the statement draws another */
    }
    answer_insert();
    ck_assert_uint_eq(fake_broker.published, 1);
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

/* ---- held back for a backlog ---- */

static void setup_hasty(void) {
    open_with(HASTY_MS, 16);
}

static void settle_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

static void hear_of(int64_t id) {
    PGresult *result = fake_rows(1);
    fake_row(result, "i", id);
    backlog_finished(&(struct pg_rows){ .handle = result, .count = 1 });
    PQclear(result);
    order_store_go_on();
}

/* So many wait, and so few are fulfilled, that everybody is held back as long as may be. */
static void open_backlog(void) {
    backlog_stored(BACKLOG_TO);
    hear_of(1);
    settle_for(BACKLOG_WINDOW_MS);
    hear_of(2);
}

static size_t hold_count(void) {
    return (size_t)order_metrics[M_HOLD_SECONDS].value;
}

START_TEST(an_order_is_held_back_for_a_backlog_but_not_for_long) {
    open_backlog();
    uint64_t begun_ms = clock_monotonic_ms();
    int first = post_with("", BODY);
    answer_lookup();
    settle_for(BACKLOG_HOLD_US_MAX / 2000);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    int second = post_with("", BODY);
    answer_lookup();
    size_t before = hold_count();
    ck_assert_uint_eq(fake_param_count(insert_call(), 0), 2); /* both in one statement */
    uint64_t held_ms = clock_monotonic_ms() - begun_ms;
    ck_assert_uint_ge(held_ms, BACKLOG_HOLD_US_MAX / 1000 - 1);
    ck_assert_uint_eq(hold_count(), before + 1);
    answer_insert();
    drop_lists();
    check_order(stack_expect(first, 200), FIRST_ID);
    check_order(stack_expect(second, 200), FIRST_ID + 1);
}
END_TEST

/* 0: the orders are fulfilled, 1: the broker is lost, 2: the service shuts down */
START_TEST(who_is_held_back_goes_when_the_reason_is_gone) {
    open_backlog();
    int fd = post_with("", BODY);
    answer_lookup();
    settle_for(1);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    if (_i == 0) {
        uint64_t begun_ms = clock_monotonic_ms();
        hear_of(BACKLOG_TO);
        (void)insert_call();
        ck_assert_uint_lt(clock_monotonic_ms() - begun_ms, BACKLOG_HOLD_US_MAX / 2000);
    } else if (_i == 1) {
        fake_broker.state = BROKER_DOWN;
    } else {
        backends.is_draining = true;
    }
    answer_insert();
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

/* Its deadline passes first: it is answered, and not stored. */
START_TEST(a_deadline_within_the_delay) {
    open_backlog();
    int fd = post_with("", BODY);
    answer_lookup();
    check_retry_after(stack_expect(fd, 503));
    settle_for(BACKLOG_HOLD_US_MAX / 1000);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

/* The last that is taken, the first that is not; an earlier one is still answered. */
START_TEST(as_many_may_wait_as_the_limit_says) {
    order_config.orders_waiting_max = 2;
    for (int64_t id = FIRST_ID; id < FIRST_ID + 2; id++) {
        int fd = post_with("", BODY);
        answer_lookup();
        answer_insert();
        drop_lists();
        check_order(stack_expect(fd, 200), id);
    }
    int fd = post_with("", BODY);
    answer_lookup();
    const struct stack_answer *answer = stack_expect(fd, 503);
    check_retry_after(answer);
    ck_assert_str_eq(answer->body,
                     "{\"statusCode\":503,\"message\":\"Too many orders wait to be fulfilled, "
                     "try again later\"}");
    fd = post_with(KEY, BODY);
    answer_key(true, 7, 3);
    ck_assert_int_eq(stack_expect(fd, 200)->status, 200);
    fd = post_with(KEY, BODY); /* a new order with a key is refused, and its key is free again */
    answer_key(false, 0, 0);
    answer_lookup();
    check_retry_after(stack_expect(fd, 503));
    ck_assert_uint_eq(fake_pg.waiting, 0);
    hear_of(FIRST_ID);
    fd = post_until_insert("");
    answer_insert();
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID + 2);
}
END_TEST

START_TEST(redis_may_be_gone_when_the_list_is_dropped) {
    int fd = post_until_insert(KEY);
    if (_i == 0) {
        fake_cache.up = false;
        answer_insert();
    } else {
        answer_insert();
        fake_cache_lose();
    }
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

START_TEST(the_broker_may_be_gone) {
    int fd = post_until_insert("");
    fake_broker.publish_err = ERR_UNAVAILABLE;
    answer_insert();
    drop_lists();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

enum { MANY = 8 };

/* Until they are inserted by one statement. The key of each begins so; NULL: none has one. */
static void post_many(int fds[MANY], const char *key) {
    char header[64] = "";
    for (int i = 0; i < MANY; i++) {
        if (key != NULL) {
            snprintf(header, sizeof(header), "Idempotency-Key: %s%d\r\n", key, i);
        }
        fds[i] = post_with(header, BODY);
    }
    STACK_WAIT_FOR(flow_count() == MANY);
    stack_settle();
    while (fake_pg.waiting == 0 || fake_cache.op_count > 0 ||
           fake_pg.requests[0].calls[0].statement == &SQL_KEY_FIND) {
        if (fake_pg.waiting > 0 && fake_pg.requests[0].calls[0].statement == &SQL_KEY_FIND) {
            fake_pg_answer(fake_rows(13), NULL, NULL);
        }
        fake_cache_run();
        stack_settle();
    }
    ck_assert_uint_eq(fake_param_count(insert_call(), 0), MANY);
}

/* One order of a batch is refused by the database, once halving has reached it alone. */
START_TEST(one_bad_row_does_not_fail_its_neighbours) {
    int fds[MANY];
    size_t bad = (size_t)_i, done = 0;
    post_many(fds, NULL);
    for (int statements = 0; fake_pg.waiting > 0; statements++) {
        const struct pg_call *call = insert_call();
        size_t count = fake_param_count(call, 0);
        bool has_bad = bad >= done && bad < done + count;
        ck_assert_int_lt(statements, 12);
        done += has_bad && count > 1 ? 0 : count;
        if (has_bad) {
            fake_pg_fail(ERR_REJECTED_DATA);
        } else {
            answer_insert();
        }
    }
    fake_cache_run();
    int answers[2] = { 0, 0 };
    for (int i = 0; i < MANY; i++) {
        const struct stack_answer *answer = stack_receive(fds[i]);
        ck_assert(answer->status == 200 || answer->status == 500);
        answers[answer->status == 200]++;
        close(fds[i]);
    }
    ck_assert_int_eq(answers[0], 1);
    ck_assert_int_eq(answers[1], MANY - 1);
    ck_assert_uint_eq(fake_broker.published, MANY - 1);
}
END_TEST

/* What is stored keeps its ids, the rest gets others. */
START_TEST(ids_are_taken_in_the_middle_of_a_batch) {
    int fds[MANY];
    post_many(fds, NULL);
    fake_pg_fail(ERR_REJECTED_DATA); /* halved */
    answer_insert();
    fake_pg_fail(ERR_TAKEN_ID);
    ck_assert_uint_eq(fake_param_count(insert_call(), 0), MANY / 2);
    answer_insert();
    fake_cache_run();
    for (int i = 0; i < MANY; i++) {
        stack_expect(fds[i], 200);
    }
    ck_assert_uint_eq(fake_broker.published, MANY);
}
END_TEST

/* ---- locked ---- */

static bool has_key(const struct pg_call *call, const char *key) {
    for (size_t i = 0; i < fake_param_count(call, 8); i++) {
        if (str_equal(fake_param_text_at(call, 8, i), str_of(key))) {
            return true;
        }
    }
    return false;
}

/* Another transaction has the key of one of them, which is told to come again; two statements
   wait for it. */
START_TEST(a_locked_key_holds_up_its_own_order_only) {
    int fds[MANY], refused = 0, waited = 0;
    char key[8];
    post_many(fds, "k-");
    snprintf(key, sizeof(key), "k-%d", _i);
    while (fake_pg.waiting > 0) {
        if (has_key(insert_call(), key)) {
            fake_pg_fail(ERR_LOCKED);
            waited++;
        } else {
            answer_insert();
        }
    }
    fake_cache_run();
    for (int i = 0; i < MANY; i++) {
        const struct stack_answer *answer = stack_receive(fds[i]);
        check_retry_after(answer);
        refused += answer->status == 503;
        close(fds[i]);
    }
    ck_assert_int_eq(waited, 2);
    ck_assert_int_eq(refused, 1);
    ck_assert_uint_eq(fake_broker.published, MANY - 1);
}
END_TEST

/* No key: it is the table that is locked. 0: not for long; 1: for longer than is waited for. */
START_TEST(a_locked_table_is_waited_for_a_while) {
    uint64_t begin_ms = clock_monotonic_ms(), waited_ms = 0;
    int fds[MANY];
    post_many(fds, NULL);
    while (fake_pg.waiting > 0 && (_i == 1 || waited_ms < 1500)) {
        ck_assert_uint_eq(fake_param_count(insert_call(), 0), MANY);
        usleep(50000); /* it is the server that waits */
        waited_ms = clock_monotonic_ms() - begin_ms;
        fake_pg_fail(ERR_LOCKED);
    }
    if (_i == 0) {
        answer_insert();
        fake_cache_run();
    } else {
        ck_assert_uint_ge(waited_ms, 2000);
    }
    for (int i = 0; i < MANY; i++) {
        check_retry_after(stack_expect(fds[i], _i == 0 ? 200 : 503));
    }
    ck_assert_uint_eq(fake_broker.published, _i == 0 ? MANY : 0);
}
END_TEST

/* ---- full ---- */

START_TEST(more_requests_than_allowed_are_busy) {
    int fds[2] = { post_with("", BODY), post_with(KEY, BODY) };
    STACK_WAIT_FOR(flow_count() == 2);
    check_retry_after(stack_expect(post_with("", BODY), 503));
    answer_key(false, 0, 0);
    stack_settle();
    fake_cache_lose();
    STACK_WAIT_FOR(fake_http_client.waiting > 0);
    fake_http_client_fail(ERR_TIMEOUT);
    for (int i = 0; i < 2; i++) {
        stack_settle();
        while (fake_http_client.waiting > 0) {
            fake_http_client_fail(ERR_TIMEOUT);
        }
        stack_expect(fds[i], 503);
    }
}
END_TEST

/* ---- the deadline, and the client that leaves, at each wait ---- */

enum wait { AT_KEY, AT_CACHE, AT_FETCH, AT_INSERT, AT_LISTS, WAITS };

/* Bring a request to this wait. */
static int post_until(enum wait wait) {
    if (wait == AT_FETCH) {
        fake_cache_set("product:7", NULL, 0);
    }
    int fd = post_with(KEY, BODY);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    if (wait == AT_KEY) {
        return fd;
    }
    answer_key(false, 0, 0);
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    if (wait == AT_CACHE) {
        return fd;
    }
    fake_cache_run();
    if (wait == AT_FETCH) {
        STACK_WAIT_FOR(fake_http_client.waiting > 0);
        return fd;
    }
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    (void)insert_call();
    if (wait == AT_LISTS) {
        answer_insert();
    }
    return fd;
}

/* The rest of the way, whoever is still there: each dependency answers at last. */
static void finish_all(void) {
    for (int rounds = 0; rounds < 12; rounds++) {
        if (fake_pg.waiting > 0) {
            const struct pg_statement *statement = fake_pg.requests[0].calls[0].statement;
            if (statement == &SQL_KEY_FIND) {
                answer_key(false, 0, 0);
            } else {
                answer_insert();
            }
        }
        fake_cache_run();
        if (fake_http_client.waiting > 0) {
            fake_http_client_answer(200, "\"4\"", COPY);
        }
        stack_settle();
    }
}

START_TEST(a_dependency_that_is_too_slow) {
    int fd = post_until((enum wait)_i);
    const struct stack_answer *answer = stack_receive(fd);
    ck_assert_int_eq(answer->status, 503); /* it could not be stored in time */
    check_retry_after(answer);
    finish_all(); /* late results reach nobody */
    ck_assert(stack_is_silent(fd));
    /* what nobody waited for any more was not begun; what was stored is told */
    ck_assert_uint_eq(fake_broker.published, _i > AT_FETCH ? 1 : 0);
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves) {
    int fd = post_until((enum wait)_i);
    size_t connections = http_server_connection_count(stack_server());
    ck_assert_uint_eq(connections, 1);
    close(fd);
    stack_settle();
    ck_assert_uint_eq(flow_count(), 1); /* the order is made all the same */
    finish_all();
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
    Suite *suite = suite_create("create_order");
    TCase *usual = add_case(suite, "usual", setup);
    TCase *quick = add_case(suite, "short", setup_short),
          *small = add_case(suite, "small", setup_small),
          *hasty = add_case(suite, "hasty", setup_hasty);
    tcase_add_test(usual, an_order_is_stored_then_answered_then_told);
    tcase_add_test(usual, an_order_with_a_key_stores_the_key);
    tcase_add_test(usual, the_same_key_and_payload_give_the_same_order);
    tcase_add_loop_test(usual, the_same_key_with_another_payload_is_refused, 0, 2);
    tcase_add_test(usual, a_key_under_way_is_a_conflict);
    tcase_add_test(usual, a_key_that_another_process_stored_meanwhile_is_a_conflict);
    tcase_add_loop_test(usual, what_is_malformed_is_refused_at_once, 0,
                        (int)UNIT_COUNT(BAD_REQUESTS));
    tcase_add_loop_test(usual, a_key_has_a_longest_length, 0, 2);
    tcase_add_test(usual, an_integer_may_have_a_zero_fraction);
    tcase_add_loop_test(usual, the_keys_cannot_be_read, 0, (int)UNIT_COUNT(FAILURES));
    tcase_add_loop_test(usual, an_order_that_could_not_be_stored, 0,
                        (int)UNIT_COUNT(INSERT_FAILURES));
    tcase_add_loop_test(usual, an_order_whose_id_is_taken_gets_another, 0, 4);
    tcase_add_test(usual, ids_are_taken_in_the_middle_of_a_batch);
    tcase_add_test(usual, an_order_is_held_back_for_a_backlog_but_not_for_long);
    tcase_add_loop_test(usual, who_is_held_back_goes_when_the_reason_is_gone, 0, 3);
    tcase_add_test(usual, as_many_may_wait_as_the_limit_says);
    tcase_add_test(hasty, a_deadline_within_the_delay);
    tcase_add_loop_test(usual, redis_may_be_gone_when_the_list_is_dropped, 0, 2);
    tcase_add_test(usual, the_broker_may_be_gone);
    tcase_add_loop_test(usual, one_bad_row_does_not_fail_its_neighbours, 0, MANY);
    tcase_add_loop_test(usual, a_locked_key_holds_up_its_own_order_only, 0, MANY);
    tcase_add_loop_test(usual, a_locked_table_is_waited_for_a_while, 0, 2);
    tcase_add_test(small, more_requests_than_allowed_are_busy);
    tcase_add_loop_test(quick, a_dependency_that_is_too_slow, 0, WAITS);
    tcase_add_loop_test(usual, a_client_that_leaves, 0, WAITS);
    return unit_run(suite);
}
