/* link: services/product/create_product.c services/product/get_product.c
 *       services/product/list_products.c services/product/change_product.c
 *       services/product/product_set.c services/product/product.c services/product/metrics.c
 *       services/product/product_keys.c
 *       services/product/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * services/product/product_keys and who uses it: the same key and request are given the same
 * answer, and nothing is done twice, whichever process has the key.
 */
#include "product/product_keys.h"

#include "product_flow_fixture.h"

/* Requests with a key: what each asks for, as the table has it. */
static const struct {
    const char *target, *body, *request;
    int status;
} KEYED[] = {
    { "/products", "{\"name\":\"thing\",\"price\":19.9,\"qty\":5}", "create\n1990\n5\nthing", 201 },
    { "/products/7/restock", "{\"quantity\":50}", "restock\n7\n50\n", 200 },
    { "/products/7/adjust", "{\"delta\":-5,\"reason\":\"Caf\xC3\xA9\"}",
      "adjust\n7\n-5\nCaf\xC3\xA9", 200 },
};

enum { CREATE, RESTOCK, ADJUST, OPERATIONS };

/* Also waits until the request is under way, as far as it comes by itself. `key` NULL: none. */
static int ask_with(const char *key, int operation) {
    char headers[400] = "";
    size_t flows = flow_count();
    if (key != NULL) {
        snprintf(headers, sizeof(headers), "Idempotency-Key: %s\r\n", key);
    }
    int fd = ask("POST", KEYED[operation].target, headers, KEYED[operation].body);
    STACK_WAIT_FOR(flow_count() == flows + 1);
    stack_settle();
    return fd;
}

/* Nothing was asked for under this key. */
static void answer_none(const char *key) {
    const struct fake_pg_request *request = next_request();
    ck_assert_ptr_eq(request->calls[0].statement, &SQL_PRODUCT_KEY_FIND);
    ck_assert(str_equal(fake_param_text_at(&request->calls[0], 0, 0), str_of(key)));
    fake_pg_answer(fake_rows(5), NULL, NULL);
    stack_settle();
}

#define EARLIER "{\"id\":7,\"name\":\"as it was\"}"

static void answer_earlier(const char *key, const char *request) {
    PGresult *rows = fake_rows(5);
    ck_assert_ptr_eq(next_request()->calls[0].statement, &SQL_PRODUCT_KEY_FIND);
    fake_row(rows, "ttiit", "another", "other", INT64_C(1), INT64_C(1), "{}");
    fake_row(rows, "ttiit", key, request, INT64_C(7), INT64_C(4), EARLIER);
    fake_pg_answer(rows, NULL, NULL);
}

/* The product is locked, if it is a change: 100 of it, version 3. */
static void answer_changed(int operation) {
    if (operation != CREATE) {
        ck_assert_ptr_eq(next_request()->calls[0].statement, &SQL_PRODUCT_LOCK);
        answer_product(7, 100, 3);
        stack_settle();
    }
}

/* The transaction's keys, of which these are stored; NULL ends them. */
static const struct pg_call *next_keys(void) {
    const struct fake_pg_request *request = next_request();
    ck_assert(request->kind == FAKE_PG_BEGIN || request->kind == FAKE_PG_CONTINUE);
    ck_assert_ptr_eq(request->calls[0].statement, &SQL_PRODUCT_KEY_INSERT);
    return &request->calls[0];
}

static void answer_keys(const char *first, const char *second) {
    PGresult *rows = fake_rows(1);
    (void)next_keys();
    if (first != NULL) {
        fake_row(rows, "t", first);
    }
    if (second != NULL) {
        fake_row(rows, "t", second);
    }
    fake_pg_answer(rows, NULL, NULL);
    stack_settle();
}

static const struct pg_statement *first_write(int operation) {
    return operation == CREATE ? &SQL_PRODUCT_INSERT : &SQL_PRODUCT_UPDATE;
}

/* The commit of so many products, or changes of a stock; without keys a product is one request. */
static void answer_commit(int operation, size_t count) {
    const struct pg_call *write =
        operation == CREATE ? &next_request()->calls[0] : commit_call(&SQL_RESTOCK_INSERT);
    ck_assert(operation != CREATE || write->statement == &SQL_PRODUCT_INSERT);
    ck_assert_uint_eq(fake_param_count(write, 0), count);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
}

/* ---- what is the same request ---- */

START_TEST(a_request_is_described_by_all_that_it_asks_for) {
    struct keyed_request request = { .key = "k" }, none = { .key = "" };
    char longest[PRODUCT_NAME_BYTES_MAX];
    memset(longest, 'x', sizeof(longest));
    product_keys_describe(&none, "create", 1, 2, STR("x"));
    ck_assert_uint_eq(none.length, 0);
    product_keys_describe(&request, "adjust", INT64_MIN, INT64_MIN,
                          (struct str){ longest, sizeof(longest) });
    ck_assert_uint_eq(request.length, 49 + sizeof(longest));
    ck_assert_int_eq(
        memcmp(request.text, "adjust\n-9223372036854775808\n-9223372036854775808\nx", 50), 0);
    product_keys_describe(&request, "restock", 7, 50, (struct str){ NULL, 0 });
    ck_assert(str_equal((struct str){ request.text, request.length }, STR("restock\n7\n50\n")));
}
END_TEST

/* ---- the usual way ---- */

START_TEST(a_key_is_stored_with_its_answer_before_the_commit) {
    int fd = ask_with("k-1", _i);
    answer_none("k-1");
    answer_changed(_i);
    const struct pg_call *keys = next_keys();
    ck_assert_uint_eq(fake_param_count(keys, 0), 1);
    ck_assert(str_equal(fake_param_text_at(keys, 0, 0), STR("k-1")));
    ck_assert(str_equal(fake_param_text_at(keys, 1, 0), str_of(KEYED[_i].request)));
    ck_assert_int_eq(fake_param_int8_at(keys, 2, 0), _i == CREATE ? 1 : 7);
    ck_assert_int_eq(fake_param_int8_at(keys, 3, 0), _i == CREATE ? 1 : 4);
    char stored[1024];
    struct str text = fake_param_text_at(keys, 4, 0);
    snprintf(stored, sizeof(stored), "%.*s", (int)text.len, text.data);
    ck_assert(stack_is_silent(fd));
    answer_keys("k-1", NULL);
    answer_commit(_i, 1);
    ck_assert_str_eq(stack_expect(fd, KEYED[_i].status)->body, stored);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(asked_again_the_answer_is_the_same_and_nothing_is_done) {
    int fd = ask_with("k-1", _i);
    answer_earlier("k-1", KEYED[_i].request);
    const struct stack_answer *answer = stack_expect(fd, KEYED[_i].status);
    ck_assert_str_eq(answer->body, EARLIER);
    ck_assert(has_header(answer, "ETag: \"4\""));
    ck_assert_int_eq(has_header(answer, "Location: /products/7"), _i == CREATE);
    ck_assert_uint_eq(fake_pg.asked, 1);
    ck_assert_uint_eq(fake_broker.published, 0);
    fd = ask_with("k-1", _i); /* and the key is free again */
    answer_earlier("k-1", KEYED[_i].request);
    stack_expect(fd, KEYED[_i].status);
}
END_TEST

/* Of the same operation (0 to 2), of another (3 to 5). */
START_TEST(another_payload_is_refused) {
    static const char *const OTHER[] = { "create\n1990\n6\nthing", "restock\n8\n50\n",
                                         "adjust\n7\n-5\nCafe" };
    int operation = _i % OPERATIONS;
    for (int i = 0; i < 2; i++) {
        int fd = ask_with("k-1", operation);
        answer_earlier("k-1", _i < OPERATIONS ? OTHER[operation]
                                              : KEYED[(operation + 1) % OPERATIONS].request);
        ck_assert_ptr_nonnull(strstr(stack_expect(fd, 422)->body, "another payload"));
    }
    ck_assert_uint_eq(fake_pg.asked, 2);
}
END_TEST

/* While it is looked for, and while it is stored; not afterwards, whatever came of it. */
START_TEST(a_key_under_way_is_refused) {
    int first = ask_with("k-1", _i), other = ask_with("k-2", _i);
    int second = ask("POST", KEYED[CREATE].target, "Idempotency-Key: k-1\r\n", KEYED[CREATE].body);
    ck_assert_ptr_nonnull(strstr(stack_expect(second, 409)->body, "is being processed"));
    answer_none("k-1");
    answer_none("k-2");
    answer_changed(_i);
    (void)next_keys();
    second = ask("POST", KEYED[_i].target, "Idempotency-Key: k-1\r\n", KEYED[_i].body);
    stack_expect(second, 409);
    second = ask("POST", KEYED[_i].target, "Idempotency-Key: k-2\r\n", KEYED[_i].body);
    stack_expect(second, 409);
    fake_pg_fail(ERR_UNAVAILABLE);
    stack_expect(first, 503);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    answer_changed(_i);
    (void)next_keys();
    fake_pg_fail(ERR_UNAVAILABLE);
    stack_expect(other, 503);
    first = ask_with("k-1", _i);
    answer_none("k-1");
    answer_changed(_i);
    answer_keys("k-1", NULL);
    answer_commit(_i, 1);
    stack_expect(first, KEYED[_i].status);
}
END_TEST

START_TEST(an_earlier_answer_cannot_be_looked_for) {
    size_t failure = (size_t)_i / OPERATIONS;
    int fd = ask_with("k-1", _i % OPERATIONS);
    (void)next_request();
    fake_pg_fail(FAILURES[failure].err);
    stack_expect(fd, FAILURES[failure].status);
    fd = ask_with("k-1", _i % OPERATIONS); /* the key is free */
    answer_earlier("k-1", KEYED[_i % OPERATIONS].request);
    stack_expect(fd, KEYED[_i % OPERATIONS].status);
}
END_TEST

/* 255 visible characters (0); one more, none, a space, an umlaut */
START_TEST(keys_have_limits) {
    char key[300] = "";
    memset(key, '~', 255 + (_i == 1));
    if (_i >= 2) {
        snprintf(key, sizeof(key), "%s", _i == 2 ? "" : _i == 3 ? "a b" : "\xC3\xBC");
    }
    char headers[400];
    snprintf(headers, sizeof(headers), "Idempotency-Key: %s\r\n", key);
    int fd = ask("POST", KEYED[RESTOCK].target, headers, KEYED[RESTOCK].body);
    if (_i == 0) {
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        answer_none(key);
        answer_changed(RESTOCK);
        answer_keys(key, NULL);
        answer_commit(RESTOCK, 1);
    }
    const struct stack_answer *answer = stack_expect(fd, _i == 0 ? 200 : 400);
    ck_assert_int_eq(strstr(answer->body, "header/Idempotency-Key") != NULL, _i != 0);
}
END_TEST

/* All that is wrong is said at once. */
START_TEST(a_bad_key_is_one_problem_of_several) {
    int fd = ask("POST", KEYED[_i].target, "Idempotency-Key: a b\r\n",
                 _i == CREATE    ? "{\"name\":\"\",\"price\":1,\"qty\":1}"
                 : _i == RESTOCK ? "{\"quantity\":0}"
                                 : "{\"delta\":0,\"reason\":\"\"}");
    const struct stack_answer *answer = stack_expect(fd, 400);
    ck_assert_ptr_nonnull(strstr(answer->body, "header/Idempotency-Key"));
    ck_assert_ptr_nonnull(strstr(answer->body, _i == CREATE    ? "\"/name\""
                                               : _i == RESTOCK ? "\"/quantity\""
                                                               : "\"/delta\""));
}
END_TEST

/* To set a name or a price twice is harmless. */
START_TEST(a_patch_has_no_key) {
    int fd = ask("PATCH", "/products/7", "Idempotency-Key: a b\r\n", "{\"price\":1}");
    answer_lock(5, 3);
    (void)commit_call(&SQL_PRODUCT_UPDATE);
    fake_pg_answer(NULL, NULL, NULL);
    fake_cache_run();
    stack_expect(fd, 200);
}
END_TEST

/* What was refused changed nothing: its key is not stored, and may be used again. */
START_TEST(a_refused_change_keeps_no_key) {
    int fd = ask_with("k-1", _i);
    answer_none("k-1");
    ck_assert_ptr_eq(next_request()->calls[0].statement, &SQL_PRODUCT_LOCK);
    answer_product(_i == RESTOCK ? 8 : 7, 4, 3);
    ck_assert_ptr_null(commit_call(&SQL_PRODUCT_UPDATE));
    ck_assert_uint_eq(fake_pg.requests[0].count, 0);
    fake_pg_answer(NULL, NULL, NULL);
    stack_expect(fd, _i == RESTOCK ? 404 : 409);
    fd = ask_with("k-1", _i);
    answer_none("k-1");
    answer_changed(_i);
    answer_keys("k-1", NULL);
    answer_commit(_i, 1);
    stack_expect(fd, 200);
}
END_TEST

/* ---- batches ---- */

/*
 * Four requests in one batch, behind a first one that is under way: two with keys, k-1 and k-2, and
 * two without. Then their keys are to be stored.
 */
static void ask_four(int operation, int fds[4]) {
    int first = ask_with(NULL, operation);
    (void)next_request();
    fds[0] = ask_with("k-1", operation);
    fds[1] = ask_with(NULL, operation);
    fds[2] = ask_with("k-2", operation);
    fds[3] = ask_with(NULL, operation);
    for (int i = 1; i <= 2; i++) {
        fake_pg_prefer(&SQL_PRODUCT_KEY_FIND);
        answer_none(i == 1 ? "k-1" : "k-2");
    }
    answer_changed(operation);
    answer_commit(operation, 1);
    stack_expect(first, KEYED[operation].status);
    answer_changed(operation);
    ck_assert_uint_eq(fake_param_count(next_keys(), 0), 2);
}

/* So many of them, the others have been answered. */
static void expect_done(int operation, const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        stack_expect(fds[i], KEYED[operation].status);
    }
}

START_TEST(keys_of_a_batch_are_stored_together) {
    int fds[4];
    ask_four(_i, fds);
    answer_keys("k-2", "k-1"); /* in whatever order */
    answer_commit(_i, 4);
    expect_done(_i, fds, 4);
    ck_assert_uint_eq(fake_broker.published, _i == CREATE ? 5 : 2);
}
END_TEST

/*
 * Another process has stored k-1 meanwhile: its request ends, and does nothing; the others go on.
 * A product is stored at once, changes are made afresh.
 */
START_TEST(whoever_loses_a_key_ends_alone) {
    int fds[4];
    ask_four(_i, fds);
    answer_keys("k-2", NULL);
    ck_assert_ptr_nonnull(strstr(stack_expect(fds[0], 409)->body, "already being processed"));
    if (_i != CREATE) {
        ck_assert_uint_eq(fake_pg.rollbacks, 1);
        answer_changed(_i);
        ck_assert_uint_eq(fake_param_count(next_keys(), 0), 1);
        answer_keys("k-2", NULL);
        int64_t qty = _i == RESTOCK ? 250 : 85;
        ck_assert_int_eq(fake_param_int8_at(commit_call(&SQL_PRODUCT_UPDATE), 3, 0), qty);
    }
    answer_commit(_i, 3);
    expect_done(_i, fds + 1, 3);
    ck_assert_uint_eq(fake_broker.published, _i == CREATE ? 4 : 2);
    int again = ask_with("k-1", _i);
    answer_earlier("k-1", KEYED[_i].request);
    stack_expect(again, KEYED[_i].status);
}
END_TEST

START_TEST(a_batch_of_nothing_but_losers) {
    int fd = ask_with("k-1", _i);
    answer_none("k-1");
    answer_changed(_i);
    answer_keys(NULL, NULL);
    stack_expect(fd, 409);
    ck_assert_uint_eq(fake_pg.rollbacks, 1);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fd = ask_with(NULL, _i); /* the next batch begins */
    answer_changed(_i);
    answer_commit(_i, 1);
    stack_expect(fd, KEYED[_i].status);
}
END_TEST

/* Which keys are they? */
static void answer_locked_keys(size_t asked, const char *key) {
    PGresult *rows = fake_rows(1);
    const struct fake_pg_request *request = next_request();
    ck_assert_ptr_eq(request->calls[0].statement, &SQL_PRODUCT_KEY_LOCKED);
    ck_assert_uint_eq(fake_param_count(&request->calls[0], 0), asked);
    if (key != NULL) {
        fake_row(rows, "t", key);
    }
    fake_pg_answer(rows, NULL, NULL);
    stack_settle();
}

/* Another process has one of the keys and does not end: all others go on, those with keys, too. */
START_TEST(a_locked_key_holds_up_no_other_request) {
    int fds[4];
    ask_four(_i, fds);
    fake_pg_fail(ERR_LOCKED);
    stack_settle();
    answer_locked_keys(2, "k-1");
    stack_expect(fds[0], 503);
    ck_assert(stack_is_silent(fds[2]));
    answer_changed(_i);
    ck_assert_uint_eq(fake_param_count(next_keys(), 0), 1);
    answer_keys("k-2", NULL);
    answer_commit(_i, 3);
    expect_done(_i, fds + 1, 3);
    int again = ask_with("k-1", _i);
    answer_earlier("k-1", KEYED[_i].request);
    stack_expect(again, KEYED[_i].status);
}
END_TEST

/* It has ended meanwhile, each time: in the end it is 503. */
START_TEST(keys_that_are_locked_now_and_then_are_not_tried_without_end) {
    int fd = ask_with("k-1", _i);
    answer_none("k-1");
    for (int times = 0; times < 4; times++) {
        answer_changed(_i);
        (void)next_keys();
        fake_pg_fail(ERR_LOCKED);
        stack_settle();
        answer_locked_keys(1, NULL);
    }
    stack_expect(fd, 503);
}
END_TEST

START_TEST(locked_keys_cannot_be_looked_for) {
    int fd = ask_with("k-1", _i);
    answer_none("k-1");
    answer_changed(_i);
    (void)next_keys();
    fake_pg_fail(ERR_LOCKED);
    stack_settle();
    ck_assert_ptr_eq(next_request()->calls[0].statement, &SQL_PRODUCT_KEY_LOCKED);
    fake_pg_fail(ERR_UNAVAILABLE);
    stack_expect(fd, 503);
}
END_TEST

static const enum err PASSING[] = { ERR_CONFLICT, ERR_TAKEN_ID };

/*
 * A deadlock, a stale connection, an id that was taken; while the keys are stored, or at the
 * commit: the whole is done again, three times, then it is 503.
 */
START_TEST(what_passes_is_repeated_three_times) {
    int operation = _i % OPERATIONS, repeated = _i / OPERATIONS % 4;
    enum err err = PASSING[_i / OPERATIONS / 4 % 2];
    bool at_commit = _i / OPERATIONS / 8 == 1;
    int fd = ask_with("k-1", operation);
    answer_none("k-1");
    for (int i = 0; i <= repeated; i++) {
        answer_changed(operation);
        (void)next_keys();
        if (at_commit) {
            answer_keys("k-1", NULL);
            (void)commit_call(first_write(operation));
        }
        fake_pg_fail(err);
        stack_settle();
        if (i == 3) {
            stack_expect(fd, 503);
            ck_assert_uint_eq(fake_broker.published, 0);
            return;
        }
    }
    answer_changed(operation);
    answer_keys("k-1", NULL);
    answer_commit(operation, 1);
    stack_expect(fd, KEYED[operation].status);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

/* A key is lost at each turn: what is left is answered 503 when that does not end. */
START_TEST(lost_keys_are_not_waited_for_without_end) {
    int first = ask_with(NULL, RESTOCK), fds[6];
    char keys[6][8];
    (void)next_request();
    for (int i = 0; i < 6; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k-%d", i);
        fds[i] = ask_with(keys[i], RESTOCK);
        fake_pg_prefer(&SQL_PRODUCT_KEY_FIND);
        answer_none(keys[i]);
    }
    answer_changed(RESTOCK);
    answer_commit(RESTOCK, 1);
    stack_expect(first, 200);
    for (int turn = 0; turn < 4; turn++) {
        PGresult *rows = fake_rows(1);
        answer_changed(RESTOCK);
        ck_assert_uint_eq(fake_param_count(next_keys(), 0), (size_t)(6 - turn));
        for (int i = turn + 1; i < 6; i++) {
            fake_row(rows, "t", keys[i]);
        }
        fake_pg_answer(rows, NULL, NULL);
        stack_settle();
        stack_expect(fds[turn], 409);
    }
    stack_expect(fds[4], 503);
    stack_expect(fds[5], 503);
}
END_TEST

int main(void) {
    enum { EACH = UNIT_COUNT(FAILURES) * OPERATIONS };
    Suite *suite = suite_create("product_keys");
    TCase *tcase = tcase_create("product_keys");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_request_is_described_by_all_that_it_asks_for);
    tcase_add_loop_test(tcase, a_key_is_stored_with_its_answer_before_the_commit, 0, OPERATIONS);
    tcase_add_loop_test(tcase, asked_again_the_answer_is_the_same_and_nothing_is_done, 0,
                        OPERATIONS);
    tcase_add_loop_test(tcase, another_payload_is_refused, 0, 2 * OPERATIONS);
    tcase_add_loop_test(tcase, a_key_under_way_is_refused, 0, OPERATIONS);
    tcase_add_loop_test(tcase, an_earlier_answer_cannot_be_looked_for, 0, EACH);
    tcase_add_loop_test(tcase, keys_have_limits, 0, 5);
    tcase_add_loop_test(tcase, a_bad_key_is_one_problem_of_several, 0, OPERATIONS);
    tcase_add_test(tcase, a_patch_has_no_key);
    tcase_add_loop_test(tcase, a_refused_change_keeps_no_key, RESTOCK, OPERATIONS);
    tcase_add_loop_test(tcase, keys_of_a_batch_are_stored_together, 0, OPERATIONS);
    tcase_add_loop_test(tcase, whoever_loses_a_key_ends_alone, 0, OPERATIONS);
    tcase_add_loop_test(tcase, a_batch_of_nothing_but_losers, 0, OPERATIONS);
    tcase_add_loop_test(tcase, a_locked_key_holds_up_no_other_request, 0, OPERATIONS);
    tcase_add_loop_test(tcase, keys_that_are_locked_now_and_then_are_not_tried_without_end, 0,
                        OPERATIONS);
    tcase_add_loop_test(tcase, locked_keys_cannot_be_looked_for, 0, OPERATIONS);
    tcase_add_loop_test(tcase, what_passes_is_repeated_three_times, 0,
                        OPERATIONS * 8 * (int)UNIT_COUNT(PASSING));
    tcase_add_test(tcase, lost_keys_are_not_waited_for_without_end);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
