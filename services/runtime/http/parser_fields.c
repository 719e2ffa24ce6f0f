/* What the headers mean for framing and for the connection. */
#include "base/ascii.h"
#include "parser_private.h"

#include <string.h>

bool http_span_equals(const char *bytes, struct http_span span, const char *lower,
                      size_t lower_length) {
    if (span.length != lower_length) {
        return false;
    }
    for (size_t i = 0; i < lower_length; i++) {
        if (ascii_to_lower(bytes[span.offset + i]) != lower[i]) {
            return false;
        }
    }
    return true;
}

#define SPAN_IS(bytes, span, literal) http_span_equals(bytes, span, literal, sizeof(literal) - 1)

/* RFC 9110 §7.2 */
static enum http_parse_result take_host(struct http_parser *parser, const char *bytes,
                                        struct http_span value) {
    if (parser->host_seen) {
        return http_parser_fail(parser, 400, "There is more than one Host header");
    }
    for (size_t i = 0; i < value.length; i++) {
        if (!http_byte_is(bytes[value.offset + i], HTTP_BYTE_HOST)) {
            return http_parser_fail(parser, 400, "The Host header has an invalid character");
        }
    }
    parser->host_seen = true;
    return HTTP_PARSE_MORE;
}

/*
 * RFC 9110 §8.6, without its leave to accept repetitions. Too large a number ends up as UINT64_MAX.
 */
static enum http_parse_result take_content_length(struct http_parser *parser, const char *bytes,
                                                  struct http_span value) {
    if (parser->has_content_length) {
        return http_parser_fail(parser, 400, "There is more than one Content-Length header");
    }
    uint64_t length = 0;
    for (size_t i = 0; i < value.length; i++) {
        char byte = bytes[value.offset + i];
        if (byte < '0' || byte > '9') {
            return http_parser_fail(parser, 400, "Content-Length must be digits only");
        }
        if (__builtin_mul_overflow(length, (uint64_t)10, &length) ||
            __builtin_add_overflow(length, (uint64_t)(byte - '0'), &length)) {
            length = UINT64_MAX;
        }
    }
    if (value.length == 0) {
        return http_parser_fail(parser, 400, "Content-Length must be digits only");
    }
    parser->has_content_length = true;
    parser->content_length = length;
    return HTTP_PARSE_MORE;
}

/* RFC 9112 §6.1 */
static enum http_parse_result take_transfer_encoding(struct http_parser *parser, const char *bytes,
                                                     struct http_span value) {
    if (parser->chunked) {
        return http_parser_fail(parser, 400, "There is more than one Transfer-Encoding header");
    }
    if (parser->version_minor == 0) {
        return http_parser_fail(parser, 400, "HTTP/1.0 knows no Transfer-Encoding");
    }
    if (!SPAN_IS(bytes, value, "chunked")) {
        return http_parser_fail(parser, 501,
                                "The only transfer encoding known here is \"chunked\"");
    }
    parser->chunked = true;
    return HTTP_PARSE_MORE;
}

/* RFC 9110 §7.6.1: a list of options; those that we do not know are ignored. */
static enum http_parse_result take_connection(struct http_parser *parser, const char *bytes,
                                              struct http_span value) {
    size_t position = value.offset;
    size_t end = position + value.length;
    while (position < end) {
        size_t from = position;
        while (position < end && http_byte_is(bytes[position], HTTP_BYTE_TOKEN)) {
            position++;
        }
        struct http_span option = { (uint32_t)from, (uint32_t)(position - from) };
        parser->connection_close |= SPAN_IS(bytes, option, "close");
        parser->connection_keep_alive |= SPAN_IS(bytes, option, "keep-alive");
        position += position == from; /* a comma or white space */
    }
    return HTTP_PARSE_MORE;
}

/* RFC 9110 §10.1.1: ignored in HTTP/1.0. */
static enum http_parse_result take_expect(struct http_parser *parser, const char *bytes,
                                          struct http_span value) {
    if (!SPAN_IS(bytes, value, "100-continue")) {
        return http_parser_fail(parser, 417, "The only expectation known here is \"100-continue\"");
    }
    parser->expect_continue = parser->version_minor > 0;
    return HTTP_PARSE_MORE;
}

enum http_parse_result http_parser_take_field(struct http_parser *parser, const char *bytes,
                                              const struct http_header *header) {
    switch (header->name.length) {
    case sizeof("host") - 1:
        if (!parser->is_response && SPAN_IS(bytes, header->name, "host")) {
            return take_host(parser, bytes, header->value);
        }
        break;
    case sizeof("expect") - 1:
        if (!parser->is_response && SPAN_IS(bytes, header->name, "expect")) {
            return take_expect(parser, bytes, header->value);
        }
        break;
    case sizeof("connection") - 1:
        if (SPAN_IS(bytes, header->name, "connection")) {
            return take_connection(parser, bytes, header->value);
        }
        break;
    case sizeof("content-length") - 1:
        if (SPAN_IS(bytes, header->name, "content-length")) {
            return take_content_length(parser, bytes, header->value);
        }
        break;
    case sizeof("transfer-encoding") - 1:
        if (SPAN_IS(bytes, header->name, "transfer-encoding")) {
            return take_transfer_encoding(parser, bytes, header->value);
        }
        break;
    default: break;
    }
    return HTTP_PARSE_MORE;
}

/* ---- the section as a whole ---- */

static bool has_prefix(const char *bytes, struct http_span span, const char *lower) {
    size_t length = strlen(lower);
    struct http_span prefix = { span.offset, (uint32_t)length };
    return span.length >= length && http_span_equals(bytes, prefix, lower, length);
}

/* RFC 9112 §3.2: the forms of a target. An absolute one must name a host. */
static bool target_form_is_known(const struct http_parser *parser, const char *bytes) {
    const char *target = bytes + parser->target.offset;
    if (target[0] == '/') {
        return true;
    }
    if (parser->target.length == 1 && target[0] == '*') {
        return parser->method.length == strlen("OPTIONS") &&
               memcmp(bytes + parser->method.offset, "OPTIONS", strlen("OPTIONS")) == 0;
    }
    size_t scheme = has_prefix(bytes, parser->target, "http://")    ? strlen("http://")
                    : has_prefix(bytes, parser->target, "https://") ? strlen("https://")
                                                                    : 0;
    return scheme > 0 && parser->target.length > scheme &&
           http_byte_is(target[scheme], HTTP_BYTE_HOST);
}

static enum http_parse_result check_request(struct http_parser *parser, const char *bytes) {
    if (parser->method.length == strlen("CONNECT") &&
        memcmp(bytes + parser->method.offset, "CONNECT", strlen("CONNECT")) == 0) {
        return http_parser_fail(parser, 501, "CONNECT is not implemented: this is no proxy");
    }
    if (!target_form_is_known(parser, bytes)) {
        return http_parser_fail(parser, 400, "The request target must begin with \"/\"");
    }
    if (parser->version_minor > 0 && !parser->host_seen) {
        return http_parser_fail(parser, 400, "An HTTP/1.1 request must have a Host header");
    }
    return HTTP_PARSE_MORE;
}

enum http_parse_result http_parser_check_fields(struct http_parser *parser, const char *bytes) {
    parser->keep_alive =
        !parser->connection_close && (parser->version_minor > 0 || parser->connection_keep_alive);
    if (!parser->is_response && check_request(parser, bytes) == HTTP_PARSE_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    if (parser->chunked && parser->has_content_length) {
        return http_parser_fail(parser, 400,
                                "Content-Length and Transfer-Encoding exclude each other");
    }
    if (parser->has_content_length && !parser->response_to_head && parser->status != 304 &&
        parser->content_length > parser->limits.body_bytes_max) {
        return http_parser_fail(parser, 413, "The body is too large");
    }
    return HTTP_PARSE_MORE;
}

/* ---- looking up ---- */

static bool name_matches(const char *bytes, struct http_span name, const char *wanted,
                         size_t length) {
    if (name.length != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (ascii_to_lower(bytes[name.offset + i]) != ascii_to_lower(wanted[i])) {
            return false;
        }
    }
    return true;
}

static const struct http_header *find_from(const struct http_parser *parser, size_t index,
                                           const char *bytes, const char *name) {
    size_t length = strlen(name);
    for (; index < parser->header_count; index++) {
        if (name_matches(bytes, parser->headers[index].name, name, length)) {
            return &parser->headers[index];
        }
    }
    return NULL;
}

const struct http_header *http_parser_find(const struct http_parser *parser, const char *bytes,
                                           const char *name) {
    return find_from(parser, 0, bytes, name);
}

const struct http_header *http_parser_find_next(const struct http_parser *parser, const char *bytes,
                                                const char *name,
                                                const struct http_header *header) {
    return find_from(parser, (size_t)(header - parser->headers) + 1, bytes, name);
}

bool http_parser_find_single(const struct http_parser *parser, const char *bytes, const char *name,
                             const struct http_header **ret_header) {
    const struct http_header *header = find_from(parser, 0, bytes, name);
    if (header == NULL) {
        return false;
    }
    if (http_parser_find_next(parser, bytes, name, header) != NULL) {
        return false;
    }
    *ret_header = header;
    return true;
}
