#include "shape.h"
#include "openapi/format/format.h"

#include <string.h>

/* An object that a reference leads to; visited after the tree, so that the stack stays small. */
struct oa_pending {
    struct oa_pending *next;
    const struct oa_json *node;
    const struct oa_shape *shape;
    struct str pointer;
};

static const struct oa_shape schema_shape = { .what = "a schema" };

static void walk_object(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, const struct oa_shape *shape);

/* ---- what was visited: a hash table by node and shape ---- */

static struct oa_seen **slot_of(struct oa_seen **table, size_t slots, const struct oa_json *node,
                                const struct oa_shape *shape) {
    uint64_t h = ((uint64_t)(uintptr_t)node + (uint64_t)(uintptr_t)shape) * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 32);

    while (table[i & (slots - 1)] != NULL &&
           (table[i & (slots - 1)]->node != node || table[i & (slots - 1)]->shape != shape)) {
        i++;
    }
    return &table[i & (slots - 1)];
}

static bool grow_seen(struct oa_loader *loader) {
    size_t slots = loader->seen_slots > 0 ? loader->seen_slots * 2 : 256;
    struct oa_seen **table = loader_alloc(loader, slots, sizeof(struct oa_seen *));

    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < loader->seen_slots; i++) {
        struct oa_seen *seen = loader->seen[i];

        if (seen != NULL) {
            *slot_of(table, slots, seen->node, seen->shape) = seen;
        }
    }
    loader->seen = table;
    loader->seen_slots = slots;
    return true;
}

/* The entry of `node`; *ret_is_new: it had none. NULL after loader_fail(). */
static struct oa_seen *note_seen(struct oa_loader *loader, const struct oa_json *node,
                                 const struct oa_shape *shape, bool *ret_is_new) {
    struct oa_seen **slot;

    if (loader->seen_count * 2 >= loader->seen_slots && !grow_seen(loader)) {
        return NULL;
    }
    slot = slot_of(loader->seen, loader->seen_slots, node, shape);
    *ret_is_new = *slot == NULL;
    if (*slot == NULL) {
        *slot = loader_alloc(loader, 1, sizeof(**slot));
        if (*slot == NULL) {
            return NULL;
        }
        **slot = (struct oa_seen){ .node = node, .shape = shape };
        loader->seen_count++;
    }
    return *slot;
}

void *oa_shape_data(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, const struct oa_shape *shape) {
    struct oa_place storage;
    struct oa_seen *seen;

    if (!loader_follow(loader, &node, &place, &storage) || loader->seen_slots == 0) {
        return NULL;
    }
    seen = *slot_of(loader->seen, loader->seen_slots, node, shape);
    return seen != NULL ? seen->data : NULL;
}

const struct oa_schema *oa_shape_schema(struct oa_loader *loader, const struct oa_json *node,
                                        const struct oa_place *place) {
    bool is_new;
    struct oa_seen *seen = note_seen(loader, node, &schema_shape, &is_new);

    if (seen != NULL && is_new) {
        seen->data = oa_schema_compile(loader, node, place);
    }
    return seen != NULL ? seen->data : NULL;
}

/* ---- values ---- */

bool oa_shape_text(const struct oa_json *node, const char *name, struct str *ret) {
    const struct oa_json *member = oa_json_get(node, name);

    if (member == NULL || member->type != OA_STRING || member->text.len == 0) {
        return false;
    }
    *ret = member->text;
    return true;
}

bool oa_shape_is_true(const struct oa_json *node, const char *name) {
    const struct oa_json *member = oa_json_get(node, name);

    return member != NULL && member->type == OA_TRUE;
}

bool oa_shape_is_extension(struct str name) {
    return name.len >= 2 && memcmp(name.data, "x-", 2) == 0;
}

static bool has_format(const struct oa_json *value, const char *name) {
    const struct format *format = format_find((struct str){ name, strlen(name) });

    return format == NULL || format_check(format, value);
}

static void walk_texts(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place) {
    size_t index = 0;

    if (node->type != OA_ARRAY) {
        loader_fail(loader, place, "must be an array of strings");
        return;
    }
    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place at = place_index(place, index++);

        if (one->type != OA_STRING) {
            loader_fail(loader, &at, "must be a string");
        }
    }
}

static void walk_value(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, const struct oa_shape_member *member) {
    switch (member->type) {
    case OA_SHAPE_ANY: return;
    case OA_SHAPE_SCHEMA: (void)oa_shape_schema(loader, node, place); return;
    case OA_SHAPE_OBJECT: walk_object(loader, node, place, member->shape); return;
    case OA_SHAPE_TEXTS: walk_texts(loader, node, place); return;
    case OA_SHAPE_BOOLEAN:
        if (node->type != OA_TRUE && node->type != OA_FALSE) {
            loader_fail(loader, place, "must be true or false");
        }
        return;
    default: break;
    }
    if (node->type != OA_STRING) {
        loader_fail(loader, place, "must be a string");
    } else if (member->type == OA_SHAPE_TEXT && node->text.len == 0) {
        loader_fail(loader, place, "must be a string that is not empty");
    } else if (member->type == OA_SHAPE_URI && !has_format(node, "uri-reference")) {
        loader_fail(loader, place, "must be a URI or a relative reference");
    } else if (member->type == OA_SHAPE_EMAIL && !has_format(node, "email")) {
        loader_fail(loader, place, "must be an email address");
    }
}

static void walk_member(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, const struct oa_shape_member *member) {
    size_t index = 0;

    if (member->holder == OA_SHAPE_ONE) {
        walk_value(loader, node, place, member);
        return;
    }
    if (node->type != (member->holder == OA_SHAPE_LIST ? OA_ARRAY : OA_OBJECT)) {
        loader_fail(loader, place, "must be an %s",
                    member->holder == OA_SHAPE_LIST ? "array" : "object");
        return;
    }
    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place at = member->holder == OA_SHAPE_LIST ? place_index(place, index++)
                                                             : place_member(place, one);

        walk_value(loader, one, &at, member);
    }
}

/* ---- objects ---- */

/* Our own extensions are known, or mistyped. */
static bool is_ours(struct str name) {
    static const char prefix[] = "x-prodorder-";

    return name.len >= sizeof(prefix) - 1 && memcmp(name.data, prefix, sizeof(prefix) - 1) == 0;
}

static void walk_known(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, const struct oa_shape *shape) {
    struct oa_nearest nearest = { .name = node->key };

    for (const struct oa_shape_member *m = shape->members; m->name != NULL; m++) {
        if (str_is(node->key, m->name)) {
            walk_member(loader, node, place, m);
            return;
        }
        oa_nearest_offer(&nearest, m->name);
    }
    if (!oa_shape_is_extension(node->key) || is_ours(node->key)) {
        oa_nearest_fail(loader, place, shape->what, &nearest);
    }
}

static void walk_members(struct oa_loader *loader, const struct oa_json *node,
                         const struct oa_place *place, const struct oa_shape *shape) {
    for (const struct oa_shape_member *m = shape->members; m != NULL && m->name != NULL; m++) {
        if (m->is_required && oa_json_get(node, m->name) == NULL) {
            loader_fail(loader, place, "%s must have the member \"%s\"", shape->what, m->name);
        }
    }
    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place at = place_member(place, one);

        if (shape->members != NULL) {
            walk_known(loader, one, &at, shape);
        } else if (!oa_shape_is_extension(one->key)) {
            walk_value(loader, one, &at, shape->each);
        }
    }
}

/* What stands beside "$ref" would be ignored, but for two texts. */
static void walk_reference(struct oa_loader *loader, const struct oa_json *node,
                           const struct oa_place *place, const struct oa_shape *shape) {
    const struct oa_json *target = node;
    const struct oa_place *at = place;
    struct oa_place storage;
    struct oa_pending *pending;

    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place beside = place_member(place, one);

        if (str_is(one->key, "summary") || str_is(one->key, "description")) {
            if (one->type != OA_STRING) {
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
        *pending = (struct oa_pending){
            .next = loader->pending, .node = target, .shape = shape, .pointer = at->key
        };
        loader->pending = pending;
    }
}

static void walk_object(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, const struct oa_shape *shape) {
    struct oa_seen *seen;
    bool is_new;

    if (node->type != OA_OBJECT) {
        loader_fail(loader, place, "%s must be an object", shape->what);
        return;
    }
    if (shape->may_refer && oa_json_get(node, "$ref") != NULL) {
        walk_reference(loader, node, place, shape);
        return;
    }
    seen = note_seen(loader, node, shape, &is_new);
    if (seen == NULL || !is_new) {
        return;
    }
    walk_members(loader, node, place, shape);
    if (shape->check != NULL) {
        shape->check(loader, node, place, seen);
    }
}

void oa_shape_walk(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };

    walk_object(loader, loader->doc->root, &root, &oa_shape_document);
    while (loader->pending != NULL) {
        const struct oa_pending *pending = loader->pending;
        const struct oa_place place = { .key = pending->pointer };

        loader->pending = pending->next;
        walk_object(loader, pending->node, &place, pending->shape);
    }
}
