#include "status.h"

#include <assert.h>

static const char *const STATUS_NAMES[ORDER_STATUSES] = {
    [ORDER_WAITING] = "waiting",
    [ORDER_DONE] = "done",
    [ORDER_REJECTED] = "rejected",
};

static const char *const REASON_NAMES[ORDER_REASONS] = {
    [REASON_NONE] = NULL,
    [REASON_OUT_OF_STOCK] = "out_of_stock",
    [REASON_PRODUCT_NOT_FOUND] = "product_not_found",
};

const char *order_status_name(enum order_status status) {
    assert(status < ORDER_STATUSES);
    return STATUS_NAMES[status];
}

const char *order_reason_name(enum order_reason reason) {
    assert(reason < ORDER_REASONS);
    return REASON_NAMES[reason];
}

bool order_status_parse(struct str name, enum order_status *ret_status) {
    for (int i = 0; i < ORDER_STATUSES; i++) {
        if (name.data != NULL && str_equal(name, str_of(STATUS_NAMES[i]))) {
            *ret_status = (enum order_status)i;
            return true;
        }
    }
    return false;
}

bool order_reason_parse(struct str name, enum order_reason *ret_reason) {
    for (int i = 0; i < ORDER_REASONS; i++) {
        struct str reason = str_of(REASON_NAMES[i]);
        if ((name.data == NULL) == (reason.data == NULL) && str_equal(name, reason)) {
            *ret_reason = (enum order_reason)i;
            return true;
        }
    }
    return false;
}
