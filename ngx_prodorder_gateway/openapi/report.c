#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A JSON Pointer or a message is cut at this length, so that nobody can ask for a huge answer. */
enum { TEXT_BYTES_MAX = 512 };

void oa_report_init(struct oa_report *report, struct oa_arena *arena, unsigned count_max) {
    *report = (struct oa_report){ .arena = arena, .count_max = count_max };
}

bool oa_report_is_full(const struct oa_report *report) {
    return report->count >= report->count_max || report->out_of_memory;
}

/* A buffer that is filled up to its end; what does not fit is left out. */
struct text {
    char *data;
    size_t len;
    size_t len_max;
};

static void put_char(struct text *text, char c) {
    if (text->len < text->len_max) {
        text->data[text->len++] = c;
    }
}

/* RFC 6901: '~' and '/' are escaped. */
static void put_token(struct text *text, struct oa_str token) {
    for (size_t i = 0; i < token.len; i++) {
        char c = token.data[i];

        if (c == '~' || c == '/') {
            put_char(text, '~');
            c = c == '~' ? '0' : '1';
        }
        put_char(text, c);
    }
}

static void put_index(struct text *text, size_t index) {
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%zu", index);

    for (int i = 0; i < len; i++) {
        put_char(text, digits[i]);
    }
}

/* The root's key is a prefix that stands as it is. Depth is bounded by the parser's. */
static void put_place(struct text *text, const struct oa_place *place) {
    if (place->parent == NULL) {
        for (size_t i = 0; i < place->key.len; i++) {
            put_char(text, place->key.data[i]);
        }
        return;
    }
    put_place(text, place->parent);
    put_char(text, '/');
    if (place->key.data != NULL) {
        put_token(text, place->key);
    } else {
        put_index(text, place->index);
    }
}

/* Not in the middle of a UTF-8 sequence. */
static size_t cut_length(const char *data, size_t len) {
    size_t start = len;

    while (start > 0 && len - start < 4 && ((unsigned char)data[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)data[start - 1] >= 0xc0) {
        const unsigned char *s = (const unsigned char *)data + start - 1;

        return oa_utf8_sequence(s, (const unsigned char *)data + len) == 0 ? start - 1 : len;
    }
    return len;
}

size_t oa_place_write(const struct oa_place *place, char *buf, size_t bytes_max) {
    struct text text = { .data = buf, .len_max = bytes_max };

    put_place(&text, place);
    return cut_length(buf, text.len);
}

static bool copy(struct oa_report *report, const char *data, size_t len, struct oa_str *ret) {
    char *memory = oa_alloc(report->arena, len + 1);

    if (memory == NULL) {
        report->out_of_memory = true;
        return false;
    }
    memcpy(memory, data, len);
    memory[len] = '\0';
    *ret = (struct oa_str){ memory, len };
    return true;
}

void oa_report_add(struct oa_report *report, const struct oa_place *place, const char *keyword,
                   const char *format, ...) {
    char path[TEXT_BYTES_MAX];
    char message[TEXT_BYTES_MAX];
    struct oa_error *error;
    va_list args;
    int n;

    if (oa_report_is_full(report)) {
        return;
    }
    error = oa_calloc(report->arena, 1, sizeof(*error));
    if (error == NULL) {
        report->out_of_memory = true;
        return;
    }
    va_start(args, format);
    n = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (n < 0) {
        n = 0;
    }
    if ((size_t)n >= sizeof(message)) {
        n = sizeof(message) - 1;
    }
    if (!copy(report, path, oa_place_write(place, path, sizeof(path)), &error->path) ||
        !copy(report, message, cut_length(message, (size_t)n), &error->message) ||
        !copy(report, keyword, strlen(keyword), &error->keyword)) {
        return;
    }
    *(report->last != NULL ? &report->last->next : &report->first) = error;
    report->last = error;
    report->count++;
}
