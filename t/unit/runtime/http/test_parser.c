/*
 * The HTTP parser: what it takes, what it refuses, its limits at their edges; and each message in
 * every cut into two pieces, and byte by byte, with the same result.
 */
#include "runtime/http/parser.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct http_limits LIMITS = {
    .start_line_bytes_max = 40,
    .header_bytes_max = 200,
    .body_bytes_max = 32,
};

struct message {
    const char *bytes;
    size_t length;
    int status; /* requests: 0 = accepted, else the status to answer; responses: 0 or 1 = refused */
    const char *body; /* when accepted */
    size_t rest;      /* bytes after the message, when accepted */
};

#define M(text, ...)                                                                               \
    { .bytes = text, .length = sizeof(text) - 1, __VA_ARGS__ }
#define HOST "Host: a\r\n"
#define CHUNKED_HEAD "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

/* ---- every cut of the input ---- */

struct outcome {
    enum http_parse_result result;
    unsigned headers_seen; /* how often HTTP_PARSE_HEADERS came */
    struct http_parser parser;
    char *bytes;
};

static void start(struct outcome *outcome, const struct message *message, bool is_response) {
    memset(outcome, 0, sizeof(*outcome));
    if (is_response) {
        http_parser_init_response(&outcome->parser, &LIMITS, false);
    } else {
        http_parser_init_request(&outcome->parser, &LIMITS);
    }
    outcome->bytes = malloc(message->length + 1);
    memcpy(outcome->bytes, message->bytes, message->length + 1);
}

static void feed(struct outcome *outcome, size_t length) {
    while ((outcome->result = http_parser_run(&outcome->parser, outcome->bytes, length)) ==
           HTTP_PARSE_HEADERS) {
        outcome->headers_seen++;
    }
}

static void assert_same(const struct outcome *a, const struct outcome *b, size_t cut) {
    ck_assert_msg(a->result == b->result, "cut at %zu: result %d, whole: %d", cut, b->result,
                  a->result);
    ck_assert_msg(a->parser.status == b->parser.status, "cut at %zu: status %d, whole: %d", cut,
                  b->parser.status, a->parser.status);
    ck_assert_msg(a->parser.error == b->parser.error, "cut at %zu: %s, whole: %s", cut,
                  b->parser.error, a->parser.error);
    ck_assert_uint_eq(a->headers_seen, b->headers_seen);
    ck_assert_uint_eq(a->parser.header_count, b->parser.header_count);
    ck_assert_uint_eq(a->parser.message_bytes, b->parser.message_bytes);
    ck_assert_uint_eq(a->parser.body.length, b->parser.body.length);
    ck_assert(memcmp(a->parser.headers, b->parser.headers,
                     a->parser.header_count * sizeof(struct http_header)) == 0);
    if (a->result == HTTP_PARSE_DONE) {
        ck_assert(memcmp(a->bytes + a->parser.body.offset, b->bytes + b->parser.body.offset,
                         a->parser.body.length) == 0);
    }
}

static void try_every_cut(const struct message *message, bool is_response,
                          const struct outcome *whole) {
    struct outcome cut;
    for (size_t at = 0; at <= message->length; at++) {
        start(&cut, message, is_response);
        feed(&cut, at);
        feed(&cut, message->length);
        assert_same(whole, &cut, at);
        free(cut.bytes);
    }
    start(&cut, message, is_response);
    for (size_t at = 1; at <= message->length; at++) {
        feed(&cut, at);
    }
    assert_same(whole, &cut, message->length);
    free(cut.bytes);
}

static void check_request(const struct message *message) {
    struct outcome whole;
    start(&whole, message, false);
    feed(&whole, message->length);
    if (message->status == 0) {
        ck_assert_msg(whole.result == HTTP_PARSE_DONE, "refused or unfinished (%s): %s",
                      whole.parser.error, message->bytes);
        const char *body = message->body == NULL ? "" : message->body;
        ck_assert_uint_eq(whole.parser.body.length, strlen(body));
        ck_assert(memcmp(whole.bytes + whole.parser.body.offset, body, strlen(body)) == 0);
        ck_assert_uint_eq(whole.parser.message_bytes, message->length - message->rest);
    } else {
        ck_assert_msg(whole.result == HTTP_PARSE_ERROR, "not refused: %s", message->bytes);
        ck_assert_msg(whole.parser.status == message->status, "status %d, not %d (%s): %s",
                      whole.parser.status, message->status, whole.parser.error, message->bytes);
        ck_assert_ptr_nonnull(whole.parser.error);
        ck_assert(!whole.parser.keep_alive);
    }
    try_every_cut(message, false, &whole);
    free(whole.bytes);
}

/* ---- requests ---- */

static const struct message REQUESTS[] = {
    /* start line */
    M("GET / HTTP/1.1\r\n" HOST "\r\n"),
    M("GET / HTTP/1.0\r\n\r\n"),
    M("GET / HTTP/1.9\r\n" HOST "\r\n"),
    M("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
    M("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("\nGET / HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("\rGET / HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET / HTTP/2.0\r\n", .status = 505),
    M("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .status = 505),
    M("GET / HTTP/0.9\r\n", .status = 505),
    M("GET / HTTP/1.x\r\n", .status = 400),
    M("GET / HTTP/1.n\r\n", .status = 400),
    M("GET / HTTP/1.n\0\0", .status = 400),
    M("GET / HTTP/1.10\r\n", .status = 400),
    M("GET / http/1.1\r\n", .status = 400),
    M("GET / HTTP/1.1 \r\n", .status = 400),
    M("GET / HTTP/1.1\n" HOST "\n", .status = 400),
    M("GET / HTTP/1.1\r" HOST "\r\n", .status = 400),
    M("GET /\r\n", .status = 400),
    M("GET  / HTTP/1.1\r\n", .status = 400),
    M("GET /  HTTP/1.1\r\n", .status = 400),
    M("GET\t/ HTTP/1.1\r\n", .status = 400),
    M(" GET / HTTP/1.1\r\n", .status = 400),
    M("G@T / HTTP/1.1\r\n", .status = 400),
    M("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", .status = 400), /* TLS */
    M("abcdefghijklmnopqrstuvwxyzabcdef / HTTP/1.1\r\n",
      .status = 414), /* 32: known to be a method */
    M("abcdefghijklmnopqrstuvwxyzabcdefg / HTTP/1.1\r\n", .status = 501),
    /* target */
    M("GET /a?b=c&d=%20|{} HTTP/1.1\r\n" HOST "\r\n"),
    M("GET http://a/b HTTP/1.1\r\n" HOST "\r\n"),
    M("GET HTTPS://a HTTP/1.1\r\n" HOST "\r\n"),
    M("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
    M("GET * HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET http:///b HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET ftp://a/b HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET a HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET /a#b HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET /\x80 HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("GET /\0 HTTP/1.1\r\n" HOST "\r\n", .status = 400),
    M("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", .status = 501),
    M("GET /34567890123456789012345678 HTTP/1.1\r\n" HOST "\r\n"), /* 40 bytes */
    M("GET /345678901234567890123456789 HTTP/1.1\r\n" HOST "\r\n", .status = 414),
    /* headers */
    M("GET / HTTP/1.1\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST HOST "\r\n", .status = 400),
    M("GET / HTTP/1.0\r\n" HOST HOST "\r\n", .status = 400),
    M("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    M("GET / HTTP/1.1\r\nhOsT:[::1]:80\r\n\r\n"),
    M("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: b\nC: d\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: b\r\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: \0\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: \x1f\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A: \xff\t.\r\n\r\n"),
    M("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "A(b): c\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "\xc3\xa4: c\r\n\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "\r\r\n", .status = 400),
    M("GET / HTTP/1.1\r\n" HOST "\n", .status = 400),
    /* expectation */
    M("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", .body = "x"),
    M("POST / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", .status = 417),
    /* length */
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhelloGET", .body = "hello", .rest = 3),
    M("POST / HTTP/1.0\r\ncontent-length:\t05 \t\r\n\r\nhello", .body = "hello"),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 32\r\n\r\n12345678901234567890123456789012",
      .body = "12345678901234567890123456789012"),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 33\r\n\r\n", .status = 413),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", .status = 413),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 184467440737095516170000\r\n\r\n", .status = 413),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5.0\r\n\r\nhello", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nhello", .status = 400),
    /* transfer encoding */
    M("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
      .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", .status = 501),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", .status = 501),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", .status = 501),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", .status = 501),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", .status = 501),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\x0b"
      "chunked\r\n\r\n",
      .status = 400),
    M("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .status = 400),
    M("POST / HTTP/1.1\r\n" HOST "transfer-ENCODING: CHUNKED \r\n\r\n0\r\n\r\n"),
    /* chunks */
    M(CHUNKED_HEAD "5\r\nhello\r\n0\r\n\r\nGET", .body = "hello", .rest = 3),
    M(CHUNKED_HEAD "1\r\na\r\n2;x=\"y\"\r\nbc\r\n0;z\r\nTrailer: t\r\n\r\n", .body = "abc"),
    M(CHUNKED_HEAD "0000000000000005\r\nhello\r\n00\r\n\r\n", .body = "hello"),
    M(CHUNKED_HEAD "00000000000000005\r\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "a\r\n0123456789\r\nB\r\n01234567890\r\nb\r\n01234567890\r\n0\r\n\r\n",
      .body = "01234567890123456789001234567890"),
    M(CHUNKED_HEAD "20\r\n12345678901234567890123456789012\r\n1\r\nx\r\n0\r\n\r\n", .status = 413),
    M(CHUNKED_HEAD "21\r\n", .status = 413),
    M(CHUNKED_HEAD "ffffffffffffffff\r\n", .status = 413),
    M(CHUNKED_HEAD "1\r\na\r\nffffffffffffffff\r\n", .status = 413),
    M(CHUNKED_HEAD "10000000000000000\r\n", .status = 400),
    M(CHUNKED_HEAD "5 \r\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD " 5\r\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "+5\r\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "0x5\r\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "g\r\n", .status = 400),
    M(CHUNKED_HEAD "\r\n", .status = 400),
    M(CHUNKED_HEAD ";x\r\n", .status = 400),
    M(CHUNKED_HEAD "5\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "5\rhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "5;x\nhello\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "5\r\nhello!\r\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "5\r\nhello\n0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "5\r\nhello0\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "0\r\n\n", .status = 400),
    M(CHUNKED_HEAD "0\r\nbad trailer\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "0\r\n folded: x\r\n\r\n", .status = 400),
    M(CHUNKED_HEAD "0\r\nContent-Length: 7\r\nTransfer-Encoding: x\r\n\r\n"),
};

START_TEST(request_is_taken_or_refused_in_every_cut) {
    check_request(&REQUESTS[_i]);
}
END_TEST

START_TEST(request_fields_are_found) {
    char bytes[] = "POST /orders?x=1 HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-TWO:  b c \r\nEmpty: \r\n"
                   "Content-Length: 2\r\n\r\n{}";
    struct http_parser parser;
    const struct http_header *header;
    http_parser_init_request(&parser, &LIMITS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_HEADERS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_DONE);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_DONE);
    ck_assert(parser.method.length == 4 && memcmp(bytes + parser.method.offset, "POST", 4) == 0);
    ck_assert(parser.target.length == 11 &&
              memcmp(bytes + parser.target.offset, "/orders?x=1", 11) == 0);
    ck_assert_uint_eq(parser.header_count, 5);
    ck_assert_ptr_eq(http_parser_find(&parser, bytes, "X-TWO", NULL), &parser.headers[1]);
    header = http_parser_find(&parser, bytes, "x-two", &parser.headers[1]);
    ck_assert_ptr_eq(header, &parser.headers[2]);
    ck_assert_ptr_null(http_parser_find(&parser, bytes, "x-two", header));
    header = http_parser_find(&parser, bytes, "HOST", NULL);
    ck_assert_ptr_eq(header, &parser.headers[0]);
    ck_assert_ptr_null(http_parser_find(&parser, bytes, "HOST", header));
    ck_assert_ptr_null(http_parser_find(&parser, bytes, "Hos", NULL));
    ck_assert_ptr_null(http_parser_find(&parser, bytes, "Hosts", NULL));
    ck_assert(
        memcmp(bytes + parser.headers[2].value.offset, "b c", parser.headers[2].value.length) == 0);
    ck_assert_uint_eq(parser.headers[2].value.length, 3);
    ck_assert_uint_eq(http_parser_find(&parser, bytes, "empty", NULL)->value.length, 0);
    ck_assert(parser.keep_alive && !parser.expect_continue && !parser.chunked);
}
END_TEST

static const struct {
    const char *version;
    const char *connection;
    bool keep_alive;
} CONNECTIONS[] = {
    { "1.1", "", true },
    { "1.1", "Connection: close\r\n", false },
    { "1.1", "Connection: CLOSE\r\n", false },
    { "1.1", "Connection: closed\r\n", true },
    { "1.1", "Connection: te , close\r\n", false },
    { "1.1", "Connection: keep-alive\r\nConnection: ,close\r\n", false },
    { "1.0", "", false },
    { "1.0", "Connection: Keep-Alive\r\n", true },
    { "1.0", "Connection: keep-alive, close\r\n", false },
};

START_TEST(keep_alive_follows_version_and_connection) {
    char bytes[200];
    struct http_parser parser;
    int length = snprintf(bytes, sizeof(bytes), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n",
                          CONNECTIONS[_i].version, CONNECTIONS[_i].connection);
    http_parser_init_request(&parser, &LIMITS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, (size_t)length), HTTP_PARSE_DONE);
    ck_assert_int_eq(parser.keep_alive, CONNECTIONS[_i].keep_alive);
}
END_TEST

START_TEST(expectation_counts_from_http_1_1_on) {
    char bytes[] =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    struct http_parser parser;
    http_parser_init_request(&parser, &LIMITS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_HEADERS);
    ck_assert(parser.expect_continue);
    bytes[strlen("POST / HTTP/1.")] = '0';
    http_parser_init_request(&parser, &LIMITS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_HEADERS);
    ck_assert(!parser.expect_continue);
}
END_TEST

/* ---- limits ---- */

/* A request whose header section is exactly `section_bytes` long. */
static enum http_parse_result run_section(size_t section_bytes, int *ret_status) {
    char bytes[400] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    size_t start_line = strlen("GET / HTTP/1.1\r\n");
    size_t end = start_line + section_bytes;
    memset(bytes + strlen(bytes), 'x', end - 4 - strlen(bytes));
    memcpy(bytes + end - 4, "\r\n\r\n", 5);
    struct message message = { .bytes = bytes, .length = end };
    struct outcome whole;
    start(&whole, &message, false);
    feed(&whole, end);
    try_every_cut(&message, false, &whole);
    free(whole.bytes);
    *ret_status = whole.parser.status;
    return whole.result;
}

START_TEST(header_section_limit_is_exact) {
    int status;
    ck_assert_int_eq(run_section(LIMITS.header_bytes_max, &status), HTTP_PARSE_DONE);
    ck_assert_int_eq(run_section(LIMITS.header_bytes_max + 1, &status), HTTP_PARSE_ERROR);
    ck_assert_int_eq(status, 431);
}
END_TEST

START_TEST(header_count_limit_is_exact) {
    static const struct http_limits limits = { 100, 4096, 100 };
    for (int extra = 0; extra <= 1; extra++) {
        char bytes[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
        size_t length = strlen(bytes);
        for (int i = 1; i < HTTP_HEADERS_MAX + extra; i++) {
            memcpy(bytes + length, "A: b\r\n", 6);
            length += 6;
        }
        memcpy(bytes + length, "\r\n", 2);
        struct http_parser parser;
        http_parser_init_request(&parser, &limits);
        enum http_parse_result result = http_parser_run(&parser, bytes, length + 2);
        ck_assert_int_eq(result, extra == 0 ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR);
        ck_assert_int_eq(parser.status, extra == 0 ? 0 : 431);
    }
}
END_TEST

START_TEST(trailers_and_extensions_are_bounded) {
    static const struct http_limits limits = { 100, 8192, 100 };
    const char *head = CHUNKED_HEAD;
    for (int extra = 0; extra <= 1; extra++) {
        char bytes[16384];
        size_t length = strlen(head);
        memcpy(bytes, head, length);
        memcpy(bytes + length, "1;", 2);
        memset(bytes + length + 2, 'x', HTTP_CHUNK_EXTENSION_BYTES_MAX);
        length += 2 + (size_t)HTTP_CHUNK_EXTENSION_BYTES_MAX;
        const char *rest =
            extra == 0 ? "\r\na\r\n0\r\nT: t\r\n\r\n" : "\r\na\r\n0;y\r\nT: t\r\n\r\n";
        memcpy(bytes + length, rest, strlen(rest));
        length += strlen(rest);
        struct http_parser parser;
        http_parser_init_request(&parser, &limits);
        ck_assert_int_eq(http_parser_run(&parser, bytes, length), HTTP_PARSE_HEADERS);
        ck_assert_int_eq(http_parser_run(&parser, bytes, length),
                         extra == 0 ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR);
        ck_assert_int_eq(parser.status, extra == 0 ? 0 : 400);
    }
    char bytes[600];
    memcpy(bytes, head, strlen(head));
    memcpy(bytes + strlen(head), "0\r\nT: ", 6);
    memset(bytes + strlen(head) + 6, 't', LIMITS.header_bytes_max);
    struct http_parser parser;
    http_parser_init_request(&parser, &LIMITS);
    size_t length = strlen(head) + 6 + LIMITS.header_bytes_max;
    ck_assert_int_eq(http_parser_run(&parser, bytes, length), HTTP_PARSE_HEADERS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, length), HTTP_PARSE_ERROR);
    ck_assert_int_eq(parser.status, 431);
}
END_TEST

/* Tiny chunks in a buffer that has room for the data, not for the framing. */
START_TEST(compaction_keeps_memory_at_the_size_of_the_data) {
    const char *head = CHUNKED_HEAD;
    const char *data = "abcdefghijklmnopqrstuvwxyz";
    char bytes[256];
    struct http_parser parser;
    http_parser_init_request(&parser, &LIMITS);
    size_t length = strlen(head);
    memcpy(bytes, head, length);
    ck_assert_int_eq(http_parser_run(&parser, bytes, length), HTTP_PARSE_HEADERS);
    for (size_t i = 0; i < strlen(data); i++) {
        const char chunk[] = { '0', '0', '1', ';', 'e', '\r', '\n', data[i], '\r', '\n' };
        for (size_t k = 0; k < sizeof(chunk); k++) {
            bytes[length++] = chunk[k];
            ck_assert_int_eq(http_parser_run(&parser, bytes, length), HTTP_PARSE_MORE);
            length = http_parser_compact(&parser, length);
        }
        ck_assert_uint_eq(length, strlen(head) + i + 1);
    }
    memcpy(bytes + length, "0\r\n\r\nGET", 8);
    ck_assert_int_eq(http_parser_run(&parser, bytes, length + 8), HTTP_PARSE_DONE);
    ck_assert_uint_eq(parser.message_bytes, length + 5);
    ck_assert_uint_eq(parser.body.length, strlen(data));
    ck_assert(memcmp(bytes + parser.body.offset, data, strlen(data)) == 0);
}
END_TEST

/* ---- responses ---- */

static const struct message RESPONSES[] = {
    M("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", .status = 200, .body = "hi", .rest = 1),
    M("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", .status = 200),
    M("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .status = 200),
    M("HTTP/1.1 404 Not Found \xe4\r\nContent-Length: 0\r\n\r\n", .status = 404),
    M("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", .status = 200,
      .body = "hi"),
    M("HTTP/1.1 204 No Content\r\n\r\n!", .status = 204, .rest = 1),
    M("HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n", .status = 304),
    M("HTTP/1.1 100 Continue\r\n\r\nHTTP", .status = 100, .rest = 4),
    M("HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n", .status = 0),
    M("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 0),
    M("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 0),
    M("HTTP/1.1 20 OK\r\n\r\n", .status = 0),
    M("HTTP/1.1 2000 OK\r\n\r\n", .status = 0),
    M("HTTP/1.1 099 OK\r\n\r\n", .status = 0),
    M("HTTP/1.1  200 OK\r\n\r\n", .status = 0),
    M("HTTP/1.1 200 O\nK\r\n\r\n", .status = 0),
    M("HTTP/1.1 2x0 OK\r\n\r\n", .status = 0),
    M("HTTP/2 200\r\n\r\n", .status = 0),
    M("SSH-2.0-OpenSSH_9.2\r\n", .status = 0),
};

START_TEST(response_is_taken_or_refused_in_every_cut) {
    const struct message *message = &RESPONSES[_i];
    struct outcome whole;
    start(&whole, message, true);
    feed(&whole, message->length);
    if (message->status == 0) {
        ck_assert_msg(whole.result == HTTP_PARSE_ERROR, "not refused: %s", message->bytes);
    } else {
        const char *body = message->body == NULL ? "" : message->body;
        ck_assert_msg(whole.result == HTTP_PARSE_DONE, "refused (%s): %s", whole.parser.error,
                      message->bytes);
        ck_assert_int_eq(whole.parser.status, message->status);
        ck_assert_uint_eq(whole.parser.body.length, strlen(body));
        ck_assert(memcmp(whole.bytes + whole.parser.body.offset, body, strlen(body)) == 0);
        ck_assert_uint_eq(whole.parser.message_bytes, message->length - message->rest);
    }
    try_every_cut(message, true, &whole);
    free(whole.bytes);
}
END_TEST

START_TEST(response_to_head_has_no_body) {
    char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    struct http_parser parser;
    http_parser_init_response(&parser, &LIMITS, true);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_DONE);
    ck_assert_uint_eq(parser.body.length, 0);
    ck_assert(parser.keep_alive);
}
END_TEST

START_TEST(close_ends_only_a_response_without_length) {
    char open_ended[] = "HTTP/1.1 200 OK\r\n\r\nhello";
    struct http_parser parser;
    http_parser_init_response(&parser, &LIMITS, false);
    ck_assert_int_eq(http_parser_run(&parser, open_ended, strlen(open_ended)), HTTP_PARSE_HEADERS);
    ck_assert_int_eq(http_parser_run(&parser, open_ended, strlen(open_ended)), HTTP_PARSE_MORE);
    ck_assert(parser.until_close && !parser.keep_alive);
    ck_assert_int_eq(http_parser_finish(&parser), HTTP_PARSE_DONE);
    ck_assert_uint_eq(parser.body.length, 5);

    char cut_off[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello";
    http_parser_init_response(&parser, &LIMITS, false);
    ck_assert_int_eq(http_parser_run(&parser, cut_off, strlen(cut_off)), HTTP_PARSE_HEADERS);
    ck_assert_int_eq(http_parser_run(&parser, cut_off, strlen(cut_off)), HTTP_PARSE_MORE);
    ck_assert_int_eq(http_parser_finish(&parser), HTTP_PARSE_ERROR);

    http_parser_init_request(&parser, &LIMITS);
    ck_assert_int_eq(http_parser_finish(&parser), HTTP_PARSE_ERROR);
    ck_assert_int_eq(parser.status, 400);
}
END_TEST

START_TEST(open_ended_body_is_bounded) {
    char bytes[] = "HTTP/1.1 200 OK\r\n\r\n12345678901234567890123456789012x";
    struct http_parser parser;
    http_parser_init_response(&parser, &LIMITS, false);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes) - 1), HTTP_PARSE_HEADERS);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes) - 1), HTTP_PARSE_MORE);
    ck_assert_int_eq(http_parser_run(&parser, bytes, strlen(bytes)), HTTP_PARSE_ERROR);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_parser");
    TCase *requests = tcase_create("requests");
    tcase_add_loop_test(requests, request_is_taken_or_refused_in_every_cut, 0,
                        UNIT_COUNT(REQUESTS));
    tcase_add_test(requests, request_fields_are_found);
    tcase_add_loop_test(requests, keep_alive_follows_version_and_connection, 0,
                        UNIT_COUNT(CONNECTIONS));
    tcase_add_test(requests, expectation_counts_from_http_1_1_on);
    suite_add_tcase(suite, requests);
    TCase *limits = tcase_create("limits");
    tcase_add_test(limits, header_section_limit_is_exact);
    tcase_add_test(limits, header_count_limit_is_exact);
    tcase_add_test(limits, trailers_and_extensions_are_bounded);
    tcase_add_test(limits, compaction_keeps_memory_at_the_size_of_the_data);
    suite_add_tcase(suite, limits);
    TCase *responses = tcase_create("responses");
    tcase_add_loop_test(responses, response_is_taken_or_refused_in_every_cut, 0,
                        UNIT_COUNT(RESPONSES));
    tcase_add_test(responses, response_to_head_has_no_body);
    tcase_add_test(responses, close_ends_only_a_response_without_length);
    tcase_add_test(responses, open_ended_body_is_bounded);
    suite_add_tcase(suite, responses);
    return unit_run(suite);
}
