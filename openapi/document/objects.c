/*
 * The objects of OpenAPI 3.1, member by member (4.8.1 to 4.8.30), and what their tables cannot say:
 * which members go together, which values exist.
 */
#include "base/ascii.h"
#include "shape.h"

static bool has_both(const struct value *node, const char *a, const char *b) {
    return value_get(node, a) != NULL && value_get(node, b) != NULL;
}

static void check_license(struct loader *loader, const struct value *node,
                          const struct place *place) {
    if (has_both(node, "identifier", "url")) {
        loader_fail(loader, place, "a license has either \"identifier\" or \"url\", not both");
    }
}

static void check_example(struct loader *loader, const struct value *node,
                          const struct place *place) {
    if (has_both(node, "value", "externalValue")) {
        loader_fail(loader, place,
                    "an example has either \"value\" or \"externalValue\", not both");
    }
}

/* Names of components stand in references: [A-Za-z0-9._-]+ (4.8.7.1). */
static bool is_component_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!ascii_is_alnum(c) && c != '.' && c != '-' && c != '_') {
            return false;
        }
    }
    return name.len > 0;
}

static void check_components(struct loader *loader, const struct value *node,
                             const struct place *place) {
    for (const struct value *map = node->child; map != NULL; map = map->next) {
        struct place at = place_member(place, map);

        if (map->type != VALUE_OBJECT || shape_is_extension(map->key)) {
            continue;
        }
        for (const struct value *one = map->child; one != NULL; one = one->next) {
            struct place one_at = place_member(&at, one);

            if (!is_component_name(one->key)) {
                loader_fail(loader, &one_at,
                            "a component's name is made of letters, digits, '.', '-' and '_'");
            }
        }
    }
}

/* Each with each: there are at most DOCUMENT_TAGS_MAX. */
static void check_tags(struct loader *loader, const struct value *tags, const struct place *place) {
    size_t index = 0;

    for (const struct value *tag = tags->child; tag != NULL; tag = tag->next, index++) {
        struct place at = place_index(place, index);
        struct str name;
        struct str other_name;

        if (!shape_text(tag, "name", &name)) {
            continue;
        }
        for (const struct value *other = tags->child; other != tag; other = other->next) {
            if (shape_text(other, "name", &other_name) && str_equal(name, other_name)) {
                loader_fail(loader, &at, "the tag \"%.*s\" is declared twice", SHOWN(name));
                break;
            }
        }
    }
}

static void check_document(struct loader *loader, const struct value *node,
                           const struct place *place) {
    const struct value *tags = shape_array(node, "tags");
    struct place tags_at = place_text(place, "tags");
    struct str dialect;

    if (shape_text(node, "jsonSchemaDialect", &dialect) &&
        !str_is(dialect, "https://spec.openapis.org/oas/3.1/dialect/base") &&
        !str_is(dialect, "https://json-schema.org/draft/2020-12/schema")) {
        loader_fail_at(loader, place, "jsonSchemaDialect",
                       "only the dialects https://spec.openapis.org/oas/3.1/dialect/base and "
                       "https://json-schema.org/draft/2020-12/schema are supported");
    }
    if (tags != NULL && tags->count > DOCUMENT_TAGS_MAX) {
        loader_fail(loader, &tags_at, "there must be at most %d tags", DOCUMENT_TAGS_MAX);
    } else if (tags != NULL) {
        check_tags(loader, tags, &tags_at);
    }
}

/* ---- security: names and kinds only; the services behind the gateway enforce it ---- */

static void require(struct loader *loader, const struct value *node, const struct place *place,
                    const char *what, const char *which, const char *member) {
    if (value_get(node, member) == NULL) {
        loader_fail(loader, place, "%s %s must have the member \"%s\"", what, which, member);
    }
}

/* What each type of scheme, and each flow of oauth2, must have. */
static const struct {
    const char *name;
    const char *members[2];
} types[] = { { "apiKey", { "name", "in" } },
              { "http", { "scheme" } },
              { "mutualTLS", { NULL } },
              { "oauth2", { "flows" } },
              { "openIdConnect", { "openIdConnectUrl" } } },
  flows[] = { { "implicit", { "authorizationUrl" } },
              { "password", { "tokenUrl" } },
              { "clientCredentials", { "tokenUrl" } },
              { "authorizationCode", { "authorizationUrl", "tokenUrl" } } };

enum { TYPES = sizeof(types) / sizeof(types[0]), FLOWS = sizeof(flows) / sizeof(flows[0]) };

static void check_flows(struct loader *loader, const struct value *node,
                        const struct place *place) {
    struct place list = place_text(place, "flows");

    for (size_t i = 0; i < FLOWS; i++) {
        const struct value *flow = shape_object(node, flows[i].name);
        struct place at = place_text(&list, flows[i].name);

        for (size_t k = 0; flow != NULL && k < 2 && flows[i].members[k] != NULL; k++) {
            require(loader, flow, &at, "the flow", flows[i].name, flows[i].members[k]);
        }
    }
}

static void check_security_scheme(struct loader *loader, const struct value *node,
                                  const struct place *place) {
    const struct value *oauth = shape_object(node, "flows");
    struct str type;
    struct str in;
    size_t i = 0;

    if (!shape_text(node, "type", &type)) {
        return;
    }
    while (i < TYPES && !str_is(type, types[i].name)) {
        i++;
    }
    if (i == TYPES) {
        loader_fail_at(
            loader, place, "type",
            "must be \"apiKey\", \"http\", \"mutualTLS\", \"oauth2\" or \"openIdConnect\"");
        return;
    }
    for (size_t k = 0; k < 2 && types[i].members[k] != NULL; k++) {
        require(loader, node, place, "a security scheme of type", types[i].name,
                types[i].members[k]);
    }
    if (str_is(type, "apiKey") && shape_text(node, "in", &in) && !str_is(in, "query") &&
        !str_is(in, "header") && !str_is(in, "cookie")) {
        loader_fail_at(loader, place, "in", "must be \"query\", \"header\" or \"cookie\"");
    } else if (str_is(type, "oauth2") && oauth != NULL) {
        check_flows(loader, oauth, place);
    }
}

static void check_security_requirement(struct loader *loader, const struct value *node,
                                       const struct place *place) {
    const struct value *components = value_get(loader->root, "components");
    const struct value *schemes =
        components != NULL ? value_get(components, "securitySchemes") : NULL;

    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place at = place_member(place, one);

        if (schemes == NULL || value_member(schemes, one->key) == NULL) {
            loader_fail(loader, &at, "there is no security scheme \"%.*s\" in the components",
                        SHOWN(one->key));
        }
    }
}

/* ---- the tables ---- */

#define MEMBERS (const struct shape_member[])
#define ROW(name, type, holder, is_required, shape)                                                \
    { name, SHAPE_##type, SHAPE_##holder, is_required, shape }
#define ANY(name) ROW(name, ANY, ONE, false, NULL)
#define STRING(name) ROW(name, STRING, ONE, false, NULL)
#define STRING_REQUIRED(name) ROW(name, STRING, ONE, true, NULL)
#define TEXT(name) ROW(name, TEXT, ONE, false, NULL)
#define TEXT_REQUIRED(name) ROW(name, TEXT, ONE, true, NULL)
#define BOOLEAN(name) ROW(name, BOOLEAN, ONE, false, NULL)
#define URI(name) ROW(name, URI, ONE, false, NULL)
#define URI_REQUIRED(name) ROW(name, URI, ONE, true, NULL)
#define TEXTS(name) ROW(name, TEXTS, ONE, false, NULL)
#define SCHEMA(name) ROW(name, SCHEMA, ONE, false, NULL)
#define ONE(name, shape) ROW(name, OBJECT, ONE, false, &(shape))
#define ONE_REQUIRED(name, shape) ROW(name, OBJECT, ONE, true, &(shape))
#define LIST(name, shape) ROW(name, OBJECT, LIST, false, &(shape))
#define MAP(name, shape) ROW(name, OBJECT, MAP, false, &(shape))
#define MAP_REQUIRED(name, shape) ROW(name, OBJECT, MAP, true, &(shape))
#define END ROW(NULL, ANY, ONE, false, NULL)

static const struct shape external_docs = {
    .what = "external documentation",
    .members = MEMBERS{ STRING("description"), URI_REQUIRED("url"), END },
};

static const struct shape contact = {
    .what = "a contact",
    .members = MEMBERS{ STRING("name"), URI("url"), ROW("email", EMAIL, ONE, false, NULL), END },
};

static const struct shape license = {
    .what = "a license",
    .members = MEMBERS{ TEXT_REQUIRED("name"), TEXT("identifier"), URI("url"), END },
    .check = check_license,
};

static const struct shape info = {
    .what = "the info object",
    .members = MEMBERS{ TEXT_REQUIRED("title"), STRING("summary"), STRING("description"),
                        URI("termsOfService"), ONE("contact", contact), ONE("license", license),
                        TEXT_REQUIRED("version"), END },
};

static const struct shape server_variable = {
    .what = "a server variable",
    .members = MEMBERS{ TEXTS("enum"), STRING_REQUIRED("default"), STRING("description"), END },
};

static const struct shape server = {
    .what = "a server",
    .members = MEMBERS{ TEXT_REQUIRED("url"), STRING("description"),
                        MAP("variables", server_variable), END },
    .check = servers_check,
};

static const struct shape example = {
    .what = "an example object",
    .members = MEMBERS{ STRING("summary"), STRING("description"), ANY("value"),
                        URI("externalValue"), END },
    .may_refer = true,
    .check = check_example,
};

static const struct shape media_type;

static const struct shape header = {
    .what = "a header",
    .members = MEMBERS{ STRING("description"), BOOLEAN("required"), BOOLEAN("deprecated"),
                        TEXT("style"), BOOLEAN("explode"), SCHEMA("schema"), ANY("example"),
                        MAP("examples", example), MAP("content", media_type), END },
    .may_refer = true,
    .check = parameter_check_header,
};

static const struct shape encoding = {
    .what = "an encoding",
    .members = MEMBERS{ TEXT("contentType"), MAP("headers", header), TEXT("style"),
                        BOOLEAN("explode"), BOOLEAN("allowReserved"), END },
};

static const struct shape media_type = {
    .what = "a media type",
    .members = MEMBERS{ SCHEMA("schema"), ANY("example"), MAP("examples", example),
                        MAP("encoding", encoding), END },
    .check = operation_check_media,
};

const struct shape objects_parameter = {
    .what = "a parameter",
    .members = MEMBERS{ TEXT_REQUIRED("name"), TEXT_REQUIRED("in"), STRING("description"),
                        BOOLEAN("required"), BOOLEAN("deprecated"), BOOLEAN("allowEmptyValue"),
                        TEXT("style"), BOOLEAN("explode"), BOOLEAN("allowReserved"),
                        SCHEMA("schema"), ANY("example"), MAP("examples", example),
                        MAP("content", media_type), BOOLEAN("x-prodorder-unchecked"), END },
    .may_refer = true,
    .make = parameter_make,
};

const struct shape objects_request_body = {
    .what = "a request body",
    .members = MEMBERS{ STRING("description"), MAP_REQUIRED("content", media_type),
                        BOOLEAN("required"), END },
    .may_refer = true,
    .make = operation_make_body,
};

static const struct shape link = {
    .what = "a link",
    .members = MEMBERS{ TEXT("operationRef"), TEXT("operationId"),
                        ROW("parameters", ANY, MAP, false, NULL), ANY("requestBody"),
                        STRING("description"), ONE("server", server), END },
    .may_refer = true,
    .check = operation_check_link,
};

static const struct shape response = {
    .what = "a response",
    .members = MEMBERS{ STRING_REQUIRED("description"), MAP("headers", header),
                        MAP("content", media_type), MAP("links", link), END },
    .may_refer = true,
    .check = operation_check_response,
};

static const struct shape responses = {
    .what = "responses",
    .each = MEMBERS{ ONE(NULL, response) },
    .check = operation_check_responses,
};

static const struct shape path_item;

static const struct shape callback = {
    .what = "a callback",
    .each = MEMBERS{ ONE(NULL, path_item) },
    .may_refer = true,
};

static const struct shape security_requirement = {
    .what = "a security requirement",
    .each = MEMBERS{ TEXTS(NULL) },
    .check = check_security_requirement,
};

static const struct shape operation = {
    .what = "an operation",
    .members =
        MEMBERS{ TEXTS("tags"), STRING("summary"), STRING("description"),
                 ONE("externalDocs", external_docs), TEXT("operationId"),
                 LIST("parameters", objects_parameter), ONE("requestBody", objects_request_body),
                 ONE("responses", responses), MAP("callbacks", callback), BOOLEAN("deprecated"),
                 LIST("security", security_requirement), LIST("servers", server), END },
    .check = operation_check,
};

static const struct shape path_item = {
    .what = "a path item",
    .members = MEMBERS{ STRING("summary"), STRING("description"), ONE("get", operation),
                        ONE("put", operation), ONE("post", operation), ONE("delete", operation),
                        ONE("options", operation), ONE("head", operation), ONE("patch", operation),
                        ONE("trace", operation), LIST("servers", server),
                        LIST("parameters", objects_parameter), END },
    .may_refer = true,
};

static const struct shape paths = {
    .what = "the paths object",
    .each = MEMBERS{ ONE(NULL, path_item) },
};

static const struct shape oauth_flow = {
    .what = "an OAuth flow",
    .members = MEMBERS{ URI("authorizationUrl"), URI("tokenUrl"), URI("refreshUrl"),
                        ROW("scopes", STRING, MAP, true, NULL), END },
};

static const struct shape oauth_flows = {
    .what = "the OAuth flows",
    .members =
        MEMBERS{ ONE("implicit", oauth_flow), ONE("password", oauth_flow),
                 ONE("clientCredentials", oauth_flow), ONE("authorizationCode", oauth_flow), END },
};

static const struct shape security_scheme = {
    .what = "a security scheme",
    .members = MEMBERS{ TEXT_REQUIRED("type"), STRING("description"), TEXT("name"), TEXT("in"),
                        TEXT("scheme"), STRING("bearerFormat"), ONE("flows", oauth_flows),
                        URI("openIdConnectUrl"), END },
    .may_refer = true,
    .check = check_security_scheme,
};

static const struct shape components = {
    .what = "the components",
    .members = MEMBERS{ ROW("schemas", SCHEMA, MAP, false, NULL), MAP("responses", response),
                        MAP("parameters", objects_parameter), MAP("examples", example),
                        MAP("requestBodies", objects_request_body), MAP("headers", header),
                        MAP("securitySchemes", security_scheme), MAP("links", link),
                        MAP("callbacks", callback), MAP("pathItems", path_item), END },
    .check = check_components,
};

static const struct shape tag = {
    .what = "a tag",
    .members = MEMBERS{ TEXT_REQUIRED("name"), STRING("description"),
                        ONE("externalDocs", external_docs), END },
};

const struct shape objects_document = {
    .what = "an OpenAPI document",
    .members =
        MEMBERS{ TEXT_REQUIRED("openapi"), ONE_REQUIRED("info", info), URI("jsonSchemaDialect"),
                 LIST("servers", server), ONE_REQUIRED("paths", paths), MAP("webhooks", path_item),
                 ONE("components", components), LIST("security", security_requirement),
                 LIST("tags", tag), ONE("externalDocs", external_docs), END },
    .check = check_document,
};
