/* "paths": templates, their order, their methods. */
#include "loader.h"

#include <string.h>

static const struct {
    const char *key;  /* in the document */
    const char *name; /* in a request */
} methods[] = {
    { "get", "GET" },     { "head", "HEAD" },     { "post", "POST" },       { "put", "PUT" },
    { "patch", "PATCH" }, { "delete", "DELETE" }, { "options", "OPTIONS" }, { "trace", "TRACE" },
};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

/* Members of a path item that are no operation and need no attention. */
static bool is_passive(struct oa_str key) {
    return oa_str_is(key, "summary") || oa_str_is(key, "description") ||
           oa_str_is(key, "servers") || oa_str_is(key, "parameters") ||
           (key.len >= 2 && memcmp(key.data, "x-", 2) == 0);
}

static bool load_segment(struct oa_loader *loader, const struct oa_place *place, const char *s,
                         size_t len, struct oa_path *path) {
    struct oa_segment *segment = &path->segments[path->segment_count++];
    bool opens = memchr(s, '{', len) != NULL;
    bool closes = memchr(s, '}', len) != NULL;

    *segment = (struct oa_segment){ .text = { s, len } };
    if (!opens && !closes) {
        return true;
    }
    if (len < 3 || s[0] != '{' || s[len - 1] != '}' || memchr(s + 1, '{', len - 1) != NULL ||
        memchr(s, '}', len - 1) != NULL) {
        return loader_fail(loader, place,
                           "a template must be a whole segment between slashes: {name}");
    }
    segment->text = (struct oa_str){ s + 1, len - 2 };
    segment->is_template = true;
    return true;
}

static bool load_template(struct oa_loader *loader, const struct oa_place *place,
                          struct oa_path *path) {
    struct oa_str t = path->template;
    size_t templates = 0;
    size_t count = 0;

    if (t.len == 0 || t.data[0] != '/') {
        return loader_fail(loader, place, "a path must begin with '/'");
    }
    for (size_t i = 0; i < t.len; i++) {
        count += t.data[i] == '/';
    }
    path->segments = loader_alloc(loader, count, sizeof(*path->segments));
    if (path->segments == NULL) {
        return false;
    }
    for (size_t i = 1; count > 0; count--) {
        const char *slash = memchr(t.data + i, '/', t.len - i);
        size_t len = slash != NULL ? (size_t)(slash - t.data) - i : t.len - i;

        if (!load_segment(loader, place, t.data + i, len, path)) {
            return false;
        }
        templates += path->segments[path->segment_count - 1].is_template;
        i += len + 1;
    }
    if (templates > OA_PATH_PARAMS_MAX) {
        return loader_fail(loader, place, "a path must not have more than %d templates",
                           OA_PATH_PARAMS_MAX);
    }
    return true;
}

/* Text of at most `bytes_max`; what Allow needs is bounded by the table of methods. */
static bool load_allow(struct oa_loader *loader, struct oa_path *path) {
    enum { ALLOW_BYTES_MAX = 80 };
    char *text = loader_alloc(loader, ALLOW_BYTES_MAX, 1);
    size_t len = 0;
    bool has_get = false;
    bool has_head = false;

    if (text == NULL) {
        return false;
    }
    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
        has_get = has_get || oa_str_is(m->name, "GET");
        has_head = has_head || oa_str_is(m->name, "HEAD");
    }
    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
        if (len > 0) {
            memcpy(text + len, ", ", 2);
            len += 2;
        }
        memcpy(text + len, m->name.data, m->name.len);
        len += m->name.len;
        if (oa_str_is(m->name, "GET") && !has_head) {
            memcpy(text + len, ", HEAD", 6);
            len += 6;
        }
    }
    path->allow = (struct oa_str){ text, len };
    return true;
}

static bool load_item(struct oa_loader *loader, const struct oa_json *item,
                      const struct oa_place *place, struct oa_path *path) {
    struct oa_method **link = &path->methods;

    if (item->type != OA_OBJECT) {
        return loader_fail(loader, place, "a path item must be an object");
    }
    for (const struct oa_json *member = item->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);
        size_t i = 0;

        if (is_passive(member->key)) {
            continue;
        }
        while (i < METHODS && !oa_str_is(member->key, methods[i].key)) {
            i++;
        }
        if (i == METHODS) {
            return loader_fail(loader, &at, "\"%.*s\" is not supported in a path item",
                               OA_STR(member->key));
        }
        *link = loader_alloc(loader, 1, sizeof(**link));
        if (*link == NULL) {
            return false;
        }
        (*link)->name = (struct oa_str){ methods[i].name, strlen(methods[i].name) };
        if (!load_operation(loader, item, member, &at, path, &(*link)->operation)) {
            return false;
        }
        link = &(*link)->next;
    }
    return load_allow(loader, path);
}

/* < 0: `a` is more literal and is tried first; 0: both match the same paths. */
static int compare_paths(const struct oa_path *a, const struct oa_path *b) {
    if (a->segment_count != b->segment_count) {
        return a->segment_count < b->segment_count ? -1 : 1;
    }
    for (size_t i = 0; i < a->segment_count; i++) {
        const struct oa_segment *x = &a->segments[i];
        const struct oa_segment *y = &b->segments[i];

        if (x->is_template != y->is_template) {
            return x->is_template ? 1 : -1;
        }
        if (!x->is_template && !oa_str_equal(x->text, y->text)) {
            size_t len = x->text.len < y->text.len ? x->text.len : y->text.len;
            int order = memcmp(x->text.data, y->text.data, len);

            return order != 0 ? order : x->text.len < y->text.len ? -1 : 1;
        }
    }
    return 0;
}

static bool insert_path(struct oa_loader *loader, const struct oa_place *place,
                        struct oa_path *path) {
    struct oa_path **link = &loader->doc->paths;

    while (*link != NULL && compare_paths(*link, path) < 0) {
        link = &(*link)->next;
    }
    if (*link != NULL && compare_paths(*link, path) == 0) {
        return loader_fail(loader, place, "matches the same requests as \"%.*s\"",
                           OA_STR((*link)->template));
    }
    path->next = *link;
    *link = path;
    return true;
}

bool load_paths(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_place place = place_text(&root, "paths");
    const struct oa_json *paths = oa_json_get(loader->doc->root, "paths");

    if (paths == NULL || paths->type != OA_OBJECT) {
        return loader_fail(loader, &place, "must be an object of path items");
    }
    for (const struct oa_json *item = paths->child; item != NULL; item = item->next) {
        struct oa_place at = place_member(&place, item);
        struct oa_path *path;

        if (item->key.len >= 2 && memcmp(item->key.data, "x-", 2) == 0) {
            continue;
        }
        path = loader_alloc(loader, 1, sizeof(*path));
        if (path == NULL) {
            return false;
        }
        path->template = item->key;
        if (!load_template(loader, &at, path) || !load_item(loader, item, &at, path) ||
            !insert_path(loader, &at, path)) {
            return false;
        }
    }
    return true;
}
