
/*
 * prodorder_health: whether the gateway, and what it depends on, can serve.
 *
 * Without parameters it says that the gateway lives.  With NAME=URI parameters
 * it asks each URI, all at once, by a subrequest in memory.  When each answers
 * 200 the gateway does, and says that it is ready, or degraded when one of them
 * says so of itself; anything else is 503.  Either has each component's state.
 *
 * The request that asks may itself be a subrequest, of a page with server-side
 * includes for example, and a page may include several: what is known belongs
 * to the request, not to the connection's main request.
 */


#include "ngx_http_prodorder_health.h"


/* A component's report is dropped when it is larger. */
#define NGX_HTTP_PRODORDER_REPORT_MAX      16384

/* More in one location are a mistake; each is a connection at the same time. */
#define NGX_HTTP_PRODORDER_COMPONENTS_MAX  50


static ngx_int_t ngx_http_prodorder_ask_all(ngx_http_request_t *r,
    ngx_array_t *components);
static ngx_int_t ngx_http_prodorder_probe(ngx_http_request_t *r,
    ngx_http_prodorder_probe_t *probe);
static ngx_int_t ngx_http_prodorder_probe_headers(ngx_http_request_t *r,
    ngx_http_request_t *sr);
static ngx_int_t ngx_http_prodorder_probe_done(ngx_http_request_t *r,
    void *data, ngx_int_t rc);
static void ngx_http_prodorder_probe_report(ngx_http_request_t *r,
    ngx_http_prodorder_probe_t *probe);
static ngx_uint_t ngx_http_prodorder_is_probe(ngx_http_request_t *r);
static void ngx_http_prodorder_health_done(ngx_http_request_t *r);
static ngx_http_prodorder_health_t *ngx_http_prodorder_take_health(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_prodorder_health_reply(ngx_http_request_t *r,
    ngx_array_t *probes);
static ngx_int_t ngx_http_prodorder_health_send(ngx_http_request_t *r,
    ngx_uint_t status, char *state, ngx_str_t *components);
static char *ngx_http_prodorder_add_component(ngx_conf_t *cf,
    ngx_array_t *components, ngx_str_t *value);


ngx_int_t
ngx_http_prodorder_health_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_http_prodorder_loc_conf_t  *plcf;

    static ngx_str_t  none = ngx_null_string;

    rc = ngx_http_prodorder_request_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (plcf->components->nelts == 0) {
        return ngx_http_prodorder_health_send(r, NGX_HTTP_OK, "alive", &none);
    }

    /* who asks itself, or two that ask each other, would never end */

    if (ngx_http_prodorder_is_probe(r)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "prodorder_health asks \"%V\", which is a "
                      "prodorder_health with components itself", &r->uri);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_prodorder_ask_all(r, plcf->components);
}


static ngx_int_t
ngx_http_prodorder_ask_all(ngx_http_request_t *r, ngx_array_t *components)
{
    ngx_uint_t                       i;
    ngx_http_prodorder_ctx_t        *ctx;
    ngx_http_prodorder_probe_t      *probe;
    ngx_http_prodorder_health_t     *health;
    ngx_http_prodorder_component_t  *component;

    ctx = ngx_http_prodorder_request_ctx(r);
    health = ngx_pcalloc(r->pool, sizeof(ngx_http_prodorder_health_t));

    if (ctx == NULL || health == NULL
        || ngx_array_init(&health->probes, r->pool, components->nelts,
                          sizeof(ngx_http_prodorder_probe_t))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    health->request = r;
    health->next = ctx->health;
    ctx->health = health;

    component = components->elts;

    for (i = 0; i < components->nelts; i++) {
        probe = ngx_array_push(&health->probes);

        ngx_memzero(probe, sizeof(ngx_http_prodorder_probe_t));
        probe->component = &component[i];
        probe->health = health;

        if (ngx_http_prodorder_probe(r, probe) != NGX_OK) {
            return NGX_ERROR;
        }

        health->pending++;
    }

    /* subrequests start after this handler; the request waits for them */

    r->main->count++;
    return NGX_DONE;
}


static ngx_int_t
ngx_http_prodorder_probe(ngx_http_request_t *r,
    ngx_http_prodorder_probe_t *probe)
{
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_prodorder_probe_done;
    ps->data = probe;

    if (ngx_http_subrequest(r, &probe->component->uri, &probe->component->args,
                            &sr, ps, NGX_HTTP_SUBREQUEST_IN_MEMORY
                                     |NGX_HTTP_SUBREQUEST_BACKGROUND)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sr->filter_need_in_memory = 1;
    sr->method = NGX_HTTP_GET;
    sr->method_name = ngx_http_core_get_method;

    return ngx_http_prodorder_probe_headers(r, sr);
}


/*
 * nginx gives a subrequest the client's headers and body.  A probe has neither:
 * a Content-Length without its body would have the component take the next
 * request on the connection for it; and whether a component is ready does not
 * depend on conditions, ranges or credentials of who asks.  Host stays, since
 * configurations make use of it.
 */

static ngx_int_t
ngx_http_prodorder_probe_headers(ngx_http_request_t *r, ngx_http_request_t *sr)
{
    ngx_table_elt_t  *host;

    sr->request_body = NULL;

    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));

    sr->headers_in.content_length_n = -1;
    sr->headers_in.keep_alive_n = -1;
    sr->headers_in.server = r->headers_in.server;

    if (ngx_list_init(&sr->headers_in.headers, r->pool, 1,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_in.host == NULL) {
        return NGX_OK;
    }

    host = ngx_list_push(&sr->headers_in.headers);
    if (host == NULL) {
        return NGX_ERROR;
    }

    *host = *r->headers_in.host;
    sr->headers_in.host = host;

    return NGX_OK;
}


/*
 * Whatever became of the probe, the request goes on: an error that was passed
 * on would end it without an answer.
 */

static ngx_int_t
ngx_http_prodorder_probe_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_http_prodorder_probe_t *probe = data;

    ngx_http_prodorder_health_t  *health;

    if (probe->status) {
        return NGX_OK;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        probe->status = rc;

    } else if (rc == NGX_OK && r->headers_out.status
               && (probe->complete || r->header_only))
    {
        /* of an answer that broke off, nginx has not sent the end */

        probe->status = r->headers_out.status;
        probe->answered = 1;
        ngx_http_prodorder_probe_report(r, probe);

    } else {
        probe->status = NGX_HTTP_BAD_GATEWAY;
    }

    ngx_http_prodorder_health_state_read(probe);

    health = probe->health;

    if (--health->pending == 0) {
        health->request->write_event_handler = ngx_http_prodorder_health_done;

        if (ngx_http_post_request(health->request, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The body of a probe's answer is kept here rather than by nginx, which gives
 * up the whole connection when it is too large.
 */

ngx_int_t
ngx_http_prodorder_health_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    size_t                       size;
    ngx_buf_t                   *b;
    ngx_http_prodorder_probe_t  *probe;

    if (!ngx_http_prodorder_is_probe(r)) {
        return NGX_DECLINED;
    }

    probe = r->post_subrequest->data;

    if (probe->body == NULL) {
        probe->body = ngx_create_temp_buf(r->pool,
                                          NGX_HTTP_PRODORDER_REPORT_MAX + 1);
        if (probe->body == NULL) {
            return NGX_ERROR;
        }
    }

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last_in_chain || b->last_buf) {
            probe->complete = 1;
        }

        if (ngx_buf_in_memory(b)) {
            size = ngx_min(b->last - b->pos,
                           probe->body->end - probe->body->last);
            probe->body->last = ngx_cpymem(probe->body->last, b->pos, size);
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_prodorder_is_probe(ngx_http_request_t *r)
{
    return r->post_subrequest
           && r->post_subrequest->handler == ngx_http_prodorder_probe_done;
}


/*
 * The component's own words, when they are a JSON object that is not too
 * large: they become a part of ours.
 */

static void
ngx_http_prodorder_probe_report(ngx_http_request_t *r,
    ngx_http_prodorder_probe_t *probe)
{
    size_t                  len;
    struct value           *report;
    struct arena            arena;
    struct json_scan_error  error;

    len = probe->body ? (size_t) (probe->body->last - probe->body->pos) : 0;

    if (len > NGX_HTTP_PRODORDER_REPORT_MAX) {
        return;
    }

    ngx_http_prodorder_request_arena(r, &arena,
                                     64 * NGX_HTTP_PRODORDER_ERROR_MAX);

    report = len ? value_parse(&arena, (char *) probe->body->pos, len,
                               REQUEST_BODY_DEPTH_MAX, &error)
                 : NULL;

    if (report && report->type == VALUE_OBJECT) {
        probe->report = report;
    }
}


static void
ngx_http_prodorder_health_done(ngx_http_request_t *r)
{
    ngx_http_prodorder_health_t  *health;

    health = ngx_http_prodorder_take_health(r);

    if (health == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r,
                        ngx_http_prodorder_health_reply(r, &health->probes));
}


/* Out of the list: its answers are used once. */

static ngx_http_prodorder_health_t *
ngx_http_prodorder_take_health(ngx_http_request_t *r)
{
    ngx_http_prodorder_ctx_t      *ctx;
    ngx_http_prodorder_health_t   *health, **link;

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NULL;
    }

    for (link = &ctx->health; *link; link = &(*link)->next) {
        health = *link;

        if (health->request == r) {
            *link = health->next;
            return health;
        }
    }

    return NULL;
}


/* When every probe has ended. */

static ngx_int_t
ngx_http_prodorder_health_reply(ngx_http_request_t *r, ngx_array_t *probes)
{
    char                           *state;
    ngx_str_t                       text;
    ngx_http_prodorder_ctx_t       *ctx;
    ngx_http_prodorder_loc_conf_t  *plcf;

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL
        || ngx_http_prodorder_health_state_text(r, probes, &text) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    state = ngx_http_prodorder_health_state(probes);

    if (state) {
        return ngx_http_prodorder_health_send(r, NGX_HTTP_OK, state, &text);
    }

    /*
     * The filter makes an error of it that has the components; where the
     * filter does nothing the report stands alone.
     */

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (r != r->main || !plcf->gateway) {
        return ngx_http_prodorder_health_send(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                              "unavailable", &text);
    }

    ctx->refused = NGX_HTTP_SERVICE_UNAVAILABLE;
    ngx_str_set(&ctx->message, "not ready");
    ctx->refused_components = text;

    return ngx_http_prodorder_error_reply(r, NGX_HTTP_SERVICE_UNAVAILABLE);
}


static ngx_int_t
ngx_http_prodorder_health_send(ngx_http_request_t *r, ngx_uint_t status,
    char *state, ngx_str_t *components)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_create_temp_buf(r->pool,
                            sizeof("{\"status\":\"\",\"components\":}") - 1
                            + ngx_strlen(state) + components->len);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->last = ngx_sprintf(b->last, "{\"status\":\"%s\"", state);

    if (components->len) {
        b->last = ngx_sprintf(b->last, ",\"components\":%V", components);
    }

    *b->last++ = '}';

    out.buf = b;
    out.next = NULL;

    return ngx_http_prodorder_request_answer(r, status, "application/json",
                                             &out);
}


char *
ngx_http_prodorder_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_prodorder_loc_conf_t *plcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;

    if (plcf->components) {
        return "is duplicate";
    }

    plcf->components = ngx_array_create(cf->pool, cf->args->nelts,
                                    sizeof(ngx_http_prodorder_component_t));
    if (plcf->components == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts - 1 > NGX_HTTP_PRODORDER_COMPONENTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%ui components of \"%V\": at most %d are possible",
                           cf->args->nelts - 1, &cmd->name,
                           NGX_HTTP_PRODORDER_COMPONENTS_MAX);
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_prodorder_add_component(cf, plcf->components, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_prodorder_health_handler;

    return NGX_CONF_OK;
}


/* NAME=/URI or NAME=/URI?ARGS */

static char *
ngx_http_prodorder_add_component(ngx_conf_t *cf, ngx_array_t *components,
    ngx_str_t *value)
{
    u_char                          *p, *args, *last;
    ngx_str_t                        name;
    ngx_uint_t                       i;
    ngx_http_prodorder_component_t  *component;

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, '=');

    if (p == NULL || p == value->data || p + 1 == last || p[1] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\": expected NAME=/URI",
                           value);
        return NGX_CONF_ERROR;
    }

    name.data = value->data;
    name.len = p++ - value->data;

    component = components->elts;

    for (i = 0; i < components->nelts; i++) {

        if (component[i].name.len == name.len
            && ngx_strncmp(component[i].name.data, name.data, name.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": there is a "
                               "component of the name \"%V\" already",
                               value, &name);
            return NGX_CONF_ERROR;
        }
    }

    component = ngx_array_push(components);
    if (component == NULL) {
        return NGX_CONF_ERROR;
    }

    args = ngx_strlchr(p, last, '?');

    component->name = name;
    component->uri.data = p;
    component->uri.len = (args ? args : last) - p;
    component->args.data = args ? args + 1 : last;
    component->args.len = last - component->args.data;

    return NGX_CONF_OK;
}
