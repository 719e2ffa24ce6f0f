/* Errors of a value; places as JSON Pointers; texts cut to what is shown of them. */
#include "report.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* What stands at the end of a text that was cut: U+2026. */
#define CUT "\xe2\x80\xa6"

const struct place report_root = { .key = { "", 0 } };

void report_init(struct report *report, struct arena *arena, unsigned count_max) {
    *report = (struct report){ .arena = arena, .count_max = count_max };
}

bool report_is_full(const struct report *report) {
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
static void put_place(struct text *text, const struct place *place) {
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
    return utf8_cut(s.data, s.len, REPORT_SHOWN_BYTES_MAX);
}

int report_shown_len(struct str s) {
    size_t len = shown_len(s);

    return (int)(len < s.len ? len + sizeof(CUT) - 1 : len);
}

const char *report_shown_text(struct str s) {
    static _Thread_local char texts[REPORT_SHOWN][REPORT_SHOWN_BYTES_MAX + sizeof(CUT)];
    static _Thread_local unsigned next;
    size_t len = shown_len(s);
    char *text;

    if (len == s.len) {
        return s.data;
    }
    text = texts[next++ % REPORT_SHOWN];
    memcpy(text, s.data, len);
    memcpy(text + len, CUT, sizeof(CUT));
    return text;
}

size_t report_place(const struct place *place, char *buf, size_t bytes_max) {
    struct text text = { .data = buf, .len_max = bytes_max };

    put_place(&text, place);
    return finish(&text);
}

/* printf's result, cut between two characters. */
static size_t write_message(char *buf, const char *format, va_list args) {
    int n = vsnprintf(buf, REPORT_MESSAGE_BYTES_MAX + 1, format, args);
    size_t len = n > 0 ? (size_t)n : 0;

    if (len > REPORT_MESSAGE_BYTES_MAX) {
        len = utf8_cut(buf, REPORT_MESSAGE_BYTES_MAX, REPORT_MESSAGE_BYTES_MAX - (sizeof(CUT) - 1));
        memcpy(buf + len, CUT, sizeof(CUT) - 1);
        len += sizeof(CUT) - 1;
    }
    return len;
}

/* One error is enough to know the verdict: what does not fit is left out like what is too many. */
static void stop(struct report *report) {
    if (report->count == 0) {
        report->out_of_memory = true;
    }
    report->count_max = report->count;
}

static bool copy(struct report *report, const char *data, size_t len, struct str *ret) {
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

void report_add_args(struct report *report, const struct place *place, const char *keyword,
                     const char *format, va_list args) {
    char path[REPORT_PATH_BYTES_MAX];
    char message[REPORT_MESSAGE_BYTES_MAX + 1];
    struct report_error *error;

    if (report_is_full(report)) {
        return;
    }
    error = arena_zalloc(report->arena, sizeof(*error));
    if (error == NULL) {
        stop(report);
        return;
    }
    if (!copy(report, path, report_place(place, path, sizeof(path)), &error->path) ||
        !copy(report, message, write_message(message, format, args), &error->message) ||
        !copy(report, keyword, strlen(keyword), &error->keyword)) {
        return;
    }
    *(report->last != NULL ? &report->last->next : &report->first) = error;
    report->last = error;
    report->count++;
}

void report_add(struct report *report, const struct place *place, const char *keyword,
                const char *format, ...) {
    va_list args;

    va_start(args, format);
    report_add_args(report, place, keyword, format, args);
    va_end(args);
}

void report_json(struct report *report, const struct place *place,
                 const struct json_scan_error *error) {
    char message[JSON_SCAN_MESSAGE_BYTES];

    if (error->failure == JSON_SCAN_NO_MEMORY) {
        report->out_of_memory = true;
        return;
    }
    json_scan_message(error, message);
    report_add(report, place, "json", "%s", message);
}
