/*
 * Inside the HTTP client. http_client.c owns the requests: queue, deadlines, outcomes.
 * http_client_connection.c owns the connections: connect, send, receive. http_client_url.c reads
 * the URL.
 */
#ifndef RUNTIME_HTTP_CLIENT_PRIVATE_H
#define RUNTIME_HTTP_CLIENT_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "client.h"
#include "parser.h"
#include "runtime/loop/resolve.h"

enum {
    HTTP_CLIENT_AUTHORITY_BYTES = 264, /* host name (255), ":", port, NUL */
    HTTP_CLIENT_STATUS_LINE_BYTES_MAX = 1024,
    HTTP_CLIENT_HEADER_BYTES_MAX = 16 * 1024,
    HTTP_CLIENT_INTERIM_MAX = 8, /* 1xx answers before the real one */
    HTTP_CLIENT_READ_BYTES = 4096,
    HTTP_CLIENT_LOG_MS = 1000,             /* failures are logged at most this often */
    HTTP_CLIENT_KEEP_BYTES_MAX = 64 * 1024 /* larger buffers are given back between requests */
};

struct http_client_url {
    char authority[HTTP_CLIENT_AUTHORITY_BYTES]; /* for Host */
    char host[HTTP_CLIENT_AUTHORITY_BYTES];      /* without brackets */
    uint16_t port;
};

struct http_request {
    struct list age;   /* in client->pending: all, the oldest first, so in order of deadline */
    struct list queue; /* in client->waiting or client->failed; in neither while on a connection */
    struct http_client *client;
    struct http_client_connection *connection; /* NULL: in a queue */
    uint64_t deadline_ms;
    struct buf bytes; /* what is sent */
    bool repeated;    /* after a stale connection: the next must be new */
    size_t connects_failed;
    enum err err; /* of a failed one */
    http_client_fn *fn;
    void *ctx;
};

struct http_client_connection {
    struct list node; /* in client->idle (longest idle first) or client->busy */
    struct http_client *client;
    struct http_request *request; /* NULL: idle */
    int fd;
    char address[RESOLVE_ADDRESS_BYTES];
    struct loop_watch watch;
    bool connecting;
    bool reused;       /* has answered a request before */
    size_t sent_bytes; /* of the request */
    unsigned interim_count;
    uint64_t idle_until_ms;
    struct buf in;
    struct http_parser parser;
};

struct http_client {
    struct loop *loop;
    struct http_client_options options;
    struct http_client_url url;
    struct resolver resolver;
    struct http_limits limits;
    struct list pending;
    struct list waiting;  /* for a connection, the oldest first */
    struct list failed;   /* to be told at the next chance */
    size_t pending_count; /* at most connections_max + queue_max */
    struct list idle;
    struct list busy;
    size_t connection_count;
    struct loop_task dispatch;
    struct loop_task tell;
    struct loop_timer deadline; /* armed for the first in `pending`, or earlier */
    struct loop_timer idle_sweep;
    bool
        failure_logged; /* the last one at failure_logged_ms: an outage is not a line per request */
    uint64_t failure_logged_ms;
};

/* "http://host[:port][/]". ERR_INVALID: anything else (logged). */
MUST_CHECK enum err http_client_url_parse(const char *text, struct http_client_url *ret_url);

/* ---- http_client.c: outcomes of a request that is on a connection ---- */

/* The request is over: it is freed after its callback. `response` for ERR_OK. */
void http_request_finish(struct http_request *request, enum err err,
                         const struct http_response *response);
/* Its connection was stale or did not come about: put it first in the queue, for a new one. */
void http_request_repeat(struct http_request *request);
void http_client_dispatch_soon(struct http_client *client);
/* Log why a request failed, at most once in HTTP_CLIENT_LOG_MS. */
void http_client_log_failure(struct http_client *client, enum err err, const char *reason);

/* ---- http_client_connection.c ---- */

/*
 * Connect and send `request`. On failure the request is where it was: ERR_UNAVAILABLE,
 * ERR_NO_MEMORY.
 */
MUST_CHECK enum err http_client_connection_open(struct http_client *client,
                                                struct http_request *request);
/* Send `request` on an idle connection. */
void http_client_connection_use(struct http_client_connection *connection,
                                struct http_request *request);
/* Close and free; its request, if any, must have been taken care of. */
void http_client_connection_close(struct http_client_connection *connection);
/* Likewise, for one that failed: if it was connecting, the next one takes another address. */
void http_client_connection_give_up(struct http_client_connection *connection);

#endif
