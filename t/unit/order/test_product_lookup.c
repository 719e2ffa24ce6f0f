/* link: services/order/create_order.c services/order/order_store.c services/order/idempotency.c
 *       services/order/product_lookup.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c services/order/telling.c services/order/backlog.c
 *       services/order/order_read.c services/order/get_order.c services/order/outcome_wait.c
 *       t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_http_client.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * The step find_product of POST /orders: the copy, the product service, and what becomes of either
 * when Redis, the product service or the broker is away.
 */
#include "create_order_fixture.h"

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/*
 * 0: empty, 1: down, 2: lost while it is asked, 3: holds rubbish, 4: holds another product, 5: does
 * not know the version of the copy, 6: knows of a newer one
 */
enum { CACHES = 7 };

static int post_with_cache(int kind) {
    static const char *const HELD[CACHES] = { NULL, COPY, COPY, "{\"id\":7", "{}", COPY, COPY };
    fake_cache_set("product:7", HELD[kind], kind == 5 ? 0 : kind == 6 ? 5 : 4);
    fake_cache.up = kind != 1;
    int fd =
        post_with("X-Request-Id: r\r\ntraceparent: " TRACEPARENT "\r\ntracestate: a=1\r\n", BODY);
    if (kind != 1) {
        STACK_WAIT_FOR(fake_cache.op_count > 0);
        if (kind == 2) {
            fake_cache_lose();
        } else {
            fake_cache_run();
        }
    }
    STACK_WAIT_FOR(fake_http_client.waiting > 0);
    ck_assert_str_eq(fake_http_client.gets[0].target, "/products/7");
    ck_assert_str_eq(fake_http_client.gets[0].request_id, "r");
    ck_assert_str_eq(fake_http_client.gets[0].traceparent, TRACEPARENT);
    ck_assert_str_eq(fake_http_client.gets[0].tracestate, "a=1");
    return fd;
}

START_TEST(a_product_that_is_not_cached_is_fetched_and_cached) {
    int fd = post_with_cache(_i);
    fake_http_client_answer(200, "W/\"4\"", COPY);
    if (fake_cache.up) {
        ck_assert_int_eq(fake_cache.ops[0].kind, FAKE_PUT_NEWER);
        ck_assert_uint_eq(fake_cache.ops[0].ttl_s, 300);
        fake_cache_run();
        ck_assert_str_eq(fake_cache_value("product:7"), COPY);
    }
    answer_insert();
    stack_settle();
    fake_cache_run();
    check_order(stack_expect(fd, 200), FIRST_ID);
}
END_TEST

static const struct {
    enum err err;
    int http_status;
    const char *body;
    int status;
} FETCHES[] = {
    { ERR_OK, 404, "{\"statusCode\":404}", 404 },
    { ERR_OK, 503, "{}", 503 },
    { ERR_OK, 500, "{}", 502 },
    { ERR_OK, 302, "", 502 },
    { ERR_OK, 200, "", 502 },
    { ERR_OK, 200, "{\"id\":7}", 502 },
    { ERR_OK, 200,
      "{\"id\":8,\"name\":\"x\",\"price\":1,\"qty\":1,\"createdAt\":"
      "\"2026-11-22T17:16:32Z\",\"updatedAt\":\"2026-11-22T17:16:32Z\"}",
      502 },
    { ERR_UNAVAILABLE, 0, NULL, 503 },
    { ERR_TIMEOUT, 0, NULL, 503 },
    { ERR_BUSY, 0, NULL, 503 },
    { ERR_BAD_REPLY, 0, NULL, 502 },
};

START_TEST(a_product_that_cannot_be_fetched) {
    int fd = post_with_cache(0);
    if (FETCHES[_i].err == ERR_OK) {
        fake_http_client_answer(FETCHES[_i].http_status, "\"1\"", FETCHES[_i].body);
    } else {
        fake_http_client_fail(FETCHES[_i].err);
    }
    if (FETCHES[_i].status == 503) {
        answer_lookup(); /* a copy would do */
    }
    const struct stack_answer *answer = stack_expect(fd, FETCHES[_i].status);
    check_retry_after(answer);
    if (answer->status == 404) {
        ck_assert_ptr_nonnull(strstr(answer->body, "There is no such product"));
    }
    ck_assert_uint_eq(fake_pg.asked, 0);
}
END_TEST

START_TEST(a_product_is_fetched_once_for_all_who_wait) {
    int first = post_with_cache(0), second = post_with("", BODY);
    answer_lookup();
    stack_settle();
    ck_assert_uint_eq(fake_http_client.asked, 1);
    fake_http_client_fail(ERR_UNAVAILABLE);
    answer_lookup();
    stack_expect(first, 503);
    stack_expect(second, 503);
    int third = post_with_cache(0); /* the failure is not remembered */
    ck_assert_uint_eq(fake_http_client.asked, 2);
    fake_http_client_answer(404, NULL, "{}");
    stack_expect(third, 404);
}
END_TEST

/* Nothing may be sent, nothing goes through, nothing is heard: 0 … 2 */
static int post_while_no_events_come(int kind) {
    fake_broker.state = kind == 0 ? BROKER_DOWN : kind == 1 ? BROKER_BLOCKED : BROKER_UP;
    fake_broker.consuming = kind != 2;
    int fd = post_with("", BODY);
    answer_lookup();
    STACK_WAIT_FOR(fake_http_client.waiting > 0);
    return fd;
}

static void check_price(int fd, const char *price) {
    answer_insert();
    stack_settle();
    fake_cache_run();
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, price));
}

START_TEST(while_no_events_come_a_copy_is_asked_for_again) {
    static const char NEWER[] = "{\"id\":7,\"name\":\"x\",\"price\":21.00,\"qty\":5,"
                                "\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                                "\"updatedAt\":\"2026-11-22T17:16:32.123Z\"}";
    int fd = post_while_no_events_come(_i);
    fake_http_client_answer(200, "\"5\"", NEWER);
    check_price(fd, "\"unitPrice\":21.00");
    ck_assert_int_eq(fake_cache_version("product:7"), 5);
}
END_TEST

START_TEST(while_nobody_tells_or_answers_the_copy_does) {
    int fd = post_while_no_events_come(0);
    if (FETCHES[_i].err == ERR_OK) {
        fake_http_client_answer(FETCHES[_i].http_status, "\"1\"", FETCHES[_i].body);
    } else {
        fake_http_client_fail(FETCHES[_i].err);
    }
    if (FETCHES[_i].status != 503) { /* an answer: it counts */
        stack_expect(fd, FETCHES[_i].status);
        return;
    }
    answer_lookup();
    check_price(fd, "\"unitPrice\":19.90");
}
END_TEST

START_TEST(while_no_events_come_and_redis_goes_too) {
    int fd = post_while_no_events_come(0);
    fake_http_client_fail(ERR_UNAVAILABLE);
    fake_cache_lose();
    check_retry_after(stack_expect(fd, 503));
}
END_TEST

/* An order that the copy does for at once, though no events come. */
static void check_copy_does(void) {
    size_t asked = fake_http_client.asked;
    int fd = post_with("", BODY);
    answer_lookup(); /* twice: for the copy */
    check_price(fd, "\"unitPrice\":19.90");
    ck_assert_uint_eq(fake_http_client.asked, asked);
}

START_TEST(a_silent_product_service_is_waited_for_by_one) {
    static const enum err SILENT[] = { ERR_TIMEOUT, ERR_BUSY };
    order_config.product_deadline_ms = 3000;
    int first = post_while_no_events_come(0);
    fake_http_client_fail(SILENT[_i]);
    answer_lookup();
    check_price(first, "\"unitPrice\":19.90");
    check_copy_does();
    check_copy_does();

    usleep(1100 * 1000); /* then one asks again, and nobody waits for that */
    int second = post_while_no_events_come(0);
    fake_cache_set("product:8", COPY, 4); /* of no use */
    int other = post_with("", "{\"productId\":8,\"quantity\":3}");
    answer_lookup();
    STACK_WAIT_FOR(fake_http_client.waiting == 2); /* without a copy there is no choice */
    fake_http_client_answer(200, "\"4\"", COPY);
    fake_cache_run();
    check_price(second, "\"unitPrice\":19.90");
    fake_http_client_answer(404, NULL, "{}");
    stack_expect(other, 404);
    int third = post_while_no_events_come(0); /* it answers: it is asked */
    fake_http_client_answer(404, NULL, "{}");
    stack_expect(third, 404);
}
END_TEST

START_TEST(while_one_asks_a_silent_product_service_the_copy_does) {
    order_config.product_deadline_ms = 3000;
    int first = post_while_no_events_come(0);
    fake_http_client_fail(ERR_TIMEOUT);
    answer_lookup();
    check_price(first, "\"unitPrice\":19.90");
    usleep(1100 * 1000);
    static const char OTHER[] = "{\"productId\":8,\"quantity\":3}";
    int second = post_with("", OTHER);
    answer_lookup();
    STACK_WAIT_FOR(fake_http_client.waiting == 1);
    check_copy_does();
    fake_http_client_fail(ERR_UNAVAILABLE); /* refused: that does not take long */
    answer_lookup();
    stack_expect(second, 503);
    int third = post_while_no_events_come(0);
    fake_http_client_answer(404, NULL, "{}");
    stack_expect(third, 404);
}
END_TEST

/* ---- several product services ---- */

static void several(void) {
    product_lookup_close();
    order_config.product_service_url = "http://one,http://two,http://three";
    order_config.product_deadline_ms = 3000;
    fake_http_client_reset();
    ck_assert_int_eq(product_lookup_open(), ERR_OK);
}

static void check_asked(const char *url) {
    STACK_WAIT_FOR(fake_http_client.waiting > 0);
    ck_assert_str_eq(fake_http_client.gets[0].url, url);
}

/* Of no answer: refused, or answered 503. */
static void no_answer(int kind) {
    if (kind == 0) {
        fake_http_client_fail(ERR_UNAVAILABLE);
    } else {
        fake_http_client_answer(503, NULL, "{}");
    }
}

START_TEST(the_next_product_service_is_asked_and_stays) {
    several();
    int fd = post_with_cache(0);
    check_asked("http://one");
    no_answer(_i);
    check_asked("http://two");
    fake_http_client_answer(200, "\"4\"", COPY);
    fake_cache_run();
    check_price(fd, "\"unitPrice\":19.90");
    int second = post_with_cache(0);
    check_asked("http://two");
    fake_http_client_answer(404, NULL, "{}"); /* that is an answer */
    stack_expect(second, 404);
}
END_TEST

START_TEST(each_product_service_is_asked_once) {
    several();
    int fd = post_with_cache(0);
    no_answer(0);
    check_asked("http://two");
    no_answer(1);
    check_asked("http://three");
    no_answer(0);
    answer_lookup(); /* a copy would do */
    check_retry_after(stack_expect(fd, 503));
    ck_assert_uint_eq(fake_http_client.asked, 3);
}
END_TEST

START_TEST(who_is_silent_is_waited_for_once) {
    several();
    int first = post_with_cache(0), other = post_with("", "{\"productId\":8,\"quantity\":3}");
    answer_lookup();
    STACK_WAIT_FOR(fake_http_client.waiting == 2);
    fake_http_client_fail(ERR_TIMEOUT);
    fake_http_client_fail(ERR_TIMEOUT); /* of the same one */
    answer_lookup();
    stack_expect(first, 503);
    stack_expect(other, 503);
    int second = post_with("", "{\"productId\":8,\"quantity\":3}");
    answer_lookup();
    check_asked("http://two");
    fake_http_client_answer(404, NULL, "{}");
    stack_expect(second, 404);
}
END_TEST

START_TEST(urls_that_are_too_many_or_too_long) {
    char urls[1024] = "";
    product_lookup_close();
    order_config.product_service_url = urls;
    memset(urls, 'a', 511);
    fake_http_client_reset();
    ck_assert_int_eq(product_lookup_open(), ERR_OK);
    product_lookup_close();
    urls[511] = 'a';
    ck_assert_int_eq(product_lookup_open(), ERR_INVALID);
    product_lookup_close();
    size_t length = 0;
    for (int i = 0; i < 17; i++) {
        length +=
            (size_t)snprintf(urls + length, sizeof(urls) - length, "%shttp://a", i == 0 ? "" : ",");
    }
    fake_http_client_reset();
    ck_assert_int_eq(product_lookup_open(), ERR_INVALID);
    urls[length - strlen(",http://a")] = '\0';
    product_lookup_close();
    fake_http_client_reset();
    ck_assert_int_eq(product_lookup_open(), ERR_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("product_lookup");
    TCase *tcase = tcase_create("product_lookup");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_product_that_is_not_cached_is_fetched_and_cached, 0, CACHES);
    tcase_add_loop_test(tcase, a_product_that_cannot_be_fetched, 0, (int)UNIT_COUNT(FETCHES));
    tcase_add_test(tcase, a_product_is_fetched_once_for_all_who_wait);
    tcase_add_loop_test(tcase, while_no_events_come_a_copy_is_asked_for_again, 0, 3);
    tcase_add_loop_test(tcase, while_nobody_tells_or_answers_the_copy_does, 0,
                        (int)UNIT_COUNT(FETCHES));
    tcase_add_test(tcase, while_no_events_come_and_redis_goes_too);
    tcase_add_loop_test(tcase, a_silent_product_service_is_waited_for_by_one, 0, 2);
    tcase_add_test(tcase, while_one_asks_a_silent_product_service_the_copy_does);
    tcase_add_loop_test(tcase, the_next_product_service_is_asked_and_stays, 0, 2);
    tcase_add_test(tcase, each_product_service_is_asked_once);
    tcase_add_test(tcase, who_is_silent_is_waited_for_once);
    tcase_add_test(tcase, urls_that_are_too_many_or_too_long);
    return unit_run(suite);
}
