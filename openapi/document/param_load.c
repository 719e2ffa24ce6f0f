/* Parameter and header objects, whoever refers to them (4.8.12 and 4.8.21). */
#include "openapi/request/body_media.h"
#include "openapi/request/param.h"
#include "shape.h"

#include <string.h>
#include <strings.h>

const char *const oa_location_names[] = { [OA_IN_PATH] = "path",
                                          [OA_IN_QUERY] = "query",
                                          [OA_IN_HEADER] = "header",
                                          [OA_IN_COOKIE] = "cookie" };

enum { LOCATIONS = sizeof(oa_location_names) / sizeof(oa_location_names[0]) };

static bool load_location(struct oa_loader *loader, const struct oa_json *node,
                          const struct oa_place *place, struct oa_param_spec *spec) {
    struct oa_place at = place_text(place, "in");
    struct str in;

    if (!oa_shape_text(node, "in", &in)) {
        return false;
    }
    for (size_t i = 0; i < LOCATIONS; i++) {
        if (str_is(in, oa_location_names[i])) {
            spec->location = (enum oa_location)i;
            return true;
        }
    }
    return loader_fail(loader, &at, "must be \"path\", \"query\", \"header\" or \"cookie\"");
}

/* ---- style and explode ---- */

static const struct {
    const char *name;
    enum oa_style style;
    unsigned locations; /* bit n: location n */
    bool is_supported;
} styles[] = {
    { "simple", OA_STYLE_SIMPLE, 1u << OA_IN_PATH | 1u << OA_IN_HEADER, true },
    { "form", OA_STYLE_FORM, 1u << OA_IN_QUERY | 1u << OA_IN_COOKIE, true },
    { "spaceDelimited", OA_STYLE_SPACE, 1u << OA_IN_QUERY, true },
    { "pipeDelimited", OA_STYLE_PIPE, 1u << OA_IN_QUERY, true },
    { "deepObject", OA_STYLE_DEEP, 1u << OA_IN_QUERY, true },
    { "matrix", OA_STYLE_SIMPLE, 1u << OA_IN_PATH, false },
    { "label", OA_STYLE_SIMPLE, 1u << OA_IN_PATH, false },
};

static bool load_style(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, struct oa_param_spec *spec) {
    struct oa_place at = place_text(place, "style");
    const struct oa_json *explode = oa_json_get(node, "explode");
    struct str style;

    spec->style = spec->location == OA_IN_QUERY || spec->location == OA_IN_COOKIE ? OA_STYLE_FORM
                                                                                  : OA_STYLE_SIMPLE;
    if (oa_shape_text(node, "style", &style)) {
        size_t i = 0;

        while (i < sizeof(styles) / sizeof(styles[0]) && !str_is(style, styles[i].name)) {
            i++;
        }
        if (i == sizeof(styles) / sizeof(styles[0]) ||
            (styles[i].locations & 1u << spec->location) == 0) {
            return loader_fail(loader, &at, "\"%.*s\" is not a style for the %s", OA_STR(style),
                               oa_location_names[spec->location]);
        }
        if (!styles[i].is_supported) {
            return loader_fail(loader, &at, "the style \"%.*s\" is not supported, \"simple\" is",
                               OA_STR(style));
        }
        spec->style = styles[i].style;
    }
    spec->explodes = explode != NULL ? explode->type == OA_TRUE : spec->style == OA_STYLE_FORM;
    return true;
}

/* 4.8.12.3: not everything can be written in every style. */
static bool check_style(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, const struct oa_param_spec *spec) {
    struct oa_place at = place_text(place, "explode");
    bool is_single = spec->kind == OA_PARAM_SINGLE;

    if (spec->style == OA_STYLE_DEEP && spec->kind != OA_PARAM_OBJECT) {
        return loader_fail(loader, place, "the style \"deepObject\" is for objects only");
    }
    if (spec->style == OA_STYLE_DEEP && oa_json_get(node, "explode") != NULL && !spec->explodes) {
        return loader_fail(loader, &at, "must be true in the style \"deepObject\"");
    }
    if ((spec->style == OA_STYLE_SPACE || spec->style == OA_STYLE_PIPE) && is_single) {
        return loader_fail(loader, place, "this style is for arrays and objects only");
    }
    if ((spec->style == OA_STYLE_SPACE || spec->style == OA_STYLE_PIPE) && spec->explodes) {
        return loader_fail(loader, &at, "must be false in this style");
    }
    if (spec->location == OA_IN_COOKIE && spec->explodes && !is_single) {
        return loader_fail(loader, place,
                           "an array or object in a cookie must have \"explode\": false");
    }
    return true;
}

/* ---- schema or content ---- */

static bool load_schema(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, struct oa_param_spec *spec) {
    const struct oa_json *schema = oa_json_get(node, "schema");
    struct oa_place at = place_text(place, "schema");

    spec->schema = oa_shape_schema(loader, schema, &at);
    oa_examples_note(loader, node, place, spec->schema);
    return spec->schema != NULL;
}

static bool load_content(struct oa_loader *loader, const struct oa_json *node,
                         const struct oa_place *place, struct oa_param_spec *spec) {
    static const char *const others[] = { "style", "explode", "allowReserved", "example",
                                          "examples" };
    const struct oa_json *content = oa_json_get(node, "content");
    struct oa_place list = place_text(place, "content");
    const struct oa_json *schema;
    struct oa_media media;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct oa_place at = place_key(place, others[i], strlen(others[i]));

        if (oa_json_get(node, others[i]) != NULL) {
            loader_fail(loader, &at, "has no effect beside \"content\"");
        }
    }
    if (content->type != OA_OBJECT) {
        return false;
    }
    if (content->count != 1) {
        return loader_fail(loader, &list, "must have exactly one media type");
    }
    if (!oa_media_parse(content->child->key, &media) || !oa_media_is_json(&media)) {
        return loader_fail(loader, &list, "only application/json is supported here");
    }
    spec->kind = OA_PARAM_JSON;
    schema = oa_json_get(content->child, "schema");
    if (schema != NULL) {
        struct oa_place media_at = place_member(&list, content->child);
        struct oa_place at = place_text(&media_at, "schema");

        spec->schema = oa_shape_schema(loader, schema, &at);
    }
    return schema == NULL || spec->schema != NULL;
}

static bool load_schema_or_content(struct oa_loader *loader, const struct oa_json *node,
                                   const struct oa_place *place, const char *what,
                                   struct oa_param_spec *spec) {
    bool has_schema = oa_json_get(node, "schema") != NULL;
    bool has_content = oa_json_get(node, "content") != NULL;

    if (has_schema == has_content) {
        return loader_fail(loader, place, "%s must have either \"schema\" or \"content\"%s", what,
                           has_schema ? ", not both" : "");
    }
    return has_schema ? load_schema(loader, node, place, spec)
                      : load_content(loader, node, place, spec);
}

/* ---- parameters ---- */

/* 4.8.12.2: a definition of these would be ignored. RFC 9110, 5.6.2 and RFC 6265, 4.1.1: tokens. */
static bool check_name(struct oa_loader *loader, const struct oa_place *place,
                       const struct oa_param_spec *spec) {
    static const char *const described[][2] = {
        { "Accept", "the media types of the responses" },
        { "Content-Type", "the media types of the request body" },
        { "Authorization", "a security scheme" },
    };
    struct oa_place at = place_text(place, "name");

    if ((spec->location == OA_IN_HEADER || spec->location == OA_IN_COOKIE) &&
        !oa_media_is_token(spec->name)) {
        return loader_fail(loader, &at, "no %s can have this name",
                           oa_location_names[spec->location]);
    }
    for (size_t i = 0; spec->location == OA_IN_HEADER && i < 3; i++) {
        if (spec->name.len == strlen(described[i][0]) &&
            strncasecmp(spec->name.data, described[i][0], spec->name.len) == 0) {
            return loader_fail(loader, &at, "has no effect: %s is described by %s", described[i][0],
                               described[i][1]);
        }
    }
    return true;
}

static void check_flags(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, const struct oa_param_spec *spec) {
    static const char *const query_only[] = { "allowEmptyValue", "allowReserved" };
    const struct oa_json *required = oa_json_get(node, "required");
    struct oa_place at = place_text(place, "required");

    if (spec->location == OA_IN_PATH && (required == NULL || required->type == OA_FALSE)) {
        loader_fail(loader, &at, "must be true for a path parameter");
    }
    for (size_t i = 0; spec->location != OA_IN_QUERY && i < 2; i++) {
        at = place_key(place, query_only[i], strlen(query_only[i]));
        if (oa_shape_is_true(node, query_only[i])) {
            loader_fail(loader, &at, "is for query parameters only");
        }
    }
}

void oa_check_parameter(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *schema = oa_json_get(node, "schema");
    struct oa_place schema_at = place_text(place, "schema");
    struct oa_param_spec *spec = loader_alloc(loader, 1, sizeof(*spec));
    bool is_described;

    if (spec == NULL) {
        return;
    }
    is_described = load_schema_or_content(loader, node, place, "a parameter", spec);
    spec->is_required = oa_shape_is_true(node, "required");
    spec->allows_empty = oa_shape_is_true(node, "allowEmptyValue");
    spec->is_unchecked = oa_shape_is_true(node, "x-prodorder-unchecked");
    if (!oa_shape_text(node, "name", &spec->name) || !load_location(loader, node, place, spec)) {
        return;
    }
    check_flags(loader, node, place, spec);
    if (!check_name(loader, place, spec) || !load_style(loader, node, place, spec) ||
        !is_described) {
        return;
    }
    if (spec->kind != OA_PARAM_JSON && (!oa_param_load_types(loader, schema, &schema_at, spec) ||
                                        !check_style(loader, node, place, spec))) {
        return;
    }
    seen->data = spec;
}

/* Answers are not checked: what can be wrong with the description is. */
void oa_check_header(struct oa_loader *loader, const struct oa_json *node,
                     const struct oa_place *place, struct oa_seen *seen) {
    struct oa_param_spec spec = { .location = OA_IN_HEADER };

    (void)seen;
    (void)load_schema_or_content(loader, node, place, "a header", &spec);
    (void)load_style(loader, node, place, &spec);
}

bool oa_param_same(const struct oa_param_spec *a, const struct oa_param_spec *b) {
    if (a->location != b->location || a->name.len != b->name.len) {
        return false;
    }
    return a->location == OA_IN_HEADER ? strncasecmp(a->name.data, b->name.data, a->name.len) == 0
                                       : str_equal(a->name, b->name);
}
