/* "paths": their templates, methods and operations with parameters, and the tree of all paths. */
#include "base/percent.h"
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- templates ---- */

/* A literal as a request's segment is compared with it: decoded. */
static bool load_literal(struct loader *loader, const struct place *place, struct str text,
                         struct segment *segment) {
    char *out = loader_alloc(loader, text.len + 1, 1);
    size_t len;

    if (out == NULL) {
        return false;
    }
    if (!percent_decode(text, out, &len)) {
        return loader_fail(loader, place, "'%%' must be followed by two hexadecimal digits");
    }
    segment->text = (struct str){ out, len };
    if (len > DOCUMENT_LITERAL_BYTES_MAX) {
        return loader_fail(loader, place, "a segment is longer than %d bytes",
                           DOCUMENT_LITERAL_BYTES_MAX);
    }
    if (str_is(segment->text, ".") || str_is(segment->text, "..")) {
        return loader_fail(loader, place, "\".\" and \"..\" are no segments of a path");
    }
    return true;
}

static bool load_segment(struct loader *loader, const struct place *place, struct str s,
                         struct segment *segment) {
    bool opens = memchr(s.data, '{', s.len) != NULL;
    bool closes = memchr(s.data, '}', s.len) != NULL;

    if (!opens && !closes) {
        return load_literal(loader, place, s, segment);
    }
    if (s.len < 3 || s.data[0] != '{' || s.data[s.len - 1] != '}' ||
        memchr(s.data + 1, '{', s.len - 1) != NULL || memchr(s.data, '}', s.len - 1) != NULL) {
        return loader_fail(loader, place,
                           "a template must be a whole segment between slashes: {name}");
    }
    segment->text = (struct str){ s.data + 1, s.len - 2 };
    segment->is_template = true;
    return true;
}

/* "/a/{b}" and what follows the base path; appends to path->segments. */
static bool load_segments(struct loader *loader, const struct place *place, struct str t,
                          struct path *path) {
    const char *end = t.data + t.len;

    for (const char *s = t.data; s < end;) {
        const char *start = s + 1;
        const char *slash = memchr(start, '/', (size_t)(end - start));
        struct segment *segment = &path->segments[path->segment_count++];

        s = slash != NULL ? slash : end;
        if (s == start && s < end) {
            return loader_fail(loader, place, "a path must not have empty segments (\"//\")");
        }
        if (!load_segment(loader, place, (struct str){ start, (size_t)(s - start) }, segment)) {
            return false;
        }
    }
    return true;
}

static bool check_names(struct loader *loader, const struct place *place, const struct path *path) {
    unsigned templates = 0;

    for (size_t i = 0; i < path->segment_count; i++) {
        if (!path->segments[i].is_template) {
            continue;
        }
        templates++;
        for (size_t k = 0; k < i; k++) {
            if (path->segments[k].is_template &&
                str_equal(path->segments[k].text, path->segments[i].text)) {
                return loader_fail(loader, place, "the template {%.*s} stands twice in the path",
                                   SHOWN(path->segments[i].text));
            }
        }
    }
    if (templates > DOCUMENT_PATH_PARAMS_MAX) {
        return loader_fail(loader, place, "a path must not have more than %d templates",
                           DOCUMENT_PATH_PARAMS_MAX);
    }
    return true;
}

static size_t count_slashes(struct str text) {
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '/';
    }
    return count;
}

static bool has_control(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == '\x7f') {
            return true;
        }
    }
    return false;
}

static bool load_template(struct loader *loader, const struct place *place, struct path *path) {
    struct str base = shape_loader(loader)->doc->base;
    struct str t = path->template;
    size_t count = count_slashes(base) + count_slashes(t);

    if (t.len == 0 || t.data[0] != '/') {
        return loader_fail(loader, place, "a path must begin with '/'");
    }
    if (has_control(t)) {
        return loader_fail(loader, place,
                           "a path must not have control characters; they can be written as %%XX");
    }
    if (memchr(t.data, '?', t.len) != NULL || memchr(t.data, '#', t.len) != NULL) {
        return loader_fail(loader, place,
                           "a path has neither query nor fragment: describe a query "
                           "by parameters");
    }
    if (count > DOCUMENT_PATH_SEGMENTS_MAX) {
        return loader_fail(loader, place, "a path must not have more than %d segments",
                           DOCUMENT_PATH_SEGMENTS_MAX);
    }
    path->segments = loader_alloc(loader, count, sizeof(*path->segments));
    return path->segments != NULL && load_segments(loader, place, base, path) &&
           load_segments(loader, place, t, path) && check_names(loader, place, path);
}

/* ---- one operation ---- */

/* "GET /orders" when the document gives no operationId. */
static void load_id(struct loader *loader, const struct value *node, const struct path *path,
                    struct method *method) {
    size_t bytes = method->name.len + 1 + path->template.len + 1;
    char *text;

    if (shape_text(node, "operationId", &method->operation.id)) {
        return;
    }
    text = loader_alloc(loader, 1, bytes);
    if (text != NULL) {
        snprintf(text, bytes, "%s %.*s", method->name.data, (int)path->template.len,
                 path->template.data);
        method->operation.id = (struct str){ text, bytes - 1 };
    }
}

/* ---- parameters ---- */

static const struct param *find_param(const struct operation *operation,
                                      const struct param_spec *spec) {
    const struct param *p = operation->params;

    while (p != NULL && !parameter_same(p->spec, spec)) {
        p = p->next;
    }
    return p;
}

/* Which {template} of the path a path parameter stands for. */
static bool find_template(struct loader *loader, const struct place *place, const struct path *path,
                          struct param *param) {
    for (size_t i = 0; i < path->segment_count; i++) {
        if (!path->segments[i].is_template) {
            continue;
        }
        if (str_equal(path->segments[i].text, param->spec->name)) {
            return true;
        }
        param->value_index++;
    }
    return loader_fail(loader, place, "the path has no template {%.*s}", SHOWN(param->spec->name));
}

static void append_param(struct operation *operation, struct param *param) {
    struct param **link = &operation->params;

    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = param;
}

/* A parameter of the operation replaces one of the path item. */
static bool load_param(struct loader *loader, const struct value *node, const struct place *place,
                       const struct path *path, bool inherited, struct operation *operation) {
    const struct param_spec *spec = shape_data(loader, node, place, &objects_parameter);
    struct param *param;

    if (spec == NULL) {
        return false;
    }
    if (find_param(operation, spec) != NULL) {
        return inherited || loader_fail(loader, place, "the parameter \"%.*s\" is given twice",
                                        SHOWN(spec->name));
    }
    param = loader_alloc(loader, 1, sizeof(*param));
    if (param == NULL) {
        return false;
    }
    param->spec = spec;
    if (spec->location == IN_PATH && !find_template(loader, place, path, param)) {
        return false;
    }
    append_param(operation, param);
    return true;
}

/* The list itself; whether every parameter is good. */
static bool load_params(struct loader *loader, const struct value *owner, const struct place *place,
                        const struct path *path, bool inherited, struct operation *operation) {
    const struct value *params = value_get(owner, "parameters");
    struct place list = place_text(place, "parameters");
    size_t index = 0;
    bool is_good = true;

    if (params == NULL) {
        return true;
    }
    if (params->type != VALUE_ARRAY) {
        return false;
    }
    if (params->count > DOCUMENT_PARAMS_MAX) {
        return loader_fail(loader, &list, "there must be at most %d parameters",
                           DOCUMENT_PARAMS_MAX);
    }
    for (const struct value *item = params->child; item != NULL; item = item->next) {
        struct place at = place_index(&list, index++);

        is_good = load_param(loader, item, &at, path, inherited, operation) && is_good;
    }
    return is_good;
}

/* The same parameter twice in the list of a path item; of operations, load_param() says it. */
static void check_given_twice(struct loader *loader, const struct value *item,
                              const struct place *place) {
    const struct value *params = shape_array(item, "parameters");
    struct place list = place_text(place, "parameters");
    const struct param_spec *specs[DOCUMENT_PARAMS_MAX];
    size_t count = 0;
    size_t index = 0;

    if (params == NULL || params->count > DOCUMENT_PARAMS_MAX) {
        return;
    }
    for (const struct value *one = params->child; one != NULL; one = one->next) {
        struct place at = place_index(&list, index++);
        const struct param_spec *spec = shape_data(loader, one, &at, &objects_parameter);

        for (size_t i = 0; spec != NULL && i < count; i++) {
            if (parameter_same(specs[i], spec)) {
                loader_fail(loader, &at, "the parameter \"%.*s\" is given twice",
                            SHOWN(spec->name));
            }
        }
        if (spec != NULL) {
            specs[count++] = spec;
        }
    }
}

/* Every {template} needs a parameter, or nobody would check it. */
static void check_templates(struct loader *loader, const struct place *place,
                            const struct path *path, const struct operation *operation) {
    for (size_t i = 0; i < path->segment_count; i++) {
        struct param_spec wanted = { .name = path->segments[i].text, .location = IN_PATH };

        if (path->segments[i].is_template && find_param(operation, &wanted) == NULL) {
            loader_fail(loader, place, "the path parameter \"%.*s\" is not described",
                        SHOWN(wanted.name));
        }
    }
}

/* What many parameters must not be together. */
static void check_together(struct loader *loader, const struct place *place,
                           const struct operation *operation) {
    unsigned exploded = 0;
    unsigned count = 0;

    for (const struct param *p = operation->params; p != NULL; p = p->next) {
        count++;
        exploded += p->spec->location == IN_QUERY && p->spec->kind == PARAM_OBJECT &&
                    p->spec->style == STYLE_FORM && p->spec->explodes;
    }
    if (count > DOCUMENT_PARAMS_MAX) {
        loader_fail(loader, place, "there must be at most %d parameters", DOCUMENT_PARAMS_MAX);
    }
    if (exploded > 1) {
        loader_fail(loader, place,
                    "only one query parameter may be an exploded object in the style \"form\": it "
                    "takes every name that no other parameter has");
    }
}

static void load_operation(struct loader *loader, const struct value *item,
                           const struct place *item_place, const struct value *node,
                           const struct place *place, const struct path *path,
                           struct method *method) {
    struct operation *operation = &method->operation;
    const struct value *body = value_get(node, "requestBody");
    struct place body_at = place_text(place, "requestBody");
    bool own;
    bool inherited;

    load_id(loader, node, path, method);
    servers_check_other(loader, node, place);
    own = load_params(loader, node, place, path, false, operation);
    inherited = load_params(loader, item, item_place, path, true, operation);
    check_given_twice(loader, item, item_place);
    check_together(loader, place, operation);
    if (own && inherited) {
        check_templates(loader, place, path, operation);
    }
    if (body != NULL) {
        const struct value *target = body;
        const struct place *at = &body_at;
        struct place storage;

        operation->takes_body = true;
        operation->body = shape_data(loader, body, &body_at, &objects_request_body);
        operation->body_required =
            loader_follow(loader, &target, &at, &storage) && shape_is_true(target, "required");
    }
    operation_load_responses(node, operation);
}

/* ---- methods ---- */

static const struct {
    const char *key;  /* in the document */
    const char *name; /* in a request */
} methods[] = {
    { "get", "GET" },     { "head", "HEAD" },     { "post", "POST" },       { "put", "PUT" },
    { "patch", "PATCH" }, { "delete", "DELETE" }, { "options", "OPTIONS" }, { "trace", "TRACE" },
};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

/* Text of at most `bytes_max`; what Allow needs is bounded by the table of methods. */
static void load_allow(struct loader *loader, struct path *path) {
    enum { ALLOW_BYTES_MAX = 80 };
    char *text = loader_alloc(loader, ALLOW_BYTES_MAX, 1);
    size_t len = 0;
    bool has_head = false;

    if (text == NULL) {
        return;
    }
    for (const struct method *m = path->methods; m != NULL; m = m->next) {
        has_head = has_head || str_is(m->name, "HEAD");
    }
    for (const struct method *m = path->methods; m != NULL; m = m->next) {
        if (len > 0) {
            memcpy(text + len, ", ", 2);
            len += 2;
        }
        memcpy(text + len, m->name.data, m->name.len);
        len += m->name.len;
        if (str_is(m->name, "GET") && !has_head) {
            memcpy(text + len, ", HEAD", 6);
            len += 6;
        }
    }
    path->allow = (struct str){ text, len };
}

static size_t find_method(struct str key) {
    size_t i = 0;

    while (i < METHODS && !str_is(key, methods[i].key)) {
        i++;
    }
    return i;
}

static void load_item(struct loader *loader, const struct value *item, const struct place *place,
                      struct path *path) {
    struct method **link = &path->methods;
    struct place storage;

    if (item->type != VALUE_OBJECT || !loader_follow(loader, &item, &place, &storage) ||
        item->type != VALUE_OBJECT) {
        return;
    }
    servers_check_other(loader, item, place);
    for (const struct value *member = item->child; member != NULL; member = member->next) {
        struct place at = place_member(place, member);
        size_t i = find_method(member->key);

        if (i == METHODS || member->type != VALUE_OBJECT) {
            continue;
        }
        if (str_is(member->key, "trace")) {
            loader_fail(loader, &at, "nginx answers every TRACE request with 405 itself");
            continue;
        }
        *link = loader_alloc(loader, 1, sizeof(**link));
        if (*link == NULL) {
            return;
        }
        (*link)->name = str_of(methods[i].name);
        load_operation(loader, item, place, member, &at, path, *link);
        link = &(*link)->next;
    }
    load_allow(loader, path);
}

/* What is wrong with the base path is said once, not for each path. */
static void check_base(struct loader *loader) {
    const struct place place = place_text(&report_root, "servers");
    struct str *base = &shape_loader(loader)->doc->base;
    struct path path = { .segment_count = 0 };

    path.segments = loader_alloc(loader, count_slashes(*base) + 1, sizeof(*path.segments));
    if (path.segments == NULL || !load_segments(loader, &place, *base, &path)) {
        base->len = 0;
    }
}

/* ---- the tree: each level is one segment, literals sorted, at most one template ---- */

/* 0: both match the same paths. */
static int compare_paths(const struct path *a, const struct path *b) {
    for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        const struct segment *x = &a->segments[i];
        const struct segment *y = &b->segments[i];
        int order;

        if (x->is_template != y->is_template) {
            return x->is_template ? 1 : -1;
        }
        order = x->is_template ? 0 : str_compare(x->text, y->text);
        if (order != 0) {
            return order;
        }
    }
    if (a->segment_count == b->segment_count) {
        return 0;
    }
    return a->segment_count < b->segment_count ? -1 : 1;
}

/* What matches the same stays in the document's order. */
static int order_paths(const void *a, const void *b) {
    const struct path *x = a;
    const struct path *y = b;
    int order = compare_paths(x, y);

    if (order != 0) {
        return order;
    }
    return x->node->raw.data < y->node->raw.data ? -1 : 1;
}

static void check_doubles(struct loader *loader) {
    const struct place list = place_text(&report_root, "paths");
    const struct document *doc = shape_loader(loader)->doc;

    for (size_t i = 1; i < doc->path_count; i++) {
        const struct path *path = &doc->paths[i];
        const struct place at = place_key(&list, path->template);

        if (compare_paths(path - 1, path) == 0) {
            loader_fail(loader, &at, "matches the same requests as \"%.*s\"",
                        SHOWN((path - 1)->template));
        }
    }
}

/* How many of the paths from `first` on have the same segment at `depth`. */
static size_t same_segment(const struct path *first, const struct path *end, size_t depth) {
    const struct segment *segment = &first->segments[depth];
    const struct path *path = first + 1;

    while (path < end && path->segments[depth].is_template == segment->is_template &&
           (segment->is_template || str_equal(path->segments[depth].text, segment->text))) {
        path++;
    }
    return (size_t)(path - first);
}

/* Fill `node` with the paths [first, end), which are the same up to `depth`. */
static bool build(struct loader *loader, struct node *node, const struct path *first,
                  const struct path *end, size_t depth) {
    size_t items = 0;

    while (first < end && first->segment_count == depth) {
        node->path = node->path != NULL ? node->path : first;
        first++;
    }
    for (const struct path *p = first; p < end; p += same_segment(p, end, depth)) {
        items += !p->segments[depth].is_template;
    }
    node->items = loader_alloc(loader, items + 1, sizeof(*node->items));
    if (node->items == NULL) {
        return false;
    }
    for (size_t n; first < end; first += n) {
        struct node *child = &node->items[node->item_count];

        n = same_segment(first, end, depth);
        if (first->segments[depth].is_template) {
            child = node->any = loader_alloc(loader, 1, sizeof(*node->any));
            if (child == NULL) {
                return false;
            }
        } else {
            child->text = first->segments[depth].text;
            node->item_count++;
        }
        if (!build(loader, child, first, first + n, depth + 1)) {
            return false;
        }
    }
    return true;
}

static void load_routes(struct loader *loader) {
    struct document *doc = shape_loader(loader)->doc;

    if (doc->path_count == 0) {
        return;
    }
    qsort(doc->paths, doc->path_count, sizeof(*doc->paths), order_paths);
    check_doubles(loader);
    doc->routes = loader_alloc(loader, 1, sizeof(*doc->routes));
    if (doc->routes != NULL) {
        build(loader, doc->routes, doc->paths, doc->paths + doc->path_count, 0);
    }
}

void paths_load(struct loader *loader) {
    const struct value *paths = shape_object(loader->root, "paths");
    const struct place list = place_text(&report_root, "paths");
    struct document *doc = shape_loader(loader)->doc;

    if (paths == NULL) {
        return;
    }
    doc->paths = loader_alloc(loader, paths->count, sizeof(*doc->paths));
    if (doc->paths == NULL) {
        return;
    }
    check_base(loader);
    for (const struct value *item = paths->child; item != NULL; item = item->next) {
        struct place at = place_member(&list, item);
        struct path path = { .template = item->key, .node = item };

        if (!shape_is_extension(item->key) && load_template(loader, &at, &path)) {
            load_item(loader, item, &at, &path);
            doc->paths[doc->path_count++] = path;
        }
    }
    load_routes(loader);
}
