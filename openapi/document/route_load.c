/* The tree of all paths: each level is one segment, literals sorted, at most one template. */
#include "openapi/loader.h"

#include <stdlib.h>

/* 0: both match the same paths. */
static int compare_paths(const struct oa_path *a, const struct oa_path *b) {
    for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        const struct oa_segment *x = &a->segments[i];
        const struct oa_segment *y = &b->segments[i];
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
    const struct oa_path *x = a;
    const struct oa_path *y = b;
    int order = compare_paths(x, y);

    if (order != 0) {
        return order;
    }
    return x->node->raw.data < y->node->raw.data ? -1 : 1;
}

static void check_doubles(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_place list = place_text(&root, "paths");
    const struct oa_document *doc = loader->doc;

    for (size_t i = 1; i < doc->path_count; i++) {
        const struct oa_path *path = &doc->paths[i];
        const struct oa_place at = place_key(&list, path->template.data, path->template.len);

        if (compare_paths(path - 1, path) == 0) {
            loader_fail(loader, &at, "matches the same requests as \"%.*s\"",
                        OA_STR((path - 1)->template));
        }
    }
}

/* How many of the paths from `first` on have the same segment at `depth`. */
static size_t same_segment(const struct oa_path *first, const struct oa_path *end, size_t depth) {
    const struct oa_segment *segment = &first->segments[depth];
    const struct oa_path *path = first + 1;

    while (path < end && path->segments[depth].is_template == segment->is_template &&
           (segment->is_template || str_equal(path->segments[depth].text, segment->text))) {
        path++;
    }
    return (size_t)(path - first);
}

/* Fill `node` with the paths [first, end), which are the same up to `depth`. */
static bool build(struct oa_loader *loader, struct oa_node *node, const struct oa_path *first,
                  const struct oa_path *end, size_t depth) {
    size_t items = 0;

    while (first < end && first->segment_count == depth) {
        node->path = node->path != NULL ? node->path : first;
        first++;
    }
    for (const struct oa_path *p = first; p < end; p += same_segment(p, end, depth)) {
        items += !p->segments[depth].is_template;
    }
    node->items = loader_alloc(loader, items + 1, sizeof(*node->items));
    if (node->items == NULL) {
        return false;
    }
    for (size_t n; first < end; first += n) {
        struct oa_node *child = &node->items[node->item_count];

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

void load_routes(struct oa_loader *loader) {
    struct oa_document *doc = loader->doc;

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
