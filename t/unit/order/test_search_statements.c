/* link: services/order/statements.c services/contract/key_expiry.c */
/*
 * The search of orders on a real PostgreSQL: what it finds, how far it looks, and how little of
 * a large table it reads.
 */
#include "order/order.h"
#include "order/parts.h"
#include "order/statements.h"

#include "database_fixture.h"

#include <stdio.h>

struct backends backends; /* of key_expiry.c */

static void setup(void) {
    database_open(ORDER_STATEMENTS, NULL, ORDER_MIGRATIONS);
}

/* ---- orders 1 … count, one a second; every third is done, every tenth is rejected ---- */

#define SEARCH_AT_MS INT64_C(1795348800000) /* 2026-11-22 12:00:00Z */
#define NEVER_MS INT64_C(253402300799000)

static void add_to_search(int count) {
    char sql[640];
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents,"
        " status, reason, created_at, updated_at, request_id, traceparent) SELECT i, 7, 1, 1, 1,"
        " CASE WHEN i %% 10 = 0 THEN 'rejected' WHEN i %% 3 = 0 THEN 'done' ELSE 'waiting' END,"
        " CASE WHEN i %% 10 = 0 THEN 'out_of_stock' END, at, at, 'r', 't' FROM"
        " generate_series(1, %d) AS i, LATERAL (SELECT timestamptz '2026-11-22 12:00:00Z'"
        " + i * interval '1 s') AS s (at)",
        count);
    database_execute(sql);
    database_execute("VACUUM ANALYZE orders");
}

/* Ids that were found, and at the end the last id that was looked at, or "-". */
struct found {
    char text[4096];
};

static void note_found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct found *found = ctx;
    size_t length = 0;
    (void)err;
    found->text[0] = '\0';
    for (size_t r = 0; r < rows->count && !pg_rows_is_null(rows, r, 0); r++) {
        length += (size_t)snprintf(found->text + length, sizeof(found->text) - length, "%lld ",
                                   (long long)pg_rows_get_int8(rows, r, 0));
    }
    bool has_last = rows->count > 0 && !pg_rows_is_null(rows, 0, ORDER_COLUMN_COUNT);
    snprintf(found->text + length, sizeof(found->text) - length, has_last ? "/ %lld" : "/ -",
             has_last ? (long long)pg_rows_get_int8(rows, 0, ORDER_COLUMN_COUNT) : 0LL);
}

static const char *search(int64_t before_id, const char *status, int64_t from_s, int64_t to_s,
                          int64_t limit, int64_t look) {
    static struct found found;
    struct pg_call call = { &SQL_ORDER_SEARCH,
                            { pg_int8(before_id), pg_text(str_of(status)),
                              pg_time(from_s == 0 ? 0 : SEARCH_AT_MS + from_s * 1000),
                              pg_time(to_s == 0 ? NEVER_MS : SEARCH_AT_MS + to_s * 1000),
                              pg_int8(limit), pg_int8(look) },
                            6 };
    ck_assert_int_eq(database_run(&call, note_found, &found), ERR_OK);
    return found.text;
}

START_TEST(orders_are_found_by_status_and_time) {
    ck_assert_str_eq(search(INT64_MAX, "", 0, 0, 5, 100), "/ -"); /* there are none */
    add_to_search(1000);
    ck_assert_str_eq(search(INT64_MAX, "", 0, 0, 3, 100), "1000 999 998 / -");
    ck_assert_str_eq(search(998, "", 0, 0, 3, 100), "997 996 995 / -");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 0, 0, 3, 100), "1000 990 980 / -");
    ck_assert_str_eq(search(INT64_MAX, "done", 0, 0, 3, 100), "999 996 993 / -");
    ck_assert_str_eq(search(INT64_MAX, "waiting", 0, 0, 3, 100), "998 997 995 / -");
    ck_assert_str_eq(search(INT64_MAX, "cancelled", 0, 0, 3, 2000), "/ -");
    /* from a time on, before a time; outside of all */
    ck_assert_str_eq(search(INT64_MAX, "", 500, 503, 5, 1000), "502 501 500 / -");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 490, 510, 5, 1000), "500 490 / -");
    ck_assert_str_eq(search(3, "", 0, 0, 5, 1000), "2 1 / -");
    ck_assert_str_eq(search(1, "", 0, 0, 5, 1000), "/ -");
    ck_assert_str_eq(search(INT64_MAX, "", 998, 0, 5, 1000), "1000 999 998 / -");
    ck_assert_str_eq(search(INT64_MAX, "", 0, 3, 5, 1000), "2 1 / -");
    ck_assert_str_eq(search(INT64_MAX, "", 2000, 0, 5, 1000), "/ -");
    ck_assert_str_eq(search(INT64_MAX, "", 0, -2000, 5, 1000), "/ -");
    ck_assert_str_eq(search(INT64_MAX, "", 503, 500, 5, 1000), "/ -");
}
END_TEST

/* A page ends where it is full, or where enough was looked at: then it says how far that was. */
START_TEST(a_search_looks_at_so_many_orders) {
    add_to_search(1000);
    ck_assert_str_eq(search(INT64_MAX, "rejected", 0, 0, 4, 20), "1000 990 / 981");
    ck_assert_str_eq(search(981, "rejected", 0, 0, 4, 20), "980 970 / 961");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 0, 0, 2, 20), "1000 990 / -"); /* it is full */
    ck_assert_str_eq(search(INT64_MAX, "rejected", 0, 0, 2, 1), "1000 / 1000");
    ck_assert_str_eq(search(995, "rejected", 0, 0, 4, 4), "/ 991"); /* none, but there are more */
    ck_assert_str_eq(search(21, "rejected", 0, 0, 4, 20), "20 10 / 1");
    ck_assert_str_eq(search(21, "rejected", 0, 0, 4, 21), "20 10 / -"); /* those were all */
    ck_assert_str_eq(search(1, "rejected", 0, 0, 4, 20), "/ -");
    /* the times bound what is looked at, but for a minute that clocks may differ, which counts only
       before them: a busy minute after them leaves no page empty */
    ck_assert_str_eq(search(INT64_MAX, "rejected", 500, 520, 4, 20), "510 500 / 500");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 500, 520, 4, 80), "510 500 / 440");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 500, 520, 4, 81), "510 500 / -");
}
END_TEST

/* Ids rise with time by the clocks of those who store, which may be half a minute apart. */
START_TEST(a_search_by_time_knows_that_clocks_differ) {
    add_to_search(1000);
    database_execute("UPDATE orders SET created_at = created_at + CASE WHEN id % 2 = 0 THEN"
                     " interval '30 s' ELSE interval '-30 s' END");
    char wanted[256] = "";
    size_t length = 0;
    for (int64_t id = 1000; id >= 1; id--) {
        int64_t at = id + (id % 2 == 0 ? 30 : -30);
        if (at >= 500 && at < 520) {
            length +=
                (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%lld ", (long long)id);
        }
    }
    snprintf(wanted + length, sizeof(wanted) - length, "/ -");
    ck_assert_str_eq(search(INT64_MAX, "", 500, 520, 100, 1000), wanted);
}
END_TEST

/* Ids that were drawn and not used, one after the other and many at once. */
START_TEST(the_id_of_a_time_is_found_between_gaps) {
    PGconn *other = database_other();
    ck_assert_str_eq(database_ask(other, "SELECT order_id_at(now())"), "0 / ");
    add_to_search(1000);
    database_execute("DELETE FROM orders WHERE id % 7 <> 3 OR id BETWEEN 300 AND 600;"
                     "INSERT INTO orders SELECT 1000000000000, 7, 1, 1, 1, 'done', NULL, now(), "
                     "now(), 'r', 't'");
    ck_assert_str_eq(
        database_ask(
            other,
            "SELECT count(*) FROM generate_series(-10, 1200) AS s,"
            " LATERAL (SELECT timestamptz '2026-11-22 12:00:00Z' + s * interval '1 s') AS t (at)"
            " WHERE order_id_at(at) > coalesce((SELECT min(id) FROM orders WHERE"
            " created_at >= at), 1000000000001) OR EXISTS (SELECT FROM orders WHERE"
            " id >= order_id_at(at) AND created_at < at)"),
        "0 / ");
    ck_assert_str_eq(database_ask(other, "SELECT order_id_at('infinity')"), "1000000000001 / ");
    ck_assert_str_eq(database_ask(other, "SELECT order_id_at('-infinity')"), "3 / ");
    PQfinish(other);
}
END_TEST

/* What waits is above the mark; nothing else is. */
START_TEST(a_search_for_those_that_wait_begins_at_the_mark) {
    add_to_search(1000);
    database_execute(
        "UPDATE orders SET status = 'done', reason = NULL WHERE id <= 990 AND status = 'waiting'");
    ck_assert_str_eq(search(INT64_MAX, "waiting", 0, 0, 10, 100), "998 997 995 994 992 991 / 901");
    database_execute("UPDATE order_mark SET low_id = 990");
    ck_assert_str_eq(search(INT64_MAX, "waiting", 0, 0, 10, 100), "998 997 995 994 992 991 / -");
    ck_assert_str_eq(search(995, "waiting", 0, 0, 10, 100), "994 992 991 / -");
    ck_assert_str_eq(search(INT64_MAX, "rejected", 0, 0, 3, 100), "1000 990 980 / -");
    database_execute("DELETE FROM order_mark"); /* after a restore it may be missing */
    ck_assert_str_eq(search(INT64_MAX, "waiting", 0, 0, 10, 10), "998 997 995 994 992 991 / 991");
}
END_TEST

static const struct {
    const char *name, *params;
    int rows_min, rows_max; /* that are read */
} SEARCHES[] = {
    { "all", "9223372036854775807, '', 'epoch', '9999-12-31', 101, 50000", 100, 101 },
    { "a rare status", "9223372036854775807, 'cancelled', 'epoch', '9999-12-31', 101, 50000", 49999,
      50000 },
    { "a common status", "9223372036854775807, 'done', 'epoch', '9999-12-31', 101, 50000", 300,
      500 },
    { "a later page", "150000, 'cancelled', 'epoch', '9999-12-31', 1001, 50000", 49999, 50000 },
    { "a minute",
      "9223372036854775807, '', '2026-11-23 12:00:00Z', '2026-11-23 12:01:00Z', 101, 50000", 120,
      180 },
    { "none", "9223372036854775807, '', '2030-11-23 12:00:00Z', '2030-11-23 12:01:00Z', 101, 50000",
      0, 60 },
    { "waiting", "9223372036854775807, 'waiting', 'epoch', '9999-12-31', 101, 50000", 100, 1000 },
};

/* Rows of the table that this connection has read so far. */
static int64_t rows_read(PGconn *conn) {
    return strtoll(database_ask(conn, "SELECT seq_tup_read + idx_tup_fetch FROM"
                                      " pg_stat_xact_user_tables WHERE relname = 'orders'"),
                   NULL, 10);
}

/* Two scans of the table: to where it begins, and from there; backward, by the primary key. */
static void check_plan(PGconn *conn, const char *params) {
    char sql[256];
    int scans = 0;
    snprintf(sql, sizeof(sql), "EXPLAIN EXECUTE search(%s)", params);
    PGresult *plan = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(plan) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    for (int line = 0; line < PQntuples(plan); line++) {
        const char *text = PQgetvalue(plan, line, 0);
        scans += strstr(text, "Index Scan Backward using orders_pkey on orders") != NULL;
        ck_assert_msg(strstr(text, "Seq Scan on orders") == NULL, "%s", text);
        ck_assert_msg(strstr(text, "Bitmap") == NULL, "%s", text);
    }
    ck_assert_int_eq(scans, 2);
    PQclear(plan);
}

/* By the plan that serves every search (a generic one), of a large table. */
START_TEST(a_search_of_many_orders_reads_few) {
    enum { LOOKS = 200 }; /* of order_id_at(), twice some thirty, and for the ends of the table */
    char sql[256];
    PGconn *other = database_other();
    add_to_search(300000);
    database_ask(other, "UPDATE order_mark SET low_id = 299000;"
                        "SET plan_cache_mode = force_generic_plan");
    PQclear(PQprepare(other, "search", SQL_ORDER_SEARCH.sql, 0, NULL));
    for (size_t i = 0; i < UNIT_COUNT(SEARCHES); i++) {
        check_plan(other, SEARCHES[i].params);
        database_ask(other, "BEGIN");
        int64_t before = rows_read(other);
        snprintf(sql, sizeof(sql), "EXECUTE search(%s)", SEARCHES[i].params);
        PQclear(PQexec(other, sql));
        int64_t read = rows_read(other) - before;
        ck_assert_msg(read <= SEARCHES[i].rows_max + LOOKS, "%s: %lld rows", SEARCHES[i].name,
                      (long long)read);
        ck_assert_msg(read > SEARCHES[i].rows_min, "%s: %lld rows", SEARCHES[i].name,
                      (long long)read);
        database_ask(other, "COMMIT");
    }
    PQfinish(other);
}
END_TEST

static const char *cancelled(int64_t before_id, int64_t from_s, int64_t to_s, int64_t limit) {
    static struct found found;
    struct pg_call call = { &SQL_ORDER_CANCELLED,
                            { pg_int8(before_id), pg_time(SEARCH_AT_MS + from_s * 1000),
                              pg_time(SEARCH_AT_MS + to_s * 1000), pg_int8(limit) },
                            4 };
    ck_assert_int_eq(database_run(&call, note_found, &found), ERR_OK);
    return found.text;
}

START_TEST(cancelled_orders_are_found_in_their_own_table) {
    ck_assert_str_eq(cancelled(INT64_MAX, 0, 5000, 10), "/ -");
    add_to_search(1000);
    database_execute(
        "INSERT INTO cancellations SELECT id, created_at, 7, 1, now(), CASE WHEN id > 9"
        " THEN now() END, 0, now(), 'r', 't', NULL FROM orders WHERE id < 400 AND id % 9 = 0;"
        "UPDATE orders SET status = 'cancelled', reason = NULL WHERE id < 400 AND id % 9 = 0");
    ck_assert_str_eq(cancelled(INT64_MAX, 0, 5000, 3), "396 387 378 / -");
    ck_assert_str_eq(cancelled(378, 0, 5000, 3), "369 360 351 / -");
    ck_assert_str_eq(cancelled(28, 0, 5000, 10), "27 18 9 / -");
    ck_assert_str_eq(cancelled(INT64_MAX, 90, 108, 10), "99 90 / -");
    ck_assert_str_eq(search(100, "cancelled", 0, 0, 3, 50), "99 90 81 / -"); /* the same, slowly */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_statements");
    TCase *tcase = tcase_create("search_statements");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, database_close);
    tcase_add_test(tcase, orders_are_found_by_status_and_time);
    tcase_add_test(tcase, a_search_looks_at_so_many_orders);
    tcase_add_test(tcase, a_search_by_time_knows_that_clocks_differ);
    tcase_add_test(tcase, the_id_of_a_time_is_found_between_gaps);
    tcase_add_test(tcase, a_search_for_those_that_wait_begins_at_the_mark);
    tcase_add_test(tcase, a_search_of_many_orders_reads_few);
    tcase_add_test(tcase, cancelled_orders_are_found_in_their_own_table);
    suite_add_tcase(suite, tcase);
    return database_main(suite);
}
