/*
 * An order's row is its outbox: while it waits, somebody must still be told (telling.c).
 */
#ifndef ORDER_TELLING_H
#define ORDER_TELLING_H

#include "order.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Tell of orders that have just been stored. Copies. What cannot be told now is told later, from
 * its row.
 */
void telling_tell(const struct teller_event *events, size_t count);

/* Tell of these waiting orders later, from their rows: there was no memory for an event. */
void telling_later(int64_t from_id, int64_t to_id);

#endif
