/*
 * The publishing thread: messages from the send queue go out in batches, confirms come back, fates
 * go to the loop. One channel in confirm mode; at most publish_inflight_max messages unconfirmed.
 */
#include "private.h"

#include "base/clock.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROPERTIES_BYTES = 4096,  /* ids, trace context and fixed properties need less than 2 KiB */
    OUT_BYTES_HIGH = 262144,  /* encode no more until the socket took some */
    REDECLARE_MS_MIN = 30000, /* between two reconnects for the topology's sake */
    CONFIRM_MS_MAX = 60000,   /* the default for how long a message may stay unconfirmed */
};

static enum err session(struct broker_thread *thread); /* while connected                     */
static void lost(struct broker_thread *thread);        /* nothing open or queued is confirmed */
static enum err send_queued(struct broker_publisher *publisher);
static enum err on_frame(void *ctx, const amqp_frame_t *frame);
static void on_fate(void *ctx, const struct confirm_entry *entry, bool confirmed);
static enum err check_topology(struct broker_publisher *publisher);
static uint64_t unconfirmed_until_ms(const struct broker_publisher *publisher);
static enum err check_confirms(struct broker_publisher *publisher);

static const struct broker_thread_kind KIND = {
    .name = "publisher",
    .thread_name = "broker-publish",
    .reconnects = &broker_metrics[M_RECONNECTS_PUBLISHER],
    .session = session,
    .lost = lost,
};

static struct broker_publisher *publisher_of(struct broker_thread *thread) {
    return CONTAINER_OF(thread, struct broker_publisher, thread);
}

enum err broker_publisher_init(struct broker_publisher *publisher, struct broker *broker) {
    const struct broker_options *options = &broker->options;
    enum err err = broker_thread_init(&publisher->thread, broker, &KIND);
    queue_init(&publisher->sendq, options->publish_queue_max);
    buf_init(&publisher->records, BROKER_QUEUED_BYTES_MAX);
    if (err == ERR_OK) {
        err = queue_confirms_init(&publisher->confirms, options->publish_inflight_max, on_fate,
                                  publisher);
    }
    enum err fates_err = queue_fates_init(&publisher->fates, broker->outstanding_max);
    publisher->properties = malloc(PROPERTIES_BYTES);
    if (err == ERR_OK && (fates_err != ERR_OK || publisher->properties == NULL)) {
        err = ERR_NO_MEMORY;
    }
    return err;
}

void broker_publisher_done(struct broker_publisher *publisher) {
    bool initialised = publisher->thread.broker != NULL;
    broker_thread_done(&publisher->thread);
    if (initialised) {
        queue_done(&publisher->sendq);
        buf_free(&publisher->records);
        queue_confirms_done(&publisher->confirms);
        queue_fates_done(&publisher->fates);
        free(publisher->properties);
    }
}

/* ---- state ---- */

static void set_state(struct broker_publisher *publisher, enum broker_state state) {
    struct broker *broker = publisher->thread.broker;
    static const enum queue_mode modes[] = {
        [BROKER_DOWN] = QUEUE_SHUT,
        [BROKER_UP] = QUEUE_OPEN,
        [BROKER_BLOCKED] = QUEUE_BLOCKED,
    };
    queue_set_mode(&publisher->sendq, modes[state]);
    broker->publish_state = publisher->epoch << 2 | (uint64_t)state;
    loop_wakeup_signal(&broker->wakeup);
}

/* Both sides of the queue are empty for good: nothing comes in while it is shut. */
static void fail_queued(struct broker_publisher *publisher) {
    struct send_item item;
    size_t count = 0;
    do {
        while (queue_next(&publisher->records, &item)) {
            queue_fates_post(&publisher->fates, item.cookie, item.copied_from, false);
            count++;
        }
        queue_take(&publisher->sendq, &publisher->records);
    } while (buf_length(&publisher->records) > 0);
    queue_sent(&publisher->sendq, count);
    metrics_add(&broker_metrics[M_UNCONFIRMED], (int64_t)count);
    metrics_set(&broker_metrics[M_QUEUE_DEPTH], 0);
}

static void lost(struct broker_thread *thread) {
    struct broker_publisher *publisher = publisher_of(thread);
    publisher->blocked = false;
    set_state(publisher, BROKER_DOWN);
    queue_confirms_fail_all(&publisher->confirms);
    fail_queued(publisher);
    metrics_set(&broker_metrics[M_INFLIGHT], 0);
    loop_wakeup_signal(&publisher->thread.broker->wakeup);
}

/* ---- the session ---- */

static bool is_drained(struct broker_publisher *publisher) {
    return publisher->confirms.open == 0 && buf_length(&publisher->records) == 0 &&
           queue_waiting(&publisher->sendq) == 0;
}

static void report(struct broker_publisher *publisher) {
    if (publisher->fates_posted) {
        publisher->fates_posted = false;
        loop_wakeup_signal(&publisher->thread.broker->wakeup);
    }
    metrics_set(&broker_metrics[M_INFLIGHT], (int64_t)publisher->confirms.open);
}

static enum err start_confirms(struct broker_publisher *publisher) {
    struct link *link = &publisher->thread.link;
    amqp_confirm_select(link->amqp, LINK_CHANNEL);
    enum err err = link_check(link, "confirm.select", amqp_get_rpc_reply(link->amqp));
    if (err == ERR_OK) {
        publisher->epoch++;
        publisher->redeclare = false;
        publisher->properties_bytes_max = link_properties_bytes_max(link);
        set_state(publisher, BROKER_UP);
        err = link_drain_setup(link, on_frame, publisher);
    }
    return err;
}

static enum err session(struct broker_thread *thread) {
    struct broker_publisher *publisher = publisher_of(thread);
    struct link *link = &thread->link;
    enum err err = start_confirms(publisher);
    while (err == ERR_OK) {
        bool readable = false;
        err = send_queued(publisher);
        report(publisher);
        if (thread->owner.closing &&
            (is_drained(publisher) || broker_thread_past_deadline(thread))) {
            break;
        }
        if (err == ERR_OK) {
            uint64_t close_ms = broker_thread_wait_until_ms(thread);
            uint64_t stale_ms = unconfirmed_until_ms(publisher);
            err = link_wait(link, close_ms < stale_ms ? close_ms : stale_ms, &readable);
        }
        if (err == ERR_OK && readable) {
            err = link_read(link, on_frame, publisher);
        }
        if (err == ERR_OK) {
            err = check_topology(publisher);
        }
        if (err == ERR_OK) {
            err = check_confirms(publisher);
        }
    }
    return err;
}

/* ---- sending ---- */

/* The property list of an ordinary message, encoded. */
static amqp_bytes_t encode_properties(struct broker_publisher *publisher,
                                      const struct broker_message *message) {
    amqp_table_entry_t trace[] = {
        link_text_entry("traceparent", message->trace.parent),
        link_text_entry("tracestate", message->trace.state),
    };
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = amqp_cstring_bytes(message->content_type),
        .type = amqp_cstring_bytes(message->routing_key),
        .app_id = amqp_cstring_bytes(publisher->thread.broker->options.connection_name),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .timestamp = (uint64_t)(clock_unix_ms() / 1000),
        .message_id = amqp_cstring_bytes(message->message_id),
        .correlation_id = amqp_cstring_bytes(message->trace.request_id),
        .headers = { .num_entries = message->trace.state[0] != '\0' ? 2 : 1, .entries = trace },
    };
    properties._flags |= message->message_id[0] != '\0' ? AMQP_BASIC_MESSAGE_ID_FLAG : 0;
    properties._flags |= message->trace.request_id[0] != '\0' ? AMQP_BASIC_CORRELATION_ID_FLAG : 0;
    properties._flags |= message->trace.parent[0] != '\0' ? AMQP_BASIC_HEADERS_FLAG : 0;
    amqp_bytes_t room = { .len = PROPERTIES_BYTES, .bytes = publisher->properties };
    int length = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, room);
    assert(length >= 0); /* every text is bounded by broker_publish() */
    room.len = (size_t)length;
    return room;
}

static enum err put_item(struct broker_publisher *publisher, const struct send_item *item) {
    const struct broker_message *message = &item->message;
    bool is_copy = item->copied_from != NULL;
    amqp_basic_publish_t publish = {
        .exchange = amqp_cstring_bytes(is_copy ? "" : publisher->thread.broker->options.exchange),
        .routing_key = amqp_cstring_bytes(message->routing_key),
        .mandatory = 1,
    };
    amqp_bytes_t properties =
        is_copy ? (amqp_bytes_t){ item->properties_length, (void *)(uintptr_t)item->properties }
                : encode_properties(publisher, message);
    amqp_bytes_t body = { message->body_length, (void *)(uintptr_t)message->body };
    if (properties.len > link_properties_bytes_max(&publisher->thread.link)) {
        /* a copy that was encoded for an earlier connection with larger frames: it comes again */
        queue_fates_post(&publisher->fates, item->cookie, item->copied_from, false);
        publisher->fates_posted = true;
        metrics_add(&broker_metrics[M_UNCONFIRMED], 1);
        return ERR_OK;
    }
    struct confirm_entry entry = {
        .cookie = item->cookie,
        .queued_us = item->queued_us,
        .sent_ms = clock_monotonic_ms(),
        .copied_from = item->copied_from,
        .fingerprint = queue_confirms_fingerprint(message->routing_key, publish.routing_key.len,
                                                  message->message_id, strlen(message->message_id)),
    };
    queue_confirms_add(&publisher->confirms,
                       &entry); /* its fate is known from here on, sent or not */
    return link_put_publish(&publisher->thread.link, &publish, properties, body);
}

static bool may_send(const struct broker_publisher *publisher) {
    return !publisher->blocked && !publisher->redeclare &&
           !queue_confirms_full(&publisher->confirms) &&
           buf_length(&publisher->thread.link.out) < OUT_BYTES_HIGH;
}

static bool next_item(struct broker_publisher *publisher, struct send_item *item) {
    if (queue_next(&publisher->records, item)) {
        return true;
    }
    queue_take(&publisher->sendq, &publisher->records);
    return queue_next(&publisher->records, item);
}

static enum err send_queued(struct broker_publisher *publisher) {
    struct send_item item;
    size_t count = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && may_send(publisher) && next_item(publisher, &item)) {
        err = put_item(publisher, &item);
        count++;
        if (buf_length(&publisher->thread.link.out) >= OUT_BYTES_HIGH && err == ERR_OK) {
            err = link_flush(&publisher->thread.link);
        }
    }
    if (err == ERR_OK) {
        err = link_flush(&publisher->thread.link);
    }
    if (count > 0) {
        KILL_POINT("message", "written");
        queue_sent(&publisher->sendq, count);
        metrics_add(&broker_metrics[M_SENT], (int64_t)count);
        metrics_set(&broker_metrics[M_QUEUE_DEPTH], (int64_t)queue_waiting(&publisher->sendq));
    }
    return err;
}

/* ---- answers ---- */

static void on_fate(void *ctx, const struct confirm_entry *entry, bool confirmed) {
    struct broker_publisher *publisher = ctx;
    queue_fates_post(&publisher->fates, entry->cookie, entry->copied_from, confirmed);
    publisher->fates_posted = true;
    metrics_add(&broker_metrics[confirmed ? M_CONFIRMED : M_UNCONFIRMED], 1);
    if (confirmed) {
        metrics_observe(&broker_metrics[M_CONFIRM_SECONDS],
                        (int64_t)(clock_monotonic_us() - entry->queued_us));
    }
}

static enum err on_settled(struct broker_publisher *publisher, uint64_t tag, bool multiple,
                           bool ack) {
    KILL_POINT("message", "confirmed");
    if (queue_confirms_settle(&publisher->confirms, tag, multiple, ack) != ERR_OK) {
        return link_fail(&publisher->thread.link,
                         "broker confirms message %llu that was never sent",
                         (unsigned long long)tag);
    }
    return ERR_OK;
}

static void set_blocked(struct broker_publisher *publisher, amqp_bytes_t reason) {
    char text[LINK_REASON_BYTES];
    size_t length = reason.len < sizeof(text) ? reason.len : sizeof(text) - 1;
    memcpy(text, reason.bytes, length);
    text[length] = '\0';
    log_warn("broker blocks publishing", LOG_STR("reason", text));
    publisher->blocked = true;
    set_state(publisher, BROKER_BLOCKED);
}

static void set_unblocked(struct broker_publisher *publisher) {
    log_info("broker accepts publishing again");
    publisher->blocked = false;
    publisher->unblocked_ms = clock_monotonic_ms();
    set_state(publisher, BROKER_UP);
}

/*
 * A message that no queue takes: the topology was changed behind our back. It is declared on each
 * connect, so connect again once all that is in flight is settled; but not over and over, because a
 * key that nobody declares must not hurt the others.
 */
static enum err on_return(struct broker_publisher *publisher, const amqp_basic_return_t *method) {
    size_t length = method->routing_key.len;
    assert(length < sizeof(publisher->returned_key)); /* a short string */
    memcpy(publisher->returned_key, method->routing_key.bytes, length);
    publisher->returned_key[length] = '\0';
    metrics_add(&broker_metrics[M_RETURNED], 1);
    uint64_t now_ms = clock_monotonic_ms();
    if (publisher->redeclared_ms == 0 || now_ms - publisher->redeclared_ms >= REDECLARE_MS_MIN) {
        publisher->redeclared_ms = now_ms;
        publisher->redeclare = true;
        log_error("broker has no queue for a message, declaring again",
                  LOG_STR("routingKey", publisher->returned_key));
    }
    return ERR_OK;
}

static enum err check_topology(struct broker_publisher *publisher) {
    if (!publisher->redeclare || publisher->confirms.open > 0) {
        return ERR_OK;
    }
    return link_fail(&publisher->thread.link, "recycled: no queue for routing key %s",
                     publisher->returned_key);
}

/* A broker that says that it is blocked need not confirm; from its end on it has the full time. */
static uint64_t unconfirmed_until_ms(const struct broker_publisher *publisher) {
    uint32_t timeout_ms = publisher->thread.broker->options.confirm_timeout_ms;
    uint64_t since_ms = queue_confirms_oldest_sent_ms(&publisher->confirms);
    if (publisher->blocked || since_ms == UINT64_MAX) {
        return UINT64_MAX;
    }
    since_ms = since_ms > publisher->unblocked_ms ? since_ms : publisher->unblocked_ms;
    return since_ms + (timeout_ms > 0 ? timeout_ms : CONFIRM_MS_MAX);
}

/* It lives, by its heartbeats, but what was sent would stay in flight for ever: begin anew. */
static enum err check_confirms(struct broker_publisher *publisher) {
    if (clock_monotonic_ms() < unconfirmed_until_ms(publisher)) {
        return ERR_OK;
    }
    return link_fail(&publisher->thread.link, "recycled: %zu messages wait too long for confirms",
                     publisher->confirms.open);
}

/*
 * The content header behind a basic.return names the message. Contents are not interleaved with
 * other methods on a channel (AMQP 0-9-1 §4.2.6), so the last return's routing key belongs to it.
 */
static enum err on_returned_header(struct broker_publisher *publisher, const amqp_frame_t *frame) {
    const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
    bool has_id = (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0;
    amqp_bytes_t id = has_id ? properties->message_id : amqp_empty_bytes;
    uint64_t fingerprint = queue_confirms_fingerprint(
        publisher->returned_key, strlen(publisher->returned_key), id.bytes, id.len);
    if (queue_confirms_return(&publisher->confirms, fingerprint) != ERR_OK) {
        return link_fail(&publisher->thread.link, "broker returns a message that is not in flight");
    }
    return ERR_OK;
}

static enum err on_method(struct broker_publisher *publisher, amqp_method_t method) {
    switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
        const amqp_basic_ack_t *ack = method.decoded;
        return on_settled(publisher, ack->delivery_tag, ack->multiple != 0, true);
    }
    case AMQP_BASIC_NACK_METHOD: {
        const amqp_basic_nack_t *nack = method.decoded;
        return on_settled(publisher, nack->delivery_tag, nack->multiple != 0, false);
    }
    case AMQP_BASIC_RETURN_METHOD: return on_return(publisher, method.decoded);
    case AMQP_CONNECTION_BLOCKED_METHOD:
        set_blocked(publisher, ((const amqp_connection_blocked_t *)method.decoded)->reason);
        return ERR_OK;
    case AMQP_CONNECTION_UNBLOCKED_METHOD: set_unblocked(publisher); return ERR_OK;
    default:
        return link_fail(&publisher->thread.link, "unexpected %s", amqp_method_name(method.id));
    }
}

static enum err on_frame(void *ctx, const amqp_frame_t *frame) {
    struct broker_publisher *publisher = ctx;
    switch (frame->frame_type) {
    case AMQP_FRAME_METHOD: return on_method(publisher, frame->payload.method);
    case AMQP_FRAME_HEADER: return on_returned_header(publisher, frame);
    default: return ERR_OK; /* the body of a returned message */
    }
}
