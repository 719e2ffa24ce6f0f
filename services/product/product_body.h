/* The members of a product in a request body, checked one by one; problems go to the flow. */
#ifndef PRODUCT_PRODUCT_BODY_H
#define PRODUCT_PRODUCT_BODY_H

#include "base/err.h"
#include "base/str.h"
#include "runtime/flow/flow.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;

/*
 * Each returns true and sets its output when the member is there and right. A missing one is a
 * problem if `required`.
 */
bool body_read_name(struct flow *flow, struct json_object *body, bool required,
                    struct str *ret_name);
bool body_read_price(struct flow *flow, struct json_object *body, bool required,
                     int64_t *ret_cents);
bool body_read_qty(struct flow *flow, struct json_object *body, int64_t *ret_qty);
/* quantity of a restock: 1 to ORDER_QUANTITY_MAX, as of an order */
bool body_read_quantity(struct flow *flow, struct json_object *body, int64_t *ret_quantity);

#endif
