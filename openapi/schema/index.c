/* All schemas of a document, with their identifiers: $id, $anchor, $dynamicAnchor. */
#include "base/ascii.h"
#include "compile.h"
#include "uri.h"

#include <string.h>
#include <sys/random.h>

static bool no_memory(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };

    return loader_fail(loader, &root, "out of memory");
}

const struct oa_place *oa_place_keep(struct oa_loader *loader, struct oa_place place) {
    struct oa_place *kept = loader_alloc(loader, 1, sizeof(*kept));

    if (kept != NULL) {
        *kept = place;
    }
    return kept;
}

const struct oa_place *oa_place_keep_all(struct oa_loader *loader, const struct oa_place *place) {
    struct oa_place copy = *place;

    if (place->parent != NULL) {
        copy.parent = oa_place_keep_all(loader, place->parent);
        if (copy.parent == NULL) {
            return NULL;
        }
    }
    return oa_place_keep(loader, copy);
}

/* ---- the table by node ----------------------------------------------------------------------- */

static struct oa_slot *find_slot(struct oa_slot *slots, size_t count, const struct oa_json *node) {
    size_t i = (size_t)(((uintptr_t)node >> 3) * UINT64_C(0x9e3779b97f4a7c15)) & (count - 1);

    while (slots[i].node != NULL && slots[i].node != node) {
        i = (i + 1) & (count - 1);
    }
    return &slots[i];
}

struct oa_schema *oa_index_find(const struct oa_schemas *schemas, const struct oa_json *node) {
    return schemas->slot_count == 0 ? NULL
                                    : find_slot(schemas->slots, schemas->slot_count, node)->schema;
}

/* At most half of the slots are taken. */
static bool grow(struct oa_loader *loader, struct oa_schemas *schemas) {
    size_t count = schemas->slot_count == 0 ? 64 : schemas->slot_count * 2;
    struct oa_slot *slots;

    if (schemas->schema_count * 2 < schemas->slot_count) {
        return true;
    }
    slots = loader_alloc(loader, count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < schemas->slot_count; i++) {
        if (schemas->slots[i].node != NULL) {
            *find_slot(slots, count, schemas->slots[i].node) = schemas->slots[i];
        }
    }
    schemas->slots = slots;
    schemas->slot_count = count;
    return true;
}

static struct oa_schema *add_schema(struct oa_loader *loader, const struct oa_json *node,
                                    const struct oa_place *place, struct oa_resource *resource) {
    struct oa_schemas *schemas = loader->doc->schemas;
    struct oa_schema *schema = loader_alloc(loader, 1, sizeof(*schema));

    if (schema == NULL || !grow(loader, schemas)) {
        return NULL;
    }
    schema->source = node;
    schema->place = place;
    schema->resource = resource;
    schema->is_false = node->type == OA_FALSE;
    *find_slot(schemas->slots, schemas->slot_count, node) =
        (struct oa_slot){ .node = node, .schema = schema };
    schemas->schema_count++;
    *(schemas->last != NULL ? &schemas->last->next : &schemas->first) = schema;
    schemas->last = schema;
    return schema;
}

/* ---- identifiers ----------------------------------------------------------------------------- */

struct oa_resource *oa_index_resource(struct oa_loader *loader, const struct oa_json *node,
                                      const struct oa_place *place, struct str uri) {
    struct oa_schemas *schemas = loader->doc->schemas;
    struct oa_resource *resource;

    if (oa_names_find(&schemas->uris, NULL, uri) != NULL) {
        struct oa_place at = place_text(place, "$id");

        loader_fail(loader, &at, "the URI \"%.*s\" is given twice", OA_STR(uri));
        return NULL;
    }
    resource = loader_alloc(loader, 1, sizeof(*resource));
    if (resource == NULL || !oa_names_set(loader, &schemas->uris, NULL, uri, resource)) {
        return NULL;
    }
    *resource = (struct oa_resource){
        .uri = uri, .node = node, .place = place, .anchors = &schemas->anchors
    };
    return resource;
}

static struct oa_resource *add_id(struct oa_loader *loader, const struct oa_json *id,
                                  const struct oa_json *node, const struct oa_place *place,
                                  const struct oa_resource *outer) {
    struct oa_place at = place_text(place, "$id");
    struct str uri;
    struct str fragment;

    if (id->type != OA_STRING) {
        loader_fail(loader, &at, "must be a URI reference");
        return NULL;
    }
    oa_uri_split(id->text, &uri, &fragment);
    if (fragment.len > 0) {
        loader_fail(loader, &at, "must not have a fragment; a name within is an \"$anchor\"");
        return NULL;
    }
    if (uri.len == 0) {
        loader_fail(loader, &at, "must not be empty");
        return NULL;
    }
    uri = oa_uri_resolve(loader->doc->arena, outer->uri, uri);
    if (uri.data == NULL) {
        no_memory(loader);
        return NULL;
    }
    return oa_index_resource(loader, node, place, uri);
}

const struct oa_anchor *oa_anchor_find(const struct oa_resource *resource, struct str name) {
    return oa_names_find(resource->anchors, resource, name);
}

unsigned *oa_dynamic_anchors(const struct oa_schemas *schemas, struct str name) {
    return oa_names_find(&schemas->dynamic_anchors, NULL, name);
}

static bool count_dynamic(struct oa_loader *loader, struct str name) {
    struct oa_schemas *schemas = loader->doc->schemas;
    unsigned *count = oa_dynamic_anchors(schemas, name);

    if (count == NULL) {
        count = loader_alloc(loader, 1, sizeof(*count));
        if (count == NULL || !oa_names_set(loader, &schemas->dynamic_anchors, NULL, name, count)) {
            return false;
        }
    }
    (*count)++;
    return true;
}

static bool is_anchor_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_first = ascii_is_letter(c) || c == '_';

        if (!is_first && (i == 0 || !(ascii_is_digit(c) || c == '-' || c == '.'))) {
            return false;
        }
    }
    return name.len > 0;
}

static bool add_anchor(struct oa_loader *loader, struct oa_schema *schema, const char *keyword,
                       bool is_dynamic) {
    const struct oa_json *value = oa_json_get(schema->source, keyword);
    struct oa_place at = place_key(schema->place, keyword, strlen(keyword));
    const struct oa_anchor *other;
    struct oa_anchor *anchor;

    if (value == NULL) {
        return true;
    }
    if (value->type != OA_STRING || !is_anchor_name(value->text)) {
        return loader_fail(loader, &at,
                           "must be a name of letters, digits, '_', '-' and '.' that begins with "
                           "a letter or '_'");
    }
    other = oa_anchor_find(schema->resource, value->text);
    if (other != NULL && other->schema != schema) {
        return loader_fail(loader, &at, "the anchor \"%.*s\" is given twice", OA_STR(value->text));
    }
    anchor = loader_alloc(loader, 1, sizeof(*anchor));
    if (anchor == NULL) {
        return false;
    }
    *anchor = (struct oa_anchor){ .name = value->text, .schema = schema, .is_dynamic = is_dynamic };
    return oa_names_set(loader, &loader->doc->schemas->anchors, schema->resource, value->text,
                        anchor) &&
           (!is_dynamic || count_dynamic(loader, value->text));
}

/* ---- the walk -------------------------------------------------------------------------------- */

static bool index_children(struct oa_loader *loader, const struct oa_json *parent,
                           enum oa_holds holds, const struct oa_place *place,
                           struct oa_resource *resource) {
    size_t index = 0;
    bool is_good = true;

    for (const struct oa_json *child = parent->child; child != NULL; child = child->next) {
        struct oa_place at =
            parent->type == OA_OBJECT ? place_member(place, child) : place_index(place, index++);
        const struct oa_place *kept;

        if (holds == OA_HOLDS_MIXED && child->type == OA_ARRAY) {
            continue;
        }
        kept = oa_place_keep(loader, at);
        is_good = kept != NULL && oa_index_schema(loader, child, kept, resource) && is_good;
    }
    return is_good;
}

static bool index_member(struct oa_loader *loader, const struct oa_json *member,
                         const struct oa_place *place, struct oa_resource *resource) {
    const struct oa_keyword *keyword = oa_keyword_find(loader->doc->schemas, member->key);
    const struct oa_place *kept;

    if (keyword == NULL || keyword->holds == OA_HOLDS_NONE ||
        (keyword->compile != NULL && keyword->holds == OA_HOLDS_SCHEMA &&
         member->type == OA_ARRAY)) {
        return true; /* or its keyword says what is wrong */
    }
    kept = oa_place_keep(loader, place_member(place, member));
    if (kept == NULL) {
        return false;
    }
    if (keyword->holds == OA_HOLDS_SCHEMA) {
        return oa_index_schema(loader, member, kept, resource);
    }
    if (member->type != (keyword->holds == OA_HOLDS_LIST ? OA_ARRAY : OA_OBJECT)) {
        return true; /* its keyword will say so */
    }
    return index_children(loader, member, keyword->holds, kept, resource);
}

bool oa_index_schema(struct oa_loader *loader, const struct oa_json *node,
                     const struct oa_place *place, struct oa_resource *resource) {
    struct oa_schemas *schemas = loader->doc->schemas;
    struct oa_schema *schema = oa_index_find(schemas, node);
    const struct oa_json *id;
    bool is_good = true;

    if (schema != NULL) {
        return true;
    }
    schema = add_schema(loader, node, place, resource);
    if (schema == NULL) {
        return false;
    }
    id = oa_json_get(node, "$id");
    if (id != NULL) {
        struct oa_resource *own = add_id(loader, id, node, place, resource);

        is_good = own != NULL;
        resource = own != NULL ? own : resource;
        schema->resource = resource;
    }
    is_good = add_anchor(loader, schema, "$anchor", false) && is_good;
    is_good = add_anchor(loader, schema, "$dynamicAnchor", true) && is_good;
    for (const struct oa_json *m = node->type == OA_OBJECT ? node->child : NULL; m != NULL;
         m = m->next) {
        is_good = index_member(loader, m, place, resource) && is_good;
    }
    return is_good;
}

struct oa_schemas *oa_schemas_of(struct oa_loader *loader) {
    struct oa_schemas *schemas = loader->doc->schemas;

    if (schemas != NULL) {
        return schemas;
    }
    schemas = loader_alloc(loader, 1, sizeof(*schemas));
    if (schemas == NULL) {
        return NULL;
    }
    schemas->is_strict = true;
    schemas->asserts_formats = true;
    if (getrandom(&schemas->seed, sizeof(schemas->seed), GRND_NONBLOCK) < 0) {
        schemas->seed = (uint64_t)(uintptr_t)schemas; /* random enough: addresses are */
    }
    loader->doc->schemas = schemas;
    return schemas;
}
