
/*
 * The request's trace: continued from a valid traceparent, else started here.
 * What is valid says ../openapi/traceparent.h.
 */


#include "ngx_http_prodorder.h"


static ngx_uint_t ngx_http_prodorder_inbound_trace(ngx_http_request_t *r,
    struct oa_traceparent *trace);
static void ngx_http_prodorder_random_hex(char *p, size_t n);
static ngx_int_t ngx_http_prodorder_tracestate(ngx_http_request_t *r,
    ngx_str_t *ret);


ngx_int_t
ngx_http_prodorder_trace(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ctx->has_trace) {
        return NGX_OK;
    }

    r = r->main;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->trace == NGX_HTTP_PRODORDER_TRACE_INBOUND
        && ngx_http_prodorder_inbound_trace(r, &ctx->trace))
    {
        if (ngx_http_prodorder_tracestate(r, &ctx->tracestate) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        ctx->trace.sampled = plcf->sampled;

        ngx_http_prodorder_random_hex(ctx->trace.trace_id,
                                      sizeof(ctx->trace.trace_id));
    }

    /* the gateway's own span is the parent of what follows */

    ngx_http_prodorder_random_hex(ctx->trace.parent_id,
                                  sizeof(ctx->trace.parent_id));
    ctx->has_trace = 1;

    return NGX_OK;
}


/* Two traceparent fields are as good as none. */

static ngx_uint_t
ngx_http_prodorder_inbound_trace(ngx_http_request_t *r,
    struct oa_traceparent *trace)
{
    ngx_uint_t        count;
    struct str     value;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("traceparent");

    h = ngx_http_prodorder_header_in(r, &name, &count);

    if (h == NULL || count != 1) {
        return 0;
    }

    value.data = (char *) h->value.data;
    value.len = h->value.len;

    return oa_traceparent_parse(value, trace);
}


/* n hexadecimal digits (at most 32), not all zero */

static void
ngx_http_prodorder_random_hex(char *p, size_t n)
{
    u_char  b[16];
    size_t  i;

    do {
        ngx_http_prodorder_random(b, n / 2);

        for (i = 0; i < n / 2 && b[i] == 0; i++) { /* void */ }

    } while (i == n / 2);

    (void) ngx_hex_dump((u_char *) p, b, n / 2);
}


/* All tracestate fields in one; a list with a wrong member is void. */

static ngx_int_t
ngx_http_prodorder_tracestate(ngx_http_request_t *r, ngx_str_t *ret)
{
    ngx_str_t      list;
    struct str  value;

    static ngx_str_t  name = ngx_string("tracestate");

    if (ngx_http_prodorder_join_headers_in(r, &name, &list) != NGX_OK) {
        return NGX_ERROR;
    }

    value.data = (char *) list.data;
    value.len = list.len;

    if (list.len && oa_tracestate_is_valid(value)) {
        *ret = list;
    }

    return NGX_OK;
}
