
/*
 * What leads through the system: the request's id, which came with it or is a
 * random UUID, and its trace, continued from a valid traceparent or started
 * here.  What is valid says ../base/trace.h.
 */


#include "ngx_http_prodorder.h"
#include "base/random.h"


static void ngx_http_prodorder_check_random(ngx_http_request_t *r);
static ngx_uint_t ngx_http_prodorder_inbound_trace(ngx_http_request_t *r,
    char *parent);
static ngx_int_t ngx_http_prodorder_tracestate(ngx_http_request_t *r,
    ngx_str_t *ret);


ngx_int_t
ngx_http_prodorder_request_id(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_uint_t                      count;
    struct str                      given;
    ngx_table_elt_t                *h;
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ctx->request_id.len) {
        return NGX_OK;
    }

    r = r->main;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->request_id == NGX_HTTP_PRODORDER_ID_INBOUND) {
        h = ngx_http_prodorder_header_in(r, &plcf->id_header, &count);

        /* two ids are as good as none */

        if (h && count == 1) {
            given.data = (char *) h->value.data;
            given.len = h->value.len;

            if (trace_request_id_is_valid(given)) {
                ctx->request_id = h->value;
                return NGX_OK;
            }
        }
    }

    ctx->request_id.data = ngx_pnalloc(r->pool, RANDOM_UUID_BYTES);
    if (ctx->request_id.data == NULL) {
        return NGX_ERROR;
    }

    random_uuid((char *) ctx->request_id.data);
    ctx->request_id.len = RANDOM_UUID_BYTES - 1;

    ngx_http_prodorder_check_random(r);

    return NGX_OK;
}


static void
ngx_http_prodorder_check_random(ngx_http_request_t *r)
{
    static ngx_uint_t  logged;

    if (random_error() && !logged) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, random_error(),
                      "prodorder: getrandom() failed, ids are made "
                      "of the clock from here on");
        logged = 1;
    }
}


ngx_int_t
ngx_http_prodorder_trace(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ctx->traceparent[0]) {
        return NGX_OK;
    }

    r = r->main;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->trace == NGX_HTTP_PRODORDER_TRACE_INBOUND
        && ngx_http_prodorder_inbound_trace(r, ctx->traceparent))
    {
        /* the gateway's own span is the parent of what follows */

        trace_parent_pass(ctx->traceparent);

        return ngx_http_prodorder_tracestate(r, &ctx->tracestate);
    }

    trace_parent_start(plcf->sampled, ctx->traceparent);

    return NGX_OK;
}


/* Two traceparent fields are as good as none. */

static ngx_uint_t
ngx_http_prodorder_inbound_trace(ngx_http_request_t *r, char *parent)
{
    ngx_uint_t        count;
    struct str        value;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("traceparent");

    h = ngx_http_prodorder_header_in(r, &name, &count);

    if (h == NULL || count != 1) {
        return 0;
    }

    value.data = (char *) h->value.data;
    value.len = h->value.len;

    /* nginx takes off spaces, but no tabs */

    return trace_parent_read(str_trimmed(value), parent);
}


/* All tracestate fields in one; a list with a wrong member is void. */

static ngx_int_t
ngx_http_prodorder_tracestate(ngx_http_request_t *r, ngx_str_t *ret)
{
    ngx_str_t           list;
    struct str          value;
    struct trace_state  state;

    static ngx_str_t  name = ngx_string("tracestate");

    if (ngx_http_prodorder_join_headers_in(r, &name, &list) != NGX_OK) {
        return NGX_ERROR;
    }

    value.data = (char *) list.data;
    value.len = list.len;

    ngx_memzero(&state, sizeof(struct trace_state));
    trace_state_add(&state, value);

    ret->data = (u_char *) state.text;
    ret->len = state.length;

    if (ret->len) {
        ret->data = ngx_pstrdup(r->pool, ret);
        if (ret->data == NULL) {
            ret->len = 0;
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
