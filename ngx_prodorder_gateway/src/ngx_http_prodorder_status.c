
/*
 * What a status is called, and what to say when nobody said more.
 */


#include "ngx_http_prodorder.h"


typedef struct {
    ngx_uint_t  status;
    ngx_str_t   title;
    ngx_str_t   message;
} ngx_http_prodorder_status_t;


static ngx_http_prodorder_status_t *ngx_http_prodorder_status(
    ngx_uint_t status);
static ngx_uint_t ngx_http_prodorder_is_header_too_large(
    ngx_http_request_t *r);


/* Titles: the registry of RFC 9110.  The first is the answer for any other. */

static ngx_http_prodorder_status_t  ngx_http_prodorder_statuses[] = {

    { 0, ngx_string("Error"), ngx_string("the request failed") },

    { 400, ngx_string("Bad Request"),
      ngx_string("the request is malformed") },
    { 401, ngx_string("Unauthorized"),
      ngx_string("authentication is required") },
    { 402, ngx_string("Payment Required"),
      ngx_string("payment is required") },
    { 403, ngx_string("Forbidden"),
      ngx_string("access to this resource is not allowed") },
    { 404, ngx_string("Not Found"),
      ngx_string("there is no such resource") },
    { 405, ngx_string("Method Not Allowed"),
      ngx_string("this resource does not support the request's method; "
                 "the Allow header lists those that it does") },
    { 406, ngx_string("Not Acceptable"),
      ngx_string("no representation matches the request's Accept headers") },
    { 408, ngx_string("Request Timeout"),
      ngx_string("the request did not arrive in time") },
    { 409, ngx_string("Conflict"),
      ngx_string("the request conflicts with the resource's state") },
    { 410, ngx_string("Gone"),
      ngx_string("the resource is no longer available") },
    { 411, ngx_string("Length Required"),
      ngx_string("the request needs a Content-Length") },
    { 412, ngx_string("Precondition Failed"),
      ngx_string("the resource has changed: read it again") },
    { 413, ngx_string("Content Too Large"),
      ngx_string("the request body is larger than the limit") },
    { 414, ngx_string("URI Too Long"),
      ngx_string("the request target is too long") },
    { 415, ngx_string("Unsupported Media Type"),
      ngx_string("the request body's media type is not supported: "
                 "send Content-Type: application/json") },
    { 416, ngx_string("Range Not Satisfiable"),
      ngx_string("the requested range cannot be served") },
    { 417, ngx_string("Expectation Failed"),
      ngx_string("the request's Expect header cannot be met") },
    { 421, ngx_string("Misdirected Request"),
      ngx_string("this server does not answer for the requested host") },
    { 422, ngx_string("Unprocessable Content"),
      ngx_string("the request is well-formed but cannot be followed") },
    { 429, ngx_string("Too Many Requests"),
      ngx_string("too many requests: try again after the time in "
                 "Retry-After") },
    { 431, ngx_string("Request Header Fields Too Large"),
      ngx_string("the request's header fields are too large") },
    { 500, ngx_string("Internal Server Error"),
      ngx_string("an internal error occurred") },
    { 501, ngx_string("Not Implemented"),
      ngx_string("the server does not support what the request needs") },
    { 502, ngx_string("Bad Gateway"),
      ngx_string("the service behind the gateway cannot be reached or gave "
                 "no valid answer") },
    { 503, ngx_string("Service Unavailable"),
      ngx_string("the service is overloaded or not ready: try again after "
                 "the time in Retry-After") },
    { 504, ngx_string("Gateway Timeout"),
      ngx_string("the service behind the gateway did not answer in time") },
    { 505, ngx_string("HTTP Version Not Supported"),
      ngx_string("the request's HTTP version is not supported") },
    { 507, ngx_string("Insufficient Storage"),
      ngx_string("there is no room to store the request") }
};


static ngx_http_prodorder_status_t *
ngx_http_prodorder_status(ngx_uint_t status)
{
    ngx_uint_t  i, n;

    n = sizeof(ngx_http_prodorder_statuses)
        / sizeof(ngx_http_prodorder_statuses[0]);

    for (i = 1; i < n; i++) {
        if (ngx_http_prodorder_statuses[i].status == status) {
            return &ngx_http_prodorder_statuses[i];
        }
    }

    return &ngx_http_prodorder_statuses[0];
}


ngx_str_t *
ngx_http_prodorder_status_title(ngx_uint_t status)
{
    return &ngx_http_prodorder_status(status)->title;
}


ngx_str_t *
ngx_http_prodorder_status_message(ngx_http_request_t *r)
{
    static ngx_str_t  plain = ngx_string(
        "this port speaks HTTPS: use https:// instead of http://");
    static ngx_str_t  large = ngx_string(
        "the request's header fields are too large");

    if (r->headers_out.status == NGX_HTTP_BAD_REQUEST && r->upstream == NULL) {

        /* nginx's own statuses 497 and 494 have become 400 on their way here */

        if (r->http_connection->ssl && r->connection->ssl == NULL) {
            return &plain;
        }

        if (ngx_http_prodorder_is_header_too_large(r)) {
            return &large;
        }
    }

    return &ngx_http_prodorder_status(r->headers_out.status)->message;
}


/*
 * Of the reasons for a 400 before the header is complete, nginx lingers after
 * this one only: the client may still be sending.
 */

static ngx_uint_t
ngx_http_prodorder_is_header_too_large(ngx_http_request_t *r)
{
    return r->lingering_close
           && r->headers_in.content_length_n <= 0
           && !r->headers_in.chunked;
}
