/* Keywords for values of any type: type, enum, const, format. */
#include "compile.h"

#include <stdlib.h>
#include <string.h>

/* An enum of more values is searched by hash. */
enum { CHOICES_LINEAR_MAX = 8 };

static unsigned type_bit(const struct oa_json *name) {
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {
        { "null", OA_NULL },       { "boolean", OA_TRUE | OA_FALSE }, { "object", OA_OBJECT },
        { "array", OA_ARRAY },     { "number", OA_NUMBER },           { "string", OA_STRING },
        { "integer", OA_INTEGER },
    };

    for (size_t i = 0; name->type == OA_STRING && i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_is(name->text, types[i].name)) {
            return types[i].bit;
        }
    }
    return 0;
}

static bool compile_type(struct oa_compiler *c, const struct oa_json *value,
                         const struct oa_place *place) {
    const struct oa_json *name = value->type == OA_ARRAY ? value->child : value;
    unsigned types = 0;

    if (value->type != OA_STRING && (value->type != OA_ARRAY || value->count == 0)) {
        return loader_fail(c->loader, place, "must be a type's name or an array of them");
    }
    for (; name != NULL; name = value->type == OA_ARRAY ? name->next : NULL) {
        unsigned bit = type_bit(name);

        if (bit == 0) {
            return loader_fail(c->loader, place,
                               "%.*s is not a type; types are null, boolean, object, array, "
                               "number, string and integer",
                               OA_STR(name->raw));
        }
        if ((types & bit) != 0) {
            return loader_fail(c->loader, place, "%.*s is given twice", OA_STR(name->raw));
        }
        types |= bit;
    }
    c->schema->types = types;
    return true;
}

/* A constant of the value or of one of its members is most likely what tells branches apart. */
static void note_other(struct oa_run *run, const struct oa_place *place) {
    if (run->mode == OA_COUNTING &&
        (place == run->probe->place || place->parent == run->probe->place)) {
        run->probe->is_other = true;
    }
}

static int compare_choices(const void *a, const void *b) {
    uint64_t x = ((const struct oa_choice *)a)->hash;
    uint64_t y = ((const struct oa_choice *)b)->hash;

    return (x > y) - (x < y);
}

static bool has_choice(const struct oa_choices *choices, const struct oa_json *value) {
    uint64_t hash = choices->is_sorted ? oa_json_hash(value, choices->seed) : 0;
    size_t low = 0;
    size_t high = choices->is_sorted ? choices->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (choices->items[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < choices->count && choices->items[low].hash == hash; low++) {
        if (oa_json_equal(choices->items[low].value, value)) {
            return true;
        }
    }
    return false;
}

static bool check_enum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                       const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    if (!oa_run_read(run, value)) {
        return false;
    }
    if (has_choice(op->u.choices, value)) {
        return true;
    }
    note_other(run, place);
    return oa_fail(run, place, "enum", "must be one of %.*s", OA_STR(op->text));
}

static bool compile_enum(struct oa_compiler *c, const struct oa_json *value,
                         const struct oa_place *place) {
    struct oa_choices *choices;

    if (value->type != OA_ARRAY || (value->count == 0 && c->schemas->is_strict)) {
        return loader_fail(c->loader, place, "must be an array with at least one value");
    }
    choices = loader_alloc(c->loader, 1, sizeof(*choices));
    if (choices == NULL) {
        return false;
    }
    choices->items = loader_alloc(c->loader, value->count + 1, sizeof(*choices->items));
    if (choices->items == NULL) {
        return false;
    }
    choices->is_sorted = value->count > CHOICES_LINEAR_MAX;
    choices->seed = c->schemas->seed;
    for (const struct oa_json *one = value->child; one != NULL; one = one->next) {
        choices->items[choices->count++] =
            (struct oa_choice){ .hash = choices->is_sorted ? oa_json_hash(one, choices->seed) : 0,
                                .value = one };
    }
    if (choices->is_sorted) {
        qsort(choices->items, choices->count, sizeof(*choices->items), compare_choices);
    }
    oa_compiler_op(c, "enum", value, OA_ANY, check_enum)->u.choices = choices;
    return true;
}

static bool check_const(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                        const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    if (!oa_run_read(run, value)) {
        return false;
    }
    if (oa_json_equal(op->u.value, value)) {
        return true;
    }
    note_other(run, place);
    return oa_fail(run, place, "const", "must be %.*s", OA_STR(op->u.value->raw));
}

static bool compile_const(struct oa_compiler *c, const struct oa_json *value,
                          const struct oa_place *place) {
    (void)place;
    oa_compiler_op(c, "const", value, OA_ANY, check_const)->u.value = value;
    return true;
}

static bool check_format(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                         const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    return format_check(op->u.format, value) ||
           oa_fail(run, place, "format", "must be a valid %.*s", OA_STR(op->text));
}

/* Any name is allowed, but one that is nearly a known one is nearly always a typing mistake. */
static bool check_format_name(struct oa_compiler *c, struct str name,
                              const struct oa_place *place) {
    struct oa_nearest nearest = { .name = name };
    const char *known;

    if (!c->schemas->is_strict || format_find(name) != NULL || format_is_annotation(name)) {
        return true;
    }
    for (size_t i = 0; (known = format_name(i)) != NULL; i++) {
        oa_nearest_offer(&nearest, known);
    }
    return nearest.known == NULL ||
           loader_fail(c->loader, place, "the format \"%.*s\" is not known; did you mean \"%s\"?",
                       OA_STR(name), nearest.known);
}

static bool compile_format(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    const struct format *format;

    if (value->type != OA_STRING) {
        return loader_fail(c->loader, place, "must be a format's name");
    }
    if (!check_format_name(c, value->text, place)) {
        return false;
    }
    format = c->schemas->asserts_formats ? format_find(value->text) : NULL;
    if (format != NULL) {
        oa_compiler_op(c, "format", value, OA_STRING | OA_NUMBER, check_format)->u.format = format;
    }
    return true;
}

const struct oa_keyword oa_keywords_any[] = {
    { "type", OA_HOLDS_NONE, compile_type },
    { "enum", OA_HOLDS_NONE, compile_enum },
    { "const", OA_HOLDS_NONE, compile_const },
    { "format", OA_HOLDS_NONE, compile_format },
    { NULL, OA_HOLDS_NONE, NULL },
};
