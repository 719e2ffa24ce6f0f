
/*
 * The answer of prodorder_health, when every probe has ended.
 */


#include "ngx_http_prodorder_health.h"


static ngx_int_t ngx_http_prodorder_health_refuse(ngx_http_request_t *r,
    ngx_str_t *components);
static ngx_int_t ngx_http_prodorder_health_write(ngx_http_request_t *r,
    ngx_array_t *probes, ngx_str_t *ret);
static void ngx_http_prodorder_health_text(ngx_http_prodorder_json_t *json,
    ngx_array_t *probes);
static void ngx_http_prodorder_component_text(ngx_http_prodorder_json_t *json,
    ngx_http_prodorder_probe_t *probe);


ngx_int_t
ngx_http_prodorder_health_reply(ngx_http_request_t *r, ngx_array_t *probes)
{
    ngx_str_t                    text, body;
    ngx_uint_t                   i;
    ngx_http_prodorder_probe_t  *probe;

    if (ngx_http_prodorder_health_write(r, probes, &text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    probe = probes->elts;

    for (i = 0; i < probes->nelts; i++) {
        if (probe[i].status != NGX_HTTP_OK) {
            return ngx_http_prodorder_health_refuse(r, &text);
        }
    }

    body.len = sizeof("{\"status\":\"ready\",\"components\":}") - 1 + text.len;
    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(body.data, "{\"status\":\"ready\",\"components\":%V}", &text);

    return ngx_http_prodorder_health_send(r, NGX_HTTP_OK, &body);
}


/*
 * The filter makes an error of it that has the components; where the filter
 * does nothing the report stands alone.
 */

static ngx_int_t
ngx_http_prodorder_health_refuse(ngx_http_request_t *r, ngx_str_t *components)
{
    ngx_str_t                       body;
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (r == r->main && plcf->gateway) {
        ctx = ngx_http_prodorder_get_ctx(r);

        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->refused = NGX_HTTP_SERVICE_UNAVAILABLE;
        ngx_str_set(&ctx->message, "not ready");
        ctx->refused_components = *components;

        return ngx_http_prodorder_error_reply(r, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    body.len = sizeof("{\"status\":\"unavailable\",\"components\":}") - 1
               + components->len;
    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(body.data, "{\"status\":\"unavailable\",\"components\":%V}",
                components);

    return ngx_http_prodorder_health_send(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                          &body);
}


ngx_int_t
ngx_http_prodorder_health_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    /* what is true of this moment has not been seen before */

    r->disable_not_modified = 1;

    r->headers_out.status = status;
    r->headers_out.content_length_n = body->len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_prodorder_health_write(ngx_http_request_t *r, ngx_array_t *probes,
    ngx_str_t *ret)
{
    ngx_http_prodorder_json_t  json;

    json.pos = NULL;
    json.len = 0;
    ngx_http_prodorder_health_text(&json, probes);

    ret->len = json.len;
    ret->data = ngx_pnalloc(r->pool, json.len);
    if (ret->data == NULL) {
        return NGX_ERROR;
    }

    json.pos = ret->data;
    ngx_http_prodorder_health_text(&json, probes);

    return NGX_OK;
}


static void
ngx_http_prodorder_health_text(ngx_http_prodorder_json_t *json,
    ngx_array_t *probes)
{
    ngx_uint_t                   i;
    ngx_http_prodorder_probe_t  *probe;

    probe = probes->elts;

    ngx_http_prodorder_json_text(json, "{");

    for (i = 0; i < probes->nelts; i++) {

        if (i) {
            ngx_http_prodorder_json_text(json, ",");
        }

        ngx_http_prodorder_json_string(json, probe[i].component->name.data,
                                       probe[i].component->name.len);

        ngx_http_prodorder_json_text(json, ":");

        ngx_http_prodorder_component_text(json, &probe[i]);
    }

    ngx_http_prodorder_json_text(json, "}");
}


/* A report that does not say how the component is gets our word for it. */

static void
ngx_http_prodorder_component_text(ngx_http_prodorder_json_t *json,
    ngx_http_prodorder_probe_t *probe)
{
    struct oa_json  *report;

    report = probe->report;

    if (report && oa_json_get(report, "status")) {
        ngx_http_prodorder_json_raw(json, report->raw.data, report->raw.len);
        return;
    }

    if (probe->status == NGX_HTTP_OK) {
        ngx_http_prodorder_json_text(json, "{\"status\":\"ready\"");

    } else if (probe->answered) {
        ngx_http_prodorder_json_text(json, "{\"status\":\"unavailable\"");

    } else {
        ngx_http_prodorder_json_text(json, "{\"status\":\"unreachable\"");
    }

    if (report && report->child) {

        /* its other members, and its closing brace */

        ngx_http_prodorder_json_text(json, ",");
        ngx_http_prodorder_json_raw(json, report->raw.data + 1,
                                    report->raw.len - 1);
        return;
    }

    ngx_http_prodorder_json_text(json, "}");
}
