/* link: services/product/create_product.c services/product/get_product.c
 *       services/product/list_products.c services/product/change_product.c
 *       services/product/product_set.c services/product/product.c services/product/metrics.c
 *       services/product/product_keys.c
 *       services/product/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * The product service's changes, step by step: PATCH, restock and adjust, one by one and in
 * batches; products that are locked.
 */
#include "product_flow_fixture.h"

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

/* Down to nothing (0), up to the brim (1); both ends of what may be asked for. */
START_TEST(an_adjustment_changes_the_stock_for_a_reason) {
    int fd = ask("POST", "/products/7/adjust", "",
                 _i == 0 ? "{\"delta\":-2147483647,\"reason\":\"Caf\xC3\xA9\"}"
                         : "{\"delta\":2147483647,\"reason\":\"Caf\xC3\xA9\"}");
    answer_lock(_i == 0 ? 2147483647 : 0, 3);
    const struct pg_call *restock = commit_call(&SQL_RESTOCK_INSERT);
    int64_t qty = _i == 0 ? 0 : 2147483647;
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 3, 0), qty);
    ck_assert_int_eq(fake_param_int8_at(restock, 1, 0), _i == 0 ? -2147483647 : 2147483647);
    ck_assert(str_equal(fake_param_text_at(restock, 4, 0), STR("Caf\xC3\xA9")));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "product.updated");
    fake_cache_run();
    ck_assert_ptr_nonnull(
        strstr(stack_expect(fd, 200)->body, _i == 0 ? "\"qty\":0," : "\"qty\":2147483647,"));
}
END_TEST

START_TEST(reasons_are_measured_in_characters) {
    char body[1024] = "{\"delta\":1,\"reason\":\"";
    for (int i = 0; i < 200 + _i; i++) {
        memcpy(body + strlen(body), "\xF0\x9F\x8D\x8B", 5); /* four bytes each */
    }
    memcpy(body + strlen(body), "\"}", 3);
    int fd = ask("POST", "/products/7/adjust", "", body);
    if (_i == 0) {
        answer_lock(5, 3);
        ck_assert_uint_eq(fake_param_text_at(commit_call(&SQL_RESTOCK_INSERT), 4, 0).len, 800);
        fake_pg_answer(NULL, NULL, NULL);
        fake_cache_run();
    }
    stack_expect(fd, _i == 0 ? 200 : 400);
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
    { "POST", "/products/8/adjust", "", "{\"delta\":1,\"reason\":\"x\"}", 404, "no such product" },
    { "POST", "/products/7/adjust", "", "{\"delta\":1,\"reason\":\"x\"}", 400, "\"/delta\"" },
    { "POST", "/products/7/adjust", "If-Match: \"2\"\r\n", "{\"delta\":-1,\"reason\":\"x\"}", 412,
      "If-Match" },
};

START_TEST(a_change_that_the_product_refuses) {
    int fd = ask(REFUSED[_i].method, REFUSED[_i].target, REFUSED[_i].headers, REFUSED[_i].body);
    answer_lock(strstr(REFUSED[_i].target, "adjust") != NULL ? 2147483647 : 2146483648, 3);
    ck_assert_ptr_null(commit_call(&SQL_PRODUCT_UPDATE));
    ck_assert_ptr_null(commit_call(&SQL_RESTOCK_INSERT));
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

START_TEST(redis_may_be_gone_at_a_change) {
    int fd = ask("PATCH", "/products/7", "", "{\"name\":\"new\"}");
    answer_lock(5, 3);
    fake_cache.up = _i != 0;
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_lose();
    ck_assert_ptr_nonnull(strstr(stack_expect(fd, 200)->body, "\"name\":\"new\""));
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

/*
 * Changes of one batch see the ones before them: what is refused changes nothing, and the others
 * are answered with the product as all of them leave it.
 */
START_TEST(changes_of_one_batch) {
    int first = patch(9), fds[4];
    static const char *const BODIES[] = {
        "{\"delta\":-3,\"reason\":\"a\"}",
        "{\"delta\":-3,\"reason\":\"b\"}",
        "{\"delta\":-2,\"reason\":\"c\"}",
        "{\"delta\":4,\"reason\":\"d\"}",
    };
    for (size_t i = 0; i < 4; i++) {
        fds[i] = ask("POST", "/products/7/adjust", "", BODIES[i]);
        STACK_WAIT_FOR(flow_count() == 2 + i);
        stack_settle();
    }
    answer_begin(9);
    answer_commit(first);
    answer_lock(5, 3);
    const struct pg_call *restock = commit_call(&SQL_RESTOCK_INSERT);
    ck_assert_uint_eq(fake_param_count(restock, 0), 3);
    ck_assert(str_equal(fake_param_text_at(restock, 4, 1), STR("c")));
    ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 3, 0), 4);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    for (size_t i = 0; i < 4; i++) {
        const struct stack_answer *answer = stack_expect(fds[i], i == 1 ? 409 : 200);
        ck_assert_ptr_nonnull(strstr(answer->body, i == 1 ? "below zero" : "\"qty\":4,"));
    }
}
END_TEST

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

int main(void) {
    enum { EACH = UNIT_COUNT(FAILURES) };
    Suite *suite = suite_create("change_product");
    TCase *usual = tcase_create("usual");
    tcase_set_timeout(usual, 60);
    tcase_add_checked_fixture(usual, setup, teardown);
    tcase_add_test(usual, a_change_is_committed_cached_told_and_answered);
    tcase_add_test(usual, a_restock_adds_to_the_stock);
    tcase_add_loop_test(usual, an_adjustment_changes_the_stock_for_a_reason, 0, 2);
    tcase_add_loop_test(usual, reasons_are_measured_in_characters, 0, 2);
    tcase_add_test(usual, changes_of_one_batch);
    tcase_add_loop_test(usual, a_change_that_the_product_refuses, 0, (int)UNIT_COUNT(REFUSED));
    tcase_add_loop_test(usual, a_change_cannot_be_made, 0, 3 * EACH);
    tcase_add_loop_test(usual, a_change_is_repeated, 0, 16);
    tcase_add_test(usual, changes_of_a_locked_product_hold_up_nobody_else);
    tcase_add_loop_test(usual, a_lock_that_is_not_found_is_waited_for_three_times, 0, 2);
    tcase_add_loop_test(usual, who_is_locked_cannot_be_found_out, 0, EACH);
    tcase_add_loop_test(usual, so_many_products_are_set_aside, 0, 2);
    tcase_add_loop_test(usual, redis_may_be_gone_at_a_change, 0, 2);
    suite_add_tcase(suite, usual);
    return unit_run(suite);
}
