
/*
 * Header fields: finding, joining, setting and adapting them, and what the
 * values of a few of them mean.
 */


#include "ngx_http_prodorder.h"


/* A place in a list, before the fields that are still to be looked at. */
typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_http_prodorder_place_t;


static ngx_table_elt_t *ngx_http_prodorder_next(
    ngx_http_prodorder_place_t *place, ngx_str_t *name);
static ngx_table_elt_t *ngx_http_prodorder_find(ngx_list_t *list,
    ngx_str_t *name, ngx_uint_t *count);
static ngx_int_t ngx_http_prodorder_join(ngx_pool_t *pool, ngx_list_t *list,
    ngx_str_t *name, ngx_str_t *ret);
static ngx_uint_t ngx_http_prodorder_is_listed(ngx_str_t *list, char *element);
static ngx_int_t ngx_http_prodorder_accept_quality(ngx_str_t *accept,
    ngx_str_t *type);
static ngx_int_t ngx_http_prodorder_range_quality(u_char *p, u_char *last,
    ngx_str_t *type);
static ngx_int_t ngx_http_prodorder_quality(u_char *p, u_char *last);


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
    ngx_table_elt_t             *h, *found;
    ngx_http_prodorder_place_t   place = { &list->part, 0 };

    *count = 0;
    found = ngx_http_prodorder_next(&place, name);

    for (h = found; h; h = ngx_http_prodorder_next(&place, name)) {
        (*count)++;
    }

    return found;
}


static ngx_table_elt_t *
ngx_http_prodorder_next(ngx_http_prodorder_place_t *place, ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    for ( /* void */ ; place->part; place->part = place->part->next) {

        while (place->i < place->part->nelts) {
            h = (ngx_table_elt_t *) place->part->elts + place->i++;

            if (h->hash != 0
                && h->key.len == name->len
                && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
            {
                return h;
            }
        }

        place->i = 0;
    }

    return NULL;
}


ngx_int_t
ngx_http_prodorder_header_join(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *ret)
{
    return ngx_http_prodorder_join(r->pool, &r->headers_in.headers, name, ret);
}


static ngx_int_t
ngx_http_prodorder_join(ngx_pool_t *pool, ngx_list_t *list, ngx_str_t *name,
    ngx_str_t *ret)
{
    u_char                      *p;
    ngx_uint_t                   count;
    ngx_table_elt_t             *h;
    ngx_http_prodorder_place_t   place = { &list->part, 0 };

    ngx_str_null(ret);

    for (count = 0; (h = ngx_http_prodorder_next(&place, name)); count++) {
        ret->data = h->value.data;
        ret->len += h->value.len + 1;
    }

    /* a comma follows each but the last */

    ret->len -= (count > 0);

    if (count <= 1) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, ret->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ret->data = p;
    place.part = &list->part;

    while ((h = ngx_http_prodorder_next(&place, name))) {
        p = ngx_cpymem(p, h->value.data, h->value.len);
        *p++ = ',';
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_prodorder_header_set(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_http_prodorder_header_clear(r, name);

    return ngx_http_prodorder_header_add(r, name, value);
}


void
ngx_http_prodorder_header_clear(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_table_elt_t             *h;
    ngx_http_prodorder_place_t   place = { &r->headers_out.headers.part, 0 };

    while ((h = ngx_http_prodorder_next(&place, name))) {
        h->hash = 0;
    }
}


ngx_int_t
ngx_http_prodorder_header_add(ngx_http_request_t *r, ngx_str_t *name,
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
ngx_http_prodorder_header_vary_accept(ngx_http_request_t *r)
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

    return ngx_http_prodorder_header_add(r, &vary, &accept);
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


void
ngx_http_prodorder_header_clear_body(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    /* digests: RFC 9530 and older */

    static ngx_str_t  names[] = {
        ngx_string("Content-MD5"),
        ngx_string("Digest"),
        ngx_string("Content-Digest"),
        ngx_string("Repr-Digest")
    };

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ngx_http_prodorder_header_clear(r, &names[i]);
    }
}


void
ngx_http_prodorder_header_set_type(ngx_http_request_t *r, char *type)
{
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
}


struct str
ngx_http_prodorder_header_media_type(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = r->headers_in.content_type;

    return h ? (struct str) { (char *) h->value.data, h->value.len }
             : (struct str) { "", 0 };
}


ngx_uint_t
ngx_http_prodorder_header_is_json(ngx_str_t *content_type)
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
ngx_http_prodorder_header_weaken_etag(ngx_http_request_t *r)
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
 * Accept (RFC 9110, 12.5.1), as far as one question goes: does the client ask
 * for application/problem+json by name, and not less than for plain JSON?
 */

ngx_uint_t
ngx_http_prodorder_header_wants_problem(ngx_http_request_t *r)
{
    ngx_int_t  problem, plain;
    ngx_str_t  accept;

    static ngx_str_t  name = ngx_string("Accept");
    static ngx_str_t  problem_type = ngx_string("application/problem+json");
    static ngx_str_t  plain_type = ngx_string("application/json");

    if (ngx_http_prodorder_header_join(r, &name, &accept) != NGX_OK) {
        return 0;
    }

    problem = ngx_http_prodorder_accept_quality(&accept, &problem_type);

    if (problem <= 0) {
        return 0;
    }

    plain = ngx_http_prodorder_accept_quality(&accept, &plain_type);

    return problem >= plain;
}


/* In thousandths; -1: the type is not named. */

static ngx_int_t
ngx_http_prodorder_accept_quality(ngx_str_t *accept, ngx_str_t *type)
{
    u_char      *p, *last, *end;
    ngx_int_t    quality, q;

    quality = -1;
    last = accept->data + accept->len;

    for (p = accept->data; p < last; p = end + 1) {
        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        q = ngx_http_prodorder_range_quality(p, end, type);
        quality = ngx_max(quality, q);
    }

    return quality;
}


/* One media range: type/subtype *( OWS ";" OWS parameter ) */

static ngx_int_t
ngx_http_prodorder_range_quality(u_char *p, u_char *last, ngx_str_t *type)
{
    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    if ((size_t) (last - p) < type->len
        || ngx_strncasecmp(p, type->data, type->len) != 0)
    {
        return -1;
    }

    p += type->len;

    if (p < last && *p != ';' && *p != ' ' && *p != '\t') {
        return -1;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p != ';') {
            continue;
        }

        while (p + 1 < last && (p[1] == ' ' || p[1] == '\t')) {
            p++;
        }

        if (last - p > 2 && (p[1] == 'q' || p[1] == 'Q') && p[2] == '=') {
            return ngx_http_prodorder_quality(p + 3, last);
        }
    }

    return 1000;
}


/* "0.75" is 750; what is malformed counts as 0. */

static ngx_int_t
ngx_http_prodorder_quality(u_char *p, u_char *last)
{
    ngx_int_t  quality, unit;

    if (p == last || (*p != '0' && *p != '1')) {
        return 0;
    }

    quality = (*p++ - '0') * 1000;

    if (p < last && *p == '.') {
        p++;

        for (unit = 100; unit && p < last && *p >= '0' && *p <= '9'; p++) {
            quality += (*p - '0') * unit;
            unit /= 10;
        }
    }

    return ngx_min(quality, 1000);
}
