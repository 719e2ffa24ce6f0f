/*
 * What a compiled schema is made of, and what running one offers its operations; for the files of
 * the schema engine only.
 *
 * A schema is a list of operations, one for each keyword that asserts something; the keywords about
 * objects share one, those about arrays another, so that a value's children are visited once.
 */
#ifndef OPENAPI_SCHEMA_PROGRAM_H
#define OPENAPI_SCHEMA_PROGRAM_H

#include "base/decimal.h"
#include "openapi/format/format.h"
#include "openapi/pattern/pattern.h"
#include "schema.h"

#include <stdlib.h>

struct marks;
struct op;
struct resource;
struct run;

/*
 * Judge one value. False: it is invalid, and (unless run->mode is RUN_QUIET) run_fail() was called.
 * `place` is NULL in quiet mode; `marks` are NULL when nobody asks what was evaluated.
 */
typedef bool check_fn(struct run *run, const struct op *op, const struct value *value,
                      const struct place *place, struct marks *marks);

struct schema_list {
    const struct schema **items;
    size_t count;
};

struct bound {
    struct decimal decimal;
    struct value number; /* the same: its integer, when it is a small one */
    int beyond;          /* 1: above all small integers, -1: below them */
    int side;            /* 1: a lower bound, -1: an upper one */
    bool is_exclusive;
    const char *relation; /* ">=" */
};

/* The values of "enum"; more than a few are sorted by their hash. */
struct choices {
    struct choice {
        uint64_t hash;
        const struct value *value;
    } * items;
    size_t count;
    bool is_sorted;
    uint64_t seed;
};

struct condition {
    const struct schema *test;
    const struct schema *then_schema; /* may be NULL */
    const struct schema *else_schema;
};

struct dynamic {
    const struct schema *target; /* when no scope says otherwise */
    struct str anchor;           /* data NULL: `target` has no such $dynamicAnchor */
};

struct op {
    check_fn *check;
    const char *keyword;
    unsigned types;  /* of values that it says something about */
    struct str text; /* how the schema writes it, for messages */
    union {
        const struct value *value;
        const struct schema *schema;
        const struct bound *bound;
        const struct choices *choices;
        const struct condition *condition;
        const struct dynamic *dynamic;
        const struct object *object;
        const struct array *array;
        const struct format *format;
        const struct pattern *pattern;
        uint64_t size;
        struct schema_list list;
    } u;
};

/* A name that a schema for objects speaks of. */
struct name {
    struct str name;
    const struct schema *schema; /* of "properties"; NULL: the name is only required somewhere */
};

struct pattern_property {
    struct str source;
    const struct pattern *pattern;
    const struct schema *schema;
};

/* "dependentRequired", "dependentSchemas": what follows from a member's presence. */
struct dependent {
    uint32_t trigger; /* index of the name */
    uint32_t *required;
    size_t required_count;
    const struct schema *schema; /* or NULL */
};

struct object {
    struct name *names; /* sorted by str_compare() */
    uint32_t name_count;
    uint32_t *required; /* indices of names, in the schema's order */
    size_t required_count;
    uint64_t required_mask; /* when there are at most 64 names */
    struct pattern_property *patterns;
    size_t pattern_count;
    struct dependent *dependents;
    size_t dependent_count;
    const struct schema *additional; /* or NULL */
    const struct schema *name_schema;
    uint64_t count_min;
    uint64_t count_max; /* UINT64_MAX: none */
};

struct array {
    struct schema_list prefix;
    const struct schema *items; /* or NULL */
    const struct schema *contains;
    uint64_t contains_min;
    uint64_t contains_max;
    uint64_t count_min;
    uint64_t count_max;
    bool is_unique;
    uint64_t seed;
};

struct anchor {
    struct str name;
    const struct schema *schema;
    bool is_dynamic;
};

enum schema_state { SCHEMA_INDEXED, SCHEMA_COMPILED, SCHEMA_FAILED };

struct schema {
    unsigned types;   /* what "type" allows; 0: no "type" */
    unsigned tracked; /* VALUE_OBJECT, VALUE_ARRAY: it has unevaluatedProperties, -Items */
    bool is_scoped;   /* some $dynamicRef may need to know that it was entered */
    bool is_false;    /* the schema false */
    uint8_t state;    /* enum schema_state */
    uint8_t visit;    /* used while looking for endless references */
    uint32_t mark;    /* used while looking for what a schema may apply */
    uint16_t height;  /* schemas below it that apply to the same value */
    uint16_t op_count;
    const struct op *ops;
    struct resource *resource;
    const struct value *source; /* what it was compiled from; unique */
    const struct place *place;  /* of the source */
    struct schema *next;        /* all of a document */
};

/* Resources that were entered on the way to a value, the innermost first. */
struct scope {
    const struct scope *outer;
    const struct resource *resource;
};

enum run_mode {
    RUN_QUIET,    /* valid or not; stop at the first error */
    RUN_COUNTING, /* only count errors, to compare the branches of anyOf */
    RUN_REPORTING
};

struct probe {
    const struct place *place; /* the value that the branches are for */
    unsigned count;
    bool is_other; /* the value itself has another type or another constant */
};

/*
 * ---- which children were evaluated, for unevaluatedItems and unevaluatedProperties ----
 *
 * A set of indices below `count`; up to 64 take no memory but the stack.
 */

struct marks {
    uint64_t *words; /* &few, or allocated */
    uint64_t few;
    uint32_t count;
    bool all; /* every index, whatever the words say */
};

static inline uint32_t marks_words(uint32_t count) {
    return (count + 63) / 64;
}

/* An empty set, to be closed at the same place: it must not be copied. False: no memory. */
static inline bool marks_open(struct marks *marks, uint32_t count) {
    marks->few = 0;
    marks->count = count;
    marks->all = false;
    marks->words = count <= 64 ? &marks->few : calloc(marks_words(count), sizeof(uint64_t));
    return marks->words != NULL;
}

static inline void marks_close(struct marks *marks) {
    if (marks->words != &marks->few) {
        free(marks->words);
    }
}

static inline void marks_set(struct marks *marks, uint32_t index) {
    marks->words[index / 64] |= (uint64_t)1 << (index % 64);
}

static inline bool marks_has(const struct marks *marks, uint32_t index) {
    return marks->all || (marks->words[index / 64] >> (index % 64) & 1) != 0;
}

/* Both are of the same count. */
static inline void marks_merge(struct marks *into, const struct marks *from) {
    into->all = into->all || from->all;
    for (uint32_t i = 0; i < marks_words(into->count); i++) {
        into->words[i] |= from->words[i];
    }
}

/* ---- running ---- */

/* One judgement. */
struct run {
    struct report *report;
    uint32_t steps_left;
    uint32_t steps_unused; /* what was left when the judgement was given up */
    uint32_t depth_left;
    uint64_t pattern_work;
    struct str pattern; /* that took too long */
    uint8_t mode;       /* enum run_mode */
    uint8_t stop;
    struct probe *probe;
    const struct scope *scope;
};

/* Apply a schema to a value: all its operations. */
bool run_apply(struct run *run, const struct schema *schema, const struct value *value,
               const struct place *place, struct marks *marks);

/* Whether the value is valid, without a report. */
bool run_is_valid(struct run *run, const struct schema *schema, const struct value *value,
                  struct marks *marks);

/* Whether going on is pointless: quiet mode, or the report is full. Called after an error. */
bool run_is_over(const struct run *run);

/* Report an error in the way of run->mode; always false. */
__attribute__((format(printf, 4, 5))) bool run_fail(struct run *run, const struct place *place,
                                                    const char *keyword, const char *format, ...);

/* The work cannot be finished: the value is invalid whatever the schemas around say. False. */
bool run_stop_for_memory(struct run *run);

/*
 * Compare a text with a pattern. When that takes too long or too much memory, the judgement is
 * given up; the first is reported for `place` (in quiet mode, for the whole value), with the
 * pattern's `source`.
 */
enum pattern_result run_pattern(struct run *run, const struct pattern *pattern, struct str source,
                                struct str text, const struct place *place);

/* Counts `steps` of work beside the schemas applied; false when there were too many. */
bool run_work(struct run *run, size_t steps);

/* Counts reading all of a value; a text or number is paid for by run_apply(). */
static inline bool run_read(struct run *run, const struct value *value) {
    return value->child == NULL || run_work(run, value->raw.len / 64);
}

/* A child of a value, an item at `index`. In quiet mode no place is built. */
static inline bool run_apply_child(struct run *run, const struct schema *schema,
                                   const struct value *child, size_t index,
                                   const struct place *place) {
    struct place at;

    if (run->mode == RUN_QUIET) {
        return run_apply(run, schema, child, NULL, NULL);
    }
    at = place_child(place, child, index);
    return run_apply(run, schema, child, &at, NULL);
}

#endif
