/* Flows that answer HTTP requests: start, read a JSON body, fail, reply. */
#include "http_flow.h"

#include "base/buf.h"
#include "base/decimal.h"
#include "runtime/json/json.h"

#include <stdio.h>
#include <string.h>

static struct http_flow *of(struct flow *flow) {
    return (struct http_flow *)flow;
}

struct http_exchange *http_flow_exchange(struct flow *flow) {
    return of(flow)->exchange;
}

void http_flow_start(struct flow_pool *pool, struct http_exchange *exchange) {
    struct flow *flow = flow_open(pool);
    if (flow == NULL) {
        http_reply_error(exchange, ERR_BUSY, NULL, NULL);
        return;
    }
    of(flow)->exchange = exchange;
    flow_start(flow);
}

void http_flow_fail(struct flow *flow) {
    struct http_flow *self = of(flow);
    if (flow->err == ERR_INVALID && self->problem_count > 0) {
        http_reply_invalid(self->exchange, self->problems, self->problem_count);
    } else {
        const char *missing = flow->err == ERR_NOT_FOUND ? flow->kind->missing : NULL;
        const char *message = flow->message != NULL ? flow->message : missing;
        http_reply_error(self->exchange, flow->err, message, NULL);
    }
}

void http_flow_problem(struct flow *flow, const char *path, const char *keyword,
                       const char *message) {
    struct http_flow *self = of(flow);
    if (self->problem_count < HTTP_PROBLEMS_MAX) {
        self->problems[self->problem_count++] = (struct http_problem){ path, keyword, message };
    }
}

enum flow_rc http_flow_check(struct flow *flow) {
    return of(flow)->problem_count > 0 ? flow_fail(flow, ERR_INVALID, NULL) : FLOW_NEXT;
}

/* ---- a JSON request body: what is wrong becomes a problem with its JSON Pointer ---- */

/* "/name" as a JSON Pointer (RFC 6901), in the arena. */
static const char *pointer_to(struct arena *arena, const char *member) {
    char *path = arena_alloc(arena, strlen(member) * 2 + 2);
    if (path == NULL) {
        return "";
    }
    char *at = path;
    *at++ = '/';
    for (; *member != '\0'; member++) {
        if (*member == '~' || *member == '/') {
            *at++ = '~';
            *at++ = *member == '~' ? '0' : '1';
        } else {
            *at++ = *member;
        }
    }
    *at = '\0';
    return path;
}

enum flow_rc http_flow_body(struct flow *flow, const char *const *members,
                            struct json_object **ret_object) {
    struct http_exchange *exchange = http_flow_exchange(flow);
    struct arena *arena = http_arena(exchange);
    struct str body = http_body(exchange);
    struct json_scan_error error;
    if (!http_body_is_json(exchange)) {
        return flow_fail(flow, ERR_MEDIA_TYPE, NULL);
    }
    enum err err = json_parse(arena, body.data, body.len, ret_object, &error);
    if (err != ERR_OK) {
        char *message = err == ERR_INVALID ? arena_alloc(arena, JSON_SCAN_MESSAGE_BYTES) : NULL;
        if (message != NULL) {
            json_scan_message(&error, message);
        }
        return flow_fail(flow, err, message);
    }
    if (!json_is_object(*ret_object)) {
        http_flow_problem(flow, "", "type", "must be an object");
        return flow_fail(flow, ERR_INVALID, NULL);
    }
    const char *unknown = json_unknown_member(*ret_object, members);
    if (unknown != NULL) {
        http_flow_problem(flow, pointer_to(arena, unknown), "additionalProperties",
                          "is not a known member");
    }
    return FLOW_NEXT;
}

/* "must be >= 0.01" in the arena. */
static const char *bound_message(struct arena *arena, const char *operator, int64_t bound,
                                 unsigned scale) {
    enum { MESSAGE_BYTES = DECIMAL_TEXT_BYTES + 16 };
    char number[DECIMAL_TEXT_BYTES];
    char *message = arena_alloc(arena, MESSAGE_BYTES);
    if (message == NULL) {
        return "is out of range";
    }
    decimal_format(bound, scale, 0, number);
    snprintf(message, MESSAGE_BYTES, "must be %s %s", operator, number);
    return message;
}

bool http_flow_number(struct flow *flow, struct json_object *body,
                      const struct http_number_rule *rule, int64_t *ret_value) {
    struct arena *arena = http_arena(http_flow_exchange(flow));
    int64_t value = 0;
    if (!json_has_member(body, rule->member)) {
        if (rule->required) {
            http_flow_problem(flow, pointer_to(arena, rule->member), "required", "is required");
        }
        return false;
    }
    enum err err = json_get_decimal(body, rule->member, rule->scale, &value);
    const char *path = pointer_to(arena, rule->member);
    if (err == ERR_TOO_LARGE || (err == ERR_OK && value > rule->max)) {
        http_flow_problem(flow, path, "maximum",
                          bound_message(arena, "<=", rule->max, rule->scale));
    } else if (err != ERR_OK) {
        http_flow_problem(flow, path, "type",
                          rule->scale == 0 ? "must be an integer"
                                           : "must be a number with at most two decimals");
    } else if (value < rule->min) {
        http_flow_problem(flow, path, "minimum",
                          bound_message(arena, ">=", rule->min, rule->scale));
    } else {
        *ret_value = value;
        return true;
    }
    return false;
}

/* ---- the answer ---- */

enum flow_rc http_flow_reply(struct flow *flow, const struct http_reply *reply, struct buf *body) {
    struct http_reply full = *reply;
    if (body->failed) {
        buf_free(body);
        return flow_fail(flow, ERR_NO_MEMORY, NULL);
    }
    full.body = buf_bytes(body);
    full.body_length = buf_length(body);
    http_reply(http_flow_exchange(flow), &full);
    buf_free(body);
    return FLOW_END;
}
