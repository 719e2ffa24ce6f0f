
/*
 * The filters: what every response gets, and who takes care of its body.  What
 * ngx_http_prodorder_envelope.c and ngx_http_prodorder_error.c have prepared goes on to the next filters from here.
 *
 * The module stands after not_modified and copy and before headers, gunzip,
 * sub, gzip and range: a 304 is decided before us, and compression follows us.
 */


#include "ngx_http_prodorder.h"


static ngx_int_t ngx_http_prodorder_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_prodorder_replace_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_prodorder_send(ngx_http_request_t *r,
    ngx_chain_t *out);
static ngx_int_t ngx_http_prodorder_change_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_uint_t ngx_http_prodorder_is_no_response(ngx_http_request_t *r);
static void ngx_http_prodorder_refuse_upstream(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_common_headers(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_uint_t ngx_http_prodorder_is_own_redirect(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_redirect_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_uint_t ngx_http_prodorder_is_wrapped(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_not_modified(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_prodorder_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_prodorder_next_body_filter;


static ngx_int_t
ngx_http_prodorder_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (r != r->main || !plcf->gateway) {
        return ngx_http_prodorder_next_header_filter(r);
    }

    if (ngx_http_prodorder_is_no_response(r)) {
        ngx_http_prodorder_refuse_upstream(r);
    }

    if (r->headers_out.status < NGX_HTTP_OK) {
        return ngx_http_prodorder_next_header_filter(r);
    }

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /*
     * A filter before us may give up and start an error response: what had
     * been decided for the first response is void then.
     */

    ctx->mode = NGX_HTTP_PRODORDER_PASS;

    rc = ngx_http_prodorder_change_header(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    return rc == NGX_OK ? ngx_http_prodorder_next_header_filter(r) : rc;
}


/* NGX_AGAIN: the header waits for the body of an upstream's error. */

static ngx_int_t
ngx_http_prodorder_change_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ngx_http_prodorder_common_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {
        return ngx_http_prodorder_error_header(r, ctx);
    }

    if (ngx_http_prodorder_is_own_redirect(r)) {
        return ngx_http_prodorder_redirect_header(r, ctx);
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (!plcf->envelope) {
        return NGX_OK;
    }

    if (r->headers_out.status == NGX_HTTP_NOT_MODIFIED) {
        return ngx_http_prodorder_not_modified(r);
    }

    return ngx_http_prodorder_is_wrapped(r)
           ? ngx_http_prodorder_envelope_header(r, ctx) : NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_chain_t               *out;
    ngx_http_prodorder_ctx_t  *ctx;

    if (r != r->main || in == NULL) {
        rc = in ? ngx_http_prodorder_health_body(r, in) : NGX_DECLINED;

        return rc == NGX_DECLINED ? ngx_http_prodorder_next_body_filter(r, in)
                                  : rc;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_prodorder_gateway_module);

    if (ctx == NULL || ctx->mode == NGX_HTTP_PRODORDER_PASS) {
        return ngx_http_prodorder_next_body_filter(r, in);
    }

    if (ctx->mode != NGX_HTTP_PRODORDER_WRAP) {
        return ngx_http_prodorder_replace_body(r, ctx, in);
    }

    if (ngx_http_prodorder_envelope_body(r, ctx, in, &out) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_prodorder_send(r, out);
}


/* Ours is sent once, and nothing of what comes in. */

static ngx_int_t
ngx_http_prodorder_replace_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t     rc;
    ngx_chain_t  *out;

    rc = ctx->mode == NGX_HTTP_PRODORDER_COLLECT
         ? ngx_http_prodorder_error_collect(r, ctx, in) : NGX_AGAIN;

    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (rc == NGX_ERROR) {
        return rc;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_prodorder_next_header_filter(r);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            return rc;
        }
    }

    if (ctx->mode != NGX_HTTP_PRODORDER_REPLACE) {
        return NGX_OK;
    }

    out = ctx->out;
    ctx->out = NULL;
    ctx->mode = NGX_HTTP_PRODORDER_SWALLOW;

    rc = ngx_http_prodorder_send(r, out);

    ngx_http_prodorder_error_end_upstream(r->upstream);

    return rc;
}


/*
 * The links are ours, the buffers may be an upstream's.  The filters that
 * follow copy what they keep, so the links are free when they return.
 */

static ngx_int_t
ngx_http_prodorder_send(ngx_http_request_t *r, ngx_chain_t *out)
{
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    rc = ngx_http_prodorder_next_body_filter(r, out);

    while (out) {
        cl = out;
        out = out->next;
        ngx_free_chain(r->pool, cl);
    }

    return rc;
}


/*
 * nginx takes what is no HTTP for a response of HTTP/0.9, without a status, and
 * would send it to the client without a header; an interim status (100, 103),
 * or 101 that nobody asked for, would be sent as if it were the final one.
 */

static ngx_uint_t
ngx_http_prodorder_is_no_response(ngx_http_request_t *r)
{
    return r->upstream
           && r->headers_out.status < NGX_HTTP_OK
           && !(r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS
                && r->upstream->upgrade);
}


/* The error's body takes the place of the upstream's, in the client's version. */

static void
ngx_http_prodorder_refuse_upstream(ngx_http_request_t *r)
{
    u_char  *p;

    p = r->http_protocol.data;

    /* "HTTP/1.1"; empty when the client itself speaks HTTP/0.9 */

    if (r->http_version == NGX_HTTP_VERSION_9
        && r->http_protocol.len >= sizeof("HTTP/1.1") - 1)
    {
        r->http_version = (p[5] - '0') * 1000 + (p[7] - '0');
    }

    r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    r->headers_out.content_type.len = 0;
}


/* Every response carries the request id, and none says what software sent it. */

static ngx_int_t
ngx_http_prodorder_common_headers(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    static ngx_table_elt_t  no_server;

    if (ngx_http_prodorder_request_id(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a field with hash 0 is not sent, and nginx adds none of its own */

    if (r->headers_out.server == NULL) {
        r->headers_out.server = &no_server;
    }

    r->headers_out.server->hash = 0;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    return ngx_http_prodorder_header_set(r, &plcf->id_header,
                                         &ctx->request_id);
}


/* nginx gives its redirects an HTML body; one of an upstream's is its own. */

static ngx_uint_t
ngx_http_prodorder_is_own_redirect(ngx_http_request_t *r)
{
    return r->headers_out.status > NGX_HTTP_SPECIAL_RESPONSE
           && r->headers_out.status != NGX_HTTP_NOT_MODIFIED
           && (r->upstream == NULL
               || r->upstream->headers_in.status_n != r->headers_out.status)
           && r->headers_out.content_type.len == sizeof("text/html") - 1
           && ngx_strncmp(r->headers_out.content_type.data, "text/html",
                          sizeof("text/html") - 1)
              == 0;
}


/* The Location header says it all: the body is empty. */

static ngx_int_t
ngx_http_prodorder_redirect_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_buf_t  *b;

    b = ngx_calloc_buf(r->pool);

    if (ngx_http_prodorder_request_out(r, ctx, b) != NGX_OK) {
        return NGX_ERROR;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = 0;
    r->headers_out.content_type.len = 0;

    if (r->method != NGX_HTTP_HEAD) {
        ctx->mode = NGX_HTTP_PRODORDER_REPLACE;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_prodorder_is_wrapped(ngx_http_request_t *r)
{
    switch (r->headers_out.status) {

    case NGX_HTTP_NO_CONTENT:
    case 205:
    case NGX_HTTP_PARTIAL_CONTENT:
        return 0;
    }

    if (r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE) {
        return 0;
    }

    if (!ngx_http_prodorder_header_is_json(&r->headers_out.content_type)) {
        return 0;
    }

    if (r->headers_out.content_encoding
        && r->headers_out.content_encoding->hash
        && r->headers_out.content_encoding->value.len)
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "prodorder: the response is \"%V\" encoded and passes "
                      "without an envelope: use "
                      "\"proxy_set_header Accept-Encoding \\\"\\\"\"",
                      &r->headers_out.content_encoding->value);
        return 0;
    }

    return 1;
}


/*
 * A 304 has the validators of the 200 (RFC 9110, 15.4.5), which lost some if
 * it has an envelope.  An upstream's 304 does not say what type the 200 has:
 * a weak tag is right then, too.  A cache takes it for the tag that it holds,
 * weak or strong, but a strong one only for the same strong one (RFC 9111,
 * 4.3.4).
 */

static ngx_int_t
ngx_http_prodorder_not_modified(ngx_http_request_t *r)
{
    ngx_str_t  type;

    /* nginx, when it makes a 304 of a 200, empties the type but not this length */

    type.data = r->headers_out.content_type.data;
    type.len = r->headers_out.content_type_len;

    if (type.data && type.len) {

        if (!ngx_http_prodorder_header_is_json(&type)) {
            return NGX_OK;
        }

        ngx_http_clear_last_modified(r);
    }

    return ngx_http_prodorder_header_weaken_etag(r);
}


ngx_int_t
ngx_http_prodorder_filter_init(ngx_conf_t *cf)
{
    ngx_http_prodorder_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_prodorder_header_filter;

    ngx_http_prodorder_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_prodorder_body_filter;

    return NGX_OK;
}
