/* JSON written to a buffer: strings, structure, values. */
#include "json_write.h"

#include "clock.h"
#include "decimal.h"
#include "json_scan.h"
#include "utf8.h"

#include <assert.h>
#include <string.h>

/* ---- strings ---- */

/* What a byte below 0x20, a quote or a backslash becomes behind a backslash: 'u' is \uXXXX. */
static char escape_of(unsigned char byte) {
    static const char ESCAPES[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };
    char escape = byte < sizeof(ESCAPES) ? ESCAPES[byte] : (char)byte;
    return escape == '\0' ? 'u' : escape;
}

static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD */

/*
 * Append what the byte at `bytes`, which needs care, becomes; returns how many bytes that covers.
 */
static size_t append_escaped(struct buf *out, const char *bytes, size_t length) {
    static const char HEX[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)bytes[0];
    char escape = escape_of(byte);
    if (byte >= 0x80) {
        size_t sequence = utf8_sequence(bytes, length);
        buf_append(out, sequence > 0 ? bytes : REPLACEMENT,
                   sequence > 0 ? sequence : sizeof(REPLACEMENT) - 1);
        return sequence > 0 ? sequence : 1;
    }
    if (escape == 'u') {
        char text[6] = { '\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 0x0f] };
        buf_append(out, text, sizeof(text));
        return 1;
    }
    char text[2] = { '\\', escape };
    buf_append(out, text, sizeof(text));
    return 1;
}

void json_write_quoted(struct buf *out, const char *bytes, size_t length) {
    const char *end = bytes + length;
    (void)buf_reserve(out, length + 2); /* mostly all of it */
    buf_append_char(out, '"');
    while (bytes < end) {
        const char *plain = bytes;
        bytes = json_scan_plain(bytes, end);
        buf_append(out, plain, (size_t)(bytes - plain));
        if (bytes < end) {
            bytes += append_escaped(out, bytes, (size_t)(end - bytes));
        }
    }
    buf_append_char(out, '"');
}

/* ---- structure ---- */

void json_write_init(struct json_writer *writer, struct buf *out) {
    *writer = (struct json_writer){ .out = out };
}

/* The comma and the name that come before a value. */
static void begin_value(struct json_writer *writer, const char *name) {
    if (writer->needs_comma[writer->depth]) {
        buf_append_char(writer->out, ',');
    }
    writer->needs_comma[writer->depth] = true;
    if (name != NULL) {
        json_write_quoted(writer->out, name, strlen(name));
        buf_append_char(writer->out, ':');
    }
}

static void begin(struct json_writer *writer, const char *name, char bracket) {
    begin_value(writer, name);
    buf_append_char(writer->out, bracket);
    writer->depth++;
    assert(writer->depth < JSON_WRITE_DEPTH_MAX);
    writer->needs_comma[writer->depth] = false;
}

static void end(struct json_writer *writer, char bracket) {
    assert(writer->depth > 0);
    writer->depth--;
    buf_append_char(writer->out, bracket);
}

void json_write_begin_object(struct json_writer *writer, const char *name) {
    begin(writer, name, '{');
}

void json_write_end_object(struct json_writer *writer) {
    end(writer, '}');
}

void json_write_begin_array(struct json_writer *writer, const char *name) {
    begin(writer, name, '[');
}

void json_write_end_array(struct json_writer *writer) {
    end(writer, ']');
}

/* ---- values ---- */

void json_write_int(struct json_writer *writer, const char *name, int64_t value) {
    begin_value(writer, name);
    buf_append_int(writer->out, value);
}

void json_write_decimal(struct json_writer *writer, const char *name, int64_t value, unsigned scale,
                        unsigned decimals_min) {
    char text[DECIMAL_TEXT_BYTES];
    size_t length = decimal_format(value, scale, decimals_min, text);
    json_write_raw(writer, name, text, length);
}

void json_write_bool(struct json_writer *writer, const char *name, bool value) {
    json_write_raw(writer, name, value ? "true" : "false", value ? 4 : 5);
}

void json_write_null(struct json_writer *writer, const char *name) {
    json_write_raw(writer, name, "null", 4);
}

void json_write_string(struct json_writer *writer, const char *name, const char *bytes,
                       size_t length) {
    begin_value(writer, name);
    json_write_quoted(writer->out, bytes, length);
}

void json_write_str(struct json_writer *writer, const char *name, const char *str) {
    if (str == NULL) {
        json_write_null(writer, name);
        return;
    }
    json_write_string(writer, name, str, strlen(str));
}

void json_write_time(struct json_writer *writer, const char *name, int64_t unix_ms) {
    char quoted[CLOCK_RFC3339_BYTES + 1]; /* the NUL's place holds the closing quote */
    clock_format_rfc3339(unix_ms, quoted + 1);
    quoted[0] = '"';
    quoted[CLOCK_RFC3339_BYTES] = '"';
    json_write_raw(writer, name, quoted, sizeof(quoted));
}

void json_write_raw(struct json_writer *writer, const char *name, const char *json, size_t length) {
    begin_value(writer, name);
    buf_append(writer->out, json, length);
}
