/* Members of objects: duplicates, look-up, equality. */
#include "decimal.h"
#include "json_parser.h"

#include <stdlib.h>
#include <string.h>

/* Up to this many members each is compared with each; beyond, they are sorted. */
enum { PAIRWISE_MAX = 16 };

bool oa_str_equal(struct oa_str a, struct oa_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool oa_str_is(struct oa_str a, const char *b) {
    return oa_str_equal(a, (struct oa_str){ b, strlen(b) });
}

static int compare_keys(const void *a, const void *b) {
    const struct oa_json *x = *(const struct oa_json *const *)a;
    const struct oa_json *y = *(const struct oa_json *const *)b;
    size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = len > 0 ? memcmp(x->key.data, y->key.data, len) : 0;

    if (order != 0 || x->key.len == y->key.len) {
        return order;
    }
    return x->key.len < y->key.len ? -1 : 1;
}

static struct oa_json *duplicate(struct parser *p, const struct oa_json *member) {
    return parser_fail(p, member->raw.data, "duplicate member name in an object");
}

static struct oa_json *check_sorted(struct parser *p, struct oa_json *object) {
    const struct oa_json **sorted = oa_calloc(p->arena, object->count, sizeof(*sorted));
    size_t n = 0;

    if (sorted == NULL) {
        return parser_fail(p, object->raw.data, "out of memory");
    }
    for (const struct oa_json *m = object->child; m != NULL; m = m->next) {
        sorted[n++] = m;
    }
    qsort(sorted, n, sizeof(*sorted), compare_keys);
    for (size_t i = 1; i < n; i++) {
        if (oa_str_equal(sorted[i - 1]->key, sorted[i]->key)) {
            return duplicate(p, sorted[i]->raw.data > sorted[i - 1]->raw.data ? sorted[i]
                                                                              : sorted[i - 1]);
        }
    }
    return object;
}

struct oa_json *parser_check_members(struct parser *p, struct oa_json *object) {
    if (object->count > PAIRWISE_MAX) {
        return check_sorted(p, object);
    }
    for (const struct oa_json *a = object->child; a != NULL; a = a->next) {
        for (const struct oa_json *b = a->next; b != NULL; b = b->next) {
            if (oa_str_equal(a->key, b->key)) {
                return duplicate(p, b);
            }
        }
    }
    return object;
}

const struct oa_json *oa_json_get(const struct oa_json *object, const char *name) {
    if (object->type != OA_OBJECT) {
        return NULL;
    }
    for (const struct oa_json *member = object->child; member != NULL; member = member->next) {
        if (oa_str_is(member->key, name)) {
            return member;
        }
    }
    return NULL;
}

static bool objects_equal(const struct oa_json *a, const struct oa_json *b) {
    for (const struct oa_json *x = a->child; x != NULL; x = x->next) {
        const struct oa_json *y = b->child;

        while (y != NULL && !oa_str_equal(x->key, y->key)) {
            y = y->next;
        }
        if (y == NULL || !oa_json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

static bool arrays_equal(const struct oa_json *a, const struct oa_json *b) {
    const struct oa_json *y = b->child;

    for (const struct oa_json *x = a->child; x != NULL; x = x->next, y = y->next) {
        if (!oa_json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

bool oa_json_equal(const struct oa_json *a, const struct oa_json *b) {
    struct oa_decimal x;
    struct oa_decimal y;

    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case OA_STRING: return oa_str_equal(a->text, b->text);
    case OA_NUMBER:
        x = oa_decimal_parse(a->raw);
        y = oa_decimal_parse(b->raw);
        return oa_decimal_compare(&x, &y) == 0;
    case OA_ARRAY: return a->count == b->count && arrays_equal(a, b);
    case OA_OBJECT: return a->count == b->count && objects_equal(a, b);
    default: return true;
    }
}
