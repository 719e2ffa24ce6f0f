/* The broker's API and its side in the loop. */
#include "private.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_wakeup(void *ctx);      /* a thread has news: state, fates, batches, its end */
static void on_wake_task(void *ctx);   /* end of the tick: the threads have work            */
static void on_close_timer(void *ctx); /* the close deadline                                */
static void end_batch(struct broker *broker, size_t queue, struct delivery_batch *batch);
static void give_back(struct broker *broker, size_t queue, struct delivery_batch *batch);
static void continue_close(struct broker *broker);

/* ---- open ---- */

/* RabbitMQ's URI: amqp://user:password@host:port/vhost, percent-encoded; no vhost means "/". */
static enum err parse_url(struct broker *broker) {
    if (amqp_parse_url(broker->url, &broker->target) != AMQP_STATUS_OK) {
        log_error("broker URL is malformed",
                  LOG_STR("expected", "amqp://user:password@host:port/vhost, percent-encoded"));
        return ERR_INVALID;
    }
    if (broker->target.ssl) {
        log_error("broker URL asks for TLS, which is not supported",
                  LOG_STR("expected", "amqp://"));
        return ERR_INVALID;
    }
    if (broker->target.vhost[0] == '\0') {
        broker->target.vhost = (char *)(uintptr_t) "/";
    }
    return ERR_OK;
}

static void check_options(const struct broker_options *options) {
    assert(options->declare_only_count <= BROKER_QUEUES_MAX);
    assert(options->publish_queue_max > 0 && options->publish_inflight_max > 0);
    assert(options->prefetch > 0 && options->batch_max > 0);
    assert(options->rpc_timeout_ms > 0 && options->backoff_base_ms > 0);
    assert(options->backoff_cap_ms >= options->backoff_base_ms);
    (void)options;
}

static enum err start_threads(struct broker *broker) {
    enum err err = broker_thread_start(&broker->publisher.thread);
    if (err == ERR_OK && broker->consumer.queue_count > 0) {
        err = broker_thread_start(&broker->consumer.thread);
    }
    if (err != ERR_OK) { /* the one that runs has to end before its memory goes */
        broker_thread_close(&broker->publisher.thread, 0);
        link_interrupt(&broker->publisher.thread.owner);
    }
    return err;
}

static enum err open_parts(struct broker *broker) {
    enum err err = parse_url(broker);
    if (err == ERR_OK) {
        err = broker_publisher_init(&broker->publisher, broker);
    }
    if (err == ERR_OK) {
        err = broker_consumer_init(&broker->consumer, broker);
    }
    if (err == ERR_OK) {
        err = queue_fate_set_init(&broker->fates, broker->outstanding_max);
    }
    if (err == ERR_OK) {
        err = loop_wakeup_open(broker->loop, &broker->wakeup, on_wakeup, broker);
    }
    return err == ERR_OK ? start_threads(broker) : err;
}

enum err broker_open(struct loop *loop, const struct broker_options *options,
                     const struct broker_callbacks *callbacks, void *ctx,
                     struct broker **ret_broker) {
    check_options(options);
    struct broker *broker = calloc(1, sizeof(*broker));
    if (broker == NULL) {
        return ERR_NO_MEMORY;
    }
    broker->loop = loop;
    broker->options = *options;
    broker->callbacks = *callbacks;
    broker->ctx = ctx;
    for (size_t i = 0; i < BROKER_QUEUES_MAX; i++) {
        list_init(&broker->held[i]);
    }
    broker->outstanding_max = options->publish_queue_max + options->publish_inflight_max;
    loop_task_init(&broker->wake_task, on_wake_task, broker);
    loop_timer_init(&broker->close_timer, on_close_timer, broker);
    metrics_register(broker_metrics, M_COUNT);
    broker->url = strdup(options->url);
    enum err err = broker->url != NULL ? open_parts(broker) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        broker_free(broker);
        return err;
    }
    *ret_broker = broker;
    return ERR_OK;
}

void broker_free(struct broker *broker) {
    if (broker == NULL) {
        return;
    }
    broker_publisher_done(&broker->publisher);
    for (size_t i = 0; i < BROKER_QUEUES_MAX; i++) {
        queue_batches_destroy(&broker->held[i]);
    }
    broker_consumer_done(&broker->consumer);
    loop_wakeup_close(broker->loop, &broker->wakeup);
    loop_timer_stop(broker->loop, &broker->close_timer);
    loop_task_cancel(&broker->wake_task);
    queue_fate_set_done(&broker->fates);
    free(broker->url);
    free(broker);
}

/* ---- publishing ---- */

enum broker_state broker_publish_state(const struct broker *broker) {
    return (enum broker_state)(broker->publish_state & 3);
}

bool broker_is_consuming(const struct broker *broker) {
    return broker->consuming || broker->consumer.queue_count == 0;
}

static void on_wake_task(void *ctx) {
    struct broker *broker = ctx;
    if (broker->wake_publisher) {
        broker->wake_publisher = false;
        broker_thread_wake(&broker->publisher.thread);
    }
    if (broker->wake_consumer) {
        broker->wake_consumer = false;
        broker_thread_wake(&broker->consumer.thread);
    }
}

static void wake_publisher(struct broker *broker) {
    broker->wake_publisher = true;
    loop_task_queue(broker->loop, &broker->wake_task, LOOP_TASK_FLUSH);
}

static void wake_consumer(struct broker *broker) {
    broker->wake_consumer = true;
    loop_task_queue(broker->loop, &broker->wake_task, LOOP_TASK_FLUSH);
}

static bool is_too_large(const struct broker_message *message) {
    return message->body_length > BROKER_BODY_BYTES_MAX ||
           strlen(message->routing_key) > BROKER_ROUTING_KEY_BYTES_MAX ||
           strlen(message->content_type) > BROKER_CONTENT_TYPE_BYTES_MAX ||
           strlen(message->message_id) > BROKER_ID_BYTES_MAX ||
           strlen(message->trace.request_id) > BROKER_ID_BYTES_MAX ||
           strlen(message->trace.parent) > TRACE_PARENT_BYTES_MAX ||
           strlen(message->trace.state) > TRACE_STATE_BYTES_MAX;
}

enum err broker_publish(struct broker *broker, const struct broker_message *message,
                        uint64_t cookie) {
    if (broker->closing) {
        return ERR_DRAINING;
    }
    if (is_too_large(message)) {
        return ERR_TOO_LARGE;
    }
    if (broker->outstanding == broker->outstanding_max) {
        return ERR_BUSY;
    }
    struct send_item item = {
        .message = *message,
        .cookie = cookie,
        .queued_us = clock_monotonic_us(),
    };
    bool was_empty = false;
    enum err err = queue_put(&broker->publisher.sendq, &item, &was_empty);
    if (err == ERR_OK) {
        broker->outstanding++;
        if (was_empty) {
            wake_publisher(broker);
        }
    }
    return err;
}

/* ---- what became of messages ---- */

static void report_state(struct broker *broker) {
    uint64_t now = broker->publish_state;
    uint64_t told = broker->told_state;
    if (now == told) {
        return;
    }
    broker->told_state = now;
    enum broker_state state = (enum broker_state)(now & 3);
    bool was_down = (told & 3) == BROKER_DOWN;
    if (now >> 2 != told >> 2 && !was_down) { /* gone and back in between */
        broker->callbacks.on_state(broker->ctx, BROKER_DOWN);
        was_down = true;
    }
    if (state != BROKER_DOWN || !was_down) {
        broker->callbacks.on_state(broker->ctx, state);
    }
}

/* What became of copies; a batch that waits for nothing any more goes back. */
static void report_copies(struct broker *broker) {
    for (size_t queue = 0; queue < broker->consumer.queue_count; queue++) {
        struct list *held = &broker->held[queue], *next;
        for (struct list *node = held->next; node != held; node = next) {
            struct delivery_batch *batch = CONTAINER_OF(node, struct delivery_batch, node);
            size_t counts[2];
            next = node->next;
            if (batch->copies_pending == 0) {
                continue;
            }
            queue_copies_take(&broker->publisher.fates, batch, counts);
            assert(batch->copies_pending >= counts[false] + counts[true]);
            batch->copies_pending -= counts[false] + counts[true];
            batch->failed = batch->failed || counts[false] > 0;
            give_back(broker, queue, batch);
        }
    }
}

static void report_fates(struct broker *broker) {
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        struct fate_list *list = &broker->fates.lists[confirmed];
        broker->outstanding -= list->count;
        if (list->count > 0) {
            broker->callbacks.on_published(broker->ctx, list->cookies, list->count, confirmed != 0);
        }
    }
    report_copies(broker);
}

/*
 * The publisher sets its state and then posts the fates of what its connection took with it. So
 * they are taken before the state is read: whoever hears that a message is lost has heard
 * BROKER_DOWN.
 */
static void report_news(struct broker *broker) {
    queue_fates_take(&broker->publisher.fates, &broker->fates);
    report_state(broker);
    report_fates(broker);
}

/* ---- copies: dead letters for what can never succeed, retry queues for what can later ---- */

enum {
    OUR_HEADERS = 4,
    HEADERS_MAX = 64,         /* of the original, kept; the rest is left out */
    PROPERTIES_BYTES = 65536, /* encoded; less when the broker's frames are smaller */
    REASON_BYTES_MAX = 255,
    POOL_PAGE_BYTES = 4096,
};

struct copy {
    const struct broker_queue *queue; /* of the delivery */
    const char *suffix;               /* of the queue that it is for */
    struct delivery_batch *batch;
    const struct broker_message *message;
    const struct delivery_origin *origin;
    const char *reason;
    const char *detail; /* NULL: not said */
    unsigned attempts;  /* 0: not said */
};

/* Replaced by ours, or with a meaning to the broker that the copy must not have. */
static bool is_dropped_header(amqp_bytes_t key) {
    static const char *const names[] = { "x-prodorder-reason",
                                         "x-prodorder-detail",
                                         "x-prodorder-queue",
                                         "x-prodorder-time",
                                         BROKER_ATTEMPTS_HEADER,
                                         "CC",
                                         "BCC" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (key.len == strlen(names[i]) && memcmp(key.bytes, names[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

static void add_header(amqp_table_t *headers, const char *key, const char *value) {
    amqp_table_entry_t *entry = &headers->entries[headers->num_entries++];
    *entry = link_text_entry(key, value);
    entry->value.value.bytes.len = utf8_cut(value, strlen(value), REASON_BYTES_MAX);
}

static void copy_headers(amqp_table_t *to, const amqp_basic_properties_t *properties) {
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) == 0) {
        return;
    }
    for (int i = 0; i < properties->headers.num_entries; i++) {
        if (to->num_entries < HEADERS_MAX &&
            !is_dropped_header(properties->headers.entries[i].key)) {
            to->entries[to->num_entries++] = properties->headers.entries[i];
        }
    }
}

/* The original's properties for the copy: kept for ever (no expiration), from us (no user id). */
static int encode_copy(amqp_basic_properties_t *properties, amqp_table_t headers,
                       amqp_bytes_t out) {
    properties->_flags &= ~(amqp_flags_t)(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
    properties->_flags |= AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties->delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties->headers = headers;
    return amqp_encode_properties(AMQP_BASIC_CLASS, properties, out);
}

/*
 * The encoded property list in `out`; its length, or -1. What is too large loses headers of the
 * original, the last first: without them any message fits into AMQP's smallest frame, with at most
 * eight short strings of its own and our four headers.
 */
static int make_properties(amqp_pool_t *pool, const struct copy *copy, amqp_bytes_t out) {
    void *decoded = NULL;
    amqp_bytes_t raw = { copy->origin->properties_length,
                         (void *)(uintptr_t)copy->origin->properties };
    if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, raw, &decoded) != AMQP_STATUS_OK) {
        return -1; /* decoded before, when it came: no memory */
    }
    char now[CLOCK_RFC3339_BYTES], attempts[16], queue[TOPOLOGY_NAME_BYTES];
    clock_format_rfc3339(clock_unix_ms(), now);
    snprintf(attempts, sizeof(attempts), "%u", copy->attempts);
    amqp_table_entry_t entries[HEADERS_MAX + OUR_HEADERS];
    amqp_table_t headers = { 0, entries };
    add_header(&headers, "x-prodorder-reason", copy->reason);
    topology_companion(copy->queue, "", queue);
    add_header(&headers, "x-prodorder-queue", queue);
    add_header(&headers, "x-prodorder-time", now);
    if (copy->detail != NULL) {
        add_header(&headers, "x-prodorder-detail", copy->detail);
    }
    if (copy->attempts > 0) {
        add_header(&headers, BROKER_ATTEMPTS_HEADER, attempts);
    }
    int ours = headers.num_entries;
    copy_headers(&headers, decoded);
    int length = encode_copy(decoded, headers, out);
    while (length < 0 && headers.num_entries > ours) {
        headers.num_entries--;
        length = encode_copy(decoded, headers, out);
    }
    return length;
}

/* ERR_UNAVAILABLE, ERR_NO_MEMORY, ERR_BUSY. */
static enum err queue_copy(struct broker *broker, const struct copy *copy) {
    char to[TOPOLOGY_NAME_BYTES];
    topology_companion(copy->queue, copy->suffix, to);
    char *properties = malloc(PROPERTIES_BYTES);
    if (properties == NULL) {
        return ERR_NO_MEMORY;
    }
    amqp_pool_t pool;
    init_amqp_pool(&pool, POOL_PAGE_BYTES);
    size_t bytes_max = broker->publisher.properties_bytes_max;
    amqp_bytes_t room = { bytes_max < PROPERTIES_BYTES ? bytes_max : PROPERTIES_BYTES, properties };
    int length = make_properties(&pool, copy, room);
    struct send_item item = {
        .message = *copy->message,
        .properties = properties,
        .properties_length = length < 0 ? 0 : (size_t)length,
        .queued_us = clock_monotonic_us(),
        .copied_from = copy->batch,
    };
    item.message.routing_key = to;
    bool was_empty = false;
    enum err err =
        length < 0 ? ERR_NO_MEMORY : queue_put(&broker->publisher.sendq, &item, &was_empty);
    empty_amqp_pool(&pool);
    free(properties);
    return err;
}

/* Why there is a copy is logged by who decides it; here only that it did not work. */
static void send_copy(struct broker *broker, const struct copy *copy) {
    enum err err = queue_copy(broker, copy);
    if (err == ERR_OK) {
        copy->batch->copies_pending++;
        wake_publisher(broker);
        return;
    }
    copy->batch->failed = true;
    log_warn("delivery not copied, it comes again", LOG_STR("queue", copy->queue->name),
             LOG_STR("messageId", copy->message->message_id), LOG_STR("reason", err_name(err)));
}

static void park_oversized(struct broker *broker, size_t queue, struct delivery_batch *batch) {
    struct list *oversized = &batch->oversized;
    for (struct list *node = oversized->next; node != oversized; node = node->next) {
        struct oversized *one = CONTAINER_OF(node, struct oversized, node);
        struct copy copy = { .queue = &broker->options.queues[queue],
                             .suffix = BROKER_DLQ_SUFFIX,
                             .batch = batch,
                             .message = &one->message,
                             .origin = &one->origin,
                             .reason = "too_large",
                             .detail = "the message is larger than 1 MiB" };
        log_error("delivery too large, parked", LOG_STR("queue", copy.queue->name),
                  LOG_STR("messageId", one->message.message_id),
                  LOG_STR("requestId", one->message.trace.request_id),
                  LOG_INT("bodyBytes", one->message.body_length));
        metrics_add(&broker_metrics[M_PARKED], 1);
        send_copy(broker, &copy);
    }
}

static void copy_delivery(struct broker *broker, const struct broker_delivery *delivery,
                          struct str body, struct copy *copy) {
    struct delivery_batch *batch = delivery->batch;
    struct broker_message message = delivery->message;
    assert(delivery >= batch->deliveries && delivery < batch->deliveries + batch->count);
    assert(!batch->ended);
    if (body.data != NULL) {
        message.body = body.data;
        message.body_length = body.len;
    }
    copy->queue = &broker->options.queues[delivery->queue];
    copy->batch = batch;
    copy->message = &message;
    copy->origin = &batch->origins[delivery - batch->deliveries];
    send_copy(broker, copy);
}

void broker_park(struct broker *broker, const struct broker_delivery *delivery, struct str body,
                 const char *reason, const char *detail) {
    struct copy copy = { .suffix = BROKER_DLQ_SUFFIX, .reason = reason, .detail = detail };
    metrics_add(&broker_metrics[M_PARKED], 1);
    copy_delivery(broker, delivery, body, &copy);
}

void broker_set_aside(struct broker *broker, const struct broker_delivery *delivery,
                      struct str body, const char *reason, unsigned attempts) {
    struct copy copy = { .suffix = BROKER_RETRY_SUFFIX, .reason = reason, .attempts = attempts };
    metrics_add(&broker_metrics[M_SET_ASIDE], 1);
    copy_delivery(broker, delivery, body, &copy);
}

/* ---- news from the threads ---- */

static void take_batch(struct broker *broker, size_t queue) {
    struct delivery_batch *batch = queue_batch_take(&broker->consumer.queues[queue].handover);
    if (batch == NULL) {
        return;
    }
    list_append(&broker->held[queue], &batch->node);
    park_oversized(broker, queue, batch);
    if (batch->count == 0) {
        end_batch(broker, queue, batch);
        broker_next(broker, queue);
        return;
    }
    metrics_observe(&broker_metrics[M_BATCH_SIZE], (int64_t)batch->count);
    broker->callbacks.on_deliveries(broker->ctx, queue, batch->deliveries, batch->count);
}

static void on_wakeup(void *ctx) {
    struct broker *broker = ctx;
    report_news(broker);
    for (size_t queue = 0; queue < broker->consumer.queue_count && !broker->closing; queue++) {
        take_batch(broker, queue);
    }
    if (broker->closing) {
        continue_close(broker); /* may free the broker */
    }
}

/* ---- deliveries ---- */

/*
 * After the first one of a connection that must come again, nothing of it may be acknowledged: it
 * might cover that one. Those of the connections before come again anyway.
 */
static void give_back(struct broker *broker, size_t queue, struct delivery_batch *batch) {
    if (!batch->ended || batch->copies_pending > 0) {
        return;
    }
    if (batch->failed && batch->epoch > broker->consumer.recycle_epoch) {
        broker->consumer.recycle_epoch = batch->epoch;
    }
    batch->acknowledge = batch->epoch > broker->consumer.recycle_epoch;
    batch->is_oldest = broker->held[queue].next == &batch->node;
    list_remove(&batch->node);
    queue_batch_release(&broker->consumer.queues[queue].handover, batch);
    wake_consumer(broker);
}

static void end_batch(struct broker *broker, size_t queue, struct delivery_batch *batch) {
    assert(!batch->ended);
    batch->ended = true;
    give_back(broker, queue, batch);
}

void broker_next(struct broker *broker, size_t queue) {
    assert(queue < broker->consumer.queue_count);
    queue_batch_want(&broker->consumer.queues[queue].handover);
    wake_consumer(broker);
}

void broker_ack(struct broker *broker, struct delivery_batch *batch) {
    end_batch(broker, batch->deliveries[0].queue, batch);
}

void broker_return(struct broker *broker, struct delivery_batch *batch) {
    batch->failed = true;
    end_batch(broker, batch->deliveries[0].queue, batch);
}

/* ---- close: acknowledgements that wait for a copy, then the consumer, then the publisher ---- */

void broker_close(struct broker *broker, uint32_t deadline_ms, loop_fn *on_closed, void *ctx) {
    assert(!broker->closing);
    broker->closing = true;
    broker->on_closed = on_closed;
    broker->on_closed_ctx = ctx;
    broker->close_deadline_ms = clock_monotonic_ms() + deadline_ms;
    loop_timer_start(broker->loop, &broker->close_timer, deadline_ms);
    loop_wakeup_signal(&broker->wakeup); /* on_closed never comes from within this call */
}

/* Connecting, and waiting for a copy's confirm, do not look at the deadline themselves. */
static void on_close_timer(void *ctx) {
    struct broker *broker = ctx;
    broker->close_expired = true;
    link_interrupt(&broker->consumer.thread.owner);
    link_interrupt(&broker->publisher.thread.owner);
    loop_wakeup_signal(&broker->wakeup);
}

static bool acks_wait_for_copies(const struct broker *broker) {
    for (size_t queue = 0; queue < broker->consumer.queue_count; queue++) {
        const struct list *held = &broker->held[queue];
        for (const struct list *node = held->next; node != held; node = node->next) {
            if (CONTAINER_OF(node, struct delivery_batch, node)->ended) {
                return true;
            }
        }
    }
    return false;
}

static void close_thread(struct broker *broker, struct broker_thread *thread) {
    if (!thread->owner.closing) {
        broker_thread_close(thread, broker->close_deadline_ms);
        if (broker->close_expired) { /* it may have begun to connect again since on_close_timer() */
            link_interrupt(&thread->owner);
        }
    }
}

static void continue_close(struct broker *broker) {
    if (acks_wait_for_copies(broker) && !broker->close_expired) {
        return;
    }
    close_thread(broker, &broker->consumer.thread);
    if (!broker_thread_ended(&broker->consumer.thread)) {
        return;
    }
    close_thread(broker, &broker->publisher.thread);
    if (!broker_thread_ended(&broker->publisher.thread) || broker->on_closed == NULL) {
        return;
    }
    loop_timer_stop(broker->loop, &broker->close_timer);
    report_news(broker);
    loop_fn *on_closed = broker->on_closed;
    broker->on_closed = NULL;
    on_closed(broker->on_closed_ctx);
}
