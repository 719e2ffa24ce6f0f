/*
 * Schemas that are nothing but a reference are skipped: what applies them applies what they refer
 * to. Most members of an OpenAPI document's bodies are of this kind.
 */
#include "compile.h"

#include <string.h>

/* Called when references are known to end. */
static const struct oa_schema *target_of(const struct oa_schema *schema) {
    while (schema != NULL && schema->types == 0 && schema->op_count == 1 &&
           strcmp(schema->ops->keyword, "$ref") == 0) {
        schema = schema->ops->u.schema;
    }
    return schema;
}

static void skip_in_list(const struct oa_schema_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        list->items[i] = target_of(list->items[i]);
    }
}

static void skip_in_object(struct oa_object *object) {
    object->additional = target_of(object->additional);
    object->name_schema = target_of(object->name_schema);
    for (uint32_t i = 0; i < object->name_count; i++) {
        object->names[i].schema = target_of(object->names[i].schema);
    }
    for (size_t i = 0; i < object->pattern_count; i++) {
        object->patterns[i].schema = target_of(object->patterns[i].schema);
    }
    for (size_t i = 0; i < object->dependent_count; i++) {
        object->dependents[i].schema = target_of(object->dependents[i].schema);
    }
}

static void skip_in_op(struct oa_op *op) {
    static const char *const of_one[] = { "$ref", "not", "unevaluatedItems",
                                          "unevaluatedProperties" };
    static const char *const of_list[] = { "allOf", "anyOf", "oneOf" };

    for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++) {
        if (strcmp(op->keyword, of_one[i]) == 0) {
            op->u.schema = target_of(op->u.schema);
        }
    }
    for (size_t i = 0; i < sizeof(of_list) / sizeof(of_list[0]); i++) {
        if (strcmp(op->keyword, of_list[i]) == 0) {
            skip_in_list(&op->u.list);
        }
    }
    if (strcmp(op->keyword, "if") == 0) {
        struct oa_condition *condition = (struct oa_condition *)op->u.condition;

        condition->test = target_of(condition->test);
        condition->then_schema = target_of(condition->then_schema);
        condition->else_schema = target_of(condition->else_schema);
    } else if (strcmp(op->keyword, "properties") == 0) {
        skip_in_object((struct oa_object *)op->u.object);
    } else if (strcmp(op->keyword, "items") == 0) {
        struct oa_array *array = (struct oa_array *)op->u.array;

        array->items = target_of(array->items);
        array->contains = target_of(array->contains);
        skip_in_list(&array->prefix);
    }
}

void oa_schemas_skip_references(struct oa_schemas *schemas) {
    for (const struct oa_schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        for (uint16_t i = 0; i < schema->op_count; i++) {
            skip_in_op((struct oa_op *)&schema->ops[i]);
        }
    }
}
