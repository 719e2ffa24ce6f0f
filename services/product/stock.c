/* By order, to find copies; then in arrival order. */
#include "stock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare_level(const void *key, const void *item) {
    int64_t product_id = *(const int64_t *)key;
    int64_t other = ((const struct stock_level *)item)->product_id;
    return (product_id > other) - (product_id < other);
}

struct stock_level *stock_find_level(struct stock_level *levels, size_t count, int64_t product_id) {
    return count == 0 ? NULL : bsearch(&product_id, levels, count, sizeof(*levels), compare_level);
}

static int compare_identity(const struct stock_order *left, const struct stock_order *right) {
    if (left->order_id != right->order_id) {
        return left->order_id < right->order_id ? -1 : 1;
    }
    return (left->created_ms > right->created_ms) - (left->created_ms < right->created_ms);
}

/* By order, then by arrival: qsort() keeps no order among equals, so addresses decide. */
static int compare_order(const void *a, const void *b) {
    const struct stock_order *left = *(struct stock_order *const *)a;
    const struct stock_order *right = *(struct stock_order *const *)b;
    int result = compare_identity(left, right);
    return result != 0 ? result : (left > right) - (left < right);
}

static void decide_one(struct stock_level *levels, size_t level_count, struct stock_order *order) {
    struct stock_level *level = stock_find_level(levels, level_count, order->product_id);
    assert(order->quantity > 0);
    if (level == NULL) {
        order->status = ORDER_REJECTED;
        order->reason = REASON_PRODUCT_NOT_FOUND;
    } else if (level->qty < order->quantity) {
        order->status = ORDER_REJECTED;
        order->reason = REASON_OUT_OF_STOCK;
    } else {
        level->qty -= order->quantity;
        level->taken += order->quantity;
        order->status = ORDER_DONE;
        order->reason = REASON_NONE;
    }
}

/* An order counts once: all its copies but one are known, and get that one's outcome. */
static void mark_copies(struct stock_order **sorted, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (compare_identity(sorted[i], sorted[i - 1]) == 0) {
            sorted[i]->known = true;
        }
    }
}

static void spread_outcomes(struct stock_order **sorted, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (compare_identity(sorted[i], sorted[i - 1]) == 0) {
            sorted[i]->status = sorted[i - 1]->status;
            sorted[i]->reason = sorted[i - 1]->reason;
        }
    }
}

void stock_decide(struct stock_level *levels, size_t level_count, struct stock_order **orders,
                  size_t order_count, struct stock_order **scratch) {
    memcpy(scratch, orders, order_count * sizeof(struct stock_order *));
    qsort(scratch, order_count, sizeof(struct stock_order *), compare_order);
    mark_copies(scratch, order_count);
    for (size_t i = 0; i < order_count; i++) {
        if (!orders[i]->known) {
            decide_one(levels, level_count, orders[i]);
        }
    }
    spread_outcomes(scratch, order_count);
}
