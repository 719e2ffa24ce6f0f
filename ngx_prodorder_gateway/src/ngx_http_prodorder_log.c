
/*
 * $prodorder_log: the access log's line, one JSON object.
 *
 * A log_format of the same members costs nginx three times as much: each of
 * its variables is looked up, measured and escaped on its own.  Here the line
 * is written once, into memory for the longest line that it can become.
 */


#include "ngx_http_prodorder.h"


/* Names and punctuation of all members, and the values whose size is fixed. */
#define NGX_HTTP_PRODORDER_LOG_FIXED     640

/* An address, a status and a time of one try of an upstream. */
#define NGX_HTTP_PRODORDER_LOG_TRY                                            \
    (NGX_SOCKADDR_STRLEN + NGX_INT_T_LEN + NGX_TIME_T_LEN + 16)

/* The reason of an error is cut at this many bytes. */
#define NGX_HTTP_PRODORDER_LOG_REASON    512


typedef enum {
    NGX_HTTP_PRODORDER_LOG_PEER = 0,
    NGX_HTTP_PRODORDER_LOG_STATUS,
    NGX_HTTP_PRODORDER_LOG_TIME
} ngx_http_prodorder_log_upstream_e;


static size_t ngx_http_prodorder_log_size(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, struct oa_match *match);
static void ngx_http_prodorder_log_write(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx,
    struct oa_match *match);
static void ngx_http_prodorder_log_upstream(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_log_upstream_e what);
static void ngx_http_prodorder_log_reason(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_log_seconds(ngx_http_prodorder_json_t *json,
    ngx_msec_int_t ms);
static ngx_msec_int_t ngx_http_prodorder_log_duration(ngx_http_request_t *r);


ngx_int_t
ngx_http_prodorder_log_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                         *p;
    struct oa_match                *match;
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_json_t       json;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r->main,
                                        ngx_http_prodorder_gateway_module);
    ctx = ngx_http_prodorder_get_ctx(r);

    if (ctx == NULL || ngx_http_prodorder_request_id(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (plcf->trace != NGX_HTTP_PRODORDER_TRACE_OFF
        && ngx_http_prodorder_trace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    match = ngx_http_prodorder_match(r, ctx);

    if (match && match->route != OA_ROUTE_FOUND) {
        match = NULL;
    }

    p = ngx_pnalloc(r->pool, ngx_http_prodorder_log_size(r, ctx, match));
    if (p == NULL) {
        return NGX_ERROR;
    }

    json.pos = p;
    json.len = 0;
    ngx_http_prodorder_log_write(&json, r, ctx, match);

    v->data = p;
    v->len = json.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static size_t
ngx_http_prodorder_log_size(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, struct oa_match *match)
{
    size_t  len;

    /* request ids and addresses are of characters that need no escape */

    len = NGX_HTTP_PRODORDER_LOG_FIXED + ctx->request_id.len
          + r->connection->addr_text.len
          + (r->method_name.len + r->unparsed_uri.len)
            * NGX_HTTP_PRODORDER_ESCAPE;

    if (match) {
        len += match->operation->id.len * NGX_HTTP_PRODORDER_ESCAPE;
    }

    if (r->upstream_states) {
        len += r->upstream_states->nelts * NGX_HTTP_PRODORDER_LOG_TRY;
    }

    if (ctx->report.first || ctx->message.len) {
        len += NGX_HTTP_PRODORDER_LOG_REASON * NGX_HTTP_PRODORDER_ESCAPE;
    }

    return len;
}


static void
ngx_http_prodorder_log_write(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx,
    struct oa_match *match)
{
    ngx_str_t  *validation;

    ngx_http_prodorder_json_text(json, "{\"ts\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\",\"level\":\"info\",\"service\":"
                                       "\"gateway\",\"msg\":\"request\","
                                       "\"requestId\":\"");
    ngx_http_prodorder_json_raw(json, ctx->request_id.data,
                                ctx->request_id.len);
    ngx_http_prodorder_json_text(json, "\",\"traceId\":\"");

    if (ctx->has_trace) {
        ngx_http_prodorder_json_raw(json, ctx->trace.trace_id,
                                    sizeof(ctx->trace.trace_id));
    }

    ngx_http_prodorder_json_text(json, "\",\"spanId\":\"");

    if (ctx->has_trace) {
        ngx_http_prodorder_json_raw(json, ctx->trace.parent_id,
                                    sizeof(ctx->trace.parent_id));
    }

    ngx_http_prodorder_json_text(json, "\",\"operation\":");

    if (match) {
        ngx_http_prodorder_json_string(json,
                                       (u_char *) match->operation->id.data,
                                       match->operation->id.len);
    } else {
        ngx_http_prodorder_json_text(json, "\"\"");
    }

    validation = ngx_http_prodorder_verdict_name(ctx->verdict);

    ngx_http_prodorder_json_text(json, ",\"validation\":\"");
    ngx_http_prodorder_json_raw(json, validation->data, validation->len);
    ngx_http_prodorder_json_text(json, "\",\"method\":");
    ngx_http_prodorder_json_string(json, r->method_name.data,
                                   r->method_name.len);
    ngx_http_prodorder_json_text(json, ",\"target\":");
    ngx_http_prodorder_json_string(json, r->unparsed_uri.data,
                                   r->unparsed_uri.len);
    ngx_http_prodorder_json_text(json, ",\"status\":");
    ngx_http_prodorder_json_uint(json, ngx_http_prodorder_sent_status(r));
    ngx_http_prodorder_json_text(json, ",\"durationS\":");
    ngx_http_prodorder_log_seconds(json, ngx_http_prodorder_log_duration(r));
    ngx_http_prodorder_json_text(json, ",\"requestBytes\":");
    ngx_http_prodorder_json_uint(json, r->request_length);
    ngx_http_prodorder_json_text(json, ",\"responseBytes\":");
    ngx_http_prodorder_json_uint(json, r->connection->sent);
    ngx_http_prodorder_json_text(json, ",\"remote\":\"");
    ngx_http_prodorder_json_raw(json, r->connection->addr_text.data,
                                r->connection->addr_text.len);
    ngx_http_prodorder_json_text(json, "\",\"upstream\":\"");
    ngx_http_prodorder_log_upstream(json, r, NGX_HTTP_PRODORDER_LOG_PEER);
    ngx_http_prodorder_json_text(json, "\",\"upstreamStatus\":\"");
    ngx_http_prodorder_log_upstream(json, r, NGX_HTTP_PRODORDER_LOG_STATUS);
    ngx_http_prodorder_json_text(json, "\",\"upstreamS\":\"");
    ngx_http_prodorder_log_upstream(json, r, NGX_HTTP_PRODORDER_LOG_TIME);
    ngx_http_prodorder_json_text(json, "\"");
    ngx_http_prodorder_log_reason(json, r, ctx);
    ngx_http_prodorder_json_text(json, "}");
}


/*
 * Only where there is one: the first thing wrong with the request, else what
 * an error's answer said.
 */

static void
ngx_http_prodorder_log_reason(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    u_char            buf[NGX_HTTP_PRODORDER_LOG_REASON], *p;
    struct oa_error  *error;

    error = ctx->report.first;

    if (error && error->path.len) {
        p = ngx_snprintf(buf, sizeof(buf), "%*s: %*s",
                         ngx_min(error->path.len, sizeof(buf) / 2),
                         error->path.data, error->message.len,
                         error->message.data);

    } else if (error) {
        p = ngx_snprintf(buf, sizeof(buf), "%*s", error->message.len,
                         error->message.data);

    } else if (ctx->message.len
               && ngx_http_prodorder_sent_status(r) >= NGX_HTTP_BAD_REQUEST)
    {
        p = ngx_snprintf(buf, sizeof(buf), "%V", &ctx->message);

    } else {
        return;
    }

    ngx_http_prodorder_json_text(json, ",\"reason\":");
    ngx_http_prodorder_json_string(json, buf, p - buf);
}


/*
 * Each try, separated as nginx's own variables do: ", " between the tries of
 * one request, " : " where an internal redirect began another, "-" for a try
 * that got no answer.
 */

static void
ngx_http_prodorder_log_upstream(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_log_upstream_e what)
{
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL) {
        return;
    }

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer == NULL) {
            ngx_http_prodorder_json_text(json, " : ");
            continue;
        }

        if (i > 0 && state[i - 1].peer) {
            ngx_http_prodorder_json_text(json, ", ");
        }

        if (what == NGX_HTTP_PRODORDER_LOG_PEER) {
            ngx_http_prodorder_json_raw(json, state[i].peer->data,
                                        ngx_min(state[i].peer->len,
                                                NGX_SOCKADDR_STRLEN));

        } else if (what == NGX_HTTP_PRODORDER_LOG_STATUS && state[i].status) {
            ngx_http_prodorder_json_uint(json, state[i].status);

        } else if (what == NGX_HTTP_PRODORDER_LOG_TIME
                   && state[i].response_time != (ngx_msec_t) -1)
        {
            ngx_http_prodorder_log_seconds(json, state[i].response_time);

        } else {
            ngx_http_prodorder_json_text(json, "-");
        }
    }
}


static void
ngx_http_prodorder_log_seconds(ngx_http_prodorder_json_t *json,
    ngx_msec_int_t ms)
{
    u_char  fraction[4];

    ms = ngx_max(ms, 0);

    fraction[0] = '.';
    fraction[1] = (u_char) ('0' + ms / 100 % 10);
    fraction[2] = (u_char) ('0' + ms / 10 % 10);
    fraction[3] = (u_char) ('0' + ms % 10);

    ngx_http_prodorder_json_uint(json, ms / 1000);
    ngx_http_prodorder_json_raw(json, fraction, sizeof(fraction));
}


static ngx_msec_int_t
ngx_http_prodorder_log_duration(ngx_http_request_t *r)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                             + (tp->msec - r->start_msec));
}

