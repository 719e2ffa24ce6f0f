/* $ref and $dynamicRef: URI references to schemas of the same document. */
#include "openapi/reference.h"
#include "compile.h"
#include "uri.h"

static struct oa_resource *find_resource(const struct oa_schemas *schemas, struct str uri) {
    return oa_names_find(&schemas->uris, NULL, uri);
}

/*
 * The one document that is not in the document: the draft's metaschema, when somebody asks for it.
 */
static struct oa_resource *load_metaschema(struct oa_loader *loader) {
    static const struct oa_place place = { .key = { OA_METASCHEMA_URI,
                                                    sizeof(OA_METASCHEMA_URI) - 1 } };
    struct oa_schemas *schemas = loader->doc->schemas;
    struct oa_resource *outside; /* what the metaschema's own $id is resolved against */
    struct json_scan_error error;
    const struct oa_json *root;

    if (!schemas->has_metaschema) {
        schemas->has_metaschema = true;
        root = oa_json_parse(loader->doc->arena, oa_metaschema, oa_metaschema_len,
                             JSON_SCAN_DEPTH_MAX, &error);
        outside = loader_alloc(loader, 1, sizeof(*outside));
        if (root == NULL || outside == NULL) {
            loader_fail(loader, &place, "out of memory");
            return NULL;
        }
        outside->anchors = &schemas->anchors;
        oa_index_schema(loader, root, &place, outside);
    }
    return find_resource(schemas, (struct str){ place.key.data, place.key.len });
}

/* The resource of a reference's part before the '#'. */
static struct oa_resource *find_by_uri(struct oa_loader *loader, const struct oa_schema *from,
                                       struct str text, const struct oa_place *place) {
    struct oa_resource *resource;
    struct str uri;

    if (text.len == 0) {
        return from->resource;
    }
    uri = oa_uri_resolve(loader->doc->arena, from->resource->uri, text);
    if (uri.data == NULL) {
        loader_fail(loader, place, "out of memory");
        return NULL;
    }
    resource = find_resource(loader->doc->schemas, uri);
    if (resource == NULL && str_is(uri, OA_METASCHEMA_URI)) {
        resource = load_metaschema(loader);
    }
    if (resource == NULL) {
        loader_fail(loader, place,
                    "\"%.*s\" is remote; only references within the document are supported",
                    OA_STR(uri));
    }
    return resource;
}

/* What a reference leads to. */
struct target {
    const struct oa_json *node;
    const struct oa_place *place;
    struct oa_resource *resource;
};

/* Down a pointer; a schema on the way that has an $id of its own is another resource. */
static bool follow_pointer(struct oa_loader *loader, struct str pointer, struct target *target) {
    while (pointer.len > 0) {
        struct str token = oa_pointer_next(&pointer);
        const struct oa_json *node = oa_pointer_step(target->node, token);
        const struct oa_schema *schema;
        struct oa_place at;

        if (node == NULL) {
            return false;
        }
        at = (struct oa_place){ .parent = target->place, .key = token };
        target->node = node;
        target->place = oa_place_keep(loader, at);
        if (target->place == NULL) {
            return false;
        }
        schema = oa_index_find(loader->doc->schemas, node);
        if (schema != NULL) {
            target->resource = schema->resource;
        }
    }
    return true;
}

/* False: it leads nowhere or, with target->node NULL, there is no memory. */
static bool follow_fragment(struct oa_loader *loader, struct str fragment, struct target *target,
                            struct str *ret_anchor) {
    struct str text = { "", 0 };
    const struct oa_anchor *anchor;
    bool is_malformed = false;

    if (fragment.len > 0) {
        text = oa_fragment_decode(loader->doc->arena, fragment, &is_malformed);
    }
    if (text.data == NULL) {
        target->node = is_malformed ? target->node : NULL;
        return false;
    }
    if (text.len == 0 || text.data[0] == '/') {
        return follow_pointer(loader, text, target);
    }
    anchor = oa_anchor_find(target->resource, text);
    if (anchor == NULL) {
        return false;
    }
    *ret_anchor = anchor->name;
    target->node = anchor->schema->source;
    target->place = anchor->schema->place;
    return true;
}

struct oa_schema *oa_reference_find(struct oa_loader *loader, const struct oa_schema *from,
                                    const struct oa_json *reference, const struct oa_place *place,
                                    struct str *ret_anchor) {
    struct target target;
    struct str uri;
    struct str fragment;

    *ret_anchor = (struct str){ NULL, 0 };
    if (reference->type != OA_STRING) {
        loader_fail(loader, place, "must be a URI reference");
        return NULL;
    }
    oa_uri_split(reference->text, &uri, &fragment);
    target.resource = find_by_uri(loader, from, uri, place);
    if (target.resource == NULL) {
        return NULL;
    }
    target.node = target.resource->node;
    target.place = target.resource->place;
    if (!follow_fragment(loader, fragment, &target, ret_anchor)) {
        if (target.node == NULL) {
            loader_fail(loader, place, "out of memory");
        } else {
            loader_fail(loader, place, "the reference \"%.*s\" leads nowhere",
                        OA_STR(reference->text));
        }
        return NULL;
    }
    if (oa_index_find(loader->doc->schemas, target.node) != NULL) {
        return oa_index_find(loader->doc->schemas, target.node);
    }
    if ((target.node->type != OA_OBJECT && target.node->type != OA_TRUE &&
         target.node->type != OA_FALSE) ||
        target.node == loader->doc->root) {
        loader_fail(loader, place, "the reference \"%.*s\" does not lead to a schema",
                    OA_STR(reference->text));
        return NULL;
    }
    /* in a place where nobody would look for a schema: it is one because it is referred to */
    if (!oa_index_schema(loader, target.node, target.place, target.resource)) {
        return NULL;
    }
    return oa_index_find(loader->doc->schemas, target.node);
}
