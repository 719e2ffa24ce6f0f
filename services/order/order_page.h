/*
 * A page of a list of orders: rows as a JSON array, and whether there is a next one. Loop thread
 * only.
 */
#ifndef ORDER_ORDER_PAGE_H
#define ORDER_ORDER_PAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "order.h"
#include "runtime/flow/flow.h"
#include "runtime/http/http.h"

#include <stdbool.h>
#include <stddef.h>

struct order_page {
    struct str json;
    bool has_more;
    struct http_cursor last; /* createdAt and id of the last order shown */
};

/*
 * Rows [first, end), ORDER_COLUMNS, as a page of at most `limit`, which points into `out`; one row
 * more than that means that there is a next page. ERR_INTERNAL: a row cannot be read.
 * ERR_NO_MEMORY.
 */
MUST_CHECK enum err order_page_encode(const struct pg_rows *rows, size_t first, size_t end,
                                      size_t limit, struct buf *out, struct order_page *ret_page);

/* A copy in the arena of the flow's exchange. ERR_NO_MEMORY. */
MUST_CHECK enum err order_page_copy(struct flow *flow, const struct order_page *page,
                                    struct order_page *ret_page);

#endif
