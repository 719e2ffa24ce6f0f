/* "requestBody": which media types an operation takes, and what each must look like. */
#include "openapi/request/body.h"
#include "shape.h"

/* 4.8.14: one or many examples, for JSON only: nobody knows what others would look like. */
void oa_check_media(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *schema_node = oa_json_get(node, "schema");
    struct oa_place schema_at = place_text(place, "schema");
    const struct oa_schema *schema = NULL;
    struct oa_media media;

    (void)seen;
    if (schema_node != NULL && oa_media_parse(node->key, &media) && oa_media_is_json(&media)) {
        schema = oa_shape_schema(loader, schema_node, &schema_at);
    }
    oa_examples_note(loader, node, place, schema);
}

static bool same_range(const struct oa_media *a, const struct oa_media *b) {
    return oa_media_rank(a) == oa_media_rank(b) && oa_media_matches(a, b);
}

/* The most specific range first. */
static void insert(struct oa_loader *loader, const struct oa_place *place, struct oa_body **bodies,
                   struct oa_body *body) {
    for (const struct oa_body *other = *bodies; other != NULL; other = other->next) {
        if (same_range(&other->media, &body->media)) {
            loader_fail(loader, place, "says the same as another media type of this body");
            return;
        }
    }
    while (*bodies != NULL && oa_media_rank(&(*bodies)->media) >= oa_media_rank(&body->media)) {
        bodies = &(*bodies)->next;
    }
    body->next = *bodies;
    *bodies = body;
}

static void load_media(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, struct oa_body **bodies) {
    const struct oa_json *schema = oa_json_get(node, "schema");
    struct oa_place schema_at = place_text(place, "schema");
    struct oa_body *body = loader_alloc(loader, 1, sizeof(*body));

    if (body == NULL) {
        return;
    }
    if (!oa_media_parse(node->key, &body->media)) {
        loader_fail(loader, place,
                    "must be a media type such as application/json, with at most %d parameters",
                    OA_MEDIA_PARAMS_MAX);
        return;
    }
    if (schema != NULL) {
        body->schema = oa_shape_schema(loader, schema, &schema_at);
    }
    insert(loader, place, bodies, body);
}

void oa_check_request_body(struct oa_loader *loader, const struct oa_json *node,
                           const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *content = oa_json_get(node, "content");
    struct oa_place at = place_text(place, "content");
    struct oa_body *bodies = NULL;

    if (content == NULL || content->type != OA_OBJECT) {
        return;
    }
    if (content->count == 0 || content->count > OA_MEDIA_TYPES_MAX) {
        loader_fail(loader, &at, "must have from 1 to %d media types", OA_MEDIA_TYPES_MAX);
        return;
    }
    for (const struct oa_json *one = content->child; one != NULL; one = one->next) {
        struct oa_place one_at = place_member(&at, one);

        load_media(loader, one, &one_at, &bodies);
    }
    seen->data = bodies;
}
