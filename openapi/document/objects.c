/* The objects of OpenAPI 3.1, member by member (4.8.1 to 4.8.30). */
#include "shape.h"

#define MEMBERS (const struct oa_shape_member[])
#define END                                                                                        \
    { NULL, OA_SHAPE_ANY, OA_SHAPE_ONE, false, NULL }

#define ANY(name)                                                                                  \
    { name, OA_SHAPE_ANY, OA_SHAPE_ONE, false, NULL }
#define STRING(name)                                                                               \
    { name, OA_SHAPE_STRING, OA_SHAPE_ONE, false, NULL }
#define TEXT(name)                                                                                 \
    { name, OA_SHAPE_TEXT, OA_SHAPE_ONE, false, NULL }
#define TEXT_REQUIRED(name)                                                                        \
    { name, OA_SHAPE_TEXT, OA_SHAPE_ONE, true, NULL }
#define BOOLEAN(name)                                                                              \
    { name, OA_SHAPE_BOOLEAN, OA_SHAPE_ONE, false, NULL }
#define URI(name)                                                                                  \
    { name, OA_SHAPE_URI, OA_SHAPE_ONE, false, NULL }
#define URI_REQUIRED(name)                                                                         \
    { name, OA_SHAPE_URI, OA_SHAPE_ONE, true, NULL }
#define TEXTS(name)                                                                                \
    { name, OA_SHAPE_TEXTS, OA_SHAPE_ONE, false, NULL }
#define SCHEMA(name)                                                                               \
    { name, OA_SHAPE_SCHEMA, OA_SHAPE_ONE, false, NULL }
#define ONE(name, shape)                                                                           \
    { name, OA_SHAPE_OBJECT, OA_SHAPE_ONE, false, &(shape) }
#define ONE_REQUIRED(name, shape)                                                                  \
    { name, OA_SHAPE_OBJECT, OA_SHAPE_ONE, true, &(shape) }
#define LIST(name, shape)                                                                          \
    { name, OA_SHAPE_OBJECT, OA_SHAPE_LIST, false, &(shape) }
#define MAP(name, shape)                                                                           \
    { name, OA_SHAPE_OBJECT, OA_SHAPE_MAP, false, &(shape) }
#define MAP_REQUIRED(name, shape)                                                                  \
    { name, OA_SHAPE_OBJECT, OA_SHAPE_MAP, true, &(shape) }

static const struct oa_shape external_docs = {
    .what = "external documentation",
    .members = MEMBERS{ STRING("description"), URI_REQUIRED("url"), END },
};

static const struct oa_shape contact = {
    .what = "a contact",
    .members = MEMBERS{ STRING("name"),
                        URI("url"),
                        { "email", OA_SHAPE_EMAIL, OA_SHAPE_ONE, false, NULL },
                        END },
};

static const struct oa_shape license = {
    .what = "a license",
    .members = MEMBERS{ TEXT_REQUIRED("name"), TEXT("identifier"), URI("url"), END },
    .check = oa_check_license,
};

static const struct oa_shape info = {
    .what = "the info object",
    .members = MEMBERS{ TEXT_REQUIRED("title"), STRING("summary"), STRING("description"),
                        URI("termsOfService"), ONE("contact", contact), ONE("license", license),
                        TEXT_REQUIRED("version"), END },
};

static const struct oa_shape server_variable = {
    .what = "a server variable",
    .members = MEMBERS{ TEXTS("enum"),
                        { "default", OA_SHAPE_STRING, OA_SHAPE_ONE, true, NULL },
                        STRING("description"),
                        END },
};

static const struct oa_shape server = {
    .what = "a server",
    .members = MEMBERS{ TEXT_REQUIRED("url"), STRING("description"),
                        MAP("variables", server_variable), END },
    .check = oa_check_server,
};

static const struct oa_shape example = {
    .what = "an example object",
    .members = MEMBERS{ STRING("summary"), STRING("description"), ANY("value"),
                        URI("externalValue"), END },
    .may_refer = true,
    .check = oa_check_example,
};

static const struct oa_shape media_type;

static const struct oa_shape header = {
    .what = "a header",
    .members = MEMBERS{ STRING("description"), BOOLEAN("required"), BOOLEAN("deprecated"),
                        TEXT("style"), BOOLEAN("explode"), SCHEMA("schema"), ANY("example"),
                        MAP("examples", example), MAP("content", media_type), END },
    .may_refer = true,
    .check = oa_check_header,
};

static const struct oa_shape encoding = {
    .what = "an encoding",
    .members = MEMBERS{ TEXT("contentType"), MAP("headers", header), TEXT("style"),
                        BOOLEAN("explode"), BOOLEAN("allowReserved"), END },
};

static const struct oa_shape media_type = {
    .what = "a media type",
    .members = MEMBERS{ SCHEMA("schema"), ANY("example"), MAP("examples", example),
                        MAP("encoding", encoding), END },
    .check = oa_check_media,
};

const struct oa_shape oa_shape_parameter = {
    .what = "a parameter",
    .members = MEMBERS{ TEXT_REQUIRED("name"), TEXT_REQUIRED("in"), STRING("description"),
                        BOOLEAN("required"), BOOLEAN("deprecated"), BOOLEAN("allowEmptyValue"),
                        TEXT("style"), BOOLEAN("explode"), BOOLEAN("allowReserved"),
                        SCHEMA("schema"), ANY("example"), MAP("examples", example),
                        MAP("content", media_type), BOOLEAN("x-prodorder-unchecked"), END },
    .may_refer = true,
    .check = oa_check_parameter,
};

const struct oa_shape oa_shape_request_body = {
    .what = "a request body",
    .members = MEMBERS{ STRING("description"), MAP_REQUIRED("content", media_type),
                        BOOLEAN("required"), END },
    .may_refer = true,
    .check = oa_check_request_body,
};

static const struct oa_shape link = {
    .what = "a link",
    .members = MEMBERS{ TEXT("operationRef"),
                        TEXT("operationId"),
                        { "parameters", OA_SHAPE_ANY, OA_SHAPE_MAP, false, NULL },
                        ANY("requestBody"),
                        STRING("description"),
                        ONE("server", server),
                        END },
    .may_refer = true,
    .check = oa_check_link,
};

static const struct oa_shape response = {
    .what = "a response",
    .members = MEMBERS{ { "description", OA_SHAPE_STRING, OA_SHAPE_ONE, true, NULL },
                        MAP("headers", header),
                        MAP("content", media_type),
                        MAP("links", link),
                        END },
    .may_refer = true,
    .check = oa_check_response,
};

static const struct oa_shape responses = {
    .what = "responses",
    .each = MEMBERS{ ONE(NULL, response) },
    .check = oa_check_responses,
};

static const struct oa_shape callback = {
    .what = "a callback",
    .each = MEMBERS{ ONE(NULL, oa_shape_path_item) },
    .may_refer = true,
};

static const struct oa_shape security_requirement = {
    .what = "a security requirement",
    .each = MEMBERS{ TEXTS(NULL) },
    .check = oa_check_security_requirement,
};

static const struct oa_shape operation = {
    .what = "an operation",
    .members =
        MEMBERS{ TEXTS("tags"), STRING("summary"), STRING("description"),
                 ONE("externalDocs", external_docs), TEXT("operationId"),
                 LIST("parameters", oa_shape_parameter), ONE("requestBody", oa_shape_request_body),
                 ONE("responses", responses), MAP("callbacks", callback), BOOLEAN("deprecated"),
                 LIST("security", security_requirement), LIST("servers", server), END },
    .check = oa_check_operation,
};

const struct oa_shape oa_shape_path_item = {
    .what = "a path item",
    .members = MEMBERS{ STRING("summary"), STRING("description"), ONE("get", operation),
                        ONE("put", operation), ONE("post", operation), ONE("delete", operation),
                        ONE("options", operation), ONE("head", operation), ONE("patch", operation),
                        ONE("trace", operation), LIST("servers", server),
                        LIST("parameters", oa_shape_parameter), END },
    .may_refer = true,
};

static const struct oa_shape paths = {
    .what = "the paths object",
    .each = MEMBERS{ ONE(NULL, oa_shape_path_item) },
};

static const struct oa_shape oauth_flow = {
    .what = "an OAuth flow",
    .members = MEMBERS{ URI("authorizationUrl"),
                        URI("tokenUrl"),
                        URI("refreshUrl"),
                        { "scopes", OA_SHAPE_STRING, OA_SHAPE_MAP, true, NULL },
                        END },
};

static const struct oa_shape oauth_flows = {
    .what = "the OAuth flows",
    .members =
        MEMBERS{ ONE("implicit", oauth_flow), ONE("password", oauth_flow),
                 ONE("clientCredentials", oauth_flow), ONE("authorizationCode", oauth_flow), END },
};

static const struct oa_shape security_scheme = {
    .what = "a security scheme",
    .members = MEMBERS{ TEXT_REQUIRED("type"), STRING("description"), TEXT("name"), TEXT("in"),
                        TEXT("scheme"), STRING("bearerFormat"), ONE("flows", oauth_flows),
                        URI("openIdConnectUrl"), END },
    .may_refer = true,
    .check = oa_check_security_scheme,
};

static const struct oa_shape components = {
    .what = "the components",
    .members = MEMBERS{ { "schemas", OA_SHAPE_SCHEMA, OA_SHAPE_MAP, false, NULL },
                        MAP("responses", response),
                        MAP("parameters", oa_shape_parameter),
                        MAP("examples", example),
                        MAP("requestBodies", oa_shape_request_body),
                        MAP("headers", header),
                        MAP("securitySchemes", security_scheme),
                        MAP("links", link),
                        MAP("callbacks", callback),
                        MAP("pathItems", oa_shape_path_item),
                        END },
    .check = oa_check_components,
};

static const struct oa_shape tag = {
    .what = "a tag",
    .members = MEMBERS{ TEXT_REQUIRED("name"), STRING("description"),
                        ONE("externalDocs", external_docs), END },
};

const struct oa_shape oa_shape_document = {
    .what = "an OpenAPI document",
    .members = MEMBERS{ TEXT_REQUIRED("openapi"), ONE_REQUIRED("info", info),
                        URI("jsonSchemaDialect"), LIST("servers", server),
                        ONE_REQUIRED("paths", paths), MAP("webhooks", oa_shape_path_item),
                        ONE("components", components), LIST("security", security_requirement),
                        LIST("tags", tag), ONE("externalDocs", external_docs), END },
    .check = oa_check_document,
};
