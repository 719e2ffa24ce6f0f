/* What each error is called and answered with; the titles of statuses. */
#include "err.h"

#include <assert.h>
#include <stddef.h>

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
    [ERR_LOCKED] = { 503, "locked", "A row is locked by another transaction, try again later" },
    [ERR_TAKEN_ID] = { 503, "taken_id", "The database gave an id twice, try again later" },
    [ERR_DUPLICATE] = { 500, "duplicate", "Internal error" },
    [ERR_REJECTED_DATA] = { 500, "rejected_data", "Internal error" },
};

/* The registry of RFC 9110, §15; of successes those that are answered here. */
static const char *const STATUS_TITLES[600] = {
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [204] = "No Content",
    [304] = "Not Modified",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [510] = "Not Extended",
    [511] = "Network Authentication Required",
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

const char *err_status_title(int status) {
    if (status >= 0 && status < 600 && STATUS_TITLES[status] != NULL) {
        return STATUS_TITLES[status];
    }
    return status < 400 ? "Unknown" : status < 500 ? "Client Error" : "Server Error";
}
