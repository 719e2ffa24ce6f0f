
/*
 * What the files of prodorder_health share.
 */


#ifndef _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_
#define _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_


#include "ngx_http_prodorder.h"


typedef struct ngx_http_prodorder_health_s  ngx_http_prodorder_health_t;


typedef struct {
    ngx_http_prodorder_component_t  *component;
    ngx_http_prodorder_health_t     *health;
    ngx_uint_t                       status;     /* 0: no answer yet */
    ngx_uint_t                       answered;   /* unsigned  answered:1; */
    ngx_uint_t                       complete;   /* unsigned  complete:1; */
    ngx_buf_t                       *body;       /* of its answer */
    struct oa_json                  *report;     /* its JSON object, or NULL */
} ngx_http_prodorder_probe_t;


/* One request that asks: in the main request's list until all have answered. */

struct ngx_http_prodorder_health_s {
    ngx_http_prodorder_health_t     *next;
    ngx_http_request_t              *request;
    ngx_array_t                      probes;     /* of probe_t */
    ngx_uint_t                       pending;
};


/* Both return what ngx_http_finalize_request() takes. */

ngx_int_t ngx_http_prodorder_health_reply(ngx_http_request_t *r,
    ngx_array_t *probes);
ngx_int_t ngx_http_prodorder_health_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *body);


#endif /* _NGX_HTTP_PRODORDER_HEALTH_H_INCLUDED_ */
