#include "order.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "runtime/telemetry/log.h"

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
