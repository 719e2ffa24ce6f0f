/*
 * The consuming thread: deliveries are copied into batches, batches offered to the loop,
 * acknowledged when they come back.
 *
 * One channel for each queue: basic.ack with `multiple` covers all that was delivered on a channel
 * up to a tag, so on a shared one it would acknowledge deliveries of other queues that nobody has
 * handled.
 */
#include "private.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <stdio.h>
#include <string.h>

enum {
    FIRST_CONSUMER_CHANNEL = LINK_CHANNEL + 1,
    TAG_EPOCH_SHIFT = 48,
    LARGE_PREFETCH =
        8, /* of a queue whose deliveries are so large that the usual one is too many */
    LETTERS_INTERVAL_MS = 10000,
};

static const uint64_t TAG_MASK = ((uint64_t)1 << TAG_EPOCH_SHIFT) - 1;

static enum err session(struct broker_thread *thread); /* while connected                         */
static void lost(struct broker_thread *thread);        /* what the loop has not taken comes again */
static enum err open_channels(struct broker_consumer *consumer);
static enum err collect_released(struct broker_consumer *consumer, size_t index);
static enum err on_frame(void *ctx, const amqp_frame_t *frame);
static void offer_batches(struct broker_consumer *consumer);

static const struct broker_thread_kind KIND = {
    .name = "consumer",
    .thread_name = "broker-consume",
    .reconnects = &broker_metrics[M_RECONNECTS_CONSUMER],
    .session = session,
    .lost = lost,
};

static struct broker_consumer *consumer_of(struct broker_thread *thread) {
    return CONTAINER_OF(thread, struct broker_consumer, thread);
}

enum err broker_consumer_init(struct broker_consumer *consumer, struct broker *broker) {
    enum err err = broker_thread_init(&consumer->thread, broker, &KIND);
    for (size_t i = 0; i < BROKER_QUEUES_MAX; i++) {
        queue_handover_init(&consumer->queues[i].handover);
        list_init(&consumer->queues[i].ready);
        list_init(&consumer->queues[i].free);
        consumer->queues[i].prefetch = broker->options.prefetch;
    }
    while (consumer->queue_count < BROKER_QUEUES_MAX &&
           broker->options.queues[consumer->queue_count].name != NULL) {
        consumer->queue_count++;
    }
    return err;
}

void broker_consumer_done(struct broker_consumer *consumer) {
    bool initialised = consumer->thread.broker != NULL;
    broker_thread_done(&consumer->thread);
    for (size_t i = 0; initialised && i < BROKER_QUEUES_MAX; i++) {
        struct broker_consumer_queue *queue = &consumer->queues[i];
        queue_batch_destroy(queue->handover.offered);
        queue_batches_destroy(&queue->handover.released);
        queue_batches_destroy(&queue->ready);
        queue_batches_destroy(&queue->free);
        queue_handover_done(&queue->handover);
    }
}

/* ---- batches ---- */

static void recycle_batch(struct broker_consumer_queue *queue, struct delivery_batch *batch) {
    list_remove(&batch->node);
    queue->bytes -= batch->bytes;
    queue_batch_reset(batch, 0);
    list_append(&queue->free, &batch->node);
}

static void lost(struct broker_thread *thread) {
    struct broker_consumer *consumer = consumer_of(thread);
    consumer->thread.broker->consuming = false;
    for (size_t i = 0; i < consumer->queue_count; i++) {
        struct broker_consumer_queue *queue = &consumer->queues[i];
        struct list *node;
        struct delivery_batch *batch = queue_batch_withdraw(&queue->handover);
        if (batch != NULL) {
            recycle_batch(queue, batch);
        }
        while ((node = list_take_first(&queue->ready)) != NULL) {
            recycle_batch(queue, CONTAINER_OF(node, struct delivery_batch, node));
        }
        queue->filling = NULL;
        queue->assembling = ASSEMBLE_NOTHING;
    }
}

/* The batch that the next delivery goes to; NULL when there is no memory. */
static struct delivery_batch *batch_to_fill(struct broker_consumer *consumer,
                                            struct broker_consumer_queue *queue) {
    if (queue->filling != NULL && !queue_batch_is_full(queue->filling)) {
        return queue->filling;
    }
    struct list *node = list_take_first(&queue->free);
    struct delivery_batch *batch =
        node != NULL ? CONTAINER_OF(node, struct delivery_batch, node)
                     : queue_batch_create(consumer->thread.broker->options.batch_max);
    if (batch != NULL) {
        queue_batch_reset(batch, consumer->epoch);
        list_append(&queue->ready, &batch->node);
        queue->filling = batch;
    }
    return batch;
}

/* One batch of each queue that the loop wants; not while a delivery is half copied into it. */
static void offer_batches(struct broker_consumer *consumer) {
    for (size_t i = 0; i < consumer->queue_count && !consumer->thread.owner.closing; i++) {
        struct broker_consumer_queue *queue = &consumer->queues[i];
        if (list_is_empty(&queue->ready) || !queue_batch_is_wanted(&queue->handover)) {
            continue;
        }
        struct delivery_batch *batch = CONTAINER_OF(queue->ready.next, struct delivery_batch, node);
        bool half_filled = batch == queue->filling && queue->assembling != ASSEMBLE_NOTHING;
        if (queue_batch_is_empty(batch) || half_filled) {
            continue;
        }
        list_remove(&batch->node);
        queue_batch_offer(&queue->handover, batch);
        if (batch == queue->filling) {
            queue->filling = NULL;
        }
        consumer->signal_loop = true;
    }
    if (consumer->signal_loop) {
        consumer->signal_loop = false;
        loop_wakeup_signal(&consumer->thread.broker->wakeup);
    }
}

static enum err put_ack(struct broker_consumer *consumer, size_t queue, uint64_t tag,
                        bool multiple) {
    amqp_basic_ack_t ack = { .delivery_tag = tag & TAG_MASK, .multiple = multiple };
    return link_put_method(&consumer->thread.link, (amqp_channel_t)(FIRST_CONSUMER_CHANNEL + queue),
                           AMQP_BASIC_ACK_METHOD, &ack);
}

/*
 * One that an older batch of its queue is still in the loop's hands beside: each delivery by
 * itself.
 */
static enum err put_single_acks(struct broker_consumer *consumer, size_t queue,
                                const struct delivery_batch *batch) {
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < batch->count; i++) {
        err = put_ack(consumer, queue, batch->deliveries[i].tag, false);
    }
    const struct list *head = &batch->oversized;
    for (const struct list *node = head->next; err == ERR_OK && node != head; node = node->next) {
        err = put_ack(consumer, queue, CONTAINER_OF(node, struct oversized, node)->tag, false);
    }
    return err;
}

/* Acknowledge what the loop gave back; a batch of an earlier connection only frees its memory. */
static enum err collect_released(struct broker_consumer *consumer, size_t index) {
    struct broker_consumer_queue *queue = &consumer->queues[index];
    struct delivery_batch *batch;
    uint64_t up_to_tag = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && (batch = queue_batch_collect(&queue->handover)) != NULL) {
        bool is_due = batch->acknowledge && batch->epoch == consumer->epoch;
        if (is_due && batch->is_oldest) {
            up_to_tag = batch->last_tag;
        } else if (is_due) {
            err = put_single_acks(consumer, index, batch);
        }
        metrics_add(&broker_metrics[M_ACKED], is_due ? (int64_t)batch->count : 0);
        recycle_batch(queue, batch);
    }
    return err == ERR_OK && up_to_tag != 0 ? put_ack(consumer, index, up_to_tag, true) : err;
}

/* ---- the session ---- */

static enum err check_recycle(struct broker_consumer *consumer) {
    if (consumer->recycle_epoch != consumer->epoch) {
        return ERR_OK;
    }
    return link_fail(&consumer->thread.link, "recycled: deliveries have to come again");
}

static enum err exchange_with_loop(struct broker_consumer *consumer) {
    enum err err = check_recycle(consumer);
    for (size_t i = 0; i < consumer->queue_count && err == ERR_OK; i++) {
        err = collect_released(consumer, i);
    }
    if (err == ERR_OK) {
        offer_batches(consumer);
        if (buf_length(&consumer->thread.link.out) > 0) {
            err = link_flush(&consumer->thread.link);
            KILL_POINT("delivery", "acknowledged");
        }
    }
    return err;
}

/*
 * Consuming from a quorum queue without a leader, RabbitMQ says nothing for a minute, then ends the
 * connection with an error that does not name the queue. The others go on until then.
 */
static void name_unconsumed(struct broker_consumer *consumer) {
    if (consumer->consuming_count == consumer->queue_count ||
        clock_monotonic_ms() < consumer->consume_by_ms) {
        return;
    }
    consumer->consume_by_ms = UINT64_MAX;
    for (size_t i = 0; i < consumer->queue_count; i++) {
        if (!consumer->queues[i].is_consumed) {
            log_error("a queue cannot be consumed",
                      LOG_STR("queue", consumer->thread.broker->options.queues[i].name),
                      LOG_STR("reason", "RabbitMQ does not answer basic.consume"),
                      LOG_STR("remedy", "it may have no leader: see docs/operations.md"));
        }
    }
}

static uint64_t wait_until_ms(const struct broker_consumer *consumer) {
    uint64_t until_ms = broker_thread_wait_until_ms(&consumer->thread);
    bool is_set_up = consumer->consuming_count == consumer->queue_count;
    until_ms = is_set_up || until_ms < consumer->consume_by_ms ? until_ms : consumer->consume_by_ms;
    return until_ms < consumer->letters_ms ? until_ms : consumer->letters_ms;
}

/*
 * How many dead letters the queues have now: a passive declaration says it, whose answer comes like
 * any frame. A dead-letter queue that is gone ends the connection, and the next one declares it.
 */
static enum err count_letters(struct broker_consumer *consumer) {
    const struct broker_queue *queues = consumer->thread.broker->options.queues;
    enum err err = ERR_OK;
    if (clock_monotonic_ms() < consumer->letters_ms) {
        return ERR_OK;
    }
    consumer->letters_ms = clock_monotonic_ms() + LETTERS_INTERVAL_MS;
    if (consumer->letters_pending > 0) { /* the broker is slow */
        return ERR_OK;
    }
    consumer->letters = 0;
    for (size_t i = 0; i < consumer->queue_count && err == ERR_OK; i++) {
        char name[TOPOLOGY_NAME_BYTES];
        topology_companion(&queues[i], BROKER_DLQ_SUFFIX, name);
        amqp_queue_declare_t declare = { .queue = amqp_cstring_bytes(name), .passive = 1 };
        if (queues[i].retry_of == NULL) {
            err = link_put_method(&consumer->thread.link, LINK_CHANNEL, AMQP_QUEUE_DECLARE_METHOD,
                                  &declare);
            consumer->letters_pending++;
        }
    }
    return err == ERR_OK ? link_flush(&consumer->thread.link) : err;
}

static void note_letters(struct broker_consumer *consumer, amqp_method_t method) {
    if (method.id != AMQP_QUEUE_DECLARE_OK_METHOD || consumer->letters_pending == 0) {
        return;
    }
    consumer->letters += ((amqp_queue_declare_ok_t *)method.decoded)->message_count;
    if (--consumer->letters_pending == 0) {
        metrics_set(&broker_metrics[M_DEAD_LETTERS], consumer->letters);
    }
}

static enum err session(struct broker_thread *thread) {
    struct broker_consumer *consumer = consumer_of(thread);
    struct link *link = &thread->link;
    consumer->epoch++;
    consumer->consuming_count = 0;
    for (size_t i = 0; i < consumer->queue_count; i++) {
        consumer->queues[i].is_consumed = false;
    }
    enum err err = open_channels(consumer);
    consumer->consume_by_ms = clock_monotonic_ms() + thread->broker->options.rpc_timeout_ms;
    consumer->letters_ms = clock_monotonic_ms() + LETTERS_INTERVAL_MS / 2;
    consumer->letters_pending = 0;
    while (err == ERR_OK) {
        bool readable = false;
        bool over = thread->owner.closing; /* before the last acks are collected: none is missed */
        err = exchange_with_loop(consumer);
        if (over) {
            break;
        }
        if (err == ERR_OK) {
            err = count_letters(consumer);
        }
        if (err == ERR_OK) {
            err = link_wait(link, wait_until_ms(consumer), &readable);
        }
        if (err == ERR_OK && readable) {
            err = link_read(link, on_frame, consumer);
        }
        name_unconsumed(consumer);
    }
    return err;
}

static enum err open_channel(struct broker_consumer *consumer, amqp_channel_t channel,
                             uint16_t prefetch) {
    struct link *link = &consumer->thread.link;
    amqp_channel_open(link->amqp, channel);
    enum err err = link_check(link, "channel.open", amqp_get_rpc_reply(link->amqp));
    if (err == ERR_OK) {
        amqp_basic_qos(link->amqp, channel, 0, prefetch, 0);
        err = link_check(link, "basic.qos", amqp_get_rpc_reply(link->amqp));
    }
    return err;
}

/* Consuming starts only when every request of the set-up has its answer. */
static enum err open_channels(struct broker_consumer *consumer) {
    struct link *link = &consumer->thread.link;
    enum err err = ERR_OK;
    for (size_t i = 0; i < consumer->queue_count && err == ERR_OK; i++) {
        err = open_channel(consumer, (amqp_channel_t)(FIRST_CONSUMER_CHANNEL + i),
                           consumer->queues[i].prefetch);
    }
    for (size_t i = 0; i < consumer->queue_count && err == ERR_OK; i++) {
        amqp_basic_consume_t consume = {
            .queue = amqp_cstring_bytes(consumer->thread.broker->options.queues[i].name),
            .arguments = amqp_empty_table,
        };
        err = link_put_method(link, (amqp_channel_t)(FIRST_CONSUMER_CHANNEL + i),
                              AMQP_BASIC_CONSUME_METHOD, &consume);
    }
    return err == ERR_OK ? link_drain_setup(link, on_frame, consumer) : err;
}

/* ---- frames ---- */

static enum err on_deliver(struct broker_consumer *consumer, struct broker_consumer_queue *queue,
                           const amqp_basic_deliver_t *deliver) {
    size_t length = deliver->routing_key.len;
    if (queue->assembling != ASSEMBLE_NOTHING || length >= sizeof(queue->routing_key)) {
        return link_fail(&consumer->thread.link, "basic.deliver out of order");
    }
    memcpy(queue->routing_key, deliver->routing_key.bytes, length);
    queue->routing_key[length] = '\0';
    queue->tag = deliver->delivery_tag;
    queue->delivery = (struct broker_delivery){
        .queue = (size_t)(queue - consumer->queues),
        .tag = consumer->epoch << TAG_EPOCH_SHIFT | deliver->delivery_tag,
        .redelivered = deliver->redelivered != 0,
    };
    queue->assembling = ASSEMBLE_HEADER;
    return ERR_OK;
}

/* A copy of `text` as a string; "" when absent, over its limit or not a string. NULL: no memory. */
static const char *copy_text(struct arena *arena, struct str text, size_t bytes_max) {
    bool is_string = text.len <= bytes_max && memchr(text.data, '\0', text.len) == NULL;
    return text.len > 0 && is_string ? arena_copy(arena, text.data, text.len) : "";
}

/* A property; empty when it is not there. */
static struct str property(const amqp_basic_properties_t *properties, amqp_flags_t flag,
                           amqp_bytes_t value) {
    return (properties->_flags & flag) != 0 ? (struct str){ value.bytes, value.len } : STR("");
}

/* A header that is a text; empty when there is none. */
static struct str find_header(const amqp_basic_properties_t *properties, struct str name) {
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0) {
        for (int i = 0; i < properties->headers.num_entries; i++) {
            const amqp_table_entry_t *entry = &properties->headers.entries[i];
            if (str_equal((struct str){ entry->key.bytes, entry->key.len }, name) &&
                (entry->value.kind == AMQP_FIELD_KIND_UTF8 ||
                 entry->value.kind == AMQP_FIELD_KIND_BYTES)) {
                return (struct str){ entry->value.value.bytes.bytes, entry->value.value.bytes.len };
            }
        }
    }
    return STR("");
}

/* How often it was set aside; 0 when that is not said. */
static unsigned find_attempts(const amqp_basic_properties_t *properties) {
    struct str text = find_header(properties, STR(BROKER_ATTEMPTS_HEADER));
    int64_t attempts = 0;
    bool is_known = decimal_to_int(text, 0, &attempts) == ERR_OK && attempts >= 0;
    return is_known && attempts < BROKER_ATTEMPTS_MAX ? (unsigned)attempts : 0;
}

/* An attribute of an event in binary mode (AMQP binding, 3.1.3.1); empty when there is none. */
static struct str find_attribute(const amqp_basic_properties_t *properties, const char *name) {
    static const char *const PREFIXES[] = { "cloudEvents:", "cloudEvents_" };
    char header[32];
    struct str value = STR("");
    for (size_t i = 0; value.len == 0 && i < sizeof(PREFIXES) / sizeof(PREFIXES[0]); i++) {
        int length = snprintf(header, sizeof(header), "%s%s", PREFIXES[i], name);
        value = find_header(properties, (struct str){ header, (size_t)length });
    }
    return value;
}

static struct str either(struct str first, struct str second) {
    return first.len > 0 ? first : second;
}

/* False: no memory. */
static bool copy_trace(struct broker_message *message, struct arena *arena,
                       const amqp_basic_properties_t *properties) {
    struct str given = either(find_attribute(properties, "traceparent"),
                              find_header(properties, STR("traceparent")));
    char parent[TRACE_PARENT_BYTES_MAX + 1];
    message->trace.parent = message->trace.state = "";
    if (given.len == 0 || !trace_parent_read(given, parent)) {
        return true;
    }
    message->trace.parent = arena_copy(arena, parent, TRACE_PARENT_BYTES_MAX);
    given = either(find_attribute(properties, "tracestate"),
                   find_header(properties, STR("tracestate")));
    if (given.len > 0) {
        struct trace_state state = { 0 };
        trace_state_add(&state, given);
        message->trace.state = arena_copy(arena, state.text, state.length);
    }
    return message->trace.parent != NULL && message->trace.state != NULL;
}

/* Everything but the body's bytes, into the batch. False: no memory. */
static bool copy_properties(struct broker_consumer_queue *queue, struct arena *arena,
                            const amqp_frame_t *frame) {
    const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
    amqp_bytes_t raw = frame->payload.properties.raw;
    struct broker_message *message = &queue->delivery.message;
    message->routing_key = arena_copy(arena, queue->routing_key, strlen(queue->routing_key));
    struct str id = property(properties, AMQP_BASIC_MESSAGE_ID_FLAG, properties->message_id);
    struct str request_id =
        property(properties, AMQP_BASIC_CORRELATION_ID_FLAG, properties->correlation_id);
    bool is_event = find_attribute(properties, "specversion").len > 0;
    message->content_type = "";
    message->event_type = NULL;
    if (is_event) {
        id = find_attribute(properties, "id");
        request_id = either(find_attribute(properties, "requestid"), request_id);
        message->event_type =
            copy_text(arena, find_attribute(properties, "type"), BROKER_ROUTING_KEY_BYTES_MAX);
    }
    queue->delivery.attempts = find_attempts(properties);
    message->message_id = copy_text(arena, id, BROKER_ID_BYTES_MAX);
    message->trace.request_id = copy_text(arena, request_id, BROKER_ID_BYTES_MAX);
    bool trace_copied =
        copy_trace(message, arena, properties) && (message->event_type != NULL || !is_event);
    queue->origin.properties = arena_copy(arena, raw.bytes, raw.len);
    queue->origin.properties_length = raw.len;
    queue->body = arena_alloc(arena, (size_t)queue->body_length + 1);
    message->body = queue->body;
    message->body_length = (size_t)queue->body_length;
    return message->routing_key != NULL && message->message_id != NULL &&
           message->trace.request_id != NULL && trace_copied && queue->origin.properties != NULL &&
           queue->body != NULL;
}

/*
 * RabbitMQ counts messages only. Whoever sends large ones has fewer of them under way; the
 * connection ends so that what is still to come does not.
 */
static enum err check_bytes(struct broker_consumer *consumer, struct broker_consumer_queue *queue) {
    if (queue->bytes <= BROKER_IN_HAND_BYTES_MAX || queue->prefetch <= LARGE_PREFETCH) {
        return ERR_OK;
    }
    queue->prefetch = LARGE_PREFETCH;
    return link_fail(&consumer->thread.link, "recycled: large deliveries, from now on %d at once",
                     LARGE_PREFETCH);
}

static enum err finish_delivery(struct broker_consumer *consumer,
                                struct broker_consumer_queue *queue) {
    struct delivery_batch *batch = queue->filling;
    if (queue->assembling == ASSEMBLE_BODY) {
        queue->body[queue->body_length] = '\0';
        if (queue->body_length > BROKER_BODY_BYTES_MAX) {
            struct oversized *oversized = arena_alloc(&batch->arena, sizeof(*oversized));
            if (oversized == NULL) {
                return link_fail(&consumer->thread.link, "no memory for a delivery");
            }
            oversized->message = queue->delivery.message;
            oversized->origin = queue->origin;
            oversized->tag = queue->delivery.tag;
            list_append(&batch->oversized, &oversized->node);
        } else {
            queue->delivery.batch = batch;
            batch->deliveries[batch->count] = queue->delivery;
            batch->origins[batch->count] = queue->origin;
            batch->count++;
        }
        batch->last_tag = queue->tag;
        batch->bytes += queue->body_length + queue->origin.properties_length;
        queue->bytes += queue->body_length + queue->origin.properties_length;
    }
    metrics_add(&broker_metrics[M_DELIVERIES], 1);
    metrics_add(&broker_metrics[M_REDELIVERIES], queue->delivery.redelivered ? 1 : 0);
    queue->assembling = ASSEMBLE_NOTHING;
    return check_bytes(consumer, queue);
}

/* Too large even to be parked by us: the broker moves it to the dead-letter queue by itself. */
static enum err reject_delivery(struct broker_consumer *consumer,
                                struct broker_consumer_queue *queue) {
    size_t index = queue->delivery.queue;
    amqp_basic_reject_t reject = { .delivery_tag = queue->tag, .requeue = 0 };
    log_error("delivery too large, dead-lettered",
              LOG_STR("queue", consumer->thread.broker->options.queues[index].name),
              LOG_INT("bodyBytes", queue->body_length));
    metrics_add(&broker_metrics[M_REJECTED], 1);
    queue->assembling = ASSEMBLE_SKIP;
    return link_put_method(&consumer->thread.link, (amqp_channel_t)(FIRST_CONSUMER_CHANNEL + index),
                           AMQP_BASIC_REJECT_METHOD, &reject);
}

static enum err on_header(struct broker_consumer *consumer, struct broker_consumer_queue *queue,
                          const amqp_frame_t *frame) {
    if (queue->assembling != ASSEMBLE_HEADER) {
        return link_fail(&consumer->thread.link, "content header out of order");
    }
    queue->body_length = frame->payload.properties.body_size;
    queue->body_received = 0;
    enum err err = ERR_OK;
    if (queue->body_length > BROKER_PARK_BODY_BYTES_MAX) {
        err = reject_delivery(consumer, queue);
    } else {
        struct delivery_batch *batch = batch_to_fill(consumer, queue);
        if (batch == NULL || !copy_properties(queue, &batch->arena, frame)) {
            return link_fail(&consumer->thread.link, "no memory for a delivery");
        }
        queue->assembling = ASSEMBLE_BODY;
    }
    return err == ERR_OK && queue->body_length == 0 ? finish_delivery(consumer, queue) : err;
}

static enum err on_body(struct broker_consumer *consumer, struct broker_consumer_queue *queue,
                        amqp_bytes_t piece) {
    bool expected = queue->assembling == ASSEMBLE_BODY || queue->assembling == ASSEMBLE_SKIP;
    if (!expected || piece.len > queue->body_length - queue->body_received) {
        return link_fail(&consumer->thread.link, "content body out of order");
    }
    if (queue->assembling == ASSEMBLE_BODY) {
        memcpy(queue->body + queue->body_received, piece.bytes, piece.len);
    }
    queue->body_received += piece.len;
    return queue->body_received == queue->body_length ? finish_delivery(consumer, queue) : ERR_OK;
}

static enum err on_method(struct broker_consumer *consumer, struct broker_consumer_queue *queue,
                          amqp_method_t method) {
    switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD: return on_deliver(consumer, queue, method.decoded);
    case AMQP_BASIC_CONSUME_OK_METHOD:
        queue->is_consumed = true;
        consumer->consuming_count++;
        consumer->thread.broker->consuming = consumer->consuming_count == consumer->queue_count;
        return ERR_OK;
    case AMQP_BASIC_CANCEL_METHOD:
        return link_fail(&consumer->thread.link, "queue %s was deleted",
                         consumer->thread.broker->options.queues[queue - consumer->queues].name);
    default: return link_fail(&consumer->thread.link, "unexpected %s", amqp_method_name(method.id));
    }
}

static enum err on_frame(void *ctx, const amqp_frame_t *frame) {
    struct broker_consumer *consumer = ctx;
    if (frame->channel == 0) {
        return ERR_OK; /* connection.blocked: we never publish here */
    }
    if (frame->channel == LINK_CHANNEL && frame->frame_type == AMQP_FRAME_METHOD) {
        note_letters(consumer, frame->payload.method);
        return ERR_OK;
    }
    size_t index = (size_t)frame->channel - FIRST_CONSUMER_CHANNEL;
    if (index >= consumer->queue_count) {
        return link_fail(&consumer->thread.link, "frame on channel %u", frame->channel);
    }
    struct broker_consumer_queue *queue = &consumer->queues[index];
    switch (frame->frame_type) {
    case AMQP_FRAME_METHOD: return on_method(consumer, queue, frame->payload.method);
    case AMQP_FRAME_HEADER: return on_header(consumer, queue, frame);
    default: return on_body(consumer, queue, frame->payload.body_fragment);
    }
}
