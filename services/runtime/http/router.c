/* The router: patterns cut into segments, the more literal ones first. */
#include "router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    struct str text;
    bool is_param; /* matches any segment that is not empty */
};

struct pattern {
    size_t route;
    struct str method;
    struct segment segments[HTTP_PATH_SEGMENTS_MAX];
    size_t segment_count;
};

struct http_router {
    size_t pattern_count;
    struct pattern patterns[]; /* the more literal first */
};

/* The next segment of `path` from *position, which points at its '/'; false at the end. */
static bool next_segment(struct str path, size_t *position, struct str *ret_segment) {
    if (*position >= path.len || path.data[*position] != '/') {
        return false;
    }
    size_t from = *position + 1;
    const char *slash = memchr(path.data + from, '/', path.len - from);
    size_t end = slash == NULL ? path.len : (size_t)(slash - path.data);
    *ret_segment = (struct str){ path.data + from, end - from };
    *position = end;
    return true;
}

static void compile(const struct http_route *route, size_t index, struct pattern *ret_pattern) {
    struct str path = str_of(route->pattern);
    struct str text;
    size_t position = 0;
    size_t param_count = 0;
    ret_pattern->route = index;
    ret_pattern->method = str_of(route->method);
    ret_pattern->segment_count = 0;
    assert(path.len > 0 && path.data[0] == '/' && route->handler != NULL);
    while (next_segment(path, &position, &text)) {
        bool is_param = text.len > 2 && text.data[0] == '{' && text.data[text.len - 1] == '}';
        param_count += is_param;
        assert(ret_pattern->segment_count < HTTP_PATH_SEGMENTS_MAX);
        assert(param_count <= HTTP_PATH_PARAMS_MAX);
        ret_pattern->segments[ret_pattern->segment_count++] = (struct segment){ text, is_param };
    }
}

static int compare_patterns(const void *left, const void *right) {
    const struct pattern *a = left;
    const struct pattern *b = right;
    size_t count = a->segment_count < b->segment_count ? a->segment_count : b->segment_count;
    for (size_t i = 0; i < count; i++) {
        if (a->segments[i].is_param != b->segments[i].is_param) {
            return a->segments[i].is_param ? 1 : -1;
        }
    }
    return a->route < b->route ? -1 : 1;
}

enum err http_router_open(const struct http_route *routes, size_t route_count,
                          struct http_router **ret_router) {
    struct http_router *router = calloc(1, sizeof(*router) + route_count * sizeof(struct pattern));
    if (router == NULL) {
        return ERR_NO_MEMORY;
    }
    router->pattern_count = route_count;
    for (size_t i = 0; i < route_count; i++) {
        compile(&routes[i], i, &router->patterns[i]);
    }
    qsort(router->patterns, route_count, sizeof(struct pattern), compare_patterns);
    *ret_router = router;
    return ERR_OK;
}

void http_router_close(struct http_router *router) {
    free(router);
}

static bool path_matches(const struct pattern *pattern, struct str path, struct http_match *match) {
    struct str text;
    size_t position = 0;
    size_t index = 0;
    match->param_count = 0;
    while (next_segment(path, &position, &text)) {
        if (index == pattern->segment_count) {
            return false;
        }
        const struct segment *segment = &pattern->segments[index++];
        if (segment->is_param && text.len > 0) {
            match->params[match->param_count++] = text;
        } else if (segment->is_param || !str_equal(segment->text, text)) {
            return false;
        }
    }
    match->route = pattern->route;
    return index == pattern->segment_count && position == path.len;
}

enum err http_router_match(const struct http_router *router, struct str method, struct str path,
                           struct http_match *ret_match) {
    enum err err = ERR_NOT_FOUND;
    bool is_head = str_equal(method, STR("HEAD"));
    struct http_match get = { .route = SIZE_MAX };
    struct http_match match;
    for (size_t i = 0; i < router->pattern_count; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (!path_matches(pattern, path, &match)) {
            continue;
        }
        if (str_equal(pattern->method, method)) {
            *ret_match = match;
            return ERR_OK;
        }
        if (is_head && get.route == SIZE_MAX && str_equal(pattern->method, STR("GET"))) {
            get = match;
        }
        err = ERR_METHOD;
    }
    if (get.route == SIZE_MAX) {
        return err;
    }
    *ret_match = get;
    return ERR_OK;
}

static bool is_listed(const char *allow, struct str method) {
    for (const char *at = allow; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (str_equal((struct str){ at, length }, method)) {
            return true;
        }
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

static void list_method(char *allow, struct str method) {
    size_t used = strlen(allow);
    const char *comma = used == 0 ? "" : ", ";
    size_t needed = strlen(comma) + method.len + 1;
    if (is_listed(allow, method) || needed > HTTP_ALLOW_BYTES_MAX - used) {
        return;
    }
    memcpy(allow + used, comma, strlen(comma));
    memcpy(allow + used + strlen(comma), method.data, method.len);
    allow[used + needed - 1] = '\0';
}

void http_router_allow(const struct http_router *router, struct str path,
                       char ret_allow[HTTP_ALLOW_BYTES_MAX]) {
    struct http_match match;
    ret_allow[0] = '\0';
    for (size_t i = 0; i < router->pattern_count; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (!path_matches(pattern, path, &match)) {
            continue;
        }
        list_method(ret_allow, pattern->method);
        if (str_equal(pattern->method, STR("GET"))) {
            list_method(ret_allow, STR("HEAD"));
        }
    }
}
