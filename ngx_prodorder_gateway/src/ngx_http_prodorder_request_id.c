
/*
 * The request id: a well-formed inbound X-Request-Id, else a random UUID.
 */


#include "ngx_http_prodorder.h"

#include <sys/random.h>


#define NGX_HTTP_PRODORDER_UUID_LEN                                           \
    (sizeof("00000000-0000-4000-8000-000000000000") - 1)


static ngx_uint_t ngx_http_prodorder_id_is_valid(ngx_str_t *id);
static u_char *ngx_http_prodorder_uuid(u_char *p);
static void ngx_http_prodorder_entropy(u_char *p, size_t n);


ngx_int_t
ngx_http_prodorder_request_id(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_uint_t                      count;
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

        if (h && count == 1 && ngx_http_prodorder_id_is_valid(&h->value)) {
            ctx->request_id = h->value;
            return NGX_OK;
        }
    }

    ctx->request_id.data = ngx_pnalloc(r->pool, NGX_HTTP_PRODORDER_UUID_LEN);
    if (ctx->request_id.data == NULL) {
        return NGX_ERROR;
    }

    ctx->request_id.len = ngx_http_prodorder_uuid(ctx->request_id.data)
                          - ctx->request_id.data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_prodorder_id_is_valid(ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->len == 0 || id->len > NGX_HTTP_PRODORDER_ID_MAX) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= ':') || c == '.' || c == '_' || c == '-')
        {
            continue;
        }

        return 0;
    }

    return 1;
}


/* RFC 9562, version 4 */

static u_char *
ngx_http_prodorder_uuid(u_char *p)
{
    u_char  b[16];

    ngx_http_prodorder_random(b, sizeof(b));

    b[6] = (u_char) (0x40 | (b[6] & 0x0f));
    b[8] = (u_char) (0x80 | (b[8] & 0x3f));

    p = ngx_hex_dump(p, b, 4);
    *p++ = '-';
    p = ngx_hex_dump(p, b + 4, 2);
    *p++ = '-';
    p = ngx_hex_dump(p, b + 6, 2);
    *p++ = '-';
    p = ngx_hex_dump(p, b + 8, 2);
    *p++ = '-';

    return ngx_hex_dump(p, b + 10, 6);
}


/*
 * One system call serves many requests.  The store is per process: it is
 * first filled by a worker, so no two workers share its bytes.
 */

void
ngx_http_prodorder_random(u_char *buf, size_t n)
{
    static u_char  store[4096];
    static size_t  left;
    static pid_t   owner;

    if (left < n || owner != ngx_pid) {
        left = sizeof(store);
        owner = ngx_pid;

        ngx_http_prodorder_entropy(store, sizeof(store));
    }

    left -= n;
    ngx_memcpy(buf, store + left, n);
    ngx_memzero(store + left, n);
}


/* A signal may cut the kernel's answer short, or come before it. */

static void
ngx_http_prodorder_entropy(u_char *p, size_t n)
{
    ssize_t  got;

    static ngx_uint_t  logged;

    while (n) {
        got = getrandom(p, n, 0);

        if (got >= 0) {
            p += got;
            n -= got;
            continue;
        }

        if (ngx_errno == NGX_EINTR) {
            continue;
        }

        if (!logged) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, ngx_errno,
                          "prodorder: getrandom() failed, ids are made "
                          "of random() from here on");
            logged = 1;
        }

        /* a kernel, or a sandbox, without the call */

        for ( /* void */ ; n; n--) {
            *p++ = (u_char) (ngx_random() >> 7);
        }
    }
}
