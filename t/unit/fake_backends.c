#include "fake_backends.h"

#include "runtime/process/config.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

struct backends backends;

struct teller_options backends_telling(void) {
    return (struct teller_options){ .events_per_message_max = 1, .event_message_bytes_max = 65536 };
}

void fake_backends_open(void) {
    struct outbox_options outbox = { .source = "/test",
                                     .telling = backends_telling(),
                                     .sweep_interval_ms = 600000,
                                     .sweep_batch_max = 1000 };
    config_shared.rabbitmq_prefetch = 128;
    log_init("test", LOG_LEVELS, 2);
    fake_pg_reset();
    fake_cache_reset();
    fake_broker_reset();
    backends = (struct backends){ .pg = &fake_pg, .cache = &fake_cache, .broker = &fake_broker };
    ck_assert_int_eq(loop_create(&backends.loop), ERR_OK);
    ck_assert_int_eq(
        outbox_open(&backends.outbox, backends.loop, backends.pg, backends.broker, &outbox),
        ERR_OK);
}

void fake_backends_close(void) {
    outbox_close(&backends.outbox);
    loop_destroy(backends.loop);
    fake_cache_reset();
}

void fake_backends_consume(struct consumer *consumer, const struct consumer_options *options,
                           size_t queue, size_t batch_max) {
    struct consumer_options full = *options;
    full.name = "test";
    full.queue = queue;
    full.batch_max = batch_max;
    full.backoff_base_ms = 50;
    full.backoff_cap_ms = 2000;
    full.ctx = consumer;
    full.pg = &fake_pg;
    full.telling = backends_telling();
    ck_assert_int_eq(consumer_open(consumer, backends.loop, &fake_broker, &full), ERR_OK);
}
