/*
 * Shared by http_parser.c (the state machine), http_parser_fields.c (what the headers mean) and
 * http_byte_classes.c (the table).
 */
#ifndef RUNTIME_HTTP_PARSER_PRIVATE_H
#define RUNTIME_HTTP_PARSER_PRIVATE_H

#include "parser.h"

enum http_byte_class {
    HTTP_BYTE_TOKEN = 1,  /* tchar, RFC 9110 §5.6.2 */
    HTTP_BYTE_TARGET = 2, /* visible ASCII without '#': a fragment is never sent */
    HTTP_BYTE_VALUE = 4,  /* field-vchar, obs-text, SP, HTAB: RFC 9110 §5.5 */
    HTTP_BYTE_HOST = 8    /* what uri-host [ ":" port ] is made of: RFC 3986 §3.2.2 */
};

extern const uint8_t HTTP_BYTE_CLASSES[256];

static inline bool http_byte_is(char byte, enum http_byte_class wanted) {
    return (HTTP_BYTE_CLASSES[(unsigned char)byte] & wanted) != 0;
}

/* Case-insensitive for ASCII letters; `lower` is in lower case. */
bool http_span_equals(const char *bytes, struct http_span span, const char *lower,
                      size_t lower_length);

/* End with HTTP_PARSE_ERROR. `error`: a constant sentence. */
enum http_parse_result http_parser_fail(struct http_parser *parser, int status, const char *error);

/* Take note of a header that decides framing or the connection. HTTP_PARSE_MORE: go on. */
enum http_parse_result http_parser_take_field(struct http_parser *parser, const char *bytes,
                                              const struct http_header *header);
/*
 * The header section is complete: check what only all headers together can tell. HTTP_PARSE_MORE:
 * go on.
 */
enum http_parse_result http_parser_check_fields(struct http_parser *parser, const char *bytes);

#endif
