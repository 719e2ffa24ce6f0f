/* One operation: its id, parameters and body. */
#include "loader.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool load_id(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, const struct oa_path *path,
                    struct oa_operation *operation) {
    const struct oa_json *id = oa_json_get(node, "operationId");
    size_t bytes = node->key.len + 1 + path->template.len + 1;
    char *text;

    if (id != NULL && (id->type != OA_STRING || id->text.len == 0)) {
        struct oa_place at = place_text(place, "operationId");

        return loader_fail(loader, &at, "must be a string that is not empty");
    }
    if (id != NULL) {
        operation->id = id->text;
        return true;
    }
    text = loader_alloc(loader, 1, bytes);
    if (text == NULL) {
        return false;
    }
    operation->id.data = text;
    operation->id.len =
        (size_t)snprintf(text, bytes, "%.*s %.*s", OA_STR(node->key), OA_STR(path->template));
    for (size_t k = 0; k < node->key.len; k++) {
        text[k] = (char)toupper((unsigned char)text[k]);
    }
    return true;
}

static bool get_location(struct oa_loader *loader, const struct oa_json *node,
                         const struct oa_place *place, enum oa_location *ret) {
    const struct oa_json *in = oa_json_get(node, "in");
    struct oa_place at = place_text(place, "in");

    if (in != NULL && in->type == OA_STRING) {
        if (oa_str_is(in->text, "path")) {
            *ret = OA_IN_PATH;
            return true;
        }
        if (oa_str_is(in->text, "query")) {
            *ret = OA_IN_QUERY;
            return true;
        }
        if (oa_str_is(in->text, "header")) {
            *ret = OA_IN_HEADER;
            return true;
        }
    }
    return loader_fail(loader, &at, "must be \"path\", \"query\" or \"header\"");
}

/* Which {template} of the path a path parameter stands for. */
static bool find_template(struct oa_loader *loader, const struct oa_place *place,
                          const struct oa_path *path, struct oa_param *param) {
    for (size_t i = 0; i < path->segment_count; i++) {
        if (!path->segments[i].is_template) {
            continue;
        }
        if (oa_str_equal(path->segments[i].text, param->name)) {
            return true;
        }
        param->value_index++;
    }
    return loader_fail(loader, place, "the path has no template {%.*s}", OA_STR(param->name));
}

static bool check_members(struct oa_loader *loader, const struct oa_json *node,
                          const struct oa_place *place) {
    static const char *const known[] = { "name",        "in",      "required", "schema",
                                         "description", "example", "examples", "deprecated" };

    for (const struct oa_json *member = node->child; member != NULL; member = member->next) {
        struct oa_place at = place_member(place, member);
        size_t i = 0;

        while (i < sizeof(known) / sizeof(known[0]) && !oa_str_is(member->key, known[i])) {
            i++;
        }
        if (i == sizeof(known) / sizeof(known[0]) &&
            !(member->key.len >= 2 && memcmp(member->key.data, "x-", 2) == 0)) {
            return loader_fail(loader, &at, "\"%.*s\" is not supported in a parameter",
                               OA_STR(member->key));
        }
    }
    return true;
}

static bool load_param_schema(struct oa_loader *loader, const struct oa_json *node,
                              const struct oa_place *place, struct oa_param *param) {
    const struct oa_json *schema = oa_json_get(node, "schema");
    struct oa_place at = place_text(place, "schema");

    if (schema == NULL) {
        return loader_fail(loader, place, "a parameter must have a schema");
    }
    param->schema = oa_schema_compile(loader, schema, &at);
    if (param->schema == NULL) {
        return false;
    }
    return true;
}

static bool load_param(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, const struct oa_path *path,
                       struct oa_param *param) {
    const struct oa_json *name = oa_json_get(node, "name");
    const struct oa_json *required = oa_json_get(node, "required");
    struct oa_place at = place_text(place, "required");

    if (name == NULL || name->type != OA_STRING || name->text.len == 0) {
        return loader_fail(loader, place, "a parameter must have a name");
    }
    if (required != NULL && required->type != OA_TRUE && required->type != OA_FALSE) {
        return loader_fail(loader, &at, "must be true or false");
    }
    param->name = name->text;
    param->required = required != NULL && required->type == OA_TRUE;
    if (!check_members(loader, node, place) ||
        !get_location(loader, node, place, &param->location) ||
        !load_param_schema(loader, node, place, param)) {
        return false;
    }
    if (param->location != OA_IN_PATH) {
        return true;
    }
    if (!param->required) {
        return loader_fail(loader, &at, "must be true for a path parameter");
    }
    return find_template(loader, place, path, param);
}

/* A parameter of the operation replaces one of the path item. */
static bool is_known(const struct oa_operation *operation, const struct oa_param *param) {
    for (const struct oa_param *p = operation->params; p != NULL; p = p->next) {
        if (p->location == param->location && oa_str_equal(p->name, param->name)) {
            return true;
        }
    }
    return false;
}

/*
 * x-prodorder-unchecked: true: the parameter is described for the reader only. For a header of which
 * a malformed value is replaced or ignored (X-Request-Id, traceparent), never a reason to refuse.
 */
static bool is_unchecked(const struct oa_json *node) {
    const struct oa_json *mark = oa_json_get(node, "x-prodorder-unchecked");

    return mark != NULL && mark->type == OA_TRUE;
}

static bool load_params(struct oa_loader *loader, const struct oa_json *owner,
                        const struct oa_place *place, const struct oa_path *path, bool inherited,
                        struct oa_operation *operation) {
    const struct oa_json *params = oa_json_get(owner, "parameters");
    struct oa_place list = place_text(place, "parameters");
    struct oa_param **link = &operation->params;
    size_t index = 0;

    if (params == NULL) {
        return true;
    }
    if (params->type != OA_ARRAY || params->count > OA_PARAMS_MAX) {
        return loader_fail(loader, &list, "must be an array of at most %d parameters",
                           OA_PARAMS_MAX);
    }
    while (*link != NULL) {
        link = &(*link)->next;
    }
    for (const struct oa_json *item = params->child; item != NULL; item = item->next) {
        struct oa_place item_place = place_index(&list, index++);
        struct oa_place storage;
        const struct oa_place *at = &item_place;
        const struct oa_json *node = item;
        struct oa_param *param = loader_alloc(loader, 1, sizeof(*param));

        if (param == NULL || !loader_follow(loader, &node, &at, &storage) ||
            !load_param(loader, node, at, path, param)) {
            return false;
        }
        if (is_unchecked(node)) {
            continue;
        }
        if (is_known(operation, param)) {
            if (!inherited) {
                return loader_fail(loader, at, "the parameter \"%.*s\" is given twice",
                                   OA_STR(param->name));
            }
            continue;
        }
        *link = param;
        link = &param->next;
    }
    return true;
}

/* Every {template} needs a parameter, or nobody would check it. */
static bool check_templates(struct oa_loader *loader, const struct oa_place *place,
                            const struct oa_path *path, const struct oa_operation *operation) {
    for (size_t i = 0; i < path->segment_count; i++) {
        struct oa_param wanted = { .name = path->segments[i].text, .location = OA_IN_PATH };

        if (path->segments[i].is_template && !is_known(operation, &wanted)) {
            return loader_fail(loader, place, "the path parameter \"%.*s\" is not described",
                               OA_STR(wanted.name));
        }
    }
    return true;
}

bool load_content(struct oa_loader *loader, const struct oa_json *content,
                  const struct oa_place *place, struct oa_body **ret_bodies) {
    if (content->type != OA_OBJECT) {
        return loader_fail(loader, place, "must be an object of media types");
    }
    for (const struct oa_json *media = content->child; media != NULL; media = media->next) {
        struct oa_place at = place_member(place, media);
        struct oa_place schema_at = place_text(&at, "schema");
        const struct oa_json *schema = oa_json_get(media, "schema");
        struct oa_body *body = loader_alloc(loader, 1, sizeof(*body));

        if (body == NULL) {
            return false;
        }
        body->media_type = media->key;
        if (schema != NULL) {
            body->schema = oa_schema_compile(loader, schema, &schema_at);
            if (body->schema == NULL) {
                return false;
            }
        }
        *ret_bodies = body;
        ret_bodies = &body->next;
    }
    return true;
}

static bool load_body(struct oa_loader *loader, const struct oa_json *operation_node,
                      const struct oa_place *place, struct oa_operation *operation) {
    const struct oa_json *node = oa_json_get(operation_node, "requestBody");
    const struct oa_json *required;
    const struct oa_json *content;
    struct oa_place body_place = place_text(place, "requestBody");
    struct oa_place storage;
    const struct oa_place *at = &body_place;
    struct oa_place content_at;
    struct oa_body *bodies = NULL;

    if (node == NULL) {
        return true;
    }
    if (!loader_follow(loader, &node, &at, &storage)) {
        return false;
    }
    content = oa_json_get(node, "content");
    content_at = place_text(at, "content");
    if (content == NULL || content->count == 0) {
        return loader_fail(loader, at, "a request body must have content");
    }
    if (!load_content(loader, content, &content_at, &bodies)) {
        return false;
    }
    for (const struct oa_body *body = bodies; body != NULL; body = body->next) {
        if (!oa_str_is(body->media_type, "application/json")) {
            return loader_fail(loader, &content_at,
                               "only application/json is supported in a request body");
        }
    }
    required = oa_json_get(node, "required");
    operation->body = bodies;
    operation->takes_body = true;
    operation->body_required = required != NULL && required->type == OA_TRUE;
    return true;
}

bool load_operation(struct oa_loader *loader, const struct oa_json *item,
                    const struct oa_json *node, const struct oa_place *place,
                    const struct oa_path *path, struct oa_operation *operation) {
    if (node->type != OA_OBJECT) {
        return loader_fail(loader, place, "an operation must be an object");
    }
    return load_id(loader, node, place, path, operation) &&
           load_params(loader, node, place, path, false, operation) &&
           load_params(loader, item, place->parent, path, true, operation) &&
           check_templates(loader, place, path, operation) &&
           load_body(loader, node, place, operation) &&
           load_responses(loader, node, place, operation);
}
