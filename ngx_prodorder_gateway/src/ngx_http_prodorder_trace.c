
/*
 * W3C Trace Context, level 1: traceparent is continued when it is valid and
 * started when it is not; tracestate travels only with a continued trace.
 */


#include "ngx_http_prodorder.h"


/* "00-" trace-id "-" parent-id "-" flags */
#define NGX_HTTP_PRODORDER_TRACEPARENT_LEN  55

/* a tracestate has at most this many list members */
#define NGX_HTTP_PRODORDER_TRACESTATE_MAX   32

#define NGX_HTTP_PRODORDER_TRACE_SAMPLED    0x01


static ngx_uint_t ngx_http_prodorder_traceparent(ngx_str_t *value,
    ngx_http_prodorder_trace_t *trace);
static ngx_uint_t ngx_http_prodorder_is_hex(const u_char *p, size_t n);
static ngx_uint_t ngx_http_prodorder_is_zero(const u_char *p, size_t n);
static void ngx_http_prodorder_random_hex(u_char *p, size_t n);
static ngx_int_t ngx_http_prodorder_tracestate(ngx_http_request_t *r,
    ngx_str_t *ret);
static ngx_int_t ngx_http_prodorder_tracestate_members(ngx_str_t *value);
static u_char *ngx_http_prodorder_tracestate_key(u_char *p, u_char *last);


ngx_int_t
ngx_http_prodorder_trace(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_uint_t                      count;
    ngx_table_elt_t                *h;
    ngx_http_prodorder_loc_conf_t  *plcf;

    static ngx_str_t  name = ngx_string("traceparent");

    if (ctx->has_trace) {
        return NGX_OK;
    }

    r = r->main;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    h = plcf->trace == NGX_HTTP_PRODORDER_TRACE_INBOUND
        ? ngx_http_prodorder_header_in(r, &name, &count) : NULL;

    if (h && count == 1
        && ngx_http_prodorder_traceparent(&h->value, &ctx->trace))
    {
        ctx->trace.continued = 1;

        if (ngx_http_prodorder_tracestate(r, &ctx->tracestate) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        ctx->trace.flags = plcf->sampled ? NGX_HTTP_PRODORDER_TRACE_SAMPLED
                                         : 0;

        ngx_http_prodorder_random_hex(ctx->trace.trace_id,
                                      sizeof(ctx->trace.trace_id));
    }

    ngx_http_prodorder_random_hex(ctx->trace.span_id,
                                  sizeof(ctx->trace.span_id));
    ctx->has_trace = 1;

    return NGX_OK;
}


/*
 * Version 00 is exactly 55 bytes.  A later version may have more after
 * another dash, and is then read as if it were 00; ff is never valid.
 */

static ngx_uint_t
ngx_http_prodorder_traceparent(ngx_str_t *value,
    ngx_http_prodorder_trace_t *trace)
{
    u_char  *p;

    p = value->data;

    if (value->len < NGX_HTTP_PRODORDER_TRACEPARENT_LEN
        || !ngx_http_prodorder_is_hex(p, 2) || p[2] != '-'
        || !ngx_http_prodorder_is_hex(p + 3, 32) || p[35] != '-'
        || !ngx_http_prodorder_is_hex(p + 36, 16) || p[52] != '-'
        || !ngx_http_prodorder_is_hex(p + 53, 2))
    {
        return 0;
    }

    if (p[0] == 'f' && p[1] == 'f') {
        return 0;
    }

    if (value->len > NGX_HTTP_PRODORDER_TRACEPARENT_LEN
        && ((p[0] == '0' && p[1] == '0')
            || p[NGX_HTTP_PRODORDER_TRACEPARENT_LEN] != '-'))
    {
        return 0;
    }

    if (ngx_http_prodorder_is_zero(p + 3, 32)
        || ngx_http_prodorder_is_zero(p + 36, 16))
    {
        return 0;
    }

    ngx_memcpy(trace->trace_id, p + 3, 32);

    /* flags that level 1 does not know are not passed on */

    trace->flags = ngx_hextoi(p + 53, 2) & NGX_HTTP_PRODORDER_TRACE_SAMPLED;

    return 1;
}


static ngx_uint_t
ngx_http_prodorder_is_hex(const u_char *p, size_t n)
{
    while (n--) {
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'))) {
            return 0;
        }

        p++;
    }

    return 1;
}


static ngx_uint_t
ngx_http_prodorder_is_zero(const u_char *p, size_t n)
{
    while (n--) {
        if (*p++ != '0') {
            return 0;
        }
    }

    return 1;
}


/* n hexadecimal digits (at most 32), not all zero */

static void
ngx_http_prodorder_random_hex(u_char *p, size_t n)
{
    u_char  b[16];

    do {
        ngx_http_prodorder_random(b, n / 2);
        (void) ngx_hex_dump(p, b, n / 2);

    } while (ngx_http_prodorder_is_zero(p, n));
}


/* All tracestate fields in one; one wrong member makes the whole list void. */

static ngx_int_t
ngx_http_prodorder_tracestate(ngx_http_request_t *r, ngx_str_t *ret)
{
    ngx_int_t  members;
    ngx_str_t  value;

    static ngx_str_t  name = ngx_string("tracestate");

    if (ngx_http_prodorder_join_headers_in(r, &name, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    members = ngx_http_prodorder_tracestate_members(&value);

    if (members > 0 && members <= NGX_HTTP_PRODORDER_TRACESTATE_MAX) {
        *ret = value;
    }

    return NGX_OK;
}


/* The number of members, empty ones not counted; NGX_ERROR: malformed. */

static ngx_int_t
ngx_http_prodorder_tracestate_members(ngx_str_t *value)
{
    u_char     *p, *last, *start;
    ngx_int_t   n;

    p = value->data;
    last = p + value->len;

    for (n = 0; p < last; p++) {

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (p == last || *p == ',') {
            continue;
        }

        p = ngx_http_prodorder_tracestate_key(p, last);

        if (p == NULL) {
            return NGX_ERROR;
        }

        for (start = p; p < last && *p != ','; p++) {
            if ((*p < 0x20 && *p != '\t') || *p > 0x7e || *p == '=') {
                return NGX_ERROR;
            }
        }

        while (p > start && (p[-1] == ' ' || p[-1] == '\t')) {
            p--;
        }

        /* a tab may stand around a member, not in it */

        if (p == start || p - start > 256 || ngx_strlchr(start, p, '\t')) {
            return NGX_ERROR;
        }

        while (p < last && *p != ',') {
            p++;
        }

        n++;
    }

    return n;
}


/* Returns what follows "key=" or "tenant@system=", or NULL. */

static u_char *
ngx_http_prodorder_tracestate_key(u_char *p, u_char *last)
{
    u_char  *start, *at;

    start = p;
    at = NULL;

    for ( /* void */ ; p < last && *p != '='; p++) {

        if (*p == '@' && at == NULL && p != start) {
            at = p;
            continue;
        }

        if ((*p >= 'a' && *p <= 'z')
            || ((*p >= '0' && *p <= '9') && (p != start || at == NULL))
            || (p != start && (*p == '_' || *p == '-' || *p == '*'
                               || *p == '/')))
        {
            continue;
        }

        return NULL;
    }

    if (p == last || p == start) {
        return NULL;
    }

    if (at == NULL) {
        return (*start >= 'a' && *start <= 'z' && p - start <= 256) ? p + 1
                                                                    : NULL;
    }

    /* tenant id up to 241 bytes, system id 1 to 14 that begin with a letter */

    if (at - start > 241 || p - at < 2 || p - at > 15
        || at[1] < 'a' || at[1] > 'z')
    {
        return NULL;
    }

    return p + 1;
}
