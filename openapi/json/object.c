/* Members of objects: duplicates, look-up, equality. */
#include "openapi/decimal.h"
#include "openapi/schema/schema.h"
#include "parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *a, const void *b) {
    return str_compare((*(const struct oa_json *const *)a)->key,
                       (*(const struct oa_json *const *)b)->key);
}

/* The reason names the member, as long as there is memory for that. */
static struct oa_json *duplicate(struct parser *p, const struct oa_json *member) {
    enum { REASON_BYTES = 256 };
    char *reason = arena_alloc(p->arena, REASON_BYTES);

    if (reason == NULL) {
        return parser_fail(p, member->raw.data, "duplicate member name");
    }
    snprintf(reason, REASON_BYTES, "duplicate member name \"%.*s\"", OA_STR(member->key));
    return parser_fail(p, member->raw.data, reason);
}

static struct oa_json *check_sorted(struct parser *p, struct oa_json *object) {
    const struct oa_json **sorted = arena_array(p->arena, object->count, sizeof(*sorted));
    size_t n = 0;

    if (sorted == NULL) {
        return parser_stop(p, object->raw.data, OA_JSON_NO_MEMORY);
    }
    for (const struct oa_json *m = object->child; m != NULL; m = m->next) {
        sorted[n++] = m;
    }
    qsort(sorted, n, sizeof(*sorted), compare_keys);
    for (size_t i = 1; i < n; i++) {
        if (str_equal(sorted[i - 1]->key, sorted[i]->key)) {
            return duplicate(p, sorted[i]->raw.data > sorted[i - 1]->raw.data ? sorted[i]
                                                                              : sorted[i - 1]);
        }
    }
    object->members = sorted;
    return object;
}

struct oa_json *parser_check_members(struct parser *p, struct oa_json *object) {
    if (object->count > OA_JSON_PAIRWISE_MAX) {
        return check_sorted(p, object);
    }
    for (const struct oa_json *a = object->child; a != NULL; a = a->next) {
        for (const struct oa_json *b = a->next; b != NULL; b = b->next) {
            if (str_equal(a->key, b->key)) {
                return duplicate(p, b);
            }
        }
    }
    return object;
}

static const struct oa_json *find_sorted(const struct oa_json *object, struct str name) {
    const struct oa_json key = { .key = name };
    const struct oa_json *wanted = &key;
    const struct oa_json **found =
        bsearch(&wanted, object->members, object->count, sizeof(wanted), compare_keys);

    return found != NULL ? *found : NULL;
}

const struct oa_json *oa_json_member(const struct oa_json *object, struct str name) {
    const struct oa_json *member = object->child;

    if (object->type != OA_OBJECT) {
        return NULL;
    }
    if (object->count > OA_JSON_PAIRWISE_MAX) {
        return find_sorted(object, name);
    }
    while (member != NULL && !str_equal(member->key, name)) {
        member = member->next;
    }
    return member;
}

const struct oa_json *oa_json_get(const struct oa_json *object, const char *name) {
    return oa_json_member(object, (struct str){ name, strlen(name) });
}

static bool objects_equal(const struct oa_json *a, const struct oa_json *b) {
    if (a->count > OA_JSON_PAIRWISE_MAX) {
        for (uint32_t i = 0; i < a->count; i++) {
            if (!str_equal(a->members[i]->key, b->members[i]->key) ||
                !oa_json_equal(a->members[i], b->members[i])) {
                return false;
            }
        }
        return true;
    }
    for (const struct oa_json *x = a->child; x != NULL; x = x->next) {
        const struct oa_json *y = oa_json_member(b, x->key);

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

static bool numbers_equal(const struct oa_json *a, const struct oa_json *b) {
    struct oa_decimal x;
    struct oa_decimal y;

    if (a->count != 0 && b->count != 0) {
        return a->integer == b->integer;
    }
    x = oa_decimal_parse(a->raw);
    y = oa_decimal_parse(b->raw);
    return oa_decimal_compare(&x, &y) == 0;
}

bool oa_json_equal(const struct oa_json *a, const struct oa_json *b) {
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case OA_STRING: return str_equal(a->text, b->text);
    case OA_NUMBER: return numbers_equal(a, b);
    case OA_ARRAY: return a->count == b->count && arrays_equal(a, b);
    case OA_OBJECT: return a->count == b->count && objects_equal(a, b);
    default: return true;
    }
}
