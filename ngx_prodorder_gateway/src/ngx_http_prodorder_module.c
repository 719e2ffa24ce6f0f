
/*
 * The module's face to nginx: directives, configuration values, their bounds
 * and how they are inherited, and what is started when all is read.
 */


#include "ngx_http_prodorder.h"
#include "openapi/document/media.h"


/* The post of a number or size that has bounds, both inclusive. */
typedef struct {
    ngx_conf_post_handler_pt      handler;
    ngx_int_t                     min;
    ngx_int_t                     max;
    char                         *text;         /* follows the directive's name */
} ngx_http_prodorder_bounds_t;


static void *ngx_http_prodorder_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_prodorder_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_prodorder_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_http_prodorder_inherit_handler(ngx_conf_t *cf,
    ngx_http_prodorder_loc_conf_t *prev, ngx_http_prodorder_loc_conf_t *conf);
static char *ngx_http_prodorder_set_request_id(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_uint_t ngx_http_prodorder_is_taken(ngx_str_t *name);
static char *ngx_http_prodorder_set_trace(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_prodorder_invalid(ngx_conf_t *cf, ngx_uint_t n,
    char *text);
static char *ngx_http_prodorder_check_bounds(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_prodorder_openapi(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void ngx_http_prodorder_problem(void *data, const char *line);
static void ngx_http_prodorder_free_document(void *data);
static ngx_int_t ngx_http_prodorder_init(ngx_conf_t *cf);


static ngx_conf_enum_t  ngx_http_prodorder_validations[] = {
    { ngx_string("off"), NGX_HTTP_PRODORDER_VALIDATE_OFF },
    { ngx_string("on"), NGX_HTTP_PRODORDER_VALIDATE_ON },
    { ngx_string("log"), NGX_HTTP_PRODORDER_VALIDATE_LOG },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_prodorder_formats[] = {
    { ngx_string("auto"), NGX_HTTP_PRODORDER_FORMAT_AUTO },
    { ngx_string("envelope"), NGX_HTTP_PRODORDER_FORMAT_ENVELOPE },
    { ngx_string("problem"), NGX_HTTP_PRODORDER_FORMAT_PROBLEM },
    { ngx_null_string, 0 }
};


static ngx_http_prodorder_bounds_t  ngx_http_prodorder_max_errors_bounds = {
    ngx_http_prodorder_check_bounds, 1, 1000, "must be from 1 to 1000"
};


/* a body is validated in memory, so there is no "0 for any size" */

static ngx_http_prodorder_bounds_t  ngx_http_prodorder_body_limit_bounds = {
    ngx_http_prodorder_check_bounds, 1, JSON_SCAN_BYTES_MAX,
    "must be from 1 to 1g; bodies of any size: \"prodorder_validate off\""
};


/* what the texts say */

_Static_assert(JSON_SCAN_DEPTH_MAX == 128, "prodorder_json_depth");
_Static_assert(JSON_SCAN_BYTES_MAX == 1024 * 1024 * 1024, "prodorder_body_limit");


static ngx_http_prodorder_bounds_t  ngx_http_prodorder_json_depth_bounds = {
    ngx_http_prodorder_check_bounds, 1, JSON_SCAN_DEPTH_MAX,
    "must be from 1 to 128"
};


static ngx_http_prodorder_bounds_t  ngx_http_prodorder_json_values_bounds = {
    ngx_http_prodorder_check_bounds, 1, 10000000, "must be from 1 to 10000000"
};


#define NGX_HTTP_PRODORDER_ANYWHERE                                           \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF


static ngx_command_t  ngx_http_prodorder_commands[] = {

    { ngx_string("prodorder_gateway"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, gateway),
      NULL },

    { ngx_string("prodorder_openapi"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_prodorder_openapi,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, document),
      NULL },

    { ngx_string("prodorder_validate"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, validate),
      &ngx_http_prodorder_validations },

    { ngx_string("prodorder_envelope"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, envelope),
      NULL },

    { ngx_string("prodorder_request_id"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_prodorder_set_request_id,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, request_id),
      NULL },

    { ngx_string("prodorder_trace"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_prodorder_set_trace,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, trace),
      NULL },

    { ngx_string("prodorder_error_format"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, error_format),
      &ngx_http_prodorder_formats },

    { ngx_string("prodorder_max_errors"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, max_errors),
      &ngx_http_prodorder_max_errors_bounds },

    { ngx_string("prodorder_body_limit"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, body_limit),
      &ngx_http_prodorder_body_limit_bounds },

    { ngx_string("prodorder_json_depth"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, json_depth),
      &ngx_http_prodorder_json_depth_bounds },

    { ngx_string("prodorder_json_values"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, json_values),
      &ngx_http_prodorder_json_values_bounds },

    { ngx_string("prodorder_retry_after"),
      NGX_HTTP_PRODORDER_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, retry_after),
      NULL },

    { ngx_string("prodorder_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_prodorder_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, components),
      NULL },

    { ngx_string("prodorder_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_prodorder_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_prodorder_loc_conf_t, metrics),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_prodorder_gateway_module_ctx = {
    ngx_http_prodorder_variables_add,      /* preconfiguration */
    ngx_http_prodorder_init,               /* postconfiguration */

    ngx_http_prodorder_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_prodorder_create_loc_conf,    /* create location configuration */
    ngx_http_prodorder_merge_loc_conf      /* merge location configuration */
};


ngx_module_t  ngx_http_prodorder_gateway_module = {
    NGX_MODULE_V1,
    &ngx_http_prodorder_gateway_module_ctx, /* module context */
    ngx_http_prodorder_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_prodorder_metrics_loaded,     /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_prodorder_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_prodorder_main_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_prodorder_main_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&conf->documents, cf->pool, 4,
                       sizeof(struct document *))
        != NGX_OK)
    {
        return NULL;
    }

    return conf;
}


static void *
ngx_http_prodorder_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_prodorder_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_prodorder_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->id_header = { 0, NULL };
     *     conf->components = NULL;
     *     conf->metrics = 0;
     */

    conf->gateway = NGX_CONF_UNSET;
    conf->validate = NGX_CONF_UNSET_UINT;
    conf->envelope = NGX_CONF_UNSET;
    conf->request_id = NGX_CONF_UNSET_UINT;
    conf->trace = NGX_CONF_UNSET_UINT;
    conf->sampled = NGX_CONF_UNSET;
    conf->error_format = NGX_CONF_UNSET_UINT;
    conf->max_errors = NGX_CONF_UNSET_UINT;
    conf->body_limit = NGX_CONF_UNSET_SIZE;
    conf->json_depth = NGX_CONF_UNSET_UINT;
    conf->json_values = NGX_CONF_UNSET_UINT;
    conf->retry_after = NGX_CONF_UNSET;
    conf->document = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_prodorder_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_prodorder_loc_conf_t  *prev = parent;
    ngx_http_prodorder_loc_conf_t  *conf = child;

    ngx_conf_merge_value(conf->gateway, prev->gateway, 0);
    ngx_conf_merge_uint_value(conf->validate, prev->validate,
                              NGX_HTTP_PRODORDER_VALIDATE_ON);
    ngx_conf_merge_value(conf->envelope, prev->envelope, 1);
    ngx_conf_merge_str_value(conf->id_header, prev->id_header, "X-Request-Id");
    ngx_conf_merge_uint_value(conf->request_id, prev->request_id,
                              NGX_HTTP_PRODORDER_ID_INBOUND);
    ngx_conf_merge_uint_value(conf->trace, prev->trace,
                              NGX_HTTP_PRODORDER_TRACE_INBOUND);
    ngx_conf_merge_value(conf->sampled, prev->sampled, 1);
    ngx_conf_merge_uint_value(conf->error_format, prev->error_format,
                              NGX_HTTP_PRODORDER_FORMAT_AUTO);
    ngx_conf_merge_uint_value(conf->max_errors, prev->max_errors,
                              REPORT_ERRORS_MAX_DEFAULT);
    ngx_conf_merge_size_value(conf->body_limit, prev->body_limit,
                              1024 * 1024);
    ngx_conf_merge_uint_value(conf->json_depth, prev->json_depth,
                              REQUEST_BODY_DEPTH_MAX);
    ngx_conf_merge_uint_value(conf->json_values, prev->json_values,
                              REQUEST_BODY_VALUES_MAX);
    ngx_conf_merge_sec_value(conf->retry_after, prev->retry_after, 1);
    ngx_conf_merge_ptr_value(conf->document, prev->document, NULL);

    ngx_http_prodorder_inherit_handler(cf, prev, conf);

    return NGX_CONF_OK;
}


/* "if" and limit_except inherit the location's handler, as proxy_pass */

static void
ngx_http_prodorder_inherit_handler(ngx_conf_t *cf,
    ngx_http_prodorder_loc_conf_t *prev, ngx_http_prodorder_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!clcf->noname || clcf->handler) {
        return;
    }

    if (conf->components == NULL && prev->components) {
        conf->components = prev->components;

        if (clcf->lmt_excpt) {
            clcf->handler = ngx_http_prodorder_health_handler;
        }
    }

    if (prev->metrics) {
        conf->metrics = 1;

        if (clcf->lmt_excpt) {
            clcf->handler = ngx_http_prodorder_metrics_text_handler;
        }
    }
}


/* prodorder_request_id inbound | generate [header=NAME] */

static char *
ngx_http_prodorder_set_request_id(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_prodorder_loc_conf_t *plcf = conf;

    ngx_str_t  *value, name;

    if (plcf->request_id != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "inbound") == 0) {
        plcf->request_id = NGX_HTTP_PRODORDER_ID_INBOUND;

    } else if (ngx_strcmp(value[1].data, "generate") == 0) {
        plcf->request_id = NGX_HTTP_PRODORDER_ID_GENERATE;

    } else {
        return ngx_http_prodorder_invalid(cf, 1,
                                     "expected \"inbound\" or \"generate\"");
    }

    /* the parameters are inherited together with the mode, or not at all */

    ngx_str_set(&plcf->id_header, "X-Request-Id");

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    name = value[2];

    if (name.len > sizeof("header=") - 1
        && ngx_strncmp(name.data, "header=", sizeof("header=") - 1) == 0)
    {
        name.data += sizeof("header=") - 1;
        name.len -= sizeof("header=") - 1;

        if (ngx_http_prodorder_is_taken(&name)) {
            return ngx_http_prodorder_invalid(cf, 2,
                              "HTTP has another use for this header field");
        }

        if (media_is_token((struct str) { (char *) name.data, name.len })) {
            plcf->id_header = name;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_prodorder_invalid(cf, 2,
                       "expected header=NAME with the name of a header field");
}


/* An id in one of these would break the message, or what the client does. */

static ngx_uint_t
ngx_http_prodorder_is_taken(ngx_str_t *name)
{
    ngx_uint_t  i;

    static ngx_str_t  names[] = {
        ngx_string("Allow"), ngx_string("Authorization"),
        ngx_string("Cache-Control"), ngx_string("Connection"),
        ngx_string("Content-Encoding"), ngx_string("Content-Length"),
        ngx_string("Content-Range"), ngx_string("Content-Type"),
        ngx_string("Cookie"), ngx_string("Date"), ngx_string("ETag"),
        ngx_string("Expect"), ngx_string("Host"), ngx_string("Keep-Alive"),
        ngx_string("Last-Modified"), ngx_string("Location"),
        ngx_string("Retry-After"), ngx_string("Server"),
        ngx_string("Set-Cookie"), ngx_string("TE"), ngx_string("Trailer"),
        ngx_string("Transfer-Encoding"), ngx_string("Upgrade"),
        ngx_string("Vary"), ngx_string("WWW-Authenticate"),
        ngx_string("traceparent"), ngx_string("tracestate")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (names[i].len == name->len
            && ngx_strncasecmp(names[i].data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* prodorder_trace inbound | generate | off [sampled=on|off] */

static char *
ngx_http_prodorder_set_trace(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_prodorder_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->trace != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "inbound") == 0) {
        plcf->trace = NGX_HTTP_PRODORDER_TRACE_INBOUND;

    } else if (ngx_strcmp(value[1].data, "generate") == 0) {
        plcf->trace = NGX_HTTP_PRODORDER_TRACE_GENERATE;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        plcf->trace = NGX_HTTP_PRODORDER_TRACE_OFF;

    } else {
        return ngx_http_prodorder_invalid(cf, 1,
                          "expected \"inbound\", \"generate\" or \"off\"");
    }

    plcf->sampled = 1;

    if (cf->args->nelts == 2
        || ngx_strcmp(value[2].data, "sampled=on") == 0)
    {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[2].data, "sampled=off") == 0) {
        plcf->sampled = 0;
        return NGX_CONF_OK;
    }

    return ngx_http_prodorder_invalid(cf, 2,
                             "expected \"sampled=on\" or \"sampled=off\"");
}


/* The directive's value, or the parameter after it. */

static char *
ngx_http_prodorder_invalid(ngx_conf_t *cf, ngx_uint_t n, char *text)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid %s \"%V\" of \"%V\": %s",
                       n == 1 ? "value" : "parameter", &value[n], &value[0],
                       text);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_prodorder_check_bounds(ngx_conf_t *cf, void *post, void *data)
{
    ngx_http_prodorder_bounds_t  *bounds = post;

    ngx_int_t  *np = data;

    return *np < bounds->min || *np > bounds->max ? bounds->text : NGX_CONF_OK;
}


static char *
ngx_http_prodorder_openapi(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_prodorder_loc_conf_t *plcf = conf;

    ngx_str_t                       *value, file;
    ngx_pool_cleanup_t              *cln;
    struct document                **document;
    ngx_http_prodorder_main_conf_t  *pmcf;

    if (plcf->document != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        plcf->document = NULL;
        return NGX_CONF_OK;
    }

    file = value[1];

    if (ngx_conf_full_name(cf->cycle, &file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_prodorder_gateway_module);

    document = ngx_array_push(&pmcf->documents);
    if (document == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->document = document_load((char *) file.data,
                                   ngx_http_prodorder_problem, cf);

    if (plcf->document == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_prodorder_free_document;
    cln->data = plcf->document;
    *document = plcf->document;

    return NGX_CONF_OK;
}


/* A line is shorter than NGX_MAX_CONF_ERRSTR: nginx cuts nothing off. */

static void
ngx_http_prodorder_problem(void *data, const char *line)
{
    ngx_conf_t *cf = data;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", line);
}


static void
ngx_http_prodorder_free_document(void *data)
{
    document_free(data);
}


static ngx_int_t
ngx_http_prodorder_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_prodorder_validate_handler;

    if (ngx_http_prodorder_metrics_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_prodorder_filter_init(cf);
}
