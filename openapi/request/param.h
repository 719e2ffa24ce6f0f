/*
 * What the files about parameters share; nobody else includes this.
 */
#ifndef OPENAPI_REQUEST_PARAM_H
#define OPENAPI_REQUEST_PARAM_H

#include "openapi/loader.h"

enum oa_location { OA_IN_PATH, OA_IN_QUERY, OA_IN_HEADER, OA_IN_COOKIE };

enum oa_style { OA_STYLE_SIMPLE, OA_STYLE_FORM, OA_STYLE_SPACE, OA_STYLE_PIPE, OA_STYLE_DEEP };

enum oa_param_kind {
    OA_PARAM_SINGLE, /* one text: a string, number, boolean or null */
    OA_PARAM_ARRAY,
    OA_PARAM_OBJECT,
    OA_PARAM_JSON /* "content" with a JSON media type */
};

/* Beside the bits of enum oa_json_type: OA_NUMBER is always there together with OA_INTEGER. */
enum { OA_TYPES_ANY = OA_ANY | OA_INTEGER };

struct oa_param_property {
    struct str name;
    unsigned types; /* of the value; of the items when it is an array */
    bool is_array;
};

/* Which types the schema allows, so that a text can be read as one. */
struct oa_param_types {
    unsigned own;
    unsigned items;         /* array */
    const unsigned *prefix; /* array: of its first items */
    size_t prefix_count;
    struct oa_param_property *properties; /* object */
    size_t property_count;
    unsigned others; /* object: of properties that are not listed */
};

struct oa_param_spec {
    struct str name;
    enum oa_location location;
    enum oa_style style;
    enum oa_param_kind kind;
    bool is_required;
    bool explodes;
    bool allows_empty;
    /*
     * x-prodorder-unchecked: described for the reader only. For a header of which a malformed value
     * is replaced or ignored (X-Request-Id, traceparent), never a reason to refuse.
     */
    bool is_unchecked;
    const struct oa_schema *schema; /* NULL: anything */
    struct oa_param_types types;
};

/* The names of locations in messages and documents: "path", ... */
extern const char *const oa_location_names[];

/*
 * param_types.c: the kind of a parameter, and its types; false after loader_fail(). The schema must
 * have been compiled without a mistake.
 */
bool oa_param_load_types(struct oa_loader *loader, const struct oa_json *schema,
                         const struct oa_place *place, struct oa_param_spec *spec);

/* Whether both name the same parameter: header names are case-insensitive. */
bool oa_param_same(const struct oa_param_spec *a, const struct oa_param_spec *b);

/* ---- param_value.c: from text to values; NULL: no memory, or the text was refused ---- */

/* Decode %XX (and '+' when `plus`); false: malformed, or no memory. */
bool oa_param_decode(struct oa_report *report, struct str text, bool plus, struct str *ret);

/* An empty array or object, or a string without content; NULL: no memory. */
struct oa_json *oa_param_node(struct oa_report *report, enum oa_json_type type);

bool oa_param_is_utf8(struct str text);

/* A string node; NULL: not UTF-8, or no memory. */
struct oa_json *oa_param_string(struct oa_report *report, struct str text);

/* The number, boolean or null that `text` is and `types` allows, else NULL. */
struct oa_json *oa_param_scalar(struct oa_report *report, struct str text, unsigned types);

/* What one parameter was sent as, still encoded. */
struct oa_given {
    const struct oa_param_spec *spec;
    struct oa_place place; /* for errors: "query/limit" */
    struct oa_report *report;
};

/* Each text as an item ("id=1&id=2"); NULL after an error in the report. */
struct oa_json *oa_param_array(const struct oa_given *given, const struct str *texts, size_t count);

/* "1,2,3" as an array; NULL after an error in the report. */
struct oa_json *oa_param_list(const struct oa_given *given, struct str text);

/* "R,100,G,200" or "R=100,G=200" as an object; NULL after an error in the report. */
struct oa_json *oa_param_pairs(const struct oa_given *given, struct str text);

/*
 * Set the property `name` (decoded). A second value is one item more when the schema has an array
 * there, else an error in the report.
 */
bool oa_param_set(const struct oa_given *given, struct oa_json *object, struct str name,
                  struct str text);

/* Make a finished object what the parser would have made of it; false: no memory. */
bool oa_param_sort(struct oa_report *report, struct oa_json *object);

/* ---- param_query.c ---- */

struct oa_pair {
    struct str name; /* decoded; data NULL: malformed, no parameter has it */
    struct str text; /* still encoded */
};

struct oa_pairs {
    struct oa_pair *items;
    size_t count;
};

/* "a=1&b=2"; false after an error in the report. */
bool oa_query_parse(struct oa_report *report, struct str query, struct oa_pairs *ret);
/* "a=1; b=2" */
bool oa_cookie_parse(struct oa_report *report, struct str cookie, struct oa_pairs *ret);

#endif
