
/*
 * The text of an error: the envelope of the contract, or RFC 9457's problem;
 * and what an upstream's own JSON error contributes to it.
 */


#include "ngx_http_prodorder.h"


static void ngx_http_prodorder_write_envelope(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message);
static void ngx_http_prodorder_write_problem(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message);
static void ngx_http_prodorder_write_details(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_write_report(ngx_http_prodorder_json_t *json,
    struct report *report);
static void ngx_http_prodorder_write_str(ngx_http_prodorder_json_t *json,
    struct str str);
static ngx_str_t ngx_http_prodorder_raw(const struct oa_json *value,
    enum oa_json_type type);


ngx_buf_t *
ngx_http_prodorder_error_build(ngx_http_request_t *r,
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

        if (problem) {
            ngx_http_prodorder_write_problem(&json, r, ctx, &message);

        } else {
            ngx_http_prodorder_write_envelope(&json, r, ctx, &message);
        }

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
ngx_http_prodorder_write_envelope(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message)
{
    ngx_http_prodorder_json_text(json, "{\"statusCode\":");
    ngx_http_prodorder_json_uint(json, r->headers_out.status);
    ngx_http_prodorder_json_text(json, ",\"data\":null,\"message\":");
    ngx_http_prodorder_json_string(json, message->data, message->len);

    ngx_http_prodorder_write_details(json, r, ctx);

    ngx_http_prodorder_json_text(json, ",\"timestamp\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\",\"path\":");
    ngx_http_prodorder_json_target(json, r);
    ngx_http_prodorder_json_text(json, ",\"requestId\":");
    ngx_http_prodorder_json_string(json, ctx->request_id.data,
                                   ctx->request_id.len);
    ngx_http_prodorder_json_text(json, "}");
}


static void
ngx_http_prodorder_write_problem(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx, ngx_str_t *message)
{
    const char  *title;

    title = err_status_title((int) r->headers_out.status);

    ngx_http_prodorder_json_text(json, "{\"type\":\"about:blank\",\"title\":");
    ngx_http_prodorder_json_string(json, (u_char *) title, ngx_strlen(title));
    ngx_http_prodorder_json_text(json, ",\"status\":");
    ngx_http_prodorder_json_uint(json, r->headers_out.status);
    ngx_http_prodorder_json_text(json, ",\"detail\":");
    ngx_http_prodorder_json_string(json, message->data, message->len);
    ngx_http_prodorder_json_text(json, ",\"instance\":");
    ngx_http_prodorder_json_target(json, r);

    ngx_http_prodorder_write_details(json, r, ctx);

    ngx_http_prodorder_json_text(json, ",\"timestamp\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\",\"requestId\":");
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
        ngx_http_prodorder_write_str(json, error->path);
        ngx_http_prodorder_json_text(json, ",\"keyword\":");
        ngx_http_prodorder_write_str(json, error->keyword);
        ngx_http_prodorder_json_text(json, ",\"message\":");
        ngx_http_prodorder_write_str(json, error->message);
        ngx_http_prodorder_json_text(json, "}");
    }

    ngx_http_prodorder_json_text(json, "]");
}


static void
ngx_http_prodorder_write_str(ngx_http_prodorder_json_t *json,
    struct str str)
{
    ngx_http_prodorder_json_string(json, (u_char *) str.data, str.len);
}


/* A body that is incomplete, too large or not JSON contributes nothing. */

void
ngx_http_prodorder_error_parse(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    struct arena            arena;
    struct oa_json         *root;
    const struct oa_json   *message;
    struct json_scan_error  error;

    if (ctx->collected == NULL || ctx->overflow) {
        return;
    }

    arena_init_from(&arena, ngx_http_prodorder_grab, r->pool,
                    64 * NGX_HTTP_PRODORDER_ERROR_MAX);

    root = oa_json_parse(&arena, (char *) ctx->collected->pos,
                         ctx->collected->last - ctx->collected->pos,
                         REQUEST_BODY_DEPTH_MAX, &error);

    if (root == NULL || root->type != OA_OBJECT) {
        return;
    }

    message = oa_json_get(root, "message");

    if (message && message->type == OA_STRING) {
        ctx->message.data = (u_char *) message->text.data;
        ctx->message.len = utf8_cut(message->text.data, message->text.len,
                                    NGX_HTTP_PRODORDER_MESSAGE_MAX);
    }

    ctx->errors = ngx_http_prodorder_raw(oa_json_get(root, "errors"),
                                         OA_ARRAY);
    ctx->components = ngx_http_prodorder_raw(oa_json_get(root, "components"),
                                             OA_OBJECT);
}


static ngx_str_t
ngx_http_prodorder_raw(const struct oa_json *value, enum oa_json_type type)
{
    ngx_str_t  raw;

    ngx_str_null(&raw);

    if (value && value->type == type) {
        raw.data = (u_char *) value->raw.data;
        raw.len = value->raw.len;
    }

    return raw;
}
