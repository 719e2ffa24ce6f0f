/*
 * Shared by pg.c (requests, queue, sessions), conn.c (one connection's life) and sqlstate.c (what
 * an error means).
 */
#ifndef RUNTIME_PG_PRIVATE_H
#define RUNTIME_PG_PRIVATE_H

#include "base/list.h"
#include "pg.h"
#include "runtime/loop/resolver.h"

#include <libpq-fe.h>

enum {
    PG_RESULTS_MAX = PG_CALLS_MAX + 2, /* BEGIN and COMMIT around the calls */
    PG_ERROR_BYTES = 160,
    PG_MOVED_COLUMNS = 5, /* of the script's statement that moves a sequence */
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
    bool retried; /* it has met a stale connection before */
    enum err err; /* why it failed without being sent, or will when its connection is up again */
    pg_fn *fn;
    void *ctx;
};

/* Whose fault an error is. */
enum pg_fault {
    PG_FAULT_STALE,       /* this connection's: once more on a new one */
    PG_FAULT_ENVIRONMENT, /* nobody's row: it waits */
    PG_FAULT_TIMEOUT,
    PG_FAULT_LOCKED, /* nobody's: another transaction has locked what it needs */
    PG_FAULT_CONFLICT,
    PG_FAULT_DUPLICATE, /* a unique key that is not made from a sequence */
    PG_FAULT_TAKEN_ID,  /* one that is: the sequence is behind its table */
    PG_FAULT_DATA,
    PG_FAULT_UNKNOWN,
    PG_FAULT_COUNT
};

struct pg_sqlstate {
    const char *begin; /* of the code */
    enum pg_fault fault;
    enum err err; /* what the request fails with */
};

#define PG_READ_ONLY "25006"

enum pg_conn_state {
    PG_CONN_DOWN,       /* waits for its backoff timer */
    PG_CONN_CONNECTING, /* libpq's handshake */
    PG_CONN_MIGRATING,  /* a script of migrations runs */
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
    struct pg_session *request;          /* BUSY, HELD; or it waits while this is renewed */
    PGresult *results[PG_RESULTS_MAX];
    size_t result_count;
    size_t result_expected;
    enum err err;        /* of the request under way */
    enum pg_fault fault; /* the same, when err is not ERR_OK */
    bool read_only;      /* the server is no primary (any more) */
    bool broken;         /* sending failed: the timer drops the connection */
    bool renewed;        /* it is made anew, and counts as ready meanwhile */
    bool was_used;       /* a pooler gave it to us with the statements of somebody else */
    struct list idle_node;
    char errors[RESOLVE_ADDRESSES_MAX][PG_ERROR_BYTES]; /* told since it was up last */
    size_t error_count;
    size_t script;     /* under way, of pg->scripts */
    bool is_to_repeat; /* it says so */
    unsigned repeated;
};

struct pg {
    struct loop *loop;
    struct pg_options options;
    struct resolver resolver;
    char port_text[8];
    char server_options[200];
    char **scripts; /* run one after the other by the first connection */
    size_t script_count;
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

/* sqlstate.c */
void pg_sqlstate_register(void);
/* Of an error; counts it. `sequences` as in the options, may be NULL. */
const struct pg_sqlstate *pg_sqlstate(const PGresult *result, const struct pg_sequence *sequences);

/* pg.c */
void pg_finish_request(struct pg_session *request, enum err err, PGresult *const *results);
void pg_conn_became_idle(struct pg_conn *conn, bool first_time);
void pg_conn_left(struct pg_conn *conn);
void pg_migrated(struct pg *pg);

#endif
