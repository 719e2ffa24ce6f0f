/*
 * The ledger's row of an order: whether it has taken stock, and what became of that. An order is
 * (order id, createdAt); rows of versions before have no createdAt, and are told apart by the
 * request id.
 */
#ifndef PRODUCT_LEDGER_H
#define PRODUCT_LEDGER_H

#include "base/err.h"
#include "contract/contract.h"
#include "runtime/messages/teller.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_row {
    int64_t order_id;
    int64_t created_ms; /* of the order */
    bool has_created;
    int64_t product_id;
    int64_t quantity;
    enum order_status status; /* ORDER_CANCELLED: also when its stock is back */
    enum order_reason reason;
    int64_t decided_ms;
    struct str request_id; /* the rows' */
};

/*
 * A row of SQL_LEDGER_FIND. ERR_INTERNAL, logged: it holds what this program would not have
 * written.
 */
MUST_CHECK enum err ledger_read(const struct pg_rows *rows, size_t row, struct ledger_row *ret_row);

enum { LEDGER_CLOCKS_MS = 60000 }; /* by which the clocks of the two services may differ */
/* Of a row that does not know when its order was made: that may be then. */
bool ledger_may_be_of(const struct ledger_row *row, int64_t created_ms);

/* It is this order's, and not that of another one with its id, from before a restore. */
bool ledger_is_of(const struct ledger_row *row, int64_t order_id, int64_t created_ms,
                  const char *request_id);

/* What the order-service is told of an order, in `arena`; the trace must stay. */
struct teller_event ledger_answer(struct arena *arena, const struct order_updated *updated);

#endif
