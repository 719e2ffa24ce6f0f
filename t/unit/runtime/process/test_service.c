/*
 * runtime/process/service: arguments, exit codes, drain. Each test runs service_main() in a child
 * process whose output comes back through pipes.
 */
#include "runtime/process/config.h"
#include "runtime/process/service.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t answer;

static const struct config_option OPTIONS[] = {
    { "T_ANSWER", CONFIG_INT, &answer, .fallback = "42", .min = 1, .max = 100, .help = "Answer" },
    { .name = NULL },
};

static const struct config_local LOCALS[] = {
    { "SERVICE_NAME", "test-service" },
    { "PORT", "3009" },
    { NULL, NULL },
};

static struct loop *service_loop;
static struct loop_timer work; /* what is under way when the drain begins */
static int drains;
static bool work_never_ends, start_fails, signals_in_start, drain_hangs, stop_hangs;

static void work_done(void *ctx) {
    (void)ctx;
    log_info("work done", LOG_INT("drains", drains), LOG_INT("leftMs", service_drain_left_ms()));
    service_drained();
    service_drained(); /* harmless to repeat */
}

static enum err start(struct loop *loop) {
    service_loop = loop;
    if (start_fails) {
        log_error("start failed");
        return ERR_UNAVAILABLE;
    }
    loop_timer_init(&work, work_done, NULL);
    log_info("service started", LOG_INT("leftMs", service_drain_left_ms()));
    if (signals_in_start) {
        raise(SIGINT);
        log_info("start goes on");
    }
    return ERR_OK;
}

static void drain(void) {
    drains++;
    while (drain_hangs) {
        pause();
    }
    if (!work_never_ends) {
        loop_timer_start(service_loop, &work, 100);
    }
}

static void stop(void) {
    log_info("stopped", LOG_INT("leftMs", service_drain_left_ms()));
    while (stop_hangs) {
        pause();
    }
}

static struct service service = {
    .name = "test-service",
    .summary = "Does nothing.",
    .version = "1.2.3",
    .options = OPTIONS,
    .locals = LOCALS,
    .start = start,
    .drain = drain,
    .stop = stop,
};

/* ---- the child ---- */

struct child {
    pid_t pid;
    int out, err; /* the reading ends */
    char out_text[8192];
    char err_text[16384];
    int exit_code; /* -1: killed by a signal */
};

static void run_child(struct child *child, char *const *argv) {
    int out[2], err[2], argc = 0;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(err), 0);
    while (argv[argc] != NULL) {
        argc++;
    }
    fflush(stdout);
    child->pid = fork();
    ck_assert_int_ge(child->pid, 0);
    if (child->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        close(out[0]);
        close(err[0]);
        int code = service_main(argc, (char **)(void *)argv, &service);
        fflush(stdout);
        _exit(code);
    }
    close(out[1]);
    close(err[1]);
    child->out = out[0];
    child->err = err[0];
    child->out_text[0] = '\0';
    child->err_text[0] = '\0';
}

static void read_all(int fd, char *text, size_t size) {
    size_t length = strlen(text);
    ssize_t count;
    while ((count = read(fd, text + length, size - 1 - length)) > 0) {
        length += (size_t)count;
    }
    text[length] = '\0';
    close(fd);
}

/* Wait until the child has logged `msg`: its log is flushed at the end of each tick. */
static void wait_for(struct child *child, const char *msg) {
    while (strstr(child->err_text, msg) == NULL) {
        size_t length = strlen(child->err_text);
        ssize_t count =
            read(child->err, child->err_text + length, sizeof(child->err_text) - 1 - length);
        ck_assert_msg(count > 0, "the child ended before it logged \"%s\"", msg);
        child->err_text[length + (size_t)count] = '\0';
    }
}

static void finish(struct child *child) {
    int status;
    read_all(child->out, child->out_text, sizeof(child->out_text));
    read_all(child->err, child->err_text, sizeof(child->err_text));
    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static size_t count(const char *text, const char *part) {
    size_t found = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        found++;
    }
    return found;
}

static struct child child;
static char *const NO_ARGUMENTS[] = { "test-service", NULL };

static const char *const REQUIRED[][2] = {
    { "PORT", "1" },       { "DB_HOST", "h" },    { "DB_PORT", "1" },
    { "DB_USER", "u" },    { "DB_NAME", "d" },    { "DB_PASSWORD", "p" },
    { "REDIS_HOST", "h" }, { "REDIS_PORT", "1" }, { "RABBITMQ_URL", "amqp://h" },
};

static void setup(void) {
    unsetenv("SERVICE_NAME");
    unsetenv("LOG_LEVEL");
    unsetenv("DRAIN_TIMEOUT_MS");
    unsetenv("T_ANSWER");
    for (size_t i = 0; i < UNIT_COUNT(REQUIRED); i++) {
        setenv(REQUIRED[i][0], REQUIRED[i][1], 1);
    }
}

/* ---- arguments and configuration ---- */

START_TEST(help_goes_to_standard_output) {
    char *const argv[] = { "test-service", "--help", NULL };
    setenv("DRAIN_TIMEOUT_MS", "wrong", 1); /* help is there even when the configuration is wrong */
    run_child(&child, argv);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_str_eq(child.err_text, "");
    const char *const parts[] = {
        "test-service: Does nothing.",
        "Usage: test-service [--help",
        "  LOG_LEVEL: debug, info, warn or error; default info\n",
        "  DRAIN_TIMEOUT_MS: an integer from 100 to 600000, in ms; default 9000\n",
        "  SERVICE_NAME: text of at most 63 bytes; default test-service\n",
        "  T_ANSWER: an integer from 1 to 100; default 42\n",
        "SIGTERM",
        "Exit status: 0 "
    };
    for (size_t i = 0; i < UNIT_COUNT(parts); i++) {
        ck_assert_msg(strstr(child.out_text, parts[i]) != NULL, "no %s", parts[i]);
    }
}
END_TEST

START_TEST(version_and_example_are_printed) {
    char *const version[] = { "test-service", "--version", NULL };
    run_child(&child, version);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_str_eq(child.out_text, "test-service 1.2.3\n");
    char *const example[] = { "test-service", "--print-env-example", NULL };
    run_child(&child, example);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_ptr_eq(strstr(child.out_text, "# Settings of test-service. "), child.out_text);
    ck_assert_ptr_nonnull(strstr(child.out_text, "\nDRAIN_TIMEOUT_MS=9000\n"));
    ck_assert_ptr_nonnull(strstr(child.out_text, "\nPORT=3009\n"));
    ck_assert_ptr_nonnull(strstr(child.out_text, "\nT_ANSWER=42\n"));
    ck_assert_str_eq(child.err_text, "");
}
END_TEST

static char *const WRONG_ARGUMENTS[][4] = {
    { "test-service", "--hlep", NULL },
    { "test-service", "start", NULL },
    { "test-service", "", NULL },
    { "test-service", "--help", "--version", NULL },
};

START_TEST(other_arguments_are_refused) {
    run_child(&child, WRONG_ARGUMENTS[_i]);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 2);
    ck_assert_str_eq(child.out_text, "");
    ck_assert_ptr_nonnull(strstr(child.err_text, "test-service: unexpected argument: "));
    ck_assert_ptr_nonnull(strstr(child.err_text, "Usage: "));
}
END_TEST

START_TEST(wrong_configuration_ends_before_the_start) {
    setenv("DRAIN_TIMEOUT_MS", "0", 1);
    setenv("T_ANSWER", "0", 1);
    setenv("LOG_LEVEL", "loud", 1);
    run_child(&child, NO_ARGUMENTS);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 2);
    ck_assert_uint_eq(count(child.err_text, "DRAIN_TIMEOUT_MS is out of range: it is \"0\""), 1);
    ck_assert_uint_eq(count(child.err_text, "T_ANSWER is out of range: it is \"0\""), 1);
    ck_assert_uint_eq(count(child.err_text, "LOG_LEVEL is none of the choices"), 1);
    ck_assert_ptr_null(strstr(child.err_text, "service started"));
}
END_TEST

/* ---- life ---- */

START_TEST(start_that_fails_is_exit_1_and_frees) {
    start_fails = true;
    run_child(&child, NO_ARGUMENTS);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 1);
    ck_assert_ptr_nonnull(strstr(child.err_text, "\"msg\":\"start failed\""));
    ck_assert_ptr_nonnull(strstr(child.err_text, "\"msg\":\"stopped\""));
}
END_TEST

static const int SIGNALS[] = { SIGTERM, SIGINT };

START_TEST(signals_drain_once_and_end_with_0) {
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    kill(child.pid, SIGNALS[_i]);
    wait_for(&child, "service draining");
    kill(child.pid, SIGTERM); /* a second one, of either kind, changes nothing */
    kill(child.pid, SIGINT);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_uint_eq(count(child.err_text, "service draining"), 1);
    ck_assert_uint_eq(count(child.err_text, "\"msg\":\"work done\",\"drains\":1,"), 1);
    ck_assert_uint_eq(count(child.err_text, "service drained"), 1);
    ck_assert_uint_eq(count(child.err_text, "\"msg\":\"stopped\""), 1);
    ck_assert_uint_eq(count(child.err_text, "\"service\":\"test-service\""),
                      count(child.err_text, "\n"));
}
END_TEST

START_TEST(a_drain_that_takes_too_long_ends_with_1) {
    work_never_ends = true;
    setenv("DRAIN_TIMEOUT_MS", "100", 1);
    setenv("SERVICE_NAME", "renamed", 1);
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    kill(child.pid, SIGTERM);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 1);
    ck_assert_ptr_nonnull(strstr(child.err_text,
                                 "\"level\":\"error\",\"service\":\"renamed\",\"msg\":"
                                 "\"drain timed out: leaving with work under way\","
                                 "\"timeoutMs\":100"));
    ck_assert_ptr_nonnull(strstr(child.err_text, "\"msg\":\"stopped\""));
}
END_TEST

/* The figure behind "leftMs": in the line of `msg`. */
static long left_ms(const char *msg) {
    const char *line = strstr(child.err_text, msg);
    ck_assert_msg(line != NULL, "no line \"%s\"", msg);
    const char *field = strstr(line, "\"leftMs\":");
    ck_assert_ptr_nonnull(field);
    return strtol(field + strlen("\"leftMs\":"), NULL, 10);
}

START_TEST(all_parts_of_a_drain_share_one_deadline) {
    ck_assert_uint_eq(service_drain_left_ms(), 0); /* no service here */
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    usleep(50 * 1000); /* time before the drain does not count */
    kill(child.pid, SIGTERM);
    finish(&child);
    ck_assert_int_eq(left_ms("service started"), 9000);
    ck_assert_int_le(left_ms("work done"), 8900); /* the work takes 100 ms */
    ck_assert_int_gt(left_ms("work done"), 1000);
}
END_TEST

START_TEST(nothing_is_left_of_a_drain_that_timed_out) {
    work_never_ends = true;
    setenv("DRAIN_TIMEOUT_MS", "100", 1);
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    kill(child.pid, SIGTERM);
    finish(&child);
    ck_assert_int_eq(left_ms("\"stopped\""), 0);
}
END_TEST

/*
 * 0: the loop hangs in drain(); 1: stop() hangs after the timeout; 2: after a drain that was in
 * time.
 */
START_TEST(what_hangs_at_the_end_is_ended_with_1) {
    drain_hangs = _i == 0;
    work_never_ends = _i == 1;
    stop_hangs = true;
    setenv("DRAIN_TIMEOUT_MS", _i == 2 ? "400" : "100", 1);
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    kill(child.pid, SIGTERM);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 1);
    ck_assert_uint_eq(count(child.err_text, "drain timed out"), _i == 1 ? 1 : 0);
}
END_TEST

START_TEST(a_signal_during_start_waits_for_the_loop) {
    signals_in_start = true;
    run_child(&child, NO_ARGUMENTS);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    const char *going_on = strstr(child.err_text, "start goes on");
    const char *draining = strstr(child.err_text, "service draining");
    ck_assert_ptr_nonnull(going_on);
    ck_assert_ptr_nonnull(draining);
    ck_assert(going_on < draining);
}
END_TEST

START_TEST(a_service_with_nothing_to_finish_needs_no_drain) {
    service.drain = NULL;
    service.stop = NULL;
    signals_in_start = true;
    run_child(&child, NO_ARGUMENTS);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(child.err_text, "service drained"));
}
END_TEST

START_TEST(a_broken_pipe_does_not_kill) {
    run_child(&child, NO_ARGUMENTS);
    wait_for(&child, "service started");
    kill(child.pid, SIGPIPE);
    kill(child.pid, SIGTERM);
    finish(&child);
    ck_assert_int_eq(child.exit_code, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("service");
    TCase *tests = tcase_create("service");
    tcase_set_timeout(tests, 20);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, help_goes_to_standard_output);
    tcase_add_test(tests, version_and_example_are_printed);
    tcase_add_loop_test(tests, other_arguments_are_refused, 0, (int)UNIT_COUNT(WRONG_ARGUMENTS));
    tcase_add_test(tests, wrong_configuration_ends_before_the_start);
    tcase_add_test(tests, start_that_fails_is_exit_1_and_frees);
    tcase_add_loop_test(tests, signals_drain_once_and_end_with_0, 0, (int)UNIT_COUNT(SIGNALS));
    tcase_add_test(tests, a_drain_that_takes_too_long_ends_with_1);
    tcase_add_test(tests, all_parts_of_a_drain_share_one_deadline);
    tcase_add_test(tests, nothing_is_left_of_a_drain_that_timed_out);
    tcase_add_loop_test(tests, what_hangs_at_the_end_is_ended_with_1, 0, 3);
    tcase_add_test(tests, a_signal_during_start_waits_for_the_loop);
    tcase_add_test(tests, a_service_with_nothing_to_finish_needs_no_drain);
    tcase_add_test(tests, a_broken_pipe_does_not_kill);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
