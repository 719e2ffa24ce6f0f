/*
 * HTTP/1.1 server on the loop: keep-alive, pipelining, 100-continue, chunked request bodies,
 * timeouts, limits, a small router, and a graceful drain.
 *
 * A handler gets an exchange and must answer it exactly once, now or later, with http_reply(): also
 * when the client has gone (the answer is then dropped). Requests of one connection are handled one
 * after the other, in order; a pipelined one waits in the buffer. Loop thread only.
 *
 * Errors that the server itself finds (parse errors, 404, 405 with Allow, 408, 413, 414, 431, 501,
 * 503 over the connection limit or draining) are answered as {"statusCode":…,"message":"…"} and
 * counted.
 */
#ifndef RUNTIME_HTTP_SERVER_H
#define RUNTIME_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange;

enum { HTTP_PATH_PARAMS_MAX = 4 };

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
    const struct http_route *routes; /* must stay */
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

/* The request. Views stay valid until http_reply(). */
struct str http_method(const struct http_exchange *exchange);
/*
 * Without the query; percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2), others
 * are as sent.
 */
struct str http_path(const struct http_exchange *exchange);
struct str http_query(const struct http_exchange *exchange); /* no '?'; empty when absent */
struct str http_body(const struct http_exchange *exchange);
/* The first of that name (case-insensitive); .bytes is NULL when absent. */
struct str http_header(const struct http_exchange *exchange, const char *name);
/* A segment of http_path(). */
struct str http_path_param(const struct http_exchange *exchange, size_t index);
const char *http_route_name(const struct http_exchange *exchange);
/*
 * A query parameter, percent-decoded into the exchange's arena, NUL-terminated ("+" stays "+").
 * ERR_NOT_FOUND: absent; ERR_INVALID: bad encoding, %00, or given twice; ERR_NO_MEMORY.
 */
MUST_CHECK enum err http_query_param(struct http_exchange *exchange, const char *name,
                                     struct str *ret_value);
/* True when Content-Type is application/json (parameters allowed, case-insensitive). */
bool http_body_is_json(const struct http_exchange *exchange);
/* X-Request-Id if it matches ^[A-Za-z0-9._:-]{1,128}$, else a new UUID. NUL-terminated. */
const char *http_request_id(struct http_exchange *exchange);
/*
 * traceparent if it has the form of W3C Trace Context, else "". A higher version is read as the
 * specification says and given as version 00; of the flags only `sampled` stays. NUL-terminated.
 */
const char *http_traceparent(struct http_exchange *exchange);
/*
 * tracestate, several fields as one list, cut when it is too long (trace.h), else "": without a
 * valid traceparent, malformed, or no memory for it. In the exchange's arena, NUL-terminated.
 */
const char *http_tracestate(struct http_exchange *exchange);
/* The three together; valid until http_reply(). */
struct trace http_trace(struct http_exchange *exchange);
/*
 * Memory that lives until the answer has been handed over: one arena per exchange, at most 8 MiB.
 */
struct arena *http_arena(struct http_exchange *exchange);
uint64_t http_started_us(const struct http_exchange *exchange);

struct http_reply {
    int status;
    const char *content_type; /* NULL: application/json */
    const char *body;         /* copied; NULL with length 0: empty (204 and 304 never have one) */
    size_t body_length;
    const char *location; /* optional headers; values must not contain CR or LF (asserted) */
    const char *etag;
    const char *link;
    const char *allow;
    uint32_t retry_after_s; /* 0: none */
};

/*
 * Answer and end the exchange; it must not be used afterwards, views and arena included. Adds
 * X-Request-Id, Content-Length, Date, Cache-Control: no-store. HEAD: no body.
 */
void http_reply(struct http_exchange *exchange, const struct http_reply *reply);
/*
 * {"statusCode":…,"message":"…","errors":…}; message NULL: err_message(err); errors_json: a JSON
 * array already written, NULL for none. 503s get Retry-After.
 */
void http_reply_error(struct http_exchange *exchange, enum err err, const char *message,
                      const char *errors_json);

#endif
