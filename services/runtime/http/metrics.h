/* What the HTTP server counts. Loop thread only. */
#ifndef RUNTIME_HTTP_METRICS_H
#define RUNTIME_HTTP_METRICS_H

#include "base/err.h"
#include "server.h"

#define HTTP_METRICS_NO_ROUTE SIZE_MAX /* counted as route="none" */

struct http_metrics;

/*
 * Rows for these routes. They stay for the life of the process, as metrics_register() wants;
 * opening a server again with the same table finds the same rows. ERR_NO_MEMORY.
 */
MUST_CHECK enum err http_metrics_open(const struct http_route *routes, size_t route_count,
                                      struct http_metrics **ret_metrics);

/*
 * One answered request: its route's index or HTTP_METRICS_NO_ROUTE, its status, and how long it
 * took.
 */
void http_metrics_request(struct http_metrics *metrics, size_t route, int status, uint64_t took_us);
void http_metrics_connections(struct http_metrics *metrics, int by); /* +1 opened, -1 closed */
void http_metrics_refused(struct http_metrics *metrics);             /* over connections_max */
void http_metrics_malformed(struct http_metrics *metrics);           /* refused by the parser */
void http_metrics_timeout(struct http_metrics *metrics);             /* request or write timeout */

#endif
