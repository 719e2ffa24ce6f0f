/*
 * For the tests of the consumers that decide on stock, order_created and order_cancelled:
 * batches of deliveries about orders of product 7; the test plays the database, Redis and the
 * broker.
 */
#ifndef STOCK_EVENTS_FIXTURE_H
#define STOCK_EVENTS_FIXTURE_H

#include "product/parts.h"
#include "product/product.h"
#include "product/statements.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <stdio.h>

enum { PATIENCE_MS = 10000, ORDERS_MAX = 8 };

#define CREATED_MS INT64_C(1795367792123)
#define CREATED_TEXT "2026-11-22T17:16:32.123Z"

/* Of an order of the ledger, before its request id and its createdAt, which is NULL in old rows. */
#define LEDGER_TYPES "ittTiitT"

static struct consumer consumer;
static struct broker_delivery deliveries[ORDERS_MAX];
static char bodies[ORDERS_MAX][512];
static size_t delivery_count;

static inline void stock_events_open(const struct consumer_options *options) {
    fake_backends_open();
    delivery_count = 0;
    fake_backends_consume(&consumer, options, 0, ORDERS_MAX);
    ck_assert_int_eq(stock_news_open(), ERR_OK);
}

static inline void stock_events_close(void) {
    ck_assert_uint_eq(fake_pg.sessions_open, 0);
    consumer_close(&consumer);
    stock_news_close();
    fake_backends_close();
}

/* `more`: members that follow, with their comma in front. */
static inline void add_event(int64_t order_id, int64_t product_id, int64_t quantity,
                             const char *more) {
    char *body = bodies[delivery_count];
    snprintf(body, sizeof(bodies[0]),
             "{\"orderId\":%lld,\"productId\":%lld,\"quantity\":%lld,\"createdAt\":\"" CREATED_TEXT
             "\",\"requestId\":\"r-%lld\"%s}",
             (long long)order_id, (long long)product_id, (long long)quantity, (long long)order_id,
             more);
    deliveries[delivery_count++] = fake_delivery("id", body);
}

static inline void deliver(void) {
    consumer_on_deliveries(&consumer, fake_batch(0, deliveries, delivery_count), delivery_count);
}

static inline void wait_for_request(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
    ck_assert_uint_gt(fake_pg.waiting, 0);
}

static inline PGresult *product_rows(void) {
    return fake_rows(7);
}

static inline void add_product(PGresult *rows, int64_t id, int64_t qty, int64_t version) {
    fake_row(rows, "itiiiTT", id, "thing", INT64_C(1990), qty, version, CREATED_MS, CREATED_MS);
}

/* The products that are locked and what the ledger has; product 7 has `qty`, version 3. */
static inline void answer_lock(int64_t qty, PGresult *ledger) {
    wait_for_request();
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_BEGIN, &SQL_PRODUCT_LOCK);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_LEDGER_FIND);
    PGresult *rows = product_rows();
    add_product(rows, 7, qty, 3);
    fake_pg_answer(rows, ledger, NULL);
}

static inline void confirm(void) {
    fake_broker_fates(true, teller_on_published);
}

/* Until so many batches are acknowledged, or the database is asked: news may leave first. */
static inline void wait_for_acks(size_t count) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_broker.acks[0] < count && fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

static inline const struct pg_call *call_of(const struct fake_pg_request *request,
                                            const struct pg_statement *statement) {
    for (size_t i = 0; i < request->count; i++) {
        if (request->calls[i].statement == statement) {
            return &request->calls[i];
        }
    }
    return NULL;
}

static inline const struct fake_pg_request *expect_commit(void) {
    ck_assert_uint_eq(fake_pg.waiting, 1);
    ck_assert_int_eq(fake_pg.requests[0].kind, FAKE_PG_COMMIT);
    return &fake_pg.requests[0];
}

#define OUTCOME(order, quantity, status)                                                           \
    "\"orderId\":" order ",\"createdAt\":\"" CREATED_TEXT                                          \
    "\",\"productId\":7,\"quantity\":" quantity ",\"status\":\"" status "\""

static inline bool published(const char *key, const char *part) {
    for (size_t i = 0; i < fake_broker.published; i++) {
        if (strcmp(fake_broker.messages[i].routing_key, key) == 0 &&
            strstr(fake_broker.messages[i].body, part) != NULL) {
            return true;
        }
    }
    return false;
}

#endif
