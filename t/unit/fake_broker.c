#include "fake_broker.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

struct broker fake_broker;

void fake_broker_reset(void) {
    memset(&fake_broker, 0, sizeof(fake_broker));
    fake_broker.state = BROKER_UP;
    fake_broker.consuming = true;
}

uint64_t fake_broker_cookie(const char *event_id) {
    char quoted[200];
    snprintf(quoted, sizeof(quoted), "\"%s\"", event_id);
    for (size_t i = fake_broker.published; i > 0; i--) {
        const struct fake_message *message = &fake_broker.messages[i - 1];
        if (strstr(message->body, quoted) != NULL || strcmp(message->message_id, event_id) == 0) {
            return message->cookie;
        }
    }
    ck_abort_msg("event %s was not published", event_id);
    return 0;
}

size_t fake_broker_count(const char *part) {
    size_t count = 0;
    for (size_t i = 0; i < fake_broker.published; i++) {
        const char *at = fake_broker.messages[i].body;
        while ((at = strstr(at, part)) != NULL) {
            count++;
            at++;
        }
    }
    return count;
}

struct broker_delivery fake_delivery(const char *message_id, const char *body) {
    return (struct broker_delivery){ .message = { .routing_key = "test",
                                                  .message_id = message_id,
                                                  .trace = { "correlation", "", "" },
                                                  .body = body,
                                                  .body_length = strlen(body) } };
}

enum broker_state broker_publish_state(const struct broker *broker) {
    return broker->state;
}

bool broker_is_consuming(const struct broker *broker) {
    return broker->consuming;
}

enum err broker_publish(struct broker *broker, const struct broker_message *message,
                        uint64_t cookie) {
    if (broker->publish_err != ERR_OK && broker->publish_ok_left == 0) {
        return broker->publish_err;
    }
    broker->publish_ok_left -= broker->publish_err != ERR_OK;
    ck_assert_uint_lt(broker->published, FAKE_BROKER_MESSAGES_MAX);
    struct fake_message *copy = &broker->messages[broker->published++];
    snprintf(copy->routing_key, sizeof(copy->routing_key), "%s", message->routing_key);
    snprintf(copy->content_type, sizeof(copy->content_type), "%s", message->content_type);
    snprintf(copy->message_id, sizeof(copy->message_id), "%s", message->message_id);
    snprintf(copy->correlation_id, sizeof(copy->correlation_id), "%s", message->trace.request_id);
    snprintf(copy->traceparent, sizeof(copy->traceparent), "%s", message->trace.parent);
    snprintf(copy->tracestate, sizeof(copy->tracestate), "%s", message->trace.state);
    snprintf(copy->body, sizeof(copy->body), "%.*s", (int)message->body_length, message->body);
    copy->cookie = cookie;
    return ERR_OK;
}

void fake_broker_fates(bool confirmed,
                       void (*fn)(const uint64_t *cookies, size_t count, bool confirmed)) {
    while (fake_broker.reported < fake_broker.published) {
        fn(&fake_broker.messages[fake_broker.reported++].cookie, 1, confirmed);
    }
}

struct broker_delivery *fake_batch(size_t queue, struct broker_delivery *deliveries, size_t count) {
    ck_assert_uint_lt(fake_broker.batch_count, FAKE_BROKER_MESSAGES_MAX);
    struct delivery_batch *batch = &fake_broker.batches[fake_broker.batch_count++];
    batch->queue = queue;
    for (size_t i = 0; i < count; i++) {
        deliveries[i].batch = batch;
        deliveries[i].queue = queue;
    }
    return deliveries;
}

void broker_next(struct broker *broker, size_t queue) {
    broker->asked[queue]++;
}

static void end(struct delivery_batch *batch, size_t *count) {
    ck_assert(!batch->ended);
    batch->ended = true;
    count[batch->queue]++;
}

void broker_ack(struct broker *broker, struct delivery_batch *batch) {
    end(batch, broker->acks);
}

void broker_return(struct broker *broker, struct delivery_batch *batch) {
    end(batch, broker->returns);
}

static void write_down(struct fake_copy *copies, size_t *count,
                       const struct broker_delivery *delivery, struct str body,
                       const char *reason) {
    ck_assert_uint_lt(*count, FAKE_BROKER_MESSAGES_MAX);
    ck_assert(!delivery->batch->ended);
    struct fake_copy *copy = &copies[(*count)++];
    copy->delivery = delivery;
    snprintf(copy->body, sizeof(copy->body), "%.*s", (int)body.len,
             body.data == NULL ? "" : body.data);
    snprintf(copy->reason, sizeof(copy->reason), "%s", reason);
}

void broker_park(struct broker *broker, const struct broker_delivery *delivery, struct str body,
                 const char *reason, const char *detail) {
    struct fake_copy *copy = &broker->parked[broker->parked_count];
    write_down(broker->parked, &broker->parked_count, delivery, body, reason);
    snprintf(copy->detail, sizeof(copy->detail), "%s", detail);
}

void broker_set_aside(struct broker *broker, const struct broker_delivery *delivery,
                      struct str body, const char *reason, unsigned attempts) {
    broker->aside[broker->aside_count].attempts = attempts;
    write_down(broker->aside, &broker->aside_count, delivery, body, reason);
}
