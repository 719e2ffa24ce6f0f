
/*
 * The envelope of a JSON success:
 *
 *     {"statusCode":201,"data": <the upstream's bytes> ,"timestamp":"...",
 *      "path":"...","requestId":"..."}
 *
 * The body streams through: a prefix before its first byte, a suffix after its
 * last, and nothing in between is copied.  Both are built when the header is
 * sent, so that an upstream's Content-Length stays exact.
 */


#include "ngx_http_prodorder.h"


/* All of the suffix but the path and the request id; a slash for no path. */
#define NGX_HTTP_PRODORDER_SUFFIX                                             \
    (sizeof(",\"timestamp\":\"\",\"path\":\"/\",\"requestId\":\"\"}")           \
     + NGX_HTTP_PRODORDER_TIME_LEN)


static void ngx_http_prodorder_declared_status(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_buf_t *ngx_http_prodorder_prefix(ngx_http_request_t *r,
    ngx_uint_t empty);
static ngx_buf_t *ngx_http_prodorder_suffix(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_write_suffix(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static ngx_int_t ngx_http_prodorder_add_link(ngx_http_request_t *r,
    ngx_chain_t ***last, ngx_buf_t *b);
static ngx_int_t ngx_http_prodorder_add_suffix(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t ***last);


ngx_int_t
ngx_http_prodorder_envelope_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    off_t       length;
    ngx_buf_t  *prefix;

    ngx_http_prodorder_declared_status(r, ctx);

    length = r->headers_out.content_length_n;

    prefix = ngx_http_prodorder_prefix(r, length == 0);
    ctx->suffix = ngx_http_prodorder_suffix(r, ctx);
    ctx->out = ngx_alloc_chain_link(r->pool);

    if (prefix == NULL || ctx->suffix == NULL || ctx->out == NULL) {
        return NGX_ERROR;
    }

    ctx->out->buf = prefix;
    ctx->out->next = NULL;
    ctx->seen = (length == 0);

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_prodorder_clear_digests(r);

    if (length >= 0) {
        r->headers_out.content_length_n = length + ngx_buf_size(prefix)
                                          + ngx_buf_size(ctx->suffix);
    }

    if (ngx_http_prodorder_weaken_etag(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;

    if (r->method != NGX_HTTP_HEAD && !r->header_only) {
        ctx->mode = NGX_HTTP_PRODORDER_WRAP;
    }

    return ngx_http_prodorder_next_header_filter(r);
}


/*
 * The document's word counts: a service may answer 200 where the contract
 * says 201.  A status that the document declares, too, is left as it is.
 */

static void
ngx_http_prodorder_declared_status(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    struct match            *match;
    const struct operation  *operation;

    match = ngx_http_prodorder_match(r, ctx);

    if (match == NULL || match->route != ROUTE_FOUND) {
        return;
    }

    operation = match->operation;

    if (operation->success_status == 0
        || operation->success_status == NGX_HTTP_NO_CONTENT
        || operation->success_status == 205
        || operation->success_status == NGX_HTTP_PARTIAL_CONTENT
        || operation_declares(operation, (unsigned) r->headers_out.status))
    {
        return;
    }

    r->headers_out.status = operation->success_status;
    r->headers_out.status_line.len = 0;
}


static ngx_buf_t *
ngx_http_prodorder_prefix(ngx_http_request_t *r, ngx_uint_t empty)
{
    size_t      len;
    ngx_buf_t  *b;
    ngx_uint_t  status;

    static u_char  text[] = "{\"statusCode\":200,\"data\":null";

    b = ngx_create_temp_buf(r->pool, sizeof(text) - 1);
    if (b == NULL) {
        return NULL;
    }

    len = empty ? sizeof(text) - 1 : sizeof(text) - sizeof("null");
    status = r->headers_out.status;

    b->last = ngx_cpymem(b->pos, text, len);
    b->pos[sizeof("{\"statusCode\":") - 1] = (u_char) ('0' + status / 100);
    b->pos[sizeof("{\"statusCode\":2") - 1] = (u_char) ('0' + status / 10 % 10);
    b->pos[sizeof("{\"statusCode\":20") - 1] = (u_char) ('0' + status % 10);
    b->tag = (ngx_buf_tag_t) &ngx_http_prodorder_gateway_module;

    return b;
}


static ngx_buf_t *
ngx_http_prodorder_suffix(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_buf_t                  *b;
    ngx_http_prodorder_json_t   json;

    json.pos = NULL;
    json.len = 0;

    if (r->unparsed_uri.len > NGX_HTTP_PRODORDER_TARGET_SHORT) {
        ngx_http_prodorder_write_suffix(&json, r, ctx);

    } else {

        /* room for a path that is all escapes is cheaper than to measure it */

        json.len = NGX_HTTP_PRODORDER_SUFFIX + ctx->request_id.len
                   + r->unparsed_uri.len * NGX_HTTP_PRODORDER_ESCAPE;
    }

    b = ngx_create_temp_buf(r->pool, json.len);
    if (b == NULL) {
        return NULL;
    }

    json.pos = b->last;
    ngx_http_prodorder_write_suffix(&json, r, ctx);

    b->last = json.pos;
    b->last_buf = 1;
    b->last_in_chain = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_prodorder_gateway_module;

    return b;
}


static void
ngx_http_prodorder_write_suffix(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_json_text(json, ",\"timestamp\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\",\"path\":");
    ngx_http_prodorder_json_target(json, r);
    ngx_http_prodorder_json_text(json, ",\"requestId\":\"");
    ngx_http_prodorder_json_raw(json, ctx->request_id.data,
                                ctx->request_id.len);
    ngx_http_prodorder_json_text(json, "\"}");
}


/*
 * The links of the outgoing chain are ours, the upstream's buffers stay its
 * own.  The filters that follow copy what they keep, so our links are free
 * when they return.
 */

ngx_int_t
ngx_http_prodorder_envelope_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *out, **last;

    out = ctx->out;
    ctx->out = NULL;
    last = out ? &out->next : &out;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        ctx->seen += ngx_buf_special(b) ? 0 : ngx_buf_size(b);

        if (!b->last_buf) {
            if (ngx_http_prodorder_add_link(r, &last, b) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        b->last_buf = 0;
        b->last_in_chain = 0;

        if (ngx_buf_size(b) == 0) {
            b->sync = 1;
        }

        if (ngx_http_prodorder_add_link(r, &last, b) != NGX_OK
            || ngx_http_prodorder_add_suffix(r, ctx, &last) != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;
    }

    *last = NULL;

    rc = ngx_http_prodorder_next_body_filter(r, out);

    while (out) {
        cl = out;
        out = out->next;
        ngx_free_chain(r->pool, cl);
    }

    return rc;
}


static ngx_int_t
ngx_http_prodorder_add_link(ngx_http_request_t *r, ngx_chain_t ***last,
    ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    **last = cl;
    *last = &cl->next;

    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_add_suffix(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t ***last)
{
    ngx_buf_t  *null;

    ctx->mode = NGX_HTTP_PRODORDER_SWALLOW;

    if (ctx->seen == 0) {

        /* an empty body of unknown length: "data": must not stand alone */

        null = ngx_calloc_buf(r->pool);
        if (null == NULL) {
            return NGX_ERROR;
        }

        null->pos = (u_char *) "null";
        null->last = null->pos + sizeof("null") - 1;
        null->memory = 1;

        if (ngx_http_prodorder_add_link(r, last, null) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_prodorder_add_link(r, last, ctx->suffix);
}
