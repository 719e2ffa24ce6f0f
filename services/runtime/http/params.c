#include "params.h"

#include "base/buf.h"
#include "runtime/json/json.h"

#include <stdio.h>

/* Digits only, no leading zero, at most INT64_MAX. */
static enum err parse_digits(struct str text, int64_t *ret_value) {
    int64_t value = 0;
    if (text.len == 0 || text.len > 19 || (text.data[0] == '0' && text.len > 1)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, c - '0', &value)) {
            return ERR_INVALID;
        }
    }
    *ret_value = value;
    return ERR_OK;
}

enum err http_path_id(const struct http_exchange *exchange, size_t index, int64_t *ret_id) {
    int64_t id = 0;
    if (parse_digits(http_path_param(exchange, index), &id) != ERR_OK || id == 0) {
        return ERR_INVALID;
    }
    *ret_id = id;
    return ERR_OK;
}

enum err http_query_int(struct http_exchange *exchange, const char *name, int64_t min, int64_t max,
                        int64_t fallback, int64_t *ret_value) {
    struct str text;
    int64_t value = 0;
    enum err err = http_query_param(exchange, name, &text);
    if (err == ERR_NOT_FOUND) {
        *ret_value = fallback;
        return ERR_OK;
    }
    if (err != ERR_OK || parse_digits(text, &value) != ERR_OK || value < min || value > max) {
        return ERR_INVALID;
    }
    *ret_value = value;
    return ERR_OK;
}

void http_reply_invalid(struct http_exchange *exchange, const struct http_problem *problems,
                        size_t count) {
    struct buf out;
    struct json_writer writer;
    char message[256] = "The request is not valid";
    if (count == 1 && problems[0].path[0] != '\0') {
        snprintf(message, sizeof(message), "%s %s", problems[0].path, problems[0].message);
    }
    buf_init(&out, 0);
    json_writer_init(&writer, &out);
    json_begin_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&writer, NULL);
        json_write_str(&writer, "path", problems[i].path);
        json_write_str(&writer, "keyword", problems[i].keyword);
        json_write_str(&writer, "message", problems[i].message);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    buf_append_char(&out, '\0');
    http_reply_error(exchange, ERR_INVALID, message, out.failed ? NULL : buf_bytes(&out));
    buf_free(&out);
}
