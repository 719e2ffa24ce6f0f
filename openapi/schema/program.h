/*
 * What a compiled schema is made of; for the files of the schema engine only.
 *
 * A schema is a list of operations, one for each keyword that asserts something; the keywords about
 * objects share one, those about arrays another, so that a value's children are visited once.
 */
#ifndef OPENAPI_SCHEMA_PROGRAM_H
#define OPENAPI_SCHEMA_PROGRAM_H

#include "base/decimal.h"
#include "marks.h"
#include "openapi/format/format.h"
#include "openapi/pattern/pattern.h"
#include "schema.h"

#include <stddef.h>

struct oa_op;
struct oa_names;

/*
 * Judge one value. False: it is invalid, and (unless run->mode is OA_QUIET) oa_fail() was called.
 * `place` is NULL in quiet mode; `marks` are NULL when nobody asks what was evaluated.
 */
typedef bool (*oa_check_fn)(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                            const struct oa_place *place, struct oa_marks *marks);

struct oa_schema_list {
    const struct oa_schema **items;
    size_t count;
};

struct oa_bound {
    struct decimal decimal;
    struct oa_json number; /* the same: its integer, when it is a small one */
    int beyond;            /* 1: above all small integers, -1: below them */
};

/* The values of "enum"; more than a few are sorted by their hash. */
struct oa_choices {
    struct oa_choice {
        uint64_t hash;
        const struct oa_json *value;
    } * items;
    size_t count;
    bool is_sorted;
    uint64_t seed;
};

struct oa_condition {
    const struct oa_schema *test;
    const struct oa_schema *then_schema; /* may be NULL */
    const struct oa_schema *else_schema;
};

struct oa_dynamic {
    const struct oa_schema *target; /* when no scope says otherwise */
    struct str anchor;              /* data NULL: `target` has no such $dynamicAnchor */
};

struct oa_op {
    oa_check_fn check;
    const char *keyword;
    unsigned types;  /* of values that it says something about */
    struct str text; /* how the schema writes it, for messages */
    union {
        const struct oa_json *value;
        const struct oa_schema *schema;
        const struct oa_bound *bound;
        const struct oa_choices *choices;
        const struct oa_condition *condition;
        const struct oa_dynamic *dynamic;
        const struct oa_object *object;
        const struct oa_array *array;
        const struct format *format;
        const struct pattern *pattern;
        uint64_t size;
        struct oa_schema_list list;
    } u;
};

/* A name that a schema for objects speaks of. */
struct oa_name {
    struct str name;
    const struct oa_schema *schema; /* of "properties"; NULL: the name is only required somewhere */
};

struct pattern_property {
    struct str source;
    const struct pattern *pattern;
    const struct oa_schema *schema;
};

/* "dependentRequired", "dependentSchemas": what follows from a member's presence. */
struct oa_dependent {
    uint32_t trigger; /* index of the name */
    uint32_t *required;
    size_t required_count;
    const struct oa_schema *schema; /* or NULL */
};

struct oa_object {
    struct oa_name *names; /* sorted by str_compare() */
    uint32_t name_count;
    uint32_t *required; /* indices of names, in the schema's order */
    size_t required_count;
    uint64_t required_mask; /* when there are at most 64 names */
    struct pattern_property *patterns;
    size_t pattern_count;
    struct oa_dependent *dependents;
    size_t dependent_count;
    const struct oa_schema *additional; /* or NULL */
    const struct oa_schema *name_schema;
    uint64_t count_min;
    uint64_t count_max; /* UINT64_MAX: none */
};

struct oa_array {
    struct oa_schema_list prefix;
    const struct oa_schema *items; /* or NULL */
    const struct oa_schema *contains;
    uint64_t contains_min;
    uint64_t contains_max;
    uint64_t count_min;
    uint64_t count_max;
    bool is_unique;
    uint64_t seed;
};

struct oa_anchor {
    struct str name;
    const struct oa_schema *schema;
    bool is_dynamic;
};

/* A schema with a URI of its own, and what lies in it up to the next such schema. */
struct oa_resource {
    struct str uri; /* without fragment; "" for the document itself */
    const struct oa_json *node;
    const struct oa_place *place;
    const struct oa_names *anchors; /* of all resources */
};

enum oa_schema_state { OA_INDEXED, OA_COMPILED, OA_FAILED };

struct oa_schema {
    unsigned types;   /* what "type" allows; 0: no "type" */
    unsigned tracked; /* OA_OBJECT, OA_ARRAY: it has unevaluatedProperties, -Items */
    bool is_scoped;   /* some $dynamicRef may need to know that it was entered */
    bool is_false;    /* the schema false */
    uint8_t state;    /* enum oa_schema_state */
    uint8_t visit;    /* used while looking for endless references */
    uint32_t mark;    /* used while looking for what a schema may apply */
    uint16_t height;  /* schemas below it that apply to the same value */
    uint16_t op_count;
    const struct oa_op *ops;
    struct oa_resource *resource;
    const struct oa_json *source; /* what it was compiled from; unique */
    const struct oa_place *place; /* of the source */
    struct oa_schema *next;       /* all of a document */
};

/* Resources that were entered on the way to a value, the innermost first. */
struct oa_scope {
    const struct oa_scope *outer;
    const struct oa_resource *resource;
};

enum oa_run_mode {
    OA_QUIET,    /* valid or not; stop at the first error */
    OA_COUNTING, /* only count errors, to compare the branches of anyOf */
    OA_REPORTING
};

struct oa_probe {
    const struct oa_place *place; /* the value that the branches are for */
    unsigned count;
    bool is_other; /* the value itself has another type or another constant */
};

/* Apply a schema to a value: all its operations. */
bool oa_apply(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
              const struct oa_place *place, struct oa_marks *marks);

/* Whether the value is valid, without a report. */
bool oa_is_valid(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                 struct oa_marks *marks);

/* Whether going on is pointless: quiet mode, or the report is full. Called after an error. */
bool oa_run_is_over(const struct oa_run *run);

/* Report an error in the way of run->mode; always false. */
__attribute__((format(printf, 4, 5))) bool oa_fail(struct oa_run *run, const struct oa_place *place,
                                                   const char *keyword, const char *format, ...);

/* The work cannot be finished: the value is invalid whatever the schemas around say. False. */
bool oa_stop_for_memory(struct oa_run *run);

/*
 * Compare a text with a pattern. When that takes too long or too much memory, the judgement is
 * given up; the first is reported for `place` (in quiet mode, for the whole value), with the
 * pattern's `source`.
 */
enum pattern_result oa_run_pattern(struct oa_run *run, const struct pattern *pattern,
                                      struct str source, struct str text,
                                      const struct oa_place *place);

/* Counts `steps` of work beside the schemas applied; false when there were too many. */
bool oa_run_work(struct oa_run *run, size_t steps);

/* Counts reading all of a value; a text or number is paid for by oa_apply(). */
static inline bool oa_run_read(struct oa_run *run, const struct oa_json *value) {
    return value->child == NULL || oa_run_work(run, value->raw.len / 64);
}

/* A child of a value. In quiet mode no place is built. */
static inline bool oa_apply_member(struct oa_run *run, const struct oa_schema *schema,
                                   const struct oa_json *member, const struct oa_place *place) {
    struct oa_place at;

    if (run->mode == OA_QUIET) {
        return oa_apply(run, schema, member, NULL, NULL);
    }
    at = (struct oa_place){ .parent = place, .key = member->key };
    return oa_apply(run, schema, member, &at, NULL);
}

static inline bool oa_apply_item(struct oa_run *run, const struct oa_schema *schema,
                                 const struct oa_json *item, size_t index,
                                 const struct oa_place *place) {
    struct oa_place at;

    if (run->mode == OA_QUIET) {
        return oa_apply(run, schema, item, NULL, NULL);
    }
    at = (struct oa_place){ .parent = place, .index = index };
    return oa_apply(run, schema, item, &at, NULL);
}

/* What a schema for objects says of the name, or NULL. */
const struct oa_name *oa_object_find(const struct oa_object *object, struct str name);

#endif
