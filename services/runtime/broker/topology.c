/*
 * The topology: the exchange, the queues with their dead-letter queues, the bindings; and what
 * becomes of a queue that exists otherwise.
 */
#include "private.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include <stdio.h>
#include <string.h>

enum { REPLY_TEXT_BYTES = 256, VALUE_BYTES = 128 };

static const char QUEUE_TYPE[] = "x-queue-type";
static const char REMEDY[] =
    "it exists otherwise, and cannot be used like that: let its messages be consumed, delete it "
    "with rabbitmqctl delete_queue (exchanges: the management UI), and it is declared again";

void topology_companion(const struct broker_queue *queue, const char *suffix,
                        char ret_name[TOPOLOGY_NAME_BYTES]) {
    const char *name = queue->retry_of != NULL ? queue->retry_of : queue->name;
    snprintf(ret_name, TOPOLOGY_NAME_BYTES, "%s%s", name, suffix);
}

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

/* In what an existing queue is not as it was declared. */
struct difference {
    char argument[VALUE_BYTES];
    char declared[VALUE_BYTES];
    char existing[VALUE_BYTES];
};

/* What stands in quotes behind `label`, or "none"; "unknown" when the text ends before. */
static void read_value(const char *text, const char *label, char ret_value[VALUE_BYTES]) {
    const char *at = strstr(text, label);
    /* "none", or "'quorum'", or "the value 'quorum' of type 'longstr'" */
    bool is_none = at != NULL && strncmp(at + strlen(label), "none", 4) == 0;
    const char *quote = at == NULL ? NULL : strchr(at, '\'');
    if (is_none || quote == NULL) {
        snprintf(ret_value, VALUE_BYTES, is_none ? "none" : "unknown");
    } else {
        snprintf(ret_value, VALUE_BYTES, "%.*s", (int)strcspn(quote + 1, "'"), quote + 1);
    }
}

/*
 * After queue.declare: does the queue differ in an argument only, so that it keeps what it is given
 * all the same? (One that is not durable, or a stream, does not.) RabbitMQ says it in words:
 * "inequivalent arg 'x-queue-type' for queue …: received the value 'quorum' of type 'longstr' but
 * current is none", 255 bytes of it at most; it names the first argument that differs.
 */
static bool is_usable(const struct link *link, struct difference *ret_difference) {
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->amqp);
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION ||
        reply.reply.id != AMQP_CHANNEL_CLOSE_METHOD) {
        return false;
    }
    char text[REPLY_TEXT_BYTES];
    const amqp_channel_close_t *refusal = reply.reply.decoded;
    snprintf(text, sizeof(text), "%.*s", (int)refusal->reply_text.len,
             (const char *)refusal->reply_text.bytes);
    struct difference *difference = ret_difference;
    read_value(text, "inequivalent arg ", difference->argument);
    read_value(text, ": received ", difference->declared);
    read_value(text, " but current is ", difference->existing);
    bool is_type = strcmp(difference->argument, QUEUE_TYPE) == 0;
    if (is_type && strcmp(difference->existing, "none") == 0) {
        snprintf(difference->existing, sizeof(difference->existing), "classic");
    }
    return refusal->reply_code == AMQP_PRECONDITION_FAILED &&
           strncmp(difference->argument, "x-", 2) == 0 &&
           !(is_type && strcmp(difference->existing, "stream") == 0);
}

/* The refusal has closed the channel: it is opened anew, and the queue taken as it is. */
static enum err use_existing(struct link *link, const char *name,
                             const struct difference *difference) {
    amqp_channel_close_ok_t close_ok = { 0 };
    int status =
        amqp_send_method(link->amqp, LINK_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok);
    if (status != AMQP_STATUS_OK) {
        return link_fail(link, "channel.close-ok: %s", amqp_error_string2(status));
    }
    amqp_channel_open(link->amqp, LINK_CHANNEL);
    enum err err = link_check(link, "channel.open", amqp_get_rpc_reply(link->amqp));
    if (err == ERR_OK) {
        amqp_queue_declare(link->amqp, LINK_CHANNEL, amqp_cstring_bytes(name), 1, 1, 0, 0,
                           amqp_empty_table);
        err = check_declared(link, "queue.declare (passive)", name);
    }
    if (err == ERR_OK) {
        bool is_type = strcmp(difference->argument, QUEUE_TYPE) == 0;
        LOG_AT(is_type ? LOG_INFO : LOG_WARN, "existing queue is used as it is",
               LOG_STR("connection", link->owner->name), LOG_STR("name", name),
               LOG_STR("argument", difference->argument), LOG_STR("declared", difference->declared),
               LOG_STR("existing", difference->existing));
    }
    return err;
}

static enum err declare_queue(struct link *link, const char *name, amqp_table_t arguments) {
    struct difference difference;
    amqp_queue_declare(link->amqp, LINK_CHANNEL, amqp_cstring_bytes(name), 0, 1, 0, 0, arguments);
    if (is_usable(link, &difference)) {
        return use_existing(link, name, &difference);
    }
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

/*
 * RabbitMQ confirms a persistent message in a quorum queue when it is on disk; 3.10 in a classic
 * one, too. No x-delivery-limit: how often an event may fail is counted here.
 */
static enum err declare_with_dlq(struct link *link, const struct broker_queue *queue) {
    char dlq[TOPOLOGY_NAME_BYTES];
    topology_companion(queue, BROKER_DLQ_SUFFIX, dlq);
    amqp_table_entry_t entries[] = {
        link_text_entry(QUEUE_TYPE, link->owner->options->classic_queues ? "classic" : "quorum"),
        link_text_entry("x-dead-letter-exchange", ""),
        link_text_entry("x-dead-letter-routing-key", dlq),
    };
    enum err err = declare_queue(link, dlq, (amqp_table_t){ 1, entries });
    if (err == ERR_OK) {
        err = declare_queue(link, queue->name, (amqp_table_t){ 3, entries });
    }
    return err == ERR_OK ? bind_queue(link, queue) : err;
}

enum err topology_declare(struct link *link) {
    const struct broker_options *options = link->owner->options;
    enum err err = declare_exchange(link);
    for (size_t i = 0; i < BROKER_QUEUES_MAX && options->queues[i].name != NULL && err == ERR_OK;
         i++) {
        err = declare_with_dlq(link, &options->queues[i]);
    }
    for (size_t i = 0; i < options->declare_only_count && err == ERR_OK; i++) {
        err = declare_with_dlq(link, &options->declare_only[i]);
    }
    link->sent_ms = clock_monotonic_ms(); /* requests and answers were signs of life */
    link->received_ms = link->sent_ms;
    return err;
}
