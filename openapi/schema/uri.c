#include "uri.h"
#include "base/ascii.h"

#include <string.h>

struct parts {
    struct str scheme;    /* with its ':' */
    struct str authority; /* with its "//"; data NULL: none */
    struct str path;
    struct str query; /* with its '?'; data NULL: none */
};

void oa_uri_split(struct str reference, struct str *ret_uri, struct str *ret_fragment) {
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

struct str oa_uri_resolve(struct arena *arena, struct str base_text, struct str reference) {
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
