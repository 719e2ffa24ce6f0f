/* link: services/product/create_product.c services/product/get_product.c
 *       services/product/list_products.c services/product/change_product.c
 *       services/product/product_set.c services/product/product.c services/product/metrics.c
 *       services/product/product_keys.c
 *       services/product/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/* The product service's requests, step by step: create, get, list, change and restock. */
#include "product/parts.h"
#include "product/product.h"
#include "product/statements.h"

#include "fake_stack.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 500 };

#define AT_MS INT64_C(1795367792123)
#define AT_TEXT "2026-11-22T17:16:32.123Z"

static const struct http_route ROUTES[] = {
    { "POST", "/products", "create_product", create_product, NULL },
    { "GET", "/products", "list_products", list_products, NULL },
    { "GET", "/products/{id}", "get_product", get_product, NULL },
    { "PATCH", "/products/{id}", "patch_product", change_product_patch, NULL },
    { "POST", "/products/{id}/restock", "restock_product", change_product_restock, NULL },
};

static void open_with(uint32_t deadline_ms) {
    config_shared =
        (struct config_shared){ .requests_max = 64, .request_deadline_ms = deadline_ms };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    id_block_init(&outbox_ids, &fake_pg, &SQL_NEXT_OUTBOX_IDS, OUTBOX_ID_BLOCK);
    ck_assert_int_eq(create_product_open(), ERR_OK);
    ck_assert_int_eq(get_product_open(), ERR_OK);
    ck_assert_int_eq(list_products_open(), ERR_OK);
    ck_assert_int_eq(change_product_open(), ERR_OK);
}

static void setup(void) {
    open_with(DEADLINE_MS);
}

static void setup_short(void) {
    open_with(SHORT_MS);
}

static void teardown(void) {
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert_uint_eq(fake_pg.sessions_open, 0);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    create_product_close();
    get_product_close();
    list_products_close();
    change_product_close();
    stack_close();
}

static int ask(const char *method, const char *target, const char *headers, const char *body) {
    int fd = stack_connect();
    stack_send(fd, method, target, headers, body);
    return fd;
}

/* Whatever the database is asked next; ids are given out on the way. */
static const struct fake_pg_request *next_request(void) {
    for (;;) {
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        const struct pg_statement *statement =
            fake_pg.requests[0].count == 0 ? NULL : fake_pg.requests[0].calls[0].statement;
        if (statement != &SQL_NEXT_PRODUCT_IDS && statement != &SQL_NEXT_OUTBOX_IDS) {
            return &fake_pg.requests[0];
        }
        fake_pg_answer_ids(statement, 1);
        stack_settle();
    }
}

static void add_product(PGresult *rows, int64_t id, int64_t qty, int64_t version) {
    fake_row(rows, "itiiiTT", id, "thing", INT64_C(1990), qty, version, AT_MS, AT_MS);
}

static void answer_product(int64_t id, int64_t qty, int64_t version) {
    PGresult *rows = fake_rows(7);
    add_product(rows, id, qty, version);
    fake_pg_answer(rows, NULL, NULL);
}

static bool has_header(const struct stack_answer *answer, const char *line) {
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return strstr(answer->headers, wanted) != NULL;
}

static const struct {
    enum err err;
    int status;
} FAILURES[] = {
    { ERR_UNAVAILABLE, 503 },
    { ERR_TIMEOUT, 503 },
    { ERR_INTERNAL, 500 },
    { ERR_NO_MEMORY, 503 },
};

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

/* ---- PATCH and restock ---- */

static void answer_lock(int64_t qty, int64_t version) {
    const struct fake_pg_request *request = next_request();
    ck_assert_int_eq(request->kind, FAKE_PG_BEGIN);
    answer_product(7, qty, version);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    (void)next_request();
}

static const struct pg_call *commit_call(const struct pg_statement *statement) {
    const struct fake_pg_request *request = next_request();
    ck_assert_int_eq(request->kind, FAKE_PG_COMMIT);
    for (size_t i = 0; i < request->count; i++) {
        if (request->calls[i].statement == statement) {
            return &request->calls[i];
        }
    }
    return NULL;
}

START_TEST(a_change_is_committed_cached_told_and_answered) {
    int fd = ask("PATCH", "/products/7", "If-Match: W/\"3\"\r\n", "{\"price\":0.01}");
    answer_lock(5, 3);
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 2, 0), 1);
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 4, 0), 4);
    ck_assert_ptr_null(commit_call(&SQL_RESTOCK_INSERT));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "product.updated");
    ck_assert(stack_is_silent(fd)); /* read your own write: the cache first */
    fake_cache_run();
    const struct stack_answer *answer = stack_expect(fd, 200);
    ck_assert(has_header(answer, "ETag: \"4\""));
    ck_assert_ptr_nonnull(strstr(answer->body, "\"price\":0.01,\"qty\":5,"));
    ck_assert_str_eq(fake_cache_value("product:7"), answer->body);
}
END_TEST

START_TEST(a_restock_adds_to_the_stock) {
    int fd = ask("POST", "/products/7/restock", "", "{\"quantity\":1000000}");
    answer_lock(2146483647, 3);
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 3, 0), 2147483647);
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_RESTOCK_INSERT), 1, 0), 1000000);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, "\"qty\":2147483647,"));
}
END_TEST

static const struct {
    const char *method, *target, *headers, *body;
    int status;
    const char *part;
} REFUSED[] = {
    { "PATCH", "/products/8", "", "{\"price\":1}", 404, "There is no such product" },
    { "PATCH", "/products/7", "If-Match: \"2\"\r\n", "{\"price\":1}", 412, "If-Match" },
    { "POST", "/products/8/restock", "", "{\"quantity\":1}", 404, "There is no such product" },
    { "POST", "/products/7/restock", "", "{\"quantity\":1000000}", 400, "\"/quantity\"" },
};

START_TEST(a_change_that_the_product_refuses) {
    int fd = ask(REFUSED[_i].method, REFUSED[_i].target, REFUSED[_i].headers, REFUSED[_i].body);
    answer_lock(2146483648, 3);
    ck_assert_ptr_null(commit_call(&SQL_PRODUCT_UPDATE));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, REFUSED[_i].status)->body, REFUSED[_i].part));
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/* Failing at the lock, at the ids, at the commit. */
START_TEST(a_change_cannot_be_made) {
    int fd = ask("PATCH", "/products/7", "", "{\"price\":1}");
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    size_t failure = (size_t)_i / 3;
    if (_i % 3 == 1) {
        answer_product(7, 5, 3);
        (void)fake_pg_expect(FAKE_PG_RUN, &SQL_NEXT_OUTBOX_IDS);
    } else if (_i % 3 == 2) {
        answer_lock(5, 3);
    }
    fake_pg_fail(FAILURES[failure].err);
    stack_expect(fd, FAILURES[failure].status);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

/*
 * A deadlock, a stale connection, an id that was taken, at the lock or at the commit: the whole is
 * done again, with what the product is then; three times.
 */
START_TEST(a_change_is_repeated) {
    enum err err = _i / 4 % 2 == 0 ? ERR_CONFLICT : ERR_TAKEN_ID;
    bool at_commit = _i / 8 == 1;
    int repeated = _i % 4;
    int fd = ask("POST", "/products/7/restock", "", "{\"quantity\":10}");
    for (int i = 0; i <= repeated; i++) {
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        if (at_commit) {
            answer_lock(5 + i, 3 + i);
            (void)commit_call(&SQL_PRODUCT_UPDATE);
        }
        fake_pg_fail(err);
        if (i == 3) {
            stack_expect(fd, 503);
            ck_assert_uint_eq(fake_broker.published, 0);
            return;
        }
    }
    answer_lock(100, 9);
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 3, 0), 110);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, "\"qty\":110,"));
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

/* ---- locked products ---- */

/* The next request begins a transaction that locks, or asks which are locked of, these two; 0: only
   the first. */
static void expect_ids(enum fake_pg_kind kind, int64_t first, int64_t second) {
    const struct fake_pg_request *request = next_request();
    const struct pg_call *call = &request->calls[0];
    ck_assert_int_eq(request->kind, kind);
    ck_assert_ptr_eq(call->statement,
                     kind == FAKE_PG_BEGIN ? &SQL_PRODUCT_LOCK : &SQL_PRODUCT_LOCKED);
    ck_assert_uint_eq(fake_param_count(call, 0), second == 0 ? 1 : 2);
    ck_assert_int_eq(fake_param_int8_at(call, 0, 0), first);
    if (second != 0) {
        ck_assert_int_eq(fake_param_int8_at(call, 0, 1), second);
    }
}

/* Nobody gets the lock, and these are locked: `count` from `first` on. */
static void answer_locked(int64_t first, int64_t second, int64_t first_locked, int64_t count) {
    PGresult *rows = fake_rows(1);
    expect_ids(FAKE_PG_BEGIN, first, second);
    fake_pg_fail(ERR_LOCKED);
    expect_ids(FAKE_PG_RUN, first, second);
    for (int64_t i = 0; i < count; i++) {
        fake_row(rows, "i", first_locked + i);
    }
    fake_pg_answer(rows, NULL, NULL);
    stack_settle();
}

/* The lock is had; then the commit. Between them others may be answered. */
static void answer_begin(int64_t id) {
    expect_ids(FAKE_PG_BEGIN, id, 0);
    answer_product(id, 5, 3);
    stack_settle();
}

static void answer_commit(int fd) {
    (void)commit_call(&SQL_PRODUCT_UPDATE);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    stack_expect(fd, 200);
}

static void answer_who_is_locked(int64_t asked, int64_t locked) {
    PGresult *rows = fake_rows(1);
    expect_ids(FAKE_PG_RUN, asked, 0);
    if (locked != 0) {
        fake_row(rows, "i", locked);
    }
    fake_pg_answer(rows, NULL, NULL);
    stack_settle();
}

static void fail_begin(int64_t id, enum err err) {
    expect_ids(FAKE_PG_BEGIN, id, 0);
    fake_pg_fail(err);
    stack_settle();
}

static int patch(int64_t id) {
    char target[64];
    size_t flows = flow_count();
    snprintf(target, sizeof(target), "/products/%lld", (long long)id);
    int fd = ask("PATCH", target, "", "{\"price\":1}");
    STACK_WAIT_FOR(flow_count() == flows + 1);
    stack_settle();
    return fd;
}

static void expect_locked(int fd) {
    const struct stack_answer *answer = stack_expect(fd, 503);
    ck_assert_ptr_nonnull(strstr(answer->headers, "\r\nRetry-After: "));
    ck_assert_ptr_nonnull(strstr(answer->body, "locked by another transaction"));
}

START_TEST(changes_of_a_locked_product_hold_up_nobody_else) {
    int first = patch(9), locked = patch(7), other = patch(8); /* 7 and 8 become one batch */
    answer_begin(9);
    answer_commit(first);
    answer_locked(7, 8, 7, 1);
    answer_begin(8);
    fail_begin(7, ERR_LOCKED); /* in a batch of its own */
    answer_commit(other);
    answer_who_is_locked(7, 7);
    expect_locked(locked);
    /* from now on it is set aside at once, until it is had */
    locked = patch(7);
    other = patch(8);
    fail_begin(7, ERR_LOCKED);
    answer_begin(8);
    answer_who_is_locked(7, 0); /* released meanwhile */
    answer_commit(other);
    answer_begin(7);
    answer_commit(locked);
    first = patch(9);
    locked = patch(7);
    other = patch(8);
    answer_begin(9);
    answer_commit(first);
    expect_ids(FAKE_PG_BEGIN, 7, 8);
    fake_pg_fail(ERR_UNAVAILABLE);
    stack_expect(locked, 503);
    stack_expect(other, 503);
}
END_TEST

/* Whoever has it is quick, but there is always somebody. 1: at the commit. */
START_TEST(a_lock_that_is_not_found_is_waited_for_three_times) {
    int fd = patch(7);
    for (int i = 0; i < 3; i++) {
        if (_i == 1) {
            answer_begin(7);
            (void)commit_call(&SQL_PRODUCT_UPDATE);
            fake_pg_fail(ERR_LOCKED);
        } else {
            fail_begin(7, ERR_LOCKED);
        }
        answer_who_is_locked(7, 0);
    }
    fail_begin(7, ERR_LOCKED);
    expect_locked(fd);
}
END_TEST

START_TEST(who_is_locked_cannot_be_found_out) {
    int fd = patch(7);
    fail_begin(7, ERR_LOCKED);
    expect_ids(FAKE_PG_RUN, 7, 0);
    fake_pg_fail(FAILURES[_i].err);
    stack_expect(fd, FAILURES[_i].status);
}
END_TEST

/* 0: 64 are, and others pass them; 1: of 65 the first is not. */
START_TEST(so_many_products_are_set_aside) {
    int fd = patch(7);
    answer_locked(7, 0, 7, 64 + _i);
    int other = patch(6);
    answer_begin(7);
    if (_i == 0) {
        answer_begin(6);
    }
    answer_commit(fd);
    if (_i == 1) {
        answer_begin(6);
    }
    answer_commit(other);
}
END_TEST

START_TEST(redis_may_be_gone_at_a_change) {
    int fd = ask("PATCH", "/products/7", "", "{\"name\":\"new\"}");
    answer_lock(5, 3);
    fake_cache.up = _i != 0;
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_lose();
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, "\"name\":\"new\""));
}
END_TEST

/* ---- the deadline, and the client that leaves, at each wait of each request ---- */

static const struct {
    const char *method, *target, *body;
} REQUESTS[] = {
    { "POST", "/products", NEW },
    { "GET", "/products/7", NULL },
    { "GET", "/products", NULL },
    { "PATCH", "/products/7", "{\"price\":1}" },
    { "POST", "/products/7/restock", "{\"quantity\":1}" },
};

enum { WAITS = 4 };

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
    int fd = ask(REQUESTS[request].method, REQUESTS[request].target, "", REQUESTS[request].body);
    STACK_WAIT_FOR(flow_count() == 1);
    stack_settle();
    while (answered > 0 && flow_count() > 0 && answer_one()) {
        answered--;
    }
    return fd;
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
}
END_TEST

START_TEST(a_client_that_leaves) {
    close(ask_until(_i / WAITS, _i % WAITS));
    stack_settle();
    while (answer_one()) {
    }
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
    tcase_add_test(usual, a_change_is_committed_cached_told_and_answered);
    tcase_add_test(usual, a_restock_adds_to_the_stock);
    tcase_add_loop_test(usual, a_change_that_the_product_refuses, 0, (int)UNIT_COUNT(REFUSED));
    tcase_add_loop_test(usual, a_change_cannot_be_made, 0, 3 * EACH);
    tcase_add_loop_test(usual, a_change_is_repeated, 0, 16);
    tcase_add_test(usual, changes_of_a_locked_product_hold_up_nobody_else);
    tcase_add_loop_test(usual, a_lock_that_is_not_found_is_waited_for_three_times, 0, 2);
    tcase_add_loop_test(usual, who_is_locked_cannot_be_found_out, 0, EACH);
    tcase_add_loop_test(usual, so_many_products_are_set_aside, 0, 2);
    tcase_add_loop_test(usual, redis_may_be_gone_at_a_change, 0, 2);
    tcase_add_loop_test(quick, a_dependency_that_is_too_slow, 0, MOMENTS);
    tcase_add_loop_test(usual, a_client_that_leaves, 0, MOMENTS);
    return unit_run(suite);
}
