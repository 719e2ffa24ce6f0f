
/*
 * Finding, setting and adapting header fields.
 */


#include "ngx_http_prodorder.h"


static ngx_table_elt_t *ngx_http_prodorder_find(ngx_list_t *list,
    ngx_str_t *name, ngx_uint_t *count);
static ngx_int_t ngx_http_prodorder_join(ngx_pool_t *pool, ngx_list_t *list,
    ngx_str_t *name, ngx_str_t *ret);
static u_char *ngx_http_prodorder_join_pass(ngx_list_t *list, ngx_str_t *name,
    u_char *p, size_t *len);
static ngx_uint_t ngx_http_prodorder_is_named(ngx_table_elt_t *h,
    ngx_str_t *name);
static ngx_uint_t ngx_http_prodorder_is_listed(ngx_str_t *list, char *element);


ngx_table_elt_t *
ngx_http_prodorder_header_in(ngx_http_request_t *r, ngx_str_t *name,
    ngx_uint_t *count)
{
    return ngx_http_prodorder_find(&r->headers_in.headers, name, count);
}


ngx_table_elt_t *
ngx_http_prodorder_header_out(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t  count;

    return ngx_http_prodorder_find(&r->headers_out.headers, name, &count);
}


/* The first field of that name; a list not yet initialized is empty. */

static ngx_table_elt_t *
ngx_http_prodorder_find(ngx_list_t *list, ngx_str_t *name, ngx_uint_t *count)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    found = NULL;
    *count = 0;

    if (list->part.elts == NULL) {
        return NULL;
    }

    for (part = &list->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_prodorder_is_named(&h[i], name)) {
                continue;
            }

            if (found == NULL) {
                found = &h[i];
            }

            (*count)++;
        }
    }

    return found;
}


static ngx_uint_t
ngx_http_prodorder_is_named(ngx_table_elt_t *h, ngx_str_t *name)
{
    return h->hash != 0
           && h->key.len == name->len
           && ngx_strncasecmp(h->key.data, name->data, name->len) == 0;
}


ngx_int_t
ngx_http_prodorder_join_headers_in(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *ret)
{
    return ngx_http_prodorder_join(r->pool, &r->headers_in.headers, name, ret);
}


static ngx_int_t
ngx_http_prodorder_join(ngx_pool_t *pool, ngx_list_t *list, ngx_str_t *name,
    ngx_str_t *ret)
{
    size_t            len;
    ngx_uint_t        count;
    ngx_table_elt_t  *h;

    ngx_str_null(ret);

    h = ngx_http_prodorder_find(list, name, &count);

    if (count == 0) {
        return NGX_OK;
    }

    if (count == 1) {
        *ret = h->value;
        return NGX_OK;
    }

    len = 0;
    (void) ngx_http_prodorder_join_pass(list, name, NULL, &len);

    ret->data = ngx_pnalloc(pool, len);
    if (ret->data == NULL) {
        return NGX_ERROR;
    }

    ret->len = ngx_http_prodorder_join_pass(list, name, ret->data, &len)
               - ret->data - 1;

    return NGX_OK;
}


/* Adds up the length when p is NULL, else writes; a comma follows each field. */

static u_char *
ngx_http_prodorder_join_pass(ngx_list_t *list, ngx_str_t *name, u_char *p,
    size_t *len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &list->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_prodorder_is_named(&h[i], name)) {
                continue;
            }

            if (p == NULL) {
                *len += h[i].value.len + 1;
                continue;
            }

            p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
            *p++ = ',';
        }
    }

    return p;
}


ngx_int_t
ngx_http_prodorder_set_header_out(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_http_prodorder_clear_header_out(r, name);

    return ngx_http_prodorder_add_header_out(r, name, value);
}


void
ngx_http_prodorder_clear_header_out(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    while ((h = ngx_http_prodorder_header_out(r, name)) != NULL) {
        h->hash = 0;
    }
}


ngx_int_t
ngx_http_prodorder_add_header_out(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *name;
    h->value = *value;
    h->lowcase_key = NULL;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


/* A cache must not answer one Accept with what was made for another. */

ngx_int_t
ngx_http_prodorder_vary_accept(ngx_http_request_t *r)
{
    ngx_str_t  value;

    static ngx_str_t  vary = ngx_string("Vary");
    static ngx_str_t  accept = ngx_string("Accept");

    if (ngx_http_prodorder_join(r->pool, &r->headers_out.headers, &vary,
                                &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_prodorder_is_listed(&value, "Accept")
        || ngx_http_prodorder_is_listed(&value, "*"))
    {
        return NGX_OK;
    }

    return ngx_http_prodorder_add_header_out(r, &vary, &accept);
}


/* Whether a comma-separated list has that element, without case. */

static ngx_uint_t
ngx_http_prodorder_is_listed(ngx_str_t *list, char *element)
{
    u_char  *p, *last, *end, *next;
    size_t   len;

    len = ngx_strlen(element);
    last = list->data + list->len;

    for (p = list->data; p < last; p = next + 1) {
        next = ngx_strlchr(p, last, ',');

        if (next == NULL) {
            next = last;
        }

        end = next;

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        while (p < end && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }

        if ((size_t) (end - p) == len
            && ngx_strncasecmp(p, (u_char *) element, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Digests are of bytes that are no longer sent so. */

void
ngx_http_prodorder_clear_digests(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static ngx_str_t  names[] = {
        ngx_string("Content-MD5"),
        ngx_string("Digest"),
        ngx_string("Content-Digest"),
        ngx_string("Repr-Digest")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ngx_http_prodorder_clear_header_out(r, &names[i]);
    }
}


ngx_uint_t
ngx_http_prodorder_is_json(ngx_str_t *content_type)
{
    u_char  *p, *last;
    size_t   len;

    p = content_type->data;
    last = p + content_type->len;

    while (p < last && *p != ';' && *p != ' ' && *p != '\t') {
        p++;
    }

    len = p - content_type->data;

    /* nearly all write it so */

    if (len == sizeof("application/json") - 1
        && (ngx_memcmp(content_type->data, "application/json", len) == 0
            || ngx_strncasecmp(content_type->data,
                               (u_char *) "application/json", len)
               == 0))
    {
        return 1;
    }

    return len > sizeof("+json") - 1
           && ngx_strncasecmp(p - (sizeof("+json") - 1), (u_char *) "+json",
                              sizeof("+json") - 1)
              == 0;
}


ngx_int_t
ngx_http_prodorder_weaken_etag(ngx_http_request_t *r)
{
    u_char           *p;
    ngx_table_elt_t  *etag;

    etag = r->headers_out.etag;

    if (etag == NULL || etag->hash == 0 || etag->value.len == 0
        || etag->value.data[0] != '"')
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, etag->value.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p[0] = 'W';
    p[1] = '/';
    ngx_memcpy(p + 2, etag->value.data, etag->value.len);

    etag->value.data = p;
    etag->value.len += 2;

    return NGX_OK;
}


/*
 * A 304 has the validators of the 200 (RFC 9110, 15.4.5), which lost some if
 * it has an envelope.  An upstream's 304 does not say what type the 200 has:
 * a weak tag is right then, too.  A cache takes it for the tag that it holds,
 * weak or strong, but a strong one only for the same strong one (RFC 9111,
 * 4.3.4).
 */

ngx_int_t
ngx_http_prodorder_not_modified(ngx_http_request_t *r)
{
    ngx_str_t  type;

    /* nginx, when it makes a 304 of a 200, empties the type but not this length */

    type.data = r->headers_out.content_type.data;
    type.len = r->headers_out.content_type_len;

    if (type.data && type.len) {

        if (!ngx_http_prodorder_is_json(&type)) {
            return NGX_OK;
        }

        ngx_http_clear_last_modified(r);
    }

    return ngx_http_prodorder_weaken_etag(r);
}
