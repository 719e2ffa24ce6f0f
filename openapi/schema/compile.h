/*
 * What the keywords share on their way from a schema to a list of operations.
 *
 * To add a keyword, add a row to the table of its file (keyword_*.c): what schemas its value holds,
 * and a function that compiles it.
 */
#ifndef OPENAPI_SCHEMA_COMPILE_H
#define OPENAPI_SCHEMA_COMPILE_H

#include "index.h"

/* Tables of keywords; each ends with a NULL name. */
extern const struct keyword keyword_value[];
extern const struct keyword keyword_logic[];
extern const struct keyword keyword_array[];
extern const struct keyword keyword_object[];

/* One schema being compiled. */
struct compiler {
    struct loader *loader;
    struct schemas *schemas;
    struct schema *schema;
    const struct keyword *keyword; /* that is being compiled */
    struct op *ops;                /* room for all members */
    struct object *object;
    struct array *array;
};

/* A new operation for the keyword; there is room for it. */
struct op *compile_op(struct compiler *c, const char *keyword, const struct value *value,
                      unsigned types, check_fn *check);

/* The schema at a place that the index knows; NULL after loader_fail() when it is none. */
const struct schema *compile_schema(struct compiler *c, const struct value *node,
                                    const struct place *place);

/* An array of at least one schema. */
bool compile_list(struct compiler *c, const struct value *value, const struct place *place,
                  struct schema_list *ret_list);

/* An integer from 0, exact up to 999999999999999. */
bool compile_size(struct compiler *c, const struct value *value, const struct place *place,
                  uint64_t *ret_size);

/* The same, for the keyword's field of a struct object or array; false when `owner` is NULL. */
bool compile_schema_field(struct compiler *c, void *owner, const struct value *value,
                          const struct place *place);
bool compile_size_field(struct compiler *c, void *owner, const struct value *value,
                        const struct place *place);

/* An array of strings, each once. */
bool compile_names(struct compiler *c, const struct value *value, const struct place *place);

/* A regular expression; NULL after loader_fail(). Freed with the schemas. */
const struct pattern *compile_pattern(struct compiler *c, struct str source,
                                      const struct place *place);

/* Where it matters, that a lower limit is not above the upper one: "no object is valid". */
bool compile_check_range(struct compiler *c, uint64_t low, uint64_t high, const char *low_keyword,
                         const char *high_keyword, const char *what);

/* For a $dynamicRef whose anchor is nowhere else: it always leads to the same schema. */
void keyword_logic_make_static(struct op *op);

/* What is left to do when all keywords of a schema were compiled. */
bool keyword_object_finish(struct compiler *c);
bool keyword_array_finish(struct compiler *c);
bool keyword_value_finish(struct compiler *c);

/* vocabulary.c: NULL: unknown. */
const struct keyword *vocabulary_find(const struct schemas *schemas, struct str name);

/* Report a keyword that is unknown where unknown ones are refused; false when it was. */
bool vocabulary_refuse(struct loader *loader, struct str name, const struct place *place);

#endif
