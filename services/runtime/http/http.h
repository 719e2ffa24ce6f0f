/*
 * What a handler sees of a request, and how it answers.
 *
 * A handler gets an exchange and must answer it exactly once, now or later, with http_reply() or
 * one of its kin: also when the client has gone (the answer is then dropped). Loop thread only.
 */
#ifndef RUNTIME_HTTP_HTTP_H
#define RUNTIME_HTTP_HTTP_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange;

/* ---- the request; views stay valid until the answer ---- */

struct str http_method(const struct http_exchange *exchange);
/*
 * Without the query; percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2), others
 * are as sent.
 */
struct str http_path(const struct http_exchange *exchange);
struct str http_query(const struct http_exchange *exchange); /* no '?'; empty when absent */
struct str http_body(const struct http_exchange *exchange);
/* True when Content-Type is application/json (parameters allowed, case-insensitive). */
bool http_body_is_json(const struct http_exchange *exchange);
/* The first of that name (case-insensitive); .data is NULL when absent. */
struct str http_header(const struct http_exchange *exchange, const char *name);
/*
 * Prefer: wait=N (RFC 7240 §4.3), at most `max_s`; 0: not asked for, or not understood, which is no
 * error (§2).
 */
unsigned http_prefer_wait_s(const struct http_exchange *exchange, unsigned max_s);
const char *http_route_name(const struct http_exchange *exchange);
uint64_t http_started_us(const struct http_exchange *exchange);
/* X-Request-Id if it matches ^[A-Za-z0-9._:-]{1,128}$, else a new UUID. NUL-terminated. */
const char *http_request_id(struct http_exchange *exchange);
/*
 * traceparent if it has the form of W3C Trace Context, else "". A higher version is read as the
 * specification says and given as version 00; of the flags only `sampled` stays. NUL-terminated.
 */
const char *http_traceparent(struct http_exchange *exchange);
/*
 * tracestate, several fields as one list, cut when it is too long (trace.h), else "": without a
 * valid traceparent, malformed, or no memory for it. In the exchange's arena, NUL-terminated.
 */
const char *http_tracestate(struct http_exchange *exchange);
/* The three together; valid until the answer. */
struct trace http_trace(struct http_exchange *exchange);
/* Memory that lives until the answer has been handed over: one arena an exchange, at most 8 MiB. */
struct arena *http_arena(struct http_exchange *exchange);

/* ---- its parameters: read and refused the same way everywhere ---- */

/* A segment of http_path(). */
struct str http_path_param(const struct http_exchange *exchange, size_t index);
/* One that is a positive decimal integer up to INT64_MAX, without sign or leading zeros. */
MUST_CHECK enum err http_path_id(const struct http_exchange *exchange, size_t index,
                                 int64_t *ret_id);
/*
 * A query parameter, percent-decoded into the exchange's arena, NUL-terminated ("+" stays "+").
 * ERR_NOT_FOUND: absent; ERR_INVALID: bad encoding, %00, or given twice; ERR_NO_MEMORY.
 */
MUST_CHECK enum err http_query_param(struct http_exchange *exchange, const char *name,
                                     struct str *ret_value);
/* A decimal query parameter within [min, max]; absent: `fallback`. ERR_INVALID otherwise. */
MUST_CHECK enum err http_query_int(struct http_exchange *exchange, const char *name, int64_t min,
                                   int64_t max, int64_t fallback, int64_t *ret_value);

/*
 * A page cursor for keyset pagination: a position (two integers) bound to the list it belongs to.
 * Opaque to clients. A checksum over position and scope makes a cursor that we did not issue, or
 * issued for another list, an error instead of a surprising page. It is no secret and guards none.
 */
struct http_cursor {
    int64_t major; /* e.g. creation time */
    int64_t minor; /* e.g. id */
};

enum { HTTP_CURSOR_BYTES = 49 }; /* 16 + 16 + 16 hexadecimal digits and a NUL */

void http_cursor_format(struct http_cursor cursor, const char *scope, char out[HTTP_CURSOR_BYTES]);
/* ERR_INVALID: not a cursor of `scope`. */
MUST_CHECK enum err http_cursor_parse(struct str text, const char *scope,
                                      struct http_cursor *ret_cursor);

/* ---- the answer: it ends the exchange, whose views and arena must not be used afterwards ---- */

struct http_reply {
    int status;
    const char *content_type; /* NULL: application/json */
    const char *body;         /* copied; NULL with length 0: empty (204 and 304 never have one) */
    size_t body_length;
    const char *location; /* optional headers; values must not contain CR or LF (asserted) */
    const char *etag;
    const char *link;
    const char *allow;
    uint32_t retry_after_s; /* 0: none */
    unsigned waited_s;      /* Preference-Applied: wait=…; 0: none */
};

/* Adds X-Request-Id, Content-Length, Date, Cache-Control: no-store. HEAD: no body. */
void http_reply(struct http_exchange *exchange, const struct http_reply *reply);
/*
 * {"statusCode":…,"message":"…","errors":…}; message NULL: err_message(err); errors_json: a JSON
 * array already written, NULL for none. 503s get Retry-After.
 */
void http_reply_error(struct http_exchange *exchange, enum err err, const char *message,
                      const char *errors_json);

struct http_problem {
    const char *path;    /* "/quantity", "path/id", "query/limit"; "" for the whole body */
    const char *keyword; /* JSON Schema's: "minimum", "type", "required", … */
    const char *message; /* "must be >= 1" */
};

/* 400 {"statusCode","message","errors":[…]}: each problem's path, keyword and message. */
void http_reply_invalid(struct http_exchange *exchange, const struct http_problem *problems,
                        size_t count);

#endif
