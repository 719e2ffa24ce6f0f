#include "http_flow.h"

#include "base/buf.h"

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
        http_reply_error(self->exchange, flow->err, flow->message, NULL);
    }
}

void http_flow_fail_missing(struct flow *flow, const char *missing) {
    if (flow->err == ERR_NOT_FOUND && flow->message == NULL) {
        flow->message = missing;
    }
    http_flow_fail(flow);
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
