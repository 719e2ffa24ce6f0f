/* operationId: unique among all operations, webhooks' and callbacks' too; links name them. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

/* An operationId, or a link to one. */
struct oa_named {
    struct oa_named *next;
    const struct oa_json *node; /* the string */
    struct str pointer;
};

enum { POINTER_BYTES_MAX = 300 };

static struct oa_named *note(struct oa_loader *loader, const struct oa_json *node,
                             const struct oa_place *place, struct oa_named *next) {
    struct oa_named *named = loader_alloc(loader, 1, sizeof(*named));
    char buf[POINTER_BYTES_MAX];
    size_t len = oa_place_write(place, buf, sizeof(buf));
    char *pointer = named != NULL ? loader_alloc(loader, len + 1, 1) : NULL;

    if (pointer == NULL) {
        return next;
    }
    memcpy(pointer, buf, len);
    *named = (struct oa_named){ .next = next, .node = node, .pointer = { pointer, len } };
    return named;
}

void oa_check_operation(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, struct oa_seen *seen) {
    struct oa_place at = place_text(place, "operationId");
    struct str id;

    (void)seen;
    if (oa_shape_text(node, "operationId", &id)) {
        loader->ids = note(loader, oa_json_get(node, "operationId"), &at, loader->ids);
        loader->id_count++;
    }
}

void oa_check_link(struct oa_loader *loader, const struct oa_json *node,
                   const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *reference = oa_json_get(node, "operationRef");
    const struct oa_json *id = oa_json_get(node, "operationId");
    struct oa_place ref_at = place_text(place, "operationRef");
    struct oa_place id_at = place_text(place, "operationId");
    struct str pointer;

    (void)seen;
    if ((reference != NULL) == (id != NULL)) {
        loader_fail(loader, place, "a link must have either \"operationRef\" or \"operationId\"%s",
                    id != NULL ? ", not both" : "");
    } else if (id != NULL && id->type == OA_STRING) {
        loader->links = note(loader, id, &id_at, loader->links);
    } else if (reference != NULL && reference->type == OA_STRING && reference->text.len > 0 &&
               reference->text.data[0] == '#') {
        (void)loader_resolve(loader, reference, &ref_at, &pointer);
    }
}

static int compare_text(struct str a, struct str b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

    if (order != 0 || a.len == b.len) {
        return order;
    }
    return a.len < b.len ? -1 : 1;
}

/* The same ids stay in the document's order. */
static int compare_named(const void *a, const void *b) {
    const struct oa_named *x = *(const struct oa_named *const *)a;
    const struct oa_named *y = *(const struct oa_named *const *)b;
    int order = compare_text(x->node->text, y->node->text);

    if (order != 0) {
        return order;
    }
    return x->node->raw.data < y->node->raw.data ? -1 : 1;
}

static int compare_id(const void *key, const void *item) {
    return compare_text(*(const struct str *)key,
                        (*(const struct oa_named *const *)item)->node->text);
}

void load_operation_ids(struct oa_loader *loader) {
    const struct oa_named **sorted = loader_alloc(loader, loader->id_count + 1, sizeof(*sorted));
    size_t count = 0;

    if (sorted == NULL) {
        return;
    }
    for (const struct oa_named *id = loader->ids; id != NULL; id = id->next) {
        sorted[count++] = id;
    }
    qsort(sorted, count, sizeof(*sorted), compare_named);
    for (size_t i = 1; i < count; i++) {
        const struct oa_place at = { .key = sorted[i]->pointer };

        if (str_equal(sorted[i - 1]->node->text, sorted[i]->node->text)) {
            loader_fail(loader, &at, "the id \"%.*s\" is already that of #%.*s",
                        OA_STR(sorted[i]->node->text), OA_STR(sorted[i - 1]->pointer));
        }
    }
    for (const struct oa_named *link = loader->links; link != NULL; link = link->next) {
        const struct oa_place at = { .key = link->pointer };

        if (bsearch(&link->node->text, sorted, count, sizeof(*sorted), compare_id) == NULL) {
            loader_fail(loader, &at, "there is no operation with the id \"%.*s\"",
                        OA_STR(link->node->text));
        }
    }
}
