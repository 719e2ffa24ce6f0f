/*
 * Prometheus metrics (text format 0.0.4): counters, gauges and histograms, declared once in tables.
 *
 *   enum { M_ORDERS_STORED, M_INSERT_SECONDS, METRIC_COUNT };
 *   static struct metric METRICS[METRIC_COUNT] = {
 *       [M_ORDERS_STORED] = { "prodorder_orders_stored_total", METRIC_COUNTER, "Stored" },
 *       …
 *   };
 *   metrics_register(METRICS, METRIC_COUNT);
 *   metrics_add(&METRICS[M_ORDERS_STORED], 1);
 *
 * Rows with the same name and different `labels` must be neighbours; HELP and TYPE are written
 * once. Updates are atomic and may come from any thread; rendering belongs to the loop's thread.
 */
#ifndef RUNTIME_TELEMETRY_METRICS_H
#define RUNTIME_TELEMETRY_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM_SECONDS, METRIC_HISTOGRAM_SIZE };

enum { METRIC_BUCKETS_MAX = 20 };

struct metric {
    const char *name; /* prodorder_<noun>_<unit>[_total] */
    enum metric_type type;
    const char *help;
    const char *labels; /* constant, as written between the braces: status="done"; NULL: none */
    int64_t (*read)(
        void); /* gauges only: read at render time instead of `value`; NULL: use value */
    _Atomic int64_t value; /* counter or gauge; histogram: count */
    _Atomic int64_t sum;   /* histogram: microseconds, or plain sum for sizes */
    _Atomic int64_t buckets[METRIC_BUCKETS_MAX];
};

enum { METRIC_TABLES_MAX = 16 };

/*
 * `table` must stay for the life of the process; once more is harmless. At start-up, loop thread.
 */
void metrics_register(struct metric *table, size_t count);

void metrics_add(struct metric *metric, int64_t by);
void metrics_set(struct metric *metric, int64_t value);
/*
 * Histogram of seconds (fed in microseconds; buckets 100 µs … 10 s) or of sizes (1, 2, 5, 10 …
 * 5000).
 */
void metrics_observe(struct metric *metric, int64_t value);

/*
 * Append every registered metric, and process_* basics (resident memory, open fds, start time,
 * cpu).
 */
void metrics_render(struct buf *out);

#endif
