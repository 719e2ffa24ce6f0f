/*
 * Keywords for arrays: prefixItems, items, contains, minContains, maxContains, minItems, maxItems,
 * uniqueItems, unevaluatedItems.
 */
#include "compile.h"

#include <stdlib.h>
#include <string.h>

/* Up to this many items each is compared with each; beyond, they are sorted by their hash. */
enum { PAIRWISE_MAX = 8 };

/* Items by prefixItems and items; what they evaluate is a prefix, or all. */
static bool check_each(struct oa_run *run, const struct oa_array *array,
                       const struct oa_json *value, const struct oa_place *place,
                       struct oa_marks *marks) {
    const struct oa_json *item = value->child;
    size_t index = 0;
    bool is_valid = true;

    for (; item != NULL && (index < array->prefix.count || array->items != NULL);
         item = item->next, index++) {
        const struct oa_schema *schema =
            index < array->prefix.count ? array->prefix.items[index] : array->items;

        if (schema == array->items && schema->is_false) {
            is_valid = oa_fail(run, place, "items", "must have at most %zu item%s",
                               array->prefix.count, array->prefix.count == 1 ? "" : "s");
            break;
        }
        if (!oa_apply_item(run, schema, item, index, place)) {
            is_valid = false;
            if (oa_run_is_over(run)) {
                return false;
            }
        }
    }
    if (marks != NULL) {
        marks->all = marks->all || array->items != NULL || array->prefix.count >= value->count;
        for (size_t i = 0; !marks->all && i < array->prefix.count; i++) {
            oa_marks_set(marks, (uint32_t)i);
        }
    }
    return is_valid;
}

static bool check_contains(struct oa_run *run, const struct oa_array *array,
                           const struct oa_json *value, const struct oa_place *place,
                           struct oa_marks *marks) {
    uint64_t count = 0;
    uint32_t index = 0;

    for (const struct oa_json *item = value->child; item != NULL; item = item->next, index++) {
        if (!oa_is_valid(run, array->contains, item, NULL)) {
            continue;
        }
        count++;
        if (marks != NULL) {
            oa_marks_set(marks, index);
        } else if (count > array->contains_max ||
                   (array->contains_max == UINT64_MAX && count >= array->contains_min)) {
            break;
        }
    }
    if (count < array->contains_min) {
        return oa_fail(run, place, array->contains_min == 1 ? "contains" : "minContains",
                       "must contain at least %llu matching item%s",
                       (unsigned long long)array->contains_min,
                       array->contains_min == 1 ? "" : "s");
    }
    return count <= array->contains_max ||
           oa_fail(run, place, "maxContains", "must contain at most %llu matching item%s",
                   (unsigned long long)array->contains_max, array->contains_max == 1 ? "" : "s");
}

struct hashed {
    uint64_t hash;
    uint32_t index;
    const struct oa_json *item;
};

static bool fail_unique(struct oa_run *run, const struct oa_place *place, uint32_t a, uint32_t b) {
    return oa_fail(run, place, "uniqueItems", "must not have equal items (%u and %u are equal)",
                   a < b ? a : b, a < b ? b : a);
}

static int compare_hashed(const void *a, const void *b) {
    const struct hashed *x = a;
    const struct hashed *y = b;

    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* Equal items have equal hashes; others that have are very few, and counted as work. */
static bool check_sorted(struct oa_run *run, const struct hashed *items, uint32_t count,
                         const struct oa_place *place) {
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count && items[k].hash == items[i].hash; k++) {
            if (oa_json_equal(items[i].item, items[k].item)) {
                return fail_unique(run, place, items[i].index, items[k].index);
            }
            if (!oa_run_work(run, 1 + items[k].item->raw.len / 64)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_unique(struct oa_run *run, const struct oa_array *array,
                         const struct oa_json *value, const struct oa_place *place) {
    struct hashed few[PAIRWISE_MAX];
    struct hashed *items = few;
    uint32_t count = 0;
    bool is_valid;

    if (!oa_run_work(run, value->count + value->raw.len / 64)) {
        return false;
    }
    if (value->count > PAIRWISE_MAX) {
        items = malloc(value->count * sizeof(*items));
        if (items == NULL) {
            return oa_stop_for_memory(run);
        }
    }
    for (const struct oa_json *item = value->child; item != NULL; item = item->next, count++) {
        items[count] = (struct hashed){ .index = count, .item = item };
        if (items != few) {
            items[count].hash = oa_json_hash(item, array->seed);
        }
    }
    if (items != few) {
        qsort(items, count, sizeof(*items), compare_hashed);
    }
    is_valid = check_sorted(run, items, count, place);
    if (items != few) {
        free(items);
    }
    return is_valid;
}

static bool check_array(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                        const struct oa_place *place, struct oa_marks *marks) {
    const struct oa_array *array = op->u.array;
    bool is_valid = true;

    if (array->prefix.count > 0 || array->items != NULL) {
        is_valid = check_each(run, array, value, place, marks);
        if (!is_valid && oa_run_is_over(run)) {
            return false;
        }
    }
    if (value->count < array->count_min) {
        is_valid = oa_fail(run, place, "minItems", "must have at least %llu item%s",
                           (unsigned long long)array->count_min, array->count_min == 1 ? "" : "s");
    }
    if (value->count > array->count_max) {
        is_valid = oa_fail(run, place, "maxItems", "must have at most %llu item%s",
                           (unsigned long long)array->count_max, array->count_max == 1 ? "" : "s");
    }
    if (!is_valid && oa_run_is_over(run)) {
        return false;
    }
    if (array->contains != NULL && !check_contains(run, array, value, place, marks)) {
        is_valid = false;
    }
    if (array->is_unique && !check_unique(run, array, value, place)) {
        is_valid = false;
    }
    return is_valid;
}

static bool check_unevaluated(struct oa_run *run, const struct oa_op *op,
                              const struct oa_json *value, const struct oa_place *place,
                              struct oa_marks *marks) {
    uint32_t index = 0;
    bool is_valid = true;

    for (const struct oa_json *item = value->child; item != NULL; item = item->next, index++) {
        struct oa_place at;

        if (oa_marks_has(marks, index)) {
            continue;
        }
        if (op->u.schema->is_false && run->mode != OA_QUIET) {
            at = place_index(place, index);
            is_valid = oa_fail(run, &at, "unevaluatedItems", "must NOT have unevaluated items");
        } else if (!oa_apply_item(run, op->u.schema, item, index, place)) {
            is_valid = false;
        }
        if (!is_valid && oa_run_is_over(run)) {
            return false;
        }
    }
    marks->all = true;
    return is_valid;
}

struct oa_array *oa_compiler_array(struct oa_compiler *c) {
    if (c->array == NULL) {
        c->array = loader_alloc(c->loader, 1, sizeof(*c->array));
        if (c->array == NULL) {
            return NULL;
        }
        c->array->count_max = UINT64_MAX;
        c->array->contains_min = 1;
        c->array->contains_max = UINT64_MAX;
        c->array->seed = c->schemas->seed;
        oa_compiler_op(c, "items", NULL, OA_ARRAY, check_array)->u.array = c->array;
    }
    return c->array;
}

static bool compile_prefix(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    return array != NULL && oa_compiler_list(c, value, place, &array->prefix);
}

static bool compile_items(struct oa_compiler *c, const struct oa_json *value,
                          const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    if (value->type == OA_ARRAY) {
        return loader_fail(c->loader, place,
                           "must be one schema; a list of them is \"prefixItems\"");
    }
    if (array != NULL) {
        array->items = oa_compiler_schema(c, value, place);
    }
    return array != NULL && array->items != NULL;
}

static bool compile_contains(struct oa_compiler *c, const struct oa_json *value,
                             const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    if (array != NULL) {
        array->contains = oa_compiler_schema(c, value, place);
    }
    return array != NULL && array->contains != NULL;
}

static bool compile_unevaluated(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    const struct oa_schema *schema = oa_compiler_schema(c, value, place);

    if (schema == NULL) {
        return false;
    }
    c->schema->tracked |= OA_ARRAY;
    oa_compiler_op(c, "unevaluatedItems", value, OA_ARRAY, check_unevaluated)->u.schema = schema;
    return true;
}

static bool compile_unique(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    if (value->type != OA_TRUE && value->type != OA_FALSE) {
        return loader_fail(c->loader, place, "must be true or false");
    }
    if (array != NULL) {
        array->is_unique = value->type == OA_TRUE;
    }
    return array != NULL;
}

static bool compile_min_items(struct oa_compiler *c, const struct oa_json *value,
                              const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    return array != NULL && oa_compiler_size(c, value, place, &array->count_min);
}

static bool compile_max_items(struct oa_compiler *c, const struct oa_json *value,
                              const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    return array != NULL && oa_compiler_size(c, value, place, &array->count_max);
}

static bool compile_min_contains(struct oa_compiler *c, const struct oa_json *value,
                                 const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    return array != NULL && oa_compiler_size(c, value, place, &array->contains_min);
}

static bool compile_max_contains(struct oa_compiler *c, const struct oa_json *value,
                                 const struct oa_place *place) {
    struct oa_array *array = oa_compiler_array(c);

    return array != NULL && oa_compiler_size(c, value, place, &array->contains_max);
}

bool oa_array_finish(struct oa_compiler *c) {
    const struct oa_array *array = c->array;
    struct oa_place at;

    if (array == NULL || !c->schemas->is_strict) {
        return true;
    }
    if (array->count_min > array->count_max) {
        at = place_text(c->schema->place, "minItems");
        return loader_fail(c->loader, &at, "is greater than \"maxItems\": no array is valid");
    }
    if (array->contains != NULL && array->contains_min > array->contains_max) {
        at = place_text(c->schema->place, "maxContains");
        return loader_fail(c->loader, &at, "is less than \"minContains\": no array is valid");
    }
    return true;
}

const struct oa_keyword oa_keywords_array[] = {
    { "prefixItems", OA_HOLDS_LIST, compile_prefix },
    { "items", OA_HOLDS_SCHEMA, compile_items },
    { "contains", OA_HOLDS_SCHEMA, compile_contains },
    { "minContains", OA_HOLDS_NONE, compile_min_contains },
    { "maxContains", OA_HOLDS_NONE, compile_max_contains },
    { "minItems", OA_HOLDS_NONE, compile_min_items },
    { "maxItems", OA_HOLDS_NONE, compile_max_items },
    { "uniqueItems", OA_HOLDS_NONE, compile_unique },
    { "unevaluatedItems", OA_HOLDS_SCHEMA, compile_unevaluated },
    { NULL, OA_HOLDS_NONE, NULL },
};
