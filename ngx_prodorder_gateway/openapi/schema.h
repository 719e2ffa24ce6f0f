/*
 * JSON Schema (draft 2020-12, the keywords listed in schema_compile.c): compiled once, run often.
 *
 * A schema is a list of operations, one a keyword that asserts something. To add a keyword, add a
 * row to the table of its file (keyword_*.c): a compile function that fills the operation and a
 * check function that judges one value.
 */
#ifndef OA_SCHEMA_H
#define OA_SCHEMA_H

#include "decimal.h"
#include "json.h"
#include "report.h"

#include <stdbool.h>
#include <stdint.h>

/* Beside enum oa_json_type, for "type": a number without a fraction. */
enum { OA_INTEGER = 128, OA_ANY = 127 };

struct oa_loader;
struct oa_schema;

struct oa_property {
    struct oa_str name;
    const struct oa_schema *schema;
};

/* A table sorted by name. */
struct oa_properties {
    struct oa_property *items;
    size_t count;
};

struct oa_op {
    struct oa_op *next;
    const struct oa_keyword *keyword;
    union {
        unsigned types;                  /* type */
        const struct oa_json *value;     /* const; enum: the array; required: the array */
        const struct oa_schema *schema;  /* $ref, items */
        struct oa_decimal decimal;       /* minimum, maximum, ..., multipleOf */
        uint64_t size;                   /* minLength, maxItems, ... */
        struct oa_properties properties; /* properties */
        struct {
            const struct oa_schema *schema;
            const struct oa_properties *known; /* NULL: no sibling "properties" */
        } additional;
        struct {
            struct oa_str source;
            const void *code; /* pcre2_code */
        } pattern;
    } u;
    struct oa_str text; /* how the schema writes it, for messages */
};

struct oa_schema {
    struct oa_schema *next;       /* all of a document */
    const struct oa_json *source; /* what it was compiled from; unique */
    struct oa_op *ops;
    unsigned types; /* what "type" allows; 0: no "type" */
    bool is_false;  /* the schema false: nothing is valid */
    uint8_t visit;  /* used while looking for endless references */
};

struct oa_run {
    struct oa_report *report;
};

struct oa_keyword {
    const char *name;
    unsigned types; /* the types of values that it says something about */
    /* false after loader_fail(); `schema` is the object that holds the keyword */
    bool (*compile)(struct oa_loader *loader, const struct oa_json *schema,
                    const struct oa_json *value, const struct oa_place *place, struct oa_op *op);
    void (*check)(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                  const struct oa_place *place);
};

/* Tables end with a NULL name. */
extern const struct oa_keyword oa_keywords_any[];
extern const struct oa_keyword oa_keywords_number[];
extern const struct oa_keyword oa_keywords_string[];
extern const struct oa_keyword oa_keywords_array[];
extern const struct oa_keyword oa_keywords_object[];

/* Compile (or find, when it was already) the schema at `node`; NULL after loader_fail(). */
struct oa_schema *oa_schema_compile(struct oa_loader *loader, const struct oa_json *node,
                                    const struct oa_place *place);

/* Refuse schemas that refer to themselves without descending into the value. */
bool oa_schema_check_loops(struct oa_loader *loader);

/* What `type` allows, references followed; 0: anything. */
unsigned oa_schema_types(const struct oa_schema *schema);

/* Check one value; errors go to run->report. */
void oa_schema_run(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                   const struct oa_place *place);

/* Compile helpers for keywords. */
bool oa_compile_size(struct oa_loader *loader, const struct oa_json *value,
                     const struct oa_place *place, struct oa_op *op);
const struct oa_property *oa_properties_find(const struct oa_properties *table, struct oa_str name);

/* Frees what lies outside of the arena (compiled patterns). */
void oa_schema_free_all(struct oa_schema *first);

/* Text for printf's "%.*s". */
#define OA_STR(s) (int)((s).len > 200 ? 200 : (s).len), (s).data

#endif
