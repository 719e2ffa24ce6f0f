/*
 * Small HTTP/1.1 client: pooled kept-alive connections to one origin, GET only, deadlines.
 *
 * Meant for one service asking the other. A request whose connection does not come about goes to
 * the next address of the host, each of them once (resolver.h); while the name is not resolved yet,
 * it fails. A request that finds a stale kept-alive connection (closed before any response byte) is
 * repeated once on a new one; GET is idempotent. Redirects are not followed: their answers are
 * handed over like any other. Loop thread only.
 */
#ifndef RUNTIME_HTTP_CLIENT_H
#define RUNTIME_HTTP_CLIENT_H

#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "runtime/loop/loop.h"

#include <stddef.h>
#include <stdint.h>

struct http_client;

enum { HTTP_CLIENT_TARGET_BYTES_MAX = 2048 };

struct http_client_options {
    const char *base_url;      /* "http://host[:port]": no path, no userinfo; IPv6 in brackets */
    size_t connections_max;    /* requests over it wait in a queue */
    size_t queue_max;          /* over it ERR_BUSY */
    uint32_t deadline_ms;      /* from http_client_get() to the whole answer */
    uint32_t idle_timeout_ms;  /* an unused connection is closed after it */
    size_t response_bytes_max; /* of a body, over it ERR_BAD_REPLY */
};

struct http_response {
    int status;
    struct str body; /* valid during the callback */
    struct str etag; /* .bytes NULL when absent; valid during the callback */
};

/*
 * Called once for every http_client_get(), never from inside it. err: ERR_OK with a response of any
 * status; without (`response` is NULL): ERR_TIMEOUT, ERR_UNAVAILABLE (no connection, or lost before
 * the whole answer), ERR_BAD_REPLY (not HTTP, or too large), ERR_BUSY, ERR_INVALID (not a target),
 * ERR_NO_MEMORY. It may call http_client_get(), not http_client_close().
 */
typedef void http_client_fn(void *ctx, enum err err, const struct http_response *response);

/*
 * ERR_INVALID: malformed URL (logged); ERR_NO_MEMORY. `options` is copied. A name that does not
 * resolve is no error: it is looked up again.
 */
MUST_CHECK enum err http_client_open(struct loop *loop, const struct http_client_options *options,
                                     struct http_client **ret_client);
/*
 * Pending requests end with ERR_UNAVAILABLE, before this returns; their callbacks must not ask
 * again. Accepts NULL.
 */
void http_client_close(struct http_client *client);

/*
 * GET `target` ("/products/7": visible ASCII from "/", at most HTTP_CLIENT_TARGET_BYTES_MAX).
 * What of `trace` is not "" goes with it, as X-Request-Id, traceparent and tracestate. All copied.
 */
void http_client_get(struct http_client *client, const char *target, struct trace trace,
                     http_client_fn *fn, void *ctx);

#endif
