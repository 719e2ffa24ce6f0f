/*
 * Waiters by order. An outcome that this process hears wakes them at once; one that another replica
 * hears is found by asking the database, every POLL_MS. A drain lets nobody wait on.
 */
#include "outcome_wait.h"

#include "parts.h"
#include "statements.h"

#include "base/clock.h"
#include "base/list.h"

#include <assert.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024,
    TICK_MS = 50, /* how exactly a wait ends */
    POLL_MS = 250,
    POLL_IDS_MAX = 1000, /* asked for at once; the others' turn comes with the next */
    ANSWER_MS = 1000,    /* left to a flow after its wait */
    ARENA_BYTES_MAX = 256 * 1024,
};

struct waiter {
    struct list node;
    struct flow_wait wait;
    int64_t id;
    uint64_t until_ms;
};

static struct {
    struct waiter *waiters;
    struct list idle;
    struct list buckets[BUCKETS];
    size_t count;
    struct loop_timer timer;
    uint64_t polled_ms;
    size_t next_bucket; /* where the next question begins */
    bool is_asking;
    struct arena arena; /* of the question */
} waits;

static void on_tick(void *ctx);

static struct list *bucket_of(int64_t id) {
    return &waits.buckets[(uint64_t)id % BUCKETS];
}

uint64_t outcome_wait_ms(const struct http_exchange *exchange, unsigned *ret_wait_s) {
    unsigned wait_s = http_prefer_wait_s(exchange, OUTCOME_WAIT_S_MAX);
    uint64_t passed_ms = (clock_monotonic_us() - http_started_us(exchange)) / 1000;
    if (wait_s * UINT64_C(1000) <= passed_ms || list_is_empty(&waits.idle) ||
        backends.is_draining) {
        return 0;
    }
    *ret_wait_s = wait_s;
    return wait_s * UINT64_C(1000) - passed_ms;
}

void outcome_wait(struct flow_wait wait, int64_t order_id, uint64_t ms) {
    assert(!list_is_empty(&waits.idle));
    struct waiter *waiter = CONTAINER_OF(list_take_first(&waits.idle), struct waiter, node);
    *waiter = (struct waiter){ .wait = wait,
                               .id = order_id,
                               .until_ms = loop_now_ms(backends.loop) + ms };
    list_append(bucket_of(order_id), &waiter->node);
    flow_extend(wait.flow, (uint32_t)(ms + ANSWER_MS));
    if (waits.count++ == 0) {
        waits.polled_ms = loop_now_ms(backends.loop);
        loop_timer_start(backends.loop, &waits.timer, TICK_MS);
    }
}

static void end(struct waiter *waiter) {
    flow_wake(waiter->wait, ERR_OK);
    list_remove(&waiter->node);
    list_append(&waits.idle, &waiter->node);
    waits.count--;
}

void outcome_wait_end(const struct pg_rows *rows) {
    for (size_t r = 0; waits.count > 0 && r < rows->count; r++) {
        int64_t id = pg_rows_get_int8(rows, r, 0);
        struct list *bucket = bucket_of(id);
        for (struct list *node = bucket->next, *next; node != bucket; node = next) {
            struct waiter *waiter = CONTAINER_OF(node, struct waiter, node);
            next = node->next;
            if (waiter->id == id) {
                end(waiter);
            }
        }
    }
}

/* ---- what other replicas hear ---- */

static void polled(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    waits.is_asking = false;
    arena_reset(&waits.arena);
    if (err == ERR_OK) {
        outcome_wait_end(&rows[0]);
    }
}

static void poll(void) {
    int64_t ids[POLL_IDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS && count < POLL_IDS_MAX; i++) {
        struct list *bucket = &waits.buckets[waits.next_bucket];
        for (struct list *node = bucket->next; node != bucket && count < POLL_IDS_MAX;
             node = node->next) {
            ids[count++] = CONTAINER_OF(node, struct waiter, node)->id;
        }
        waits.next_bucket = (waits.next_bucket + 1) % BUCKETS;
    }
    struct pg_call call = pg_rows_ids_call(&waits.arena, &SQL_ORDER_DECIDED, ids, count);
    waits.is_asking = true;
    pg_run(backends.pg, &call, 1, polled, NULL);
}

static void on_tick(void *ctx) {
    uint64_t now_ms = loop_now_ms(backends.loop);
    (void)ctx;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct list *bucket = &waits.buckets[i];
        for (struct list *node = bucket->next, *next; node != bucket; node = next) {
            struct waiter *waiter = CONTAINER_OF(node, struct waiter, node);
            next = node->next;
            if (now_ms >= waiter->until_ms || backends.is_draining ||
                !flow_wait_is_live(waiter->wait)) {
                end(waiter);
            }
        }
    }
    if (waits.count == 0) {
        return;
    }
    if (!waits.is_asking && pg_is_ready(backends.pg) && now_ms - waits.polled_ms >= POLL_MS) {
        waits.polled_ms = now_ms;
        poll();
    }
    loop_timer_start(backends.loop, &waits.timer, TICK_MS);
}

/* ---- a part of the service ---- */

enum err outcome_wait_open(void) {
    waits.waiters = calloc(OUTCOME_WAITS_MAX, sizeof(*waits.waiters));
    if (waits.waiters == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&waits.idle);
    for (size_t i = 0; i < OUTCOME_WAITS_MAX && i < (size_t)config_shared.requests_max / 4; i++) {
        list_append(&waits.idle, &waits.waiters[i].node);
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&waits.buckets[i]);
    }
    waits.count = waits.next_bucket = 0;
    waits.is_asking = false;
    arena_init(&waits.arena, ARENA_BYTES_MAX);
    loop_timer_init(&waits.timer, on_tick, NULL);
    return ERR_OK;
}

void outcome_wait_close(void) {
    if (backends.loop != NULL && waits.waiters != NULL) {
        loop_timer_stop(backends.loop, &waits.timer);
    }
    arena_done(&waits.arena);
    free(waits.waiters);
    waits.waiters = NULL;
}

bool outcome_wait_is_idle(void) {
    return waits.count == 0 && !waits.is_asking;
}
