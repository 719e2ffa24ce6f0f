/* Objects, compiled: see keyword_object.c. */
#include "keyword_object.h"

#include <stdlib.h>
#include <string.h>

struct oa_object *oa_compiler_object(struct oa_compiler *c) {
    if (c->object == NULL) {
        c->object = loader_alloc(c->loader, 1, sizeof(*c->object));
        if (c->object == NULL) {
            return NULL;
        }
        c->object->count_max = UINT64_MAX;
        oa_compiler_op(c, "properties", NULL, OA_OBJECT, oa_check_object)->u.object = c->object;
    }
    return c->object;
}

/* An object whose members are schemas; what it means is added by oa_object_finish(). */
static bool compile_map(struct oa_compiler *c, const struct oa_json *value,
                        const struct oa_place *place) {
    bool is_good = true;

    if (value->type != OA_OBJECT) {
        return loader_fail(c->loader, place, "must be an object of schemas");
    }
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);

        is_good = oa_compiler_schema(c, member, &at) != NULL && is_good;
    }
    return oa_compiler_object(c) != NULL && is_good;
}

static bool compile_patterns(struct oa_compiler *c, const struct oa_json *value,
                             const struct oa_place *place) {
    struct oa_object *object = oa_compiler_object(c);
    bool is_good = compile_map(c, value, place);

    if (object == NULL || value->type != OA_OBJECT) {
        return false;
    }
    object->patterns = loader_alloc(c->loader, value->count + 1, sizeof(*object->patterns));
    if (object->patterns == NULL) {
        return false;
    }
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct pattern_property *pattern = &object->patterns[object->pattern_count++];
        struct oa_place at = place_member(place, member);

        pattern->source = member->key;
        pattern->pattern = oa_compiler_pattern(c, member->key, &at);
        pattern->schema = oa_index_find(c->schemas, member);
        is_good = pattern->pattern != NULL && is_good;
    }
    return is_good;
}

static bool compile_additional(struct oa_compiler *c, const struct oa_json *value,
                               const struct oa_place *place) {
    struct oa_object *object = oa_compiler_object(c);

    if (object != NULL) {
        object->additional = oa_compiler_schema(c, value, place);
    }
    return object != NULL && object->additional != NULL;
}

static bool compile_name_schema(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    struct oa_object *object = oa_compiler_object(c);

    if (object != NULL) {
        object->name_schema = oa_compiler_schema(c, value, place);
    }
    return object != NULL && object->name_schema != NULL;
}

static bool compile_required(struct oa_compiler *c, const struct oa_json *value,
                             const struct oa_place *place) {
    return oa_compiler_names(c, value, place) && oa_compiler_object(c) != NULL;
}

static bool compile_dependent_required(struct oa_compiler *c, const struct oa_json *value,
                                       const struct oa_place *place) {
    bool is_good = true;

    if (value->type != OA_OBJECT) {
        return loader_fail(c->loader, place, "must be an object of arrays of names");
    }
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);

        is_good = oa_compiler_names(c, member, &at) && is_good;
    }
    return oa_compiler_object(c) != NULL && is_good;
}

/* Of drafts before 2019-09; accepted where unknown keywords are. */
static bool compile_dependencies(struct oa_compiler *c, const struct oa_json *value,
                                 const struct oa_place *place) {
    bool is_good = true;

    if (value->type != OA_OBJECT) {
        return loader_fail(c->loader, place, "must be an object of schemas or arrays of names");
    }
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);

        is_good = (member->type == OA_ARRAY ? oa_compiler_names(c, member, &at)
                                            : oa_compiler_schema(c, member, &at) != NULL) &&
                  is_good;
    }
    return oa_compiler_object(c) != NULL && is_good;
}

static bool compile_min_properties(struct oa_compiler *c, const struct oa_json *value,
                                   const struct oa_place *place) {
    struct oa_object *object = oa_compiler_object(c);

    return object != NULL && oa_compiler_size(c, value, place, &object->count_min);
}

static bool compile_max_properties(struct oa_compiler *c, const struct oa_json *value,
                                   const struct oa_place *place) {
    struct oa_object *object = oa_compiler_object(c);

    return object != NULL && oa_compiler_size(c, value, place, &object->count_max);
}

static bool compile_unevaluated(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    const struct oa_schema *schema = oa_compiler_schema(c, value, place);

    if (schema == NULL) {
        return false;
    }
    c->schema->tracked |= OA_OBJECT;
    oa_compiler_op(c, "unevaluatedProperties", value, OA_OBJECT, oa_check_unevaluated_properties)
        ->u.schema = schema;
    return true;
}

const struct oa_keyword oa_keywords_object[] = {
    { "properties", OA_HOLDS_MAP, compile_map },
    { "patternProperties", OA_HOLDS_MAP, compile_patterns },
    { "additionalProperties", OA_HOLDS_SCHEMA, compile_additional },
    { "propertyNames", OA_HOLDS_SCHEMA, compile_name_schema },
    { "required", OA_HOLDS_NONE, compile_required },
    { "dependentRequired", OA_HOLDS_NONE, compile_dependent_required },
    { "dependentSchemas", OA_HOLDS_MAP, compile_map },
    { "dependencies", OA_HOLDS_MIXED, compile_dependencies },
    { "minProperties", OA_HOLDS_NONE, compile_min_properties },
    { "maxProperties", OA_HOLDS_NONE, compile_max_properties },
    { "unevaluatedProperties", OA_HOLDS_SCHEMA, compile_unevaluated },
    { NULL, OA_HOLDS_NONE, NULL },
};

/* ---- the table of names, when all keywords of the schema are known ------------------------- */

static const char *const dependent_keywords[] = { "dependentRequired", "dependentSchemas",
                                                  "dependencies" };

enum { DEPENDENT_KEYWORDS = sizeof(dependent_keywords) / sizeof(dependent_keywords[0]) };

static const struct oa_json *get(const struct oa_compiler *c, const char *keyword) {
    return oa_json_get(c->schema->source, keyword);
}

/* The value of a keyword about what depends on a member, or NULL when it does not count. */
static const struct oa_json *get_dependent(const struct oa_compiler *c, size_t which) {
    const struct oa_json *value = get(c, dependent_keywords[which]);

    return value == NULL || (which == 2 && c->schemas->is_strict) ? NULL : value;
}

static size_t count_names(const struct oa_compiler *c) {
    const struct oa_json *properties = get(c, "properties");
    const struct oa_json *required = get(c, "required");
    size_t count =
        (properties != NULL ? properties->count : 0) + (required != NULL ? required->count : 0);

    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct oa_json *map = get_dependent(c, i);

        count += map != NULL ? map->count : 0;
        for (const struct oa_json *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            count += m->type == OA_ARRAY ? m->count : 0;
        }
    }
    return count;
}

static void add_names(struct oa_object *object, const struct oa_json *list) {
    for (const struct oa_json *one = list != NULL ? list->child : NULL; one != NULL;
         one = one->next) {
        object->names[object->name_count++].name = one->text;
    }
}

/* A name with a schema comes first among its equals. */
static int compare_names(const void *a, const void *b) {
    const struct oa_name *x = a;
    const struct oa_name *y = b;
    int order = str_compare(x->name, y->name);

    return order != 0 ? order : (x->schema == NULL) - (y->schema == NULL);
}

static bool collect_names(struct oa_compiler *c) {
    const struct oa_json *properties = get(c, "properties");
    struct oa_object *object = c->object;
    uint32_t kept = 0;

    object->names = loader_alloc(c->loader, count_names(c) + 1, sizeof(*object->names));
    if (object->names == NULL) {
        return false;
    }
    for (const struct oa_json *m = properties != NULL ? properties->child : NULL; m != NULL;
         m = m->next) {
        object->names[object->name_count++] =
            (struct oa_name){ .name = m->key, .schema = oa_index_find(c->schemas, m) };
    }
    add_names(object, get(c, "required"));
    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct oa_json *map = get_dependent(c, i);

        for (const struct oa_json *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            object->names[object->name_count++].name = m->key;
            add_names(object, m->type == OA_ARRAY ? m : NULL);
        }
    }
    qsort(object->names, object->name_count, sizeof(*object->names), compare_names);
    for (uint32_t i = 0; i < object->name_count; i++) {
        if (i == 0 || !str_equal(object->names[kept - 1].name, object->names[i].name)) {
            object->names[kept++] = object->names[i];
        }
    }
    object->name_count = kept;
    return true;
}

static uint32_t index_of(const struct oa_object *object, struct str name) {
    return (uint32_t)(oa_object_find(object, name) - object->names);
}

static uint32_t *indices_of(struct oa_compiler *c, const struct oa_json *list) {
    uint32_t *indices = loader_alloc(c->loader, list->count + 1, sizeof(*indices));
    size_t count = 0;

    for (const struct oa_json *one = list->child; indices != NULL && one != NULL; one = one->next) {
        indices[count++] = index_of(c->object, one->text);
    }
    return indices;
}

static bool collect_dependents(struct oa_compiler *c) {
    struct oa_object *object = c->object;
    size_t count = 0;

    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        count += get_dependent(c, i) != NULL ? get_dependent(c, i)->count : 0;
    }
    object->dependents = loader_alloc(c->loader, count + 1, sizeof(*object->dependents));
    if (object->dependents == NULL) {
        return false;
    }
    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct oa_json *map = get_dependent(c, i);

        for (const struct oa_json *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            struct oa_dependent *dependent = &object->dependents[object->dependent_count++];

            dependent->trigger = index_of(object, m->key);
            if (m->type != OA_ARRAY) {
                dependent->schema = oa_index_find(c->schemas, m);
                continue;
            }
            dependent->required = indices_of(c, m);
            dependent->required_count = m->count;
            if (dependent->required == NULL) {
                return false;
            }
        }
    }
    return true;
}

/* What nothing can satisfy is a mistake, where mistakes are looked for. */
static bool check_sense(struct oa_compiler *c) {
    const struct oa_object *object = c->object;
    struct oa_place at;

    if (object->count_min > object->count_max) {
        at = place_text(c->schema->place, "minProperties");
        return loader_fail(c->loader, &at, "is greater than \"maxProperties\": no object is valid");
    }
    if (object->additional == NULL || !object->additional->is_false || object->pattern_count > 0) {
        return true;
    }
    at = place_text(c->schema->place, "required");
    for (size_t i = 0; i < object->required_count; i++) {
        const struct oa_name *name = &object->names[object->required[i]];

        if (name->schema == NULL) {
            return loader_fail(c->loader, &at,
                               "\"%.*s\" is required, but not in \"properties\", and "
                               "\"additionalProperties\" is false: no object is valid",
                               OA_STR(name->name));
        }
    }
    return true;
}

bool oa_object_finish(struct oa_compiler *c) {
    const struct oa_json *required = get(c, "required");
    struct oa_object *object = c->object;

    if (object == NULL) {
        return true;
    }
    if (!collect_names(c) || !collect_dependents(c)) {
        return false;
    }
    if (required != NULL) {
        object->required = indices_of(c, required);
        object->required_count = required->count;
        if (object->required == NULL) {
            return false;
        }
    }
    for (size_t i = 0; object->name_count <= 64 && i < object->required_count; i++) {
        object->required_mask |= (uint64_t)1 << object->required[i];
    }
    return !c->schemas->is_strict || check_sense(c);
}
