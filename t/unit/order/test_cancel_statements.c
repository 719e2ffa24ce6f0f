/* link: services/order/statements.c services/contract/key_expiry.c */
/*
 * Cancelling on a real PostgreSQL: against outcomes that come before, after and meanwhile; what
 * is told of it until it is settled; and that nobody waits in a circle, nor any index is
 * touched.
 */
#include "order/parts.h"
#include "order/statements.h"

#include "database_fixture.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_BYTES = 65536, ORDERS_MAX = 600, AFTER_MS = 60000 };

struct backends backends; /* of key_expiry.c */

static PGconn *one, *two, *three; /* each with all statements */

/* ---- plain libpq, since two must wait for each other ---- */

/* All columns of the rows of a result: "1 t / 2 f / "; cleared. */
static const char *text_of(PGconn *conn, PGresult *result) {
    static char text[TEXT_BYTES];
    size_t length = 0;
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s",
                  PQerrorMessage(conn));
    text[0] = '\0';
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++) {
            bool is_null = PQgetisnull(result, row, column);
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s ",
                                       is_null ? "-" : PQgetvalue(result, row, column));
        }
        length += (size_t)snprintf(text + length, sizeof(text) - length, "/ ");
    }
    PQclear(result);
    return text;
}

static const char *format_sql(const char *format, va_list values) {
    static char sql[TEXT_BYTES];
    int length = vsnprintf(sql, sizeof(sql), format, values);
    ck_assert_int_lt(length, (int)sizeof(sql));
    return sql;
}

static const char *ask(PGconn *conn, const char *format, ...) {
    va_list values;
    va_start(values, format);
    const char *sql = format_sql(format, values);
    va_end(values);
    return text_of(conn, PQexec(conn, sql));
}

static void begin_to_ask(PGconn *conn, const char *sql) {
    ck_assert_int_eq(PQsendQuery(conn, sql), 1);
}

/* What it was asked; with the SQLSTATE, when that is an error. */
static const char *answer_of(PGconn *conn) {
    static char state[16];
    PGresult *result = PQgetResult(conn);
    const char *error = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (error != NULL) {
        snprintf(state, sizeof(state), "%s", error);
        PQclear(result);
    } else {
        const char *text = text_of(conn, result);
        ck_assert_ptr_null(PQgetResult(conn));
        return text;
    }
    ck_assert_ptr_null(PQgetResult(conn));
    return state;
}

static void wait_for_lock(void) {
    uint64_t end_ms = clock_monotonic_ms() + THROWAWAY_PATIENCE_MS;
    while (strcmp(ask(three, "SELECT count(*) FROM pg_locks WHERE NOT granted"), "1 / ") != 0) {
        ck_assert_uint_lt(clock_monotonic_ms(), end_ms);
        throwaway_pause();
    }
}

static PGconn *connect_desk(void) {
    PGconn *conn = database_other();
    for (size_t i = 0; ORDER_STATEMENTS[i] != NULL; i++) {
        PGresult *result =
            PQprepare(conn, ORDER_STATEMENTS[i]->name, ORDER_STATEMENTS[i]->sql, 0, NULL);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
        PQclear(result);
    }
    ask(conn, "SET plan_cache_mode = force_generic_plan"); /* as it is after five times */
    return conn;
}

static void setup(void) {
    database_open(NULL, NULL, ORDER_MIGRATIONS);
    one = connect_desk();
    two = connect_desk();
    three = connect_desk();
}

static void teardown(void) {
    PQfinish(one);
    PQfinish(two);
    PQfinish(three);
    database_close();
}

/* ---- orders 1 … count, each created at 12:00 and as many seconds as its id ---- */

#define CREATED "timestamptz '2026-11-22 12:00:00Z'"

static void add_orders(int count) {
    ask(one,
        "INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents,"
        " created_at, updated_at, request_id, traceparent) SELECT i, 7, 3, 100, 300," CREATED
        " + i * interval '1 s', " CREATED
        " + i * interval '1 s', gen_random_uuid(), repeat('t', 55)"
        " FROM generate_series(1, %d) AS i",
        count);
    ask(one, "SELECT setval('order_numbers', %d); ANALYZE orders", count);
}

/* EXECUTE of a statement over ids first, first + step, … (`count`), which have all else alike. */
static const char *cancel_sql(int first, int step, int count) {
    static char sql[TEXT_BYTES];
    size_t length = (size_t)snprintf(sql, sizeof(sql), "EXECUTE order_cancel('{");
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(sql + length, sizeof(sql) - length, "%s%d", i == 0 ? "" : ",",
                                   first + i * step);
    }
    snprintf(sql + length, sizeof(sql) - length,
             "}', array_fill(" CREATED " + interval '1 h', ARRAY[%d]),"
             " array_fill('r'::text, ARRAY[%d]), array_fill('p'::text, ARRAY[%d]),"
             " array_fill('s'::text, ARRAY[%d]), %d)",
             count, count, count, count, AFTER_MS);
    return sql;
}

static const char *finish_sql(int first, int step, int count, const char *outcome) {
    static char sql[TEXT_BYTES];
    size_t length = (size_t)snprintf(sql, sizeof(sql), "EXECUTE order_finish('{");
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(sql + length, sizeof(sql) - length, "%s%d", i == 0 ? "" : ",",
                                   first + i * step);
    }
    bool is_rejected = strcmp(outcome, "rejected") == 0;
    snprintf(sql + length, sizeof(sql) - length,
             "}', array_fill('%s'::text, ARRAY[%d]), array_fill(%s::text, ARRAY[%d]),"
             " array_fill(" CREATED " + interval '2 h', ARRAY[%d]),"
             " array_fill(timestamptz 'epoch', ARRAY[%d]))",
             outcome, count, is_rejected ? "'out_of_stock'" : "NULL", count, count, count);
    return sql;
}

/* Of the order of this id that was created so many seconds after 12:00. */
static void settle(int id, int created_s) {
    ask(one, "EXECUTE cancellation_settle('{%d}', ARRAY[" CREATED " + %d * interval '1 s'])", id,
        created_s);
}

static const char *order_now(int id) {
    return ask(three,
               "SELECT status, reason, to_char(updated_at, 'HH24:MI:SS') FROM orders WHERE id = %d",
               id);
}

static const char *cancellations_now(void) {
    return ask(three, "SELECT order_id, settled_at IS NOT NULL FROM cancellations ORDER BY 1");
}

/* ---- one after the other ---- */

START_TEST(an_order_that_waits_is_cancelled_and_its_outcome_comes_too_late) {
    add_orders(2);
    ck_assert_str_eq(ask(one, "%s", cancel_sql(1, 1, 1)), "1 t / ");
    ck_assert_str_eq(order_now(1), "cancelled - 13:00:00 / ");
    ck_assert_str_eq(
        ask(one, "SELECT order_id, to_char(created_at, 'HH24:MI:SS'), product_id, quantity,"
                 " to_char(cancelled_at, 'HH24:MI:SS'), settled_at, tries, next_at > now(),"
                 " next_at <= now() + interval '1 minute', request_id, traceparent, tracestate"
                 " FROM cancellations"),
        "1 12:00:01 7 3 13:00:00 - 0 t t r p s / ");
    ck_assert_str_eq(ask(one, "%s", finish_sql(1, 1, 1, "done")), "");
    ck_assert_str_eq(ask(one, "%s", finish_sql(1, 1, 1, "rejected")), "");
    ck_assert_str_eq(order_now(1), "cancelled - 13:00:00 / ");
    ck_assert_str_eq(order_now(2), "waiting - 12:00:02 / ");
}
END_TEST

START_TEST(an_order_that_has_ended) {
    add_orders(2);
    ask(one, "%s", finish_sql(1, 1, 1, "done"));
    ask(one, "%s", finish_sql(2, 1, 1, "rejected"));
    ck_assert_str_eq(ask(one, "%s", cancel_sql(1, 1, 3)), "1 f / "); /* there is no third one */
    ck_assert_str_eq(order_now(1), "cancelled - 13:00:00 / ");
    ck_assert_str_eq(order_now(2), "rejected out_of_stock 14:00:00 / ");
    ck_assert_str_eq(cancellations_now(), "1 f / ");
}
END_TEST

/* Nothing moves, nothing is told anew, settled or not. */
START_TEST(cancelled_again) {
    add_orders(1);
    ask(one, "%s", cancel_sql(1, 1, 1));
    if (_i == 1) {
        settle(1, 1);
    }
    char before[256];
    snprintf(before, sizeof(before), "%s", ask(one, "SELECT c.*::text FROM cancellations AS c"));
    ck_assert_str_eq(ask(one, "%s", cancel_sql(1, 1, 1)), "");
    ck_assert_str_eq(ask(one, "SELECT c.*::text FROM cancellations AS c"), before);
    ck_assert_str_eq(order_now(1), "cancelled - 13:00:00 / ");
}
END_TEST

/* By clocks that disagree. */
START_TEST(no_order_is_cancelled_before_it_was_created) {
    add_orders(1);
    ask(one, "UPDATE orders SET created_at = created_at + interval '3 h'");
    ask(one, "%s", cancel_sql(1, 1, 1));
    ck_assert_str_eq(order_now(1), "cancelled - 15:00:01 / ");
    ck_assert_str_eq(ask(one, "SELECT cancelled_at = created_at FROM cancellations"), "t / ");
}
END_TEST

/* A restore lets ids come again: what was cancelled then is another order now. */
START_TEST(an_id_may_have_been_cancelled_before) {
    add_orders(1);
    ask(one, "%s", cancel_sql(1, 1, 1));
    settle(1, 1);
    ask(one,
        "UPDATE cancellations SET tries = 5;"
        "UPDATE orders SET status = 'done', created_at = created_at + interval '1 s', quantity = 4,"
        " total_price_cents = 400");
    ck_assert_str_eq(ask(one, "%s", cancel_sql(1, 1, 1)), "1 f / ");
    ck_assert_str_eq(ask(one,
                         "SELECT to_char(created_at, 'HH24:MI:SS'), quantity, settled_at, tries"
                         " FROM cancellations"),
                     "12:00:02 4 - 0 / ");
}
END_TEST

/* ---- while the other one is not committed ---- */

static const struct {
    const char *first, *second; /* "cancel", or an outcome */
    bool is_undone;             /* the first */
    const char *moved;          /* by the second */
    const char *order, *cancellations;
} RACES[] = {
    { "done", "cancel", false, "1 f / ", "cancelled - 13:00:00 / ", "1 f / " },
    { "rejected", "cancel", false, "", "rejected out_of_stock 14:00:00 / ", "" },
    { "cancel", "done", false, "", "cancelled - 13:00:00 / ", "1 f / " },
    { "cancel", "rejected", false, "", "cancelled - 13:00:00 / ", "1 f / " },
    { "cancel", "cancel", false, "", "cancelled - 13:00:00 / ", "1 f / " },
    { "done", "cancel", true, "1 t / ", "cancelled - 13:00:00 / ", "1 f / " },
    { "cancel", "done", true, NULL, "done - 14:00:00 / ", "" },
    { "cancel", "cancel", true, "1 t / ", "cancelled - 13:00:00 / ", "1 f / " },
};

static const char *race_sql(const char *what) {
    return strcmp(what, "cancel") == 0 ? cancel_sql(1, 1, 1) : finish_sql(1, 1, 1, what);
}

START_TEST(who_comes_first_wins) {
    add_orders(1);
    ask(one, "BEGIN");
    ask(one, "%s", race_sql(RACES[_i].first));
    begin_to_ask(two, race_sql(RACES[_i].second));
    wait_for_lock();
    ask(one, RACES[_i].is_undone ? "ROLLBACK" : "COMMIT");
    const char *moved = answer_of(two);
    if (RACES[_i].moved != NULL) {
        ck_assert_str_eq(moved, RACES[_i].moved);
    } else {
        ck_assert_int_eq(strncmp(moved, "1 7 ", 4), 0); /* a row of the finished */
    }
    ck_assert_str_eq(order_now(1), RACES[_i].order);
    ck_assert_str_eq(cancellations_now(), RACES[_i].cancellations);
}
END_TEST

/* ---- settled ---- */

START_TEST(a_cancellation_is_settled_once) {
    add_orders(2);
    ask(one, "%s", cancel_sql(1, 1, 2));
    settle(1, 2); /* another order with this id */
    settle(9, 9); /* one that is not there */
    ck_assert_str_eq(cancellations_now(), "1 f / 2 f / ");
    settle(1, 1);
    ck_assert_str_eq(cancellations_now(), "1 t / 2 f / ");
    char settled[64];
    snprintf(settled, sizeof(settled), "%s",
             ask(one, "SELECT settled_at FROM cancellations WHERE order_id = 1"));
    settle(1, 1);
    ck_assert_str_eq(ask(one, "SELECT settled_at FROM cancellations WHERE order_id = 1"), settled);
}
END_TEST

/* It is told again, and settled then: outcomes of others are not held up. */
START_TEST(one_that_is_locked_is_left_for_the_next_time) {
    add_orders(2);
    ask(one, "%s", cancel_sql(1, 1, 2));
    ask(two, "BEGIN; SELECT FROM cancellations WHERE order_id = 1 FOR UPDATE");
    ask(one, "SET lock_timeout = '1 ms'");
    ask(one, "EXECUTE cancellation_settle('{1,2}', ARRAY[" CREATED " + interval '1 s'," CREATED
             " + interval '2 s'])");
    ck_assert_str_eq(cancellations_now(), "1 f / 2 t / ");
    ask(two, "COMMIT");
    settle(1, 1);
    ck_assert_str_eq(cancellations_now(), "1 t / 2 t / ");
}
END_TEST

/*
 * The order database was restored to before the cancellation; the ledger answers the order, told
 * again, with it. The list of those that were cancelled shows it, and nobody is told.
 */
START_TEST(an_order_that_ends_cancelled_without_a_cancellation_has_one_that_is_settled) {
    add_orders(2);
    ck_assert_int_eq(strncmp(ask(one, "%s", finish_sql(1, 1, 1, "cancelled")), "1 7 ", 4), 0);
    settle(1, 1);
    settle(2, 2); /* it waits: the event is not of this order, or comes later */
    ck_assert_str_eq(cancellations_now(), "1 t / ");
    ck_assert_str_eq(ask(one, "SELECT c.created_at = o.created_at, c.product_id, c.quantity,"
                              " c.cancelled_at = o.updated_at, c.request_id = o.request_id"
                              " FROM cancellations AS c JOIN orders AS o ON o.id = c.order_id"),
                     "t 7 3 t t / ");
    settle(1, 1);
    char listed[1024];
    snprintf(listed, sizeof(listed), "%s",
             ask(one, "EXECUTE order_cancelled(100, 'epoch', '3000-01-01', 10)"));
    ck_assert_str_eq(ask(one,
                         "SELECT o.id, o.product_id, o.quantity, o.unit_price_cents,"
                         " o.total_price_cents, o.status, o.reason, o.created_at, o.updated_at,"
                         " o.request_id, NULL FROM orders AS o WHERE id = 1"),
                     listed);
}
END_TEST

/* ---- told again ---- */

static const char *due(PGconn *conn, int at_most) {
    return ask(conn, "EXECUTE cancellation_due(%d, %d)", at_most, AFTER_MS);
}

static int64_t next_in_ms(int id) {
    return strtoll(ask(three,
                       "SELECT round(1000 * extract(epoch FROM next_at - now())) FROM"
                       " cancellations WHERE order_id = %d",
                       id),
                   NULL, 10);
}

static void make_due(void) {
    ask(one, "UPDATE cancellations SET next_at = now() - order_id * interval '1 ms'");
}

/* After a minute, one more, two more, … up to an hour. */
START_TEST(those_that_are_not_settled_are_due_again_and_again) {
    static const int64_t MINUTES[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
    add_orders(1);
    ask(one, "%s", cancel_sql(1, 1, 1));
    ck_assert_str_eq(due(one, 10), "");
    ask(one, "SET timezone = 'UTC'");
    for (size_t i = 0; i < UNIT_COUNT(MINUTES); i++) {
        make_due();
        ck_assert_str_eq(due(one, 10),
                         "1 2026-11-22 12:00:01+00 7 3 2026-11-22 13:00:00+00 r p s / ");
        int64_t ms = next_in_ms(1), wanted_ms = MINUTES[i] * 60000;
        ck_assert_msg(ms <= wanted_ms && ms > wanted_ms - 10000, "%zu: %lld ms", i, (long long)ms);
        ck_assert_str_eq(due(one, 10), "");
    }
    ask(one, "UPDATE cancellations SET tries = 2000000000");
    make_due();
    due(one, 10);
    ck_assert_int_le(next_in_ms(1), 3600000);
    settle(1, 1);
    make_due();
    ck_assert_str_eq(due(one, 10), "");
}
END_TEST

/* The longest due first; what one replica has taken the other does not wait for. */
START_TEST(replicas_share_what_is_due) {
    add_orders(5);
    ask(one, "%s", cancel_sql(1, 1, 5));
    make_due(); /* 5 the longest */
    ask(two, "SET lock_timeout = '1 ms'; BEGIN");
    ask(one, "BEGIN");
    char first[1024];
    snprintf(first, sizeof(first), "%s", due(one, 2));
    ck_assert(strstr(first, "4 2026") != NULL && strstr(first, "5 2026") != NULL);
    const char *second = due(two, 10);
    for (int id = 1; id <= 5; id++) {
        char row[16];
        snprintf(row, sizeof(row), "%d 2026", id);
        ck_assert_int_eq(strstr(second, row) != NULL, id <= 3);
    }
    ask(one, "COMMIT");
    ask(two, "COMMIT");
    ck_assert_str_eq(due(one, 10), "");
}
END_TEST

static const char *due_now(void) {
    return ask(three, "SELECT order_id FROM cancellations WHERE next_at <= now() AND tries = 0"
                      " ORDER BY 1");
}

START_TEST(those_that_hurry_are_due_at_once) {
    add_orders(5);
    ask(one, "%s", cancel_sql(1, 1, 5));
    ask(one, "UPDATE cancellations SET tries = 3, next_at = now() + interval '30 min'");
    settle(4, 4);
    ask(two, "BEGIN; SELECT FROM cancellations WHERE order_id = 3 FOR UPDATE");
    ask(one, "SET lock_timeout = '1 ms'");
    ask(one, "EXECUTE cancellation_hurry('{2,3,4,77}', 0)");
    ck_assert_str_eq(due_now(), "2 / ");
    ask(one, "EXECUTE cancellation_hurry('{}', 1)"); /* after a start: all */
    ck_assert_str_eq(due_now(), "1 / 2 / 5 / ");
    ask(two, "COMMIT");
}
END_TEST

START_TEST(a_thousand_hurry_at_once) {
    char sql[10000] = "EXECUTE cancellation_hurry('{1";
    ask(one, "INSERT INTO cancellations SELECT i, now(), 7, 1, now(), NULL, 3,"
             " now() + i * interval '1 min', 'r', 'p', NULL FROM generate_series(1, 1001) AS i");
    for (int i = 2; i <= 1001; i++) {
        snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), ",%d", i);
    }
    snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "}', 0)");
    ask(one, sql);
    ck_assert_str_eq(ask(one, "SELECT order_id FROM cancellations WHERE tries = 3"), "1001 / ");
}
END_TEST

/* After a start nobody knows what the process before has told. */
START_TEST(after_a_start_a_hundred_thousand_hurry) {
    ask(one, "INSERT INTO cancellations SELECT i, now(), 7, 1, now(), NULL, 3,"
             " now() + i * interval '1 min', 'r', 'p', NULL FROM generate_series(1, 100001) AS i");
    ask(one, "EXECUTE cancellation_hurry('{}', 1)");
    ck_assert_str_eq(ask(one, "SELECT order_id FROM cancellations WHERE tries = 3"), "100001 / ");
}
END_TEST

/* ---- nobody waits in a circle: rows are locked by id, in whatever order they are given ---- */

enum { CIRCLE = 6 };

static const struct {
    const char *name;
    bool up_cancels, down_cancels; /* else an outcome */
} CIRCLES[] = {
    { "finish, finish", false, false },
    { "cancel, cancel", true, true },
    { "cancel, finish", true, false },
    { "finish, cancel", false, true },
};

/* Each row takes its time, so that both would be in the middle at once. */
START_TEST(two_batches_over_the_same_orders_do_not_deadlock) {
    char answer[256];
    add_orders(ORDERS_MAX);
    ask(one, "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM"
             " pg_sleep(0.02); RETURN NEW; END $$; CREATE TRIGGER dawdle BEFORE UPDATE ON orders"
             " FOR EACH ROW EXECUTE FUNCTION dawdle()");
    const char *plan = _i < (int)UNIT_COUNT(CIRCLES)
                           ? "SET enable_hashjoin = off; SET enable_mergejoin = off;"
                             " SET enable_seqscan = off" /* as of a large table */
                           : "SET enable_nestloop = off";
    ask(one, "%s", plan);
    ask(two, "%s", plan);
    size_t c = (size_t)_i % UNIT_COUNT(CIRCLES);
    const char *up =
        CIRCLES[c].up_cancels ? cancel_sql(1, 1, CIRCLE) : finish_sql(1, 1, CIRCLE, "done");
    begin_to_ask(one, up);
    begin_to_ask(two, CIRCLES[c].down_cancels ? cancel_sql(CIRCLE, -1, CIRCLE)
                                              : finish_sql(CIRCLE, -1, CIRCLE, "done"));
    snprintf(answer, sizeof(answer), "%s", answer_of(one));
    ck_assert_msg(strchr(answer, '/') != NULL || answer[0] == '\0', "%s: %s", CIRCLES[c].name,
                  answer);
    snprintf(answer, sizeof(answer), "%s", answer_of(two));
    ck_assert_msg(strchr(answer, '/') != NULL || answer[0] == '\0', "%s: %s", CIRCLES[c].name,
                  answer);
    ck_assert_str_eq(ask(one, "SELECT count(*) FROM orders WHERE status = 'waiting'"), "594 / ");
}
END_TEST

/* ---- an order that ends, and then is cancelled, stays in its page: no index is touched ---- */

static const char *updates(void) {
    ask(one, "SELECT pg_stat_force_next_flush()");
    ask(one, "SELECT");
    return ask(three, "SELECT n_tup_upd, n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables"
                      " WHERE relname = 'orders'");
}

START_TEST(to_end_and_to_be_cancelled_are_hot_updates) {
    add_orders(ORDERS_MAX);
    ask(one, "%s", finish_sql(1, 1, ORDERS_MAX / 2, "done"));
    ck_assert_str_eq(updates(), "300 0 / ");
    for (int first = 1; first < ORDERS_MAX; first += 100) { /* as batches come: half of all */
        ask(one, "%s", cancel_sql(first, 2, 50));
    }
    ck_assert_str_eq(updates(), "600 0 / ");
    ask(one, "%s", finish_sql(ORDERS_MAX / 2 + 1, 1, ORDERS_MAX / 2, "done"));
    ck_assert_str_eq(updates(), "750 0 / ");
    ck_assert_str_eq(ask(one, "SELECT status, count(*) FROM orders GROUP BY 1 ORDER BY 1"),
                     "cancelled 300 / done 300 / ");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cancel_statements");
    TCase *tcase = tcase_create("cancel_statements");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_order_that_waits_is_cancelled_and_its_outcome_comes_too_late);
    tcase_add_test(tcase, an_order_that_has_ended);
    tcase_add_loop_test(tcase, cancelled_again, 0, 2);
    tcase_add_test(tcase, no_order_is_cancelled_before_it_was_created);
    tcase_add_test(tcase, an_id_may_have_been_cancelled_before);
    tcase_add_loop_test(tcase, who_comes_first_wins, 0, (int)UNIT_COUNT(RACES));
    tcase_add_test(tcase, a_cancellation_is_settled_once);
    tcase_add_test(tcase, one_that_is_locked_is_left_for_the_next_time);
    tcase_add_test(tcase,
                   an_order_that_ends_cancelled_without_a_cancellation_has_one_that_is_settled);
    tcase_add_test(tcase, those_that_are_not_settled_are_due_again_and_again);
    tcase_add_test(tcase, replicas_share_what_is_due);
    tcase_add_test(tcase, those_that_hurry_are_due_at_once);
    tcase_add_test(tcase, a_thousand_hurry_at_once);
    tcase_add_test(tcase, after_a_start_a_hundred_thousand_hurry);
    tcase_add_loop_test(tcase, two_batches_over_the_same_orders_do_not_deadlock, 0,
                        2 * (int)UNIT_COUNT(CIRCLES));
    tcase_add_test(tcase, to_end_and_to_be_cancelled_are_hot_updates);
    suite_add_tcase(suite, tcase);
    return database_main(suite);
}
