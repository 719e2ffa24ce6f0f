/* Deliveries: their events decoded, run by segments, repeated, narrowed, parked, acknowledged. */
#include "consumer.h"

#include "base/trace.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES_MAX = 64 * 1024 * 1024, RETRIES_INTERNAL_MAX = 5 };

static void next_segment(struct consumer *consumer);
static void wait_for_retry(struct consumer *consumer, enum err err);
static void on_retry(void *ctx);

enum err consumer_open(struct consumer *consumer, struct loop *loop,
                       const struct consumer_options *options) {
    *consumer = (struct consumer){ .loop = loop, .options = *options };
    consumer->backoff.base_ms = options->backoff_base_ms;
    consumer->backoff.cap_ms = options->backoff_cap_ms;
    loop_timer_init(&consumer->retry, on_retry, consumer);
    arena_init(&consumer->decode_arena, ARENA_BYTES_MAX);
    arena_init(&consumer->segment_arena, ARENA_BYTES_MAX);
    consumer->items = calloc(options->batch_max, options->item_bytes);
    consumer->origins = calloc(options->batch_max, sizeof(*consumer->origins));
    if (consumer->items == NULL || consumer->origins == NULL) {
        consumer_close(consumer);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void consumer_close(struct consumer *consumer) {
    if (consumer->loop == NULL) {
        return;
    }
    consumer_stop(consumer);
    arena_done(&consumer->decode_arena);
    arena_done(&consumer->segment_arena);
    free(consumer->items);
    free(consumer->origins);
    *consumer = (struct consumer){ 0 };
}

void consumer_stop(struct consumer *consumer) {
    consumer->stopped = true;
    loop_timer_stop(consumer->loop, &consumer->retry);
}

bool consumer_is_idle(const struct consumer *consumer) {
    return !consumer->busy;
}

struct arena *consumer_arena(struct consumer *consumer) {
    return &consumer->segment_arena;
}

/* An event of a delivery with others goes alone, as a batch of one. */
static void park(struct consumer *consumer, const struct broker_delivery *delivery,
                 const struct event *event, const char *why) {
    struct str whole = { NULL, 0 };
    struct buf alone;
    buf_init(&alone, 0);
    if (event->whole.data != delivery->message.body) {
        event_batch_add(&alone, event->whole);
        event_batch_end(&alone);
        whole = (struct str){ buf_bytes(&alone), buf_length(&alone) };
    }
    log_error("event parked in the dead-letter queue", LOG_STR("consumer", consumer->options.name),
              LOG_STR("messageId", event->id), LOG_TRACE(event->trace), LOG_STR("reason", why));
    /* without memory all of the delivery is parked: its others are harmless when they come again */
    broker_park(consumer->broker, delivery, alone.failed ? (struct str){ NULL, 0 } : whole, why);
    buf_free(&alone);
}

static void finish_batch(struct consumer *consumer) {
    arena_reset(&consumer->decode_arena);
    consumer->count = consumer->delivery_count = 0;
    broker_ack_batch(consumer->broker, consumer->options.queue);
}

/* ---- events to items ---- */

/* ERR_NO_MEMORY: it is tried again. */
static enum err decode_event(struct consumer *consumer, const struct broker_delivery *delivery,
                             const struct event *event) {
    const char *why = event->why;
    enum err err = ERR_INVALID;
    if (why == NULL && event->type != NULL && strcmp(event->type, consumer->options.type) != 0) {
        why = "type is not that of the queue";
    }
    if (why == NULL) {
        void *item = consumer->items + consumer->count * consumer->options.item_bytes;
        why = "malformed";
        err = consumer->options.decode(consumer->options.ctx, &consumer->decode_arena, event, item,
                                       &why);
    }
    if (err == ERR_OK) {
        consumer->origins[consumer->count++] = (struct consumer_origin){ delivery, *event };
    } else if (err != ERR_NO_MEMORY) {
        park(consumer, delivery, event, why);
        err = ERR_OK;
    }
    return err;
}

/* The rest of a delivery, as far as there is room for its events. */
static enum err decode_delivery(struct consumer *consumer) {
    const struct broker_delivery *delivery = &consumer->deliveries[consumer->at_delivery];
    struct event *events;
    size_t count;
    const char *why;
    enum err err = event_read(&consumer->decode_arena, &delivery->message, &events, &count, &why);
    if (err == ERR_INVALID) {
        struct str body = { delivery->message.body, delivery->message.body_length };
        struct event all = { .id = delivery->message.message_id,
                             .trace = delivery->message.trace,
                             .whole = body };
        park(consumer, delivery, &all, why);
        count = consumer->at_event = 0;
        err = ERR_OK;
    } else if (err == ERR_OK && count == 0) {
        log_warn("a message without events", LOG_STR("consumer", consumer->options.name),
                 LOG_STR("messageId", delivery->message.message_id));
    }
    while (err == ERR_OK && consumer->at_event < count &&
           consumer->count < consumer->options.batch_max) {
        err = decode_event(consumer, delivery, &events[consumer->at_event]);
        consumer->at_event += err == ERR_OK;
    }
    if (err == ERR_OK && consumer->at_event == count) {
        consumer->at_delivery++;
        consumer->at_event = 0;
    }
    return err;
}

/* The next items. Without memory for one more those that there are; without any, later again. */
static void next_items(struct consumer *consumer) {
    enum err err = ERR_OK;
    arena_reset(&consumer->decode_arena);
    consumer->count = consumer->first = 0;
    while (err == ERR_OK && consumer->count < consumer->options.batch_max &&
           consumer->at_delivery < consumer->delivery_count) {
        err = decode_delivery(consumer);
    }
    consumer->span = consumer->count;
    consumer->attempts_internal = 0;
    if (err != ERR_OK && consumer->count == 0) {
        wait_for_retry(consumer, err);
        return;
    }
    next_segment(consumer);
}

void consumer_on_deliveries(struct consumer *consumer, struct broker *broker,
                            struct broker_delivery *deliveries, size_t count) {
    assert(consumer->delivery_count == 0);
    if (consumer->stopped) {
        return;
    }
    consumer->broker = broker;
    consumer->deliveries = deliveries;
    consumer->delivery_count = count;
    consumer->at_delivery = consumer->at_event = 0;
    next_items(consumer);
}

/* ---- segments ---- */

static void next_segment(struct consumer *consumer) {
    if (consumer->first == consumer->count) {
        if (consumer->at_delivery == consumer->delivery_count) {
            finish_batch(consumer);
        } else {
            next_items(consumer);
        }
        return;
    }
    consumer->busy = true;
    consumer->options.run(consumer->options.ctx,
                          consumer->items + consumer->first * consumer->options.item_bytes,
                          consumer->span);
}

static void on_retry(void *ctx) {
    next_segment(ctx); /* which decodes when there is nothing decoded */
}

static void advance(struct consumer *consumer) {
    consumer->first += consumer->span;
    consumer->span = consumer->count - consumer->first;
    consumer->attempts_internal = 0;
    next_segment(consumer);
}

static void narrow(struct consumer *consumer, enum err err) {
    if (consumer->span > 1) {
        consumer->span /= 2;
        next_segment(consumer);
        return;
    }
    const struct consumer_origin *origin = &consumer->origins[consumer->first];
    park(consumer, origin->delivery, &origin->event, err_name(err));
    advance(consumer);
}

static void log_wait(const struct consumer *consumer, enum err err) {
    for (size_t i = 0; i < consumer->span; i++) {
        const struct event *event = &consumer->origins[consumer->first + i].event;
        log_info("event waits for a retry", LOG_STR("consumer", consumer->options.name),
                 LOG_TRACE(event->trace), LOG_STR("messageId", event->id),
                 LOG_STR("error", err_name(err)));
    }
}

static void wait_for_retry(struct consumer *consumer, enum err err) {
    if (consumer->backoff.attempt == 0) { /* once, not with every repetition */
        log_wait(consumer, err);
    }
    uint32_t wait_ms = loop_backoff_next_ms(&consumer->backoff);
    log_warn("events wait for a retry", LOG_STR("consumer", consumer->options.name),
             LOG_INT("events", consumer->span), LOG_STR("error", err_name(err)),
             LOG_INT("retryMs", wait_ms));
    loop_timer_start(consumer->loop, &consumer->retry, wait_ms);
}

void consumer_segment_done(struct consumer *consumer, enum err err) {
    assert(consumer->busy);
    consumer->busy = false;
    arena_reset(&consumer->segment_arena);
    if (consumer->stopped) { /* draining: acknowledge what is complete, begin nothing */
        if (err == ERR_OK && consumer->first + consumer->span == consumer->count &&
            consumer->at_delivery == consumer->delivery_count) {
            finish_batch(consumer);
        }
        return;
    }
    switch (err) {
    case ERR_OK:
        loop_backoff_reset(&consumer->backoff);
        advance(consumer);
        return;
    case ERR_REJECTED_DATA:
    case ERR_TOO_LARGE: narrow(consumer, err); return;
    case ERR_INTERNAL:
        if (++consumer->attempts_internal > RETRIES_INTERNAL_MAX) {
            narrow(consumer, err);
            return;
        }
        break;
    default: break;
    }
    wait_for_retry(consumer, err);
}
