
/*
 * The text of an error: the envelope of the contract, or RFC 9457's problem;
 * what an upstream's own JSON error contributes to it; and the message when
 * nobody has a better one: the cause, or the limit, where the request shows it.
 */


#include "ngx_http_prodorder.h"
#include "openapi/document/media.h"


/* A message taken from an upstream is cut at this many bytes. */
#define NGX_HTTP_PRODORDER_MESSAGE_MAX    1024


typedef struct {
    ngx_uint_t  status;
    ngx_str_t   message;
} ngx_http_prodorder_message_t;


static void ngx_http_prodorder_write_error(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message,
    ngx_uint_t problem);
static void ngx_http_prodorder_write_details(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_write_report(ngx_http_prodorder_json_t *json,
    struct report *report);
static ngx_str_t ngx_http_prodorder_raw(const struct value *value,
    enum value_type type);
static ngx_str_t ngx_http_prodorder_status_message(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_str_t ngx_http_prodorder_message_of(ngx_uint_t status);
static void ngx_http_prodorder_malformed(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_uint_t ngx_http_prodorder_is_header_too_large(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_prodorder_is_certificate(ngx_http_request_t *r);
static void ngx_http_prodorder_certificate(ngx_http_request_t *r,
    ngx_str_t *text);
static void ngx_http_prodorder_body_too_large(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_str_t *text);
static void ngx_http_prodorder_line_too_long(ngx_http_request_t *r,
    ngx_str_t *text);
static void ngx_http_prodorder_limit(ngx_http_request_t *r, char *format,
    off_t limit, ngx_str_t *text);
static void ngx_http_prodorder_media(ngx_http_request_t *r, ngx_str_t *text);


static ngx_http_prodorder_message_t  ngx_http_prodorder_messages[] = {

    { 400, ngx_string("the request is malformed") },
    { 401, ngx_string("authentication is required") },
    { 402, ngx_string("payment is required") },
    { 403, ngx_string("access to this resource is not allowed") },
    { 404, ngx_string("there is no such resource") },
    { 405, ngx_string("this resource does not support the request's method; "
                      "the Allow header lists those that it does") },
    { 406,
      ngx_string("no representation matches the request's Accept headers") },
    { 407, ngx_string("authentication with the proxy is required") },
    { 408, ngx_string("the request did not arrive in time") },
    { 409, ngx_string("the request conflicts with the resource's state") },
    { 410, ngx_string("the resource is no longer available") },
    { 411, ngx_string("the request needs a Content-Length") },
    { 412, ngx_string("the resource has changed: read it again") },
    { 413, ngx_string("the request body is larger than the limit") },
    { 414, ngx_string("the request target is too long") },
    { 415, ngx_string("the request body's media type is not supported") },
    { 416, ngx_string("the requested range cannot be served") },
    { 417, ngx_string("the request's Expect header cannot be met") },
    { 421, ngx_string("this server does not answer for the requested host") },
    { 422, ngx_string("the request is well-formed but cannot be followed") },
    { 423, ngx_string("the resource is locked") },
    { 424, ngx_string("another action failed that this one needs") },
    { 425,
      ngx_string("the request may be a replay: send it again after the TLS "
                 "handshake") },
    { 426, ngx_string("the server wants another protocol: see the Upgrade "
                      "header") },
    { 428, ngx_string("the request needs a condition, such as If-Match") },
    { 429, ngx_string("too many requests: try again after the time in "
                      "Retry-After") },
    { 431, ngx_string("the request's header fields are too large") },
    { 451, ngx_string("the resource is not available for legal reasons") },
    { 500, ngx_string("an internal error occurred") },
    { 501, ngx_string("the server does not support what the request needs") },
    { 502,
      ngx_string("the service behind the gateway cannot be reached or gave "
                 "no valid answer") },
    { 503,
      ngx_string("the service is overloaded or not ready: try again after "
                 "the time in Retry-After") },
    { 504,
      ngx_string("the service behind the gateway did not answer in time") },
    { 505, ngx_string("the request's HTTP version is not supported") },
    { 506,
      ngx_string("the server's content negotiation goes round in circles") },
    { 507, ngx_string("there is no room to store the request") },
    { 508, ngx_string("the request goes round in circles") },
    { 510,
      ngx_string("the request lacks an extension that the server wants") },
    { 511,
      ngx_string("the network wants authentication before it lets requests "
                 "pass") }
};


ngx_buf_t *
ngx_http_prodorder_error_text_build(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_uint_t problem)
{
    ngx_buf_t                  *b;
    ngx_str_t                   message;
    ngx_uint_t                  pass;
    ngx_http_prodorder_json_t   json;

    json.pos = NULL;
    json.len = 0;
    b = NULL;

    message = ctx->message.len ? ctx->message
                               : ngx_http_prodorder_status_message(r, ctx);

    for (pass = 0; pass < 2; pass++) {
        ngx_http_prodorder_write_error(&json, r, ctx, &message, problem);

        if (pass == 0) {
            b = ngx_create_temp_buf(r->pool, json.len);
            if (b == NULL) {
                return NULL;
            }

            json.pos = b->last;
        }
    }

    b->last = json.pos;
    b->last_buf = 1;
    b->last_in_chain = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_prodorder_gateway_module;

    return b;
}


static void
ngx_http_prodorder_write_error(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message,
    ngx_uint_t problem)
{
    const char  *title;

    if (problem) {
        title = err_status_title((int) r->headers_out.status);

        ngx_http_prodorder_json_text(json,
                                     "{\"type\":\"about:blank\",\"title\":");
        ngx_http_prodorder_json_string(json, title, ngx_strlen(title));
        ngx_http_prodorder_json_text(json, ",\"status\":");
        ngx_http_prodorder_json_uint(json, r->headers_out.status);
        ngx_http_prodorder_json_text(json, ",\"detail\":");
        ngx_http_prodorder_json_string(json, message->data, message->len);
        ngx_http_prodorder_json_text(json, ",\"instance\":");
        ngx_http_prodorder_json_target(json, r);

    } else {
        ngx_http_prodorder_json_text(json, "{\"statusCode\":");
        ngx_http_prodorder_json_uint(json, r->headers_out.status);
        ngx_http_prodorder_json_text(json, ",\"data\":null,\"message\":");
        ngx_http_prodorder_json_string(json, message->data, message->len);
    }

    ngx_http_prodorder_write_details(json, r, ctx);

    ngx_http_prodorder_json_text(json, ",\"timestamp\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\"");

    if (!problem) {
        ngx_http_prodorder_json_text(json, ",\"path\":");
        ngx_http_prodorder_json_target(json, r);
    }

    ngx_http_prodorder_json_text(json, ",\"requestId\":");
    ngx_http_prodorder_json_string(json, ctx->request_id.data,
                                   ctx->request_id.len);
    ngx_http_prodorder_json_text(json, "}");
}


/* The validator's errors, or what an upstream's error carried. */

static void
ngx_http_prodorder_write_details(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    if (r->headers_out.status == NGX_HTTP_BAD_REQUEST
        && ctx->refused == NGX_HTTP_BAD_REQUEST)
    {
        ngx_http_prodorder_write_report(json, &ctx->report);
        return;
    }

    if (ctx->errors.len) {
        ngx_http_prodorder_json_text(json, ",\"errors\":");
        ngx_http_prodorder_json_raw(json, ctx->errors.data, ctx->errors.len);
    }

    if (ctx->components.len) {
        ngx_http_prodorder_json_text(json, ",\"components\":");
        ngx_http_prodorder_json_raw(json, ctx->components.data,
                                    ctx->components.len);
    }
}


static void
ngx_http_prodorder_write_report(ngx_http_prodorder_json_t *json,
    struct report *report)
{
    struct report_error  *error;

    ngx_http_prodorder_json_text(json, ",\"errors\":[");

    for (error = report->first; error; error = error->next) {

        if (error != report->first) {
            ngx_http_prodorder_json_text(json, ",");
        }

        ngx_http_prodorder_json_text(json, "{\"path\":");
        ngx_http_prodorder_json_string(json, error->path.data,
                                       error->path.len);
        ngx_http_prodorder_json_text(json, ",\"keyword\":");
        ngx_http_prodorder_json_string(json, error->keyword.data,
                                       error->keyword.len);
        ngx_http_prodorder_json_text(json, ",\"message\":");
        ngx_http_prodorder_json_string(json, error->message.data,
                                       error->message.len);
        ngx_http_prodorder_json_text(json, "}");
    }

    ngx_http_prodorder_json_text(json, "]");
}


/* A body that is incomplete, too large or not JSON contributes nothing. */

void
ngx_http_prodorder_error_text_parse(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    struct arena            arena;
    struct value           *root;
    const struct value     *message;
    struct json_scan_error  error;

    if (ctx->collected == NULL || ctx->overflow) {
        return;
    }

    ngx_http_prodorder_request_arena(r, &arena,
                                     64 * NGX_HTTP_PRODORDER_ERROR_MAX);

    root = value_parse(&arena, (char *) ctx->collected->pos,
                       ctx->collected->last - ctx->collected->pos,
                       REQUEST_BODY_DEPTH_MAX, &error);

    if (root == NULL || root->type != VALUE_OBJECT) {
        return;
    }

    message = value_get(root, "message");

    if (message && message->type == VALUE_STRING) {
        ctx->message.data = (u_char *) message->text.data;
        ctx->message.len = utf8_cut(message->text.data, message->text.len,
                                    NGX_HTTP_PRODORDER_MESSAGE_MAX);
    }

    ctx->errors = ngx_http_prodorder_raw(value_get(root, "errors"),
                                         VALUE_ARRAY);
    ctx->components = ngx_http_prodorder_raw(value_get(root, "components"),
                                             VALUE_OBJECT);
}


static ngx_str_t
ngx_http_prodorder_raw(const struct value *value, enum value_type type)
{
    ngx_str_t  raw;

    ngx_str_null(&raw);

    if (value && value->type == type) {
        raw.data = (u_char *) value->raw.data;
        raw.len = value->raw.len;
    }

    return raw;
}


static ngx_str_t
ngx_http_prodorder_message_of(ngx_uint_t status)
{
    ngx_uint_t  i, n;

    static ngx_str_t  other = ngx_string("the request failed");

    n = sizeof(ngx_http_prodorder_messages)
        / sizeof(ngx_http_prodorder_messages[0]);

    for (i = 0; i < n; i++) {
        if (ngx_http_prodorder_messages[i].status == status) {
            return ngx_http_prodorder_messages[i].message;
        }
    }

    return other;
}


/*
 * A status from a configuration ("return 413") or from an upstream has causes
 * of its own: the text that fits any is left for it.  An empty text: likewise.
 */

static ngx_str_t
ngx_http_prodorder_status_message(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_str_t   text;
    ngx_uint_t  status;

    ngx_str_null(&text);

    status = r->headers_out.status;

    if (r->upstream && r->upstream->headers_in.status_n == status) {
        return ngx_http_prodorder_message_of(status);
    }

    switch (status) {

    case NGX_HTTP_BAD_REQUEST:
        ngx_http_prodorder_malformed(r, &text);
        break;

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        ngx_http_prodorder_body_too_large(r, ctx, &text);
        break;

    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
        ngx_http_prodorder_line_too_long(r, &text);
        break;

    case NGX_HTTP_UNSUPPORTED_MEDIA_TYPE:
        if (ctx->refused == status) {
            ngx_http_prodorder_media(r, &text);
        }

        break;

    case NGX_HTTP_NOT_IMPLEMENTED:
        if (r->headers_in.transfer_encoding && !r->headers_in.chunked) {
            ngx_str_set(&text, "the transfer coding is not supported: send "
                               "chunked, or a Content-Length");
        }

        break;
    }

    return text.len ? text : ngx_http_prodorder_message_of(status);
}


/* nginx's own statuses 494 to 497 have become 400 on their way here. */

static void
ngx_http_prodorder_malformed(ngx_http_request_t *r, ngx_str_t *text)
{
#if (NGX_HTTP_SSL || NGX_COMPAT)

    if (r->http_connection->ssl && r->connection->ssl == NULL) {
        ngx_str_set(text, "this port speaks HTTPS: use https:// instead of "
                          "http://");
        return;
    }

#endif

    if (ngx_http_prodorder_is_header_too_large(r)) {
        ngx_str_set(text, "the request's header fields are too large");

    } else if (ngx_http_prodorder_is_certificate(r)) {
        ngx_http_prodorder_certificate(r, text);
    }
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


/*
 * Between the whole header and the first phase, nginx looks at the header's
 * framing and then at the client's certificate.
 */

static ngx_uint_t
ngx_http_prodorder_is_certificate(ngx_http_request_t *r)
{
    ngx_http_headers_in_t  *in;

    in = &r->headers_in;

    if (!r->http_connection->ssl || r->valid_location
        || r->http_state != NGX_HTTP_PROCESS_REQUEST_STATE)
    {
        return 0;
    }

    if (in->host == NULL && r->http_version > NGX_HTTP_VERSION_10) {
        return 0;
    }

    if (in->content_length && in->content_length_n < 0) {
        return 0;
    }

    /* over HTTP/2, a body may be shorter than its length */

    if (r->stream && in->content_length_n > 0) {
        return 0;
    }

    return in->transfer_encoding == NULL
           || (in->chunked && in->content_length == NULL);
}


static void
ngx_http_prodorder_certificate(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_http_variable_value_t  *verify;

    static ngx_str_t  name = ngx_string("ssl_client_verify");

    verify = ngx_http_get_variable(r, &name,
                                   ngx_hash_key(name.data, name.len));

    if (verify == NULL || verify->not_found) {
        return;
    }

    if (verify->len == sizeof("NONE") - 1
        && ngx_strncmp(verify->data, "NONE", sizeof("NONE") - 1) == 0)
    {
        ngx_str_set(text, "a TLS client certificate is required");

    } else if (verify->len > sizeof("FAILED") - 1
               && ngx_strncmp(verify->data, "FAILED", sizeof("FAILED") - 1)
                  == 0)
    {
        ngx_str_set(text, "the TLS client certificate is not accepted");
    }
}


static void
ngx_http_prodorder_body_too_large(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_str_t *text)
{
    off_t                           limit;
    ngx_table_elt_t                *h;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (ctx->refused == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        plcf = ngx_http_get_module_loc_conf(r,
                                            ngx_http_prodorder_gateway_module);
        limit = (off_t) plcf->body_limit;

    } else {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
        limit = clcf->client_max_body_size;

        /* larger by its length, or by what has been read of it */

        h = r->headers_in.content_length;

        if (limit == 0
            || ((h == NULL || ngx_atoof(h->value.data, h->value.len) <= limit)
                && (r->request_body == NULL
                    || r->request_body->post_handler == NULL)))
        {
            return;
        }
    }

    ngx_http_prodorder_limit(r, "the request body is larger than the limit of "
                                "%O bytes", limit, text);
}


/* The target of a line that is too long is not known. */

static void
ngx_http_prodorder_line_too_long(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_http_core_srv_conf_t  *cscf;

    if (r->unparsed_uri.len == 0) {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

        ngx_http_prodorder_limit(r, "the request line is longer than the limit "
                                    "of %O bytes",
                                 cscf->large_client_header_buffers.size, text);
    }
}


/* Not enough memory: the text stays empty. */

static void
ngx_http_prodorder_limit(ngx_http_request_t *r, char *format, off_t limit,
    ngx_str_t *text)
{
    size_t  size;

    size = ngx_strlen(format) + NGX_OFF_T_LEN;

    text->data = ngx_pnalloc(r->pool, size);

    if (text->data) {
        text->len = ngx_snprintf(text->data, size, format, limit) - text->data;
    }
}


static void
ngx_http_prodorder_media(ngx_http_request_t *r, ngx_str_t *text)
{
    struct media  media;

    if (media_parse(ngx_http_prodorder_header_media_type(r), &media)
        && media_is_json(&media) && media_has_other_charset(&media))
    {
        ngx_str_set(text, "the request body's charset is not supported: "
                          "send JSON in UTF-8");

    } else {
        ngx_str_set(text, "the request body's media type is not supported: "
                          "send Content-Type: application/json");
    }
}
