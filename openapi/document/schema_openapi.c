/* Where the schemas of an OpenAPI document stand (OpenAPI 3.1.0, 4.8). */
#include "openapi/schema/compile.h"

/* Members whose value is an object of named things, not a thing with members of its own. */
static bool holds_names(struct str key) {
    static const char *const names[] = { "paths",   "webhooks",  "responses", "headers",
                                         "content", "callbacks", "encoding",  "parameters" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

/* In values of these nothing is a schema. */
static bool is_opaque(struct str key) {
    static const char *const names[] = { "example", "examples", "default", "enum",
                                         "value",   "links",    "servers", "securitySchemes" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(key, names[i])) {
            return true;
        }
    }
    return key.len >= 2 && key.data[0] == 'x' && key.data[1] == '-';
}

static bool walk(struct oa_loader *loader, const struct oa_json *node, const struct oa_place *place,
                 struct oa_resource *resource, bool is_names);

/* Objects of named schemas, parameters, ...: all of them but the schemas are walked like others. */
static bool walk_components(struct oa_loader *loader, const struct oa_json *components,
                            const struct oa_place *place, struct oa_resource *resource) {
    bool is_good = true;

    for (const struct oa_json *kind = components->child; kind != NULL; kind = kind->next) {
        const struct oa_place *at = oa_place_keep(loader, place_member(place, kind));
        bool is_schemas = str_is(kind->key, "schemas");

        if (at == NULL) {
            return false;
        }
        if (is_opaque(kind->key) || kind->type != OA_OBJECT) {
            continue;
        }
        if (!is_schemas) {
            is_good = walk(loader, kind, at, resource, true) && is_good;
        }
        for (const struct oa_json *m = is_schemas ? kind->child : NULL; m != NULL; m = m->next) {
            const struct oa_place *below = oa_place_keep(loader, place_member(at, m));

            is_good = below != NULL && oa_index_schema(loader, m, below, resource) && is_good;
        }
    }
    return is_good;
}

static bool walk_member(struct oa_loader *loader, const struct oa_json *member,
                        const struct oa_place *place, struct oa_resource *resource) {
    const struct oa_place *at;

    if (is_opaque(member->key)) {
        return true;
    }
    at = oa_place_keep(loader, place_member(place, member));
    if (at == NULL) {
        return false;
    }
    if (str_is(member->key, "schema")) {
        return oa_index_schema(loader, member, at, resource);
    }
    if (str_is(member->key, "components") && member->type == OA_OBJECT) {
        return walk_components(loader, member, at, resource);
    }
    return walk(loader, member, at, resource, holds_names(member->key));
}

/* `is_names`: the members' names are the document's, not OpenAPI's. */
static bool walk(struct oa_loader *loader, const struct oa_json *node, const struct oa_place *place,
                 struct oa_resource *resource, bool is_names) {
    size_t index = 0;
    bool is_good = true;

    if (node->type != OA_OBJECT && node->type != OA_ARRAY) {
        return true;
    }
    for (const struct oa_json *child = node->child; child != NULL; child = child->next) {
        const struct oa_place *at;

        if (node->type == OA_OBJECT && !is_names) {
            is_good = walk_member(loader, child, place, resource) && is_good;
            continue;
        }
        if (node->type == OA_OBJECT && is_opaque(child->key) && child->key.data[0] == 'x') {
            continue; /* an extension, or a name like one: found when it is used */
        }
        at = oa_place_keep(loader, node->type == OA_OBJECT ? place_member(place, child)
                                                           : place_index(place, index++));
        is_good = at != NULL && walk(loader, child, at, resource, false) && is_good;
    }
    return is_good;
}

bool oa_index_openapi(struct oa_loader *loader, struct oa_resource *resource) {
    return walk(loader, loader->doc->root, resource->place, resource, false);
}
