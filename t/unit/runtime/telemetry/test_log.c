/* runtime/telemetry/log: lines as JSON, limits, when they are written, slow readers, threads. */
#include "base/buf.h"
#include "base/clock.h"
#include "runtime/json/json.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int reader, writer; /* a pipe: the log writes, the test reads */
static struct buf seen;    /* everything read so far */
static struct arena arena;

static void setup(void) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    reader = fds[0];
    writer = fds[1];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    fcntl(writer, F_SETFL, O_NONBLOCK);
    buf_init(&seen, 0);
    arena_init(&arena, 1 << 24);
    log_init("test-service", LOG_INFO, writer);
}

static void teardown(void) {
    log_close();
    close(reader);
    close(writer);
    buf_free(&seen);
    arena_done(&arena);
}

/* Read what is there now; returns how many whole lines `seen` holds. */
static size_t drain_pipe(void) {
    size_t lines = 0;
    for (;;) {
        char *space = buf_reserve(&seen, 65536);
        ck_assert_ptr_nonnull(space);
        ssize_t count = read(reader, space, 65536);
        if (count <= 0) {
            break;
        }
        buf_commit(&seen, (size_t)count);
    }
    for (size_t i = 0; i < buf_length(&seen); i++) {
        lines += buf_bytes(&seen)[i] == '\n';
    }
    return lines;
}

static bool has_line(void) {
    return buf_length(&seen) > 0 && memchr(buf_bytes(&seen), '\n', buf_length(&seen)) != NULL;
}

/* Take the first line out of `seen`, parsed. */
static struct json_object *take_line(size_t *ret_length) {
    struct json_object *line = NULL;
    struct json_scan_error error = { .reason = "" };
    ck_assert(has_line());
    const char *end = memchr(buf_bytes(&seen), '\n', buf_length(&seen));
    size_t length = (size_t)(end - buf_bytes(&seen));
    enum err err = json_parse(&arena, buf_bytes(&seen), length, &line, &error);
    ck_assert_msg(err == ERR_OK, "%s: %.*s", error.reason, (int)length, buf_bytes(&seen));
    buf_consume(&seen, length + 1);
    if (ret_length != NULL) {
        *ret_length = length + 1;
    }
    return line;
}

static const char *member(struct json_object *line, const char *name) {
    const char *str;
    size_t length;
    ck_assert_msg(json_get_string(line, name, &str, &length) == ERR_OK, "%s", name);
    return str;
}

static int64_t number(struct json_object *line, const char *name) {
    int64_t value;
    ck_assert_msg(json_get_decimal(line, name, 0, &value) == ERR_OK, "%s", name);
    return value;
}

/* ---- lines ---- */

START_TEST(a_line_has_the_promised_form) {
    int64_t before_ms = clock_unix_ms();
    log_info("order stored", LOG_STR("requestId", "a\"b\n\xff"), LOG_INT("orderId", INT64_MIN),
             LOG_BOOL("cached", true), LOG_BOOL("late", false), LOG_STR("none", NULL));
    log_flush();
    ck_assert_uint_eq(drain_pipe(), 1);
    static const char HEAD[] = "{\"ts\":\"";
    static const char TAIL[] =
        "\",\"level\":\"info\",\"service\":\"test-service\",\"msg\":\"order stored\","
        "\"requestId\":\"a\\\"b\\n\xef\xbf\xbd\",\"orderId\":-9223372036854775808,"
        "\"cached\":true,\"late\":false,\"none\":null}\n";
    const size_t time_bytes = CLOCK_RFC3339_BYTES - 1;
    ck_assert_uint_eq(buf_length(&seen), strlen(HEAD) + time_bytes + strlen(TAIL));
    ck_assert_mem_eq(buf_bytes(&seen), HEAD, strlen(HEAD));
    ck_assert_mem_eq(buf_bytes(&seen) + strlen(HEAD) + time_bytes, TAIL, strlen(TAIL));
    int64_t ts_ms;
    const char *ts = member(take_line(NULL), "ts");
    ck_assert_int_eq(clock_parse_rfc3339(ts, strlen(ts), &ts_ms), ERR_OK);
    ck_assert_int_ge(ts_ms, before_ms);
    ck_assert_int_le(ts_ms, clock_unix_ms());
}
END_TEST

START_TEST(a_trace_is_three_fields) {
    struct trace trace = { "r-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "" };
    const char *str;
    size_t length;
    log_warn("with", LOG_TRACE(trace), LOG_INT("orderId", 7));
    trace.parent = "";
    log_warn("without", LOG_TRACE(trace));
    ck_assert_uint_eq(drain_pipe(), 2);
    struct json_object *line = take_line(NULL);
    ck_assert_str_eq(member(line, "requestId"), "r-1");
    ck_assert_str_eq(member(line, "traceId"), "0af7651916cd43dd8448eb211c80319c");
    ck_assert_str_eq(member(line, "spanId"), "b7ad6b7169203331");
    ck_assert_int_eq(number(line, "orderId"), 7);
    line = take_line(NULL);
    ck_assert_str_eq(member(line, "requestId"), "r-1");
    ck_assert_int_eq(json_get_string(line, "traceId", &str, &length), ERR_NOT_FOUND); /* null */
    ck_assert_int_eq(json_get_string(line, "spanId", &str, &length), ERR_NOT_FOUND);
}
END_TEST

START_TEST(levels_are_filtered_and_named) {
    static const char *const NAMES[] = { "debug", "info", "warn", "error" };
    for (int level = LOG_DEBUG; level < LOG_LEVELS; level++) {
        ck_assert_str_eq(log_level_names[level], NAMES[level]);
        log_init("test-service", (enum log_level)level, writer);
        log_debug("d");
        log_info("i");
        log_warn("w");
        log_error("e");
        log_flush();
        ck_assert_uint_eq(drain_pipe(), (size_t)(LOG_LEVELS - level));
        for (int made = level; made < LOG_LEVELS; made++) {
            ck_assert_str_eq(member(take_line(NULL), "level"), NAMES[made]);
        }
    }
    ck_assert_ptr_null(log_level_names[LOG_LEVELS]);
}
END_TEST

static int evaluated;

static int64_t count_evaluation(void) {
    return ++evaluated;
}

START_TEST(fields_of_a_filtered_line_are_not_evaluated) {
    log_debug("no", LOG_INT("n", count_evaluation()));
    ck_assert_int_eq(evaluated, 0);
    log_info("yes", LOG_INT("n", count_evaluation()));
    ck_assert_int_eq(evaluated, 1);
}
END_TEST

/* ---- limits ---- */

START_TEST(strings_are_cut_at_their_limit) {
    char text[LOG_STR_BYTES_MAX + 100];
    for (size_t length = LOG_STR_BYTES_MAX - 1; length <= LOG_STR_BYTES_MAX + 1; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        log_info("long", LOG_STR("s", text));
        log_flush();
        ck_assert_uint_eq(drain_pipe(), 1);
        size_t expected = length < LOG_STR_BYTES_MAX ? length : LOG_STR_BYTES_MAX;
        ck_assert_uint_eq(strlen(member(take_line(NULL), "s")), expected);
    }
    memset(text, 'x', LOG_STR_BYTES_MAX - 1); /* a character of three bytes across the limit */
    memcpy(text + LOG_STR_BYTES_MAX - 1, "\xe2\x82\xac", 4);
    log_info("long", LOG_STR("s", text));
    log_flush();
    drain_pipe();
    ck_assert_uint_eq(strlen(member(take_line(NULL), "s")), LOG_STR_BYTES_MAX - 1);
}
END_TEST

START_TEST(lines_stay_below_their_limit) {
    char text[LOG_STR_BYTES_MAX + 1];
    memset(text, '\x01', LOG_STR_BYTES_MAX); /* six bytes each when escaped */
    text[LOG_STR_BYTES_MAX] = '\0';
    log_info("long", LOG_STR("a", text), LOG_INT("b", 1), LOG_STR("c", text), LOG_INT("d", 1));
    log_flush();
    ck_assert_uint_eq(drain_pipe(), 1);
    size_t length;
    int64_t value;
    struct json_object *line = take_line(&length);
    ck_assert_uint_le(length, LOG_LINE_BYTES_MAX);
    ck_assert_uint_eq(strlen(member(line, "a")), LOG_STR_BYTES_MAX);
    ck_assert_int_eq(number(line, "b"), 1);
    ck_assert_int_eq(json_get_decimal(line, "c", 0, &value), ERR_NOT_FOUND);
    ck_assert_int_eq(json_get_decimal(line, "d", 0, &value), ERR_NOT_FOUND);
    ck_assert_int_eq(json_get_decimal(line, "truncated", 0, &value), ERR_INVALID); /* a boolean */
}
END_TEST

/* Fields of growing length up to and over the limit: every line parses, none is longer. */
START_TEST(line_limit_is_exact) {
    char text[LOG_STR_BYTES_MAX + 1], rest[LOG_STR_BYTES_MAX + 1];
    size_t longest = 0;
    memset(text, 'x', LOG_STR_BYTES_MAX);
    text[LOG_STR_BYTES_MAX] = '\0';
    for (size_t length = 1700; length <= LOG_STR_BYTES_MAX; length++) {
        size_t line_length;
        memset(rest, 'y', length);
        rest[length] = '\0';
        log_info("m", LOG_STR("a", text), LOG_STR("b", text), LOG_STR("c", text),
                 LOG_STR("d", text), LOG_STR("e", text), LOG_STR("f", text), LOG_STR("g", text),
                 LOG_STR("h", rest));
        log_flush();
        drain_pipe();
        take_line(&line_length);
        arena_reset(&arena);
        longest = line_length > longest ? line_length : longest;
    }
    ck_assert_uint_le(longest, LOG_LINE_BYTES_MAX);
    ck_assert_uint_gt(longest, LOG_LINE_BYTES_MAX - 32);
}
END_TEST

/* ---- when lines are written ---- */

START_TEST(info_waits_for_the_flush_and_warnings_do_not) {
    log_info("one");
    log_info("two");
    ck_assert_uint_eq(drain_pipe(), 0);
    log_flush();
    ck_assert_uint_eq(drain_pipe(), 2);
    log_info("three");
    log_warn("four"); /* takes along what waited, in order */
    ck_assert_uint_eq(drain_pipe(), 4);
    log_error("five");
    ck_assert_uint_eq(drain_pipe(), 5);
    static const char *const MESSAGES[] = { "one", "two", "three", "four", "five" };
    for (size_t i = 0; i < UNIT_COUNT(MESSAGES); i++) {
        ck_assert_str_eq(member(take_line(NULL), "msg"), MESSAGES[i]);
    }
}
END_TEST

static void *log_from_thread(void *ctx) {
    (void)ctx;
    log_info("from a thread");
    return NULL;
}

START_TEST(other_threads_write_at_once) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, log_from_thread, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(drain_pipe(), 1);
}
END_TEST

START_TEST(closing_writes_what_waits) {
    log_info("last words");
    log_close();
    ck_assert_uint_eq(drain_pipe(), 1);
}
END_TEST

static void replace_by_sockets(void) {
    int fds[2];
    close(reader);
    close(writer);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    reader = fds[0];
    writer = fds[1];
    fcntl(reader, F_SETFL, O_NONBLOCK);
}

enum slow_output { NON_BLOCKING_PIPE, PIPE, PIPE_WITHOUT_PROC, SOCKET, SLOW_OUTPUTS };

static void open_slow_output(enum slow_output output) {
    struct rlimit none = { .rlim_cur = (rlim_t)writer + 1, .rlim_max = (rlim_t)writer + 1 };
    if (output == SOCKET) {
        replace_by_sockets();
    }
    if (output != NON_BLOCKING_PIPE) {
        fcntl(writer, F_SETFL, 0);
    }
    log_close();
    if (output == PIPE_WITHOUT_PROC) { /* like a /proc that is missing: nothing can be opened */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        ck_assert_int_lt(dup(writer), 0);
    }
    log_init("test-service", LOG_INFO, writer);
}

/*
 * The descriptor fills up while nobody reads: no call waits, no line is torn, lines lost are
 * counted exactly.
 */
START_TEST(a_slow_reader_loses_whole_lines_and_is_told_how_many) {
    enum { LINES = 20000 };
    open_slow_output((enum slow_output)_i);
    int flags = fcntl(writer, F_GETFL);
    ck_assert_int_eq((flags & O_NONBLOCK) != 0, _i == NON_BLOCKING_PIPE);
    for (int i = 0; i < LINES; i++) {
        log_info("flood", LOG_INT("n", i));
    }
    log_error("full"); /* written at once, or not at all */
    log_flush();
    ck_assert_int_eq(fcntl(writer, F_GETFL), flags); /* who shares it is not affected */
    int64_t received = 0, dropped = 0, last = -1;
    for (int round = 0; round < 100; round++) { /* the pipe holds a part of what waits */
        drain_pipe();
        log_warn("after"); /* room again: the number of lost lines comes before it */
        drain_pipe();
        while (has_line()) {
            struct json_object *line = take_line(NULL);
            if (strcmp(member(line, "msg"), "flood") == 0) {
                ck_assert_int_gt(number(line, "n"), last);
                last = number(line, "n");
                received++;
            } else if (strcmp(member(line, "msg"), "full") == 0) {
                received++;
            } else if (strcmp(member(line, "msg"), "after") != 0) {
                dropped += number(line, "lines");
            }
            arena_reset(&arena);
        }
    }
    ck_assert_int_gt(dropped, 0);
    ck_assert_int_eq(received + dropped, LINES + 1);
}
END_TEST

static void *read_later(void *ctx) {
    (void)ctx;
    usleep(100 * 1000);
    for (int i = 0; i < 400; i++) {
        drain_pipe();
        usleep(1000);
    }
    return NULL;
}

START_TEST(closing_waits_for_a_reader_that_comes_back) {
    pthread_t thread;
    fcntl(writer, F_SETFL, 0);
    for (int i = 0; i < 1000; i++) { /* more than the pipe holds, less than the buffer */
        log_info("waits", LOG_INT("n", i),
                 LOG_STR("text", "so that it is more than 64 KiB in all"));
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, read_later, NULL), 0);
    log_close();
    pthread_join(thread, NULL);
    ck_assert_uint_eq(drain_pipe(), 1000);
}
END_TEST

static size_t open_descriptors(void) {
    size_t count = 0;
    for (int fd = 0; fd < 100; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

START_TEST(descriptors_of_the_log_are_closed) {
    log_close();
    size_t before = open_descriptors();
    for (int i = 0; i < 10; i++) {
        log_init("test-service", LOG_INFO, writer);
    }
    ck_assert_uint_eq(open_descriptors(), before + 1);
    log_close();
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_closed_reader_does_no_harm) {
    close(reader);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 10000; i++) {
        log_error("nobody listens", LOG_INT("n", i));
    }
    uint64_t start_ms = clock_monotonic_ms();
    log_close();
    ck_assert_uint_lt(clock_monotonic_ms() - start_ms, 500);
    reader = dup(writer); /* for teardown() */
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, LINES_PER_THREAD = 2000 };

static void *log_many(void *ctx) {
    int64_t thread = *(const int64_t *)ctx;
    for (int64_t i = 0; i < LINES_PER_THREAD; i++) {
        log_info("parallel", LOG_INT("thread", thread), LOG_INT("n", i),
                 LOG_STR("text", "a text of some length, so that a torn line would be seen"));
    }
    return NULL;
}

START_TEST(lines_of_threads_are_whole_and_in_order) {
    pthread_t threads[THREADS];
    int64_t numbers[THREADS], next[THREADS] = { 0 };
    char path[32];
    int file = memfd_create("log", 0); /* takes all there is: nothing is dropped */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    close(reader);
    reader = open(path, O_RDONLY); /* with an offset of its own */
    ck_assert_int_ge(reader, 0);
    log_init("test-service", LOG_INFO, file);
    for (int64_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (size_t lines = 0; lines < THREADS * LINES_PER_THREAD;) {
        if (!has_line() && drain_pipe() == 0) {
            usleep(1000);
            continue;
        }
        struct json_object *line = take_line(NULL);
        int64_t thread = number(line, "thread");
        ck_assert_int_eq(number(line, "n"), next[thread]++);
        arena_reset(&arena);
        lines++;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_close();
    close(file);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");
    tcase_set_timeout(tests, 20);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_line_has_the_promised_form);
    tcase_add_test(tests, a_trace_is_three_fields);
    tcase_add_test(tests, levels_are_filtered_and_named);
    tcase_add_test(tests, fields_of_a_filtered_line_are_not_evaluated);
    tcase_add_test(tests, strings_are_cut_at_their_limit);
    tcase_add_test(tests, lines_stay_below_their_limit);
    tcase_add_test(tests, line_limit_is_exact);
    tcase_add_test(tests, info_waits_for_the_flush_and_warnings_do_not);
    tcase_add_test(tests, other_threads_write_at_once);
    tcase_add_test(tests, closing_writes_what_waits);
    tcase_add_loop_test(tests, a_slow_reader_loses_whole_lines_and_is_told_how_many, 0,
                        SLOW_OUTPUTS);
    tcase_add_test(tests, closing_waits_for_a_reader_that_comes_back);
    tcase_add_test(tests, descriptors_of_the_log_are_closed);
    tcase_add_test(tests, a_closed_reader_does_no_harm);
    tcase_add_test(tests, lines_of_threads_are_whole_and_in_order);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
