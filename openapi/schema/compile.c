/* What the keywords share: operations, and values that several of them have. */
#include "compile.h"

#include <stdlib.h>

struct op *compile_op(struct compiler *c, const char *keyword, const struct value *value,
                      unsigned types, check_fn *check) {
    struct op *op = &c->ops[c->schema->op_count++];

    *op = (struct op){ .check = check, .keyword = keyword, .types = types };
    if (value != NULL) {
        op->text = value->type == VALUE_STRING ? value->text : value->raw;
    }
    return op;
}

const struct schema *compile_schema(struct compiler *c, const struct value *node,
                                    const struct place *place) {
    if (!index_may_be_schema(node)) {
        loader_fail(c->loader, place, "a schema must be an object, true or false");
        return NULL;
    }
    return index_find(c->schemas, node);
}

bool compile_list(struct compiler *c, const struct value *value, const struct place *place,
                  struct schema_list *ret_list) {
    struct schema_list list = { .count = 0 };
    bool is_good = true;

    if (value->type != VALUE_ARRAY || value->count == 0) {
        return loader_fail(c->loader, place, "must be an array of at least one schema");
    }
    list.items = loader_alloc(c->loader, value->count, sizeof(*list.items));
    if (list.items == NULL) {
        return false;
    }
    for (const struct value *item = value->child; item != NULL; item = item->next) {
        struct place at = place_index(place, list.count);

        list.items[list.count] = compile_schema(c, item, &at);
        is_good = list.items[list.count] != NULL && is_good;
        list.count++;
    }
    *ret_list = list;
    return is_good;
}

bool compile_size(struct compiler *c, const struct value *value, const struct place *place,
                  uint64_t *ret_size) {
    struct decimal d;
    uint64_t n = 0;

    if (value->type != VALUE_NUMBER) {
        return loader_fail(c->loader, place, "must be an integer from 0");
    }
    d = decimal_parse(value->raw);
    if (d.negative || !decimal_is_integer(&d) || (int64_t)d.digits + d.exponent > 15) {
        return loader_fail(c->loader, place, "must be an integer from 0 to 999999999999999");
    }
    for (size_t i = 0; i < d.text.len; i++) {
        if (d.text.data[i] != '.') {
            n = n * 10 + (uint64_t)(d.text.data[i] - '0');
        }
    }
    for (int64_t i = 0; n > 0 && i < d.exponent; i++) {
        n *= 10;
    }
    *ret_size = n;
    return true;
}

bool compile_schema_field(struct compiler *c, void *owner, const struct value *value,
                          const struct place *place) {
    const struct schema *schema = owner != NULL ? compile_schema(c, value, place) : NULL;

    if (schema != NULL) {
        *(const struct schema **)((char *)owner + c->keyword->field) = schema;
    }
    return schema != NULL;
}

bool compile_size_field(struct compiler *c, void *owner, const struct value *value,
                        const struct place *place) {
    return owner != NULL &&
           compile_size(c, value, place, (uint64_t *)((char *)owner + c->keyword->field));
}

static int compare_texts(const void *a, const void *b) {
    return str_compare((*(const struct value *const *)a)->text,
                       (*(const struct value *const *)b)->text);
}

bool compile_names(struct compiler *c, const struct value *value, const struct place *place) {
    const struct value **sorted;
    size_t count = 0;

    if (value->type != VALUE_ARRAY) {
        return loader_fail(c->loader, place, "must be an array of names");
    }
    sorted = loader_alloc(c->loader, value->count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return false;
    }
    for (const struct value *name = value->child; name != NULL; name = name->next) {
        if (name->type != VALUE_STRING) {
            return loader_fail(c->loader, place, "must be an array of names");
        }
        sorted[count++] = name;
    }
    qsort(sorted, count, sizeof(*sorted), compare_texts);
    for (size_t i = 1; i < count; i++) {
        if (str_equal(sorted[i - 1]->text, sorted[i]->text)) {
            return loader_fail(c->loader, place, "%.*s is given twice", SHOWN(sorted[i]->raw));
        }
    }
    return true;
}

const struct pattern *compile_pattern(struct compiler *c, struct str source,
                                      const struct place *place) {
    struct pattern_code *pattern = loader_alloc(c->loader, 1, sizeof(*pattern));
    char reason[160];

    if (pattern == NULL) {
        return NULL;
    }
    pattern->code = pattern_compile(source, reason, sizeof(reason));
    if (pattern->code == NULL) {
        loader_fail(c->loader, place, "%s", reason);
        return NULL;
    }
    pattern->next = c->schemas->patterns;
    c->schemas->patterns = pattern;
    return pattern->code;
}

bool compile_check_range(struct compiler *c, uint64_t low, uint64_t high, const char *low_keyword,
                         const char *high_keyword, const char *what) {
    return low <= high || !c->schemas->options.is_strict ||
           loader_fail_at(c->loader, c->schema->place, low_keyword,
                          "is greater than \"%s\": no %s is valid", high_keyword, what);
}
