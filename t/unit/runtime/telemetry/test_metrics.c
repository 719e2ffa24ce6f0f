/* runtime/telemetry/metrics: the text format, line by line, and its rules. */
#include "runtime/telemetry/metrics.h"

#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_level(void) {
    return -42;
}

enum { M_STORED, M_DONE, M_REJECTED, M_DEPTH, M_LEVEL, M_SECONDS, M_SECONDS_SLOW, M_SIZE, M_COUNT };

static struct metric metrics[M_COUNT] = {
    [M_STORED] = { "test_stored_total", METRIC_COUNTER, "Orders \\ stored\nfor good" },
    [M_DONE] = { "test_decided_total", METRIC_COUNTER, "Decided", .labels = "status=\"done\"" },
    [M_REJECTED] = { "test_decided_total", METRIC_COUNTER, "Decided",
                     .labels = "status=\"rejected\"" },
    [M_DEPTH] = { "test_depth", METRIC_GAUGE, "Depth" },
    [M_LEVEL] = { "test_level", METRIC_GAUGE, "Level", .read = read_level },
    [M_SECONDS] = { "test_insert_seconds", METRIC_HISTOGRAM_SECONDS, "Insert",
                    .labels = "kind=\"fast\"" },
    [M_SECONDS_SLOW] = { "test_insert_seconds", METRIC_HISTOGRAM_SECONDS, "Insert",
                         .labels = "kind=\"slow\"" },
    [M_SIZE] = { "test_batch_size", METRIC_HISTOGRAM_SIZE, "Batch" },
};

static struct buf out;

static void setup(void) {
    buf_init(&out, 0);
    metrics_register(metrics, M_COUNT);
}

static void teardown(void) {
    buf_free(&out);
}

static const char *render(void) {
    buf_clear(&out);
    metrics_render(&out);
    buf_append_char(&out, '\0');
    ck_assert(!out.failed);
    return buf_bytes(&out);
}

static void assert_line(const char *text, const char *line) {
    char whole[256];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    ck_assert_msg(strstr(text, whole) != NULL || strncmp(text, whole + 1, strlen(whole) - 1) == 0,
                  "no line %s", line);
}

static size_t count(const char *text, const char *part) {
    size_t found = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        found++;
    }
    return found;
}

START_TEST(counters_and_gauges) {
    metrics_add(&metrics[M_STORED], 3);
    metrics_add(&metrics[M_STORED], 0);
    metrics_add(&metrics[M_REJECTED], 2);
    metrics_set(&metrics[M_DEPTH], 10);
    metrics_add(&metrics[M_DEPTH], -17);
    const char *text = render();
    assert_line(text, "# HELP test_stored_total Orders \\\\ stored\\nfor good");
    assert_line(text, "# TYPE test_stored_total counter");
    assert_line(text, "test_stored_total 3");
    assert_line(text, "test_decided_total{status=\"done\"} 0");
    assert_line(text, "test_decided_total{status=\"rejected\"} 2");
    assert_line(text, "# TYPE test_depth gauge");
    assert_line(text, "test_depth -7");
    assert_line(text, "test_level -42");
    ck_assert_uint_eq(count(text, "# HELP test_decided_total "), 1);
    ck_assert_uint_eq(count(text, "# TYPE test_decided_total "), 1);
}
END_TEST

START_TEST(histogram_of_seconds) {
    const int64_t observed_us[] = { -5, 0, 100, 101, 1000, 10000000, 10000001 };
    for (size_t i = 0; i < UNIT_COUNT(observed_us); i++) {
        metrics_observe(&metrics[M_SECONDS], observed_us[i]);
    }
    const char *text = render();
    assert_line(text, "# TYPE test_insert_seconds histogram");
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"0.0001\"} 3"); /* inclusive */
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"0.00025\"} 4");
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"0.001\"} 5");
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"5\"} 5");
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"10\"} 6");
    assert_line(text, "test_insert_seconds_bucket{kind=\"fast\",le=\"+Inf\"} 7");
    assert_line(text, "test_insert_seconds_sum{kind=\"fast\"} 20.001202");
    assert_line(text, "test_insert_seconds_count{kind=\"fast\"} 7");
    assert_line(text, "test_insert_seconds_bucket{kind=\"slow\",le=\"+Inf\"} 0");
    assert_line(text, "test_insert_seconds_sum{kind=\"slow\"} 0");
    ck_assert_uint_eq(count(text, "# TYPE test_insert_seconds "), 1);
    ck_assert_uint_eq(count(text, "test_insert_seconds_bucket{kind=\"fast\""), 17);
}
END_TEST

START_TEST(histogram_of_sizes) {
    metrics_observe(&metrics[M_SIZE], 1);
    metrics_observe(&metrics[M_SIZE], 3);
    metrics_observe(&metrics[M_SIZE], 5001);
    const char *text = render();
    assert_line(text, "test_batch_size_bucket{le=\"1\"} 1");
    assert_line(text, "test_batch_size_bucket{le=\"2\"} 1");
    assert_line(text, "test_batch_size_bucket{le=\"5\"} 2");
    assert_line(text, "test_batch_size_bucket{le=\"5000\"} 2");
    assert_line(text, "test_batch_size_bucket{le=\"+Inf\"} 3");
    assert_line(text, "test_batch_size_sum 5005");
    assert_line(text, "test_batch_size_count 3");
}
END_TEST

/* Bounds must grow: a scraper sorts by `le`, and quantiles are wrong otherwise. */
START_TEST(bucket_bounds_grow) {
    char *text = strdup(render());
    double last = -1;
    size_t seen = 0;
    ck_assert_ptr_nonnull(text);
    for (const char *at = text; (at = strstr(at, "le=\"")) != NULL;) {
        at += 4;
        double bound = strtod(at, NULL); /* +Inf included */
        ck_assert_msg(bound > last, "%f after %f", bound, last);
        last = strncmp(at, "+Inf\"", 5) == 0 ? -1 : bound; /* the next histogram begins */
        seen++;
    }
    ck_assert_uint_eq(seen, 17 + 17 + 13);
    free(text);
}
END_TEST

/*
 * Every line is a comment or `name[{labels}] value`, and every family is declared before its
 * samples.
 */
START_TEST(every_line_is_well_formed) {
    char *text = strdup(render());
    char family[128] = "";
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_gt(strlen(text), 0);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
        char type[32], value[64];
        if (sscanf(line, "# TYPE %127s %31s", family, type) == 2 ||
            strncmp(line, "# HELP ", 7) == 0) {
            continue;
        }
        ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%s after %s", line, family);
        const char *space = strrchr(line, ' ');
        ck_assert_ptr_nonnull(space);
        char *end;
        snprintf(value, sizeof(value), "%s", space + 1);
        (void)strtod(value, &end);
        ck_assert_msg(value[0] != '\0' && *end == '\0', "%s", line);
    }
    free(text);
}
END_TEST

static double sample(const char *text, const char *name) {
    char start[128];
    snprintf(start, sizeof(start), "\n%s ", name);
    const char *line = strstr(text, start);
    ck_assert_msg(line != NULL, "%s", name);
    return strtod(line + strlen(start), NULL);
}

START_TEST(process_basics_are_plausible) {
    const char *text = render();
    ck_assert_double_gt(sample(text, "process_resident_memory_bytes"), 100e3);
    ck_assert_double_gt(sample(text, "process_virtual_memory_bytes"),
                        sample(text, "process_resident_memory_bytes"));
    ck_assert_double_ge(sample(text, "process_cpu_seconds_total"), 0);
    ck_assert_double_lt(sample(text, "process_cpu_seconds_total"), 60);
    double open_fds = sample(text, "process_open_fds");
    ck_assert_double_ge(open_fds, 3);
    ck_assert_double_le(open_fds, sample(text, "process_max_fds"));
    double start = sample(text, "process_start_time_seconds");
    ck_assert_double_le(start, (double)time(NULL) + 1);
    ck_assert_double_gt(start, (double)time(NULL) - 3600);
    FILE *one_more = fopen("/dev/null", "r");
    ck_assert_ptr_nonnull(one_more);
    text = render();
    ck_assert_double_eq(sample(text, "process_open_fds"), open_fds + 1);
    ck_assert_double_eq(sample(text, "process_start_time_seconds"), start);
    fclose(one_more);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };

static void *update_often(void *ctx) {
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(&metrics[M_STORED], 1);
        metrics_observe(&metrics[M_SIZE], 2);
    }
    return NULL;
}

START_TEST(no_update_of_any_thread_is_lost) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, update_often, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *text = render();
    assert_line(text, "test_stored_total 80000");
    assert_line(text, "test_batch_size_count 80000");
    assert_line(text, "test_batch_size_sum 160000");
    ck_assert_int_eq(metrics[M_SIZE].value, 80000);
}
END_TEST

START_TEST(a_table_that_is_registered_again_is_shown_once) {
    metrics_register(metrics, M_COUNT);
    ck_assert_uint_eq(count(render(), "# TYPE test_depth gauge"), 1);
}
END_TEST

#ifndef NDEBUG
/* ---- wrong declarations and updates are bugs ---- */

static struct metric apart[] = {
    { "test_apart", METRIC_GAUGE, "A", .labels = "a=\"1\"" },
    { "test_between", METRIC_GAUGE, "B", .labels = NULL },
    { "test_apart", METRIC_GAUGE, "A", .labels = "a=\"2\"" },
};
static struct metric again[] = { { "test_depth", METRIC_GAUGE, "D", .labels = NULL } };
static struct metric mixed[] = {
    { "test_mixed", METRIC_GAUGE, "M", .labels = "a=\"1\"" },
    { "test_mixed", METRIC_COUNTER, "M", .labels = "a=\"2\"" },
};
static struct metric misnamed[] = { { "test-name", METRIC_GAUGE, "N", .labels = NULL } };

static const struct {
    struct metric *rows;
    size_t count;
} WRONG[] = { { apart, 3 }, { again, 1 }, { mixed, 2 }, { misnamed, 1 } };

START_TEST(wrong_tables_abort) {
    metrics_register(WRONG[_i].rows, WRONG[_i].count);
}
END_TEST

START_TEST(counters_do_not_go_down) {
    metrics_add(&metrics[M_STORED], -1);
}
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, counters_and_gauges);
    tcase_add_test(tests, histogram_of_seconds);
    tcase_add_test(tests, histogram_of_sizes);
    tcase_add_test(tests, bucket_bounds_grow);
    tcase_add_test(tests, every_line_is_well_formed);
    tcase_add_test(tests, process_basics_are_plausible);
    tcase_add_test(tests, no_update_of_any_thread_is_lost);
    tcase_add_test(tests, a_table_that_is_registered_again_is_shown_once);
#ifndef NDEBUG
    tcase_add_loop_test_raise_signal(tests, wrong_tables_abort, SIGABRT, 0, (int)UNIT_COUNT(WRONG));
    tcase_add_test_raise_signal(tests, counters_do_not_go_down, SIGABRT);
#endif
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
