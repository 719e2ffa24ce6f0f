#include "order.h"

#include "common/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void order_from_row(const struct pg_rows *rows, size_t row, int first, struct order *ret_order) {
    struct str request_id = pg_get_text(rows, row, first + 9);
    bool known = order_status_parse(pg_get_text(rows, row, first + 5), &ret_order->status) &&
                 order_reason_parse(pg_get_text(rows, row, first + 6), &ret_order->reason);
    assert(known && request_id.length < sizeof(ret_order->request_id));
    (void)known;
    ret_order->id = pg_get_int8(rows, row, first);
    ret_order->product_id = pg_get_int8(rows, row, first + 1);
    ret_order->quantity = pg_get_int8(rows, row, first + 2);
    ret_order->unit_price_cents = pg_get_int8(rows, row, first + 3);
    ret_order->total_price_cents = pg_get_int8(rows, row, first + 4);
    ret_order->created_ms = pg_get_time(rows, row, first + 7);
    ret_order->updated_ms = pg_get_time(rows, row, first + 8);
    memcpy(ret_order->request_id, request_id.bytes, request_id.length);
    ret_order->request_id[request_id.length] = '\0';
}

void order_encode(const struct order *order, struct buf *out) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_begin_object(&writer, NULL);
    json_write_int(&writer, "id", order->id);
    json_write_int(&writer, "productId", order->product_id);
    json_write_int(&writer, "quantity", order->quantity);
    json_write_decimal(&writer, "unitPrice", order->unit_price_cents, PRICE_DECIMALS,
                       PRICE_DECIMALS);
    json_write_decimal(&writer, "totalPrice", order->total_price_cents, PRICE_DECIMALS,
                       PRICE_DECIMALS);
    json_write_str(&writer, "status", order_status_name(order->status));
    json_write_str(&writer, "reason", order_reason_name(order->reason));
    json_write_time(&writer, "createdAt", order->created_ms);
    json_write_time(&writer, "updatedAt", order->updated_ms);
    json_write_str(&writer, "requestId", order->request_id);
    json_end_object(&writer);
}
