/* Keywords for arrays: items, minItems, maxItems. */
#include "loader.h"

static bool compile_items(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_json *value, const struct oa_place *place,
                          struct oa_op *op) {
    (void)schema;
    op->u.schema = oa_schema_compile(loader, value, place);
    return op->u.schema != NULL;
}

static void check_items(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                        const struct oa_place *place) {
    size_t index = 0;

    for (const struct oa_json *item = value->child; item != NULL; item = item->next) {
        struct oa_place at = place_index(place, index++);

        if (oa_report_is_full(run->report)) {
            return;
        }
        oa_schema_run(run, op->u.schema, item, &at);
    }
}

static bool compile_count(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_json *value, const struct oa_place *place,
                          struct oa_op *op) {
    (void)schema;
    return oa_compile_size(loader, value, place, op);
}

static void check_min_items(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                            const struct oa_place *place) {
    if (value->count < op->u.size) {
        oa_report_add(run->report, place, "minItems", "must have at least %.*s item%s",
                      OA_STR(op->text), op->u.size == 1 ? "" : "s");
    }
}

static void check_max_items(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                            const struct oa_place *place) {
    if (value->count > op->u.size) {
        oa_report_add(run->report, place, "maxItems", "must have at most %.*s item%s",
                      OA_STR(op->text), op->u.size == 1 ? "" : "s");
    }
}

const struct oa_keyword oa_keywords_array[] = {
    { "items", OA_ARRAY, compile_items, check_items },
    { "minItems", OA_ARRAY, compile_count, check_min_items },
    { "maxItems", OA_ARRAY, compile_count, check_max_items },
    { NULL, 0, NULL, NULL },
};
