/* The operation of a request, and its body: media type, JSON, schema. */
#include "request.h"
#include "base/percent.h"
#include "openapi/document/tables.h"

#include <string.h>

/* ---- the path ---- */

/* A request's path on its way down the tree. */
struct way {
    const char *end;
    struct match *match;
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

        if (byte < 0 || n == DOCUMENT_LITERAL_BYTES_MAX) {
            return false;
        }
        buf[n++] = (char)byte;
    }
    *ret = (struct str){ buf, n };
    return true;
}

static const struct node *find_literal(const struct node *node, struct str text) {
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
static const struct path *find_path(struct way *way, const struct node *node, const char *s) {
    char buf[DOCUMENT_LITERAL_BYTES_MAX];
    const struct path *path = NULL;
    const struct node *literal = NULL;
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

static const struct operation *find_method(const struct path *path, struct str name) {
    const struct operation *get = NULL;

    for (const struct method *m = path->methods; m != NULL; m = m->next) {
        if (str_equal(m->name, name)) {
            return &m->operation;
        }
        if (str_is(m->name, "GET")) {
            get = &m->operation;
        }
    }
    return str_is(name, "HEAD") ? get : NULL;
}

void request_match(const struct document *doc, struct str method, struct str path,
                   struct match *ret_match) {
    struct way way = { .end = path.data + path.len, .match = ret_match };
    const struct path *found = NULL;

    ret_match->route = ROUTE_NO_PATH;
    ret_match->operation = NULL;
    if (doc->routes != NULL && path.len > 0) {
        found = find_path(&way, doc->routes, path.data);
    }
    if (found != NULL) {
        ret_match->operation = find_method(found, method);
        ret_match->allow = found->allow;
        ret_match->route = ret_match->operation != NULL ? ROUTE_FOUND : ROUTE_NO_METHOD;
    }
}

/* ---- the body ---- */

static const struct body *find_body(const struct operation *operation, const struct media *media) {
    const struct body *body = operation->body;

    while (body != NULL && !media_matches(&body->media, media)) {
        body = body->next;
    }
    return body;
}

/* JSON is UTF-8: another charset would not be understood by anyone behind us. */
bool request_takes_media(const struct operation *operation, struct str content_type) {
    struct media media;

    return media_parse(content_type, &media) && find_body(operation, &media) != NULL &&
           !(media_is_json(&media) && media_has_other_charset(&media));
}

bool request_body(const struct operation *operation, struct str content_type, const char *body,
                  size_t len, const struct json_scan_limits *limits, struct report *report) {
    struct schema_limits all = schema_run_defaults;
    struct media media;
    const struct body *found;

    if (!media_parse(content_type, &media) || !media_is_json(&media)) {
        return true;
    }
    found = find_body(operation, &media);
    all.json = limits != NULL ? *limits
                              : (struct json_scan_limits){ .depth_max = REQUEST_BODY_DEPTH_MAX,
                                                           .values_max = REQUEST_BODY_VALUES_MAX };
    return schema_run_text(found != NULL ? found->schema : NULL, body, len, &all, report);
}
