/*
 * For the tests of a service's SQL: its migrations on a real PostgreSQL, its statements through
 * pg.h. main() starts the server; each test begins with an empty schema.
 */
#ifndef DATABASE_FIXTURE_H
#define DATABASE_FIXTURE_H

#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"
#include "runtime/telemetry/log.h"

#include "pg_arrays.h"
#include "throwaway_server.h"
#include "unit.h"

#include <libpq-fe.h>

enum { DATABASE_LOCK_MS = 200 };

static size_t database_connections = 1; /* of the next database_connect() */
static struct throwaway database_server;
static struct loop *loop;
static struct pg *pg;
static struct arena arena;

/* Run a script as the administrator; the test fails when it does. */
static inline void database_execute(const char *sql) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres dbname=postgres",
             database_server.port);
    uint64_t end_ms = clock_monotonic_ms() + THROWAWAY_START_MS_MAX;
    for (;;) { /* it listens before it lets anybody in */
        PGconn *admin = PQconnectdb(conninfo);
        bool up = PQstatus(admin) == CONNECTION_OK;
        if (up) {
            PGresult *result = PQexec(admin, sql);
            ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(admin));
            PQclear(result);
        }
        PQfinish(admin);
        if (up) {
            return;
        }
        ck_assert_uint_lt(clock_monotonic_ms(), end_ms);
        throwaway_pause();
    }
}

/*
 * Two lists of statements (NULL: none), the migrations and sequences (NULL: none) of a service, on
 * the schema as it is. The test fails when they are not taken.
 */
static inline void database_connect(const struct pg_statement *const *first,
                                    const struct pg_statement *const *second,
                                    const struct pg_migration *migrations,
                                    const struct pg_sequence *sequences) {
    struct pg_options options = { .host = "127.0.0.1",
                                  .port = database_server.port,
                                  .user = "postgres",
                                  .password = "unused",
                                  .database = "postgres",
                                  .application_name = "unit",
                                  .connections = database_connections,
                                  .requests_max = 8 * database_connections,
                                  .deadline_ms = 10000,
                                  .lock_timeout_ms = DATABASE_LOCK_MS,
                                  .connect_timeout_ms = 5000,
                                  .backoff_base_ms = 5,
                                  .backoff_cap_ms = 50,
                                  .statements = { first, second },
                                  .migrations = migrations,
                                  .sequences = sequences };
    log_init("test", LOG_ERROR, 2);
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    ck_assert_int_eq(pg_open(loop, &options, &pg), ERR_OK);
    WAIT_FOR(pg_is_ready(pg)); /* not when migrations or statements are refused */
}

/* The same on an empty schema. */
static inline void database_open(const struct pg_statement *const *first,
                                 const struct pg_statement *const *second,
                                 const struct pg_migration *migrations) {
    database_execute("SET client_min_messages = error; DROP SCHEMA public CASCADE;"
                     "CREATE SCHEMA public");
    database_connect(first, second, migrations, NULL);
}

static inline int database_statement_count(const struct pg_statement *const *list) {
    int count = 0;
    while (list[count] != NULL) {
        count++;
    }
    return count;
}

static inline void database_close(void) {
    pg_close(pg);
    loop_destroy(loop);
    arena_done(&arena);
}

struct database_run_state {
    bool done;
    enum err err;
    pg_fn *fn;
    void *ctx;
};

static inline void database_note(void *ctx, enum err err, const struct pg_rows *rows) {
    struct database_run_state *state = ctx;
    state->done = true;
    state->err = err;
    if (err == ERR_OK && state->fn != NULL) {
        state->fn(state->ctx, err, rows);
    }
}

/* Run `call`; `fn` sees its rows (may be NULL). */
static inline enum err database_run(const struct pg_call *call, pg_fn *fn, void *ctx) {
    struct database_run_state state = { .fn = fn, .ctx = ctx };
    pg_run(pg, call, 1, database_note, &state);
    WAIT_FOR(state.done);
    return state.err;
}

/* The rows as text: columns by their letters (i int8, t text, T time, b bool), "-" for NULL. */
struct database_text {
    const char *types;
    char text[4096];
};

static inline void database_to_text(void *ctx, enum err err, const struct pg_rows *rows) {
    struct database_text *out = ctx;
    size_t length = 0;
    (void)err;
    out->text[0] = '\0';
    for (size_t row = 0; row < rows[0].count; row++) {
        for (int column = 0; out->types[column] != '\0'; column++) {
            char *at = out->text + length;
            size_t room = sizeof(out->text) - length;
            int wrote = 0;
            if (pg_rows_is_null(rows, row, column)) {
                wrote = snprintf(at, room, "- ");
            } else if (out->types[column] == 't') {
                struct str text = pg_rows_get_text(rows, row, column);
                wrote = snprintf(at, room, "%.*s ", (int)text.len, text.data);
            } else if (out->types[column] == 'b') {
                wrote = snprintf(at, room, "%d ", pg_rows_get_bool(rows, row, column));
            } else {
                int64_t value = out->types[column] == 'T' ? pg_rows_get_time(rows, row, column)
                                                          : pg_rows_get_int8(rows, row, column);
                wrote = snprintf(at, room, "%lld ", (long long)value);
            }
            length += (size_t)wrote;
        }
        length += (size_t)snprintf(out->text + length, sizeof(out->text) - length, "/ ");
    }
}

/* The rows of a call that succeeds, as text in static memory. */
static inline const char *database_rows(const struct pg_call *call, const char *types) {
    static struct database_text out;
    out.types = types;
    ck_assert_int_eq(database_run(call, database_to_text, &out), ERR_OK);
    return out.text;
}

/* Somebody else's connection, and in it the rows of one statement as text: "1 / 2 / ". */
static inline PGconn *database_other(void) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres dbname=postgres",
             database_server.port);
    PGconn *other = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(other) == CONNECTION_OK, "%s", PQerrorMessage(other));
    return other;
}

static inline const char *database_ask(PGconn *other, const char *sql) {
    static char text[256];
    size_t length = 0;
    PGresult *result = PQexec(other, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", sql,
                  PQerrorMessage(other));
    text[0] = '\0';
    for (int row = 0; PQnfields(result) > 0 && row < PQntuples(result); row++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s / ",
                                   PQgetvalue(result, row, 0));
    }
    PQclear(result);
    return text;
}

/*
 * What a service's …_LOCKED statement promises of rows 1, 2, 3 of `table`, of which it is asked for
 * 3, 1, 3 and 9. `change` is what waits for them; `lock` is what locks a row as that does.
 */
static inline void database_check_locked(const char *table, const char *lock,
                                         const struct pg_call *change,
                                         const struct pg_call *locked) {
    char lock_first[128], lock_all[128], few[128], all[128];
    PGconn *holder = database_other(), *asker = database_other(), *third = database_other();
    snprintf(lock_first, sizeof(lock_first), "SELECT FROM %s WHERE id < 2 %s", table, lock);
    snprintf(lock_all, sizeof(lock_all), "SELECT FROM %s %s", table, lock);
    snprintf(few, sizeof(few), "SELECT locked_%s('{3,2,1}', 100, 150)", table);
    snprintf(all, sizeof(all), "SELECT locked_%s('{3,2,1,9}', 10, 30000)", table);
    ck_assert_str_eq(database_rows(locked, "i"), "");
    database_ask(holder, "BEGIN");
    database_ask(holder, lock_first);
    uint64_t begin_ms = clock_monotonic_ms();
    ck_assert_int_eq(database_run(change, NULL, NULL), ERR_LOCKED);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, DATABASE_LOCK_MS - 10);
    ck_assert_str_eq(database_rows(locked, "i"), "1 / ");
    /* whoever asks has no lock afterwards, and the lock_timeout that it had */
    database_ask(asker, "BEGIN; SET LOCAL lock_timeout = '7 s'");
    ck_assert_str_eq(database_ask(asker, all), "1 / ");
    ck_assert_str_eq(database_ask(asker, "SHOW lock_timeout"), "7s / ");
    database_ask(holder, "COMMIT; BEGIN");
    database_ask(third, "BEGIN; SET LOCAL lock_timeout = '1 s'");
    database_ask(third, lock_all);
    database_ask(third, "COMMIT");
    /* in all no longer than it is told: the others are not named */
    database_ask(holder, lock_all);
    ck_assert_str_eq(database_ask(asker, all), "1 / 2 / 3 / ");
    begin_ms = clock_monotonic_ms();
    ck_assert_str_ne(database_ask(asker, few), "1 / 2 / 3 / ");
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, 100);
    database_ask(holder, "COMMIT");
    ck_assert_int_eq(database_run(change, NULL, NULL), ERR_OK);
    PQfinish(holder);
    PQfinish(asker);
    PQfinish(third);
}

/* The types of what each statement of the list returns, as text: what the C side reads (pg.h). */
static inline void database_types(const struct pg_statement *const *list, char *out, size_t room) {
    PGconn *admin = database_other();
    size_t length = 0;
    for (; *list != NULL; list++) {
        PQclear(PQprepare(admin, (*list)->name, (*list)->sql, 0, NULL));
        PGresult *result = PQdescribePrepared(admin, (*list)->name);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(admin));
        length += (size_t)snprintf(out + length, room - length, "%s:", (*list)->name);
        for (int column = 0; column < PQnfields(result); column++) {
            Oid type = PQftype(result, column); /* bool, int8, text, timestamptz */
            ck_assert_msg(type == 16 || type == 20 || type == 25 || type == 1184,
                          "%s column %d: %u", (*list)->name, column, type);
            length += (size_t)snprintf(out + length, room - length, " %u", type);
        }
        PQclear(result);
    }
    PQfinish(admin);
}

/*
 * Each column of text and each number gets another type that can hold what it holds. (restocks: its
 * columns are an identity and a foreign key, and nobody reads them.)
 */
static inline void database_alter_types(void) {
    database_execute(
        "DO $$ DECLARE c record; BEGIN FOR c IN SELECT table_name, column_name, data_type"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name <> 'restocks' AND data_type IN ('bigint', 'text') LOOP"
        " EXECUTE format('ALTER TABLE %I ALTER %I TYPE %s', c.table_name, c.column_name,"
        " CASE c.data_type WHEN 'text' THEN 'varchar(5000)' ELSE 'numeric' END);"
        " END LOOP; END $$");
}

/* A service's statements return the same types, whatever its columns have become. */
static inline void database_check_types(const struct pg_statement *const *first,
                                        const struct pg_statement *const *second) {
    const struct pg_statement *const *lists[] = { first, second };
    char before[2][4096], after[2][4096];
    for (size_t i = 0; i < 2; i++) {
        database_types(lists[i], before[i], sizeof(before[i]));
    }
    database_alter_types();
    for (size_t i = 0; i < 2; i++) {
        database_types(lists[i], after[i], sizeof(after[i]));
        ck_assert_str_eq(before[i], after[i]);
    }
}

static inline int database_main(Suite *suite) {
    if (!throwaway_postgres_start(&database_server)) {
        srunner_free(srunner_create(suite));
        return throwaway_skip("PostgreSQL's server (postgresql)");
    }
    int rc = unit_run(suite);
    throwaway_stop(&database_server);
    return rc;
}

#endif
