/*
 * HTTP/1.x message parser (RFC 9112, RFC 9110): strict, incremental, pure: no I/O, no allocation.
 *
 * Give it the bytes received so far (contiguous, from the first byte of the message); it remembers
 * how far it has read and what it has seen. Header views point into those bytes: the caller may
 * move the bytes (realloc), so views are offsets. How the input is cut into calls never changes the
 * result.
 *
 * Strict means: CRLF line ends only, no obs-fold, no space before the colon, token characters in
 * names, no control characters in values, one Content-Length of digits only, never both
 * Content-Length and Transfer-Encoding, Transfer-Encoding only "chunked" once, exactly one Host in
 * HTTP/1.1 requests, HTTP/1.0 without Transfer-Encoding, chunk sizes of at most 16 hex digits
 * without whitespace, chunk extensions bounded and ignored, trailers bounded and dropped. Anything
 * ambiguous is refused with a status and the connection is closed: request smuggling starts with
 * leniency.
 *
 * The one courtesy is RFC 9112 §2.2: a single empty line before a request is skipped. A target is
 * in origin form, in absolute form (http or https), or "*" with OPTIONS; CONNECT is refused with
 * 501. HTTP/1.2 to 1.9 are read as HTTP/1.1 (RFC 9110 §2.5).
 */
#ifndef RUNTIME_HTTP_PARSER_H
#define RUNTIME_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEADERS_MAX = 64,                 /* over it 431 */
    HTTP_METHOD_BYTES_MAX = 32,            /* over it 501 */
    HTTP_CHUNK_EXTENSION_BYTES_MAX = 4096, /* of all chunks of a message together; over it 400 */
    HTTP_MESSAGE_BYTES_MAX = 1u << 30 /* no limit of struct http_limits may be over it (asserted) */
};

struct http_span { /* bytes [offset, offset + length) of the message */
    uint32_t offset;
    uint32_t length;
};

struct http_header {
    struct http_span name;
    struct http_span value; /* without surrounding white space */
};

struct http_limits {
    size_t start_line_bytes_max; /* request line without its CRLF: over it 414 */
    size_t header_bytes_max; /* header section with its empty line: over it 431; trailers alike */
    size_t body_bytes_max;   /* decoded: over it 413; a Content-Length over it at once */
};

enum http_parse_result { HTTP_PARSE_MORE, HTTP_PARSE_HEADERS, HTTP_PARSE_DONE, HTTP_PARSE_ERROR };

struct http_parser {
    /*
     * Results, valid from HTTP_PARSE_HEADERS on; on HTTP_PARSE_ERROR what had been read until then.
     * `status` of a request that fails is its answer: 400, 413, 414, 417, 431, 501 or 505.
     */
    struct http_span method, target; /* requests */
    int status;
    const char *error;      /* HTTP_PARSE_ERROR: a constant sentence */
    unsigned version_minor; /* 0 or 1 */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool keep_alive;      /* after this message the connection may be used again */
    bool expect_continue; /* requests: "Expect: 100-continue" (any other expectation is 417) */
    bool chunked;
    bool has_content_length;
    bool until_close;        /* responses without length: body ends with the connection */
    uint64_t content_length; /* when has_content_length */
    struct http_span body;   /* valid at HTTP_PARSE_DONE; chunked bodies are decoded in place */
    size_t message_bytes; /* valid at HTTP_PARSE_DONE: where the next message starts in the input */
    /* private */
    struct http_limits limits;
    char *bytes; /* of the call under way, as `end` */
    size_t end;  /* first byte not to look at: of the input, or of what the section may have */
    bool is_response;
    bool response_to_head;
    bool empty_line_skipped;
    bool in_trailers;
    bool host_seen;
    bool connection_close;
    bool connection_keep_alive;
    unsigned state;
    unsigned chunk_digits;  /* of the chunk size being read */
    size_t position;        /* next byte to look at */
    size_t mark;            /* first byte of the element being read */
    size_t section_end;     /* reading a byte at or after it breaks the section's limit */
    size_t extension_bytes; /* chunk extensions seen so far */
    uint64_t chunk_left;    /* bytes of the current chunk not yet read */
    size_t body_start;
    size_t body_write; /* where the next decoded body byte goes */
};

/* Start a message. `limits` is copied. Cheap: not even the header table is cleared. */
void http_parser_init_request(struct http_parser *parser, const struct http_limits *limits);
void http_parser_init_response(struct http_parser *parser, const struct http_limits *limits,
                               bool response_to_head);

/*
 * Continue with bytes[0, length) (length never shrinks between calls for one message).
 * HTTP_PARSE_HEADERS is returned once, when the header section is complete and a body follows (to
 * answer 100-continue or to refuse); HTTP_PARSE_DONE at the end of the message. `bytes` is written
 * to only to decode chunks in place. HTTP_PARSE_DONE and HTTP_PARSE_ERROR are final: further calls
 * return the same.
 */
enum http_parse_result http_parser_run(struct http_parser *parser, char *bytes, size_t length);

/*
 * After HTTP_PARSE_MORE: forget the framing of the chunks decoded so far, so that a body of tiny
 * chunks needs no more memory than its data. Returns the input's new length (the same as before
 * when there is nothing to forget); the next bytes received go there.
 */
size_t http_parser_compact(struct http_parser *parser, size_t length);

/*
 * The peer closed: HTTP_PARSE_DONE for a response that is delimited by it, else HTTP_PARSE_ERROR.
 */
enum http_parse_result http_parser_finish(struct http_parser *parser);

/* The first header of that name (case-insensitive) behind `after` (NULL: of all), or NULL. */
const struct http_header *http_parser_find(const struct http_parser *parser, const char *bytes,
                                           const char *name, const struct http_header *after);

#endif
