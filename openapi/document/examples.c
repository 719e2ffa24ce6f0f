/* Examples and defaults that do not match their own schema mislead everybody who reads them. */
#include "shape.h"

#include <stdio.h>

/* One that is to be checked when all schemas are known. */
struct oa_example {
    struct oa_example *next;
    const struct oa_schema *schema;
    const struct oa_json *value;
};

/* What the reports about all examples may take. */
enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, ERRORS_MAX = 32 };

static void note(struct oa_loader *loader, const struct oa_schema *schema,
                 const struct oa_json *value) {
    struct oa_example *example;

    if (schema == NULL || value == NULL) {
        return;
    }
    example = loader_alloc(loader, 1, sizeof(*example));
    if (example != NULL) {
        *example = (struct oa_example){ .schema = schema, .value = value };
        *(loader->examples_last != NULL ? &loader->examples_last->next : &loader->examples) =
            example;
        loader->examples_last = example;
    }
}

void oa_examples_note(struct oa_loader *loader, const struct oa_json *owner,
                      const struct oa_place *place, const struct oa_schema *schema) {
    const struct oa_json *examples = oa_json_get(owner, "examples");
    const struct oa_json *example = oa_json_get(owner, "example");
    struct oa_place list = place_text(place, "examples");

    if (example != NULL && examples != NULL) {
        loader_fail(loader, place, "has either \"example\" or \"examples\", not both");
    }
    note(loader, schema, example);
    if (examples == NULL || examples->type != OA_OBJECT) {
        return;
    }
    for (const struct oa_json *one = examples->child; one != NULL; one = one->next) {
        struct oa_place one_at = place_member(&list, one);
        const struct oa_place *at = &one_at;
        const struct oa_json *target = one;
        struct oa_place storage;

        if (one->type == OA_OBJECT && loader_follow(loader, &target, &at, &storage)) {
            note(loader, schema, oa_json_get(target, "value"));
        }
    }
}

/* Write the pointer of `wanted`, which is `from` or below it. */
static bool write_pointer(const struct oa_json *from, const struct oa_json *wanted,
                          const struct oa_place *place, char *buf, size_t bytes, size_t *ret_len) {
    size_t index = 0;

    if (from == wanted) {
        *ret_len = oa_place_write(place, buf, bytes);
        return true;
    }
    for (const struct oa_json *one = from->child; one != NULL; one = one->next, index++) {
        struct oa_place at =
            from->type == OA_ARRAY ? place_index(place, index) : place_member(place, one);

        if (one->raw.data <= wanted->raw.data &&
            wanted->raw.data + wanted->raw.len <= one->raw.data + one->raw.len) {
            return write_pointer(one, wanted, &at, buf, bytes, ret_len);
        }
    }
    return false;
}

static void check(struct oa_loader *loader, struct arena *arena, const struct oa_schema *schema,
                  const struct oa_json *value, const char *what) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_report report;
    char pointer[512];
    size_t len = 0;

    oa_report_init(&report, arena, ERRORS_MAX);
    if (loader->problem_count > OA_PROBLEMS_MAX || !oa_schema_is_sound(loader, schema) ||
        oa_check_value(schema, value, &root, &report)) {
        return;
    }
    (void)write_pointer(loader->doc->root, value, &root, pointer, sizeof(pointer), &len);
    for (const struct oa_error *error = report.first; error != NULL; error = error->next) {
        struct oa_place base = { .key = { pointer, len } };
        char whole[1024];
        int n = snprintf(whole, sizeof(whole), "%.*s%.*s", (int)base.key.len, base.key.data,
                         (int)error->path.len, error->path.data);
        struct oa_place at = { .key = { whole, n > 0 ? (size_t)n : 0 } };

        loader_fail(loader, &at, "the %s does not match its schema: %.*s", what,
                    OA_STR(error->message));
    }
    if (report.out_of_memory) {
        loader_fail(loader, &root, "out of memory");
    }
}

static void check_schema(struct oa_loader *loader, void *user, const struct oa_schema *schema,
                         const struct oa_json *source) {
    const struct oa_json *examples = oa_json_get(source, "examples");
    const struct oa_json *example = oa_json_get(source, "example");
    const struct oa_json *standard = oa_json_get(source, "default");
    struct arena *arena = user;

    if (example != NULL) {
        check(loader, arena, schema, example, "example");
    }
    if (standard != NULL) {
        check(loader, arena, schema, standard, "default");
    }
    if (examples != NULL && examples->type == OA_ARRAY) {
        for (const struct oa_json *one = examples->child; one != NULL; one = one->next) {
            check(loader, arena, schema, one, "example");
        }
    }
}

void oa_examples_check(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    struct arena *arena;

    if (loader->doc->schemas == NULL) {
        return; /* there was no memory for them, and that was said */
    }
    arena = arena_open(ARENA_BYTES_MAX);
    if (arena == NULL) {
        loader_fail(loader, &root, "out of memory");
        return;
    }
    for (const struct oa_example *one = loader->examples; one != NULL; one = one->next) {
        check(loader, arena, one->schema, one->value, "example");
    }
    oa_schema_each(loader, check_schema, arena);
    arena_close(arena);
}
