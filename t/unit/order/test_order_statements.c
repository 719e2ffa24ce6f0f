/* link: services/order/statements.c services/contract/key_expiry.c */
/*
 * The order service's SQL on a real PostgreSQL: each statement alone, and what they promise
 * together.
 */
#include "contract/key_expiry.h"
#include "order/order.h"
#include "order/parts.h"
#include "order/statements.h"
#include "runtime/messages/outbox.h"

#include "database_fixture.h"

#define AT_MS INT64_C(1795367792123)

struct backends backends; /* of key_expiry.c */

static void setup(void) {
    database_open(ORDER_STATEMENTS, OUTBOX_STATEMENTS, ORDER_MIGRATIONS);
}

START_TEST(each_statement_can_be_prepared) {
    int own = database_statement_count(ORDER_STATEMENTS);
    const struct pg_statement *const alone[] = { _i < own ? ORDER_STATEMENTS[_i]
                                                          : OUTBOX_STATEMENTS[_i - own],
                                                 NULL };
    database_open(alone, NULL, ORDER_MIGRATIONS);
    database_close();
}
END_TEST

/* Orders at these places, which are their ids when nothing was drawn before; keys[i] NULL: none. */
static struct pg_call insert_of(const int64_t *ids, const char *const *keys, size_t count,
                                int64_t at_ms) {
    enum { MAX = 8 };
    struct pg_call call = { .statement = &SQL_ORDER_INSERT, .param_count = 9 };
    int64_t products[MAX], quantities[MAX], prices[MAX], times[MAX];
    struct str texts[MAX], states[MAX], key_texts[MAX];
    for (size_t i = 0; i < count; i++) {
        products[i] = 7;
        quantities[i] = ids[i] + 1;
        prices[i] = 1990;
        times[i] = at_ms + ids[i];
        texts[i] = STR("text");
        states[i] = i == 0 ? STR("a=1") : (struct str){ NULL, 0 };
        key_texts[i] = str_of(keys == NULL ? NULL : keys[i]);
    }
    const int64_t *const numbers[] = { ids, products, quantities, prices };
    for (size_t c = 0; c < 4; c++) {
        call.params[c] = pg_int8_array(&arena, numbers[c], count);
    }
    call.params[4] = pg_time_array(&arena, times, count);
    for (size_t c = 5; c < 9; c++) {
        call.params[c] = pg_text_array(&arena, c == 8 ? key_texts : c == 7 ? states : texts, count);
    }
    return call;
}

static const char *insert(const int64_t *ids, const char *const *keys, size_t count,
                          int64_t at_ms) {
    struct pg_call call = insert_of(ids, keys, count, at_ms);
    return database_rows(&call, "i");
}

static struct pg_call ids_call(const struct pg_statement *statement, const int64_t *ids,
                               size_t count) {
    struct pg_call call = { .statement = statement, .param_count = 1 };
    call.params[0] = pg_int8_array(&arena, ids, count);
    return call;
}

static const int64_t IDS[] = { 1, 2, 3 };

static void count_columns(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)err;
    *(int *)ctx = PQnfields(rows->handle);
}

START_TEST(an_order_row_has_the_columns_that_are_counted) {
    struct pg_call get = ids_call(&SQL_ORDER_GET, IDS, 1);
    int count = 0;
    ck_assert_int_eq(database_run(&get, count_columns, &count), ERR_OK);
    ck_assert_int_eq(count, ORDER_COLUMN_COUNT);
}
END_TEST

START_TEST(orders_are_stored_with_ids_in_their_order) {
    static const int64_t PLACES[] = { 1, 2 };
    struct pg_call get = ids_call(&SQL_ORDER_GET, IDS, 2);
    struct pg_call first = insert_of(IDS, NULL, 3, AT_MS), more = insert_of(PLACES, NULL, 2, AT_MS);
    ck_assert_str_eq(database_rows(&first, "ii"), "1 1 / 2 2 / 3 3 / ");
    ck_assert_str_eq(database_rows(&more, "ii"), "1 4 / 2 5 / ");
    const char *rows = database_rows(&get, "iiiiittTTt");
    ck_assert_ptr_nonnull(
        strstr(rows, "1 7 2 1990 3980 waiting - 1795367792124 1795367792124 text /"));
    struct pg_call drawn = { .statement = &SQL_ORDER_DRAWN };
    ck_assert_str_eq(database_rows(&drawn, "i"), "5 / ");
}
END_TEST

/* Somebody whose transaction has a number may have drawn ids: until it ends the mark stays. */
START_TEST(a_look_is_safe_when_no_older_transaction_is_under_way) {
    struct pg_call mark = { .statement = &SQL_ORDER_MARK };
    struct pg_call transaction = { .statement = &SQL_TRANSACTION };
    struct pg_call move = { .statement = &SQL_ORDER_MARK_MOVE, .param_count = 1 };
    long long low_id, oldest, xid;
    PGconn *other = database_other();
    PQclear(PQexec(other, "BEGIN; SELECT nextval('order_numbers'); SELECT pg_current_xact_id()"));
    ck_assert_int_eq(sscanf(database_rows(&transaction, "i"), "%lld", &xid), 1);
    ck_assert_int_eq(sscanf(database_rows(&mark, "ii"), "%lld %lld", &low_id, &oldest), 2);
    ck_assert_int_eq(low_id, 0);
    ck_assert_int_lt(oldest, xid);
    PQclear(PQexec(other, "COMMIT"));
    ck_assert_int_eq(sscanf(database_rows(&mark, "ii"), "%lld %lld", &low_id, &oldest), 2);
    ck_assert_int_ge(oldest, xid);
    PQfinish(other);
    database_execute("ALTER SEQUENCE order_numbers RESTART 20");
    move.params[0] = pg_int8(7);
    ck_assert_int_eq(database_run(&move, NULL, NULL), ERR_OK);
    move.params[0] = pg_int8(5); /* a slower replica's: it never falls */
    ck_assert_int_eq(database_run(&move, NULL, NULL), ERR_OK);
    ck_assert_str_eq(database_rows(&mark, "i"), "7 / ");
    /* a restore: the sequence is behind the mark, which comes down; and there is no mark at all */
    database_execute("ALTER SEQUENCE order_numbers RESTART 3");
    ck_assert_str_eq(database_rows(&mark, "i"), "3 / ");
    move.params[0] = pg_int8(2);
    ck_assert_int_eq(database_run(&move, NULL, NULL), ERR_OK);
    database_execute("ALTER SEQUENCE order_numbers RESTART 20");
    ck_assert_str_eq(database_rows(&mark, "i"), "2 / ");
    database_execute("DELETE FROM order_mark");
    ck_assert_str_eq(database_rows(&mark, "i"), "0 / ");
    ck_assert_int_eq(database_run(&move, NULL, NULL), ERR_OK);
    ck_assert_str_eq(database_rows(&mark, "i"), "2 / ");
}
END_TEST

/* Rows that were claimed: their ids as text, and the claims. */
struct claims {
    char ids[64];
    int64_t claims[8];
};

static void note_claims(void *ctx, enum err err, const struct pg_rows *rows) {
    struct claims *claimed = ctx;
    (void)err;
    size_t length = 0;
    for (size_t i = 0; i < rows[0].count && i < UNIT_COUNT(claimed->claims); i++) {
        length += (size_t)snprintf(claimed->ids + length, sizeof(claimed->ids) - length, "%lld ",
                                   (long long)pg_rows_get_int8(rows, i, 0));
        claimed->claims[i] = pg_rows_get_int8(rows, i, 7);
    }
}

static struct claims claim_all(int64_t lease_s) {
    struct claims claimed = { 0 };
    struct pg_call call = { .statement = &SQL_OUTBOX_CLAIM, .param_count = 2 };
    call.params[0] = pg_int8(lease_s);
    call.params[1] = pg_int8(10);
    ck_assert_int_eq(database_run(&call, note_claims, &claimed), ERR_OK);
    return claimed;
}

static void release(const int64_t *ids, const int64_t *claims, size_t count) {
    struct pg_call call = ids_call(&SQL_OUTBOX_RELEASE, ids, count);
    call.param_count = 2;
    call.params[1] = pg_int8_array(&arena, claims, count);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_OK);
}

START_TEST(a_release_gives_up_its_own_claim_only) {
    static const int64_t INSERTERS[3] = { 0 };
    database_execute("INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent,"
                     " body, available_at) SELECT id, 'k', 'm', 'r', '', '{}',"
                     " clock_timestamp() + interval '10 s' FROM generate_series(1, 3) AS id");
    release(&IDS[1], INSERTERS, 1);
    ck_assert_str_eq(claim_all(0).ids, "2 ");
    release(IDS, INSERTERS, 2); /* 2 has been claimed anew */
    struct claims first = claim_all(0);
    ck_assert_str_eq(first.ids, "1 ");
    release(IDS, first.claims, 1);
    struct claims second = claim_all(0);
    ck_assert_str_eq(second.ids, "1 ");
    release(IDS, first.claims, 1); /* late: the row is somebody else's */
    ck_assert_str_eq(claim_all(0).ids, "");
    release(IDS, second.claims, 1);
    ck_assert_str_eq(claim_all(0).ids, "1 ");
    database_execute("UPDATE outbox SET available_at = now() + interval '10100 ms' WHERE id = 3");
    release(IDS, INSERTERS, 3); /* nobody's who inserted */
    ck_assert_str_eq(claim_all(0).ids, "");
    ck_assert_str_eq(claim_all(11).ids, "3 ");
}
END_TEST

START_TEST(a_key_stands_for_one_order) {
    static const int64_t AGAIN[] = { 11, 12 };
    static const char *const KEYS[] = { "a", NULL, "b" }, *const SAME[] = { "b", "c" };
    int64_t now_ms = clock_unix_ms();
    ck_assert_str_eq(insert(IDS, KEYS, 3, now_ms), "1 / 2 / 3 / ");
    ck_assert_str_eq(insert(AGAIN, SAME, 2, now_ms), "12 / "); /* 11 is kept out, event and all */
    struct pg_call find = { .statement = &SQL_KEY_FIND, .param_count = 1 };
    struct str keys[] = { STR("b"), STR("nobody's") };
    find.params[0] = pg_text_array(&arena, keys, 2);
    ck_assert_str_eq(database_rows(&find, "tiiii"), "b 7 4 3 7 / ");
}
END_TEST

/* At most so many, from the very first. */
static struct pg_call expire_of(int64_t keys) {
    return (struct pg_call){ &SQL_KEY_EXPIRE, { pg_time(0), pg_int8(keys) }, 2 };
}

/* The same, ten, in a transaction of somebody else: how many. */
static const char *expire_in(PGconn *other) {
    static char text[32];
    const char *const params[] = { "epoch", "10" };
    PGresult *result = PQexecParams(other, SQL_KEY_EXPIRE.sql, 2, NULL, params, NULL, NULL, 0);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(other));
    snprintf(text, sizeof(text), "%s / ", PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

START_TEST(keys_end_after_24_hours) {
    static const int64_t AGAIN[] = { 11 };
    static const char *const KEYS[] = { "a", "b", NULL };
    int64_t now_ms = clock_unix_ms(), old_ms = now_ms - INT64_C(86400000) - 60000;
    ck_assert_str_eq(insert(IDS, KEYS, 3, old_ms), "1 / 2 / 3 / ");
    struct pg_call find = { .statement = &SQL_KEY_FIND, .param_count = 1 };
    struct str keys[] = { STR("a"), STR("b") };
    find.params[0] = pg_text_array(&arena, keys, 2);
    ck_assert_str_eq(database_rows(&find, "t"), "");
    ck_assert_str_eq(insert(AGAIN, KEYS, 1, now_ms), "11 / "); /* taken over */
    ck_assert_str_eq(database_rows(&find, "tiii"), "a 7 12 4 / ");
    struct pg_call expire = expire_of(10);
    ck_assert_str_eq(database_rows(&expire, "i"), "1 / ");
    ck_assert_str_eq(database_rows(&find, "t"), "a / ");
}
END_TEST

/* Keys of such an age, each a millisecond older than the one before. */
#define KEYS(count, age)                                                                           \
    "INSERT INTO idempotency_keys SELECT '" age                                                    \
    "' || i, i, 7, 1, date_trunc('milliseconds', now())"                                           \
    " - interval '" age "' - i * interval '1 ms' FROM generate_series(1, " #count ") AS i"
#define COUNT_KEYS "SELECT count(*) FROM idempotency_keys"

/* In one transaction now() stands still. */
START_TEST(a_key_of_exactly_24_hours_has_not_ended) {
    PGconn *other = database_other();
    database_ask(
        other,
        "BEGIN; INSERT INTO idempotency_keys VALUES ('now', 1, 7, 1, now() - interval '24 hours'),"
        " ('before', 1, 7, 1, now() - interval '24 hours 1 microsecond')");
    ck_assert_str_eq(expire_in(other), "1 / ");
    ck_assert_str_eq(database_ask(other, "SELECT key FROM idempotency_keys"), "now / ");
    PQfinish(other);
}
END_TEST

/* What one has taken the other passes over, without waiting; each is deleted once. */
START_TEST(replicas_share_the_keys_that_have_ended) {
    struct pg_call expire = expire_of(10);
    PGconn *other = database_other();
    database_execute(KEYS(15, "25 hours"));
    database_ask(other, "BEGIN");
    ck_assert_str_eq(expire_in(other), "10 / ");
    uint64_t begin_ms = clock_monotonic_ms();
    ck_assert_str_eq(database_rows(&expire, "i"), "5 / ");
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, DATABASE_LOCK_MS);
    database_ask(other, "COMMIT");
    ck_assert_str_eq(database_rows(&expire, "i"), "0 / ");
    ck_assert_str_eq(database_ask(other, COUNT_KEYS), "0 / ");
    PQfinish(other);
}
END_TEST

/* Each DELETE notes how many keys it has deleted. */
#define NOTE_CHUNKS                                                                                \
    "CREATE TABLE chunks (keys bigint); CREATE FUNCTION note_chunk() RETURNS trigger"              \
    " LANGUAGE plpgsql AS $$ BEGIN INSERT INTO chunks SELECT count(*) FROM gone; RETURN NULL;"     \
    " END $$; CREATE TRIGGER note_chunk AFTER DELETE ON idempotency_keys"                          \
    " REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_chunk()"

/* 1,000 at a time: how soon after one another is in test_key_expiry.c. */
START_TEST(expired_keys_go_in_full_chunks) {
    enum { MS_MAX = 60000 };
    PGconn *other = database_other();
    database_execute(NOTE_CHUNKS);
    database_execute(KEYS(100000, "24 hours"));
    database_execute(KEYS(500, "23 hours 59 minutes"));
    database_ask(other, "BEGIN; SELECT FROM idempotency_keys WHERE order_id = 7 FOR UPDATE");
    backends = (struct backends){ .loop = loop, .pg = pg };
    ck_assert_int_eq(key_expiry_open(), ERR_OK);
    uint64_t begin_ms = clock_monotonic_ms();
    while (strcmp(database_ask(other, COUNT_KEYS), "501 / ") != 0) {
        uint64_t pause_ms = clock_monotonic_ms() + 100;
        while (clock_monotonic_ms() < pause_ms) {
            loop_tick(loop, 1);
        }
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, MS_MAX);
    }
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM chunks WHERE keys = 1000"), "99 / ");
    ck_assert_str_eq(database_ask(other, "SELECT keys FROM chunks WHERE keys NOT IN (0, 1000)"),
                     "999 / ");
    database_ask(other, "COMMIT"); /* what was locked goes a round later */
    WAIT_FOR(strcmp(database_ask(other, COUNT_KEYS), "500 / ") == 0);
    key_expiry_stop();
    WAIT_FOR(key_expiry_is_idle());
    key_expiry_close();
    PQfinish(other);
}
END_TEST

/* While this waits for somebody who writes, it waits before it builds, and keeps others out. */
START_TEST(keys_are_read_while_their_index_is_built) {
    const struct pg_migration before[] = {
        ORDER_MIGRATIONS[0], ORDER_MIGRATIONS[1], ORDER_MIGRATIONS[2], ORDER_MIGRATIONS[3], { 0 }
    };
    database_open(NULL, NULL, before);
    PGconn *writer = database_other(), *builder = database_other(), *reader = database_other();
    database_ask(writer, "BEGIN; LOCK idempotency_keys IN ROW EXCLUSIVE MODE");
    ck_assert_int_eq(PQsendQuery(builder, ORDER_MIGRATIONS[4].sql), 1);
    WAIT_FOR(strcmp(database_ask(reader, "SELECT count(*) FROM pg_locks WHERE NOT granted"),
                    "1 / ") == 0);
    database_ask(reader, "SET lock_timeout = '1 s'");
    ck_assert_str_eq(database_ask(reader, COUNT_KEYS), "0 / ");
    database_ask(writer, "COMMIT");
    for (PGresult *result; (result = PQgetResult(builder)) != NULL; PQclear(result)) {
        ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
    }
    PQfinish(writer);
    PQfinish(builder);
    PQfinish(reader);
    database_close();
}
END_TEST

#define KEY_INDEXES                                                                                \
    "SELECT indexname FROM pg_indexes WHERE tablename = 'idempotency_keys' ORDER BY 1"

START_TEST(the_index_of_keys_may_be_there_before_the_migration) {
    const struct pg_migration before[] = {
        ORDER_MIGRATIONS[0], ORDER_MIGRATIONS[1], ORDER_MIGRATIONS[2], ORDER_MIGRATIONS[3], { 0 }
    };
    database_open(NULL, NULL, before);
    database_close();
    PGconn *other = database_other();
    database_ask(other, "CREATE INDEX CONCURRENTLY IF NOT EXISTS idempotency_keys_by_age"
                        " ON idempotency_keys (created_at)");
    database_connect(ORDER_STATEMENTS, OUTBOX_STATEMENTS, ORDER_MIGRATIONS, NULL);
    ck_assert_str_eq(database_ask(other, KEY_INDEXES),
                     "idempotency_keys_by_age / idempotency_keys_pkey / ");
    PQfinish(other);
    database_close();
}
END_TEST

/* Of the order of that id, whenever it was created. */
static struct pg_call finish_of(int64_t id, const char *status, const char *reason, int64_t at_ms) {
    struct pg_call call = { .statement = &SQL_ORDER_FINISH, .param_count = 5 };
    static const int64_t ANY = 0;
    struct str status_text = str_of(status), reason_text = str_of(reason);
    call.params[0] = pg_int8_array(&arena, &id, 1);
    call.params[1] = pg_text_array(&arena, &status_text, 1);
    call.params[2] = pg_text_array(&arena, &reason_text, 1);
    call.params[3] = pg_time_array(&arena, &at_ms, 1);
    call.params[4] = pg_time_array(&arena, &ANY, 1);
    return call;
}

/* After a restore an id comes again: an outcome is that of (id, created_at). */
START_TEST(an_outcome_of_another_order_with_this_id_moves_nothing) {
    insert(IDS, NULL, 3, AT_MS);
    struct pg_call done = finish_of(2, "done", NULL, AT_MS + 5000);
    struct pg_call known = ids_call(&SQL_ORDER_KNOWN, IDS, 3);
    int64_t created_ms = AT_MS;
    done.params[4] = pg_time_array(&arena, &created_ms, 1);
    ck_assert_str_eq(database_rows(&done, "ii"), "");
    created_ms = AT_MS + 2; /* each order a millisecond later */
    done.params[4] = pg_time_array(&arena, &created_ms, 1);
    ck_assert_str_eq(database_rows(&done, "iiT"), "2 7 1795367792125 / ");
    ck_assert_ptr_nonnull(strstr(database_rows(&known, "iiT"), "2 7 1795367792125 / "));
}
END_TEST

START_TEST(the_status_moves_forward_once) {
    insert(IDS, NULL, 3, AT_MS);
    struct pg_call get = ids_call(&SQL_ORDER_GET, IDS, 1);
    struct pg_call done = finish_of(1, "done", NULL, AT_MS + 5000);
    struct pg_call rejected = finish_of(1, "rejected", "out_of_stock", AT_MS + 6000);
    ck_assert_str_eq(database_rows(&done, "ii"), "1 7 / ");
    ck_assert_str_eq(database_rows(&rejected, "ii"), "");
    ck_assert_str_eq(database_rows(&done, "ii"), "");
    ck_assert_str_eq(database_rows(&get, "iiiiittTT"),
                     "1 7 2 1990 3980 done - 1795367792124 1795367797123 / ");
    struct pg_call early = finish_of(2, "rejected", "out_of_stock", AT_MS - 5000);
    ck_assert_str_eq(database_rows(&early, "ii"),
                     "2 7 / "); /* never updated before it was created */
    get = ids_call(&SQL_ORDER_GET, &IDS[1], 1);
    ck_assert_ptr_nonnull(strstr(database_rows(&get, "iiiiittTT"),
                                 "rejected out_of_stock 1795367792125 1795367792125 /"));
    struct pg_call absurd = finish_of(3, "done", "out_of_stock", AT_MS);
    ck_assert_int_eq(database_run(&absurd, NULL, NULL), ERR_REJECTED_DATA);
    absurd = finish_of(3, "rejected", NULL, AT_MS);
    ck_assert_int_eq(database_run(&absurd, NULL, NULL), ERR_REJECTED_DATA);
}
END_TEST

/* Also when those of a page end in one statement: the indexes are not touched (a HOT update). */
START_TEST(an_order_that_ends_stays_in_its_page) {
    PGconn *other = database_other();
    database_execute("INSERT INTO orders (id, product_id, quantity, unit_price_cents,"
                     " total_price_cents, created_at, updated_at, request_id, traceparent)"
                     " SELECT i, 7, 1, 100, 100, now(), now(), gen_random_uuid(), repeat('t', 55)"
                     " FROM generate_series(1, 500) AS i");
    database_ask(other, "CREATE TEMP TABLE before AS SELECT id, ctid AS at FROM orders;"
                        "UPDATE orders SET status = 'done', updated_at = now()");
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM orders JOIN before USING (id)"
                                         " WHERE (orders.ctid::text::point)[0]"
                                         " <> (before.at::text::point)[0]"),
                     "0 / ");
    PQfinish(other);
}
END_TEST

START_TEST(orders_that_are_locked_are_named) {
    static const int64_t SOME[] = { 3, 1, 3, 9 };
    struct pg_call done = finish_of(1, "done", NULL, AT_MS);
    struct pg_call locked = ids_call(&SQL_ORDER_LOCKED, SOME, 4);
    insert(IDS, NULL, 3, AT_MS);
    database_check_locked("orders", "FOR UPDATE", &done, &locked);
    /* this does not stop an UPDATE of the status, so the order is not locked */
    PGconn *other = database_other();
    database_ask(other, "BEGIN; SELECT FROM orders FOR KEY SHARE");
    ck_assert_str_eq(database_rows(&locked, "i"), "");
    ck_assert_int_eq(database_run(&done, NULL, NULL), ERR_OK);
    PQfinish(other);
}
END_TEST

START_TEST(pages_are_newest_first) {
    static const int64_t PRODUCTS[] = { 8, 7 };
    insert(IDS, NULL, 3, AT_MS);
    struct pg_call first = { .statement = &SQL_ORDER_FIRST_PAGES, .param_count = 2 };
    first.params[0] = pg_int8_array(&arena, PRODUCTS, 2);
    first.params[1] = pg_int8(2);
    ck_assert_str_eq(database_rows(&first, "ii"), "3 7 / 2 7 / ");
    struct pg_call later = { .statement = &SQL_ORDER_PAGE, .param_count = 4 };
    later.params[0] = pg_int8(7);
    later.params[1] = pg_time(AT_MS + 2);
    later.params[2] = pg_int8(2);
    later.params[3] = pg_int8(10);
    ck_assert_str_eq(database_rows(&later, "ii"), "1 7 / ");
    later.params[1] = pg_time(INT64_C(253402300799000));
    later.params[2] = pg_int8(INT64_MAX);
    ck_assert_str_eq(database_rows(&later, "i"), "3 / 2 / 1 / ");
}
END_TEST

#define WAITING_TYPES "iiiiittTTtttti"

/* After id, up to id, rows to look at, waiting orders at most. */
static const char *waiting(int64_t after, int64_t up_to, int64_t rows, int64_t orders) {
    struct pg_call call = { &SQL_ORDER_WAITING,
                            { pg_int8(after), pg_int8(up_to), pg_int8(rows), pg_int8(orders) },
                            4 };
    return database_rows(&call, WAITING_TYPES);
}

#define FIRST "1 7 2 1990 3980 waiting - 1795367792124 1795367792124 text text text a=1 "
#define THIRD "3 7 4 1990 7960 waiting - 1795367792126 1795367792126 text text text - "
#define NOBODY "- - - - - - - - - - - - - "

START_TEST(waiting_orders_are_found_and_how_far_was_looked) {
    insert(IDS, NULL, 3, AT_MS);
    struct pg_call done = finish_of(2, "done", NULL, AT_MS);
    ck_assert_int_eq(database_run(&done, NULL, NULL), ERR_OK);
    ck_assert_str_eq(waiting(0, 3, 10, 10), FIRST "3 / " THIRD "3 / ");
    ck_assert_str_eq(waiting(0, 3, 10, 1), FIRST "3 / ");  /* a full page: go on behind it */
    ck_assert_str_eq(waiting(0, 3, 2, 10), FIRST "2 / ");  /* no more rows are looked at */
    ck_assert_str_eq(waiting(1, 3, 1, 10), NOBODY "2 / "); /* none of them waits */
    ck_assert_str_eq(waiting(1, 2, 10, 10), NOBODY "2 / ");
    ck_assert_str_eq(waiting(3, 100, 10, 10), NOBODY "- / "); /* the end */
    database_execute("UPDATE orders SET id = 1000000000000000000 WHERE id = 3");
    ck_assert_ptr_nonnull(strstr(waiting(1, INT64_MAX, 10, 10), " 1000000000000000000 / "));
}
END_TEST

static const char *counted(int64_t after, int64_t up_to, int64_t rows) {
    struct pg_call call = { &SQL_ORDER_COUNT,
                            { pg_int8(after), pg_int8(up_to), pg_int8(rows) },
                            3 };
    return database_rows(&call, "iiii");
}

START_TEST(a_slice_is_counted) {
    insert(IDS, NULL, 3, AT_MS);
    struct pg_call done = finish_of(2, "done", NULL, AT_MS);
    ck_assert_int_eq(database_run(&done, NULL, NULL), ERR_OK);
    ck_assert_str_eq(counted(0, 3, 10), "3 3 2 1 / ");
    ck_assert_str_eq(counted(0, 3, 2), "2 2 1 1 / "); /* no more rows are looked at */
    ck_assert_str_eq(counted(0, 2, 10), "2 2 1 1 / ");
    ck_assert_str_eq(counted(1, 3, 1), "1 2 0 - / ");
    ck_assert_str_eq(counted(3, 100, 10), "0 - 0 - / ");
}
END_TEST

START_TEST(a_bad_order_is_refused_with_all_its_rows) {
    struct pg_call call = insert_of(IDS, NULL, 3, AT_MS);
    int64_t quantities[] = { 1, 0, 1 };
    call.params[2] = pg_int8_array(&arena, quantities, 3);
    ck_assert_int_eq(database_run(&call, NULL, NULL), ERR_REJECTED_DATA);
    struct pg_call get = ids_call(&SQL_ORDER_GET, IDS, 3);
    ck_assert_str_eq(database_rows(&get, "i"), "");
}
END_TEST

/* As the version before tracestate wrote it, and writes it while another process has migrated. */
#define OLD_ORDER(id)                                                                              \
    "SELECT nextval('order_ids');"                                                                 \
    "INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents,"           \
    " created_at, updated_at, request_id, traceparent) VALUES (" id ", 7, 2, 100, 200,"            \
    " '2026-11-22 17:16:32.123Z', '2026-11-22 17:16:32.123Z', 'old', 'trace');"                    \
    "INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent, body,"          \
    " available_at) VALUES (" id ", 'order.created', 'm', 'old', 'trace', '{}', now());"

START_TEST(a_database_of_the_version_before_is_taken_over) {
    const struct pg_migration first[] = { ORDER_MIGRATIONS[0], { 0 } };
    database_open(NULL, NULL, first);
    database_execute(OLD_ORDER("1"));
    database_close();
    database_connect(ORDER_STATEMENTS, OUTBOX_STATEMENTS, ORDER_MIGRATIONS, NULL);
    database_execute(OLD_ORDER("2"));
    static const int64_t NEW[] = { 3 };
    struct pg_call new = insert_of(NEW, NULL, 1, AT_MS);
    ck_assert_str_eq(database_rows(&new, "ii"), "3 100000002 / "); /* behind theirs */
    ck_assert_str_eq(waiting(0, INT64_MAX, 2, 10),
                     "1 7 2 100 200 waiting - 1795367792123 1795367792123 old old trace - 2 / "
                     "2 7 2 100 200 waiting - 1795367792123 1795367792123 old old trace - 2 / ");
    struct pg_call read = ids_call(&SQL_OUTBOX_READ, IDS, 3);
    ck_assert_str_eq(database_rows(&read, "itttttt"),
                     "1 order.created m old trace - {} / 2 order.created m old trace - {} / ");
    database_close();
}
END_TEST

/* ALTER TABLE … TYPE under a running service. */
START_TEST(columns_of_other_types_are_read_as_before) {
    static const int64_t NEW[] = { 9 };
    static const char ROW[] = "1 7 2 1990 3980 waiting - 1795367792124 1795367792124 text / ";
    struct pg_call get = ids_call(&SQL_ORDER_GET, IDS, 1);
    ck_assert_str_eq(insert(IDS, NULL, 3, AT_MS), "1 / 2 / 3 / ");
    ck_assert_str_eq(database_rows(&get, "iiiiittTTt"), ROW);
    database_check_types(ORDER_STATEMENTS, OUTBOX_STATEMENTS);
    ck_assert_str_eq(database_rows(&get, "iiiiittTTt"), ROW);
    ck_assert_str_eq(insert(NEW, NULL, 1, AT_MS), "9 / ");
}
END_TEST

/* The script names them: one that is not there would stop the service from starting. */
START_TEST(sequences_behind_their_tables_are_moved) {
    database_close();
    database_execute(OLD_ORDER("70"));
    database_connect(ORDER_STATEMENTS, OUTBOX_STATEMENTS, ORDER_MIGRATIONS, ORDER_SEQUENCES);
    static const int64_t NEW[] = { 9 };
    struct pg_call new = insert_of(NEW, NULL, 1, AT_MS);
    ck_assert_str_eq(database_rows(&new, "ii"), "9 171 / ");
}
END_TEST

/* After a restore of the product database; the outbox's rows are the events. */
START_TEST(what_was_decided_since_is_told_again) {
    static const char TELL[] = "SELECT tell_again('2026-11-22T17:20:00Z')";
    insert(IDS, NULL, 3, AT_MS);
    insert(IDS, NULL, 3, AT_MS);
    database_execute("UPDATE orders SET status = 'done', updated_at = '2026-11-22T17:19:30Z'"
                     " WHERE id IN (1, 3);"
                     "UPDATE orders SET status = 'done', updated_at = '2026-11-22T17:18:30Z'"
                     " WHERE id = 2;"
                     "UPDATE orders SET status = 'rejected', reason = 'out_of_stock',"
                     " updated_at = now() WHERE id = 4;"
                     "INSERT INTO cancellations SELECT id, created_at, product_id, quantity,"
                     " now(), now(), 4, now() + interval '1 hour', request_id, traceparent"
                     " FROM orders WHERE id = 5;"
                     "INSERT INTO cancellations SELECT id, created_at, product_id, quantity,"
                     " now(), '2026-11-22T17:18:00Z', 4, now() + interval '1 hour', request_id,"
                     " traceparent FROM orders WHERE id = 6");
    PGconn *other = database_other();
    ck_assert_str_eq(database_ask(other, TELL), "2 orders and 1 cancellations are told again / ");
    ck_assert_str_eq(database_ask(other, TELL), "0 orders and 0 cancellations are told again / ");
    struct pg_call read = { .statement = &SQL_OUTBOX_READ, .param_count = 1 };
    read.params[0] = pg_int8_array(&arena, (const int64_t[]){ 1 }, 1);
    ck_assert_str_eq(database_rows(&read, "itttttt"),
                     "1 order.created order.created-1-1795367792124 text text a=1 "
                     "{\"orderId\":1,\"productId\":7,\"quantity\":2,\"status\":\"waiting\","
                     "\"createdAt\":\"2026-11-22T17:16:32.124Z\"} / ");
    struct pg_call due = { .statement = &SQL_CANCELLATION_DUE, .param_count = 2 };
    due.params[0] = pg_int8(10);
    due.params[1] = pg_int8(1000);
    ck_assert_str_eq(database_rows(&due, "i"), "5 / ");
    ck_assert_str_eq(database_ask(other, "SELECT count(*) FROM orders WHERE status = 'done'"),
                     "3 / "); /* nothing else has changed */
    PQfinish(other);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order_statements");
    TCase *alone = tcase_create("prepare"), *together = tcase_create("run");
    tcase_set_timeout(alone, 60);
    tcase_set_timeout(together, 120);
    tcase_add_checked_fixture(together, setup, database_close);
    tcase_add_loop_test(alone, each_statement_can_be_prepared, 0,
                        database_statement_count(ORDER_STATEMENTS) +
                            database_statement_count(OUTBOX_STATEMENTS));
    tcase_add_test(alone, a_database_of_the_version_before_is_taken_over);
    tcase_add_test(alone, keys_are_read_while_their_index_is_built);
    tcase_add_test(alone, the_index_of_keys_may_be_there_before_the_migration);
    tcase_add_test(together, an_order_row_has_the_columns_that_are_counted);
    tcase_add_test(together, orders_are_stored_with_ids_in_their_order);
    tcase_add_test(together, a_look_is_safe_when_no_older_transaction_is_under_way);
    tcase_add_test(together, a_release_gives_up_its_own_claim_only);
    tcase_add_test(together, a_key_stands_for_one_order);
    tcase_add_test(together, keys_end_after_24_hours);
    tcase_add_test(together, a_key_of_exactly_24_hours_has_not_ended);
    tcase_add_test(together, replicas_share_the_keys_that_have_ended);
    tcase_add_test(together, expired_keys_go_in_full_chunks);
    tcase_add_test(together, an_outcome_of_another_order_with_this_id_moves_nothing);
    tcase_add_test(together, the_status_moves_forward_once);
    tcase_add_test(together, an_order_that_ends_stays_in_its_page);
    tcase_add_test(together, orders_that_are_locked_are_named);
    tcase_add_test(together, pages_are_newest_first);
    tcase_add_test(together, waiting_orders_are_found_and_how_far_was_looked);
    tcase_add_test(together, a_slice_is_counted);
    tcase_add_test(together, a_bad_order_is_refused_with_all_its_rows);
    tcase_add_test(together, columns_of_other_types_are_read_as_before);
    tcase_add_test(together, sequences_behind_their_tables_are_moved);
    tcase_add_test(together, what_was_decided_since_is_told_again);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, together);
    return database_main(suite);
}
