/*
 * runtime/http/client faked at link time: requests wait until the test answers them, oldest first.
 */
#ifndef FAKE_HTTP_CLIENT_H
#define FAKE_HTTP_CLIENT_H

#include "runtime/http/client.h"

enum { FAKE_HTTP_GETS_MAX = 32 };

struct fake_get {
    char url[64]; /* of the client that was asked */
    char target[128], request_id[160], traceparent[64], tracestate[520];
    http_client_fn *fn;
    void *ctx;
};

struct fake_http_client {
    struct fake_get gets[FAKE_HTTP_GETS_MAX]; /* waiting, oldest first */
    size_t waiting;
    size_t asked; /* ever */
};

extern struct fake_http_client fake_http_client;

void fake_http_client_reset(void);
/* Answer the oldest; `etag` NULL: none. */
void fake_http_client_answer(int status, const char *etag, const char *body);
void fake_http_client_fail(enum err err);

#endif
