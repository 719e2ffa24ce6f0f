/*
 * What is safe to do about a finding, without a word of a person: an event told again is taken for
 * once, and a cache is filled again by whoever asks. Up to FINDINGS_NAMES_MAX at a time.
 */
#include "audit.h"

#include "admin.h"
#include "database.h"
#include "letters.h"

#include "base/buf.h"
#include "contract/contract.h"

#include <stdio.h>
#include <string.h>

enum { ARRAY_BYTES = FINDINGS_NAMES_MAX * FINDINGS_NAME_BYTES };

/* ---- told again: into the queue itself, as the service would have ---- */

static const char WAITING[] =
    "SELECT id, product_id, quantity, (date_part('epoch', created_at) * 1000)::bigint, 0,"
    " request_id, traceparent, coalesce(tracestate, '') FROM orders"
    " WHERE id = ANY ($1::bigint[]) AND status = 'waiting'";

static const char CANCELLED[] =
    "SELECT order_id, product_id, quantity, (date_part('epoch', created_at) * 1000)::bigint,"
    " (date_part('epoch', cancelled_at) * 1000)::bigint, request_id, traceparent,"
    " coalesce(tracestate, '') FROM cancellations WHERE order_id = ANY ($1::bigint[])"
    " AND settled_at IS NULL";

static void write_event(const PGresult *rows, int row, bool is_cancelled,
                        char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out) {
    struct trace trace = { PQgetvalue(rows, row, 5), PQgetvalue(rows, row, 6),
                           PQgetvalue(rows, row, 7) };
    struct order_created created = { .order_id = database_int(rows, row, 0),
                                     .product_id = database_int(rows, row, 1),
                                     .quantity = database_int(rows, row, 2),
                                     .created_ms = database_int(rows, row, 3),
                                     .trace = trace };
    struct order_cancelled cancelled = { .order_id = created.order_id,
                                         .product_id = created.product_id,
                                         .quantity = created.quantity,
                                         .created_ms = created.created_ms,
                                         .cancelled_ms = database_int(rows, row, 4),
                                         .trace = trace };
    if (is_cancelled) {
        contract_write_order_cancelled(&cancelled, ret_id, out);
    } else {
        contract_write_order_created(&created, ret_id, out);
    }
}

/* A batch of one. */
static bool tell(amqp_connection_state_t amqp, const PGresult *rows, int row, bool is_cancelled) {
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf event, batch;
    buf_init(&event, 0);
    buf_init(&batch, 0);
    write_event(rows, row, is_cancelled, id, &event);
    event_batch_add(&batch, (struct str){ buf_bytes(&event), buf_length(&event) });
    event_batch_end(&batch);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = amqp_cstring_bytes(EVENT_CONTENT_TYPE),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .type = amqp_cstring_bytes(is_cancelled ? KEY_ORDER_CANCELLED : KEY_ORDER_CREATED),
        .app_id = amqp_cstring_bytes("order-service"),
    };
    bool good =
        !event.failed && !batch.failed &&
        letters_publish(amqp, is_cancelled ? QUEUE_ORDER_CANCELLED : QUEUE_ORDER_CREATED,
                        &properties, (amqp_bytes_t){ buf_length(&batch), buf_bytes(&batch) });
    buf_free(&event);
    buf_free(&batch);
    return good;
}

static int64_t tell_all(struct books *books, const struct finding *finding, const char *sql,
                        bool is_cancelled) {
    static char array[ARRAY_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < finding->name_count; i++) {
        length += (size_t)snprintf(array + length, ARRAY_BYTES - length, "%s%s", i == 0 ? "{" : ",",
                                   finding->names[i]);
    }
    snprintf(array + length, ARRAY_BYTES - length, "}");
    amqp_connection_state_t amqp = books_broker(books);
    PGresult *rows = amqp == NULL || !letters_confirm(amqp)
                         ? NULL
                         : database_ask(books->orders, sql, array, NULL);
    int64_t told = rows == NULL ? -1 : 0;
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        if (!tell(amqp, rows, row, is_cancelled)) {
            told = -1;
            break;
        }
        told++;
    }
    PQclear(rows);
    return told;
}

int64_t audit_repair_orders(struct books *books, const struct finding *finding) {
    return tell_all(books, finding, WAITING, false);
}

int64_t audit_repair_cancellations(struct books *books, const struct finding *finding) {
    return tell_all(books, finding, CANCELLED, true);
}

/* ---- caches ---- */

int64_t audit_repair_caches(struct books *books, const struct finding *finding) {
    int64_t dropped = 0;
    for (size_t i = 0; i < finding->name_count; i++) {
        const char *slash = strchr(finding->names[i], '/');
        bool is_of_orders = strncmp(finding->names[i], "order-redis", 11) == 0;
        redisContext *redis = is_of_orders ? books_order_redis(books) : books_product_redis(books);
        if (slash == NULL || redis == NULL || !books_drop(redis, slash + 1)) {
            return -1;
        }
        dropped++;
    }
    return dropped;
}
