/* link: services/product/order_created.c services/product/order_cancelled.c
 *       services/product/create_product.c services/product/change_product.c
 *       services/product/product_keys.c services/product/product_set.c services/product/ledger.c
 *       services/product/product.c services/product/stock.c services/product/metrics.c
 *       services/product/statements.c services/product/stock_news.c t/unit/fake_cache.c
 *       t/unit/fake_broker.c t/unit/fake_stack.c */
/*
 * All that moves stock, on a real PostgreSQL with several connections: orders, cancellations,
 * restocks and adjustments, in whatever order and at the same time; afterwards the books balance.
 */
#include "product/parts.h"
#include "product/product.h"
#include "product/statements.h"

#include "database_fixture.h"
#include "fake_stack.h"

#include "base/clock.h"

#include <stdio.h>
#include <sys/socket.h>

enum { CREATED, CANCELLED, QUEUES, EVENTS_MAX = 8, CONNECTIONS = 4 };

#define CREATED_TEXT "2026-11-22T17:16:32.123Z"

static const struct http_route ROUTES[] = {
    { "POST", "/products", "create_product", create_product, NULL },
    { "POST", "/products/{id}/restock", "restock_product", change_product_restock, NULL },
    { "POST", "/products/{id}/adjust", "adjust_product", change_product_adjust, NULL },
};

static struct consumer consumers[QUEUES];
static struct broker_delivery deliveries[QUEUES][EVENTS_MAX];
static char bodies[QUEUES][EVENTS_MAX][512];
static size_t counts[QUEUES], batches[QUEUES];
static PGconn *other;

/* ---- a service whose database is real ---- */

struct backends backends;

struct teller_options backends_telling(void) {
    return (struct teller_options){ .events_per_message_max = 100,
                                    .event_message_bytes_max = 16000 };
}

void fake_backends_open(void) {
    struct outbox_options outbox = { .source = "/test",
                                     .telling = backends_telling(),
                                     .sweep_interval_ms = 600000,
                                     .sweep_batch_max = 1000 };
    database_connections = CONNECTIONS;
    database_open(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS, PRODUCT_MIGRATIONS);
    log_init("test", LOG_LEVELS, 2);
    fake_cache_reset();
    fake_broker_reset();
    backends =
        (struct backends){ .loop = loop, .pg = pg, .cache = &fake_cache, .broker = &fake_broker };
    ck_assert_int_eq(outbox_open(&backends.outbox, loop, pg, &fake_broker, &outbox), ERR_OK);
}

void fake_backends_close(void) {
    pg_close(pg);
    pg = NULL;
    outbox_close(&backends.outbox);
    database_close();
    fake_cache_reset();
}

static void open_consumer(size_t queue, const struct consumer_options *options) {
    struct consumer_options full = *options;
    full.name = "test";
    full.queue = queue;
    full.batch_max = EVENTS_MAX;
    full.backoff_base_ms = 5;
    full.backoff_cap_ms = 50;
    full.ctx = &consumers[queue];
    full.pg = pg;
    full.telling = backends_telling();
    ck_assert_int_eq(consumer_open(&consumers[queue], loop, &fake_broker, &full), ERR_OK);
    counts[queue] = batches[queue] = 0;
}

static void setup(void) {
    config_shared = (struct config_shared){ .requests_max = 64,
                                            .request_deadline_ms = 30000,
                                            .rabbitmq_prefetch = 128 };
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
    id_block_init(&outbox_ids, pg, &SQL_NEXT_OUTBOX_IDS, OUTBOX_ID_BLOCK);
    ck_assert_int_eq(product_keys_open(), ERR_OK);
    ck_assert_int_eq(create_product_open(), ERR_OK);
    ck_assert_int_eq(change_product_open(), ERR_OK);
    ck_assert_int_eq(stock_news_open(), ERR_OK);
    open_consumer(CREATED, &order_created_consumer);
    open_consumer(CANCELLED, &order_cancelled_consumer);
    other = database_other();
}

static void teardown(void) {
    fake_broker_fates(true, teller_on_published);
    WAIT_FOR(batcher_is_idle(&backends.outbox.deletions));
    PQfinish(other);
    for (size_t q = 0; q < QUEUES; q++) {
        consumer_close(&consumers[q]);
    }
    stock_news_close();
    create_product_close();
    change_product_close();
    product_keys_close();
    stack_close();
}

/* ---- what happens to stock ---- */

/* Products 1 and 2 with so much of each. */
static void stock_is(int qty) {
    char sql[300];
    snprintf(sql, sizeof(sql),
             "INSERT INTO products SELECT id, 'x', 100, %d, %d, 1, '2026-11-22', '2026-11-22', 'r'"
             " FROM generate_series(1, 2) AS s (id); SELECT setval('product_ids', 1001)",
             qty, qty);
    database_ask(other, sql);
}

static void add(size_t queue, int order_id, int product_id, int quantity) {
    char *body = bodies[queue][counts[queue]];
    snprintf(body, sizeof(bodies[0][0]),
             "{\"orderId\":%d,\"productId\":%d,\"quantity\":%d,\"createdAt\":\"" CREATED_TEXT
             "\",\"requestId\":\"%s-%d\"%s}",
             order_id, product_id, quantity, queue == CREATED ? "r" : "c", order_id,
             queue == CREATED ? "" : ",\"cancelledAt\":\"2026-11-22T18:00:00.000Z\"");
    deliveries[queue][counts[queue]++] = fake_delivery("id", body);
}

/* What was added to these queues, each at once: both wait for the same locks. */
static void deliver(bool created, bool cancelled) {
    const bool which[QUEUES] = { created, cancelled };
    for (size_t q = 0; q < QUEUES; q++) {
        if (which[q] && counts[q] > 0) {
            consumer_on_deliveries(&consumers[q], fake_batch(q, deliveries[q], counts[q]),
                                   counts[q]);
            batches[q]++;
        }
    }
}

/* Whatever was delivered is acknowledged; nothing was parked or set aside. */
static bool is_settled(void) {
    fake_cache_run();
    fake_broker_fates(true, teller_on_published);
    return fake_broker.acks[CREATED] == batches[CREATED] &&
           fake_broker.acks[CANCELLED] == batches[CANCELLED];
}

static void settle(void) {
    WAIT_FOR(is_settled());
    ck_assert_uint_eq(fake_broker.parked_count + fake_broker.aside_count, 0);
    counts[CREATED] = counts[CANCELLED] = 0;
}

/* One event, until it is acknowledged. */
static void tell(size_t queue, int order_id, int quantity) {
    add(queue, order_id, 1, quantity);
    deliver(queue == CREATED, queue == CANCELLED);
    settle();
}

static int ask(const char *target, const char *key, const char *body) {
    char headers[200] = "";
    int fd = stack_connect();
    if (key != NULL) {
        snprintf(headers, sizeof(headers), "Idempotency-Key: %s\r\nX-Request-Id: %s\r\n", key, key);
    }
    stack_send(fd, "POST", target, headers, body);
    return fd;
}

static bool has_answer(int fd) {
    char byte;
    fake_cache_run();
    fake_broker_fates(true, teller_on_published);
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

/* In static memory; `fd` is closed. */
static const struct stack_answer *answer_of(int fd) {
    WAIT_FOR(has_answer(fd));
    const struct stack_answer *answer = stack_receive(fd);
    close(fd);
    return answer;
}

static int change(const char *target, const char *key, const char *body) {
    return answer_of(ask(target, key, body))->status;
}

/* ---- what the database says ---- */

static const char *stock(void) {
    return database_ask(other, "SELECT qty FROM products ORDER BY id LIMIT 2");
}

static const char *ledger(void) {
    return database_ask(other, "SELECT order_id || ' ' || status FROM stock_ledger"
                               " ORDER BY order_id, order_created_at");
}

/* Stock in and out, and what is there, are the same of every product. */
static void check_books(void) {
    ck_assert_str_eq(
        database_ask(other,
                     "SELECT id FROM products AS p WHERE qty <> initial_qty"
                     " + coalesce((SELECT sum(quantity) FROM restocks WHERE product_id = p.id), 0)"
                     " - coalesce((SELECT sum(quantity) FROM stock_ledger WHERE product_id = p.id"
                     " AND status = 'done'), 0)"),
        "");
}

/* ---- one order ---- */

/* Its two events in either order, or at the same time; then all of it again, twice. */
START_TEST(an_order_that_is_cancelled_keeps_no_stock) {
    stock_is(10);
    for (int turn = 0; turn < 3; turn++) {
        if (_i == 0) {
            tell(CREATED, 1, 3);
            ck_assert_str_eq(stock(), turn == 0 ? "7 / 10 / " : "10 / 10 / ");
            tell(CANCELLED, 1, 3);
        } else if (_i == 1) {
            tell(CANCELLED, 1, 3);
            tell(CREATED, 1, 3);
        } else {
            add(CREATED, 1, 1, 3);
            add(CANCELLED, 1, 1, 3);
            deliver(true, true);
            settle();
        }
        ck_assert_str_eq(stock(), "10 / 10 / ");
        check_books();
    }
    ck_assert(strcmp(ledger(), "1 returned / ") == 0 ||
              (_i > 0 && strcmp(ledger(), "1 cancelled / ") == 0));
    ck_assert_uint_ge(fake_broker_count("\"status\":\"cancelled\""), 5);
    ck_assert_uint_le(fake_broker_count("\"status\":\"done\""), 1);
}
END_TEST

/* What was rejected stays so in the ledger, also when there would be stock later. */
START_TEST(a_rejected_order_can_be_cancelled) {
    stock_is(1);
    tell(CREATED, 1, 3);
    tell(CANCELLED, 1, 3);
    ck_assert_str_eq(ledger(), "1 rejected / ");
    ck_assert_uint_eq(fake_broker_count("\"status\":\"cancelled\""), 1);
    ck_assert_int_eq(change("/products/1/restock", NULL, "{\"quantity\":10}"), 200);
    tell(CREATED, 1, 3);
    tell(CANCELLED, 1, 3);
    ck_assert_str_eq(ledger(), "1 rejected / ");
    ck_assert_str_eq(stock(), "11 / 1 / ");
    check_books();
}
END_TEST

/* Decided by a version before, which did not note when the order was made. */
START_TEST(an_upgraded_order_can_be_cancelled) {
    stock_is(10);
    database_ask(other, "UPDATE products SET qty = 4 WHERE id = 1;"
                        "INSERT INTO stock_ledger VALUES (1, 1, 4, 'done', NULL,"
                        " '2026-11-22 17:16:32.200Z', 'r-1'), (2, 1, 2, 'done', NULL,"
                        " '2026-11-22 17:16:32.300Z', 'r-2')");
    for (int turn = 0; turn < 2; turn++) {
        tell(CANCELLED, 1, 4);
        ck_assert_str_eq(ledger(), "1 returned / 2 done / ");
        ck_assert_str_eq(stock(), "8 / 10 / ");
        tell(CREATED, 1, 4);
    }
    tell(CANCELLED, 2, 3); /* another order with its id: it has other contents */
    ck_assert_str_eq(ledger(), "1 returned / 2 done / 2 cancelled / ");
    ck_assert_str_eq(stock(), "8 / 10 / ");
    check_books();
}
END_TEST

/* ---- changes by people ---- */

START_TEST(an_adjustment_below_zero_changes_nothing) {
    stock_is(5);
    ck_assert_int_eq(change("/products/1/adjust", "k-1", "{\"delta\":-6,\"reason\":\"too many\"}"),
                     409);
    ck_assert_str_eq(stock(), "5 / 5 / ");
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM restocks"), "0 / ");
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM idempotency_keys"), "0 / ");
    ck_assert_str_eq(database_ask(other, "SELECT version FROM products WHERE id = 1"), "1 / ");
    ck_assert_int_eq(change("/products/1/adjust", "k-1", "{\"delta\":-5,\"reason\":\"all\"}"), 200);
    ck_assert_str_eq(database_ask(other, "SELECT quantity || reason FROM restocks"), "-5all / ");
    ck_assert_str_eq(stock(), "0 / 5 / ");
    check_books();
}
END_TEST

/* Orders and an adjustment want the same stock at the same time: one of them gets it. */
START_TEST(adjustments_and_orders_at_once) {
    stock_is(5);
    add(CREATED, 1, 1, 3);
    deliver(true, false);
    int fd = ask("/products/1/adjust", NULL, "{\"delta\":-4,\"reason\":\"broken\"}");
    int status = answer_of(fd)->status;
    settle();
    ck_assert_str_eq(ledger(), status == 200 ? "1 rejected / " : "1 done / ");
    ck_assert_str_eq(stock(), status == 200 ? "1 / 5 / " : "2 / 5 / ");
    ck_assert(status == 200 || status == 409);
    check_books();
}
END_TEST

/* Twice with one key: once done, and the same answer; in each operation. */
START_TEST(a_request_with_a_key_is_done_once) {
    static const char *const TARGETS[] = { "/products", "/products/1/restock",
                                           "/products/1/adjust" };
    static const char *const BODIES[] = { "{\"name\":\"new\",\"price\":1.5,\"qty\":7}",
                                          "{\"quantity\":3}", "{\"delta\":-2,\"reason\":\"x\"}" };
    static const char *const OTHER[] = { "{\"name\":\"new\",\"price\":1.5,\"qty\":8}",
                                         "{\"quantity\":4}", "{\"delta\":-2,\"reason\":\"y\"}" };
    char first[1000];
    stock_is(5);
    for (int turn = 0; turn < 3; turn++) {
        const struct stack_answer *answer = answer_of(ask(TARGETS[_i], "k-1", BODIES[_i]));
        ck_assert_int_eq(answer->status, _i == 0 ? 201 : 200);
        if (turn == 0) {
            snprintf(first, sizeof(first), "%.999s", answer->body);
        }
        ck_assert_str_eq(answer->body, first);
        ck_assert_int_eq(change("/products/2/restock", NULL, "{\"quantity\":1}"), 200);
    }
    ck_assert_int_eq(change(TARGETS[_i], "k-1", OTHER[_i]), 422);
    ck_assert_str_eq(stock(), _i == 0 ? "5 / 8 / " : _i == 1 ? "8 / 8 / " : "3 / 8 / ");
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM products"),
                     _i == 0 ? "3 / " : "2 / ");
    check_books();
}
END_TEST

/*
 * Another process has the key of one of two requests that share a batch: when it commits, that one
 * is in flight (409) and then answered as there; when it does not, it is done here.
 */
START_TEST(a_key_that_another_process_has) {
    bool commits = _i % 2 == 0, is_new = _i / 2 == 0;
    const char *target = is_new ? "/products" : "/products/1/restock";
    const char *body = is_new ? "{\"name\":\"x\",\"price\":1,\"qty\":1}" : "{\"quantity\":3}";
    stock_is(5);
    database_ask(other, "BEGIN");
    database_ask(other, is_new
                            ? "INSERT INTO idempotency_keys VALUES ('k-1', E'create\\n100\\n1\\n"
                              "x', 900, 1, '{\"id\":900}', now())"
                            : "INSERT INTO idempotency_keys VALUES ('k-1', E'restock\\n1\\n3\\n',"
                              " 1, 9, '{\"id\":900}', now())");
    int keyed = ask(target, "k-1", body), plain = ask(target, NULL, body);
    WAIT_FOR(flow_count() == 2);
    uint64_t end_ms = clock_monotonic_ms() + DATABASE_LOCK_MS / 4;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    database_ask(other, commits ? "COMMIT" : "ROLLBACK");
    ck_assert_int_eq(answer_of(plain)->status, is_new ? 201 : 200);
    ck_assert_int_eq(answer_of(keyed)->status, commits ? 409 : is_new ? 201 : 200);
    if (commits) {
        const struct stack_answer *again = answer_of(ask(target, "k-1", body));
        ck_assert_int_eq(again->status, is_new ? 201 : 200);
        ck_assert_str_eq(again->body, "{\"id\":900}");
    }
    ck_assert_str_eq(database_ask(other, is_new ? "SELECT count(*) FROM products WHERE id <> 900"
                                                : "SELECT count(*) FROM restocks"),
                     is_new ? (commits ? "3 / " : "4 / ") : (commits ? "1 / " : "2 / "));
    check_books();
}
END_TEST

/* ---- everything at once ---- */

enum { STEPS = 40, ORDERS = 60, REQUESTS = 4 };

static struct {
    int product_id, quantity;
    bool is_created, is_cancelled; /* told */
} orders[ORDERS];

static unsigned seed;

static int any(int below) {
    return rand_r(&seed) % below;
}

static void add_any(size_t queue, int step) {
    int latest = 1 + step * (ORDERS - 1) / STEPS;
    for (int n = any(EVENTS_MAX); n > 0; n--) {
        int id = any(latest) + 1;
        add(queue, id, orders[id - 1].product_id, orders[id - 1].quantity);
        *(queue == CREATED ? &orders[id - 1].is_created : &orders[id - 1].is_cancelled) = true;
    }
}

/* Restocks and adjustments, some with a key that was used before, with the same payload. */
static int ask_any(void) {
    char target[64], key[16], body[64];
    int n = any(20), product = 1 + n % 2, amount = n % 7 - 3;
    snprintf(target, sizeof(target), "/products/%d/%s", product, n % 3 == 0 ? "restock" : "adjust");
    snprintf(key, sizeof(key), "key-%d", n);
    if (n % 3 == 0) {
        snprintf(body, sizeof(body), "{\"quantity\":%d}", n % 7 + 1);
    } else {
        snprintf(body, sizeof(body), "{\"delta\":%d,\"reason\":\"r-%d\"}", amount == 0 ? 9 : amount,
                 n);
    }
    return ask(target, any(3) == 0 ? NULL : key, body);
}

static void check_orders(void) {
    for (int id = 1; id <= ORDERS; id++) {
        bool is_told = orders[id - 1].is_created || orders[id - 1].is_cancelled;
        char sql[200];
        snprintf(sql, sizeof(sql), "SELECT status FROM stock_ledger WHERE order_id = %d", id);
        const char *status = database_ask(other, sql);
        if (!is_told) {
            ck_assert_str_eq(status, "");
        } else if (!orders[id - 1].is_cancelled) {
            ck_assert_msg(strstr("done / rejected / ", status) != NULL, "%d: %s", id, status);
        } else {
            ck_assert_msg(strstr("rejected / cancelled / returned / ", status) != NULL, "%d: %s",
                          id, status);
        }
        ck_assert_int_eq(status[0] != '\0', is_told); /* one row */
    }
    ck_assert_str_eq(database_ask(other, "SELECT request_id FROM restocks WHERE request_id LIKE"
                                         " 'key-%' GROUP BY 1 HAVING count(*) > 1"),
                     "");
}

/*
 * Random orders, cancellations and changes side by side, many of them told twice, on stock that is
 * short; every now and then all connections to the database are lost.
 */
START_TEST(the_books_balance_whatever_comes_in_which_order) {
    seed = (unsigned)_i + 1;
    stock_is(20);
    for (int i = 0; i < ORDERS; i++) {
        orders[i].product_id = 1 + any(2);
        orders[i].quantity = 1 + any(4);
        orders[i].is_created = orders[i].is_cancelled = false;
    }
    for (int step = 0; step < STEPS; step++) {
        int fds[REQUESTS], requests = any(REQUESTS + 1);
        add_any(CREATED, step);
        add_any(CANCELLED, step);
        deliver(true, true);
        for (int i = 0; i < requests; i++) {
            fds[i] = ask_any();
        }
        for (int ticks = any(20); ticks > 0; ticks--) {
            loop_tick(loop, 0);
        }
        if (any(10) == 0) {
            database_ask(other, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                " WHERE application_name = 'unit'");
        }
        for (int i = 0; i < requests; i++) {
            int status = answer_of(fds[i])->status;
            ck_assert_msg(status == 200 || status == 409 || status == 503, "%d", status);
        }
        settle();
        check_books();
        fake_broker.published = fake_broker.reported = 0;
    }
    check_orders();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stock_books");
    TCase *tcase = tcase_create("stock_books");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, an_order_that_is_cancelled_keeps_no_stock, 0, 8);
    tcase_add_test(tcase, a_rejected_order_can_be_cancelled);
    tcase_add_test(tcase, an_upgraded_order_can_be_cancelled);
    tcase_add_test(tcase, an_adjustment_below_zero_changes_nothing);
    tcase_add_loop_test(tcase, adjustments_and_orders_at_once, 0, 5);
    tcase_add_loop_test(tcase, a_request_with_a_key_is_done_once, 0, 3);
    tcase_add_loop_test(tcase, a_key_that_another_process_has, 0, 4);
    tcase_add_loop_test(tcase, the_books_balance_whatever_comes_in_which_order, 0, 3);
    suite_add_tcase(suite, tcase);
    return database_main(suite);
}
