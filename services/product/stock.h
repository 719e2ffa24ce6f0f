/*
 * The decision: which orders of a batch get their stock. Pure: no I/O, no allocation.
 *
 * In arrival order, an order is done if its product exists and has enough left, else rejected with
 * the reason. An order that the ledger knows keeps its outcome and takes nothing; so does the
 * second copy of an order within the batch.
 */
#ifndef PRODUCT_STOCK_H
#define PRODUCT_STOCK_H

#include "contract/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stock_level {
    int64_t product_id;
    int64_t qty;   /* before; reduced by stock_decide() */
    int64_t taken; /* by this batch */
};

struct stock_order {
    int64_t order_id;
    int64_t created_ms; /* with its id, what an order is */
    int64_t product_id;
    int64_t quantity;
    bool known; /* in the ledger, or an earlier copy in this batch: `status` and `reason` stand */
    enum order_status status;
    enum order_reason reason;
};

/*
 * `levels`: sorted by product_id, one per existing product. `orders`: in arrival order; those found
 * in the ledger are marked known by the caller, copies within the batch are marked here. All of one
 * array, so that a lower address is an earlier arrival. O(n log n).
 * `scratch` has room for `order_count` pointers.
 */
void stock_decide(struct stock_level *levels, size_t level_count, struct stock_order **orders,
                  size_t order_count, struct stock_order **scratch);

/* The level of a product, NULL when it does not exist. */
struct stock_level *stock_find_level(struct stock_level *levels, size_t count, int64_t product_id);

#endif
