/* link: services/product/statements.c */
/* The product service's SQL on a real PostgreSQL: each statement alone, and what they promise. */
#include "product/statements.h"
#include "runtime/messages/outbox.h"

#include "database_fixture.h"

#define AT_MS INT64_C(1795367792123)

static const int64_t IDS[] = { 1, 2, 3 };

static void setup(void) {
    database_open(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS, PRODUCT_MIGRATIONS);
}

START_TEST(each_statement_can_be_prepared) {
    int own = database_statement_count(PRODUCT_STATEMENTS);
    const struct pg_statement *const alone[] = { _i < own ? PRODUCT_STATEMENTS[_i]
                                                          : OUTBOX_STATEMENTS[_i - own],
                                                 NULL };
    database_open(alone, NULL, PRODUCT_MIGRATIONS);
    database_close();
}
END_TEST

static struct pg_param numbers_of(int64_t a, int64_t b, int64_t c) {
    int64_t values[] = { a, b, c };
    return pg_int8_array(&arena, values, 3);
}

static struct pg_param times_of(int64_t at_ms) {
    int64_t values[] = { at_ms, at_ms, at_ms };
    return pg_time_array(&arena, values, 3);
}

static struct pg_param texts_of(const char *a, const char *b, const char *c) {
    struct str values[] = { str_of(a), str_of(b), str_of(c) };
    return pg_text_array(&arena, values, 3);
}

static struct pg_call insert_of(struct pg_param names, struct pg_param prices,
                                struct pg_param quantities) {
    struct pg_call call = { .statement = &SQL_PRODUCT_INSERT, .param_count = 6 };
    call.params[0] = pg_int8_array(&arena, IDS, 3);
    call.params[1] = names;
    call.params[2] = prices;
    call.params[3] = quantities;
    call.params[4] = times_of(AT_MS);
    call.params[5] = texts_of("r", "r", "r");
    return call;
}

static void insert_three(void) {
    struct pg_call call = insert_of(texts_of("a", "b", "c"), numbers_of(0, 1990, 999999999999),
                                    numbers_of(0, 5, 2147483647));
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
}

static const char *products(const struct pg_statement *statement) {
    struct pg_call call = { .statement = statement, .param_count = 1 };
    call.params[0] = numbers_of(3, 1, 9);
    return database_rows(&call, "itiiiTT");
}

START_TEST(products_come_back_as_they_were_stored) {
    insert_three();
    ck_assert_str_eq(products(&SQL_PRODUCT_LOCK), /* in id order, or two batches could deadlock */
                     "1 a 0 0 1 1795367792123 1795367792123 / "
                     "3 c 999999999999 2147483647 1 1795367792123 1795367792123 / ");
    ck_assert_ptr_nonnull(strstr(products(&SQL_PRODUCT_GET), "3 c 999999999999 2147483647 1 "));
    struct pg_call page = { .statement = &SQL_PRODUCT_PAGE, .param_count = 2 };
    page.params[0] = pg_int8(1);
    page.params[1] = pg_int8(1);
    ck_assert_str_eq(database_rows(&page, "it"), "2 b / ");
}
END_TEST

START_TEST(an_update_changes_what_it_names) {
    struct pg_call call = { .statement = &SQL_PRODUCT_UPDATE, .param_count = 6 };
    insert_three();
    call.params[0] = numbers_of(1, 3, 9);
    call.params[1] = texts_of("A", "C", "I");
    call.params[2] = numbers_of(10, 30, 90);
    call.params[3] = numbers_of(100, 300, 900);
    call.params[4] = numbers_of(2, 2, 2);
    call.params[5] = times_of(AT_MS + 1000);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_str_eq(products(&SQL_PRODUCT_LOCK), "1 A 10 100 2 1795367792123 1795367793123 / "
                                                  "3 C 30 300 2 1795367792123 1795367793123 / ");
    call.params[3] = numbers_of(-1, 1, 1); /* the last line of defence */
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
}
END_TEST

START_TEST(products_that_are_locked_are_named) {
    static const int64_t SOME[] = { 3, 1, 3, 9 };
    struct pg_call lock = { .statement = &SQL_PRODUCT_LOCK, .param_count = 1 };
    struct pg_call locked = { .statement = &SQL_PRODUCT_LOCKED, .param_count = 1 };
    insert_three();
    lock.params[0] = numbers_of(1, 2, 3);
    locked.params[0] = pg_int8_array(&arena, SOME, 4);
    database_check_locked("products", "FOR UPDATE", &lock, &locked);
    /* what a new restock's foreign key does stops a change, too */
    PGconn *other = database_other();
    database_ask(other, "BEGIN; SELECT FROM products WHERE id = 3 FOR KEY SHARE");
    ck_assert_str_eq(database_rows(&locked, "i"), "3 / ");
    ck_assert_int_eq(database_run(&lock, NULL, NULL), ERR_LOCKED);
    PQfinish(other);
}
END_TEST

START_TEST(limits_are_the_table_s_too) {
    char name[202];
    memset(name, 'x', sizeof(name));
    name[201] = '\0';
    struct pg_param names = texts_of("a", "b", "c"), ones = numbers_of(1, 1, 1);
    struct pg_call bad[] = {
        insert_of(texts_of("a", "", "c"), ones, ones),
        insert_of(texts_of("a", name, "c"), ones, ones),
        insert_of(names, numbers_of(1, -1, 1), ones),
        insert_of(names, numbers_of(1, 1000000000000, 1), ones),
        insert_of(names, ones, numbers_of(1, -1, 1)),
        insert_of(names, ones, numbers_of(1, 2147483648, 1)),
    };
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_int_eq(database_run(&bad[i], NULL, NULL), ERR_REJECTED_DATA);
    }
    insert_three();
    struct pg_call again = insert_of(names, ones, ones);
    ck_assert_int_eq(database_run(&again, NULL, NULL), ERR_DUPLICATE);
}
END_TEST

START_TEST(the_ledger_takes_an_order_once) {
    struct pg_call call = { .statement = &SQL_LEDGER_INSERT, .param_count = 8 };
    call.params[0] = numbers_of(11, 12, 13);
    call.params[1] = numbers_of(1, 1, 99);
    call.params[2] = numbers_of(1, 1, 1);
    call.params[3] = texts_of("done", "rejected", "rejected");
    call.params[4] = texts_of(NULL, "out_of_stock", "product_not_found");
    call.params[5] = times_of(AT_MS);
    call.params[6] = texts_of("r", "r", "r");
    call.params[7] = times_of(AT_MS);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_DUPLICATE);
    struct pg_call again = call; /* of another time: another order */
    again.params[7] = times_of(AT_MS + 1);
    ck_assert_int_eq(database_run(&again, NULL, NULL), ERR_OK);
    struct pg_call find = { .statement = &SQL_LEDGER_FIND, .param_count = 1 };
    find.params[0] = numbers_of(12, 11, 77);
    const char *rows = database_rows(&find, "ittTiitT");
    ck_assert_ptr_nonnull(strstr(rows, "11 done - 1795367792123 1 1 r 1795367792123 / "));
    ck_assert_ptr_nonnull(strstr(rows, "11 done - 1795367792123 1 1 r 1795367792124 / "));
    ck_assert_ptr_nonnull(strstr(rows, "12 rejected out_of_stock 1795367792123 1 1 r "));
    call.params[0] = numbers_of(21, 22, 23);
    call.params[4] = texts_of("out_of_stock", "out_of_stock", "out_of_stock");
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA); /* done, with a reason */
}
END_TEST

/* A ledger with `status` of orders 11, 12 and 13, 13 of a version before. */
static void ledger_of(const char *status) {
    char sql[512];
    snprintf(sql, sizeof(sql),
             "INSERT INTO stock_ledger (order_id, product_id, quantity, status, reason, decided_at,"
             " request_id, order_created_at) SELECT id, 1, 2, '%s', %s, 'epoch', 'r',"
             " CASE id WHEN 13 THEN '-infinity' ELSE '2026-11-22 17:16:32.123Z'::timestamptz END"
             " FROM generate_series(11, 13) AS s (id)",
             status, strcmp(status, "rejected") == 0 ? "'out_of_stock'" : "NULL");
    database_execute(sql);
}

static const char *ledger_states(PGconn *other) {
    return database_ask(other, "SELECT concat_ws(' ', order_id, status, extract(epoch FROM"
                               " returned_at)::bigint) FROM stock_ledger ORDER BY 1");
}

/* What is done is returned: the row that is named, by its createdAt or as one that has none. */
START_TEST(what_is_done_can_be_returned) {
    struct pg_call call = { .statement = &SQL_LEDGER_RETURN, .param_count = 4 };
    int64_t created[] = { AT_MS, AT_MS + 1, 0 };
    PGconn *other = database_other();
    call.params[0] = numbers_of(11, 12, 13);
    call.params[1] = numbers_of(1, 1, 0);
    call.params[2] = pg_time_array(&arena, created, 3);
    call.params[3] = times_of(3000);
    ledger_of("done");
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_str_eq(ledger_states(other), "11 returned 3 / 12 done / 13 returned 3 / ");
    call.params[1] = numbers_of(1, 0, 1); /* 12 has one, 13 has none */
    call.params[2] = times_of(AT_MS);
    call.params[3] = times_of(9000);
    database_ask(other, "UPDATE stock_ledger SET status = 'done' WHERE order_id > 11");
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_str_eq(ledger_states(other), "11 returned 3 / 12 done / 13 done 3 / ");
    static const char *const OTHERS[] = { "rejected", "cancelled", "returned" };
    call.params[1] = numbers_of(1, 1, 0);
    for (size_t i = 0; i < UNIT_COUNT(OTHERS); i++) {
        database_ask(other, "TRUNCATE stock_ledger");
        ledger_of(OTHERS[i]);
        ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
        ck_assert_ptr_null(strstr(ledger_states(other), " 9 /"));
    }
    PQfinish(other);
}
END_TEST

/* A cancelled order has no reason, a rejected one has; there are no other states. */
START_TEST(states_of_the_ledger) {
    static const struct {
        const char *status, *reason;
        enum err err;
    } STATES[] = {
        { "cancelled", NULL, ERR_OK },
        { "returned", NULL, ERR_OK },
        { "cancelled", "out_of_stock", ERR_REJECTED_DATA },
        { "rejected", NULL, ERR_REJECTED_DATA },
        { "waiting", NULL, ERR_REJECTED_DATA },
    };
    struct pg_call call = { .statement = &SQL_LEDGER_INSERT, .param_count = 8 };
    for (size_t i = 0; i < UNIT_COUNT(STATES); i++) {
        int64_t id = 100 + 3 * (int64_t)i;
        call.params[0] = numbers_of(id, id + 1, id + 2);
        call.params[1] = call.params[2] = numbers_of(1, 1, 1);
        call.params[3] = texts_of("done", STATES[i].status, "done");
        call.params[4] = texts_of(NULL, STATES[i].reason, NULL);
        call.params[5] = call.params[7] = times_of(AT_MS);
        call.params[6] = texts_of("r", "r", "r");
        ck_assert_int_eq(database_run(&call, NULL, NULL), STATES[i].err);
    }
}
END_TEST

/* ---- idempotency keys ---- */

static struct pg_call key_insert(const char *answer) {
    struct pg_call call = { .statement = &SQL_PRODUCT_KEY_INSERT, .param_count = 6 };
    call.params[0] = texts_of("k-3", "k-1", "k-2");
    call.params[1] = texts_of("restock\n7\n50\n", "b", "c");
    call.params[2] = numbers_of(7, 8, 9);
    call.params[3] = numbers_of(1, 2, 3);
    call.params[4] = texts_of(answer, answer, answer);
    call.params[5] = times_of(clock_unix_ms());
    return call;
}

static const char *keys_found(void) {
    struct pg_call find = { .statement = &SQL_PRODUCT_KEY_FIND, .param_count = 1 };
    find.params[0] = texts_of("k-3", "k-9", "k-1");
    return database_rows(&find, "ttiit");
}

START_TEST(a_key_is_stored_once_and_found_for_a_day) {
    struct pg_call insert = key_insert("{}"), again = key_insert("[]");
    PGconn *other = database_other();
    ck_assert_str_eq(database_rows(&insert, "t"), "k-1 / k-2 / k-3 / "); /* sorted: no deadlocks */
    ck_assert_ptr_nonnull(strstr(keys_found(), "k-3 restock\n7\n50\n 7 1 {} / "));
    ck_assert_ptr_nonnull(strstr(keys_found(), "k-1 b 8 2 {} / "));
    ck_assert_str_eq(database_rows(&again, "t"), ""); /* what is there stays */
    ck_assert_ptr_null(strstr(keys_found(), "[]"));
    database_ask(other, "UPDATE idempotency_keys SET created_at = now() - CASE key WHEN 'k-1' THEN"
                        " interval '24 hours 1 s' ELSE interval '23 hours 59 min 50 s' END");
    ck_assert_str_eq(keys_found(), "k-3 restock\n7\n50\n 7 1 {} / ");
    ck_assert_str_eq(database_rows(&again, "t"), "k-1 / "); /* and is taken over afterwards */
    ck_assert_ptr_nonnull(strstr(keys_found(), "k-1 b 8 2 [] / "));
    PQfinish(other);
}
END_TEST

/* Another process has one of them: it is waited for; whether it commits (0) or not (1) decides. */
START_TEST(a_key_of_another_transaction) {
    struct pg_call insert = key_insert("{}");
    PGconn *other = database_other();
    database_ask(other, "BEGIN; INSERT INTO idempotency_keys VALUES ('k-2', 'x', 1, 1, 'theirs',"
                        " now())");
    ck_assert_int_eq(database_run(&insert, NULL, NULL), ERR_LOCKED);
    ck_assert_str_eq(keys_found(), "");
    struct database_run_state state = { .done = false };
    pg_run(pg, &insert, 1, database_note, &state);
    uint64_t end_ms = clock_monotonic_ms() + DATABASE_LOCK_MS / 2;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert(!state.done);
    database_ask(other, _i == 0 ? "COMMIT" : "ROLLBACK");
    WAIT_FOR(state.done);
    ck_assert_int_eq(state.err, ERR_OK);
    ck_assert_str_eq(database_ask(other, "SELECT key || answer FROM idempotency_keys ORDER BY key"),
                     _i == 0 ? "k-1{} / k-2theirs / k-3{} / " : "k-1{} / k-2{} / k-3{} / ");
    PQfinish(other);
}
END_TEST

START_TEST(restocks_belong_to_a_product) {
    struct pg_call call = { .statement = &SQL_RESTOCK_INSERT, .param_count = 5 };
    insert_three();
    call.params[0] = numbers_of(1, 1, 2);
    call.params[1] = numbers_of(5, 6, 7);
    call.params[2] = times_of(AT_MS);
    call.params[3] = texts_of("r", "r", "r");
    call.params[4] = texts_of(NULL, "found", NULL);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    call.params[0] = numbers_of(1, 1, 99);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
    call.params[0] = numbers_of(1, 1, 2);
    call.params[1] = numbers_of(5, -6, 7);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK); /* less, with a reason */
    call.params[1] = numbers_of(-5, 6, 7);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA); /* less, without one */
    call.params[1] = numbers_of(5, 0, 7);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
    call.params[1] = numbers_of(5, 6, 7);
    call.params[4] = texts_of(NULL, "", NULL);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
    char reason[202];
    memset(reason, 'x', sizeof(reason));
    reason[201] = '\0';
    call.params[4] = texts_of(NULL, reason, NULL);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
    reason[200] = '\0';
    call.params[4] = texts_of(NULL, reason, NULL);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
}
END_TEST

START_TEST(events_are_claimed_and_deleted) {
    struct pg_call insert = { .statement = &SQL_OUTBOX_INSERT, .param_count = 7 };
    insert.params[0] = pg_int8_array(&arena, IDS, 3);
    for (size_t c = 1; c < 7; c++) {
        insert.params[c] = c == 5 ? texts_of("a=1", NULL, "b=2") : texts_of("x", "y", "z");
    }
    ck_assert_int_eq(database_run(&insert, NULL, NULL), ERR_OK);
    struct pg_call claim = { .statement = &SQL_OUTBOX_CLAIM, .param_count = 2 };
    claim.params[0] = pg_int8(0);
    claim.params[1] = pg_int8(10);
    ck_assert_str_eq(database_rows(&claim, "i"), "");
    claim.params[0] = pg_int8(10);
    ck_assert_ptr_nonnull(strstr(database_rows(&claim, "itttttt"), "3 z z z z b=2 z / "));
    ck_assert_str_eq(database_rows(&claim, "i"), "");
    struct pg_call relax = { .statement = &SQL_COMMIT_RELAX };
    ck_assert_str_eq(database_rows(&relax, "t"), "off / ");
    struct pg_call delete = { .statement = &SQL_OUTBOX_DELETE, .param_count = 1 };
    delete.params[0] = numbers_of(1, 2, 3);
    ck_assert_int_eq(database_run(&delete, NULL, NULL), ERR_OK);
    ck_assert_int_eq(database_run(&insert, NULL, NULL), ERR_OK); /* no duplicates: they are gone */
}
END_TEST

/* A claim lasts 30 s: one that ends later is of a clock that has stepped back. */
START_TEST(claims_of_a_clock_that_stepped_back_have_ended) {
    database_execute(
        "INSERT INTO outbox SELECT id, 'k', 'm', 'c', 't', '{}', clock_timestamp() + lasts FROM"
        " (VALUES (1, '59 s'::interval), (2, '61 s'), (3, '1 h')) AS claims (id, lasts)");
    struct pg_call claim = { .statement = &SQL_OUTBOX_CLAIM, .param_count = 2 };
    claim.params[0] = pg_int8(0);
    claim.params[1] = pg_int8(10);
    ck_assert_str_eq(database_rows(&claim, "i"), "2 / 3 / ");
    ck_assert_str_eq(database_rows(&claim, "i"), "");
}
END_TEST

/*
 * As the version before tracestate wrote it, and writes it while another process has migrated; as
 * the one before adjustments and cancellations restocked.
 */
#define OLD_EVENT(id)                                                                              \
    "INSERT INTO products VALUES (" id ", 'x', 1, 1, 1, 1, '2026-11-22', '2026-11-22', 'r');"      \
    "INSERT INTO restocks (product_id, quantity, restocked_at, request_id) SELECT * FROM unnest("  \
    "'{" id "}'::bigint[], '{5}'::bigint[], '{2026-11-22}'::timestamptz[], '{r}'::text[]);"        \
    "INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent, body,"          \
    " available_at) VALUES (" id ", 'order.updated', 'm', 'old', 'trace', '{}', now());"           \
    "INSERT INTO stock_ledger (order_id, product_id, quantity, status, decided_at, request_id)"    \
    " VALUES (" id ", 1, 1, 'done', now(), 'old')"

START_TEST(a_database_of_the_version_before_is_taken_over) {
    struct pg_migration before[16] = { { 0 } };
    for (int i = 0; i < _i; i++) { /* each version that there was */
        before[i] = PRODUCT_MIGRATIONS[i];
    }
    database_open(NULL, NULL, before);
    database_execute(OLD_EVENT("1"));
    database_close();
    database_connect(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS, PRODUCT_MIGRATIONS, NULL);
    database_execute(OLD_EVENT("2"));
    struct pg_call read = { .statement = &SQL_OUTBOX_READ, .param_count = 1 };
    read.params[0] = numbers_of(1, 2, 3);
    ck_assert_str_eq(database_rows(&read, "itttttt"),
                     "1 order.updated m old trace - {} / 2 order.updated m old trace - {} / ");
    struct pg_call find = { .statement = &SQL_LEDGER_FIND, .param_count = 1 };
    find.params[0] = numbers_of(1, 2, 3);
    ck_assert_str_eq(database_rows(&find, "it"), "1 done / 2 done / ");
    ck_assert_ptr_nonnull(strstr(database_rows(&find, "i"), "1 / 2 / "));
    /* what it had decided can be returned */
    struct pg_call call = { .statement = &SQL_LEDGER_RETURN, .param_count = 4 };
    call.params[0] = numbers_of(1, 2, 3);
    call.params[1] = numbers_of(0, 0, 0);
    call.params[2] = call.params[3] = times_of(AT_MS);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_str_eq(database_rows(&find, "it"), "1 returned / 2 returned / ");
    database_close();
}
END_TEST

START_TEST(ids_come_in_blocks) {
    struct pg_call products_call = { .statement = &SQL_NEXT_PRODUCT_IDS };
    struct pg_call outbox_call = { .statement = &SQL_NEXT_OUTBOX_IDS };
    ck_assert_str_eq(database_rows(&products_call, "i"), "1 / ");
    ck_assert_int_eq(PRODUCT_ID_BLOCK, 20);
    ck_assert_str_eq(database_rows(&products_call, "i"), "21 / ");
    ck_assert_str_eq(database_rows(&outbox_call, "i"), "1 / ");
    ck_assert_int_eq(OUTBOX_ID_BLOCK, 4000);
    ck_assert_str_eq(database_rows(&outbox_call, "i"), "4001 / ");
}
END_TEST

/* ALTER TABLE … TYPE under a running service. */
START_TEST(columns_of_other_types_are_read_as_before) {
    database_check_types(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS);
}
END_TEST

/* The script names them: one that is not there would stop the service from starting. */
START_TEST(sequences_behind_their_tables_are_moved) {
    database_close();
    database_execute(
        "INSERT INTO products VALUES (70, 'x', 1, 1, 1, 1, '2026-11-22', '2026-11-22', 'r');"
        "INSERT INTO outbox VALUES (80, 'k', 'm', 'c', 't', '{}', now());"
        "INSERT INTO restocks OVERRIDING SYSTEM VALUE VALUES (90, 70, 1, now(), 'r')");
    database_connect(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS, PRODUCT_MIGRATIONS, PRODUCT_SEQUENCES);
    struct pg_call products = { .statement = &SQL_NEXT_PRODUCT_IDS };
    struct pg_call events = { .statement = &SQL_NEXT_OUTBOX_IDS };
    ck_assert_str_eq(database_rows(&products, "i"), "2071 / ");
    ck_assert_str_eq(database_rows(&events, "i"), "400081 / ");
    database_execute("INSERT INTO restocks (product_id, quantity, restocked_at, request_id)"
                     " VALUES (70, 1, now(), 'r'); DO $$ BEGIN ASSERT (SELECT max(id) = 191"
                     " FROM restocks); END $$");
}
END_TEST

/* ---- epochs ---- */

#define LOOK "DO $$ BEGIN PERFORM begin_epoch_if_due(); END $$"

static long long floor_now(void) {
    struct pg_call call = { .statement = &SQL_VERSION_FLOOR };
    return strtoll(database_rows(&call, "i"), NULL, 10);
}

/* Another server, or another primary: _i 0; a table that was loaded: 1; by hand: 2. */
START_TEST(an_epoch_begins_when_the_database_may_be_another_one) {
    static const char *const EVENTS[] = {
        "UPDATE version_floor SET server = 'x', made_by = pg_current_xact_id()::text::bigint",
        "UPDATE version_floor SET floor = floor",
        "DO $$ BEGIN PERFORM begin_epoch(); END $$",
    };
    int64_t before_s = clock_unix_ms() / 1000;
    database_execute(LOOK);
    long long first = floor_now();
    ck_assert_int_ge(first >> 20, before_s);
    ck_assert_int_le(first >> 20, clock_unix_ms() / 1000 + 1);
    ck_assert_int_eq(first & 1048575, 0);
    database_execute(LOOK);
    database_execute("VACUUM FREEZE version_floor");
    database_execute(LOOK);
    ck_assert_int_eq(floor_now(), first);
    database_execute(EVENTS[_i]);
    database_execute(LOOK);
    ck_assert_int_ge(floor_now(), first + 1048576); /* within the same second, too */
    long long second = floor_now();
    database_execute(LOOK);
    ck_assert_int_eq(floor_now(), second);
}
END_TEST

START_TEST(no_version_is_below_that_of_the_epoch) {
    char expected[200];
    insert_three();
    database_execute(LOOK);
    long long first = floor_now();
    snprintf(expected, sizeof(expected), "1 a 0 0 %lld ", first);
    ck_assert_ptr_nonnull(strstr(products(&SQL_PRODUCT_LOCK), expected));
    database_execute("UPDATE products SET version = 1 + (SELECT floor FROM version_floor)"
                     " WHERE id = 3; INSERT INTO products SELECT 9, name, price_cents, qty,"
                     " initial_qty, 1, created_at, updated_at, request_id FROM products LIMIT 1");
    snprintf(expected, sizeof(expected), "2147483647 %lld ", first + 1);
    ck_assert_ptr_nonnull(strstr(products(&SQL_PRODUCT_GET), expected));
    database_execute("DO $$ BEGIN PERFORM begin_epoch(); END $$; DELETE FROM products"
                     " WHERE id = 2");
    snprintf(expected, sizeof(expected), "2147483647 %lld ", floor_now());
    ck_assert_ptr_nonnull(strstr(products(&SQL_PRODUCT_LOCK), expected));
    database_execute("DELETE FROM products");
    insert_three(); /* a new one begins with it */
    database_execute("DO $$ BEGIN ASSERT (SELECT min(version) = max(floor)"
                     " FROM products, version_floor); END $$");
}
END_TEST

/* Who changes a product has read the floor: it rises when that has ended. */
START_TEST(an_epoch_begins_after_changes_under_way) {
    insert_three();
    database_execute(LOOK);
    PGconn *other = database_other();
    database_ask(other, "BEGIN; SELECT FROM products WHERE id = 3 FOR UPDATE");
    database_execute("DO $$ BEGIN SET LOCAL lock_timeout = 50; PERFORM begin_epoch();"
                     " ASSERT false; EXCEPTION WHEN lock_not_available THEN NULL; END $$");
    PQfinish(other);
    database_execute("DO $$ BEGIN PERFORM begin_epoch(); END $$");
}
END_TEST

/* ---- witness.sql ---- */

static const char *beat(const char *known_beats, const char *known_id) {
    static char text[256];
    char sql[400];
    PGconn *other = database_other();
    snprintf(sql, sizeof(sql),
             "SELECT concat_ws(' ', beats_before, beats_after, id_before, id_after)"
             " FROM witness_beat(%s, ARRAY['product_ids', 'outbox_ids'], ARRAY[%s, 0], 100)",
             known_beats, known_id);
    snprintf(text, sizeof(text), "%s", database_ask(other, sql));
    PQfinish(other);
    return text;
}

/* "price first? " of product 1, by time. */
static const char *prices(void) {
    PGconn *other = database_other();
    const char *text = database_ask(other, "SELECT price_cents || CASE WHEN is_first_known THEN"
                                           " ' first known' ELSE '' END FROM product_prices"
                                           " WHERE product_id = 1 ORDER BY since");
    PQfinish(other);
    return text;
}

START_TEST(a_database_that_is_behind_is_found_so_once) {
    struct pg_call next = { .statement = &SQL_NEXT_PRODUCT_IDS };
    ck_assert_str_eq(beat("0", "0"), "1 2 0 0 / 1 2 0 0 / ");
    ck_assert_str_eq(database_rows(&next, "i"), "1 / ");
    ck_assert_str_eq(beat("2", "1"), "2 3 1 1 / 2 3 0 0 / ");
    database_execute("UPDATE witness SET beats = 1"); /* restored */
    ck_assert_str_eq(beat("3", "41"), "1 4 1 141 / 1 4 0 0 / ");
    ck_assert_str_eq(beat("3", "41"), "4 5 141 141 / 4 5 0 0 / "); /* another replica */
    ck_assert_str_eq(database_rows(&next, "i"), "161 / ");
    database_execute("DO $$ BEGIN PERFORM setval('product_ids', 301, false); END $$");
    ck_assert_str_eq(beat("5", "161"), "5 6 300 300 / 5 6 0 0 / "); /* moved above its table */
}
END_TEST

START_TEST(prices_are_noted_whoever_changes_them) {
    struct pg_call call = { .statement = &SQL_PRODUCT_UPDATE, .param_count = 6 };
    insert_three();
    ck_assert_str_eq(prices(), "0 / ");
    call.params[0] = numbers_of(1, 3, 9);
    call.params[1] = texts_of("A", "C", "I");
    call.params[2] = numbers_of(10, 30, 90);
    call.params[3] = numbers_of(100, 300, 900);
    call.params[4] = numbers_of(2, 2, 2);
    call.params[5] = times_of(AT_MS + 1000);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK); /* the same price again */
    ck_assert_str_eq(prices(), "0 / 10 / ");
    database_execute("DO $$ BEGIN UPDATE products SET price_cents = 20 WHERE id = 1;"
                     " UPDATE products SET price_cents = 10 WHERE id = 1; END $$");
    ck_assert_str_eq(prices(), "0 / 10 / 20 / 10 / "); /* each has a time of its own */
    database_execute("UPDATE product_prices SET since = '2100-01-01' WHERE price_cents = 0;"
                     " UPDATE products SET price_cents = 30 WHERE id = 1"); /* a clock stepped */
    ck_assert_str_eq(prices(), "10 / 20 / 10 / 0 / 30 / ");
}
END_TEST

/* Products of the version before, in batches of one. */
START_TEST(products_that_are_there_get_the_first_epoch_in_batches) {
    struct pg_migration before[16] = { { 0 } };
    memcpy(before, PRODUCT_MIGRATIONS, 10 * sizeof(before[0]));
    database_open(NULL, NULL, before);
    database_execute("ALTER TABLE products DISABLE TRIGGER note_first_price;"
                     "INSERT INTO products SELECT i, 'x', 100 * i, 1, 1, i, now(), now(), 'r'"
                     " FROM generate_series(1, 3) AS i;"
                     "ALTER TABLE products ENABLE TRIGGER note_first_price");
    database_close();
    database_connect(PRODUCT_STATEMENTS, OUTBOX_STATEMENTS, PRODUCT_MIGRATIONS, NULL);
    database_execute(
        "DO $$ BEGIN ASSERT (SELECT max(version) FROM products) = 3;"
        " ASSERT raise_versions(1); ASSERT raise_versions(1);"
        " ASSERT (SELECT array_agg(version ORDER BY id) = ARRAY[floor, floor, 3]"
        " FROM products, first_epoch GROUP BY floor); ASSERT NOT EXISTS (SELECT FROM "
        "version_floor);"
        /* the version before changes prices meanwhile, and adds products */
        " UPDATE products SET price_cents = 7, version = version + 1 WHERE id IN (1, 3);"
        " INSERT INTO products SELECT 4, 'new', 1, 1, 1, 1, now(), now(), 'r'; END $$");
    database_execute("DO $$ BEGIN ASSERT begin_epoch_if_due();"
                     " ASSERT NOT begin_epoch_if_due(); ASSERT NOT begin_epoch_if_due(); END $$");
    database_execute(
        "DO $$ BEGIN ASSERT (SELECT array_agg(version - floor ORDER BY id) = ARRAY[1, 0, 0, "
        "0]::bigint[]"
        " FROM products, version_floor); ASSERT NOT EXISTS (SELECT FROM first_epoch);"
        " ASSERT (SELECT array_agg(price_cents || left(is_first_known::text, 1) ORDER BY "
        "product_id,"
        " since) = ARRAY['100t', '7f', '200t', '300t', '7f', '1f'] FROM product_prices); END $$");
    database_close();
}
END_TEST

static int64_t locked_keys(const char *keys) {
    char sql[200];
    PGconn *third = database_other();
    snprintf(sql, sizeof(sql), "SELECT string_agg(k, ',') FROM locked_keys('%s', 20, 1000) AS k",
             keys);
    int64_t is_b = strcmp(database_ask(third, sql), "b / ") == 0;
    PQfinish(third);
    return is_b;
}

/* A new key (0), one of yesterday (1), that another transaction is storing. */
START_TEST(keys_that_another_transaction_stores_are_named) {
    PGconn *other = database_other();
    if (_i == 1) {
        database_execute("INSERT INTO idempotency_keys VALUES ('b', 'r', 1, 1, '', '2026-11-22')");
    }
    database_ask(other,
                 _i == 0 ? "BEGIN; INSERT INTO idempotency_keys VALUES ('b', 'r', 1, 1, '', now())"
                         : "BEGIN; UPDATE idempotency_keys SET request = 's' WHERE key = 'b'");
    ck_assert(locked_keys("{a,b,c,b}"));
    database_ask(other, "ROLLBACK");
    ck_assert(!locked_keys("{a,b,c}"));
    PQfinish(other);
    database_execute("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM idempotency_keys"
                     " WHERE request <> 'r' OR key <> 'b'); END $$");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("product_statements");
    TCase *alone = tcase_create("prepare"), *together = tcase_create("run");
    tcase_set_timeout(alone, 60);
    tcase_set_timeout(together, 60);
    tcase_add_checked_fixture(together, setup, database_close);
    tcase_add_loop_test(alone, each_statement_can_be_prepared, 0,
                        database_statement_count(PRODUCT_STATEMENTS) +
                            database_statement_count(OUTBOX_STATEMENTS));
    tcase_add_test(together, products_come_back_as_they_were_stored);
    tcase_add_test(together, an_update_changes_what_it_names);
    tcase_add_test(together, prices_are_noted_whoever_changes_them);
    tcase_add_test(together, products_that_are_locked_are_named);
    tcase_add_test(together, limits_are_the_table_s_too);
    tcase_add_test(together, the_ledger_takes_an_order_once);
    tcase_add_test(together, restocks_belong_to_a_product);
    tcase_add_test(together, what_is_done_can_be_returned);
    tcase_add_test(together, states_of_the_ledger);
    tcase_add_test(together, a_key_is_stored_once_and_found_for_a_day);
    tcase_add_loop_test(together, a_key_of_another_transaction, 0, 2);
    tcase_add_loop_test(alone, a_database_of_the_version_before_is_taken_over, 1, 10);
    tcase_add_test(together, events_are_claimed_and_deleted);
    tcase_add_test(together, claims_of_a_clock_that_stepped_back_have_ended);
    tcase_add_test(together, ids_come_in_blocks);
    tcase_add_test(together, columns_of_other_types_are_read_as_before);
    tcase_add_test(together, sequences_behind_their_tables_are_moved);
    tcase_add_loop_test(together, an_epoch_begins_when_the_database_may_be_another_one, 0, 3);
    tcase_add_test(together, no_version_is_below_that_of_the_epoch);
    tcase_add_test(together, an_epoch_begins_after_changes_under_way);
    tcase_add_test(together, a_database_that_is_behind_is_found_so_once);
    tcase_add_test(alone, products_that_are_there_get_the_first_epoch_in_batches);
    tcase_add_loop_test(together, keys_that_another_transaction_stores_are_named, 0, 2);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, together);
    return database_main(suite);
}
