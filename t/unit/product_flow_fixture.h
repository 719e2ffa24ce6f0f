/*
 * For the tests of the product service's requests: its routes on the stack of fake_stack.h; the
 * test is the client, and plays the database, Redis and the broker.
 */
#ifndef PRODUCT_FLOW_FIXTURE_H
#define PRODUCT_FLOW_FIXTURE_H

#include "product/parts.h"
#include "product/product.h"
#include "product/statements.h"

#include "fake_stack.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 500 };

#define AT_MS INT64_C(1795367792123)
#define AT_TEXT "2026-11-22T17:16:32.123Z"

static const struct http_route ROUTES[] = {
    { "POST", "/products", "create_product", create_product, NULL },
    { "GET", "/products", "list_products", list_products, NULL },
    { "GET", "/products/{id}", "get_product", get_product, NULL },
    { "PATCH", "/products/{id}", "patch_product", change_product_patch, NULL },
    { "POST", "/products/{id}/restock", "restock_product", change_product_restock, NULL },
    { "POST", "/products/{id}/adjust", "adjust_product", change_product_adjust, NULL },
};

static inline void open_with(uint32_t deadline_ms) {
    config_shared =
        (struct config_shared){ .requests_max = 64, .request_deadline_ms = deadline_ms };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    id_block_init(&outbox_ids, &fake_pg, &SQL_NEXT_OUTBOX_IDS, OUTBOX_ID_BLOCK);
    ck_assert_int_eq(product_keys_open(), ERR_OK);
    ck_assert_int_eq(create_product_open(), ERR_OK);
    ck_assert_int_eq(get_product_open(), ERR_OK);
    ck_assert_int_eq(list_products_open(), ERR_OK);
    ck_assert_int_eq(change_product_open(), ERR_OK);
}

static inline void setup(void) {
    open_with(DEADLINE_MS);
}

static inline void setup_short(void) {
    open_with(SHORT_MS);
}

static inline void teardown(void) {
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert_uint_eq(fake_pg.sessions_open, 0);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    create_product_close();
    get_product_close();
    list_products_close();
    change_product_close();
    product_keys_close();
    stack_close();
}

static inline int ask(const char *method, const char *target, const char *headers,
                      const char *body) {
    int fd = stack_connect();
    stack_send(fd, method, target, headers, body);
    return fd;
}

/* Whatever the database is asked next; ids are given out on the way. */
static inline const struct fake_pg_request *next_request(void) {
    for (;;) {
        STACK_WAIT_FOR(fake_pg.waiting > 0);
        const struct pg_statement *statement =
            fake_pg.requests[0].count == 0 ? NULL : fake_pg.requests[0].calls[0].statement;
        if (statement != &SQL_NEXT_PRODUCT_IDS && statement != &SQL_NEXT_OUTBOX_IDS) {
            return &fake_pg.requests[0];
        }
        fake_pg_answer_ids(statement, 1);
        stack_settle();
    }
}

static inline void add_product(PGresult *rows, int64_t id, int64_t qty, int64_t version) {
    fake_row(rows, "itiiiTT", id, "thing", INT64_C(1990), qty, version, AT_MS, AT_MS);
}

static inline void answer_product(int64_t id, int64_t qty, int64_t version) {
    PGresult *rows = fake_rows(7);
    add_product(rows, id, qty, version);
    fake_pg_answer(rows, NULL, NULL);
}

static inline bool has_header(const struct stack_answer *answer, const char *line) {
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return strstr(answer->headers, wanted) != NULL;
}

static const struct {
    enum err err;
    int status;
} FAILURES[] = {
    { ERR_UNAVAILABLE, 503 },
    { ERR_TIMEOUT, 503 },
    { ERR_INTERNAL, 500 },
    { ERR_NO_MEMORY, 503 },
};

static inline void answer_lock(int64_t qty, int64_t version) {
    const struct fake_pg_request *request = next_request();
    ck_assert_int_eq(request->kind, FAKE_PG_BEGIN);
    answer_product(7, qty, version);
    STACK_WAIT_FOR(fake_pg.waiting > 0);
    (void)next_request();
}

static inline const struct pg_call *commit_call(const struct pg_statement *statement) {
    const struct fake_pg_request *request = next_request();
    ck_assert_int_eq(request->kind, FAKE_PG_COMMIT);
    for (size_t i = 0; i < request->count; i++) {
        if (request->calls[i].statement == statement) {
            return &request->calls[i];
        }
    }
    return NULL;
}

#endif
