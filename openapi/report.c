#include "report.h"

#include "base/utf8.h"
#include "openapi/schema/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What stands at the end of a text that was cut: U+2026. */
#define CUT "\xe2\x80\xa6"

void oa_report_init(struct oa_report *report, struct arena *arena, unsigned count_max) {
    *report = (struct oa_report){ .arena = arena, .count_max = count_max };
}

bool oa_report_is_full(const struct oa_report *report) {
    return report->count >= report->count_max || report->out_of_memory;
}

/* A buffer that takes whole characters while there is room for them and for the sign of a cut. */
struct text {
    char *data;
    size_t len;
    size_t len_max;
    size_t cut_at; /* after the last character that leaves room for CUT */
    bool is_cut;
};

static void put(struct text *text, const char *data, size_t len) {
    if (text->is_cut || len > text->len_max - text->len) {
        text->is_cut = true;
        return;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    if (text->len + sizeof(CUT) - 1 <= text->len_max) {
        text->cut_at = text->len;
    }
}

static size_t finish(struct text *text) {
    if (!text->is_cut) {
        return text->len;
    }
    text->len = text->cut_at;
    text->is_cut = false;
    put(text, CUT, sizeof(CUT) - 1);
    return text->len;
}

/* Character by character; RFC 6901 has '~' and '/' escaped in a token. */
static void put_characters(struct text *text, struct str token, bool escape) {
    const char *s = token.data;
    const char *end = s + token.len;

    while (s < end && !text->is_cut) {
        size_t len = utf8_sequence(s, (size_t)(end - s));

        if (escape && (*s == '~' || *s == '/')) {
            put(text, *s == '~' ? "~0" : "~1", 2);
        } else {
            put(text, s, len > 0 ? len : 1);
        }
        s += len > 0 ? len : 1;
    }
}

static void put_index(struct text *text, size_t index) {
    char digits[24];

    put(text, digits, (size_t)snprintf(digits, sizeof(digits), "%zu", index));
}

/* The root's key is a prefix that stands as it is. Depth is bounded by the parser's. */
static void put_place(struct text *text, const struct oa_place *place) {
    if (place->parent == NULL) {
        put_characters(text, place->key, false);
        return;
    }
    put_place(text, place->parent);
    put(text, "/", 1);
    if (place->key.data != NULL) {
        put_characters(text, place->key, true);
    } else {
        put_index(text, place->index);
    }
}

/* How much of a text is shown, up to a whole character. */
static size_t shown_len(struct str s) {
    return utf8_cut(s.data, s.len, OA_STR_SHOWN_BYTES_MAX);
}

int oa_str_shown_len(struct str s) {
    size_t len = shown_len(s);

    return (int)(len < s.len ? len + sizeof(CUT) - 1 : len);
}

const char *oa_str_shown_text(struct str s) {
    static _Thread_local char texts[OA_STR_SHOWN][OA_STR_SHOWN_BYTES_MAX + sizeof(CUT)];
    static _Thread_local unsigned next;
    size_t len = shown_len(s);
    char *text;

    if (len == s.len) {
        return s.data;
    }
    text = texts[next++ % OA_STR_SHOWN];
    memcpy(text, s.data, len);
    memcpy(text + len, CUT, sizeof(CUT));
    return text;
}

size_t oa_place_write(const struct oa_place *place, char *buf, size_t bytes_max) {
    struct text text = { .data = buf, .len_max = bytes_max };

    put_place(&text, place);
    return finish(&text);
}

/* printf's result may end in the middle of a character: take it character by character. */
static size_t write_message(char *buf, const char *format, va_list args) {
    char formatted[OA_ERROR_MESSAGE_BYTES_MAX + 8];
    struct text text = { .data = buf, .len_max = OA_ERROR_MESSAGE_BYTES_MAX };
    int n = vsnprintf(formatted, sizeof(formatted), format, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(formatted) ? (size_t)n : sizeof(formatted) - 1;

    put_characters(&text, (struct str){ formatted, len }, false);
    return finish(&text);
}

/* One error is enough to know the verdict: what does not fit is left out like what is too many. */
static void stop(struct oa_report *report) {
    if (report->count == 0) {
        report->out_of_memory = true;
    }
    report->count_max = report->count;
}

static bool copy(struct oa_report *report, const char *data, size_t len, struct str *ret) {
    char *memory = arena_alloc(report->arena, len + 1);

    if (memory == NULL) {
        stop(report);
        return false;
    }
    memcpy(memory, data, len);
    memory[len] = '\0';
    *ret = (struct str){ memory, len };
    return true;
}

void oa_report_add(struct oa_report *report, const struct oa_place *place, const char *keyword,
                   const char *format, ...) {
    char path[OA_ERROR_PATH_BYTES_MAX];
    char message[OA_ERROR_MESSAGE_BYTES_MAX];
    struct oa_error *error;
    size_t message_len;
    va_list args;

    if (oa_report_is_full(report)) {
        return;
    }
    error = arena_zalloc(report->arena, sizeof(*error));
    if (error == NULL) {
        stop(report);
        return;
    }
    va_start(args, format);
    message_len = write_message(message, format, args);
    va_end(args);
    if (!copy(report, path, oa_place_write(place, path, sizeof(path)), &error->path) ||
        !copy(report, message, message_len, &error->message) ||
        !copy(report, keyword, strlen(keyword), &error->keyword)) {
        return;
    }
    *(report->last != NULL ? &report->last->next : &report->first) = error;
    report->last = error;
    report->count++;
}
