/* Reading rows of the ledger. */
#include "ledger.h"

#include "runtime/telemetry/log.h"

#define RETURNED "returned"

enum err ledger_read(const struct pg_rows *rows, size_t row, struct ledger_row *ret_row) {
    struct str status = pg_rows_get_text(rows, row, 1);
    struct ledger_row read = {
        .order_id = pg_rows_get_int8(rows, row, 0),
        .decided_ms = pg_rows_get_time(rows, row, 3),
        .product_id = pg_rows_get_int8(rows, row, 4),
        .quantity = pg_rows_get_int8(rows, row, 5),
        .request_id = pg_rows_get_text(rows, row, 6),
        .has_created = !pg_rows_is_null(rows, row, 7),
    };
    if (read.has_created) {
        read.created_ms = pg_rows_get_time(rows, row, 7);
    }
    bool is_returned = str_equal(status, STR(RETURNED));
    read.status = ORDER_CANCELLED;
    if ((!is_returned && !contract_status_parse(status, &read.status)) ||
        !contract_reason_parse(pg_rows_get_text(rows, row, 2), &read.reason)) {
        log_error("unusable row in the ledger", LOG_INT("orderId", read.order_id));
        return ERR_INTERNAL;
    }
    *ret_row = read;
    return ERR_OK;
}

/* An order is decided after it was made. */
bool ledger_may_be_of(const struct ledger_row *row, int64_t created_ms) {
    return row->decided_ms + LEDGER_CLOCKS_MS >= created_ms;
}

bool ledger_is_of(const struct ledger_row *row, int64_t order_id, int64_t created_ms,
                  const char *request_id) {
    if (row->order_id != order_id) {
        return false;
    }
    return row->has_created ? row->created_ms == created_ms
                            : str_equal(row->request_id, str_of(request_id)) &&
                                  ledger_may_be_of(row, created_ms);
}

struct teller_event ledger_answer(struct arena *arena, const struct order_updated *updated) {
    struct teller_event event = { .routing_key = KEY_ORDER_UPDATED, .trace = updated->trace };
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf body;
    buf_init(&body, 0);
    contract_write_order_updated(updated, id, &body);
    teller_event_finish(&event, arena, id, &body);
    return event;
}
