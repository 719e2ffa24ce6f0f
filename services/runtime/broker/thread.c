/* What the publishing and the consuming thread have in common: start, reconnect for ever, end. */
#include "private.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct metric broker_metrics[M_COUNT] = {
    [M_SENT] = { "prodorder_broker_published_total", METRIC_COUNTER, "Messages sent to RabbitMQ" },
    [M_CONFIRMED] = { "prodorder_broker_confirmed_total", METRIC_COUNTER,
                      "Messages that RabbitMQ confirmed" },
    [M_UNCONFIRMED] = { "prodorder_broker_unconfirmed_total", METRIC_COUNTER,
                        "Messages refused, returned, or open when a connection ended" },
    [M_RETURNED] = { "prodorder_broker_returned_total", METRIC_COUNTER,
                     "Messages that no queue took" },
    [M_DELIVERIES] = { "prodorder_broker_deliveries_total", METRIC_COUNTER, "Messages received" },
    [M_REDELIVERIES] = { "prodorder_broker_redeliveries_total", METRIC_COUNTER,
                         "Messages received that had been delivered before" },
    [M_ACKED] = { "prodorder_broker_acked_total", METRIC_COUNTER, "Messages acknowledged" },
    [M_PARKED] = { "prodorder_broker_parked_total", METRIC_COUNTER,
                   "Events copied to a dead-letter queue (again when a copy failed)" },
    [M_SET_ASIDE] = { "prodorder_broker_set_aside_total", METRIC_COUNTER,
                      "Events copied to a retry queue (again when a copy failed)" },
    [M_REJECTED] = { "prodorder_broker_rejected_total", METRIC_COUNTER,
                     "Messages too large even to be parked, dead-lettered by RabbitMQ" },
    [M_RECONNECTS_PUBLISHER] = { "prodorder_broker_reconnects_total", METRIC_COUNTER,
                                 "Attempts to connect after a failure",
                                 "connection=\"publisher\"" },
    [M_RECONNECTS_CONSUMER] = { "prodorder_broker_reconnects_total", METRIC_COUNTER,
                                "Attempts to connect after a failure", "connection=\"consumer\"" },
    [M_QUEUE_DEPTH] = { "prodorder_broker_queue_depth", METRIC_GAUGE,
                        "Messages waiting to be sent" },
    [M_INFLIGHT] = { "prodorder_broker_inflight", METRIC_GAUGE, "Messages sent and not confirmed" },
    [M_CONFIRM_SECONDS] = { "prodorder_broker_confirm_seconds", METRIC_HISTOGRAM_SECONDS,
                            "From broker_publish() to the confirm" },
    [M_BATCH_SIZE] = { "prodorder_broker_batch_size", METRIC_HISTOGRAM_SIZE,
                       "Deliveries handed over at a time" },
    [M_DEAD_LETTERS] = { "prodorder_dead_letters", METRIC_GAUGE,
                         "Dead letters of this service's queues; counted every 10 s" },
};

enum { GOODBYE_MS_MAX = 1000 };

enum err broker_thread_init(struct broker_thread *thread, struct broker *broker,
                            const struct broker_thread_kind *kind) {
    thread->kind = kind;
    thread->broker = broker;
    thread->backoff = (struct backoff){ .base_ms = broker->options.backoff_base_ms,
                                        .cap_ms = broker->options.backoff_cap_ms };
    thread->owner.name = kind->name;
    thread->owner.options = &broker->options;
    thread->owner.target = &broker->target;
    thread->owner.socket_fd = -1;
    pthread_mutex_init(&thread->owner.lock, NULL);
    thread->owner.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum err err = link_init(&thread->link, &thread->owner);
    return err == ERR_OK && thread->owner.wake_fd < 0 ? ERR_INTERNAL : err;
}

void broker_thread_done(struct broker_thread *thread) {
    if (thread->started) {
        broker_thread_close(thread, 0); /* freed without, or before the end of, broker_close() */
        link_interrupt(&thread->owner);
        pthread_join(thread->id, NULL);
        thread->started = false;
    }
    if (thread->broker == NULL) {
        return; /* broker_thread_init() was never called */
    }
    link_done(&thread->link);
    if (thread->owner.wake_fd >= 0) {
        close(thread->owner.wake_fd);
    }
    pthread_mutex_destroy(&thread->owner.lock);
}

void broker_thread_wake(struct broker_thread *thread) {
    uint64_t one = 1;
    ssize_t written = write(thread->owner.wake_fd, &one, sizeof(one)); /* EAGAIN: awake anyway */
    (void)written;
}

void broker_thread_close(struct broker_thread *thread, uint64_t deadline_ms) {
    thread->owner.close_deadline_ms = deadline_ms;
    thread->owner.closing = true;
    broker_thread_wake(thread);
}

bool broker_thread_ended(const struct broker_thread *thread) {
    return !thread->started || thread->finished;
}

bool broker_thread_past_deadline(const struct broker_thread *thread) {
    return thread->owner.closing && clock_monotonic_ms() >= thread->owner.close_deadline_ms;
}

uint64_t broker_thread_wait_until_ms(const struct broker_thread *thread) {
    return thread->owner.closing ? thread->owner.close_deadline_ms : UINT64_MAX;
}

/* An outage is logged once; its further failures only when someone debugs. */
static void log_outage(struct broker_thread *thread, bool was_up, uint32_t retry_ms) {
    const char *reason = thread->link.reason;
    if (was_up) {
        log_warn("broker connection lost", LOG_STR("connection", thread->owner.name),
                 LOG_STR("reason", reason), LOG_INT("retryMs", retry_ms));
    } else if (!thread->owner.failure_known) {
        log_warn("broker connection failed", LOG_STR("connection", thread->owner.name),
                 LOG_STR("reason", reason), LOG_INT("retryMs", retry_ms));
    } else {
        log_debug("broker connection failed again", LOG_STR("connection", thread->owner.name),
                  LOG_STR("reason", reason), LOG_INT("retryMs", retry_ms));
    }
    thread->owner.failure_known = true;
}

static void wait_before_retry(struct broker_thread *thread, uint32_t retry_ms) {
    uint64_t until_ms = clock_monotonic_ms() + retry_ms;
    struct pollfd fd = { .fd = thread->owner.wake_fd, .events = POLLIN };
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        if (thread->owner.closing || now_ms >= until_ms) {
            return;
        }
        if (poll(&fd, 1, (int)(until_ms - now_ms)) > 0) {
            link_clear_wake(&thread->owner);
        }
    }
}

static void retry_later(struct broker_thread *thread, bool was_up) {
    if (was_up && clock_monotonic_ms() - thread->up_since_ms >= thread->backoff.cap_ms) {
        loop_backoff_reset(&thread->backoff);
    }
    uint32_t retry_ms = loop_backoff_next_ms(&thread->backoff);
    log_outage(thread, was_up, retry_ms);
    wait_before_retry(thread, retry_ms);
    metrics_add(thread->kind->reconnects, 1);
}

static void end_session(struct broker_thread *thread) {
    uint64_t goodbye_ms = clock_monotonic_ms() + GOODBYE_MS_MAX;
    uint64_t deadline_ms = thread->owner.close_deadline_ms;
    link_say_goodbye(&thread->link, goodbye_ms < deadline_ms ? goodbye_ms : deadline_ms);
}

static void *run(void *arg) {
    struct broker_thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->kind->thread_name);
    while (!thread->owner.closing) {
        enum err err = link_open(&thread->link);
        if (err == ERR_OK) {
            err = topology_declare(&thread->link);
        }
        bool was_up = err == ERR_OK;
        if (was_up) {
            log_info("broker connected", LOG_STR("connection", thread->owner.name));
            thread->owner.failure_known = false;
            thread->up_since_ms = clock_monotonic_ms();
            err = thread->kind->session(thread);
        }
        if (was_up && err == ERR_OK) {
            end_session(thread);
        }
        link_close(&thread->link);
        thread->kind->lost(thread);
        if (!thread->owner.closing) {
            retry_later(thread, was_up);
        }
    }
    thread->finished = true;
    loop_wakeup_signal(&thread->broker->wakeup);
    return NULL;
}

/* Signals are for the loop's thread. */
enum err broker_thread_start(struct broker_thread *thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->id, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    thread->started = rc == 0;
    return rc == 0 ? ERR_OK : ERR_INTERNAL;
}
