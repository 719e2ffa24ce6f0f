/*
 * Inside the HTTP server. Reading order: server.c (listen, accept, deadlines, drain) → connection.c
 * (the life of a connection) → http.c (an exchange: what a handler asks, and its answer).
 *
 * A connection's state is the list of the server that it is in; only http_connection_enter() moves
 * it. Every list has one timeout, so a list is in order of deadline (also when a drain cuts the
 * deadlines) and the sweep looks at its head only: a request costs no timer operation.
 */
#ifndef RUNTIME_HTTP_SERVER_PRIVATE_H
#define RUNTIME_HTTP_SERVER_PRIVATE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "http.h"
#include "parser.h"
#include "router.h"
#include "runtime/telemetry/metrics.h"
#include "server.h"

enum {
    HTTP_START_LINE_BYTES_MAX = 8192, /* request line: over it 414 */
    HTTP_READ_BYTES = 4096,           /* room made for a read; the first buffer of a connection */
    HTTP_OUT_BYTES_HIGH = 64 * 1024,  /* of unsent answers: over it no further request is begun */
    HTTP_KEEP_BYTES_MAX = 32 * 1024,  /* larger buffers are given back between requests */
    HTTP_ARENA_BYTES_MAX = 8 * 1024 * 1024, /* of one exchange */
    HTTP_LINGER_MS = 2000, /* for the client to read an answer that ends the connection */
    HTTP_LINGER_BYTES_MAX = 1024 * 1024, /* read and dropped meanwhile */
    HTTP_REFUSED_MAX = 64, /* connections over connections_max that still get their 503 */
    HTTP_ACCEPT_PER_TICK_MAX = 64,
    HTTP_ACCEPT_PAUSE_MS = 100, /* out of file descriptors: wait before accepting again */
    HTTP_DRAIN_GRACE_MS = 500,  /* for one more request on each connection that is idle */
    /* From the begin of a drain, for clients to send the rest of a request and take their answers;
       later than that they have HTTP_DRAIN_GRACE_MS for each. */
    HTTP_DRAIN_CLIENT_MS = 2000,
    HTTP_DRAIN_SWEEP_MS = 100,
    HTTP_DATE_BYTES = 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */
};

enum http_connection_state {
    HTTP_IDLE,      /* nothing of a request is here                          idle_timeout_ms    */
    HTTP_READING,   /* part of a request is here                             request_timeout_ms */
    HTTP_HANDLING,  /* a handler owes an answer                              none               */
    HTTP_WRITING,   /* the client must take its answer first                 write_timeout_ms   */
    HTTP_LINGERING, /* answered and half closed: dropping what still comes   HTTP_LINGER_MS     */
    HTTP_ORPHANED,  /* the client has gone, a handler still owes an answer   none               */
    HTTP_CLOSED,    /* to be freed by the reaper                             none               */
    HTTP_STATES
};

struct http_exchange {
    bool active;                    /* between the handler's call and http_reply() */
    const struct http_route *route; /* NULL: answered by the server itself */
    struct str path, query;
    struct http_match match;
    char request_id[TRACE_REQUEST_ID_BYTES_MAX + 1]; /* "": not looked for yet */
    bool traceparent_known;
    char traceparent[TRACE_PARENT_BYTES_MAX + 1];
    const char *tracestate; /* NULL: not looked for yet */
    uint64_t started_us;
    struct arena arena;
};

struct http_connection {
    struct list node; /* in server->connections[state] */
    struct http_server *server;
    enum http_connection_state state;
    uint64_t deadline_ms;
    int fd; /* -1: closed */
    struct loop_watch watch;
    struct loop_task flush;   /* write at the end of the tick what the tick has answered */
    struct loop_task advance; /* go on with pipelined requests after an answer given later */
    struct buf in;            /* begins with the current request */
    struct buf out;           /* answers not yet sent */
    struct http_parser parser;
    struct http_exchange exchange;
    bool advancing;   /* advance() (connection.c) is on the stack */
    bool blocked;     /* the socket takes no more: waiting for EPOLLOUT */
    bool closing;     /* the answer in `out` is the last */
    bool half_closed; /* the client will send no more */
    bool refused;     /* over connections_max: only for its 503 */
    size_t lingered_bytes;
};

struct http_server {
    struct loop *loop;
    struct http_server_options options;
    struct http_limits limits;
    struct http_router *router;
    int listen_fd;
    struct loop_watch listen_watch;
    uint16_t port;
    struct loop_timer accept_pause;
    struct loop_timer sweep;
    uint32_t sweep_ms;
    uint32_t timeout_ms[HTTP_STATES]; /* 0: none */
    struct list connections[HTTP_STATES];
    size_t connection_count;
    size_t refused_count;
    struct loop_task reap;
    bool draining;
    uint64_t drain_started_ms;
    struct loop_task drained;
    loop_fn *on_drained;
    void *on_drained_ctx;
    int64_t date_unix_s; /* the second that `date` is for */
    char date[HTTP_DATE_BYTES];
};

/* ---- server.c ---- */

/* What is counted for all connections together. */
enum {
    HTTP_METRIC_CONNECTIONS,
    HTTP_METRIC_REFUSED,   /* over connections_max */
    HTTP_METRIC_MALFORMED, /* refused by the parser */
    HTTP_METRIC_TIMEOUTS,  /* of requests and writes */
    HTTP_METRICS
};
extern struct metric http_server_metrics[HTTP_METRICS];

/* Count an answered request: its route (NULL: none), its status, and how long it took. */
void http_server_count(const struct http_server *server, const struct http_route *route, int status,
                       uint64_t took_us);
/* The time for a Date header (RFC 9110 §5.6.7), cached for its second. */
const char *http_server_date(struct http_server *server);
/* Of a connection that enters `state` now. */
uint64_t http_server_deadline_ms(const struct http_server *server,
                                 enum http_connection_state state);

/* ---- connection.c ---- */

/* Takes over `fd`. `refused`: only to answer 503. ERR_NO_MEMORY, ERR_INTERNAL: `fd` is closed. */
MUST_CHECK enum err http_connection_open(struct http_server *server, int fd, bool refused);
void http_connection_enter(struct http_connection *connection, enum http_connection_state state);
/* Close the socket at once; free the connection when no handler owes an answer. */
void http_connection_close(struct http_connection *connection);
/* The deadline of its state has passed. */
void http_connection_expire(struct http_connection *connection);
/* Read once, and begin what came: for a connection that is to be closed unless something came. */
void http_connection_read(struct http_connection *connection);
/* The exchange has its answer in `out` (or nobody to take it). */
void http_connection_answered(struct http_connection *connection);
void http_connection_free(struct http_connection *connection);

/* ---- http.c ---- */

/* The parser has a request: find its route, call the handler or answer 404 or 405. */
void http_exchange_begin(struct http_exchange *exchange);
/* Answer with a status of the server's own, and end the connection; `message` is constant. */
void http_exchange_refuse(struct http_exchange *exchange, int status, const char *message);

#endif
