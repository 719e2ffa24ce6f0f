/* The HTTP parser: a state machine over the bytes, and what the header fields mean for it. */
#include "parser.h"

#include "base/ascii.h"
#include "base/str.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* ---- which byte may stand where ---- */

enum byte_class {
    TOKEN = 1,  /* tchar, RFC 9110 §5.6.2 */
    TARGET = 2, /* visible ASCII without '#': a fragment is never sent */
    VALUE = 4,  /* field-vchar, obs-text, SP, HTAB: RFC 9110 §5.5 */
    HOST = 8    /* what uri-host [ ":" port ] is made of: RFC 3986 §3.2.2 */
};

enum { ALL = TOKEN | TARGET | VALUE | HOST, NO_HOST = ALL - HOST, NO_TOKEN = ALL - TOKEN };

/* clang-format off */
static const uint8_t BYTE_CLASSES[256] = {
    ['0' ... '9'] = ALL, ['A' ... 'Z'] = ALL, ['a' ... 'z'] = ALL,
    ['!'] = ALL, ['$'] = ALL, ['%'] = ALL, ['&'] = ALL, ['\''] = ALL, ['*'] = ALL,
    ['+'] = ALL, ['-'] = ALL, ['.'] = ALL, ['_'] = ALL, ['~'] = ALL,
    ['^'] = NO_HOST, ['`'] = NO_HOST, ['|'] = NO_HOST, ['#'] = TOKEN | VALUE,
    ['('] = NO_TOKEN, [')'] = NO_TOKEN, [','] = NO_TOKEN, [':'] = NO_TOKEN,
    [';'] = NO_TOKEN, ['='] = NO_TOKEN, ['['] = NO_TOKEN, [']'] = NO_TOKEN,
    ['"'] = TARGET | VALUE, ['/'] = TARGET | VALUE, ['<'] = TARGET | VALUE,
    ['>'] = TARGET | VALUE, ['?'] = TARGET | VALUE, ['@'] = TARGET | VALUE,
    ['\\'] = TARGET | VALUE, ['{'] = TARGET | VALUE, ['}'] = TARGET | VALUE,
    ['\t'] = VALUE, [' '] = VALUE, [0x80 ... 0xff] = VALUE,
};
/* clang-format on */

static bool is_byte(char byte, enum byte_class wanted) {
    return (BYTE_CLASSES[(unsigned char)byte] & wanted) != 0;
}

/* Every state waits for at least one more byte. */
enum state {
    /* start line: over its limit 414 */
    STATE_REQUEST_START,
    STATE_REQUEST_START_LF,
    STATE_METHOD,
    STATE_TARGET,
    STATE_VERSION,
    STATE_REQUEST_LINE_CR,
    STATE_STATUS_SPACE,
    STATE_STATUS_CODE,
    STATE_STATUS_END,
    STATE_REASON,
    STATE_START_LINE_LF,
    /* header section, and trailers: over their limit 431 */
    STATE_FIELD_START,
    STATE_FIELD_NAME,
    STATE_FIELD_SPACE,
    STATE_FIELD_VALUE,
    STATE_FIELD_LF,
    STATE_SECTION_LF,
    /* body */
    STATE_BODY_LENGTH,
    STATE_BODY_UNTIL_CLOSE,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_EXTENSION,
    STATE_CHUNK_SIZE_LF,
    STATE_CHUNK_DATA,
    STATE_CHUNK_DATA_CR,
    STATE_CHUNK_DATA_LF,
    STATE_DONE,
    STATE_ERROR
};

/* ---- helpers ---- */

static struct http_span span_between(size_t from, size_t to) {
    return (struct http_span){ .offset = (uint32_t)from, .length = (uint32_t)(to - from) };
}

static char next_byte(const struct http_parser *parser) {
    return parser->bytes[parser->position];
}

/* On to the first byte that is not of this class. False: it has not come yet. */
static bool skip(struct http_parser *parser, enum byte_class wanted) {
    size_t position = parser->position;
    while (position < parser->end && is_byte(parser->bytes[position], wanted)) {
        position++;
    }
    parser->position = position;
    return position < parser->end;
}

/* Past the next byte, to `next`. */
static enum http_parse_result pass(struct http_parser *parser, enum state next) {
    parser->mark = ++parser->position;
    parser->state = next;
    return HTTP_PARSE_MORE;
}

/* End with HTTP_PARSE_ERROR. `error`: a constant sentence. */
static enum http_parse_result fail(struct http_parser *parser, int status, const char *error) {
    if (!parser->is_response) {
        parser->status = status;
    }
    parser->error = error;
    parser->keep_alive = false;
    parser->state = STATE_ERROR;
    return HTTP_PARSE_ERROR;
}

/* One byte that must be `wanted`, then `next`. */
static enum http_parse_result expect_byte(struct http_parser *parser, char wanted, enum state next,
                                          const char *error) {
    if (next_byte(parser) != wanted) {
        return fail(parser, 400, error);
    }
    return pass(parser, next);
}

/* ---- what the headers mean for framing and for the connection ---- */

/* Case-insensitive. */
static bool equals(const char *bytes, struct http_span span, struct str text) {
    return span.length == text.len && strncasecmp(bytes + span.offset, text.data, text.len) == 0;
}

/* RFC 9110 §7.2 */
static enum http_parse_result take_host(struct http_parser *parser, struct http_span value) {
    if (parser->host_seen) {
        return fail(parser, 400, "There is more than one Host header");
    }
    for (size_t i = 0; i < value.length; i++) {
        if (!is_byte(parser->bytes[value.offset + i], HOST)) {
            return fail(parser, 400, "The Host header has an invalid character");
        }
    }
    parser->host_seen = true;
    return HTTP_PARSE_MORE;
}

/* RFC 9110 §8.6, without its leave to repeat it. Too large a number ends up as UINT64_MAX. */
static enum http_parse_result take_content_length(struct http_parser *parser,
                                                  struct http_span value) {
    if (parser->has_content_length) {
        return fail(parser, 400, "There is more than one Content-Length header");
    }
    uint64_t length = 0;
    bool is_number = value.length > 0;
    for (size_t i = 0; i < value.length && is_number; i++) {
        char byte = parser->bytes[value.offset + i];
        is_number = ascii_is_digit(byte);
        if (__builtin_mul_overflow(length, (uint64_t)10, &length) ||
            __builtin_add_overflow(length, (uint64_t)(byte - '0'), &length)) {
            length = UINT64_MAX;
        }
    }
    if (!is_number) {
        return fail(parser, 400, "Content-Length must be digits only");
    }
    parser->has_content_length = true;
    parser->content_length = length;
    return HTTP_PARSE_MORE;
}

/* RFC 9112 §6.1 */
static enum http_parse_result take_transfer_encoding(struct http_parser *parser,
                                                     struct http_span value) {
    if (parser->chunked) {
        return fail(parser, 400, "There is more than one Transfer-Encoding header");
    }
    if (parser->version_minor == 0) {
        return fail(parser, 400, "HTTP/1.0 knows no Transfer-Encoding");
    }
    if (!equals(parser->bytes, value, STR("chunked"))) {
        return fail(parser, 501, "The only transfer encoding known here is \"chunked\"");
    }
    parser->chunked = true;
    return HTTP_PARSE_MORE;
}

/* RFC 9110 §7.6.1: a list of options; those that we do not know are ignored. */
static enum http_parse_result take_connection(struct http_parser *parser, struct http_span value) {
    size_t position = value.offset;
    size_t end = position + value.length;
    while (position < end) {
        size_t from = position;
        while (position < end && is_byte(parser->bytes[position], TOKEN)) {
            position++;
        }
        struct http_span option = { (uint32_t)from, (uint32_t)(position - from) };
        parser->connection_close |= equals(parser->bytes, option, STR("close"));
        parser->connection_keep_alive |= equals(parser->bytes, option, STR("keep-alive"));
        position += position == from; /* a comma or white space */
    }
    return HTTP_PARSE_MORE;
}

/* RFC 9110 §10.1.1: ignored in HTTP/1.0. */
static enum http_parse_result take_expect(struct http_parser *parser, struct http_span value) {
    if (!equals(parser->bytes, value, STR("100-continue"))) {
        return fail(parser, 417, "The only expectation known here is \"100-continue\"");
    }
    parser->expect_continue = parser->version_minor > 0;
    return HTTP_PARSE_MORE;
}

/* A header that decides framing or the connection. HTTP_PARSE_MORE: go on. */
static enum http_parse_result take_field(struct http_parser *parser,
                                         const struct http_header *header) {
    static const struct {
        struct str name;
        bool of_requests; /* only */
        enum http_parse_result (*take)(struct http_parser *parser, struct http_span value);
    } FIELDS[] = {
        { { "Host", 4 }, true, take_host },
        { { "Expect", 6 }, true, take_expect },
        { { "Connection", 10 }, false, take_connection },
        { { "Content-Length", 14 }, false, take_content_length },
        { { "Transfer-Encoding", 17 }, false, take_transfer_encoding },
    };
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        if (equals(parser->bytes, header->name, FIELDS[i].name)) {
            bool counts = !parser->is_response || !FIELDS[i].of_requests;
            return counts ? FIELDS[i].take(parser, header->value) : HTTP_PARSE_MORE;
        }
    }
    return HTTP_PARSE_MORE;
}

static bool is_method(const struct http_parser *parser, struct str name) {
    return str_equal((struct str){ parser->bytes + parser->method.offset, parser->method.length },
                     name);
}

/* RFC 9112 §3.2: the forms of a target. An absolute one must name a host. */
static bool target_form_is_known(const struct http_parser *parser) {
    const char *target = parser->bytes + parser->target.offset;
    if (target[0] == '/') {
        return true;
    }
    if (parser->target.length == 1 && target[0] == '*') {
        return is_method(parser, STR("OPTIONS"));
    }
    size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                    : strncasecmp(target, "https://", 8) == 0 ? 8
                                                              : 0;
    return scheme > 0 && parser->target.length > scheme && is_byte(target[scheme], HOST);
}

static enum http_parse_result check_request(struct http_parser *parser) {
    if (is_method(parser, STR("CONNECT"))) {
        return fail(parser, 501, "CONNECT is not implemented: this is no proxy");
    }
    if (!target_form_is_known(parser)) {
        return fail(parser, 400, "The request target must begin with \"/\"");
    }
    if (parser->version_minor > 0 && !parser->host_seen) {
        return fail(parser, 400, "An HTTP/1.1 request must have a Host header");
    }
    return HTTP_PARSE_MORE;
}

/* The header section is complete: what only all headers together can tell. */
static enum http_parse_result check_fields(struct http_parser *parser) {
    parser->keep_alive =
        !parser->connection_close && (parser->version_minor > 0 || parser->connection_keep_alive);
    if (!parser->is_response && check_request(parser) == HTTP_PARSE_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    if (parser->chunked && parser->has_content_length) {
        return fail(parser, 400, "Content-Length and Transfer-Encoding exclude each other");
    }
    if (parser->has_content_length && !parser->response_to_head && parser->status != 304 &&
        parser->content_length > parser->limits.body_bytes_max) {
        return fail(parser, 413, "The body is too large");
    }
    return HTTP_PARSE_MORE;
}

/* ---- start line ---- */

static enum http_parse_result request_start(struct http_parser *parser) {
    if (next_byte(parser) == '\r' && !parser->empty_line_skipped) {
        parser->empty_line_skipped = true;
        return pass(parser, STATE_REQUEST_START_LF);
    }
    parser->mark = parser->position;
    parser->section_end = parser->position + parser->limits.start_line_bytes_max + strlen("\r\n");
    parser->state = STATE_METHOD;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result method(struct http_parser *parser) {
    skip(parser, TOKEN);
    size_t length = parser->position - parser->mark;
    if (length > HTTP_METHOD_BYTES_MAX) {
        return fail(parser, 501, "The request method is not known");
    }
    if (parser->position == parser->end) {
        return HTTP_PARSE_MORE;
    }
    if (next_byte(parser) != ' ' || length == 0) {
        return fail(parser, 400, "The request does not begin with a method and a space");
    }
    parser->method = span_between(parser->mark, parser->position);
    return pass(parser, STATE_TARGET);
}

static enum http_parse_result target(struct http_parser *parser) {
    if (!skip(parser, TARGET)) {
        return HTTP_PARSE_MORE;
    }
    if (next_byte(parser) != ' ' || parser->position == parser->mark) {
        return fail(parser, 400, "The request target has an invalid character or is missing");
    }
    parser->target = span_between(parser->mark, parser->position);
    return pass(parser, STATE_VERSION);
}

static enum http_parse_result version(struct http_parser *parser) {
    static const char form[] = "HTTP/1.n";
    while (parser->position < parser->end) {
        char byte = next_byte(parser);
        char wanted = form[parser->position - parser->mark];
        if (wanted == 'n' && ascii_is_digit(byte)) {
            parser->version_minor = byte == '0' ? 0 : 1;
            return pass(parser, parser->is_response ? STATE_STATUS_SPACE : STATE_REQUEST_LINE_CR);
        }
        if (byte != wanted || wanted == 'n') {
            return wanted == '1' && ascii_is_digit(byte)
                       ? fail(parser, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here")
                       : fail(parser, 400, "The HTTP version is malformed");
        }
        parser->position++;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result status_code(struct http_parser *parser) {
    while (parser->position < parser->end && parser->position - parser->mark < 3 &&
           ascii_is_digit(next_byte(parser))) {
        parser->status = parser->status * 10 + (next_byte(parser) - '0');
        parser->position++;
    }
    if (parser->position == parser->end) {
        return HTTP_PARSE_MORE;
    }
    if (parser->position - parser->mark < 3 || parser->status < 100) {
        return fail(parser, 400, "The status code is malformed");
    }
    parser->state = STATE_STATUS_END;
    return HTTP_PARSE_MORE;
}

/* A space and a reason, perhaps empty; the space is forgiven where there is no reason. */
static enum http_parse_result status_end(struct http_parser *parser) {
    char byte = next_byte(parser);
    if (byte != ' ' && byte != '\r') {
        return fail(parser, 400, "The status line is malformed");
    }
    return pass(parser, byte == ' ' ? STATE_REASON : STATE_START_LINE_LF);
}

static enum http_parse_result reason(struct http_parser *parser) {
    if (!skip(parser, VALUE)) {
        return HTTP_PARSE_MORE;
    }
    return expect_byte(parser, '\r', STATE_START_LINE_LF, "The reason has an invalid character");
}

static enum http_parse_result start_line_lf(struct http_parser *parser) {
    parser->section_end = parser->position + 1 + parser->limits.header_bytes_max;
    return expect_byte(parser, '\n', STATE_FIELD_START, "The start line must end with CR LF");
}

/* ---- header section and trailers ---- */

static enum http_parse_result field_start(struct http_parser *parser) {
    if (next_byte(parser) == '\r') {
        return pass(parser, STATE_SECTION_LF);
    }
    if (ascii_is_blank(next_byte(parser))) {
        return fail(parser, 400, "Header lines must not be folded");
    }
    if (!parser->in_trailers && parser->header_count == HTTP_HEADERS_MAX) {
        return fail(parser, 431, "There are too many headers");
    }
    parser->mark = parser->position;
    parser->state = STATE_FIELD_NAME;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result field_name(struct http_parser *parser) {
    if (!skip(parser, TOKEN)) {
        return HTTP_PARSE_MORE;
    }
    if (next_byte(parser) != ':' || parser->position == parser->mark) {
        return fail(parser, 400, "A header name is malformed or not followed by a colon");
    }
    if (!parser->in_trailers) {
        parser->headers[parser->header_count].name = span_between(parser->mark, parser->position);
    }
    return pass(parser, STATE_FIELD_SPACE);
}

static enum http_parse_result field_space(struct http_parser *parser) {
    while (parser->position < parser->end && ascii_is_blank(next_byte(parser))) {
        parser->position++;
    }
    parser->mark = parser->position;
    if (parser->position < parser->end) {
        parser->state = STATE_FIELD_VALUE;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result field_value(struct http_parser *parser) {
    if (!skip(parser, VALUE)) {
        return HTTP_PARSE_MORE;
    }
    size_t value_end = parser->position;
    while (value_end > parser->mark && ascii_is_blank(parser->bytes[value_end - 1])) {
        value_end--;
    }
    if (!parser->in_trailers) {
        parser->headers[parser->header_count].value = span_between(parser->mark, value_end);
    }
    return expect_byte(
        parser, '\r', STATE_FIELD_LF,
        "A header value has an invalid character, or its line does not end with CR LF");
}

static enum http_parse_result field_lf(struct http_parser *parser) {
    enum http_parse_result result =
        expect_byte(parser, '\n', STATE_FIELD_START, "A header line must end with CR LF");
    return result != HTTP_PARSE_MORE || parser->in_trailers
               ? result
               : take_field(parser, &parser->headers[parser->header_count++]);
}

/* ---- body ---- */

static enum http_parse_result message_done(struct http_parser *parser) {
    size_t body_end = parser->chunked ? parser->body_write : parser->position;
    parser->body = span_between(parser->body_start, body_end);
    parser->message_bytes = parser->position;
    parser->state = STATE_DONE;
    return HTTP_PARSE_DONE;
}

/* RFC 9112 §6.3: how the body is delimited. */
static enum http_parse_result begin_body(struct http_parser *parser) {
    bool has_none = parser->response_to_head || parser->status < 200 || parser->status == 204 ||
                    parser->status == 304;
    parser->body_start = parser->position;
    parser->body_write = parser->position;
    parser->section_end = SIZE_MAX;
    if (parser->is_response && has_none) {
        parser->chunked = false;
        return message_done(parser);
    }
    if (parser->chunked) {
        parser->state = STATE_CHUNK_SIZE;
        return HTTP_PARSE_HEADERS;
    }
    if (parser->has_content_length) {
        parser->state = STATE_BODY_LENGTH;
        return parser->content_length == 0 ? message_done(parser) : HTTP_PARSE_HEADERS;
    }
    if (!parser->is_response) {
        return message_done(parser);
    }
    parser->until_close = true;
    parser->keep_alive = false;
    parser->state = STATE_BODY_UNTIL_CLOSE;
    return HTTP_PARSE_HEADERS;
}

static enum http_parse_result section_lf(struct http_parser *parser) {
    enum http_parse_result result =
        expect_byte(parser, '\n', STATE_DONE, "The header section must end with CR LF CR LF");
    if (result != HTTP_PARSE_MORE) {
        return result;
    }
    if (parser->in_trailers) {
        return message_done(parser);
    }
    result = check_fields(parser);
    return result == HTTP_PARSE_MORE ? begin_body(parser) : result;
}

static enum http_parse_result body_length(struct http_parser *parser) {
    if (parser->end - parser->body_start < parser->content_length) {
        parser->position = parser->end;
        return HTTP_PARSE_MORE;
    }
    parser->position = parser->body_start + (size_t)parser->content_length;
    return message_done(parser);
}

static enum http_parse_result body_until_close(struct http_parser *parser) {
    parser->position = parser->end;
    if (parser->end - parser->body_start > parser->limits.body_bytes_max) {
        return fail(parser, 413, "The body is too large");
    }
    return HTTP_PARSE_MORE;
}

/* ---- chunked coding, RFC 9112 §7.1 ---- */

static enum http_parse_result chunk_size(struct http_parser *parser) {
    char byte = next_byte(parser);
    int digit = ascii_hex_value(byte);
    if (digit >= 0 && parser->chunk_digits < 16) {
        parser->chunk_left = parser->chunk_left << 4 | (uint64_t)digit;
        parser->chunk_digits++;
        return pass(parser, STATE_CHUNK_SIZE);
    }
    if (parser->chunk_digits == 0 || (byte != '\r' && byte != ';')) {
        return fail(parser, 400, "A chunk size is malformed");
    }
    size_t body_bytes = parser->body_write - parser->body_start;
    if (parser->chunk_left > parser->limits.body_bytes_max - body_bytes) {
        return fail(parser, 413, "The body is too large");
    }
    return pass(parser, byte == ';' ? STATE_CHUNK_EXTENSION : STATE_CHUNK_SIZE_LF);
}

static enum http_parse_result chunk_extension(struct http_parser *parser) {
    size_t from = parser->position, end = parser->end;
    size_t allowed = HTTP_CHUNK_EXTENSION_BYTES_MAX - parser->extension_bytes;
    parser->end = end - from > allowed ? from + allowed : end;
    (void)skip(parser, VALUE);
    parser->end = end;
    parser->extension_bytes += parser->position - from;
    if (parser->position == parser->end) {
        return HTTP_PARSE_MORE;
    }
    return expect_byte(parser, '\r', STATE_CHUNK_SIZE_LF,
                       "A chunk extension is too long or has an invalid character");
}

static enum http_parse_result chunk_size_lf(struct http_parser *parser) {
    parser->in_trailers = parser->chunk_left == 0;
    if (parser->in_trailers) {
        parser->section_end = parser->position + 1 + parser->limits.header_bytes_max;
    }
    return expect_byte(parser, '\n', parser->in_trailers ? STATE_FIELD_START : STATE_CHUNK_DATA,
                       "A chunk size must end with CR LF");
}

static enum http_parse_result chunk_data(struct http_parser *parser) {
    size_t count = parser->end - parser->position;
    if (count > parser->chunk_left) {
        count = (size_t)parser->chunk_left;
    }
    memmove(parser->bytes + parser->body_write, parser->bytes + parser->position, count);
    parser->body_write += count;
    parser->position += count;
    parser->chunk_left -= count;
    if (parser->chunk_left == 0) {
        parser->state = STATE_CHUNK_DATA_CR;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result chunk_data_lf(struct http_parser *parser) {
    parser->chunk_digits = 0;
    return expect_byte(parser, '\n', STATE_CHUNK_SIZE, "A chunk must end with CR LF");
}

/* ---- the machine ---- */

/* In a final state. */
static enum http_parse_result result_of(const struct http_parser *parser) {
    return parser->state == STATE_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR;
}

static enum http_parse_result step(struct http_parser *parser) {
    switch ((enum state)parser->state) {
    case STATE_REQUEST_START: return request_start(parser);
    case STATE_REQUEST_START_LF:
        return expect_byte(parser, '\n', STATE_REQUEST_START, "A CR without LF before the request");
    case STATE_METHOD: return method(parser);
    case STATE_TARGET: return target(parser);
    case STATE_VERSION: return version(parser);
    case STATE_REQUEST_LINE_CR:
        return expect_byte(parser, '\r', STATE_START_LINE_LF,
                           "The request line must end with CR LF");
    case STATE_STATUS_SPACE:
        return expect_byte(parser, ' ', STATE_STATUS_CODE, "The status line is malformed");
    case STATE_STATUS_CODE: return status_code(parser);
    case STATE_STATUS_END: return status_end(parser);
    case STATE_REASON: return reason(parser);
    case STATE_START_LINE_LF: return start_line_lf(parser);
    case STATE_FIELD_START: return field_start(parser);
    case STATE_FIELD_NAME: return field_name(parser);
    case STATE_FIELD_SPACE: return field_space(parser);
    case STATE_FIELD_VALUE: return field_value(parser);
    case STATE_FIELD_LF: return field_lf(parser);
    case STATE_SECTION_LF: return section_lf(parser);
    case STATE_BODY_LENGTH: return body_length(parser);
    case STATE_BODY_UNTIL_CLOSE: return body_until_close(parser);
    case STATE_CHUNK_SIZE: return chunk_size(parser);
    case STATE_CHUNK_EXTENSION: return chunk_extension(parser);
    case STATE_CHUNK_SIZE_LF: return chunk_size_lf(parser);
    case STATE_CHUNK_DATA: return chunk_data(parser);
    case STATE_CHUNK_DATA_CR:
        return expect_byte(parser, '\r', STATE_CHUNK_DATA_LF, "A chunk must end with CR LF");
    case STATE_CHUNK_DATA_LF: return chunk_data_lf(parser);
    default: return result_of(parser);
    }
}

enum http_parse_result http_parser_run(struct http_parser *parser, char *bytes, size_t length) {
    assert(length >= parser->position);
    parser->bytes = bytes;
    if (parser->state >= STATE_DONE) {
        return result_of(parser);
    }
    while (parser->position < length) {
        if (parser->position >= parser->section_end) {
            return parser->state <= STATE_START_LINE_LF
                       ? fail(parser, 414, "The request target is too long")
                       : fail(parser, 431, "The header section is too large");
        }
        if (parser->position >= UINT32_MAX) { /* framing of tiny chunks, never compacted */
            return fail(parser, 413, "The message is too large");
        }
        parser->end = length < parser->section_end ? length : parser->section_end;
        enum http_parse_result result = step(parser);
        if (result != HTTP_PARSE_MORE) {
            return result;
        }
    }
    return HTTP_PARSE_MORE;
}

static void init(struct http_parser *parser, const struct http_limits *limits) {
    assert(limits->start_line_bytes_max <= HTTP_MESSAGE_BYTES_MAX);
    assert(limits->header_bytes_max <= HTTP_MESSAGE_BYTES_MAX);
    assert(limits->body_bytes_max <= HTTP_MESSAGE_BYTES_MAX);
    memset(parser, 0, offsetof(struct http_parser, headers));
    memset(&parser->header_count, 0, sizeof(*parser) - offsetof(struct http_parser, header_count));
    parser->limits = *limits;
    parser->section_end = limits->start_line_bytes_max + strlen("\r\n");
}

void http_parser_init_request(struct http_parser *parser, const struct http_limits *limits) {
    init(parser, limits);
    parser->section_end += strlen("\r\n"); /* the empty line that may precede */
    parser->state = STATE_REQUEST_START;
}

void http_parser_init_response(struct http_parser *parser, const struct http_limits *limits,
                               bool response_to_head) {
    init(parser, limits);
    parser->is_response = true;
    parser->response_to_head = response_to_head;
    parser->state = STATE_VERSION;
}

size_t http_parser_compact(struct http_parser *parser, size_t length) {
    bool in_chunks = parser->state >= STATE_CHUNK_SIZE && parser->state <= STATE_CHUNK_DATA_LF;
    if (!in_chunks || parser->position != length) {
        return length;
    }
    parser->position = parser->body_write;
    return parser->position;
}

enum http_parse_result http_parser_finish(struct http_parser *parser) {
    if (parser->state == STATE_BODY_UNTIL_CLOSE) {
        return message_done(parser);
    }
    if (parser->state >= STATE_DONE) {
        return result_of(parser);
    }
    return fail(parser, 400, "The connection was closed inside a message");
}

/* ---- looking up ---- */

const struct http_header *http_parser_find(const struct http_parser *parser, const char *bytes,
                                           const char *name, const struct http_header *after) {
    size_t index = after == NULL ? 0 : (size_t)(after - parser->headers) + 1;
    for (; index < parser->header_count; index++) {
        if (equals(bytes, parser->headers[index].name, str_of(name))) {
            return &parser->headers[index];
        }
    }
    return NULL;
}
