#include "fake_http_client.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

struct http_client fake_http_client;

void fake_http_client_reset(void) {
    memset(&fake_http_client, 0, sizeof(fake_http_client));
}

enum err http_client_open(struct loop *loop, const struct http_client_options *options,
                          struct http_client **ret_client) {
    (void)loop;
    (void)options;
    *ret_client = &fake_http_client;
    return ERR_OK;
}

void http_client_close(struct http_client *client) {
    (void)client;
}

void http_client_get(struct http_client *client, const char *target, struct trace trace,
                     http_client_fn *fn, void *ctx) {
    ck_assert_uint_lt(client->waiting, FAKE_HTTP_GETS_MAX);
    struct fake_get *get = &client->gets[client->waiting++];
    *get = (struct fake_get){ .fn = fn, .ctx = ctx };
    snprintf(get->target, sizeof(get->target), "%s", target);
    snprintf(get->request_id, sizeof(get->request_id), "%s", trace.request_id);
    snprintf(get->traceparent, sizeof(get->traceparent), "%s", trace.parent);
    snprintf(get->tracestate, sizeof(get->tracestate), "%s", trace.state);
    client->asked++;
}

static struct fake_get take(void) {
    ck_assert_msg(fake_http_client.waiting > 0, "nobody asks the other service");
    struct fake_get get = fake_http_client.gets[0];
    fake_http_client.waiting--;
    memmove(&fake_http_client.gets[0], &fake_http_client.gets[1],
            fake_http_client.waiting * sizeof(fake_http_client.gets[0]));
    return get;
}

void fake_http_client_answer(int status, const char *etag, const char *body) {
    struct fake_get get = take();
    struct http_response response = { status, str_of(body), str_of(etag) };
    get.fn(get.ctx, ERR_OK, &response);
}

void fake_http_client_fail(enum err err) {
    struct fake_get get = take();
    get.fn(get.ctx, err, NULL);
}
