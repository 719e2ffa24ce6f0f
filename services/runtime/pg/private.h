/* Shared by pg.c (requests, queue, sessions) and conn.c (one connection's life). */
#ifndef RUNTIME_PG_PRIVATE_H
#define RUNTIME_PG_PRIVATE_H

#include "base/list.h"
#include "pg.h"
#include "runtime/loop/resolver.h"

#include <libpq-fe.h>

enum {
    PG_RESULTS_MAX = PG_CALLS_MAX + 2, /* BEGIN and COMMIT around the calls */
    PG_ERROR_BYTES = 160
};

/* One request, and between the requests of an interactive transaction its session. */
struct pg_session {
    struct list node; /* free, waiting, failed; or linked to itself while a connection has it */
    struct pg *pg;
    struct pg_conn *conn;
    struct pg_call calls[PG_CALLS_MAX];
    size_t count;
    bool interactive; /* keeps the connection afterwards */
    bool begins, commits;
    enum err err; /* why it failed without being sent */
    pg_fn *fn;
    void *ctx;
};

enum pg_conn_state {
    PG_CONN_DOWN,       /* waits for its backoff timer */
    PG_CONN_CONNECTING, /* libpq's handshake */
    PG_CONN_MIGRATING,  /* the migration script runs */
    PG_CONN_PAUSING,    /* it could not have a lock: until it runs again */
    PG_CONN_PREPARING,  /* the statements are prepared */
    PG_CONN_IDLE,
    PG_CONN_BUSY,         /* a request is under way */
    PG_CONN_HELD,         /* between two requests of an interactive transaction */
    PG_CONN_ROLLING_BACK, /* nobody waits for it */
};

struct pg_conn {
    struct pg *pg;
    PGconn *libpq; /* NULL when down */
    enum pg_conn_state state;
    struct loop_watch watch;
    struct loop_timer timer; /* backoff, connect timeout or deadline, by state */
    struct backoff backoff;
    char address[RESOLVE_ADDRESS_BYTES]; /* of this attempt */
    struct pg_session *request;          /* BUSY, HELD */
    PGresult *results[PG_RESULTS_MAX];
    size_t result_count;
    size_t result_expected;
    enum err err;   /* of the request under way */
    bool read_only; /* the server is no primary (any more): the next connection may find one */
    bool broken;    /* sending failed: the timer drops the connection */
    struct list idle_node;
    char errors[RESOLVE_ADDRESSES_MAX][PG_ERROR_BYTES]; /* told since it was up last */
    size_t error_count;
};

struct pg {
    struct loop *loop;
    struct pg_options options;
    struct resolver resolver;
    char port_text[8];
    char server_options[160];
    char *migration_script;
    bool migrated;
    struct pg_conn *conns;
    struct list idle;
    size_t ready_count; /* connections past preparing */
    struct pg_session *sessions;
    struct list free, waiting, failed;
    struct loop_task dispatch;
};

/* conn.c */
void pg_conn_init(struct pg_conn *conn, struct pg *pg);
void pg_conn_start(struct pg_conn *conn);
void pg_conn_send(struct pg_conn *conn, struct pg_session *request);
void pg_conn_rollback(struct pg_conn *conn);
/* The one way down: give up the connection, fail its request with `err`, and come back later. */
void pg_conn_drop(struct pg_conn *conn, enum err err, const char *reason);
void pg_conn_close(struct pg_conn *conn);

/* pg.c */
void pg_finish_request(struct pg_session *request, enum err err, PGresult *const *results);
void pg_conn_became_idle(struct pg_conn *conn, bool first_time);
void pg_conn_left(struct pg_conn *conn);
void pg_migrated(struct pg *pg);

#endif
