
/*
 * What is known of a request: its context, the operation that it asks for, its
 * id and its trace, its body, its outcome.
 *
 * The other files stand on this one, and it stands on none but ngx_http_prodorder_header.c.
 */


#include "ngx_http_prodorder.h"
#include "base/random.h"


static void ngx_http_prodorder_ctx_cleanup(void *data);
static void *ngx_http_prodorder_grab(void *pool, size_t bytes);
static void ngx_http_prodorder_check_random(ngx_http_request_t *r);
static ngx_uint_t ngx_http_prodorder_inbound_trace(ngx_http_request_t *r,
    char *parent);
static ngx_int_t ngx_http_prodorder_tracestate(ngx_http_request_t *r,
    ngx_str_t *ret);
static ngx_int_t ngx_http_prodorder_copy_body(ngx_http_request_t *r,
    u_char *p);


/*
 * nginx zeroes r->ctx on an internal redirect.  The context therefore lives
 * in a cleanup record of the request's pool, where it can be found again.
 */

ngx_http_prodorder_ctx_t *
ngx_http_prodorder_request_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_prodorder_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_prodorder_gateway_module);

    if (ctx) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_prodorder_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_prodorder_gateway_module);
            return ctx;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_prodorder_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_prodorder_ctx_t));
    cln->handler = ngx_http_prodorder_ctx_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_prodorder_gateway_module);

    return ctx;
}


static void
ngx_http_prodorder_ctx_cleanup(void *data)
{
    /* only marks the record: all memory is the pool's */
}


void
ngx_http_prodorder_request_arena(ngx_http_request_t *r, struct arena *arena,
    size_t max)
{
    arena_init_from(arena, ngx_http_prodorder_grab, r->pool, max);
}


static void *
ngx_http_prodorder_grab(void *pool, size_t bytes)
{
    return ngx_palloc(pool, bytes);
}


struct match *
ngx_http_prodorder_request_match(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    u_char                         *p, *last;
    struct str                      method, path;
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ctx->routed) {
        return &ctx->match;
    }

    r = r->main;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->document == NULL) {
        return NULL;
    }

    p = r->unparsed_uri.data;
    last = p ? ngx_strlchr(p, p + r->unparsed_uri.len, '?') : NULL;

    path.data = p ? (char *) p : "";
    path.len = last ? (size_t) (last - p) : r->unparsed_uri.len;

    method.data = (char *) r->method_name.data;
    method.len = r->method_name.len;

    request_match(plcf->document, method, path, &ctx->match);

    /* an early error comes before the request line is parsed */

    ctx->routed = (p != NULL);

    return &ctx->match;
}


const struct operation *
ngx_http_prodorder_request_operation(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    struct match  *match;

    match = ngx_http_prodorder_request_match(r, ctx);

    return match && match->route == ROUTE_FOUND ? match->operation : NULL;
}


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
ngx_http_prodorder_request_trace(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
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

    if (ngx_http_prodorder_header_join(r, &name, &list) != NGX_OK) {
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


ngx_int_t
ngx_http_prodorder_request_body(ngx_http_request_t *r, ngx_str_t *ret,
    u_char **copy)
{
    off_t                           size;
    u_char                         *p;
    ngx_chain_t                    *cl, *bufs;
    ngx_http_prodorder_loc_conf_t  *plcf;

    ngx_str_null(ret);
    *copy = NULL;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    bufs = r->request_body->bufs;
    size = 0;

    for (cl = bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > (off_t) plcf->body_limit) {
        return NGX_DECLINED;
    }

    if (bufs->next == NULL && ngx_buf_in_memory(bufs->buf)) {
        ret->data = bufs->buf->pos;
        ret->len = (size_t) size;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, (size_t) size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *copy = p;
    ret->data = p;
    ret->len = (size_t) size;

    return ngx_http_prodorder_copy_body(r, p);
}


/* A buffer is in memory, or a part of the temporary file. */

static ngx_int_t
ngx_http_prodorder_copy_body(ngx_http_request_t *r, u_char *p)
{
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        size = (size_t) (b->file_last - b->file_pos);

        n = ngx_read_file(b->file, p, size, b->file_pos);

        if (n != (ssize_t) size) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          "prodorder: read %z of %uz bytes of the request "
                          "body from \"%V\"", n, size, &b->file->name);
            return NGX_ERROR;
        }

        p += size;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_prodorder_request_out(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_buf_t *b)
{
    ctx->out = ngx_alloc_chain_link(r->pool);

    if (ctx->out == NULL || b == NULL) {
        return NGX_ERROR;
    }

    ctx->out->buf = b;
    ctx->out->next = NULL;

    return NGX_OK;
}


ngx_str_t *
ngx_http_prodorder_request_verdict(ngx_http_prodorder_ctx_t *ctx)
{
    static ngx_str_t  names[] = {
        ngx_string("none"), ngx_string("none"),      /* UNCHECKED, READING */
        ngx_string("valid"), ngx_string("invalid")
    };

    return &names[ctx->verdict];
}


ngx_uint_t
ngx_http_prodorder_request_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status ? r->headers_out.status
                                 : NGX_HTTP_CLIENT_CLOSED_REQUEST;
}


ngx_msec_t
ngx_http_prodorder_request_duration(ngx_http_request_t *r)
{
    ngx_time_t      *tp;
    ngx_msec_int_t   ms;

    tp = ngx_timeofday();

    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + ((ngx_msec_int_t) tp->msec
                              - (ngx_msec_int_t) r->start_msec));

    return (ngx_msec_t) ngx_max(ms, 0);
}


ngx_int_t
ngx_http_prodorder_request_discard(ngx_http_request_t *r)
{
    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    return ngx_http_discard_request_body(r);
}


ngx_int_t
ngx_http_prodorder_request_answer(ngx_http_request_t *r, ngx_uint_t status,
    char *type, ngx_chain_t *out)
{
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    /* what is true of this moment has not been seen before */

    r->disable_not_modified = 1;

    r->headers_out.status = status;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_length_n = 0;

    for (cl = out; cl; cl = cl->next) {
        r->headers_out.content_length_n += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = (r == r->main);
            cl->buf->last_in_chain = 1;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}
