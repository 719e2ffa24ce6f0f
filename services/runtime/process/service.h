/*
 * The life of a service process: arguments, configuration, logs, signals, drain.
 *
 *   int main(int argc, char **argv) { return service_main(argc, argv, &SERVICE); }
 *
 * Boot: --help / --version / --print-env-example → configuration (exit 2 when wrong, before any
 * connection) → log → loop → start() → run. SIGTERM or SIGINT: drain() is called once; the service
 * calls service_drained() when it has finished; exit 0. A drain that takes over DRAIN_TIMEOUT_MS is
 * logged and ends with exit 1; so does a process that is still there SERVICE_STOP_MS later, because
 * the loop or stop() hangs: SIGALRM ends it, without any further clean-up. A second signal changes
 * nothing; one that comes during start() waits until the loop runs. SIGTERM and SIGINT are blocked
 * in every thread and read from a signalfd; SIGPIPE is ignored; ITIMER_REAL is taken. The log is
 * flushed at the end of each tick, so loop_on_tick_end() is taken.
 * Loop thread only.
 */
#ifndef RUNTIME_PROCESS_SERVICE_H
#define RUNTIME_PROCESS_SERVICE_H

#include "config.h"
#include "runtime/loop/loop.h"

#include <stdint.h>

enum { SERVICE_STOP_MS = 500 }; /* for stop(), when the whole of the drain's time was needed */

struct service {
    const char *name;    /* "order-service": --help, default for SERVICE_NAME */
    const char *summary; /* one sentence for --help */
    const char *version; /* for --version: PRODORDER_VERSION, which the Makefile gives to main.c */
    const struct config_local *locals;   /* its own defaults and examples of shared options */
    const struct config_option *options; /* those that it has besides, up to a name NULL; or NULL */
    /* Open everything; ERR_* ends the process with exit 1 (already logged). */
    enum err (*start)(struct loop *loop);
    /* Stop taking work, finish what is under way, then service_drained(). Or NULL. */
    void (*drain)(void);
    /* Free everything, also after a start() that failed: leak checkers stay quiet. Or NULL. */
    void (*stop)(void);
};

int service_main(int argc, char **argv, const struct service *service);
/* The drain is complete: leave the loop. After drain() was called, or in it; harmless to repeat. */
void service_drained(void);
/*
 * What is left of DRAIN_TIMEOUT_MS since the drain began, 0 when it is over: the one deadline that
 * all parts of a drain share. The whole of it while nothing drains, 0 outside of service_main().
 */
uint32_t service_drain_left_ms(void);

#endif
