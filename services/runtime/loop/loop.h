/*
 * The event loop: file descriptors (epoll, level-triggered), timers, tasks, wake-ups from other
 * threads. One loop per process; everything here belongs to the loop's thread, except
 * loop_wakeup_signal().
 *
 * A tick: wait for events → run their callbacks → run due timers → run tasks until none is left.
 * Tasks of LOOP_TASK_READY (flows that can go on) all run before those of LOOP_TASK_FLUSH (batches
 * to send, output to write), so one flush serves everything that the tick produced.
 * Watches, timers, tasks and wake-ups are embedded in their owners; the loop never allocates for
 * them.
 */
#ifndef RUNTIME_LOOP_LOOP_H
#define RUNTIME_LOOP_LOOP_H

#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

typedef void loop_fd_fn(void *ctx, uint32_t events); /* events: EPOLLIN | EPOLLOUT | EPOLLERR … */
typedef void loop_fn(void *ctx);

struct loop_watch {
    int fd;
    uint32_t events;
    bool active;
    loop_fd_fn *fn;
    void *ctx;
};

struct loop_timer {
    uint64_t due_ms;
    size_t heap_index; /* position in the loop's heap + 1, 0 when not armed */
    loop_fn *fn;
    void *ctx;
};

enum loop_task_kind { LOOP_TASK_READY, LOOP_TASK_FLUSH, LOOP_TASK_KINDS };

struct loop_task {
    struct list node;
    loop_fn *fn;
    void *ctx;
};

struct loop_wakeup {
    struct loop_watch watch;
    loop_fn *fn;
    void *ctx;
};

MUST_CHECK enum err loop_create(struct loop **ret_loop);
void loop_destroy(struct loop *loop); /* accepts NULL; watches and timers must be gone */

/* Run until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/*
 * One tick, waiting at most `wait_ms` (-1: until something happens). For tests and for loop_run().
 */
void loop_tick(struct loop *loop, int wait_ms);

/* Run `fn` at the end of every tick, after the tasks (log flush). One per loop. */
void loop_on_tick_end(struct loop *loop, loop_fn *fn, void *ctx);

/* Monotonic milliseconds, read once per tick. */
uint64_t loop_now_ms(const struct loop *loop);

/*
 * Watch `fd` for `events`. ERR_INTERNAL when epoll refuses. `watch` must stay until loop_unwatch().
 */
MUST_CHECK enum err loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
                               loop_fd_fn *fn, void *ctx);
/* Change the events of an active watch; no system call when they are the same. */
void loop_watch_events(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Stop watching (before close(fd)). Harmless when not active. No callback comes after it. */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/* Prepare a timer once, before its first start. */
void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *ctx);
/* (Re)arm: fires once, `after_ms` from now. Aborts when the heap of timers cannot grow. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer); /* harmless when not armed */
bool loop_timer_armed(const struct loop_timer *timer);

void loop_task_init(struct loop_task *task, loop_fn *fn, void *ctx);
/* Queue for this tick; harmless when already queued. */
void loop_task_queue(struct loop *loop, struct loop_task *task, enum loop_task_kind kind);
void loop_task_cancel(struct loop_task *task);

/* An eventfd whose signals, coalesced, run `fn` in the loop's thread. */
MUST_CHECK enum err loop_wakeup_open(struct loop *loop, struct loop_wakeup *wakeup, loop_fn *fn,
                                     void *ctx);
void loop_wakeup_close(struct loop *loop, struct loop_wakeup *wakeup);
/* Any thread, async-signal-safe. */
void loop_wakeup_signal(struct loop_wakeup *wakeup);

/* ---- waiting before another try ---- */

/*
 * Exponential backoff with full jitter: the n-th delay is random in [floor, min(cap, base·2ⁿ)].
 * One definition for every reconnect and retry in the services.
 */
struct backoff {
    uint32_t base_ms;
    uint32_t cap_ms;
    uint32_t attempt;
};

void loop_backoff_reset(struct backoff *backoff);
uint32_t loop_backoff_next_ms(struct backoff *backoff);

#endif
