/* Metrics: declared in tables, updated from any thread, rendered for Prometheus. */
#include "metrics.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/decimal.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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
    for (size_t t = 0; t < table_count; t++) {
        if (tables[t].rows == table) {
            return;
        }
    }
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
    buf_appendf(out, "# HELP %s ", metric->name);
    append_help(out, metric->help);
    buf_appendf(out, "\n# TYPE %s %s\n", metric->name, TYPES[metric->type]);
}

/* name + suffix {labels,le="…"} and the space before the value. */
static void append_series(struct buf *out, const struct metric *metric, const char *suffix,
                          const char *le) {
    bool has_labels = metric->labels != NULL && metric->labels[0] != '\0';
    buf_appendf(out, "%s%s", metric->name, suffix);
    if (has_labels || le != NULL) {
        buf_append_char(out, '{');
        buf_append_str(out, has_labels ? metric->labels : "");
        if (le != NULL) {
            buf_appendf(out, "%sle=\"%s\"", has_labels ? "," : "", le);
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

/* ---- process_*, as Prometheus clients name them; what the system does not tell is missing ---- */

static void append_plain(struct buf *out, const char *name, const char *type, const char *help,
                         int64_t value, unsigned scale) {
    char text[DECIMAL_TEXT_BYTES];
    decimal_format(value, scale, 0, text);
    buf_appendf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type, name, text);
}

static void append_memory(struct buf *out) {
    int64_t virtual_pages, resident_pages;
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &virtual_pages, &resident_pages) == 2) {
        append_plain(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes",
                     virtual_pages * page_bytes, 0);
        append_plain(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes",
                     resident_pages * page_bytes, 0);
    }
    fclose(file);
}

static void append_cpu(struct buf *out) {
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        append_plain(out, "process_cpu_seconds_total", "counter",
                     "User and system CPU time in seconds",
                     (int64_t)cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000, 6);
    }
}

static void append_fds(struct buf *out) {
    struct rlimit limit;
    DIR *fds = opendir("/proc/self/fd");
    if (fds != NULL) {
        int64_t count = -1; /* the one that lists them */
        for (const struct dirent *entry; (entry = readdir(fds)) != NULL;) {
            count += entry->d_name[0] != '.';
        }
        closedir(fds);
        append_plain(out, "process_open_fds", "gauge", "Open file descriptors", count, 0);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        append_plain(out, "process_max_fds", "gauge", "Limit on open file descriptors",
                     (int64_t)limit.rlim_cur, 0);
    }
}

/* Milliseconds from the machine's boot to this process's start (proc(5), stat, field 22); or -1. */
static int64_t read_start_after_boot_ms(void) {
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return -1;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *field = strrchr(text, ')'); /* the end of field 2, which may hold anything */
    for (int i = 2; i < 22 && field != NULL; i++) {
        field = strchr(field + 1, ' ');
    }
    int64_t ticks;
    if (field == NULL || sscanf(field, " %" SCNd64, &ticks) != 1) {
        return -1;
    }
    return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

static void append_start_time(struct buf *out) {
    static int64_t start_unix_ms; /* read once, so that it never seems to move */
    if (start_unix_ms == 0) {
        struct timespec up;
        int64_t after_boot_ms = read_start_after_boot_ms();
        if (after_boot_ms < 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
            return;
        }
        int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
        start_unix_ms = clock_unix_ms() - up_ms + after_boot_ms;
    }
    append_plain(out, "process_start_time_seconds", "gauge",
                 "Start of the process, in seconds since 1970", start_unix_ms, 3);
}

static void append_process(struct buf *out) {
    append_cpu(out);
    append_memory(out);
    append_fds(out);
    append_start_time(out);
}

/* ---- all ---- */

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
    append_process(out);
}
