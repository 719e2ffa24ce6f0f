/* Request bodies: media type, JSON, schema. */
#include "body.h"

#include <string.h>

static const struct oa_body *find_body(const struct oa_operation *operation,
                                       const struct oa_media *media) {
    const struct oa_body *body = operation->body;

    while (body != NULL && !oa_media_matches(&body->media, media)) {
        body = body->next;
    }
    return body;
}

/* JSON is UTF-8: another charset would not be understood by anyone behind us. */
bool oa_operation_takes_media(const struct oa_operation *operation, struct oa_str content_type) {
    struct oa_media media;

    return oa_media_parse(content_type, &media) && find_body(operation, &media) != NULL &&
           !(oa_media_is_json(&media) && oa_media_has_other_charset(&media));
}

/* What the tree of a body may take: a node for every second byte, and some room. */
static size_t tree_bytes_max(size_t len) {
    return len * sizeof(struct oa_json) + 256 * 1024;
}

bool oa_check_value(const struct oa_schema *schema, const struct oa_json *value,
                    const struct oa_place *place, struct oa_report *report) {
    struct oa_run run = { .report = report };
    unsigned before = report->count;

    oa_schema_run(&run, schema, value, place);
    return report->count == before && !report->out_of_memory;
}

static const struct oa_limits limits_default = { .depth_max = OA_BODY_DEPTH_MAX,
                                                 .values_max = OA_BODY_VALUES_MAX };

static void check_text(const struct oa_schema *schema, struct oa_arena *arena, struct oa_str body,
                       const struct oa_limits *limits, struct oa_report *report) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_json_error error;
    const struct oa_json *value =
        oa_json_parse(arena, body.data, body.len, limits->depth_max, &error);

    if (value == NULL && strcmp(error.reason, "out of memory") == 0) {
        report->out_of_memory = true;
    } else if (value == NULL) {
        oa_report_add(report, &root, "json", "malformed JSON at line %zu, column %zu: %s",
                      error.line, error.column, error.reason);
    } else if (schema != NULL) {
        oa_check_value(schema, value, &root, report);
    }
}

bool oa_check_body(const struct oa_operation *operation, struct oa_str content_type,
                   const char *body, size_t len, const struct oa_limits *limits,
                   struct oa_report *report) {
    struct oa_media media;
    const struct oa_body *found;
    unsigned before = report->count;
    struct oa_arena *arena;

    if (!oa_media_parse(content_type, &media) || !oa_media_is_json(&media)) {
        return true;
    }
    found = find_body(operation, &media);
    arena = oa_arena_open(tree_bytes_max(len));
    if (arena == NULL) {
        report->out_of_memory = true;
        return false;
    }
    check_text(found != NULL ? found->schema : NULL, arena, (struct oa_str){ body, len },
               limits != NULL ? limits : &limits_default, report);
    oa_arena_close(arena);
    return report->count == before && !report->out_of_memory;
}
