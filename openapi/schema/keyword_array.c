/*
 * Keywords for arrays: prefixItems, items, contains, minContains, maxContains, minItems, maxItems,
 * uniqueItems.
 */
#include "compile.h"

#include <stddef.h>
#include <stdlib.h>

/* Up to this many items each is compared with each; beyond, they are sorted by their hash. */
enum { PAIRWISE_MAX = 8 };

/* Items by prefixItems and items; what they evaluate is a prefix, or all. */
static bool check_each(struct run *run, const struct array *array, const struct value *value,
                       const struct place *place, struct marks *marks) {
    const struct value *item = value->child;
    size_t index = 0;
    bool is_valid = true;

    for (; item != NULL && (index < array->prefix.count || array->items != NULL);
         item = item->next, index++) {
        const struct schema *schema =
            index < array->prefix.count ? array->prefix.items[index] : array->items;

        if (schema == array->items && schema->is_false) {
            is_valid = run_fail(run, place, "items", "must have at most %zu item%s",
                                array->prefix.count, array->prefix.count == 1 ? "" : "s");
            break;
        }
        if (!run_apply_child(run, schema, item, index, place)) {
            is_valid = false;
            if (run_is_over(run)) {
                return false;
            }
        }
    }
    if (marks != NULL) {
        marks->all = marks->all || array->items != NULL || array->prefix.count >= value->count;
        for (size_t i = 0; !marks->all && i < array->prefix.count; i++) {
            marks_set(marks, (uint32_t)i);
        }
    }
    return is_valid;
}

static bool check_contains(struct run *run, const struct array *array, const struct value *value,
                           const struct place *place, struct marks *marks) {
    uint64_t count = 0;
    uint32_t index = 0;

    for (const struct value *item = value->child; item != NULL; item = item->next, index++) {
        if (!run_is_valid(run, array->contains, item, NULL)) {
            continue;
        }
        count++;
        if (marks != NULL) {
            marks_set(marks, index);
        } else if (count > array->contains_max ||
                   (array->contains_max == UINT64_MAX && count >= array->contains_min)) {
            break;
        }
    }
    if (count < array->contains_min) {
        return run_fail(run, place, array->contains_min == 1 ? "contains" : "minContains",
                        "must contain at least %llu matching item%s",
                        (unsigned long long)array->contains_min,
                        array->contains_min == 1 ? "" : "s");
    }
    return count <= array->contains_max ||
           run_fail(run, place, "maxContains", "must contain at most %llu matching item%s",
                    (unsigned long long)array->contains_max, array->contains_max == 1 ? "" : "s");
}

struct hashed {
    uint64_t hash;
    uint32_t index;
    const struct value *item;
};

static bool fail_unique(struct run *run, const struct place *place, uint32_t a, uint32_t b) {
    return run_fail(run, place, "uniqueItems", "must not have equal items (%u and %u are equal)",
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
static bool check_sorted(struct run *run, const struct hashed *items, uint32_t count,
                         const struct place *place) {
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count && items[k].hash == items[i].hash; k++) {
            if (value_equal(items[i].item, items[k].item)) {
                return fail_unique(run, place, items[i].index, items[k].index);
            }
            if (!run_work(run, 1 + items[k].item->raw.len / 64)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_unique(struct run *run, const struct array *array, const struct value *value,
                         const struct place *place) {
    struct hashed few[PAIRWISE_MAX];
    struct hashed *items = few;
    uint32_t count = 0;
    bool is_valid;

    if (!run_work(run, value->count + value->raw.len / 64)) {
        return false;
    }
    if (value->count > PAIRWISE_MAX) {
        items = malloc(value->count * sizeof(*items));
        if (items == NULL) {
            return run_stop_for_memory(run);
        }
    }
    for (const struct value *item = value->child; item != NULL; item = item->next, count++) {
        items[count] = (struct hashed){ .index = count, .item = item };
        if (items != few) {
            items[count].hash = value_hash(item, array->seed);
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

static bool check_array(struct run *run, const struct op *op, const struct value *value,
                        const struct place *place, struct marks *marks) {
    const struct array *array = op->u.array;
    bool is_valid = true;

    if (array->prefix.count > 0 || array->items != NULL) {
        is_valid = check_each(run, array, value, place, marks);
        if (!is_valid && run_is_over(run)) {
            return false;
        }
    }
    if (value->count < array->count_min) {
        is_valid = run_fail(run, place, "minItems", "must have at least %llu item%s",
                            (unsigned long long)array->count_min, array->count_min == 1 ? "" : "s");
    }
    if (value->count > array->count_max) {
        is_valid = run_fail(run, place, "maxItems", "must have at most %llu item%s",
                            (unsigned long long)array->count_max, array->count_max == 1 ? "" : "s");
    }
    if (!is_valid && run_is_over(run)) {
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

static struct array *array_of(struct compiler *c) {
    if (c->array == NULL) {
        c->array = loader_alloc(c->loader, 1, sizeof(*c->array));
        if (c->array == NULL) {
            return NULL;
        }
        c->array->count_max = UINT64_MAX;
        c->array->contains_min = 1;
        c->array->contains_max = UINT64_MAX;
        c->array->seed = c->schemas->seed;
        compile_op(c, "items", NULL, VALUE_ARRAY, check_array)->u.array = c->array;
    }
    return c->array;
}

static bool compile_prefix(struct compiler *c, const struct value *value,
                           const struct place *place) {
    struct array *array = array_of(c);

    return array != NULL && compile_list(c, value, place, &array->prefix);
}

static bool compile_one(struct compiler *c, const struct value *value, const struct place *place) {
    return compile_schema_field(c, array_of(c), value, place);
}

static bool compile_items(struct compiler *c, const struct value *value,
                          const struct place *place) {
    if (value->type == VALUE_ARRAY) {
        return loader_fail(c->loader, place,
                           "must be one schema; a list of them is \"prefixItems\"");
    }
    return compile_one(c, value, place);
}

static bool compile_unique(struct compiler *c, const struct value *value,
                           const struct place *place) {
    struct array *array = array_of(c);

    if (value->type != VALUE_TRUE && value->type != VALUE_FALSE) {
        return loader_fail(c->loader, place, "must be true or false");
    }
    if (array != NULL) {
        array->is_unique = value->type == VALUE_TRUE;
    }
    return array != NULL;
}

static bool compile_count(struct compiler *c, const struct value *value,
                          const struct place *place) {
    return compile_size_field(c, array_of(c), value, place);
}

bool keyword_array_finish(struct compiler *c) {
    const struct array *array = c->array;

    if (array == NULL || !c->schemas->options.is_strict) {
        return true;
    }
    if (!compile_check_range(c, array->count_min, array->count_max, "minItems", "maxItems",
                             "array")) {
        return false;
    }
    return array->contains == NULL || array->contains_min <= array->contains_max ||
           loader_fail_at(c->loader, c->schema->place, "maxContains",
                          "is less than \"minContains\": no array is valid");
}

#define FIELD(member) .field = offsetof(struct array, member)

const struct keyword keyword_array[] = {
    { .name = "prefixItems", .holds = HOLDS_LIST, .compile = compile_prefix },
    { .name = "items", .holds = HOLDS_SCHEMA, .compile = compile_items, FIELD(items) },
    { .name = "contains", .holds = HOLDS_SCHEMA, .compile = compile_one, FIELD(contains) },
    { .name = "minContains", .compile = compile_count, FIELD(contains_min) },
    { .name = "maxContains", .compile = compile_count, FIELD(contains_max) },
    { .name = "minItems", .compile = compile_count, FIELD(count_min) },
    { .name = "maxItems", .compile = compile_count, FIELD(count_max) },
    { .name = "uniqueItems", .compile = compile_unique },
    { .name = NULL },
};
