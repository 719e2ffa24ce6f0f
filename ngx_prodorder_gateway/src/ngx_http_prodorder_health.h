
/*
 * What prodorder_health asks of a component, and what it hears.
 */


#ifndef _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_
#define _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_


#include "ngx_http_prodorder.h"


typedef struct ngx_http_prodorder_health_s  ngx_http_prodorder_health_t;


typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        uri;
    ngx_str_t                        args;
} ngx_http_prodorder_component_t;


typedef struct {
    ngx_http_prodorder_component_t  *component;
    ngx_http_prodorder_health_t     *health;
    ngx_uint_t                       status;     /* 0: no answer yet */
    ngx_uint_t                       answered;   /* unsigned  answered:1; */
    ngx_uint_t                       complete;   /* unsigned  complete:1; */
    ngx_buf_t                       *body;       /* of its answer */
    struct value                    *report;     /* its JSON object, or NULL */
    ngx_str_t                        state;      /* its word, else ours */
} ngx_http_prodorder_probe_t;


/* One request that asks: in the main request's list until all have answered. */

struct ngx_http_prodorder_health_s {
    ngx_http_prodorder_health_t     *next;
    ngx_http_request_t              *request;
    ngx_array_t                      probes;     /* of probe_t */
    ngx_uint_t                       pending;
};


/* Of a probe that has ended: probe->state, from status, answered, report. */
void ngx_http_prodorder_health_state_read(ngx_http_prodorder_probe_t *probe);
/* Of all: "ready", "degraded"; NULL when one does not serve. */
char *ngx_http_prodorder_health_state(ngx_array_t *probes);
/* Each component's name and report as one JSON object, in the request's pool. */
ngx_int_t ngx_http_prodorder_health_state_text(ngx_http_request_t *r,
    ngx_array_t *probes, ngx_str_t *ret);


#endif /* _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_ */
