/*
 * For the tests of runtime/pg: a real PostgreSQL, a pool of one or two connections with a few
 * statements, and a second pair of eyes.
 */
#ifndef PG_FIXTURE_H
#define PG_FIXTURE_H

#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"
#include "runtime/telemetry/log.h"

#include "pg_arrays.h"
#include "throwaway_server.h"
#include "unit.h"

#include <libpq-fe.h>

enum { DEADLINE_MS = 1000, LONG_MS = 30000, OUTCOMES_MAX = 32 };

enum {
    S_ECHO,
    S_UNNEST,
    S_INSERT,
    S_COUNT,
    S_SLEEP,
    S_PID,
    S_RAISE,
    S_LOCK,
    S_RENAME,
    S_FORGET_ALL,
    S_FORGET_ROLLBACK,
    S_NUMBER,
    S_DIVIDE,
    STATEMENTS
};

static const struct pg_statement SQL[STATEMENTS] = {
    [S_ECHO] = { "echo", "SELECT $1::bigint, $2::text, $3::timestamptz, $1::bigint > 0" },
    [S_UNNEST] = { "unnest",
                   "SELECT n, t, at FROM unnest($1::bigint[], $2::text[],"
                   " $3::timestamptz[]) WITH ORDINALITY AS u (n, t, at, place) ORDER BY place" },
    [S_INSERT] = { "insert", "INSERT INTO things (id, name) SELECT * FROM"
                             " unnest($1::bigint[], $2::text[])" },
    [S_COUNT] = { "count", "SELECT count(*) FROM things" },
    [S_SLEEP] = { "sleep", "SELECT pg_sleep($1::bigint / 1000.0)" },
    [S_PID] = { "pid", "SELECT pg_backend_pid()::bigint" },
    [S_RAISE] = { "raise", "SELECT fail_with($1::text)" },
    [S_LOCK] = { "lock", "SELECT id FROM things WHERE id = $1::bigint FOR UPDATE" },
    [S_RENAME] = { "rename", "UPDATE things SET name = $2::text WHERE id = ANY ($1::bigint[])" },
    [S_FORGET_ALL] = { "forget_all", "DEALLOCATE ALL" },
    [S_FORGET_ROLLBACK] = { "forget_rollback", "DEALLOCATE pg_rollback" },
    [S_NUMBER] = { "number", "INSERT INTO numbered SELECT $1::bigint RETURNING id" },
    [S_DIVIDE] = { "divide", "SELECT 1 / $1::bigint" },
};

static const struct pg_statement *const SQL_LIST[STATEMENTS + 1] = {
    &SQL[0], &SQL[1], &SQL[2], &SQL[3],  &SQL[4],  &SQL[5],  &SQL[6],
    &SQL[7], &SQL[8], &SQL[9], &SQL[10], &SQL[11], &SQL[12],
};

#define THINGS                                                                                     \
    {                                                                                              \
        1, "CREATE TABLE things (id bigint PRIMARY KEY, name text UNIQUE DEFERRABLE INITIALLY"     \
           " DEFERRED);"                                                                           \
           "CREATE SEQUENCE number_ids INCREMENT BY 10;"                                           \
           "CREATE TABLE numbered (id bigint PRIMARY KEY);"                                        \
           "CREATE FUNCTION fail_with(state text) RETURNS bigint LANGUAGE plpgsql AS"              \
           " $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = state; END $$"                  \
    }

static const struct pg_migration MIGRATIONS[] = { THINGS, { 0 } };
static const struct pg_sequence SEQUENCES[] = { { "number_ids", "numbered" }, { NULL, NULL } };

struct outcome {
    unsigned calls;
    enum err err;
    size_t count;     /* rows of the first call */
    int64_t affected; /* of the first call */
    int64_t value;    /* its first column, int8 */
};

static struct throwaway server;
static struct loop *loop;
static struct pg *pg;
static PGconn *admin;
static struct arena arena;
static struct outcome outcomes[OUTCOMES_MAX];

static inline struct pg_options options_of(size_t connections, uint32_t deadline_ms) {
    return (struct pg_options){ .host = "127.0.0.1",
                                .port = server.port,
                                .user = "postgres",
                                .password = "unused",
                                .database = "postgres",
                                .application_name = "unit",
                                .connections = connections,
                                .requests_max = OUTCOMES_MAX,
                                .deadline_ms = deadline_ms,
                                .connect_timeout_ms = 5000,
                                .backoff_base_ms = 5,
                                .backoff_cap_ms = 50,
                                .statements = { SQL_LIST },
                                .migrations = MIGRATIONS,
                                .sequences = SEQUENCES };
}

/* ---- a second pair of eyes: plain libpq ---- */

static inline void admin_connect(void) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres dbname=postgres",
             server.port);
    uint64_t end_ms = clock_monotonic_ms() + THROWAWAY_START_MS_MAX;
    for (;;) { /* it listens before it lets anybody in */
        admin = PQconnectdb(conninfo);
        if (PQstatus(admin) == CONNECTION_OK || clock_monotonic_ms() > end_ms) {
            break;
        }
        PQfinish(admin);
        throwaway_pause();
    }
    ck_assert_msg(PQstatus(admin) == CONNECTION_OK, "%s", PQerrorMessage(admin));
}

static inline int64_t admin_ask(const char *sql) {
    PGresult *result = PQexec(admin, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", sql,
                  PQerrorMessage(admin));
    int64_t value = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return value;
}

static inline void admin_terminate(const char *state) {
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
             " application_name = 'unit' AND state LIKE '%s'",
             state);
    ck_assert_int_gt(admin_ask(sql), 0);
}

/* ---- fixture ---- */

/* A backend does not see that its client has gone while it sleeps. */
static inline void end_earlier_backends(void) {
    static const char SQL_TERMINATE[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
        " application_name = 'unit'";
    uint64_t end_ms = clock_monotonic_ms() + THROWAWAY_PATIENCE_MS;
    while (admin_ask(SQL_TERMINATE) > 0) {
        ck_assert_uint_lt(clock_monotonic_ms(), end_ms);
        throwaway_pause();
    }
}

static inline void setup_connections(size_t connections, uint32_t deadline_ms) {
    struct pg_options options = options_of(connections, deadline_ms);
    log_init("test", LOG_LEVELS, 2);
    memset(outcomes, 0, sizeof(outcomes));
    arena_init(&arena, 16 << 20);
    admin_connect();
    admin_ask("SET client_min_messages = warning");
    end_earlier_backends();
    admin_ask("DROP SCHEMA public CASCADE");
    admin_ask("CREATE SCHEMA public");
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    ck_assert_int_eq(pg_open(loop, &options, &pg), ERR_OK);
    WAIT_FOR(pg_is_ready(pg));
}

static inline void setup_one(void) {
    setup_connections(1, DEADLINE_MS);
}

/* For requests that are to be interrupted by nothing but the test. */
static inline void setup_patient(void) {
    setup_connections(1, LONG_MS);
}

static inline void setup_two(void) {
    setup_connections(2, LONG_MS);
    WAIT_FOR(admin_ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'unit'"
                       " AND state = 'idle' AND query = 'SELECT 1 / $1::bigint'") == 2);
    loop_tick(loop, 10);
}

static inline void teardown(void) {
    pg_close(pg);
    loop_destroy(loop);
    arena_done(&arena);
    PQfinish(admin);
}

static inline void note(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outcome *outcome = ctx;
    outcome->calls++;
    outcome->err = err;
    ck_assert((err == ERR_OK) == (rows != NULL));
    if (rows == NULL) {
        return;
    }
    outcome->count = rows[0].count;
    outcome->affected = rows[0].affected;
    if (rows[0].count > 0 && !pg_rows_is_null(&rows[0], 0, 0)) {
        bool is_number = PQgetlength(rows[0].handle, 0, 0) == sizeof(int64_t);
        outcome->value = is_number ? pg_rows_get_int8(&rows[0], 0, 0) : 0;
    }
}

static inline struct pg_call call_of(size_t statement) {
    return (struct pg_call){ .statement = &SQL[statement] };
}

static inline struct pg_call call_int8(size_t statement, int64_t value) {
    struct pg_call call = { .statement = &SQL[statement], .param_count = 1 };
    call.params[0] = pg_int8(value);
    return call;
}

static inline struct pg_call call_text(size_t statement, const char *text) {
    struct pg_call call = { .statement = &SQL[statement], .param_count = 1 };
    call.params[0] = pg_text(str_of(text));
    return call;
}

/* Name NULL: SQL NULL, which is never a duplicate. */
static inline struct pg_call insert_of(int64_t id, const char *name) {
    struct pg_call call = { .statement = &SQL[S_INSERT], .param_count = 2 };
    struct str text = str_of(name);
    call.params[0] = pg_int8_array(&arena, &id, 1);
    call.params[1] = pg_text_array(&arena, &text, 1);
    return call;
}

/* Valid until the next one. */
static inline struct outcome *run_calls(const struct pg_call *calls, size_t count) {
    static struct outcome outcome;
    outcome = (struct outcome){ 0 };
    pg_run(pg, calls, count, note, &outcome);
    ck_assert_uint_eq(outcome.calls, 0); /* never inside the call */
    WAIT_FOR(outcome.calls > 0);
    return &outcome;
}

static inline struct outcome *run_one(struct pg_call call) {
    return run_calls(&call, 1);
}

/* ---- a session, a request at a time ---- */

static struct outcome session_outcome;

static inline struct pg_session *begin_with(struct pg_call call) {
    session_outcome = (struct outcome){ 0 };
    struct pg_session *session = pg_begin(pg, &call, 1, note, &session_outcome);
    ck_assert_uint_eq(session_outcome.calls, 0);
    WAIT_FOR(session_outcome.calls == 1);
    return session;
}

static inline enum err go_on(struct pg_session *session, struct pg_call call, bool commit) {
    session_outcome = (struct outcome){ 0 };
    (commit ? pg_commit : pg_continue)(session, &call, 1, note, &session_outcome);
    ck_assert_uint_eq(session_outcome.calls, 0);
    WAIT_FOR(session_outcome.calls == 1);
    return session_outcome.err;
}

static inline TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

/* Runs the suite against a server of its own. */
static inline int pg_main(Suite *suite) {
    if (!throwaway_postgres_start(&server)) {
        srunner_free(srunner_create(suite));
        return throwaway_skip("PostgreSQL's server (postgresql)");
    }
    int rc = unit_run(suite);
    throwaway_stop(&server);
    return rc;
}

#endif
