/*
 * Keywords for objects: properties, patternProperties, additionalProperties, propertyNames,
 * required, dependentRequired, dependentSchemas, minProperties, maxProperties.
 *
 * One pass over the members finds each in the table of names and notes it as seen: what is required
 * and what depends on what is then looked up by index.
 */
#include "base/utf8.h"
#include "compile.h"

#include <stddef.h>
#include <stdlib.h>

/* Fewer names are compared one by one, more are searched. */
enum { LINEAR_MAX = 6 };

static const struct name *find_name(const struct object *object, struct str name) {
    uint32_t low = 0;
    uint32_t high = object->name_count;

    if (high <= LINEAR_MAX) {
        for (; low < high; low++) {
            if (str_equal(object->names[low].name, name)) {
                return &object->names[low];
            }
        }
        return NULL;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = str_compare(object->names[middle].name, name);

        if (order == 0) {
            return &object->names[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* What one pass over the members knows. */
struct pass {
    struct run *run;
    const struct object *object;
    const struct place *place;
    bool is_valid;
};

/* The schemas of patternProperties that a member falls under; whether there were any. */
static bool check_patterns(struct pass *pass, const struct value *member) {
    bool is_matched = false;

    for (size_t i = 0; i < pass->object->pattern_count; i++) {
        const struct pattern_property *pattern = &pass->object->patterns[i];

        enum pattern_result result =
            run_pattern(pass->run, pattern->pattern, pattern->source, member->key, pass->place);

        if (result == PATTERN_NO_MATCH) {
            continue;
        }
        is_matched = true;
        if (result != PATTERN_MATCH ||
            !run_apply_child(pass->run, pattern->schema, member, 0, pass->place)) {
            pass->is_valid = false;
        }
    }
    return is_matched;
}

static void check_additional(struct pass *pass, const struct value *member) {
    struct place at;

    if (!pass->object->additional->is_false) {
        if (!run_apply_child(pass->run, pass->object->additional, member, 0, pass->place)) {
            pass->is_valid = false;
        }
        return;
    }
    pass->is_valid = false;
    if (pass->run->mode != RUN_QUIET) {
        at = place_member(pass->place, member);
        run_fail(pass->run, &at, "additionalProperties", "must NOT have additional property '%.*s'",
                 SHOWN(member->key));
    }
}

/* The schema speaks of the name as of a value; the message, of the name. */
static void check_name(struct pass *pass, const struct value *member) {
    struct value name = { .type = VALUE_STRING, .raw = member->key, .text = member->key };
    struct str why = STR("is not allowed");
    struct place at;
    struct report reasons;
    struct report *report = pass->run->report;

    name.count = (uint32_t)utf8_count(member->key.data, member->key.len);
    if (run_is_valid(pass->run, pass->object->name_schema, &name, NULL)) {
        return;
    }
    pass->is_valid = false;
    if (pass->run->mode != RUN_REPORTING) {
        run_fail(pass->run, pass->place, "propertyNames", "%s", "");
        return;
    }
    report_init(&reasons, report->arena, 1);
    pass->run->report = &reasons;
    at = place_member(pass->place, member);
    run_apply(pass->run, pass->object->name_schema, &name, &at, NULL);
    pass->run->report = report;
    report->out_of_memory = report->out_of_memory || reasons.out_of_memory;
    if (reasons.count > 0 && !pass->object->name_schema->is_false) {
        why = reasons.first->message;
    }
    run_fail(pass->run, pass->place, "propertyNames", "the property name '%.*s' %.*s",
             SHOWN(member->key), SHOWN(why));
}

/* Every member once; false when going on is pointless. */
static bool check_members(struct pass *pass, const struct value *value, struct marks *seen,
                          struct marks *marks) {
    const struct object *object = pass->object;
    uint32_t index = 0;

    for (const struct value *member = value->child; member != NULL;
         member = member->next, index++) {
        const struct name *name = find_name(object, member->key);
        bool is_matched = false;

        if (name != NULL) {
            marks_set(seen, (uint32_t)(name - object->names));
        }
        if (name != NULL && name->schema != NULL) {
            is_matched = true;
            if (!run_apply_child(pass->run, name->schema, member, 0, pass->place)) {
                pass->is_valid = false;
            }
        }
        if (object->pattern_count > 0 && check_patterns(pass, member)) {
            is_matched = true;
        }
        if (!is_matched && object->additional != NULL) {
            is_matched = true;
            check_additional(pass, member);
        }
        if (is_matched && marks != NULL) {
            marks_set(marks, index);
        }
        if (object->name_schema != NULL) {
            check_name(pass, member);
        }
        if (!pass->is_valid && run_is_over(pass->run)) {
            return false;
        }
    }
    return true;
}

static void check_required(struct pass *pass, const struct marks *seen) {
    const struct object *object = pass->object;

    if (object->name_count <= 64 && (seen->few & object->required_mask) == object->required_mask) {
        return;
    }
    for (size_t i = 0; i < object->required_count; i++) {
        if (marks_has(seen, object->required[i])) {
            continue;
        }
        pass->is_valid =
            run_fail(pass->run, pass->place, "required", "must have required property '%.*s'",
                     SHOWN(object->names[object->required[i]].name));
        if (run_is_over(pass->run)) {
            return;
        }
    }
}

static void check_dependents(struct pass *pass, const struct value *value, const struct marks *seen,
                             struct marks *marks) {
    const struct name *names = pass->object->names;

    for (size_t i = 0; i < pass->object->dependent_count; i++) {
        const struct dependent *dependent = &pass->object->dependents[i];

        if (!marks_has(seen, dependent->trigger)) {
            continue;
        }
        for (size_t k = 0; k < dependent->required_count; k++) {
            if (!marks_has(seen, dependent->required[k])) {
                pass->is_valid =
                    run_fail(pass->run, pass->place, "dependentRequired",
                             "must have property '%.*s' when property '%.*s' is present",
                             SHOWN(names[dependent->required[k]].name),
                             SHOWN(names[dependent->trigger].name));
            }
        }
        if (dependent->schema != NULL &&
            !run_apply(pass->run, dependent->schema, value, pass->place, marks)) {
            pass->is_valid = false;
        }
        if (!pass->is_valid && run_is_over(pass->run)) {
            return;
        }
    }
}

static void check_counts(struct pass *pass, const struct value *value) {
    const struct object *object = pass->object;

    if (value->count < object->count_min) {
        pass->is_valid =
            run_fail(pass->run, pass->place, "minProperties", "must have at least %llu propert%s",
                     (unsigned long long)object->count_min, object->count_min == 1 ? "y" : "ies");
    }
    if (value->count > object->count_max) {
        pass->is_valid =
            run_fail(pass->run, pass->place, "maxProperties", "must have at most %llu propert%s",
                     (unsigned long long)object->count_max, object->count_max == 1 ? "y" : "ies");
    }
}

static bool check_object(struct run *run, const struct op *op, const struct value *value,
                         const struct place *place, struct marks *marks) {
    struct pass pass = { .run = run, .object = op->u.object, .place = place, .is_valid = true };
    struct marks seen;

    if (!run_work(run, value->count / 8 + pass.object->name_count / 512)) {
        return false;
    }
    if (!marks_open(&seen, pass.object->name_count)) {
        return run_stop_for_memory(run);
    }
    if (check_members(&pass, value, &seen, marks)) {
        check_required(&pass, &seen);
        if (pass.is_valid || !run_is_over(run)) {
            check_dependents(&pass, value, &seen, marks);
            check_counts(&pass, value);
        }
    }
    marks_close(&seen);
    return pass.is_valid;
}

/* ---- compiled ---- */

static struct object *object_of(struct compiler *c) {
    if (c->object == NULL) {
        c->object = loader_alloc(c->loader, 1, sizeof(*c->object));
        if (c->object == NULL) {
            return NULL;
        }
        c->object->count_max = UINT64_MAX;
        compile_op(c, "properties", NULL, VALUE_OBJECT, check_object)->u.object = c->object;
    }
    return c->object;
}

/* An object whose members are schemas; what it means is added by keyword_object_finish(). */
static bool compile_map(struct compiler *c, const struct value *value, const struct place *place) {
    bool is_good = true;

    if (value->type != VALUE_OBJECT) {
        return loader_fail(c->loader, place, "must be an object of schemas");
    }
    for (const struct value *member = value->child; member != NULL; member = member->next) {
        struct place at = place_member(place, member);

        is_good = compile_schema(c, member, &at) != NULL && is_good;
    }
    return object_of(c) != NULL && is_good;
}

static bool compile_patterns(struct compiler *c, const struct value *value,
                             const struct place *place) {
    struct object *object = object_of(c);
    bool is_good = compile_map(c, value, place);

    if (object == NULL || value->type != VALUE_OBJECT) {
        return false;
    }
    object->patterns = loader_alloc(c->loader, value->count + 1, sizeof(*object->patterns));
    if (object->patterns == NULL) {
        return false;
    }
    for (const struct value *member = value->child; member != NULL; member = member->next) {
        struct pattern_property *pattern = &object->patterns[object->pattern_count++];
        struct place at = place_member(place, member);

        pattern->source = member->key;
        pattern->pattern = compile_pattern(c, member->key, &at);
        pattern->schema = index_find(c->schemas, member);
        is_good = pattern->pattern != NULL && is_good;
    }
    return is_good;
}

static bool compile_one(struct compiler *c, const struct value *value, const struct place *place) {
    return compile_schema_field(c, object_of(c), value, place);
}

static bool compile_required(struct compiler *c, const struct value *value,
                             const struct place *place) {
    return compile_names(c, value, place) && object_of(c) != NULL;
}

/* Names that each depend on a member; "dependencies", of earlier drafts, may have schemas, too. */
static bool compile_dependent(struct compiler *c, const struct value *value,
                              const struct place *place) {
    bool may_be_schemas = c->keyword->holds == HOLDS_MIXED;
    bool is_good = true;

    if (value->type != VALUE_OBJECT) {
        return loader_fail(c->loader, place, "must be an object of %sarrays of names",
                           may_be_schemas ? "schemas or " : "");
    }
    for (const struct value *member = value->child; member != NULL; member = member->next) {
        struct place at = place_member(place, member);

        is_good =
            (may_be_schemas && member->type != VALUE_ARRAY ? compile_schema(c, member, &at) != NULL
                                                           : compile_names(c, member, &at)) &&
            is_good;
    }
    return object_of(c) != NULL && is_good;
}

static bool compile_count(struct compiler *c, const struct value *value,
                          const struct place *place) {
    return compile_size_field(c, object_of(c), value, place);
}

#define FIELD(member) .field = offsetof(struct object, member)

const struct keyword keyword_object[] = {
    { .name = "properties", .holds = HOLDS_MAP, .compile = compile_map },
    { .name = "patternProperties", .holds = HOLDS_MAP, .compile = compile_patterns },
    { .name = "additionalProperties",
      .holds = HOLDS_SCHEMA,
      .compile = compile_one,
      FIELD(additional) },
    { .name = "propertyNames", .holds = HOLDS_SCHEMA, .compile = compile_one, FIELD(name_schema) },
    { .name = "required", .compile = compile_required },
    { .name = "dependentRequired", .compile = compile_dependent },
    { .name = "dependentSchemas", .holds = HOLDS_MAP, .compile = compile_map },
    { .name = "dependencies", .holds = HOLDS_MIXED, .compile = compile_dependent },
    { .name = "minProperties", .compile = compile_count, FIELD(count_min) },
    { .name = "maxProperties", .compile = compile_count, FIELD(count_max) },
    { .name = NULL },
};

/* ---- the table of names, when all keywords of the schema are known ---- */

static const char *const dependent_keywords[] = { "dependentRequired", "dependentSchemas",
                                                  "dependencies" };

enum { DEPENDENT_KEYWORDS = sizeof(dependent_keywords) / sizeof(dependent_keywords[0]) };

static const struct value *get(const struct compiler *c, const char *keyword) {
    return value_get(c->schema->source, keyword);
}

/* The value of a keyword about what depends on a member, or NULL when it does not count. */
static const struct value *get_dependent(const struct compiler *c, size_t which) {
    const struct value *value = get(c, dependent_keywords[which]);

    return value == NULL || (which == 2 && c->schemas->options.is_strict) ? NULL : value;
}

static size_t count_names(const struct compiler *c) {
    const struct value *properties = get(c, "properties");
    const struct value *required = get(c, "required");
    size_t count =
        (properties != NULL ? properties->count : 0) + (required != NULL ? required->count : 0);

    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct value *map = get_dependent(c, i);

        count += map != NULL ? map->count : 0;
        for (const struct value *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            count += m->type == VALUE_ARRAY ? m->count : 0;
        }
    }
    return count;
}

static void add_names(struct object *object, const struct value *list) {
    for (const struct value *one = list != NULL ? list->child : NULL; one != NULL;
         one = one->next) {
        object->names[object->name_count++].name = one->text;
    }
}

/* A name with a schema comes first among its equals. */
static int compare_names(const void *a, const void *b) {
    const struct name *x = a;
    const struct name *y = b;
    int order = str_compare(x->name, y->name);

    return order != 0 ? order : (x->schema == NULL) - (y->schema == NULL);
}

static bool collect_names(struct compiler *c) {
    const struct value *properties = get(c, "properties");
    struct object *object = c->object;
    uint32_t kept = 0;

    object->names = loader_alloc(c->loader, count_names(c) + 1, sizeof(*object->names));
    if (object->names == NULL) {
        return false;
    }
    for (const struct value *m = properties != NULL ? properties->child : NULL; m != NULL;
         m = m->next) {
        object->names[object->name_count++] =
            (struct name){ .name = m->key, .schema = index_find(c->schemas, m) };
    }
    add_names(object, get(c, "required"));
    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct value *map = get_dependent(c, i);

        for (const struct value *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            object->names[object->name_count++].name = m->key;
            add_names(object, m->type == VALUE_ARRAY ? m : NULL);
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

static uint32_t index_of(const struct object *object, struct str name) {
    return (uint32_t)(find_name(object, name) - object->names);
}

static uint32_t *indices_of(struct compiler *c, const struct value *list) {
    uint32_t *indices = loader_alloc(c->loader, list->count + 1, sizeof(*indices));
    size_t count = 0;

    for (const struct value *one = list->child; indices != NULL && one != NULL; one = one->next) {
        indices[count++] = index_of(c->object, one->text);
    }
    return indices;
}

static bool collect_dependents(struct compiler *c) {
    struct object *object = c->object;
    size_t count = 0;

    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        count += get_dependent(c, i) != NULL ? get_dependent(c, i)->count : 0;
    }
    object->dependents = loader_alloc(c->loader, count + 1, sizeof(*object->dependents));
    if (object->dependents == NULL) {
        return false;
    }
    for (size_t i = 0; i < DEPENDENT_KEYWORDS; i++) {
        const struct value *map = get_dependent(c, i);

        for (const struct value *m = map != NULL ? map->child : NULL; m != NULL; m = m->next) {
            struct dependent *dependent = &object->dependents[object->dependent_count++];

            dependent->trigger = index_of(object, m->key);
            if (m->type != VALUE_ARRAY) {
                dependent->schema = index_find(c->schemas, m);
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
static bool check_sense(struct compiler *c) {
    const struct object *object = c->object;

    if (object->additional == NULL || !object->additional->is_false || object->pattern_count > 0) {
        return true;
    }
    for (size_t i = 0; i < object->required_count; i++) {
        const struct name *name = &object->names[object->required[i]];

        if (name->schema == NULL) {
            return loader_fail_at(c->loader, c->schema->place, "required",
                                  "\"%.*s\" is required, but not in \"properties\", and "
                                  "\"additionalProperties\" is false: no object is valid",
                                  SHOWN(name->name));
        }
    }
    return true;
}

bool keyword_object_finish(struct compiler *c) {
    const struct value *required = get(c, "required");
    struct object *object = c->object;

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
    return !c->schemas->options.is_strict ||
           (compile_check_range(c, object->count_min, object->count_max, "minProperties",
                                "maxProperties", "object") &&
            check_sense(c));
}
