/*
 * The orders of a product, newest first, a page at a time.
 *
 * The first page of the default length is kept in order-redis under orders:product:{id}, as the
 * JSON array that is shown; a line feed behind the array says that there is a next page. Every
 * writer drops it before it answers (order_store.c, order_updated.c). Readers of one tick share one
 * MGET and one query; a reader never joins a query that was sent before it came, so it sees what
 * was answered before it asked.
 */
#ifndef ORDER_ORDER_PAGES_H
#define ORDER_ORDER_PAGES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "runtime/flow/flow.h"
#include "runtime/http/http.h"

#include <stdbool.h>
#include <stdint.h>

struct order_page {
    struct str json; /* in the arena given */
    bool has_more;
    struct http_cursor last; /* position of the last order shown, when has_more */
};

/*
 * Wake the flow with *ret_page (written, and `arena` used, only while it still waits). `after`
 * NULL: from the newest. ERR_BUSY when too many wait.
 */
MUST_CHECK enum err order_pages_read(struct flow_wait wait, struct arena *arena, int64_t product_id,
                                     int64_t limit, const struct http_cursor *after,
                                     struct order_page *ret_page);

#endif
