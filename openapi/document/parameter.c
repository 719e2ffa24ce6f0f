/* Parameter and header objects, whoever refers to them (4.8.12 and 4.8.21). */
#include "shape.h"

#include <string.h>
#include <strings.h>

const char *const parameter_locations[] = {
    [IN_PATH] = "path", [IN_QUERY] = "query", [IN_HEADER] = "header", [IN_COOKIE] = "cookie"
};

enum { LOCATIONS = sizeof(parameter_locations) / sizeof(parameter_locations[0]) };

/*
 * ---- which types a parameter's schema allows ----
 *
 * A parameter comes as text: "5" is a number where the schema asks for one, and a string where it
 * asks for that.
 */

enum {
    SCHEMAS_MAX = 256, /* that are looked into for one answer; beyond, anything is allowed */
    SINGLE = TYPES_ANY & ~(VALUE_ARRAY | VALUE_OBJECT)
};

/* One look at a schema and at those that it is made of. */
struct look {
    const struct schemas *schemas;
    unsigned count; /* of schemas, so far */
};

static unsigned types_of(struct look *look, const struct value *schema);

static unsigned bits_of_name(struct str name) {
    unsigned bits = schema_run_type(name);

    return (bits & VALUE_NUMBER) != 0 ? bits | SCHEMA_INTEGER : bits;
}

static unsigned bits_of_value(const struct value *value) {
    unsigned type = (unsigned)value->type;

    if (type == VALUE_NUMBER) {
        return VALUE_NUMBER | SCHEMA_INTEGER;
    }
    return (type & (VALUE_TRUE | VALUE_FALSE)) != 0 ? VALUE_TRUE | VALUE_FALSE : type;
}

static unsigned bits_of_keyword(const struct value *schema, const char *keyword) {
    const struct value *value = value_get(schema, keyword);
    bool is_type = strcmp(keyword, "type") == 0;
    unsigned bits = 0;

    if (value == NULL) {
        return TYPES_ANY;
    }
    if (value->type != VALUE_ARRAY || strcmp(keyword, "const") == 0) {
        return is_type ? bits_of_name(value->text) : bits_of_value(value);
    }
    for (const struct value *one = value->child; one != NULL; one = one->next) {
        bits |= is_type ? bits_of_name(one->text) : bits_of_value(one);
    }
    return bits;
}

/* What one of them allows, or what all of them allow. */
static unsigned bits_of_list(struct look *look, const struct value *schema, const char *keyword,
                             bool all) {
    const struct value *list = value_get(schema, keyword);
    unsigned bits = all ? TYPES_ANY : 0;

    if (list == NULL || list->type != VALUE_ARRAY) {
        return TYPES_ANY;
    }
    for (const struct value *one = list->child; one != NULL; one = one->next) {
        unsigned other = types_of(look, one);

        bits = all ? bits & other : bits | other;
    }
    return bits;
}

static unsigned types_of(struct look *look, const struct value *schema) {
    const struct value *target;
    unsigned bits;

    if (schema->type != VALUE_OBJECT || look->count++ >= SCHEMAS_MAX) {
        return TYPES_ANY;
    }
    target = schema_index_target(look->schemas, schema);
    bits = bits_of_keyword(schema, "type") & bits_of_keyword(schema, "enum") &
           bits_of_keyword(schema, "const") & bits_of_list(look, schema, "allOf", true) &
           bits_of_list(look, schema, "anyOf", false) & bits_of_list(look, schema, "oneOf", false);
    return target != NULL ? bits & types_of(look, target) : bits;
}

static unsigned types_of_schema(struct loader *loader, const struct value *schema) {
    struct look look = { .schemas = shape_loader(loader)->doc->schemas };

    return types_of(&look, schema);
}

/* The keyword of a schema, of what it refers to, or of what it is made of (allOf). */
static const struct value *look_for(struct look *look, const struct value *schema,
                                    const char *name) {
    const struct value *found;
    const struct value *target;
    const struct value *list;

    if (schema->type != VALUE_OBJECT || look->count++ >= SCHEMAS_MAX) {
        return NULL;
    }
    found = value_get(schema, name);
    target = found == NULL ? schema_index_target(look->schemas, schema) : NULL;
    if (target != NULL) {
        found = look_for(look, target, name);
    }
    list = value_get(schema, "allOf");
    if (found == NULL && list != NULL && list->type == VALUE_ARRAY) {
        for (list = list->child; list != NULL && found == NULL; list = list->next) {
            found = look_for(look, list, name);
        }
    }
    return found;
}

static const struct value *find_keyword(struct loader *loader, const struct value *schema,
                                        const char *name) {
    struct look look = { .schemas = shape_loader(loader)->doc->schemas };

    return look_for(&look, schema, name);
}

/* Items and properties must be single values: OpenAPI does not say how to write others. */
static bool load_single(struct loader *loader, const struct value *schema,
                        const struct place *place, const char *what, unsigned *ret) {
    *ret = schema != NULL ? types_of_schema(loader, schema) : TYPES_ANY;
    if (*ret != TYPES_ANY && (*ret & SINGLE) == 0) {
        return loader_fail(loader, place,
                           "%s of a parameter must be single values; describe the parameter by "
                           "\"content\" with application/json instead",
                           what);
    }
    *ret &= SINGLE;
    return true;
}

static bool load_array(struct loader *loader, const struct value *schema, const struct place *place,
                       struct param_types *types) {
    const struct value *prefix = find_keyword(loader, schema, "prefixItems");
    const struct value *items = find_keyword(loader, schema, "items");
    unsigned *list;

    if (!load_single(loader, items, place, "the items", &types->items)) {
        return false;
    }
    if (prefix == NULL || prefix->type != VALUE_ARRAY) {
        return true;
    }
    list = loader_alloc(loader, prefix->count, sizeof(*list));
    types->prefix = list;
    for (const struct value *one = prefix->child; list != NULL && one != NULL; one = one->next) {
        if (!load_single(loader, one, place, "the items", &list[types->prefix_count++])) {
            return false;
        }
    }
    return list != NULL;
}

/* Only deepObject says how an array in an object is written: by repeating its name. */
static bool load_property(struct loader *loader, const struct value *schema,
                          const struct place *place, const struct param_spec *spec,
                          struct param_property *property) {
    const struct value *items;

    property->is_array = spec->style == STYLE_DEEP &&
                         (types_of_schema(loader, schema) & ~(unsigned)VALUE_NULL) == VALUE_ARRAY;
    items = property->is_array ? find_keyword(loader, schema, "items") : schema;
    return load_single(loader, items, place, "the properties", &property->types);
}

static bool load_object(struct loader *loader, const struct value *schema,
                        const struct place *place, struct param_spec *spec) {
    const struct value *list = find_keyword(loader, schema, "properties");
    const struct value *others = find_keyword(loader, schema, "additionalProperties");
    struct param_types *types = &spec->types;

    if (!load_single(loader, others, place, "the properties", &types->others)) {
        return false;
    }
    if (list == NULL || list->type != VALUE_OBJECT) {
        return true;
    }
    if (list->count > DOCUMENT_PARAM_PROPERTIES_MAX) {
        return loader_fail(loader, place, "a parameter must not have more than %d properties",
                           DOCUMENT_PARAM_PROPERTIES_MAX);
    }
    types->properties = loader_alloc(loader, list->count, sizeof(*types->properties));
    if (types->properties == NULL) {
        return false;
    }
    for (const struct value *one = list->child; one != NULL; one = one->next) {
        struct param_property *property = &types->properties[types->property_count++];

        property->name = one->key;
        if (!load_property(loader, one, place, spec, property)) {
            return false;
        }
    }
    return true;
}

static bool load_types(struct loader *loader, const struct value *schema, const struct place *place,
                       struct param_spec *spec) {
    unsigned own = types_of_schema(loader, schema);
    unsigned composed = own & (VALUE_ARRAY | VALUE_OBJECT);

    spec->types.own = own & SINGLE;
    if (own == TYPES_ANY || composed == 0) {
        spec->kind = PARAM_SINGLE;
        return true;
    }
    if ((own & ~(unsigned)VALUE_NULL) == VALUE_ARRAY) {
        spec->kind = PARAM_ARRAY;
        return load_array(loader, schema, place, &spec->types);
    }
    if ((own & ~(unsigned)VALUE_NULL) == VALUE_OBJECT) {
        spec->kind = PARAM_OBJECT;
        return load_object(loader, schema, place, spec);
    }
    return loader_fail(loader, place,
                       "a parameter must be a single value, an array or an object: nothing in its "
                       "text says which of them it is");
}

/* ---- the location ---- */

static bool load_location(struct loader *loader, const struct value *node,
                          const struct place *place, struct param_spec *spec) {
    struct str in;

    if (!shape_text(node, "in", &in)) {
        return false;
    }
    for (size_t i = 0; i < LOCATIONS; i++) {
        if (str_is(in, parameter_locations[i])) {
            spec->location = (enum location)i;
            return true;
        }
    }
    return loader_fail_at(loader, place, "in",
                          "must be \"path\", \"query\", \"header\" or \"cookie\"");
}

/* ---- style and explode ---- */

static const struct {
    const char *name;
    enum style style;
    unsigned locations; /* bit n: location n */
    bool is_supported;
} styles[] = {
    { "simple", STYLE_SIMPLE, 1u << IN_PATH | 1u << IN_HEADER, true },
    { "form", STYLE_FORM, 1u << IN_QUERY | 1u << IN_COOKIE, true },
    { "spaceDelimited", STYLE_SPACE, 1u << IN_QUERY, true },
    { "pipeDelimited", STYLE_PIPE, 1u << IN_QUERY, true },
    { "deepObject", STYLE_DEEP, 1u << IN_QUERY, true },
    { "matrix", STYLE_SIMPLE, 1u << IN_PATH, false },
    { "label", STYLE_SIMPLE, 1u << IN_PATH, false },
};

static bool load_style(struct loader *loader, const struct value *node, const struct place *place,
                       struct param_spec *spec) {
    const struct value *explode = value_get(node, "explode");
    struct str style;

    spec->style =
        spec->location == IN_QUERY || spec->location == IN_COOKIE ? STYLE_FORM : STYLE_SIMPLE;
    if (shape_text(node, "style", &style)) {
        size_t i = 0;

        while (i < sizeof(styles) / sizeof(styles[0]) && !str_is(style, styles[i].name)) {
            i++;
        }
        if (i == sizeof(styles) / sizeof(styles[0]) ||
            (styles[i].locations & 1u << spec->location) == 0) {
            return loader_fail_at(loader, place, "style", "\"%.*s\" is not a style for the %s",
                                  SHOWN(style), parameter_locations[spec->location]);
        }
        if (!styles[i].is_supported) {
            return loader_fail_at(loader, place, "style",
                                  "the style \"%.*s\" is not supported, \"simple\" is",
                                  SHOWN(style));
        }
        spec->style = styles[i].style;
    }
    spec->explodes = explode != NULL ? explode->type == VALUE_TRUE : spec->style == STYLE_FORM;
    return true;
}

/* 4.8.12.3: not everything can be written in every style. */
static bool check_style(struct loader *loader, const struct value *node, const struct place *place,
                        const struct param_spec *spec) {
    bool is_single = spec->kind == PARAM_SINGLE;

    if (spec->style == STYLE_DEEP && spec->kind != PARAM_OBJECT) {
        return loader_fail(loader, place, "the style \"deepObject\" is for objects only");
    }
    if (spec->style == STYLE_DEEP && value_get(node, "explode") != NULL && !spec->explodes) {
        return loader_fail_at(loader, place, "explode", "must be true in the style \"deepObject\"");
    }
    if ((spec->style == STYLE_SPACE || spec->style == STYLE_PIPE) && is_single) {
        return loader_fail(loader, place, "this style is for arrays and objects only");
    }
    if ((spec->style == STYLE_SPACE || spec->style == STYLE_PIPE) && spec->explodes) {
        return loader_fail_at(loader, place, "explode", "must be false in this style");
    }
    if (spec->location == IN_COOKIE && spec->explodes && !is_single) {
        return loader_fail(loader, place,
                           "an array or object in a cookie must have \"explode\": false");
    }
    return true;
}

/* ---- schema or content ---- */

static bool load_schema(struct loader *loader, const struct value *node, const struct place *place,
                        struct param_spec *spec) {
    const struct value *schema = value_get(node, "schema");
    struct place at = place_text(place, "schema");

    spec->schema = shape_schema(loader, schema, &at);
    schemas_note_examples(loader, node, place, spec->schema);
    return spec->schema != NULL;
}

static bool load_content(struct loader *loader, const struct value *node, const struct place *place,
                         struct param_spec *spec) {
    static const char *const others[] = { "style", "explode", "allowReserved", "example",
                                          "examples" };
    const struct value *content = value_get(node, "content");
    struct place list = place_text(place, "content");
    const struct value *schema;
    struct media media;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (value_get(node, others[i]) != NULL) {
            loader_fail_at(loader, place, others[i], "has no effect beside \"content\"");
        }
    }
    if (content->type != VALUE_OBJECT) {
        return false;
    }
    if (content->count != 1) {
        return loader_fail(loader, &list, "must have exactly one media type");
    }
    if (!media_parse(content->child->key, &media) || !media_is_json(&media)) {
        return loader_fail(loader, &list, "only application/json is supported here");
    }
    spec->kind = PARAM_JSON;
    schema = value_get(content->child, "schema");
    if (schema != NULL) {
        struct place media_at = place_member(&list, content->child);
        struct place at = place_text(&media_at, "schema");

        spec->schema = shape_schema(loader, schema, &at);
    }
    return schema == NULL || spec->schema != NULL;
}

static bool load_schema_or_content(struct loader *loader, const struct value *node,
                                   const struct place *place, const char *what,
                                   struct param_spec *spec) {
    bool has_schema = value_get(node, "schema") != NULL;
    bool has_content = value_get(node, "content") != NULL;

    if (has_schema == has_content) {
        return loader_fail(loader, place, "%s must have either \"schema\" or \"content\"%s", what,
                           has_schema ? ", not both" : "");
    }
    return has_schema ? load_schema(loader, node, place, spec)
                      : load_content(loader, node, place, spec);
}

/* ---- parameters ---- */

/* 4.8.12.2: a definition of these would be ignored. RFC 9110, 5.6.2 and RFC 6265, 4.1.1: tokens. */
static bool check_name(struct loader *loader, const struct place *place,
                       const struct param_spec *spec) {
    static const char *const described[][2] = {
        { "Accept", "the media types of the responses" },
        { "Content-Type", "the media types of the request body" },
        { "Authorization", "a security scheme" },
    };

    if ((spec->location == IN_HEADER || spec->location == IN_COOKIE) &&
        !media_is_token(spec->name)) {
        return loader_fail_at(loader, place, "name", "no %s can have this name",
                              parameter_locations[spec->location]);
    }
    for (size_t i = 0; spec->location == IN_HEADER && i < 3; i++) {
        if (spec->name.len == strlen(described[i][0]) &&
            strncasecmp(spec->name.data, described[i][0], spec->name.len) == 0) {
            return loader_fail_at(loader, place, "name", "has no effect: %s is described by %s",
                                  described[i][0], described[i][1]);
        }
    }
    return true;
}

static void check_flags(struct loader *loader, const struct value *node, const struct place *place,
                        const struct param_spec *spec) {
    static const char *const query_only[] = { "allowEmptyValue", "allowReserved" };
    const struct value *required = value_get(node, "required");

    if (spec->location == IN_PATH && (required == NULL || required->type == VALUE_FALSE)) {
        loader_fail_at(loader, place, "required", "must be true for a path parameter");
    }
    for (size_t i = 0; spec->location != IN_QUERY && i < 2; i++) {
        if (shape_is_true(node, query_only[i])) {
            loader_fail_at(loader, place, query_only[i], "is for query parameters only");
        }
    }
}

void *parameter_make(struct loader *loader, const struct value *node, const struct place *place) {
    const struct value *schema = value_get(node, "schema");
    struct place schema_at = place_text(place, "schema");
    struct param_spec *spec = loader_alloc(loader, 1, sizeof(*spec));
    bool is_good;

    if (spec == NULL) {
        return NULL;
    }
    is_good = load_schema_or_content(loader, node, place, "a parameter", spec);
    spec->is_required = shape_is_true(node, "required");
    spec->allows_empty = shape_is_true(node, "allowEmptyValue");
    spec->is_unchecked = shape_is_true(node, "x-prodorder-unchecked");
    if (!shape_text(node, "name", &spec->name) || !load_location(loader, node, place, spec)) {
        return NULL;
    }
    check_flags(loader, node, place, spec);
    is_good = check_name(loader, place, spec) && load_style(loader, node, place, spec) && is_good;
    if (is_good && spec->kind != PARAM_JSON) {
        is_good =
            load_types(loader, schema, &schema_at, spec) && check_style(loader, node, place, spec);
    }
    return is_good ? spec : NULL;
}

/* Answers are not checked: what can be wrong with the description is. */
void parameter_check_header(struct loader *loader, const struct value *node,
                            const struct place *place) {
    struct param_spec spec = { .location = IN_HEADER };

    (void)load_schema_or_content(loader, node, place, "a header", &spec);
    (void)load_style(loader, node, place, &spec);
}

bool parameter_same(const struct param_spec *a, const struct param_spec *b) {
    if (a->location != b->location || a->name.len != b->name.len) {
        return false;
    }
    return a->location == IN_HEADER ? strncasecmp(a->name.data, b->name.data, a->name.len) == 0
                                    : str_equal(a->name, b->name);
}
