/*
 * What every service of this kind opens alike: the options of its database, cache, broker, outbox
 * and HTTP server, as the shared part of its configuration says. The service adds what is its own.
 * And how all of it comes to an end.
 */
#ifndef RUNTIME_PROCESS_BACKENDS_H
#define RUNTIME_PROCESS_BACKENDS_H

#include "runtime/broker/broker.h"
#include "runtime/cache/cache.h"
#include "runtime/http/server.h"
#include "runtime/messages/consumer.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

/* To be added: statements, migrations, requests_max. */
struct pg_options backends_pg_options(void);
/* To be added: prefixes. */
struct cache_options backends_cache_options(void);
/* To be added: exchange, queues, declare_only. */
struct broker_options backends_broker_options(void);
/* To be added: the statements. */
struct outbox_options backends_outbox_options(void);
/* To be added: routes. */
struct http_server_options backends_server_options(void);

/*
 * What a drain is about; all of it stays until the service has drained. The functions may be NULL.
 */
struct backends {
    struct loop *loop;
    struct http_server *server;
    struct consumer *consumers;
    size_t consumer_count;
    struct broker *broker;
    struct outbox *outbox;
    void (*stop)(void);    /* what else begins by itself ends: when all requests are answered */
    bool (*is_idle)(void); /* nothing of that is under way any more */
};

/*
 * No new work → answers → the consumers' transactions → events → deletion of confirmed rows →
 * service_drained(), within the time that service_drain_left_ms() leaves. Once; `backends` is
 * copied.
 */
void backends_drain(const struct backends *backends);

#endif
