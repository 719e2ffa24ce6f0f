/* Copies of single events, to the dead-letter queue or the retry queue. */
#include "consumer_alone.h"

#include "runtime/telemetry/log.h"

/*
 * What goes as a copy: an event of a delivery with others as a batch of one. .data NULL: the
 * delivery is the event; or there is no memory: its others are harmless when they come again.
 */
static struct str event_alone(const struct consumer_origin *origin, struct buf *alone) {
    struct str whole = { NULL, 0 };
    if (origin->event.whole.data != origin->delivery->message.body) {
        event_batch_add(alone, origin->event.whole);
        event_batch_end(alone);
        whole = (struct str){ alone->failed ? NULL : buf_bytes(alone), buf_length(alone) };
    }
    return whole;
}

void consumer_alone_park(struct broker *broker, const char *name,
                         const struct consumer_origin *origin, const char *reason,
                         const char *detail) {
    struct buf alone = { 0 };
    log_error("event parked in the dead-letter queue", LOG_STR("consumer", name),
              LOG_STR("messageId", origin->event.id), LOG_TRACE(origin->event.trace),
              LOG_STR("reason", reason), LOG_STR("detail", detail));
    broker_park(broker, origin->delivery, event_alone(origin, &alone), reason, detail);
    buf_free(&alone);
}

void consumer_alone_set_aside(struct broker *broker, const char *name,
                              const struct consumer_origin *origin, bool was_tried) {
    unsigned attempts = origin->delivery->attempts + was_tried;
    struct buf alone = { 0 };
    log_info("event set aside", LOG_STR("consumer", name), LOG_STR("messageId", origin->event.id),
             LOG_TRACE(origin->event.trace), LOG_STR("reason", err_name(ERR_LOCKED)),
             LOG_INT("attempts", attempts));
    broker_set_aside(broker, origin->delivery, event_alone(origin, &alone), err_name(ERR_LOCKED),
                     attempts);
    buf_free(&alone);
}
