/* link: services/order/reconcile.c services/order/order.c services/order/metrics.c
 *       t/unit/fake_pg.c t/unit/fake_broker.c */
/* services/order/reconcile: a waiting order is told again when its age has doubled, whatever happened. */
#include "order/app.h"
#include "order/config.h"
#include "order/schema.h"

#include "common/clock.h"
#include "common/log.h"

#include "fake_broker.h"
#include "fake_pg.h"
#include "unit.h"

#include <stdio.h>

enum { INTERVAL_MS = 2, AFTER_MS = 60000, PATIENCE_MS = 10000, PAGE = 500 };

struct app app;
struct order_config order_config;

static int64_t round_ms; /* `now` of the round under way, as the query gives it away */
static int64_t from_ms;

static void setup(void) {
    struct outbox_options outbox = { .insert_statement = SQL_OUTBOX_INSERT,
                                     .claim_statement = SQL_OUTBOX_CLAIM,
                                     .relax_statement = SQL_OUTBOX_RELAX,
                                     .delete_statement = SQL_OUTBOX_DELETE,
                                     .sweep_interval_ms = 600000,
                                     .sweep_batch_max = 1000 };
    log_init("test", LOG_LEVELS, 2);
    fake_pg_reset();
    fake_broker_reset();
    order_config = (struct order_config){ .reconcile_interval_ms = INTERVAL_MS,
                                          .reconcile_after_ms = AFTER_MS };
    app = (struct app){ .pg = &fake_pg, .broker = &fake_broker };
    ck_assert_int_eq(loop_create(&app.loop), ERR_OK);
    ck_assert_int_eq(outbox_open(&app.outbox, app.loop, &fake_pg, &fake_broker, &outbox), ERR_OK);
    reconcile_start();
}

static void teardown(void) {
    reconcile_stop();
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    ck_assert(reconcile_is_idle());
    outbox_close(&app.outbox);
    loop_destroy(app.loop);
}

static void wait_for_round(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(app.loop, 1);
    }
    (void)fake_pg_expect(FAKE_PG_RUN, SQL_KEY_EXPIRE);
}

/* Up to the first page of a round. */
static void begin_round(void) {
    wait_for_round();
    fake_pg_answer(NULL, NULL, NULL);
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, SQL_ORDER_WAITING)->calls[0];
    from_ms = fake_param_time(call, 0);
    round_ms = fake_param_time(call, 1) + AFTER_MS;
    ck_assert_int_le(round_ms, clock_unix_ms());
    ck_assert_int_eq(fake_param_int8(call, 4), PAGE);
}

static void add_order(PGresult *rows, int64_t id, int64_t created_ms, bool in_outbox) {
    fake_row(rows, "iiiiittTTttb", id, (int64_t)7, (int64_t)3, (int64_t)100, (int64_t)300,
             "waiting", NULL, created_ms, created_ms, "request", "", (int)in_outbox);
}

/* A whole round that finds one order of this creation time; how many events it published. */
static size_t round_with(int64_t created_ms, bool in_outbox) {
    size_t before = fake_broker.published;
    uint64_t cookie = 1;
    PGresult *rows = fake_rows(12);
    begin_round();
    add_order(rows, 1, created_ms, in_outbox);
    fake_pg_answer(rows, NULL, NULL);
    outbox_on_published(&app.outbox, &cookie, 1, false); /* no longer under way */
    return fake_broker.published - before;
}

START_TEST(an_order_that_waits_too_long_is_told_again) {
    PGresult *rows = fake_rows(12);
    begin_round();
    add_order(rows, 41, round_ms - AFTER_MS, false);
    add_order(rows, 42, round_ms - AFTER_MS + 1, false); /* not yet */
    fake_pg_answer(rows, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "order.created");
    ck_assert_str_eq(fake_broker.messages[0].message_id, "order.created-41");
    ck_assert_str_eq(fake_broker.messages[0].correlation_id, "request");
    ck_assert_ptr_nonnull(strstr(fake_broker.messages[0].body,
                                 "\"orderId\":41,\"productId\":7,"
                                 "\"quantity\":3,\"status\":\"waiting\""));
    ck_assert_uint_eq(fake_broker.messages[0].cookie, 41);
}
END_TEST

/* Looks are INTERVAL_MS apart, ages are made up: told at 1, 2, 4, 8 … times the threshold only. */
START_TEST(repetitions_double) {
    begin_round();
    int64_t created_ms = round_ms - 3 * AFTER_MS; /* found late: one repetition for all it missed */
    PGresult *rows = fake_rows(12);
    add_order(rows, 1, created_ms, false);
    fake_pg_answer(rows, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 1);
    uint64_t cookie = 1;
    outbox_on_published(&app.outbox, &cookie, 1, false);
    for (int i = 0; i < 5; i++) { /* no doubling between these looks */
        ck_assert_uint_eq(round_with(created_ms, false), 0);
    }
    for (int64_t times = 4; times <= 64; times *= 2) { /* its age passes a doubling in one round */
        begin_round();
        int64_t last_ms = round_ms;
        fake_pg_answer(fake_rows(12), NULL, NULL);
        ck_assert_uint_eq(round_with(last_ms - times * AFTER_MS + 1, false), 1);
        ck_assert_uint_eq(round_with(last_ms - times * AFTER_MS + 1, false), 0);
    }
}
END_TEST

START_TEST(an_order_in_the_outbox_is_left_to_the_sweep_but_not_forgotten) {
    begin_round();
    int64_t created_ms = round_ms - 10 * AFTER_MS;
    PGresult *rows = fake_rows(12);
    add_order(rows, 1, created_ms, true);
    fake_pg_answer(rows, NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 0);
    begin_round();
    ck_assert_int_le(from_ms, created_ms); /* it is looked for until it has left waiting */
    fake_pg_answer(fake_rows(12), NULL, NULL);
}
END_TEST

START_TEST(the_horizon_moves_on_when_nothing_waits) {
    begin_round();
    ck_assert_int_eq(from_ms, 0);
    int64_t first_ms = round_ms;
    fake_pg_answer(fake_rows(12), NULL, NULL);
    begin_round();
    ck_assert_int_eq(from_ms, first_ms - AFTER_MS - 60000); /* a commit may come late */
    fake_pg_answer(fake_rows(12), NULL, NULL);
}
END_TEST

START_TEST(many_orders_are_paged_through) {
    PGresult *rows = fake_rows(12);
    begin_round();
    for (int64_t i = 0; i < PAGE; i++) {
        add_order(rows, i + 1, round_ms - AFTER_MS + 1 + i, false);
    }
    int64_t last_ms = round_ms - AFTER_MS + PAGE;
    fake_pg_answer(rows, NULL, NULL);
    const struct pg_call *call = &fake_pg_expect(FAKE_PG_RUN, SQL_ORDER_WAITING)->calls[0];
    ck_assert_int_eq(fake_param_time(call, 2), last_ms);
    ck_assert_int_eq(fake_param_int8(call, 3), PAGE);
    ck_assert(!reconcile_is_idle());
    fake_pg_answer(fake_rows(12), NULL, NULL);
    ck_assert(reconcile_is_idle());
}
END_TEST

START_TEST(a_round_that_fails_is_as_if_it_had_not_been) {
    begin_round();
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert(reconcile_is_idle());
    begin_round();
    ck_assert_int_eq(from_ms, 0);
    fake_pg_answer(fake_rows(12), NULL, NULL);
}
END_TEST

START_TEST(without_a_broker_only_keys_expire) {
    fake_broker.state = _i == 0 ? BROKER_DOWN : BROKER_BLOCKED;
    wait_for_round();
    fake_pg_fail(ERR_TIMEOUT);
    wait_for_round();
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(reconcile_is_idle());
    ck_assert_uint_eq(fake_pg.waiting, 0);
    fake_broker.state = BROKER_UP;
    begin_round();
    ck_assert_int_eq(from_ms, 0);
    fake_pg_answer(fake_rows(12), NULL, NULL);
}
END_TEST

START_TEST(without_a_database_it_waits) {
    fake_pg.ready = false;
    uint64_t end_ms = clock_monotonic_ms() + 10 * INTERVAL_MS;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(app.loop, 1);
    }
    ck_assert_uint_eq(fake_pg.asked, 0);
    fake_pg.ready = true;
    begin_round();
    fake_pg_answer(fake_rows(12), NULL, NULL);
}
END_TEST

START_TEST(stopping_during_a_round) {
    PGresult *rows = fake_rows(12);
    begin_round();
    add_order(rows, 1, round_ms - AFTER_MS, false);
    reconcile_stop();
    ck_assert(!reconcile_is_idle());
    fake_pg_answer(rows, NULL, NULL);
    ck_assert(reconcile_is_idle());
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reconcile");
    TCase *tcase = tcase_create("reconcile");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_order_that_waits_too_long_is_told_again);
    tcase_add_test(tcase, repetitions_double);
    tcase_add_test(tcase, an_order_in_the_outbox_is_left_to_the_sweep_but_not_forgotten);
    tcase_add_test(tcase, the_horizon_moves_on_when_nothing_waits);
    tcase_add_test(tcase, many_orders_are_paged_through);
    tcase_add_test(tcase, a_round_that_fails_is_as_if_it_had_not_been);
    tcase_add_loop_test(tcase, without_a_broker_only_keys_expire, 0, 2);
    tcase_add_test(tcase, without_a_database_it_waits);
    tcase_add_test(tcase, stopping_during_a_round);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
