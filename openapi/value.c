/* The tree: built from the scanner's events; members; equality and hashes. */
#include "value.h"
#include "base/decimal.h"

#include <stdlib.h>

/* ---- members ---- */

static int compare_keys(const void *a, const void *b) {
    return str_compare((*(const struct value *const *)a)->key,
                       (*(const struct value *const *)b)->key);
}

const struct value *value_member(const struct value *object, struct str name) {
    const struct value *member = object->child;

    if (object->type != VALUE_OBJECT) {
        return NULL;
    }
    if (object->count > VALUE_PAIRWISE_MAX) {
        const struct value key = { .key = name };
        const struct value *wanted = &key;
        const struct value **found =
            bsearch(&wanted, object->members, object->count, sizeof(wanted), compare_keys);

        return found != NULL ? *found : NULL;
    }
    while (member != NULL && !str_equal(member->key, name)) {
        member = member->next;
    }
    return member;
}

const struct value *value_get(const struct value *object, const char *name) {
    return value_member(object, str_of(name));
}

bool value_sort(struct arena *arena, struct value *object) {
    size_t n = 0;

    if (object->count <= VALUE_PAIRWISE_MAX) {
        return true;
    }
    object->members = arena_array(arena, object->count, sizeof(*object->members));
    if (object->members == NULL) {
        return false;
    }
    for (const struct value *m = object->child; m != NULL; m = m->next) {
        object->members[n++] = m;
    }
    qsort(object->members, n, sizeof(*object->members), compare_keys);
    return true;
}

/* ---- building ---- */

/* The first member in the text whose name another one before it has, or NULL. */
static const struct value *find_duplicate(const struct value *object) {
    const struct value *first = NULL;

    if (object->count > VALUE_PAIRWISE_MAX) {
        for (size_t i = 1; i < object->count; i++) {
            const struct value *a = object->members[i - 1];
            const struct value *b = object->members[i];
            const struct value *later = a->raw.data > b->raw.data ? a : b;

            if (str_equal(a->key, b->key) && (first == NULL || later->raw.data < first->raw.data)) {
                first = later;
            }
        }
        return first;
    }
    for (const struct value *b = object->child; b != NULL; b = b->next) {
        for (const struct value *a = object->child; a != b; a = a->next) {
            if (str_equal(a->key, b->key)) {
                return b;
            }
        }
    }
    return NULL;
}

/* The array or object has ended; false after a mistake. */
static bool finish(struct json_scan *scan, struct arena *arena, struct value *node) {
    const struct value *duplicate;

    node->raw.len = (size_t)(scan->pos - node->raw.data);
    if (node->type == VALUE_ARRAY) {
        return true;
    }
    if (!value_sort(arena, node)) {
        json_scan_no_memory(scan);
        return false;
    }
    duplicate = find_duplicate(node);
    if (duplicate != NULL) {
        json_scan_duplicate(scan, duplicate->raw.data, duplicate->key);
    }
    return duplicate == NULL;
}

/* What the string stands for: in the text, or decoded into the arena; false without memory. */
static bool keep_string(struct arena *arena, const struct json_scan_string *string,
                        struct str *ret_text) {
    char *text = NULL;

    *ret_text = string->text;
    if (string->is_escaped) {
        text = arena_alloc(arena, string->text.len);
        *ret_text = (struct str){ text, text != NULL ? json_scan_decode(string, text) : 0 };
    }
    return ret_text->data != NULL;
}

/* The node of the value that the scanner has found; NULL without memory. */
static struct value *new_node(struct json_scan *scan, struct arena *arena,
                              enum json_scan_event event) {
    struct value *node = arena_alloc(arena, sizeof(*node));

    if (node == NULL) {
        json_scan_no_memory(scan);
        return NULL;
    }
    *node = (struct value){ .type = (enum value_type)event,
                            .raw = { scan->value, (size_t)(scan->pos - scan->value) } };
    if ((scan->name.text.data != NULL && !keep_string(arena, &scan->name, &node->key)) ||
        (event == JSON_SCAN_STRING && !keep_string(arena, &scan->string, &node->text))) {
        json_scan_no_memory(scan);
        return NULL;
    }
    if (event == JSON_SCAN_STRING) {
        node->count = scan->string.points;
    } else if (event == JSON_SCAN_NUMBER && scan->is_integer) {
        node->integer = scan->integer;
        node->count = 1;
    }
    return node;
}

struct value *value_parse_limited(struct arena *arena, const char *text, size_t len,
                                  const struct json_scan_limits *limits,
                                  struct json_scan_error *ret_error) {
    struct json_scan scan;
    struct value *open[JSON_SCAN_DEPTH_MAX + 1]; /* which have not ended; [0] is above the root */
    struct value top = { .type = VALUE_ARRAY };
    struct value **link = &top.child;
    unsigned depth = 0;

    json_scan_init(&scan, (struct str){ text, len }, limits, ret_error);
    open[0] = &top;
    for (;;) {
        enum json_scan_event event = json_scan_next(&scan);
        struct value *node;

        if (event == JSON_SCAN_END) {
            return top.child;
        }
        if (event == JSON_SCAN_CLOSE) {
            node = open[depth--];
            if (!finish(&scan, arena, node)) {
                return NULL;
            }
            link = &node->next;
            continue;
        }
        node = event != JSON_SCAN_FAILED ? new_node(&scan, arena, event) : NULL;
        if (node == NULL) {
            return NULL;
        }
        *link = node;
        link = &node->next;
        open[depth]->count++;
        if (scan.depth > depth) {
            open[++depth] = node;
            link = &node->child;
        }
    }
}

struct value *value_parse(struct arena *arena, const char *text, size_t len, unsigned depth_max,
                          struct json_scan_error *ret_error) {
    const struct json_scan_limits limits = { .depth_max = depth_max, .values_max = UINT32_MAX };

    return value_parse_limited(arena, text, len, &limits, ret_error);
}

/* ---- equality ---- */

static bool objects_equal(const struct value *a, const struct value *b) {
    if (a->count > VALUE_PAIRWISE_MAX) {
        for (uint32_t i = 0; i < a->count; i++) {
            if (!str_equal(a->members[i]->key, b->members[i]->key) ||
                !value_equal(a->members[i], b->members[i])) {
                return false;
            }
        }
        return true;
    }
    for (const struct value *x = a->child; x != NULL; x = x->next) {
        const struct value *y = value_member(b, x->key);

        if (y == NULL || !value_equal(x, y)) {
            return false;
        }
    }
    return true;
}

static bool arrays_equal(const struct value *a, const struct value *b) {
    const struct value *y = b->child;

    for (const struct value *x = a->child; x != NULL; x = x->next, y = y->next) {
        if (!value_equal(x, y)) {
            return false;
        }
    }
    return true;
}

static bool numbers_equal(const struct value *a, const struct value *b) {
    struct decimal x;
    struct decimal y;

    if (a->count != 0 && b->count != 0) {
        return a->integer == b->integer;
    }
    x = decimal_parse(a->raw);
    y = decimal_parse(b->raw);
    return decimal_compare(&x, &y) == 0;
}

bool value_equal(const struct value *a, const struct value *b) {
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VALUE_STRING: return str_equal(a->text, b->text);
    case VALUE_NUMBER: return numbers_equal(a, b);
    case VALUE_ARRAY: return a->count == b->count && arrays_equal(a, b);
    case VALUE_OBJECT: return a->count == b->count && objects_equal(a, b);
    default: return true;
    }
}

/* ---- hashes ---- */

/* Any odd numbers with well-mixed bits. */
#define MULTIPLIER UINT64_C(0x9fb21c651e98df25)
#define NUMBER_SALT UINT64_C(0x2545f4914f6cdd1d)

/* Both halves of the product depend on every bit of both factors. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_text(struct str text, uint64_t seed) {
    uint64_t hash = mix(seed ^ text.len, MULTIPLIER);
    uint64_t word;

    for (; text.len >= sizeof(word); text.data += sizeof(word), text.len -= sizeof(word)) {
        memcpy(&word, text.data, sizeof(word));
        hash = mix(hash ^ word ^ seed, MULTIPLIER);
    }
    word = 0;
    if (text.len > 0) {
        memcpy(&word, text.data, text.len);
    }
    return mix(hash ^ word, MULTIPLIER);
}

/* 100, 1e2 and 100.0 have the same significant digits, exponent and sign. */
static uint64_t hash_number(struct str raw, uint64_t seed) {
    struct decimal d = decimal_parse(raw);
    uint64_t hash = mix(seed ^ (uint64_t)d.exponent ^ d.negative, NUMBER_SALT);

    for (size_t i = 0; d.digits > 0 && i < d.text.len; i++) {
        if (d.text.data[i] != '.') {
            hash = mix(hash ^ (unsigned char)d.text.data[i] ^ seed, MULTIPLIER);
        }
    }
    return hash;
}

uint64_t value_hash(const struct value *value, uint64_t seed) {
    uint64_t hash = mix(seed + (uint64_t)value->type, MULTIPLIER);

    switch (value->type) {
    case VALUE_STRING: return hash_text(value->text, hash);
    case VALUE_NUMBER: return hash_number(value->raw, hash);
    case VALUE_ARRAY:
        for (const struct value *item = value->child; item != NULL; item = item->next) {
            hash = mix(hash ^ value_hash(item, seed), MULTIPLIER);
        }
        return hash;
    case VALUE_OBJECT:
        /* a sum, for the order of members does not matter */
        for (const struct value *m = value->child; m != NULL; m = m->next) {
            hash += mix(hash_text(m->key, seed) ^ value_hash(m, seed), MULTIPLIER);
        }
        return hash;
    default: return hash;
    }
}
