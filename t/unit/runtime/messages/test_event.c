/* runtime/messages/event: what is written can be read, and every form that others may send. */
#include "runtime/messages/event.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
/* The attributes that every event has. */
#define OF(id) "\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/s\",\"type\":\"t\""

static struct arena arena;
static struct event *events;
static size_t count;
static const char *why;

static void setup(void) {
    arena_init(&arena, 8 << 20);
    events = NULL;
    count = 0;
    why = NULL;
}

static void teardown(void) {
    arena_done(&arena);
}

static enum err read_message(const char *body, const char *event_type) {
    struct broker_message message = { .routing_key = "key",
                                      .message_id = "message",
                                      .event_type = event_type,
                                      .trace = { "correlation", PARENT, "" },
                                      .body = body,
                                      .body_length = strlen(body) };
    return event_read(&arena, &message, &events, &count, &why);
}

static void expect(const struct event *event, const char *id, const char *data) {
    ck_assert_ptr_null(event->why);
    ck_assert_str_eq(event->id, id);
    ck_assert(str_equal(event->data, str_of(data)));
}

/* ---- out ---- */

static void write_event(struct buf *out, const char *state, const char *subject) {
    struct event_head head = { .type = "order.created",
                               .source = "/order-service",
                               .subject = subject,
                               .id = "order.created-7-1",
                               .time_ms = 1795367792123,
                               .trace = { "request", PARENT, state } };
    struct json_writer writer;
    event_begin(&writer, out, &head);
    json_write_begin_object(&writer, "data");
    json_write_int(&writer, "n", 1);
    json_write_end_object(&writer);
    json_write_end_object(&writer);
}

START_TEST(what_is_written_has_every_attribute) {
    struct buf out;
    buf_init(&out, 0);
    write_event(&out, "a=1", "orders/7");
    buf_append_char(&out, '\0');
    ck_assert_str_eq(
        buf_bytes(&out),
        "{\"specversion\":\"1.0\",\"id\":\"order.created-7-1\",\"source\":\"/order-service\","
        "\"type\":\"order.created\",\"subject\":\"orders/7\",\"time\":\"2026-11-22T17:16:32.123Z\","
        "\"datacontenttype\":\"application/json\","
        "\"dataschema\":\"/asyncapi.json#/components/schemas/order.created\","
        "\"traceparent\":\"" PARENT "\",\"tracestate\":\"a=1\",\"requestid\":\"request\","
        "\"data\":{\"n\":1}}");
    buf_free(&out);
}
END_TEST

START_TEST(what_is_written_is_read) {
    struct buf event, batch;
    buf_init(&event, 0);
    buf_init(&batch, 0);
    write_event(&event, "a=1", NULL);
    struct str text = { buf_bytes(&event), buf_length(&event) };
    for (int i = 0; i < 20; i++) {
        size_t expected = event_batch_bytes(buf_length(&batch), text.len);
        event_batch_add(&batch, text);
        ck_assert_uint_eq(buf_length(&batch) + 1, expected);
    }
    event_batch_end(&batch);
    buf_append_char(&batch, '\0');
    ck_assert_int_eq(read_message(buf_bytes(&batch), NULL), ERR_OK);
    ck_assert_uint_eq(count, 20);
    for (size_t i = 0; i < count; i++) {
        expect(&events[i], "order.created-7-1", "{\"n\":1}");
        ck_assert(str_equal(events[i].whole, text));
        ck_assert_str_eq(events[i].type, "order.created");
        ck_assert_str_eq(events[i].trace.request_id, "request");
        ck_assert_str_eq(events[i].trace.parent, PARENT);
        ck_assert_str_eq(events[i].trace.state, "a=1");
    }
    buf_free(&event);
    buf_free(&batch);
}
END_TEST

START_TEST(bare_is_data_with_request_id_and_timestamp) {
    struct buf event, bare;
    buf_init(&event, 0);
    buf_init(&bare, 0);
    write_event(&event, "", "orders/7");
    struct str text = { buf_bytes(&event), buf_length(&event) };
    ck_assert_int_eq(event_write_bare(&arena, text, 1795367792123, &bare), ERR_OK);
    buf_append_char(&bare, '\0');
    ck_assert_str_eq(
        buf_bytes(&bare),
        "{\"n\":1,\"requestId\":\"request\",\"timestamp\":\"2026-11-22T17:16:32.123Z\"}");
    ck_assert_int_eq(event_write_bare(&arena, STR("{\"n\":1}"), 0, &bare), ERR_INVALID);
    ck_assert_int_eq(event_write_bare(&arena, STR("{" OF("7") "}"), 0, &bare), ERR_INVALID);
    buf_free(&event);
    buf_free(&bare);
}
END_TEST

/* A row of the outbox that a version before has left: each member once. */
START_TEST(bare_is_data_of_a_version_before_as_it_is) {
    static const char DATA[] = "{\"n\":\"\\\"timestamp\\\":\",\"requestId\":\"r\","
                               "\"timestamp\":\"2026-11-22T17:16:32.123Z\"}";
    struct buf event, bare;
    buf_init(&event, 0);
    buf_init(&bare, 0);
    buf_appendf(&event, "{%s,\"data\":%s}", OF("7"), DATA);
    struct str text = { buf_bytes(&event), buf_length(&event) };
    ck_assert_int_eq(event_write_bare(&arena, text, 0, &bare), ERR_OK);
    buf_append_char(&bare, '\0');
    ck_assert_str_eq(buf_bytes(&bare), DATA);
    buf_free(&event);
    buf_free(&bare);
}
END_TEST

/* ---- in: the forms ---- */

START_TEST(a_lone_structured_event_is_a_batch_of_one) {
    ck_assert_int_eq(read_message(" {" OF("7") ",\"data\":[1, 2]} ", NULL), ERR_OK);
    ck_assert_uint_eq(count, 1);
    expect(&events[0], "7", "[1, 2]");
    ck_assert_str_eq(events[0].type, "t");
    ck_assert_str_eq(events[0].trace.request_id, ""); /* its own: none */
    ck_assert(str_equal(events[0].whole, STR("{" OF("7") ",\"data\":[1, 2]}")));
}
END_TEST

/* Malformed or not: that is found when it is read as what its queue is for. */
static const char *const BARE[] = { "{\"n\":1}", "{}", "7", "", "{\"n\":", "\xff", "{} {}" };

START_TEST(anything_else_is_bare_data) {
    ck_assert_int_eq(read_message(BARE[_i], NULL), ERR_OK);
    ck_assert_uint_eq(count, 1);
    expect(&events[0], "message", BARE[_i]);
    ck_assert_ptr_null(events[0].type);
    ck_assert_str_eq(events[0].trace.request_id, "correlation");
    ck_assert_str_eq(events[0].trace.parent, PARENT);
    ck_assert_ptr_eq(events[0].whole.data, BARE[_i]);
}
END_TEST

START_TEST(in_binary_mode_the_body_is_the_data_whatever_it_looks_like) {
    static const char *const BODIES[] = { "{\"n\":1}", "[1]", "{" OF("7") ",\"data\":1}" };
    for (size_t i = 0; i < UNIT_COUNT(BODIES); i++) {
        ck_assert_int_eq(read_message(BODIES[i], "t"), ERR_OK);
        ck_assert_uint_eq(count, 1);
        expect(&events[0], "message", BODIES[i]);
        ck_assert_str_eq(events[0].type, "t");
    }
}
END_TEST

START_TEST(attributes_come_in_any_order_with_others_among_them) {
    const char *body =
        "[ {\"data\":{\"specversion\":2,\"id\":[{}]},\"x\":{\"id\":\"no\"},\"type\":\"t\","
        "\"requestid\":\"r\\u00e9\",\"tracestate\":\"a=1\",\"source\":\"/s\",\"y\":[1],"
        "\"id\":\"7\",\"data_x\":null,\"specversion\":\"1.0\",\"traceparent\":\"bad\"} ]";
    ck_assert_int_eq(read_message(body, NULL), ERR_OK);
    ck_assert_uint_eq(count, 1);
    expect(&events[0], "7", "{\"specversion\":2,\"id\":[{}]}");
    ck_assert_str_eq(events[0].trace.request_id, "r\xc3\xa9");
    ck_assert_str_eq(events[0].trace.parent, ""); /* malformed is absent, and so is its state */
    ck_assert_str_eq(events[0].trace.state, "");
}
END_TEST

/* ---- in: what is wrong with one event ---- */

#define ID128                                                                                      \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"             \
    "0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    const char *event;
    const char *why; /* NULL: it is taken */
} EVENTS[] = {
    { "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":1}", "specversion is missing" },
    { "{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\",\"data\":1}", "id is missing" },
    { "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\",\"data\":1}", "source is missing" },
    { "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"data\":1}", "type is missing" },
    { "{" OF("1") "}", "data is missing" },
    { "{" OF("1") ",\"data_base64\":\"e30=\"}", "data is missing" },
    { "{" OF("1") ",\"data\":null}", NULL }, /* what it is for decides */
    { "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":1}",
      "specversion is not \"1.0\"" },
    { "{\"specversion\":1.0,\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":1}",
      "specversion is not \"1.0\"" },
    { "{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\",\"type\":\"t\",\"data\":1}",
      "id is not a string" },
    { "{" OF("") ",\"data\":1}", "id is empty" },
    { "{" OF("1\\u0000") ",\"data\":1}", "id is not a string" },
    { "{" OF(ID128) ",\"data\":1}", NULL },
    { "{" OF(ID128 "x") ",\"data\":1}", "id is longer than 128 bytes" },
    { "{" OF("1") ",\"requestid\":\"" ID128 "\",\"data\":1}", NULL },
    { "{" OF("1") ",\"requestid\":\"" ID128 "x\",\"data\":1}",
      "requestid is longer than 128 bytes" },
    { "{" OF("1") ",\"requestid\":7,\"data\":1}", "requestid is not a string" },
    { "{" OF("1") ",\"requestid\":null,\"data\":1}", NULL },
    { "{" OF("1") ",\"id\":\"2\",\"data\":1}", "an attribute occurs twice" },
    { "{" OF("1") ",\"data\":1,\"data\":2}", "an attribute occurs twice" },
    { "7", "an event is no object" },
    { "null", "an event is no object" },
    { "[{}]", "an event is no object" },
};

START_TEST(a_wrong_event_says_why_and_its_neighbours_are_read) {
    char body[1024];
    snprintf(body, sizeof(body), "[{" OF("before") ",\"data\":1},%s,{" OF("after") ",\"data\":2}]",
             EVENTS[_i].event);
    ck_assert_int_eq(read_message(body, NULL), ERR_OK);
    ck_assert_uint_eq(count, 3);
    expect(&events[0], "before", "1");
    expect(&events[2], "after", "2");
    ck_assert(str_equal(events[1].whole, str_of(EVENTS[_i].event)));
    if (EVENTS[_i].why == NULL) {
        ck_assert_ptr_null(events[1].why);
    } else {
        ck_assert_ptr_nonnull(events[1].why);
        ck_assert_str_eq(events[1].why, EVENTS[_i].why);
    }
    ck_assert_ptr_nonnull(events[1].id);
    ck_assert_ptr_nonnull(events[1].trace.request_id);
}
END_TEST

/* ---- in: what is wrong with the whole ---- */

static const char *const BROKEN[] = { "[",    "[{]", "[{}", "[{},]", "[] x", "[{\"a\":\"\xff\"}]",
                                      "[1 2]" };

START_TEST(a_batch_that_is_no_json_cannot_be_read) {
    ck_assert_int_eq(read_message(BROKEN[_i], NULL), ERR_INVALID);
    ck_assert_str_eq(why, "the batch is not JSON");
}
END_TEST

START_TEST(an_empty_batch_has_no_events) {
    ck_assert_int_eq(read_message(" [ ] ", NULL), ERR_OK);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(without_memory_nothing_is_said_to_be_wrong) {
    static const char BODY[] =
        "[{" OF("1") ",\"traceparent\":\"" PARENT
                     "\",\"tracestate\":\"a=1\",\"data\":1},{" OF("2") ",\"data\":1}]";
    bool read = false;
    for (size_t bytes = 0; !read; bytes += 64) {
        arena_done(&arena);
        arena_init(&arena, bytes);
        enum err err = read_message(BODY, NULL);
        read = err == ERR_OK;
        ck_assert(read || err == ERR_NO_MEMORY);
        ck_assert_uint_lt(bytes, 1 << 20);
    }
    ck_assert_uint_eq(count, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event");
    TCase *tests = tcase_create("event");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_written_has_every_attribute);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, bare_is_data_with_request_id_and_timestamp);
    tcase_add_test(tests, bare_is_data_of_a_version_before_as_it_is);
    tcase_add_test(tests, a_lone_structured_event_is_a_batch_of_one);
    tcase_add_loop_test(tests, anything_else_is_bare_data, 0, (int)UNIT_COUNT(BARE));
    tcase_add_test(tests, in_binary_mode_the_body_is_the_data_whatever_it_looks_like);
    tcase_add_test(tests, attributes_come_in_any_order_with_others_among_them);
    tcase_add_loop_test(tests, a_wrong_event_says_why_and_its_neighbours_are_read, 0,
                        (int)UNIT_COUNT(EVENTS));
    tcase_add_loop_test(tests, a_batch_that_is_no_json_cannot_be_read, 0, (int)UNIT_COUNT(BROKEN));
    tcase_add_test(tests, an_empty_batch_has_no_events);
    tcase_add_test(tests, without_memory_nothing_is_said_to_be_wrong);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
