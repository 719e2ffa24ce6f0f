
/*
 * The PRECONTENT handler: finds the operation of the OpenAPI document, reads
 * the request body when the operation takes one, and answers what is wrong.
 *
 * The body is read as the core's mirror module reads it: the first call starts
 * reading and returns NGX_DONE, the body handler decides and runs the phases
 * again, the second call returns the verdict.
 */


#include "ngx_http_prodorder.h"


static ngx_int_t ngx_http_prodorder_begin(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_int_t ngx_http_prodorder_check_request(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_int_t ngx_http_prodorder_check_params(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static struct str ngx_http_prodorder_param_header(void *user,
    struct str name, unsigned *count);
static ngx_int_t ngx_http_prodorder_check_media(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_check_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static ngx_int_t ngx_http_prodorder_check_text(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_str_t *text);
static ngx_int_t ngx_http_prodorder_verdict(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static char *ngx_http_prodorder_cut_report(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_log_invalid(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, char *more);
static ngx_int_t ngx_http_prodorder_refuse(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_uint_t status, char *message);


/* What the report and the parameters of one request may take. */
#define NGX_HTTP_PRODORDER_ARENA_MAX    (4 * 1024 * 1024)

/* What a few valid parameters take: for them no chunk of 4 KiB is allocated. */
#define NGX_HTTP_PRODORDER_ARENA_FIRST  512


ngx_int_t
ngx_http_prodorder_validate_handler(ngx_http_request_t *r)
{
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    /* on its way to an error_page, the request is no longer the client's */

    if (!plcf->gateway || r->error_page || r->err_status) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* invalid, and here again: "prodorder_validate log" has let it pass */

    if (ctx->verdict == NGX_HTTP_PRODORDER_VALID
        || ctx->verdict == NGX_HTTP_PRODORDER_INVALID)
    {
        return NGX_DECLINED;
    }

    if (ctx->verdict == NGX_HTTP_PRODORDER_READING) {
        return ngx_http_prodorder_verdict(r, ctx);
    }

    if (!plcf->validate || plcf->document == NULL) {
        return NGX_DECLINED;
    }

    return ngx_http_prodorder_begin(r, ctx);
}


static ngx_int_t
ngx_http_prodorder_begin(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_prodorder_check_request(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!ctx->match.operation->takes_body) {
        return ngx_http_prodorder_verdict(r, ctx);
    }

    ctx->verdict = NGX_HTTP_PRODORDER_READING;

    rc = ngx_http_read_client_request_body(r, ngx_http_prodorder_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


/* All that can be said before the body is read. */

static ngx_int_t
ngx_http_prodorder_check_request(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    struct match                   *match;
    ngx_http_prodorder_loc_conf_t  *plcf;

    match = ngx_http_prodorder_request_match(r, ctx);

    if (match->route == ROUTE_NO_PATH) {
        return ngx_http_prodorder_refuse(r, ctx, NGX_HTTP_NOT_FOUND, NULL);
    }

    if (match->route == ROUTE_NO_METHOD) {
        return ngx_http_prodorder_refuse(r, ctx, NGX_HTTP_NOT_ALLOWED, NULL);
    }

    if (ngx_http_prodorder_check_params(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!match->operation->takes_body) {
        return NGX_OK;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (r->headers_in.content_length_n > (off_t) plcf->body_limit) {
        return ngx_http_prodorder_refuse(r, ctx,
                                         NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         NULL);
    }

    /* HTTP/2 may not say before whether there is a body: see check_body() */

    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        return ngx_http_prodorder_check_media(r, ctx);
    }

    return NGX_OK;
}


/* The report begins with what is wrong with the parameters. */

static ngx_int_t
ngx_http_prodorder_check_params(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    void                           *first;
    u_char                         *p, *last;
    struct str                      query;
    ngx_http_prodorder_loc_conf_t  *plcf;

    first = ngx_palloc(r->pool, NGX_HTTP_PRODORDER_ARENA_FIRST);

    if (first == NULL) {
        return NGX_ERROR;
    }

    ngx_http_prodorder_request_arena(r, &ctx->arena,
                                     NGX_HTTP_PRODORDER_ARENA_MAX);
    arena_start_in(&ctx->arena, first, NGX_HTTP_PRODORDER_ARENA_FIRST);

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    /* one more than is answered tells whether there are more */

    report_init(&ctx->report, &ctx->arena, (unsigned) plcf->max_errors + 1);

    last = r->unparsed_uri.data + r->unparsed_uri.len;
    p = ngx_strlchr(r->unparsed_uri.data, last, '?');

    query.data = p ? (char *) p + 1 : (char *) last;
    query.len = (char *) last - query.data;

    (void) request_params(&ctx->match, query, ngx_http_prodorder_param_header, r,
                          &ctx->report);

    return ctx->report.out_of_memory ? NGX_ERROR : NGX_OK;
}


static struct str
ngx_http_prodorder_param_header(void *user, struct str name,
    unsigned *count)
{
    ngx_http_request_t *r = user;

    ngx_str_t         key, value;
    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    key.data = (u_char *) name.data;
    key.len = name.len;

    h = ngx_http_prodorder_header_in(r, &key, &n);
    *count = (unsigned) n;

    if (h == NULL) {
        return (struct str) { "", 0 };
    }

    /* without memory for all of them, the first stands for the list */

    if (ngx_http_prodorder_header_join(r, &key, &value) != NGX_OK) {
        value = h->value;
    }

    return (struct str) { (char *) value.data, value.len };
}


static ngx_int_t
ngx_http_prodorder_check_media(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    ngx_uint_t        count;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("Content-Encoding");

    h = ngx_http_prodorder_header_in(r, &name, &count);

    if (h && (count > 1 || h->value.len != sizeof("identity") - 1
              || ngx_strncasecmp(h->value.data, (u_char *) "identity",
                                 sizeof("identity") - 1)
                 != 0))
    {
        return ngx_http_prodorder_refuse(r, ctx,
                                         NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                   "an encoded (compressed) request body is not supported");
    }

    if (!request_takes_media(ctx->match.operation,
                             ngx_http_prodorder_header_media_type(r)))
    {
        return ngx_http_prodorder_refuse(r, ctx,
                                         NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                         NULL);
    }

    return NGX_OK;
}


static void
ngx_http_prodorder_body_handler(ngx_http_request_t *r)
{
    /* the body stays for the proxy module, and the phases go on from here */

    r->preserve_body = 1;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/*
 * NGX_DECLINED: the request is valid.  Everything else ends the phases, and
 * the report is complete: parameters first, then the body.
 */

static ngx_int_t
ngx_http_prodorder_verdict(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    char                 *message;
    ngx_int_t             rc;
    struct report_error  *error;

    if (ctx->verdict == NGX_HTTP_PRODORDER_READING) {
        rc = ngx_http_prodorder_check_body(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->report.out_of_memory) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->report.count == 0) {
        ctx->verdict = NGX_HTTP_PRODORDER_VALID;
        return NGX_DECLINED;
    }

    message = ngx_http_prodorder_cut_report(r, ctx);

    if (message == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a body that is not JSON says it all at once; the texts end with a zero byte */

    error = ctx->report.first;

    if (str_is(error->keyword, "json")) {
        message = (char *) error->message.data;
    }

    return ngx_http_prodorder_refuse(r, ctx, NGX_HTTP_BAD_REQUEST, message);
}


/*
 * Takes the error beyond prodorder_max_errors out of the report, and logs and
 * says, when there is one, that there are more.  NULL: no memory.
 */

static char *
ngx_http_prodorder_cut_report(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    u_char                         *text;
    ngx_uint_t                      n, is_cut;
    struct report_error            *error;
    struct report                  *report;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);
    report = &ctx->report;

    /* the report lowers its own limit when an error found no memory */

    is_cut = report->count > plcf->max_errors
             || report->count_max <= plcf->max_errors;

    if (report->count > plcf->max_errors) {
        error = report->first;

        for (n = 1; n < plcf->max_errors; n++) {
            error = error->next;
        }

        error->next = NULL;
        report->last = error;
        report->count = (unsigned) plcf->max_errors;
    }

    ngx_http_prodorder_log_invalid(r, ctx, is_cut ? " or more" : "");

    if (!is_cut) {
        return "the request is not valid";
    }

    if (report->count == 1) {
        return "the request is not valid; the first error is listed";
    }

#define NGX_HTTP_PRODORDER_CUT  "the request is not valid; the first %ui errors are listed"

    text = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_PRODORDER_CUT) + NGX_INT_T_LEN);

    if (text) {
        ngx_sprintf(text, NGX_HTTP_PRODORDER_CUT "%Z",
                    (ngx_uint_t) report->count);
    }

    return (char *) text;
}


static ngx_int_t
ngx_http_prodorder_check_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx)
{
    u_char     *copy;
    ngx_int_t   rc;
    ngx_str_t   text;

    rc = ngx_http_prodorder_request_body(r, &text, &copy);

    if (rc == NGX_DECLINED) {
        return ngx_http_prodorder_refuse(r, ctx,
                                         NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         NULL);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_prodorder_check_text(r, ctx, &text);

    /* the upstream may take its time; what the report says, it has copied */

    if (copy) {
        (void) ngx_pfree(r->pool, copy);
    }

    return rc;
}


static ngx_int_t
ngx_http_prodorder_check_text(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_str_t *text)
{
    ngx_int_t                       rc;
    struct json_scan_limits         limits;
    ngx_http_prodorder_loc_conf_t  *plcf;

    if (text->len == 0) {

        if (ctx->match.operation->body_required) {
            report_add(&ctx->report, &report_root, "required",
                       "a request body is required");
        }

        return NGX_OK;
    }

    rc = ngx_http_prodorder_check_media(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    limits.depth_max = (unsigned) plcf->json_depth;
    limits.values_max = (uint32_t) plcf->json_values;

    (void) request_body(ctx->match.operation,
                        ngx_http_prodorder_header_media_type(r),
                        (char *) text->data, text->len, &limits, &ctx->report);

    return NGX_OK;
}


/* Path and message hold names that the client chose: a line stays one line. */

static void
ngx_http_prodorder_log_invalid(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, char *more)
{
    ngx_uint_t                      level;
    struct report_error            *error;
    ngx_http_prodorder_json_t       json;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    level = plcf->validate == NGX_HTTP_PRODORDER_VALIDATE_LOG ? NGX_LOG_WARN
                                                              : NGX_LOG_INFO;

    if (r->connection->log->log_level < level
        || ngx_http_prodorder_request_id(r, ctx) != NGX_OK)
    {
        return;
    }

    error = ctx->report.first;

    json.len = 0;
    json.pos = ngx_pnalloc(r->pool, sizeof("\"\": \"\"")
                                    + NGX_HTTP_PRODORDER_ESCAPE
                                      * (error->path.len + error->message.len));
    if (json.pos == NULL) {
        return;
    }

    ngx_http_prodorder_json_string(&json, error->path.data, error->path.len);
    ngx_http_prodorder_json_text(&json, ": ");
    ngx_http_prodorder_json_string(&json, error->message.data,
                                   error->message.len);

    ngx_log_error(level, r->connection->log, 0,
                  "prodorder: client sent an invalid request: "
                  "%ui error(s)%s, the first at %*s, request id \"%V\"",
                  (ngx_uint_t) ctx->report.count, more,
                  json.len, json.pos - json.len, &ctx->request_id);
}


/*
 * The answer is ours, and complete when this returns: the phases end here.
 * NGX_DECLINED: "prodorder_validate log" lets the request pass.
 */

static ngx_int_t
ngx_http_prodorder_refuse(ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx,
    ngx_uint_t status, char *message)
{
    ngx_http_prodorder_loc_conf_t  *plcf;

    ctx->verdict = NGX_HTTP_PRODORDER_INVALID;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->validate == NGX_HTTP_PRODORDER_VALIDATE_LOG) {

        if (ngx_http_prodorder_request_id(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "prodorder: invalid request is let pass instead of "
                      "being answered with %ui, request id \"%V\"",
                      status, &ctx->request_id);
        return NGX_DECLINED;
    }

    ctx->refused = status;

    if (message) {
        ctx->message.data = (u_char *) message;
        ctx->message.len = ngx_strlen(message);
    }

    ngx_http_finalize_request(r, ngx_http_prodorder_error_reply(r, status));

    return NGX_DONE;
}
