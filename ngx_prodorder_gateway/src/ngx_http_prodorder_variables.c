
/*
 * Variables for logs and for the headers of proxied requests.
 */


#include "ngx_http_prodorder.h"


typedef enum {
    NGX_HTTP_PRODORDER_TRACE_ID = 0,
    NGX_HTTP_PRODORDER_SPAN_ID,
    NGX_HTTP_PRODORDER_TRACEPARENT,
    NGX_HTTP_PRODORDER_TRACESTATE
} ngx_http_prodorder_trace_variable_e;


static ngx_int_t ngx_http_prodorder_request_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_trace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_validation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_prodorder_set_variable(ngx_http_variable_value_t *v,
    const void *data, size_t len);


static ngx_http_variable_t  ngx_http_prodorder_variables[] = {

    { ngx_string("prodorder_request_id"), NULL,
      ngx_http_prodorder_request_id_variable, 0, 0, 0 },

    { ngx_string("prodorder_trace_id"), NULL,
      ngx_http_prodorder_trace_variable,
      NGX_HTTP_PRODORDER_TRACE_ID, 0, 0 },

    { ngx_string("prodorder_span_id"), NULL,
      ngx_http_prodorder_trace_variable,
      NGX_HTTP_PRODORDER_SPAN_ID, 0, 0 },

    { ngx_string("prodorder_traceparent"), NULL,
      ngx_http_prodorder_trace_variable,
      NGX_HTTP_PRODORDER_TRACEPARENT, 0, 0 },

    { ngx_string("prodorder_tracestate"), NULL,
      ngx_http_prodorder_trace_variable,
      NGX_HTTP_PRODORDER_TRACESTATE, 0, 0 },

    { ngx_string("prodorder_operation"), NULL,
      ngx_http_prodorder_operation_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("prodorder_validation"), NULL,
      ngx_http_prodorder_validation_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("prodorder_time"), NULL,
      ngx_http_prodorder_time_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_prodorder_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_prodorder_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_request_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_get_ctx(r);

    if (ctx == NULL || ngx_http_prodorder_request_id(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_set_variable(v, ctx->request_id.data,
                                    ctx->request_id.len);
    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_trace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_get_ctx(r);

    if (ctx == NULL || ngx_http_prodorder_trace(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (data) {

    case NGX_HTTP_PRODORDER_TRACE_ID:
        ngx_http_prodorder_set_variable(v, ctx->trace.trace_id,
                                        sizeof(ctx->trace.trace_id));
        return NGX_OK;

    case NGX_HTTP_PRODORDER_SPAN_ID:
        ngx_http_prodorder_set_variable(v, ctx->trace.span_id,
                                        sizeof(ctx->trace.span_id));
        return NGX_OK;

    case NGX_HTTP_PRODORDER_TRACESTATE:
        ngx_http_prodorder_set_variable(v, ctx->tracestate.data,
                                        ctx->tracestate.len);
        return NGX_OK;

    default: /* NGX_HTTP_PRODORDER_TRACEPARENT */
        break;
    }

    p = ngx_pnalloc(r->pool, sizeof("00---00") - 1
                             + sizeof(ctx->trace.trace_id)
                             + sizeof(ctx->trace.span_id));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_set_variable(v, p, ngx_sprintf(p, "00-%*s-%*s-%02xi",
                                              sizeof(ctx->trace.trace_id),
                                              ctx->trace.trace_id,
                                              sizeof(ctx->trace.span_id),
                                              ctx->trace.span_id,
                                              ctx->trace.flags)
                                          - p);
    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    struct oa_match           *match;
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_get_ctx(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    match = ngx_http_prodorder_match(r, ctx);

    if (match && match->route == OA_ROUTE_FOUND) {
        ngx_http_prodorder_set_variable(v, match->operation->id.data,
                                        match->operation->id.len);
        return NGX_OK;
    }

    v->not_found = 1;
    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_validation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_get_ctx(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    switch (ctx->verdict) {

    case NGX_HTTP_PRODORDER_VALID:
        ngx_http_prodorder_set_variable(v, "valid", sizeof("valid") - 1);
        return NGX_OK;

    case NGX_HTTP_PRODORDER_INVALID:
        ngx_http_prodorder_set_variable(v, "invalid", sizeof("invalid") - 1);
        return NGX_OK;

    default:
        ngx_http_prodorder_set_variable(v, "none", sizeof("none") - 1);
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_prodorder_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                     *p;
    ngx_http_prodorder_json_t   json;

    p = ngx_pnalloc(r->pool, NGX_HTTP_PRODORDER_TIME_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    json.pos = p;
    json.len = 0;
    ngx_http_prodorder_json_time(&json);

    ngx_http_prodorder_set_variable(v, p, json.len);
    return NGX_OK;
}


static void
ngx_http_prodorder_set_variable(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->data = (u_char *) data;
    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}
