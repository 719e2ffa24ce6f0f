/*
 * A consumer of numbers for tests of runtime/messages/consumer: an item is its data, and the id of
 * the row that it needs. The broker and the database are faked.
 */
#ifndef CONSUMER_FIXTURE_H
#define CONSUMER_FIXTURE_H

#include "base/clock.h"
#include "runtime/messages/consumer.h"
#include "runtime/telemetry/log.h"

#include "fake_broker.h"
#include "fake_pg.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH_MAX = 16, QUEUE = 2, PATIENCE_MS = 5000, RUNS_MAX = 256, ITEMS_MAX = 1000 };
enum { DELIVERIES_MAX = 256, ANSWER_MS = 300 };

static const struct pg_statement FIND_LOCKED = { "find_locked", "SELECT …" };

struct run {
    int first;
    size_t count;
};

static struct loop *loop;
static struct consumer consumer;
static struct run runs[RUNS_MAX];
static size_t run_count;
static struct consumer_segment *segment; /* of the last run */
static struct broker_delivery deliveries[DELIVERIES_MAX];
static char bodies[DELIVERIES_MAX][24];
static size_t delivered;
/* What run() does at once; `held`: leave it to the test. */
static bool held;
static enum err (*verdict)(int item);
static int applied[ITEMS_MAX]; /* how often an item was in a segment that succeeded */

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    char *end;
    ck_assert_ptr_eq(ctx, &consumer);
    char *copy = arena_copy(arena, event->data.data, event->data.len);
    long number = strtol(copy, &end, 10);
    if (*end != '\0' || end == copy) {
        *ret_why = "not a number";
        return ERR_INVALID;
    }
    *(int *)item = (int)number;
    return ERR_OK;
}

static void finish_segment(struct consumer_segment *done) {
    enum err err = ERR_OK;
    const int *items = done->items;
    size_t count = done->count;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        err = verdict == NULL ? ERR_OK : verdict(items[i]);
    }
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        applied[items[i]]++;
    }
    consumer_segment_done(done, err);
}

static void finish(void) {
    finish_segment(segment);
}

static void run(void *ctx, struct consumer_segment *next) {
    ck_assert_ptr_eq(ctx, &consumer);
    ck_assert_uint_gt(next->count, 0);
    ck_assert_uint_lt(run_count, RUNS_MAX);
    ck_assert_ptr_nonnull(arena_alloc(&next->arena, 100000));
    segment = next;
    runs[run_count++] = (struct run){ *(int *)next->items, next->count };
    if (!held) {
        finish();
    }
}

static int64_t row_of(const void *item) {
    return *(const int *)item;
}

static struct consumer_options options_of(size_t queue) {
    return (struct consumer_options){ .name = "test",
                                      .type = "number",
                                      .queue = queue,
                                      .item_bytes = sizeof(int),
                                      .batch_max = BATCH_MAX,
                                      .backoff_base_ms = 2,
                                      .backoff_cap_ms = 8,
                                      .answer_timeout_ms = ANSWER_MS,
                                      .decode = decode,
                                      .run = run,
                                      .ctx = &consumer,
                                      .telling = { .events_per_message_max = 1,
                                                   .event_message_bytes_max = 65536 },
                                      .row = row_of,
                                      .find_locked = &FIND_LOCKED,
                                      .pg = &fake_pg };
}

static void setup(void) {
    struct consumer_options options = options_of(QUEUE);
    log_init("test", LOG_LEVELS, 2);
    fake_broker_reset();
    fake_pg_reset();
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    ck_assert_int_eq(consumer_open(&consumer, loop, &fake_broker, &options), ERR_OK);
}

static void teardown(void) {
    consumer_close(&consumer);
    consumer_close(&consumer);
    loop_destroy(loop);
}

static void deliver_texts(const char *const *texts, size_t count) {
    struct broker_delivery *batch = deliveries + delivered;
    ck_assert_uint_le(delivered + count, DELIVERIES_MAX);
    for (size_t i = 0; i < count; i++) {
        batch[i] = fake_delivery("id", texts[i]);
    }
    delivered += count;
    consumer_on_deliveries(&consumer, fake_batch(QUEUE, batch, count), count);
}

static void deliver_numbers(int first, size_t count) {
    const char *texts[BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        char *body = bodies[delivered + i];
        snprintf(body, sizeof(bodies[0]), "%d", first + (int)i);
        texts[i] = body;
    }
    deliver_texts(texts, count);
}

static void deliver(size_t count) {
    deliver_numbers(0, count);
}

static void wait_for_runs(size_t count) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (run_count < count && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_ge(run_count, count);
}

static void wait_for_ack(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_broker.acks[QUEUE] == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert(consumer_is_idle(&consumer));
}

/* A batch of the numbers from `first` on, in static memory; `type` of all of them. */
static const char *batch_of(int first, int count, const char *type) {
    static struct buf text;
    buf_free(&text);
    buf_init(&text, 0);
    for (int i = 0; i < count; i++) {
        buf_appendf(&text,
                    "%c{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/t\",\"type\":\"%s\","
                    "\"data\":%d}",
                    i == 0 ? '[' : ',', first + i, type, first + i);
    }
    buf_append(&text, count == 0 ? "[]" : "]", count == 0 ? 3 : 2);
    return buf_bytes(&text);
}

#endif
