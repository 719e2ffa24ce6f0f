
/*
 * prodorder gateway: what the module's files share.
 *
 * A request passes through the files in this order:
 *
 *   validate            PRECONTENT phase: reads and checks the request
 *   filter              header and body filter: decides between envelope, error and neither
 *   envelope            wraps a JSON success while it streams
 *   error, error_text   replace the body of every response from 400 up
 *   log, metrics        LOG phase: the access log's line, the counters
 *
 * They stand on request (what is known of a request, computed when first asked
 * for), header and json; module is the roof.  What follows is in that order,
 * lowest first, and no file calls one that is above it.
 *
 * Everything here runs in a worker's only thread.  Memory comes from the
 * request's pool and lives as long as the request.
 */


#ifndef _NGX_HTTP_PRODORDER_H_INCLUDED_
#define _NGX_HTTP_PRODORDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "base/trace.h"
#include "base/utf8.h"
#include "openapi/request/request.h"


/* An upstream's JSON error is read for its message up to this size. */
#define NGX_HTTP_PRODORDER_ERROR_MAX  65536


typedef enum {
    NGX_HTTP_PRODORDER_ID_INBOUND = 0,     /* keep a well-formed inbound id */
    NGX_HTTP_PRODORDER_ID_GENERATE         /* always a new one */
} ngx_http_prodorder_id_e;


typedef enum {
    NGX_HTTP_PRODORDER_TRACE_INBOUND = 0,  /* go on with a valid inbound trace */
    NGX_HTTP_PRODORDER_TRACE_GENERATE,     /* always start a new one */
    NGX_HTTP_PRODORDER_TRACE_OFF           /* pass on what came, take no part */
} ngx_http_prodorder_trace_e;


typedef enum {
    NGX_HTTP_PRODORDER_VALIDATE_OFF = 0,
    NGX_HTTP_PRODORDER_VALIDATE_ON,
    NGX_HTTP_PRODORDER_VALIDATE_LOG        /* note the outcome, refuse nothing */
} ngx_http_prodorder_validate_e;


typedef enum {
    NGX_HTTP_PRODORDER_FORMAT_AUTO = 0,    /* by the request's Accept */
    NGX_HTTP_PRODORDER_FORMAT_ENVELOPE,
    NGX_HTTP_PRODORDER_FORMAT_PROBLEM      /* RFC 9457 */
} ngx_http_prodorder_format_e;


/* What the body filter does with the response. */
typedef enum {
    NGX_HTTP_PRODORDER_PASS = 0,           /* nothing */
    NGX_HTTP_PRODORDER_WRAP,               /* envelope: prefix, body, suffix */
    NGX_HTTP_PRODORDER_COLLECT,            /* error: read upstream's JSON first */
    NGX_HTTP_PRODORDER_REPLACE,            /* error: header sent, body to send */
    NGX_HTTP_PRODORDER_SWALLOW             /* all is sent, drop the rest */
} ngx_http_prodorder_mode_e;


typedef enum {
    NGX_HTTP_PRODORDER_UNCHECKED = 0,
    NGX_HTTP_PRODORDER_READING,            /* the request body is being read */
    NGX_HTTP_PRODORDER_VALID,
    NGX_HTTP_PRODORDER_INVALID
} ngx_http_prodorder_verdict_e;


typedef struct {
    ngx_flag_t                    gateway;
    ngx_uint_t                    validate;
    ngx_flag_t                    envelope;
    ngx_uint_t                    request_id;
    ngx_str_t                     id_header;
    ngx_uint_t                    trace;
    ngx_flag_t                    sampled;      /* a trace that starts here */
    ngx_uint_t                    error_format;
    ngx_uint_t                    max_errors;
    size_t                        body_limit;
    ngx_uint_t                    json_depth;
    ngx_uint_t                    json_values;
    time_t                        retry_after;
    struct document              *document;
    ngx_array_t                  *components;   /* of ngx_http_prodorder_health.c */
    ngx_uint_t                    metrics;      /* unsigned  metrics:1; */
} ngx_http_prodorder_loc_conf_t;


typedef struct {
    ngx_array_t                   documents;    /* of struct document * */
    ngx_array_t                   operations;   /* of operation_t, sorted */
    ngx_shm_zone_t               *metrics;      /* NULL: nobody asks for them */
    unsigned                      has_metrics:1;
} ngx_http_prodorder_main_conf_t;


typedef struct {
    ngx_str_t                     request_id;

    char                          traceparent[TRACE_PARENT_BYTES_MAX + 1];
                                                /* for the upstream; "": not yet */
    ngx_str_t                     tracestate;

    struct match                  match;
    struct arena                  arena;
    struct report                 report;

    ngx_uint_t                    refused;      /* our own error's status */
    ngx_str_t                     message;
    ngx_str_t                     errors;       /* raw JSON of an upstream's */
    ngx_str_t                     components;   /* error, or empty */
    ngx_str_t                     refused_components;

    struct ngx_http_prodorder_health_s  *health;  /* probes under way */

    ngx_chain_t                  *out;          /* prefix or error body */
    ngx_buf_t                    *suffix;
    off_t                         seen;         /* body bytes wrapped */

    ngx_buf_t                    *collected;    /* an upstream's JSON error */

    ngx_http_prodorder_verdict_e  verdict;
    ngx_http_prodorder_mode_e     mode;

    unsigned                      routed:1;
    unsigned                      overflow:1;
} ngx_http_prodorder_ctx_t;


extern ngx_module_t  ngx_http_prodorder_gateway_module;


/*
 * ngx_http_prodorder_json.c.  JSON is written in two passes by the same function: the first, with
 * a NULL position, adds up the length, the second writes.
 */
typedef struct {
    u_char                       *pos;
    size_t                        len;
} ngx_http_prodorder_json_t;

/* A target up to this length is given room for the worst, a longer one measured. */
#define NGX_HTTP_PRODORDER_TARGET_SHORT  512

/* One byte of a string becomes at most this many: \u0000 */
#define NGX_HTTP_PRODORDER_ESCAPE    6

/* RFC 3339 UTC with milliseconds, "2026-01-31T23:59:59.123Z" */
#define NGX_HTTP_PRODORDER_TIME_LEN  (sizeof("2026-01-31T23:59:59.123Z") - 1)

static ngx_inline void
ngx_http_prodorder_json_raw(ngx_http_prodorder_json_t *json, const void *data,
    size_t len)
{
    if (json->pos) {
        json->pos = ngx_cpymem(json->pos, data, len);
    }

    json->len += len;
}

#define ngx_http_prodorder_json_text(json, text)                              \
    ngx_http_prodorder_json_raw(json, text, sizeof(text) - 1)

/* Quotes and escapes; a byte that is not UTF-8 is written as %XX. */
void ngx_http_prodorder_json_string(ngx_http_prodorder_json_t *json,
    const void *data, size_t len);
/*
 * The same without quotes, as far as max bytes are enough for what is written:
 * cut between two characters, never inside an escape.  Returns how many of
 * the text's bytes that were.
 */
size_t ngx_http_prodorder_json_part(ngx_http_prodorder_json_t *json,
    const void *text, size_t len, size_t max);
/*
 * The request target as it was received, quoted.  "http://host?query" has no
 * path, which means "/" (RFC 9110, 4.2.3).  Empty: it could not be read.
 */
void ngx_http_prodorder_json_target(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r);
void ngx_http_prodorder_json_uint(ngx_http_prodorder_json_t *json,
    ngx_uint_t n);
void ngx_http_prodorder_json_time(ngx_http_prodorder_json_t *json);


/* ngx_http_prodorder_header.c.  "name" is compared without case. */

ngx_table_elt_t *ngx_http_prodorder_header_in(ngx_http_request_t *r,
    ngx_str_t *name, ngx_uint_t *count);
/* All fields of that name, joined by commas; empty when there is none. */
ngx_int_t ngx_http_prodorder_header_join(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *ret);
ngx_table_elt_t *ngx_http_prodorder_header_out(ngx_http_request_t *r,
    ngx_str_t *name);
void ngx_http_prodorder_header_clear(ngx_http_request_t *r, ngx_str_t *name);
ngx_int_t ngx_http_prodorder_header_add(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
/* Replaces every field of that name by one. */
ngx_int_t ngx_http_prodorder_header_set(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
/* Adds Vary: Accept to what the response varies by already. */
ngx_int_t ngx_http_prodorder_header_vary_accept(ngx_http_request_t *r);
/* Drops what describes the upstream's bytes: their length, ranges, digests. */
void ngx_http_prodorder_header_clear_body(ngx_http_request_t *r);
/* type: a text that stays.  Drops the charset of what was there before. */
void ngx_http_prodorder_header_set_type(ngx_http_request_t *r, char *type);
/* The request's Content-Type, or an empty one. */
struct str ngx_http_prodorder_header_media_type(ngx_http_request_t *r);
/* application/json or any other type with the +json suffix */
ngx_uint_t ngx_http_prodorder_header_is_json(ngx_str_t *content_type);
/*
 * An entity tag names the service's bytes, and the envelope adds a timestamp:
 * the response is equivalent, not identical, so the tag is weakened.
 */
ngx_int_t ngx_http_prodorder_header_weaken_etag(ngx_http_request_t *r);
/* Whether the client prefers application/problem+json. */
ngx_uint_t ngx_http_prodorder_header_wants_problem(ngx_http_request_t *r);


/* ngx_http_prodorder_request.c */

/* The context of r's main request, also after an internal redirect; NULL: no memory. */
ngx_http_prodorder_ctx_t *ngx_http_prodorder_request_ctx(ngx_http_request_t *r);
/* An arena in r's pool, of at most that many bytes. */
void ngx_http_prodorder_request_arena(ngx_http_request_t *r,
    struct arena *arena, size_t max);
/* What r's original target names, looked up once; NULL: without a document. */
struct match *ngx_http_prodorder_request_match(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
/* Its operation; NULL: none. */
const struct operation *ngx_http_prodorder_request_operation(
    ngx_http_request_t *r, ngx_http_prodorder_ctx_t *ctx);
/* Both compute on the first call; NGX_ERROR: no memory. */
ngx_int_t ngx_http_prodorder_request_id(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
ngx_int_t ngx_http_prodorder_request_trace(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
/*
 * The whole body in one piece, without a copy when nginx has it in one buffer;
 * else the copy is the caller's to free.
 * NGX_DECLINED: it is larger than prodorder_body_limit.
 */
ngx_int_t ngx_http_prodorder_request_body(ngx_http_request_t *r, ngx_str_t *ret,
    u_char **copy);
/* b is what ctx->out holds; NGX_ERROR: it is NULL, or there is no memory. */
ngx_int_t ngx_http_prodorder_request_out(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_buf_t *b);
/* "valid", "invalid" or "none" */
ngx_str_t *ngx_http_prodorder_request_verdict(ngx_http_prodorder_ctx_t *ctx);
/* The status that was answered; 499 when the client was gone before. */
ngx_uint_t ngx_http_prodorder_request_status(ngx_http_request_t *r);
/* Milliseconds since its first byte. */
ngx_msec_t ngx_http_prodorder_request_duration(ngx_http_request_t *r);
/*
 * For content handlers of a GET or HEAD: drop the request's body, and send out
 * as the whole of the answer's.  What both return is for nginx.
 */
ngx_int_t ngx_http_prodorder_request_discard(ngx_http_request_t *r);
ngx_int_t ngx_http_prodorder_request_answer(ngx_http_request_t *r,
    ngx_uint_t status, char *type, ngx_chain_t *out);


/* ngx_http_prodorder_error_text.c */

/*
 * Builds the error's body for the current status and what is known about it:
 * message, report, errors, components.  NULL: no memory.
 */
ngx_buf_t *ngx_http_prodorder_error_text_build(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_uint_t problem);
/* Takes message, errors and components from an upstream's JSON error. */
void ngx_http_prodorder_error_text_parse(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);


/* ngx_http_prodorder_error.c */

/*
 * Answer with an error of the gateway's own; unlike a status returned from a
 * handler this keeps the connection open after a 400.  Returns what
 * ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_prodorder_error_reply(ngx_http_request_t *r,
    ngx_uint_t status);
/*
 * Both: NGX_OK when the header is complete and ctx->out holds the body,
 * NGX_AGAIN when an upstream's body is to be collected first.
 */
ngx_int_t ngx_http_prodorder_error_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
ngx_int_t ngx_http_prodorder_error_collect(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in);
/* Waits no longer for a response that has been replaced. */
void ngx_http_prodorder_error_end_upstream(ngx_http_upstream_t *u);


/* ngx_http_prodorder_envelope.c */

ngx_int_t ngx_http_prodorder_envelope_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
/* The links of out are new, the buffers are those of in. */
ngx_int_t ngx_http_prodorder_envelope_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in, ngx_chain_t **out);


/* ngx_http_prodorder_health.c: the directive, its content handler */

char *ngx_http_prodorder_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_prodorder_health_handler(ngx_http_request_t *r);
/* Takes the body of a probe's answer; NGX_DECLINED: r is no probe. */
ngx_int_t ngx_http_prodorder_health_body(ngx_http_request_t *r,
    ngx_chain_t *in);


/* ngx_http_prodorder_metrics.c, ngx_http_prodorder_metrics_text.c: the directive, its content handler */

char *ngx_http_prodorder_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_prodorder_metrics_text_handler(ngx_http_request_t *r);
/* Numbers the operations and makes the zone, when somebody asks for metrics. */
ngx_int_t ngx_http_prodorder_metrics_init(ngx_conf_t *cf);
ngx_int_t ngx_http_prodorder_metrics_loaded(ngx_cycle_t *cycle);


/* ngx_http_prodorder_validate.c, ngx_http_prodorder_filter.c, ngx_http_prodorder_log.c, ngx_http_prodorder_variables.c: what ngx_http_prodorder_module.c tells nginx of */

ngx_int_t ngx_http_prodorder_validate_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_prodorder_filter_init(ngx_conf_t *cf);
ngx_int_t ngx_http_prodorder_log_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_prodorder_variables_add(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PRODORDER_H_INCLUDED_ */
