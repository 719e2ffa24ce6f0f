#include "metrics.h"

#include "base/ascii.h"
#include "base/decimal.h"
#include "metrics_process.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct bucket_set {
    size_t count; /* the bucket for more than the last bound, +Inf, comes behind them */
    struct {
        int64_t bound; /* inclusive, in the unit that metrics_observe() takes */
        const char *text;
    } buckets[METRIC_BUCKETS_MAX - 1];
};

static const struct bucket_set SECONDS = {
    16,
    { { 100, "0.0001" },
      { 250, "0.00025" },
      { 500, "0.0005" },
      { 1000, "0.001" },
      { 2500, "0.0025" },
      { 5000, "0.005" },
      { 10000, "0.01" },
      { 25000, "0.025" },
      { 50000, "0.05" },
      { 100000, "0.1" },
      { 250000, "0.25" },
      { 500000, "0.5" },
      { 1000000, "1" },
      { 2500000, "2.5" },
      { 5000000, "5" },
      { 10000000, "10" } },
};

static const struct bucket_set SIZES = {
    12,
    { { 1, "1" },
      { 2, "2" },
      { 5, "5" },
      { 10, "10" },
      { 20, "20" },
      { 50, "50" },
      { 100, "100" },
      { 200, "200" },
      { 500, "500" },
      { 1000, "1000" },
      { 2000, "2000" },
      { 5000, "5000" } },
};

static struct {
    struct metric *rows;
    size_t count;
} tables[METRIC_TABLES_MAX];
static size_t table_count;

/* ---- declaration ---- */

static bool is_valid_name(const char *name) {
    if (name[0] == '\0' || ascii_is_digit(name[0])) {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!ascii_is_alnum(*name) && *name != '_' && *name != ':') {
            return false;
        }
    }
    return true;
}

static bool same_name(const struct metric *a, const struct metric *b) {
    return strcmp(a->name, b->name) == 0;
}

/*
 * Whether `metric` continues the family of the row before it; anywhere else its name must be new.
 */
static bool is_new_family(const struct metric *metric) {
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            if (&tables[t].rows[i] == metric) {
                return true;
            }
            if (same_name(&tables[t].rows[i], metric)) {
                return false;
            }
        }
    }
    return true;
}

void metrics_register(struct metric *table, size_t count) {
    assert(table_count < METRIC_TABLES_MAX);
    tables[table_count].rows = table;
    tables[table_count].count = count;
    table_count++;
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &table[i];
        bool continues = i > 0 && same_name(metric, metric - 1);
        assert(metric->name != NULL && metric->help != NULL && is_valid_name(metric->name));
        assert(metric->read == NULL || metric->type == METRIC_GAUGE);
        assert(continues ? metric->type == metric[-1].type : is_new_family(metric));
        (void)continues;
    }
}

/* ---- updates ---- */

static const struct bucket_set *bucket_set(const struct metric *metric) {
    assert(metric->type == METRIC_HISTOGRAM_SECONDS || metric->type == METRIC_HISTOGRAM_SIZE);
    return metric->type == METRIC_HISTOGRAM_SECONDS ? &SECONDS : &SIZES;
}

void metrics_add(struct metric *metric, int64_t by) {
    assert(metric->type == METRIC_GAUGE || (metric->type == METRIC_COUNTER && by >= 0));
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}

void metrics_set(struct metric *metric, int64_t value) {
    assert(metric->type == METRIC_GAUGE);
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metrics_observe(struct metric *metric, int64_t value) {
    const struct bucket_set *set = bucket_set(metric);
    int64_t observed = value < 0 ? 0 : value;
    size_t bucket = 0;
    while (bucket < set->count && observed > set->buckets[bucket].bound) {
        bucket++;
    }
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum, observed, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, 1, memory_order_relaxed);
}

/* ---- rendering ---- */

static int64_t load(const _Atomic int64_t *value) {
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* HELP text: backslash and line feed are escaped. */
static void append_help(struct buf *out, const char *help) {
    for (; *help != '\0'; help++) {
        if (*help == '\\' || *help == '\n') {
            buf_append_char(out, '\\');
        }
        buf_append_char(out, *help == '\n' ? 'n' : *help);
    }
}

static void append_head(struct buf *out, const struct metric *metric) {
    static const char *const TYPES[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM_SECONDS] = "histogram",
        [METRIC_HISTOGRAM_SIZE] = "histogram",
    };
    buf_append_str(out, "# HELP ");
    buf_append_str(out, metric->name);
    buf_append_char(out, ' ');
    append_help(out, metric->help);
    buf_append_str(out, "\n# TYPE ");
    buf_append_str(out, metric->name);
    buf_append_char(out, ' ');
    buf_append_str(out, TYPES[metric->type]);
    buf_append_char(out, '\n');
}

/* name + suffix {labels,le="…"} and the space before the value. */
static void append_series(struct buf *out, const struct metric *metric, const char *suffix,
                          const char *le) {
    bool has_labels = metric->labels != NULL && metric->labels[0] != '\0';
    buf_append_str(out, metric->name);
    buf_append_str(out, suffix);
    if (has_labels || le != NULL) {
        buf_append_char(out, '{');
        buf_append_str(out, has_labels ? metric->labels : "");
        buf_append_str(out, has_labels && le != NULL ? "," : "");
        if (le != NULL) {
            buf_append_str(out, "le=\"");
            buf_append_str(out, le);
            buf_append_char(out, '"');
        }
        buf_append_char(out, '}');
    }
    buf_append_char(out, ' ');
}

static void append_count(struct buf *out, const struct metric *metric, const char *suffix,
                         const char *le, int64_t count) {
    append_series(out, metric, suffix, le);
    buf_append_int(out, count);
    buf_append_char(out, '\n');
}

/* The count is that of the buckets read here, so that a scrape agrees with itself. */
static void append_histogram(struct buf *out, const struct metric *metric) {
    const struct bucket_set *set = bucket_set(metric);
    int64_t count = 0;
    for (size_t i = 0; i <= set->count; i++) {
        count += load(&metric->buckets[i]);
        append_count(out, metric, "_bucket", i < set->count ? set->buckets[i].text : "+Inf", count);
    }
    char sum[DECIMAL_TEXT_BYTES];
    decimal_format(load(&metric->sum), metric->type == METRIC_HISTOGRAM_SECONDS ? 6 : 0, 0, sum);
    append_series(out, metric, "_sum", NULL);
    buf_append_str(out, sum);
    buf_append_char(out, '\n');
    append_count(out, metric, "_count", NULL, count);
}

static void append_metric(struct buf *out, const struct metric *metric) {
    if (metric->type == METRIC_HISTOGRAM_SECONDS || metric->type == METRIC_HISTOGRAM_SIZE) {
        append_histogram(out, metric);
        return;
    }
    int64_t value = metric->read != NULL ? metric->read() : load(&metric->value);
    append_count(out, metric, "", NULL, value);
}

void metrics_render(struct buf *out) {
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const struct metric *metric = &tables[t].rows[i];
            if (i == 0 || !same_name(metric, metric - 1)) {
                append_head(out, metric);
            }
            append_metric(out, metric);
        }
    }
    metrics_render_process(out);
}
