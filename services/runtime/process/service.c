/* The life of a service process: arguments, boot, signals, drain. */
#include "service.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static struct {
    const struct service *service;
    struct config_option options[CONFIG_OPTIONS_MAX]; /* shared ones and its own */
    size_t option_count;
    struct loop *loop;
    struct loop_watch signals; /* a signalfd: signals become events of the loop */
    struct loop_timer drain_timer;
    uint64_t drain_started_ms;
    bool is_draining;
    bool is_done; /* the loop was told to stop */
    int exit_code;
} running;

/* ---- arguments ---- */

static void print_usage(const struct service *service, FILE *out) {
    fprintf(
        out,
        "%s: %s\n\n"
        "Usage: %s [--help | --version | --print-env-example]\n\n"
        "  --help               print this text\n"
        "  --version            print the version\n"
        "  --print-env-example  print every variable with its default, as .env.example has it\n",
        service->name, service->summary, service->name);
}

static void print_help(const struct service *service) {
    print_usage(service, stdout);
    printf("\nConfiguration, read from the environment at start:\n\n");
    config_print_help(running.options, running.option_count, stdout);
    printf("\nSIGTERM or SIGINT: finish what is under way, then exit.\n"
           "Exit status: 0 stopped when told to, 1 could not start or not finish in time,\n"
           "2 wrong arguments or configuration.\n");
}

static void print_env_example(const struct service *service) {
    printf("# Settings of %s. ./prodorder gives it these itself: ./prodorder env %s\n"
           "# docker compose reads the copy that the root .env names: docker/README.md\n\n",
           service->name, service->name);
    config_print_env_example(running.options, running.option_count, stdout);
}

/* Whether an argument was all there was to do; *ret_code is then the exit code. */
static bool handle_arguments(int argc, char **argv, const struct service *service, int *ret_code) {
    if (argc == 1) {
        return false;
    }
    *ret_code = EXIT_OK;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help(service);
    } else if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", service->name, service->version == NULL ? "unknown" : service->version);
    } else if (argc == 2 && strcmp(argv[1], "--print-env-example") == 0) {
        print_env_example(service);
    } else {
        fprintf(stderr, "%s: unexpected argument: %s\n\n", service->name, argv[argc == 2 ? 1 : 2]);
        print_usage(service, stderr);
        *ret_code = EXIT_USAGE;
    }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "%s: cannot write: %s\n", service->name, strerror(errno));
        *ret_code = EXIT_FAILED;
    }
    return true;
}

/* ---- drain ---- */

static void leave(int exit_code) {
    if (!running.is_done) {
        running.is_done = true;
        running.exit_code = exit_code;
        loop_timer_stop(running.loop, &running.drain_timer);
        loop_stop(running.loop);
    }
}

void service_drained(void) {
    assert(running.is_draining);
    if (!running.is_done) {
        log_info("service drained", LOG_INT("ms", clock_monotonic_ms() - running.drain_started_ms));
    }
    leave(EXIT_OK);
}

uint32_t service_drain_left_ms(void) {
    if (running.service == NULL) {
        return 0;
    }
    uint64_t timeout_ms = (uint64_t)config_shared.drain_timeout_ms;
    uint64_t spent_ms = running.is_draining ? clock_monotonic_ms() - running.drain_started_ms : 0;
    return spent_ms < timeout_ms ? (uint32_t)(timeout_ms - spent_ms) : 0;
}

static void end_now(int signal_number) {
    (void)signal_number;
    _exit(EXIT_FAILED);
}

/* Whatever hangs from now on, the loop or stop(): the process ends. */
static void limit_the_end(void) {
    uint64_t limit_ms = (uint64_t)config_shared.drain_timeout_ms + SERVICE_STOP_MS;
    struct sigaction action = { .sa_handler = end_now };
    struct itimerval timer = { .it_value = { .tv_sec = (time_t)(limit_ms / 1000),
                                             .tv_usec = (suseconds_t)(limit_ms % 1000 * 1000) } };
    sigset_t alarm_signal;
    sigemptyset(&alarm_signal);
    sigaddset(&alarm_signal, SIGALRM);
    if (sigaction(SIGALRM, &action, NULL) != 0 ||
        sigprocmask(SIG_UNBLOCK, &alarm_signal, NULL) != 0 ||
        setitimer(ITIMER_REAL, &timer, NULL) != 0) {
        log_warn("the end of the drain has no limit", LOG_STR("system", strerror(errno)));
    }
}

static void drain_timed_out(void *ctx) {
    (void)ctx;
    log_error("drain timed out: leaving with work under way",
              LOG_INT("timeoutMs", config_shared.drain_timeout_ms));
    leave(EXIT_FAILED);
}

static void begin_drain(uint32_t signal_number) {
    running.is_draining = true;
    running.drain_started_ms = clock_monotonic_ms();
    log_info("service draining", LOG_INT("signal", signal_number));
    loop_timer_start(running.loop, &running.drain_timer, (uint64_t)config_shared.drain_timeout_ms);
    limit_the_end();
    if (running.service->drain != NULL) {
        running.service->drain();
    } else {
        service_drained();
    }
}

/* ---- signals ---- */

static void signals_readable(void *ctx, uint32_t events) {
    struct signalfd_siginfo info;
    (void)ctx;
    (void)events;
    while (read(running.signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (!running.is_draining) { /* a second signal changes nothing */
            begin_drain(info.ssi_signo);
        }
    }
}

/* Block SIGTERM and SIGINT in this thread and those to come, and hear of them in the loop. */
static enum err open_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return ERR_INTERNAL;
    }
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return ERR_INTERNAL;
    }
    enum err err = loop_watch(running.loop, &running.signals, fd, EPOLLIN, signals_readable, NULL);
    if (err != ERR_OK) {
        close(fd);
    }
    return err;
}

static void close_signals(void) {
    if (running.signals.active) {
        int fd = running.signals.fd;
        loop_unwatch(running.loop, &running.signals);
        close(fd);
    }
}

/* ---- boot ---- */

static void flush_log(void *ctx) {
    (void)ctx;
    log_flush();
}

/* Open what every service needs. */
static enum err open_loop(void) {
    enum err err = loop_create(&running.loop);
    if (err != ERR_OK) {
        return err;
    }
    loop_timer_init(&running.drain_timer, drain_timed_out, NULL);
    loop_on_tick_end(running.loop, flush_log, NULL);
    return open_signals();
}

static int run(void) {
    const struct service *service = running.service;
    enum err err = open_loop();
    if (err != ERR_OK) {
        log_error("cannot open the event loop", LOG_STR("error", err_name(err)),
                  LOG_STR("system", strerror(errno)));
        return EXIT_FAILED;
    }
    running.exit_code = EXIT_FAILED;
    if (service->start(running.loop) == ERR_OK) {
        log_flush(); /* the first tick may end much later */
        loop_run(running.loop);
    }
    log_flush(); /* stop() may take its time */
    if (service->stop != NULL) {
        service->stop();
    }
    return running.exit_code;
}

int service_main(int argc, char **argv, const struct service *service) {
    int code;
    running.option_count = config_join(service->locals, service->options, running.options);
    if (handle_arguments(argc, argv, service, &code)) {
        return code;
    }
    if (config_read(running.options, running.option_count, stderr) != ERR_OK) {
        fprintf(stderr, "%s: the configuration above is wrong; see %s --help\n", service->name,
                service->name);
        return EXIT_USAGE;
    }
    running.service = service;
    log_init(config_shared.service_name, (enum log_level)config_shared.log_level, STDERR_FILENO);
    code = run();
    close_signals();
    loop_destroy(running.loop);
    running.loop = NULL;
    log_close();
    return code;
}
