/* Keywords for values of any type: type, enum, const, $ref. */
#include "loader.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} types[] = {
    { "null", OA_NULL },       { "boolean", OA_TRUE | OA_FALSE }, { "object", OA_OBJECT },
    { "array", OA_ARRAY },     { "number", OA_NUMBER },           { "string", OA_STRING },
    { "integer", OA_INTEGER },
};

static unsigned type_bit(const struct oa_json *name) {
    for (size_t i = 0; name->type == OA_STRING && i < sizeof(types) / sizeof(types[0]); i++) {
        if (oa_str_is(name->text, types[i].name)) {
            return types[i].bit;
        }
    }
    return 0;
}

static bool compile_type(struct oa_loader *loader, const struct oa_json *schema,
                         const struct oa_json *value, const struct oa_place *place,
                         struct oa_op *op) {
    const struct oa_json *name = value->type == OA_ARRAY ? value->child : value;

    (void)schema;
    if (value->type != OA_STRING && (value->type != OA_ARRAY || value->count == 0)) {
        return loader_fail(loader, place, "must be a type's name or an array of them");
    }
    for (; name != NULL; name = value->type == OA_ARRAY ? name->next : NULL) {
        unsigned bit = type_bit(name);

        if (bit == 0 || (op->u.types & bit) != 0) {
            return loader_fail(loader, place,
                               bit == 0 ? "%.*s is not a type" : "%.*s is given twice",
                               OA_STR(name->raw));
        }
        op->u.types |= bit;
    }
    return true;
}

static void check_type(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                       const struct oa_place *place) {
    char names[80];
    size_t len = 0;

    if ((op->u.types & (unsigned)value->type) != 0) {
        return;
    }
    if (value->type == OA_NUMBER && (op->u.types & OA_INTEGER) != 0) {
        struct oa_decimal d = oa_decimal_parse(value->raw);

        if (oa_decimal_is_integer(&d)) {
            return;
        }
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if ((op->u.types & types[i].bit) != 0) {
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? " or " : "",
                                    types[i].name);
        }
    }
    oa_report_add(run->report, place, "type", "must be %s", names);
}

static bool compile_enum(struct oa_loader *loader, const struct oa_json *schema,
                         const struct oa_json *value, const struct oa_place *place,
                         struct oa_op *op) {
    (void)schema;
    if (value->type != OA_ARRAY || value->count == 0) {
        return loader_fail(loader, place, "must be an array with at least one value");
    }
    op->u.value = value;
    return true;
}

static void check_enum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                       const struct oa_place *place) {
    for (const struct oa_json *one = op->u.value->child; one != NULL; one = one->next) {
        if (oa_json_equal(one, value)) {
            return;
        }
    }
    oa_report_add(run->report, place, "enum", "must be one of %.*s", OA_STR(op->text));
}

static bool compile_const(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_json *value, const struct oa_place *place,
                          struct oa_op *op) {
    (void)loader;
    (void)schema;
    (void)place;
    op->u.value = value;
    return true;
}

static void check_const(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                        const struct oa_place *place) {
    if (!oa_json_equal(op->u.value, value)) {
        oa_report_add(run->report, place, "const", "must be %.*s", OA_STR(op->u.value->raw));
    }
}

static bool compile_ref(struct oa_loader *loader, const struct oa_json *schema,
                        const struct oa_json *value, const struct oa_place *place,
                        struct oa_op *op) {
    struct oa_place target = { .parent = NULL };
    const struct oa_json *node = loader_resolve(loader, value, place, &target.key);

    (void)schema;
    if (node == NULL) {
        return false;
    }
    op->u.schema = oa_schema_compile(loader, node, &target);
    return op->u.schema != NULL;
}

static void check_ref(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                      const struct oa_place *place) {
    oa_schema_run(run, op->u.schema, value, place);
}

const struct oa_keyword oa_keywords_any[] = {
    { "type", OA_ANY, compile_type, check_type },
    { "enum", OA_ANY, compile_enum, check_enum },
    { "const", OA_ANY, compile_const, check_const },
    { "$ref", OA_ANY, compile_ref, check_ref },
    { NULL, 0, NULL, NULL },
};
