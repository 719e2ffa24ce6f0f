/* An order, and its shapes: database row, public JSON, event; and the cached lists that show it. */
#ifndef ORDER_ORDER_H
#define ORDER_ORDER_H

#include "base/buf.h"
#include "base/trace.h"
#include "contract/contract.h"
#include "runtime/cache/cache.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

#include <stddef.h>
#include <stdint.h>

struct order {
    int64_t id;
    int64_t product_id;
    int64_t quantity;
    int64_t unit_price_cents;
    int64_t total_price_cents; /* unit price × quantity, exact */
    enum order_status status;
    enum order_reason reason;
    int64_t created_ms;
    int64_t updated_ms;
    char request_id[TRACE_REQUEST_ID_BYTES_MAX + 1];
};

enum { ORDER_COLUMN_COUNT = 10 };

/*
 * The columns ORDER_COLUMNS of a row, from column `first` on. ERR_INTERNAL (logged with the id):
 * the row holds what this program would not have written.
 */
MUST_CHECK enum err order_from_row(const struct pg_rows *rows, size_t row, int first,
                                   struct order *ret_order);
/*
 * {id, productId, quantity, unitPrice, totalPrice, status, reason, createdAt, updatedAt, requestId}
 */
void order_encode(const struct order *order, struct buf *out);

/*
 * Its order.created, to be told; its id is the order's. Message id and body
 * are in `arena`, `trace` must stay.
 */
struct teller_event order_created_event(struct arena *arena, const struct order *order,
                                        struct trace trace);

/*
 * Drop the cached lists of these products (at most CACHE_KEYS_MAX; repetitions are harmless), then
 * call `fn`. Redis may be down: readers go to the database then, and the cache is emptied when it
 * is back. So there is no error.
 */
void order_drop_lists(struct cache *cache, const int64_t *product_ids, size_t count,
                      cache_done_fn *fn, void *ctx);

#endif
