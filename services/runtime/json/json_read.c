/*
 * Builds json-c's tree from the tokens of json_scan.h, by recursive descent.
 *
 * json-c's own tokener is not used: even with its strict flags it keeps the last of duplicate
 * names, cuts names at \u0000, saturates large integers, and cannot say in which line an error is.
 */
#include "json.h"

#include "base/utf8.h"
#include "json_scan.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

enum { NAME_SHOWN_BYTES_MAX = 40, ARRAY_ITEMS_INITIAL = 4 };

struct reader {
    struct json_scanner scan;
    unsigned depth;
    unsigned values;
};

/* Each reads what is next; false: reader->scan.err says why, and *ret_value is not set. */
static bool read_value(struct reader *reader, struct json_object **ret_value);
static bool read_object(struct reader *reader, struct json_object **ret_value);
static bool read_array(struct reader *reader, struct json_object **ret_value);
static bool read_string(struct reader *reader, struct json_object **ret_value);
static bool read_number(struct reader *reader, struct json_object **ret_value);
static bool read_literal(struct reader *reader, struct json_object **ret_value);

/* ---- scalars ---- */

static bool read_string(struct reader *reader, struct json_object **ret_value) {
    struct json_token token;
    if (!json_scan_string(&reader->scan, &token)) {
        return false;
    }
    *ret_value = json_object_new_string_len(token.bytes, (int)token.length);
    return *ret_value != NULL || json_scan_no_memory(&reader->scan);
}

/* The value of an integer token; false when it does not fit. */
static bool parse_int64(const char *text, size_t length, int64_t *ret_value) {
    bool is_negative = text[0] == '-';
    int64_t value = 0;
    for (size_t i = is_negative; i < length; i++) {
        int digit = text[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, is_negative ? -digit : digit, &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

/* An integer that fits becomes json-c's integer; any other number a double that keeps its text. */
static bool read_number(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    size_t start = scan->at;
    bool is_integer = false;
    int64_t integer;
    if (!json_scan_number(scan, &is_integer)) {
        return false;
    }
    size_t length = scan->at - start;
    if (is_integer && parse_int64(scan->text + start, length, &integer)) {
        *ret_value = json_object_new_int64(integer);
    } else {
        char *text = arena_copy(scan->arena, scan->text + start, length);
        *ret_value = text == NULL ? NULL : json_object_new_double_s(strtod(text, NULL), text);
    }
    return *ret_value != NULL || json_scan_no_memory(scan);
}

static bool read_literal(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    if (json_scan_word(scan, "null")) {
        *ret_value = NULL;
        return true;
    }
    bool is_true = json_scan_word(scan, "true");
    if (!is_true && !json_scan_word(scan, "false")) {
        return json_scan_unexpected(scan, "a value");
    }
    *ret_value = json_object_new_boolean(is_true);
    return *ret_value != NULL || json_scan_no_memory(scan);
}

/* ---- arrays ---- */

/* The items and the closing bracket. */
static bool read_items(struct reader *reader, struct json_object *array) {
    struct json_scanner *scan = &reader->scan;
    struct json_object *item;
    do {
        if (!read_value(reader, &item)) {
            return false;
        }
        if (json_object_array_add(array, item) != 0) {
            json_object_put(item);
            return json_scan_no_memory(scan);
        }
    } while (json_scan_take(scan, ','));
    return json_scan_take(scan, ']') || json_scan_unexpected(scan, "',' or ']' after an item");
}

static bool read_array(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    struct json_object *array = json_object_new_array_ext(ARRAY_ITEMS_INITIAL);
    if (array == NULL) {
        return json_scan_no_memory(scan);
    }
    scan->at++;
    json_scan_space(scan);
    if (!json_scan_take(scan, ']') && !read_items(reader, array)) {
        json_object_put(array);
        return false;
    }
    *ret_value = array;
    return true;
}

/* ---- objects ---- */

/* The name, NUL-terminated in the arena: one that `object` does not have yet; NULL on failure. */
static const char *read_name(struct reader *reader, struct json_object *object) {
    struct json_scanner *scan = &reader->scan;
    size_t start = scan->at;
    struct json_token token;
    if (json_scan_peek(scan) != '"') {
        json_scan_unexpected(scan, "a member name in double quotes");
        return NULL;
    }
    if (!json_scan_string(scan, &token)) {
        return NULL;
    }
    if (memchr(token.bytes, '\0', token.length) != NULL) { /* json-c would cut it there */
        json_scan_malformed(scan, start, "a member name must not contain \\u0000");
        return NULL;
    }
    const char *name = arena_copy(scan->arena, token.bytes, token.length);
    if (name == NULL) {
        json_scan_no_memory(scan);
        return NULL;
    }
    if (json_object_object_get_ex(object, name, NULL)) {
        size_t shown = utf8_cut(name, token.length, NAME_SHOWN_BYTES_MAX);
        json_scan_malformed(scan, start, "duplicate member \"%.*s\"%s", (int)shown, name,
                            shown < token.length ? "…" : "");
        return NULL;
    }
    return name;
}

static bool read_member(struct reader *reader, struct json_object *object) {
    const unsigned options = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY;
    struct json_scanner *scan = &reader->scan;
    struct json_object *value;
    json_scan_space(scan);
    const char *name = read_name(reader, object);
    if (name == NULL) {
        return false;
    }
    json_scan_space(scan);
    if (!json_scan_take(scan, ':')) {
        return json_scan_unexpected(scan, "':' after a member name");
    }
    if (!read_value(reader, &value)) {
        return false;
    }
    if (json_object_object_add_ex(object, name, value, options) != 0) {
        json_object_put(value);
        return json_scan_no_memory(scan);
    }
    return true;
}

/* The members and the closing brace. */
static bool read_members(struct reader *reader, struct json_object *object) {
    struct json_scanner *scan = &reader->scan;
    do {
        if (!read_member(reader, object)) {
            return false;
        }
    } while (json_scan_take(scan, ','));
    return json_scan_take(scan, '}') || json_scan_unexpected(scan, "',' or '}' after a member");
}

static bool read_object(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    struct json_object *object = json_object_new_object();
    if (object == NULL) {
        return json_scan_no_memory(scan);
    }
    scan->at++;
    json_scan_space(scan);
    if (!json_scan_take(scan, '}') && !read_members(reader, object)) {
        json_object_put(object);
        return false;
    }
    *ret_value = object;
    return true;
}

/* ---- values ---- */

static bool read_nested(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    if (reader->depth == JSON_DEPTH_MAX) {
        return json_scan_malformed(scan, scan->at, "nested deeper than %d", JSON_DEPTH_MAX);
    }
    reader->depth++;
    bool is_object = json_scan_peek(scan) == '{';
    bool ok = is_object ? read_object(reader, ret_value) : read_array(reader, ret_value);
    reader->depth--;
    return ok;
}

static bool read_any(struct reader *reader, struct json_object **ret_value) {
    switch (json_scan_peek(&reader->scan)) {
    case '{':
    case '[': return read_nested(reader, ret_value);
    case '"': return read_string(reader, ret_value);
    case '-':
    case '0' ... '9': return read_number(reader, ret_value);
    default: return read_literal(reader, ret_value);
    }
}

/* A value and the white space around it. */
static bool read_value(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    json_scan_space(scan);
    if (reader->values == JSON_VALUES_MAX) {
        return json_scan_malformed(scan, scan->at, "more than %d values", JSON_VALUES_MAX);
    }
    reader->values++;
    if (!read_any(reader, ret_value)) {
        return false;
    }
    json_scan_space(scan);
    return true;
}

/* The only value of the text. */
static bool read_text(struct reader *reader, struct json_object **ret_value) {
    struct json_scanner *scan = &reader->scan;
    struct json_object *value;
    if (scan->length > JSON_TEXT_BYTES_MAX) {
        return json_scan_malformed(scan, 0, "longer than %d bytes", JSON_TEXT_BYTES_MAX);
    }
    if (json_scan_word(scan, "\xef\xbb\xbf")) {
        return json_scan_malformed(scan, 0, "a byte order mark is not allowed");
    }
    if (!read_value(reader, &value)) {
        return false;
    }
    if (scan->at < scan->length) {
        json_object_put(value);
        return json_scan_unexpected(scan, "nothing after the value");
    }
    *ret_value = value;
    return true;
}

static void put_value(void *value) {
    json_object_put(value);
}

enum err json_parse(struct arena *arena, const char *text, size_t length,
                    struct json_object **ret_value, struct json_error *ret_error) {
    struct reader reader = {
        .scan = { .arena = arena, .text = text, .length = length, .error = ret_error },
    };
    struct json_object *value = NULL;
    if (!read_text(&reader, &value)) {
        return reader.scan.err;
    }
    if (value != NULL && arena_defer(arena, put_value, value) != ERR_OK) {
        return ERR_NO_MEMORY;
    }
    *ret_value = value;
    return ERR_OK;
}
