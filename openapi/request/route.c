#include "base/percent.h"
#include "openapi/loader.h"

#include <string.h>

/* A request's path on its way down the tree. */
struct way {
    const char *end;
    struct oa_match *match;
    size_t values;
};

/*
 * `segment` decoded, in `buf` when it has escapes. false: no literal can be equal to it, because an
 * escape is malformed or it is longer than any.
 */
static bool decode(struct str segment, char *buf, struct str *ret) {
    size_t n = 0;

    *ret = segment;
    if (memchr(segment.data, '%', segment.len) == NULL) {
        return true;
    }
    for (size_t i = 0; i < segment.len;) {
        int byte = percent_next(segment, &i);

        if (byte < 0 || n == OA_LITERAL_BYTES_MAX) {
            return false;
        }
        buf[n++] = (char)byte;
    }
    *ret = (struct str){ buf, n };
    return true;
}

static const struct oa_node *find_literal(const struct oa_node *node, struct str text) {
    size_t low = 0;
    size_t high = node->item_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_compare(text, node->items[middle].text);

        if (order == 0) {
            return &node->items[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/*
 * The path below `node` that the rest of the request from `s` on is: the literal first, and the
 * template when nothing fits below that. Each node of the tree is visited at most once.
 */
static const struct oa_path *find_path(struct way *way, const struct oa_node *node, const char *s) {
    char buf[OA_LITERAL_BYTES_MAX];
    const struct oa_path *path = NULL;
    const struct oa_node *literal = NULL;
    struct str segment;
    struct str text;
    const char *slash;

    if (s == way->end) {
        return node->path;
    }
    if (*s != '/') {
        return NULL;
    }
    s++;
    slash = memchr(s, '/', (size_t)(way->end - s));
    segment = (struct str){ s, (size_t)((slash != NULL ? slash : way->end) - s) };
    if (decode(segment, buf, &text)) {
        /* whoever gets the request next might go up a level here */
        if (str_is(text, ".") || str_is(text, "..")) {
            return NULL;
        }
        literal = find_literal(node, text);
    }
    if (literal != NULL) {
        path = find_path(way, literal, s + segment.len);
    }
    if (path == NULL && node->any != NULL && segment.len > 0) {
        way->match->values[way->values++] = segment;
        path = find_path(way, node->any, s + segment.len);
        way->values--;
    }
    return path;
}

static const struct oa_operation *find_method(const struct oa_path *path, struct str name) {
    const struct oa_operation *get = NULL;

    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
        if (str_equal(m->name, name)) {
            return &m->operation;
        }
        if (str_is(m->name, "GET")) {
            get = &m->operation;
        }
    }
    return str_is(name, "HEAD") ? get : NULL;
}

void oa_document_route(const struct oa_document *doc, struct str method, struct str path,
                       struct oa_match *ret_match) {
    struct way way = { .end = path.data + path.len, .match = ret_match };
    const struct oa_path *found = NULL;

    ret_match->route = OA_ROUTE_NO_PATH;
    ret_match->operation = NULL;
    if (doc->routes != NULL && path.len > 0) {
        found = find_path(&way, doc->routes, path.data);
    }
    if (found != NULL) {
        ret_match->operation = find_method(found, method);
        ret_match->allow = found->allow;
        ret_match->route = ret_match->operation != NULL ? OA_ROUTE_FOUND : OA_ROUTE_NO_METHOD;
    }
}

void oa_document_visit(struct oa_document *doc,
                       void (*visit)(void *user, struct oa_operation *operation), void *user) {
    for (size_t i = 0; i < doc->path_count; i++) {
        struct oa_method *method = doc->paths[i].methods;

        for (; method != NULL; method = method->next) {
            visit(user, &method->operation);
        }
    }
}
