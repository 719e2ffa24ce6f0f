/* link: t/unit/fake_broker.c t/unit/fake_pg.c */
/*
 * runtime/messages/outbox: inserted, published, confirmed, deleted; and what is left behind is
 * swept.
 */
#include "base/clock.h"
#include "runtime/messages/outbox.h"
#include "runtime/telemetry/log.h"
#include "runtime/telemetry/metrics.h"

#include "fake_broker.h"
#include "fake_pg.h"
#include "unit.h"

#include <stdio.h>

enum { SWEEP_MS = 15, SWEEP_MAX = 4, BACKLOG_BELOW = 2, PATIENCE_MS = 5000 };

static struct loop *loop;
static struct outbox outbox;

#define BODY(id, data) STR("{\"specversion\":\"1.0\",\"id\":\"" id "\",\"data\":" data "}")

static const struct teller_event EVENTS[] = {
    { 101,
      "order.created",
      "m-101",
      { "request-1", "00-aa-bb-01", "a=1" },
      BODY("m-101", "{\"a\":1}"),
      0 },
    { 102, "order.updated", "m-102", { "request-2", "", "" }, BODY("m-102", "{}"), 0 },
    { 103, "order.created", "m-103", { "", "", "" }, BODY("m-103", "{\"c\":\"x\"}"), 0 },
};

static void setup(void) {
    struct outbox_options options = { .source = "/test",
                                      .telling = { .events_per_message_max = 1,
                                                   .event_message_bytes_max = 65536 },
                                      .sweep_interval_ms = SWEEP_MS,
                                      .sweep_batch_max = SWEEP_MAX,
                                      .backlog_below = BACKLOG_BELOW };
    log_init("test", LOG_LEVELS, 2);
    fake_pg_reset();
    fake_broker_reset();
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    ck_assert_int_eq(outbox_open(&outbox, loop, &fake_pg, &fake_broker, &options), ERR_OK);
}

static void teardown(void) {
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
    outbox_close(&outbox);
    outbox_close(&outbox);
    loop_destroy(loop);
}

/* No sweep in between: for tests of the rest. */
static void no_sweep(void) {
    loop_timer_stop(loop, &outbox.timer);
}

static void wait_for_request(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_ge(fake_pg.waiting, 1);
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
}

/* The fate of the message that the event `id` was sent with last. */
static void confirm(int64_t id, bool confirmed) {
    char event_id[32];
    snprintf(event_id, sizeof(event_id), "m-%lld", (long long)id);
    uint64_t cookie = fake_broker_cookie(event_id);
    teller_on_published(&cookie, 1, confirmed);
    outbox_look(&outbox);
}

static void expect_sent(size_t message, const char *event_id) {
    ck_assert_uint_gt(fake_broker.published, message);
    ck_assert_str_eq(fake_broker.messages[message].message_id, event_id);
}

static void expect_deleted(const int64_t *ids, size_t count) {
    loop_tick(loop, 0);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_COMMIT_RELAX);
    ck_assert_uint_eq(request->count, 2);
    ck_assert_ptr_eq(request->calls[1].statement, &SQL_OUTBOX_DELETE);
    ck_assert_uint_eq(fake_param_count(&request->calls[1], 0), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(fake_param_int8_at(&request->calls[1], 0, i), ids[i]);
    }
}

/* ---- the way through ---- */

START_TEST(the_insert_names_every_column) {
    struct arena arena;
    arena_init(&arena, 65536);
    struct pg_call call = outbox_insert_call(&arena, EVENTS, UNIT_COUNT(EVENTS));
    ck_assert_ptr_eq(call.statement, &SQL_OUTBOX_INSERT);
    ck_assert_uint_eq(call.param_count, 7);
    for (size_t i = 0; i < UNIT_COUNT(EVENTS); i++) {
        const struct teller_event *event = &EVENTS[i];
        ck_assert_int_eq(fake_param_int8_at(&call, 0, i), event->id);
        ck_assert(str_equal(fake_param_text_at(&call, 1, i), str_of(event->routing_key)));
        ck_assert(str_equal(fake_param_text_at(&call, 2, i), str_of(event->message_id)));
        ck_assert(str_equal(fake_param_text_at(&call, 3, i), str_of(event->trace.request_id)));
        ck_assert_ptr_nonnull(fake_param_text_at(&call, 4, i).data); /* NOT NULL in the table */
        ck_assert(str_equal(fake_param_text_at(&call, 4, i), str_of(event->trace.parent)));
        ck_assert(str_equal(fake_param_text_at(&call, 5, i), str_of(event->trace.state)));
        ck_assert((fake_param_text_at(&call, 5, i).data == NULL) ==
                  (event->trace.state[0] == '\0')); /* NULL when absent */
        ck_assert(str_equal(fake_param_text_at(&call, 6, i), event->body));
    }
    arena_done(&arena);
}
END_TEST

START_TEST(an_insert_without_memory_fails_its_request) {
    struct arena arena;
    arena_init(&arena, 64);
    struct pg_call call = outbox_insert_call(&arena, EVENTS, UNIT_COUNT(EVENTS));
    ck_assert_uint_gt(call.param_count, 0);
    ck_assert_int_eq(call.params[0].length, -1);
    arena_done(&arena);
}
END_TEST

START_TEST(an_event_without_memory_fails_what_inserts_it) {
    size_t whole_count = 0;
    for (size_t bytes_max = 0; bytes_max <= 128; bytes_max += 16) {
        struct teller_event events[] = { EVENTS[0], { .id = 7, .routing_key = "k" } };
        struct arena arena, small;
        struct buf body;
        events[1].trace = EVENTS[1].trace;
        arena_init(&arena, 65536);
        arena_init(&small, bytes_max);
        buf_init(&body, 0);
        buf_append_str(&body, "{\"id\":1234567890}");
        teller_event_finish(&events[1], &small, "k-7", &body);
        struct pg_call call = outbox_insert_call(&arena, events, 2);
        bool whole = events[1].body.data != NULL;
        whole_count += whole;
        ck_assert_int_eq(call.params[0].length < 0, !whole);
        if (whole) {
            ck_assert_str_eq(events[1].message_id, "k-7");
            ck_assert(str_equal(events[1].body, STR("{\"id\":1234567890}")));
        }
        arena_done(&arena);
        arena_done(&small);
    }
    ck_assert(whole_count > 0 && whole_count < 8);
}
END_TEST

START_TEST(published_confirmed_deleted) {
    static const int64_t IDS[] = { 101, 102, 103 };
    uint64_t cookies[3];
    no_sweep();
    outbox_publish(&outbox, EVENTS, 3);
    ck_assert_uint_eq(fake_broker.published, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct fake_message *message = &fake_broker.messages[i];
        char batch[128];
        snprintf(batch, sizeof(batch), "[%s]", EVENTS[i].body.data);
        ck_assert_str_eq(message->routing_key, EVENTS[i].routing_key);
        ck_assert_str_eq(message->content_type, "application/cloudevents-batch+json");
        ck_assert_str_eq(message->message_id, EVENTS[i].message_id);
        ck_assert_str_eq(message->correlation_id, ""); /* each event has its own */
        ck_assert_str_eq(message->traceparent, "");
        ck_assert_str_eq(message->body, batch);
        cookies[i] = message->cookie;
    }
    ck_assert(outbox_is_idle(&outbox)); /* nothing to delete yet */
    teller_on_published(cookies, 3, true);
    outbox_look(&outbox);
    ck_assert(!outbox_is_idle(&outbox));
    expect_deleted(IDS, 3);
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(outbox_is_idle(&outbox));
}
END_TEST

START_TEST(what_was_not_confirmed_keeps_its_row_and_may_be_sent_again) {
    no_sweep();
    outbox_publish(&outbox, EVENTS, 1);
    confirm(101, false);
    loop_tick(loop, 0);
    ck_assert_uint_eq(fake_pg.asked, 0);
    outbox_publish(&outbox, EVENTS, 1);
    ck_assert_uint_eq(fake_broker.published, 2);
}
END_TEST

START_TEST(what_is_under_way_is_not_sent_twice) {
    no_sweep();
    outbox_publish(&outbox, EVENTS, 2);
    outbox_publish(&outbox, EVENTS, 3);
    ck_assert_uint_eq(fake_broker.published, 3);
    expect_sent(2, "m-103");
    confirm(101, true);
    outbox_publish(&outbox, EVENTS, 1); /* after its confirm it may: hearing twice is harmless */
    ck_assert_uint_eq(fake_broker.published, 4);
}
END_TEST

START_TEST(confirms_that_arrive_during_a_deletion_share_the_next_one) {
    static const int64_t FIRST[] = { 101 }, REST[] = { 102, 103 };
    no_sweep();
    outbox_publish(&outbox, EVENTS, 3);
    confirm(101, true);
    expect_deleted(FIRST, 1);
    confirm(102, true);
    confirm(103, true);
    loop_tick(loop, 0);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    fake_pg_answer(NULL, NULL, NULL);
    expect_deleted(REST, 2);
    fake_pg_fail(ERR_UNAVAILABLE); /* the rows stay, for the sweep; nothing hangs */
    loop_tick(loop, 0);
    ck_assert(outbox_is_idle(&outbox));
}
END_TEST

static bool metric_is(const char *line) {
    struct buf text;
    buf_init(&text, 0);
    metrics_render(&text);
    buf_append_char(&text, '\0');
    bool found = strstr(buf_bytes(&text), line) != NULL;
    buf_free(&text);
    return found;
}

START_TEST(a_full_deletion_queue_leaves_rows_to_the_sweep) {
    enum { QUEUE_MAX = 131072, SHARE = 1000 };
    static struct teller_event events[SHARE];
    int64_t id = 1;
    no_sweep();
    outbox_publish(&outbox, EVENTS, 1);
    confirm(101, true);
    loop_tick(loop, 0); /* one deletion is under way */
    outbox.teller.options.events_per_message_max = SHARE;
    while (id <= QUEUE_MAX + 1) {
        size_t count = 0;
        while (count < SHARE && id <= QUEUE_MAX + 1) {
            events[count++] = (struct teller_event){
                1000 + id++, "k", "m", { "", "", "" }, STR("{\"specversion\":1}"), 0
            };
        }
        ck_assert(metric_is("\nprodorder_outbox_undeleted_total 0\n"));
        outbox_publish(&outbox, events, count);
        teller_on_published(&fake_broker.messages[fake_broker.published - 1].cookie, 1, true);
    }
    ck_assert(metric_is("\nprodorder_outbox_undeleted_total 1\n"));
}
END_TEST

/* ---- the broker is away ---- */

static const enum err REFUSALS[] = { ERR_UNAVAILABLE, ERR_DRAINING, ERR_TOO_LARGE };

START_TEST(what_the_broker_refuses_is_left_and_may_be_sent_later) {
    no_sweep();
    fake_broker.publish_err = REFUSALS[_i];
    fake_broker.publish_ok_left = 1;
    outbox_publish(&outbox, EVENTS, 3);
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert(metric_is("\nprodorder_outbox_left_total 2\n"));
    ck_assert(metric_is("\nprodorder_outbox_inflight 1\n"));
    fake_broker.publish_err = ERR_OK;
    outbox_publish(&outbox, EVENTS, 3);
    ck_assert_uint_eq(fake_broker.published, 3);
}
END_TEST

/* ---- the backlog: the broker's queue is full ---- */

static PGresult *rows_of(int64_t first, size_t count) {
    PGresult *rows = fake_rows(7);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof(id), "m-%lld", (long long)first + (long long)i);
        fake_row(rows, "itttttt", first + (int64_t)i, "order.created", id, "request", "00-aa-bb-01",
                 i == 0 ? "a=1" : NULL, "{\"specversion\":\"1.0\"}");
    }
    return rows;
}

static void fill_backlog(void) {
    no_sweep();
    fake_broker.publish_err = ERR_BUSY;
    fake_broker.publish_ok_left = 1;
    outbox_publish(&outbox, EVENTS, 3);
    ck_assert_uint_eq(fake_broker.published, 1);
    ck_assert(metric_is("\nprodorder_outbox_backlog 2\n"));
    fake_broker.publish_err = ERR_OK;
}

START_TEST(what_does_not_fit_is_read_again_when_confirms_make_room) {
    fill_backlog();
    outbox_publish(&outbox, EVENTS, 3); /* all in hand: nothing is sent twice, nobody overtakes */
    ck_assert_uint_eq(fake_broker.published, 1);
    confirm(101, true);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_READ);
    ck_assert_uint_eq(fake_param_count(&request->calls[0], 0), 2);
    ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 0, 0), 102);
    ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 0, 1), 103);
    fake_pg_answer(rows_of(102, 2), NULL, NULL);
    ck_assert_uint_eq(fake_broker.published, 3);
    ck_assert(metric_is("\nprodorder_outbox_backlog 0\n"));
    ck_assert(metric_is("\nprodorder_outbox_inflight 2\n"));
}
END_TEST

START_TEST(a_backlog_row_that_is_gone_is_let_go) {
    fill_backlog();
    confirm(101, true);
    fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_READ);
    fake_pg_answer(rows_of(103, 1), NULL, NULL); /* another replica has sent 102 */
    ck_assert_uint_eq(fake_broker.published, 2);
    outbox_publish(&outbox, &EVENTS[1], 1);
    ck_assert_uint_eq(fake_broker.published, 3);
}
END_TEST

START_TEST(a_backlog_that_cannot_be_read_is_left_to_the_sweep) {
    fill_backlog();
    confirm(101, true);
    fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_READ);
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert(metric_is("\nprodorder_outbox_backlog 0\n"));
    outbox_publish(&outbox, EVENTS, 3); /* none is held any more */
    ck_assert_uint_eq(fake_broker.published, 4);
}
END_TEST

START_TEST(a_broker_that_goes_away_takes_the_backlog_with_it) {
    fill_backlog();
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    ck_assert(metric_is("\nprodorder_outbox_backlog 0\n"));
    outbox_publish(&outbox, &EVENTS[1], 2);
    ck_assert_uint_eq(fake_broker.published, 3);
}
END_TEST

/* ---- the sweep ---- */

/* A sweep's claim to the row `id`. */
#define CLAIM_OF(id) ((id) + 1000)

static void answer_sweep(int64_t first, size_t count) {
    PGresult *rows = fake_rows(8);
    for (size_t i = 0; i < count; i++) {
        char id[32], body[48];
        snprintf(id, sizeof(id), "m-%lld", (long long)first + (long long)i);
        snprintf(body, sizeof(body), "{\"specversion\":1,\"n\":%zu}", i);
        fake_row(rows, "itttttti", first + (int64_t)i, "order.created", id, "request", "", NULL,
                 body, CLAIM_OF(first + (int64_t)i));
    }
    fake_pg_answer(rows, NULL, NULL);
}

static void expect_sweep(int64_t lease_s) {
    wait_for_request();
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_CLAIM);
    ck_assert_int_eq(fake_param_int8(&request->calls[0], 0), lease_s);
    ck_assert_int_eq(fake_param_int8(&request->calls[0], 1), SWEEP_MAX);
    ck_assert(!outbox_is_idle(&outbox));
}

START_TEST(rows_left_behind_are_sent_again) {
    expect_sweep(0);
    answer_sweep(7, 2);
    ck_assert_uint_eq(fake_broker.published, 2);
    expect_sent(0, "m-7");
    ck_assert_str_eq(fake_broker.messages[0].routing_key, "order.created");
    ck_assert_str_eq(fake_broker.messages[1].body, "[{\"specversion\":1,\"n\":1}]");
    ck_assert(outbox_is_idle(&outbox));
    expect_sweep(0); /* and so on */
    answer_sweep(7, 0);
}
END_TEST

START_TEST(a_sweep_does_not_send_what_is_under_way) {
    outbox_publish(&outbox, EVENTS, 1);
    expect_sweep(0);
    answer_sweep(101, 2);
    ck_assert_uint_eq(fake_broker.published, 2);
    expect_sent(1, "m-102");
}
END_TEST

/* Its statement saw the rows of events that were sent and confirmed before its answer came. */
START_TEST(a_sweep_does_not_send_what_was_confirmed_meanwhile) {
    expect_sweep(0);
    outbox_publish(&outbox, EVENTS, 2);
    confirm(101, true);
    confirm(102, false);
    answer_sweep(101, 3);
    ck_assert_uint_eq(fake_broker.published, 4);
    expect_sent(2, "m-102"); /* not confirmed: it is */
    expect_sent(3, "m-103");
    confirm(103, true);
    no_sweep();
    const int64_t deleted[] = { 101, 103 };
    expect_deleted(deleted, 2);
    fake_pg_answer(NULL, NULL, NULL);
    loop_timer_start(loop, &outbox.timer, 0);
    expect_sweep(0);
    answer_sweep(101, 1); /* it was sent before this sweep: the deletion got lost */
    ck_assert_uint_eq(fake_broker.published, 5);
}
END_TEST

/* Rows of versions before have the data only: their time is the last member, if it is one. */
START_TEST(rows_of_versions_before_become_events) {
    static const char *const BODIES[] = {
        "{\"n\":1,\"requestId\":\"r\",\"timestamp\":\"2026-11-29T01:57:07.037Z\"}", "{\"n\":1}"
    };
    PGresult *rows = fake_rows(8);
    char expected[512];
    expect_sweep(0);
    fake_row(rows, "itttttti", (int64_t)7, "order.created", "m-7", "request", "00-aa-bb-01", "a=1",
             BODIES[_i], CLAIM_OF(7));
    fake_pg_answer(rows, NULL, NULL);
    const char *body = fake_broker.messages[0].body, *time = strstr(body, "\"time\":\"");
    ck_assert_ptr_nonnull(time);
    if (_i == 0) {
        ck_assert_ptr_eq(strstr(time, "\"time\":\"2026-11-29T01:57:07.037Z\""), time);
    }
    snprintf(
        expected, sizeof(expected),
        "[{\"specversion\":\"1.0\",\"id\":\"m-7\",\"source\":\"/test\",\"type\":\"order.created\","
        "%.*s,\"datacontenttype\":\"application/json\","
        "\"dataschema\":\"/asyncapi.json#/components/schemas/order.created\","
        "\"traceparent\":\"00-aa-bb-01\",\"tracestate\":\"a=1\",\"requestid\":\"request\","
        "\"data\":%s}]",
        33, time, BODIES[_i]);
    ck_assert_str_eq(body, expected);
}
END_TEST

START_TEST(a_full_sweep_is_followed_by_another_one_soon) {
    outbox.options.sweep_interval_ms = 60000;
    expect_sweep(0);
    answer_sweep(1, SWEEP_MAX);
    expect_sweep(0);
    answer_sweep(1 + SWEEP_MAX, SWEEP_MAX - 1);
    ck_assert_uint_eq(fake_broker.published, 2 * SWEEP_MAX - 1);
    run_for(40);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

START_TEST(a_sweep_that_fails_is_repeated) {
    expect_sweep(0);
    fake_pg_fail(ERR_TIMEOUT);
    ck_assert(outbox_is_idle(&outbox));
    expect_sweep(0);
    answer_sweep(1, 1);
    ck_assert_uint_eq(fake_broker.published, 1);
}
END_TEST

START_TEST(no_sweep_without_broker_or_database) {
    fake_broker.state = _i == 0 ? BROKER_DOWN : _i == 1 ? BROKER_BLOCKED : BROKER_UP;
    fake_pg.ready = _i < 2;
    run_for(4 * SWEEP_MS);
    ck_assert_uint_eq(fake_pg.asked, 0);
    fake_broker.state = BROKER_UP;
    fake_pg.ready = true;
    expect_sweep(0);
    answer_sweep(1, 0);
}
END_TEST

START_TEST(when_the_broker_comes_back_fresh_rows_are_swept_at_once) {
    outbox.options.sweep_interval_ms = 60000;
    no_sweep();
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    outbox_on_broker_state(&outbox, BROKER_BLOCKED);
    run_for(5);
    ck_assert_uint_eq(fake_pg.asked, 0);
    outbox_on_broker_state(&outbox, BROKER_UP);
    expect_sweep(10);
    answer_sweep(1, SWEEP_MAX);
    expect_sweep(10); /* until all are taken */
    answer_sweep(1 + SWEEP_MAX, 1);
    outbox.options.sweep_interval_ms = SWEEP_MS;
    loop_timer_start(loop, &outbox.timer, 0);
    expect_sweep(0);
}
END_TEST

START_TEST(the_broker_comes_back_during_a_sweep) {
    expect_sweep(0);
    outbox_on_broker_state(&outbox, BROKER_UP);
    run_for(2 * SWEEP_MS);
    ck_assert_uint_eq(fake_pg.waiting, 1); /* one sweep at a time */
    answer_sweep(1, SWEEP_MAX);
    expect_sweep(10);
}
END_TEST

/* ---- claims whose broker went away ---- */

static void expect_released(const int64_t *ids, const int64_t *claims, size_t count) {
    loop_tick(loop, 0);
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_RELEASE);
    ck_assert_uint_eq(fake_param_count(&request->calls[0], 0), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 0, i), ids[i]);
        ck_assert_int_eq(fake_param_int8_at(&request->calls[0], 1, i), claims[i]);
    }
    ck_assert(!outbox_is_idle(&outbox));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(outbox_is_idle(&outbox));
}

START_TEST(what_a_connection_took_with_it_is_released) {
    static const int64_t RELEASED[] = { 7, 101 }, CLAIMS[] = { CLAIM_OF(7), 0 };
    outbox_publish(&outbox, EVENTS, 2);
    expect_sweep(0);
    answer_sweep(7, 1);
    no_sweep();
    ck_assert_uint_eq(fake_broker.published, 3);
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    confirm(102, true); /* it had come before */
    confirm(7, false);
    confirm(101, false);
    loop_tick(loop, 0);
    fake_pg_expect(FAKE_PG_RUN, &SQL_COMMIT_RELAX);
    fake_pg_answer(NULL, NULL, NULL);
    expect_released(RELEASED, CLAIMS, 2);
}
END_TEST

START_TEST(what_the_broker_refuses_is_not_released) {
    no_sweep();
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    outbox_on_broker_state(&outbox, BROKER_UP);
    no_sweep();
    outbox_publish(&outbox, EVENTS, 1);
    confirm(101, false);
    loop_tick(loop, 0);
    ck_assert_uint_eq(fake_pg.asked, 0); /* or it would come again and again */
}
END_TEST

START_TEST(a_sweep_that_loses_the_broker_releases_the_rest) {
    static const int64_t REST[] = { 8, 9 }, CLAIMS[] = { CLAIM_OF(8), CLAIM_OF(9) };
    expect_sweep(0);
    no_sweep();
    fake_broker.publish_err = ERR_UNAVAILABLE;
    fake_broker.publish_ok_left = 1;
    answer_sweep(7, 3);
    no_sweep();
    expect_released(REST, CLAIMS, 2);
}
END_TEST

START_TEST(a_release_names_the_claim_that_was_lost) {
    static const int64_t RELEASED[] = { 101 }, FIRST[] = { 0 }, SECOND[] = { CLAIM_OF(101) };
    no_sweep();
    outbox_publish(&outbox, EVENTS, 1);
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    confirm(101, false);
    expect_released(RELEASED, FIRST, 1);
    outbox_on_broker_state(&outbox, BROKER_UP);
    expect_sweep(10);
    answer_sweep(101, 1);
    no_sweep();
    outbox_on_broker_state(&outbox, BROKER_DOWN);
    confirm(101, false);
    expect_released(RELEASED, SECOND, 1);
}
END_TEST

START_TEST(a_release_that_fails_is_left_to_the_claims_end) {
    expect_sweep(0);
    fake_broker.publish_err = ERR_UNAVAILABLE;
    answer_sweep(7, 1);
    no_sweep();
    loop_tick(loop, 0);
    fake_pg_expect(FAKE_PG_RUN, &SQL_OUTBOX_RELEASE);
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert(outbox_is_idle(&outbox));
}
END_TEST

/* ---- the end ---- */

START_TEST(after_stop_nothing_is_swept_but_confirms_still_delete) {
    static const int64_t IDS[] = { 101 };
    outbox_publish(&outbox, EVENTS, 1);
    expect_sweep(0);
    outbox_stop(&outbox);
    outbox_on_broker_state(&outbox, BROKER_UP);
    answer_sweep(50, 2); /* rows that nobody may publish any more: they stay */
    ck_assert_uint_eq(fake_broker.published, 1);
    run_for(3 * SWEEP_MS);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    confirm(101, true);
    expect_deleted(IDS, 1);
    ck_assert(!outbox_is_idle(&outbox));
    fake_pg_answer(NULL, NULL, NULL);
    ck_assert(outbox_is_idle(&outbox));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("outbox");
    TCase *tcase = tcase_create("outbox");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_insert_names_every_column);
    tcase_add_test(tcase, an_insert_without_memory_fails_its_request);
    tcase_add_test(tcase, an_event_without_memory_fails_what_inserts_it);
    tcase_add_test(tcase, published_confirmed_deleted);
    tcase_add_test(tcase, what_was_not_confirmed_keeps_its_row_and_may_be_sent_again);
    tcase_add_test(tcase, what_is_under_way_is_not_sent_twice);
    tcase_add_test(tcase, confirms_that_arrive_during_a_deletion_share_the_next_one);
    tcase_add_test(tcase, a_full_deletion_queue_leaves_rows_to_the_sweep);
    tcase_add_loop_test(tcase, what_the_broker_refuses_is_left_and_may_be_sent_later, 0,
                        (int)UNIT_COUNT(REFUSALS));
    tcase_add_test(tcase, what_does_not_fit_is_read_again_when_confirms_make_room);
    tcase_add_test(tcase, a_backlog_row_that_is_gone_is_let_go);
    tcase_add_test(tcase, a_backlog_that_cannot_be_read_is_left_to_the_sweep);
    tcase_add_test(tcase, a_broker_that_goes_away_takes_the_backlog_with_it);
    tcase_add_test(tcase, rows_left_behind_are_sent_again);
    tcase_add_test(tcase, a_sweep_does_not_send_what_is_under_way);
    tcase_add_test(tcase, a_sweep_does_not_send_what_was_confirmed_meanwhile);
    tcase_add_loop_test(tcase, rows_of_versions_before_become_events, 0, 2);
    tcase_add_test(tcase, a_full_sweep_is_followed_by_another_one_soon);
    tcase_add_test(tcase, a_sweep_that_fails_is_repeated);
    tcase_add_loop_test(tcase, no_sweep_without_broker_or_database, 0, 3);
    tcase_add_test(tcase, when_the_broker_comes_back_fresh_rows_are_swept_at_once);
    tcase_add_test(tcase, the_broker_comes_back_during_a_sweep);
    tcase_add_test(tcase, what_a_connection_took_with_it_is_released);
    tcase_add_test(tcase, what_the_broker_refuses_is_not_released);
    tcase_add_test(tcase, a_sweep_that_loses_the_broker_releases_the_rest);
    tcase_add_test(tcase, a_release_names_the_claim_that_was_lost);
    tcase_add_test(tcase, a_release_that_fails_is_left_to_the_claims_end);
    tcase_add_test(tcase, after_stop_nothing_is_swept_but_confirms_still_delete);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
