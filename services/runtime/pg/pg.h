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
 *
 * What an error of the server means is in sqlstate.c. A connection whose statements are stale (a
 * column has another type, they are gone) is made anew, and its request sent once more: who asked
 * sees nothing of it.
 */
#ifndef RUNTIME_PG_PG_H
#define RUNTIME_PG_PG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "runtime/loop/loop.h"

#include <endian.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg;
struct pg_session; /* an interactive transaction */

enum {
    PG_PARAMS_MAX = 12,
    PG_CALLS_MAX = 8,
    PG_STATEMENT_LISTS_MAX = 3,
    PG_SEQUENCE_MARGIN = 100,
};

/* Named by its address. Must be in a list of options.statements. */
struct pg_statement {
    const char *name;
    const char *sql; /* parameters with casts: $1::bigint[] */
};

/*
 * A text file of the repository as a NUL-terminated `const char symbol[]`; the path is relative to
 * where the compiler runs: the top of the repository.
 */
#define PG_EMBED_TEXT(symbol, path)                                                                \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n"                                                                \
            ".type " #symbol ", @object\n" #symbol ":\n"                                           \
            ".incbin \"" path "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".size " #symbol ", . - " #symbol "\n"                                                 \
            ".popsection\n");                                                                      \
    extern const char symbol[]

struct pg_migration {
    int version;     /* from 1, ascending */
    const char *sql; /* several statements; must not contain $migration$ */
};

/* Where the ids of a table come from: its primary key is `id`. SQL names. */
struct pg_sequence {
    const char *sequence;
    const char *table;
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
    /*
     * A statement that waits longer than this for one lock (a row's, a table's) fails with
     * ERR_LOCKED; 0: until the deadline. Deadlocks that the server has not found by then
     * (deadlock_timeout, 1 s) end so, too.
     */
    uint32_t lock_timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t backoff_base_ms, backoff_cap_ms;
    /* What each connection prepares: lists, each ended by NULL. Must stay, as the strings above. */
    const struct pg_statement *const *statements[PG_STATEMENT_LISTS_MAX];
    /*
     * Applied once, each in a transaction of its own, under an advisory lock, before anything else.
     * One that waits for a table longer than 2 s is undone; after a pause it is tried again,
     * without end. What is after it has not begun then.
     */
    const struct pg_migration *migrations; /* version 0 ends the list */
    /*
     * Or NULL; a table NULL ends the list. A sequence that is behind its table (set back, or
     * restored without it) is moved above it when the first connection is up, and when an id
     * proves to be taken (ERR_TAKEN_ID); PG_SEQUENCE_MARGIN increments above, so that what other
     * replicas have in hand is passed, too.
     */
    const struct pg_sequence *sequences;
    /*
     * Or NULL. SQL, after the migrations, under their lock: at start, and when a connection comes
     * back, since it may lead to another database then. When it answers one boolean, true, it is
     * run again, in a transaction of its own: what would be long is done in batches.
     */
    const char *first_sql;
    bool waits;             /* it connects when pg_go() says so */
    void (*on_ready)(void); /* or NULL: one connection is up where none was; takes requests */
};

/* A binary parameter; with .length -1 its request fails with ERR_NO_MEMORY. */
struct pg_param {
    const char *bytes; /* NULL: it is `scalar`, or with .length 0 SQL NULL */
    int length;
    uint64_t scalar; /* big-endian */
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
 * is tried again, one address of the name after the other (resolver.h).
 */
MUST_CHECK enum err pg_open(struct loop *loop, const struct pg_options *options,
                            struct pg **ret_pg);
/* With options.waits, once: connect. Until then requests fail with ERR_UNAVAILABLE. */
void pg_go(struct pg *pg);
/* Requests under way and waiting end with ERR_UNAVAILABLE. Accepts NULL. */
void pg_close(struct pg *pg);
/* At least one connection is ready for requests. */
bool pg_is_ready(const struct pg *pg);

/*
 * Run `calls` as one transaction. `calls` is copied, the bytes of its parameters must stay until
 * fn. Errors: ERR_UNAVAILABLE (also: the fault is the server's or the schema's, which is logged),
 * ERR_NO_MEMORY (a parameter could not be built), ERR_DUPLICATE, ERR_TAKEN_ID (of
 * options.sequences: repeat with ids that are fetched after this), ERR_REJECTED_DATA, ERR_TIMEOUT,
 * ERR_LOCKED, ERR_CONFLICT (repeat: a deadlock, or in a session a stale connection), ERR_INTERNAL
 * (unknown).
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

/* Milliseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
#define PG_EPOCH_UNIX_MS INT64_C(946684800000)

/* Parameters that are one value. */
static inline struct pg_param pg_null(void) {
    return (struct pg_param){ .length = 0 };
}
static inline struct pg_param pg_int8(int64_t value) {
    return (struct pg_param){ .length = sizeof(int64_t), .scalar = htobe64((uint64_t)value) };
}
static inline int64_t pg_time_to_wire(int64_t unix_ms) {
    return (unix_ms - PG_EPOCH_UNIX_MS) * 1000;
}
static inline struct pg_param pg_time(int64_t unix_ms) { /* timestamptz */
    return pg_int8(pg_time_to_wire(unix_ms));
}
static inline struct pg_param pg_text(struct str text) { /* not copied */
    return (struct pg_param){ text.data, .length = text.len > INT_MAX ? -1 : (int)text.len };
}

/*
 * Rows for a statement that takes them as arrays, a column each: unnest($1::bigint[], $2::text[]).
 *
 *   pg_rows_begin(&rows, arena, &SQL_THINGS_INSERT, "it", count);
 *   for each thing: pg_rows_put_int8(&rows, id); pg_rows_put_text(&rows, name);
 *   pg_run(pg, &(struct pg_call){ pg_rows_call(&rows) }, 1, …);
 *
 * Failure is sticky: after more values than announced, or without memory, the call is one that
 * fails with ERR_NO_MEMORY.
 */
struct pg_rows_writer {
    struct arena *arena;
    const char *types;
    size_t rows_max;
    size_t count; /* whole rows so far */
    size_t column;
    bool failed; /* may be set from outside too, when a value could not be made */
    struct pg_rows_column {
        void *cells;
        size_t text_bytes;
        bool has_null;
    } columns[PG_PARAMS_MAX];
    struct pg_call call;
};

/*
 * At most `rows_max` rows. `types` has a letter for each column: i int8, T timestamptz, t text. It
 * must stay, as must `arena`, from which all memory is, until the request is done.
 */
void pg_rows_begin(struct pg_rows_writer *writer, struct arena *arena,
                   const struct pg_statement *statement, const char *types, size_t rows_max);
/* The next value, row by row, of the type that its column has (asserted). */
void pg_rows_put_int8(struct pg_rows_writer *writer, int64_t value);
void pg_rows_put_time(struct pg_rows_writer *writer, int64_t unix_ms);
/* .data NULL: SQL NULL. Must stay until pg_rows_call(). */
void pg_rows_put_text(struct pg_rows_writer *writer, struct str text);
/* Three texts: the request id, the traceparent, and the tracestate, which is NULL when absent. */
void pg_rows_put_trace(struct pg_rows_writer *writer, struct trace trace);
/* The call with what was put: whole rows (asserted). Once. */
struct pg_call pg_rows_call(struct pg_rows_writer *writer);
/* For a statement whose first parameter is an array of ids; more may be appended. */
struct pg_call pg_rows_ids_call(struct arena *arena, const struct pg_statement *statement,
                                const int64_t *ids, size_t count);

/* Columns of a row; the types must match what the statement returns (asserted by size). */
bool pg_rows_is_null(const struct pg_rows *rows, size_t row, int column);
int64_t pg_rows_get_int8(const struct pg_rows *rows, size_t row, int column);
bool pg_rows_get_bool(const struct pg_rows *rows, size_t row, int column);
/* timestamptz as unix ms */
int64_t pg_rows_get_time(const struct pg_rows *rows, size_t row, int column);
/* Valid during the callback, as all texts; .data NULL: SQL NULL. */
struct str pg_rows_get_text(const struct pg_rows *rows, size_t row, int column);
/* The same as NUL-terminated; "" for SQL NULL. */
const char *pg_rows_get_string(const struct pg_rows *rows, size_t row, int column);
/* Of three columns, from `column` on, as pg_rows_put_trace() writes them. */
struct trace pg_rows_get_trace(const struct pg_rows *rows, size_t row, int column);

#endif
