/* Request bodies: media type, JSON, schema. */
#include "loader.h"

#include <string.h>
#include <strings.h>

static struct oa_str trim(const char *s, const char *end) {
    while (s < end && (*s == ' ' || *s == '\t')) {
        s++;
    }
    while (end > s && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct oa_str){ s, (size_t)(end - s) };
}

static bool same_word(struct oa_str a, const char *b) {
    return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

/* JSON is UTF-8: another charset would not be understood by anyone behind us. */
static bool is_utf8_charset(struct oa_str parameter) {
    static const char name[] = "charset=";
    const size_t len = sizeof(name) - 1;
    struct oa_str value;

    if (parameter.len < len || strncasecmp(parameter.data, name, len) != 0) {
        return true;
    }
    value = (struct oa_str){ parameter.data + len, parameter.len - len };
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"') {
        value = (struct oa_str){ value.data + 1, value.len - 2 };
    }
    return same_word(value, "utf-8") || same_word(value, "us-ascii");
}

bool oa_operation_takes_media(const struct oa_operation *operation, struct oa_str content_type) {
    const char *end = content_type.data + content_type.len;
    const char *semicolon = memchr(content_type.data, ';', content_type.len);
    struct oa_str type = trim(content_type.data, semicolon != NULL ? semicolon : end);

    for (const char *s = semicolon; s != NULL;) {
        const char *next = memchr(s + 1, ';', (size_t)(end - s) - 1);

        if (!is_utf8_charset(trim(s + 1, next != NULL ? next : end))) {
            return false;
        }
        s = next;
    }
    for (const struct oa_body *body = operation->body; body != NULL; body = body->next) {
        if (type.len == body->media_type.len &&
            strncasecmp(type.data, body->media_type.data, type.len) == 0) {
            return true;
        }
    }
    return false;
}

/* What the tree of a body may take: a node for every second byte, and some room. */
static size_t tree_bytes_max(size_t len) {
    return len * sizeof(struct oa_json) + 256 * 1024;
}

static void check_text(const struct oa_operation *operation, struct oa_arena *arena,
                       const char *body, size_t len, struct oa_report *report) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_run run = { .report = report };
    struct oa_json_error error;
    const struct oa_json *value = oa_json_parse(arena, body, len, OA_BODY_DEPTH_MAX, &error);

    if (value == NULL && strcmp(error.reason, "out of memory") == 0) {
        report->out_of_memory = true;
    } else if (value == NULL) {
        oa_report_add(report, &root, "json", "malformed JSON at line %zu, column %zu: %s",
                      error.line, error.column, error.reason);
    } else if (operation->body->schema != NULL) {
        oa_schema_run(&run, operation->body->schema, value, &root);
    }
}

bool oa_check_body(const struct oa_operation *operation, const char *body, size_t len,
                   struct oa_report *report) {
    struct oa_arena *arena = oa_arena_open(tree_bytes_max(len));
    unsigned before = report->count;

    if (arena == NULL) {
        report->out_of_memory = true;
        return false;
    }
    check_text(operation, arena, body, len, report);
    oa_arena_close(arena);
    return report->count == before && !report->out_of_memory;
}
