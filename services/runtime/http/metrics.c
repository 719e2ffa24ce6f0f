#include "metrics.h"

#include "runtime/telemetry/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = 4, LABEL_BYTES = 96 }; /* 2xx to 5xx: nothing else ends a request */

struct http_metrics {
    struct http_metrics *next; /* of the process */
    const struct http_route *routes;
    size_t route_count;
    struct metric *requests; /* [route][class], the row of "none" last */
    struct metric *seconds;  /* [route] */
    struct metric *connections;
    struct metric *refused;
    struct metric *malformed;
    struct metric *timeouts;
    char (*labels)[LABEL_BYTES];
};

static struct http_metrics *process_metrics;

static const char *make_label(struct http_metrics *metrics, size_t row, size_t route, int class) {
    const char *name = route < metrics->route_count ? metrics->routes[route].name : "none";
    char *label = metrics->labels[row];
    if (class == 0) {
        snprintf(label, LABEL_BYTES, "route=\"%s\"", name);
    } else {
        snprintf(label, LABEL_BYTES, "route=\"%s\",class=\"%dxx\"", name, class);
    }
    return label;
}

static struct metric *declare(struct metric *metric, const char *name, enum metric_type type,
                              const char *help) {
    metric->name = name;
    metric->type = type;
    metric->help = help;
    return metric;
}

static void declare_all(struct http_metrics *metrics, struct metric *rows) {
    size_t row = 0;
    metrics->requests = rows;
    for (size_t route = 0; route <= metrics->route_count; route++) {
        for (int class = 0; class < CLASSES; class ++, row++) {
            declare(&rows[row], "prodorder_http_requests_total", METRIC_COUNTER,
                    "Requests answered, by route and class of status");
            rows[row].labels = make_label(metrics, row, route, class + 2);
        }
    }
    metrics->seconds = &rows[row];
    for (size_t route = 0; route <= metrics->route_count; route++, row++) {
        declare(&rows[row], "prodorder_http_request_seconds", METRIC_HISTOGRAM_SECONDS,
                "From a complete request to its answer");
        rows[row].labels = make_label(metrics, row, route, 0);
    }
    metrics->connections = declare(&rows[row++], "prodorder_http_connections", METRIC_GAUGE,
                                   "Open connections of clients");
    metrics->refused = declare(&rows[row++], "prodorder_http_connections_refused_total",
                               METRIC_COUNTER, "Connections over the limit, answered 503");
    metrics->malformed = declare(&rows[row++], "prodorder_http_parse_errors_total", METRIC_COUNTER,
                                 "Requests refused because of their form or size");
    metrics->timeouts = declare(&rows[row++], "prodorder_http_timeouts_total", METRIC_COUNTER,
                                "Requests not received, or answers not taken, in time");
    metrics_register(rows, row);
}

static struct http_metrics *find(const struct http_route *routes, size_t route_count) {
    struct http_metrics *metrics = process_metrics;
    while (metrics != NULL && (metrics->routes != routes || metrics->route_count != route_count)) {
        metrics = metrics->next;
    }
    return metrics;
}

enum err http_metrics_open(const struct http_route *routes, size_t route_count,
                           struct http_metrics **ret_metrics) {
    struct http_metrics *metrics = find(routes, route_count);
    if (metrics != NULL) {
        *ret_metrics = metrics;
        return ERR_OK;
    }
    size_t labelled = (route_count + 1) * (CLASSES + 1);
    struct metric *rows = calloc(labelled + 4, sizeof(*rows));
    metrics = calloc(1, sizeof(*metrics));
    if (metrics != NULL) {
        metrics->labels = calloc(labelled, sizeof(*metrics->labels));
    }
    if (rows == NULL || metrics == NULL || metrics->labels == NULL) {
        free(metrics == NULL ? NULL : metrics->labels);
        free(metrics);
        free(rows);
        return ERR_NO_MEMORY;
    }
    metrics->routes = routes;
    metrics->route_count = route_count;
    declare_all(metrics, rows);
    metrics->next = process_metrics;
    process_metrics = metrics;
    *ret_metrics = metrics;
    return ERR_OK;
}

void http_metrics_request(struct http_metrics *metrics, size_t route, int status,
                          uint64_t took_us) {
    size_t row = route < metrics->route_count ? route : metrics->route_count;
    int class = status / 100 - 2;
    if (class >= 0 && class < CLASSES) {
        metrics_add(&metrics->requests[row * CLASSES + (size_t) class], 1);
    }
    metrics_observe(&metrics->seconds[row], (int64_t)took_us);
}

void http_metrics_connections(struct http_metrics *metrics, int by) {
    metrics_add(metrics->connections, by);
}

void http_metrics_refused(struct http_metrics *metrics) {
    metrics_add(metrics->refused, 1);
}

void http_metrics_malformed(struct http_metrics *metrics) {
    metrics_add(metrics->malformed, 1);
}

void http_metrics_timeout(struct http_metrics *metrics) {
    metrics_add(metrics->timeouts, 1);
}
