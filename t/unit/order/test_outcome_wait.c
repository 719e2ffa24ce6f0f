/* link: services/order/create_order.c services/order/order_store.c services/order/idempotency.c
 *       services/order/product_lookup.c services/order/order.c services/order/metrics.c
 *       services/order/statements.c services/order/telling.c services/order/backlog.c
 *       services/order/order_read.c services/order/get_order.c services/order/outcome_wait.c
 *       t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_http_client.c
 *       t/unit/fake_stack.c t/unit/fake_backends.c */
/*
 * Prefer: wait=N on POST /orders and GET /orders/{id}: who waits, until when, for whom, and what
 * is answered when it cannot be read any more how the order ended.
 */
#include "create_order_fixture.h"

#include "order/outcome_wait.h"

enum { POLL_MS = 250, TICK_MS = 50, REQUESTS = 16, WAITS = REQUESTS / 4 };

#define WAIT_1 "Prefer: wait=1\r\n"
#define WAIT_10 "Prefer: wait=10\r\n"

static void settle_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

/* ---- the steps ---- */

/* An order that is stored, whose request waits for its outcome. */
static int post_until_wait(const char *headers) {
    int fd = post_with(headers, BODY);
    answer_lookup();
    answer_insert();
    drop_lists();
    stack_settle();
    return fd;
}

static void answer_read(int64_t id, const char *status) {
    PGresult *rows = fake_rows(10);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    (void)fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_GET);
    if (status != NULL) {
        fake_row(rows, "iiiiittTTt", id, INT64_C(7), INT64_C(3), (int64_t)PRICE_CENTS,
                 INT64_C(3) * PRICE_CENTS, status,
                 strcmp(status, "rejected") == 0 ? "out_of_stock" : NULL, INT64_C(1795367792123),
                 INT64_C(1795367799000), "r");
    }
    fake_pg_answer(rows, NULL, NULL);
}

/* A reader of an order that waits, who waits with it. */
static int get_until_wait(int64_t id, const char *headers) {
    char target[48];
    int fd = stack_connect();
    snprintf(target, sizeof(target), "/orders/%lld", (long long)id);
    stack_send(fd, "GET", target, headers, NULL);
    answer_read(id, "waiting");
    stack_settle();
    return fd;
}

/* This process hears the outcome. */
static void hear_of(int64_t id) {
    PGresult *result = fake_rows(1);
    fake_row(result, "i", id);
    outcome_wait_end(&(struct pg_rows){ .handle = result, .count = 1 });
    PQclear(result);
}

static const struct stack_answer *expect_outcome(int fd, const char *status, unsigned waited_s) {
    char part[48];
    const struct stack_answer *answer = stack_expect(fd, 200);
    snprintf(part, sizeof(part), "\"status\":\"%s\"", status);
    ck_assert_msg(strstr(answer->body, part) != NULL, "%s", answer->body);
    snprintf(part, sizeof(part), "\r\nPreference-Applied: wait=%u\r\n", waited_s);
    ck_assert_int_eq(strstr(answer->headers, part) != NULL, waited_s > 0);
    ck_assert_int_eq(strstr(answer->headers, "Preference-Applied") != NULL, waited_s > 0);
    return answer;
}

/* ---- who waits ---- */

START_TEST(an_order_is_answered_when_it_has_its_outcome) {
    static const char *const OUTCOMES[] = { "done", "rejected", "cancelled" };
    int fd = post_until_wait(WAIT_10);
    ck_assert(stack_is_silent(fd));
    ck_assert(!outcome_wait_is_idle());
    hear_of(FIRST_ID + 1024); /* another one: in the same bucket */
    ck_assert(stack_is_silent(fd));
    hear_of(FIRST_ID);
    answer_read(FIRST_ID, OUTCOMES[_i]);
    const struct stack_answer *answer = expect_outcome(fd, OUTCOMES[_i], 10);
    ck_assert_ptr_nonnull(strstr(answer->headers, "\r\nLocation: /orders/5000\r\n"));
    ck_assert(outcome_wait_is_idle());
}
END_TEST

START_TEST(an_order_is_read_when_it_has_its_outcome) {
    int fds[3] = { get_until_wait(5, WAIT_10), get_until_wait(5, "Prefer: x, WAIT = \"9\"\r\n"),
                   get_until_wait(6, WAIT_10) };
    ck_assert(stack_is_silent(fds[0]));
    hear_of(5); /* all who wait for it */
    answer_read(5, "done");
    expect_outcome(fds[0], "done", 10);
    if (fake_pg.waiting > 0) {
        answer_read(5, "done");
    }
    expect_outcome(fds[1], "done", 9);
    ck_assert(stack_is_silent(fds[2]));
    hear_of(6);
    answer_read(6, "done");
    expect_outcome(fds[2], "done", 10);
}
END_TEST

START_TEST(an_order_that_has_its_outcome_is_not_waited_for) {
    int fd = stack_connect();
    stack_send(fd, "GET", "/orders/5", WAIT_10, NULL);
    answer_read(5, "done");
    expect_outcome(fd, "done", 0);
    ck_assert(outcome_wait_is_idle());
    fd = stack_connect();
    stack_send(fd, "GET", "/orders/5", WAIT_10, NULL);
    answer_read(5, NULL);
    stack_expect(fd, 404);
}
END_TEST

static const char *const NO_WAITS[] = { "", "Prefer: wait=0\r\n", "Prefer: wait\r\n",
                                        "Prefer: respond-async\r\n" };

START_TEST(who_did_not_ask_for_it_does_not_wait) {
    int fd = post_until_wait(NO_WAITS[_i]);
    expect_outcome(fd, "waiting", 0);
    fd = get_until_wait(5, NO_WAITS[_i]);
    expect_outcome(fd, "waiting", 0);
}
END_TEST

/* ---- until when ---- */

/* From the beginning of the request on, not from when it is stored; it is read all the same. */
START_TEST(a_wait_ends) {
    enum { STORING_MS = 300 };
    int fd = post_with(WAIT_1, BODY);
    uint64_t begin_ms = clock_monotonic_ms();
    answer_lookup();
    (void)insert_call();
    settle_for(STORING_MS);
    answer_insert();
    drop_lists();
    fake_pg.ready = false; /* the database is not asked meanwhile, or it would answer now */
    settle_for(1000 - STORING_MS - 2 * TICK_MS);
    ck_assert(stack_is_silent(fd));
    answer_read(FIRST_ID, _i == 0 ? "waiting" : "done");
    uint64_t waited_ms = clock_monotonic_ms() - begin_ms;
    ck_assert_msg(waited_ms >= 990 && waited_ms < 1000 + 4 * TICK_MS, "%llu ms",
                  (unsigned long long)waited_ms);
    expect_outcome(fd, _i == 0 ? "waiting" : "done", 1);
}
END_TEST

/* It was stored for so long. */
START_TEST(a_wait_that_is_over_before_it_begins) {
    int fd = post_with(WAIT_1, BODY);
    answer_lookup();
    (void)insert_call();
    settle_for(1000);
    answer_insert();
    drop_lists();
    expect_outcome(fd, "waiting", 0);
}
END_TEST

/* Longer than a request may usually take: its deadline moves on. */
START_TEST(who_waits_has_the_time_for_it) {
    int fd = _i == 0 ? post_until_wait(WAIT_1) : get_until_wait(5, WAIT_1);
    fake_pg.ready = false;
    settle_for(SHORT_MS + 200);
    ck_assert(stack_is_silent(fd));
    answer_read(_i == 0 ? FIRST_ID : 5, "waiting");
    expect_outcome(fd, "waiting", 1);
}
END_TEST

START_TEST(nobody_waits_through_a_drain) {
    int fd = post_until_wait(WAIT_10);
    backends.is_draining = true;
    answer_read(FIRST_ID, "waiting");
    expect_outcome(fd, "waiting", 10);
    ck_assert(outcome_wait_is_idle());
    fd = get_until_wait(5, WAIT_10);
    expect_outcome(fd, "waiting", 0);
}
END_TEST

/* A quarter of all requests of a kind; whoever is over that is answered at once. */
START_TEST(so_many_wait) {
    int fds[WAITS];
    for (int i = 0; i < WAITS; i++) {
        fds[i] = get_until_wait(i + 1, WAIT_10);
    }
    int fd = get_until_wait(WAITS + 1, WAIT_10);
    expect_outcome(fd, "waiting", 0);
    hear_of(1); /* there is room again */
    answer_read(1, "done");
    expect_outcome(fds[0], "done", 10);
    fds[0] = get_until_wait(1, WAIT_10);
    ck_assert(stack_is_silent(fds[0]));
    for (int i = 0; i < WAITS; i++) {
        hear_of(i + 1);
        answer_read(i + 1, "done");
        expect_outcome(fds[i], "done", 10);
    }
}
END_TEST

/* ---- what another replica hears ---- */

static const struct pg_call *expect_poll(size_t count) {
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, &SQL_ORDER_DECIDED)->calls[0];
    ck_assert_uint_eq(fake_param_count(call, 0), count);
    return call;
}

START_TEST(the_database_is_asked_now_and_then) {
    int five = get_until_wait(5, WAIT_10), six = get_until_wait(6, WAIT_10);
    uint64_t begin_ms = clock_monotonic_ms();
    (void)expect_poll(2);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, POLL_MS - 2 * TICK_MS);
    settle_for(2 * POLL_MS);
    ck_assert_uint_eq(fake_pg.waiting, 1); /* once at a time */
    PGresult *rows = fake_rows(1);
    fake_row(rows, "i", INT64_C(5));
    fake_pg_answer(rows, NULL, NULL);
    answer_read(5, "done");
    expect_outcome(five, "done", 10);
    (void)expect_poll(1);
    fake_pg_fail(ERR_UNAVAILABLE); /* it is asked again */
    ck_assert(stack_is_silent(six));
    begin_ms = clock_monotonic_ms();
    ck_assert_int_eq(fake_param_int8_at(expect_poll(1), 0, 0), 6);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, POLL_MS - 2 * TICK_MS);
    hear_of(6); /* meanwhile */
    fake_pg_answer(fake_rows(1), NULL, NULL);
    answer_read(6, "done");
    expect_outcome(six, "done", 10);
    settle_for(2 * POLL_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

START_TEST(a_database_that_is_away_is_not_asked) {
    int fd = get_until_wait(5, WAIT_10);
    fake_pg.ready = false;
    settle_for(2 * POLL_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_pg.ready = true;
    (void)expect_poll(1);
    fake_pg_answer(fake_rows(1), NULL, NULL);
    hear_of(5);
    answer_read(5, "done");
    expect_outcome(fd, "done", 10);
}
END_TEST

/* ---- what goes wrong behind it ---- */

/* An order that is stored is answered as stored. 3: nobody answers at all. */
START_TEST(how_a_new_order_ended_cannot_be_read) {
    static const enum err ERRORS[] = { ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_INTERNAL };
    int fd = post_until_wait(WAIT_1);
    hear_of(FIRST_ID);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    if (_i < 3) {
        fake_pg_fail(ERRORS[_i]);
    }
    check_order(expect_outcome(fd, "waiting", 0), FIRST_ID);
    if (_i == 3) {
        answer_read(FIRST_ID, "done"); /* too late */
    }
}
END_TEST

START_TEST(an_order_cannot_be_read_again) {
    int fd = get_until_wait(5, WAIT_1);
    hear_of(5);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    fake_pg_fail(ERR_UNAVAILABLE);
    check_retry_after(stack_expect(fd, 503));
}
END_TEST

/* It waits in vain until its time is over; its place is free then. */
START_TEST(a_client_that_leaves) {
    int fd = post_until_wait(WAIT_1);
    close(fd);
    settle_for(TICK_MS);
    ck_assert_uint_eq(flow_count(), 1);
    fake_pg.ready = false;
    answer_read(FIRST_ID, "waiting");
    stack_settle();
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert(outcome_wait_is_idle());
    STACK_WAIT_FOR(http_server_connection_count(stack_server()) == 0);
}
END_TEST

/* The order of a key is waited for, too; the key is free as soon as the order is stored. */
START_TEST(the_order_of_a_key_is_waited_for) {
    int fd = post_with("Idempotency-Key: k-1\r\n" WAIT_10, BODY);
    answer_key(false, 0, 0);
    answer_lookup();
    answer_insert();
    drop_lists();
    ck_assert(stack_is_silent(fd));
    int again = post_with("Idempotency-Key: k-1\r\n" WAIT_10, BODY);
    answer_key(true, 7, 3);
    ck_assert(stack_is_silent(again));
    hear_of(FIRST_ID);
    answer_read(FIRST_ID, "done");
    expect_outcome(fd, "done", 10);
    hear_of(42);
    answer_read(42, "done");
    expect_outcome(again, "done", 10);
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
    Suite *suite = suite_create("outcome_wait");
    TCase *usual = add_case(suite, "usual", setup), *quick = add_case(suite, "short", setup_short);
    tcase_add_loop_test(usual, an_order_is_answered_when_it_has_its_outcome, 0, 3);
    tcase_add_test(usual, an_order_is_read_when_it_has_its_outcome);
    tcase_add_test(usual, an_order_that_has_its_outcome_is_not_waited_for);
    tcase_add_loop_test(usual, who_did_not_ask_for_it_does_not_wait, 0, (int)UNIT_COUNT(NO_WAITS));
    tcase_add_loop_test(usual, a_wait_ends, 0, 2);
    tcase_add_test(usual, a_wait_that_is_over_before_it_begins);
    tcase_add_loop_test(quick, who_waits_has_the_time_for_it, 0, 2);
    tcase_add_test(usual, nobody_waits_through_a_drain);
    tcase_add_test(usual, so_many_wait);
    tcase_add_test(usual, the_database_is_asked_now_and_then);
    tcase_add_test(usual, a_database_that_is_away_is_not_asked);
    tcase_add_loop_test(quick, how_a_new_order_ended_cannot_be_read, 0, 4);
    tcase_add_test(quick, an_order_cannot_be_read_again);
    tcase_add_test(usual, a_client_that_leaves);
    tcase_add_test(usual, the_order_of_a_key_is_waited_for);
    return unit_run(suite);
}
