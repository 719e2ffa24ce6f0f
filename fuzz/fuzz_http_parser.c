/* link: services/runtime/http/parser.c */
/*
 * Fuzz target: the HTTP parser reads the same out of any input however it is cut.
 *
 * The input's first byte chooses request or response (bit 0) and HEAD (bit 1); the second seeds the
 * cuts. The rest is parsed whole, byte by byte, and in pieces of 1 to 16 bytes with compaction; all
 * three must agree, and every view must lie inside the input.
 */
#include "runtime/http/parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct http_limits LIMITS = { 256, 1024, 512 };

struct run {
    struct http_parser parser;
    enum http_parse_result result;
    unsigned headers_seen;
    char *bytes; /* exactly as large as needed, so that a sanitizer sees an overrun */
    size_t length;
};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void run_init(struct run *run, uint8_t options) {
    memset(run, 0, sizeof(*run));
    if ((options & 1) != 0) {
        http_parser_init_response(&run->parser, &LIMITS, (options & 2) != 0);
    } else {
        http_parser_init_request(&run->parser, &LIMITS);
    }
}

static void run_feed(struct run *run, const uint8_t *bytes, size_t count) {
    char *grown = malloc(run->length + count);
    require(grown != NULL);
    memcpy(grown, run->bytes == NULL ? (const char *)bytes : run->bytes, run->length);
    memcpy(grown + run->length, bytes, count);
    free(run->bytes);
    run->bytes = grown;
    run->length += count;
    while ((run->result = http_parser_run(&run->parser, run->bytes, run->length)) ==
           HTTP_PARSE_HEADERS) {
        run->headers_seen++;
    }
}

static void require_inside(const struct run *run, struct http_span span) {
    require((size_t)span.offset + span.length <= run->length);
}

static void require_sane(const struct run *run) {
    const struct http_parser *parser = &run->parser;
    require_inside(run, parser->method);
    require_inside(run, parser->target);
    require(parser->header_count <= HTTP_HEADERS_MAX && run->headers_seen <= 1);
    for (size_t i = 0; i < parser->header_count; i++) {
        require_inside(run, parser->headers[i].name);
        require_inside(run, parser->headers[i].value);
    }
    if (run->result == HTTP_PARSE_DONE) {
        require_inside(run, parser->body);
        require(parser->body.length <= LIMITS.body_bytes_max);
        require(parser->message_bytes <= run->length);
        require(!parser->chunked || !parser->has_content_length);
    }
    if (run->result == HTTP_PARSE_ERROR) {
        require(parser->error != NULL && !parser->keep_alive);
        require(parser->is_response || (parser->status >= 400 && parser->status <= 505));
    }
}

static void require_same(const struct run *a, const struct run *b) {
    require(a->result == b->result && a->headers_seen == b->headers_seen);
    require(a->parser.status == b->parser.status && a->parser.error == b->parser.error);
    require(a->parser.header_count == b->parser.header_count);
    require(memcmp(a->parser.headers, b->parser.headers,
                   a->parser.header_count * sizeof(struct http_header)) == 0);
    require(a->parser.keep_alive == b->parser.keep_alive);
    require(a->parser.body.length == b->parser.body.length);
    if (a->result == HTTP_PARSE_DONE && a->parser.body.length > 0) {
        require(memcmp(a->bytes + a->parser.body.offset, b->bytes + b->parser.body.offset,
                       a->parser.body.length) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    uint8_t options = data[0];
    uint32_t random = data[1];
    data += 2;
    size -= 2;
    struct run whole, bytewise, pieces;
    run_init(&whole, options);
    run_init(&bytewise, options);
    run_init(&pieces, options);
    run_feed(&whole, data, size);
    for (size_t i = 0; i < size; i++) {
        run_feed(&bytewise, data + i, 1);
    }
    for (size_t at = 0; at < size;) {
        random = random * 1103515245u + 12345u;
        size_t count = 1 + (random >> 16) % 16;
        count = count > size - at ? size - at : count;
        run_feed(&pieces, data + at, count);
        if (pieces.result == HTTP_PARSE_MORE) {
            pieces.length = http_parser_compact(&pieces.parser, pieces.length);
        }
        at += count;
    }
    require_sane(&whole);
    require_sane(&bytewise);
    require_sane(&pieces);
    require_same(&whole, &bytewise);
    require_same(&whole, &pieces);
    require(whole.parser.message_bytes == bytewise.parser.message_bytes);
    free(whole.bytes);
    free(bytewise.bytes);
    free(pieces.bytes);
    return 0;
}
