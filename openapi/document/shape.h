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

#include "openapi/loader.h"

enum oa_shape_type {
    OA_SHAPE_ANY,
    OA_SHAPE_STRING,
    OA_SHAPE_TEXT, /* a string that is not empty */
    OA_SHAPE_BOOLEAN,
    OA_SHAPE_URI,
    OA_SHAPE_EMAIL,
    OA_SHAPE_SCHEMA,
    OA_SHAPE_OBJECT,
    OA_SHAPE_TEXTS /* an array of strings */
};

enum oa_shape_holder {
    OA_SHAPE_ONE,
    OA_SHAPE_LIST, /* an array of them */
    OA_SHAPE_MAP   /* an object of them, by any name */
};

struct oa_shape;

struct oa_shape_member {
    const char *name;
    enum oa_shape_type type;
    enum oa_shape_holder holder;
    bool is_required;
    const struct oa_shape *shape; /* of an OA_SHAPE_OBJECT */
};

/* What the walker knows about one object. */
struct oa_seen {
    const struct oa_json *node;
    const struct oa_shape *shape;
    void *data; /* what its check function made of it; NULL: nothing, it has mistakes */
};

struct oa_shape {
    const char *what;                      /* "a parameter" */
    const struct oa_shape_member *members; /* ends with a NULL name; NULL: see `each` */
    const struct oa_shape_member *each;    /* all members are like this one */
    bool may_refer;                        /* {"$ref": ...} may stand for it */
    void (*check)(struct oa_loader *loader, const struct oa_json *node,
                  const struct oa_place *place, struct oa_seen *seen);
};

extern const struct oa_shape oa_shape_document;
extern const struct oa_shape oa_shape_path_item;
extern const struct oa_shape oa_shape_parameter;
extern const struct oa_shape oa_shape_request_body;

/* Visit the document's root and everything below. */
void oa_shape_walk(struct oa_loader *loader);

/*
 * What the check function of `shape` made of `node`, after references were followed; NULL when it
 * has mistakes.
 */
void *oa_shape_data(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, const struct oa_shape *shape);

/* The compiled schema at `node`; NULL when it has mistakes, which are reported. */
const struct oa_schema *oa_shape_schema(struct oa_loader *loader, const struct oa_json *node,
                                        const struct oa_place *place);

/* document_checks.c, param_load.c, body_load.c, responses.c: what the tables cannot say. */
typedef void oa_shape_check(struct oa_loader *loader, const struct oa_json *node,
                            const struct oa_place *place, struct oa_seen *seen);
oa_shape_check oa_check_document, oa_check_license, oa_check_server, oa_check_components,
    oa_check_operation, oa_check_parameter, oa_check_header, oa_check_media, oa_check_request_body,
    oa_check_responses, oa_check_response, oa_check_example, oa_check_link,
    oa_check_security_scheme, oa_check_security_requirement;

/* The member `name` of `node` when it is a string (true: `ret`); else false. */
bool oa_shape_text(const struct oa_json *node, const char *name, struct str *ret);
bool oa_shape_is_true(const struct oa_json *node, const char *name);
/* "x-..." */
bool oa_shape_is_extension(struct str name);

/*
 * "example" and "examples" of a parameter, header or media type: not both, and each is to be
 * checked against `schema` when all schemas are known. `schema` may be NULL.
 */
void oa_examples_note(struct oa_loader *loader, const struct oa_json *owner,
                      const struct oa_place *place, const struct oa_schema *schema);
/* Check what was noted, and the "example", "examples" and "default" of every schema. */
void oa_examples_check(struct oa_loader *loader);

#endif
