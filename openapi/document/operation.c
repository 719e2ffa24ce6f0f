/* One operation: its id, parameters, body and responses. */
#include "openapi/request/param.h"
#include "shape.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "GET /orders" when the document gives no operationId. */
static void load_id(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_path *path, struct oa_operation *operation) {
    size_t bytes = node->key.len + 1 + path->template.len + 1;
    char *text;

    if (oa_shape_text(node, "operationId", &operation->id)) {
        return;
    }
    text = loader_alloc(loader, 1, bytes);
    if (text == NULL) {
        return;
    }
    operation->id = (struct str){ text, bytes - 1 };
    memcpy(text, node->key.data, node->key.len);
    text[node->key.len] = ' ';
    memcpy(text + node->key.len + 1, path->template.data, path->template.len);
    for (size_t k = 0; k < node->key.len; k++) {
        text[k] = (char)toupper((unsigned char)text[k]);
    }
}

/* ---- parameters ---- */

static const struct oa_param *find_param(const struct oa_operation *operation,
                                         const struct oa_param_spec *spec) {
    const struct oa_param *p = operation->params;

    while (p != NULL && !oa_param_same(p->spec, spec)) {
        p = p->next;
    }
    return p;
}

/* Which {template} of the path a path parameter stands for. */
static bool find_template(struct oa_loader *loader, const struct oa_place *place,
                          const struct oa_path *path, struct oa_param *param) {
    for (size_t i = 0; i < path->segment_count; i++) {
        if (!path->segments[i].is_template) {
            continue;
        }
        if (str_equal(path->segments[i].text, param->spec->name)) {
            return true;
        }
        param->value_index++;
    }
    return loader_fail(loader, place, "the path has no template {%.*s}", OA_STR(param->spec->name));
}

static void append_param(struct oa_operation *operation, struct oa_param *param) {
    struct oa_param **link = &operation->params;

    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = param;
}

/* A parameter of the operation replaces one of the path item. */
static bool load_param(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, const struct oa_path *path, bool inherited,
                       struct oa_operation *operation) {
    const struct oa_param_spec *spec = oa_shape_data(loader, node, place, &oa_shape_parameter);
    struct oa_param *param;

    if (spec == NULL) {
        return false;
    }
    if (find_param(operation, spec) != NULL) {
        return inherited || loader_fail(loader, place, "the parameter \"%.*s\" is given twice",
                                        OA_STR(spec->name));
    }
    param = loader_alloc(loader, 1, sizeof(*param));
    if (param == NULL) {
        return false;
    }
    param->spec = spec;
    if (spec->location == OA_IN_PATH && !find_template(loader, place, path, param)) {
        return false;
    }
    append_param(operation, param);
    return true;
}

/* The list itself; whether every parameter is good. */
static bool load_params(struct oa_loader *loader, const struct oa_json *owner,
                        const struct oa_place *place, const struct oa_path *path, bool inherited,
                        struct oa_operation *operation) {
    const struct oa_json *params = oa_json_get(owner, "parameters");
    struct oa_place list = place_text(place, "parameters");
    size_t index = 0;
    bool is_good = true;

    if (params == NULL) {
        return true;
    }
    if (params->type != OA_ARRAY) {
        return false;
    }
    if (params->count > OA_PARAMS_MAX) {
        return loader_fail(loader, &list, "there must be at most %d parameters", OA_PARAMS_MAX);
    }
    for (const struct oa_json *item = params->child; item != NULL; item = item->next) {
        struct oa_place at = place_index(&list, index++);

        is_good = load_param(loader, item, &at, path, inherited, operation) && is_good;
    }
    return is_good;
}

/* The same parameter twice in the list of a path item; of operations, load_param() says it. */
static void check_doubles(struct oa_loader *loader, const struct oa_json *item,
                          const struct oa_place *place) {
    const struct oa_json *params = oa_json_get(item, "parameters");
    struct oa_place list = place_text(place, "parameters");
    const struct oa_param_spec *specs[OA_PARAMS_MAX];
    size_t count = 0;
    size_t index = 0;

    if (params == NULL || params->type != OA_ARRAY || params->count > OA_PARAMS_MAX) {
        return;
    }
    for (const struct oa_json *one = params->child; one != NULL; one = one->next) {
        struct oa_place at = place_index(&list, index++);
        const struct oa_param_spec *spec = oa_shape_data(loader, one, &at, &oa_shape_parameter);

        for (size_t i = 0; spec != NULL && i < count; i++) {
            if (oa_param_same(specs[i], spec)) {
                loader_fail(loader, &at, "the parameter \"%.*s\" is given twice",
                            OA_STR(spec->name));
            }
        }
        if (spec != NULL) {
            specs[count++] = spec;
        }
    }
}

/* Every {template} needs a parameter, or nobody would check it. */
static void check_templates(struct oa_loader *loader, const struct oa_place *place,
                            const struct oa_path *path, const struct oa_operation *operation) {
    for (size_t i = 0; i < path->segment_count; i++) {
        struct oa_param_spec wanted = { .name = path->segments[i].text, .location = OA_IN_PATH };

        if (path->segments[i].is_template && find_param(operation, &wanted) == NULL) {
            loader_fail(loader, place, "the path parameter \"%.*s\" is not described",
                        OA_STR(wanted.name));
        }
    }
}

/* What many parameters must not be together. */
static void check_together(struct oa_loader *loader, const struct oa_place *place,
                           const struct oa_operation *operation) {
    unsigned exploded = 0;
    unsigned count = 0;

    for (const struct oa_param *p = operation->params; p != NULL; p = p->next) {
        count++;
        exploded += p->spec->location == OA_IN_QUERY && p->spec->kind == OA_PARAM_OBJECT &&
                    p->spec->style == OA_STYLE_FORM && p->spec->explodes;
    }
    if (count > OA_PARAMS_MAX) {
        loader_fail(loader, place, "there must be at most %d parameters", OA_PARAMS_MAX);
    }
    if (exploded > 1) {
        loader_fail(loader, place,
                    "only one query parameter may be an exploded object in the style \"form\": it "
                    "takes every name that no other parameter has");
    }
}

void load_operation(struct oa_loader *loader, const struct oa_json *item,
                    const struct oa_place *item_place, const struct oa_json *node,
                    const struct oa_place *place, const struct oa_path *path,
                    struct oa_operation *operation) {
    const struct oa_json *body = oa_json_get(node, "requestBody");
    struct oa_place body_at = place_text(place, "requestBody");
    bool own;
    bool inherited;

    load_id(loader, node, path, operation);
    check_other_servers(loader, node, place);
    own = load_params(loader, node, place, path, false, operation);
    inherited = load_params(loader, item, item_place, path, true, operation);
    check_doubles(loader, item, item_place);
    check_together(loader, place, operation);
    if (own && inherited) {
        check_templates(loader, place, path, operation);
    }
    if (body != NULL) {
        const struct oa_json *target = body;
        const struct oa_place *at = &body_at;
        struct oa_place storage;

        operation->takes_body = true;
        operation->body = oa_shape_data(loader, body, &body_at, &oa_shape_request_body);
        operation->body_required =
            loader_follow(loader, &target, &at, &storage) && oa_shape_is_true(target, "required");
    }
    load_responses(node, operation);
}
