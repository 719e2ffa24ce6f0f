/* A batch of deliveries: decoded, run by segments, repeated, narrowed, parked, acknowledged. */
#include "consumer.h"

#include "base/trace.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>

enum { ARENA_BYTES_MAX = 64 * 1024 * 1024, RETRIES_INTERNAL_MAX = 5 };

static void next_segment(struct consumer *consumer);
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
    consumer->deliveries = calloc(options->batch_max, sizeof(struct broker_delivery *));
    if (consumer->items == NULL || consumer->deliveries == NULL) {
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
    free(consumer->deliveries);
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

static void park(struct consumer *consumer, struct broker_delivery *delivery, const char *why) {
    log_error("event parked in the dead-letter queue", LOG_STR("consumer", consumer->options.name),
              LOG_STR("messageId", delivery->message.message_id),
              LOG_TRACE(delivery->message.trace), LOG_STR("reason", why));
    broker_park(consumer->broker, delivery, why);
}

static void finish_batch(struct consumer *consumer) {
    arena_reset(&consumer->decode_arena);
    consumer->count = 0;
    broker_ack_batch(consumer->broker, consumer->options.queue);
}

void consumer_on_deliveries(struct consumer *consumer, struct broker *broker,
                            struct broker_delivery *deliveries, size_t count) {
    assert(consumer->count == 0 && count <= consumer->options.batch_max);
    if (consumer->stopped) {
        return;
    }
    consumer->broker = broker;
    for (size_t i = 0; i < count; i++) {
        const char *why = "malformed";
        void *item = consumer->items + consumer->count * consumer->options.item_bytes;
        enum err err = consumer->options.decode(consumer->options.ctx, &consumer->decode_arena,
                                                &deliveries[i], item, &why);
        if (err != ERR_OK) {
            park(consumer, &deliveries[i], why);
            continue;
        }
        consumer->deliveries[consumer->count++] = &deliveries[i];
    }
    consumer->first = 0;
    consumer->span = consumer->count;
    consumer->attempts_internal = 0;
    next_segment(consumer);
}

static void next_segment(struct consumer *consumer) {
    if (consumer->first == consumer->count) {
        finish_batch(consumer);
        return;
    }
    consumer->busy = true;
    consumer->options.run(consumer->options.ctx,
                          consumer->items + consumer->first * consumer->options.item_bytes,
                          consumer->span);
}

static void on_retry(void *ctx) {
    next_segment(ctx);
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
    park(consumer, consumer->deliveries[consumer->first], err_name(err));
    advance(consumer);
}

static void log_wait(const struct consumer *consumer, enum err err) {
    for (size_t i = 0; i < consumer->span; i++) {
        const struct broker_message *message = &consumer->deliveries[consumer->first + i]->message;
        log_info("event waits for a retry", LOG_STR("consumer", consumer->options.name),
                 LOG_TRACE(message->trace), LOG_STR("messageId", message->message_id),
                 LOG_STR("error", err_name(err)));
    }
}

void consumer_segment_done(struct consumer *consumer, enum err err) {
    assert(consumer->busy);
    consumer->busy = false;
    arena_reset(&consumer->segment_arena);
    if (consumer->stopped) { /* draining: acknowledge what is complete, begin nothing */
        if (err == ERR_OK && consumer->first + consumer->span == consumer->count) {
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
    if (consumer->backoff.attempt == 0) { /* once, not with every repetition */
        log_wait(consumer, err);
    }
    uint32_t wait_ms = loop_backoff_next_ms(&consumer->backoff);
    log_warn("events wait for a retry", LOG_STR("consumer", consumer->options.name),
             LOG_INT("events", consumer->span), LOG_STR("error", err_name(err)),
             LOG_INT("retryMs", wait_ms));
    loop_timer_start(consumer->loop, &consumer->retry, wait_ms);
}
