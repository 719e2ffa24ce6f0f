#include "broker_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct fake_server server;
struct loop *loop;
struct broker *broker;
struct broker_options options;
static char url[128];

/* What the callbacks said. */
char states[32];              /* U, B, D in order */
char fates[MESSAGES_MAX + 1]; /* by cookie: . none, y confirmed, n not, ! more than once */
char told[64];                /* U, B, D, y, n in order */
char batches[512];            /* "[m1 m2][m3]" */
size_t last_body_length;
char last_trace[640]; /* "traceparent|tracestate" */
bool ack_at_once = true;
const char *park_id, *aside_id; /* park, or set aside, the delivery with this message id */
struct delivery_batch *last_batch;
unsigned last_attempts;
bool is_closed;
void (*during_state)(enum broker_state state);
_Atomic unsigned up_count;

static void tell(char what) {
    size_t length = strlen(told);
    ck_assert_uint_lt(length, sizeof(told) - 1);
    told[length] = what;
}

static void on_state(void *ctx, enum broker_state state) {
    (void)ctx;
    states[strlen(states)] = "DUB"[state];
    tell("DUB"[state]);
    up_count += state == BROKER_UP;
    if (during_state != NULL) {
        during_state(state);
    }
}

static void on_published(void *ctx, const uint64_t *cookies, size_t count, bool confirmed) {
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_lt(cookies[i], MESSAGES_MAX);
        fates[cookies[i]] = fates[cookies[i]] != '.' ? '!' : confirmed ? 'y' : 'n';
        tell(confirmed ? 'y' : 'n');
    }
}

static void on_deliveries(void *ctx, size_t queue, struct broker_delivery *deliveries,
                          size_t count) {
    (void)ctx;
    strncat(batches, "[", sizeof(batches) - strlen(batches) - 1);
    for (size_t i = 0; i < count; i++) {
        const struct broker_message *message = &deliveries[i].message;
        strncat(batches, i > 0 ? " " : "", sizeof(batches) - strlen(batches) - 1);
        strncat(batches, message->message_id, sizeof(batches) - strlen(batches) - 1);
        ck_assert_str_eq(message->routing_key, "order.created");
        ck_assert_uint_eq(strlen(message->body), message->body_length);
        ck_assert_uint_eq(deliveries[i].queue, queue);
        last_body_length = message->body_length;
        snprintf(last_trace, sizeof(last_trace), "%s|%s", message->trace.parent,
                 message->trace.state);
        if (park_id != NULL && strcmp(park_id, message->message_id) == 0) {
            broker_park(broker, &deliveries[i], (struct str){ NULL, 0 }, "malformed", "a test");
        }
        last_attempts = deliveries[i].attempts;
        if (aside_id != NULL && strcmp(aside_id, message->message_id) == 0) {
            broker_set_aside(broker, &deliveries[i], STR("[7]"), "locked", 1);
        }
    }
    strncat(batches, "]", sizeof(batches) - strlen(batches) - 1);
    last_batch = deliveries[0].batch;
    ck_assert_ptr_nonnull(last_batch);
    if (ack_at_once) {
        broker_ack(broker, last_batch);
        broker_next(broker, queue);
    }
}

void on_broker_closed(void *ctx) {
    (void)ctx;
    is_closed = true;
}

/* ---- the rig ---- */

void set_up(void) {
    memset(fates, '.', MESSAGES_MAX);
    server = (struct fake_server){ .listener = -1, .heartbeat_s = 60 };
    options = (struct broker_options){
        .connection_name = "unit",
        .exchange = "events",
        .heartbeat_s = 60,
        .rpc_timeout_ms = 3000,
        .publish_queue_max = 8,
        .publish_inflight_max = 8,
        .prefetch = 10,
        .batch_max = 3,
        .backoff_base_ms = 10,
        .backoff_cap_ms = 50,
    };
    log_init("unit", LOG_ERROR, memfd_create("log", MFD_CLOEXEC));
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    fake_listen(&server);
    snprintf(url, sizeof(url), "amqp://guest:s3cret@127.0.0.1:%d", server.port);
    options.url = url;
}

void with_queue(void) {
    options.queues[0] =
        (struct broker_queue){ .name = "order.created.unit", .routing_keys = { "order.created" } };
}

enum err try_open_broker(void) {
    struct broker_callbacks callbacks = { on_state, on_published, on_deliveries };
    return broker_open(loop, &options, &callbacks, NULL, &broker);
}

void open_broker(void) {
    ck_assert_int_eq(try_open_broker(), ERR_OK);
}

/* Tick until `text` is what `*at` says. */
void until(const char *at, const char *text) {
    uint64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (strcmp(at, text) != 0) {
        ck_assert_msg(clock_monotonic_ms() < deadline_ms, "waited for '%s', there is '%s'", text,
                      at);
        loop_tick(loop, 20);
    }
}

void tick_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 5);
    }
}

enum err publish(uint64_t cookie) {
    char id[16];
    snprintf(id, sizeof(id), "m%u", (unsigned)cookie);
    struct broker_message message = { .routing_key = "order.created",
                                      .content_type = "application/json",
                                      .message_id = id,
                                      .trace = { "request-7", "00-trace",
                                                 cookie == 0 ? "a=1" : "" },
                                      .body = "{\"orderId\":1}",
                                      .body_length = 13 };
    return broker_publish(broker, &message, cookie);
}

void publish_all(uint64_t from, uint64_t to) {
    for (uint64_t cookie = from; cookie < to; cookie++) {
        ck_assert_int_eq(publish(cookie), ERR_OK);
    }
}

/* Close, free, and return how long the closing took. */
uint64_t close_broker(uint32_t deadline_ms) {
    uint64_t start_ms = loop_now_ms(loop); /* what the deadline counts from */
    broker_close(broker, deadline_ms, on_broker_closed, NULL);
    while (!is_closed) {
        ck_assert_uint_lt(clock_monotonic_ms(), start_ms + PATIENCE_MS);
        loop_tick(loop, 20);
    }
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    broker_free(broker);
    loop_destroy(loop);
    fake_unlisten(&server);
    return took_ms;
}

static pthread_t actor;
static script_fn *acting;

static void *act(void *script) {
    script_fn **fn = script;
    (*fn)();
    return NULL;
}

void start_script(script_fn *script) {
    acting = script;
    ck_assert_int_eq(pthread_create(&actor, NULL, act, &acting), 0);
}

void end_script(void) {
    pthread_join(actor, NULL);
}
