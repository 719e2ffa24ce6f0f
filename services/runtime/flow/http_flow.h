/*
 * A flow that answers an HTTP request: the exchange, its problems, and one way to fail.
 *
 * The specific flow starts with a struct http_flow. Its kind's `fail` is http_flow_fail(), or ends
 * with it.
 */
#ifndef RUNTIME_FLOW_HTTP_FLOW_H
#define RUNTIME_FLOW_HTTP_FLOW_H

#include "flow.h"
#include "runtime/http/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum { HTTP_PROBLEMS_MAX = 8 };

struct http_flow {
    struct flow flow;
    struct http_exchange *exchange;
    struct http_problem problems[HTTP_PROBLEMS_MAX]; /* of a 400 */
    size_t problem_count;
};

/* Start a flow of the pool for `exchange`, or answer 503 when the pool is exhausted. */
void http_flow_start(struct flow_pool *pool, struct http_exchange *exchange);
/* For flow_kind.fail: the problems if there are any, else flow->err with its message. */
void http_flow_fail(struct flow *flow);
/* The exchange of a flow that starts with a struct http_flow. */
struct http_exchange *http_flow_exchange(struct flow *flow);

/*
 * Note a problem; more than HTTP_PROBLEMS_MAX are dropped. Strings must be static or in the
 * exchange's arena.
 */
void http_flow_problem(struct flow *flow, const char *path, const char *keyword,
                       const char *message);
/* In a step: FLOW_FAILED with 400 when there are problems, else FLOW_NEXT. */
enum flow_rc http_flow_check(struct flow *flow);

/*
 * The request body as a JSON object that has only `members` (NULL-terminated; others are problems).
 * FLOW_FAILED: 415, 400 with line and column, or 400 with problems already noted; FLOW_NEXT
 * otherwise, *ret_object set.
 */
enum flow_rc http_flow_body(struct flow *flow, const char *const *members,
                            struct json_object **ret_object);

/* A number member: exact at `scale` decimals, within [min, max] (in units of 10^-scale). */
struct http_number_rule {
    const char *member;
    unsigned scale; /* 0: integer; 2: money */
    int64_t min, max;
    bool required;
};
/*
 * True, and *ret_value set, when the member is there and right; else false, with a problem noted
 * unless it may be absent.
 */
bool http_flow_number(struct flow *flow, struct json_object *body,
                      const struct http_number_rule *rule, int64_t *ret_value);

/* A JSON answer from a buffer, which is freed; then `return FLOW_END`. */
struct buf;
enum flow_rc http_flow_reply(struct flow *flow, const struct http_reply *reply, struct buf *body);

#endif
