/* Orders by id: one SELECT for everyone who asks in a tick. Loop thread only. */
#ifndef ORDER_ORDER_READ_H
#define ORDER_ORDER_READ_H

#include "base/err.h"
#include "order.h"
#include "runtime/flow/flow.h"

#include <stdint.h>

/*
 * The flow wakes when the order is in *ret_order, which is the flow's own memory; or with
 * ERR_NOT_FOUND, or why it could not be read. ERR_BUSY.
 */
MUST_CHECK enum err order_read(struct flow_wait wait, int64_t id, struct order *ret_order);

#endif
