
/*
 * The request body as one text, wherever nginx has put it.
 */


#include "ngx_http_prodorder.h"


static ngx_int_t ngx_http_prodorder_copy_body(ngx_http_request_t *r,
    u_char *p);


ngx_int_t
ngx_http_prodorder_body_text(ngx_http_request_t *r, ngx_str_t *ret,
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
