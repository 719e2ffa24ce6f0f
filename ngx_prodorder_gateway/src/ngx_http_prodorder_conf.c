
/*
 * The configuration of a location: values, their bounds, how they are inherited.
 */


#include "ngx_http_prodorder.h"
#include "openapi/document/media.h"


static ngx_uint_t ngx_http_prodorder_is_taken(ngx_str_t *name);


ngx_str_t  ngx_http_prodorder_id_header = ngx_string("X-Request-Id");


void *
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


char *
ngx_http_prodorder_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_prodorder_loc_conf_t  *prev = parent;
    ngx_http_prodorder_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

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

    /* "if" and limit_except inherit the location's handler, as proxy_pass */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && clcf->handler == NULL) {

        if (conf->components == NULL && prev->components) {
            conf->components = prev->components;

            if (clcf->lmt_excpt) {
                clcf->handler = ngx_http_prodorder_health_handler;
            }
        }

        if (prev->metrics) {
            conf->metrics = 1;

            if (clcf->lmt_excpt) {
                clcf->handler = ngx_http_prodorder_metrics_handler;
            }
        }
    }

    return NGX_CONF_OK;
}


/* prodorder_request_id inbound | generate [header=NAME] */

char *
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
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"%V\": "
                           "expected \"inbound\" or \"generate\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    /* the parameters are inherited together with the mode, or not at all */

    plcf->id_header = ngx_http_prodorder_id_header;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (value[2].len > sizeof("header=") - 1
        && ngx_strncmp(value[2].data, "header=", sizeof("header=") - 1) == 0)
    {
        name.data = value[2].data + sizeof("header=") - 1;
        name.len = value[2].len - (sizeof("header=") - 1);

        if (ngx_http_prodorder_is_taken(&name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of \"%V\": HTTP "
                               "has another use for this header field",
                               &value[2], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (media_is_token((struct str) { (char *) name.data, name.len })) {
            plcf->id_header = name;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of \"%V\": expected "
                       "header=NAME with the name of a header field",
                       &value[2], &cmd->name);
    return NGX_CONF_ERROR;
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

char *
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
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"%V\": expected "
                           "\"inbound\", \"generate\" or \"off\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
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

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of \"%V\": "
                       "expected \"sampled=on\" or \"sampled=off\"",
                       &value[2], &cmd->name);
    return NGX_CONF_ERROR;
}


char *
ngx_http_prodorder_check_bounds(ngx_conf_t *cf, void *post, void *data)
{
    ngx_http_prodorder_bounds_t  *bounds = post;

    ngx_int_t  *np = data;

    return *np < bounds->min || *np > bounds->max ? bounds->text : NGX_CONF_OK;
}
