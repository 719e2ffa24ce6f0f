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
bool oa_operation_takes_media(const struct oa_operation *operation, struct str content_type) {
    struct oa_media media;

    return oa_media_parse(content_type, &media) && find_body(operation, &media) != NULL &&
           !(oa_media_is_json(&media) && oa_media_has_other_charset(&media));
}

bool oa_check_value(const struct oa_schema *schema, const struct oa_json *value,
                    const struct oa_place *place, struct oa_report *report) {
    struct oa_run run = { .report = report };

    return oa_schema_run(&run, schema, value, place);
}

bool oa_check_body(const struct oa_operation *operation, struct str content_type, const char *body,
                   size_t len, const struct oa_limits *limits, struct oa_report *report) {
    struct oa_schema_limits all = oa_schema_limits_default;
    struct oa_media media;
    const struct oa_body *found;

    if (!oa_media_parse(content_type, &media) || !oa_media_is_json(&media)) {
        return true;
    }
    found = find_body(operation, &media);
    all.json = (struct json_scan_limits){
        .depth_max = limits != NULL ? limits->depth_max : OA_BODY_DEPTH_MAX,
        .values_max = limits != NULL ? limits->values_max : OA_BODY_VALUES_MAX
    };
    return oa_schema_check_text(found != NULL ? found->schema : NULL, body, len, &all, report);
}
