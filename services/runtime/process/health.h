/*
 * /livez, /readyz and /metrics, the same for every service.
 *
 * livez: the process runs its loop. readyz: 200 while every required component is up, else 503 with
 * Retry-After; either way
 * {"status":"ready"|"degraded"|"unavailable"|"draining","components":{"database":"up",…}}.
 * "degraded": something that is not required is down, and what can be served is served.
 */
#ifndef RUNTIME_PROCESS_HEALTH_H
#define RUNTIME_PROCESS_HEALTH_H

#include "runtime/http/server.h"

#include <stdbool.h>
#include <stddef.h>

struct health_component {
    const char *name;
    bool required;
    bool (*is_up)(void);
};

/* `components` must stay. Once, at start-up. */
void health_init(const struct health_component *components, size_t count);
/* From now on readyz says "draining" with 503. */
void health_set_draining(void);

/* Handlers for the route table. */
void health_get_livez(struct http_exchange *exchange, void *ctx);
void health_get_readyz(struct http_exchange *exchange, void *ctx);
void health_get_metrics(struct http_exchange *exchange, void *ctx);

#define HEALTH_ROUTES                                                                              \
    { "GET", "/livez", "livez", health_get_livez, NULL },                                          \
        { "GET", "/readyz", "readyz", health_get_readyz, NULL }, {                                 \
        "GET", "/metrics", "metrics", health_get_metrics, NULL                                     \
    }

#endif
