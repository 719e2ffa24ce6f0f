/* From row, and to public JSON, event; dropping the lists that show it. */
#include "order.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <string.h>

enum err order_from_row(const struct pg_rows *rows, size_t row, int first,
                        struct order *ret_order) {
    struct str request_id = pg_rows_get_text(rows, row, first + 9);
    struct order order = {
        .id = pg_rows_get_int8(rows, row, first),
        .product_id = pg_rows_get_int8(rows, row, first + 1),
        .quantity = pg_rows_get_int8(rows, row, first + 2),
        .unit_price_cents = pg_rows_get_int8(rows, row, first + 3),
        .total_price_cents = pg_rows_get_int8(rows, row, first + 4),
        .created_ms = pg_rows_get_time(rows, row, first + 7),
        .updated_ms = pg_rows_get_time(rows, row, first + 8),
    };
    bool sound = contract_status_parse(pg_rows_get_text(rows, row, first + 5), &order.status) &&
                 contract_reason_parse(pg_rows_get_text(rows, row, first + 6), &order.reason) &&
                 request_id.len < sizeof(order.request_id) &&
                 clock_is_printable(order.created_ms) && clock_is_printable(order.updated_ms);
    if (!sound) {
        log_error("unusable row in the order database", LOG_INT("orderId", order.id));
        return ERR_INTERNAL;
    }
    *ret_order = order;
    memcpy(ret_order->request_id, request_id.data, request_id.len);
    return ERR_OK;
}

void order_encode(const struct order *order, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "id", order->id);
    json_write_int(&writer, "productId", order->product_id);
    json_write_int(&writer, "quantity", order->quantity);
    json_write_decimal(&writer, "unitPrice", order->unit_price_cents, PRICE_DECIMALS,
                       PRICE_DECIMALS);
    json_write_decimal(&writer, "totalPrice", order->total_price_cents, PRICE_DECIMALS,
                       PRICE_DECIMALS);
    json_write_str(&writer, "status", contract_status_name(order->status));
    json_write_str(&writer, "reason", contract_reason_name(order->reason));
    json_write_time(&writer, "createdAt", order->created_ms);
    json_write_time(&writer, "updatedAt", order->updated_ms);
    json_write_str(&writer, "requestId", order->request_id);
    json_write_end_object(&writer);
}

struct teller_event order_created_event(struct arena *arena, const struct order *order,
                                        struct trace trace) {
    struct order_created created = {
        .order_id = order->id,
        .product_id = order->product_id,
        .quantity = order->quantity,
        .created_ms = order->created_ms,
        .trace = trace,
    };
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf body;
    buf_init(&body, 0);
    contract_write_order_created(&created, id, &body);
    struct teller_event event = { .id = order->id,
                                  .routing_key = KEY_ORDER_CREATED,
                                  .trace = trace };
    teller_event_finish(&event, arena, id, &body);
    return event;
}

void order_drop_lists(struct cache *cache, const int64_t *product_ids, size_t count,
                      cache_done_fn *fn, void *ctx) {
    char names[CACHE_KEYS_MAX][CACHE_NAME_BYTES];
    const char *keys[CACHE_KEYS_MAX];
    int64_t distinct[CACHE_KEYS_MAX];
    size_t key_count = 0;
    assert(count <= CACHE_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < key_count && distinct[k] != product_ids[i]) {
            k++;
        }
        if (k == key_count) {
            distinct[k] = product_ids[i];
            contract_orders_key(product_ids[i], names[k]);
            keys[k] = names[k];
            key_count++;
        }
    }
    if (key_count == 0) {
        fn(ctx, ERR_OK);
        return;
    }
    cache_invalidate(cache, keys, key_count, fn, ctx);
}
