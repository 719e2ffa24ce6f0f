
/*
 * $prodorder_log: the access log's line, one JSON object.
 *
 * A log_format of the same members costs nginx three times as much: each of
 * its variables is looked up, measured and escaped on its own.  Here the line
 * is written once, into memory for the longest line that there can be.
 *
 * With its line feed that has 4096 bytes: what a pipe takes at once (PIPE_BUF),
 * so that lines of several workers do not mix, and what fits in a buffer=4k,
 * past which nginx writes longer ones piece by piece.  Each value has its share,
 * counted as it is written, with escapes; what is longer is cut.
 */


#include "ngx_http_prodorder.h"


/* Without the line feed, which nginx adds. */
#define NGX_HTTP_PRODORDER_LOG_LINE      4095

/* Names and punctuation of all members, and the values whose size is fixed. */
#define NGX_HTTP_PRODORDER_LOG_FIXED     640

#define NGX_HTTP_PRODORDER_LOG_OPERATION 256
#define NGX_HTTP_PRODORDER_LOG_METHOD    32
#define NGX_HTTP_PRODORDER_LOG_TARGET    1024
#define NGX_HTTP_PRODORDER_LOG_REASON    512

/* Of the reason, where the mistake is. */
#define NGX_HTTP_PRODORDER_LOG_PATH      256

/* An address, a status and a time of one try, with what separates them. */
#define NGX_HTTP_PRODORDER_LOG_TRY                                            \
    (NGX_SOCKADDR_STRLEN + NGX_INT_T_LEN + NGX_TIME_T_LEN                     \
     + sizeof(".999") - 1 + 3 * (sizeof(" : ") - 1))

/* The last ones are written: the client got the last one's answer. */
#define NGX_HTTP_PRODORDER_LOG_TRIES     8

_Static_assert(NGX_HTTP_PRODORDER_LOG_FIXED + TRACE_REQUEST_ID_BYTES_MAX
               + NGX_HTTP_PRODORDER_LOG_OPERATION
               + NGX_HTTP_PRODORDER_LOG_METHOD + NGX_HTTP_PRODORDER_LOG_TARGET
               + NGX_HTTP_PRODORDER_LOG_REASON + NGX_SOCKADDR_STRLEN
               + NGX_HTTP_PRODORDER_LOG_TRY * NGX_HTTP_PRODORDER_LOG_TRIES
               <= NGX_HTTP_PRODORDER_LOG_LINE,
               "the shares of the values are larger than the line");


typedef enum {
    NGX_HTTP_PRODORDER_LOG_PEER = 0,
    NGX_HTTP_PRODORDER_LOG_STATUS,
    NGX_HTTP_PRODORDER_LOG_TIME
} ngx_http_prodorder_log_upstream_e;


static void ngx_http_prodorder_log_write(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_log_ids(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_log_target(ngx_http_prodorder_json_t *json,
    ngx_str_t *target);
static void ngx_http_prodorder_log_tries(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r);
static void ngx_http_prodorder_log_upstream(ngx_http_prodorder_json_t *json,
    ngx_http_upstream_state_t *state, ngx_uint_t n,
    ngx_http_prodorder_log_upstream_e what);
static void ngx_http_prodorder_log_reason(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
static void ngx_http_prodorder_log_seconds(ngx_http_prodorder_json_t *json,
    ngx_msec_t ms);


ngx_int_t
ngx_http_prodorder_log_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                          line[NGX_HTTP_PRODORDER_LOG_LINE];
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_json_t       json;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r->main,
                                        ngx_http_prodorder_gateway_module);
    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL || ngx_http_prodorder_request_id(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (plcf->trace != NGX_HTTP_PRODORDER_TRACE_OFF
        && ngx_http_prodorder_request_trace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    json.pos = line;
    json.len = 0;
    ngx_http_prodorder_log_write(&json, r, ctx);

    v->data = ngx_pnalloc(r->pool, json.len);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(v->data, line, json.len);
    v->len = json.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static void
ngx_http_prodorder_log_write(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_http_prodorder_json_text(json, "{\"ts\":\"");
    ngx_http_prodorder_json_time(json);
    ngx_http_prodorder_json_text(json, "\",\"level\":\"info\",\"service\":"
                                       "\"gateway\",\"msg\":\"request\",");
    ngx_http_prodorder_log_ids(json, r, ctx);
    ngx_http_prodorder_json_text(json, ",\"method\":\"");
    (void) ngx_http_prodorder_json_part(json, r->method_name.data,
                                        r->method_name.len,
                                        NGX_HTTP_PRODORDER_LOG_METHOD);
    ngx_http_prodorder_json_text(json, "\",\"target\":\"");
    ngx_http_prodorder_log_target(json, &r->unparsed_uri);
    ngx_http_prodorder_json_text(json, ",\"status\":");
    ngx_http_prodorder_json_uint(json, ngx_http_prodorder_request_status(r));
    ngx_http_prodorder_json_text(json, ",\"durationS\":");
    ngx_http_prodorder_log_seconds(json,
                                   ngx_http_prodorder_request_duration(r));
    ngx_http_prodorder_json_text(json, ",\"requestBytes\":");
    ngx_http_prodorder_json_uint(json, r->request_length);
    ngx_http_prodorder_json_text(json, ",\"responseBytes\":");
    ngx_http_prodorder_json_uint(json, r->connection->sent);
    ngx_http_prodorder_json_text(json, ",\"remote\":\"");
    ngx_http_prodorder_json_raw(json, r->connection->addr_text.data,
                                ngx_min(r->connection->addr_text.len,
                                        NGX_SOCKADDR_STRLEN));
    ngx_http_prodorder_log_tries(json, r);
    ngx_http_prodorder_log_reason(json, r, ctx);
    ngx_http_prodorder_json_text(json, "}");
}


/* By which the request is found again, and what it was taken for. */

static void
ngx_http_prodorder_log_ids(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    ngx_str_t               *validation;
    const struct operation  *operation;

    ngx_http_prodorder_json_text(json, "\"requestId\":\"");
    ngx_http_prodorder_json_raw(json, ctx->request_id.data,
                                ctx->request_id.len);
    ngx_http_prodorder_json_text(json, "\",\"traceId\":\"");

    if (ctx->traceparent[0]) {
        ngx_http_prodorder_json_raw(json, ctx->traceparent + TRACE_ID_AT,
                                    TRACE_ID_BYTES);
    }

    ngx_http_prodorder_json_text(json, "\",\"spanId\":\"");

    if (ctx->traceparent[0]) {
        ngx_http_prodorder_json_raw(json, ctx->traceparent + TRACE_SPAN_ID_AT,
                                    TRACE_SPAN_ID_BYTES);
    }

    ngx_http_prodorder_json_text(json, "\",\"operation\":\"");

    operation = ngx_http_prodorder_request_operation(r, ctx);

    if (operation) {
        (void) ngx_http_prodorder_json_part(json, operation->id.data,
                                            operation->id.len,
                                            NGX_HTTP_PRODORDER_LOG_OPERATION);
    }

    validation = ngx_http_prodorder_request_verdict(ctx);

    ngx_http_prodorder_json_text(json, "\",\"validation\":\"");
    ngx_http_prodorder_json_raw(json, validation->data, validation->len);
    ngx_http_prodorder_json_text(json, "\"");
}


/*
 * Only where there is one: the first thing wrong with the request, else what
 * an error's answer said.
 */

static void
ngx_http_prodorder_log_reason(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx)
{
    size_t                start;
    ngx_str_t             message;
    struct report_error  *error;

    error = ctx->report.first;

    if (error) {
        message.data = (u_char *) error->message.data;
        message.len = error->message.len;

    } else if (ngx_http_prodorder_request_status(r) >= NGX_HTTP_BAD_REQUEST) {
        message = ctx->message;

    } else {
        return;
    }

    if (message.len == 0) {
        return;
    }

    ngx_http_prodorder_json_text(json, ",\"reason\":\"");
    start = json->len;

    if (error && error->path.len) {
        (void) ngx_http_prodorder_json_part(json, error->path.data,
                                            error->path.len,
                                            NGX_HTTP_PRODORDER_LOG_PATH);
        ngx_http_prodorder_json_text(json, ": ");
    }

    (void) ngx_http_prodorder_json_part(json, message.data, message.len,
                                        NGX_HTTP_PRODORDER_LOG_REASON
                                        - (json->len - start));
    ngx_http_prodorder_json_text(json, "\"");
}


/* targetBytes: only when it was cut */

static void
ngx_http_prodorder_log_target(ngx_http_prodorder_json_t *json,
    ngx_str_t *target)
{
    size_t  n;

    n = ngx_http_prodorder_json_part(json, target->data, target->len,
                                     NGX_HTTP_PRODORDER_LOG_TARGET);
    ngx_http_prodorder_json_text(json, "\"");

    if (n < target->len) {
        ngx_http_prodorder_json_text(json, ",\"targetBytes\":");
        ngx_http_prodorder_json_uint(json, target->len);
    }
}


/* upstreamTries: only when not all of them are written */

static void
ngx_http_prodorder_log_tries(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r)
{
    ngx_uint_t                  n, written;
    ngx_http_upstream_state_t  *state;

    n = r->upstream_states ? r->upstream_states->nelts : 0;
    written = ngx_min(n, NGX_HTTP_PRODORDER_LOG_TRIES);
    state = NULL;

    if (n) {
        state = r->upstream_states->elts;
        state += n - written;
    }

    ngx_http_prodorder_json_text(json, "\",\"upstream\":\"");
    ngx_http_prodorder_log_upstream(json, state, written,
                                    NGX_HTTP_PRODORDER_LOG_PEER);
    ngx_http_prodorder_json_text(json, "\",\"upstreamStatus\":\"");
    ngx_http_prodorder_log_upstream(json, state, written,
                                    NGX_HTTP_PRODORDER_LOG_STATUS);
    ngx_http_prodorder_json_text(json, "\",\"upstreamS\":\"");
    ngx_http_prodorder_log_upstream(json, state, written,
                                    NGX_HTTP_PRODORDER_LOG_TIME);
    ngx_http_prodorder_json_text(json, "\"");

    if (written < n) {
        ngx_http_prodorder_json_text(json, ",\"upstreamTries\":");
        ngx_http_prodorder_json_uint(json, n);
    }
}


/*
 * Each try, separated as nginx's own variables do: ", " between the tries of
 * one request, " : " where an internal redirect began another, "-" for a try
 * that got no answer.
 */

static void
ngx_http_prodorder_log_upstream(ngx_http_prodorder_json_t *json,
    ngx_http_upstream_state_t *state, ngx_uint_t n,
    ngx_http_prodorder_log_upstream_e what)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

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
ngx_http_prodorder_log_seconds(ngx_http_prodorder_json_t *json, ngx_msec_t ms)
{
    u_char  fraction[4];

    fraction[0] = '.';
    fraction[1] = (u_char) ('0' + ms / 100 % 10);
    fraction[2] = (u_char) ('0' + ms / 10 % 10);
    fraction[3] = (u_char) ('0' + ms % 10);

    ngx_http_prodorder_json_uint(json, ms / 1000);
    ngx_http_prodorder_json_raw(json, fraction, sizeof(fraction));
}
