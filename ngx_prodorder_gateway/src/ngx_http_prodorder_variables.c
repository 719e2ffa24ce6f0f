
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
static ngx_int_t ngx_http_prodorder_untouched_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_validation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_prodorder_target_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_prodorder_write_target(ngx_http_prodorder_json_t *text,
    ngx_str_t *target);
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

    { ngx_string("prodorder_status"), NULL,
      ngx_http_prodorder_status_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("prodorder_target"), NULL,
      ngx_http_prodorder_target_variable, 0, 0, 0 },

    { ngx_string("prodorder_log"), NULL,
      ngx_http_prodorder_log_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_prodorder_variables_add(ngx_conf_t *cf)
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

    ctx = ngx_http_prodorder_request_ctx(r);

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
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r->main,
                                        ngx_http_prodorder_gateway_module);

    if (plcf->trace == NGX_HTTP_PRODORDER_TRACE_OFF) {
        return ngx_http_prodorder_untouched_trace(r, v, data);
    }

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL || ngx_http_prodorder_request_trace(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (data) {

    case NGX_HTTP_PRODORDER_TRACE_ID:
        ngx_http_prodorder_set_variable(v, ctx->traceparent + TRACE_ID_AT,
                                        TRACE_ID_BYTES);
        break;

    case NGX_HTTP_PRODORDER_SPAN_ID:
        ngx_http_prodorder_set_variable(v, ctx->traceparent
                                           + TRACE_SPAN_ID_AT,
                                        TRACE_SPAN_ID_BYTES);
        break;

    case NGX_HTTP_PRODORDER_TRACESTATE:
        ngx_http_prodorder_set_variable(v, ctx->tracestate.data,
                                        ctx->tracestate.len);
        break;

    default: /* NGX_HTTP_PRODORDER_TRACEPARENT */
        ngx_http_prodorder_set_variable(v, ctx->traceparent,
                                        TRACE_PARENT_BYTES_MAX);
        break;
    }

    return NGX_OK;
}


/* Who takes no part in a trace passes its headers on as they are. */

static ngx_int_t
ngx_http_prodorder_untouched_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  value;

    static ngx_str_t  traceparent = ngx_string("traceparent");
    static ngx_str_t  tracestate = ngx_string("tracestate");

    if (data != NGX_HTTP_PRODORDER_TRACEPARENT
        && data != NGX_HTTP_PRODORDER_TRACESTATE)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_http_prodorder_header_join(r->main,
                                       data == NGX_HTTP_PRODORDER_TRACEPARENT
                                       ? &traceparent : &tracestate, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_prodorder_set_variable(v, value.data, value.len);
    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const struct operation    *operation;
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    operation = ngx_http_prodorder_request_operation(r, ctx);

    if (operation) {
        ngx_http_prodorder_set_variable(v, operation->id.data,
                                        operation->id.len);

    } else {
        v->not_found = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_validation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 *name;
    ngx_http_prodorder_ctx_t  *ctx;

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    name = ngx_http_prodorder_request_verdict(ctx);
    ngx_http_prodorder_set_variable(v, name->data, name->len);

    return NGX_OK;
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


/* As $status, but always a number that JSON allows: never 000 or 009. */

static ngx_int_t
ngx_http_prodorder_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_set_variable(v, p,
                    ngx_sprintf(p, "%ui", ngx_http_prodorder_request_status(r))
                    - p);
    return NGX_OK;
}


/*
 * The request target as it was received.  nginx lets bytes pass that are not
 * UTF-8, which no JSON text may hold: they are written as %XX.
 */

static ngx_int_t
ngx_http_prodorder_target_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                  *target;
    ngx_http_prodorder_json_t   text;

    target = &r->main->unparsed_uri;

    text.pos = NULL;
    text.len = 0;
    ngx_http_prodorder_write_target(&text, target);

    if (text.len == target->len) {
        ngx_http_prodorder_set_variable(v, target->data, target->len);
        return NGX_OK;
    }

    text.pos = ngx_pnalloc(r->pool, text.len);
    if (text.pos == NULL) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_set_variable(v, text.pos, text.len);
    ngx_http_prodorder_write_target(&text, target);

    return NGX_OK;
}


static void
ngx_http_prodorder_write_target(ngx_http_prodorder_json_t *text,
    ngx_str_t *target)
{
    u_char  *p, *last, escape[sizeof("%XX") - 1];
    size_t   n;

    last = target->data + target->len;

    for (p = target->data; p < last; p += ngx_max(n, 1)) {
        n = *p < 0x80 ? 1 : utf8_sequence((const char *) p, last - p);

        if (n) {
            ngx_http_prodorder_json_raw(text, p, n);

        } else {
            (void) ngx_sprintf(escape, "%%%02Xd", (int) *p);
            ngx_http_prodorder_json_raw(text, escape, sizeof(escape));
        }
    }
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
