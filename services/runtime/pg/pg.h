/*
 * PostgreSQL for the loop: a few connections in libpq's pipeline mode, prepared statements, one
 * round trip per transaction, migrations, deadlines, reconnect with jittered backoff.
 *
 * A request is a list of calls (prepared statement + parameters) up to a Sync: one implicit
 * transaction, all or nothing. An interactive transaction keeps its connection between requests
 * (pg_begin, pg_continue, pg_commit). Parameters are binary, so arrays cost no quoting; results
 * are binary too. A connection carries one request at a time; requests over that wait in a bounded
 * queue.
 *
 * With no connection up, requests fail at once (ERR_UNAVAILABLE). A connection that is lost ends
 * its request with ERR_UNAVAILABLE: whether a commit happened is then unknown, so whoever repeats a
 * request must be idempotent. The server enforces the deadline (statement_timeout); a server that
 * does not even answer loses its connection a little later. Callbacks come from the loop, never
 * from inside the call that made the request; repeat a failed one from a timer, not at once. Loop
 * thread only.
 */
#ifndef RUNTIME_PG_PG_H
#define RUNTIME_PG_PG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg;
struct pg_session; /* an interactive transaction */

enum { PG_PARAMS_MAX = 12, PG_CALLS_MAX = 8, PG_STATEMENT_LISTS_MAX = 2 };

/* Named by its address. Must be in a list of options.statements. */
struct pg_statement {
    const char *name;
    const char *sql; /* parameters with casts: $1::bigint[] */
};

struct pg_migration {
    int version;     /* from 1, ascending */
    const char *sql; /* several statements; must not contain $migration$ */
};

struct pg_options {
    const char *host; /* name or address */
    uint16_t port;
    const char *user;
    const char *password;
    const char *database;
    const char *application_name;
    size_t connections;
    size_t requests_max;  /* at once, waiting ones included; callers keep to it by their own limits
                             (asserted) */
    uint32_t deadline_ms; /* per statement on the server; a request may take twice that in all */
    uint32_t connect_timeout_ms;
    uint32_t backoff_base_ms, backoff_cap_ms;
    /* What each connection prepares: lists, each ended by NULL. Must stay, as the strings above. */
    const struct pg_statement *const *statements[PG_STATEMENT_LISTS_MAX];
    /*
     * Applied once, under an advisory lock, before anything else. One that waits for a table longer
     * than 2 s is undone with all before it; after a pause they are tried again, without end.
     */
    const struct pg_migration *migrations;
    size_t migration_count;
};

/* A binary parameter. Build with pg_int8() and friends. */
struct pg_param {
    const char *bytes; /* NULL: SQL NULL */
    int length;
};

struct pg_call {
    const struct pg_statement *statement;
    struct pg_param params[PG_PARAMS_MAX];
    size_t param_count;
};

/* The rows of one call. Valid during the callback. */
struct pg_rows {
    void *handle;
    size_t count;     /* rows returned */
    int64_t affected; /* rows inserted, updated, deleted */
};

/* `rows` has one entry per call when err is ERR_OK, else it is NULL. */
typedef void pg_fn(void *ctx, enum err err, const struct pg_rows *rows);

/*
 * ERR_NO_MEMORY. A host whose name does not resolve, or a server that is not there, is no error: it
 * is tried again, one address of the name after the other (resolve.h).
 */
MUST_CHECK enum err pg_open(struct loop *loop, const struct pg_options *options,
                            struct pg **ret_pg);
/* Requests under way and waiting end with ERR_UNAVAILABLE. Accepts NULL. */
void pg_close(struct pg *pg);
/* At least one connection is ready for requests. */
bool pg_is_ready(const struct pg *pg);
/* Run fn(ctx) whenever the first connection becomes ready (again). */
void pg_on_ready(struct pg *pg, loop_fn *fn, void *ctx);

/*
 * Run `calls` as one transaction. `calls` is copied, the bytes of its parameters must stay until
 * fn. Errors: ERR_UNAVAILABLE, ERR_NO_MEMORY (a parameter could not be built), ERR_DUPLICATE,
 * ERR_REJECTED_DATA (SQLSTATE classes 22, 23), ERR_TIMEOUT, ERR_CONFLICT (serialization failure or
 * deadlock: repeat), ERR_INTERNAL (logged with SQLSTATE).
 */
void pg_run(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn, void *ctx);

/*
 * An interactive transaction. pg_begin() runs BEGIN and `calls`; after its fn with ERR_OK exactly
 * one of pg_continue(), pg_commit() or pg_rollback() must follow, from that callback or later.
 * After an error the transaction is rolled back and the session is gone.
 */
struct pg_session *pg_begin(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn,
                            void *ctx);
void pg_continue(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
                 void *ctx);
/* Run `calls` and COMMIT; the session is gone. */
void pg_commit(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
               void *ctx);
void pg_rollback(struct pg_session *session);

/*
 * Parameters; memory from `arena`. When it is exhausted .length is -1 and the request fails with
 * ERR_NO_MEMORY.
 */
struct pg_param pg_null(void);
struct pg_param pg_int8(struct arena *arena, int64_t value);
struct pg_param pg_int4(struct arena *arena, int32_t value);
struct pg_param pg_text(const char *bytes, size_t length);     /* not copied */
struct pg_param pg_time(struct arena *arena, int64_t unix_ms); /* timestamptz */
struct pg_param pg_int8_array(struct arena *arena, const int64_t *values, size_t count);
struct pg_param pg_time_array(struct arena *arena, const int64_t *unix_ms, size_t count);
/* An element with .bytes NULL is SQL NULL. */
struct pg_param pg_text_array(struct arena *arena, const struct str *values, size_t count);

/* Columns of a row; the types must match what the statement returns (asserted by size). */
bool pg_is_null(const struct pg_rows *rows, size_t row, int column);
int64_t pg_get_int8(const struct pg_rows *rows, size_t row, int column);
int32_t pg_get_int4(const struct pg_rows *rows, size_t row, int column);
bool pg_get_bool(const struct pg_rows *rows, size_t row, int column);
int64_t pg_get_time(const struct pg_rows *rows, size_t row,
                    int column); /* timestamptz as unix ms */
struct str pg_get_text(const struct pg_rows *rows, size_t row,
                       int column); /* valid during the callback */

#endif
