
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

    if (ctx->suffix == NULL
        || ngx_http_prodorder_request_out(r, ctx, prefix) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->seen = (length == 0);

    ngx_http_prodorder_header_clear_body(r);

    if (length >= 0) {
        r->headers_out.content_length_n = length + ngx_buf_size(prefix)
                                          + ngx_buf_size(ctx->suffix);
    }

    if (ngx_http_prodorder_header_weaken_etag(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_header_set_type(r, "application/json");

    if (r->method != NGX_HTTP_HEAD && !r->header_only) {
        ctx->mode = NGX_HTTP_PRODORDER_WRAP;
    }

    return NGX_OK;
}


/*
 * The document's word counts: a service may answer 200 where the contract
 * says 201.  A status that the document declares, too, is left as it is.
 */

static void
ngx_http_prodorder_declared_status(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    const struct operation  *operation;

    operation = ngx_http_prodorder_request_operation(r, ctx);

    if (operation == NULL
        || operation->success_status == 0
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


ngx_int_t
ngx_http_prodorder_envelope_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in, ngx_chain_t **out)
{
    ngx_buf_t     *b;
    ngx_uint_t     is_last;
    ngx_chain_t  **last;

    *out = ctx->out;
    ctx->out = NULL;
    last = *out ? &(*out)->next : out;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;
        is_last = b->last_buf;

        ctx->seen += ngx_buf_special(b) ? 0 : ngx_buf_size(b);

        if (is_last) {
            b->last_buf = 0;
            b->last_in_chain = 0;

            if (ngx_buf_size(b) == 0) {
                b->sync = 1;
            }
        }

        if (ngx_http_prodorder_add_link(r, &last, b) != NGX_OK) {
            return NGX_ERROR;
        }

        if (is_last) {
            return ngx_http_prodorder_add_suffix(r, ctx, &last);
        }
    }

    return NGX_OK;
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
    cl->next = NULL;
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
