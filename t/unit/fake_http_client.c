#include "fake_http_client.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS_MAX = 16 };

struct http_client {
    char url[64];
};

struct fake_http_client fake_http_client;

static struct http_client clients[CLIENTS_MAX];
static size_t client_count;

void fake_http_client_reset(void) {
    memset(&fake_http_client, 0, sizeof(fake_http_client));
    client_count = 0;
}

enum err http_client_open(struct loop *loop, const struct http_client_options *options,
                          struct http_client **ret_client) {
    (void)loop;
    ck_assert_uint_lt(client_count, CLIENTS_MAX);
    *ret_client = &clients[client_count++];
    snprintf((*ret_client)->url, sizeof((*ret_client)->url), "%s", options->base_url);
    return ERR_OK;
}

void http_client_close(struct http_client *client) {
    (void)client;
}

void http_client_get(struct http_client *client, const char *target, struct trace trace,
                     http_client_fn *fn, void *ctx) {
    ck_assert_uint_lt(fake_http_client.waiting, FAKE_HTTP_GETS_MAX);
    struct fake_get *get = &fake_http_client.gets[fake_http_client.waiting++];
    *get = (struct fake_get){ .fn = fn, .ctx = ctx };
    snprintf(get->url, sizeof(get->url), "%s", client->url);
    snprintf(get->target, sizeof(get->target), "%s", target);
    snprintf(get->request_id, sizeof(get->request_id), "%s", trace.request_id);
    snprintf(get->traceparent, sizeof(get->traceparent), "%s", trace.parent);
    snprintf(get->tracestate, sizeof(get->tracestate), "%s", trace.state);
    fake_http_client.asked++;
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
