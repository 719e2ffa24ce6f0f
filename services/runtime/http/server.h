/*
 * HTTP/1.1 server on the loop: keep-alive, pipelining, 100-continue, chunked request bodies,
 * timeouts, limits, a small router, and a graceful drain. What a handler does with a request is in
 * http.h.
 *
 * Requests of one connection are handled one after the other, in order; a pipelined one waits in
 * the buffer. A process serves one table of routes, for its metrics. Loop thread only.
 *
 * Errors that the server itself finds (parse errors, 404, 405 with Allow, 408, 413, 414, 431, 501,
 * 503 over the connection limit or draining) are answered as {"statusCode":…,"message":"…"} and
 * counted.
 */
#ifndef RUNTIME_HTTP_SERVER_H
#define RUNTIME_HTTP_SERVER_H

#include "base/err.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange;

enum { HTTP_PATH_PARAMS_MAX = 4, HTTP_ROUTES_MAX = 16 };

typedef void http_handler_fn(struct http_exchange *exchange, void *ctx);

struct http_route {
    const char *method; /* "GET" (also answers HEAD), "POST", … */
    /* "/orders/{id}": a {…} segment matches one non-empty segment. Literal segments win. */
    const char *pattern;
    const char *name; /* for logs and metrics: "create_order" */
    http_handler_fn *handler;
    void *ctx;
};

struct http_server_options {
    const char *address;             /* numeric, e.g. "127.0.0.1" or "::1" */
    uint16_t port;                   /* 0: any, see http_server_port() */
    const struct http_route *routes; /* at most HTTP_ROUTES_MAX; must stay */
    size_t route_count;
    size_t connections_max;
    size_t header_bytes_max;
    size_t body_bytes_max;
    uint32_t idle_timeout_ms;    /* keep-alive, between requests */
    uint32_t request_timeout_ms; /* from a request's first byte to its last (slow loris): 408 */
    uint32_t write_timeout_ms;   /* a client that does not read its answer */
    bool reuse_port;             /* SO_REUSEPORT: several processes listen on the same port */
};

/*
 * Listens at once (SO_REUSEADDR). ERR_INVALID: the address is not numeric; ERR_UNAVAILABLE: it
 * cannot be bound (logged with errno's text); ERR_NO_MEMORY. `options` is copied. Connections over
 * connections_max are answered 503 and closed (up to 64 at a time, more are closed at once).
 * Timeouts are kept to within a quarter of the shortest, at most half a second.
 */
MUST_CHECK enum err http_server_open(struct loop *loop, const struct http_server_options *options,
                                     struct http_server **ret_server);
uint16_t http_server_port(const struct http_server *server);
/*
 * Stop accepting; let exchanges finish. The last answer on each connection carries Connection:
 * close: requests that are already in the buffers come before it. Idle connections are closed after
 * HTTP_DRAIN_GRACE_MS (half a second), so that a request that is on its way to us is not lost.
 * Handlers have all the time that they need; clients have two seconds from now to send the rest of
 * a request (else 408) and to take their answers, or half a second for each when that is later.
 * `on_drained(ctx)` runs once when no connection is left: within three and a half seconds, or one
 * and a half after the last handler's answer.
 */
void http_server_drain(struct http_server *server, loop_fn *on_drained, void *ctx);
/*
 * Drops what is left; accepts NULL. Not from inside a handler. An exchange that still owes an
 * answer is gone with it and must not be answered any more: drain first.
 */
void http_server_close(struct http_server *server);
size_t http_server_connection_count(const struct http_server *server);

#endif
