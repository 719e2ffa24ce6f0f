/*
 * What everybody needs who turns a text of JSON into tables, whatever they are of: memory, a list
 * of mistakes, references within the text, "did you mean", a table of names.
 *
 * A function that fails has called loader_fail() with the place of the mistake, and its caller goes
 * on with the next sibling: every mistake of a document is reported, each once. Everything is
 * allocated in the loader's arena, which the document keeps, and never freed alone.
 */
#ifndef OPENAPI_LOADER_H
#define OPENAPI_LOADER_H

#include "report.h"

enum {
    LOADER_BYTES_MAX = 4 * 1024 * 1024, /* of one file */
    LOADER_PROBLEMS_MAX = 100,          /* mistakes of one document that are reported */
    LOADER_PROBLEM_BYTES_MAX = 1000     /* of one line about a mistake, with its zero byte */
};

/*
 * Receives each mistake of a document as one line: the file, the JSON Pointer (or line and column)
 * and the reason. `line` is gone when the function returns.
 */
typedef void loader_problem_fn(void *user, const char *line);

struct loader {
    struct arena *arena;
    const struct value *root; /* what local references lead into */
    const char *name;         /* of the document, for messages */
    loader_problem_fn *problem;
    void *user;
    struct loader_problem *problems; /* what was reported, the latest first */
    unsigned problem_count;          /* 0: the document is good so far */
};

/* An arena, and no mistake yet; false, and reported, when there is no memory. */
bool loader_open(struct loader *loader, const char *name, loader_problem_fn *problem, void *user);

/*
 * All of `file` (at most LOADER_BYTES_MAX bytes), to be freed. NULL: `problem` was called with the
 * line "FILE: REASON".
 */
char *loader_read(const char *file, size_t *ret_len, loader_problem_fn *problem, void *user);

/* Make loader->root of the text; false, and reported with `hint` at the end, when it is no JSON. */
bool loader_parse(struct loader *loader, const char *text, size_t len, const char *hint);

/*
 * Report "NAME: #POINTER: REASON", without the pointer when `place` is NULL, unless that line was
 * reported before; always false. The line is cut to LOADER_PROBLEM_BYTES_MAX, control characters
 * become '?'.
 */
__attribute__((format(printf, 3, 4))) bool
loader_fail(struct loader *loader, const struct place *place, const char *format, ...);

/* The same for the member `name` of what stands at `place`. */
__attribute__((format(printf, 4, 5))) bool loader_fail_at(struct loader *loader,
                                                          const struct place *place,
                                                          const char *name, const char *format,
                                                          ...);

/* Cleared memory of the document, or NULL after loader_fail(). */
void *loader_alloc(struct loader *loader, size_t count, size_t size);

/* A copy of one step in the document's memory, or NULL after loader_fail(). */
const struct place *loader_keep(struct loader *loader, struct place place);

/*
 * Decode the %XX of a URI's fragment (RFC 6901, 6); a copy in the arena. data NULL: not correctly
 * percent-encoded (*ret_malformed), or no memory, which is reported.
 */
struct str loader_fragment(struct loader *loader, struct str fragment, const struct place *place,
                           bool *ret_malformed);

/*
 * Take the next token of a pointer that begins with '/': *pointer is shortened by it. The token's
 * ~0 and ~1 are decoded in the pointer's own memory.
 */
struct str loader_token(struct str *pointer);

/* The member or item that the token names, or NULL. */
const struct value *loader_step(const struct value *node, struct str token);

/* The node that a local reference names, and its pointer; NULL after loader_fail(). */
const struct value *loader_resolve(struct loader *loader, const struct value *reference,
                                   const struct place *place, struct str *ret_pointer);

/*
 * Follow {"$ref": "#/..."} of anything but a schema. On return *node is the target and
 * *place (a root) its pointer; both stay as they are when there is no $ref.
 */
bool loader_follow(struct loader *loader, const struct value **node, const struct place **place,
                   struct place *storage);

/* The known name that is nearest to `name`: offer it all names, then read `known` (or NULL). */
struct loader_nearest {
    struct str name;
    const char *known;
    unsigned distance;
};
void loader_offer(struct loader_nearest *nearest, const char *known);

/* Report ""NAME" is not a member of WHAT; did you mean "KNOWN"?"; always false. */
bool loader_fail_nearest(struct loader *loader, const struct place *place, const char *what,
                         const struct loader_nearest *nearest);

/* A hash table of names, each within a scope. All zero: empty. Its memory is the document's. */
struct loader_names {
    struct loader_name {
        const void *scope;
        struct str name; /* data NULL: the slot is free */
        void *value;
    } * slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
};

/* NULL: there is none. */
void *loader_names_find(const struct loader_names *names, const void *scope, struct str name);

/*
 * Add a value, or replace the one that is there; false after loader_fail(). The name is not copied.
 */
bool loader_names_set(struct loader *loader, struct loader_names *names, const void *scope,
                      struct str name, void *value);

#endif
