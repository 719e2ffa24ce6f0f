/*
 * For the tests of POST /orders (and what it waits for): the use case with all that it depends
 * on faked, and its steps, one helper each. The product is in the cache unless a test says so.
 */
#ifndef CREATE_ORDER_FIXTURE_H
#define CREATE_ORDER_FIXTURE_H

#include "order/config.h"
#include "order/idempotency.h"
#include "order/parts.h"
#include "order/statements.h"

#include "fake_http_client.h"
#include "fake_stack.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 500, PRICE_CENTS = 1990, FIRST_ID = 5000 };

struct order_config order_config;

static int64_t next_id; /* of the orders that are stored */

static const struct http_route ROUTES[] = {
    { "POST", "/orders", "create_order", create_order, NULL },
    { "GET", "/orders/{id}", "get_order", get_order, NULL },
};

static const char BODY[] = "{\"productId\":7,\"quantity\":3}";
static const char COPY[] = "{\"id\":7,\"name\":\"x\",\"price\":19.90,\"qty\":5,\"version\":4,"
                           "\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                           "\"updatedAt\":\"2026-11-22T17:16:32.123Z\"}";
static const char KEY[] = "Idempotency-Key: k-1\r\n";

static inline void open_with(uint32_t deadline_ms, int64_t requests_max) {
    order_config = (struct order_config){ .insert_batch_max = 16,
                                          .insert_inflight_max = 2,
                                          .orders_waiting_max = INT64_MAX,
                                          .product_service_url = "http://one" };
    config_shared =
        (struct config_shared){ .requests_max = requests_max, .request_deadline_ms = deadline_ms };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    fake_http_client_reset();
    next_id = FIRST_ID;
    ck_assert_int_eq(backlog_open(), ERR_OK);
    ck_assert_int_eq(telling_open(), ERR_OK);
    telling_stop(); /* only from memory */
    ck_assert_int_eq(idempotency_open(), ERR_OK);
    ck_assert_int_eq(product_lookup_open(), ERR_OK);
    ck_assert_int_eq(order_store_open(), ERR_OK);
    ck_assert_int_eq(order_read_open(), ERR_OK);
    ck_assert_int_eq(outcome_wait_open(), ERR_OK);
    ck_assert_int_eq(create_order_open(), ERR_OK);
    ck_assert_int_eq(get_order_open(), ERR_OK);
    fake_cache_set("product:7", COPY, 4);
}

static inline void setup(void) {
    open_with(DEADLINE_MS, 16);
}

static inline void setup_short(void) {
    open_with(SHORT_MS, 16);
}

static inline void setup_small(void) {
    open_with(DEADLINE_MS, 2);
}

/* Whatever happened, nobody holds anything. */
static inline void teardown(void) {
    ck_assert_uint_eq(fake_pg.waiting, 0);
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert_int_eq(idempotency_claim("k-1"), ERR_OK);
    idempotency_release("k-1");
    create_order_close();
    get_order_close();
    outcome_wait_close();
    order_read_close();
    order_store_close();
    telling_close();
    product_lookup_close();
    idempotency_close();
    stack_close();
}

/* ---- the steps, one helper each ---- */

static inline int post_with(const char *headers, const char *body) {
    int fd = stack_connect();
    stack_send(fd, "POST", "/orders", headers, body);
    return fd;
}

static inline void answer_key(bool found, int64_t product_id, int64_t quantity) {
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_KEY_FIND);
    ck_assert(str_equal(fake_param_text_at(&request->calls[0], 0, 0), STR("k-1")));
    PGresult *rows = fake_rows(13);
    if (found) {
        fake_row(rows, "tiiiiiiittTTt", "k-1", product_id, quantity, (int64_t)42, product_id,
                 quantity, (int64_t)PRICE_CENTS, PRICE_CENTS * quantity, "done", NULL,
                 INT64_C(1795367792123), INT64_C(1795367799000), "first-request");
    }
    fake_pg_answer(rows, NULL, NULL);
}

static inline void answer_lookup(void) {
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    fake_cache_run();
}

static inline const struct pg_call *insert_call(void) {
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    return &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_INSERT)->calls[0];
}

static inline void answer_insert(void) {
    const struct pg_call *call = insert_call();
    PGresult *rows = fake_rows(2);
    for (size_t i = 0; i < fake_param_count(call, 0); i++) {
        ck_assert_int_eq(fake_param_int8_at(call, 0, i), (int64_t)i);
        fake_row(rows, "ii", (int64_t)i, next_id++);
    }
    fake_pg_answer(rows, NULL, NULL);
}

static inline void drop_lists(void) {
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    ck_assert_int_eq(fake_cache.ops[0].kind, FAKE_INVALIDATE);
    ck_assert_str_eq(fake_cache.ops[0].keys[0], "orders:product:7");
    fake_cache_run();
}

/* Up to the insert under way. */
static inline int post_until_insert(const char *headers) {
    int fd = post_with(headers, BODY);
    if (headers == KEY) {
        answer_key(false, 0, 0);
    }
    answer_lookup();
    (void)insert_call();
    return fd;
}

static inline void check_order(const struct stack_answer *answer, int64_t id) {
    char wanted[256], location[64];
    snprintf(wanted, sizeof(wanted),
             "{\"id\":%lld,\"productId\":7,\"quantity\":3,\"unitPrice\":19.90,\"totalPrice\":59.70,"
             "\"status\":\"waiting\",\"reason\":null,\"createdAt\":\"",
             (long long)id);
    snprintf(location, sizeof(location), "\r\nLocation: /orders/%lld\r\n", (long long)id);
    ck_assert_msg(strncmp(answer->body, wanted, strlen(wanted)) == 0, "%s", answer->body);
    ck_assert_ptr_nonnull(strstr(answer->headers, location));
}

static inline void check_retry_after(const struct stack_answer *answer) {
    if (answer->status == 503) {
        ck_assert_ptr_nonnull(strstr(answer->headers, "\r\nRetry-After: "));
    }
}

#endif
