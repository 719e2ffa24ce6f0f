/* link: t/unit/fake_names.c */
/*
 * runtime/pg/pg against a real PostgreSQL that this program starts: transactions, sessions, and
 * connections that are lost in every state. (test_rows.c: what goes through them; test_sqlstate.c:
 * errors.)
 */
#include "fake_names.h"
#include "pg_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* ---- transactions ---- */

START_TEST(calls_of_a_request_are_one_transaction) {
    struct pg_call calls[] = { insert_of(1, "a"), insert_of(2, "b"), call_of(S_COUNT) };
    struct outcome *outcome = run_calls(calls, 3);
    ck_assert_int_eq(outcome->err, ERR_OK);
    ck_assert_int_eq(outcome->affected, 1);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 2);
    struct pg_call bad[] = { insert_of(3, "c"), call_int8(S_DIVIDE, 0), insert_of(4, "d") };
    ck_assert_int_eq(run_calls(bad, 3)->err, ERR_REJECTED_DATA);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 2);
}
END_TEST

START_TEST(affected_rows_are_counted) {
    int64_t ids[] = { 1, 2, 9 };
    struct pg_call calls[] = { insert_of(1, NULL), insert_of(2, NULL) };
    struct pg_call rename = { .statement = &SQL[S_RENAME], .param_count = 2 };
    run_calls(calls, 2);
    rename.params[0] = pg_int8_array(&arena, ids, 3);
    rename.params[1] = pg_null();
    ck_assert_int_eq(run_one(rename)->affected, 2);
}
END_TEST

START_TEST(a_duplicate_key_is_a_duplicate) {
    ck_assert_int_eq(run_one(insert_of(1, NULL))->err, ERR_OK);
    ck_assert_int_eq(run_one(insert_of(1, NULL))->err, ERR_DUPLICATE);
}
END_TEST

START_TEST(a_slow_statement_ends_at_its_deadline) {
    int64_t pid = run_one(call_of(S_PID))->value;
    uint64_t begin_ms = clock_monotonic_ms();
    ck_assert_int_eq(run_one(call_int8(S_SLEEP, 60000))->err, ERR_TIMEOUT);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, DEADLINE_MS - 10);
    ck_assert_int_eq(run_one(call_of(S_PID))->value, pid);
}
END_TEST

START_TEST(a_server_that_does_not_answer_loses_its_connection) {
    pid_t pid = (pid_t)run_one(call_of(S_PID))->value;
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    enum err err = run_one(call_of(S_COUNT))->err;
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert_int_eq(err, ERR_TIMEOUT);
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_ne(run_one(call_of(S_PID))->value, pid);
}
END_TEST

START_TEST(a_parameter_without_memory_fails_its_request) {
    struct pg_call call = call_int8(S_DIVIDE, 1);
    call.params[0].length = -1;
    ck_assert_int_eq(run_one(call)->err, ERR_NO_MEMORY);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->err, ERR_OK);
}
END_TEST

START_TEST(more_requests_than_connections_wait_their_turn) {
    struct pg_call pid = call_of(S_PID);
    for (size_t i = 0; i < OUTCOMES_MAX; i++) {
        pg_run(pg, &pid, 1, note, &outcomes[i]);
    }
    for (size_t i = 0; i < OUTCOMES_MAX; i++) {
        WAIT_FOR(outcomes[i].calls > 0);
        ck_assert_int_eq(outcomes[i].err, ERR_OK);
    }
    for (size_t i = 0; i < OUTCOMES_MAX; i++) {
        ck_assert_uint_eq(outcomes[i].calls, 1);
    }
}
END_TEST

/* ---- sessions ---- */

START_TEST(a_session_commits_what_its_requests_did) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(session_outcome.affected, 1); /* BEGIN's own result is not among the rows */
    ck_assert_int_eq(go_on(session, insert_of(2, "b"), false), ERR_OK);
    ck_assert_int_eq(go_on(session, call_of(S_COUNT), false), ERR_OK);
    ck_assert_int_eq(session_outcome.value, 2);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 0);
    ck_assert_int_eq(go_on(session, insert_of(3, "c"), true), ERR_OK);
    ck_assert_int_eq(session_outcome.affected, 1);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 3);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 3);
}
END_TEST

static void note_end(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outcome *outcome = ctx;
    (void)rows; /* of no call */
    outcome->calls++;
    outcome->err = err;
}

START_TEST(a_commit_needs_no_call) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    pg_commit(session, NULL, 0, note_end, &outcomes[0]);
    WAIT_FOR(outcomes[0].calls == 1);
    ck_assert_int_eq(outcomes[0].err, ERR_OK);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM things"), 1);
}
END_TEST

START_TEST(a_rollback_leaves_nothing_and_frees_the_connection) {
    pg_rollback(begin_with(insert_of(1, "a")));
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
    struct pg_session *session =
        begin_with(insert_of(1, "a")); /* the one connection serves again */
    ck_assert_int_eq(go_on(session, call_of(S_COUNT), true), ERR_OK);
    ck_assert_int_eq(session_outcome.value, 1);
}
END_TEST

START_TEST(an_error_in_the_middle_rolls_back) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    ck_assert_int_eq(go_on(session, call_int8(S_DIVIDE, 0), _i == 1), ERR_REJECTED_DATA);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

START_TEST(an_error_at_the_beginning_rolls_back) {
    begin_with(call_int8(S_DIVIDE, 0));
    ck_assert_int_eq(session_outcome.err, ERR_REJECTED_DATA);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

START_TEST(the_commit_itself_may_fail) {
    ck_assert_int_eq(run_one(insert_of(1, "same"))->err, ERR_OK);
    struct pg_session *session =
        begin_with(insert_of(2, "same")); /* looked at by the COMMIT only */
    ck_assert_int_eq(session_outcome.err, ERR_OK);
    ck_assert_int_eq(go_on(session, call_of(S_COUNT), true), ERR_DUPLICATE);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 1);
}
END_TEST

START_TEST(a_parameter_without_memory_rolls_back) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    struct pg_call call = call_int8(S_DIVIDE, 1);
    call.params[0].length = -1;
    ck_assert_int_eq(go_on(session, call, _i == 1), ERR_NO_MEMORY);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

START_TEST(a_session_that_is_left_alone_is_ended_by_the_server) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    WAIT_FOR(!pg_is_ready(pg)); /* idle_in_transaction_session_timeout */
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_eq(go_on(session, call_of(S_COUNT), true), ERR_UNAVAILABLE);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

START_TEST(a_deadlock_is_a_conflict_for_one_of_the_two) {
    struct pg_call seeds[] = { insert_of(1, NULL), insert_of(2, NULL) };
    struct pg_session *sessions[2];
    ck_assert_int_eq(run_calls(seeds, 2)->err, ERR_OK);
    for (size_t i = 0; i < 2; i++) {
        sessions[i] = begin_with(call_int8(S_LOCK, (int64_t)i + 1));
        ck_assert_int_eq(session_outcome.err, ERR_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        struct pg_call other = call_int8(S_LOCK, 2 - (int64_t)i);
        pg_commit(sessions[i], &other, 1, note, &outcomes[i]);
    }
    WAIT_FOR(outcomes[0].calls == 1 && outcomes[1].calls == 1);
    ck_assert_int_eq((outcomes[0].err == ERR_CONFLICT) + (outcomes[1].err == ERR_CONFLICT), 1);
    ck_assert_int_eq((outcomes[0].err == ERR_OK) + (outcomes[1].err == ERR_OK), 1);
}
END_TEST

/* ---- lost connections ---- */

START_TEST(an_idle_connection_that_is_killed_comes_back) {
    int64_t pid = run_one(call_of(S_PID))->value;
    admin_terminate("idle");
    WAIT_FOR(!pg_is_ready(pg));
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_ne(run_one(call_of(S_PID))->value, pid);
}
END_TEST

START_TEST(a_busy_connection_that_is_killed_fails_its_request) {
    struct pg_call sleep = call_int8(S_SLEEP, LONG_MS);
    pg_run(pg, &sleep, 1, note, &outcomes[0]);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1);
    admin_terminate("active");
    WAIT_FOR(outcomes[0].calls == 1);
    ck_assert_int_eq(outcomes[0].err, ERR_UNAVAILABLE);
    ck_assert_int_eq(run_one(call_of(S_COUNT))->err, ERR_UNAVAILABLE); /* at once: none is up */
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_eq(run_one(call_of(S_COUNT))->err, ERR_OK);
    ck_assert_uint_eq(outcomes[0].calls, 1);
}
END_TEST

/* 0: continue, 1: commit, 2: rollback */
START_TEST(a_held_connection_that_is_killed_fails_the_next_request) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    admin_terminate("idle in transaction");
    WAIT_FOR(!pg_is_ready(pg));
    ck_assert_uint_eq(session_outcome.calls, 1);
    if (_i == 2) {
        pg_rollback(session);
    } else {
        ck_assert_int_eq(go_on(session, call_of(S_COUNT), _i == 1), ERR_UNAVAILABLE);
    }
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

/* The loss is not yet known when the next request is made. */
START_TEST(a_held_connection_that_was_killed_unnoticed) {
    struct pg_session *session = begin_with(insert_of(1, "a"));
    admin_terminate("idle in transaction");
    ck_assert_int_eq(go_on(session, call_of(S_COUNT), _i == 1), ERR_UNAVAILABLE);
    WAIT_FOR(pg_is_ready(pg));
    ck_assert_int_eq(run_one(call_of(S_COUNT))->value, 0);
}
END_TEST

START_TEST(one_of_two_connections_carries_on) {
    struct pg_call sleep = call_int8(S_SLEEP, LONG_MS);
    pg_run(pg, &sleep, 1, note, &outcomes[0]);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1);
    admin_terminate("active");
    ck_assert_int_eq(run_one(call_of(S_COUNT))->err, ERR_OK);
    WAIT_FOR(outcomes[0].calls == 1);
    ck_assert_int_eq(outcomes[0].err, ERR_UNAVAILABLE);
}
END_TEST

/* ---- open and close ---- */

START_TEST(without_a_server_requests_fail_at_once) {
    struct pg *other = NULL;
    struct pg_options options = options_of(2, DEADLINE_MS);
    struct pg_call count = call_of(S_COUNT);
    options.port = throwaway_port();
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    pg_run(other, &count, 1, note, &outcomes[0]);
    ck_assert_uint_eq(outcomes[0].calls, 0);
    WAIT_FOR(outcomes[0].calls == 1);
    ck_assert_int_eq(outcomes[0].err, ERR_UNAVAILABLE);
    ck_assert(!pg_is_ready(other));
    pg_close(other);
}
END_TEST

static unsigned times_ready;

static void note_ready(void) {
    struct pg_call count = call_of(S_COUNT);
    pg_run(pg, &count, 1, note, &outcomes[times_ready++]);
}

/* What comes up may be another database than before: it is looked at, before anybody asks it. */
START_TEST(a_database_that_comes_up_is_looked_at_first) {
    struct pg_options options = options_of(1, DEADLINE_MS);
    struct pg_call count = call_of(S_COUNT);
    pg_close(pg);
    times_ready = 0;
    options.waits = true;
    options.on_ready = note_ready;
    options.first_sql = "INSERT INTO things (id) SELECT 1 + count(*) FROM things;";
    ck_assert_int_eq(pg_open(loop, &options, &pg), ERR_OK);
    pg_run(pg, &count, 1, note, &outcomes[5]);
    WAIT_FOR(outcomes[5].calls == 1);
    ck_assert_int_eq(outcomes[5].err, ERR_UNAVAILABLE); /* it waits */
    ck_assert_uint_eq(times_ready, 0);
    pg_go(pg);
    for (unsigned i = 0; i < 2; i++) {
        WAIT_FOR(times_ready == i + 1 && outcomes[i].calls == 1);
        ck_assert_int_eq(outcomes[i].err, ERR_OK);
        ck_assert_int_eq(outcomes[i].value, i + 1);
        if (i == 0) {
            admin_terminate("idle");
        }
    }
}
END_TEST

/* Nobody listens on the first address of the name, which itself is not there from the beginning. */
START_TEST(the_address_with_the_server_is_found) {
    static const char *const ADDRESSES[] = { "127.0.0.2", "127.0.0.1", NULL };
    struct pg *other = NULL;
    struct pg_options options = options_of(2, DEADLINE_MS);
    options.host = FAKE_NAME;
    fake_names_set(NULL);
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(fake_names_lookups() == 1);
    ck_assert(!pg_is_ready(other));
    fake_names_set(ADDRESSES);
    WAIT_FOR(pg_is_ready(other));
    pg_close(other);
}
END_TEST

START_TEST(closing_ends_what_is_under_way_and_what_waits) {
    struct pg_call sleep = call_int8(S_SLEEP, LONG_MS);
    for (size_t i = 0; i < 3; i++) {
        pg_run(pg, &sleep, 1, note, &outcomes[i]);
    }
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1);
    pg_close(pg);
    pg = NULL;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(outcomes[i].calls, 1);
        ck_assert_int_eq(outcomes[i].err, ERR_UNAVAILABLE);
    }
    loop_tick(loop, 0);
}
END_TEST

static void ask_again(void *ctx, enum err err, const struct pg_rows *rows) {
    struct pg_call without_memory = call_int8(S_SLEEP, 0);
    without_memory.params[0].length = -1;
    note(ctx, err, rows);
    pg_run(pg, &without_memory, 1, note, &outcomes[1]);
}

START_TEST(what_is_asked_for_while_closing_is_answered) {
    struct pg_call sleep = call_int8(S_SLEEP, LONG_MS);
    struct pg_call count = call_of(S_COUNT);
    pg_run(pg, &sleep, 1, note, &outcomes[2]);
    loop_tick(loop, 0);
    pg_run(pg, &count, 1, ask_again, &outcomes[0]); /* waits for the only connection */
    pg_close(pg);
    pg = NULL;
    ck_assert_uint_eq(outcomes[0].calls, 1);
    ck_assert_uint_eq(outcomes[1].calls, 1);
    ck_assert_int_eq(outcomes[1].err, ERR_NO_MEMORY);
}
END_TEST

static struct pg_session *held_session;

static void roll_back_held(void *ctx, enum err err, const struct pg_rows *rows) {
    note(ctx, err, rows);
    pg_rollback(held_session);
}

/*
 * What order_created.c does when its ids cannot be fetched: the session ends in another's callback.
 */
START_TEST(closing_while_a_session_is_held) {
    struct pg_call count = call_of(S_COUNT);
    held_session = begin_with(insert_of(1, "a"));
    pg_run(pg, &count, 1, roll_back_held, &outcomes[0]);
    loop_tick(loop, 0);
    pg_close(pg);
    pg = NULL;
    ck_assert_uint_eq(outcomes[0].calls, 1);
    ck_assert_int_eq(outcomes[0].err, ERR_UNAVAILABLE);
    uint64_t end_ms = clock_monotonic_ms() + 100; /* no timer of it may be left */
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 2);
    }
}
END_TEST

static const struct pg_migration LATER[] = {
    THINGS,
    { 2, "CREATE TABLE later (id bigint); INSERT INTO later VALUES (1)" },
    { 0 },
};

START_TEST(migrations_are_applied_once_whoever_comes_first) {
    struct pg_options options = options_of(2, DEADLINE_MS);
    struct pg *others[2];
    options.migrations = LATER;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pg_open(loop, &options, &others[i]), ERR_OK);
    }
    WAIT_FOR(pg_is_ready(others[0]) && pg_is_ready(others[1]));
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM later"), 1);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM schema_migrations"), 2);
    pg_close(others[0]);
    pg_close(others[1]);
}
END_TEST

static const struct pg_migration WIDER[] = {
    THINGS,
    { 2, "ALTER TABLE things ADD COLUMN more text" },
    { 0 },
};

/* While somebody reads `things` in a transaction that does not end, others go on reading it. */
START_TEST(a_migration_that_cannot_have_its_table_lets_others_pass) {
    char text[8192] = "";
    int log_file = memfd_create("log", MFD_CLOEXEC);
    struct pg_call count = call_of(S_COUNT);
    struct pg_options options = options_of(1, LONG_MS);
    struct pg *other;
    options.migrations = WIDER;
    log_init("test", LOG_WARN, log_file);
    admin_ask("SET application_name = 'report'");
    admin_ask("BEGIN");
    admin_ask("SELECT count(*) FROM things");
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
    uint64_t begin_ms = clock_monotonic_ms();
    ck_assert_int_eq(run_one(count)->err, ERR_OK);
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, 4000); /* it gave up, and pauses */
    ck_assert(!pg_is_ready(other));
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1); /* again */
    admin_ask("COMMIT");
    WAIT_FOR(pg_is_ready(other));
    ck_assert_int_eq(admin_ask("SELECT count(more) FROM things"), 0);
    pg_close(other);
    log_flush();
    ck_assert_int_gt(pread(log_file, text, sizeof(text) - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(text, "migration 2 waits for a table"));
    ck_assert_ptr_nonnull(strstr(text, "(report), since "));
    ck_assert_ptr_nonnull(strstr(text, "schema not migrated yet, trying again"));
    close(log_file);
}
END_TEST

static const struct pg_migration LAST_WIDER[] = {
    THINGS,
    { 2, "CREATE TABLE later (id bigint)" },
    { 3, "ALTER TABLE things ADD COLUMN more text" },
    { 0 },
};

/* Each has a transaction of its own: what is before one that waits is there, with no lock held. */
START_TEST(a_migration_that_waits_undoes_itself_only) {
    struct pg_options options = options_of(1, LONG_MS);
    struct pg *other;
    options.migrations = LAST_WIDER;
    admin_ask("BEGIN");
    admin_ask("SELECT count(*) FROM things");
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
    ck_assert_int_eq(admin_ask("SELECT count(*) FROM later"), 0);
    ck_assert_int_eq(admin_ask("SELECT max(version) FROM schema_migrations"), 2);
    admin_ask("COMMIT");
    WAIT_FOR(pg_is_ready(other));
    ck_assert_int_eq(admin_ask("SELECT max(version) FROM schema_migrations"), 3);
    pg_close(other);
}
END_TEST

/* Three batches, each of its own transaction; not at the next start. */
START_TEST(what_is_first_is_repeated_while_it_says_so) {
    struct pg_options options = options_of(1, LONG_MS);
    options.migrations = LAST_WIDER;
    options.first_sql = "INSERT INTO later SELECT pg_current_xact_id()::text::bigint"
                        " WHERE (SELECT count(*) FROM later) < 3;"
                        "SELECT count(*) < 3 FROM later";
    for (int start = 0; start < 2; start++) {
        struct pg *other;
        ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
        WAIT_FOR(pg_is_ready(other));
        ck_assert_int_eq(admin_ask("SELECT count(DISTINCT id) FROM later"), 3);
        pg_close(other);
    }
}
END_TEST

/* A server that goes away during the pause is found again. */
START_TEST(a_connection_lost_while_a_migration_pauses_comes_back) {
    struct pg_options options = options_of(1, LONG_MS);
    struct pg *other;
    options.migrations = WIDER;
    options.application_name = "other";
    admin_ask("BEGIN");
    admin_ask("SELECT count(*) FROM things");
    ck_assert_int_eq(pg_open(loop, &options, &other), ERR_OK);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0);
    admin_ask("COMMIT");
    ck_assert_int_eq(admin_ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                               " WHERE application_name = 'other'"),
                     1);
    WAIT_FOR(pg_is_ready(other));
    pg_close(other);
}
END_TEST

static Suite *pg_suite(void) {
    Suite *suite = suite_create("pg");
    TCase *one = add_case(suite, "one", setup_one);
    TCase *patient = add_case(suite, "patient", setup_patient),
          *two = add_case(suite, "two", setup_two);
    tcase_add_test(one, calls_of_a_request_are_one_transaction);
    tcase_add_test(one, affected_rows_are_counted);
    tcase_add_test(one, a_duplicate_key_is_a_duplicate);
    tcase_add_test(one, a_slow_statement_ends_at_its_deadline);
    tcase_add_test(one, a_server_that_does_not_answer_loses_its_connection);
    tcase_add_test(one, a_parameter_without_memory_fails_its_request);
    tcase_add_test(two, more_requests_than_connections_wait_their_turn);
    tcase_add_test(one, a_session_commits_what_its_requests_did);
    tcase_add_test(one, a_commit_needs_no_call);
    tcase_add_test(one, a_rollback_leaves_nothing_and_frees_the_connection);
    tcase_add_loop_test(one, an_error_in_the_middle_rolls_back, 0, 2);
    tcase_add_test(one, an_error_at_the_beginning_rolls_back);
    tcase_add_test(one, the_commit_itself_may_fail);
    tcase_add_loop_test(one, a_parameter_without_memory_rolls_back, 0, 2);
    tcase_add_test(one, a_session_that_is_left_alone_is_ended_by_the_server);
    tcase_add_test(two, a_deadlock_is_a_conflict_for_one_of_the_two);
    tcase_add_test(one, an_idle_connection_that_is_killed_comes_back);
    tcase_add_test(patient, a_busy_connection_that_is_killed_fails_its_request);
    tcase_add_loop_test(patient, a_held_connection_that_is_killed_fails_the_next_request, 0, 3);
    tcase_add_loop_test(patient, a_held_connection_that_was_killed_unnoticed, 0, 2);
    tcase_add_test(two, one_of_two_connections_carries_on);
    tcase_add_test(one, without_a_server_requests_fail_at_once);
    tcase_add_test(one, a_database_that_comes_up_is_looked_at_first);
    tcase_add_test(one, the_address_with_the_server_is_found);
    tcase_add_test(patient, closing_ends_what_is_under_way_and_what_waits);
    tcase_add_test(patient, what_is_asked_for_while_closing_is_answered);
    tcase_add_test(patient, closing_while_a_session_is_held);
    tcase_add_test(one, migrations_are_applied_once_whoever_comes_first);
    tcase_add_test(patient, a_migration_that_cannot_have_its_table_lets_others_pass);
    tcase_add_test(patient, a_connection_lost_while_a_migration_pauses_comes_back);
    tcase_add_test(patient, a_migration_that_waits_undoes_itself_only);
    tcase_add_test(one, what_is_first_is_repeated_while_it_says_so);
    return suite;
}

int main(void) {
    return pg_main(pg_suite());
}
