
/*
 * The module's face to nginx: directives, configuration, the request's context.
 */


#include "ngx_http_prodorder.h"


static void *ngx_http_prodorder_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_prodorder_openapi(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void ngx_http_prodorder_problem(void *data, const char *line);
static void ngx_http_prodorder_free_document(void *data);
static ngx_int_t ngx_http_prodorder_init(ngx_conf_t *cf);
static void ngx_http_prodorder_ctx_cleanup(void *data);


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
    ngx_http_prodorder_add_variables,      /* preconfiguration */
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


/*
 * nginx zeroes r->ctx on an internal redirect.  The context therefore lives
 * in a cleanup record of the request's pool, where it can be found again.
 */

ngx_http_prodorder_ctx_t *
ngx_http_prodorder_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_prodorder_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_prodorder_gateway_module);

    if (ctx) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_prodorder_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_prodorder_gateway_module);
            return ctx;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_prodorder_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_prodorder_ctx_t));
    cln->handler = ngx_http_prodorder_ctx_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_prodorder_gateway_module);

    return ctx;
}


void *
ngx_http_prodorder_grab(void *pool, size_t bytes)
{
    return ngx_palloc(pool, bytes);
}


static void
ngx_http_prodorder_ctx_cleanup(void *data)
{
    /* only marks the record: all memory is the pool's */
}


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
