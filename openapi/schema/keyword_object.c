/*
 * Objects, judged: properties, patternProperties, additionalProperties, propertyNames, required,
 * dependentRequired, dependentSchemas, minProperties, maxProperties, unevaluatedProperties. How
 * they are compiled is in keyword_object_compile.c.
 *
 * One pass over the members finds each in the table of names and notes it as seen: what is required
 * and what depends on what is then looked up by index.
 */
#include "keyword_object.h"
#include "base/utf8.h"

/* Fewer names are compared one by one, more are searched. */
enum { LINEAR_MAX = 6 };

const struct oa_name *oa_object_find(const struct oa_object *object, struct str name) {
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
    struct oa_run *run;
    const struct oa_object *object;
    const struct oa_place *place;
    bool is_valid;
};

/* The schemas of patternProperties that a member falls under; whether there were any. */
static bool check_patterns(struct pass *pass, const struct oa_json *member) {
    bool is_matched = false;

    for (size_t i = 0; i < pass->object->pattern_count; i++) {
        const struct pattern_property *pattern = &pass->object->patterns[i];

        enum pattern_result result =
            oa_run_pattern(pass->run, pattern->pattern, pattern->source, member->key, pass->place);

        if (result == PATTERN_NO_MATCH) {
            continue;
        }
        is_matched = true;
        if (result != PATTERN_MATCH ||
            !oa_apply_member(pass->run, pattern->schema, member, pass->place)) {
            pass->is_valid = false;
        }
    }
    return is_matched;
}

static void check_additional(struct pass *pass, const struct oa_json *member) {
    struct oa_place at;

    if (!pass->object->additional->is_false) {
        if (!oa_apply_member(pass->run, pass->object->additional, member, pass->place)) {
            pass->is_valid = false;
        }
        return;
    }
    pass->is_valid = false;
    if (pass->run->mode != OA_QUIET) {
        at = place_member(pass->place, member);
        oa_fail(pass->run, &at, "additionalProperties", "must NOT have additional property '%.*s'",
                OA_STR(member->key));
    }
}

/* The schema speaks of the name as of a value; the message, of the name. */
static void check_name(struct pass *pass, const struct oa_json *member) {
    struct oa_json name = { .type = OA_STRING, .raw = member->key, .text = member->key };
    struct str why = { "is not allowed", 14 };
    struct oa_place at;
    struct oa_report reasons;
    struct oa_report *report = pass->run->report;

    name.count = (uint32_t)utf8_count(member->key.data, member->key.len);
    if (oa_is_valid(pass->run, pass->object->name_schema, &name, NULL)) {
        return;
    }
    pass->is_valid = false;
    if (pass->run->mode != OA_REPORTING) {
        oa_fail(pass->run, pass->place, "propertyNames", "%s", "");
        return;
    }
    oa_report_init(&reasons, report->arena, 1);
    pass->run->report = &reasons;
    at = (struct oa_place){ .parent = pass->place, .key = member->key };
    oa_apply(pass->run, pass->object->name_schema, &name, &at, NULL);
    pass->run->report = report;
    report->out_of_memory = report->out_of_memory || reasons.out_of_memory;
    if (reasons.count > 0 && !pass->object->name_schema->is_false) {
        why = reasons.first->message;
    }
    oa_fail(pass->run, pass->place, "propertyNames", "the property name '%.*s' %.*s",
            OA_STR(member->key), OA_STR(why));
}

/* Every member once; false when going on is pointless. */
static bool check_members(struct pass *pass, const struct oa_json *value, struct oa_marks *seen,
                          struct oa_marks *marks) {
    const struct oa_object *object = pass->object;
    uint32_t index = 0;

    for (const struct oa_json *member = value->child; member != NULL;
         member = member->next, index++) {
        const struct oa_name *name = oa_object_find(object, member->key);
        bool is_matched = false;

        if (name != NULL) {
            oa_marks_set(seen, (uint32_t)(name - object->names));
        }
        if (name != NULL && name->schema != NULL) {
            is_matched = true;
            if (!oa_apply_member(pass->run, name->schema, member, pass->place)) {
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
            oa_marks_set(marks, index);
        }
        if (object->name_schema != NULL) {
            check_name(pass, member);
        }
        if (!pass->is_valid && oa_run_is_over(pass->run)) {
            return false;
        }
    }
    return true;
}

static void check_required(struct pass *pass, const struct oa_marks *seen) {
    const struct oa_object *object = pass->object;

    if (object->name_count <= 64 && (seen->few & object->required_mask) == object->required_mask) {
        return;
    }
    for (size_t i = 0; i < object->required_count; i++) {
        if (oa_marks_has(seen, object->required[i])) {
            continue;
        }
        pass->is_valid =
            oa_fail(pass->run, pass->place, "required", "must have required property '%.*s'",
                    OA_STR(object->names[object->required[i]].name));
        if (oa_run_is_over(pass->run)) {
            return;
        }
    }
}

static void check_dependents(struct pass *pass, const struct oa_json *value,
                             const struct oa_marks *seen, struct oa_marks *marks) {
    const struct oa_name *names = pass->object->names;

    for (size_t i = 0; i < pass->object->dependent_count; i++) {
        const struct oa_dependent *dependent = &pass->object->dependents[i];

        if (!oa_marks_has(seen, dependent->trigger)) {
            continue;
        }
        for (size_t k = 0; k < dependent->required_count; k++) {
            if (!oa_marks_has(seen, dependent->required[k])) {
                pass->is_valid =
                    oa_fail(pass->run, pass->place, "dependentRequired",
                            "must have property '%.*s' when property '%.*s' is present",
                            OA_STR(names[dependent->required[k]].name),
                            OA_STR(names[dependent->trigger].name));
            }
        }
        if (dependent->schema != NULL &&
            !oa_apply(pass->run, dependent->schema, value, pass->place, marks)) {
            pass->is_valid = false;
        }
        if (!pass->is_valid && oa_run_is_over(pass->run)) {
            return;
        }
    }
}

static void check_counts(struct pass *pass, const struct oa_json *value) {
    const struct oa_object *object = pass->object;

    if (value->count < object->count_min) {
        pass->is_valid =
            oa_fail(pass->run, pass->place, "minProperties", "must have at least %llu propert%s",
                    (unsigned long long)object->count_min, object->count_min == 1 ? "y" : "ies");
    }
    if (value->count > object->count_max) {
        pass->is_valid =
            oa_fail(pass->run, pass->place, "maxProperties", "must have at most %llu propert%s",
                    (unsigned long long)object->count_max, object->count_max == 1 ? "y" : "ies");
    }
}

bool oa_check_object(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                     const struct oa_place *place, struct oa_marks *marks) {
    struct pass pass = { .run = run, .object = op->u.object, .place = place, .is_valid = true };
    struct oa_marks seen;

    if (!oa_run_work(run, value->count / 8 + pass.object->name_count / 512)) {
        return false;
    }
    if (!oa_marks_open(&seen, pass.object->name_count)) {
        return oa_stop_for_memory(run);
    }
    if (check_members(&pass, value, &seen, marks)) {
        check_required(&pass, &seen);
        if (pass.is_valid || !oa_run_is_over(run)) {
            check_dependents(&pass, value, &seen, marks);
            check_counts(&pass, value);
        }
    }
    oa_marks_close(&seen);
    return pass.is_valid;
}

bool oa_check_unevaluated_properties(struct oa_run *run, const struct oa_op *op,
                                     const struct oa_json *value, const struct oa_place *place,
                                     struct oa_marks *marks) {
    uint32_t index = 0;
    bool is_valid = true;

    for (const struct oa_json *member = value->child; member != NULL;
         member = member->next, index++) {
        struct oa_place at;

        if (oa_marks_has(marks, index)) {
            continue;
        }
        if (op->u.schema->is_false && run->mode != OA_QUIET) {
            at = place_member(place, member);
            is_valid = oa_fail(run, &at, "unevaluatedProperties",
                               "must NOT have unevaluated property '%.*s'", OA_STR(member->key));
        } else if (!oa_apply_member(run, op->u.schema, member, place)) {
            is_valid = false;
        }
        if (!is_valid && oa_run_is_over(run)) {
            return false;
        }
    }
    marks->all = true;
    return is_valid;
}
