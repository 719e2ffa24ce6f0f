/* Exchange, queues with their dead-letter queues, and bindings: declared on each connect. */
#include "connection.h"

#include "runtime/telemetry/log.h"

#include <stdio.h>

enum { QUEUE_NAME_BYTES = 256 };

static const char REMEDY[] =
    "it exists with other arguments: let its messages be consumed, delete it with "
    "rabbitmqctl delete_queue (exchanges: the management UI), and it is declared again";

/* After an RPC on LINK_CHANNEL; a refusal is logged with the name of what was refused. */
static enum err check_declared(struct link *link, const char *what, const char *name) {
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->amqp);
    enum err err = link_check(link, what, reply);
    if (err == ERR_OK) {
        amqp_maybe_release_buffers(link->amqp);
        return ERR_OK;
    }
    if (!link->owner->failure_known && reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *refusal = reply.reply.decoded;
        bool differs = refusal->reply_code == AMQP_PRECONDITION_FAILED;
        log_error("broker refuses the topology", LOG_STR("connection", link->owner->name),
                  LOG_STR("step", what), LOG_STR("name", name), LOG_STR("reason", link->reason),
                  LOG_STR("remedy", differs ? REMEDY : "check this user's permissions"));
    }
    return err;
}

static enum err declare_exchange(struct link *link) {
    const char *exchange = link->owner->options->exchange;
    amqp_exchange_declare(link->amqp, LINK_CHANNEL, amqp_cstring_bytes(exchange),
                          amqp_cstring_bytes("topic"), 0, 1, 0, 0, amqp_empty_table);
    return check_declared(link, "exchange.declare", exchange);
}

static enum err declare_queue(struct link *link, const char *name, amqp_table_t arguments) {
    amqp_queue_declare(link->amqp, LINK_CHANNEL, amqp_cstring_bytes(name), 0, 1, 0, 0, arguments);
    return check_declared(link, "queue.declare", name);
}

static enum err bind_queue(struct link *link, const struct broker_queue *queue) {
    size_t max = sizeof(queue->routing_keys) / sizeof(queue->routing_keys[0]);
    enum err err = ERR_OK;
    for (size_t i = 0; i < max && queue->routing_keys[i] != NULL && err == ERR_OK; i++) {
        amqp_queue_bind(link->amqp, LINK_CHANNEL, amqp_cstring_bytes(queue->name),
                        amqp_cstring_bytes(link->owner->options->exchange),
                        amqp_cstring_bytes(queue->routing_keys[i]), amqp_empty_table);
        err = check_declared(link, "queue.bind", queue->name);
    }
    return err;
}

/* A classic queue, version 1: RabbitMQ 3.10 confirms a persistent message in it after its fsync. */
static enum err declare_with_dlq(struct link *link, const struct broker_queue *queue) {
    char dlq[QUEUE_NAME_BYTES];
    snprintf(dlq, sizeof(dlq), "%s.dlq", queue->name);
    amqp_table_entry_t entries[] = {
        { .key = amqp_cstring_bytes("x-dead-letter-exchange"),
          .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("") } },
        { .key = amqp_cstring_bytes("x-dead-letter-routing-key"),
          .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(dlq) } },
    };
    enum err err = declare_queue(link, dlq, amqp_empty_table);
    if (err == ERR_OK) {
        err = declare_queue(link, queue->name, (amqp_table_t){ 2, entries });
    }
    return err == ERR_OK ? bind_queue(link, queue) : err;
}

enum err link_declare_topology(struct link *link) {
    const struct broker_options *options = link->owner->options;
    enum err err = declare_exchange(link);
    for (size_t i = 0; i < BROKER_QUEUES_MAX && options->queues[i].name != NULL && err == ERR_OK;
         i++) {
        err = declare_with_dlq(link, &options->queues[i]);
    }
    for (size_t i = 0; i < options->declare_only_count && err == ERR_OK; i++) {
        err = declare_with_dlq(link, &options->declare_only[i]);
    }
    return err;
}
