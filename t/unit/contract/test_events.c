/* services/contract: what goes out comes in again, and nothing malformed does. */
#include "contract/contract.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { BODY_BYTES = 1024 };

#define CREATED_MS INT64_C(1795367792123)
#define UPDATED_MS INT64_C(1795367799999)

static struct arena arena;
static char body[BODY_BYTES * 4];

static void setup(void) {
    arena_init(&arena, 1 << 20);
}

static void teardown(void) {
    arena_done(&arena);
}

static const char *text_of(struct buf *out) {
    ck_assert(!out->failed);
    ck_assert_uint_lt(buf_length(out), sizeof(body));
    memcpy(body, buf_bytes(out), buf_length(out));
    body[buf_length(out)] = '\0';
    buf_free(out);
    return body;
}

/* ---- the exact bytes, and back ---- */

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define ENVELOPE(id, service, type, subject, time)                                                 \
    "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/" service "\",\"type\":\"" type      \
    "\",\"subject\":\"" subject "\",\"time\":\"" time                                              \
    "\",\"datacontenttype\":\"application/json\","                                                 \
    "\"dataschema\":\"/asyncapi.json#/components/schemas/" type "\","

/* The only event of the text in `body`. */
static const struct event *event_in_body(void) {
    struct broker_message message = {
        .message_id = "", .trace = { "", "", "" }, .body = body, .body_length = strlen(body)
    };
    struct event *events;
    size_t count;
    const char *why;
    ck_assert_int_eq(event_read(&arena, &message, &events, &count, &why), ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_null(events[0].why);
    return events;
}

START_TEST(order_created_round_trip) {
    struct order_created created = { 7, 3, 1000000, CREATED_MS, { "r-1", PARENT, "a=1" } }, read;
    const char *why = NULL;
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf out;
    buf_init(&out, 0);
    contract_write_order_created(&created, id, &out);
    ck_assert_str_eq(id, "order.created-7-1795367792123");
    ck_assert_str_eq(
        text_of(&out),
        ENVELOPE(
            "order.created-7-1795367792123", "order-service", "order.created", "orders/7",
            "2026-11-22T17:16:32.123Z") "\"traceparent\":\"" PARENT
                                        "\",\"tracestate\":\"a=1\",\"requestid\":\"r-1\",\"data\":"
                                        "{\"orderId\":7,\"productId\":3,\"quantity\":1000000,"
                                        "\"status\":\"waiting\","
                                        "\"createdAt\":\"2026-11-22T17:16:32.123Z\"}}");
    const struct event *event = event_in_body();
    ck_assert_str_eq(event->type, KEY_ORDER_CREATED);
    ck_assert_int_eq(contract_read_order_created(&arena, event, &read, &why), ERR_OK);
    ck_assert_int_eq(read.order_id, 7);
    ck_assert_int_eq(read.product_id, 3);
    ck_assert_int_eq(read.quantity, 1000000);
    ck_assert_int_eq(read.created_ms, CREATED_MS);
    ck_assert_str_eq(read.trace.request_id, "r-1");
    ck_assert_str_eq(read.trace.parent, PARENT);
    ck_assert_str_eq(read.trace.state, "a=1");
}
END_TEST

START_TEST(order_cancelled_round_trip) {
    struct order_cancelled cancelled = { .order_id = INT64_MAX,
                                         .product_id = 3,
                                         .quantity = 1000000,
                                         .created_ms = CREATED_MS,
                                         .cancelled_ms = UPDATED_MS,
                                         .trace = { "r-1", PARENT, "a=1" } };
    struct order_cancelled read;
    const char *why = NULL;
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf out;
    buf_init(&out, 0);
    contract_write_order_cancelled(&cancelled, id, &out);
    ck_assert_str_eq(id, "order.cancelled-9223372036854775807-1795367792123");
    ck_assert_str_eq(
        text_of(&out),
        ENVELOPE("order.cancelled-9223372036854775807-1795367792123", "order-service",
                 "order.cancelled", "orders/9223372036854775807",
                 "2026-11-22T17:16:39.999Z") "\"traceparent\":\"" PARENT
                                             "\",\"tracestate\":\"a=1\",\"requestid\":\"r-1\","
                                             "\"data\":{\"orderId\":9223372036854775807,"
                                             "\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                                             "\"productId\":3,\"quantity\":1000000,"
                                             "\"cancelledAt\":\"2026-11-22T17:16:39.999Z\"}}");
    ck_assert_int_eq(contract_read_order_cancelled(&arena, event_in_body(), &read, &why), ERR_OK);
    ck_assert_int_eq(read.order_id, INT64_MAX);
    ck_assert_int_eq(read.product_id, 3);
    ck_assert_int_eq(read.quantity, 1000000);
    ck_assert_int_eq(read.created_ms, CREATED_MS);
    ck_assert_int_eq(read.cancelled_ms, UPDATED_MS);
    ck_assert_str_eq(read.trace.request_id, "r-1");
    ck_assert_str_eq(read.trace.parent, PARENT);
    ck_assert_str_eq(read.trace.state, "a=1");
}
END_TEST

/* An order may be done first: that its stock is back is another event, which has another id. */
START_TEST(order_updated_round_trip) {
    static const struct {
        enum order_status status;
        enum order_reason reason;
        const char *id, *members;
    } OUTCOMES[] = {
        { ORDER_DONE, REASON_NONE, "order.updated", "\"status\":\"done\",\"reason\":null," },
        { ORDER_REJECTED, REASON_OUT_OF_STOCK, "order.updated",
          "\"status\":\"rejected\",\"reason\":\"out_of_stock\"," },
        { ORDER_REJECTED, REASON_PRODUCT_NOT_FOUND, "order.updated",
          "\"status\":\"rejected\",\"reason\":\"product_not_found\"," },
        { ORDER_CANCELLED, REASON_NONE, "order.updated-cancelled",
          "\"status\":\"cancelled\",\"reason\":null," },
    };
    struct order_updated updated = { .order_id = INT64_MAX,
                                     .created_ms = CREATED_MS,
                                     .product_id = 3,
                                     .quantity = 2,
                                     .status = OUTCOMES[_i].status,
                                     .reason = OUTCOMES[_i].reason,
                                     .updated_ms = UPDATED_MS,
                                     .trace = { "r \"1\"", "", "" } };
    struct order_updated read;
    const char *why = NULL;
    char wanted[BODY_BYTES], id[EVENT_ID_BYTES_MAX + 1];
    struct buf out;
    buf_init(&out, 0);
    contract_write_order_updated(&updated, id, &out);
    snprintf(wanted, sizeof(wanted),
             ENVELOPE("%s-9223372036854775807-1795367792123", "product-service", "order.updated",
                      "orders/9223372036854775807",
                      "2026-11-22T17:16:39.999Z") "\"requestid\":\"r \\\"1\\\"\",\"data\":"
                                                  "{\"orderId\":9223372036854775807,\"createdAt\":"
                                                  "\"2026-11-22T17:16:32.123Z\","
                                                  "\"productId\":3,\"quantity\":2,%s\"updatedAt\":"
                                                  "\"2026-11-22T17:16:39.999Z\"}}",
             OUTCOMES[_i].id, OUTCOMES[_i].members);
    ck_assert_str_eq(text_of(&out), wanted);
    ck_assert_int_eq(contract_read_order_updated(&arena, event_in_body(), &read, &why), ERR_OK);
    ck_assert_int_eq(read.order_id, INT64_MAX);
    ck_assert_int_eq(read.created_ms, CREATED_MS);
    ck_assert_int_eq(read.product_id, 3);
    ck_assert_int_eq(read.quantity, 2);
    ck_assert_int_eq(read.status, OUTCOMES[_i].status);
    ck_assert_int_eq(read.reason, OUTCOMES[_i].reason);
    ck_assert_int_eq(read.updated_ms, UPDATED_MS);
    ck_assert_str_eq(read.trace.request_id, "r \"1\"");
}
END_TEST

static const struct {
    int64_t cents;
    const char *text;
} PRICES[] = {
    { 0, "0.00" },
    { 1, "0.01" },
    { 10, "0.10" },
    { 99, "0.99" },
    { 1990, "19.90" },
    { 29999999, "299999.99" },
    { PRICE_CENTS_MAX, "9999999999.99" },
};

START_TEST(product_round_trip_with_exact_money) {
    struct told_product product = {
        5, STR("Caf\xC3\xA9 \"x\"\n"), PRICES[_i].cents, STOCK_QTY_MAX, 12, CREATED_MS, UPDATED_MS
    };
    struct told_product read;
    const char *why = NULL;
    char wanted[BODY_BYTES], id[EVENT_ID_BYTES_MAX + 1];
    struct buf out;
    buf_init(&out, 0);
    contract_write_product_event(KEY_PRODUCT_UPDATED, &product, (struct trace){ "r", "", "" }, id,
                                 &out);
    snprintf(
        wanted, sizeof(wanted),
        ENVELOPE(
            "product.updated-5-v12-1795367799999", "product-service", "product.updated",
            "products/5",
            "2026-11-22T17:16:39.999Z") "\"requestid\":\"r\",\"data\":"
                                        "{\"id\":5,\"name\":\"Caf\xC3\xA9 "
                                        "\\\"x\\\"\\n\",\"price\":%s,\"qty\":2147483647,"
                                        "\"version\":12,\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                                        "\"updatedAt\":\"2026-11-22T17:16:39.999Z\"}}",
        PRICES[_i].text);
    ck_assert_str_eq(text_of(&out), wanted);
    ck_assert_int_eq(contract_read_product(&arena, event_in_body()->data, &read, &why), ERR_OK);
    ck_assert_int_eq(read.id, 5);
    ck_assert(str_equal(read.name, product.name));
    ck_assert_int_eq(read.price_cents, PRICES[_i].cents);
    ck_assert_int_eq(read.qty, STOCK_QTY_MAX);
    ck_assert_int_eq(read.version, 12);
    ck_assert_int_eq(read.created_ms, CREATED_MS);
    ck_assert_int_eq(read.updated_ms, UPDATED_MS);
}
END_TEST

START_TEST(the_cached_copy_is_the_data_of_the_event) {
    struct told_product product = { 5, STR("x"), 100, 3, 12, CREATED_MS, UPDATED_MS }, read;
    const char *why = NULL;
    struct buf out;
    buf_init(&out, 0);
    contract_write_product(&product, &out);
    ck_assert_str_eq(text_of(&out),
                     "{\"id\":5,\"name\":\"x\",\"price\":1.00,\"qty\":3,\"version\":12,"
                     "\"createdAt\":\"2026-11-22T17:16:32.123Z\","
                     "\"updatedAt\":\"2026-11-22T17:16:39.999Z\"}");
    ck_assert_int_eq(contract_read_product(&arena, str_of(body), &read, &why), ERR_OK);
    ck_assert_int_eq(read.version, 12);
}
END_TEST

/* ---- malformed ones: a good event with one member replaced or left out ---- */

struct member {
    const char *name, *good;
    const char *bad[10]; /* values that are refused; NULL ends the list */
    bool optional;
};

#define NOT_A_TIME                                                                                 \
    {                                                                                              \
        "1", "null", "\"\"", "\"yesterday\"", "\"2026-02-30T00:00:00Z\"", "\"2026-11-22\"",        \
            "\"2026-11-22T17:16:32+24:00\"", "{}", NULL                                            \
    }
#define NOT_AN_ID                                                                                  \
    { "0", "-1", "1.5", "\"1\"", "null", "true", "[]", "9223372036854775808", "1e400", NULL }

static const struct member CREATED[] = {
    { "orderId", "7", NOT_AN_ID, false },
    { "productId", "3", NOT_AN_ID, false },
    { "quantity", "2", { "0", "-1", "1000001", "1.5", "\"2\"", "null", "{}", NULL }, false },
    { "createdAt", "\"2026-11-22T17:16:32+01:00\"", NOT_A_TIME, false },
    { "status", "\"waiting\"", { "\"done\"", "\"rejected\"", "\"\"", "1", "{}", NULL }, true },
    { "requestId", "\"r\"", { "1", "{}", "[\"r\"]", "\"r\\u0000s\"", NULL }, true },
};

static const struct member OUTCOME[] = {
    { "orderId", "7", NOT_AN_ID, false },
    { "createdAt", "\"2026-11-22T17:16:32Z\"", NOT_A_TIME, true },
    { "productId", "3", NOT_AN_ID, false },
    { "quantity", "2", { "0", "1000001", "\"2\"", "null", NULL }, true },
    { "status", "\"rejected\"", { "\"waiting\"", "\"DONE\"", "\"\"", "null", "1", NULL }, false },
    { "reason", "\"out_of_stock\"", { "\"because\"", "\"\"", "1", "{}", NULL }, true },
    { "updatedAt", "\"2026-11-22T17:16:32Z\"", NOT_A_TIME, false },
    { "requestId", "\"r\"", { "1", "{}", "\"r\\u0000s\"", NULL }, true },
};

static const struct member CANCELLED[] = {
    { "orderId", "7", NOT_AN_ID, false },
    { "createdAt", "\"2026-11-22T17:16:32Z\"", NOT_A_TIME, false },
    { "productId", "3", NOT_AN_ID, false },
    { "quantity", "2", { "0", "-1", "1000001", "1.5", "\"2\"", "null", "{}", NULL }, false },
    { "cancelledAt", "\"2026-11-22T17:16:33Z\"", NOT_A_TIME, false },
    { "requestId", "\"r\"", { "1", "{}", "\"r\\u0000s\"", NULL }, true },
};

static const struct member PRODUCT[] = {
    { "id", "7", NOT_AN_ID, false },
    { "name", "\"x\"", { "1", "null", "{}", NULL }, false },
    { "price", "1.25", { "-0.01", "10000000000", "1.255", "\"1.25\"", "null", "[]", NULL }, false },
    { "qty", "3", { "-1", "2147483648", "0.5", "\"3\"", "null", NULL }, false },
    { "version", "2", { "0", "-1", "1.5", "\"2\"", "{}", NULL }, true },
    { "createdAt", "\"2026-11-22T17:16:32Z\"", NOT_A_TIME, false },
    { "updatedAt", "\"2026-11-22T17:16:32Z\"", NOT_A_TIME, false },
};

static const struct {
    const char *name;
    const struct member *members;
    size_t count;
} KINDS[] = {
    { "order.created", CREATED, UNIT_COUNT(CREATED) },
    { "order.updated", OUTCOME, UNIT_COUNT(OUTCOME) },
    { "product", PRODUCT, UNIT_COUNT(PRODUCT) },
    { "order.cancelled", CANCELLED, UNIT_COUNT(CANCELLED) },
};

/* The event in `body`, member `which` being `value` (NULL: left out). */
static void compose(int kind, size_t which, const char *value, const char *more) {
    size_t length = 0;
    const char *comma = "";
    body[length++] = '{';
    for (size_t i = 0; i < KINDS[kind].count; i++) {
        const struct member *member = &KINDS[kind].members[i];
        const char *text = i == which ? value : member->good;
        if (text != NULL) {
            length += (size_t)snprintf(body + length, sizeof(body) - length, "%s\"%s\":%s", comma,
                                       member->name, text);
            comma = ",";
        }
    }
    snprintf(body + length, sizeof(body) - length, "%s}", more);
}

static enum err decode(int kind, const char *text, const char **ret_why) {
    union {
        struct order_created created;
        struct order_updated updated;
        struct order_cancelled cancelled;
        struct told_product product;
    } read, untouched;
    memset(&read, 0x5A, sizeof(read));
    memset(&untouched, 0x5A, sizeof(untouched));
    struct event bare = { .id = "", .trace = { "", "", "" }, .data = str_of(text) };
    *ret_why = NULL;
    enum err err = kind == 0   ? contract_read_order_created(&arena, &bare, &read.created, ret_why)
                   : kind == 1 ? contract_read_order_updated(&arena, &bare, &read.updated, ret_why)
                   : kind == 2
                       ? contract_read_product(&arena, bare.data, &read.product, ret_why)
                       : contract_read_order_cancelled(&arena, &bare, &read.cancelled, ret_why);
    if (err != ERR_OK) { /* outputs are written on success only */
        ck_assert_int_eq(memcmp(&read, &untouched, sizeof(read)), 0);
        ck_assert_ptr_nonnull(*ret_why);
    }
    return err;
}

START_TEST(each_member_is_checked) {
    const char *why;
    compose(_i, SIZE_MAX, NULL, "");
    ck_assert_msg(decode(_i, body, &why) == ERR_OK, "%s: %s", body, why);
    for (size_t m = 0; m < KINDS[_i].count; m++) {
        const struct member *member = &KINDS[_i].members[m];
        for (size_t b = 0; member->bad[b] != NULL; b++) {
            compose(_i, m, member->bad[b], "");
            ck_assert_msg(decode(_i, body, &why) == ERR_INVALID, "%s is taken", body);
            ck_assert_msg(strstr(why, member->name) != NULL || strcmp(member->name, "status") == 0,
                          "%s: \"%s\" does not name the member", body, why);
        }
        compose(_i, m, NULL, "");
        ck_assert_msg((decode(_i, body, &why) == ERR_OK) == member->optional, "%s", body);
    }
}
END_TEST

START_TEST(unknown_members_are_ignored) {
    const char *why;
    compose(_i, SIZE_MAX, NULL, ",\"colour\":{\"orderId\":\"x\"},\"status2\":[1,2]");
    ck_assert_msg(decode(_i, body, &why) == ERR_OK, "%s: %s", body, why);
}
END_TEST

static const char *const NO_OBJECTS[] = {
    "", "{", "[]", "null", "1", "\"x\"", "{}x", "{,}", "\xFF"
};

START_TEST(what_is_no_object_is_refused) {
    for (int kind = 0; kind < (int)UNIT_COUNT(KINDS); kind++) {
        const char *why;
        ck_assert_int_eq(decode(kind, NO_OBJECTS[_i], &why), ERR_INVALID);
        ck_assert_str_eq(why, "the data is not a JSON object");
    }
}
END_TEST

START_TEST(request_ids_have_a_limit) {
    char value[TRACE_REQUEST_ID_BYTES_MAX + 8];
    const char *why;
    static const int OF_ORDERS[] = { 0, 1, 3 };
    for (size_t k = 0; k < UNIT_COUNT(OF_ORDERS); k++) {
        int kind = OF_ORDERS[k];
        for (int over = 0; over <= 1; over++) {
            memset(value, 'r', sizeof(value));
            value[0] = value[TRACE_REQUEST_ID_BYTES_MAX + 1 + over] = '"';
            value[TRACE_REQUEST_ID_BYTES_MAX + 2 + over] = '\0';
            compose(kind, KINDS[kind].count - 1, value, "");
            ck_assert_int_eq(decode(kind, body, &why), over == 0 ? ERR_OK : ERR_INVALID);
        }
    }
}
END_TEST

/* The event's own id counts, else that of bare data. */
START_TEST(the_request_id_is_the_events) {
    static const struct {
        const char *type, *own, *read;
    } CASES[] = { { "order.created", "own", "own" },
                  { "order.created", "", "r" },
                  { NULL, "correlation", "r" } };
    struct order_created read;
    const char *why;
    compose(0, SIZE_MAX, NULL, "");
    struct event event = { .type = CASES[_i].type,
                           .id = "",
                           .trace = { CASES[_i].own, PARENT, "" },
                           .data = str_of(body) };
    ck_assert_int_eq(contract_read_order_created(&arena, &event, &read, &why), ERR_OK);
    ck_assert_str_eq(read.trace.request_id, CASES[_i].read);
    compose(0, KINDS[0].count - 1, NULL, ""); /* without the member */
    event.data = str_of(body);
    ck_assert_int_eq(contract_read_order_created(&arena, &event, &read, &why), ERR_OK);
    ck_assert_str_eq(read.trace.request_id, CASES[_i].own);
    ck_assert_str_eq(read.trace.parent, PARENT);
}
END_TEST

START_TEST(without_memory_an_event_is_not_called_wrong) {
    struct order_updated read;
    const char *why;
    compose(1, SIZE_MAX, NULL, "");
    struct event event = { .id = "", .trace = { "", "", "" }, .data = str_of(body) };
    arena_done(&arena);
    arena_init(&arena, 16);
    ck_assert_int_eq(contract_read_order_updated(&arena, &event, &read, &why), ERR_NO_MEMORY);
}
END_TEST

START_TEST(an_integer_may_be_written_with_a_zero_fraction) {
    const char *why;
    compose(0, 2, "2.0", "");
    ck_assert_int_eq(decode(0, body, &why), ERR_OK);
}
END_TEST

START_TEST(the_version_of_an_answer_is_not_known) {
    struct told_product read;
    const char *why;
    compose(2, 4, NULL, "");
    ck_assert_int_eq(contract_read_product(&arena, str_of(body), &read, &why), ERR_OK);
    ck_assert_int_eq(read.version, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("events");
    TCase *tcase = tcase_create("events");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, order_created_round_trip);
    tcase_add_test(tcase, order_cancelled_round_trip);
    tcase_add_loop_test(tcase, order_updated_round_trip, 0, 4);
    tcase_add_loop_test(tcase, product_round_trip_with_exact_money, 0, (int)UNIT_COUNT(PRICES));
    tcase_add_test(tcase, the_cached_copy_is_the_data_of_the_event);
    tcase_add_loop_test(tcase, each_member_is_checked, 0, (int)UNIT_COUNT(KINDS));
    tcase_add_loop_test(tcase, unknown_members_are_ignored, 0, (int)UNIT_COUNT(KINDS));
    tcase_add_loop_test(tcase, what_is_no_object_is_refused, 0, (int)UNIT_COUNT(NO_OBJECTS));
    tcase_add_test(tcase, request_ids_have_a_limit);
    tcase_add_loop_test(tcase, the_request_id_is_the_events, 0, 3);
    tcase_add_test(tcase, without_memory_an_event_is_not_called_wrong);
    tcase_add_test(tcase, an_integer_may_be_written_with_a_zero_fraction);
    tcase_add_test(tcase, the_version_of_an_answer_is_not_known);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
