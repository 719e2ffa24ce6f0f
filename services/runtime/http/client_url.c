#include "client_private.h"

#include "runtime/telemetry/log.h"

#include <string.h>

static enum err refuse(const char *text, const char *reason) {
    log_error("malformed URL of a service", LOG_STR("url", text), LOG_STR("reason", reason));
    return ERR_INVALID;
}

/* 1 to 65535, digits only; 0 when it is anything else. */
static uint16_t parse_port(const char *digits, size_t length) {
    unsigned port = 0;
    if (length == 0 || length > 5) {
        return 0;
    }
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return 0;
        }
        port = port * 10 + (unsigned)(digits[i] - '0');
    }
    return port > UINT16_MAX ? 0 : (uint16_t)port;
}

static bool is_host(const char *bytes, size_t length, bool in_brackets) {
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    static const char address[] = "0123456789abcdefABCDEF:.";
    return length > 0 && strspn(bytes, in_brackets ? address : name) == length;
}

enum err http_client_url_parse(const char *text, struct http_client_url *ret_url) {
    static const char scheme[] = "http://";
    struct http_client_url url = { .port = 80 };
    if (strncasecmp(text, scheme, sizeof(scheme) - 1) != 0) {
        return refuse(text, "it must begin with http://");
    }
    const char *authority = text + sizeof(scheme) - 1;
    size_t length = strcspn(authority, "/?#");
    if (authority[length] != '\0' && strcmp(authority + length, "/") != 0) {
        return refuse(text, "only host and port are wanted, no path");
    }
    bool in_brackets = authority[0] == '[';
    const char *host = authority + in_brackets;
    size_t host_length = strcspn(host, in_brackets ? "]/?#" : ":/?#");
    const char *after = host + host_length + (in_brackets && host[host_length] == ']');
    if (length >= sizeof(url.authority) || !is_host(host, host_length, in_brackets) ||
        (in_brackets && host[host_length] != ']')) {
        return refuse(text, "the host is malformed");
    }
    if (after < authority + length) {
        url.port =
            *after == ':' ? parse_port(after + 1, (size_t)(authority + length - after - 1)) : 0;
    }
    if (url.port == 0) {
        return refuse(text, "the port must be a number from 1 to 65535");
    }
    memcpy(url.authority, authority, length);
    memcpy(url.host, host, host_length);
    *ret_url = url;
    return ERR_OK;
}
