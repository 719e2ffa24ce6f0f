/*
 * runtime/pg/sqlstate against a real PostgreSQL that this program starts: what each SQLSTATE means,
 * connections that are stale, and sequences that are behind their tables.
 */
#include "base/buf.h"
#include "runtime/telemetry/metrics.h"

#include "pg_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* Each row of the table in sqlstate.c, and what is in none. */
static const struct {
    const char *sqlstate;
    enum err err;
    bool is_stale; /* the connection is made anew */
} CLASSES[] = {
    { "0A000", ERR_UNAVAILABLE, true },    { "26000", ERR_UNAVAILABLE, true },
    { "42P05", ERR_UNAVAILABLE, true },    { "08P01", ERR_UNAVAILABLE, true },
    { "25P03", ERR_UNAVAILABLE, false },   { "25P02", ERR_UNAVAILABLE, true },
    { "25001", ERR_UNAVAILABLE, true },    { "57014", ERR_TIMEOUT, false },
    { "55P03", ERR_LOCKED, false },        { "40001", ERR_CONFLICT, false },
    { "40P01", ERR_CONFLICT, false },      { "40003", ERR_CONFLICT, false },
    { "23505", ERR_DUPLICATE, false },     { "22003", ERR_REJECTED_DATA, false },
    { "22P02", ERR_REJECTED_DATA, false }, { "23514", ERR_REJECTED_DATA, false },
    { "23503", ERR_REJECTED_DATA, false }, { "21000", ERR_REJECTED_DATA, false },
    { "44000", ERR_REJECTED_DATA, false }, { "08006", ERR_UNAVAILABLE, false },
    { "28P01", ERR_UNAVAILABLE, false },   { "3D000", ERR_UNAVAILABLE, false },
    { "3F000", ERR_UNAVAILABLE, false },   { "42P01", ERR_UNAVAILABLE, false },
    { "42703", ERR_UNAVAILABLE, false },   { "42501", ERR_UNAVAILABLE, false },
    { "53100", ERR_UNAVAILABLE, false },   { "53300", ERR_UNAVAILABLE, false },
    { "54001", ERR_UNAVAILABLE, false },   { "55006", ERR_UNAVAILABLE, false },
    { "57P03", ERR_UNAVAILABLE, false },   { "58030", ERR_UNAVAILABLE, false },
    { "XX000", ERR_UNAVAILABLE, false },   { "XX001", ERR_UNAVAILABLE, false },
    { "P0001", ERR_INTERNAL, false },      { "38000", ERR_INTERNAL, false },
    { "U0001", ERR_INTERNAL, false },      { "42804", ERR_UNAVAILABLE, true },
};

START_TEST(each_sqlstate_has_its_error) {
    int64_t pid = run_one(call_of(S_PID))->value;
    ck_assert_int_eq(run_one(call_text(S_RAISE, CLASSES[_i].sqlstate))->err, CLASSES[_i].err);
    ck_assert_int_eq(run_one(call_of(S_PID))->value != pid, CLASSES[_i].is_stale);
}
END_TEST

static int64_t counted(const char *class) {
    char line[128];
    struct buf text;
    buf_init(&text, 0);
    metrics_render(&text);
    buf_append_char(&text, '\0');
    int length =
        snprintf(line, sizeof(line), "\nprodorder_database_errors_total{class=\"%s\"} ", class);
    const char *at = strstr(buf_bytes(&text), line);
    ck_assert_ptr_nonnull(at);
    int64_t value = strtoll(at + length, NULL, 10);
    buf_free(&text);
    return value;
}

START_TEST(errors_are_counted_by_their_class) {
    run_one(call_text(S_RAISE, "53100"));
    run_one(call_text(S_RAISE, "42P01"));
    run_one(call_text(S_RAISE, "22003"));
    ck_assert_int_eq(counted("environment"), 2);
    ck_assert_int_eq(counted("data"), 1);
    ck_assert_int_eq(counted("unknown"), 0);
}
END_TEST

/* ---- locks ---- */

enum { LOCK_MS = 200 };

/* 0: a row, 1: the table. The connection is as good as before, in a session, too. */
START_TEST(what_is_locked_is_waited_for_no_longer_than_the_lock_timeout) {
    struct pg_options options = options_of(1, LONG_MS);
    struct pg_call lock = call_int8(S_LOCK, 1), other_row = call_int8(S_LOCK, 2);
    struct pg_call seeds[] = { insert_of(1, NULL), insert_of(2, NULL) };
    struct pg *other;
    ck_assert_int_eq(run_calls(seeds, 2)->err, ERR_OK);
    options.lock_timeout_ms = LOCK_MS;
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(pg_is_ready(other));
    admin_ask("BEGIN");
    admin_ask(_i == 0 ? "SELECT id FROM things WHERE id = 1 FOR UPDATE" : "LOCK TABLE things");
    for (size_t i = 0; i < 2; i++) {
        uint64_t begin_ms = clock_monotonic_ms();
        if (i == 0) {
            pg_run(other, &lock, 1, note, &outcomes[i]);
        } else {
            pg_begin(other, &lock, 1, note, &outcomes[i]);
        }
        WAIT_FOR(outcomes[i].calls == 1);
        ck_assert_int_eq(outcomes[i].err, ERR_LOCKED);
        ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, LOCK_MS - 10);
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, LOCK_MS * 10);
    }
    pg_run(other, &other_row, 1, note, &outcomes[2]);
    WAIT_FOR(outcomes[2].calls == 1);
    ck_assert_int_eq(outcomes[2].err, _i == 0 ? ERR_OK : ERR_LOCKED);
    admin_ask("COMMIT");
    pg_run(other, &lock, 1, note, &outcomes[3]);
    WAIT_FOR(outcomes[3].calls == 1);
    ck_assert_int_eq(outcomes[3].err, ERR_OK);
    ck_assert_int_eq(counted("locked"), _i == 0 ? 2 : 3);
    pg_close(other);
}
END_TEST

/* ---- stale connections ---- */

static int64_t pids_of(size_t count) {
    int64_t sum = 0;
    struct pg_call pid = call_of(S_PID);
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (struct outcome){ 0 };
        pg_run(pg, &pid, 1, note, &outcomes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        WAIT_FOR(outcomes[i].calls == 1);
        ck_assert_int_eq(outcomes[i].err, ERR_OK);
        sum += outcomes[i].value;
    }
    return sum;
}

/* Both connections have a plan that gives another type now; nobody notices. */
START_TEST(a_column_of_another_type_costs_a_connection_not_a_request) {
    struct pg_call lock = call_int8(S_LOCK, 1);
    run_one(insert_of(1, "a"));
    for (size_t round = 0; round < 2; round++) {
        int64_t pids = pids_of(2);
        admin_ask(round == 0 ? "ALTER TABLE things ALTER id TYPE int"
                             : "ALTER TABLE things ALTER id TYPE bigint");
        for (size_t i = 0; i < 8; i++) {
            outcomes[i] = (struct outcome){ 0 };
            pg_run(pg, &lock, 1, note, &outcomes[i]);
        }
        for (size_t i = 0; i < 8; i++) {
            WAIT_FOR(outcomes[i].calls == 1);
            ck_assert_int_eq(outcomes[i].err, ERR_OK);
            ck_assert_uint_eq(outcomes[i].count, 1);
        }
        ck_assert(pg_is_ready(pg));
        ck_assert_int_ne(pids_of(2), pids);
    }
}
END_TEST

/* Meanwhile others wait: with one connection, too, nobody is told that there is no database. */
START_TEST(statements_that_were_lost_are_prepared_anew) {
    struct pg_call count = call_of(S_COUNT), insert = insert_of(1, "a");
    struct pg_call twice[] = { insert_of(2, "b"), call_of(S_COUNT) };
    ck_assert_int_eq(run_one(call_of(S_FORGET_ALL))->err, ERR_OK);
    pg_run(pg, &insert, 1, note, &outcomes[0]);
    pg_run(pg, twice, 2, note, &outcomes[1]);
    pg_run(pg, &count, 1, note, &outcomes[2]);
    for (size_t i = 0; i < 3; i++) {
        WAIT_FOR(outcomes[i].calls == 1);
        ck_assert_int_eq(outcomes[i].err, ERR_OK);
        ck_assert(pg_is_ready(pg));
    }
    ck_assert_int_eq(outcomes[2].value, 2);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 2); /* once each */
}
END_TEST

START_TEST(a_session_begins_on_a_connection_that_was_made_anew) {
    run_one(call_of(S_FORGET_ALL));
    struct pg_session *session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(session_outcome.err, ERR_OK);
    ck_assert_int_eq(go_on(session, insert_of(2, "b"), true), ERR_OK);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 2);
}
END_TEST

/* 0: continue, 1: commit */
START_TEST(a_session_whose_connection_is_stale_is_repeated_by_its_owner) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(go_on(session, call_of(S_FORGET_ALL), false), ERR_OK);
    ck_assert_int_eq(go_on(session, insert_of(2, "b"), _i == 1), ERR_CONFLICT);
    ck_assert(pg_is_ready(pg));
    session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(session_outcome.err, ERR_OK);
    ck_assert_int_eq(go_on(session, insert_of(2, "b"), true), ERR_OK);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 2);
}
END_TEST

START_TEST(a_rollback_that_fails_ends_the_transaction_all_the_same) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(go_on(session, call_of(S_FORGET_ROLLBACK), false), ERR_OK);
    pg_rollback(session);
    ck_assert_int_eq(run_one(insert_of(2, "b"))->err, ERR_OK);
    ck_assert_int_eq(admin_ask("SELECT sum(id) FROM things"), 2);
}
END_TEST

/* Who waits for a connection is answered when it does not come up, and at the end. */
START_TEST(a_connection_that_cannot_be_made_anew_fails_its_request) {
    struct pg_call count = call_of(S_COUNT);
    run_one(call_of(S_FORGET_ALL));
    admin_ask("ALTER TABLE things RENAME TO others");
    ck_assert_int_eq(run_one(count)->err, ERR_UNAVAILABLE);
    ck_assert(!pg_is_ready(pg));
    admin_ask("ALTER TABLE others RENAME TO things");
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_eq(run_one(count)->err, ERR_OK);
    run_one(call_of(S_FORGET_ALL));
    pg_run(pg, &count, 1, note, &outcomes[0]);
    loop_tick(loop, 0);
    loop_tick(loop, 100);
    pg_close(pg);
    pg = NULL;
    ck_assert_uint_eq(outcomes[0].calls, 1);
    ck_assert_int_eq(outcomes[0].err, ERR_UNAVAILABLE);
}
END_TEST

/*
 * As from a pooler that resets nothing: with statements of whoever had the connection before, here
 * the migration's. Another connection would have them, too.
 */
START_TEST(a_connection_with_somebody_s_statements_is_cleaned) {
    const struct pg_migration migrations[] = {
        MIGRATIONS[0],
        { 9, "CREATE TABLE used AS SELECT pg_backend_pid() AS pid; PREPARE pg_begin AS SELECT 1;"
             "PREPARE pid AS SELECT 7::bigint; PREPARE somebody_s AS SELECT 1" },
        { 0 },
    };
    struct pg_options options = options_of(1, LONG_MS);
    struct pg_call pid = call_of(S_PID);
    struct pg *other;
    options.migrations = migrations;
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(pg_is_ready(other));
    pg_run(other, &pid, 1, note, &outcomes[0]);
    WAIT_FOR(outcomes[0].calls == 1);
    ck_assert_int_eq(outcomes[0].err, ERR_OK);
    ck_assert_int_eq(outcomes[0].value, admin_ask("SELECT pid FROM used"));
    pg_close(other);
}
END_TEST

/* ---- sequences behind their tables ---- */

static bool log_has(int log_file, const char *const *parts) {
    char text[8192] = "";
    log_flush();
    ck_assert_int_ge(pread(log_file, text, sizeof(text) - 1, 0), 0);
    const char *at = strstr(text, *parts);
    for (; at != NULL && *parts != NULL; parts++) {
        at = strstr(at, *parts);
    }
    return at != NULL;
}

static int64_t next_number(void) {
    return admin_ask("SELECT nextval('number_ids')");
}

START_TEST(a_sequence_behind_its_table_is_noticed_at_start) {
    static const char *const SAID[] = {
        "a sequence was behind its table", "number_ids",           "\"nextId\":\"1\"",
        "\"lastIdInTable\":\"77\"",        "\"movedTo\":\"1078\"", NULL
    };
    int log_file = memfd_create("log", MFD_CLOEXEC);
    struct pg_options options = options_of(1, LONG_MS);
    struct pg *others[2];
    log_init("test", LOG_WARN, log_file);
    admin_ask("INSERT INTO numbered VALUES (77)");
    for (size_t i = 0; i < 2; i++) { /* the second finds it moved */
        ck_assert_int_eq(pg_open(loop, &options, &others[i]), ERR_OK);
        WAIT_FOR(pg_is_ready(others[i]));
        ck_assert_int_eq(next_number(), 78 + PG_SEQUENCE_MARGIN * 10 + 10 * (int64_t)i);
        pg_close(others[i]);
    }
    ck_assert(log_has(log_file, SAID));
    close(log_file);
}
END_TEST

static const struct {
    const char *sql;
    int64_t next;
} NOT_BEHIND[] = {
    { "SELECT setval('number_ids', 78, false)", 78 },
    { "INSERT INTO numbered VALUES (78); SELECT setval('number_ids', 71)", 81 },
    { "DELETE FROM numbered", 1 },
    { "INSERT INTO numbered VALUES (9000000000000000000)", 1 }, /* absurd: left alone */
};

START_TEST(a_sequence_that_is_not_behind_stays) {
    struct pg_options options = options_of(1, LONG_MS);
    struct pg *other;
    admin_ask("INSERT INTO numbered VALUES (77)");
    admin_ask(NOT_BEHIND[_i].sql);
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(pg_is_ready(other));
    ck_assert_int_eq(next_number(), NOT_BEHIND[_i].next);
    pg_close(other);
}
END_TEST

/* By a request, at the end of a session, and in its middle. */
START_TEST(a_taken_id_moves_the_sequence_first) {
    admin_ask("INSERT INTO numbered VALUES (1), (500)");
    if (_i == 0) {
        ck_assert_int_eq(run_one(call_int8(S_NUMBER, 1))->err, ERR_TAKEN_ID);
    } else {
        struct pg_session *session = begin_with(insert_of(1, "a"));
        ck_assert_int_eq(go_on(session, call_int8(S_NUMBER, 1), _i == 1), ERR_TAKEN_ID);
    }
    ck_assert(pg_is_ready(pg));
    int64_t next = next_number();
    ck_assert_int_eq(next, 501 + PG_SEQUENCE_MARGIN * 10);
    ck_assert_int_eq(run_one(call_int8(S_NUMBER, next))->err, ERR_OK);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 0);
    ck_assert_int_eq(counted("taken_id"), 1);
}
END_TEST

static Suite *sqlstate_suite(void) {
    Suite *suite = suite_create("sqlstate");
    TCase *one = add_case(suite, "one", setup_one), *two = add_case(suite, "two", setup_two);
    tcase_add_loop_test(one, each_sqlstate_has_its_error, 0, (int)UNIT_COUNT(CLASSES));
    tcase_add_test(one, errors_are_counted_by_their_class);
    tcase_add_loop_test(one, what_is_locked_is_waited_for_no_longer_than_the_lock_timeout, 0, 2);
    tcase_add_test(two, a_column_of_another_type_costs_a_connection_not_a_request);
    tcase_add_test(one, statements_that_were_lost_are_prepared_anew);
    tcase_add_test(one, a_session_begins_on_a_connection_that_was_made_anew);
    tcase_add_loop_test(one, a_session_whose_connection_is_stale_is_repeated_by_its_owner, 0, 2);
    tcase_add_test(one, a_rollback_that_fails_ends_the_transaction_all_the_same);
    tcase_add_test(one, a_connection_that_cannot_be_made_anew_fails_its_request);
    tcase_add_test(one, a_connection_with_somebody_s_statements_is_cleaned);
    tcase_add_test(one, a_sequence_behind_its_table_is_noticed_at_start);
    tcase_add_loop_test(one, a_sequence_that_is_not_behind_stays, 0, (int)UNIT_COUNT(NOT_BEHIND));
    tcase_add_loop_test(one, a_taken_id_moves_the_sequence_first, 0, 3);
    return suite;
}

int main(void) {
    return pg_main(sqlstate_suite());
}
