/*
 * All schemas of a document: where each stands, its identifiers, and what references lead to.
 */
#ifndef OPENAPI_SCHEMA_INDEX_H
#define OPENAPI_SCHEMA_INDEX_H

#include "program.h"

/* Where the value of a keyword holds schemas. */
enum holds {
    HOLDS_NONE,
    HOLDS_SCHEMA,
    HOLDS_LIST, /* an array of schemas */
    HOLDS_MAP,  /* an object of schemas */
    HOLDS_MIXED /* an object of schemas and lists of names */
};

struct compiler;

struct keyword {
    const char *name;
    enum holds holds;
    /* NULL: it asserts nothing by itself. False after loader_fail(). */
    bool (*compile)(struct compiler *c, const struct value *value, const struct place *place);
    check_fn *check; /* the operation's, where keywords share `compile` */
    size_t field;    /* of struct object or array, likewise */
};

struct pattern_code {
    struct pattern_code *next;
    const struct pattern *code;
};

enum soundness {
    SOUND_SOME, /* some schemas have mistakes */
    SOUND_ALL,
    SOUND_NONE /* references never end: no schema is run */
};

/* A schema with a URI of its own, and what lies in it up to the next such schema. */
struct resource {
    struct str uri; /* without fragment; "" for the document itself */
    const struct value *node;
    const struct place *place;
    const struct loader_names *anchors; /* of all resources */
};

struct schemas {
    struct loader *loader; /* while the document is loaded */
    struct schema_options options;
    /* vocabulary.c's, which stands above: NULL for an unknown name */
    const struct keyword *(*find_keyword)(const struct schemas *schemas, struct str name);
    uint64_t seed;                       /* of hashes */
    struct schema *first;                /* in the order they were found */
    struct schema *last;                 /* or NULL */
    struct schema *compiled_up_to;       /* the last one that was tried, or NULL */
    struct loader_names nodes;           /* of struct schema, by what each is compiled from */
    struct loader_names uris;            /* of struct resource */
    struct loader_names anchors;         /* of struct anchor, by resource */
    struct loader_names dynamic_anchors; /* of unsigned: how many resources have it */
    struct resource *document;           /* what has no $id */
    struct pattern_code *patterns;
    bool has_metaschema;

    /* of finish.c */
    enum soundness soundness;
    const struct schema **queue;
    uint32_t mark;
    uint32_t steps;
};

static inline bool index_may_be_schema(const struct value *node) {
    return ((unsigned)node->type & (VALUE_OBJECT | VALUE_TRUE | VALUE_FALSE)) != 0;
}

/* The schema at `node` that the index knows, or NULL. */
struct schema *index_find(const struct schemas *schemas, const struct value *node);

/* Note the schema at `node` and all in it; false after loader_fail(). `place` is kept. */
bool index_schema(struct schemas *schemas, const struct value *node, const struct place *place,
                  struct resource *resource);

/* A resource at `node`, which has the URI `uri`; NULL after loader_fail(). */
struct resource *index_resource(struct schemas *schemas, const struct value *node,
                                const struct place *place, struct str uri);

/*
 * The schema that a $ref or $dynamicRef of `from` names; NULL after loader_fail(). *ret_anchor is
 * the anchor that the reference ends in, data NULL when it ends in none.
 */
struct schema *index_reference(struct schemas *schemas, const struct schema *from,
                               const struct value *reference, const struct place *place,
                               struct str *ret_anchor);

/* The anchor of that name in a resource, or NULL. */
const struct anchor *index_anchor(const struct resource *resource, struct str name);

/* How many resources have this $dynamicAnchor; NULL: none. */
unsigned *index_dynamic_anchors(const struct schemas *schemas, struct str name);

/*
 * The URI `reference` (without fragment) as seen from `base` (RFC 3986, 5.2), in the arena; data
 * NULL: no memory. With the empty base, or another that is relative, the result is relative, too.
 */
struct str index_resolve(struct arena *arena, struct str base, struct str reference);

/* The text of the draft's metaschema, and its URI. */
extern const char metaschema[];
extern const size_t metaschema_len;
#define METASCHEMA_URI "https://json-schema.org/draft/2020-12/schema"

#endif
