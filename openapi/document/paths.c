/* "paths": their templates, methods and operations. */
#include "base/percent.h"
#include "shape.h"

#include <string.h>

static const struct {
    const char *key;  /* in the document */
    const char *name; /* in a request */
} methods[] = {
    { "get", "GET" },     { "head", "HEAD" },     { "post", "POST" },       { "put", "PUT" },
    { "patch", "PATCH" }, { "delete", "DELETE" }, { "options", "OPTIONS" }, { "trace", "TRACE" },
};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

/* ---- templates ---- */

/* A literal as a request's segment is compared with it: decoded. */
static bool load_literal(struct oa_loader *loader, const struct oa_place *place, struct str text,
                         struct oa_segment *segment) {
    char *out = loader_alloc(loader, text.len + 1, 1);
    size_t len;

    if (out == NULL) {
        return false;
    }
    if (!percent_decode(text, out, &len)) {
        return loader_fail(loader, place, "'%%' must be followed by two hexadecimal digits");
    }
    segment->text = (struct str){ out, len };
    if (len > OA_LITERAL_BYTES_MAX) {
        return loader_fail(loader, place, "a segment is longer than %d bytes",
                           OA_LITERAL_BYTES_MAX);
    }
    if (str_is(segment->text, ".") || str_is(segment->text, "..")) {
        return loader_fail(loader, place, "\".\" and \"..\" are no segments of a path");
    }
    return true;
}

static bool load_segment(struct oa_loader *loader, const struct oa_place *place, struct str s,
                         struct oa_segment *segment) {
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
static bool load_segments(struct oa_loader *loader, const struct oa_place *place, struct str t,
                          struct oa_path *path) {
    const char *end = t.data + t.len;

    for (const char *s = t.data; s < end;) {
        const char *start = s + 1;
        const char *slash = memchr(start, '/', (size_t)(end - start));
        struct oa_segment *segment = &path->segments[path->segment_count++];

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

static bool check_names(struct oa_loader *loader, const struct oa_place *place,
                        const struct oa_path *path) {
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
                                   OA_STR(path->segments[i].text));
            }
        }
    }
    if (templates > OA_PATH_PARAMS_MAX) {
        return loader_fail(loader, place, "a path must not have more than %d templates",
                           OA_PATH_PARAMS_MAX);
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

static bool load_template(struct oa_loader *loader, const struct oa_place *place,
                          struct oa_path *path) {
    struct str base = loader->doc->base;
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
    if (count > OA_PATH_SEGMENTS_MAX) {
        return loader_fail(loader, place, "a path must not have more than %d segments",
                           OA_PATH_SEGMENTS_MAX);
    }
    path->segments = loader_alloc(loader, count, sizeof(*path->segments));
    return path->segments != NULL && load_segments(loader, place, base, path) &&
           load_segments(loader, place, t, path) && check_names(loader, place, path);
}

/* ---- methods ---- */

/* Text of at most `bytes_max`; what Allow needs is bounded by the table of methods. */
static void load_allow(struct oa_loader *loader, struct oa_path *path) {
    enum { ALLOW_BYTES_MAX = 80 };
    char *text = loader_alloc(loader, ALLOW_BYTES_MAX, 1);
    size_t len = 0;
    bool has_head = false;

    if (text == NULL) {
        return;
    }
    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
        has_head = has_head || str_is(m->name, "HEAD");
    }
    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
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

static void load_item(struct oa_loader *loader, const struct oa_json *item,
                      const struct oa_place *place, struct oa_path *path) {
    struct oa_method **link = &path->methods;
    struct oa_place storage;

    if (item->type != OA_OBJECT || !loader_follow(loader, &item, &place, &storage) ||
        item->type != OA_OBJECT) {
        return;
    }
    check_other_servers(loader, item, place);
    for (const struct oa_json *member = item->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);
        size_t i = find_method(member->key);

        if (i == METHODS || member->type != OA_OBJECT) {
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
        (*link)->name = (struct str){ methods[i].name, strlen(methods[i].name) };
        load_operation(loader, item, place, member, &at, path, &(*link)->operation);
        link = &(*link)->next;
    }
    load_allow(loader, path);
}

/* What is wrong with the base path is said once, not for each path. */
static void check_base(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_place place = place_text(&root, "servers");
    struct oa_path base = { .segment_count = 0 };

    base.segments =
        loader_alloc(loader, count_slashes(loader->doc->base) + 1, sizeof(*base.segments));
    if (base.segments == NULL || !load_segments(loader, &place, loader->doc->base, &base)) {
        loader->doc->base.len = 0;
    }
}

void load_paths(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_place list = place_text(&root, "paths");
    const struct oa_json *paths = oa_json_get(loader->doc->root, "paths");
    struct oa_document *doc = loader->doc;

    if (paths == NULL || paths->type != OA_OBJECT) {
        return;
    }
    doc->paths = loader_alloc(loader, paths->count, sizeof(*doc->paths));
    if (doc->paths == NULL) {
        return;
    }
    check_base(loader);
    for (const struct oa_json *item = paths->child; item != NULL; item = item->next) {
        struct oa_place at = place_member(&list, item);
        struct oa_path path = { .template = item->key, .node = item };

        if (!oa_shape_is_extension(item->key) && load_template(loader, &at, &path)) {
            load_item(loader, item, &at, &path);
            doc->paths[doc->path_count++] = path;
        }
    }
}
