
/*
 * Accept (RFC 9110, 12.5.1), as far as one question goes: does the client ask
 * for application/problem+json by name, and not less than for plain JSON?
 */


#include "ngx_http_prodorder.h"


static ngx_int_t ngx_http_prodorder_accept_quality(ngx_str_t *accept,
    ngx_str_t *type);
static ngx_int_t ngx_http_prodorder_range_quality(u_char *p, u_char *last,
    ngx_str_t *type);
static ngx_int_t ngx_http_prodorder_quality(u_char *p, u_char *last);


ngx_uint_t
ngx_http_prodorder_wants_problem(ngx_http_request_t *r)
{
    ngx_int_t  problem, plain;
    ngx_str_t  accept;

    static ngx_str_t  name = ngx_string("Accept");
    static ngx_str_t  problem_type = ngx_string("application/problem+json");
    static ngx_str_t  plain_type = ngx_string("application/json");

    if (ngx_http_prodorder_join_headers_in(r, &name, &accept) != NGX_OK) {
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
