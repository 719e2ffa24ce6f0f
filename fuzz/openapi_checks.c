/* Reports and their paths, checked; JSON, spelled differently. */
#include "openapi_checks.h"

#include "base/utf8.h"
#include "openapi/format/format.h"

/* No path is cut that is shorter than this. */
enum { CUT_BYTES_MIN = REPORT_PATH_BYTES_MAX - 16 };

bool fuzz_is_utf8(struct piece piece) {
    for (size_t at = 0; at < piece.len;) {
        size_t len = utf8_sequence(piece.data + at, piece.len - at);

        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

static void check_text(struct str text) {
    REQUIRE(text.data[text.len] == '\0');
    REQUIRE(fuzz_is_utf8((struct piece){ text.data, text.len }));
}

static bool starts_with(struct str text, const char *start) {
    return text.len >= strlen(start) && memcmp(text.data, start, strlen(start)) == 0;
}

static bool is_json_pointer(struct str text) {
    const struct format *format = format_find((struct str){ "json-pointer", 12 });
    struct value value = { .type = VALUE_STRING, .text = text };

    REQUIRE(format != NULL);
    return format_check(format, &value);
}

/* Whether the reference token of a pointer is the name of `child`, or its index. */
static bool is_token(const struct value *parent, const struct value *child, size_t index,
                     struct piece token) {
    char number[24];
    size_t at = 0;

    if (parent->type == VALUE_ARRAY) {
        int len = snprintf(number, sizeof(number), "%zu", index);

        return token.len == (size_t)len && memcmp(token.data, number, token.len) == 0;
    }
    for (size_t i = 0; i < token.len; i++, at++) {
        char c = token.data[i];

        if (c == '~') {
            c = token.data[++i] == '0' ? '~' : '/';
        }
        if (at == child->key.len || child->key.data[at] != c) {
            return false;
        }
    }
    return at == child->key.len;
}

/* Where a pointer that is not cut leads; only its last token may name something that is missing. */
static void check_pointer(struct str path, const struct value *value) {
    struct piece rest = { path.data, path.len };

    if (path.len == 0) {
        return;
    }
    fuzz_take(&rest, '/');
    for (;;) {
        bool more = memchr(rest.data, '/', rest.len) != NULL;
        struct piece token = fuzz_take(&rest, '/');
        const struct value *child = value->child;
        size_t index = 0;

        while (child != NULL && !is_token(value, child, index, token)) {
            child = child->next;
            index++;
        }
        if (!more) {
            return;
        }
        REQUIRE(child != NULL);
        value = child;
    }
}

/* "query/limit", and "query" for all of it. */
static bool is_parameter_path(struct str path) {
    static const char *const locations[] = { "path", "query", "header", "cookie" };

    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        size_t len = strlen(locations[i]);

        if (starts_with(path, locations[i]) && (path.len == len || path.data[len] == '/')) {
            return true;
        }
    }
    return false;
}

/* A path that is too long ends with an ellipsis. */
static bool is_cut(struct str path) {
    static const char ellipsis[] = "\xe2\x80\xa6";
    const size_t len = sizeof(ellipsis) - 1;

    return path.len > CUT_BYTES_MIN && memcmp(path.data + path.len - len, ellipsis, len) == 0;
}

void fuzz_check_report(const struct report *report, const struct value *body) {
    unsigned count = 0;

    REQUIRE(report->count <= report->count_max);
    for (const struct report_error *error = report->first; error != NULL; error = error->next) {
        count++;
        check_text(error->path);
        check_text(error->keyword);
        check_text(error->message);
        REQUIRE(error->keyword.len > 0 && error->message.len > 0);
        if (body == NULL) {
            REQUIRE(is_parameter_path(error->path));
        } else {
            REQUIRE(is_json_pointer(error->path));
            if (!is_cut(error->path)) {
                check_pointer(error->path, body);
            }
        }
        REQUIRE(error->next != NULL || error == report->last);
    }
    REQUIRE(count == report->count);
}

void fuzz_check_same_reports(const struct report *a, const struct report *b) {
    const struct report_error *x = a->first;
    const struct report_error *y = b->first;

    REQUIRE(a->count == b->count && a->out_of_memory == b->out_of_memory);
    for (; x != NULL; x = x->next, y = y->next) {
        REQUIRE(str_equal(x->path, y->path));
        REQUIRE(str_equal(x->keyword, y->keyword));
    }
}

static void write_string(FILE *out, struct str text) {
    const unsigned char *s = (const unsigned char *)text.data;

    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        if (s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] == 'e') {
            fprintf(out, "\\u%04x", s[i]);
        } else {
            fputc(s[i], out);
        }
    }
    fputc('"', out);
}

static void write_value(FILE *out, const struct value *value) {
    bool object = value->type == VALUE_OBJECT;

    if (value->type == VALUE_STRING) {
        write_string(out, value->text);
        return;
    }
    if (!object && value->type != VALUE_ARRAY) {
        fwrite(value->raw.data, 1, value->raw.len, out);
        return;
    }
    fputs(object ? "{\n" : "[ ", out);
    for (const struct value *child = value->child; child != NULL; child = child->next) {
        if (object) {
            write_string(out, child->key);
            fputs("\t:\r", out);
        }
        write_value(out, child);
        fputs(child->next != NULL ? " , " : " ", out);
    }
    fputc(object ? '}' : ']', out);
}

char *fuzz_respell(const struct value *value, size_t *ret_len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    REQUIRE(out != NULL);
    fputc('\n', out);
    write_value(out, value);
    fputc(' ', out);
    REQUIRE(fclose(out) == 0);
    return text;
}
