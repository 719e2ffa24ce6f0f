/* Keywords for objects: properties, required, additionalProperties, minProperties, maxProperties. */
#include "loader.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(struct oa_str a, struct oa_str b) {
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return a.len > 0 ? memcmp(a.data, b.data, a.len) : 0;
}

static int compare_properties(const void *a, const void *b) {
    return compare_names(((const struct oa_property *)a)->name,
                         ((const struct oa_property *)b)->name);
}

const struct oa_property *oa_properties_find(const struct oa_properties *table,
                                             struct oa_str name) {
    struct oa_property key = { .name = name };

    return table->count == 0
               ? NULL
               : bsearch(&key, table->items, table->count, sizeof(key), compare_properties);
}

static bool compile_properties(struct oa_loader *loader, const struct oa_json *schema,
                               const struct oa_json *value, const struct oa_place *place,
                               struct oa_op *op) {
    struct oa_property *item;

    (void)schema;
    if (value->type != OA_OBJECT) {
        return loader_fail(loader, place, "must be an object of schemas");
    }
    op->u.properties.items = loader_alloc(loader, value->count, sizeof(*item));
    if (op->u.properties.items == NULL) {
        return false;
    }
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);

        item = &op->u.properties.items[op->u.properties.count++];
        item->name = member->key;
        item->schema = oa_schema_compile(loader, member, &at);
        if (item->schema == NULL) {
            return false;
        }
    }
    qsort(op->u.properties.items, op->u.properties.count, sizeof(*item), compare_properties);
    return true;
}

static void check_properties(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place) {
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        const struct oa_property *property = oa_properties_find(&op->u.properties, member->key);

        if (property != NULL) {
            struct oa_place at = place_member(place, member);

            oa_schema_run(run, property->schema, member, &at);
        }
    }
}

static bool compile_additional(struct oa_loader *loader, const struct oa_json *schema,
                               const struct oa_json *value, const struct oa_place *place,
                               struct oa_op *op) {
    (void)schema;
    op->u.additional.schema = oa_schema_compile(loader, value, place);
    return op->u.additional.schema != NULL;
}

static void check_additional(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place) {
    for (const struct oa_json *member = value->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);

        if (op->u.additional.known != NULL &&
            oa_properties_find(op->u.additional.known, member->key) != NULL) {
            continue;
        }
        if (oa_report_is_full(run->report)) {
            return;
        }
        if (op->u.additional.schema->is_false) {
            oa_report_add(run->report, &at, "additionalProperties",
                          "must NOT have additional property '%.*s'", OA_STR(member->key));
        } else {
            oa_schema_run(run, op->u.additional.schema, member, &at);
        }
    }
}

static bool compile_required(struct oa_loader *loader, const struct oa_json *schema,
                             const struct oa_json *value, const struct oa_place *place,
                             struct oa_op *op) {
    (void)schema;
    if (value->type != OA_ARRAY) {
        return loader_fail(loader, place, "must be an array of names");
    }
    for (const struct oa_json *name = value->child; name != NULL; name = name->next) {
        if (name->type != OA_STRING) {
            return loader_fail(loader, place, "must be an array of names");
        }
    }
    op->u.value = value;
    return true;
}

static void check_required(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                           const struct oa_place *place) {
    for (const struct oa_json *name = op->u.value->child; name != NULL; name = name->next) {
        const struct oa_json *member = value->child;

        while (member != NULL && !oa_str_equal(member->key, name->text)) {
            member = member->next;
        }
        if (member == NULL) {
            oa_report_add(run->report, place, "required", "must have required property '%.*s'",
                          OA_STR(name->text));
        }
    }
}

static bool compile_count(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_json *value, const struct oa_place *place,
                          struct oa_op *op) {
    (void)schema;
    return oa_compile_size(loader, value, place, op);
}

static void check_min_properties(struct oa_run *run, const struct oa_op *op,
                                 const struct oa_json *value, const struct oa_place *place) {
    if (value->count < op->u.size) {
        oa_report_add(run->report, place, "minProperties", "must have at least %.*s propert%s",
                      OA_STR(op->text), op->u.size == 1 ? "y" : "ies");
    }
}

static void check_max_properties(struct oa_run *run, const struct oa_op *op,
                                 const struct oa_json *value, const struct oa_place *place) {
    if (value->count > op->u.size) {
        oa_report_add(run->report, place, "maxProperties", "must have at most %.*s propert%s",
                      OA_STR(op->text), op->u.size == 1 ? "y" : "ies");
    }
}

const struct oa_keyword oa_keywords_object[] = {
    { "properties", OA_OBJECT, compile_properties, check_properties },
    { "required", OA_OBJECT, compile_required, check_required },
    { "additionalProperties", OA_OBJECT, compile_additional, check_additional },
    { "minProperties", OA_OBJECT, compile_count, check_min_properties },
    { "maxProperties", OA_OBJECT, compile_count, check_max_properties },
    { NULL, 0, NULL, NULL },
};
