
/*
 * What is counted, and where: shared memory of all workers, read by whoever
 * answers prodorder_metrics.
 *
 * There is no lock: each number is one word, changed by one atomic addition
 * when a request is logged.  A worker that dies leaves nothing half done, and
 * a scrape that runs meanwhile sees each number as it is at that moment.
 *
 * The operations make the layout, and their digest is in the zone's name: on a
 * reload the numbers go on when the operations are the same, else they begin
 * at zero in a new zone, while the old workers finish with the old one.
 */


#ifndef _NGX_HTTP_PRODORDER_METRICS_H_INCLUDED_
#define _NGX_HTTP_PRODORDER_METRICS_H_INCLUDED_


#include "ngx_http_prodorder.h"


/* Statuses 100 to 599 have a counter of their own, the first is for others. */
#define NGX_HTTP_PRODORDER_STATUS_MIN  100
#define NGX_HTTP_PRODORDER_STATUS_MAX  599
#define NGX_HTTP_PRODORDER_STATUSES                                           \
    (NGX_HTTP_PRODORDER_STATUS_MAX - NGX_HTTP_PRODORDER_STATUS_MIN + 2)

/* Upper bounds of a histogram, and the bucket for more than the last. */
#define NGX_HTTP_PRODORDER_BOUNDS      13


/* What metrics know of an operation. */
typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    success;      /* declared status; 0: none */
} ngx_http_prodorder_operation_t;


typedef struct {
    ngx_atomic_t                  buckets[NGX_HTTP_PRODORDER_BOUNDS + 1];
    ngx_atomic_t                  sum;          /* milliseconds */
} ngx_http_prodorder_histogram_t;


typedef enum {
    NGX_HTTP_PRODORDER_COUNT_NONE = 0,
    NGX_HTTP_PRODORDER_COUNT_VALID,
    NGX_HTTP_PRODORDER_COUNT_INVALID,
    NGX_HTTP_PRODORDER_OUTCOMES
} ngx_http_prodorder_outcome_e;


/* One operation.  The first row is for requests that match none. */
typedef struct {
    ngx_atomic_t                  statuses[NGX_HTTP_PRODORDER_STATUSES];
    ngx_atomic_t                  outcomes[NGX_HTTP_PRODORDER_OUTCOMES];
    ngx_http_prodorder_histogram_t  request;
    ngx_http_prodorder_histogram_t  upstream;
} ngx_http_prodorder_row_t;


/* What limit_req and limit_conn did. */
typedef enum {
    NGX_HTTP_PRODORDER_DELAYED = 0,
    NGX_HTTP_PRODORDER_RATE_REJECTED,
    NGX_HTTP_PRODORDER_CONN_REJECTED,
    NGX_HTTP_PRODORDER_LIMITS
} ngx_http_prodorder_limit_e;


typedef struct {
    ngx_atomic_t                  started;      /* seconds since 1970 */
    ngx_atomic_t                  loaded;       /* the configuration, too */
    ngx_atomic_t                  loads;
    ngx_atomic_t                  limits[NGX_HTTP_PRODORDER_LIMITS];
    ngx_http_prodorder_row_t      rows[1];      /* one more than operations */
} ngx_http_prodorder_counters_t;


#endif /* _NGX_HTTP_PRODORDER_METRICS_H_INCLUDED_ */
