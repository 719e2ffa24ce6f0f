/* runtime/telemetry/kill_point: stops where and when it is armed for, once, and never else. */
/* link: services/runtime/telemetry/kill_point.c */
#include "runtime/telemetry/kill_point.h"

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSES = 5 };

static char path[] = "/tmp/test_kill_point.XXXXXX";

/* The process that is stopped: this program again, since the file is mapped at a start. */
static int pass_points(void) {
    for (int i = 0; i < PASSES; i++) {
        if (write(STDOUT_FILENO, "x", 1) != 1) {
            return EXIT_FAILURE;
        }
        kill_point_reach("order", "stored");
        kill_point_reach("order", "told");
    }
    return EXIT_SUCCESS;
}

static void arm(const char *name, uint32_t left) {
    struct kill_point_armed armed = { .left = left };
    snprintf(armed.name, sizeof(armed.name), "%s", name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, &armed, sizeof(armed)), sizeof(armed));
    close(fd);
}

static uint32_t left_in_file(void) {
    struct kill_point_armed armed;
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, &armed, sizeof(armed)), sizeof(armed));
    close(fd);
    return armed.left;
}

static pid_t start(const char *file, int *ret_out) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (file == NULL) {
            unsetenv("KILL_POINT_FILE");
        } else {
            setenv("KILL_POINT_FILE", file, 1);
        }
        execl("/proc/self/exe", "test_kill_point", "child", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *ret_out = ends[0];
    return pid;
}

static bool stops(pid_t pid) {
    int status;
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS));
    return WIFSTOPPED(status);
}

static ssize_t passed(int out) {
    char bytes[PASSES + 1];
    return read(out, bytes, sizeof(bytes));
}

START_TEST(stops_at_the_pass_that_is_armed_and_once) {
    int out;
    arm("order/stored", 3);
    pid_t pid = start(path, &out);
    ck_assert(stops(pid));
    ck_assert_int_eq(passed(out), 3);
    kill(pid, SIGCONT);
    ck_assert(!stops(pid));
    ck_assert_int_eq(passed(out), PASSES - 3);
    ck_assert_uint_eq(left_in_file(), 0);
    close(out);
}
END_TEST

START_TEST(another_point_passes) {
    static const char *const NAMES[] = { "order/store", "order/stored/", "order", "orders/told",
                                         "" };
    for (size_t i = 0; i < UNIT_COUNT(NAMES); i++) {
        int out;
        arm(NAMES[i], 1);
        pid_t pid = start(path, &out);
        ck_assert(!stops(pid));
        ck_assert_int_eq(passed(out), PASSES);
        ck_assert_uint_eq(left_in_file(), 1);
        close(out);
    }
}
END_TEST

START_TEST(without_a_file_nothing_stops) {
    static const char *const FILES[] = { NULL, "/nowhere/at/all", "/dev/null" };
    for (size_t i = 0; i < UNIT_COUNT(FILES); i++) {
        int out;
        pid_t pid = start(FILES[i], &out);
        ck_assert(!stops(pid));
        close(out);
    }
}
END_TEST

static void setup(void) {
    close(mkstemp(path));
}

static void teardown(void) {
    unlink(path);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        return pass_points();
    }
    Suite *suite = suite_create("kill_point");
    TCase *tcase = tcase_create("kill_point");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, stops_at_the_pass_that_is_armed_and_once);
    tcase_add_test(tcase, another_point_passes);
    tcase_add_test(tcase, without_a_file_nothing_stops);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
