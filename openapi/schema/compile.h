/*
 * What the files share that turn schemas into programs; for the schema engine only.
 *
 * To add a keyword, add a row to the table of its file (keyword_*.c): what schemas its value holds,
 * and a function that compiles it.
 */
#ifndef OPENAPI_SCHEMA_COMPILE_H
#define OPENAPI_SCHEMA_COMPILE_H

#include "names.h"
#include "openapi/loader.h"
#include "program.h"

/* Where the value of a keyword holds schemas. */
enum oa_holds {
    OA_HOLDS_NONE,
    OA_HOLDS_SCHEMA,
    OA_HOLDS_LIST, /* an array of schemas */
    OA_HOLDS_MAP,  /* an object of schemas */
    OA_HOLDS_MIXED /* an object of schemas and lists of names */
};

struct oa_compiler;

struct oa_keyword {
    const char *name;
    enum oa_holds holds;
    /* NULL: it asserts nothing by itself. False after loader_fail(). */
    bool (*compile)(struct oa_compiler *c, const struct oa_json *value,
                    const struct oa_place *place);
};

/* Tables end with a NULL name. */
extern const struct oa_keyword oa_keywords_core[];
extern const struct oa_keyword oa_keywords_any[];
extern const struct oa_keyword oa_keywords_logic[];
extern const struct oa_keyword oa_keywords_number[];
extern const struct oa_keyword oa_keywords_string[];
extern const struct oa_keyword oa_keywords_array[];
extern const struct oa_keyword oa_keywords_object[];

/* NULL: unknown. */
const struct oa_keyword *oa_keyword_find(const struct oa_schemas *schemas, struct str name);

/* Report a keyword that is unknown where unknown ones are refused; false when it was. */
bool oa_keyword_refuse_unknown(struct oa_loader *loader, struct str name,
                               const struct oa_place *place);

struct pattern_code {
    struct pattern_code *next;
    const struct pattern *code;
};

struct oa_slot {
    const struct oa_json *node;
    struct oa_schema *schema;
};

enum oa_soundness {
    OA_SOUND_SOME, /* some schemas have mistakes */
    OA_SOUND_ALL,
    OA_SOUND_NONE /* references never end: no schema is run */
};

/* All schemas of a document. */
struct oa_schemas {
    enum oa_soundness soundness;
    const struct oa_schema **sound_queue; /* of schema_sound.c */
    uint32_t sound_mark;
    uint32_t sound_steps;
    bool is_strict;       /* an unknown keyword, or what nothing can satisfy, is a mistake */
    bool asserts_formats; /* else "format" is an annotation */
    bool has_metaschema;
    uint64_t seed;           /* of hashes */
    struct oa_schema *first; /* in the order they were found */
    struct oa_schema *last;
    struct oa_schema *compiled_up_to; /* the last one that was tried, or NULL */
    struct oa_names uris;             /* of struct oa_resource */
    struct oa_names anchors;          /* of struct oa_anchor, by resource */
    struct oa_names dynamic_anchors;  /* of unsigned: how many resources have it */
    struct oa_resource *document;     /* what has no $id; NULL: nothing was compiled yet */
    struct pattern_code *patterns;
    struct oa_slot *slots; /* a hash table by node */
    size_t slot_count;     /* a power of two, or 0 */
    size_t schema_count;
};

/* One schema being compiled. */
struct oa_compiler {
    struct oa_loader *loader;
    struct oa_schemas *schemas;
    struct oa_schema *schema;
    struct oa_op *ops; /* room for all members */
    struct oa_object *object;
    struct oa_array *array;
};

/* The document's schemas, made when there are none yet; NULL after loader_fail(). */
struct oa_schemas *oa_schemas_of(struct oa_loader *loader);

/* The schema at `node` that the index knows, or NULL. */
struct oa_schema *oa_index_find(const struct oa_schemas *schemas, const struct oa_json *node);

/*
 * Note the schema at `node` and all schemas in it, with their identifiers. `place` must live as
 * long as the document. False after loader_fail().
 */
bool oa_index_schema(struct oa_loader *loader, const struct oa_json *node,
                     const struct oa_place *place, struct oa_resource *resource);

/* A resource at `node`, which has the URI `uri`; NULL after loader_fail(). */
struct oa_resource *oa_index_resource(struct oa_loader *loader, const struct oa_json *node,
                                      const struct oa_place *place, struct str uri);

/* Note the schemas of an OpenAPI document, wherever they stand. */
bool oa_index_openapi(struct oa_loader *loader, struct oa_resource *resource);

/* A copy of one step, or of all steps of `place`, in the document's arena; NULL: no memory. */
const struct oa_place *oa_place_keep(struct oa_loader *loader, struct oa_place place);
const struct oa_place *oa_place_keep_all(struct oa_loader *loader, const struct oa_place *place);

/* The text of the draft's metaschema, and its URI. */
extern const char oa_metaschema[];
extern const size_t oa_metaschema_len;
#define OA_METASCHEMA_URI "https://json-schema.org/draft/2020-12/schema"

/*
 * The schema that a $ref or $dynamicRef of `from` names; NULL after loader_fail(). *ret_anchor is
 * the anchor that the reference ends in, data NULL when it ends in none.
 */
struct oa_schema *oa_reference_find(struct oa_loader *loader, const struct oa_schema *from,
                                    const struct oa_json *reference, const struct oa_place *place,
                                    struct str *ret_anchor);

/* The anchor of that name in a resource, or NULL. */
const struct oa_anchor *oa_anchor_find(const struct oa_resource *resource, struct str name);

/* How many resources have this $dynamicAnchor; NULL: none. */
unsigned *oa_dynamic_anchors(const struct oa_schemas *schemas, struct str name);

/* Compile every schema that was noted and not yet compiled. */
bool oa_schemas_compile(struct oa_loader *loader);

/* The last step: references that never end, $dynamicRef that depend on the scope. */
bool oa_schemas_check(struct oa_loader *loader);

/*
 * A part of it: only for documents without mistakes in which no $dynamicRef depends on the scope.
 */
void oa_schemas_skip_references(struct oa_schemas *schemas);

/* Helpers of keywords. */

/* A new operation for the keyword; there is room for it. */
struct oa_op *oa_compiler_op(struct oa_compiler *c, const char *keyword,
                             const struct oa_json *value, unsigned types, oa_check_fn check);
/* The schema at a place that the index knows; NULL after loader_fail() when it is none. */
const struct oa_schema *oa_compiler_schema(struct oa_compiler *c, const struct oa_json *node,
                                           const struct oa_place *place);
/* An array of at least one schema. */
bool oa_compiler_list(struct oa_compiler *c, const struct oa_json *value,
                      const struct oa_place *place, struct oa_schema_list *ret_list);
/* An integer from 0, exact up to 999999999999999. */
bool oa_compiler_size(struct oa_compiler *c, const struct oa_json *value,
                      const struct oa_place *place, uint64_t *ret_size);
/* An array of strings, each once. */
bool oa_compiler_names(struct oa_compiler *c, const struct oa_json *value,
                       const struct oa_place *place);
/* A regular expression; NULL after loader_fail(). Freed with the schemas. */
const struct pattern *oa_compiler_pattern(struct oa_compiler *c, struct str source,
                                             const struct oa_place *place);
/* The operation that all keywords about objects (arrays) share; NULL after loader_fail(). */
struct oa_object *oa_compiler_object(struct oa_compiler *c);
struct oa_array *oa_compiler_array(struct oa_compiler *c);

/* For a $dynamicRef whose anchor is nowhere else: it always leads to the same schema. */
void oa_dynamic_make_static(struct oa_op *op);

/* What is left to do when all keywords of a schema were compiled. */
bool oa_object_finish(struct oa_compiler *c);
bool oa_array_finish(struct oa_compiler *c);
bool oa_number_finish(struct oa_compiler *c);
bool oa_string_finish(struct oa_compiler *c);

#endif
