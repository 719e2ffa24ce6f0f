/* link: services/order/list_orders.c services/order/get_order.c services/order/order.c
 *       services/order/search_orders.c
 *       services/order/order_page.c services/order/order_read.c services/order/outcome_wait.c
 *       services/order/metrics.c services/order/statements.c services/order/backlog.c
 *       services/order/config.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * GET /orders/{id}, GET /orders/product/{productId} and GET /orders: pages, their cache, and
 * what can go wrong.
 */
#include "order/parts.h"
#include "order/statements.h"

#include "fake_stack.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 500 };

#define AT_MS INT64_C(1795367792123)
#define ORDER_BYTES 512

static const struct http_route ROUTES[] = {
    { "GET", "/orders/{id}", "get_order", get_order, NULL },
    { "GET", "/orders/product/{productId}", "list_orders", list_orders, NULL },
    { "GET", "/orders", "search_orders", search_orders, NULL },
};

static void open_with(uint32_t deadline_ms) {
    config_shared = (struct config_shared){ .requests_max = 8, .request_deadline_ms = deadline_ms };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    ck_assert_int_eq(order_read_open(), ERR_OK);
    ck_assert_int_eq(outcome_wait_open(), ERR_OK);
    ck_assert_int_eq(get_order_open(), ERR_OK);
    ck_assert_int_eq(list_orders_open(), ERR_OK);
    ck_assert_int_eq(search_orders_open(), ERR_OK);
}

static void setup(void) {
    open_with(DEADLINE_MS);
}

static void setup_short(void) {
    open_with(SHORT_MS);
}

static void teardown(void) {
    ck_assert_uint_eq(flow_count(), 0);
    get_order_close();
    outcome_wait_close();
    order_read_close();
    list_orders_close();
    search_orders_close();
    stack_close();
}

static int get(const char *target) {
    int fd = stack_connect();
    stack_send(fd, "GET", target, "", NULL);
    return fd;
}

static void add_order(PGresult *rows, int64_t id, int64_t product_id) {
    fake_row(rows, "iiiiittTTt", id, product_id, (int64_t)3, (int64_t)1990, (int64_t)5970,
             "waiting", NULL, AT_MS + id, AT_MS + id, "r");
}

static const char *order_json(int64_t id, int64_t product_id) {
    static char json[ORDER_BYTES];
    char at[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(AT_MS + id, at);
    snprintf(
        json, sizeof(json),
        "{\"id\":%lld,\"productId\":%lld,\"quantity\":3,\"unitPrice\":19.90,\"totalPrice\":59.70,"
        "\"status\":\"waiting\",\"reason\":null,\"createdAt\":\"%s\",\"updatedAt\":\"%s\","
        "\"requestId\":\"r\"}",
        (long long)id, (long long)product_id, at, at);
    return json;
}

static const struct pg_call *expect_query(const struct pg_statement *statement) {
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    return &fake_pg_expect(FAKE_PG_RUN, statement)->calls[0];
}

/* `count` orders of the product, newest first: ids count … 1 */
static void answer_orders(int64_t product_id, int64_t count) {
    PGresult *rows = fake_rows(10);
    for (int64_t id = count; id >= 1; id--) {
        add_order(rows, id, product_id);
    }
    fake_pg_answer(rows, NULL, NULL);
}

/* ---- one order ---- */

START_TEST(readers_of_a_tick_share_a_query) {
    int one = get("/orders/1"), same = get("/orders/1"), other = get("/orders/2"),
        none = get("/orders/3");
    STACK_WAIT_FOR(flow_count() == 4);
    PGresult *rows = fake_rows(10);
    size_t asked = 0;
    while (fake_pg.waiting > 0) { /* one query, or two if they came in two ticks */
        asked += fake_param_count(expect_query(&SQL_ORDER_GET), 0);
        if (asked < 4) {
            PGresult *part = fake_rows(10);
            add_order(part, 1, 7);
            add_order(part, 2, 7);
            fake_pg_answer(part, NULL, NULL);
            stack_settle();
        } else {
            add_order(rows, 2, 7);
            add_order(rows, 1, 7);
            fake_pg_answer(rows, NULL, NULL);
            rows = NULL;
        }
    }
    PQclear(rows);
    ck_assert_str_eq(stack_expect(one, 200)->body, order_json(1, 7));
    ck_assert_str_eq(stack_expect(same, 200)->body, order_json(1, 7));
    ck_assert_str_eq(stack_expect(other, 200)->body, order_json(2, 7));
    stack_expect(none, 404);
}
END_TEST

static const struct {
    enum err err;
    int status;
} FAILURES[] = {
    { ERR_UNAVAILABLE, 503 },
    { ERR_TIMEOUT, 503 },
    { ERR_INTERNAL, 500 },
    { ERR_NO_MEMORY, 503 },
};

START_TEST(an_order_cannot_be_read) {
    int fd = get("/orders/1");
    (void)expect_query(&SQL_ORDER_GET);
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
}
END_TEST

static const char *const BAD_TARGETS[] = {
    "/orders/0",
    "/orders/-1",
    "/orders/01",
    "/orders/1x",
    "/orders/9223372036854775808",
    "/orders/%2F1",
    "/orders/1%00",
    "/orders/product/0",
    "/orders/product/7?limit=0",
    "/orders/product/7?limit=1001",
    "/orders/product/7?limit=x",
    "/orders/product/7?limit=1&limit=2",
    "/orders/product/7?limit=",
    "/orders/product/7?cursor=",
    "/orders/product/7?cursor=x",
    "/orders/product/7?cursor=%00",
    "/orders?limit=0",
    "/orders?limit=1001",
    "/orders?limit=x",
    "/orders?cursor=x",
    "/orders?status=",
    "/orders?status",
    "/orders?status=lost",
    "/orders?status=Done",
    "/orders?status=done%00",
    "/orders?status=done&status=done",
    "/orders?from=",
    "/orders?from=yesterday",
    "/orders?from=2026-02-30T00:00:00Z",
    "/orders?from=2026-11-22",
    "/orders?from=1969-12-31T23:59:59Z",
    "/orders?to=9999-12-31T23:59:60Z",
    "/orders?to=2026-13-01T00:00:00Z",
    "/orders?to=2026-11-22T17:16:32Z&to=2026-11-22T17:16:32Z",
};

START_TEST(what_is_malformed_is_refused_at_once) {
    const struct stack_answer *answer = stack_expect(get(BAD_TARGETS[_i]), 400);
    ck_assert_ptr_nonnull(strstr(answer->body, "\"errors\":[{\"path\":\""));
    ck_assert_uint_eq(fake_pg.asked + fake_cache.op_count, 0);
}
END_TEST

/* ---- first pages ---- */

static void answer_cache(void) {
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    fake_cache_run();
}

START_TEST(an_empty_list_is_an_empty_array_and_cached) {
    int fd = get("/orders/product/7");
    answer_cache();
    const struct pg_call *call = expect_query(&SQL_ORDER_FIRST_PAGES);
    ck_assert_int_eq(fake_param_int8(call, 1),
                     101); /* one more, to know whether there is a next page */
    answer_orders(7, 0);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, "[]");
    ck_assert_ptr_null(strstr(answer->headers, "Link:"));
    fake_cache_run();
    ck_assert_str_eq(fake_cache_value("orders:product:7"), "[]");
    fd = get("/orders/product/7?limit=100"); /* the same page */
    answer_cache();
    ck_assert_str_eq(stack_expect(fd, 200)->body, "[]");
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

/* The next page's target, from the Link header. */
static const char *next_target(const struct stack_answer *answer) {
    static char target[256];
    const char *link = strstr(answer->headers, "\r\nLink: <");
    ck_assert_ptr_nonnull(link);
    snprintf(target, sizeof(target), "%.*s", (int)strcspn(link + 9, ">"), link + 9);
    ck_assert_ptr_nonnull(strstr(link, ">; rel=\"next\"\r\n"));
    return target;
}

static void check_next(const char *target) {
    int fd = get(target);
    const struct pg_call *call = expect_query(&SQL_ORDER_PAGE);
    ck_assert_int_eq(fake_param_int8(call, 0), 7);
    ck_assert_int_eq(fake_param_time(call, 1), AT_MS + 2);
    ck_assert_int_eq(fake_param_int8(call, 2), 2);
    answer_orders(7, 1);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_ptr_null(strstr(answer->headers, "Link:"));
    ck_assert_ptr_nonnull(strstr(answer->body, order_json(1, 7)));
}

START_TEST(a_full_page_links_to_the_next_one_from_the_cache_too) {
    int fd = get("/orders/product/7");
    answer_cache();
    (void)expect_query(&SQL_ORDER_FIRST_PAGES);
    answer_orders(7, 101);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_ptr_null(strstr(answer->body, "\"id\":1,")); /* order 1 is on the next page */
    char body[STACK_ANSWER_BYTES], target[256];
    snprintf(body, sizeof(body), "%s", answer->body);
    snprintf(target, sizeof(target), "%s", next_target(answer));
    check_next(target);
    fake_cache_run();
    fd = get("/orders/product/7");
    answer_cache();
    answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, body);
    ck_assert_str_eq(next_target(answer), target);
    char other[300]; /* the cursor is that list's only */
    snprintf(other, sizeof(other), "/orders/product/8?%s", strchr(target, '?') + 1);
    stack_expect(get(other), 400);
}
END_TEST

START_TEST(a_page_read_before_a_write_is_not_cached) {
    static const char *const KEYS[] = { "orders:product:7" };
    int fd = get("/orders/product/7");
    answer_cache();
    (void)expect_query(&SQL_ORDER_FIRST_PAGES);
    cache_invalidate(&fake_cache, KEYS, 1, NULL, NULL); /* a writer, meanwhile */
    fake_cache_run();
    answer_orders(7, 1);
    stack_expect(fd, 200);
    fake_cache_run();
    ck_assert_ptr_null(fake_cache_value("orders:product:7"));
}
END_TEST

/* 0: down, 1: lost while it is asked, 2: lost and back while the database is asked */
START_TEST(redis_may_be_gone) {
    fake_cache.up = _i != 0;
    int fd = get("/orders/product/7");
    if (_i != 0) {
        STACK_WAIT_FOR(fake_cache.op_count > 0);
        if (_i == 1) {
            fake_cache_lose();
        } else {
            fake_cache_run();
            fake_cache_lose();
            fake_cache_reconnect();
        }
    }
    (void)expect_query(&SQL_ORDER_FIRST_PAGES);
    answer_orders(7, 1);
    stack_expect(fd, 200);
    fake_cache_run();
    ck_assert_ptr_null(fake_cache_value("orders:product:7"));
}
END_TEST

static const char *const RUBBISH[] = { "", "x", "\n", "[]x\n", "[{\"id\":1}]\n", "{]\n" };

START_TEST(a_cached_page_that_makes_no_sense_is_read_anew) {
    fake_cache_set("orders:product:7", RUBBISH[_i], 0);
    int fd = get("/orders/product/7");
    answer_cache();
    (void)expect_query(&SQL_ORDER_FIRST_PAGES);
    answer_orders(7, 1);
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, order_json(1, 7)));
}
END_TEST

START_TEST(a_page_cannot_be_read) {
    int first = get("/orders/product/7"), later = get("/orders/product/7?limit=5");
    answer_cache();
    STACK_WAIT_FOR(fake_pg.waiting == 2);
    fake_pg_fail(FAILURES[_i].err);
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(first, FAILURES[_i].status);
    stack_expect(later, FAILURES[_i].status);
}
END_TEST

START_TEST(several_products_share_one_query) {
    int seven = get("/orders/product/7"), eight = get("/orders/product/8"),
        fds[] = { seven, eight };
    STACK_WAIT_FOR(flow_count() == 2);
    stack_settle();
    fake_cache_run();
    stack_settle();
    while (fake_pg.waiting > 0) {
        const struct pg_call *call = expect_query(&SQL_ORDER_FIRST_PAGES);
        PGresult *rows = fake_rows(10);
        for (size_t i = 0; i < fake_param_count(call, 0); i++) {
            int64_t id = fake_param_int8_at(call, 0, i);
            if (id == 7) { /* product 8 has none */
                add_order(rows, 2, id);
                add_order(rows, 1, id);
            }
        }
        fake_pg_answer(rows, NULL, NULL);
        stack_settle();
    }
    ck_assert_ptr_nonnull(strstr(stack_expect(fds[0], 200)->body, order_json(2, 7)));
    ck_assert_str_eq(stack_expect(fds[1], 200)->body, "[]");
}
END_TEST

/* ---- the search ---- */

#define OLDEST_MS INT64_C(0)
#define NEWEST_MS INT64_C(253402300799000)

/* The search's parameters: before this id, status ("" for any), from, to, at most. */
static void expect_search(int64_t before_id, const char *status, int64_t from_ms, int64_t to_ms,
                          int64_t limit) {
    bool is_cancelled = strcmp(status, "cancelled") == 0;
    const struct pg_call *call =
        expect_query(is_cancelled ? &SQL_ORDER_CANCELLED : &SQL_ORDER_SEARCH);
    size_t next = is_cancelled ? 1 : 2;
    ck_assert_int_eq(fake_param_int8(call, 0), before_id);
    if (!is_cancelled) {
        ck_assert_int_eq(call->params[1].length, (int)strlen(status));
        ck_assert_int_eq(strncmp(call->params[1].bytes, status, strlen(status)), 0);
        ck_assert_int_eq(fake_param_int8(call, 5), 50000);
    }
    ck_assert_int_eq(fake_param_time(call, next), from_ms);
    ck_assert_int_eq(fake_param_time(call, next + 1), to_ms);
    ck_assert_int_eq(fake_param_int8(call, next + 2), limit + 1); /* whether there is a next page */
}

/* Orders first_id, first_id - 1, … (`count`), and up to where was looked (0: to the end). */
static void answer_search(int64_t first_id, int64_t count, int64_t looked_id) {
    PGresult *rows = fake_rows(11);
    for (int64_t id = first_id; id > first_id - count; id--) {
        if (looked_id == 0) {
            fake_row(rows, "iiiiittTTtt", id, INT64_C(7), (int64_t)3, (int64_t)1990, (int64_t)5970,
                     "waiting", NULL, AT_MS + id, AT_MS + id, "r", NULL);
        } else {
            fake_row(rows, "iiiiittTTti", id, INT64_C(7), (int64_t)3, (int64_t)1990, (int64_t)5970,
                     "waiting", NULL, AT_MS + id, AT_MS + id, "r", looked_id);
        }
    }
    if (count == 0 && looked_id == 0) {
        fake_row(rows, "ttttttttttt", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    } else if (count == 0) {
        fake_row(rows, "tttttttttti", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                 looked_id);
    }
    fake_pg_answer(rows, NULL, NULL);
}

static const struct {
    const char *query, *status;
    int64_t from_ms, to_ms, limit;
    const char *link; /* what of it is in the Link */
} SEARCHES[] = {
    { "", "", OLDEST_MS, NEWEST_MS, 100, "?limit=100&cursor=" },
    { "?limit=1", "", OLDEST_MS, NEWEST_MS, 1, "?limit=1&cursor=" },
    { "?limit=1000", "", OLDEST_MS, NEWEST_MS, 1000, "?limit=1000&cursor=" },
    { "?status=waiting", "waiting", OLDEST_MS, NEWEST_MS, 100,
      "?limit=100&status=waiting&cursor=" },
    { "?status=done", "done", OLDEST_MS, NEWEST_MS, 100, "?limit=100&status=done&cursor=" },
    { "?status=rejected&limit=7", "rejected", OLDEST_MS, NEWEST_MS, 7,
      "?limit=7&status=rejected&cursor=" },
    { "?status=cancelled", "cancelled", OLDEST_MS, NEWEST_MS, 100,
      "?limit=100&status=cancelled&cursor=" },
    { "?from=2026-11-22T17:16:32.123Z", "", AT_MS, NEWEST_MS, 100,
      "?limit=100&from=2026-11-22T17:16:32.123Z&cursor=" },
    { "?to=2026-11-22T18:16:32.123%2B01:00", "", OLDEST_MS, AT_MS, 100,
      "?limit=100&to=2026-11-22T17:16:32.123Z&cursor=" },
    { "?to=2026-11-22T18:16:32.123%2B01:00&status=cancelled&from=2026-11-22T17:16:32.123Z&limit="
      "1000",
      "cancelled", AT_MS, AT_MS, 1000,
      "?limit=1000&status=cancelled&from=2026-11-22T17:16:32.123Z&to=2026-11-22T17:16:32.123Z&"
      "cursor=" },
    { "?from=1970-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", "", OLDEST_MS, NEWEST_MS, 100,
      "?limit=100&cursor=" },
};

/* A page, and by its Link the next one, of the same search; which is the last. */
START_TEST(a_search_is_asked_page_by_page) {
    char target[512], wanted[512];
    int64_t limit = SEARCHES[_i].limit;
    snprintf(target, sizeof(target), "/orders%s", SEARCHES[_i].query);
    int fd = get(target);
    expect_search(INT64_MAX, SEARCHES[_i].status, SEARCHES[_i].from_ms, SEARCHES[_i].to_ms, limit);
    answer_search(5000, limit > 50 ? 3 : limit + 1, limit > 50 ? 4900 : 0);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_int_eq(strncmp(answer->body + 1, order_json(5000, 7), strlen(order_json(5000, 7))),
                     0);
    snprintf(target, sizeof(target), "%s", next_target(answer));
    snprintf(wanted, sizeof(wanted), "/orders%s", SEARCHES[_i].link);
    ck_assert_msg(strncmp(target, wanted, strlen(wanted)) == 0, "%s", target);
    fd = get(target);
    expect_search(limit > 50 ? 4900 : 5001 - limit, SEARCHES[_i].status, SEARCHES[_i].from_ms,
                  SEARCHES[_i].to_ms, limit);
    answer_search(4800, 1, 0);
    answer = stack_expect(fd, 200);
    ck_assert_ptr_null(strstr(answer->headers, "Link:"));
    snprintf(wanted, sizeof(wanted), "[%s]", order_json(4800, 7));
    ck_assert_str_eq(answer->body, wanted);
}
END_TEST

/* Full to the last: the row over the limit says that there is a next page, and is on it. */
START_TEST(a_full_page_of_a_search) {
    int fd = get("/orders?limit=2");
    (void)expect_query(&SQL_ORDER_SEARCH);
    answer_search(9, _i == 0 ? 3 : 2, 0);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer->body, "\"id\":8,"));
    ck_assert_ptr_null(strstr(answer->body, "\"id\":7,"));
    ck_assert_int_eq(strstr(answer->headers, "\r\nLink: ") != NULL, _i == 0);
    if (_i == 0) {
        fd = get(next_target(answer));
        expect_search(8, "", OLDEST_MS, NEWEST_MS, 2);
        answer_search(7, 1, 0);
        stack_expect(fd, 200);
    }
}
END_TEST

/* 0: none at all, 1: none among those that were looked at, 2: of cancelled ones, no row */
START_TEST(a_page_of_a_search_may_be_empty) {
    int fd = get(_i == 2 ? "/orders?status=cancelled" : "/orders?status=rejected");
    (void)expect_query(_i == 2 ? &SQL_ORDER_CANCELLED : &SQL_ORDER_SEARCH);
    if (_i == 2) {
        fake_pg_answer(fake_rows(11), NULL, NULL);
    } else {
        answer_search(0, 0, _i == 0 ? 0 : 4900);
    }
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, "[]");
    ck_assert_int_eq(strstr(answer->headers, "\r\nLink: ") != NULL, _i == 1);
    if (_i == 1) {
        fd = get(next_target(answer));
        expect_search(4900, "rejected", OLDEST_MS, NEWEST_MS, 100);
        answer_search(0, 0, 0);
        stack_expect(fd, 200);
    }
}
END_TEST

/* A product's list has cursors of its own. */
START_TEST(a_cursor_of_another_list_is_refused) {
    char target[300];
    int fd = get("/orders?limit=1");
    (void)expect_query(&SQL_ORDER_SEARCH);
    answer_search(9, 2, 0);
    const char *cursor = strstr(next_target(stack_expect(fd, 200)), "cursor=");
    snprintf(target, sizeof(target), "/orders/product/7?limit=1&%s", cursor);
    stack_expect(get(target), 400);
}
END_TEST

START_TEST(all_that_is_wrong_with_a_search_is_said) {
    const struct stack_answer *answer =
        stack_expect(get("/orders?status=x&from=x&to=x&limit=x&cursor=x"), 400);
    static const char *const PATHS[] = { "query/status", "query/from", "query/to", "query/limit",
                                         "query/cursor" };
    for (size_t i = 0; i < UNIT_COUNT(PATHS); i++) {
        ck_assert_ptr_nonnull(strstr(answer->body, PATHS[i]));
    }
}
END_TEST

/* Two at a time: each may look at many rows. */
START_TEST(searches_wait_for_each_other) {
    int fds[3] = { get("/orders"), get("/orders"), get("/orders") };
    STACK_WAIT_FOR(flow_count() == 3);
    stack_settle();
    ck_assert_uint_eq(fake_pg.waiting, 2);
    for (int i = 0; i < 3; i++) {
        (void)expect_query(&SQL_ORDER_SEARCH);
        answer_search(9, 1, 0);
    }
    for (int i = 0; i < 3; i++) {
        stack_expect(fds[i], 200);
    }
}
END_TEST

START_TEST(a_search_fails) {
    int fd = get("/orders?status=done");
    (void)expect_query(&SQL_ORDER_SEARCH);
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
}
END_TEST

/* ---- the deadline, and the client that leaves ---- */

static const char *const TARGETS[] = { "/orders/1", "/orders/product/7",
                                       "/orders/product/7?limit=5", "/orders" };

static void answer_late(void) {
    fake_cache_run();
    stack_settle();
    while (fake_pg.waiting > 0) {
        if (fake_pg.requests[0].calls[0].statement == &SQL_ORDER_SEARCH) {
            answer_search(9, 1, 0);
        } else {
            answer_orders(7, 1);
        }
        stack_settle();
    }
    fake_cache_run();
}

START_TEST(a_dependency_that_is_too_slow) {
    int fd = get(TARGETS[_i]);
    ck_assert_int_eq(stack_receive(fd)->status, 503);
    answer_late();
    ck_assert(stack_is_silent(fd));
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves) {
    int fd = get(TARGETS[_i]);
    STACK_WAIT_FOR(flow_count() == 1);
    close(fd);
    stack_settle();
    answer_late();
    STACK_WAIT_FOR(http_server_connection_count(stack_server()) == 0);
}
END_TEST

START_TEST(more_requests_than_allowed_are_busy) {
    int fds[8];
    for (size_t i = 0; i < 8; i++) {
        fds[i] = get("/orders/product/7");
    }
    STACK_WAIT_FOR(flow_count() == 8);
    stack_expect(get("/orders/product/7"), 503);
    while (flow_count() > 0) {
        answer_late();
        stack_settle();
    }
    for (size_t i = 0; i < 8; i++) {
        stack_expect(fds[i], 200);
    }
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
    Suite *suite = suite_create("order_pages");
    TCase *usual = add_case(suite, "usual", setup), *quick = add_case(suite, "short", setup_short);
    tcase_add_test(usual, readers_of_a_tick_share_a_query);
    tcase_add_loop_test(usual, an_order_cannot_be_read, 0, (int)UNIT_COUNT(FAILURES));
    tcase_add_loop_test(usual, what_is_malformed_is_refused_at_once, 0,
                        (int)UNIT_COUNT(BAD_TARGETS));
    tcase_add_test(usual, an_empty_list_is_an_empty_array_and_cached);
    tcase_add_test(usual, a_full_page_links_to_the_next_one_from_the_cache_too);
    tcase_add_test(usual, a_page_read_before_a_write_is_not_cached);
    tcase_add_loop_test(usual, redis_may_be_gone, 0, 3);
    tcase_add_loop_test(usual, a_cached_page_that_makes_no_sense_is_read_anew, 0,
                        (int)UNIT_COUNT(RUBBISH));
    tcase_add_loop_test(usual, a_page_cannot_be_read, 0, (int)UNIT_COUNT(FAILURES));
    tcase_add_test(usual, several_products_share_one_query);
    tcase_add_loop_test(usual, a_search_is_asked_page_by_page, 0, (int)UNIT_COUNT(SEARCHES));
    tcase_add_loop_test(usual, a_full_page_of_a_search, 0, 2);
    tcase_add_loop_test(usual, a_page_of_a_search_may_be_empty, 0, 3);
    tcase_add_test(usual, a_cursor_of_another_list_is_refused);
    tcase_add_test(usual, all_that_is_wrong_with_a_search_is_said);
    tcase_add_test(usual, searches_wait_for_each_other);
    tcase_add_loop_test(usual, a_search_fails, 0, (int)UNIT_COUNT(FAILURES));
    tcase_add_loop_test(quick, a_dependency_that_is_too_slow, 0, (int)UNIT_COUNT(TARGETS));
    tcase_add_loop_test(usual, a_client_that_leaves, 0, (int)UNIT_COUNT(TARGETS));
    tcase_add_test(usual, more_requests_than_allowed_are_busy);
    return unit_run(suite);
}
