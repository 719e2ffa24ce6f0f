#include "parser.h"

#include "base/ascii.h"
#include "parser_private.h"

#include <assert.h>
#include <string.h>

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
    /* final */
    STATE_DONE,
    STATE_ERROR
};

/* ---- helpers ---- */

static struct http_span span_between(size_t from, size_t to) {
    return (struct http_span){ .offset = (uint32_t)from, .length = (uint32_t)(to - from) };
}

static size_t skip_class(const char *bytes, size_t position, size_t end,
                         enum http_byte_class wanted) {
    while (position < end && http_byte_is(bytes[position], wanted)) {
        position++;
    }
    return position;
}

enum http_parse_result http_parser_fail(struct http_parser *parser, int status, const char *error) {
    if (!parser->is_response) {
        parser->status = status;
    }
    parser->error = error;
    parser->keep_alive = false;
    parser->state = STATE_ERROR;
    return HTTP_PARSE_ERROR;
}

static enum http_parse_result section_too_long(struct http_parser *parser) {
    if (parser->state <= STATE_START_LINE_LF) {
        return http_parser_fail(parser, 414, "The request target is too long");
    }
    return http_parser_fail(parser, 431, "The header section is too large");
}

/* One byte that must be `wanted`, then `next`. */
static enum http_parse_result expect_byte(struct http_parser *parser, const char *bytes,
                                          char wanted, enum state next, const char *error) {
    if (bytes[parser->position] != wanted) {
        return http_parser_fail(parser, 400, error);
    }
    parser->position++;
    parser->state = next;
    return HTTP_PARSE_MORE;
}

static void begin_section(struct http_parser *parser) {
    parser->section_end = parser->position + parser->limits.header_bytes_max;
    parser->state = STATE_FIELD_START;
}

/* ---- start line ---- */

static enum http_parse_result request_start(struct http_parser *parser, const char *bytes) {
    if (bytes[parser->position] == '\r' && !parser->empty_line_skipped) {
        parser->empty_line_skipped = true;
        parser->position++;
        parser->state = STATE_REQUEST_START_LF;
        return HTTP_PARSE_MORE;
    }
    parser->mark = parser->position;
    parser->section_end = parser->position + parser->limits.start_line_bytes_max + strlen("\r\n");
    parser->state = STATE_METHOD;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result method(struct http_parser *parser, const char *bytes, size_t end) {
    parser->position = skip_class(bytes, parser->position, end, HTTP_BYTE_TOKEN);
    size_t length = parser->position - parser->mark;
    if (length > HTTP_METHOD_BYTES_MAX) {
        return http_parser_fail(parser, 501, "The request method is not known");
    }
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    if (bytes[parser->position] != ' ' || length == 0) {
        return http_parser_fail(parser, 400,
                                "The request does not begin with a method and a space");
    }
    parser->method = span_between(parser->mark, parser->position);
    parser->mark = ++parser->position;
    parser->state = STATE_TARGET;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result target(struct http_parser *parser, const char *bytes, size_t end) {
    parser->position = skip_class(bytes, parser->position, end, HTTP_BYTE_TARGET);
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    if (bytes[parser->position] != ' ' || parser->position == parser->mark) {
        return http_parser_fail(parser, 400,
                                "The request target has an invalid character or is missing");
    }
    parser->target = span_between(parser->mark, parser->position);
    parser->mark = ++parser->position;
    parser->state = STATE_VERSION;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result version(struct http_parser *parser, const char *bytes, size_t end) {
    static const char form[] = "HTTP/1.n";
    while (parser->position < end) {
        char byte = bytes[parser->position];
        char wanted = form[parser->position - parser->mark];
        if (wanted == 'n' && ascii_is_digit(byte)) {
            parser->version_minor = byte == '0' ? 0 : 1;
            parser->position++;
            parser->state = parser->is_response ? STATE_STATUS_SPACE : STATE_REQUEST_LINE_CR;
            return HTTP_PARSE_MORE;
        }
        if (byte != wanted || wanted == 'n') {
            return wanted == '1' && ascii_is_digit(byte)
                       ? http_parser_fail(parser, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here")
                       : http_parser_fail(parser, 400, "The HTTP version is malformed");
        }
        parser->position++;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result status_code(struct http_parser *parser, const char *bytes,
                                          size_t end) {
    for (; parser->position < end; parser->position++) {
        char byte = bytes[parser->position];
        if (parser->position - parser->mark == 3) {
            if (parser->status < 100) {
                break;
            }
            parser->state = STATE_STATUS_END;
            return HTTP_PARSE_MORE;
        }
        if (!ascii_is_digit(byte)) {
            break;
        }
        parser->status = parser->status * 10 + (byte - '0');
    }
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    return http_parser_fail(parser, 400, "The status code is malformed");
}

/* A space and a reason, perhaps empty; the space is forgiven where there is no reason. */
static enum http_parse_result status_end(struct http_parser *parser, const char *bytes) {
    char byte = bytes[parser->position];
    if (byte != ' ' && byte != '\r') {
        return http_parser_fail(parser, 400, "The status line is malformed");
    }
    parser->position++;
    parser->state = byte == ' ' ? STATE_REASON : STATE_START_LINE_LF;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result reason(struct http_parser *parser, const char *bytes, size_t end) {
    parser->position = skip_class(bytes, parser->position, end, HTTP_BYTE_VALUE);
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    return expect_byte(parser, bytes, '\r', STATE_START_LINE_LF,
                       "The reason has an invalid character");
}

static enum http_parse_result start_line_lf(struct http_parser *parser, const char *bytes) {
    enum http_parse_result result =
        expect_byte(parser, bytes, '\n', STATE_FIELD_START, "The start line must end with CR LF");
    if (result == HTTP_PARSE_MORE) {
        begin_section(parser);
    }
    return result;
}

/* ---- header section and trailers ---- */

static enum http_parse_result field_start(struct http_parser *parser, const char *bytes) {
    char byte = bytes[parser->position];
    if (byte == '\r') {
        parser->position++;
        parser->state = STATE_SECTION_LF;
        return HTTP_PARSE_MORE;
    }
    if (byte == ' ' || byte == '\t') {
        return http_parser_fail(parser, 400, "Header lines must not be folded");
    }
    if (!parser->in_trailers && parser->header_count == HTTP_HEADERS_MAX) {
        return http_parser_fail(parser, 431, "There are too many headers");
    }
    parser->mark = parser->position;
    parser->state = STATE_FIELD_NAME;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result field_name(struct http_parser *parser, const char *bytes,
                                         size_t end) {
    parser->position = skip_class(bytes, parser->position, end, HTTP_BYTE_TOKEN);
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    if (bytes[parser->position] != ':' || parser->position == parser->mark) {
        return http_parser_fail(parser, 400,
                                "A header name is malformed or not followed by a colon");
    }
    if (!parser->in_trailers) {
        parser->headers[parser->header_count].name = span_between(parser->mark, parser->position);
    }
    parser->position++;
    parser->state = STATE_FIELD_SPACE;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result field_space(struct http_parser *parser, const char *bytes,
                                          size_t end) {
    size_t position = parser->position;
    while (position < end && (bytes[position] == ' ' || bytes[position] == '\t')) {
        position++;
    }
    parser->position = position;
    parser->mark = position;
    if (position < end) {
        parser->state = STATE_FIELD_VALUE;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result field_value(struct http_parser *parser, const char *bytes,
                                          size_t end) {
    parser->position = skip_class(bytes, parser->position, end, HTTP_BYTE_VALUE);
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    size_t value_end = parser->position;
    while (value_end > parser->mark &&
           (bytes[value_end - 1] == ' ' || bytes[value_end - 1] == '\t')) {
        value_end--;
    }
    if (!parser->in_trailers) {
        parser->headers[parser->header_count].value = span_between(parser->mark, value_end);
    }
    return expect_byte(
        parser, bytes, '\r', STATE_FIELD_LF,
        "A header value has an invalid character, or its line does not end with CR LF");
}

static enum http_parse_result field_lf(struct http_parser *parser, const char *bytes) {
    enum http_parse_result result =
        expect_byte(parser, bytes, '\n', STATE_FIELD_START, "A header line must end with CR LF");
    if (result != HTTP_PARSE_MORE || parser->in_trailers) {
        return result;
    }
    const struct http_header *header = &parser->headers[parser->header_count++];
    return http_parser_take_field(parser, bytes, header);
}

/* ---- body ---- */

static enum http_parse_result message_done(struct http_parser *parser) {
    size_t body_end = parser->chunked ? parser->body_write : parser->position;
    parser->body = span_between(parser->body_start, body_end);
    parser->message_bytes = parser->position;
    parser->state = STATE_DONE;
    return HTTP_PARSE_DONE;
}

static bool response_has_no_body(const struct http_parser *parser) {
    return parser->response_to_head || parser->status < 200 || parser->status == 204 ||
           parser->status == 304;
}

/* RFC 9112 §6.3: how the body is delimited. */
static enum http_parse_result begin_body(struct http_parser *parser) {
    parser->body_start = parser->position;
    parser->body_write = parser->position;
    parser->section_end = SIZE_MAX;
    if (parser->is_response && response_has_no_body(parser)) {
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

static enum http_parse_result section_lf(struct http_parser *parser, const char *bytes) {
    enum http_parse_result result = expect_byte(parser, bytes, '\n', STATE_DONE,
                                                "The header section must end with CR LF CR LF");
    if (result != HTTP_PARSE_MORE) {
        return result;
    }
    if (parser->in_trailers) {
        return message_done(parser);
    }
    result = http_parser_check_fields(parser, bytes);
    return result == HTTP_PARSE_MORE ? begin_body(parser) : result;
}

static enum http_parse_result body_length(struct http_parser *parser, size_t end) {
    if (end - parser->body_start < parser->content_length) {
        parser->position = end;
        return HTTP_PARSE_MORE;
    }
    parser->position = parser->body_start + (size_t)parser->content_length;
    return message_done(parser);
}

static enum http_parse_result body_until_close(struct http_parser *parser, size_t end) {
    parser->position = end;
    if (end - parser->body_start > parser->limits.body_bytes_max) {
        return http_parser_fail(parser, 413, "The body is too large");
    }
    return HTTP_PARSE_MORE;
}

/* ---- chunked coding, RFC 9112 §7.1 ---- */

static enum http_parse_result chunk_size(struct http_parser *parser, const char *bytes) {
    char byte = bytes[parser->position];
    int digit = ascii_hex_value(byte);
    if (digit >= 0 && parser->chunk_digits < 16) {
        parser->chunk_left = parser->chunk_left << 4 | (uint64_t)digit;
        parser->chunk_digits++;
        parser->position++;
        return HTTP_PARSE_MORE;
    }
    if (parser->chunk_digits == 0 || (byte != '\r' && byte != ';')) {
        return http_parser_fail(parser, 400, "A chunk size is malformed");
    }
    size_t body_bytes = parser->body_write - parser->body_start;
    if (parser->chunk_left > parser->limits.body_bytes_max - body_bytes) {
        return http_parser_fail(parser, 413, "The body is too large");
    }
    parser->position++;
    parser->state = byte == ';' ? STATE_CHUNK_EXTENSION : STATE_CHUNK_SIZE_LF;
    return HTTP_PARSE_MORE;
}

static enum http_parse_result chunk_extension(struct http_parser *parser, const char *bytes,
                                              size_t end) {
    size_t budget = HTTP_CHUNK_EXTENSION_BYTES_MAX - parser->extension_bytes;
    size_t allowed_end = end - parser->position > budget ? parser->position + budget : end;
    size_t from = parser->position;
    parser->position = skip_class(bytes, parser->position, allowed_end, HTTP_BYTE_VALUE);
    parser->extension_bytes += parser->position - from;
    if (parser->position == end) {
        return HTTP_PARSE_MORE;
    }
    return expect_byte(parser, bytes, '\r', STATE_CHUNK_SIZE_LF,
                       "A chunk extension is too long or has an invalid character");
}

static enum http_parse_result chunk_size_lf(struct http_parser *parser, const char *bytes) {
    enum http_parse_result result =
        expect_byte(parser, bytes, '\n', STATE_CHUNK_DATA, "A chunk size must end with CR LF");
    if (result == HTTP_PARSE_MORE && parser->chunk_left == 0) {
        parser->in_trailers = true;
        begin_section(parser);
    }
    return result;
}

static enum http_parse_result chunk_data(struct http_parser *parser, char *bytes, size_t end) {
    size_t count = end - parser->position;
    if (count > parser->chunk_left) {
        count = (size_t)parser->chunk_left;
    }
    memmove(bytes + parser->body_write, bytes + parser->position, count);
    parser->body_write += count;
    parser->position += count;
    parser->chunk_left -= count;
    if (parser->chunk_left == 0) {
        parser->state = STATE_CHUNK_DATA_CR;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse_result chunk_data_lf(struct http_parser *parser, const char *bytes) {
    parser->chunk_digits = 0;
    return expect_byte(parser, bytes, '\n', STATE_CHUNK_SIZE, "A chunk must end with CR LF");
}

/* ---- the machine ---- */

static enum http_parse_result step(struct http_parser *parser, char *bytes, size_t end) {
    switch ((enum state)parser->state) {
    case STATE_REQUEST_START: return request_start(parser, bytes);
    case STATE_REQUEST_START_LF:
        return expect_byte(parser, bytes, '\n', STATE_REQUEST_START,
                           "A CR without LF before the request");
    case STATE_METHOD: return method(parser, bytes, end);
    case STATE_TARGET: return target(parser, bytes, end);
    case STATE_VERSION: return version(parser, bytes, end);
    case STATE_REQUEST_LINE_CR:
        return expect_byte(parser, bytes, '\r', STATE_START_LINE_LF,
                           "The request line must end with CR LF");
    case STATE_STATUS_SPACE:
        parser->mark = parser->position + 1;
        return expect_byte(parser, bytes, ' ', STATE_STATUS_CODE, "The status line is malformed");
    case STATE_STATUS_CODE: return status_code(parser, bytes, end);
    case STATE_STATUS_END: return status_end(parser, bytes);
    case STATE_REASON: return reason(parser, bytes, end);
    case STATE_START_LINE_LF: return start_line_lf(parser, bytes);
    case STATE_FIELD_START: return field_start(parser, bytes);
    case STATE_FIELD_NAME: return field_name(parser, bytes, end);
    case STATE_FIELD_SPACE: return field_space(parser, bytes, end);
    case STATE_FIELD_VALUE: return field_value(parser, bytes, end);
    case STATE_FIELD_LF: return field_lf(parser, bytes);
    case STATE_SECTION_LF: return section_lf(parser, bytes);
    case STATE_BODY_LENGTH: return body_length(parser, end);
    case STATE_BODY_UNTIL_CLOSE: return body_until_close(parser, end);
    case STATE_CHUNK_SIZE: return chunk_size(parser, bytes);
    case STATE_CHUNK_EXTENSION: return chunk_extension(parser, bytes, end);
    case STATE_CHUNK_SIZE_LF: return chunk_size_lf(parser, bytes);
    case STATE_CHUNK_DATA: return chunk_data(parser, bytes, end);
    case STATE_CHUNK_DATA_CR:
        return expect_byte(parser, bytes, '\r', STATE_CHUNK_DATA_LF, "A chunk must end with CR LF");
    case STATE_CHUNK_DATA_LF: return chunk_data_lf(parser, bytes);
    case STATE_DONE: return HTTP_PARSE_DONE;
    case STATE_ERROR: break;
    }
    return HTTP_PARSE_ERROR;
}

enum http_parse_result http_parser_run(struct http_parser *parser, char *bytes, size_t length) {
    assert(length >= parser->position);
    if (parser->state >= STATE_DONE) {
        return parser->state == STATE_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR;
    }
    while (parser->position < length) {
        if (parser->position >= parser->section_end) {
            return section_too_long(parser);
        }
        if (parser->position >= UINT32_MAX) { /* framing of tiny chunks, never compacted */
            return http_parser_fail(parser, 413, "The message is too large");
        }
        size_t end = length < parser->section_end ? length : parser->section_end;
        enum http_parse_result result = step(parser, bytes, end);
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
        return parser->state == STATE_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR;
    }
    return http_parser_fail(parser, 400, "The connection was closed inside a message");
}
