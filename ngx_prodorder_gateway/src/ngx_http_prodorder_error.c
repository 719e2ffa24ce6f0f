
/*
 * One shape for every error, whatever its origin: the validator, nginx itself,
 * an upstream with or without JSON, an upstream that is down or slow.
 *
 * nginx's own pages arrive here as HTML responses and are replaced by status.
 * An upstream's JSON error is read first, for its message; the header waits.
 */


#include "ngx_http_prodorder.h"


static ngx_int_t ngx_http_prodorder_error_complete(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_int_t ngx_http_prodorder_error_headers(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_error_clear_headers(ngx_http_request_t *r);
static void ngx_http_prodorder_error_connection(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_error_retry_after(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_error_no_store(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_error_allow(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_error_status_line(ngx_http_request_t *r);
static ngx_uint_t ngx_http_prodorder_error_is_over(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_prodorder_collect_buf(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_buf_t *b);
static ngx_uint_t ngx_http_prodorder_is_unfinished(ngx_http_upstream_t *u);
static ngx_uint_t ngx_http_prodorder_is_problem(ngx_http_request_t *r);


ngx_int_t
ngx_http_prodorder_error_reply(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;

    /* no 100 Continue any more */

    r->expect_tested = 1;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = -1;
    r->headers_out.content_type.len = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_send_special(r, NGX_HTTP_LAST);
}


ngx_int_t
ngx_http_prodorder_error_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_uint_t  encoded, json;

    ngx_str_null(&ctx->errors);

    if (r->headers_out.status == ctx->refused) {
        ctx->components = ctx->refused_components;

    } else {
        ngx_str_null(&ctx->message);
        ngx_str_null(&ctx->components);
    }

    encoded = r->headers_out.content_encoding
              && r->headers_out.content_encoding->hash;

    json = ngx_http_prodorder_header_is_json(&r->headers_out.content_type);

    if (!json || encoded || r->headers_out.content_length_n == 0) {

        /* our body need not wait until a buffer of the upstream's is full */

        if (ngx_http_prodorder_is_unfinished(r->upstream)) {
            r->upstream->buffering = 0;
        }

        return ngx_http_prodorder_error_complete(r, ctx);
    }

    if (r->method == NGX_HTTP_HEAD || r->header_only) {

        /* the message, and so the length, would be in the body */

        ctx->overflow = 1;
        return ngx_http_prodorder_error_complete(r, ctx);
    }

    ctx->mode = NGX_HTTP_PRODORDER_COLLECT;
    ctx->collected = NULL;
    ctx->overflow = 0;

    r->filter_need_in_memory = 1;

    return NGX_AGAIN;
}


/* Nothing is missing any more: the whole header, and the body for after it. */

static ngx_int_t
ngx_http_prodorder_error_complete(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_buf_t   *b;
    ngx_uint_t   problem;

    if (ngx_http_prodorder_error_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_error_connection(r);

    problem = ngx_http_prodorder_is_problem(r);
    b = ngx_http_prodorder_error_text_build(r, ctx, problem);

    if (ngx_http_prodorder_request_out(r, ctx, b) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_error_clear_headers(r);

    ngx_http_prodorder_header_set_type(r, problem ? "application/problem+json"
                                                  : "application/json");

    /* of a HEAD, the message, and so the length, would be in the body */

    if (r->method != NGX_HTTP_HEAD || !ctx->overflow) {
        r->headers_out.content_length_n = ngx_buf_size(b);
    }

    ngx_http_prodorder_error_status_line(r);

    /* to a HEAD without a version, which is malformed, nginx sends its body */

    if (r->method == NGX_HTTP_HEAD && r->http_version >= NGX_HTTP_VERSION_10) {
        ctx->mode = NGX_HTTP_PRODORDER_PASS;

    } else {
        ctx->mode = NGX_HTTP_PRODORDER_REPLACE;
    }

    return NGX_OK;
}


/* What an error adds to the header. */

static ngx_int_t
ngx_http_prodorder_error_headers(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (ngx_http_prodorder_error_retry_after(r) != NGX_OK
        || ngx_http_prodorder_error_allow(r, ctx) != NGX_OK
        || ngx_http_prodorder_error_no_store(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (plcf->error_format == NGX_HTTP_PRODORDER_FORMAT_AUTO) {
        return ngx_http_prodorder_header_vary_accept(r);
    }

    return NGX_OK;
}


/* What described the old body, and what told of the software behind it. */

static void
ngx_http_prodorder_error_clear_headers(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static ngx_str_t  names[] = {
        ngx_string("Content-Language"),
        ngx_string("Content-Disposition"),
        ngx_string("Content-Location"),
        ngx_string("X-Powered-By")
    };

    static ngx_str_t  range = ngx_string("Content-Range");

    ngx_http_prodorder_header_clear_body(r);
    ngx_http_clear_etag(r);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ngx_http_prodorder_header_clear(r, &names[i]);
    }

    if (r->headers_out.content_encoding) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }

    /* in a 416 it says how long the resource is */

    if (r->headers_out.status != NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ngx_http_prodorder_header_clear(r, &range);
        r->headers_out.content_range = NULL;
    }
}


/*
 * Who waits for 100 Continue and gets an error may send the body or not, so
 * that nobody knows where the next request begins.
 */

static void
ngx_http_prodorder_error_connection(ngx_http_request_t *r)
{
    if (r->headers_in.expect && r->request_body == NULL
        && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
    {
        r->keepalive = 0;
    }
}


/* A client that is told to come back is told when. */

static ngx_int_t
ngx_http_prodorder_error_retry_after(ngx_http_request_t *r)
{
    ngx_str_t                       value;
    ngx_http_prodorder_loc_conf_t  *plcf;

    static ngx_str_t  name = ngx_string("Retry-After");

    if (r->headers_out.status != NGX_HTTP_SERVICE_UNAVAILABLE
        && r->headers_out.status != NGX_HTTP_TOO_MANY_REQUESTS)
    {
        return NGX_OK;
    }

    if (ngx_http_prodorder_header_out(r, &name)) {
        return NGX_OK;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", plcf->retry_after) - value.data;

    return ngx_http_prodorder_header_set(r, &name, &value);
}


/*
 * RFC 9110 wants Allow with every 405.  The document knows; a resource that it
 * does not know is one of nginx's static files.
 */

static ngx_int_t
ngx_http_prodorder_error_allow(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_str_t      value;
    struct match  *match;

    static ngx_str_t  name = ngx_string("Allow");

    if (r->headers_out.status != NGX_HTTP_NOT_ALLOWED
        || ngx_http_prodorder_header_out(r, &name))
    {
        return NGX_OK;
    }

    ngx_str_set(&value, "GET, HEAD");

    match = ngx_http_prodorder_request_match(r, ctx);

    if (match && match->route != ROUTE_NO_PATH) {
        value.data = (u_char *) match->allow.data;
        value.len = match->allow.len;
    }

    return ngx_http_prodorder_header_set(r, &name, &value);
}


/*
 * A cache may keep a 404, 405, 410, 414 or 501 that does not say for how long
 * (RFC 9110, 15.1): an error is over when its cause is.
 */

static ngx_int_t
ngx_http_prodorder_error_no_store(ngx_http_request_t *r)
{
    static ngx_str_t  name = ngx_string("Cache-Control");
    static ngx_str_t  expires = ngx_string("Expires");
    static ngx_str_t  value = ngx_string("no-store");

    if (ngx_http_prodorder_header_out(r, &name)
        || ngx_http_prodorder_header_out(r, &expires))
    {
        return NGX_OK;
    }

    return ngx_http_prodorder_header_add(r, &name, &value);
}


/* nginx has older phrases, or none, and an upstream's is dropped. */

static void
ngx_http_prodorder_error_status_line(ngx_http_request_t *r)
{
    u_char      *p;
    const char  *title;

    r->headers_out.status_line.len = 0;

    if (r->http_version >= NGX_HTTP_VERSION_20) {
        return;
    }

    title = err_status_title((int) r->headers_out.status);

    p = ngx_pnalloc(r->pool, sizeof("422 ") - 1 + ngx_strlen(title));

    if (p) {
        r->headers_out.status_line.data = p;
        r->headers_out.status_line.len = ngx_sprintf(p, "%03ui %s",
                                             r->headers_out.status, title)
                                         - p;
    }
}


ngx_int_t
ngx_http_prodorder_error_collect(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_uint_t  over;

    over = ngx_http_prodorder_error_is_over(r, in);

    for ( /* void */ ; in; in = in->next) {

        if (ngx_http_prodorder_collect_buf(r, ctx, in->buf) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!over && !ctx->overflow) {
        return NGX_AGAIN;
    }

    ngx_http_prodorder_error_text_parse(r, ctx);

    return ngx_http_prodorder_error_complete(r, ctx);
}


/*
 * The last buffer ends a response.  An upstream that broke off in the middle
 * sends none: nginx flushes then, after it has finalized the upstream.
 */

static ngx_uint_t
ngx_http_prodorder_error_is_over(ngx_http_request_t *r, ngx_chain_t *in)
{
    for ( /* void */ ; in; in = in->next) {

        if (in->buf->last_buf) {
            return 1;
        }

        if (in->buf->flush && ngx_buf_size(in->buf) == 0
            && r->upstream && r->upstream->cleanup == NULL)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_prodorder_collect_buf(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_buf_t *b)
{
    off_t   length;
    size_t  size;

    if (ngx_buf_special(b) || ctx->overflow) {
        return NGX_OK;
    }

    if (ctx->collected == NULL) {
        length = r->headers_out.content_length_n;

        if (length < 0 || length > NGX_HTTP_PRODORDER_ERROR_MAX) {
            length = NGX_HTTP_PRODORDER_ERROR_MAX;
        }

        ctx->collected = ngx_create_temp_buf(r->pool, (size_t) length);
        if (ctx->collected == NULL) {
            return NGX_ERROR;
        }
    }

    size = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

    if (ngx_buf_size(b) != (off_t) size
        || size > (size_t) (ctx->collected->end - ctx->collected->last))
    {
        ctx->overflow = 1;
        return NGX_OK;
    }

    ctx->collected->last = ngx_cpymem(ctx->collected->last, b->pos, size);

    return NGX_OK;
}


/* A response that nobody but this client waits for, and more of it may come. */

static ngx_uint_t
ngx_http_prodorder_is_unfinished(ngx_http_upstream_t *u)
{
    return u && u->cleanup && !u->cacheable && !u->store;
}


/*
 * The client has its whole answer: what the upstream goes on sending is not
 * waited for.  nginx, when it is back from here, finds the response complete
 * and closes a connection on which something is left.
 */

void
ngx_http_prodorder_error_end_upstream(ngx_http_upstream_t *u)
{
    if (!ngx_http_prodorder_is_unfinished(u)) {
        return;
    }

    if (u->buffering) {
        u->pipe->upstream_done = 1;

    } else {
        u->length = 0;
    }
}


static ngx_uint_t
ngx_http_prodorder_is_problem(ngx_http_request_t *r)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    return plcf->error_format == NGX_HTTP_PRODORDER_FORMAT_AUTO
           ? ngx_http_prodorder_header_wants_problem(r)
           : plcf->error_format == NGX_HTTP_PRODORDER_FORMAT_PROBLEM;
}
