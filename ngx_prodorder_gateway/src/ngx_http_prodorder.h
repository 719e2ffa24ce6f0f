
/*
 * prodorder gateway: what the module's files share.
 *
 * A request passes through the files in this order:
 *
 *   request_id, trace   computed when first asked for, usually by a proxy_set_header
 *   validate            PRECONTENT phase: finds the operation, reads and checks the request
 *   filter              header and body filter: decides between envelope, error and neither
 *   envelope            wraps a JSON success while it streams
 *   error               replaces the body of every response from 400 up
 *   log, metrics        LOG phase: the access log's line, the counters
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


#define NGX_HTTP_PRODORDER_VERSION        "0.1.0"

/* An upstream's JSON error is read for its message up to this size. */
#define NGX_HTTP_PRODORDER_ERROR_MAX      65536

/* A component's report on its health is dropped when it is larger. */
#define NGX_HTTP_PRODORDER_REPORT_MAX     16384

/* A message taken from an upstream is cut at this many bytes. */
#define NGX_HTTP_PRODORDER_MESSAGE_MAX    1024


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
    ngx_str_t                     name;
    ngx_str_t                     uri;
    ngx_str_t                     args;
} ngx_http_prodorder_component_t;


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
    ngx_array_t                  *components;   /* of component_t */
    ngx_uint_t                    metrics;      /* unsigned  metrics:1; */
} ngx_http_prodorder_loc_conf_t;


/* What metrics know of an operation. */
typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    success;      /* declared status; 0: none */
} ngx_http_prodorder_operation_t;


typedef struct {
    ngx_array_t                   documents;    /* of struct document * */
    ngx_array_t                   operations;   /* of operation_t, sorted */
    ngx_shm_zone_t               *metrics;      /* NULL: nobody asks for them */
    unsigned                      has_metrics:1;
} ngx_http_prodorder_main_conf_t;


/* The post of a number or size that has bounds, both inclusive. */
typedef struct {
    ngx_conf_post_handler_pt      handler;
    ngx_int_t                     min;
    ngx_int_t                     max;
    char                         *text;         /* follows the directive's name */
} ngx_http_prodorder_bounds_t;


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


void *ngx_http_prodorder_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_prodorder_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
char *ngx_http_prodorder_set_request_id(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_prodorder_set_trace(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_prodorder_check_bounds(ngx_conf_t *cf, void *post, void *data);

extern ngx_str_t  ngx_http_prodorder_id_header;


/* The context of r's main request, also after an internal redirect; NULL: no memory. */
ngx_http_prodorder_ctx_t *ngx_http_prodorder_get_ctx(ngx_http_request_t *r);

/* The operation that r's original target names, looked up once. */
struct match *ngx_http_prodorder_match(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);


ngx_int_t ngx_http_prodorder_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_prodorder_log_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_str_t *ngx_http_prodorder_verdict_name(
    ngx_http_prodorder_verdict_e verdict);

/* The status that was answered; 499 when the client was gone before. */
ngx_uint_t ngx_http_prodorder_sent_status(ngx_http_request_t *r);

/* Both compute on the first call; NGX_ERROR: no memory. */
ngx_int_t ngx_http_prodorder_request_id(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
ngx_int_t ngx_http_prodorder_trace(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);



ngx_int_t ngx_http_prodorder_validate_handler(ngx_http_request_t *r);

/*
 * The whole body in one piece, without a copy when nginx has it in one buffer;
 * else the copy is the caller's to free.
 * NGX_DECLINED: it is larger than prodorder_body_limit.
 */
ngx_int_t ngx_http_prodorder_body_text(ngx_http_request_t *r, ngx_str_t *ret,
    u_char **copy);


ngx_int_t ngx_http_prodorder_filter_init(ngx_conf_t *cf);

ngx_int_t ngx_http_prodorder_envelope_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
ngx_int_t ngx_http_prodorder_envelope_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in);

ngx_int_t ngx_http_prodorder_error_header(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);
ngx_int_t ngx_http_prodorder_error_body(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_chain_t *in);

/*
 * Answer with an error of the gateway's own; unlike a status returned from a
 * handler this keeps the connection open after a 400.  Returns what
 * ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_prodorder_error_reply(ngx_http_request_t *r,
    ngx_uint_t status);

/*
 * Builds the error's body for the current status and what is known about it:
 * message, report, errors, components.  NULL: no memory.
 */
ngx_buf_t *ngx_http_prodorder_error_build(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx, ngx_uint_t problem);

/* Takes message, errors and components from an upstream's JSON error. */
void ngx_http_prodorder_error_parse(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);

/*
 * The message used when nobody has a better one; it names the limit or the
 * cause where the request shows it.
 */
ngx_str_t ngx_http_prodorder_status_message(ngx_http_request_t *r,
    ngx_http_prodorder_ctx_t *ctx);

/* Whether the client prefers application/problem+json. */
ngx_uint_t ngx_http_prodorder_wants_problem(ngx_http_request_t *r);


extern ngx_http_output_header_filter_pt  ngx_http_prodorder_next_header_filter;
extern ngx_http_output_body_filter_pt    ngx_http_prodorder_next_body_filter;


/*
 * JSON is written in two passes by the same function: the first, with a NULL
 * position, adds up the length, the second writes.
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

/* Quotes and escapes; a byte that is not UTF-8 is written as %XX. */
void ngx_http_prodorder_json_string(ngx_http_prodorder_json_t *json,
    const u_char *data, size_t len);
/*
 * The same without quotes, as far as max bytes are enough for what is written:
 * cut between two characters, never inside an escape.  Returns how many of
 * data's bytes that were.
 */
size_t ngx_http_prodorder_json_part(ngx_http_prodorder_json_t *json,
    const u_char *data, size_t len, size_t max);
/*
 * The request target as it was received, quoted.  "http://host?query" has no
 * path, which means "/" (RFC 9110, 4.2.3).  Empty: it could not be read.
 */
void ngx_http_prodorder_json_target(ngx_http_prodorder_json_t *json,
    ngx_http_request_t *r);
void ngx_http_prodorder_json_uint(ngx_http_prodorder_json_t *json,
    ngx_uint_t n);
void ngx_http_prodorder_json_time(ngx_http_prodorder_json_t *json);

#define ngx_http_prodorder_json_text(json, text)                              \
    ngx_http_prodorder_json_raw(json, text, sizeof(text) - 1)


void *ngx_http_prodorder_grab(void *pool, size_t bytes);


/* Header helpers.  "name" is compared without case. */
ngx_table_elt_t *ngx_http_prodorder_header_in(ngx_http_request_t *r,
    ngx_str_t *name, ngx_uint_t *count);
/* All fields of that name, joined by commas; empty when there is none. */
ngx_int_t ngx_http_prodorder_join_headers_in(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *ret);
ngx_table_elt_t *ngx_http_prodorder_header_out(ngx_http_request_t *r,
    ngx_str_t *name);
void ngx_http_prodorder_clear_header_out(ngx_http_request_t *r,
    ngx_str_t *name);
ngx_int_t ngx_http_prodorder_add_header_out(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
/* Replaces every field of that name by one. */
ngx_int_t ngx_http_prodorder_set_header_out(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
/* Adds Vary: Accept to what the response varies by already. */
ngx_int_t ngx_http_prodorder_vary_accept(ngx_http_request_t *r);
/* Drops the fields that hold a digest of the body (RFC 9530 and older). */
void ngx_http_prodorder_clear_digests(ngx_http_request_t *r);
/* application/json or any other type with the +json suffix */
ngx_uint_t ngx_http_prodorder_is_json(ngx_str_t *content_type);

/*
 * An entity tag names the service's bytes, and the envelope adds a timestamp:
 * the response is equivalent, not identical, so the tag is weakened.
 */
ngx_int_t ngx_http_prodorder_weaken_etag(ngx_http_request_t *r);
/* Gives a 304 the validators that the 200 has. */
ngx_int_t ngx_http_prodorder_not_modified(ngx_http_request_t *r);


/* Content handler of prodorder_health. */
ngx_int_t ngx_http_prodorder_health_handler(ngx_http_request_t *r);
/* Takes the body of a probe's answer; NGX_DECLINED: r is no probe. */
ngx_int_t ngx_http_prodorder_health_body(ngx_http_request_t *r,
    ngx_chain_t *in);
char *ngx_http_prodorder_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


char *ngx_http_prodorder_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* Content handler of prodorder_metrics. */
ngx_int_t ngx_http_prodorder_metrics_handler(ngx_http_request_t *r);
/* Numbers the operations and makes the zone, when somebody asks for metrics. */
ngx_int_t ngx_http_prodorder_metrics_init(ngx_conf_t *cf);
ngx_int_t ngx_http_prodorder_metrics_loaded(ngx_cycle_t *cycle);


extern ngx_module_t  ngx_http_prodorder_gateway_module;


#endif /* _NGX_HTTP_PRODORDER_H_INCLUDED_ */
