/*
 * Small HTTP/1.1 client: pooled kept-alive connections to one origin, GET only, deadlines.
 *
 * Meant for one service asking the other. The host is resolved once when the client is opened
 * (numeric addresses never block; names are resolved with getaddrinfo at start-up and again, off the
 * loop's hot path, after repeated connect failures is NOT done here: see http_client_set_address()).
 * A request that finds a stale kept-alive connection (closed before any response byte) is repeated
 * once on a new one; GET is idempotent. Loop thread only.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "err.h"
#include "http_server.h"
#include "loop.h"

#include <stddef.h>
#include <stdint.h>

struct http_client;

struct http_client_options {
    const char *base_url;      /* "http://host:port", no path, no userinfo */
    size_t connections_max;    /* requests over it wait in a queue */
    size_t queue_max;          /* over it ERR_BUSY */
    uint32_t deadline_ms;      /* from http_client_get() to the whole answer */
    uint32_t idle_timeout_ms;
    size_t response_bytes_max;
};

struct http_response {
    int status;
    struct http_str body;  /* valid during the callback */
    struct http_str etag;  /* .bytes NULL when absent */
};

/* err: ERR_OK with a response of any status; ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_BAD_REPLY, ERR_BUSY without. Never called from inside http_client_get(). */
typedef void http_client_fn(void *ctx, enum err err, const struct http_response *response);

/* ERR_INVALID: malformed URL; ERR_UNAVAILABLE: the name does not resolve (logged). */
MUST_CHECK enum err http_client_open(struct loop *loop, const struct http_client_options *options, struct http_client **ret_client);
/* Pending requests end with ERR_UNAVAILABLE. Accepts NULL. */
void http_client_close(struct http_client *client);

/* GET `target` ("/products/7"). `request_id` and `traceparent` are sent as headers when not NULL or empty. */
void http_client_get(struct http_client *client, const char *target, const char *request_id,
                     const char *traceparent, http_client_fn *fn, void *ctx);

#endif
