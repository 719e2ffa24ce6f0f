/*
 * Deliveries: their events decoded, run by segments, repeated, narrowed, set aside, parked; answers
 * told; acknowledged.
 */
#include "consumer.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
    RETRIES_INTERNAL_MAX = 5,
    ANSWER_TIMEOUT_MS = 5000,
    ANSWER_CHECK_MS = 200,
    RETURN_PAUSE_MS = 1000, /* from an answer that the broker refused to its question's return */
};

/* Deliveries in hand. */
struct consumer_batch {
    struct list node;
    int64_t id;
    const struct broker_delivery *deliveries;
    size_t delivery_count;
    size_t at_delivery, at_event; /* where decoding goes on */
    size_t segments;              /* under way */
    size_t answers;               /* awaited, with the broker */
    bool is_unanswered;           /* one was refused */
    uint64_t answered_ms;         /* when the last one was told */
};

static bool begin_next(struct consumer *consumer);
static void run_segment(struct consumer_segment *segment);
static void settle(struct consumer *consumer, struct consumer_batch *batch);
static void on_retry(void *ctx);
static void settle_all(void *ctx);
static void on_pause(void *ctx);
static void on_sent(void *ctx, const struct teller_event *event, enum err err);
static void on_told(void *ctx, int64_t id, bool confirmed);

/* ---- open and close ---- */

static enum err open_segment(struct consumer *consumer, struct consumer_segment *segment) {
    segment->consumer = consumer;
    arena_init(&segment->arena, ARENA_BYTES_MAX);
    arena_init(&segment->decode_arena, ARENA_BYTES_MAX);
    loop_timer_init(&segment->timer, on_retry, segment);
    segment->decoded = calloc(consumer->options.batch_max, consumer->options.item_bytes);
    segment->origins = calloc(consumer->options.batch_max, sizeof(*segment->origins));
    return segment->decoded == NULL || segment->origins == NULL ? ERR_NO_MEMORY : ERR_OK;
}

enum err consumer_open(struct consumer *consumer, struct loop *loop, struct broker *broker,
                       const struct consumer_options *options) {
    enum err err = ERR_OK;
    *consumer = (struct consumer){ .loop = loop, .broker = broker, .options = *options };
    consumer->backoff.base_ms = options->backoff_base_ms;
    consumer->backoff.cap_ms = options->backoff_cap_ms;
    consumer->gather = (struct gather){ CONSUMER_GATHER_FROM, CONSUMER_GATHER_MS, 0 };
    consumer->has_asked = true; /* the broker's first batch comes unasked */
    if (options->answer_timeout_ms == 0) {
        consumer->options.answer_timeout_ms = ANSWER_TIMEOUT_MS;
    }
    struct teller_options telling = options->telling;
    telling.on_sent = on_sent;
    telling.on_told = on_told;
    telling.ctx = consumer;
    teller_init(&consumer->teller, broker, &telling);
    list_init(&consumer->batches);
    list_init(&consumer->idle_batches);
    loop_timer_init(&consumer->answers, settle_all, consumer);
    loop_timer_init(&consumer->pause, on_pause, consumer);
    for (size_t i = 0; i < CONSUMER_SEGMENTS_MAX && err == ERR_OK; i++) {
        err = open_segment(consumer, &consumer->segments[i]);
    }
    if (err == ERR_OK) {
        err = locked_rows_init(&consumer->locked);
    }
    consumer->batch_memory = calloc(CONSUMER_BATCHES_MAX, sizeof(*consumer->batch_memory));
    if (err != ERR_OK || consumer->batch_memory == NULL) {
        consumer_close(consumer);
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < CONSUMER_BATCHES_MAX; i++) {
        list_append(&consumer->idle_batches, &consumer->batch_memory[i].node);
    }
    return ERR_OK;
}

void consumer_close(struct consumer *consumer) {
    if (consumer->loop == NULL) {
        return;
    }
    consumer_stop(consumer);
    loop_timer_stop(consumer->loop, &consumer->answers);
    for (size_t i = 0; i < CONSUMER_SEGMENTS_MAX; i++) {
        struct consumer_segment *segment = &consumer->segments[i];
        if (segment->consumer != NULL) {
            arena_done(&segment->arena);
            arena_done(&segment->decode_arena);
            free(segment->decoded);
            free(segment->origins);
        }
    }
    teller_done(&consumer->teller);
    locked_rows_done(&consumer->locked);
    free(consumer->batch_memory);
    *consumer = (struct consumer){ 0 };
}

void consumer_stop(struct consumer *consumer) {
    consumer->stopped = true;
    loop_timer_stop(consumer->loop, &consumer->pause);
    for (size_t i = 0; i < CONSUMER_SEGMENTS_MAX; i++) {
        loop_timer_stop(consumer->loop, &consumer->segments[i].timer);
    }
}

static bool is_open(const struct consumer_batch *batch) {
    return batch->at_delivery < batch->delivery_count || batch->segments > 0;
}

bool consumer_is_idle(const struct consumer *consumer) {
    for (size_t i = 0; i < CONSUMER_SEGMENTS_MAX; i++) {
        if (consumer->segments[i].is_running) {
            return false;
        }
    }
    const struct list *head = &consumer->batches;
    for (const struct list *node = head->next; node != head; node = node->next) {
        const struct consumer_batch *batch = CONTAINER_OF(node, struct consumer_batch, node);
        if (!is_open(batch) && batch->answers > 0) {
            return false;
        }
    }
    return true;
}

/* ---- rows that are known to be locked ---- */

/* A queue's consumer and that of its retry queue share what they know. */
static struct locked_rows *locked_of(struct consumer *consumer) {
    struct consumer *main = consumer->options.main;
    return main != NULL ? &main->locked : &consumer->locked;
}

static char *item_at(const struct consumer_segment *segment, size_t i) {
    return segment->decoded + i * segment->consumer->options.item_bytes;
}

static int64_t row_of(const struct consumer_segment *segment, size_t i) {
    return segment->consumer->options.row(item_at(segment, i));
}

static void swap_items(struct consumer_segment *segment, size_t a, size_t b) {
    struct consumer_origin origin = segment->origins[a];
    char *x = item_at(segment, a), *y = item_at(segment, b);
    for (size_t i = 0; i < segment->consumer->options.item_bytes; i++) {
        char byte = x[i];
        x[i] = y[i];
        y[i] = byte;
    }
    segment->origins[a] = segment->origins[b];
    segment->origins[b] = origin;
}

/* Set aside what needs a row whose next attempt is later than `ms`; the rest stays. */
static void divert(struct consumer_segment *segment, uint64_t ms, bool was_tried) {
    const struct locked_rows *locked = locked_of(segment->consumer);
    size_t kept = segment->first;
    for (size_t i = segment->first; i < segment->decoded_count; i++) {
        const struct locked_row *row = locked_rows_find(locked, row_of(segment, i));
        if (row != NULL && row->due_ms > ms) {
            consumer_alone_set_aside(segment->consumer->broker, segment->consumer->options.name,
                                     &segment->origins[i], was_tried);
        } else {
            swap_items(segment, i, kept++);
        }
    }
    segment->decoded_count = kept;
}

/* Those whose row is not known to be locked come first; how many, or all when there are none. */
static size_t free_first(struct consumer_segment *segment) {
    const struct locked_rows *locked = locked_of(segment->consumer);
    size_t end = segment->first;
    for (size_t i = segment->first; i < segment->decoded_count; i++) {
        if (locked_rows_find(locked, row_of(segment, i)) == NULL) {
            swap_items(segment, end++, i);
        }
    }
    return (end > segment->first ? end : segment->decoded_count) - segment->first;
}

/* ---- events to items ---- */

/* ERR_NO_MEMORY: it is tried again. */
static enum err decode_event(struct consumer_segment *segment,
                             const struct broker_delivery *delivery, const struct event *event) {
    struct consumer *consumer = segment->consumer;
    const char *why = event->why;
    enum err err = ERR_INVALID;
    if (why == NULL && event->type != NULL && strcmp(event->type, consumer->options.type) != 0) {
        why = "type is not that of the queue";
    }
    if (why == NULL) {
        why = "malformed";
        err = consumer->options.decode(consumer->options.ctx, &segment->decode_arena, event,
                                       item_at(segment, segment->decoded_count), &why);
    }
    struct consumer_origin origin = { delivery, *event };
    if (err == ERR_OK) {
        segment->origins[segment->decoded_count++] = origin;
    } else if (err != ERR_NO_MEMORY) {
        consumer_alone_park(consumer->broker, consumer->options.name, &origin, "invalid", why);
        err = ERR_OK;
    }
    return err;
}

/* The rest of a delivery, as far as there is room for its events. */
static enum err decode_delivery(struct consumer_segment *segment) {
    struct consumer *consumer = segment->consumer;
    struct consumer_batch *batch = segment->batch;
    const struct broker_delivery *delivery = &batch->deliveries[batch->at_delivery];
    struct event *events;
    size_t count;
    const char *why;
    enum err err = event_read(&segment->decode_arena, &delivery->message, &events, &count, &why);
    if (err == ERR_INVALID || err == ERR_TOO_LARGE) {
        struct str body = { delivery->message.body, delivery->message.body_length };
        struct consumer_origin all = {
            delivery,
            { .id = delivery->message.message_id, .trace = delivery->message.trace, .whole = body }
        };
        consumer_alone_park(consumer->broker, consumer->options.name, &all,
                            err == ERR_INVALID ? "malformed" : "too_large", why);
        count = batch->at_event = 0;
        err = ERR_OK;
    } else if (err == ERR_OK && count == 0) {
        log_warn("a message without events", LOG_STR("consumer", consumer->options.name),
                 LOG_STR("messageId", delivery->message.message_id));
    }
    while (err == ERR_OK && batch->at_event < count &&
           segment->decoded_count < consumer->options.batch_max) {
        err = decode_event(segment, delivery, &events[batch->at_event]);
        batch->at_event += err == ERR_OK;
    }
    if (err == ERR_OK && batch->at_event == count) {
        batch->at_delivery++;
        batch->at_event = 0;
    }
    return err;
}

/* ---- the life of a segment: items, runs, end ---- */

/* Not from within itself: segments that end at once follow each other, not upon each other. */
static void proceed(struct consumer *consumer) {
    if (!consumer->is_proceeding) {
        consumer->is_proceeding = true;
        while (begin_next(consumer)) {
        }
        consumer->is_proceeding = false;
    }
}

static void end_segment(struct consumer_segment *segment) {
    struct consumer *consumer = segment->consumer;
    struct consumer_batch *batch = segment->batch;
    arena_reset(&segment->decode_arena);
    segment->batch = NULL;
    segment->decoded_count = 0;
    batch->segments--;
    settle(consumer, batch);
}

static void log_wait(const struct consumer_segment *segment, enum err err) {
    for (size_t i = 0; i < segment->count; i++) {
        const struct event *event = &segment->origins[segment->first + i].event;
        log_info("event waits for a retry", LOG_STR("consumer", segment->consumer->options.name),
                 LOG_TRACE(event->trace), LOG_STR("messageId", event->id),
                 LOG_STR("error", err_name(err)));
    }
}

static void wait_for_retry(struct consumer_segment *segment, enum err err) {
    struct consumer *consumer = segment->consumer;
    if (consumer->backoff.attempt == 0) { /* once, not with every repetition */
        log_wait(segment, err);
    }
    uint32_t wait_ms = loop_backoff_next_ms(&consumer->backoff);
    log_warn("events wait for a retry", LOG_STR("consumer", consumer->options.name),
             LOG_INT("events", segment->count), LOG_STR("error", err_name(err)),
             LOG_INT("retryMs", wait_ms));
    loop_timer_start(consumer->loop, &segment->timer, wait_ms);
}

/* The next items. Without memory for one more those that there are; without any, later again. */
static void next_items(struct consumer_segment *segment) {
    struct consumer_batch *batch = segment->batch;
    enum err err = ERR_OK;
    arena_reset(&segment->decode_arena);
    segment->decoded_count = segment->first = segment->count = 0;
    while (err == ERR_OK && segment->decoded_count < segment->consumer->options.batch_max &&
           batch->at_delivery < batch->delivery_count) {
        err = decode_delivery(segment);
    }
    segment->span = segment->decoded_count;
    segment->attempts_internal = 0;
    if (err != ERR_OK && segment->decoded_count == 0) {
        wait_for_retry(segment, err);
    } else {
        run_segment(segment);
    }
}

/*
 * A retry queue's events whose row is not due go back there at once, so that none is unacknowledged
 * for long; what waits is ask(). An attempt at a row that is still locked takes DB_LOCK_TIMEOUT_MS:
 * who does not need it goes before.
 */
static void run_segment(struct consumer_segment *segment) {
    struct consumer *consumer = segment->consumer;
    bool is_retry = consumer->options.main != NULL;
    uint64_t now_ms = loop_now_ms(consumer->loop), grace_ms = is_retry ? 0 : LOCKED_ROWS_GRACE_MS;
    if (locked_of(consumer)->count > 0) {
        divert(segment, now_ms > grace_ms ? now_ms - grace_ms : 0, false);
    }
    size_t count = segment->decoded_count - segment->first;
    if (count == 0) {
        end_segment(segment);
        return;
    }
    if (is_retry && locked_of(consumer)->count > 0) {
        count = free_first(segment);
    }
    segment->count = count < segment->span ? count : segment->span;
    segment->items = item_at(segment, segment->first);
    segment->is_running = true;
    segment->began_us = clock_monotonic_us();
    consumer->options.run(consumer->options.ctx, segment);
}

static void on_retry(void *ctx) {
    struct consumer_segment *segment = ctx;
    if (segment->decoded_count == 0) {
        next_items(segment);
    } else {
        run_segment(segment);
    }
    proceed(segment->consumer);
}

/* For the next batch; of a retry queue not at once when none of the last one's events could go. */
static void ask(struct consumer *consumer) {
    bool is_vain = consumer->options.main != NULL && !consumer->has_advanced;
    if (consumer->has_asked || list_is_empty(&consumer->idle_batches)) {
        return;
    }
    uint64_t pause_ms = is_vain
                            ? locked_rows_pause_ms(locked_of(consumer), loop_now_ms(consumer->loop))
                            : gather_left_ms(&consumer->gather);
    if (pause_ms > 0) {
        loop_timer_start(consumer->loop, &consumer->pause, pause_ms);
    } else {
        consumer->has_asked = true;
        broker_next(consumer->broker, consumer->options.queue);
    }
}

static void on_pause(void *ctx) {
    struct consumer *consumer = ctx;
    consumer->has_advanced = true;
    proceed(consumer);
}

/* False: nothing can begin now. */
static bool begin_next(struct consumer *consumer) {
    struct consumer_segment *idle = NULL;
    for (size_t i = 0; i < CONSUMER_SEGMENTS_MAX; i++) {
        struct consumer_segment *segment = &consumer->segments[i];
        if (segment->batch == NULL) {
            idle = segment;
        } else if (!segment->has_passed) {
            return false;
        }
    }
    if (idle == NULL || consumer->stopped) {
        return false;
    }
    struct list *node = consumer->batches.next;
    while (node != &consumer->batches) {
        struct consumer_batch *batch = CONTAINER_OF(node, struct consumer_batch, node);
        if (batch->at_delivery < batch->delivery_count) {
            idle->batch = batch;
            idle->has_passed = false;
            batch->segments++;
            next_items(idle);
            return true;
        }
        node = node->next;
    }
    ask(consumer);
    return false;
}

void consumer_on_deliveries(struct consumer *consumer, struct broker_delivery *deliveries,
                            size_t count) {
    struct list *node = consumer->stopped ? NULL : list_take_first(&consumer->idle_batches);
    consumer->has_asked = consumer->has_advanced = false;
    if (node == NULL) { /* stopped: they come again */
        return;
    }
    struct consumer_batch *batch = CONTAINER_OF(node, struct consumer_batch, node);
    *batch = (struct consumer_batch){ .id = ++consumer->last_batch_id,
                                      .deliveries = deliveries,
                                      .delivery_count = count };
    list_append(&consumer->batches, &batch->node);
    KILL_POINT("taken", consumer->options.name);
    proceed(consumer);
}

bool consumer_segment_is_full(const struct consumer_segment *segment) {
    return segment->decoded_count == segment->consumer->options.batch_max;
}

static void pass(struct consumer_segment *segment) {
    size_t load = consumer_segment_is_full(segment) ? 0 : segment->count;
    if (!segment->has_passed) {
        gather_after(&segment->consumer->gather, load, clock_monotonic_us() - segment->began_us);
    }
    segment->has_passed = true;
}

void consumer_segment_passed(struct consumer_segment *segment) {
    if (segment->consumer->options.main == NULL) {
        pass(segment);
        proceed(segment->consumer);
    }
}

/* ---- the end of a run ---- */

static void advance(struct consumer_segment *segment) {
    struct locked_rows *locked = locked_of(segment->consumer);
    for (size_t i = 0; i < segment->count && locked->count > 0; i++) {
        locked_rows_forget(locked, row_of(segment, segment->first + i));
    }
    segment->consumer->has_advanced = true;
    segment->first += segment->count;
    segment->span = segment->decoded_count - segment->first;
    segment->attempts_internal = 0;
    run_segment(segment);
}

/* What is written on the item that stands alone (docs/events.md). */
static void park(const struct consumer_segment *segment, enum err err) {
    const char *reason = "failed", *detail = "it failed again and again, alone, too";
    if (err == ERR_REJECTED_DATA) {
        reason = "refused", detail = "the database refuses what it says";
    } else if (err == ERR_TOO_LARGE) {
        reason = "too_large", detail = "it is larger than the database takes";
    } else if (err == ERR_UNPROCESSABLE) {
        reason = "conflict", detail = "it contradicts what is stored of it";
    }
    consumer_alone_park(segment->consumer->broker, segment->consumer->options.name,
                        &segment->origins[segment->first], reason, detail);
}

static void narrow(struct consumer_segment *segment, enum err err) {
    if (segment->count > 1) {
        segment->span = segment->count / 2;
        run_segment(segment);
        return;
    }
    park(segment, err);
    segment->count = 1;
    advance(segment);
}

static void located(void *ctx, enum err err, const struct pg_rows *rows);

/* Which of its rows are locked? */
static void locate(struct consumer_segment *segment) {
    const struct consumer_options *options = &segment->consumer->options;
    int64_t *ids = arena_array(&segment->arena, segment->count, sizeof(*ids));
    if (ids == NULL) {
        wait_for_retry(segment, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < segment->count; i++) {
        ids[i] = row_of(segment, segment->first + i);
    }
    segment->is_running = true;
    struct pg_call call =
        pg_rows_ids_call(&segment->arena, options->find_locked, ids, segment->count);
    pg_run(options->pg, &call, 1, located, segment);
}

static unsigned attempts_for(const struct consumer_segment *segment, int64_t row) {
    unsigned most = 0;
    for (size_t i = segment->first; i < segment->first + segment->count; i++) {
        unsigned attempts = segment->origins[i].delivery->attempts;
        if (row_of(segment, i) == row && attempts > most) {
            most = attempts;
        }
    }
    return most;
}

static void located(void *ctx, enum err err, const struct pg_rows *rows) {
    struct consumer_segment *segment = ctx;
    struct consumer *consumer = segment->consumer;
    size_t count = err == ERR_OK ? rows[0].count : 0;
    for (size_t i = 0; i < count; i++) {
        int64_t row = pg_rows_get_int8(&rows[0], i, 0);
        log_warn("a row is locked by another transaction",
                 LOG_STR("consumer", consumer->options.name), LOG_INT("row", row));
        locked_rows_note(locked_of(consumer), row, attempts_for(segment, row),
                         loop_now_ms(consumer->loop));
    }
    segment->is_running = false;
    arena_reset(&segment->arena);
    if (consumer->stopped) {
        return;
    }
    if (count == 0) { /* it is free again, or cannot be known now */
        wait_for_retry(segment, err == ERR_OK ? ERR_LOCKED : err);
        return;
    }
    divert(segment, loop_now_ms(consumer->loop), true);
    segment->span = segment->decoded_count - segment->first;
    run_segment(segment);
    proceed(consumer);
}

static void end_run(struct consumer_segment *segment, enum err err) {
    switch (err) {
    case ERR_OK:
        loop_backoff_reset(&segment->consumer->backoff);
        advance(segment);
        return;
    case ERR_LOCKED:
        if (segment->consumer->options.row != NULL) {
            locate(segment);
            return;
        }
        break;
    case ERR_REJECTED_DATA:
    case ERR_UNPROCESSABLE:
    case ERR_TOO_LARGE: narrow(segment, err); return;
    case ERR_INTERNAL:
        if (++segment->attempts_internal > RETRIES_INTERNAL_MAX) {
            narrow(segment, err);
            return;
        }
        break;
    default: break;
    }
    wait_for_retry(segment, err);
}

void consumer_segment_done(struct consumer_segment *segment, enum err err) {
    struct consumer *consumer = segment->consumer;
    assert(segment->is_running);
    pass(segment);
    segment->is_running = segment->has_passed = false;
    arena_reset(&segment->arena);
    if (!consumer->stopped) {
        end_run(segment, err);
        proceed(consumer);
    } else if (err == ERR_OK && segment->first + segment->count == segment->decoded_count) {
        end_segment(segment); /* draining: acknowledge what is complete, begin nothing */
    }
}

/* ---- answers, and the acknowledgement ---- */

static void await_answers(struct consumer *consumer) {
    if (consumer->answers.heap_index == 0) {
        loop_timer_start(consumer->loop, &consumer->answers, ANSWER_CHECK_MS);
    }
}

/* Every question answered: acknowledge. One that is not: it comes again, or its asker does. */
static void settle(struct consumer *consumer, struct consumer_batch *batch) {
    struct delivery_batch *deliveries = batch->deliveries[0].batch;
    enum broker_state state = broker_publish_state(consumer->broker);
    uint64_t waited_ms = loop_now_ms(consumer->loop) - batch->answered_ms;
    bool is_answered = batch->answers == 0 && !batch->is_unanswered;
    if (is_open(batch)) {
        return;
    }
    if (is_answered || state == BROKER_BLOCKED ||
        waited_ms >= consumer->options.answer_timeout_ms) {
        if (!is_answered) {
            log_warn("acknowledged without the confirm of what it led to",
                     LOG_STR("consumer", consumer->options.name),
                     LOG_INT("answers", batch->answers),
                     LOG_BOOL("blocked", state == BROKER_BLOCKED));
        }
        broker_ack(consumer->broker, deliveries);
    } else if (batch->answers == 0 && state == BROKER_UP && waited_ms >= RETURN_PAUSE_MS) {
        broker_return(consumer->broker, deliveries);
    } else {
        await_answers(consumer);
        return;
    }
    list_remove(&batch->node);
    list_append(&consumer->idle_batches, &batch->node);
}

static void settle_all(void *ctx) {
    struct consumer *consumer = ctx;
    struct list *head = &consumer->batches, *next;
    for (struct list *node = head->next; node != head; node = next) {
        next = node->next;
        settle(consumer, CONTAINER_OF(node, struct consumer_batch, node));
    }
    proceed(consumer);
}

void consumer_on_broker_state(struct consumer *consumer, enum broker_state state) {
    (void)state;
    settle_all(consumer);
}

/* NULL: it was acknowledged already. */
static struct consumer_batch *find_batch(struct consumer *consumer, int64_t id) {
    struct list *head = &consumer->batches;
    for (struct list *node = head->next; node != head; node = node->next) {
        struct consumer_batch *batch = CONTAINER_OF(node, struct consumer_batch, node);
        if (batch->id == id) {
            return batch;
        }
    }
    return NULL;
}

static void on_told(void *ctx, int64_t id, bool confirmed) {
    struct consumer *consumer = ctx;
    struct consumer_batch *batch = find_batch(consumer, id);
    if (batch == NULL) {
        return;
    }
    batch->answers--;
    batch->is_unanswered = batch->is_unanswered || !confirmed;
    if (batch->answers == 0) {
        settle(consumer, batch);
        proceed(consumer);
    }
}

/* Refused for another reason the question would come again in vain: as if without a confirm. */
static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    if (err != ERR_OK) {
        log_info("event waits for the broker", LOG_TRACE(event->trace),
                 LOG_STR("messageId", event->message_id), LOG_STR("error", err_name(err)));
    }
    if (err == ERR_UNAVAILABLE) {
        on_told(ctx, event->id, false);
    }
}

struct consumer_hold consumer_hold(struct consumer_segment *segment) {
    segment->batch->answers++;
    segment->batch->answered_ms = loop_now_ms(segment->consumer->loop);
    return (struct consumer_hold){ segment->consumer, segment->batch->id,
                                   segment->batch->delivery_count };
}

bool consumer_holds(const struct consumer_hold *hold, const struct consumer_segment *segment) {
    return hold->consumer == segment->consumer && hold->batch_id == segment->batch->id;
}

void consumer_release(const struct consumer_hold *hold, bool is_good) {
    on_told(hold->consumer, hold->batch_id, is_good);
}

void consumer_answer(struct consumer_segment *segment, struct teller_event *events, size_t count) {
    struct consumer *consumer = segment->consumer;
    segment->batch->answers += count;
    segment->batch->answered_ms = loop_now_ms(consumer->loop);
    for (size_t i = 0; i < count; i++) {
        events[i].id = segment->batch->id;
        teller_add(&consumer->teller, &events[i]);
    }
    teller_flush(&consumer->teller);
}
