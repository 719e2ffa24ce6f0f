/*
 * "servers": where the paths begin.
 *
 * The path of a server's URL stands before every path of the document: with "https://host/v1",
 * "/orders" is requested as "/v1/orders". Scheme, host and port say nothing to a gateway; a second
 * base path would, and is a mistake.
 */
#include "shape.h"

#include <string.h>

struct base {
    char path[DOCUMENT_BASE_BYTES_MAX]; /* "" or "/v1" */
    size_t len;
};

static const struct value *find_variable(const struct value *server, struct str name) {
    const struct value *variables = value_get(server, "variables");

    return variables != NULL ? value_member(variables, name) : NULL;
}

/* The next {name} from `s`, without its braces; false when there is none. */
static bool next_variable(const char **s, const char *end, struct str *ret) {
    const char *open = memchr(*s, '{', (size_t)(end - *s));
    const char *close = open != NULL ? memchr(open, '}', (size_t)(end - open)) : NULL;

    if (close == NULL) {
        return false;
    }
    *ret = (struct str){ open + 1, (size_t)(close - open - 1) };
    *s = close + 1;
    return true;
}

static bool uses_variable(struct str url, struct str name) {
    const char *s = url.data;
    struct str used;

    while (next_variable(&s, url.data + url.len, &used)) {
        if (str_equal(used, name)) {
            return true;
        }
    }
    return false;
}

static void check_variable(struct loader *loader, const struct value *variable,
                           const struct place *place) {
    const struct value *values = shape_array(variable, "enum");
    const struct value *standard = value_get(variable, "default");
    const struct value *one;

    if (values == NULL || standard == NULL || standard->type != VALUE_STRING) {
        return;
    }
    if (values->count == 0) {
        loader_fail_at(loader, place, "enum", "must not be empty");
        return;
    }
    for (one = values->child; one != NULL && !value_equal(one, standard); one = one->next) {
    }
    if (one == NULL) {
        loader_fail_at(loader, place, "default", "must be one of \"enum\"");
    }
}

void servers_check(struct loader *loader, const struct value *node, const struct place *place) {
    const struct value *variables = shape_object(node, "variables");
    struct place list = place_text(place, "variables");
    struct str name;
    struct str url;
    const char *s;

    if (!shape_text(node, "url", &url)) {
        return;
    }
    s = url.data;
    while (next_variable(&s, url.data + url.len, &name)) {
        if (find_variable(node, name) == NULL) {
            loader_fail_at(loader, place, "url",
                           "the variable {%.*s} is not described in \"variables\"", SHOWN(name));
        }
    }
    for (const struct value *one = variables != NULL ? variables->child : NULL; one != NULL;
         one = one->next) {
        struct place at = place_member(&list, one);

        check_variable(loader, one, &at);
        if (!uses_variable(url, one->key)) {
            loader_fail(loader, &at, "the URL has no variable {%.*s}", SHOWN(one->key));
        }
    }
}

/* ---- the base path ---- */

/* Add the URL's path from `s`, with the default of each variable. */
static bool put_path(struct loader *loader, const struct value *server, const struct place *place,
                     struct str path, struct base *base) {
    for (const char *s = path.data, *end = s + path.len; s < end;) {
        struct str piece = { s, 1 };
        struct str name;
        const char *next = s;

        if (*s == '{' && next_variable(&next, end, &name)) {
            const struct value *variable = find_variable(server, name);
            const struct value *values = variable ? value_get(variable, "enum") : NULL;

            if (variable == NULL || !shape_text(variable, "default", &piece)) {
                return false; /* reported by the walker */
            }
            if (values != NULL && values->count > 1) {
                return loader_fail(loader, place,
                                   "the variable {%.*s} in the path of a server must have one "
                                   "value only",
                                   SHOWN(name));
            }
        } else {
            next = s + 1;
        }
        if (piece.len > DOCUMENT_BASE_BYTES_MAX - base->len) {
            return loader_fail(loader, place, "the path is longer than %d bytes",
                               DOCUMENT_BASE_BYTES_MAX);
        }
        memcpy(base->path + base->len, piece.data, piece.len);
        base->len += piece.len;
        s = next;
    }
    while (base->len > 0 && base->path[base->len - 1] == '/') {
        base->len--;
    }
    return true;
}

/* The path of "https://host/v1" or "/v1". */
static bool find_path(struct loader *loader, const struct place *place, struct str url,
                      struct str *ret) {
    const char *end = url.data + url.len;
    const char *s = memmem(url.data, url.len, "://", 3);

    if (memchr(url.data, '?', url.len) != NULL || memchr(url.data, '#', url.len) != NULL) {
        return loader_fail(loader, place, "a server's URL has neither query nor fragment");
    }
    if (s != NULL) {
        s = memchr(s + 3, '/', (size_t)(end - s) - 3);
        *ret = s != NULL ? (struct str){ s, (size_t)(end - s) } : (struct str){ end, 0 };
        return true;
    }
    if (url.data[0] != '/') {
        return loader_fail(loader, place,
                           "must be an absolute URL or begin with '/': where the document is read "
                           "from is no base for it");
    }
    *ret = url;
    return true;
}

static bool load_base(struct loader *loader, const struct value *server, const struct place *place,
                      struct base *base) {
    struct place at = place_text(place, "url");
    struct str path = { "", 0 };
    struct str url;

    base->len = 0;
    return shape_text(server, "url", &url) && find_path(loader, &at, url, &path) &&
           put_path(loader, server, &at, path, base);
}

/* Every server of `owner` must have the base path that the document has. */
static void check_servers(struct loader *loader, const struct value *owner,
                          const struct place *place, struct str *known) {
    const struct value *servers = shape_array(owner, "servers");
    struct place list = place_text(place, "servers");
    size_t index = 0;

    for (const struct value *one = servers != NULL ? servers->child : NULL; one != NULL;
         one = one->next) {
        struct place at = place_index(&list, index++);
        struct base base;
        char *copy;

        if (one->type != VALUE_OBJECT || !load_base(loader, one, &at, &base)) {
            continue;
        }
        if (known->data == NULL) {
            copy = loader_alloc(loader, base.len + 1, 1);
            if (copy != NULL) {
                memcpy(copy, base.path, base.len);
                *known = (struct str){ copy, base.len };
            }
        } else if (!str_equal(*known, (struct str){ base.path, base.len })) {
            loader_fail(loader, &at,
                        "the base path \"%.*s\" differs from \"%.*s\": all servers must have the "
                        "same",
                        (int)base.len, base.path, SHOWN(*known));
        }
    }
}

void servers_load(struct loader *loader) {
    struct str *base = &shape_loader(loader)->doc->base;

    check_servers(loader, loader->root, &report_root, base);
    if (base->data == NULL) {
        *base = (struct str){ "", 0 };
    }
}

void servers_check_other(struct loader *loader, const struct value *owner,
                         const struct place *place) {
    check_servers(loader, owner, place, &shape_loader(loader)->doc->base);
}
