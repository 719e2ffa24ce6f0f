/*
 * JSON Schema, draft 2020-12: every keyword of its core, applicator, unevaluated, validation and
 * format-assertion vocabularies. Compiled once, run often.
 *
 * Compiling goes in steps: index.c notes all schemas of a document with their identifiers and
 * resolves references (RFC 3986, RFC 6901) within the document, keyword_*.c turn each schema into a
 * list of operations, finish.c looks at all of them together. Running (run.c) first asks only
 * whether a value is valid, which writes nothing; only for an invalid one it runs again to say what
 * is wrong.
 *
 * Source: draft-bhutton-json-schema-01, draft-bhutton-json-schema-validation-01. A schema is
 * read-only once it is compiled: any number of threads may run it.
 */
#ifndef OPENAPI_SCHEMA_SCHEMA_H
#define OPENAPI_SCHEMA_SCHEMA_H

#include "openapi/loader.h"

/* Beside enum value_type, for "type": a number without a fraction. */
enum { SCHEMA_INTEGER = 128, SCHEMA_ANY = 127 };

enum {
    /* Schemas applied inside of each other while one value is judged, references included. */
    SCHEMA_DEPTH_MAX = 2048,
    /* The same, at the same value: more in a document is a mistake of it. */
    SCHEMA_IN_PLACE_MAX = 256,
    /* Default of schema_limits.steps_max. */
    SCHEMA_STEPS_MAX = 2000000
};

struct schema;
struct schemas; /* all schemas of a document */

/* ---- compiling ---- */

struct schema_options {
    bool is_strict;       /* an unknown keyword, or what nothing can satisfy, is a mistake */
    bool asserts_formats; /* else "format" is an annotation */
};

/* The schemas of the text that `loader` has parsed: none so far. NULL after loader_fail(). */
struct schemas *schema_open(struct loader *loader, const struct schema_options *options);

/*
 * Note the schema at `node` and all schemas in it, with their identifiers. `place` must live as
 * long as the document. False after loader_fail().
 */
bool schema_note(struct schemas *schemas, const struct value *node, const struct place *place);

/* Compile what was noted; false after loader_fail(). References may note more on the way. */
bool schema_compile_noted(struct schemas *schemas);

/*
 * The schema at `node`, noted and compiled when it was not; NULL when it has mistakes, which were
 * reported.
 */
struct schema *schema_compile(struct schemas *schemas, const struct value *node,
                              const struct place *place);

/* The last step: refuse schemas that refer to themselves without descending into the value. */
bool schema_finish(struct schemas *schemas);

/*
 * Whether a schema can be run: it and all that it may apply have no mistakes. For a document with
 * mistakes elsewhere, after schema_finish().
 */
bool schema_finish_is_sound(struct schemas *schemas, const struct schema *schema);

/*
 * What the $ref of the schema at `node` leads to; NULL: it has none, or `node` is no good schema.
 */
const struct value *schema_index_target(const struct schemas *schemas, const struct value *node);

/* Visit all schemas, with what each was compiled from. */
void schema_each(const struct schemas *schemas,
                 void (*visit)(void *user, const struct schema *schema, const struct value *source),
                 void *user);

/* Frees what lies outside of the arena (compiled patterns); NULL is allowed. */
void schema_close(struct schemas *schemas);

/* ---- running ---- */

/*
 * What the judgement of one request may take: of all values whose errors go to one report. Finding
 * the errors of what is invalid may take the same once more.
 */
struct schema_limits {
    struct json_scan_limits json;
    /*
     * A schema applied to a value is a step; branches of anyOf can make it many for one value. So
     * is what its keywords read beyond that: 64 bytes of a text, of a number, of a value compared
     * with "const" or "enum", 8 members of an object, an item of "uniqueItems".
     */
    uint32_t steps_max;
    /* all comparisons with regular expressions together; see PATTERN_WORK_MAX */
    uint64_t pattern_work_max;
};

extern const struct schema_limits schema_run_defaults;

/*
 * Judge one value that stands at `place`; errors go to `report`. Whether it is valid. `limits` may
 * be NULL: schema_run_defaults.
 */
bool schema_run(const struct schema *schema, const struct value *value, const struct place *place,
                const struct schema_limits *limits, struct report *report);

/*
 * Parse `text` and judge it; `schema` may be NULL: anything is valid. Malformed JSON and too much
 * of it are one error with keyword "json". A small text takes no memory but the stack.
 */
bool schema_run_text(const struct schema *schema, const char *text, size_t len,
                     const struct schema_limits *limits, struct report *report);

/* The bits of a type's name ("integer": SCHEMA_INTEGER); 0: there is no such type. */
unsigned schema_run_type(struct str name);

/* ---- a schema in a file of its own, without a document around it ---- */

struct schema_file;

/*
 * Load `file` (at most LOADER_BYTES_MAX). NULL: every mistake, up to LOADER_PROBLEMS_MAX, was
 * handed to `problem` as a line "FILE: #POINTER: REASON". References to other files are not
 * followed. Free with schema_file_free(), which allows NULL.
 */
struct schema_file *schema_file_load(const char *file, const struct schema_options *options,
                                     loader_problem_fn *problem, void *user);
void schema_file_free(struct schema_file *file);

/* The same from memory; `text` must outlive the schema. `name` is for messages only. */
struct schema_file *schema_file_parse(const char *name, const char *text, size_t len,
                                      const struct schema_options *options,
                                      loader_problem_fn *problem, void *user);

/* The schema; it lives as long as the file. */
const struct schema *schema_file_root(const struct schema_file *file);

#endif
