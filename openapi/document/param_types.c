/*
 * Which types a parameter's schema allows. A parameter comes as text: "5" is a number where the
 * schema asks for one, and a string where it asks for that.
 */
#include "openapi/request/param.h"

#include <string.h>

enum {
    SCHEMAS_MAX = 256, /* that are looked into for one answer; beyond, anything is allowed */
    SINGLE = OA_TYPES_ANY & ~(OA_ARRAY | OA_OBJECT)
};

/* One look at a schema and at those that it is made of. */
struct look {
    struct oa_loader *loader;
    unsigned schemas; /* so far */
};

static unsigned types_of(struct look *look, const struct oa_json *schema);

static unsigned bits_of_name(struct str name) {
    static const struct {
        const char *name;
        unsigned bits;
    } names[] = {
        { "null", OA_NULL },
        { "boolean", OA_TRUE | OA_FALSE },
        { "object", OA_OBJECT },
        { "array", OA_ARRAY },
        { "string", OA_STRING },
        { "integer", OA_INTEGER },
        { "number", OA_NUMBER | OA_INTEGER },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(name, names[i].name)) {
            return names[i].bits;
        }
    }
    return 0;
}

static unsigned bits_of_value(const struct oa_json *value) {
    unsigned type = (unsigned)value->type;

    if (type == OA_NUMBER) {
        return OA_NUMBER | OA_INTEGER;
    }
    return (type & (OA_TRUE | OA_FALSE)) != 0 ? OA_TRUE | OA_FALSE : type;
}

static unsigned bits_of_keyword(const struct oa_json *schema, const char *keyword) {
    const struct oa_json *value = oa_json_get(schema, keyword);
    bool is_type = strcmp(keyword, "type") == 0;
    unsigned bits = 0;

    if (value == NULL) {
        return OA_TYPES_ANY;
    }
    if (value->type != OA_ARRAY || strcmp(keyword, "const") == 0) {
        return is_type ? bits_of_name(value->text) : bits_of_value(value);
    }
    for (const struct oa_json *one = value->child; one != NULL; one = one->next) {
        bits |= is_type ? bits_of_name(one->text) : bits_of_value(one);
    }
    return bits;
}

/* What one of them allows, or what all of them allow. */
static unsigned bits_of_list(struct look *look, const struct oa_json *schema, const char *keyword,
                             bool all) {
    const struct oa_json *list = oa_json_get(schema, keyword);
    unsigned bits = all ? OA_TYPES_ANY : 0;

    if (list == NULL || list->type != OA_ARRAY) {
        return OA_TYPES_ANY;
    }
    for (const struct oa_json *one = list->child; one != NULL; one = one->next) {
        unsigned other = types_of(look, one);

        bits = all ? bits & other : bits | other;
    }
    return bits;
}

static unsigned types_of(struct look *look, const struct oa_json *schema) {
    const struct oa_json *target;
    unsigned bits;

    if (schema->type != OA_OBJECT || look->schemas++ >= SCHEMAS_MAX) {
        return OA_TYPES_ANY;
    }
    target = oa_schema_target(look->loader, schema);
    bits = bits_of_keyword(schema, "type") & bits_of_keyword(schema, "enum") &
           bits_of_keyword(schema, "const") & bits_of_list(look, schema, "allOf", true) &
           bits_of_list(look, schema, "anyOf", false) & bits_of_list(look, schema, "oneOf", false);
    return target != NULL ? bits & types_of(look, target) : bits;
}

static unsigned types_of_schema(struct oa_loader *loader, const struct oa_json *schema) {
    struct look look = { .loader = loader };

    return types_of(&look, schema);
}

/* The keyword of a schema, of what it refers to, or of what it is made of (allOf). */
static const struct oa_json *look_for(struct look *look, const struct oa_json *schema,
                                      const char *name) {
    const struct oa_json *found;
    const struct oa_json *target;
    const struct oa_json *list;

    if (schema->type != OA_OBJECT || look->schemas++ >= SCHEMAS_MAX) {
        return NULL;
    }
    found = oa_json_get(schema, name);
    target = found == NULL ? oa_schema_target(look->loader, schema) : NULL;
    if (target != NULL) {
        found = look_for(look, target, name);
    }
    list = oa_json_get(schema, "allOf");
    if (found == NULL && list != NULL && list->type == OA_ARRAY) {
        for (list = list->child; list != NULL && found == NULL; list = list->next) {
            found = look_for(look, list, name);
        }
    }
    return found;
}

static const struct oa_json *find_keyword(struct oa_loader *loader, const struct oa_json *schema,
                                          const char *name) {
    struct look look = { .loader = loader };

    return look_for(&look, schema, name);
}

/* Items and properties must be single values: OpenAPI does not say how to write others. */
static bool load_single(struct oa_loader *loader, const struct oa_json *schema,
                        const struct oa_place *place, const char *what, unsigned *ret) {
    *ret = schema != NULL ? types_of_schema(loader, schema) : OA_TYPES_ANY;
    if (*ret != OA_TYPES_ANY && (*ret & SINGLE) == 0) {
        return loader_fail(loader, place,
                           "%s of a parameter must be single values; describe the parameter by "
                           "\"content\" with application/json instead",
                           what);
    }
    *ret &= SINGLE;
    return true;
}

static bool load_array(struct oa_loader *loader, const struct oa_json *schema,
                       const struct oa_place *place, struct oa_param_types *types) {
    const struct oa_json *prefix = find_keyword(loader, schema, "prefixItems");
    const struct oa_json *items = find_keyword(loader, schema, "items");
    unsigned *list;

    if (!load_single(loader, items, place, "the items", &types->items)) {
        return false;
    }
    if (prefix == NULL || prefix->type != OA_ARRAY) {
        return true;
    }
    list = loader_alloc(loader, prefix->count, sizeof(*list));
    types->prefix = list;
    for (const struct oa_json *one = prefix->child; list != NULL && one != NULL; one = one->next) {
        if (!load_single(loader, one, place, "the items", &list[types->prefix_count++])) {
            return false;
        }
    }
    return list != NULL;
}

/* Only deepObject says how an array in an object is written: by repeating its name. */
static bool load_property(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_place *place, const struct oa_param_spec *spec,
                          struct oa_param_property *property) {
    const struct oa_json *items;

    property->is_array = spec->style == OA_STYLE_DEEP &&
                         (types_of_schema(loader, schema) & ~(unsigned)OA_NULL) == OA_ARRAY;
    items = property->is_array ? find_keyword(loader, schema, "items") : schema;
    return load_single(loader, items, place, "the properties", &property->types);
}

static bool load_object(struct oa_loader *loader, const struct oa_json *schema,
                        const struct oa_place *place, struct oa_param_spec *spec) {
    const struct oa_json *list = find_keyword(loader, schema, "properties");
    const struct oa_json *others = find_keyword(loader, schema, "additionalProperties");
    struct oa_param_types *types = &spec->types;

    if (!load_single(loader, others, place, "the properties", &types->others)) {
        return false;
    }
    if (list == NULL || list->type != OA_OBJECT) {
        return true;
    }
    if (list->count > OA_PARAM_PROPERTIES_MAX) {
        return loader_fail(loader, place, "a parameter must not have more than %d properties",
                           OA_PARAM_PROPERTIES_MAX);
    }
    types->properties = loader_alloc(loader, list->count, sizeof(*types->properties));
    if (types->properties == NULL) {
        return false;
    }
    for (const struct oa_json *one = list->child; one != NULL; one = one->next) {
        struct oa_param_property *property = &types->properties[types->property_count++];

        property->name = one->key;
        if (!load_property(loader, one, place, spec, property)) {
            return false;
        }
    }
    return true;
}

bool oa_param_load_types(struct oa_loader *loader, const struct oa_json *schema,
                         const struct oa_place *place, struct oa_param_spec *spec) {
    unsigned own = types_of_schema(loader, schema);
    unsigned composed = own & (OA_ARRAY | OA_OBJECT);

    spec->types.own = own & SINGLE;
    if (own == OA_TYPES_ANY || composed == 0) {
        spec->kind = OA_PARAM_SINGLE;
        return true;
    }
    if ((own & ~(unsigned)OA_NULL) == OA_ARRAY) {
        spec->kind = OA_PARAM_ARRAY;
        return load_array(loader, schema, place, &spec->types);
    }
    if ((own & ~(unsigned)OA_NULL) == OA_OBJECT) {
        spec->kind = OA_PARAM_OBJECT;
        return load_object(loader, schema, place, spec);
    }
    return loader_fail(loader, place,
                       "a parameter must be a single value, an array or an object: nothing in its "
                       "text says which of them it is");
}
