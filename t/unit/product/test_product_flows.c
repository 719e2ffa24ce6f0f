/* link: services/product/create_product.c services/product/get_product.c
 *       services/product/list_products.c services/product/change_product.c
 *       services/product/product_set.c services/product/product.c services/product/metrics.c
 *       services/product/product_keys.c
 *       services/product/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/* The product service's requests, step by step: create, get and list; the waits of all of them. */
#include "product_flow_fixture.h"

/* ---- POST /products ---- */

static const char NEW[] = "{\"name\":\"Caf\xC3\xA9\",\"price\":19.9,\"qty\":5}";

START_TEST(a_product_is_stored_then_answered_and_told) {
    int fd = ask("POST", "/products", "", NEW);
    const struct fake_pg_request *request = next_request();
    ck_assert_ptr_eq(request->calls[0].statement, &SQL_PRODUCT_INSERT);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_OUTBOX_INSERT);
    ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 2, 0), 1990);
    ck_assert(stack_is_silent(fd));
    fake_pg_answer(NULL, NULL, NULL);
    const struct stack_answer *answer = stack_expect(fd, 201);
    ck_assert(has_header(answer, "Location: /products/1") && has_header(answer, "ETag: \"1\""));
    ck_assert_int_eq(strncmp(answer->body,
                             "{\"id\":1,\"name\":\"Caf\xC3\xA9\",\"price\":19.90,"
                             "\"qty\":5,\"createdAt\":",
                             54),
                     0);
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "product.created");
    ck_assert_ptr_nonnull(strstr(fake_broker.messages[0].body, "\"version\":1,"));
}
END_TEST

START_TEST(a_product_that_could_not_be_stored) {
    int fd = ask("POST", "/products", "", NEW);
    (void)next_request();
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* Either of its ids may be taken: both blocks are given up. Not for ever. */
START_TEST(a_product_whose_id_is_taken_gets_another) {
    int fd = ask("POST", "/products", "", NEW);
    (void)next_request();
    for (int i = 0; i <= _i; i++) {
        fake_pg_fail(ERR_TAKEN_ID);
        if (i == 3) {
            stack_expect(fd, 503);
            return;
        }
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        fake_pg_answer_ids(&SQL_NEXT_OUTBOX_IDS, 9000);
        fake_pg_answer_ids(&SQL_NEXT_PRODUCT_IDS, 800 + i);
        const struct fake_pg_request *request = next_request();
        ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 0, 0), 800 + i);
        ck_assert_int_ge(fake_param_int8_at(&request->calls[1], 0, 0), 9000);
    }
    fake_pg_answer(NULL, NULL, NULL);
    stack_expect(fd, 201);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

static const struct {
    const char *method, *target, *headers, *body;
    const char *problem;
} BAD_REQUESTS[] = {
    { "POST", "/products", "", "{\"name\":\"x\",\"price\":1,\"qty\":1,\"id\":1}", "\"/id\"" },
    { "POST", "/products", "", "{}", "\"/qty\"" },
    { "POST", "/products", "", "{\"name\":\"\",\"price\":1,\"qty\":1}", "minLength" },
    { "POST", "/products", "", "{\"name\":\" \\u3000\\t\",\"price\":1,\"qty\":1}", "white space" },
    { "POST", "/products", "", "{\"name\":\"a\\u0000\",\"price\":1,\"qty\":1}", "U+0000" },
    { "POST", "/products", "", "{\"name\":1,\"price\":1,\"qty\":1}", "must be a string" },
    { "POST", "/products", "", "{\"name\":\"x\",\"price\":1.999,\"qty\":1}", "two decimals" },
    { "POST", "/products", "", "{\"name\":\"x\",\"price\":-0.01,\"qty\":1}", "must be >= 0" },
    { "POST", "/products", "", "{\"name\":\"x\",\"price\":10000000000,\"qty\":1}",
      "must be <= 9999999999.99" },
    { "POST", "/products", "", "{\"name\":\"x\",\"price\":1,\"qty\":2147483648}",
      "must be <= 2147483647" },
    { "PATCH", "/products/1", "", "{}", "minProperties" },
    { "PATCH", "/products/1", "", "{\"qty\":1}", "\"/qty\"" },
    { "PATCH", "/products/0", "", "{\"price\":1}", "path/id" },
    { "POST", "/products/1/restock", "", "{\"quantity\":0}", "must be >= 1" },
    { "POST", "/products/1/restock", "", "{\"quantity\":1000001}", "must be <= 1000000" },
    { "POST", "/products/1/restock", "", "{}", "is required" },
    { "POST", "/products/1/adjust", "", "{\"delta\":0,\"reason\":\"x\"}", "must not be 0" },
    { "POST", "/products/1/adjust", "", "{\"delta\":2147483648,\"reason\":\"x\"}",
      "must be <= 2147483647" },
    { "POST", "/products/1/adjust", "", "{\"delta\":-2147483648,\"reason\":\"x\"}",
      "must be >= -2147483647" },
    { "POST", "/products/1/adjust", "", "{\"delta\":1.5,\"reason\":\"x\"}", "\"/delta\"" },
    { "POST", "/products/1/adjust", "", "{\"delta\":1}", "\"/reason\"" },
    { "POST", "/products/1/adjust", "", "{\"reason\":\"x\"}", "\"/delta\"" },
    { "POST", "/products/1/adjust", "", "{\"delta\":1,\"reason\":\" \"}", "white space" },
    { "POST", "/products/1/adjust", "", "{\"delta\":1,\"reason\":\"a\\u0000\"}", "U+0000" },
    { "POST", "/products/1/adjust", "", "{\"delta\":1,\"reason\":\"x\",\"quantity\":1}",
      "\"/quantity\"" },
    { "POST", "/products/x/adjust", "", "{\"delta\":1,\"reason\":\"x\"}", "path/id" },
    { "GET", "/products/x", "", NULL, "path/id" },
    { "GET", "/products?limit=0", "", NULL, "query/limit" },
    { "GET", "/products?cursor=x", "", NULL, "query/cursor" },
};

START_TEST(what_is_malformed_is_refused_at_once) {
    int fd = ask(BAD_REQUESTS[_i].method, BAD_REQUESTS[_i].target, BAD_REQUESTS[_i].headers,
                 BAD_REQUESTS[_i].body);
    const struct stack_answer *answer = stack_expect(fd, 400);
    ck_assert_msg(strstr(answer->body, BAD_REQUESTS[_i].problem) != NULL, "%s", answer->body);
    ck_assert_uint_eq(fake_pg.asked + fake_cache.op_count, 0);
}
END_TEST

START_TEST(names_are_measured_in_characters) {
    char body[1024] = "{\"price\":0,\"qty\":0,\"name\":\"";
    for (int i = 0; i < 200 + _i; i++) {
        memcpy(body + strlen(body), "\xF0\x9F\x8D\x8B", 5); /* four bytes each */
    }
    memcpy(body + strlen(body), "\"}", 3);
    int fd = ask("POST", "/products", "", body);
    if (_i == 0) {
        (void)next_request();
        fake_pg_answer(NULL, NULL, NULL);
    }
    stack_expect(fd, _i == 0 ? 201 : 400);
}
END_TEST

/* ---- GET /products/{id} ---- */

static const char JSON[] =
    "{\"id\":7,\"name\":\"thing\",\"price\":19.90,\"qty\":5,\"createdAt\":\"" AT_TEXT
    "\",\"updatedAt\":\"" AT_TEXT "\"}";

static void answer_cache(void) {
    STACK_WAIT_FOR(fake_cache.op_count > 0);
    fake_cache_run();
}

START_TEST(a_product_comes_from_the_database_and_then_from_the_cache) {
    int fd = ask("GET", "/products/7", "", NULL);
    answer_cache();
    (void)next_request();
    answer_product(7, 5, 3);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, JSON);
    ck_assert(has_header(answer, "ETag: \"3\""));
    fake_cache_run();
    ck_assert_str_eq(fake_cache_value("product:7"), JSON);
    fd = ask("GET", "/products/7", "", NULL);
    answer_cache();
    answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, JSON);
    ck_assert(has_header(answer, "ETag: \"3\""));
    fd = ask("GET", "/products/7", "If-None-Match: \"2\", W/\"3\"\r\n", NULL);
    answer_cache();
    answer = stack_expect(fd, 304);
    ck_assert_str_eq(answer->body, "");
    ck_assert_uint_eq(fake_pg.asked, 1);
}
END_TEST

START_TEST(an_unknown_product_is_not_found) {
    int fd = ask("GET", "/products/7", "", NULL);
    answer_cache();
    (void)next_request();
    fake_pg_answer(fake_rows(7), NULL, NULL);
    const struct stack_answer *answer = stack_expect(fd, 404);
    ck_assert_ptr_nonnull(strstr(answer->body, "There is no such product"));
}
END_TEST

START_TEST(a_product_cannot_be_read) {
    int fd = ask("GET", "/products/7", "", NULL);
    fake_cache_lose();
    STACK_WAIT_FOR(fake_cache.op_count + fake_pg.waiting > 0);
    (void)next_request();
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
}
END_TEST

START_TEST(an_older_product_does_not_replace_a_newer_one) {
    int fd = ask("GET", "/products/7", "", NULL);
    answer_cache();
    (void)next_request();
    fake_cache_set("product:7", "newer", 4); /* a writer, meanwhile */
    answer_product(7, 5, 3);
    stack_expect(fd, 200);
    fake_cache_run();
    ck_assert_str_eq(fake_cache_value("product:7"), "newer");
}
END_TEST

/* ---- GET /products ---- */

START_TEST(pages_of_the_catalogue) {
    int fd = ask("GET", "/products?limit=2", "", NULL);
    const struct fake_pg_request *request = next_request();
    ck_assert_int_eq(fake_param_int8(&request->calls[0], 0), 0);
    ck_assert_int_eq(fake_param_int8(&request->calls[0], 1), 3);
    PGresult *rows = fake_rows(7);
    for (int64_t id = 6; id < 9; id++) {
        add_product(rows, id, 5, 3);
    }
    fake_pg_answer(rows, NULL, NULL);
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert_ptr_null(strstr(answer->body, "\"id\":8"));
    const char *link = strstr(answer->headers, "\r\nLink: <");
    ck_assert_ptr_nonnull(link);
    char target[200];
    snprintf(target, sizeof(target), "%.*s", (int)strcspn(link + 9, ">"), link + 9);
    fd = ask("GET", target, "", NULL);
    ck_assert_int_eq(fake_param_int8(&next_request()->calls[0], 0), 7);
    fake_pg_answer(fake_rows(7), NULL, NULL);
    answer = stack_expect(fd, 200);
    ck_assert_str_eq(answer->body, "[]");
    ck_assert_ptr_null(strstr(answer->headers, "Link:"));
}
END_TEST

START_TEST(the_catalogue_cannot_be_read) {
    int fd = ask("GET", "/products", "", NULL);
    (void)next_request();
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
}
END_TEST

/* ---- the deadline, and the client that leaves, at each wait of each request ---- */

#define KEY "Idempotency-Key: k\r\n"

static const struct {
    const char *method, *target, *headers, *body;
} REQUESTS[] = {
    { "POST", "/products", "", NEW },
    { "POST", "/products", KEY, NEW },
    { "GET", "/products/7", "", NULL },
    { "GET", "/products", "", NULL },
    { "PATCH", "/products/7", "", "{\"price\":1}" },
    { "POST", "/products/7/restock", "", "{\"quantity\":1}" },
    { "POST", "/products/7/restock", KEY, "{\"quantity\":1}" },
    { "POST", "/products/7/adjust", KEY, "{\"delta\":-1,\"reason\":\"x\"}" },
};

enum { WAITS = 7 };

/* Answer the first thing that waits; false when nothing does. */
static bool answer_one(void) {
    if (fake_cache.op_count > 0) {
        fake_cache_run();
    } else if (fake_pg.waiting > 0) {
        const struct fake_pg_request *request = &fake_pg.requests[0];
        const struct pg_statement *statement = request->calls[0].statement;
        if (statement == &SQL_NEXT_PRODUCT_IDS || statement == &SQL_NEXT_OUTBOX_IDS) {
            fake_pg_answer_ids(statement, 1);
        } else if (request->kind == FAKE_PG_COMMIT || statement == &SQL_PRODUCT_INSERT) {
            fake_pg_answer(NULL, NULL, NULL);
        } else if (statement == &SQL_PRODUCT_KEY_FIND) {
            fake_pg_answer(fake_rows(5), NULL, NULL);
        } else if (statement == &SQL_PRODUCT_KEY_INSERT) {
            PGresult *rows = fake_rows(1);
            fake_row(rows, "t", "k");
            fake_pg_answer(rows, NULL, NULL);
        } else {
            answer_product(7, 5, 3);
        }
    } else {
        return false;
    }
    stack_settle();
    return true;
}

static int ask_until(int request, int answered) {
    int fd = ask(REQUESTS[request].method, REQUESTS[request].target, REQUESTS[request].headers,
                 REQUESTS[request].body);
    STACK_WAIT_FOR(flow_count() == 1);
    stack_settle();
    while (answered > 0 && flow_count() > 0 && answer_one()) {
        answered--;
    }
    return fd;
}

/* Its key, if it had one, can be used again. */
static void check_claims(int request) {
    if (REQUESTS[request].headers[0] != '\0') {
        int fd =
            ask(REQUESTS[request].method, REQUESTS[request].target, KEY, REQUESTS[request].body);
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        while (answer_one()) {
        }
        ck_assert_int_lt(stack_receive(fd)->status, 300);
        close(fd);
    }
}

START_TEST(a_dependency_that_is_too_slow) {
    int fd = ask_until(_i / WAITS, _i % WAITS);
    bool was_waiting = flow_count() > 0;
    const struct stack_answer *answer = stack_receive(fd);
    ck_assert_msg(was_waiting ? answer->status == 503 : answer->status < 300, "%d", answer->status);
    while (answer_one()) {
    }
    ck_assert(stack_is_silent(fd));
    close(fd);
    check_claims(_i / WAITS);
}
END_TEST

START_TEST(a_client_that_leaves) {
    close(ask_until(_i / WAITS, _i % WAITS));
    stack_settle();
    while (answer_one()) {
    }
    STACK_WAIT_FOR(http_server_connection_count(stack_server()) == 0);
    check_claims(_i / WAITS);
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
    enum { EACH = UNIT_COUNT(FAILURES), MOMENTS = UNIT_COUNT(REQUESTS) * WAITS };
    Suite *suite = suite_create("product_flows");
    TCase *usual = add_case(suite, "usual", setup), *quick = add_case(suite, "short", setup_short);
    tcase_add_test(usual, a_product_is_stored_then_answered_and_told);
    tcase_add_loop_test(usual, a_product_that_could_not_be_stored, 0, EACH);
    tcase_add_loop_test(usual, a_product_whose_id_is_taken_gets_another, 0, 4);
    tcase_add_loop_test(usual, what_is_malformed_is_refused_at_once, 0,
                        (int)UNIT_COUNT(BAD_REQUESTS));
    tcase_add_loop_test(usual, names_are_measured_in_characters, 0, 2);
    tcase_add_test(usual, a_product_comes_from_the_database_and_then_from_the_cache);
    tcase_add_test(usual, an_unknown_product_is_not_found);
    tcase_add_loop_test(usual, a_product_cannot_be_read, 0, EACH);
    tcase_add_test(usual, an_older_product_does_not_replace_a_newer_one);
    tcase_add_test(usual, pages_of_the_catalogue);
    tcase_add_loop_test(usual, the_catalogue_cannot_be_read, 0, EACH);
    tcase_add_loop_test(quick, a_dependency_that_is_too_slow, 0, MOMENTS);
    tcase_add_loop_test(usual, a_client_that_leaves, 0, MOMENTS);
    return unit_run(suite);
}
