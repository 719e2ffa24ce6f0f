/*
 * What the files share that turn a document into tables; nobody else includes this.
 *
 * A loader function that fails has called loader_fail() with the place of the mistake, and its
 * caller goes on with the next sibling: every mistake of a document is reported, each once.
 * Everything is allocated in the document's arena and never freed alone.
 */
#ifndef OA_LOADER_H
#define OA_LOADER_H

#include "document.h"
#include "schema.h"

struct oa_document {
    struct oa_arena *arena; /* holds the document itself, too */
    char *text;             /* malloc'ed when it was read from a file, else NULL */
    struct oa_json *root;
    struct oa_path *paths; /* most literal first */
    struct oa_schema *schemas;
};

/* The templates of a path: its segments between slashes. */
struct oa_segment {
    struct oa_str text; /* literal, decoded; or the name of the template */
    bool is_template;
};

struct oa_method {
    struct oa_method *next;
    struct oa_str name; /* "GET" */
    struct oa_operation operation;
};

struct oa_path {
    struct oa_path *next;
    struct oa_str template; /* "/orders/{id}" */
    struct oa_segment *segments;
    size_t segment_count;
    struct oa_method *methods;
    struct oa_str allow;
};

enum oa_location { OA_IN_PATH, OA_IN_QUERY, OA_IN_HEADER };

struct oa_param {
    struct oa_param *next;
    struct oa_str name;
    enum oa_location location;
    bool required;
    size_t value_index; /* path: which of match->values */
    const struct oa_schema *schema;
};

struct oa_body {
    struct oa_body *next;
    struct oa_str media_type; /* "application/json" */
    const struct oa_schema *schema;
};

struct oa_loader {
    struct oa_document *doc;
    const char *name; /* of the document, for messages */
    oa_problem_fn problem;
    void *user;
    struct oa_problem *problems; /* what was reported, the latest first */
    unsigned problem_count;      /* 0: the document is good so far */
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
                                     const struct oa_place *place, struct oa_str *ret_pointer);

/* Steps of loading, in order. */
bool load_paths(struct oa_loader *loader);
bool load_operation(struct oa_loader *loader, const struct oa_json *item,
                    const struct oa_json *node, const struct oa_place *place,
                    const struct oa_path *path, struct oa_operation *operation);
bool load_responses(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, struct oa_operation *operation);
/* {"application/json": {"schema": ...}}: each media type and its schema. */
bool load_content(struct oa_loader *loader, const struct oa_json *content,
                  const struct oa_place *place, struct oa_body **ret_bodies);

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
