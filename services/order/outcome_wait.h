/*
 * Requests that wait until their order is decided, for a while (Prefer: wait, RFC 7240 §4.3). Loop
 * thread only.
 */
#ifndef ORDER_OUTCOME_WAIT_H
#define ORDER_OUTCOME_WAIT_H

#include "runtime/flow/flow.h"
#include "runtime/http/http.h"
#include "runtime/pg/pg.h"

#include <stdint.h>

enum {
    OUTCOME_WAIT_S_MAX = 10,
    OUTCOME_WAITS_MAX = 1024, /* at once, and no more than a quarter of REQUESTS_MAX */
};

/*
 * Wake the flow when the order does not wait any more, or after so long: with ERR_OK either way.
 * The flow's deadline moves on with it. There must be room (asserted).
 */
void outcome_wait(struct flow_wait wait, int64_t order_id, uint64_t ms);
/*
 * For how many milliseconds this request may still wait: Prefer: wait=N, counted from its
 * beginning. 0: it did not ask for it, they are over, or too many wait; else *ret_wait_s is N.
 */
uint64_t outcome_wait_ms(const struct http_exchange *exchange, unsigned *ret_wait_s);

/* The orders with the ids in column 0 have their outcome. */
void outcome_wait_end(const struct pg_rows *rows);

#endif
