/* The states of an order. They only move forward: waiting → done, or waiting → rejected. */
#ifndef CONTRACT_STATUS_H
#define CONTRACT_STATUS_H

#include "base/str.h"

#include <stdbool.h>

enum order_status { ORDER_WAITING, ORDER_DONE, ORDER_REJECTED, ORDER_STATUSES };

/* Why an order was rejected; REASON_NONE for any other. */
enum order_reason { REASON_NONE, REASON_OUT_OF_STOCK, REASON_PRODUCT_NOT_FOUND, ORDER_REASONS };

const char *order_status_name(enum order_status status);
const char *order_reason_name(enum order_reason reason); /* NULL for REASON_NONE */
/* False when `name` is none of them. An absent reason (.bytes NULL) is REASON_NONE. */
bool order_status_parse(struct str name, enum order_status *ret_status);
bool order_reason_parse(struct str name, enum order_reason *ret_reason);

#endif
