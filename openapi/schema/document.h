/*
 * A JSON Schema in a file of its own, without an OpenAPI document around it.
 *
 * Here an unknown keyword is an annotation, as the draft says; everything else that is wrong with a
 * schema is a mistake. References to other files are not followed.
 */
#ifndef OPENAPI_SCHEMA_DOCUMENT_H
#define OPENAPI_SCHEMA_DOCUMENT_H

#include "openapi/document/document.h"
#include "schema.h"

struct oa_schema_document;

struct oa_schema_options {
    bool asserts_formats; /* else "format" is an annotation */
};

/*
 * Load `file` (at most OA_DOCUMENT_BYTES_MAX). NULL: every mistake, up to OA_PROBLEMS_MAX, was
 * handed to `problem` as a line "FILE: #POINTER: REASON". `options` may be NULL. Free with
 * oa_schema_document_free(), which allows NULL.
 */
struct oa_schema_document *oa_schema_document_load(const char *file,
                                                   const struct oa_schema_options *options,
                                                   oa_problem_fn problem, void *user);
void oa_schema_document_free(struct oa_schema_document *document);

/* The same from memory; `text` must outlive the document. `name` is for messages only. */
struct oa_schema_document *oa_schema_document_parse(const char *name, const char *text, size_t len,
                                                    const struct oa_schema_options *options,
                                                    oa_problem_fn problem, void *user);

/* The schema; it lives as long as the document. */
const struct oa_schema *oa_schema_document_root(const struct oa_schema_document *document);

#endif
