/* The walker: every object of a document, compared with its table. */
#include "shape.h"
#include "openapi/format/format.h"

#include <string.h>

/* An object that a reference leads to; visited after the tree, so that the stack stays small. */
struct pending {
    struct pending *next;
    const struct value *node;
    const struct shape *shape;
    struct str pointer;
};

static void walk_object(struct loader *loader, const struct value *node, const struct place *place,
                        const struct shape *shape);

/* ---- what was visited, by node and what it was taken for ---- */

/* What was made of `node`; *ret_is_new: it was not seen before. NULL after loader_fail(). */
static void **note_seen(struct loader *loader, const struct value *node, const char *what,
                        bool *ret_is_new) {
    struct loader_names *seen = &shape_loader(loader)->seen;
    void **data = loader_names_find(seen, node, str_of(what));

    *ret_is_new = data == NULL;
    if (data == NULL) {
        data = loader_alloc(loader, 1, sizeof(*data));
        if (data != NULL && !loader_names_set(loader, seen, node, str_of(what), data)) {
            return NULL;
        }
    }
    return data;
}

void *shape_data(struct loader *loader, const struct value *node, const struct place *place,
                 const struct shape *shape) {
    struct place storage;
    void **data;

    if (!loader_follow(loader, &node, &place, &storage)) {
        return NULL;
    }
    data = loader_names_find(&shape_loader(loader)->seen, node, str_of(shape->what));
    return data != NULL ? *data : NULL;
}

const struct schema *shape_schema(struct loader *loader, const struct value *node,
                                  const struct place *place) {
    bool is_new;
    void **data = note_seen(loader, node, "a schema", &is_new);

    if (data != NULL && is_new) {
        struct schemas *schemas = schemas_of(loader);

        *data = schemas != NULL ? schema_compile(schemas, node, place) : NULL;
    }
    return data != NULL ? *data : NULL;
}

/* ---- values ---- */

bool shape_text(const struct value *node, const char *name, struct str *ret) {
    const struct value *member = value_get(node, name);

    if (member == NULL || member->type != VALUE_STRING || member->text.len == 0) {
        return false;
    }
    *ret = member->text;
    return true;
}

bool shape_is_true(const struct value *node, const char *name) {
    const struct value *member = value_get(node, name);

    return member != NULL && member->type == VALUE_TRUE;
}

static bool has_format(const struct value *value, const char *name) {
    const struct format *format = format_find((struct str){ name, strlen(name) });

    return format == NULL || format_check(format, value);
}

static void walk_texts(struct loader *loader, const struct value *node, const struct place *place) {
    size_t index = 0;

    if (node->type != VALUE_ARRAY) {
        loader_fail(loader, place, "must be an array of strings");
        return;
    }
    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place at = place_index(place, index++);

        if (one->type != VALUE_STRING) {
            loader_fail(loader, &at, "must be a string");
        }
    }
}

static void walk_value(struct loader *loader, const struct value *node, const struct place *place,
                       const struct shape_member *member) {
    switch (member->type) {
    case SHAPE_ANY: return;
    case SHAPE_SCHEMA: (void)shape_schema(loader, node, place); return;
    case SHAPE_OBJECT: walk_object(loader, node, place, member->shape); return;
    case SHAPE_TEXTS: walk_texts(loader, node, place); return;
    case SHAPE_BOOLEAN:
        if (node->type != VALUE_TRUE && node->type != VALUE_FALSE) {
            loader_fail(loader, place, "must be true or false");
        }
        return;
    default: break;
    }
    if (node->type != VALUE_STRING) {
        loader_fail(loader, place, "must be a string");
    } else if (member->type == SHAPE_TEXT && node->text.len == 0) {
        loader_fail(loader, place, "must be a string that is not empty");
    } else if (member->type == SHAPE_URI && !has_format(node, "uri-reference")) {
        loader_fail(loader, place, "must be a URI or a relative reference");
    } else if (member->type == SHAPE_EMAIL && !has_format(node, "email")) {
        loader_fail(loader, place, "must be an email address");
    }
}

static void walk_member(struct loader *loader, const struct value *node, const struct place *place,
                        const struct shape_member *member) {
    size_t index = 0;

    if (member->holder == SHAPE_ONE) {
        walk_value(loader, node, place, member);
        return;
    }
    if (node->type != (member->holder == SHAPE_LIST ? VALUE_ARRAY : VALUE_OBJECT)) {
        loader_fail(loader, place, "must be an %s",
                    member->holder == SHAPE_LIST ? "array" : "object");
        return;
    }
    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place at = place_child(place, one, index++);

        walk_value(loader, one, &at, member);
    }
}

/* ---- objects ---- */

/* Our own extensions are known, or mistyped. */
static bool is_ours(struct str name) {
    static const char prefix[] = "x-prodorder-";

    return name.len >= sizeof(prefix) - 1 && memcmp(name.data, prefix, sizeof(prefix) - 1) == 0;
}

static void walk_known(struct loader *loader, const struct value *node, const struct place *place,
                       const struct shape *shape) {
    struct loader_nearest nearest = { .name = node->key };

    for (const struct shape_member *m = shape->members; m->name != NULL; m++) {
        if (str_is(node->key, m->name)) {
            walk_member(loader, node, place, m);
            return;
        }
        loader_offer(&nearest, m->name);
    }
    if (!shape_is_extension(node->key) || is_ours(node->key)) {
        loader_fail_nearest(loader, place, shape->what, &nearest);
    }
}

static void walk_members(struct loader *loader, const struct value *node, const struct place *place,
                         const struct shape *shape) {
    for (const struct shape_member *m = shape->members; m != NULL && m->name != NULL; m++) {
        if (m->is_required && value_get(node, m->name) == NULL) {
            loader_fail(loader, place, "%s must have the member \"%s\"", shape->what, m->name);
        }
    }
    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place at = place_member(place, one);

        if (shape->members != NULL) {
            walk_known(loader, one, &at, shape);
        } else if (!shape_is_extension(one->key)) {
            walk_value(loader, one, &at, shape->each);
        }
    }
}

/* What stands beside "$ref" would be ignored, but for two texts. */
static void walk_reference(struct loader *loader, const struct value *node,
                           const struct place *place, const struct shape *shape) {
    const struct value *target = node;
    const struct place *at = place;
    struct place storage;
    struct pending *pending;

    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place beside = place_member(place, one);

        if (str_is(one->key, "summary") || str_is(one->key, "description")) {
            if (one->type != VALUE_STRING) {
                loader_fail(loader, &beside, "must be a string");
            }
        } else if (!str_is(one->key, "$ref")) {
            loader_fail(loader, &beside, "has no effect beside \"$ref\"");
        }
    }
    if (!loader_follow(loader, &target, &at, &storage)) {
        return;
    }
    pending = loader_alloc(loader, 1, sizeof(*pending));
    if (pending != NULL) {
        *pending = (struct pending){ .next = shape_loader(loader)->pending,
                                     .node = target,
                                     .shape = shape,
                                     .pointer = at->key };
        shape_loader(loader)->pending = pending;
    }
}

static void walk_object(struct loader *loader, const struct value *node, const struct place *place,
                        const struct shape *shape) {
    void **data;
    bool is_new;

    if (node->type != VALUE_OBJECT) {
        loader_fail(loader, place, "%s must be an object", shape->what);
        return;
    }
    if (shape->may_refer && value_get(node, "$ref") != NULL) {
        walk_reference(loader, node, place, shape);
        return;
    }
    data = note_seen(loader, node, shape->what, &is_new);
    if (data == NULL || !is_new) {
        return;
    }
    walk_members(loader, node, place, shape);
    if (shape->check != NULL) {
        shape->check(loader, node, place);
    }
    if (shape->make != NULL) {
        *data = shape->make(loader, node, place);
    }
}

void shape_walk(struct loader *loader, const struct shape *shape) {
    struct document_loader *all = shape_loader(loader);

    walk_object(loader, loader->root, &report_root, shape);
    while (all->pending != NULL) {
        const struct pending *pending = all->pending;
        const struct place place = { .key = pending->pointer };

        all->pending = pending->next;
        walk_object(loader, pending->node, &place, pending->shape);
    }
}
