
/*
 * Counting: the zone, the numbers of operations, one function in the LOG phase.
 */


#include "ngx_http_prodorder_metrics.h"

#include <ngx_md5.h>


/* r->limit_req_status and r->limit_conn_status, as the core's modules set them */
#define NGX_HTTP_PRODORDER_REQ_DELAYED    2
#define NGX_HTTP_PRODORDER_REQ_REJECTED   3
#define NGX_HTTP_PRODORDER_CONN_REFUSED   2


/* What document_visit() carries along. */
typedef struct {
    ngx_array_t  *operations;                    /* of operation_t */
    ngx_uint_t    failed;                        /* unsigned  failed:1; */
} ngx_http_prodorder_visit_t;


static ngx_int_t ngx_http_prodorder_number_operations(ngx_conf_t *cf,
    ngx_http_prodorder_main_conf_t *pmcf);
static void ngx_http_prodorder_collect_operation(void *data,
    struct operation *operation);
static void ngx_http_prodorder_number_operation(void *data,
    struct operation *operation);
static int ngx_libc_cdecl ngx_http_prodorder_compare(const void *one,
    const void *two);
static void ngx_http_prodorder_unique(ngx_array_t *operations);
static ngx_int_t ngx_http_prodorder_metrics_zone(ngx_conf_t *cf,
    ngx_http_prodorder_main_conf_t *pmcf);
static ngx_int_t ngx_http_prodorder_init_zone(ngx_shm_zone_t *zone, void *old);
static ngx_int_t ngx_http_prodorder_log_handler(ngx_http_request_t *r);
static void ngx_http_prodorder_count_times(ngx_http_request_t *r,
    ngx_http_prodorder_row_t *row);
static void ngx_http_prodorder_observe(
    ngx_http_prodorder_histogram_t *histogram, ngx_msec_t time);
static void ngx_http_prodorder_count_limits(ngx_http_request_t *r,
    ngx_http_prodorder_counters_t *counters);


static const ngx_msec_t  ngx_http_prodorder_bounds[NGX_HTTP_PRODORDER_BOUNDS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000
};


char *
ngx_http_prodorder_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_prodorder_loc_conf_t *plcf = conf;

    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_prodorder_main_conf_t  *pmcf;

    if (plcf->metrics) {
        return "is duplicate";
    }

    plcf->metrics = 1;

    pmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_prodorder_gateway_module);
    pmcf->has_metrics = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_prodorder_metrics_text_handler;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_prodorder_metrics_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt             *h;
    ngx_http_core_main_conf_t       *cmcf;
    ngx_http_prodorder_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_prodorder_gateway_module);

    if (!pmcf->has_metrics) {
        return NGX_OK;
    }

    if (ngx_http_prodorder_number_operations(cf, pmcf) != NGX_OK
        || ngx_http_prodorder_metrics_zone(cf, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_prodorder_log_handler;

    return NGX_OK;
}


/*
 * Operations of the same name are one, in whatever document they stand: each
 * name gets a row, in alphabetical order, and the operation that row's number.
 */

static ngx_int_t
ngx_http_prodorder_number_operations(ngx_conf_t *cf,
    ngx_http_prodorder_main_conf_t *pmcf)
{
    ngx_uint_t                  i;
    struct document           **document;
    ngx_http_prodorder_visit_t  visit;

    if (ngx_array_init(&pmcf->operations, cf->pool, 16,
                       sizeof(ngx_http_prodorder_operation_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    visit.operations = &pmcf->operations;
    visit.failed = 0;

    document = pmcf->documents.elts;

    for (i = 0; i < pmcf->documents.nelts; i++) {
        document_visit(document[i], ngx_http_prodorder_collect_operation,
                       &visit);
    }

    if (visit.failed) {
        return NGX_ERROR;
    }

    ngx_qsort(pmcf->operations.elts, pmcf->operations.nelts,
              sizeof(ngx_http_prodorder_operation_t),
              ngx_http_prodorder_compare);
    ngx_http_prodorder_unique(&pmcf->operations);

    for (i = 0; i < pmcf->documents.nelts; i++) {
        document_visit(document[i], ngx_http_prodorder_number_operation,
                       &visit);
    }

    return NGX_OK;
}


static void
ngx_http_prodorder_collect_operation(void *data,
    struct operation *operation)
{
    ngx_http_prodorder_visit_t *visit = data;

    ngx_http_prodorder_operation_t  *op;

    op = ngx_array_push(visit->operations);

    if (op == NULL) {
        visit->failed = 1;
        return;
    }

    op->name.data = (u_char *) operation->id.data;
    op->name.len = operation->id.len;
    op->success = operation->success_status;
}


static void
ngx_http_prodorder_number_operation(void *data, struct operation *operation)
{
    ngx_http_prodorder_visit_t *visit = data;

    ngx_http_prodorder_operation_t   op, *found;

    op.name.data = (u_char *) operation->id.data;
    op.name.len = operation->id.len;

    found = bsearch(&op, visit->operations->elts, visit->operations->nelts,
                    sizeof(ngx_http_prodorder_operation_t),
                    ngx_http_prodorder_compare);

    operation->number = (unsigned)
        (found - (ngx_http_prodorder_operation_t *) visit->operations->elts) + 1;
}


static int ngx_libc_cdecl
ngx_http_prodorder_compare(const void *one, const void *two)
{
    const ngx_http_prodorder_operation_t *a = one;
    const ngx_http_prodorder_operation_t *b = two;

    return (int) ngx_memn2cmp(a->name.data, b->name.data, a->name.len,
                              b->name.len);
}


/* of a sorted array */

static void
ngx_http_prodorder_unique(ngx_array_t *operations)
{
    ngx_uint_t                       i, n;
    ngx_http_prodorder_operation_t  *op;

    op = operations->elts;

    for (i = 0, n = 0; i < operations->nelts; i++) {

        if (n == 0 || ngx_http_prodorder_compare(&op[n - 1], &op[i]) != 0) {
            op[n++] = op[i];
        }
    }

    operations->nelts = n;
}


static ngx_int_t
ngx_http_prodorder_metrics_zone(ngx_conf_t *cf,
    ngx_http_prodorder_main_conf_t *pmcf)
{
    u_char                           digest[16], *p;
    size_t                           size;
    ngx_md5_t                        md5;
    ngx_str_t                        name;
    ngx_uint_t                       i;
    ngx_http_prodorder_operation_t  *op;

    size = sizeof(ngx_http_prodorder_counters_t)
           + pmcf->operations.nelts * sizeof(ngx_http_prodorder_row_t);

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, &size, sizeof(size));

    op = pmcf->operations.elts;

    for (i = 0; i < pmcf->operations.nelts; i++) {
        ngx_md5_update(&md5, &op[i].name.len, sizeof(op[i].name.len));
        ngx_md5_update(&md5, op[i].name.data, op[i].name.len);
    }

    ngx_md5_final(digest, &md5);

    name.len = sizeof("prodorder_metrics_") - 1 + 2 * sizeof(digest);
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name.data, "prodorder_metrics_",
                   sizeof("prodorder_metrics_") - 1);
    (void) ngx_hex_dump(p, digest, sizeof(digest));

    /* nginx's own tables in the zone take less than this */

    pmcf->metrics = ngx_shared_memory_add(cf, &name,
                                          size + size / 64 + 8 * ngx_pagesize,
                                          &ngx_http_prodorder_gateway_module);
    if (pmcf->metrics == NULL) {
        return NGX_ERROR;
    }

    pmcf->metrics->init = ngx_http_prodorder_init_zone;
    pmcf->metrics->data = pmcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_init_zone(ngx_shm_zone_t *zone, void *old)
{
    ngx_slab_pool_t                 *pool;
    ngx_http_prodorder_main_conf_t  *pmcf;
    ngx_http_prodorder_counters_t   *counters;

    pmcf = zone->data;

    if (old) {
        zone->data = old;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    counters = ngx_slab_calloc(pool, sizeof(ngx_http_prodorder_counters_t)
                                     + pmcf->operations.nelts
                                       * sizeof(ngx_http_prodorder_row_t));
    if (counters == NULL) {
        return NGX_ERROR;
    }

    counters->started = ngx_time();
    zone->data = counters;

    return NGX_OK;
}


/* A configuration is in use when its modules are initialized, not before. */

ngx_int_t
ngx_http_prodorder_metrics_loaded(ngx_cycle_t *cycle)
{
    ngx_http_prodorder_counters_t   *counters;
    ngx_http_prodorder_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                           ngx_http_prodorder_gateway_module);

    if (pmcf && pmcf->metrics) {
        counters = pmcf->metrics->data;
        counters->loaded = ngx_time();
        (void) ngx_atomic_fetch_add(&counters->loads, 1);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_prodorder_log_handler(ngx_http_request_t *r)
{
    ngx_uint_t                       status;
    ngx_http_prodorder_ctx_t        *ctx;
    ngx_http_prodorder_row_t        *row;
    ngx_http_prodorder_outcome_e     outcome;
    ngx_http_prodorder_loc_conf_t   *plcf;
    ngx_http_prodorder_counters_t   *counters;
    const struct operation          *operation;
    ngx_http_prodorder_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_prodorder_gateway_module);

    if (r != r->main || !plcf->gateway) {
        return NGX_OK;
    }

    ctx = ngx_http_prodorder_request_ctx(r);

    if (ctx == NULL) {
        return NGX_OK;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_prodorder_gateway_module);
    counters = pmcf->metrics->data;

    operation = ngx_http_prodorder_request_operation(r, ctx);

    row = &counters->rows[operation ? operation->number : 0];

    status = ngx_http_prodorder_request_status(r);

    status = status < NGX_HTTP_PRODORDER_STATUS_MIN
             || status > NGX_HTTP_PRODORDER_STATUS_MAX
             ? 0 : status - NGX_HTTP_PRODORDER_STATUS_MIN + 1;

    (void) ngx_atomic_fetch_add(&row->statuses[status], 1);

    outcome = ctx->verdict == NGX_HTTP_PRODORDER_VALID
              ? NGX_HTTP_PRODORDER_COUNT_VALID
              : ctx->verdict == NGX_HTTP_PRODORDER_INVALID
                ? NGX_HTTP_PRODORDER_COUNT_INVALID
                : NGX_HTTP_PRODORDER_COUNT_NONE;

    (void) ngx_atomic_fetch_add(&row->outcomes[outcome], 1);

    ngx_http_prodorder_count_times(r, row);
    ngx_http_prodorder_count_limits(r, counters);

    return NGX_OK;
}


static void
ngx_http_prodorder_count_times(ngx_http_request_t *r,
    ngx_http_prodorder_row_t *row)
{
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    ngx_http_prodorder_observe(&row->request,
                               ngx_http_prodorder_request_duration(r));

    if (r->upstream_states == NULL) {
        return;
    }

    /* each attempt; between those of two upstreams stands one without a peer */

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer && state[i].response_time != (ngx_msec_t) -1) {
            ngx_http_prodorder_observe(&row->upstream,
                                       state[i].response_time);
        }
    }
}


static void
ngx_http_prodorder_observe(ngx_http_prodorder_histogram_t *histogram,
    ngx_msec_t time)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRODORDER_BOUNDS; i++) {
        if (time <= ngx_http_prodorder_bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&histogram->buckets[i], 1);

    if (time) {
        (void) ngx_atomic_fetch_add(&histogram->sum, time);
    }
}


static void
ngx_http_prodorder_count_limits(ngx_http_request_t *r,
    ngx_http_prodorder_counters_t *counters)
{
    if (r->limit_req_status == NGX_HTTP_PRODORDER_REQ_DELAYED) {
        (void) ngx_atomic_fetch_add(
                            &counters->limits[NGX_HTTP_PRODORDER_DELAYED], 1);

    } else if (r->limit_req_status == NGX_HTTP_PRODORDER_REQ_REJECTED) {
        (void) ngx_atomic_fetch_add(
                      &counters->limits[NGX_HTTP_PRODORDER_RATE_REJECTED], 1);
    }

    if (r->limit_conn_status == NGX_HTTP_PRODORDER_CONN_REFUSED) {
        (void) ngx_atomic_fetch_add(
                      &counters->limits[NGX_HTTP_PRODORDER_CONN_REJECTED], 1);
    }
}
