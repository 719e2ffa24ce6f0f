/* link: t/unit/fake_broker.c */
/* runtime/messages/teller: which events share a message, and what their owner hears. */
#include "runtime/messages/teller.h"

#include "runtime/telemetry/log.h"

#include "fake_broker.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 8 };

#define BODY(id, data)                                                                             \
    STR("{\"specversion\":\"1.0\",\"id\":\"" id                                                    \
        "\",\"source\":\"/s\",\"type\":\"t\",\"requestid\":\"r-1\","                               \
        "\"data\":" data "}")

static const struct teller_event FIRST = {
    1, "order.created", "m-1", { "r-1", "00-aa-bb-01", "a=1" }, BODY("m-1", "{\"a\":1}"), 0
};
static const struct teller_event SECOND = {
    2, "order.created", "m-2", { "r-1", "", "" }, BODY("m-2", "{\"b\":2}"), 0
};
static const struct teller_event OTHER = {
    3, "order.updated", "m-3", { "r-1", "", "" }, BODY("m-3", "{}"), 0
};

static struct teller teller;
static int64_t sent[EVENTS_MAX], unsent[EVENTS_MAX], told[EVENTS_MAX], lost[EVENTS_MAX];
static size_t sent_count, unsent_count, told_count, lost_count;
static enum err last_err;

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    ck_assert_ptr_eq(ctx, &teller);
    if (err == ERR_OK) {
        sent[sent_count++] = event->id;
    } else {
        unsent[unsent_count++] = event->id;
        last_err = err;
    }
}

static void on_told(void *ctx, int64_t id, bool confirmed) {
    ck_assert_ptr_eq(ctx, &teller);
    *(confirmed ? &told[told_count++] : &lost[lost_count++]) = id;
}

static void setup(void) {
    struct teller_options options = { .events_per_message_max = 100,
                                      .event_message_bytes_max = 65536,
                                      .on_sent = on_sent,
                                      .on_told = on_told,
                                      .ctx = &teller };
    log_init("test", LOG_LEVELS, 2);
    fake_broker_reset();
    sent_count = unsent_count = told_count = lost_count = 0;
    teller_init(&teller, &fake_broker, &options);
}

static void teardown(void) {
    teller_done(&teller);
}

static void tell(const struct teller_event *const *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        teller_add(&teller, events[i]);
    }
    teller_flush(&teller);
}

START_TEST(events_of_one_type_share_a_message) {
    const struct teller_event *events[] = { &FIRST, &SECOND, &OTHER };
    char expected[512];
    tell(events, 3);
    ck_assert_uint_eq(fake_broker.published, 2);
    const struct fake_message *message = &fake_broker.messages[0];
    snprintf(expected, sizeof(expected), "[%s,%s]", FIRST.body.data, SECOND.body.data);
    ck_assert_str_eq(message->body, expected);
    ck_assert_str_eq(message->routing_key, "order.created");
    ck_assert_str_eq(message->content_type, "application/cloudevents-batch+json");
    ck_assert_str_eq(message->message_id, "m-1");
    ck_assert_str_eq(message->correlation_id, ""); /* each event has its own */
    ck_assert_str_eq(message->traceparent, "");
    ck_assert_str_eq(fake_broker.messages[1].routing_key, "order.updated");
    ck_assert_uint_eq(sent_count, 3);
    ck_assert_uint_eq(teller.inflight, 3);
}
END_TEST

START_TEST(the_fate_of_a_message_is_that_of_its_events) {
    const struct teller_event *events[] = { &FIRST, &SECOND, &OTHER };
    tell(events, 3);
    teller_on_published(&fake_broker.messages[0].cookie, 1, true);
    ck_assert_uint_eq(told_count, 2);
    ck_assert_int_eq(told[1], 2);
    teller_on_published(&fake_broker.messages[1].cookie, 1, false);
    ck_assert_uint_eq(lost_count, 1);
    ck_assert_int_eq(lost[0], 3);
    ck_assert_uint_eq(teller.inflight, 0);
}
END_TEST

START_TEST(nothing_to_tell_is_nothing) {
    teller_flush(&teller);
    ck_assert_uint_eq(fake_broker.published, 0);
}
END_TEST

START_TEST(a_message_ends_at_its_number_of_events) {
    const struct teller_event *events[7];
    teller.options.events_per_message_max = 3;
    for (size_t i = 0; i < UNIT_COUNT(events); i++) {
        events[i] = &FIRST;
    }
    tell(events, UNIT_COUNT(events));
    ck_assert_uint_eq(fake_broker.published, 3);
    ck_assert_uint_eq(fake_broker_count("specversion"), 7);
}
END_TEST

START_TEST(a_message_may_have_as_many_events_as_may_be_received) {
    teller.options.events_per_message_max = EVENT_COUNT_MAX;
    teller.options.event_message_bytes_max = BROKER_BODY_BYTES_MAX;
    teller.options.on_sent = NULL; /* not before the flush */
    for (int i = 0; i < EVENT_COUNT_MAX; i++) {
        teller_add(&teller, &FIRST);
    }
    ck_assert_uint_eq(fake_broker.published, 0);
    teller.count = 0;
}
END_TEST

/* Both events, their brackets and comma; and a byte less. */
START_TEST(a_message_ends_at_its_size) {
    const struct teller_event *events[] = { &FIRST, &SECOND };
    teller.options.event_message_bytes_max = FIRST.body.len + SECOND.body.len + 3 - (size_t)_i;
    tell(events, 2);
    ck_assert_uint_eq(fake_broker.published, _i == 0 ? 1 : 2);
    ck_assert(_i == 1 ||
              strlen(fake_broker.messages[0].body) == teller.options.event_message_bytes_max);
}
END_TEST

START_TEST(an_event_larger_than_a_message_may_be_goes_alone) {
    const struct teller_event *events[] = { &FIRST, &SECOND };
    teller.options.event_message_bytes_max = 10;
    tell(events, 2);
    ck_assert_uint_eq(fake_broker.published, 2);
}
END_TEST

START_TEST(the_bare_format_is_that_of_versions_before) {
    const struct teller_event *events[] = { &FIRST, &SECOND };
    teller.options.bare = true;
    tell(events, 2);
    ck_assert_uint_eq(fake_broker.published, 2);
    const struct fake_message *message = &fake_broker.messages[0];
    ck_assert_str_eq(message->content_type, "application/json");
    ck_assert_str_eq(message->message_id, "m-1");
    ck_assert_str_eq(message->correlation_id, "r-1");
    ck_assert_str_eq(message->traceparent, "00-aa-bb-01");
    ck_assert_str_eq(message->tracestate, "a=1");
    ck_assert_ptr_eq(strstr(message->body, "{\"a\":1,\"requestId\":\"r-1\",\"timestamp\":\"20"),
                     message->body);
}
END_TEST

/* Part of it went before: what is refused is said, event by event. */
START_TEST(what_the_broker_refuses_its_owner_hears) {
    static const enum err ERRORS[] = { ERR_UNAVAILABLE, ERR_BUSY, ERR_TOO_LARGE, ERR_DRAINING };
    const struct teller_event *events[] = { &FIRST, &SECOND, &OTHER };
    teller.options.events_per_message_max = 1;
    fake_broker.publish_err = ERRORS[_i];
    fake_broker.publish_ok_left = 1;
    tell(events, 3);
    ck_assert_uint_eq(sent_count, 1);
    ck_assert_uint_eq(unsent_count, 2);
    ck_assert_int_eq(unsent[0], 2);
    ck_assert_int_eq(last_err, ERRORS[_i]);
    ck_assert_uint_eq(teller.inflight, 1);
    fake_broker.publish_err = ERR_OK;
    tell(events, 1); /* it goes on */
    ck_assert_uint_eq(sent_count, 2);
}
END_TEST

START_TEST(an_event_is_finished_or_without_body) {
    size_t whole_count = 0;
    for (size_t bytes_max = 0; bytes_max <= 128; bytes_max += 16) {
        struct teller_event event = { .id = 7 };
        struct arena small;
        struct buf body;
        arena_init(&small, bytes_max);
        buf_init(&body, 0);
        buf_append_str(&body, "{\"id\":1234567890}");
        teller_event_finish(&event, &small, "k-7", &body);
        if (event.body.data != NULL) {
            whole_count++;
            ck_assert_str_eq(event.message_id, "k-7");
            ck_assert(str_equal(event.body, STR("{\"id\":1234567890}")));
        }
        arena_done(&small);
    }
    ck_assert(whole_count > 0 && whole_count < 8);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("teller");
    TCase *tests = tcase_create("teller");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, events_of_one_type_share_a_message);
    tcase_add_test(tests, the_fate_of_a_message_is_that_of_its_events);
    tcase_add_test(tests, nothing_to_tell_is_nothing);
    tcase_add_test(tests, a_message_ends_at_its_number_of_events);
    tcase_add_test(tests, a_message_may_have_as_many_events_as_may_be_received);
    tcase_add_loop_test(tests, a_message_ends_at_its_size, 0, 2);
    tcase_add_test(tests, an_event_larger_than_a_message_may_be_goes_alone);
    tcase_add_test(tests, the_bare_format_is_that_of_versions_before);
    tcase_add_loop_test(tests, what_the_broker_refuses_its_owner_hears, 0, 4);
    tcase_add_test(tests, an_event_is_finished_or_without_body);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
