
/*
 * prodorder_metrics: what is counted, as Prometheus reads it.
 *
 * Source: Prometheus text exposition format 0.0.4.
 */


#include "ngx_http_prodorder_metrics.h"


#define NGX_HTTP_PRODORDER_VERSION    "0.1.0"

/* The text grows by buffers of this size. */
#define NGX_HTTP_PRODORDER_TEXT_SIZE  16384


/* nginx has them when it was built with its stub_status module, else NULL. */

extern ngx_atomic_t  *ngx_stat_accepted __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_handled __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_active __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_reading __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_writing __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_waiting __attribute__((weak));


typedef struct {
    ngx_pool_t                      *pool;
    ngx_chain_t                     *first;
    ngx_chain_t                    **last;
    ngx_buf_t                       *buf;
    ngx_uint_t                       failed;     /* unsigned  failed:1; */

    ngx_http_prodorder_counters_t   *counters;
    ngx_http_prodorder_main_conf_t  *conf;
} ngx_http_prodorder_scrape_t;


static void ngx_http_prodorder_scrape_all(ngx_http_prodorder_scrape_t *s);
static void ngx_http_prodorder_scrape_info(ngx_http_prodorder_scrape_t *s);
static void ngx_http_prodorder_scrape_requests(ngx_http_prodorder_scrape_t *s);
static void ngx_http_prodorder_scrape_outcomes(ngx_http_prodorder_scrape_t *s);
static void ngx_http_prodorder_scrape_histograms(
    ngx_http_prodorder_scrape_t *s, char *name, char *help, size_t offset);
static void ngx_http_prodorder_scrape_histogram(ngx_http_prodorder_scrape_t *s,
    char *name, ngx_uint_t row, ngx_http_prodorder_histogram_t *histogram);
static void ngx_http_prodorder_scrape_limits(ngx_http_prodorder_scrape_t *s);
static void ngx_http_prodorder_scrape_connections(
    ngx_http_prodorder_scrape_t *s);

static void ngx_http_prodorder_scrape_head(ngx_http_prodorder_scrape_t *s,
    char *name, char *type, char *help);
static void ngx_http_prodorder_scrape_operation(
    ngx_http_prodorder_scrape_t *s, char *name, ngx_uint_t row);
static void ngx_http_prodorder_scrape_print(ngx_http_prodorder_scrape_t *s,
    const char *format, ...);
static void ngx_http_prodorder_scrape_write(ngx_http_prodorder_scrape_t *s,
    const void *data, size_t len);
static ngx_int_t ngx_http_prodorder_scrape_grow(
    ngx_http_prodorder_scrape_t *s);


ngx_int_t
ngx_http_prodorder_metrics_text_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_prodorder_scrape_t  s;

    rc = ngx_http_prodorder_request_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&s, sizeof(ngx_http_prodorder_scrape_t));

    s.pool = r->pool;
    s.last = &s.first;
    s.conf = ngx_http_get_module_main_conf(r,
                                           ngx_http_prodorder_gateway_module);
    s.counters = s.conf->metrics->data;

    ngx_http_prodorder_scrape_all(&s);

    if (s.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.charset, "utf-8");

    return ngx_http_prodorder_request_answer(r, NGX_HTTP_OK,
                                             "text/plain; version=0.0.4",
                                             s.first);
}


static void
ngx_http_prodorder_scrape_all(ngx_http_prodorder_scrape_t *s)
{
    ngx_http_prodorder_scrape_info(s);
    ngx_http_prodorder_scrape_requests(s);
    ngx_http_prodorder_scrape_outcomes(s);

    ngx_http_prodorder_scrape_histograms(s, "request_seconds",
        "From a request's first byte to its log line",
        offsetof(ngx_http_prodorder_row_t, request));
    ngx_http_prodorder_scrape_histograms(s, "upstream_seconds",
        "One attempt to have a request answered by an upstream",
        offsetof(ngx_http_prodorder_row_t, upstream));
    ngx_http_prodorder_scrape_limits(s);
    ngx_http_prodorder_scrape_connections(s);
}


static void
ngx_http_prodorder_scrape_info(ngx_http_prodorder_scrape_t *s)
{
    ngx_uint_t  loads;

    ngx_http_prodorder_scrape_head(s, "build_info", "gauge",
                                   "The module's version, always 1");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_build_info{version=\"%s\"} 1\n",
        NGX_HTTP_PRODORDER_VERSION);

    ngx_http_prodorder_scrape_head(s, "start_time_seconds", "gauge",
        "When counting began, in seconds since 1970");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_start_time_seconds %uA\n", s->counters->started);

    ngx_http_prodorder_scrape_head(s, "config_time_seconds", "gauge",
        "When the configuration was loaded, in seconds since 1970");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_config_time_seconds %uA\n", s->counters->loaded);

    loads = s->counters->loads;

    ngx_http_prodorder_scrape_head(s, "reloads_total", "counter",
        "Configurations loaded since counting began, without the first");
    ngx_http_prodorder_scrape_print(s, "prodorder_gateway_reloads_total %ui\n",
                                    loads ? loads - 1 : 0);
}


/* Statuses appear when they occur; an operation's success is there before. */

static void
ngx_http_prodorder_scrape_requests(ngx_http_prodorder_scrape_t *s)
{
    ngx_uint_t                      i, row, success, value;
    ngx_http_prodorder_operation_t  *operation;

    ngx_http_prodorder_scrape_head(s, "requests_total", "counter",
        "Requests, by operation and status; 499: the client did not wait");

    operation = s->conf->operations.elts;

    for (row = 0; row <= s->conf->operations.nelts; row++) {
        success = row ? operation[row - 1].success : 0;

        for (i = 0; i < NGX_HTTP_PRODORDER_STATUSES; i++) {
            value = s->counters->rows[row].statuses[i];

            if (value == 0
                && (success == 0
                    || i != success - NGX_HTTP_PRODORDER_STATUS_MIN + 1))
            {
                continue;
            }

            ngx_http_prodorder_scrape_operation(s, "requests_total", row);

            if (i == 0) {
                ngx_http_prodorder_scrape_print(s, ",status=\"other\"} %ui\n",
                                                value);
                continue;
            }

            ngx_http_prodorder_scrape_print(s, ",status=\"%ui\"} %ui\n",
                                        NGX_HTTP_PRODORDER_STATUS_MIN + i - 1,
                                        value);
        }
    }
}


static void
ngx_http_prodorder_scrape_outcomes(ngx_http_prodorder_scrape_t *s)
{
    ngx_uint_t  i, row;

    static const char *results[NGX_HTTP_PRODORDER_OUTCOMES] = {
        "none", "valid", "invalid"
    };

    ngx_http_prodorder_scrape_head(s, "validations_total", "counter",
        "Requests, by operation and result of their validation");

    for (row = 0; row <= s->conf->operations.nelts; row++) {

        for (i = 0; i < NGX_HTTP_PRODORDER_OUTCOMES; i++) {
            ngx_http_prodorder_scrape_operation(s, "validations_total", row);
            ngx_http_prodorder_scrape_print(s, ",result=\"%s\"} %uA\n",
                                    results[i],
                                    s->counters->rows[row].outcomes[i]);
        }
    }
}


static void
ngx_http_prodorder_scrape_histograms(ngx_http_prodorder_scrape_t *s,
    char *name, char *help, size_t offset)
{
    ngx_uint_t  row;

    ngx_http_prodorder_scrape_head(s, name, "histogram", help);

    for (row = 0; row <= s->conf->operations.nelts; row++) {
        ngx_http_prodorder_scrape_histogram(s, name, row,
            (void *) ((char *) &s->counters->rows[row] + offset));
    }
}


/* The count is that of the buckets read here: a scrape agrees with itself. */

static void
ngx_http_prodorder_scrape_histogram(ngx_http_prodorder_scrape_t *s, char *name,
    ngx_uint_t row, ngx_http_prodorder_histogram_t *histogram)
{
    ngx_uint_t  i, count, sum;
    char        series[32];

    /* as the services write them; nginx counts in whole milliseconds */

    static const char *bounds[NGX_HTTP_PRODORDER_BOUNDS + 1] = {
        "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
        "0.5", "1", "2.5", "5", "10", "+Inf"
    };

    count = 0;
    sum = histogram->sum;

    ngx_sprintf((u_char *) series, "%s_bucket%Z", name);

    for (i = 0; i <= NGX_HTTP_PRODORDER_BOUNDS; i++) {
        count += histogram->buckets[i];

        ngx_http_prodorder_scrape_operation(s, series, row);
        ngx_http_prodorder_scrape_print(s, ",le=\"%s\"} %ui\n", bounds[i],
                                        count);
    }

    ngx_sprintf((u_char *) series, "%s_sum%Z", name);
    ngx_http_prodorder_scrape_operation(s, series, row);
    ngx_http_prodorder_scrape_print(s, "} %ui.%03ui\n", sum / 1000,
                                    sum % 1000);

    ngx_sprintf((u_char *) series, "%s_count%Z", name);
    ngx_http_prodorder_scrape_operation(s, series, row);
    ngx_http_prodorder_scrape_print(s, "} %ui\n", count);
}


static void
ngx_http_prodorder_scrape_limits(ngx_http_prodorder_scrape_t *s)
{
    ngx_uint_t  i;

    static const char *labels[NGX_HTTP_PRODORDER_LIMITS] = {
        "limit=\"requests\",action=\"delayed\"",
        "limit=\"requests\",action=\"rejected\"",
        "limit=\"connections\",action=\"rejected\""
    };

    ngx_http_prodorder_scrape_head(s, "limited_total", "counter",
        "Requests that limit_req delayed, or that it or limit_conn rejected");

    for (i = 0; i < NGX_HTTP_PRODORDER_LIMITS; i++) {
        ngx_http_prodorder_scrape_print(s,
            "prodorder_gateway_limited_total{%s} %uA\n", labels[i],
            s->counters->limits[i]);
    }
}


static void
ngx_http_prodorder_scrape_connections(ngx_http_prodorder_scrape_t *s)
{
    /* all of them or none: they stand in the same place of nginx */

    if (&ngx_stat_accepted == NULL || &ngx_stat_waiting == NULL) {
        return;
    }

    ngx_http_prodorder_scrape_head(s, "connections_accepted_total", "counter",
                                   "Connections of clients");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_connections_accepted_total %uA\n",
        *ngx_stat_accepted);

    ngx_http_prodorder_scrape_head(s, "connections_handled_total", "counter",
        "Those that there was room for: see worker_connections");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_connections_handled_total %uA\n",
        *ngx_stat_handled);

    ngx_http_prodorder_scrape_head(s, "connections", "gauge",
        "Open connections: with a request being read, with one being worked "
        "on or answered, idle");
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_connections{state=\"reading\"} %uA\n"
        "prodorder_gateway_connections{state=\"writing\"} %uA\n",
        *ngx_stat_reading, *ngx_stat_writing);
    ngx_http_prodorder_scrape_print(s,
        "prodorder_gateway_connections{state=\"waiting\"} %uA\n",
        *ngx_stat_waiting);
}


static void
ngx_http_prodorder_scrape_head(ngx_http_prodorder_scrape_t *s, char *name,
    char *type, char *help)
{
    ngx_http_prodorder_scrape_print(s,
        "# HELP prodorder_gateway_%s %s\n# TYPE prodorder_gateway_%s %s\n",
        name, help, name, type);
}


/* name{operation="..."   what follows is the caller's */

static void
ngx_http_prodorder_scrape_operation(ngx_http_prodorder_scrape_t *s, char *name,
    ngx_uint_t row)
{
    u_char                          *p, *start, *last;
    ngx_http_prodorder_operation_t  *operation;

    ngx_http_prodorder_scrape_print(s, "prodorder_gateway_%s{operation=\"",
                                    name);

    if (row) {
        operation = s->conf->operations.elts;
        start = operation[row - 1].name.data;
        last = start + operation[row - 1].name.len;

        for (p = start; p < last; p++) {

            if (*p == '\\' || *p == '"' || *p == '\n') {
                ngx_http_prodorder_scrape_write(s, start, p - start);
                ngx_http_prodorder_scrape_write(s, "\\", 1);

                start = p;

                if (*p == '\n') {
                    ngx_http_prodorder_scrape_write(s, "n", 1);
                    start++;
                }
            }
        }

        ngx_http_prodorder_scrape_write(s, start, last - start);
    }

    ngx_http_prodorder_scrape_write(s, "\"", 1);
}


/* for texts of known, short length */

static void
ngx_http_prodorder_scrape_print(ngx_http_prodorder_scrape_t *s,
    const char *format, ...)
{
    u_char   buf[512], *last;
    va_list  args;

    va_start(args, format);
    last = ngx_vslprintf(buf, buf + sizeof(buf), format, args);
    va_end(args);

    ngx_http_prodorder_scrape_write(s, buf, last - buf);
}


static void
ngx_http_prodorder_scrape_write(ngx_http_prodorder_scrape_t *s,
    const void *data, size_t len)
{
    size_t         n;
    const u_char  *p;

    for (p = data; len && !s->failed; p += n, len -= n) {

        if (s->buf == NULL || s->buf->last == s->buf->end) {

            if (ngx_http_prodorder_scrape_grow(s) != NGX_OK) {
                s->failed = 1;
                return;
            }
        }

        n = ngx_min(len, (size_t) (s->buf->end - s->buf->last));

        s->buf->last = ngx_cpymem(s->buf->last, p, n);
    }
}


static ngx_int_t
ngx_http_prodorder_scrape_grow(ngx_http_prodorder_scrape_t *s)
{
    ngx_chain_t  *cl;

    s->buf = ngx_create_temp_buf(s->pool, NGX_HTTP_PRODORDER_TEXT_SIZE);
    cl = ngx_alloc_chain_link(s->pool);

    if (s->buf == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = s->buf;
    cl->next = NULL;

    *s->last = cl;
    s->last = &cl->next;

    return NGX_OK;
}
