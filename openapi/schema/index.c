/* All schemas of a document, with their identifiers, and what references lead to. */
#include "index.h"
#include "base/ascii.h"

#include <string.h>

/* ---- the table by node ---- */

struct schema *index_find(const struct schemas *schemas, const struct value *node) {
    return loader_names_find(&schemas->nodes, node, STR(""));
}

static struct schema *add_schema(struct schemas *schemas, const struct value *node,
                                 const struct place *place, struct resource *resource) {
    struct schema *schema = loader_alloc(schemas->loader, 1, sizeof(*schema));

    if (schema == NULL ||
        !loader_names_set(schemas->loader, &schemas->nodes, node, STR(""), schema)) {
        return NULL;
    }
    schema->source = node;
    schema->place = place;
    schema->resource = resource;
    schema->is_false = node->type == VALUE_FALSE;
    *(schemas->last != NULL ? &schemas->last->next : &schemas->first) = schema;
    schemas->last = schema;
    return schema;
}

const struct value *schema_index_target(const struct schemas *schemas, const struct value *node) {
    const struct schema *schema = index_find(schemas, node);

    for (uint16_t i = 0; schema != NULL && i < schema->op_count; i++) {
        if (strcmp(schema->ops[i].keyword, "$ref") == 0) {
            return schema->ops[i].u.schema->source;
        }
    }
    return NULL;
}

/* ---- URI references (RFC 3986, 5.2) ---- */

struct parts {
    struct str scheme;    /* with its ':' */
    struct str authority; /* with its "//"; data NULL: none */
    struct str path;
    struct str query; /* with its '?'; data NULL: none */
};

static void split_fragment(struct str reference, struct str *ret_uri, struct str *ret_fragment) {
    const char *hash = reference.len > 0 ? memchr(reference.data, '#', reference.len) : NULL;
    size_t len = hash != NULL ? (size_t)(hash - reference.data) : reference.len;

    *ret_uri = (struct str){ reference.data, len };
    *ret_fragment =
        hash != NULL ? (struct str){ hash + 1, reference.len - len - 1 } : (struct str){ NULL, 0 };
}

/* The length of "scheme:", or 0. */
static size_t scheme_length(struct str uri) {
    if (uri.len == 0 || !ascii_is_letter(uri.data[0])) {
        return 0;
    }
    for (size_t i = 1; i < uri.len; i++) {
        char c = uri.data[i];

        if (c == ':') {
            return i + 1;
        }
        if (!ascii_is_alnum(c) && c != '+' && c != '-' && c != '.') {
            return 0;
        }
    }
    return 0;
}

/* The first `len` bytes of *rest, which it is shortened by. */
static struct str take(struct str *rest, size_t len) {
    struct str taken = { rest->data, len };

    rest->data += len;
    rest->len -= len;
    return taken;
}

static size_t length_until(struct str text, size_t from, const char *stops) {
    while (from < text.len && strchr(stops, text.data[from]) == NULL) {
        from++;
    }
    return from;
}

static struct parts split(struct str uri) {
    struct parts parts = { .scheme = take(&uri, scheme_length(uri)) };

    if (uri.len >= 2 && memcmp(uri.data, "//", 2) == 0) {
        parts.authority = take(&uri, length_until(uri, 2, "/?"));
    }
    parts.path = take(&uri, length_until(uri, 0, "?"));
    if (uri.len > 0) {
        parts.query = uri;
    }
    return parts;
}

/* How many dots a segment is made of, when it is "." or ".."; else 0. */
static unsigned count_dots(const char *segment, size_t len) {
    if (len == 0 || len > 2 || segment[0] != '.' || segment[len - 1] != '.') {
        return 0;
    }
    return (unsigned)len;
}

/* Remove "." and ".." segments in place (5.2.4); returns the new length. */
static size_t remove_dots(char *path, size_t len) {
    size_t in = 0;
    size_t out = 0;

    while (in < len) {
        size_t start = in;
        size_t segment = in + (path[in] == '/');
        unsigned dots;

        for (in = segment; in < len && path[in] != '/';) {
            in++;
        }
        dots = count_dots(path + segment, in - segment);
        if (dots == 0) {
            memmove(path + out, path + start, in - start);
            out += in - start;
            continue;
        }
        if (dots == 2) {
            while (out > 0 && path[out - 1] != '/') {
                out--;
            }
            out -= out > 0; /* the slash before the segment that went */
        }
        if (segment == start) {
            in += in < len; /* a path that begins with dots does not begin with a slash */
        } else if (in == len) {
            path[out++] = '/';
        }
    }
    return out;
}

static size_t put(char *out, size_t at, struct str text) {
    if (text.len > 0) {
        memcpy(out + at, text.data, text.len);
    }
    return at + text.len;
}

/* The path of the base up to its last slash (5.2.3). */
static struct str directory(const struct parts *base) {
    size_t len = base->path.len;

    if (base->authority.data != NULL && base->path.len == 0) {
        return (struct str){ "/", 1 };
    }
    while (len > 0 && base->path.data[len - 1] != '/') {
        len--;
    }
    return (struct str){ base->path.data, len };
}

struct str index_resolve(struct arena *arena, struct str base_text, struct str reference) {
    struct parts base = split(base_text);
    struct parts to = split(reference);
    struct str before = { "", 0 }; /* what the path begins with */
    char *out = arena_alloc(arena, base_text.len + reference.len + 2);
    size_t path_at;
    size_t len = 0;

    if (out == NULL) {
        return (struct str){ NULL, 0 };
    }
    if (to.scheme.len == 0) {
        to.scheme = base.scheme;
        if (to.authority.data == NULL) {
            to.authority = base.authority;
            if (to.path.len == 0) {
                to.path = base.path;
                to.query = to.query.data != NULL ? to.query : base.query;
            } else if (to.path.data[0] != '/') {
                before = directory(&base);
            }
        }
    }
    len = put(out, len, to.scheme);
    len = put(out, len, to.authority);
    path_at = len;
    len = put(out, len, before);
    len = put(out, len, to.path);
    len = path_at + remove_dots(out + path_at, len - path_at);
    len = put(out, len, to.query);
    return (struct str){ out, len };
}

/* ---- identifiers ---- */

struct resource *index_resource(struct schemas *schemas, const struct value *node,
                                const struct place *place, struct str uri) {
    struct resource *resource;

    if (loader_names_find(&schemas->uris, NULL, uri) != NULL) {
        loader_fail_at(schemas->loader, place, "$id", "the URI \"%.*s\" is given twice",
                       SHOWN(uri));
        return NULL;
    }
    resource = loader_alloc(schemas->loader, 1, sizeof(*resource));
    if (resource == NULL ||
        !loader_names_set(schemas->loader, &schemas->uris, NULL, uri, resource)) {
        return NULL;
    }
    *resource =
        (struct resource){ .uri = uri, .node = node, .place = place, .anchors = &schemas->anchors };
    return resource;
}

static struct resource *add_id(struct schemas *schemas, const struct value *id,
                               const struct value *node, const struct place *place,
                               const struct resource *outer) {
    struct str uri;
    struct str fragment;

    if (id->type != VALUE_STRING) {
        loader_fail_at(schemas->loader, place, "$id", "must be a URI reference");
        return NULL;
    }
    split_fragment(id->text, &uri, &fragment);
    if (fragment.len > 0) {
        loader_fail_at(schemas->loader, place, "$id",
                       "must not have a fragment; a name within is an \"$anchor\"");
        return NULL;
    }
    if (uri.len == 0) {
        loader_fail_at(schemas->loader, place, "$id", "must not be empty");
        return NULL;
    }
    uri = index_resolve(schemas->loader->arena, outer->uri, uri);
    if (uri.data == NULL) {
        loader_fail(schemas->loader, &report_root, "out of memory");
        return NULL;
    }
    return index_resource(schemas, node, place, uri);
}

const struct anchor *index_anchor(const struct resource *resource, struct str name) {
    return loader_names_find(resource->anchors, resource, name);
}

unsigned *index_dynamic_anchors(const struct schemas *schemas, struct str name) {
    return loader_names_find(&schemas->dynamic_anchors, NULL, name);
}

static bool count_dynamic(struct schemas *schemas, struct str name) {
    unsigned *count = index_dynamic_anchors(schemas, name);

    if (count == NULL) {
        count = loader_alloc(schemas->loader, 1, sizeof(*count));
        if (count == NULL ||
            !loader_names_set(schemas->loader, &schemas->dynamic_anchors, NULL, name, count)) {
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

static bool add_anchor(struct schemas *schemas, struct schema *schema, const char *keyword,
                       bool is_dynamic) {
    const struct value *value = value_get(schema->source, keyword);
    const struct anchor *other;
    struct anchor *anchor;

    if (value == NULL) {
        return true;
    }
    if (value->type != VALUE_STRING || !is_anchor_name(value->text)) {
        return loader_fail_at(
            schemas->loader, schema->place, keyword,
            "must be a name of letters, digits, '_', '-' and '.' that begins with "
            "a letter or '_'");
    }
    other = index_anchor(schema->resource, value->text);
    if (other != NULL && other->schema != schema) {
        return loader_fail_at(schemas->loader, schema->place, keyword,
                              "the anchor \"%.*s\" is given twice", SHOWN(value->text));
    }
    anchor = loader_alloc(schemas->loader, 1, sizeof(*anchor));
    if (anchor == NULL) {
        return false;
    }
    *anchor = (struct anchor){ .name = value->text, .schema = schema, .is_dynamic = is_dynamic };
    return loader_names_set(schemas->loader, &schemas->anchors, schema->resource, value->text,
                            anchor) &&
           (!is_dynamic || count_dynamic(schemas, value->text));
}

/* ---- the walk ---- */

static bool index_children(struct schemas *schemas, const struct value *parent, enum holds holds,
                           const struct place *place, struct resource *resource) {
    size_t index = 0;
    bool is_good = true;

    for (const struct value *child = parent->child; child != NULL; child = child->next) {
        const struct place *kept;

        if (holds == HOLDS_MIXED && child->type == VALUE_ARRAY) {
            continue;
        }
        kept = loader_keep(schemas->loader, place_child(place, child, index++));
        is_good = kept != NULL && index_schema(schemas, child, kept, resource) && is_good;
    }
    return is_good;
}

static bool index_member(struct schemas *schemas, const struct value *member,
                         const struct place *place, struct resource *resource) {
    const struct keyword *keyword = schemas->find_keyword(schemas, member->key);
    const struct place *kept;

    if (keyword == NULL || keyword->holds == HOLDS_NONE ||
        (keyword->compile != NULL && keyword->holds == HOLDS_SCHEMA &&
         member->type == VALUE_ARRAY)) {
        return true; /* or its keyword says what is wrong */
    }
    kept = loader_keep(schemas->loader, place_member(place, member));
    if (kept == NULL) {
        return false;
    }
    if (keyword->holds == HOLDS_SCHEMA) {
        return index_schema(schemas, member, kept, resource);
    }
    if (member->type != (keyword->holds == HOLDS_LIST ? VALUE_ARRAY : VALUE_OBJECT)) {
        return true; /* its keyword will say so */
    }
    return index_children(schemas, member, keyword->holds, kept, resource);
}

bool index_schema(struct schemas *schemas, const struct value *node, const struct place *place,
                  struct resource *resource) {
    const struct value *id = value_get(node, "$id");
    struct schema *schema;
    bool is_good = true;

    if (index_find(schemas, node) != NULL) {
        return true;
    }
    schema = add_schema(schemas, node, place, resource);
    if (schema == NULL) {
        return false;
    }
    if (id != NULL) {
        struct resource *own = add_id(schemas, id, node, place, resource);

        is_good = own != NULL;
        resource = own != NULL ? own : resource;
        schema->resource = resource;
    }
    is_good = add_anchor(schemas, schema, "$anchor", false) && is_good;
    is_good = add_anchor(schemas, schema, "$dynamicAnchor", true) && is_good;
    for (const struct value *m = node->type == VALUE_OBJECT ? node->child : NULL; m != NULL;
         m = m->next) {
        is_good = index_member(schemas, m, place, resource) && is_good;
    }
    return is_good;
}

/* ---- references ---- */

static struct resource *find_resource(const struct schemas *schemas, struct str uri) {
    return loader_names_find(&schemas->uris, NULL, uri);
}

/*
 * The one document that is not in the document: the draft's metaschema, when somebody asks for it.
 */
static struct resource *load_metaschema(struct schemas *schemas) {
    static const struct place place = { .key = { METASCHEMA_URI, sizeof(METASCHEMA_URI) - 1 } };
    struct resource *outside; /* what the metaschema's own $id is resolved against */
    struct json_scan_error error;
    const struct value *root;

    if (!schemas->has_metaschema) {
        schemas->has_metaschema = true;
        root = value_parse(schemas->loader->arena, metaschema, metaschema_len, JSON_SCAN_DEPTH_MAX,
                           &error);
        outside = loader_alloc(schemas->loader, 1, sizeof(*outside));
        if (root == NULL || outside == NULL) {
            loader_fail(schemas->loader, &place, "out of memory");
            return NULL;
        }
        outside->anchors = &schemas->anchors;
        index_schema(schemas, root, &place, outside);
    }
    return find_resource(schemas, place.key);
}

/* The resource of a reference's part before the '#'. */
static struct resource *find_by_uri(struct schemas *schemas, const struct schema *from,
                                    struct str text, const struct place *place) {
    struct resource *resource;
    struct str uri;

    if (text.len == 0) {
        return from->resource;
    }
    uri = index_resolve(schemas->loader->arena, from->resource->uri, text);
    if (uri.data == NULL) {
        loader_fail(schemas->loader, place, "out of memory");
        return NULL;
    }
    resource = find_resource(schemas, uri);
    if (resource == NULL && str_is(uri, METASCHEMA_URI)) {
        resource = load_metaschema(schemas);
    }
    if (resource == NULL) {
        loader_fail(schemas->loader, place,
                    "\"%.*s\" is remote; only references within the document are supported",
                    SHOWN(uri));
    }
    return resource;
}

/* What a reference leads to. */
struct target {
    const struct value *node;
    const struct place *place;
    struct resource *resource;
};

/* Down a pointer; a schema on the way that has an $id of its own is another resource. */
static bool follow_pointer(struct schemas *schemas, struct str pointer, struct target *target) {
    while (pointer.len > 0) {
        struct str token = loader_token(&pointer);
        const struct value *node = loader_step(target->node, token);
        const struct schema *schema;

        if (node == NULL) {
            return false;
        }
        target->node = node;
        target->place = loader_keep(schemas->loader, place_key(target->place, token));
        if (target->place == NULL) {
            return false;
        }
        schema = index_find(schemas, node);
        if (schema != NULL) {
            target->resource = schema->resource;
        }
    }
    return true;
}

/* Behind the '#': a pointer or the name of an anchor. */
static bool follow_fragment(struct schemas *schemas, struct str fragment, struct target *target,
                            struct str *ret_anchor) {
    const struct anchor *anchor;

    if (fragment.len == 0 || fragment.data[0] == '/') {
        return follow_pointer(schemas, fragment, target);
    }
    anchor = index_anchor(target->resource, fragment);
    if (anchor == NULL) {
        return false;
    }
    *ret_anchor = anchor->name;
    target->node = anchor->schema->source;
    target->place = anchor->schema->place;
    return true;
}

struct schema *index_reference(struct schemas *schemas, const struct schema *from,
                               const struct value *reference, const struct place *place,
                               struct str *ret_anchor) {
    struct target target;
    struct str uri;
    struct str fragment;
    bool is_malformed = false;

    *ret_anchor = (struct str){ NULL, 0 };
    if (reference->type != VALUE_STRING) {
        loader_fail(schemas->loader, place, "must be a URI reference");
        return NULL;
    }
    split_fragment(reference->text, &uri, &fragment);
    target.resource = find_by_uri(schemas, from, uri, place);
    if (target.resource == NULL) {
        return NULL;
    }
    target.node = target.resource->node;
    target.place = target.resource->place;
    if (fragment.len > 0) {
        fragment = loader_fragment(schemas->loader, fragment, place, &is_malformed);
        if (fragment.data == NULL && !is_malformed) {
            return NULL;
        }
    }
    if (is_malformed || !follow_fragment(schemas, fragment, &target, ret_anchor)) {
        loader_fail(schemas->loader, place, "the reference \"%.*s\" leads nowhere",
                    SHOWN(reference->text));
        return NULL;
    }
    if (index_find(schemas, target.node) == NULL &&
        (!index_may_be_schema(target.node) || target.node == schemas->loader->root)) {
        loader_fail(schemas->loader, place, "the reference \"%.*s\" does not lead to a schema",
                    SHOWN(reference->text));
        return NULL;
    }
    /* maybe in a place where nobody would look for a schema: it is one because it is referred to */
    return index_schema(schemas, target.node, target.place, target.resource)
               ? index_find(schemas, target.node)
               : NULL;
}
