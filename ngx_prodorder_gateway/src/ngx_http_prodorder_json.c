
/*
 * Writing JSON: see the two passes described at ngx_http_prodorder_json_t.
 */


#include "ngx_http_prodorder.h"
#include "base/clock.h"


static size_t ngx_http_prodorder_json_plain(const u_char *p, size_t len);
static size_t ngx_http_prodorder_json_escape(u_char *buf, u_char c);


void
ngx_http_prodorder_json_string(ngx_http_prodorder_json_t *json,
    const void *data, size_t len)
{
    ngx_http_prodorder_json_text(json, "\"");
    (void) ngx_http_prodorder_json_part(json, data, len, (size_t) -1);
    ngx_http_prodorder_json_text(json, "\"");
}


void
ngx_http_prodorder_json_target(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r)
{
    ngx_http_prodorder_json_text(json, "\"");

    if (r->unparsed_uri.len && r->unparsed_uri.data[0] == '?') {
        ngx_http_prodorder_json_text(json, "/");
    }

    (void) ngx_http_prodorder_json_part(json, r->unparsed_uri.data,
                                        r->unparsed_uri.len, (size_t) -1);
    ngx_http_prodorder_json_text(json, "\"");
}


size_t
ngx_http_prodorder_json_part(ngx_http_prodorder_json_t *json,
    const void *text, size_t len, size_t max)
{
    const u_char *data = text;

    u_char  escape[NGX_HTTP_PRODORDER_ESCAPE];
    size_t  i, n;

    i = 0;

    while (i < len) {
        n = ngx_http_prodorder_json_plain(data + i, len - i);

        if (n > max) {

            /* back to the first byte of the character that has no room */

            for (n = max; n && (data[i + n] & 0xc0) == 0x80; n--) {
                /* void */
            }

            ngx_http_prodorder_json_raw(json, data + i, n);
            return i + n;
        }

        if (n) {
            ngx_http_prodorder_json_raw(json, data + i, n);
            i += n;
            max -= n;
            continue;
        }

        n = ngx_http_prodorder_json_escape(escape, data[i]);

        if (n > max) {
            return i;
        }

        ngx_http_prodorder_json_raw(json, escape, n);
        i++;
        max -= n;
    }

    return i;
}


/* The length of the start of p that needs no escape. */

static size_t
ngx_http_prodorder_json_plain(const u_char *p, size_t len)
{
    size_t    i;
    unsigned  n;

    /* what is not simply itself: control characters, '"', '\\', all above ASCII */

    static const uint32_t  special[] = {
        0xffffffff, 0x00000004, 0x10000000, 0x00000000,
        0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff
    };

    i = 0;

    while (i < len) {

        if (!(special[p[i] >> 5] & (1U << (p[i] & 0x1f)))) {
            i++;
            continue;
        }

        n = p[i] >= 0x80 ? utf8_sequence((const char *) p + i, len - i) : 0;

        if (n == 0) {
            break;
        }

        i += n;
    }

    return i;
}


/* Into buf, which has room for any; returns the length. */

static size_t
ngx_http_prodorder_json_escape(u_char *buf, u_char c)
{
    u_char  *p;

    switch (c) {

    case '"':
    case '\\':
        buf[0] = '\\';
        buf[1] = c;
        p = buf + 2;
        break;

    case '\n':
        p = ngx_cpymem(buf, "\\n", 2);
        break;

    case '\r':
        p = ngx_cpymem(buf, "\\r", 2);
        break;

    case '\t':
        p = ngx_cpymem(buf, "\\t", 2);
        break;

    default:
        p = c < 0x20 ? ngx_sprintf(buf, "\\u%04xd", (int) c)
                     : ngx_sprintf(buf, "%%%02Xd", (int) c);
    }

    return p - buf;
}


void
ngx_http_prodorder_json_uint(ngx_http_prodorder_json_t *json, ngx_uint_t n)
{
    u_char  buf[NGX_INT_T_LEN], *p;

    p = buf + sizeof(buf);

    do {
        *--p = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    ngx_http_prodorder_json_raw(json, p, buf + sizeof(buf) - p);
}


void
ngx_http_prodorder_json_time(ngx_http_prodorder_json_t *json)
{
    char         text[CLOCK_RFC3339_BYTES];
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    clock_format_rfc3339((int64_t) tp->sec * 1000 + (int64_t) tp->msec, text);
    ngx_http_prodorder_json_raw(json, text, NGX_HTTP_PRODORDER_TIME_LEN);
}
