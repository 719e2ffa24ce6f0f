
/*
 * The state of each component that prodorder_health has asked, and of them all;
 * and the text that says so.
 */


#include "ngx_http_prodorder_health.h"


static ngx_uint_t ngx_http_prodorder_probe_serves(
    ngx_http_prodorder_probe_t *probe);
static ngx_uint_t ngx_http_prodorder_probe_says(
    ngx_http_prodorder_probe_t *probe, const char *state);
static void ngx_http_prodorder_components_text(
    ngx_http_prodorder_json_t *json, ngx_array_t *probes);
static void ngx_http_prodorder_component_text(ngx_http_prodorder_json_t *json,
    ngx_http_prodorder_probe_t *probe);


/*
 * The component's own word for its state, unless it contradicts the status of
 * its answer: nobody serves by saying so.
 */

void
ngx_http_prodorder_health_state_read(ngx_http_prodorder_probe_t *probe)
{
    const struct value  *said;

    if (!probe->answered) {
        ngx_str_set(&probe->state, "unreachable");
        return;
    }

    said = probe->report ? value_get(probe->report, "status") : NULL;

    if (said && said->type == VALUE_STRING) {
        probe->state.len = said->text.len;
        probe->state.data = (u_char *) said->text.data;

        if (probe->status == NGX_HTTP_OK
            || !(ngx_http_prodorder_probe_says(probe, "ready")
                 || ngx_http_prodorder_probe_says(probe, "degraded")))
        {
            return;
        }
    }

    if (probe->status == NGX_HTTP_OK) {
        ngx_str_set(&probe->state, "ready");

    } else {
        ngx_str_set(&probe->state, "unavailable");
    }
}


char *
ngx_http_prodorder_health_state(ngx_array_t *probes)
{
    char                        *state;
    ngx_uint_t                   i;
    ngx_http_prodorder_probe_t  *probe;

    state = "ready";
    probe = probes->elts;

    for (i = 0; i < probes->nelts; i++) {

        if (!ngx_http_prodorder_probe_serves(&probe[i])) {
            return NULL;
        }

        if (ngx_http_prodorder_probe_says(&probe[i], "degraded")) {
            state = "degraded";
        }
    }

    return state;
}


/* The status decides, except when the word takes it back. */

static ngx_uint_t
ngx_http_prodorder_probe_serves(ngx_http_prodorder_probe_t *probe)
{
    return probe->status == NGX_HTTP_OK
           && !ngx_http_prodorder_probe_says(probe, "unavailable")
           && !ngx_http_prodorder_probe_says(probe, "unreachable")
           && !ngx_http_prodorder_probe_says(probe, "draining");
}


static ngx_uint_t
ngx_http_prodorder_probe_says(ngx_http_prodorder_probe_t *probe,
    const char *state)
{
    return probe->state.len == ngx_strlen(state)
           && ngx_strncmp(probe->state.data, state, probe->state.len) == 0;
}


ngx_int_t
ngx_http_prodorder_health_state_text(ngx_http_request_t *r, ngx_array_t *probes,
    ngx_str_t *ret)
{
    ngx_http_prodorder_json_t  json;

    json.pos = NULL;
    json.len = 0;
    ngx_http_prodorder_components_text(&json, probes);

    ret->len = json.len;
    ret->data = ngx_pnalloc(r->pool, json.len);
    if (ret->data == NULL) {
        return NGX_ERROR;
    }

    json.pos = ret->data;
    ngx_http_prodorder_components_text(&json, probes);

    return NGX_OK;
}


static void
ngx_http_prodorder_components_text(ngx_http_prodorder_json_t *json,
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


/* The report; its status is the state, whatever it has there itself. */

static void
ngx_http_prodorder_component_text(ngx_http_prodorder_json_t *json,
    ngx_http_prodorder_probe_t *probe)
{
    struct value  *member;

    ngx_http_prodorder_json_text(json, "{\"status\":");
    ngx_http_prodorder_json_string(json, probe->state.data, probe->state.len);

    member = probe->report ? probe->report->child : NULL;

    for ( /* void */ ; member; member = member->next) {

        if (str_equal(member->key, STR("status"))) {
            continue;
        }

        ngx_http_prodorder_json_text(json, ",");
        ngx_http_prodorder_json_string(json, (u_char *) member->key.data,
                                       member->key.len);
        ngx_http_prodorder_json_text(json, ":");
        ngx_http_prodorder_json_raw(json, member->raw.data, member->raw.len);
    }

    ngx_http_prodorder_json_text(json, "}");
}
