/* The event loop: epoll, a heap of timers, two queues of tasks. */
#include "loop.h"

#include "base/clock.h"
#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_TICK_MAX = 256, TIMERS_INITIAL = 1024 };

struct loop {
    int epoll_fd;
    bool stopped;
    uint64_t now_ms;
    struct loop_timer **heap; /* heap[0] is due first */
    size_t timer_count;
    size_t timer_capacity;
    struct list tasks[LOOP_TASK_KINDS];
    loop_fn *tick_end;
    void *tick_end_ctx;
    struct epoll_event events[EVENTS_PER_TICK_MAX]; /* of the current tick */
    int event_count;
};

enum err loop_create(struct loop **ret_loop) {
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return ERR_NO_MEMORY;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->heap = calloc(TIMERS_INITIAL, sizeof(*loop->heap));
    if (loop->epoll_fd < 0 || loop->heap == NULL) {
        loop_destroy(loop);
        return ERR_INTERNAL;
    }
    loop->timer_capacity = TIMERS_INITIAL;
    for (int kind = 0; kind < LOOP_TASK_KINDS; kind++) {
        list_init(&loop->tasks[kind]);
    }
    loop->now_ms = clock_monotonic_ms();
    *ret_loop = loop;
    return ERR_OK;
}

void loop_destroy(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    free(loop->heap);
    free(loop);
}

uint64_t loop_now_ms(const struct loop *loop) {
    return loop->now_ms;
}

void loop_on_tick_end(struct loop *loop, loop_fn *fn, void *ctx) {
    loop->tick_end = fn;
    loop->tick_end_ctx = ctx;
}

/* ---- file descriptors ---- */

enum err loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
                    loop_fd_fn *fn, void *ctx) {
    struct epoll_event event = { .events = events, .data.ptr = watch };
    assert(fd >= 0 && fn != NULL);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return ERR_INTERNAL;
    }
    *watch =
        (struct loop_watch){ .fd = fd, .events = events, .active = true, .fn = fn, .ctx = ctx };
    return ERR_OK;
}

void loop_watch_events(struct loop *loop, struct loop_watch *watch, uint32_t events) {
    assert(watch->active);
    if (watch->events == events) {
        return;
    }
    struct epoll_event event = { .events = events, .data.ptr = watch };
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    assert(rc == 0);
    (void)rc;
    watch->events = events;
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch) {
    if (!watch->active) {
        return;
    }
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->active = false;
    for (int i = 0; i < loop->event_count; i++) { /* it may still wait in this tick's events */
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

/* ---- timers: a binary heap ---- */

static void heap_place(struct loop *loop, size_t index, struct loop_timer *timer) {
    loop->heap[index] = timer;
    timer->heap_index = index + 1;
}

static void heap_up(struct loop *loop, size_t index) {
    struct loop_timer *timer = loop->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (loop->heap[parent]->due_ms <= timer->due_ms) {
            break;
        }
        heap_place(loop, index, loop->heap[parent]);
        index = parent;
    }
    heap_place(loop, index, timer);
}

static void heap_down(struct loop *loop, size_t index) {
    struct loop_timer *timer = loop->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= loop->timer_count) {
            break;
        }
        if (child + 1 < loop->timer_count &&
            loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms) {
            child++;
        }
        if (timer->due_ms <= loop->heap[child]->due_ms) {
            break;
        }
        heap_place(loop, index, loop->heap[child]);
        index = child;
    }
    heap_place(loop, index, timer);
}

static void heap_grow(struct loop *loop) {
    size_t capacity = loop->timer_capacity * 2;
    struct loop_timer **heap = reallocarray(loop->heap, capacity, sizeof(*heap));
    if (heap == NULL) {
        abort(); /* a few bytes a timer: nothing else would work either */
    }
    loop->heap = heap;
    loop->timer_capacity = capacity;
}

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *ctx) {
    *timer = (struct loop_timer){ .fn = fn, .ctx = ctx };
}

bool loop_timer_armed(const struct loop_timer *timer) {
    return timer->heap_index != 0;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms) {
    assert(timer->fn != NULL);
    uint64_t due_ms = loop->now_ms + after_ms;
    if (timer->heap_index == 0) {
        if (loop->timer_count == loop->timer_capacity) {
            heap_grow(loop);
        }
        timer->due_ms = due_ms;
        heap_place(loop, loop->timer_count++, timer);
        heap_up(loop, timer->heap_index - 1);
        return;
    }
    bool later = due_ms > timer->due_ms;
    timer->due_ms = due_ms;
    if (later) {
        heap_down(loop, timer->heap_index - 1);
    } else {
        heap_up(loop, timer->heap_index - 1);
    }
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer) {
    if (timer->heap_index == 0) {
        return;
    }
    size_t index = timer->heap_index - 1;
    assert(loop->heap[index] == timer);
    timer->heap_index = 0;
    struct loop_timer *last = loop->heap[--loop->timer_count];
    if (last == timer) {
        return;
    }
    heap_place(loop, index, last);
    heap_up(loop, index);
    heap_down(loop, last->heap_index - 1);
}

static void run_timers(struct loop *loop) {
    while (loop->timer_count > 0 && loop->heap[0]->due_ms <= loop->now_ms) {
        struct loop_timer *timer = loop->heap[0];
        loop_timer_stop(loop, timer);
        timer->fn(timer->ctx);
    }
}

/* ---- tasks ---- */

void loop_task_init(struct loop_task *task, loop_fn *fn, void *ctx) {
    list_init(&task->node);
    task->fn = fn;
    task->ctx = ctx;
}

void loop_task_queue(struct loop *loop, struct loop_task *task, enum loop_task_kind kind) {
    if (list_is_empty(&task->node)) {
        list_append(&loop->tasks[kind], &task->node);
    }
}

void loop_task_cancel(struct loop_task *task) {
    list_remove(&task->node);
}

static bool run_next_task(struct loop *loop) {
    for (int kind = 0; kind < LOOP_TASK_KINDS; kind++) {
        struct list *node = list_take_first(&loop->tasks[kind]);
        if (node != NULL) {
            struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
            task->fn(task->ctx);
            return true;
        }
    }
    return false;
}

/* ---- the tick ---- */

static int wait_time(const struct loop *loop, int wait_ms) {
    if (loop->timer_count == 0) {
        return wait_ms;
    }
    uint64_t due_ms = loop->heap[0]->due_ms;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t until_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    if (wait_ms >= 0 && (uint64_t)wait_ms < until_ms) {
        return wait_ms;
    }
    return until_ms > 60000 ? 60000 : (int)until_ms;
}

void loop_tick(struct loop *loop, int wait_ms) {
    while (run_next_task(loop)) { /* queued between ticks */
    }
    int count =
        epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TICK_MAX, wait_time(loop, wait_ms));
    if (count < 0) {
        assert(errno == EINTR);
        count = 0;
    }
    loop->now_ms = clock_monotonic_ms();
    loop->event_count = count;
    for (int i = 0; i < loop->event_count; i++) {
        struct loop_watch *watch = loop->events[i].data.ptr;
        if (watch != NULL) {
            watch->fn(watch->ctx, loop->events[i].events);
        }
    }
    loop->event_count = 0;
    run_timers(loop);
    while (run_next_task(loop)) {
    }
    if (loop->tick_end != NULL) {
        loop->tick_end(loop->tick_end_ctx);
    }
}

void loop_run(struct loop *loop) {
    loop->stopped = false;
    while (!loop->stopped) {
        loop_tick(loop, -1);
    }
}

void loop_stop(struct loop *loop) {
    loop->stopped = true;
}

/* ---- wake-ups ---- */

static void wakeup_readable(void *ctx, uint32_t events) {
    struct loop_wakeup *wakeup = ctx;
    uint64_t count;
    (void)events;
    if (read(wakeup->watch.fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        wakeup->fn(wakeup->ctx);
    }
}

enum err loop_wakeup_open(struct loop *loop, struct loop_wakeup *wakeup, loop_fn *fn, void *ctx) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return ERR_INTERNAL;
    }
    wakeup->fn = fn;
    wakeup->ctx = ctx;
    enum err err = loop_watch(loop, &wakeup->watch, fd, EPOLLIN, wakeup_readable, wakeup);
    if (err != ERR_OK) {
        close(fd);
    }
    return err;
}

void loop_wakeup_close(struct loop *loop, struct loop_wakeup *wakeup) {
    if (!wakeup->watch.active) {
        return;
    }
    int fd = wakeup->watch.fd;
    loop_unwatch(loop, &wakeup->watch);
    close(fd);
}

void loop_wakeup_signal(struct loop_wakeup *wakeup) {
    uint64_t one = 1;
    ssize_t written = write(wakeup->watch.fd, &one, sizeof(one)); /* EAGAIN: signalled already */
    (void)written;
}

/* ---- waiting before another try ---- */

void loop_backoff_reset(struct backoff *backoff) {
    backoff->attempt = 0;
}

uint32_t loop_backoff_next_ms(struct backoff *backoff) {
    uint64_t ceiling = (uint64_t)backoff->base_ms
                       << (backoff->attempt < 20 ? backoff->attempt : 20);
    if (ceiling > backoff->cap_ms) {
        ceiling = backoff->cap_ms;
    }
    backoff->attempt++;
    uint32_t floor_ms = backoff->base_ms / 2;
    return floor_ms + random_below((uint32_t)ceiling - floor_ms + 1);
}
