/*
 * What a loaded document consists of: document/ fills these tables, request/ reads them.
 */
#ifndef OPENAPI_DOCUMENT_TABLES_H
#define OPENAPI_DOCUMENT_TABLES_H

#include "document.h"
#include "media.h"
#include "openapi/schema/schema.h"

struct document {
    struct arena *arena; /* holds the document itself, too */
    char *text;          /* malloc'ed when it was read from a file, else NULL */
    const struct value *root;
    struct str base;    /* what stands before every path: "" or "/v1" */
    struct path *paths; /* sorted: literal before template, segment by segment */
    size_t path_count;
    struct node *routes; /* NULL: no path */
    struct schemas *schemas;
};

/* What stands between two slashes of a path. */
struct segment {
    struct str text; /* literal, decoded; or the name of the template */
    bool is_template;
};

struct method {
    struct method *next;
    struct str name; /* "GET" */
    struct operation operation;
};

struct path {
    struct str template; /* "/orders/{id}", without the base path */
    struct segment *segments;
    size_t segment_count;
    struct method *methods;
    struct str allow;
    const struct value *node; /* the path item, references not followed */
};

/* A segment in the tree of all paths. */
struct node {
    struct str text;    /* of a literal */
    struct node *items; /* literals that may follow, sorted */
    size_t item_count;
    struct node *any;        /* the template that may follow, or NULL */
    const struct path *path; /* that ends here, or NULL */
};

/* What a request body may be. */
struct body {
    struct body *next; /* less specific */
    struct media media;
    const struct schema *schema; /* NULL: anything */
};

/* ---- parameters ---- */

enum location { IN_PATH, IN_QUERY, IN_HEADER, IN_COOKIE };

enum style { STYLE_SIMPLE, STYLE_FORM, STYLE_SPACE, STYLE_PIPE, STYLE_DEEP };

enum param_kind {
    PARAM_SINGLE, /* one text: a string, number, boolean or null */
    PARAM_ARRAY,
    PARAM_OBJECT,
    PARAM_JSON /* "content" with a JSON media type */
};

/* Beside the bits of enum value_type: VALUE_NUMBER is always there together with SCHEMA_INTEGER. */
enum { TYPES_ANY = SCHEMA_ANY | SCHEMA_INTEGER };

struct param_property {
    struct str name;
    unsigned types; /* of the value; of the items when it is an array */
    bool is_array;
};

/* Which types the schema allows, so that a text can be read as one. */
struct param_types {
    unsigned own;
    unsigned items;         /* array */
    const unsigned *prefix; /* array: of its first items */
    size_t prefix_count;
    struct param_property *properties; /* object */
    size_t property_count;
    unsigned others; /* object: of properties that are not listed */
};

struct param_spec {
    struct str name;
    enum location location;
    enum style style;
    enum param_kind kind;
    bool is_required;
    bool explodes;
    bool allows_empty;
    /*
     * x-prodorder-unchecked: described for the reader only. For a header of which a malformed value
     * is replaced or ignored (X-Request-Id, traceparent), never a reason to refuse.
     */
    bool is_unchecked;
    const struct schema *schema; /* NULL: anything */
    struct param_types types;
};

/* A parameter of one operation. */
struct param {
    struct param *next;
    const struct param_spec *spec;
    size_t value_index; /* path: which of match->values */
};

/* The names of locations in messages and documents: "path", ... */
extern const char *const parameter_locations[];

/* Whether both name the same parameter: header names are case-insensitive. */
bool parameter_same(const struct param_spec *a, const struct param_spec *b);

#endif
