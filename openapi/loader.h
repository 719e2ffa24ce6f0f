/*
 * What the files share that turn a document into tables; nobody else includes this.
 *
 * A loader function that fails has called loader_fail() with the place of the mistake, and its
 * caller goes on with the next sibling: every mistake of a document is reported, each once.
 * Everything is allocated in the document's arena and never freed alone.
 */
#ifndef OPENAPI_LOADER_H
#define OPENAPI_LOADER_H

#include "openapi/document/document.h"
#include "openapi/schema/schema.h"

struct oa_document {
    struct arena *arena; /* holds the document itself, too */
    char *text;          /* malloc'ed when it was read from a file, else NULL */
    struct oa_json *root;
    struct str base;       /* what stands before every path: "" or "/v1" */
    struct oa_path *paths; /* sorted: literal before template, segment by segment */
    size_t path_count;
    struct oa_node *routes; /* NULL: no path */
    struct oa_schemas *schemas;
};

/* What stands between two slashes of a path. */
struct oa_segment {
    struct str text; /* literal, decoded; or the name of the template */
    bool is_template;
};

struct oa_method {
    struct oa_method *next;
    struct str name; /* "GET" */
    struct oa_operation operation;
};

struct oa_path {
    struct str template; /* "/orders/{id}", without the base path */
    struct oa_segment *segments;
    size_t segment_count;
    struct oa_method *methods;
    struct str allow;
    const struct oa_json *node; /* the path item, references not followed */
};

/* A segment in the tree of all paths. */
struct oa_node {
    struct str text;       /* of a literal */
    struct oa_node *items; /* literals that may follow, sorted */
    size_t item_count;
    struct oa_node *any;        /* the template that may follow, or NULL */
    const struct oa_path *path; /* that ends here, or NULL */
};

struct oa_param_spec;

struct oa_param {
    struct oa_param *next;
    const struct oa_param_spec *spec;
    size_t value_index; /* path: which of match->values */
};

struct oa_problem;
struct oa_seen;
struct oa_pending;
struct oa_example;
struct oa_named;

struct oa_loader {
    struct oa_document *doc;
    const char *name; /* of the document, for messages */
    oa_problem_fn problem;
    void *user;
    struct oa_problem *problems; /* what was reported, the latest first */
    unsigned problem_count;      /* 0: the document is good so far */

    /* document_shape.c: the objects that were visited, and those that are still to be */
    struct oa_seen **seen;
    size_t seen_slots;
    size_t seen_count;
    struct oa_pending *pending;

    /* document_examples.c */
    struct oa_example *examples;
    struct oa_example *examples_last;

    /* operation_ids.c */
    struct oa_named *ids;
    size_t id_count;
    struct oa_named *links;
};

/* A loader on a new, empty document; false, and reported, when there is no memory. */
bool loader_open(struct oa_loader *loader, const char *name, oa_problem_fn problem, void *user);

/* Report a line "NAME: WHAT" that has no pointer; always false. */
__attribute__((format(printf, 2, 3))) bool loader_fail_text(struct oa_loader *loader,
                                                            const char *format, ...);

/*
 * Report "NAME: #POINTER: REASON", unless that line was reported before; always false. The line is
 * cut to OA_PROBLEM_BYTES_MAX, control characters become '?'.
 */
__attribute__((format(printf, 3, 4))) bool
loader_fail(struct oa_loader *loader, const struct oa_place *place, const char *format, ...);

/* Cleared memory of the document, or NULL after loader_fail(). */
void *loader_alloc(struct oa_loader *loader, size_t count, size_t size);

/*
 * Follow {"$ref": "#/..."} of anything but a schema. On return *node is the target and
 * *place (a root) its pointer; both stay as they are when there is no $ref.
 */
bool loader_follow(struct oa_loader *loader, const struct oa_json **node,
                   const struct oa_place **place, struct oa_place *storage);

/* The node that a local reference names, and its pointer; NULL after loader_fail(). */
const struct oa_json *loader_resolve(struct oa_loader *loader, const struct oa_json *reference,
                                     const struct oa_place *place, struct str *ret_pointer);

/* The known name that is nearest to `name`: offer it all names, then read `known` (or NULL). */
struct oa_nearest {
    struct str name;
    const char *known;
    unsigned distance;
};
void oa_nearest_offer(struct oa_nearest *nearest, const char *known);

/* Report ""NAME" is not a member of WHAT; did you mean "KNOWN"?"; always false. */
bool oa_nearest_fail(struct oa_loader *loader, const struct oa_place *place, const char *what,
                     const struct oa_nearest *nearest);

/* Check one value against a schema; whether it is valid. */
bool oa_check_value(const struct oa_schema *schema, const struct oa_json *value,
                    const struct oa_place *place, struct oa_report *report);

/*
 * Steps of loading, in order, after the walker of document_shape.h has visited everything. They
 * report what they find and skip what the walker has reported.
 */
void load_servers(struct oa_loader *loader);
void load_paths(struct oa_loader *loader);
void load_operation(struct oa_loader *loader, const struct oa_json *item,
                    const struct oa_place *item_place, const struct oa_json *node,
                    const struct oa_place *place, const struct oa_path *path,
                    struct oa_operation *operation);
void load_responses(const struct oa_json *operation_node, struct oa_operation *operation);
void load_operation_ids(struct oa_loader *loader);
/* The servers of a path item or operation must have the document's base path. */
void check_other_servers(struct oa_loader *loader, const struct oa_json *owner,
                         const struct oa_place *place);
/* Make the tree of all paths. */
void load_routes(struct oa_loader *loader);

/* A place one step below `parent`. */
static inline struct oa_place place_key(const struct oa_place *parent, const char *key,
                                        size_t len) {
    return (struct oa_place){ .parent = parent, .key = { key, len } };
}

static inline struct oa_place place_member(const struct oa_place *parent,
                                           const struct oa_json *member) {
    return place_key(parent, member->key.data, member->key.len);
}

static inline struct oa_place place_index(const struct oa_place *parent, size_t index) {
    return (struct oa_place){ .parent = parent, .index = index };
}

#define place_text(parent, text) place_key(parent, text, sizeof(text) - 1)

#endif
