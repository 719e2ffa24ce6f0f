/*
 * What the two files about objects share.
 */
#ifndef OPENAPI_SCHEMA_KEYWORD_OBJECT_H
#define OPENAPI_SCHEMA_KEYWORD_OBJECT_H

#include "compile.h"

bool oa_check_object(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                     const struct oa_place *place, struct oa_marks *marks);

bool oa_check_unevaluated_properties(struct oa_run *run, const struct oa_op *op,
                                     const struct oa_json *value, const struct oa_place *place,
                                     struct oa_marks *marks);

#endif
