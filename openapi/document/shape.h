/*
 * The objects of OpenAPI as tables: which members each has, of which type.
 *
 * The walker visits every object of a document once, whatever refers to it, and reports what does
 * not fit its table: a wrong type, a missing or an unknown member. What a table cannot say stands
 * in the shape's check function. Loaders come after and may skip what is of a wrong type: it was
 * reported.
 *
 * Source: OpenAPI Specification 3.1.0, section 4.8.
 */
#ifndef OPENAPI_DOCUMENT_SHAPE_H
#define OPENAPI_DOCUMENT_SHAPE_H

#include "tables.h"

/* The loader of a document, and what is noted on the way. Every loader in this folder is one. */
struct document_loader {
    struct loader loader; /* stands first: see shape_loader() */
    struct document *doc;

    /* shape.c: the objects that were visited, and those that are still to be */
    struct loader_names seen;
    struct pending *pending;

    /* schemas.c */
    struct example *examples;
    struct example *examples_last;

    /* operation.c */
    struct named *ids;
    struct named *links;
};

static inline struct document_loader *shape_loader(struct loader *loader) {
    return (struct document_loader *)loader;
}

enum shape_type {
    SHAPE_ANY,
    SHAPE_STRING,
    SHAPE_TEXT, /* a string that is not empty */
    SHAPE_BOOLEAN,
    SHAPE_URI,
    SHAPE_EMAIL,
    SHAPE_SCHEMA,
    SHAPE_OBJECT,
    SHAPE_TEXTS /* an array of strings */
};

enum shape_holder {
    SHAPE_ONE,
    SHAPE_LIST, /* an array of them */
    SHAPE_MAP   /* an object of them, by any name */
};

struct shape;

struct shape_member {
    const char *name;
    enum shape_type type;
    enum shape_holder holder;
    bool is_required;
    const struct shape *shape; /* of an SHAPE_OBJECT */
};

typedef void shape_check_fn(struct loader *loader, const struct value *node,
                            const struct place *place);
typedef void *shape_make_fn(struct loader *loader, const struct value *node,
                            const struct place *place);

struct shape {
    const char *what;                   /* "a parameter"; no two shapes have the same */
    const struct shape_member *members; /* ends with a NULL name; NULL: see `each` */
    const struct shape_member *each;    /* all members are like this one */
    bool may_refer;                     /* {"$ref": ...} may stand for it */
    shape_check_fn *check;              /* what the table cannot say */
    shape_make_fn *make; /* check, and what loaders shall find: see shape_data(); NULL: mistakes */
};

/* Visit the document's root, which is a `shape`, and everything below. */
void shape_walk(struct loader *loader, const struct shape *shape);

/*
 * What the make function of `shape` made of `node`, after references were followed; NULL when it
 * has mistakes.
 */
void *shape_data(struct loader *loader, const struct value *node, const struct place *place,
                 const struct shape *shape);

/* The compiled schema at `node`; NULL when it has mistakes, which are reported. */
const struct schema *shape_schema(struct loader *loader, const struct value *node,
                                  const struct place *place);

/* The member `name` of `node` when it is a string (true: `ret`); else false. */
bool shape_text(const struct value *node, const char *name, struct str *ret);
bool shape_is_true(const struct value *node, const char *name);

/* The member `name` when it is of that type; else NULL: nothing, or a mistake of the walker's. */
static inline const struct value *shape_array(const struct value *node, const char *name) {
    const struct value *member = value_get(node, name);

    return member != NULL && member->type == VALUE_ARRAY ? member : NULL;
}

static inline const struct value *shape_object(const struct value *node, const char *name) {
    const struct value *member = value_get(node, name);

    return member != NULL && member->type == VALUE_OBJECT ? member : NULL;
}

/* "x-..." */
static inline bool shape_is_extension(struct str name) {
    return name.len >= 2 && memcmp(name.data, "x-", 2) == 0;
}

/* ---- objects.c: the tables that loaders ask for ---- */

extern const struct shape objects_document;
extern const struct shape objects_parameter;
extern const struct shape objects_request_body;

/* ---- what the tables call ---- */

shape_check_fn servers_check;
shape_check_fn operation_check, operation_check_link;
shape_check_fn operation_check_responses, operation_check_response, operation_check_media;
shape_make_fn operation_make_body;
shape_check_fn parameter_check_header;
shape_make_fn parameter_make;

/*
 * ---- steps of loading, in order, after the walk ----
 *
 * They report what they find and skip what the walker has reported.
 */

/* The base path. */
void servers_load(struct loader *loader);
/* The servers of a path item or operation must have the document's base path. */
void servers_check_other(struct loader *loader, const struct value *owner,
                         const struct place *place);
/* All operations, and the tree of their paths. */
void paths_load(struct loader *loader);
/* The statuses that an operation declares. */
void operation_load_responses(const struct value *node, struct operation *operation);
/* Each id is one operation's, each link leads to one. */
void operation_check_ids(struct loader *loader);

/* ---- schemas.c ---- */

/* The document's schemas: noted and compiled when they were not; NULL after loader_fail(). */
struct schemas *schemas_of(struct loader *loader);

/*
 * "example" and "examples" of a parameter, header or media type: not both, and each is to be
 * checked against `schema` when all schemas are known. `schema` may be NULL.
 */
void schemas_note_examples(struct loader *loader, const struct value *owner,
                           const struct place *place, const struct schema *schema);

/* Check what was noted, and the "example", "examples" and "default" of every schema. */
void schemas_check_examples(struct loader *loader);

#endif
