#include "loader.h"
#include "percent.h"

#include <string.h>

/* Whether `encoded` (with %XX) says the same as the plain `text`. */
static bool same_text(struct oa_str encoded, struct oa_str text) {
    size_t n = 0;

    if (memchr(encoded.data, '%', encoded.len) == NULL) {
        return oa_str_equal(encoded, text);
    }
    for (size_t i = 0; i < encoded.len; i++, n++) {
        char c = encoded.data[i];

        if (c == '%') {
            int byte = oa_percent_byte(encoded.data + i, encoded.data + encoded.len);

            if (byte < 0) {
                return false;
            }
            c = (char)byte;
            i += 2;
        }
        if (n >= text.len || text.data[n] != c) {
            return false;
        }
    }
    return n == text.len;
}

static bool matches(const struct oa_path *path, struct oa_str target, struct oa_match *match) {
    const char *s = target.data;
    const char *end = s + target.len;
    size_t values = 0;

    for (size_t i = 0; i < path->segment_count; i++) {
        const struct oa_segment *segment = &path->segments[i];
        struct oa_str text;

        if (s == end || *s != '/') {
            return false;
        }
        s++;
        text.data = s;
        while (s < end && *s != '/') {
            s++;
        }
        text.len = (size_t)(s - text.data);
        if (segment->is_template) {
            if (text.len == 0) {
                return false;
            }
            match->values[values++] = text;
        } else if (!same_text(text, segment->text)) {
            return false;
        }
    }
    return s == end;
}

static const struct oa_operation *find_method(const struct oa_path *path, struct oa_str name) {
    const struct oa_operation *get = NULL;

    for (const struct oa_method *m = path->methods; m != NULL; m = m->next) {
        if (oa_str_equal(m->name, name)) {
            return &m->operation;
        }
        if (oa_str_is(m->name, "GET")) {
            get = &m->operation;
        }
    }
    return oa_str_is(name, "HEAD") ? get : NULL;
}

void oa_document_route(const struct oa_document *doc, struct oa_str method, struct oa_str path,
                       struct oa_match *ret_match) {
    ret_match->route = OA_ROUTE_NO_PATH;
    ret_match->operation = NULL;
    for (const struct oa_path *p = doc->paths; p != NULL; p = p->next) {
        if (!matches(p, path, ret_match)) {
            continue;
        }
        ret_match->operation = find_method(p, method);
        ret_match->allow = p->allow;
        ret_match->route = ret_match->operation != NULL ? OA_ROUTE_FOUND : OA_ROUTE_NO_METHOD;
        return;
    }
}

void oa_document_visit(struct oa_document *doc,
                       void (*visit)(void *user, struct oa_operation *operation), void *user) {
    for (struct oa_path *path = doc->paths; path != NULL; path = path->next) {
        for (struct oa_method *method = path->methods; method != NULL; method = method->next) {
            visit(user, &method->operation);
        }
    }
}
