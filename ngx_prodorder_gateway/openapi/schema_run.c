#include "schema.h"

#include <string.h>

void oa_schema_run(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                   const struct oa_place *place) {
    if (schema->is_false) {
        oa_report_add(run->report, place, "false", "must not be present");
        return;
    }
    for (const struct oa_op *op = schema->ops; op != NULL; op = op->next) {
        if ((op->keyword->types & (unsigned)value->type) != 0 && !oa_report_is_full(run->report)) {
            op->keyword->check(run, op, value, place);
        }
    }
}

unsigned oa_schema_types(const struct oa_schema *schema) {
    if (schema->types != 0) {
        return schema->types;
    }
    for (const struct oa_op *op = schema->ops; op != NULL; op = op->next) {
        if (strcmp(op->keyword->name, "$ref") == 0) {
            return oa_schema_types(op->u.schema);
        }
    }
    return 0;
}
