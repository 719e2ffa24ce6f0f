#include "err.h"

#include <assert.h>

static const struct {
    int http_status;
    const char *name;
    const char *message;
} ERRORS[ERR_COUNT] = {
    [ERR_OK] = { 200, "ok", "OK" },
    [ERR_INVALID] = { 400, "invalid", "The request is not valid" },
    [ERR_NOT_FOUND] = { 404, "not_found", "Not found" },
    [ERR_METHOD] = { 405, "method", "This method is not allowed here" },
    [ERR_CONFLICT] = { 409, "conflict", "The same request is already being processed" },
    [ERR_PRECONDITION] = { 412, "precondition",
                           "The resource has changed: If-Match does not match" },
    [ERR_TOO_LARGE] = { 413, "too_large", "The request body is too large" },
    [ERR_MEDIA_TYPE] = { 415, "media_type", "The request body must be application/json" },
    [ERR_UNPROCESSABLE] = { 422, "unprocessable", "The request contradicts an earlier one" },
    [ERR_INTERNAL] = { 500, "internal", "Internal error" },
    [ERR_BAD_REPLY] = { 502, "bad_reply", "A dependency gave an unusable answer" },
    [ERR_UNAVAILABLE] = { 503, "unavailable", "A dependency is not available, try again later" },
    [ERR_BUSY] = { 503, "busy", "The service is busy, try again later" },
    [ERR_DRAINING] = { 503, "draining", "The service is shutting down, try again later" },
    [ERR_NO_MEMORY] = { 503, "no_memory", "The service is out of memory, try again later" },
    [ERR_TIMEOUT] = { 503, "timeout", "A dependency is too slow, try again later" },
    [ERR_DUPLICATE] = { 500, "duplicate", "Internal error" },
    [ERR_REJECTED_DATA] = { 500, "rejected_data", "Internal error" },
};

int err_http_status(enum err err) {
    assert(err < ERR_COUNT);
    return ERRORS[err].http_status;
}

const char *err_message(enum err err) {
    assert(err < ERR_COUNT);
    return ERRORS[err].message;
}

const char *err_name(enum err err) {
    assert(err < ERR_COUNT);
    return ERRORS[err].name;
}
